"""How the numbers of a report were made, in sentences for its readers. docs/report.md says more."""

from __future__ import annotations

from collections.abc import Sequence

from alignfreeze_cli.report.facts import Section
from alignfreeze_cli.report.settings import ReportSettings
from alignfreeze_cli.report.yardsticks import YARDSTICKS


def yardstick(settings: ReportSettings) -> str:
    """What "more than one standard deviation" means here."""
    _, meaning = YARDSTICKS[settings.yardstick]
    return (
        f"A language counts as improved or degraded by more than one standard deviation if {meaning} (strictly; "
        "deviations over the seeds with n in the denominator, ddof 0)"
    )


def method(settings: ReportSettings, sections: Sequence[Section]) -> tuple[str, ...]:
    """One sentence or two for each kind of number that the sections hold."""
    compared = [each for section in sections for each in section.comparisons]
    told = [
        "Scores are percentages, differences are percentage points. ± is the sample standard deviation over seeds "
        "(n - 1 in the denominator). The mean of targets leaves the source language out and is taken within each seed "
        "first."
    ]
    if compared:
        baseline = next(section.baseline for section in sections if section.baseline)
        told.append(
            f"A gain is the mean over seeds of a strategy's score minus that of {baseline} with the same seed; p is "
            "that of a two-sided paired t-test over those seeds."
        )
        told.append(
            "p values of single languages are also corrected by Holm's method for the number of languages tested, for "
            "each strategy by itself."
        )
    if any(each.average.interval for each in compared) or any(g.interval for c in compared for g in c.gains.values()):
        told.append(
            f"Intervals (95 %, percentile) and their p are of a bootstrap over test examples: {settings.resamples:,} "
            "resamples, the same examples for every strategy and seed, seeds not resampled; languages with equally "
            "many examples are resampled alike, and weigh equally in a mean. "
            f"Seed of the bootstrap: {settings.seed}."
        )
    told.append(yardstick(settings) + ".")
    titles = dict.fromkeys(section.distance_title for section in sections if section.distance_title)
    if titles:
        told.append(
            f"Distance: {'; '.join(titles)}. Close languages are the nearer half of the targets, distant ones the "
            "farther half. The correlation of distance and gain is Spearman's, over languages, p by Student's t."
        )
    if settings.published_only or any(section.published for section in sections):
        told.append(
            f"Published numbers are the authors' own runs (MIT licence; {settings.aligner} aligner, seeds 17, 23, 31, "
            "42 and 66), averaged here. The authors' code scored them, which counts other words in pos, repairs "
            "answers in ner and has an F1 of its own in qa. The paper's tables print the deviation with n in the "
            "denominator."
        )
    return tuple(told)
