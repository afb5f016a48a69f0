"""`alignfreeze evaluate`: task model + labelled data in many languages → scores."""

from __future__ import annotations

import typer

from alignfreeze_cli.artifacts.output import Result
from alignfreeze_cli.cli.options import add_step
from alignfreeze_cli.progress import Console
from alignfreeze_cli.tasks.settings import EvaluateSettings

HELP = """Score a task model in every language, zero-shot, in one call; predictions are kept.

    alignfreeze evaluate --model pos --languages en,de,tr --data 'ud/{language}_*-test.conllu'
"""


def add(app: typer.Typer) -> None:
    add_step(app, "evaluate", EvaluateSettings, _run, _show, HELP)


def _run(settings: EvaluateSettings, console: Console) -> Result:
    from alignfreeze_cli.steps.evaluate import evaluate

    return evaluate(settings, console)


def _show(result: Result) -> str:
    details = result.details
    rows = [f"{'language':12}{details['metric']:>10}{'scored':>10}{'examples':>10}"]
    for language, entry in details["languages"].items():
        name = language + (" (source)" if language == details["source-language"] else "")
        rows.append(f"{name:12}{100 * entry['value']:10.2f}{entry['scored']:10,}{entry['examples']:10,}")
    if details["average"] is not None:
        rows.append(f"{'mean':12}{100 * details['average']:10.2f}  (languages other than the source)")
    return "\n".join(rows)
