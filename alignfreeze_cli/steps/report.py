"""The report step: run folders, or the published runs → a folder of tables and pages.

report.md                                    everything, as text
tables/scores.csv  summary.csv  seeds.csv    every number, unrounded
tables/*.tex                                 the tables for a paper
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alignfreeze_cli.artifacts import Input, OutputFolder, Result, read_record, verify
from alignfreeze_cli.artifacts.files import content_digest, file_digest, folder_files
from alignfreeze_cli.progress import Console
from alignfreeze_cli.published import rows as published_rows
from alignfreeze_cli.report import distances, latex, tidy
from alignfreeze_cli.report.collecting import Collected, collect, report_of, report_of_published
from alignfreeze_cli.report.facts import Comparison, Report, Section
from alignfreeze_cli.report.markdown import Pictures, markdown, overview
from alignfreeze_cli.report.page import page
from alignfreeze_cli.report.plots import Plot, draw
from alignfreeze_cli.report.settings import ReportSettings
from alignfreeze_cli.report.table import MEAN, Score


def report(settings: ReportSettings, console: Console) -> Result:
    """Make a report's folder, or say that it is there already.

    The same scores and settings give the same bytes. Raises SettingsError, DataError, ArtifactError.
    """
    collected = Collected(()) if settings.published_only else collect(settings.runs)
    output = OutputFolder("report", settings, _inputs(settings, collected), default="report", seed=settings.seed)
    if done := output.finished():
        return done
    if settings.dry_run:
        return output.planned(_plan(settings, collected))
    with output.open(console) as work:
        made = report_of_published(settings) if settings.published_only else report_of(settings, collected, console)
        _write(made, work.path, console, settings.plots)
        work.details = _details(made)
    return output.result


def _plan(settings: ReportSettings, collected: Collected) -> dict[str, Any]:
    if settings.published_only:
        return {"runs": f"the published ones, {settings.aligner} aligner"}
    scores = collected.scores
    found: dict[str, Any] = {
        "models": list(dict.fromkeys(score.model for score in scores)),
        "tasks": list(dict.fromkeys(score.task for score in scores)),
        "strategies": list(dict.fromkeys(score.strategy for score in scores)),
        "seeds": sorted({score.seed for score in scores}),
        "bootstrap samples": settings.resamples,
    }
    return found | ({"notes": "\n".join(collected.notes)} if collected.notes else {})


def _inputs(settings: ReportSettings, collected: Collected) -> list[Input]:
    """Everything the report is made from; the folders of the runs may move without making it stale."""
    found: dict[str, Input] = {}
    for score in collected.scores:
        assert score.folder is not None
        name = f"{score.folder.parent.name}/{score.task}"
        while name in found:
            name += " again"
        digest = content_digest({"run": json.dumps(score.run), "scores": _scores_digest(score)})
        found[name] = Input(name, str(score.folder), score.folder, digest)
    inputs = list(found.values())
    for name, content in (
        ("notes", list(collected.notes)),
        (
            "distances",
            [[d.title, d.source, d.values] for d in distances.candidates(settings.distances, collected.roots)],
        ),
        ("published runs", published_rows() if settings.published or settings.published_only else []),
    ):
        if content:
            inputs.append(Input(name, name, Path(), content_digest({name: json.dumps(content, sort_keys=True)})))
    return inputs


def _scores_digest(score: Score) -> str:
    """The digest of a folder of scores, checked against its record if it has one."""
    assert score.folder is not None
    record = read_record(score.folder)
    if record is None:
        return content_digest({str(name): file_digest(score.folder / name) for name in folder_files(score.folder)})
    verify(score.folder, record)
    return record.digest


def _write(made: Report, folder: Path, console: Console, with_plots: bool) -> None:
    (folder / "tables").mkdir(exist_ok=True)
    for name, text in {**tidy.files(made), **latex.tables(made)}.items():
        _put(folder / "tables" / name, text)
    plots: Sequence[Plot] = ()
    if with_plots:
        console.info("Drawing plots.")
        plots = draw(made, folder / "plots")
    _put(folder / "report.md", markdown(made, _pictures(plots)))
    _put(folder / "report.html", page(made, plots))


def _put(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _pictures(plots: Sequence[Plot]) -> Pictures:
    """The plots as the Markdown text links them; brackets would end an alternative text."""
    found: dict[int | None, list[tuple[str, str, str]]] = {}
    for plot in plots:
        alt = plot.alt.replace("[", "(").replace("]", ")")
        found.setdefault(plot.section, []).append((f"plots/{plot.name}.svg", alt, plot.caption))
    return found


def _details(made: Report) -> dict[str, Any]:
    """What the record keeps and a terminal shows; every other number is in the tables."""
    return {
        "title": made.title,
        "overview": overview(made),
        "sections": [_described(section) for section in made.sections],
        "notes": list(made.notes),
    }


def _described(section: Section) -> dict[str, Any]:
    strategies = []
    for row in section.table.rows:
        mean = section.cell(row.strategy, MEAN)
        strategies.append(
            {
                "strategy": row.strategy,
                "control": row.control,
                "seeds": row.seeds,
                **({"mean": mean.mean, "deviation": mean.deviation} if mean else {}),
                **_compared(section.comparison(row.strategy)),
            }
        )
    table = section.table
    return {
        "model": table.model,
        "task": table.task,
        "metric": table.metric,
        "source": table.source,
        "baseline": section.baseline,
        "strategies": strategies,
    }


def _compared(comparison: Comparison | None) -> dict[str, Any]:
    if comparison is None:
        return {}
    average = comparison.average
    return {
        "gain": average.mean,
        "p": average.p,
        "interval": average.interval,
        "improved": list(comparison.improved),
        "degraded": list(comparison.degraded),
    }
