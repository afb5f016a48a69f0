"""From run folders, or the published runs, to a `Report`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from alignfreeze_cli.artifacts.run_folder import BASELINE, RUN_NAME, read_run
from alignfreeze_cli.errors import DataError, SettingsError
from alignfreeze_cli.progress import Console
from alignfreeze_cli.report import distances, method
from alignfreeze_cli.report.comparing import section
from alignfreeze_cli.report.facts import Report, Section
from alignfreeze_cli.report.published import place, published_name, published_scores
from alignfreeze_cli.report.remarks import remarks, some
from alignfreeze_cli.report.resampling import resample
from alignfreeze_cli.report.settings import ReportSettings
from alignfreeze_cli.report.table import Score, groups, read_scores
from alignfreeze_cli.report.yardsticks import YARDSTICKS
from alignfreeze_cli.settings import nearest
from alignfreeze_cli.tasks.registry import TASKS

_DEPTH = 3
"""So many folders below a given one are looked into for runs."""


@dataclass(frozen=True)
class Collected:
    """The scores to report on in order, where they were found, and what is to be said of the finding."""

    scores: tuple[Score, ...]
    roots: tuple[Path, ...] = ()  # folders that hold the runs
    notes: tuple[str, ...] = ()


def find_runs(folders: Iterable[str | Path]) -> list[Path]:
    """The run folders among and below these, each once, by name.

    Raises SettingsError for a folder that is not there, DataError for one without any run.
    """
    found: dict[Path, Path] = {}
    for given in map(Path, folders):
        folder = given.expanduser()
        if not folder.is_dir():
            what = "not a folder" if folder.exists() else "no such folder"
            raise SettingsError(f"{given}: {what}; name a run folder or a folder that holds runs.")
        below = [Path(at) for at, _, _ in _walk(folder)]
        runs = sorted((path for path in below if (path / RUN_NAME).is_file()), key=_natural)
        if not runs:
            raise DataError(f"holds no run (no {RUN_NAME} in it or below it); `alignfreeze run` makes runs", given)
        for run in runs:
            found.setdefault(run.resolve(), run)
    return list(found.values())


def collect(folders: Iterable[str | Path]) -> Collected:
    """The scores in run folders. Raises SettingsError, DataError, and ArtifactError for a file that can't be read."""
    runs = find_runs(folders)
    scores: list[Score] = []
    missing: dict[str, list[str]] = {}
    for run in runs:
        own = read_scores([run])
        for task in read_run(run)["tasks"]:
            if task not in {score.task for score in own}:
                missing.setdefault(task, []).append(run.name)
        scores += own
    notes = [f"No scores yet for {task} in {some(names)}." for task, names in missing.items()]
    if not scores:
        raise DataError("no run has scores yet; finish them with `alignfreeze run`", runs[0].parent)
    kept, doubled = _without_doubles(scores)
    return Collected(_ordered(kept), tuple(dict.fromkeys(run.parent for run in runs)), (*notes, *doubled))


def report_of(settings: ReportSettings, collected: Collected, console: Console | None = None) -> Report:
    """Everything a report says: sections in the order of the tasks' registry, controls last in each.

    Raises SettingsError if a strategy was named to compare with that no run has.
    """
    _check_baseline(settings, [score.strategy for score in collected.scores])
    known = distances.candidates(settings.distances, collected.roots)
    yardstick, _ = YARDSTICKS[settings.yardstick]
    notes = [*collected.notes, *_mixed(collected.scores)]
    sections = []
    for group in groups(collected.scores):
        fitting = distances.fitting(known, group[0].source)
        drawn = resample(group, settings.baseline, settings.resamples, settings.seed, console)
        found = section(group, settings.baseline, yardstick, fitting, drawn.gains)
        notes += remarks(found, settings.baseline, drawn.lost)
        if settings.published:
            found, said = _with_published(found, settings, fitting)
            notes += [f"{found.heading}: {sentence}." for sentence in said]
        sections.append(found)
    return _report("What realignment did", settings, sections, notes)


def report_of_published(settings: ReportSettings) -> Report:
    """The published runs through the same code: the tables of the paper. Raises SettingsError as `report_of`."""
    known = distances.candidates(settings.distances, ())
    yardstick, _ = YARDSTICKS[settings.yardstick]
    scores = published_scores(settings.aligner)
    _check_baseline(settings, [score.strategy for score in scores])
    sections, notes = [], []
    for group in groups(scores):
        baseline = published_name(settings.baseline)
        found = section(group, baseline, yardstick, distances.fitting(known, "en"))
        notes += remarks(found, baseline, {})
        sections.append(found)
    return _report("The published runs of AlignFreeze", settings, sections, notes)


