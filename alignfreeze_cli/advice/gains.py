"""What realignment gained so far: one value per task, model, strategy and language, from published runs and from ours.

A gain is a strategy's score minus the baseline's of the same seed, in percentage points. A *cell* holds the gains of
one task, model, source language and strategy, one for each target language.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from alignfreeze_cli.artifacts.run_folder import BASELINE
from alignfreeze_cli.errors import DataError
from alignfreeze_cli.published import bare_id, rows

STRATEGIES = ("full", "front", "back")
"""The published strategies that all models and tasks have."""


class Cell(NamedTuple):
    """What gains are averaged in, over languages. `model` is a Hub id without its usual namespace, or a path."""

    task: str
    model: str
    strategy: str
    source: str = "en"


@dataclass(frozen=True)
class Gain:
    """The gain in one language. `baseline` is the baseline's mean score in percent over the same seeds."""

    cell: Cell
    language: str
    by_seed: tuple[float, ...]
    baseline: float

    @property
    def mean(self) -> float:
        """The mean over the seeds."""
        return statistics.fmean(self.by_seed)

    @property
    def deviation(self) -> float | None:
        """The sample standard deviation over the seeds; None for one seed."""
        return statistics.stdev(self.by_seed) if len(self.by_seed) > 1 else None


Score = tuple[Cell, int, str, float]
"""A run's cell (the baseline's has its name for a strategy) and seed, the language, the score in percent."""


def published_gains(strategies: Sequence[str] = STRATEGIES, aligner: str = "dictionary") -> list[Gain]:
    """The published gains, 819 of the dictionary aligner: languages of a cell in the order of the results."""
    scores: list[Score] = [
        (Cell(run["task"], run["model"], run["strategy"]), run["seed"], language, 100 * value)
        for run in rows()
        if run["strategy"] == BASELINE or (run["strategy"] in strategies and run["aligner"] == aligner)
        for language, value in run["scores"].items()
    ]
    return _over_baseline(scores)


def gains_of_runs(folders: Iterable[str | Path]) -> list[Gain]:
    """The gains in run folders, over the seeds that a strategy and the baseline both have; controls are left out.

    Raises SettingsError, DataError and ArtifactError for folders that can't be read, as `report` does, and DataError
    for runs of a task that were scored by another metric than the task's: their gains can't be put beside others.
    """
    from alignfreeze_cli.report.scores import collect  # needs pandas, which takes longer than everything else here
    from alignfreeze_cli.tasks.registry import TASKS

    found = collect(folders).scores
    found = found[~found["control"]]
    metrics = {name: task.metric for name, task in TASKS.items()}
    for run in found.itertuples():
        if (usual := metrics.setdefault(run.task, run.metric)) != run.metric:
            raise DataError(f"holds scores of {run.task} by {run.metric}, not by {usual}; evaluate again", run.folder)
    return _over_baseline(
        (Cell(run.task, bare_id(run.model), run.strategy, run.source), run.seed, run.language, 100 * run.value)
        for run in found.itertuples()
        if run.language != run.source
    )


def _over_baseline(scores: Iterable[Score]) -> list[Gain]:
    """Pair every score with the baseline's of the same task, model, source, language and seed."""
    values: dict[tuple[Cell, str], dict[int, float]] = defaultdict(dict)
    for cell, seed, language, value in scores:
        values[cell, language][seed] = value
    found = []
    for (cell, language), by_seed in values.items():
        baseline = values.get((cell._replace(strategy=BASELINE), language), {})
        seeds = sorted(by_seed.keys() & baseline.keys())
        if cell.strategy != BASELINE and seeds:
            differences = tuple(by_seed[seed] - baseline[seed] for seed in seeds)
            found.append(Gain(cell, language, differences, statistics.fmean(baseline[seed] for seed in seeds)))
    return found


def by_cell(gains: Iterable[Gain]) -> dict[Cell, dict[str, Gain]]:
    """Cell → language → gain, in the order of the gains."""
    found: dict[Cell, dict[str, Gain]] = defaultdict(dict)
    for gain in gains:
        found[gain.cell][gain.language] = gain
    return dict(found)


def means(gains: Mapping[str, Gain]) -> dict[str, float]:
    """Language → mean gain."""
    return {language: gain.mean for language, gain in gains.items()}
