"""What a reader must know besides the numbers: what is missing or differs between runs, and how they were computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from alignfreeze_cli.aligners.settings import AlignPairsSettings
from alignfreeze_cli.artifacts.record import KINDS
from alignfreeze_cli.deviations import YARDSTICKS
from alignfreeze_cli.encoder.settings import RealignSettings
from alignfreeze_cli.phrases import listed
from alignfreeze_cli.report.comparison import Section
from alignfreeze_cli.report.scores import TABLE
from alignfreeze_cli.report.settings import ReportSettings
from alignfreeze_cli.tasks.settings import EvaluateSettings, FinetuneSettings


def section_notes(section: Section, baseline: str, without_bootstrap: Mapping[str, Sequence[str]]) -> list[str]:
    """Sentences, each beginning with the section's heading.

    `without_bootstrap`: the reasons why languages could not be resampled, each with its languages.
    """
    found = [
        *_different_data(section.scores),
        *_different_scoring(section.scores),
        *_different_behaviours(section.scores),
        *_missing_seeds(section, baseline),
        *_missing_languages(section),
        *_untested(section),
        *(f"no bootstrap for {listed(languages)}: {reason}" for reason, languages in without_bootstrap.items()),
        *_missing_distances(section),
    ]
    return [f"{section.heading}: {sentence}." for sentence in found]


def incomparable(scores: pd.DataFrame) -> list[str]:
    """Models and tasks whose runs can't stand in one table."""
    kinds = scores[TABLE].drop_duplicates().groupby(["model", "task"], sort=False).size()
    return [
        f"{model}, {task}: the runs were scored by different metrics or trained in different source languages, so they "
        f"are in {count} tables."
        for (model, task), count in kinds[kinds > 1].items()
    ]


def _different_data(scores: pd.DataFrame) -> list[str]:
    versions = scores.groupby("language", sort=False)["data"].nunique()
    differing = list(versions[versions > 1].index)
    if not differing:
        return []
    first = scores[scores["language"] == differing[0]]
    runs = [_runs(group) for _, group in first.groupby("data", sort=False)]
    return [
        f"not all runs were scored on the same data ({listed(differing)}); the data of {differing[0]} differ between "
        f"{'; '.join(runs)}, so differences between these are not due to the models alone"
    ]


def _different_scoring(scores: pd.DataFrame) -> list[str]:
    runs = scores.drop_duplicates(["strategy", "seed"])
    found = []
    for option in sorted({option for options in runs["scoring"] for option in options}):
        values = runs["scoring"].map(lambda options, option=option: str(options[option]) if option in options else None)
        values = values.dropna()
        if values.nunique() > 1:
            groups = runs.loc[values.index].groupby(values, sort=False)
            with_value = "; ".join(f"{value} in {_runs(group)}" for value, group in groups)
            found.append(f"not all runs were scored with the same {option}: {with_value}")
    return found


_CHANGES = {
    "pairs": AlignPairsSettings.changes,
    "encoder": RealignSettings.changes,
    "task-model": FinetuneSettings.changes,
    "scores": EvaluateSettings.changes,
}


def _different_behaviours(scores: pd.DataFrame) -> list[str]:
    """Runs whose folders were made by steps that did something else under equal settings (`StepSettings.changes`)."""
    runs = scores.drop_duplicates(["strategy", "seed"])
    runs = runs[runs["behaviours"].map(lambda found: isinstance(found, dict))]
    found = []
    for kind in dict.fromkeys(kind for each in runs["behaviours"] for kind in each):
        numbers = runs["behaviours"].map(lambda each, kind=kind: each.get(kind)).dropna()
        if numbers.nunique() < 2:
            continue
        groups = runs.loc[numbers.index].groupby(numbers, sort=True)
        by_number = "; ".join(f"{' and '.join(map(str, number))} in {_runs(group)}" for number, group in groups)
        oldest, newest = min(map(min, numbers)), max(map(max, numbers))
        changed = ", then ".join(_CHANGES.get(kind, ())[oldest - 1 : newest - 1])
        found.append(
            f"not all runs were made by the same behaviour of `{KINDS.get(kind, kind)}`: {by_number}"
            + (f" (what changed: {changed})" if changed else "")
            + "; make the older ones again to compare them"
        )
    return found


def _missing_seeds(section: Section, baseline: str) -> list[str]:
    scores = section.scores
    if section.baseline is None:
        return [f"no run of {baseline!r}, so there is nothing to compare with"]
    seeds = set(scores["seed"])
    found = []
    for strategy, own in scores.groupby("strategy", sort=False)["seed"]:
        missing = sorted(seeds - set(own))
        if missing:
            found.append(f"{strategy} lacks the seed{'s' * (len(missing) > 1)} {listed(missing)}")
        if section.targets and strategy != baseline and section.comparison(strategy) is None:
            found.append(f"{strategy} and {baseline} have no seed with all their common languages, so are not compared")
    if found:
        found.append("only the seeds that both sides have are compared")
    if len(seeds) == 1:
        found.append(
            "one seed: no standard deviation, no test over seeds, and no language counts as improved or degraded"
        )
    return found


