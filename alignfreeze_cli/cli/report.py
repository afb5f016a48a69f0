"""`alignfreeze report`: runs, or the published ones → tables and tests of what realignment did."""

from __future__ import annotations

import typer

from alignfreeze_cli.artifacts.output import Result
from alignfreeze_cli.cli.options import add_step
from alignfreeze_cli.progress import Console
from alignfreeze_cli.report.settings import ReportSettings

HELP = """What realignment did: means over seeds, gains over the baseline with tests, per language and together.

    alignfreeze report runs --published

DIR is a run folder or holds some, as `run` makes them. It all comes as one HTML page, Markdown, CSV, LaTeX and plots.
docs/report.md explains every number. `--published-only` gives the tables of the paper from its published runs.
"""


def add(app: typer.Typer) -> None:
    add_step(app, "report", ReportSettings, _run, _show, HELP)


def _run(settings: ReportSettings, console: Console) -> Result:
    from alignfreeze_cli.steps.report import report

    return report(settings, console)


def _show(result: Result) -> str:
    return str(result.details["overview"])
