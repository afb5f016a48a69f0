"""The bootstrap over test examples: what a gain would be on other examples of the same kind.

Every resample draws as many examples of a language as there are, with replacement, and the same ones for every strategy
and seed. The seeds are not resampled: the gain of a resample is the mean over all seeds that both sides have. So the
interval is about the examples alone, as the t-test is about the seeds alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from alignfreeze_cli.deviations import NOTHING
from alignfreeze_cli.errors import ArtifactError
from alignfreeze_cli.progress import Console
from alignfreeze_cli.tasks.base import Task
from alignfreeze_cli.tasks.registry import TASKS


@dataclass
class Resampled:
    """Bootstrap samples of gains in points, and why there are none in some languages."""

    gains: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)  # strategy → language → (resamples,)
    missing: dict[str, list[str]] = field(default_factory=dict)  # reason → languages


def percentile_interval(samples: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """The interval that leaves out the same share of the bootstrap samples, (resamples,), on both sides."""
    low, high = np.quantile(samples, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def bootstrap_p(samples: np.ndarray) -> float:
    """Two-sided p of "no difference", from bootstrap samples of a difference, (resamples,).

    Twice the smaller share of samples on one side of zero (zero itself is on both), one added to both counts so that
    p is never 0 (Davison and Hinkley 1997, section 4.2).
    """
    below, above = np.count_nonzero(samples <= NOTHING), np.count_nonzero(samples >= -NOTHING)
    return min(1.0, 2 * (min(below, above) + 1) / (len(samples) + 1))


def resampled_sums(tallies: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Sums of tallies over samples of as many examples, drawn with replacement.

    `tallies`: (examples, columns); gives (resamples, columns).
    Every column sees the same draws. They depend on the seed and the number of examples alone, so test sets that are
    translations of each other, example by example, are resampled alike.
    """
    examples, columns = tallies.shape
    draw = np.random.default_rng([seed, examples])
    sums = np.empty((resamples, columns))
    weights = tallies.astype(float)
    chunk = max(1, 2_000_000 // max(1, examples))  # draws at a time: some 16 MB of counts
    for begin in range(0, resamples, chunk):
        rows = min(chunk, resamples - begin)
        drawn = draw.integers(examples, size=(rows, examples))
        drawn += np.arange(rows)[:, None] * examples
        counts = np.bincount(drawn.ravel(), minlength=rows * examples).reshape(rows, examples)
        sums[begin : begin + rows] = counts @ weights
    return sums


def resample(
    scores: pd.DataFrame, baseline: str, resamples: int, seed: int, console: Console | None = None
) -> Resampled:
    """Resample the scores of one table, from the predictions in their folders; nothing where there are no folders.

    Raises ArtifactError for predictions that can't be read or do not give their scores.
    """
    found = Resampled()
    if baseline not in set(scores["strategy"]) or not resamples or scores["folder"].isna().all():
        return found
    by_language = scores.groupby("language", sort=False)
    title = f"resampling {scores['model'].iloc[0]}, {scores['task'].iloc[0]}"
    with (console or Console()).progress(title, len(by_language), "languages") as progress:
        for language, rows in by_language:
            _resample_language(found, rows, language, baseline, resamples, seed)
            progress.advance(note=language)
    return found


def _resample_language(
    found: Resampled, scores: pd.DataFrame, language: str, baseline: str, resamples: int, seed: int
) -> None:
    """Adds the samples of one language. `scores` has one row per run."""
    own = set(scores["seed"][scores["strategy"] == baseline])
    others = scores[(scores["strategy"] != baseline) & scores["seed"].isin(own)]
    paired = {name: sorted(group["seed"]) for name, group in others.groupby("strategy", sort=False)}
    if not paired:
        return
    runs = scores[scores["seed"].isin(others["seed"]) & scores["strategy"].isin([baseline, *paired])]
    obstacle = _obstacle(runs, language)
    if obstacle is None:
        task = TASKS[runs["task"].iloc[0]]
        tallies = [_tallies(task, run, language) for run in runs.itertuples()]
        if len({each.shape for each in tallies}) > 1:
            several = len({len(each) for each in tallies}) > 1
            obstacle = f"the runs have different numbers of {'examples' if several else 'labels'}"
    if obstacle is not None:
        found.missing.setdefault(obstacle, []).append(language)
        return
    sums = resampled_sums(np.concatenate(tallies, axis=1), resamples, seed)  # (resamples, runs * k)
    metric = 100 * task.metrics(sums.reshape(resamples, len(runs), -1))[task.metric]  # (resamples, runs)
    column = {(run.strategy, run.seed): metric[:, n] for n, run in enumerate(runs.itertuples())}
    for name, seeds in paired.items():
        differences = [column[name, each] - column[baseline, each] for each in seeds]
        found.gains.setdefault(name, {})[language] = np.mean(differences, axis=0)


def _obstacle(runs: pd.DataFrame, language: str) -> str | None:
    """Why the examples of these runs can't be paired."""
    if runs["task"].iloc[0] not in TASKS:
        return f"this version does not know the task {runs['task'].iloc[0]!r}"
    task, metric = TASKS[runs["task"].iloc[0]], runs["metric"].iloc[0]
    if metric != task.metric:
        return f"the runs were scored by {metric}, where this version scores {task.name} by {task.metric}"
    if runs["data"].nunique(dropna=False) > 1:
        return "the runs were scored on different data"
    if runs["scoring"].map(lambda options: str(sorted(options.items()))).nunique() > 1:
        return "the runs were scored with different options"
    if not all(_predictions(folder, language).is_file() for folder in runs["folder"]):
        return "not all runs have predictions"
    return None


def _predictions(folder: Path, language: str) -> Path:
    return folder / "predictions" / f"{language}.parquet"


def _tallies(task: Task, run: Any, language: str) -> np.ndarray:
    """The tallies of one run's predictions, (examples, k), which must give the score that was recorded for them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = _predictions(run.folder, language)
    try:
        tallies = task.tallies(pq.read_table(path).to_pydict())
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError) as error:
        raise ArtifactError(f"is no table of {task.name} predictions ({error}); evaluate again", path) from error
    total, recorded = 100 * float(task.metrics(tallies.sum(axis=0))[task.metric]), 100 * run.value
    if abs(total - recorded) > NOTHING:
        raise ArtifactError(f"gives {total:.4f} where scores.json has {recorded:.4f}; evaluate again", path)
    return tallies