def _missing_languages(section: Section) -> list[str]:
    there = section.scores.assign(there=True).pivot(index=["strategy", "seed"], columns="language", values="there")
    found = []
    for row in section.table.rows:
        own = there.loc[row.strategy]
        for language in dict.fromkeys(section.scores["language"]):
            missing = list(own.index[own[language].isna()])
            if missing:
                seeds = "" if len(missing) == len(own) else f", seed {listed(missing)},"
                found.append(f"{row.strategy}{seeds} has no score in {language}")
    if found:
        found.append("a mean of targets is over the seeds that have all of them, a mean gain over the common languages")
    found += [
        f"the mean gain of {each.strategy} is over {len(each.gains)} of {len(section.targets)} targets"
        for each in section.comparisons
        if len(each.gains) < len(section.targets)
    ]
    if not section.targets:
        found.append("scored in the source language alone, so there is no transfer to report")
    return found


def _untested(section: Section) -> list[str]:
    """Gains that are equal in several seeds: the t-test divides by their deviation, which is zero."""
    found = []
    for each in section.comparisons:
        equal = [code for code, gain in each.gains.items() if gain.seeds > 1 and gain.p is None]
        if equal:
            found.append(
                f"{each.strategy} differs from the baseline by the same amount in all seeds in {listed(equal)}, so "
                "there is no t-test"
            )
    return found


def _missing_distances(section: Section) -> list[str]:
    if not section.targets:
        return []
    if not section.distances:
        return [
            f"no distances from {section.table.source} are known, so languages are not split into close and distant "
            "(--distances takes a file; the extra `distances` of alignfreeze has them for all real languages)"
        ]
    unknown = [code for code in section.targets if code not in section.distances]
    return (
        [f"no distance is known for {listed(unknown)}, left out of the halves and the correlation"] if unknown else []
    )


def _runs(scores: pd.DataFrame) -> str:
    """The runs of these rows: `front s0, front s1`."""
    return listed([f"{row.strategy} s{row.seed}" for row in scores.itertuples()], most=4)


def method(settings: ReportSettings, sections: Sequence[Section]) -> tuple[str, ...]:
    """How the numbers that the sections hold were computed, one sentence or two for each kind."""
    compared = [each for section in sections for each in section.comparisons]
    sentences = [
        "Scores are percentages, differences are percentage points. ± is the sample standard deviation over seeds "
        "(n - 1 in the denominator). The mean of targets leaves the source language out and is taken within each seed "
        "first."
    ]
    if compared:
        baseline = next(section.baseline for section in sections if section.baseline)
        sentences += [
            f"A gain is the mean over seeds of a strategy's score minus that of {baseline} with the same seed; p is "
            "that of a two-sided paired t-test over those seeds, and an interval over seeds (95 %) is of the same t.",
            "p values of single languages are also corrected by Holm's method for the number of languages tested, for "
            "each strategy by itself. Those of mean gains are not corrected for the number of strategies.",
        ]
    if any(each.average.interval for each in compared) or any(g.interval for c in compared for g in c.gains.values()):
        sentences.append(
            f"Intervals over test examples (95 %, percentile) and their p are of a bootstrap: {settings.resamples:,} "
            "resamples, the same examples for every strategy and seed, seeds not resampled; languages with equally "
            "many examples are resampled alike, and weigh equally in a mean. "
            f"Seed of the bootstrap: {settings.seed}."
        )
    _, meaning = YARDSTICKS[settings.yardstick]
    sentences.append(
        f"A language counts as improved or degraded by more than one standard deviation if {meaning} (strictly; "
        "deviations over the seeds with n in the denominator, ddof 0)."
    )
    titles = dict.fromkeys(section.distance_title for section in sections if section.distance_title)
    if titles:
        sentences.append(
            f"Distance: {'; '.join(titles)}. Close languages are the nearer half of the targets, distant ones the "
            "farther half. The correlation of distance and gain is Spearman's, over languages, p by Student's t."
        )
    if settings.published_only or any(section.published for section in sections):
        sentences.append(
            f"Published numbers are the authors' own runs (MIT licence; {settings.aligner} aligner, seeds 17, 23, 31, "
            "42 and 66), averaged here. They were scored by the authors' code, which counts other words in pos, "
            "repairs answers in ner and has its own variant of F1 in qa. The paper's tables print the deviation with n "
            "in the denominator."
        )
    return tuple(sentences)
