"""`alignfreeze demo`: the whole pipeline on a small made-up world, without a network."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Any

import typer

from alignfreeze_cli.cli import completion
from alignfreeze_cli.cli.options import Debug, Format, Quiet, command_errors
from alignfreeze_cli.cli.run import (
    DryRun,
    Finished,
    Jobs,
    Output,
    Overwrite,
    Seeds,
    announce,
    conclude,
    names,
    score_tables_of,
)
from alignfreeze_cli.progress import Console

HELP = """The whole pipeline on a small made-up world: pairs, encoders, task models, zero-shot scores, a report.

    alignfreeze demo
    alignfreeze demo --tasks all

Makes the world, then runs the recipe `demo` on it: the four strategies of the paper and two controls, over three
seeds. No network; a few minutes on two cores. Started again, it resumes where it stopped.
"""

Tasks = Annotated[
    str,
    typer.Option(
        "--tasks",
        metavar="TASKS",
        help="pos, ner, nli, qa, several with commas, or all. Tasks can be added later.",
        autocompletion=completion.demo_tasks,
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change a setting of the recipe (section.key=value) or of the world (world.key=value)."),
]


def add(app: typer.Typer) -> None:
    app.command("demo", help=HELP)(command)


def command(
    output: Output = Path("demo"),
    seeds: Seeds = None,
    tasks: Tasks = "pos",
    jobs: Jobs = 2,
    set_: Set = None,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    format: Format = "text",
    debug: Debug = False,
) -> None:
    with command_errors(quiet, format, debug) as console:
        from alignfreeze_cli.demo.settings import DemoWorldSettings
        from alignfreeze_cli.demo.world import DISTANCES, make_world
        from alignfreeze_cli.runs import runner
        from alignfreeze_cli.runs.graph import expand
        from alignfreeze_cli.runs.recipes import load
        from alignfreeze_cli.settings import from_mapping

        # Settings of the world and of the recipe; mistakes in either show before the work begins.
        world = output / "world"
        given = [text.partition("=") for text in set_ or () if text.startswith("world.")]
        of_world: dict[str, Any] = {key.removeprefix("world."): value for key, _, value in given}
        of_world |= {"output": str(world), "overwrite": overwrite, "dry-run": dry_run}
        world_settings = from_mapping(DemoWorldSettings, of_world, "--set world")
        overrides = [text for text in set_ or () if not text.startswith("world.")]
        overrides += [f"seeds={seeds}"] if seeds is not None else []
        chosen = () if tasks == completion.ALL_TASKS else names("--tasks", tasks)
        expand([load("demo", overrides)], output, tasks=chosen)

        made = make_world(world_settings, console)
        source, *targets = made.details["languages"]
        recipe = load("demo", [f"data={world}", f"source={source}", f"targets={','.join(targets)}", *overrides])
        graph = expand([recipe], output / "runs", tasks=chosen)
        announce(graph, console)
        world_exists = made.status != "planned"
        if world_exists and (world / DISTANCES).is_file():
            graph.root.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(world / DISTANCES, graph.root / DISTANCES)  # where `report` looks for it
        if dry_run:
            outcomes = runner.plan(graph, console, inputs_there=world_exists)
        else:
            outcomes = runner.run(graph, console, jobs=jobs, overwrite=overwrite)
        tables = score_tables_of(graph)
        reported = _report(output, world / DISTANCES, console) if tables and not dry_run else None
        finished = Finished(output, graph, outcomes, tables, planned=dry_run, report=reported)
        conclude(finished, console, quiet, format, debug)


def _report(output: Path, distances: Path, console: Console) -> Path:
    """The report on all runs of the demo, with the distances that its world was made with."""
    from alignfreeze_cli.report.settings import ReportSettings
    from alignfreeze_cli.steps.report import make_report

    settings = ReportSettings(
        runs=(str(output / "runs"),),
        distances=str(distances) if distances.is_file() else None,  # older worlds have none
        output=output / "report",
        overwrite=True,
    )
    return make_report(settings, console).path
