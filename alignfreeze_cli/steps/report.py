"""`alignfreeze report`: run folders, or the published runs → a folder of tables, plots and pages.

report.md  report.html                       everything, as text and as one page
tables/scores.csv  summary.csv  seeds.csv    every number, unrounded
tables/*.tex                                 the tables for a paper
plots/*.svg  *.png
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from alignfreeze_cli.artifacts import Input, OutputFolder, Result, read_record, verify
from alignfreeze_cli.artifacts.files import content_digest, file_digest, folder_files
from alignfreeze_cli.artifacts.run_folder import BASELINE
from alignfreeze_cli.deviations import YARDSTICKS
from alignfreeze_cli.errors import SettingsError
from alignfreeze_cli.progress import WARNINGS, Console
from alignfreeze_cli.published import rows as published_rows
from alignfreeze_cli.report import distances, notes
from alignfreeze_cli.report.bootstrap import resample
from alignfreeze_cli.report.changes import changes_digest, changes_report, collect_changes
from alignfreeze_cli.report.comparison import Report, Section, compare, with_published
from alignfreeze_cli.report.csv_files import csv_files
from alignfreeze_cli.report.latex import latex_files
from alignfreeze_cli.report.markdown import markdown, overview
from alignfreeze_cli.report.page import page
from alignfreeze_cli.report.plots import Plot, draw
from alignfreeze_cli.report.score_table import MEAN, groups
from alignfreeze_cli.report.scores import RUN, FoundScores, collect, published_name, published_scores
from alignfreeze_cli.report.settings import ReportSettings
from alignfreeze_cli.settings import nearest


def make_report(settings: ReportSettings, console: Console = WARNINGS) -> Result:
    """Make a report's folder, or say that it is there already.

    The same scores and settings give the same bytes. Raises SettingsError, DataError, ArtifactError.
    """
    found = FoundScores(published_scores(settings.aligner)) if settings.published_only else collect(settings.runs)
    output = OutputFolder("report", settings, _inputs(settings, found), default="report", seed=settings.seed)
    if done := output.finished():
        return done
    if settings.dry_run:
        return output.planned(_plan(settings, found))

    with output.open(console) as work:
        report = compare_runs(settings, found, console)
        (work.path / "tables").mkdir(exist_ok=True)
        for name, text in {**csv_files(report), **latex_files(report)}.items():
            _write(work.path / "tables" / name, text)
        plots: Sequence[Plot] = ()
        if settings.plots:
            plots = draw(report, work.path / "plots", console)
        _write(work.path / "report.md", markdown(report, plots))
        _write(work.path / "report.html", page(report, plots))
        work.details = {
            "title": report.title,
            "overview": overview(report),
            "sections": [_details(section) for section in report.sections],
            "notes": list(report.notes),
        }
    return output.result


def compare_runs(settings: ReportSettings, found: FoundScores, console: Console | None = None) -> Report:
    """Every strategy against the baseline: a section per model and task, in the order of the scores.

    Raises SettingsError if `settings.baseline` names a strategy that no run has.
    """
    _check_baseline(settings, found.scores["strategy"].unique())
    baseline = published_name(settings.baseline) if settings.published_only else settings.baseline
    yardstick, _ = YARDSTICKS[settings.yardstick]
    known = distances.candidates(settings.distances, found.folders, _targets(found))
    sections, sentences = [], [*found.notes, *notes.incomparable(found.scores)]
    for scores in groups(found.scores):
        distance = distances.fitting(known, scores["source"].iloc[0])
        resampled = resample(scores, baseline, settings.resamples, settings.seed, console)
        section = compare(scores, baseline, yardstick, distance, resampled.gains)
        sentences += notes.section_notes(section, baseline, resampled.missing)
        if settings.published and not settings.published_only:
            section, missing = with_published(section, settings.aligner, baseline, yardstick, distance)
            sentences += [f"{section.heading}: {each}." for each in missing]
        sections.append(section)
    return Report(
        title="The published runs of AlignFreeze" if settings.published_only else "What realignment did",
        sections=tuple(sections),
        method=notes.method(settings, sections),
        notes=tuple(sentences),
        of_published=settings.published_only,
        changes=changes_report(collect_changes(found.scores)),
    )


def _targets(found: FoundScores) -> dict[str, list[str]]:
    """Source language → the languages scored from it."""
    return {
        source: [code for code in group["language"].unique() if code != source]
        for source, group in found.scores.groupby("source", sort=False)
    }


def _check_baseline(settings: ReportSettings, strategies: Iterable[str]) -> None:
    """Without a run of the usual baseline a report has scores alone; another name that no run has is a mistake."""
    known = {published_name(name): name for name in strategies}
    if settings.baseline != BASELINE and published_name(settings.baseline) not in known:
        names = list(known.values())
        raise SettingsError(
            f"--baseline: no run has the strategy {settings.baseline!r}, only {', '.join(names)}"
            + (nearest(settings.baseline, names) or ".")
        )


def _inputs(settings: ReportSettings, found: FoundScores) -> list[Input]:
    """Everything the report is made from; the folders of the runs may be moved without making it out of date."""
    inputs: dict[str, Input] = {}
    runs = [] if settings.published_only else found.scores.drop_duplicates(["folder", "task"]).to_dict("records")
    for run in runs:
        folder = run["folder"]
        name = f"{folder.parent.name}/{run['task']}"
        while name in inputs:
            name += " again"
        digest = content_digest({"run": json.dumps([run[key] for key in RUN]), "scores": _scores_digest(folder)})
        inputs[name] = Input(name, str(folder), folder, digest)
    if measured := collect_changes(found.scores):
        inputs["changes"] = Input("changes", "changes", Path(), changes_digest(measured))
    known = distances.candidates(settings.distances, found.folders, _targets(found))
    for name, content in (
        ("notes", list(found.notes)),
        ("distances", [[each.title, each.source, each.values] for each in known]),
        ("published runs", published_rows() if settings.published or settings.published_only else []),
    ):
        if content:
            digest = content_digest({name: json.dumps(content, sort_keys=True)})
            inputs[name] = Input(name, name, Path(), digest)
    return list(inputs.values())


def _scores_digest(folder: Path) -> str:
    """The digest of a folder of scores, checked against its record if it has one."""
    record = read_record(folder)
    if record is None:
        return content_digest({str(name): file_digest(folder / name) for name in folder_files(folder)})
    verify(folder, record)
    return record.digest


def _plan(settings: ReportSettings, found: FoundScores) -> dict[str, Any]:
    """What a dry run shows."""
    if settings.published_only:
        return {"runs": f"the published ones, {settings.aligner} aligner"}
    scores = found.scores
    plan = {
        "models": scores["model"].unique().tolist(),
        "tasks": scores["task"].unique().tolist(),
        "strategies": scores["strategy"].unique().tolist(),
        "seeds": sorted(scores["seed"].unique().tolist()),
        "bootstrap samples": settings.resamples,
    }
    return plan | ({"notes": "\n".join(found.notes)} if found.notes else {})


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _details(section: Section) -> dict[str, Any]:
    """What the record keeps of a section; every other number is in the tables."""
    table = section.table
    strategies = []
    for row in table.rows:
        mean, compared = section.cell(row.strategy, MEAN), section.comparison(row.strategy)
        entry: dict[str, Any] = {"strategy": row.strategy, "control": row.control, "seeds": row.seeds}
        if mean:
            entry |= {"mean": mean.mean, "deviation": mean.deviation}
        if compared:
            average = compared.average
            entry |= {"gain": average.mean, "p": average.p, "interval": average.interval}
            entry |= {"improved": list(compared.improved), "degraded": list(compared.degraded)}
        strategies.append(entry)
    names = {"model": table.model, "task": table.task, "metric": table.metric, "source": table.source}
    return {**names, "baseline": section.baseline, "strategies": strategies}
