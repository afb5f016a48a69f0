"""Reports to draw: the published runs, a small made-up world with controls, and the odd cases.

The statistics here are short on purpose; `alignfreeze_cli.report.comparison` has the real ones.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from scipy import stats

from alignfreeze_cli.published import distances, rows
from alignfreeze_cli.report.comparison import Comparison, Correlation, Gain, Report, Section
from alignfreeze_cli.report.score_table import groups, score_table
from alignfreeze_cli.report.scores import COLUMNS

HEADLINE = (
    "front has the largest mean gain over baseline: +0.79 ± 0.25 points (p = 0.002 over seeds); "
    "languages: 12 improved, none degraded."
)


def score_rows(
    model: str,
    strategy: str,
    seed: int,
    control: bool,
    task: str,
    metric: str,
    source: str,
    values: Mapping[str, float],
) -> list[dict[str, Any]]:
    """One run's rows in a frame of scores; `values` are fractions by language."""
    run = {"model": model, "strategy": strategy, "seed": seed, "control": control}
    what = {"task": task, "metric": metric, "source": source, "scoring": {}, "others": {}}
    return [{**run, **what, "language": language, "value": value} for language, value in values.items()]


def published_report(
    model: str = "xlm-roberta-base", tasks: Sequence[str] = ("pos", "qa"), languages: int = 34
) -> Report:
    """Sections from the authors' published runs with the dictionary aligner."""
    metrics = {"pos": "accuracy", "ner": "f1", "nli": "accuracy", "qa": "f1"}
    scores = [
        score
        for row in rows()
        if row["model"] == model and row["task"] in tasks and row["aligner"] in (None, "dictionary")
        for score in score_rows(
            model,
            row["strategy"],
            row["seed"],
            False,
            row["task"],
            metrics[row["task"]],
            "en",
            {"en": row["source_score"], **dict(list(row["scores"].items())[:languages])},
        )
    ]
    near = {code: each["syntactic"] for code, each in distances().items() if each and each["syntactic"] is not None}
    return report(scores, near, title="Published runs")


def small_report(
    tasks: Sequence[str] = ("pos", "ner", "nli", "qa"), seeds: int = 3, model: str = "world/encoder", **names: str
) -> Report:
    """Eight languages, three strategies and two controls. `names` gives strategies other names."""
    drawn = random.Random(0)
    targets = ["qbe", "qci", "qdo", "qek", "qfo", "qgo", "qhi", "qis"]
    strategies = {"baseline": 0.0, "full": 0.1, "front": 0.04, "back": 0.08, "shuffled-links": 0.0, "true-links": 0.14}
    scores = []
    for task, level in zip(tasks, (0.75, 0.4, 0.5, 0.3), strict=False):
        for strategy, gain in strategies.items():
            for seed in range(seeds):
                values = {"qav": min(1.0, level + 0.24 + drawn.gauss(0, 0.003))}
                for place, target in enumerate(targets):
                    values[target] = level - 0.03 * place + gain * place / 4 + drawn.gauss(0, 0.02)
                control = strategy.endswith("links")
                metric = "accuracy" if task in ("pos", "nli") else "f1"
                name = names.get(strategy, strategy)
                scores += score_rows(model, name, seed, control, task, metric, "qav", values)
    near = {target: 0.1 * (place + 1) for place, target in enumerate(targets)}
    return report(scores, near, baseline=names.get("baseline", "baseline"), interval=True)


def report(
    scores: Sequence[dict[str, Any]],
    near: dict[str, float],
    title: str = "Report",
    baseline: str = "baseline",
    interval: bool = False,
) -> Report:
    sections = tuple(
        _section(group, near, baseline, interval) for group in groups(pd.DataFrame(scores, columns=COLUMNS))
    )
    method = ("Gains are differences of runs of one seed.", "p: two-sided paired t-test, corrected by Holm.")
    return Report(title, sections, method, ("Seed 7 is missing.",))


def _section(scores: pd.DataFrame, near: dict[str, float], baseline: str, interval: bool) -> Section:
    table = score_table(scores)
    runs: dict[tuple[str, int], dict[str, float]] = {}
    for row in scores.itertuples():
        runs.setdefault((row.strategy, row.seed), {})[row.language] = row.value
    targets = [column for column in table.columns if column != table.source][:-1]
    known = {target: near[target] for target in targets if target in near}
    ordered = sorted(known, key=lambda target: (known[target], target))
    close, distant = tuple(ordered[: len(ordered) // 2]), tuple(ordered[len(ordered) // 2 :])
    comparisons = []
    for row in table.rows:
        if row.strategy == baseline:
            continue
        seeds = [seed for strategy, seed in runs if strategy == row.strategy and (baseline, seed) in runs]

        def gain(languages: Sequence[str], strategy: str = row.strategy, seeds: list[int] = seeds) -> Gain:
            def mean(name: str, seed: int) -> float:
                return 100 * statistics.fmean(runs[name, seed][language] for language in languages)

            ours, base = [mean(strategy, seed) for seed in seeds], [mean(baseline, seed) for seed in seeds]
            return _gain(ours, base, len(targets), interval)

        gains = {target: gain([target]) for target in targets}
        correlation = None
        if len(known) > 2:
            found = stats.spearmanr([known[target] for target in known], [gains[target].mean for target in known])
            correlation = Correlation(float(found.statistic), float(found.pvalue), len(known))
        comparisons.append(
            Comparison(
                row.strategy,
                row.control,
                gains,
                gain(targets),
                gain(close) if close else None,
                gain(distant) if distant else None,
                correlation,
            )
        )
    return Section(table, baseline, tuple(comparisons), known, close, distant, scores)


def _gain(ours: Sequence[float], base: Sequence[float], corrected: int, interval: bool) -> Gain:
    differences = [a - b for a, b in zip(ours, base, strict=True)]
    mean = statistics.fmean(differences)
    bounds = (mean - 1.3, mean + 1.2) if interval else None
    interval_p = min(1.0, 2 * math.exp(-abs(mean))) if interval else None
    interval_corrected = min(1.0, interval_p * corrected) if interval_p is not None else None
    if len(differences) < 2:
        return Gain(mean, None, 1, None, None, None, bounds, interval_p, interval_corrected, 0)
    p = float(stats.ttest_rel(ours, base).pvalue)
    bar = statistics.pstdev(ours) + statistics.pstdev(base)
    beyond = 0 if abs(mean) <= bar else 1 if mean > 0 else -1
    deviation = statistics.stdev(differences)
    low, high = stats.ttest_rel(ours, base).confidence_interval(0.95)
    return Gain(
        mean,
        deviation,
        len(differences),
        p,
        min(1.0, p * corrected),
        (float(low), float(high)),
        bounds,
        interval_p,
        interval_corrected,
        beyond,
    )
