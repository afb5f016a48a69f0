"""What a reader must know of the runs behind a table: what is missing, what differs, what could not be computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from alignfreeze_cli.report.facts import Section
from alignfreeze_cli.report.table import Score

MOST = 8


def remarks(section: Section, baseline: str, lost: Mapping[str, Sequence[str]]) -> list[str]:
    """Sentences, each beginning with the section's heading. `lost`: why there is no bootstrap, with the languages."""
    found = [
        *_comparability(section),
        *_missing_seeds(section, baseline),
        *_missing_languages(section),
        *_untested(section),
        *(f"no bootstrap for {some(languages)}: {reason}" for reason, languages in lost.items()),
        *_distances(section),
    ]
    return [f"{section.heading}: {sentence}." for sentence in found]


def _comparability(section: Section) -> list[str]:
    """Differences between runs that have nothing to do with the models."""
    found = []
    differing = [code for code in _languages(section) if len(_by(section.scores, lambda s, c=code: s.data.get(c))) > 1]
    if differing:
        runs = _by(section.scores, lambda score: score.data.get(differing[0]))
        found.append(
            f"not all runs were scored on the same data ({some(differing)}); in {differing[0]} "
            + " and ".join(_runs(scores) for scores in runs.values())
            + " differ, so differences between them are not the models' alone"
        )
    options = sorted({key for score in section.scores for key in score.scoring})
    for key in options:
        values = _by(section.scores, lambda score, key=key: score.scoring.get(key))
        if len(values) > 1:
            told = ", ".join(f"{value} in {_runs(scores)}" for value, scores in values.items())
            found.append(f"not all runs were scored with the same {key}: {told}")
    return found


def _missing_seeds(section: Section, baseline: str) -> list[str]:
    seeds = sorted({score.seed for score in section.scores})
    by_strategy = _by(section.scores, lambda score: score.strategy)
    if baseline not in by_strategy:
        return [f"no run of {baseline!r}, so there is nothing to compare with"]
    found = []
    for strategy, scores in by_strategy.items():
        lacking = sorted(set(seeds) - {score.seed for score in scores})
        if lacking:
            found.append(f"{strategy} lacks the seed{'s' * (len(lacking) > 1)} {some(lacking)}")
        if section.targets and strategy != baseline and section.comparison(strategy) is None:
            found.append(f"{strategy} and {baseline} have no seed with all their common languages, so are not compared")
    if found:
        found.append("what is compared are the seeds that both sides have")
    if len(seeds) == 1:
        found.append(
            "one seed: no standard deviation, no test over seeds, and no language counts as improved or degraded"
        )
    return found


def _missing_languages(section: Section) -> list[str]:
    found = []
    for strategy, scores in _by(section.scores, lambda score: score.strategy).items():
        for code in _languages(section):
            without = [score.seed for score in scores if code not in score.values]
            if without:
                which = "" if len(without) == len(scores) else f", seed {some(without)},"
                found.append(f"{strategy}{which} has no score in {code}")
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
    """Gains over several seeds that all agree: the t-test divides by their deviation, which is zero."""
    found = []
    for each in section.comparisons:
        equal = [code for code, gain in each.gains.items() if gain.seeds > 1 and gain.p is None]
        if equal:
            found.append(
                f"{each.strategy} differs from the baseline by the same amount in all seeds in {some(equal)}, so "
                "there is no t-test"
            )
    return found


def _distances(section: Section) -> list[str]:
    if not section.targets:
        return []
    if not section.distances:
        return [
            f"no distances from {section.table.source} are known, so languages are not split into close and distant "
            "(--distances takes a file)"
        ]
    unknown = [code for code in section.targets if code not in section.distances]
    return [f"no distance is known for {some(unknown)}, left out of the halves and the correlation"] if unknown else []


def _languages(section: Section) -> list[str]:
    return list(dict.fromkeys(code for score in section.scores for code in score.values))


def _by(scores: Iterable[Score], key: Any) -> dict[Any, list[Score]]:
    """Scores by what they have; those that have nothing recorded are left out."""
    found: dict[Any, list[Score]] = {}
    for score in scores:
        value = key(score)
        if value is not None:
            found.setdefault(value if isinstance(value, str | int | float) else str(value), []).append(score)
    return found


def _runs(scores: Sequence[Score]) -> str:
    return some([f"{score.strategy} s{score.seed}" for score in scores], 4)


def some(items: Sequence[Any], most: int = MOST) -> str:
    shown = ", ".join(map(str, items[:most]))
    return f"{shown} and {len(items) - most} more" if len(items) > most else shown
