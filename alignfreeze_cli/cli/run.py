"""`alignfreeze run`: recipes → every step of every run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from alignfreeze_cli.cli.console import print_json, print_result
from alignfreeze_cli.cli.errors import explain
from alignfreeze_cli.cli.options import Debug, Format, Quiet, guarded
from alignfreeze_cli.errors import SettingsError
from alignfreeze_cli.progress import Console
from alignfreeze_cli.settings import as_list

HELP = """Run recipes: all steps of all strategies and seeds, shared ones once, finished ones not again.

    alignfreeze run xlm-roberta-base-baseline xlm-roberta-base-front --seeds 31,42 --jobs 2

What was interrupted goes on where it stopped. A step that fails does not stop those that do not need it.
On a cluster: `--snakefile Snakefile`, then `snakemake -s Snakefile`.
`alignfreeze recipes list` shows the shipped recipes, `alignfreeze recipes copy` makes one your own.
"""
WIDE = 10
"""More columns than this are not printed; the file has them all."""

Recipes = Annotated[list[str], typer.Argument(help="Shipped recipes by name, or files.", show_default=False)]
Output = Annotated[
    Path, typer.Option("--output", "-o", help="Folder of the runs.", rich_help_panel="Output and common options")
]
Seeds = Annotated[str | None, typer.Option("--seeds", help="Seeds, comma separated, instead of the recipe's.")]
Chosen = Annotated[str | None, typer.Option("--strategies", help="Only these strategies, comma separated.")]
Tasks = Annotated[str | None, typer.Option("--tasks", help="Only these tasks, comma separated.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change a setting: section.key=value, or model=…, freeze=…, data=… and the like."),
]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Steps at a time, each in a process of its own.")]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        min=1,
        help="Threads of each step; by default the recipe's, else the cores shared out. Scores repeat bit for bit only "
        "at the same number.",
        show_default=False,
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace outputs made otherwise.", rich_help_panel="Output and common options"),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be done.", rich_help_panel="Output and common options")
]
Snakefile = Annotated[
    Path | None,
    typer.Option(
        "--snakefile",
        metavar="FILE",
        help="Run nothing, but write the same steps as rules for Snakemake, which can run them on a cluster.",
        show_default=False,
        rich_help_panel="Output and common options",
    ),
]


def add(app: typer.Typer) -> None:
    app.command("run", help=HELP)(command)


def command(
    recipes: Recipes,
    output: Output = Path("runs"),
    seeds: Seeds = None,
    strategies: Chosen = None,
    tasks: Tasks = None,
    set_: Set = None,
    jobs: Jobs = 1,
    threads: Threads = None,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    snakefile: Snakefile = None,
    quiet: Quiet = False,
    format: Format = "text",
    debug: Debug = False,
) -> None:
    code = 0

    def work(console: Console) -> None:
        nonlocal code
        from alignfreeze_cli.runs import graph
        from alignfreeze_cli.runs import recipes as reading

        overrides = [*(set_ or ()), *([f"seeds={seeds}"] if seeds is not None else [])]
        expanded = graph.expand(
            [reading.load(name, overrides) for name in recipes],
            output,
            listed("--strategies", strategies),
            listed("--tasks", tasks),
        )
        for note in expanded.notes:
            console.info(note)
        if snakefile is not None:
            _write_snakefile(snakefile, expanded, jobs, threads, overwrite, dry_run, format)
            return
        code = run_graph(
            expanded,
            console,
            jobs,
            threads,
            overwrite=overwrite,
            dry_run=dry_run,
            quiet=quiet,
            format=format,
            debug=debug,
        )

    guarded(work, quiet, format, debug)
    if code:
        raise typer.Exit(code)


def _write_snakefile(
    path: Path, graph: Any, jobs: int, threads: int | None, overwrite: bool, dry_run: bool, format: str
) -> None:
    """The Snakefile, and the runs' own folders, which no step makes; a dry run prints it instead."""
    from alignfreeze_cli.runs import runner
    from alignfreeze_cli.runs.snakefile import snakefile

    if path.is_dir():
        raise SettingsError(f"--snakefile {path}: is a folder; name a file.")
    text = snakefile(graph, runner.threads_of(graph, jobs, threads), overwrite)
    if dry_run:
        print_result(text.rstrip("\n"))
        return
    for run in graph.runs:
        run.write()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    if format == "json":
        print_json({"path": str(path), "steps": len(graph.nodes), "runs": [str(run.folder) for run in graph.runs]})
    else:
        print_result(str(path))


