"""Scores of one model and task as a table: strategies down, languages across, mean and deviation over seeds.

The deviation is the sample's (n - 1 in the denominator); the paper's tables divide by n. A mean over languages is taken
within each seed first, so its deviation is that of whole runs.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from alignfreeze_cli.report.scores import TABLE

MEAN = "mean of targets"


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


@dataclass(frozen=True)
class Row:
    """One strategy; `cells` go with the table's columns, None where nothing was scored."""

    strategy: str
    control: bool
    seeds: int
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class ScoreTable:
    """The strategies of one model and task, controls last. `columns`: the source language, the targets, their mean.

    `others` are the tables of the same runs by further metrics.
    """

    model: str
    task: str
    metric: str
    source: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    others: tuple[ScoreTable, ...] = ()

    @property
    def seeds(self) -> int:
        return max((row.seeds for row in self.rows), default=0)

    @property
    def targets(self) -> tuple[str, ...]:
        return tuple(column for column in self.columns if column not in (self.source, MEAN))

    @property
    def caption(self) -> str:
        return self.captioned(self.metric)

    def captioned(self, what: str) -> str:
        """The caption for scores of this kind."""
        seeds = self.seeds
        spread = f", mean ± sample standard deviation over {seeds} seeds" if seeds > 1 else ", one seed"
        trained = f"trained on {self.source}, zero-shot elsewhere"
        return f"{self.model}, {self.task}: {what} in percent{spread}; {trained}"

    def narrow(self) -> ScoreTable:
        """Only the source language and the mean, for terminals."""
        kept = [n for n, column in enumerate(self.columns) if column in (self.source, MEAN)]
        rows = tuple(replace(row, cells=tuple(row.cells[n] for n in kept)) for row in self.rows)
        others = tuple(table.narrow() for table in self.others)
        return replace(self, columns=tuple(self.columns[n] for n in kept), rows=rows, others=others)

    def to_dict(self) -> dict[str, Any]:
        """For JSON: percent, unrounded; those by other metrics are below `other-metrics`, if there are any."""
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
        names = {"model": self.model, "task": self.task, "metric": self.metric, "source": self.source, "rows": rows}
        return names | ({"other-metrics": [table.to_dict() for table in self.others]} if self.others else {})


def score_tables(scores: pd.DataFrame) -> list[ScoreTable]:
    """One table for each model, task, metric and source language, strategies in the order of their first score."""
    return [score_table(group) for group in groups(scores)]


def groups(scores: pd.DataFrame) -> list[pd.DataFrame]:
    """The scores that may stand in one table, in the order in which they come."""
    return [group for _, group in scores.groupby(TABLE, sort=False)]


def by_other_metrics(scores: pd.DataFrame) -> pd.DataFrame:
    """The same runs scored by their further metrics: a row for each run, language and metric; may be empty."""
    rows = [
        {**row, "metric": metric, "value": value, "others": {}}
        for row in scores.to_dict("records")
        for metric, value in row["others"].items()
    ]
    return pd.DataFrame(rows, columns=scores.columns)


def score_table(scores: pd.DataFrame, languages: Sequence[str] | None = None) -> ScoreTable:
    """The table of scores that are of one model, task, metric and source language, with those by further metrics.

    These are of the same `languages`, also where some lack a metric, so that means are over the same ones.
    """
    model, task, metric, source = scores[TABLE].iloc[0]
    runs = by_run(scores) if languages is None else by_run(scores).reindex(columns=languages)
    targets = [language for language in runs if language != source]
    columns = 100 * runs
    if targets:
        columns[MEAN] = mean_over(runs, targets)
    rows = []
    for strategy, control in scores.groupby("strategy", sort=False)["control"].first().items():
        own = columns.loc[strategy]
        rows.append(Row(strategy, bool(control), len(own), tuple(_cell(own[column]) for column in own)))
    rows.sort(key=lambda row: row.control)
    others = tuple(score_table(group, list(runs)) for group in groups(by_other_metrics(scores)))
    return ScoreTable(model, task, metric, source, tuple(columns), tuple(rows), others)


def by_run(scores: pd.DataFrame) -> pd.DataFrame:
    """Fractions of 1: (strategy, seed) down, languages across with the source first; NaN where there is no score."""
    languages = sorted(scores["language"].unique(), key=lambda language: language != scores["source"].iloc[0])
    return scores.pivot(index=["strategy", "seed"], columns="language", values="value")[languages]


def mean_over(runs: pd.DataFrame, languages: Iterable[str]) -> np.ndarray:
    """Each run's mean over languages in percent, (runs,); NaN for runs that lack one of them."""
    # Exactly rounded, in whatever order the languages come; pandas adds them up one after the other.
    return np.array([100 * statistics.fmean(run) for run in runs[list(languages)].to_numpy()])


def _cell(scores: pd.Series) -> Cell | None:
    values = scores.dropna().tolist()
    if not values:
        return None
    return Cell(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None, len(values))
