"""`alignfreeze evaluate`: task model + labelled data in many languages → scores."""

from __future__ import annotations

import typer

from alignfreeze_cli.artifacts.produce import Result
from alignfreeze_cli.cli.options import add_step
from alignfreeze_cli.progress import Console
from alignfreeze_cli.tasks.settings import EvaluateSettings

HELP = """Score a task model in every language, zero-shot, in one call; predictions are kept.

    alignfreeze evaluate --model pos --languages en,de,tr --data 'ud/{language}_*-test.conllu'
"""


def add(app: typer.Typer) -> None:
    add_step(app, "evaluate", EvaluateSettings, _run, _show, HELP)


def _run(settings: EvaluateSettings, console: Console) -> Result:
    from alignfreeze_cli.tasks.evaluation import evaluate

    return evaluate(settings, console)


def _show(result: Result) -> str:
    return ""
