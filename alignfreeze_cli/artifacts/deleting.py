"""Deleting the weights of a model that nothing needs any more, so that its folder still says what it was (deleted.py).

Killed at any moment, it can be done again: the list of what goes is written first.
"""

from __future__ import annotations

from pathlib import Path

from alignfreeze_cli.artifacts.deleted import DELETED_NAME, deleted_files, is_deleted
from alignfreeze_cli.artifacts.files import write_json
from alignfreeze_cli.artifacts.inputs import is_model_file, weight_shapes
from alignfreeze_cli.artifacts.record import RECORD_NAME, Record, read_record

_KEPT = "config.json"


def delete_weights(folder: Path, record: Record) -> int:
    """Delete weights and tokenizer of a model folder, those of encoders inside it too; gives the bytes that went.

    Only files that the record lists are touched. Raises ArtifactError for a folder whose weights can't be read.
    """
    inside = [folder / Path(name).parent for name in record.files if name.endswith(f"/{RECORD_NAME}")]
    for each in (folder, *inside):  # the outer one first: a folder that is made again is made with all that is inside
        own = record if each is folder else read_record(each)
        if own is not None and not is_deleted(each):
            gone = _files_to_go(own)
            if each is folder:
                gone += [f"{part.name}/{name}" for part in inside for name in _files_to_go(read_record(part))]
            write_json(each / DELETED_NAME, {"files": sorted(gone), "shapes": weight_shapes(each)})
    freed = 0
    for name in sorted(deleted_files(folder) & record.files.keys()):
        path = folder / name
        if path.is_file():
            freed += path.stat().st_size
            path.unlink()
    return freed


def _files_to_go(record: Record | None) -> list[str]:
    """A model's own files, without those of encoders inside it and of a kept adapter."""
    return [name for name in record.files if is_model_file(name) and name != _KEPT] if record else []
