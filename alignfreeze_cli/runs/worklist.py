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

from alignfreeze_cli.artifacts.deleted import is_deleted
from alignfreeze_cli.errors import ArtifactError, Interrupted, WeightsDeletedError
from alignfreeze_cli.phrases import duration
from alignfreeze_cli.progress import Console
from alignfreeze_cli.runs.graph import Graph, Node
from alignfreeze_cli.runs.keeping import Keeping, run_id
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
    """A graph that is being run: the steps that can start, the outcomes of the others, one line for each that ends.

    `again` are the models whose weights were deleted and are needed after all, `foreign` those that would be deleted if
    `run` had made them here. With `overwrite` outputs that were made otherwise are replaced.
    """

    graph: Graph
    console: Console
    keeping: Keeping
    overwrite: bool = False
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    started: set[str] = field(default_factory=set)
    again: set[str] = field(default_factory=set)
    foreign: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.run_id = run_id(self.graph.root)

    def settings(self, node: Node) -> StepSettings:
        """The settings of a step for its run: resuming if an interrupted run of it left its partial folder."""
        output = node.output
        interrupted = (output.parent / f".{output.name}.partial").is_dir()
        return replace(
            node.settings,
            resume=interrupted and not self.overwrite,
            overwrite=self.overwrite,
            run_id=self.run_id,
            weights_wanted=node.name in self.again,
        )

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
        """Note what became of a step, unless it turns out that a model has to be made again first."""
        node, nodes = outcome.node, self.graph.nodes
        if isinstance(outcome.error, WeightsDeletedError):
            lost = [name for name in node.needs if is_deleted(nodes[name].output)]
            if lost:
                self.console.info(f"{node.name} needs {', '.join(lost)}, whose weights were deleted: made again")
                self._do_again(node.name, *lost)
                return
        if outcome.status == "already done" and self.keeping.wanted_again(node):
            self._do_again(node.name)
            return
        self._tell(outcome)
        if outcome.status in ("made", "already done"):
            done = frozenset(name for name, each in self.outcomes.items() if each.status in ("made", "already done"))
            for model in self.keeping.to_delete(node, done):
                self._delete(model)

    def _do_again(self, *names: str) -> None:
        """Let steps start once more; models among them are made, though what is left of them counts as done."""
        for name in names:
            self.started.discard(name)
            if name not in self.again and is_deleted(self.graph.nodes[name].output):
                self.again.add(name)
                self.outcomes.pop(name, None)

    def _delete(self, model: Node) -> None:
        try:
            freed = self.keeping.delete(model, self.run_id)
        except (ArtifactError, OSError) as error:
            self.console.warn(f"{model.name}: its weights could not be deleted: {error}")
            return
        if freed is None and model.name not in self.foreign:
            self.foreign.add(model.name)
            self.console.info(f"{model.name} stays: `run` did not make it in this folder")
        elif freed:
            self.console.info(f"{model.name}: nothing needs it any more, weights deleted ({freed / 1e6:,.1f} MB)")

    def _tell(self, outcome: Outcome) -> None:
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
