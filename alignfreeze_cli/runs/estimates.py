"""What a graph will take: each of its steps, and all of them together.

Models that are still to be made have the shape of the one that they come from; of those on the Hub, `config.json` is
fetched.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alignfreeze_cli.artifacts.inputs import resolve_shape
from alignfreeze_cli.errors import AlignFreezeError
from alignfreeze_cli.progress import Console
from alignfreeze_cli.runs.graph import Graph, Node
from alignfreeze_cli.runs.worklist import Outcome, attempt
from alignfreeze_cli.settings import StepSettings, declarations
from alignfreeze_cli.steps.estimates import Estimate, estimate

MODEL_KEYS = {"realign": "model", "finetune": "model", "evaluate": "model", "blend": "base", "align-pairs": "encoder"}
"""Step -> the setting that names its model."""


@dataclass(frozen=True)
class GraphEstimate:
    """The estimates by step; `unknown` says of the other steps why there is none."""

    steps: dict[str, Estimate]
    unknown: dict[str, str]

    def memory_bytes(self, jobs: int = 1) -> int:
        """The peak of so many steps at a time, whichever come together."""
        return sum(sorted((each.memory_bytes for each in self.steps.values()), reverse=True)[:jobs])

    def gpu_bytes(self, jobs: int = 1) -> int:
        """The same of a GPU's memory."""
        return sum(sorted((each.gpu_bytes for each in self.steps.values()), reverse=True)[:jobs])

    @property
    def disk_bytes(self) -> int:
        """What is left of all steps."""
        return sum(each.disk_bytes for each in self.steps.values())

    @property
    def seconds(self) -> float | None:
        """Of the steps of which it is known, one after the other; None if it is of none."""
        known = [each.seconds for each in self.steps.values() if each.seconds is not None]
        return sum(known) if known else None

    def to_dict(self, jobs: int = 1) -> dict[str, Any]:
        return {
            "jobs": jobs,
            "memory-bytes": self.memory_bytes(jobs),
            "gpu-bytes": self.gpu_bytes(jobs),
            "disk-bytes": self.disk_bytes,
            "seconds": self.seconds,
            "unknown": self.unknown,
        }


def estimates(
    graph: Graph,
    threads: int | None = None,
    known: Mapping[str, Estimate] | None = None,
    only: Collection[str] | None = None,
    console: Console | None = None,
) -> GraphEstimate:
    """What every step of a graph will take on so many threads (None: as many as here), or `only` some of them.

    `known` are estimates that are there already, by the name of the step; they hold for steps that are alike, too.
    """
    steps: dict[str, Estimate] = {}
    unknown: dict[str, str] = {}
    # Many steps differ in seed and output only.
    found = {without_names(graph, graph.nodes[name]): each for name, each in (known or {}).items()}
    for name, node in graph.nodes.items():
        if only is not None and name not in only:
            continue
        if known is not None and name in known:
            steps[name] = known[name]
            continue
        alike = without_names(graph, node)
        try:
            if alike not in found:
                reference = origin(graph, node)
                folder = None if reference is None else resolve_shape(reference)
                found[alike] = estimate(node.settings, folder, threads, console)
            steps[name] = found[alike]
        except AlignFreezeError as error:
            unknown[name] = str(error)
    return GraphEstimate(steps, unknown)


def measured(graph: Graph, outcomes: Sequence[Outcome], console: Console) -> dict[str, Estimate]:
    """Estimates of the planned steps that train and whose data are there: measured, once for those that are alike.

    The model that a step's own will come from stands for it. A measurement that fails is told, and left out.
    """
    tried: dict[StepSettings, Estimate | None] = {}
    for node in (outcome.node for outcome in outcomes if outcome.status == "planned"):
        alike, model = without_names(graph, node), origin(graph, node)
        if not node.settings.measurable or alike in tried or not _pairs_there(node):
            continue
        changed: dict[str, Any] = {MODEL_KEYS[node.step]: model}
        wanted = replace(node.settings, dry_run=True, measure=True, **changed)
        outcome = attempt(node, wanted, console)
        if outcome.error is not None:
            console.warn(f"{node.name}: {outcome.error}")
        tried[alike] = None if outcome.error is not None else Estimate.of(outcome.details["needs"])
    by_name = {name: tried.get(without_names(graph, node)) for name, node in graph.nodes.items()}
    return {name: each for name, each in by_name.items() if each is not None}


def origin(graph: Graph, node: Node) -> str | None:
    """The model that a step's model comes from, by way of the steps before it in the graph; None if it has none."""
    reference: str | None = getattr(node.settings, MODEL_KEYS[node.step], None)
    if reference is None:
        return None
    makers = [graph.nodes[name] for name in node.needs if Path(reference).is_relative_to(graph.nodes[name].output)]
    return origin(graph, makers[0]) if makers else reference


def without_names(graph: Graph, node: Node) -> StepSettings:
    """The settings of a step that decide what it takes: its seed and output don't, nor do steps that made its model."""
    same: dict[str, Any] = {MODEL_KEYS[node.step]: origin(graph, node)}
    return replace(without_seed(node.settings), **same)


def without_seed(settings: StepSettings) -> StepSettings:
    """The settings of a step without its output, its seed the usual one."""
    same: dict[str, Any] = {each.name: each.default for each in declarations(type(settings)) if each.name == "seed"}
    return replace(settings, output=None, **same)


def _pairs_there(node: Node) -> bool:
    """Whether the pairs that a step trains on are there; a recipe's are folders that a step of it makes."""
    folders: tuple[str, ...] = getattr(node.settings, "pairs", ()) or getattr(node.settings, "realign_with", ())
    return all(Path(each).is_dir() for each in folders)
