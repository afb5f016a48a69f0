"""A graph while it is run: which steps can start, what became of the others, and how one step is run.

What running here (`runner.py`) and running in worker processes (`workers.py`) have in common.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from alignfreeze_cli.errors import Interrupted
from alignfreeze_cli.phrases import duration
from alignfreeze_cli.progress import Console
from alignfreeze_cli.runs.graph import Graph, Node
from alignfreeze_cli.settings import StepSettings
from alignfreeze_cli.steps import STEPS

Status = Literal["made", "already done", "planned", "failed", "not run"]
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


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
    """A graph that is being run: the steps that can start, the outcomes of the others, one line for each that ends."""

    graph: Graph
    console: Console
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    started: set[str] = field(default_factory=set)

    def ready(self) -> list[Node]:
        """Steps that can start now, in the order of the graph; those whose input failed end here as not run."""
        found = []
        for node in self.graph.nodes.values():
            if node.name in self.outcomes or node.name in self.started:
                continue
            ended = [self.outcomes[name] for name in node.needs if name in self.outcomes]
            failed = tuple(each.node.name for each in ended if each.status in ("failed", "not run"))
            if failed:
                self.end(Outcome(node, "not run", because=failed))
            elif len(ended) == len(node.needs):
                found.append(node)
        return found

    def end(self, outcome: Outcome) -> None:
        self.outcomes[outcome.node.name] = outcome
        count = f"[{len(self.outcomes)}/{len(self.graph.nodes)}] {outcome.node.name}"
        if outcome.status == "failed":
            self.console.warn(f"{count} failed: {outcome.error}")
        elif outcome.status == "not run":
            self.console.info(f"{count} not run, because it needs {', '.join(outcome.because)}")
        elif outcome.status == "made":
            self.console.info(f"{count} made in {duration(outcome.seconds)}")
        else:
            self.console.info(f"{count} {outcome.status}")

    def interrupted(self) -> Interrupted:
        done = sum(outcome.status in ("made", "already done") for outcome in self.outcomes.values())
        return Interrupted(
            f"Interrupted with {done} of {len(self.graph.nodes)} steps done; the state of training was saved, so run "
            "the same command again to resume."
        )


def attempt(node: Node, settings: StepSettings, console: Console) -> Outcome:
    """Run one step; its failure is an outcome. Only interruptions are raised."""
    started = time.monotonic()
    try:
        result = STEPS[node.step].load()(settings, console)
    except (Interrupted, KeyboardInterrupt):
        raise
    except Exception as error:
        return Outcome(node, "failed", time.monotonic() - started, error, traceback.format_exc())
    return Outcome(node, result.status, time.monotonic() - started, details=dict(result.details))


def effective(node: Node, overwrite: bool) -> StepSettings:
    """The settings of a step for its run: resuming if an interrupted run of it left its partial folder."""
    output = node.output
    interrupted = (output.parent / f".{output.name}.partial").is_dir()
    return replace(node.settings, resume=interrupted and not overwrite, overwrite=overwrite)


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Compute on this number of threads inside the block: through the environment if torch is not loaded yet."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
    torch = sys.modules.get("torch")
    torch_before = torch.get_num_threads() if torch is not None else None
    if torch is not None:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
        if torch is not None:
            torch.set_num_threads(torch_before)