def run_graph(
    graph: Any,
    console: Console,
    jobs: int,
    threads: int | None,
    *,
    overwrite: bool,
    dry_run: bool,
    quiet: bool,
    format: str,
    debug: bool,
    shown: Path | None = None,
    table_file: Path | None = None,
    inputs_there: bool = True,
    report: Callable[[], Path] | None = None,
) -> int:
    """Run or plan a graph, print what came of it, save the table; gives the exit code.

    `shown` is the folder that stands for the result, the graph's root if it is None; `inputs_there` is False if a dry
    run comes before the data. `report` makes a report once there are scores, and says where.
    """
    from alignfreeze_cli.artifacts.run_folder import RUN_NAME
    from alignfreeze_cli.report.markdown import score_text
    from alignfreeze_cli.report.score_table import score_tables
    from alignfreeze_cli.report.scores import read_scores
    from alignfreeze_cli.runs import runner

    if dry_run:
        outcomes = runner.plan(graph, console, inputs_there)
    else:
        outcomes = runner.run(graph, console, jobs=jobs, threads=threads, overwrite=overwrite)
    begun = [run.folder for run in graph.runs if (run.folder / RUN_NAME).is_file()]
    finished = score_tables(read_scores(begun))
    failed = runner.failures(outcomes)
    result = shown or graph.root
    if finished and not dry_run:
        (table_file or graph.root / "table.md").write_text(_file_text(finished), encoding="utf-8")
    reported = report() if report is not None and finished and not dry_run else None
    if format == "json":
        print_json(_json(result, graph, outcomes, finished) | ({"report": str(reported)} if reported else {}))
    elif quiet and not failed:
        print_result(str(result))
    elif dry_run:
        print_result(_plan_text(outcomes))
    elif not quiet:
        for entry in finished:
            narrow = len(entry.columns) > WIDE
            print_result(f"{score_text(entry.narrow() if narrow else entry)}\n")
        print_result(_summary(outcomes))
        for run in graph.runs:
            print_result(f"  {run.folder}")
        print_result(f"Table: {table_file or graph.root / 'table.md'}" if finished else "")
        print_result(f"Report: {reported / 'report.md'}" if reported else "")
    if not failed:
        return 0
    _complain(console, outcomes, debug)
    first = failed[0].error
    assert first is not None
    return explain(first)[1]


def _complain(console: Console, outcomes: Sequence[Any], debug: bool) -> None:
    """The list of what failed and why, on stderr, also with --quiet."""
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    lines = [f"{len(failed)} of {len(outcomes)} steps failed:"]
    for outcome in failed:
        lines.append(f"  {outcome.node.name} ({outcome.node.step}): {explain(outcome.error)[0]}")
        lines += [outcome.trace] if debug and outcome.trace else []
    lost = [outcome.node.name for outcome in outcomes if outcome.status == "not run"]
    if lost:
        lines.append(f"Not run, because they need those: {', '.join(lost)}.")
    if any(outcome.status == "made" for outcome in outcomes):
        lines.append("What is finished stays; run the same command again when the cause is mended.")
    console.warn("\n".join(lines))


def _summary(outcomes: Sequence[Any]) -> str:
    counts: dict[str, int] = {}
    for outcome in outcomes:
        counts[outcome.status] = counts.get(outcome.status, 0) + 1
    return f"{len(outcomes)} steps: " + ", ".join(f"{count} {status}" for status, count in counts.items()) + "."


def _plan_text(outcomes: Sequence[Any]) -> str:
    lines = [f"Would do (dry run), {_summary(outcomes)}"]
    for outcome in outcomes:
        needs = f"  from {', '.join(outcome.node.needs)}" if outcome.node.needs else ""
        lines.append(f"  {outcome.status:<13}{outcome.node.step:<12}{outcome.node.output}{needs}")
    return "\n".join(lines)


def _file_text(finished: Sequence[Any]) -> str:
    from alignfreeze_cli.report.markdown import score_text

    return "\n".join(f"{score_text(entry)}\n" for entry in finished)


def _json(result: Path, graph: Any, outcomes: Sequence[Any], finished: Sequence[Any]) -> dict[str, Any]:
    steps = [
        {
            "name": outcome.node.name,
            "step": outcome.node.step,
            "path": str(outcome.node.output),
            "status": outcome.status,
            "seconds": round(outcome.seconds, 3),
            **({"error": explain(outcome.error)[0]} if outcome.error is not None else {}),
        }
        for outcome in outcomes
    ]
    runs = [{"path": str(run.folder), **run.to_dict()} for run in graph.runs]
    statuses = {outcome.status for outcome in outcomes}
    order = ("failed", "planned", "made", "already done")
    return {
        "path": str(result),
        "status": next(status for status in order if status in statuses),
        "runs": runs,
        "steps": steps,
        "tables": [entry.to_dict() for entry in finished],
    }


def listed(option: str, text: str | None) -> tuple[str, ...]:
    """The names in a comma separated option; SettingsError if it is given but holds none."""
    if text is not None and not as_list(text):
        raise SettingsError(f"{option} needs at least one name.")
    return tuple(as_list(text or ()))
