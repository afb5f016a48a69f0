"""`alignfreeze search`: which freeze plan is best for a model, within a budget of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from alignfreeze_cli.cli import completion
from alignfreeze_cli.cli.console import print_json, print_result
from alignfreeze_cli.cli.options import Debug, Format, Quiet, command_errors
from alignfreeze_cli.cli.run import DryRun, Jobs, Output, Overwrite, Set, Threads
from alignfreeze_cli.tasks.registry import TASKS

HELP = """Search for the best freeze plan: single blocks, runs of blocks, halves, even and odd, embeddings, all, none.

    alignfreeze search --model xlm-roberta-base --task pos --budget 45

    alignfreeze search demo --set data=demo/world --budget 24 --jobs 2

Data and lengths are those of the recipe. Every plan is tried once with blocks of one realignment put back; the best are
realigned and run with more seeds, the last two with most. Half of the languages select, differences are those of the
other half. Says what the budget can't tell. Started again, it goes on where it stopped.
"""

RecipeName = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE", help="Where data, lengths and all else come from.", autocompletion=completion.recipe
    ),
]
Model = Annotated[
    str | None,
    typer.Option("--model", "-m", help="Encoder, instead of the recipe's.", show_default=False, metavar="MODEL"),
]
Budget = Annotated[
    int, typer.Option("--budget", min=1, metavar="RUNS", help="Task models to fine-tune and score, all rungs together.")
]
Task = Annotated[
    str | None,
    typer.Option(
        "--task",
        "-t",
        metavar="TASK",
        help=f"The task to search for, one of {', '.join(TASKS)}; by default the recipe's first.",
        show_default=False,
        autocompletion=completion.task,
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Decides the seeds of the runs and which languages select.")]


def add(app: typer.Typer) -> None:
    app.command("search", help=HELP)(command)


def command(
    budget: Budget,
    recipe: RecipeName = "default",
    model: Model = None,
    task: Task = None,
    seed: Seed = 0,
    output: Output = Path("search"),
    set_: Set = None,
    jobs: Jobs = 1,
    threads: Threads = None,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    format: Format = "text",
    debug: Debug = False,
) -> None:
    with command_errors(quiet, format, debug) as console:
        from alignfreeze_cli.runs.recipes import load
        from alignfreeze_cli.runs.search import Search, run_search
        from alignfreeze_cli.runs.search_report import plan_text, search_text, to_dict, write_search

        overrides = [*(set_ or ()), *([f"model={model}"] if model is not None else [])]
        search = Search.plan(load(recipe, overrides), task, budget, seed, output)
        if dry_run:
            print_result(plan_text(search))
            return
        found = run_search(search, console, jobs=jobs, threads=threads, overwrite=overwrite)
        write_search(found)
        if format == "json":
            print_json({"path": str(output), **to_dict(found)})
        elif quiet:
            print_result(str(output))
        else:
            print_result(f"{search_text(found)}\n\n{output}")
