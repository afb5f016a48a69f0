"""From the scores of a search to its ranking: pure numbers in, plain values out.

Scores are fractions of 1, as in scores.json; differences are in percentage points.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alignfreeze_cli.deviations import NOTHING, sample_deviation
from alignfreeze_cli.phrases import listed, signed
from alignfreeze_cli.report.statistics import student_interval, student_quantile

_LEVEL = 0.95  # of intervals
_POWER = 0.8
_MOST_SEEDS = 1000

Scores = Mapping[str, Mapping[int, Mapping[str, float]]]
"""Candidate → seed → language → score, of one rung."""


@dataclass(frozen=True)
class Difference:
    """A mean of differences between runs of one seed, in points; without an interval if there is one seed only."""

    mean: float
    deviation: float | None
    interval: tuple[float, float] | None
    seeds: int

    @classmethod
    def of(cls, differences: Sequence[float]) -> Difference:
        """With the 95 % interval of Student's t over seeds."""
        deviation, interval = sample_deviation(differences), student_interval(differences, _LEVEL)
        return cls(statistics.fmean(differences), deviation, interval, len(differences))

    @property
    def resolved(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.interval is not None and (self.interval[0] > NOTHING or self.interval[1] < -NOTHING)

    def seeds_needed(self) -> int | None:
        """With how many seeds such a difference would be resolved four times of five; None if more than a thousand.

        The fewest n with (t(0.975; n − 1) + t(0.8; n − 1)) s / √n at most the mean, the usual size of a paired sample.
        """
        if self.deviation is None or abs(self.mean) <= NOTHING:
            return None
        for n in range(2, _MOST_SEEDS + 1):
            quantiles = student_quantile((1 + _LEVEL) / 2, n - 1) + student_quantile(_POWER, n - 1)
            if quantiles * self.deviation / math.sqrt(n) <= abs(self.mean):
                return n
        return None

    def text(self) -> str:
        if self.interval is None:
            return signed(self.mean)
        return f"{signed(self.mean)} [{signed(self.interval[0])}, {signed(self.interval[1])}]"


@dataclass(frozen=True)
class Place:
    """A candidate in the ranking: its scores in the last rung that it was part of, and how far behind the winner.

    `selecting` and `reporting` are means over languages and seeds, in percent; `behind` is over the reporting languages
    and the seeds of that rung, and None for the winner itself.
    """

    name: str
    rung: int  # from 1
    runs: int
    selecting: float
    reporting: float
    behind: Difference | None

    @property
    def excluded(self) -> bool:
        """Whether it is clear that the winner is better than this one."""
        return self.behind is not None and self.behind.resolved and self.behind.mean < 0


@dataclass(frozen=True)
class Ranking:
    """The candidates from the best to the worst, and what can be said of the first."""

    places: tuple[Place, ...]
    selecting: tuple[str, ...]
    reporting: tuple[str, ...]

    @property
    def winner(self) -> Place:
        return self.places[0]

    @property
    def runner_up(self) -> Place:
        return self.places[1]

    @property
    def resolved(self) -> bool:
        """Whether the winner is better than the runner-up in the languages that had no say."""
        return self.runner_up.excluded

    @property
    def spread(self) -> float:
        """Pooled standard deviation, in points, of a difference from the winner between two runs of one seed."""
        pooled = [(d.deviation**2, d.seeds - 1) for d in self._differences() if d.deviation is not None]
        freedom = sum(n for _, n in pooled)
        return math.sqrt(sum(variance * n for variance, n in pooled) / freedom) if freedom else 0.0

    @property
    def unresolved(self) -> tuple[str, ...]:
        """Candidates that the winner is not shown to be better than: the interval of their difference holds zero.

        One that was run with a single seed counts if it is nearer to the winner than 1.96 times the spread.
        """
        near = 1.96 * self.spread
        return tuple(
            place.name
            for place in self.places[1:]
            if place.behind is not None
            and (not place.excluded if place.behind.interval is not None else place.behind.mean > -near)
        )

    def sentences(self) -> list[str]:
        """What the search found, and what its budget can't tell."""
        behind, one, two = self.runner_up.behind, self.winner.name, self.runner_up.name
        assert behind is not None  # only the winner has none
        ahead = Difference(-behind.mean, behind.deviation, behind.interval and _turned(behind.interval), behind.seeds)
        shown = f"{ahead.text()} points over {ahead.seeds} seeds, in the languages that did not select"
        if self.resolved:
            found = [f"{one} is better than {two}: {shown}."]
        elif behind.resolved:
            found = [
                f"{one} was ahead in the languages that selected, but {two} is better in the others ({shown}): the "
                "choice does not carry over."
            ]
        else:
            needed = behind.seeds_needed()
            more = f"about {needed:,} seeds each" if needed else f"more than {_MOST_SEEDS:,} seeds each"
            found = [
                f"{one} and {two} can't be told apart with this budget: {shown}. A difference of this size would take "
                f"{more}."
            ]
        others = [name for name in self.unresolved if name != two]
        if others:
            found.append(
                f"That {one} is better than {listed(others)}, left out after fewer seeds, is not shown (the "
                f"difference of two runs of one seed has a standard deviation of {self.spread:.1f} points)."
            )
        return found

    def _differences(self) -> list[Difference]:
        return [place.behind for place in self.places if place.behind is not None]


def keep(scores: Scores, languages: Sequence[str], count: int) -> list[str]:
    """The best `count` candidates by their mean over languages and seeds, best first; of equal ones the earlier."""
    means = {name: _mean(runs, languages) for name, runs in scores.items()}
    return sorted(means, key=lambda name: -means[name])[:count]


def rank(by_rung: Sequence[Scores], selecting: Sequence[str], reporting: Sequence[str]) -> Ranking:
    """Rank the candidates of a finished search; `by_rung` has the scores of each rung, the first one first.

    Who got further stands before who did not; among those of one rung the mean in the selecting languages decides.
    """
    order: list[tuple[int, str]] = []
    for number in range(len(by_rung), 0, -1):
        scores = by_rung[number - 1]
        seen = {name for _, name in order}
        order += [(number, name) for name in keep(scores, selecting, len(scores)) if name not in seen]
    winner = order[0][1]
    places = []
    for number, name in order:
        runs, best = by_rung[number - 1][name], by_rung[number - 1][winner]
        behind = [100 * (_mean({seed: runs[seed]}, reporting) - _mean({seed: best[seed]}, reporting)) for seed in runs]
        places.append(
            Place(
                name,
                number,
                sum(len(scores.get(name, ())) for scores in by_rung),
                100 * _mean(runs, selecting),
                100 * _mean(runs, reporting),
                None if name == winner else Difference.of(behind),
            )
        )
    return Ranking(tuple(places), tuple(selecting), tuple(reporting))


def _mean(runs: Mapping[int, Mapping[str, float]], languages: Sequence[str]) -> float:
    return statistics.fmean(run[language] for run in runs.values() for language in languages)


def _turned(interval: tuple[float, float]) -> tuple[float, float]:
    return -interval[1], -interval[0]
