"""Running a graph: every step through its ordinary function, finished ones skipped, interrupted ones resumed.

A step that fails does not stop those that don't need it. With one job the steps run in this process and print what they
print by themselves; with several they run in worker processes (`workers.py`) and each finished step is one line.
"""

from __future__ import annotations

import os
from dataclasses import replace

from alignfreeze_cli.artifacts.deleted import is_deleted
from alignfreeze_cli.errors import Interrupted, WeightsDeletedError
from alignfreeze_cli.progress import Console
from alignfreeze_cli.runs.estimates import without_seed
from alignfreeze_cli.runs.graph import Graph, Node
from alignfreeze_cli.runs.keeping import Keep, Keeping, was_made
from alignfreeze_cli.runs.workers import run_in_workers
from alignfreeze_cli.runs.worklist import Outcome, Worklist, attempt, torch_threads
from alignfreeze_cli.settings import StepSettings


def run(
    graph: Graph,
    console: Console,
    *,
    jobs: int = 1,
    threads: int | None = None,
    overwrite: bool = False,
    keep: Keep | None = None,
    whole: Graph | None = None,
) -> list[Outcome]:
    """Run every step of the graph; returns one outcome per step, failed ones included, in the order of the graph.

    `threads` for each step: by default what the recipe says, else the cores divided among the jobs. Results repeat
    bit for bit only at the same number. `keep` says which models stay (keeping.py), `whole` is the graph of all of the
    recipes if this one is a part of it. Raises Interrupted on Ctrl-C, after checkpoints are saved.
    """
    threads = threads_of(graph, jobs, threads)
    for entry in graph.runs:
        entry.write()
    worklist = Worklist(graph, console, Keeping(graph, whole or graph, keep), overwrite)
    try:
        if jobs == 1 or len(graph.nodes) == 1:
            _run_here(worklist, threads)
        else:
            run_in_workers(worklist, min(jobs, len(graph.nodes)), threads)
    except (KeyboardInterrupt, Interrupted):
        raise worklist.interrupted() from None
    return [worklist.outcomes[name] for name in graph.nodes]


def plan(graph: Graph, console: Console, inputs_there: bool = True, keep: Keep | None = None) -> list[Outcome]:
    """What `run` would do, without doing it.

    Steps whose inputs exist make a dry run, so that missing or unusable data is found here; not so if the data itself
    is still to be made (`inputs_there=False`). Of steps that differ in nothing but seed and output one stands for all,
    since they read the same.
    """
    outcomes: dict[str, Outcome] = {}
    tried: dict[StepSettings, Outcome] = {}
    keeping = Keeping(graph, graph, keep)

    def make_again(name: str) -> None:
        """Plan a deleted model, and those that it is made from."""
        node = graph.nodes[name]
        if is_deleted(node.output):
            outcomes[name] = Outcome(node, "planned")
            for needed in node.needs:
                make_again(needed)

    for node in graph.nodes.values():
        ready = all(
            outcomes[name].status == "already done"
            or (outcomes[name].status == "planned" and is_deleted(graph.nodes[name].output))
            for name in node.needs
        )
        if ready and was_made(node):
            outcomes[node.name] = Outcome(node, "already done")
        elif inputs_there and ready:
            dry = replace(node.settings, dry_run=True, weights_wanted=False)
            alike = dry if node.output.exists() else without_seed(dry)  # of an output that is there each says its own
            if alike in tried:
                outcomes[node.name] = _alike(tried[alike], node)
            else:
                outcomes[node.name] = tried[alike] = attempt(node, dry, console)
            if isinstance(outcomes[node.name].error, WeightsDeletedError):
                outcomes[node.name] = Outcome(node, "planned")
                for name in node.needs:
                    make_again(name)
        else:
            failed = tuple(name for name in node.needs if outcomes[name].status in ("failed", "not run"))
            outcomes[node.name] = Outcome(node, "not run" if failed else "planned", because=failed)
        if outcomes[node.name].status == "already done" and keeping.wanted_again(node):
            make_again(node.name)
    return list(outcomes.values())


def _alike(tried: Outcome, node: Node) -> Outcome:
    """What the dry run of one step says of another that differs from it in nothing but seed and output."""
    said = {**tried.details, "output": str(node.output)} if "output" in tried.details else tried.details
    return replace(tried, node=node, seconds=0.0, details=said)


def threads_of(graph: Graph, jobs: int, threads: int | None) -> int:
    """Threads of each step: as given, as the recipe says, or the cores divided among the jobs."""
    # The cores that this process may use can be fewer than the machine has.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return threads or graph.threads or max(1, cores // jobs)


def _run_here(worklist: Worklist, threads: int) -> None:
    with torch_threads(threads):
        while nodes := worklist.ready():
            node = nodes[0]
            worklist.console.info(f"{node.name}: {node.step}")
            worklist.end(attempt(node, worklist.settings(node), worklist.console))
