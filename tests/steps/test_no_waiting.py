"""A step reads no tensor's value, so on a GPU the processor does not wait within it, nor the GPU for the processor.

Of realigning and of tasks that label words; with NLI and QA transformers looks once at every padded batch's mask.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import AutoModelForTokenClassification

from alignfreeze_cli.encoder.batches import Drawn, Packing, make_batch
from alignfreeze_cli.encoder.blocks import architecture
from alignfreeze_cli.encoder.encoding import EncodedPairs, Side
from alignfreeze_cli.encoder.loss import new_projection, realignment_loss
from alignfreeze_cli.progress import Console
from alignfreeze_cli.tasks.finetuning import batches, summed_loss
from alignfreeze_cli.tasks.registry import TASKS
from alignfreeze_cli.tasks.settings import FinetuneSettings
from alignfreeze_cli.tasks.tagging import TaggedSentence
from alignfreeze_cli.training.loop import LOG_EVERY, LoopSettings, MicroBatch, open_accelerator, train
from alignfreeze_cli.training.metrics import Metrics
from tests.support.models import ENCODERS, N_BLOCKS, tiny
from tests.tasks.test_tagging import LABELS, encode

STEPS = 2 * LOG_EVERY


class Values(TorchDispatchMode):
    """Operations that await a GPU's results: they give a number, or a shape that depends on numbers."""

    names = ("_local_scalar_dense", "nonzero", "masked_select", "_unique2", "repeat_interleave.Tensor")

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(func).removeprefix("aten.")
        if name.startswith(self.names) and (kwargs or {}).get("output_size") is None:
            self.seen.append(name)
        return func(*args, **(kwargs or {}))


def run(
    folder: Path, model: Any, objective: Any, of_step: Any, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[str], int]:
    """Train; what was awaited, and how often losses were read."""
    read = []
    tolist = torch.Tensor.tolist
    monkeypatch.setattr(torch.Tensor, "tolist", lambda tensor: read.append(tensor.shape) or tolist(tensor))
    monkeypatch.setattr(torch.Tensor, "cpu", lambda tensor: pytest.fail("a step copies to the processor"))
    accelerator = open_accelerator(folder / "out", "cpu")
    with Values() as values:
        train(
            model,
            objective,
            of_step,
            LoopSettings(steps=STEPS, learning_rate=1e-3),
            folder / "checkpoints",
            Console(),
            Metrics(folder / "metrics.jsonl", accelerator),
            accelerator,
        )
    return values.seen, len(read)


def encoded_pairs() -> EncodedPairs:
    """Four random pairs of three words a side, the first of two subwords, each linked to its like."""
    random = np.random.default_rng(0)
    words = np.tile(np.array([[1, 3], [3, 4], [4, 5]], dtype=np.int32), (4, 1))
    at = np.arange(5)
    sides = [Side(random.integers(5, 50, 24).astype(np.int32), 6 * at, words, 3 * at) for _ in range(2)]
    links = np.tile(np.array([[0, 0], [1, 1], [2, 2]], dtype=np.int32), (4, 1))
    return EncodedPairs("xx", sides[0], sides[1], links, 3 * at, np.arange(4), 4, 4)


@pytest.mark.parametrize("pooling", ["first", "mean"])
@pytest.mark.parametrize("family", [*ENCODERS, "llama", "gemma3_text"])
def test_realigning(family: str, pooling: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny(family, dtype=torch.float32)
    arch = architecture(model)
    both = torch.nn.ModuleDict({"encoder": model, "projection": new_projection(8, arch.hidden_size, model.config)})
    pairs = encoded_pairs()
    batch = make_batch([Drawn(pairs, n, n) for n in range(4)], arch, 0, None, Packing(budget=1000, multiple=8))
    loss = partial(realignment_loss, block=N_BLOCKS - 2, pooling=pooling)
    seen, read = run(tmp_path, both, loss, lambda step: [MicroBatch(batch, 1.0, 1, 1)], monkeypatch)
    assert (seen, read) == ([], STEPS // LOG_EVERY)


@pytest.mark.parametrize("family", [*ENCODERS, "llama"])
def test_fine_tuning(family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny(family, AutoModelForTokenClassification, dtype=torch.float32, num_labels=len(LABELS))
    windows = encode([TaggedSentence(str(n), ["a"] * (n + 1), ["X"] * (n + 1)) for n in range(12)], 30)
    windows.tokens, windows.padding_id = windows.tokens % 40 + 2, model.config.pad_token_id
    settings = FinetuneSettings(model="m", task="pos", batch_size=6)
    of_step = batches(windows, settings, architecture(model), Packing(40))
    seen, read = run(tmp_path, model, summed_loss(TASKS["pos"]), of_step, monkeypatch)
    assert (seen, read) == ([], STEPS // LOG_EVERY)
