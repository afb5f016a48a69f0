"""`alignfreeze run`: recipes → every step of every run."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from alignfreeze_cli.artifacts.deleted import is_deleted
from alignfreeze_cli.artifacts.hub_client import is_offline, offline_mode
from alignfreeze_cli.cli import completion
from alignfreeze_cli.cli.console import print_json, print_result
from alignfreeze_cli.cli.errors import explain
from alignfreeze_cli.cli.needs import needs_table
from alignfreeze_cli.cli.options import OUTPUT, Debug, Format, Quiet, command_errors
from alignfreeze_cli.errors import HubError, SettingsError
from alignfreeze_cli.phrases import counted
from alignfreeze_cli.progress import Console
from alignfreeze_cli.settings import as_list
from alignfreeze_cli.tasks.registry import TASKS

if TYPE_CHECKING:
    from alignfreeze_cli.report.score_table import ScoreTable
    from alignfreeze_cli.runs.estimates import GraphEstimate
    from alignfreeze_cli.runs.graph import Graph
    from alignfreeze_cli.runs.worklist import Outcome

HELP = """Run recipes: all steps of all strategies and seeds. Steps that several runs share are run once.

    alignfreeze run xlm-roberta-base-baseline xlm-roberta-base-front --seeds 31,42 --jobs 2

