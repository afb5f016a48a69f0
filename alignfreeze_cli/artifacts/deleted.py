"""What is left of a model whose weights `alignfreeze run --keep` has deleted (deleting.py does it).

Record, card, `config.json` and metrics stay, and `deleted.json` lists what went, with the shapes of the tensors. So the
folder keeps its digest: what was made from it is still known to be finished, and what has to be made from it anew needs
it to be made again first.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from alignfreeze_cli.artifacts.files import read_json
from alignfreeze_cli.errors import ArtifactError, WeightsDeletedError

DELETED_NAME = "deleted.json"
_ADVICE = "remove the folder and run the recipe again"


def is_deleted(folder: Path) -> bool:
    """Whether the weights of a model folder were deleted, or are about to be: the list comes first."""
    return (folder / DELETED_NAME).is_file()


def deleted_files(folder: Path) -> frozenset[str]:
    """The files that were deleted, as its record names them; none of a folder that is whole.

    Raises ArtifactError if the list can't be read.
    """
    if not is_deleted(folder):
        return frozenset()
    return frozenset(_read(folder, "files", lambda found: all(isinstance(name, str) for name in found)))


def deleted_shapes(folder: Path) -> dict[str, list[int]]:
    """Name and shape of every tensor that was deleted. Raises ArtifactError if they can't be read."""

    def are_shapes(found: Any) -> bool:
        return all(isinstance(side, int) for shape in found.values() for side in shape)

    return dict(_read(folder, "shapes", are_shapes))


def demand_weights(folder: Path) -> None:
    """Raise WeightsDeletedError if the weights of a folder were deleted."""
    if is_deleted(folder):
        raise WeightsDeletedError(
            "has lost its weights to `alignfreeze run --keep`; to have them again, run its recipe with `--keep all`, "
            "or the command that made it",
            folder,
        )


def _read(folder: Path, key: str, fits: Callable[[Any], bool]) -> Any:
    path = folder / DELETED_NAME
    value = read_json(path, _ADVICE).get(key)
    try:
        if isinstance(value, list | dict) and fits(value):
            return value
    except (AttributeError, TypeError):
        pass
    raise ArtifactError(f"does not list {key}; {_ADVICE}", path)
