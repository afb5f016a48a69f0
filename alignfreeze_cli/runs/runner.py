"""Running a graph: every step through its ordinary function, finished ones skipped, interrupted ones resumed.

A step that fails does not stop those that don't need it. With one job the steps run in this process and print what they
print by themselves; with several they run in worker processes (`workers.py`) and each finished step is one line.
"""

from __future__ import annotations

import os
from dataclasses import replace

from alignfreeze_cli.artifacts import read_record
from alignfreeze_cli.errors import Interrupted
from alignfreeze_cli.progress import Console
from alignfreeze_cli.runs.graph import Graph
from alignfreeze_cli.runs.workers import run_in_workers
from alignfreeze_cli.runs.worklist import Outcome, Worklist, attempt, effective, torch_threads
from alignfreeze_cli.settings import StepSettings


def run(
    graph: Graph, console: Console, *, jobs: int = 1, threads: int | None = None, overwrite: bool = False
) -> list[Outcome]:
    """Run every step of the graph; returns one outcome per step, failed ones included, in the order of the graph.

    `threads` for each step: by default what the recipe says, else the cores divided among the jobs. Results repeat
    bit for bit only at the same number. Raises Interrupted on Ctrl-C, after checkpoints are saved.
    """
    threads = threads_of(graph, jobs, threads)
    for entry in graph.runs:
        entry.write()
    worklist = Worklist(graph, console)
    try:
        if jobs == 1 or len(graph.nodes) == 1:
            _run_here(worklist, threads, overwrite)
        else:
            run_in_workers(worklist, min(jobs, len(graph.nodes)), threads, overwrite)
    except (KeyboardInterrupt, Interrupted):
        raise worklist.interrupted() from None
    return [worklist.outcomes[name] for name in graph.nodes]


def plan(graph: Graph, console: Console, inputs_there: bool = True) -> list[Outcome]:
    """What `run` would do, without doing it.

    Steps whose inputs exist make a dry run of their own, so that missing or unusable data is found here; not so if the
    data itself is still to be made (`inputs_there=False`).
    """
    outcomes: dict[str, Outcome] = {}
    for node in graph.nodes.values():
        ready = all(outcomes[name].status == "already done" for name in node.needs)
        record = read_record(node.output) if node.output.is_dir() and ready else None
        behaviour = 1 + len(node.settings.changes)
        same = record is not None and record.identity.get("settings") == _as_computed_here(node.settings).identity()
        if same and record is not None and record.identity.get("behaviour", 1) == behaviour:
            outcomes[node.name] = Outcome(node, "already done")
        elif inputs_there and ready:
            outcomes[node.name] = attempt(node, replace(node.settings, dry_run=True), console)
        else:
            failed = tuple(name for name in node.needs if outcomes[name].status in ("failed", "not run"))
            outcomes[node.name] = Outcome(node, "not run" if failed else "planned", because=failed)
    return list(outcomes.values())


def _as_computed_here(settings: StepSettings) -> StepSettings:
    """The settings with what `--precision auto` means on this machine, as records hold them."""
    if getattr(settings, "precision", None) != "auto":
        return settings
    from alignfreeze_cli.training.devices import with_precision

    return with_precision(settings)


def threads_of(graph: Graph, jobs: int, threads: int | None) -> int:
    """Threads of each step: as given, as the recipe says, or the cores divided among the jobs."""
    # The cores that this process may use can be fewer than the machine has.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return threads or graph.threads or max(1, cores // jobs)


def _run_here(worklist: Worklist, threads: int, overwrite: bool) -> None:
    with torch_threads(threads):
        while nodes := worklist.ready():
            node = nodes[0]
            worklist.console.info(f"{node.name}: {node.step}")
            worklist.end(attempt(node, effective(node, overwrite), worklist.console))
