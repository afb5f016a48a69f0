"""Working off a graph: every step through its ordinary function, finished ones skipped, interrupted ones resumed.

A step that fails does not stop those that don't need it. With one job the steps run in this process and talk as they
do by themselves; with several they run in worker processes (`workers.py`) and each finished step is one line.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from alignfreeze_cli.artifacts import read_record
from alignfreeze_cli.artifacts.output import Result
from alignfreeze_cli.errors import Interrupted
from alignfreeze_cli.progress import Console
from alignfreeze_cli.runs.graph import Graph, Node
from alignfreeze_cli.runs.steps import STEPS
from alignfreeze_cli.settings import StepSettings

Status = Literal["made", "already done", "planned", "failed", "not run"]
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Outcome:
    """What became of one step. `error` of a failed one; `because` names the failed steps that one not run needs."""

    node: Node
    status: Status
    seconds: float = 0.0
    error: BaseException | None = None
    trace: str = ""
    because: tuple[str, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)


@dataclass
class Worklist:
    """The state of a graph that is worked off: what is ready, and one line for each step that ends."""

    graph: Graph
    console: Console
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    started: set[str] = field(default_factory=set)

    def ready(self) -> list[Node]:
        """Steps that can start now, in the order of the graph; what lost an input is struck off on the way."""
        found = []
        for node in self.graph.nodes.values():
            if node.name in self.outcomes or node.name in self.started:
                continue
            lost = tuple(name for name in node.needs if self._lost(name))
            if lost:
                self.end(Outcome(node, "not run", because=lost))
            elif all(name in self.outcomes for name in node.needs):
                found.append(node)
        return found

    def _lost(self, name: str) -> bool:
        return name in self.outcomes and self.outcomes[name].status in ("failed", "not run")

    def end(self, outcome: Outcome) -> None:
        self.outcomes[outcome.node.name] = outcome
        count = f"[{len(self.outcomes)}/{len(self.graph.nodes)}] {outcome.node.name}"
        if outcome.status == "failed":
            self.console.warn(f"{count} failed: {outcome.error}")
        elif outcome.status == "not run":
            self.console.info(f"{count} not run, for want of {', '.join(outcome.because)}")
        elif outcome.status == "made":
            self.console.info(f"{count} made in {_duration(outcome.seconds)}")
        else:
            self.console.info(f"{count} {outcome.status}")

    def interrupted(self) -> Interrupted:
        done = sum(outcome.status in ("made", "already done") for outcome in self.outcomes.values())
        return Interrupted(
            f"Interrupted with {done} of {len(self.graph.nodes)} steps done; what could be saved was, so run the same "
            "command again to go on."
        )


def run(
    graph: Graph, console: Console, *, jobs: int = 1, threads: int | None = None, overwrite: bool = False
) -> list[Outcome]:
    """Make everything in the graph; gives one outcome per step, failed ones included, in the order of the graph.

    `threads` for each step: by default what the recipe says, else the cores shared out among the jobs. Results repeat
    bit for bit only at the same number. Raises Interrupted on SIGINT or SIGTERM, after checkpoints are saved.
    """
    threads = threads_of(graph, jobs, threads)
    for entry in graph.runs:
        entry.write()
    progress = Worklist(graph, console)
    with _termination_interrupts():
        try:
            if jobs == 1 or len(graph.nodes) == 1:
                _run_here(progress, threads, overwrite)
            else:
                from alignfreeze_cli.runs.workers import run_in_workers

                run_in_workers(progress, min(jobs, len(graph.nodes)), threads, overwrite)
        except (KeyboardInterrupt, Interrupted):
            raise progress.interrupted() from None
    return [progress.outcomes[name] for name in graph.nodes]


def plan(graph: Graph, console: Console, inputs_there: bool = True) -> list[Outcome]:
    """What `run` would do, without doing it. Steps whose inputs are all there are asked for their own plan, so that
    missing or unusable data shows here; not so where the data itself is still to be made (`inputs_there=False`).
    """
    outcomes: dict[str, Outcome] = {}
    for node in graph.nodes.values():
        ready = all(outcomes[name].status == "already done" for name in node.needs)
        record = read_record(node.output) if node.output.is_dir() and ready else None
        if record is not None and record.identity.get("settings") == node.settings.identity():
            outcomes[node.name] = Outcome(node, "already done")
        elif inputs_there and ready:
            outcomes[node.name] = attempt(node, replace(node.settings, dry_run=True), console)
        else:
            failed = tuple(name for name in node.needs if outcomes[name].status in ("failed", "not run"))
            outcomes[node.name] = Outcome(node, "not run" if failed else "planned", because=failed)
    return list(outcomes.values())


def attempt(node: Node, settings: StepSettings, console: Console) -> Outcome:
    """Run one step; its failure is an outcome. Only interruptions are raised."""
    started = time.monotonic()
    try:
        result: Result = STEPS[node.step].run(settings, console)
    except (Interrupted, KeyboardInterrupt):
        raise
    except Exception as error:
        return Outcome(node, "failed", time.monotonic() - started, error, traceback.format_exc())
    return Outcome(node, result.status, time.monotonic() - started, details=dict(result.details))


def effective(node: Node, overwrite: bool) -> StepSettings:
    """The settings of a step for its run: resuming if an interrupted run of it left something."""
    output = node.output
    left = (output.parent / f".{output.name}.partial").is_dir()
    return replace(node.settings, resume=left and not overwrite, overwrite=overwrite)


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Compute on so many threads inside the block: through the environment if torch is not loaded yet."""
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, str(threads)))
    torch = sys.modules.get("torch")
    had = torch.get_num_threads() if torch is not None else None
    if torch is not None:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
        if torch is not None:
            torch.set_num_threads(had)


def threads_of(graph: Graph, jobs: int, threads: int | None) -> int:
    """Threads of each step: as given, as the recipe says, or the cores shared out among the jobs."""
    return threads or graph.threads or max(1, usable_cores() // jobs)


def usable_cores() -> int:
    """Cores that this process may use, which can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def failures(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The failed steps, in the order of the graph."""
    return [outcome for outcome in outcomes if outcome.status == "failed"]


def _run_here(progress: Worklist, threads: int, overwrite: bool) -> None:
    with torch_threads(threads):
        while nodes := progress.ready():
            node = nodes[0]
            progress.console.info(f"{node.name}: {node.step}")
            progress.end(attempt(node, effective(node, overwrite), progress.console))


@contextmanager
def _termination_interrupts() -> Iterator[None]:
    """SIGTERM ends a run as Ctrl-C does. Training has handlers of its own while it lasts."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.1f} min"
