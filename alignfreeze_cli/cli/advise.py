"""The command `advise`: what to expect of realignment before it is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer
from rich.table import Table

from alignfreeze_cli.advice.settings import AdviseSettings
from alignfreeze_cli.cli.console import print_json, print_result, print_table
from alignfreeze_cli.cli.options import add_command
from alignfreeze_cli.phrases import printable, signed
from alignfreeze_cli.progress import Console

if TYPE_CHECKING:
    from alignfreeze_cli.advice.expectation import Expectation
    from alignfreeze_cli.steps.advise import Advice

HELP = """What realignment can be expected to gain in a language, from the published runs and yours, before it is run.

    alignfreeze advise hi sw --task pos --model xlm-roberta-base

    alignfreeze advise sw --task nli --model org/new-model --baseline-score sw=61.5

Gains are in points over the baseline, in brackets where 80 % of such gains lie. A gain that was measured is shown where
there is one; otherwise the mean over other languages, with the same model and task, or what the baseline's score says
of an unknown model. docs/advice.md shows how good these are, and why nothing better is used.
"""


def add(app: typer.Typer) -> None:
    add_command(app, "advise", HELP, AdviseSettings, _advise)


def _advise(settings: AdviseSettings, console: Console, quiet: bool, format: str) -> None:
    from alignfreeze_cli.steps.advise import advise

    advice = advise(settings, console)
    if format == "json":
        print_json(advice.to_dict())
    elif quiet:
        print_result(advice.verdict.strategy or "unknown")
    else:
        _print(advice)


def _print(advice: Advice) -> None:
    """Languages down, strategies across; below it what follows."""
    table = Table()
    table.add_column("language", overflow="fold")
    for strategy in advice.strategies:
        table.add_column(printable(strategy), justify="right")
    table.add_column("from")
    for language, of_strategies in advice.expected.items():
        sources = dict.fromkeys(each.said() for each in of_strategies.values() if each is not None)
        cells = [_cell(each) for each in of_strategies.values()]
        table.add_row(printable(language), *cells, "; ".join(sources) or "nothing known")
    print_table(table)
    print_result("\n".join(advice.sentences))


def _cell(found: Expectation | None) -> str:
    if found is None:
        return "–"
    gain = signed(found.gain, 2)
    if found.interval is None:
        return gain
    return f"{gain} ({signed(found.low, 2)} to {signed(found.high, 2)})"
