"""Strategies against the baseline: what a report knows, as plain values that all its files are written from.

All differences are in percentage points, strategy minus baseline, between runs of the same seed.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from alignfreeze_cli.deviations import Yardstick, beyond, sample_deviation
from alignfreeze_cli.phrases import listed
from alignfreeze_cli.report.bootstrap import bootstrap_p, percentile_interval
from alignfreeze_cli.report.distances import Distances, halves
from alignfreeze_cli.report.score_table import Cell, Row, ScoreTable, by_run, mean_over, score_table
from alignfreeze_cli.report.scores import in_order, published_name, published_scores
from alignfreeze_cli.report.statistics import holm, paired_t, spearman, student_interval
from alignfreeze_cli.tasks.registry import TASKS

if TYPE_CHECKING:
    from alignfreeze_cli.report.changes import ChangesReport

Samples = Mapping[str, Mapping[str, np.ndarray]]
"""Strategy → language → bootstrap samples of the gain in points, (resamples,)."""


@dataclass(frozen=True)
class Gain:
    """A strategy against the baseline in one language, or in the mean over languages, over the seeds both have."""

    mean: float
    deviation: float | None  # sample standard deviation of the differences between runs of one seed; None for one seed
    seeds: int
    p: float | None  # two-sided paired t-test over seeds; None for one seed
    p_corrected: float | None  # the same, corrected for the number of languages
    seeds_interval: tuple[float, float] | None  # 95 %, Student's t over seeds; None where there is no p
    interval: tuple[float, float] | None  # 95 %, bootstrap over test examples; None without predictions of both
    interval_p: float | None  # two-sided, of the same bootstrap
    interval_p_corrected: float | None
    beyond: int  # 1 improved, -1 degraded, 0 neither, by more than one standard deviation (`deviations.YARDSTICKS`)


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation of a language's distance from the source with its gain."""

    rho: float
    p: float
    languages: int


@dataclass(frozen=True)
class Comparison:
    """A strategy against the baseline. `gains` goes by target language, in the order of the table's columns.

    `close` and `distant` are the mean gains over the nearer and the farther half of the targets; None without
    distances, like `correlation`. `source` is the gain in the source language, None if it was not scored.
    """

    strategy: str
    control: bool
    gains: Mapping[str, Gain]
    average: Gain
    close: Gain | None
    distant: Gain | None
    correlation: Correlation | None
    source: Gain | None = None

    @property
    def improved(self) -> tuple[str, ...]:
        return tuple(language for language, gain in self.gains.items() if gain.beyond > 0)

    @property
    def degraded(self) -> tuple[str, ...]:
        return tuple(language for language, gain in self.gains.items() if gain.beyond < 0)


@dataclass(frozen=True)
class Section:
    """One model and task. `published` has the published runs of the same, where they were asked for.

    `scores` are the single runs of the table (the columns of `report/scores.py`); `distance_title` says what kind of
    distance it is.
    """

    table: ScoreTable
    baseline: str | None  # the strategy that the others are compared with; None if it was not run
    comparisons: tuple[Comparison, ...]
    distances: Mapping[str, float]  # target language → distance from the source, 0 to 1; empty if unknown
    close: tuple[str, ...]
    distant: tuple[str, ...]
    scores: pd.DataFrame
    published: Section | None = None
    distance_title: str = ""

    @property
    def name(self) -> str:
        """For captions: `xlm-roberta-base, pos`."""
        return f"{self.table.model}, {self.table.task}"

    @property
    def task(self) -> str:
        """`pos`; with the source language where it is not English, since one task may have several: `pos, from de`; and
        with the metric if it is not the task's main one.
        """
        table = self.table
        source = "" if table.source == "en" else f", from {table.source}"
        usual = table.task not in TASKS or table.metric == TASKS[table.task].metric
        return f"{table.task}{source}" + ("" if usual else f", by {table.metric}")

    @property
    def heading(self) -> str:
        """`xlm-roberta-base, pos, from de`."""
        return f"{self.table.model}, {self.task}"

    @property
    def targets(self) -> tuple[str, ...]:
        return self.table.targets

    @property
    def targets_by_distance(self) -> list[str]:
        """The targets from the nearest to the farthest; those of unknown distance last, in the table's order."""
        return sorted(self.targets, key=lambda code: self.distances.get(code, float("inf")))

    def cell(self, strategy: str, column: str) -> Cell | None:
        """The mean over seeds of a strategy in a language or in the mean of targets; None where there is none."""
        for row in self.table.rows:
            if row.strategy == strategy and column in self.table.columns:
                return row.cells[self.table.columns.index(column)]
        return None

    def comparison(self, strategy: str) -> Comparison | None:
        return next((each for each in self.comparisons if each.strategy == strategy), None)

    def published_as(self, strategy: str) -> str | None:
        """What the published runs of this section call a strategy; None if they lack it."""
        name = published_name(strategy)
        return name if self.published and name in {row.strategy for row in self.published.table.rows} else None


@dataclass(frozen=True)
class Report:
    """Everything. `method` says in sentences how the numbers were computed: tests, corrections, yardstick, sources."""

    title: str
    sections: tuple[Section, ...]
    method: tuple[str, ...]
    notes: tuple[str, ...] = ()  # what a reader must know of these runs: seeds missing, languages left out
    of_published: bool = False  # whether these are the published runs alone
    changes: ChangesReport | None = None  # what was measured of the runs' encoders

    @property
    def models(self) -> dict[str, list[tuple[int, Section]]]:
        """Model → its sections with their numbers."""
        found: dict[str, list[tuple[int, Section]]] = {}
        for number, section in enumerate(self.sections):
            found.setdefault(section.table.model, []).append((number, section))
        return found


