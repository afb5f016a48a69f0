"""Checkpoints that count only when they are whole.

    <partial folder>/checkpoints/step-00000120/
        weights.safetensors     the trained parameters
        optimizer.safetensors   the optimizer's tensors, named <parameter>:<tensor>
        checkpoint.json         the marker, written last: step, progress, SHA-256 of the two files

A folder without its marker, or whose files do not match the digests in it, was torn by a kill or a full disk and is
never used. The older checkpoint goes only once the newer one is complete and synced, so one whole checkpoint exists at
every moment after the first.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from alignfreeze_cli.artifacts.files import file_digest, read_json, sync, write_json
from alignfreeze_cli.errors import ArtifactError

MARKER = "checkpoint.json"
WEIGHTS, OPTIMIZER = FILES = ("weights.safetensors", "optimizer.safetensors")
_NAME = re.compile(r"step-\d{8,}")


@dataclass(frozen=True)
class Checkpoint:
    """A complete checkpoint: `step` optimizer steps are done, `progress` is what the loop wants to remember."""

    path: Path
    step: int
    progress: dict[str, Any]

    def weights(self) -> dict[str, torch.Tensor]:
        return load_file(self.path / WEIGHTS)

    def optimizer(self) -> dict[str, torch.Tensor]:
        return load_file(self.path / OPTIMIZER)


def save(
    folder: Path,
    step: int,
    weights: Mapping[str, torch.Tensor],
    optimizer: Mapping[str, torch.Tensor],
    progress: Mapping[str, Any],
) -> Path:
    """Write the checkpoint of `step` under `folder`, then remove the older ones.

    Raises OSError (disk full, no permission); the torn folder is cleared away and older checkpoints stay as they were.
    """
    path = folder / f"step-{step:08d}"
    if path.exists():
        shutil.rmtree(path)
    path.mkdir(parents=True)
    try:
        files = {}
        for name, tensors in ((WEIGHTS, weights), (OPTIMIZER, optimizer)):
            write_tensors(tensors, path / name)
            files[name] = file_digest(path / name)
        marker = {"step": step, "files": files, "progress": dict(progress)}
        # The files' own entries must be on disk before the marker that vouches for them.
        sync(path)
        write_json(path / MARKER, marker)
        sync(folder)
        sync(folder.parent)
    except OSError:
        shutil.rmtree(path, ignore_errors=True)
        raise
    for other in _folders(folder):
        if other != path:
            shutil.rmtree(other, ignore_errors=True)
    return path


def latest(folder: Path) -> tuple[Checkpoint | None, list[Path]]:
    """The newest complete checkpoint under `folder`, and the torn folders that had to be passed over to find it."""
    torn: list[Path] = []
    for path in sorted(_folders(folder), key=_step_of, reverse=True):
        try:
            marker = read_json(path / MARKER, "start anew")
            step, progress, files = marker["step"], marker["progress"], marker["files"]
            whole = files == {name: file_digest(path / name) for name in FILES if (path / name).is_file()}
            if whole and len(files) == len(FILES) and step == _step_of(path) and isinstance(progress, dict):
                return Checkpoint(path, step, progress), torn
        except (OSError, ArtifactError, KeyError):
            pass  # no marker, half a marker, a file missing: torn all the same
        torn.append(path)
    return None, torn


def write_tensors(tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    """Write a safetensors file that is on disk when this returns, its bytes a function of the tensors alone.

    A single metadata key: with more the library writes them in an order that differs from process to process. Raises
    OSError.
    """
    contiguous = {name: tensors[name].detach().cpu().contiguous() for name in sorted(tensors)}
    with disk_errors(path):
        save_file(contiguous, path, metadata={"format": "pt"})
    sync(path)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Raise what the disk does (full, read-only) as OSError: safetensors has a class of its own for it."""
    try:
        yield
    except SafetensorError as error:
        code = re.search(r"(?:os error|code:) (\d+)", str(error))
        if code is None:
            raise
        number = int(code[1])
        raise OSError(number, os.strerror(number), str(path)) from error


def _folders(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if _NAME.fullmatch(path.name)] if folder.is_dir() else []


def _step_of(path: Path) -> int:
    return int(path.name.removeprefix("step-"))
