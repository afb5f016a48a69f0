"""A trained model's answers to many windows, in batches of similar length."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch

from alignfreeze_cli.encoder.blocks import architecture, read_positions_only
from alignfreeze_cli.encoder.models import load_task_model, prepare_for_bf16
from alignfreeze_cli.encoder.tokenizers import load_tokenizer
from alignfreeze_cli.tasks.base import Task, Windows
from alignfreeze_cli.training.devices import arithmetic, batch_threads, pick_device

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Named = TypeVar("Named")

CPU_BATCH_TOKENS = 1024
GPU_BATCH_TOKENS = 65536
MOST_PADDING = 0.1


def length_batches(lengths: np.ndarray, budget: int) -> list[np.ndarray]:
    """Numbers of windows in batches of similar length, longest first, each of at most `budget` subwords with padding.

    The longest come first so that a memory too small is found out at once; a window longer than the budget goes alone.
    In small data neighbours in length may differ much, so no window is padded by more than `MOST_PADDING` of a row.
    """
    order = np.argsort(-lengths, kind="stable")
    batches, begin = [], 0
    while begin < len(order):
        longest = int(lengths[order[begin]])
        near = order[begin : begin + max(1, budget // longest)]
        near = near[lengths[near] >= (1 - MOST_PADDING) * longest]
        batches.append(near)
        begin += len(near)
    return batches


@dataclass(frozen=True)
class Predictor:
    """A trained model on its device, ready to answer; `budget` is the number of subwords computed at once."""

    model: PreTrainedModel
    task: Task
    labels: tuple[str, ...]
    tokenizer: Any
    device: torch.device
    budget: int
    precision: str

    def predict(
        self, prepared: Iterable[tuple[Named, Windows]]
    ) -> Generator[tuple[Named, Windows, list[tuple[np.ndarray, Any]]], None, None]:
        """See `predict` below."""
        return predict(self.model, self.task, prepared, self.budget, self.device, self.precision)


def load_predictor(folder: Path, task: Task, settings: Any) -> Predictor:
    """The model of a task-model folder; `settings` has `device`, `precision` and `batch_tokens`.

    Raises ArtifactError for weights or a tokenizer that can't be read, SettingsError for a device that is not there.
    """
    device = pick_device(settings.device)
    model, labels = load_task_model(folder, task.auto_class)
    model.to(device).eval()
    if settings.precision == "bf16":
        prepare_for_bf16(model)
    arch = architecture(model)
    tokenizer = load_tokenizer(folder, arch.vocabulary_size, arch.causal)
    budget = settings.batch_tokens or (CPU_BATCH_TOKENS if device.type == "cpu" else GPU_BATCH_TOKENS)
    return Predictor(model, task, labels, tokenizer, device, budget, settings.precision)


def predict(
    model: PreTrainedModel,
    task: Task,
    prepared: Iterable[tuple[Named, Windows]],
    budget: int,
    device: torch.device,
    precision: str = "fp32",
) -> Generator[tuple[Named, Windows, list[tuple[np.ndarray, Any]]], None, None]:
    """The task's answers to the windows of chunk after chunk of data; `prepared` names each chunk.

    The model must be in evaluation mode; `budget` is the number of subwords computed at once. The next chunk is
    prepared (read, cut, tokenised) while this one is computed, so two are held at once.
    """
    from accelerate.utils import send_to_device

    most = math.inf  # positions that a GPU's memory may hold, as far as is known

    def answer(windows: Windows, indices: np.ndarray) -> list[tuple[np.ndarray, Any]]:
        """The batch's answers with their windows, in two halves if a GPU's memory is too small for all at once."""
        nonlocal most
        positions = len(indices) * int(windows.lengths[indices].max())
        if positions <= most or len(indices) == 1:
            try:
                with torch.inference_mode(), arithmetic(precision, device):
                    return [(indices, task.answer(model, send_to_device(windows.collate(indices), device)))]
            except torch.OutOfMemoryError:
                if len(indices) == 1:
                    raise
                most = positions / 2
        first, second = np.array_split(indices, 2)
        return answer(windows, first) + answer(windows, second)

    ahead: tuple[Named, Windows, Iterator[list[tuple[np.ndarray, Any]]]] | None = None
    with batch_threads(device) as pool, read_positions_only(model):
        for name, windows in prepared:
            begun = pool.map(partial(answer, windows), length_batches(windows.lengths, budget))
            if ahead is not None:
                yield *ahead[:2], list(chain.from_iterable(ahead[2]))
            ahead = name, windows, begun
        if ahead is not None:
            yield *ahead[:2], list(chain.from_iterable(ahead[2]))