def _report(title: str, settings: ReportSettings, sections: Sequence[Section], notes: Sequence[str]) -> Report:
    return Report(
        title=title,
        sections=tuple(sections),
        yardstick=method.yardstick(settings),
        method=method.method(settings, sections),
        notes=tuple(notes),
        of_published=settings.published_only,
    )


def _check_baseline(settings: ReportSettings, strategies: Sequence[str]) -> None:
    """Without a run of the usual baseline a report has scores alone; another name that nothing has is a slip."""
    known = {published_name(name): name for name in strategies}
    if settings.baseline != BASELINE and published_name(settings.baseline) not in known:
        listed = list(known.values())
        raise SettingsError(
            f"--baseline: no run has the strategy {settings.baseline!r}, only {', '.join(listed)}"
            + (nearest(settings.baseline, listed) or ".")
        )


def _with_published(
    own: Section, settings: ReportSettings, distance: distances.Distances | None
) -> tuple[Section, list[str]]:
    """The section with the published runs of the same model, task and source beside it, as far as ours go.

    Only languages and strategies that were run here are kept, so that means are over the same ones.
    """
    table = own.table
    strategies = {row.strategy for row in table.rows}
    scores = published_scores(settings.aligner, table.model, table.task, strategies) if table.source == "en" else []
    if not scores:
        return own, [f"no published runs of this model and task with the {settings.aligner} aligner"]
    known = set(scores[0].values)
    common = [code for code in table.columns if code in known]
    kept = [replace(score, values={code: score.values[code] for code in common}) for score in scores]
    # Gains stand beside ours, so they have to be gains over the same strategy.
    baseline = published_name(settings.baseline)
    published = section(kept, baseline, YARDSTICKS[settings.yardstick][0], distance)
    said = []
    if own.baseline is not None and published.baseline is None:
        said.append(f"no published runs of {settings.baseline}, so there are no published gains over it")
    if len(common) < len(known):
        said.append(f"of the published runs only the {len(common)} languages scored here are shown, of {len(known)}")
    lacking = [code for code in own.targets if code not in known]
    if lacking:
        said.append(f"no published scores in {some(lacking)}, so published means are over fewer languages")
    return replace(own, published=published), said


def _ordered(scores: Sequence[Score]) -> tuple[Score, ...]:
    """By task, model and seed; the strategies of the paper in its order, then the others by name."""
    tasks = list(TASKS)
    return tuple(
        sorted(
            scores,
            key=lambda score: (
                tasks.index(score.task) if score.task in tasks else len(tasks),
                score.model,
                score.control,
                place(score.strategy),
                _natural(Path(score.strategy)),
                score.seed,
            ),
        )
    )


def _without_doubles(scores: Sequence[Score]) -> tuple[list[Score], list[str]]:
    """One score of each model, strategy, seed and task; what is left out is said."""
    kept: dict[tuple[object, ...], Score] = {}
    notes = []
    for score in scores:
        key = (score.model, score.strategy, score.seed, score.task, score.metric, score.source)
        first = kept.setdefault(key, score)
        if first is not score:
            same = "with the same scores" if first.values == score.values else "with other scores"
            notes.append(
                f"{score.model}, {score.task}, {score.strategy}, seed {score.seed} was found twice, {same}: "
                f"{_place(first)} counts, {_place(score)} is left out."
            )
    return list(kept.values()), notes


def _mixed(scores: Sequence[Score]) -> list[str]:
    """Models and tasks whose runs can't stand in one table."""
    found: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for score in scores:
        found.setdefault((score.model, score.task), set()).add((score.metric, score.source))
    return [
        f"{model}, {task}: the runs were scored by different metrics or trained in different source languages, so they "
        f"stand in {len(kinds)} tables."
        for (model, task), kinds in found.items()
        if len(kinds) > 1
    ]


def _place(score: Score) -> str:
    assert score.folder is not None
    return "/".join(score.folder.parts[-3:-1])


def _walk(folder: Path) -> Iterable[tuple[str, list[str], list[str]]]:
    """`os.walk` from the top, not below a run, not into hidden folders, and not deeper than `_DEPTH`."""
    for at, names, files in os.walk(folder, followlinks=True):
        depth = len(Path(at).relative_to(folder).parts)
        deeper = RUN_NAME not in files and depth < _DEPTH
        names[:] = sorted(name for name in names if deeper and not name.startswith("."))
        yield at, names, files


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sort key by which block-2 comes before block-10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", str(path)) if part]