Finished steps are skipped and interrupted ones resumed. A step that fails does not stop those that do not need it.
On a cluster: `--snakefile Snakefile`, then `snakemake -s Snakefile`.
`alignfreeze recipes list` lists the shipped recipes, `alignfreeze recipes copy` copies one for you to change.
"""
MOST_COLUMNS = 10
"""A table with more columns is shortened on the terminal; the file has them all."""

Recipes = Annotated[
    list[str],
    typer.Argument(help="Shipped recipes by name, or files.", show_default=False, autocompletion=completion.recipe),
]
Strategies = Annotated[
    str | None,
    typer.Option(
        "--strategies",
        metavar="NAMES",
        help="Only these strategies, comma separated. `front` means those like `front-fastalign` too, where none "
        "is called `front` alone.",
        autocompletion=completion.strategies,
    ),
]
Tasks = Annotated[
    str | None,
    typer.Option(
        "--tasks",
        metavar="TASKS",
        help=f"Only these of the recipe's tasks, comma separated: {', '.join(TASKS)}.",
        autocompletion=completion.tasks,
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change a setting: section.key=value, or model=…, freeze=…, data=… and the like."),
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        min=1,
        help="Threads of each step; by default the recipe's, else the cores divided among the jobs. Scores repeat bit "
        "for bit only at the same number.",
        show_default=False,
    ),
]
Snakefile = Annotated[
    Path | None,
    typer.Option(
        "--snakefile",
        metavar="FILE",
        help="Export to Snakemake: run nothing, but write a Snakefile with the same steps, for example for a cluster.",
        show_default=False,
        rich_help_panel=OUTPUT,
    ),
]
Keep = Annotated[
    Literal["all", "encoders", "scores"] | None,
    typer.Option(
        "--keep",
        help="Which models stay: with `encoders` a task model is deleted once it is scored, with `scores` encoders too "
        "once nothing needs them; what is needed again is made again. `all` makes all again that was deleted. By "
        "default nothing is deleted.",
        show_default=False,
        rich_help_panel=OUTPUT,
    ),
]
ByLanguage = Annotated[
    bool,
    typer.Option(
        "--by-language",
        help="Align every language in a step of its own, so that jobs, or machines with --snakefile, share the work.",
        rich_help_panel=OUTPUT,
    ),
]
Offline = Annotated[
    bool,
    typer.Option(
        "--offline",
        help="Ask nothing of the Hub (as HF_HUB_OFFLINE=1 does): if anything that the steps read is not in the caches, "
        "say what, and how to fetch it, before the first step.",
    ),
]
# What `run` and `demo` have in common:
Seeds = Annotated[
    str | None, typer.Option("--seeds", help="Seeds, comma separated, instead of the recipe's.", show_default=False)
]
Jobs = Annotated[
    int, typer.Option("--jobs", "-j", min=1, help="Steps to run at the same time, each in a process of its own.")
]
Output = Annotated[
    Path, typer.Option("--output", "-o", help="Folder of all runs and the table.", rich_help_panel=OUTPUT)
]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite", help="Replace outputs that were made with other settings or inputs.", rich_help_panel=OUTPUT
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.", rich_help_panel=OUTPUT)
]
Measure = Annotated[
    bool,
    typer.Option(
        "--measure",
        help="With --dry-run or --snakefile: also how long it takes, by ten steps of every kind of training whose data "
        "are there.",
        rich_help_panel=OUTPUT,
    ),
]


def add(app: typer.Typer) -> None:
    app.command("run", help=HELP)(command)


def command(
    recipes: Recipes,
    output: Output = Path("runs"),
    seeds: Seeds = None,
    strategies: Strategies = None,
    tasks: Tasks = None,
    set_: Set = None,
    jobs: Jobs = 1,
    threads: Threads = None,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    measure: Measure = False,
    snakefile: Snakefile = None,
    by_language: ByLanguage = False,
    keep: Keep = None,
    offline: Offline = False,
    quiet: Quiet = False,
    format: Format = "text",
    debug: Debug = False,
) -> None:
    with command_errors(quiet, format, debug) as console, offline_mode(offline):
        from alignfreeze_cli.runs import runner
        from alignfreeze_cli.runs.downloads import demand_downloads
        from alignfreeze_cli.runs.graph import expand
        from alignfreeze_cli.runs.paths import demand_paths
        from alignfreeze_cli.runs.recipes import load
        from alignfreeze_cli.runs.worklist import Outcome, torch_threads

        if measure and not (dry_run or snakefile):
            raise SettingsError("--measure goes with --dry-run or --snakefile.")
        overrides = [*(set_ or ()), *([f"seeds={seeds}"] if seeds is not None else [])]
        loaded = [load(name, overrides) for name in recipes]
        graph = expand(loaded, output, names("--strategies", strategies), names("--tasks", tasks))
        whole = expand(loaded, output) if keep is not None else graph
        if by_language:
            from alignfreeze_cli.runs.by_language import by_language as divided

            graph, whole = divided(graph), divided(whole)
        announce(graph, console)
        if snakefile is not None:
            if keep is not None:
                raise SettingsError("--keep: a Snakefile keeps every model; give one of --keep and --snakefile.")
            fixed = threads or graph.threads
            with torch_threads(fixed or runner.threads_of(graph, jobs, None)):
                planned = [Outcome(node, "planned") for node in graph.nodes.values()]
                taken = needs_of(graph, planned, measure, console)
            _export(graph, snakefile, fixed, overwrite, taken, dry_run, format, console)
            return
        demand_paths(graph)
        if is_offline():
            try:
                fetch = ["alignfreeze", "fetch", *recipes, *chosen_part(tasks, strategies, set_)]
                demand_downloads(graph, shlex.join(fetch))
            except HubError as error:
                if not dry_run:
                    raise
                console.warn(str(error))
        needs = None
        if dry_run:
            with torch_threads(runner.threads_of(graph, jobs, threads)):
                outcomes = runner.plan(graph, console, keep=keep)
                needs = needs_of(graph, outcomes, measure, console)
        else:
            outcomes = runner.run(
                graph, console, jobs=jobs, threads=threads, overwrite=overwrite, keep=keep, whole=whole
            )
        finished = Finished(output, graph, outcomes, score_tables_of(graph), dry_run, needs=needs, jobs=jobs)
        conclude(finished, console, quiet, format, debug)


def names(option: str, text: str | None) -> tuple[str, ...]:
    """The names in a comma separated option; SettingsError if it is given but holds none."""
    if text is not None and not as_list(text):
        raise SettingsError(f"{option} needs at least one name.")
    return tuple(as_list(text or ()))


def chosen_part(tasks: str | None, strategies: str | None, set_: Sequence[str] | None) -> list[str]:
    """The options that choose a part of a recipe or change it, as they were given."""
    given = [("--tasks", tasks), ("--strategies", strategies), *(("--set", each) for each in set_ or ())]
    return [word for option, value in given if value is not None for word in (option, value)]


def announce(graph: Graph, console: Console) -> None:
    """What a user should know before a graph is run."""
    for note in graph.notes:
        console.info(note)
    if published := graph.published_behaviours():
        console.info(f"published behaviours: {', '.join(published)}")


def needs_of(graph: Graph, outcomes: list[Outcome], measure: bool, console: Console) -> GraphEstimate:
    """What the planned steps take: as their dry runs found it, or are measured to take, else by their settings."""
    from alignfreeze_cli.runs.estimates import estimates, measured
    from alignfreeze_cli.steps.estimates import Estimate

    planned = {outcome.node.name: outcome for outcome in outcomes if outcome.status == "planned"}
    known = {name: Estimate.of(each.details["needs"]) for name, each in planned.items() if "needs" in each.details}
    if measure:
        known |= measured(graph, outcomes, console)
    return estimates(graph, known=known, only=planned, console=console)


def score_tables_of(graph: Graph) -> list[ScoreTable]:
    """The tables of all scores of a graph's runs that are there."""
    from alignfreeze_cli.artifacts.run_folder import RUN_NAME
    from alignfreeze_cli.report.score_table import score_tables
    from alignfreeze_cli.report.scores import read_scores

    return score_tables(read_scores([run.folder for run in graph.runs if (run.folder / RUN_NAME).is_file()]))


