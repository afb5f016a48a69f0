"""From scores to facts: the table of one model and task, and every strategy against the baseline."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping, Sequence

import numpy as np

from alignfreeze_cli.report.distances import Distances, halves
from alignfreeze_cli.report.facts import Comparison, Correlation, Gain, Section
from alignfreeze_cli.report.statistics import bootstrap_p, holm, paired_t, percentile_interval, spearman
from alignfreeze_cli.report.table import MEAN, Score, tables
from alignfreeze_cli.report.yardsticks import Yardstick, beyond, sample_deviation

Samples = Mapping[str, Mapping[str, np.ndarray]]
"""Strategy → language → bootstrap samples of the gain in points, (resamples,)."""


def section(
    scores: Sequence[Score],
    baseline: str,
    yardstick: Yardstick,
    distances: Distances | None = None,
    samples: Samples | None = None,
) -> Section:
    """The facts of scores that may stand in one table (`runs.table.groups`), in the order they should have there."""
    (table,) = tables(scores)
    targets = [column for column in table.columns if column not in (table.source, MEAN)]
    known = {code: distances.values[code] for code in targets if code in distances.values} if distances else {}
    close, distant = halves(known)
    own = [score for score in scores if score.strategy == baseline]
    comparisons = []
    for row in table.rows:
        runs = [score for score in scores if score.strategy == row.strategy]
        if own and row.strategy != baseline:
            drawn = (samples or {}).get(row.strategy, {})
            compared = _compare(_Paired(own, runs, targets, drawn, yardstick), row.control, known, close, distant)
            comparisons += [compared] if compared else []
    return Section(
        table=table,
        baseline=baseline if own else None,
        comparisons=tuple(comparisons),
        distances=known,
        close=close,
        distant=distant,
        scores=tuple(scores),
        distance_title=distances.title if distances and known else "",
    )


class _Paired:
    """A strategy's runs and the baseline's, side by side by seed."""

    def __init__(
        self,
        baseline: Sequence[Score],
        strategy: Sequence[Score],
        targets: Sequence[str],
        samples: Mapping[str, np.ndarray],
        yardstick: Yardstick,
    ) -> None:
        there = {score.seed: score for score in strategy}
        self.pairs = [(score, there[score.seed]) for score in baseline if score.seed in there]
        self.name, self.source = strategy[0].strategy, strategy[0].source
        self.samples, self.yardstick = samples, yardstick
        self.languages = [code for code in targets if self.of([code])]

    def of(self, languages: Sequence[str]) -> Gain | None:
        """The gain in the mean over languages, over the seeds that have all of them on both sides; None without any."""
        if not languages:
            return None
        values = [
            [100 * statistics.fmean(score.values[code] for code in languages) for score in pair]
            for pair in self.pairs
            if all(code in score.values for score in pair for code in languages)
        ]
        if not values:
            return None
        baseline, strategy = [here for here, _ in values], [there for _, there in values]
        differences = [there - here for here, there in values]
        drawn = None
        if all(code in self.samples for code in languages):
            drawn = np.mean([self.samples[code] for code in languages], axis=0)
        return Gain(
            mean=statistics.fmean(differences),
            deviation=sample_deviation(differences),
            seeds=len(values),
            p=paired_t(differences),
            p_corrected=None,
            interval=None if drawn is None else percentile_interval(drawn),
            interval_p=None if drawn is None else bootstrap_p(drawn),
            interval_p_corrected=None,
            beyond=beyond(baseline, strategy, self.yardstick),
        )


def _compare(
    paired: _Paired, control: bool, distances: Mapping[str, float], close: Sequence[str], distant: Sequence[str]
) -> Comparison | None:
    """None if the two have no seed and language in common."""
    found = {code: gain for code in paired.languages if (gain := paired.of([code]))}
    average = paired.of(paired.languages)
    if average is None:
        return None
    p = holm({code: gain.p for code, gain in found.items()})
    interval_p = holm({code: gain.interval_p for code, gain in found.items()})
    gains = {
        code: dataclasses.replace(gain, p_corrected=p[code], interval_p_corrected=interval_p[code])
        for code, gain in found.items()
    }
    placed = [code for code in gains if code in distances]
    ranked = spearman([distances[code] for code in placed], [gains[code].mean for code in placed])
    return Comparison(
        strategy=paired.name,
        control=control,
        gains=gains,
        average=average,
        close=paired.of([code for code in close if code in gains]),
        distant=paired.of([code for code in distant if code in gains]),
        correlation=Correlation(*ranked, len(placed)) if ranked else None,
        source=paired.of([paired.source]),
    )
