"""Models with a task's head: built on an encoder, loaded again, saved."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers

from alignfreeze_cli.encoder.blocks import Architecture, architecture
from alignfreeze_cli.errors import ArtifactError, SettingsError
from alignfreeze_cli.tasks.base import Task


def build_model(folder: Path, task: Task, labels: Sequence[str]) -> Any:
    """An encoder with a new head for the task, in fp32; the head comes from torch's current random state."""
    named: dict[str, Any] = {
        "id2label": dict(enumerate(labels)),
        "label2id": {name: i for i, name in enumerate(labels)},
    }
    return _from_pretrained(folder, task, **(named if labels else {}))


def load_model(folder: Path, task: Task) -> tuple[Any, tuple[str, ...]]:
    """A task model in fp32 and its labels in the order of their ids."""
    model = _from_pretrained(folder, task)
    return model, tuple(model.config.id2label[number] for number in range(model.config.num_labels))


def outline(folder: Path, task: Task) -> Architecture:
    """The architecture that a model in this folder would have, told from its configuration alone.

    Raises SettingsError if the family is not supported.
    """
    config = transformers.AutoConfig.from_pretrained(folder)
    with torch.device("meta"):
        return architecture(getattr(transformers, task.auto_class).from_config(config))


def check_length(max_length: int, outlined: Architecture) -> int:
    """`max_length` itself; raises SettingsError if the model has no positions for it."""
    if max_length > outlined.max_length:
        raise SettingsError(
            f"--max-length {max_length} is more than the {outlined.max_length} subwords this model has positions for."
        )
    return max_length


def _from_pretrained(folder: Path, task: Task, **named: Any) -> Any:
    try:
        # A checkpoint saved in half precision would otherwise train in it.
        return getattr(transformers, task.auto_class).from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, **named
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise ArtifactError(f"cannot be loaded as {task.auto_class} ({str(error).splitlines()[0]})", folder) from error
