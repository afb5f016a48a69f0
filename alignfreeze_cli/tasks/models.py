"""Models with a task's head: built on an encoder, loaded again, saved."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError

from alignfreeze_cli.encoder.blocks import Architecture
from alignfreeze_cli.encoder.models import copy_tokenizer
from alignfreeze_cli.errors import ArtifactError, SettingsError
from alignfreeze_cli.tasks.base import Task
from alignfreeze_cli.training.checkpoints import disk_errors


def build_model(folder: Path, task: Task, labels: Sequence[str]) -> Any:
    """An encoder with a new head for the task, in fp32; the head comes from torch's current random state.

    Raises ArtifactError if weights of the encoder are missing; a pooler may be, heads that use one train it.
    """
    named: dict[str, Any] = {
        "id2label": dict(enumerate(labels)),
        "label2id": {label: number for number, label in enumerate(labels)},
    }
    # Without labels a head has two outputs, first and last position, whatever the encoder was published for.
    model, missing = _from_pretrained(folder, task, **(named if labels else {"num_labels": 2}))
    encoder = f"{model.base_model_prefix}."
    _demand_none([n for n in missing if n.startswith(encoder) and not n.startswith(f"{encoder}pooler.")], folder)
    return model


def load_model(folder: Path, task: Task) -> tuple[Any, tuple[str, ...]]:
    """A task model in fp32 and its labels in the order of their ids. Raises ArtifactError if weights are missing."""
    model, missing = _from_pretrained(folder, task)
    _demand_none(missing, folder)
    return model, tuple(model.config.id2label[number] for number in range(model.config.num_labels))


def save_model(model: Any, source: Path, folder: Path) -> None:
    """Write `config.json` and `model.safetensors`, and copy the tokenizer's files from `source` as they are.

    The same weights give the same bytes. Raises OSError (disk full).
    """
    with disk_errors(folder / "model.safetensors"):
        model.save_pretrained(folder, max_shard_size="50GB")
    # safetensors makes files that only their owner may read.
    shutil.copymode(folder / "config.json", folder / "model.safetensors")
    copy_tokenizer(source, folder)


def window_length(wanted: int | None, usual: int, outlined: Architecture) -> int:
    """The wanted length of a window; if none is wanted, the usual one, or what the model has positions for.

    Raises SettingsError if the wanted length is more than that.
    """
    if wanted is None:
        return min(usual, outlined.max_length)
    if wanted > outlined.max_length:
        raise SettingsError(
            f"--max-length {wanted} is more than the {outlined.max_length} subwords this model has positions for."
        )
    return wanted


def _from_pretrained(folder: Path, task: Task, **named: Any) -> tuple[Any, list[str]]:
    """The model, and the names of the parameters that the folder lacks."""
    try:
        # A checkpoint saved in half precision would otherwise train in it.
        model, info = getattr(transformers, task.auto_class).from_pretrained(
            folder,
            dtype=torch.float32,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            **named,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise ArtifactError(f"cannot be loaded as {task.auto_class} ({str(error).splitlines()[0]})", folder) from error
    return model, sorted(info["missing_keys"])


def _demand_none(lost: Sequence[str], folder: Path) -> None:
    if lost:
        raise ArtifactError(
            f"lacks {len(lost)} of the model's weights, {lost[0]} among them; it is the weights of something else",
            folder,
        )
