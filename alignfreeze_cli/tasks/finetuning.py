"""How a model learns a task: the windows that teach something, in micro-batches that are a function of the step."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeGuard

import numpy as np
import torch
from torch import Tensor, nn

from alignfreeze_cli.encoder.batches import Packing, Rows, groups_by_length
from alignfreeze_cli.encoder.blocks import Architecture
from alignfreeze_cli.tasks.base import RowSharingWindows, Task, Windows
from alignfreeze_cli.tasks.settings import FinetuneSettings
from alignfreeze_cli.training.loop import MicroBatch

Renumber = Callable[[np.ndarray], np.ndarray]

CPU_BATCH_TOKENS = 2048
GPU_BATCH_TOKENS = 16384


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
    windows: Windows,
    settings: FinetuneSettings,
    arch: Architecture,
    packing: Packing,
    renumber: Renumber | None = None,
    process: int = 0,
    processes: int = 1,
) -> Callable[[int], list[MicroBatch]]:
    """The micro-batches of a step on one of several processes, a function of the step alone.

    Every pass over the data has its own order, a function of seed and pass; its last batch may be smaller. A batch is
    computed in micro-batches of about `packing.budget` subwords: windows of any length, several to a row, where task
    and encoder allow that, else windows of similar length. That changes no gradient and saves most of the padding.
    `renumber` turns token ids into rows of a reduced embedding table.
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
        found = []
        for part in _parts(windows, own, arch, packing.budget):
            collated, positions = _collate(windows, part, arch, packing)
            if renumber is not None:
                collated = _renumbered(collated, renumber)
            found.append(
                MicroBatch(
                    inputs=(collated, share),
                    weight=float(windows.weights[part].sum()) * share,
                    tokens=int(windows.lengths[part].sum()),
                    computed=positions,
                )
            )
        return found

    return of_step


def share_rows(windows: Windows, arch: Architecture) -> TypeGuard[RowSharingWindows]:
    """Whether several windows stand in a row, under a mask that says which position sees which."""
    return isinstance(windows, RowSharingWindows) and arch.can_pack_with_head


def _parts(windows: Windows, own: np.ndarray, arch: Architecture, budget: float) -> list[np.ndarray]:
    """The windows of each micro-batch; `own` are all of them, the longest first."""
    lengths = windows.lengths[own]
    if share_rows(windows, arch):
        count = min(len(own), math.ceil(int(lengths.sum()) / budget))
        return [own[number::count] for number in range(count)]  # long and short ones in each, which fill rows well
    # The longest first, so that a memory too small is found out at once.
    return [own[group] for group in reversed(groups_by_length(lengths, budget))]


def _collate(windows: Windows, part: np.ndarray, arch: Architecture, packing: Packing) -> tuple[dict[str, Any], int]:
    """The batch of some windows, and its positions, padding included."""
    if share_rows(windows, arch):
        return windows.pack(part, arch, packing._replace(budget=math.inf))
    lengths = windows.lengths[part]
    return windows.collate(part), int(lengths.max() * len(lengths))


def _renumbered(collated: dict[str, Any], renumber: Renumber) -> dict[str, Any]:
    """The batch with other token ids, in whichever form it has them."""
    if "rows" in collated:
        rows: Rows = collated["rows"]
        return {**collated, "rows": rows._replace(input_ids=torch.from_numpy(renumber(rows.input_ids.numpy())))}
    ids = torch.from_numpy(renumber(collated["inputs"]["input_ids"].numpy()))
    return {**collated, "inputs": {**collated["inputs"], "input_ids": ids}}