@dataclass(frozen=True)
class Finished:
    """A graph that was run, or (`planned`) would be run: what became of each step, and the scores there are.

    `output` is the folder of all of it, `report` the folder of a report on it, if one was made. `needs` is what the
    planned steps take, `jobs` at a time.
    """

    output: Path
    graph: Graph
    outcomes: list[Outcome]
    tables: list[ScoreTable]
    planned: bool = False
    report: Path | None = None
    needs: GraphEstimate | None = None
    jobs: int = 1

    @property
    def table_file(self) -> Path:
        return self.output / "table.md"

    @property
    def failed(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.status == "failed"]

    def failures(self, debug: bool) -> str:
        """What failed and why."""
        lines = [f"{len(self.failed)} of {len(self.outcomes)} steps failed:"]
        for outcome in self.failed:
            lines.append(f"  {outcome.node.name} ({outcome.node.step}): {_reason(outcome)[0]}")
            lines += [outcome.trace] if debug and outcome.trace else []
        not_run = [outcome.node.name for outcome in self.outcomes if outcome.status == "not run"]
        if not_run:
            lines.append(f"Not run, because they need those: {', '.join(not_run)}.")
        if any(outcome.status == "made" for outcome in self.outcomes):
            lines.append("Finished steps are kept; run the same command again once the cause is removed.")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        steps = [
            {
                "name": outcome.node.name,
                "step": outcome.node.step,
                "path": str(outcome.node.output),
                "status": outcome.status,
                "seconds": round(outcome.seconds, 3),
                **({"deleted": True} if is_deleted(outcome.node.output) else {}),
                **({"error": _reason(outcome)[0]} if outcome.error is not None else {}),
                **self._needs_of(outcome.node.name),
            }
            for outcome in self.outcomes
        ]
        statuses = {outcome.status for outcome in self.outcomes}
        order = ("failed", "planned", "made", "already done")
        return {
            "path": str(self.output),
            "status": next(status for status in order if status in statuses),
            "runs": [{"path": str(run.folder), **run.to_dict()} for run in self.graph.runs],
            "steps": steps,
            "tables": [table.to_dict() for table in self.tables],
            **({"report": str(self.report)} if self.report else {}),
            **({"needs": self.needs.to_dict(self.jobs)} if self.needs else {}),
        }

    def _needs_of(self, name: str) -> dict[str, Any]:
        estimate = self.needs.steps.get(name) if self.needs else None
        return {"needs": estimate.to_dict()} if estimate else {}

    def text(self) -> str:
        from alignfreeze_cli.report.markdown import score_text

        lines = []
        for table in self.tables:
            shortened = table.narrow() if len(table.columns) > MOST_COLUMNS else table
            lines.append(f"{score_text(shortened)}\n")
        lines += [self._summary(), *(f"  {run.folder}" for run in self.graph.runs)]
        lines += [f"Table: {self.table_file}"] if self.tables else []
        lines += [f"Report: {self.report / 'report.md'}"] if self.report else []
        return "\n".join(lines)

    def plan_text(self) -> str:
        lines = [f"Would do (dry run), {self._summary()}"]
        for outcome in self.outcomes:
            needs = f"  from {', '.join(outcome.node.needs)}" if outcome.node.needs else ""
            lines.append(f"  {outcome.status:<13}{outcome.node.step:<12}{outcome.node.output}{needs}")
        if self.needs and (self.needs.steps or self.needs.unknown):
            lines += ["", needs_table(self.needs, self.jobs)]
        return "\n".join(lines)

    def _summary(self) -> str:
        counts = Counter(outcome.status for outcome in self.outcomes)
        what = ", ".join(f"{count} {status}" for status, count in counts.items())
        deleted = sum(is_deleted(outcome.node.output) for outcome in self.outcomes)
        without = f" Weights were deleted of {counted(deleted, 'model')}." if deleted else ""
        return f"{len(self.outcomes)} steps: {what}.{without}"


