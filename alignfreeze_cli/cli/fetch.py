"""`alignfreeze fetch`: fill the caches for machines without a network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from alignfreeze_cli.cli import completion
from alignfreeze_cli.cli.console import print_json, print_result, print_table
from alignfreeze_cli.cli.errors import explain
from alignfreeze_cli.cli.options import Debug, Format, command_errors
from alignfreeze_cli.cli.run import DryRun, Set, Strategies, names
from alignfreeze_cli.cli.run import Tasks as OnlyTasks
from alignfreeze_cli.errors import SettingsError
from alignfreeze_cli.phrases import counted, printable, size
from alignfreeze_cli.progress import Console

if TYPE_CHECKING:
    from alignfreeze_cli.runs.downloads import Download
    from alignfreeze_cli.runs.fetching import Fetch

HELP = """Fetch what recipes read, or single models and data, into the caches: for machines without a network.

    alignfreeze fetch xlm-roberta-base-front --tasks pos --dry-run

    alignfreeze fetch FacebookAI/xlm-roberta-base opus-100 muse pos --languages de,fr

    alignfreeze fetch xlm-roberta-base-front --tasks pos --treebanks ud-treebanks-v2.7.tgz

Names: a recipe; a model, org/name[@revision]; `opus-100` or datasets/org/name, parallel text; `muse`, dictionaries;
`pos`, `ner`, `nli` or `qa`, the data of a task. What is here already stays, so an interrupted fetch goes on. Then
`alignfreeze run RECIPE --offline`, with the same HF_HOME and ALIGNFREEZE_CACHE.
"""

Names = Annotated[
    list[str],
    typer.Argument(
        metavar="RECIPE|MODEL|DATA…",
        help="What to fetch, as said above.",
        show_default=False,
        autocompletion=completion.recipe,
    ),
]
Source = Annotated[str, typer.Option("--source", metavar="CODE", help="Source language of data that is named.")]
Languages = Annotated[
    str | None,
    typer.Option(
        "--languages",
        metavar="CODES",
        help="Languages of data that is named, with commas; by default the paper's. A recipe names its own.",
        show_default=False,
    ),
]
Treebanks = Annotated[
    Path | None,
    typer.Option(
        "--treebanks",
        metavar="ARCHIVE",
        help="Take the treebanks for `pos` out of this archive of a release of Universal Dependencies, instead of the "
        "Hub: only those that are needed are unpacked.",
        show_default=False,
    ),
]
Dictionaries = Annotated[
    Path | None,
    typer.Option(
        "--dictionaries",
        metavar="FOLDER",
        help="Take the dictionaries of MUSE from this folder, instead of its server.",
        show_default=False,
    ),
]


def add(app: typer.Typer) -> None:
    app.command("fetch", help=HELP)(command)


def command(
    wanted: Names,
    source: Source = "en",
    languages: Languages = None,
    tasks: OnlyTasks = None,
    strategies: Strategies = None,
    set_: Set = None,
    treebanks: Treebanks = None,
    dictionaries: Dictionaries = None,
    dry_run: DryRun = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
    format: Format = "text",
    debug: Debug = False,
) -> None:
    with command_errors(quiet, format, debug) as console:
        from huggingface_hub import constants

        from alignfreeze_cli.runs.fetching import fetch_all, list_downloads

        chosen = (names("--tasks", tasks), names("--strategies", strategies), set_ or ())
        downloads = _wanted(wanted, source, names("--languages", languages), *chosen)
        _take_local(downloads, treebanks, dictionaries, dry_run, console)
        fetches = list_downloads(downloads, console)
        if not dry_run:
            fetch_all(fetches, Path(constants.HF_HUB_CACHE), console)
        _conclude(fetches, dry_run, console, quiet, format)


def _wanted(
    wanted: Sequence[str],
    source: str,
    languages: Sequence[str],
    tasks: Sequence[str],
    strategies: Sequence[str],
    overrides: Sequence[str],
) -> list[Download]:
    """What all names mean, each download once. Recipes are graphs, of which a part may be chosen."""
    from alignfreeze_cli.runs.downloads import downloads_of
    from alignfreeze_cli.runs.fetching import downloads_named
    from alignfreeze_cli.runs.graph import expand
    from alignfreeze_cli.runs.recipe_files import is_recipe
    from alignfreeze_cli.runs.recipes import load

    recipes = [name for name in wanted if is_recipe(name)]
    others = [name for name in wanted if not is_recipe(name)]
    if languages and not others:
        raise SettingsError("--languages is for data that is named; a recipe names its own: --set targets=de,fr.")
    if (tasks or strategies or overrides) and not recipes:
        raise SettingsError("--tasks, --strategies and --set are for recipes; name one.")
    found: list[Download] = []
    if recipes:
        found += downloads_of(expand([load(name, overrides) for name in recipes], Path("runs"), strategies, tasks))
    for name in others:
        found += downloads_named(name, source, languages)
    return list(dict.fromkeys(found))


def _take_local(
    downloads: Sequence[Download], treebanks: Path | None, dictionaries: Path | None, dry_run: bool, console: Console
) -> None:
    """Fill the caches with what the user has: treebanks out of an archive, dictionaries from a folder."""
    from alignfreeze_cli.aligners.dictionary_cache import keep_from_folder
    from alignfreeze_cli.aligners.settings import MUSE
    from alignfreeze_cli.runs.downloads import DictionaryDownload, TaskDataDownload
    from alignfreeze_cli.tasks.pos import PosTask, treebank_names
    from alignfreeze_cli.tasks.treebanks import Wanted, unpack

    if treebanks is not None:
        data = [each for each in downloads if isinstance(each, TaskDataDownload) and each.task == PosTask.name]
        if not data:
            raise SettingsError("--treebanks goes with `pos`, or a recipe that reads its default data.")
        some = [Wanted(code, each.split, treebank_names(code)) for each in data for code in each.languages]
        if not dry_run:
            folder = unpack(treebanks, some, console)
            console.info(f"Unpacked {counted(len(some), 'treebank')} into {folder}")
    if dictionaries is not None:
        of_muse = [each for each in downloads if isinstance(each, DictionaryDownload) and each.template == MUSE]
        if not of_muse:
            raise SettingsError("--dictionaries goes with `muse`, or a recipe that reads the dictionaries of MUSE.")
        if not dry_run:
            files = keep_from_folder(dictionaries, [(each.source, each.target) for each in of_muse])
            console.info(f"Took {counted(len(files), 'file')} of dictionaries from {dictionaries}")


def _conclude(fetches: Sequence[Fetch], dry_run: bool, console: Console, quiet: bool, format: str) -> None:
    """Print what was, or would be, fetched; what could not be had ends the command with the first reason's code."""
    failed = [each for each in fetches if each.error is not None]
    if format == "json":
        print_json(_as_json(fetches, dry_run))
    elif not quiet and fetches:
        _print_table(fetches, dry_run)
    elif not quiet:
        print_result("Nothing to fetch: all of it is made by the steps, or lies here as files.")
    if failed:
        console.warn("\n".join([f"{len(failed)} of {len(fetches)} could not be had:", *map(_said, failed)]))
        raise typer.Exit(next(explain(each.error)[1] for each in failed if each.error is not None))


