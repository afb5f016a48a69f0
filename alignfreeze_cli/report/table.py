"""Scores of many runs as one table: strategies down, languages across, mean and standard deviation over seeds.

The deviation is the sample's (n - 1 in the denominator); the paper's tables divide by n. A mean over languages is taken
within each seed first, so its deviation is that of whole runs.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alignfreeze_cli.artifacts.files import read_json
from alignfreeze_cli.artifacts.run_folder import read_run
from alignfreeze_cli.errors import ArtifactError

MEAN = "mean of targets"


@dataclass(frozen=True)
class Score:
    """One run's scores on one task; `values` maps a language to a fraction of 1, in the order of evaluation.

    `data` maps a language to the digest of what it was scored on, `scoring` has the options of scoring, `folder` the
    scores: all empty where they are not known, as with published runs.
    """

    model: str
    strategy: str
    seed: int
    control: bool
    task: str
    metric: str
    source: str
    values: dict[str, float]
    data: Mapping[str, str] = field(default_factory=dict)
    scoring: Mapping[str, Any] = field(default_factory=dict)
    folder: Path | None = None

    @property
    def run(self) -> tuple[str, str, int, bool]:
        """What the score is of, but for the task."""
        return self.model, self.strategy, self.seed, self.control


@dataclass(frozen=True)
class Cell:
    """Mean over seeds in percent, sample standard deviation (None for a single seed), and how many seeds."""

    mean: float
    deviation: float | None
    seeds: int

    @property
    def population(self) -> float | None:
        """The standard deviation with n in the denominator, as the paper's tables have it."""
        return None if self.deviation is None else self.deviation * ((self.seeds - 1) / self.seeds) ** 0.5

    def __str__(self) -> str:
        return f"{self.mean:.1f}" if self.deviation is None else f"{self.mean:.1f} ± {self.deviation:.1f}"


@dataclass(frozen=True)
class Row:
    """One strategy; `cells` go with the table's columns, None where nothing was scored."""

    strategy: str
    control: bool
    seeds: int
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class Table:
    """The strategies of one model and task. `columns`: the source language, the targets, their mean."""

    model: str
    task: str
    metric: str
    source: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def seeds(self) -> int:
        return max((row.seeds for row in self.rows), default=0)

    @property
    def caption(self) -> str:
        seeds = self.seeds
        spread = f", mean ± sample standard deviation over {seeds} seeds" if seeds > 1 else ", one seed"
        trained = f"trained on {self.source}, zero-shot elsewhere"
        return f"{self.model}, {self.task}: {self.metric} in percent{spread}; {trained}"

    def narrow(self) -> Table:
        """Only the source language and the mean, for terminals."""
        kept = [n for n, column in enumerate(self.columns) if column in (self.source, MEAN)]
        rows = tuple(Row(row.strategy, row.control, row.seeds, tuple(row.cells[n] for n in kept)) for row in self.rows)
        columns = tuple(self.columns[n] for n in kept)
        return Table(self.model, self.task, self.metric, self.source, columns, rows)

    def described(self) -> dict[str, Any]:
        """As JSON: percent, unrounded."""
        rows = [
            {
                "strategy": row.strategy,
                "control": row.control,
                "seeds": row.seeds,
                "cells": {
                    column: {"mean": cell.mean, "deviation": cell.deviation, "seeds": cell.seeds}
                    for column, cell in zip(self.columns, row.cells, strict=True)
                    if cell is not None
                },
            }
            for row in self.rows
        ]
        return {"model": self.model, "task": self.task, "metric": self.metric, "source": self.source, "rows": rows}


def read_scores(folders: Iterable[Path]) -> list[Score]:
    """The scores of run folders, as far as they are there.

    Raises ArtifactError for a `run.json` or scores that can't be read.
    """
    found = []
    for folder in folders:
        run = read_run(folder)
        for task, name in run["tasks"].items():
            path = folder / name / "scores.json"
            if path.is_file():
                found.append(_score(run, task, path))
    return found