def _reason(outcome: Outcome) -> tuple[str, int]:
    """Why a step failed, and the exit code that stands for it."""
    assert outcome.error is not None  # a failed step has one
    return explain(outcome.error)


def conclude(finished: Finished, console: Console, quiet: bool, format: str, debug: bool) -> None:
    """Write the table, print the result on stdout, and on stderr, also with --quiet, what failed.

    Ends the command with the exit code of the first failure.
    """
    from alignfreeze_cli.report.markdown import score_text

    if finished.tables and not finished.planned:
        text = "\n".join(f"{score_text(table, for_file=True)}\n" for table in finished.tables)
        finished.table_file.write_text(text, encoding="utf-8")
    if format == "json":
        print_json(finished.to_dict())
    elif not quiet:
        print_result(finished.plan_text() if finished.planned else finished.text())
    elif not finished.failed:
        print_result(str(finished.output))
    if finished.failed:
        console.warn(finished.failures(debug))
        raise typer.Exit(_reason(finished.failed[0])[1])


def _export(
    graph: Graph,
    path: Path,
    threads: int | None,
    overwrite: bool,
    needs: GraphEstimate,
    dry_run: bool,
    format: str,
    console: Console,
) -> None:
    """Write a Snakefile, a profile beside it, and the run folders, which no step makes; a dry run prints the first."""
    from alignfreeze_cli.runs.snakefile import PROFILE, snakefile

    if path.is_dir():
        raise SettingsError(f"--snakefile {path}: is a folder; name a file.")
    text = snakefile(graph, threads, overwrite, needs.steps)
    if dry_run:
        print_result(text.rstrip("\n"))
        return
    for run in graph.runs:
        run.write()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    profile = path.parent / "profiles" / "slurm" / "config.yaml"
    if not profile.exists():  # it is there to be changed
        profile.parent.mkdir(parents=True, exist_ok=True)
        profile.write_text(PROFILE, encoding="utf-8")
    if format == "json":
        made = {"path": str(path), "profile": str(profile.parent), "steps": len(graph.nodes)}
        print_json({**made, "runs": [str(run.folder) for run in graph.runs]})
    else:
        print_result(str(path))
        given = ["-s", str(path), "--workflow-profile", str(profile.parent)]
        console.info(f"Next, with your account and partition in the profile: {shlex.join(['snakemake', *given])}")
