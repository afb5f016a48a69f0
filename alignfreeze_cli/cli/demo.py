"""`alignfreeze demo`: the whole pipeline on a small made-up world, without a network."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Any

import typer

from alignfreeze_cli.cli.options import Debug, Format, Quiet, guarded
from alignfreeze_cli.cli.run import DryRun, Overwrite, listed, run_graph
from alignfreeze_cli.progress import Console

HELP = """The whole pipeline on a small made-up world: pairs, encoders, task models, zero-shot scores, a report.

    alignfreeze demo
    alignfreeze demo --tasks all

Makes the world, then runs the recipe `demo` on it: the four strategies of the paper over three seeds, and two
controls. No network; a few minutes on two cores. Started again, it goes on where it stopped.
"""
ALL = "all"

Output = Annotated[
    Path, typer.Option("--output", "-o", help="Folder of it all.", rich_help_panel="Output and common options")
]
Seeds = Annotated[str | None, typer.Option("--seeds", help=r"Seeds, comma separated. \[default: 0,1,2]")]
Tasks = Annotated[
    str, typer.Option("--tasks", help="pos, ner, nli, qa, several with commas, or all. Tasks can be added later.")
]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Steps at a time.")]
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
    code = 0

    def work(console: Console) -> None:
        nonlocal code
        from alignfreeze_cli.demo.settings import DemoWorldSettings
        from alignfreeze_cli.demo.world import DISTANCES, make_world
        from alignfreeze_cli.runs.graph import expand
        from alignfreeze_cli.runs.recipes import load
        from alignfreeze_cli.settings import from_mapping

        given = [text.partition("=") for text in set_ or () if text.startswith("world.")]
        wishes: dict[str, Any] = {key.removeprefix("world."): value for key, _, value in given}
        world = output / "world"
        wishes |= {"output": str(world), "overwrite": overwrite, "dry-run": dry_run}
        wanted = from_mapping(DemoWorldSettings, wishes, "--set world")
        overrides = [text for text in set_ or () if not text.startswith("world.")]
        overrides += [f"seeds={seeds}"] if seeds is not None else []
        chosen = () if tasks == ALL else listed("--tasks", tasks)
        expand([load("demo", overrides)], output, tasks=chosen)  # mistakes show before the work begins
        made = make_world(wanted, console)
        source, *targets = made.details["languages"]
        recipe = load("demo", [f"data={world}", f"source={source}", f"targets={','.join(targets)}", *overrides])
        graph = expand([recipe], output / "runs", tasks=chosen)
        if made.status != "planned" and (world / DISTANCES).is_file():
            graph.root.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(world / DISTANCES, graph.root / DISTANCES)  # `report` looks for it beside the runs
        code = run_graph(
            graph,
            console,
            jobs,
            None,
            overwrite=overwrite,
            dry_run=dry_run,
            quiet=quiet,
            format=format,
            debug=debug,
            shown=output,
            table_file=output / "table.md",
            inputs_there=made.status != "planned",
            report=lambda: _report(output, world / DISTANCES, console),
        )

    guarded(work, quiet, format, debug)
    if code:
        raise typer.Exit(code)


def _report(output: Path, distances: Path, console: Console) -> Path:
    """The report on all runs of the demo, with the distances that its world was made with."""
    from alignfreeze_cli.report.settings import ReportSettings
    from alignfreeze_cli.steps.report import make_report

    wanted = ReportSettings(
        runs=(str(output / "runs"),),
        distances=str(distances) if distances.is_file() else None,  # older worlds have none
        output=output / "report",
        overwrite=True,
    )
    return make_report(wanted, console).path