def _said(fetch: Fetch) -> str:
    return f"  {' '.join([fetch.download.title, ', '.join(fetch.download.parts)]).rstrip()}: {fetch.error}"


def _as_json(fetches: Sequence[Fetch], dry_run: bool) -> dict[str, Any]:
    failed = any(each.error is not None for each in fetches)
    return {
        "status": "failed" if failed else "planned" if dry_run else "made",
        "bytes": sum(each.bytes for each in fetches),
        "here": sum(each.here for each in fetches),
        "downloads": [each.to_dict() for each in fetches],
    }


def _print_table(fetches: Sequence[Fetch], dry_run: bool) -> None:
    """One row for all of a title: its parts, files, bytes, and how much of them was here before."""
    table = Table()
    table.add_column("what", overflow="fold")
    table.add_column("of", overflow="fold")
    for heading in ("files", "size", "here before"):
        table.add_column(heading, justify="right")
    for title in dict.fromkeys(each.download.title for each in fetches):
        some = [each for each in fetches if each.download.title == title]
        parts = dict.fromkeys(part for each in some for part in each.download.parts)
        got = [each for each in some if each.error is None]
        files = sum(len(each.files) for each in got)
        sizes = [size(sum(each.bytes for each in got)), size(sum(each.here for each in got))]
        cells = [str(files), *sizes] if got else ["–"] * 3
        table.add_row(printable(title), printable(", ".join(parts)), *cells)
    print_table(table)
    new = sum(each.wanted for each in fetches if each.error is None)
    here = sum(each.here for each in fetches)
    print_result(f"{size(new)} {'to fetch' if dry_run else 'fetched'}, {size(here)} here before.")