def _score(run: Mapping[str, Any], task: str, path: Path) -> Score:
    scores = read_json(path, "evaluate again")
    try:
        return Score(
            model=run["model"],
            strategy=run["strategy"],
            seed=run["seed"],
            control=run["control"],
            task=task,
            metric=scores["metric"],
            source=scores["source-language"],
            values={language: float(entry["value"]) for language, entry in scores["languages"].items()},
            data={code: each["data"]["digest"] for code, each in scores["languages"].items() if "data" in each},
            scoring=scores.get("scoring", {}),
            folder=path.parent,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(f"is no file of scores ({error!r}); evaluate again", path) from error


def tables(scores: Sequence[Score]) -> list[Table]:
    """One table per group, strategies in the order of their first score, controls last.

    Columns are the languages in the order of evaluation, the source language first.
    """
    return [_table(group[0].model, group[0].task, group) for group in groups(scores)]


def groups(scores: Sequence[Score]) -> list[list[Score]]:
    """The scores that may stand in one table: those of one model, task, metric and source language."""
    found: dict[tuple[str, ...], list[Score]] = {}
    for score in scores:
        found.setdefault((score.model, score.task, score.metric, score.source), []).append(score)
    return list(found.values())


def markdown(table: Table) -> str:
    """A Markdown table that also reads well as it is, in a terminal; controls stand below the others."""
    source = [f"{column} (source)" if column == table.source else column for column in table.columns]
    lines = [["strategy", *source]]
    for control in (False, True):
        rows = [row for row in table.rows if row.control is control]
        if control and rows:
            lines.append(["*controls*", *[""] * len(table.columns)])
        for row in rows:
            name = row.strategy if row.seeds == table.seeds else f"{row.strategy} ({row.seeds} of {table.seeds} seeds)"
            lines.append([name, *("–" if cell is None else str(cell) for cell in row.cells)])
    return grid(lines[0], lines[1:])


def grid(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with the columns lined up: the first to the left, the others to the right."""
    lines = [[cell.replace("|", "\\|") for cell in line] for line in (header, *rows)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(header))]
    texts = ["| " + " | ".join(_align(line, widths)) + " |" for line in lines]
    rule = (
        "|" + "|".join("-" * (width + 2) if n == 0 else "-" * (width + 1) + ":" for n, width in enumerate(widths)) + "|"
    )
    return "\n".join([texts[0], rule, *texts[1:]])


def _align(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [
        cell.ljust(width) if n == 0 else cell.rjust(width)
        for n, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]


def _table(model: str, task: str, scores: Sequence[Score]) -> Table:
    source = scores[0].source
    languages = list(dict.fromkeys(language for score in scores for language in score.values))
    languages.sort(key=lambda language: language != source)  # stable: the order of evaluation stays
    targets = [language for language in languages if language != source]
    columns = (*languages, MEAN) if targets else tuple(languages)
    by_strategy: dict[str, list[Score]] = {}
    for score in scores:
        by_strategy.setdefault(score.strategy, []).append(score)
    rows = []
    for strategy, runs in by_strategy.items():
        cells = [_cell([run.values[language] for run in runs if language in run.values]) for language in languages]
        if targets:
            complete = [run for run in runs if all(language in run.values for language in targets)]
            cells.append(_cell([statistics.fmean(run.values[language] for language in targets) for run in complete]))
        rows.append(Row(strategy, runs[0].control, len(runs), tuple(cells)))
    rows.sort(key=lambda row: row.control)
    return Table(model, task, scores[0].metric, source, columns, tuple(rows))


def _cell(values: Sequence[float]) -> Cell | None:
    if not values:
        return None
    percent = [100 * value for value in values]
    return Cell(statistics.fmean(percent), statistics.stdev(percent) if len(percent) > 1 else None, len(percent))
