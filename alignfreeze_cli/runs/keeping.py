"""`run --keep`: which models stay when nothing in the recipe needs them any more.

    all       every model; what earlier runs deleted is made again
    encoders  encoders, but no task models
    scores    no model at all
    (nothing) what is there stays as it is

Only models that `run` itself has made in this output folder are deleted: their records bear the folder's id, which the
first run leaves in `.alignfreeze-run`. Pairs, aligners and scores always stay.
"""

from __future__ import annotations

import functools
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from alignfreeze_cli.artifacts import read_record
from alignfreeze_cli.artifacts.deleted import is_deleted
from alignfreeze_cli.artifacts.deleting import delete_weights
from alignfreeze_cli.artifacts.files import atomic_write
from alignfreeze_cli.errors import ArtifactError
from alignfreeze_cli.runs.graph import Graph, Node
from alignfreeze_cli.settings import StepSettings

Keep = Literal["all", "encoders", "scores"]

_ID_NAME = ".alignfreeze-run"
_DELETED_BY: Mapping[str, tuple[Keep, ...]] = {
    "finetune": ("encoders", "scores"),
    "realign": ("scores",),
    "blend": ("scores",),
}
"""Step -> the values of `--keep` for which the model that it makes is deleted."""


def run_id(root: Path) -> str:
    """The id of an output folder of `run`, made by whoever comes first."""
    path = root / _ID_NAME
    if not path.exists():
        root.mkdir(parents=True, exist_ok=True)
        draft = root / f"{_ID_NAME}.{secrets.token_hex(4)}.partial"
        draft.write_text(f"{secrets.token_hex(8)}\n", encoding="ascii")
        try:
            os.link(draft, path)
        except FileExistsError:
            pass  # another process was faster
        except OSError:  # a file system without hard links
            atomic_write(path, draft.read_bytes())
        draft.unlink()
    return path.read_text(encoding="ascii").strip()


@dataclass(frozen=True)
class Keeping:
    """What stays of a graph that is run. `whole` is the graph of all of its recipes, of which it may be a part."""

    graph: Graph
    whole: Graph
    keep: Keep | None = None

    def wanted_again(self, node: Node) -> bool:
        """Whether a model that was deleted is to stay, so that it has to be made again."""
        stays = self.keep is not None and self.keep not in _DELETED_BY.get(node.step, ())
        return stays and is_deleted(node.output)

    def to_delete(self, reader: Node, done: frozenset[str]) -> Iterator[Node]:
        """The models that `reader`, which is done, was the last to need. `done` names all steps that are."""
        for name in reader.needs:
            node = self.graph.nodes[name]
            if all(self._is_settled(each, done) for each in self._readers[name]):
                deleted = is_deleted(node.output)
                if self.keep in _DELETED_BY.get(node.step, ()):
                    deleted = True
                    yield node
                if deleted:  # then nothing needs what it was made from, either
                    yield from self.to_delete(node, done)

    def _is_settled(self, node: Node, done: frozenset[str]) -> bool:
        """Whether a step's inputs are not needed for it any more: it is done and, if deleted, not needed itself."""
        if node.name not in self.graph.nodes:
            return was_made(node)
        if node.name not in done:
            return False
        return not is_deleted(node.output) or all(self._is_settled(each, done) for each in self._readers[node.name])

    @functools.cached_property
    def _readers(self) -> dict[str, list[Node]]:
        """Step -> the steps of all of the recipe that read its output."""
        found: dict[str, list[Node]] = {name: [] for name in self.whole.nodes}
        for node in self.whole.nodes.values():
            for name in node.needs:
                found[name].append(node)
        return found

    def delete(self, node: Node, run_id: str) -> int | None:
        """Delete a model's weights; gives the bytes that went, None for what `run` did not make in this folder.

        Raises ArtifactError for a model that can't be read.
        """
        place = Path(os.path.realpath(self.graph.root)) / node.name
        record = read_record(node.output)
        if record is None or record.run != run_id or Path(os.path.realpath(node.output)) != place:
            return None
        return delete_weights(node.output, record)


def was_made(node: Node) -> bool:
    """Whether a step's output is there, made by these settings; its inputs are not looked at."""
    try:
        record = read_record(node.output) if node.output.is_dir() else None
    except ArtifactError:
        return False
    behaviour = 1 + len(node.settings.changes)
    return (
        record is not None
        and record.identity.get("settings") == _as_computed_here(node.settings).identity()
        and record.identity.get("behaviour", 1) == behaviour
    )


def _as_computed_here(settings: StepSettings) -> StepSettings:
    """The settings with what `--precision auto` means on this machine, as records hold them."""
    if getattr(settings, "precision", None) != "auto" or getattr(settings, "aligner", "encoder") != "encoder":
        return settings  # links are computed in a precision by an encoder only
    from alignfreeze_cli.training.devices import with_precision

    return with_precision(settings)
