"""The command `score-links`: how well links agree with gold links."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer
from rich.table import Table

from alignfreeze_cli.aligners.scoring_settings import ScoreLinksSettings
from alignfreeze_cli.cli.console import print_json, print_result, print_table
from alignfreeze_cli.cli.options import add_command
from alignfreeze_cli.phrases import counted, printable
from alignfreeze_cli.progress import Console

if TYPE_CHECKING:
    from alignfreeze_cli.aligners.scoring import LinkScores
    from alignfreeze_cli.steps.score_links import Scored

HELP = """Score word links against gold links: precision, recall, F1, alignment error rate.

    alignfreeze score-links links/de-en.pharaoh --gold gold.naacl --gold-base 1 --text 'test.de::test.en'

    alignfreeze score-links one.pharaoh other.pharaoh --gold gold.pharaoh --first 100

The definitions are those of Och and Ney (2003), with counts summed over all sentences.
"""


def add(app: typer.Typer) -> None:
    add_command(app, "score-links", HELP, ScoreLinksSettings, _score)


def _score(settings: ScoreLinksSettings, console: Console, quiet: bool, format: str) -> None:
    from alignfreeze_cli.steps.score_links import score_links

    scored = score_links(settings, console)
    if format == "json":
        print_json(scored.to_dict())
    elif quiet:
        print_result("\n".join(_percent(each.scores.aer) for each in scored.files))
    else:
        _print(scored)


def _print(scored: Scored) -> None:
    """A table with a row for each file, and sentences on what was counted."""
    filtered = scored.files[0].filtered is not None
    table = Table()
    table.add_column("links of", overflow="fold")
    for heading in ("links", "a pair", "precision", "recall", "F1", "AER"):
        table.add_column(heading, justify="right")
    if filtered:
        for heading in ("kept a pair", "their precision"):
            table.add_column(heading, justify="right")
    for each in scored.files:
        row = [printable(each.file.place), *_cells(each.scores, scored.sentences)]
        if each.filtered is not None:
            row += [_per_pair(each.filtered, scored.sentences), _percent(each.filtered.precision)]
        table.add_row(*row)
    print_table(table)
    about = scored.to_dict()
    gold = about["gold"]
    bases = "; ".join(f"{each.file.place} ({each.file.form}) from {each.file.base}" for each in scored.files)
    lines = [
        f"Gold: {counted(gold['sentences'], 'sentence')}, {counted(gold['sure'], 'sure link')}, {gold['possible']:,} "
        f"possible besides; in percent, of {about['counted']}.",
        f"Words are counted: {scored.gold.place} ({scored.gold.form}) from {scored.gold.base}; {bases}.",
    ]
    if scored.common is not None:
        one, other = about["one-only"]
        lines.append(
            f"In both files: {about['both']['links']:,} links, {about['both']['right']:,} of them right; in the first "
            f"only {one['links']:,} ({one['right']:,} right), in the second only {other['links']:,} "
            f"({other['right']:,} right)."
        )
    if filtered:
        lines.append("Kept: the links that realignment uses, one-to-one and between different words.")
    print_result("\n".join(lines))


def _cells(scores: LinkScores, sentences: int) -> list[str]:
    ratios = (scores.precision, scores.recall, scores.f1, scores.aer)
    return [f"{scores.links:,}", _per_pair(scores, sentences), *map(_percent, ratios)]


def _per_pair(scores: LinkScores, sentences: int) -> str:
    return f"{scores.links / sentences:.1f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"