def compare(
    scores: pd.DataFrame,
    baseline: str,
    yardstick: Yardstick,
    distances: Distances | None = None,
    samples: Samples | None = None,
) -> Section:
    """Every strategy against the baseline, from the scores of one table (`score_table.groups`)."""
    table = score_table(scores)
    known = {code: distances.values[code] for code in table.targets if code in distances.values} if distances else {}
    close, distant = halves(known)
    runs = by_run(scores)
    section = Section(
        table=table,
        baseline=baseline if baseline in runs.index else None,
        comparisons=(),
        distances=known,
        close=close,
        distant=distant,
        scores=scores,
        distance_title=distances.title if distances and known else "",
    )
    if section.baseline is None:
        return section
    compared = [
        _compare(section, row, _Pairs(runs, baseline, row.strategy, (samples or {}).get(row.strategy, {}), yardstick))
        for row in table.rows
        if row.strategy != baseline
    ]
    return replace(section, comparisons=tuple(each for each in compared if each))


class _Pairs:
    """The runs of the baseline and of a strategy, paired by seed."""

    def __init__(
        self,
        runs: pd.DataFrame,
        baseline: str,
        strategy: str,
        samples: Mapping[str, np.ndarray],
        yardstick: Yardstick,
    ) -> None:
        self.baseline, self.strategy = runs.loc[baseline].align(runs.loc[strategy], join="inner", axis=0)
        self.samples, self.yardstick = samples, yardstick

    def gain(self, languages: Sequence[str]) -> Gain | None:
        """The gain in the mean over languages, over the seeds that have all of them on both sides; None without any."""
        if not languages:
            return None
        means = np.stack([mean_over(runs, languages) for runs in (self.baseline, self.strategy)])
        baseline, strategy = means[:, ~np.isnan(means).any(axis=0)].tolist()
        if not baseline:
            return None
        differences = [there - here for here, there in zip(baseline, strategy, strict=True)]
        drawn = None
        if all(code in self.samples for code in languages):
            drawn = np.mean([self.samples[code] for code in languages], axis=0)
        p = paired_t(differences)
        return Gain(
            mean=statistics.fmean(differences),
            deviation=sample_deviation(differences),
            seeds=len(differences),
            p=p,
            p_corrected=None,
            seeds_interval=None if p is None else student_interval(differences, 0.95),
            interval=None if drawn is None else percentile_interval(drawn),
            interval_p=None if drawn is None else bootstrap_p(drawn),
            interval_p_corrected=None,
            beyond=beyond(baseline, strategy, self.yardstick),
        )


def _compare(section: Section, row: Row, pairs: _Pairs) -> Comparison | None:
    """None if the two have no seed with all their common languages."""
    found = {code: gain for code in section.targets if (gain := pairs.gain([code]))}
    average = pairs.gain(list(found))
    if average is None:
        return None
    p = holm({code: gain.p for code, gain in found.items()})
    interval_p = holm({code: gain.interval_p for code, gain in found.items()})
    gains = {
        code: replace(gain, p_corrected=p[code], interval_p_corrected=interval_p[code]) for code, gain in found.items()
    }
    near = [code for code in gains if code in section.distances]
    ranked = spearman([section.distances[code] for code in near], [gains[code].mean for code in near])
    source = section.table.source
    return Comparison(
        strategy=row.strategy,
        control=row.control,
        gains=gains,
        average=average,
        close=pairs.gain([code for code in section.close if code in gains]),
        distant=pairs.gain([code for code in section.distant if code in gains]),
        correlation=Correlation(*ranked, len(near)) if ranked else None,
        source=pairs.gain([source]) if source in section.table.columns else None,
    )


def with_published(
    own: Section, aligner: str, baseline: str, yardstick: Yardstick, distances: Distances | None
) -> tuple[Section, list[str]]:
    """The section with the published runs of the same model, task and source, and notes on what they lack.

    Only languages and strategies that were run here are kept, so that means are over the same ones.
    """
    table = own.table
    scores = published_scores(aligner, table.model, table.task, [row.strategy for row in table.rows])
    known = set(scores["language"])
    common = [code for code in table.columns if code in known]
    if not common or table.source != "en":
        return own, [f"no published runs of this model and task with the {aligner} aligner"]
    if (theirs := scores["metric"].iloc[0]) != table.metric:
        return own, [f"the published runs of this model and task were scored by {theirs}, these by {table.metric}"]
    in_our_order = scores.set_index("language").loc[common].reset_index()
    # Gains over the same strategy as ours, to be comparable.
    published = compare(in_order(in_our_order), published_name(baseline), yardstick, distances)
    notes = []
    if own.baseline is not None and published.baseline is None:
        notes.append(f"no published runs of {baseline}, so there are no published gains over it")
    if len(common) < len(known):
        notes.append(f"of the published runs only the {len(common)} languages scored here are shown, of {len(known)}")
    missing = [code for code in own.targets if code not in known]
    if missing:
        notes.append(f"no published scores in {listed(missing)}, so published means are over fewer languages")
    return replace(own, published=published), notes
