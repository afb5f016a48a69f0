"""How a model learns a task: the windows that teach something, in micro-batches that are a function of the step."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor, nn

from alignfreeze_cli.tasks.base import Task, Windows
from alignfreeze_cli.tasks.settings import FinetuneSettings
from alignfreeze_cli.training.loop import MicroBatch

CPU_MICRO_BATCH = 4


def learnable(windows: Windows) -> np.ndarray:
    """The numbers of the windows that have something to learn from.

    One without any loss term (a sentence of nothing but a zero-width space, say) is left out: it teaches nothing, and
    a batch of nothing else would have no loss.
    """
    return np.flatnonzero(windows.weights > 0)


def steps_per_pass(usable: np.ndarray, settings: FinetuneSettings) -> int:
    """Optimizer steps in one pass over the windows."""
    return math.ceil(len(usable) / settings.batch_size)


def summed_loss(task: Task) -> Callable[[nn.Module, Any], Tensor]:
    """The task's loss as the loop wants it: the sum of the terms of a micro-batch (see `batches` for the share)."""

    def summed(model: nn.Module, inputs: Any) -> Tensor:
        batch, share = inputs
        return task.loss(model, batch) * share

    return summed


def batches(
    windows: Windows, settings: FinetuneSettings, micro_batch: int, process: int, processes: int
) -> Callable[[int], list[MicroBatch]]:
    """The micro-batches of a step on one of several processes, a function of the step alone.

    Every pass over the data has its own order, a function of seed and pass; its last batch may be smaller. Within a
    batch the windows are sorted by length, which changes no gradient and saves most of the padding.
    """
    usable = learnable(windows)
    per_pass = steps_per_pass(usable, settings)

    def of_step(step: int) -> list[MicroBatch]:
        number, place = divmod(step, per_pass)
        order = usable[np.random.default_rng([settings.seed, number]).permutation(len(usable))]
        batch = order[place * settings.batch_size : (place + 1) * settings.batch_size]
        batch = batch[np.argsort(-windows.lengths[batch], kind="stable")]
        own, share = batch[process::processes], 1.0
        if not len(own):
            # Fewer windows than processes: all must still take part in the step, this one with nothing to add.
            own, share = batch[:1], 0.0
        return [
            _micro_batch(windows, own[begin : begin + micro_batch], share) for begin in range(0, len(own), micro_batch)
        ]

    return of_step


def _micro_batch(windows: Windows, indices: np.ndarray, share: float) -> MicroBatch:
    lengths = windows.lengths[indices]
    return MicroBatch(
        inputs=(windows.collate(indices), share),
        weight=float(windows.weights[indices].sum()) * share,
        tokens=int(lengths.sum()),
        computed=int(lengths.max() * len(lengths)),
    )
