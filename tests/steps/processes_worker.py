"""One process of `test_realign_processes.py`: a training step of two objectives in double precision, without dropout.

Argument: a folder. Under `torchrun` every process runs this; `main` called alone makes what to compare with.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from alignfreeze_cli.artifacts.files import file_digest
from alignfreeze_cli.encoder.batches import Drawn, make_batch
from alignfreeze_cli.encoder.blocks import architecture
from alignfreeze_cli.encoder.encoding import encode_pairs, tokenizer_digest
from alignfreeze_cli.encoder.freezing import FreezePlan, apply_plan
from alignfreeze_cli.encoder.loss import Projection, realignment_loss
from alignfreeze_cli.encoder.settings import RealignSettings
from alignfreeze_cli.encoder.tokenizers import load_tokenizer
from alignfreeze_cli.pairs.folder import open_pairs
from alignfreeze_cli.progress import Console
from alignfreeze_cli.steps.realign import realign
from alignfreeze_cli.training.loop import LoopSettings, MicroBatch, open_accelerator, train
from alignfreeze_cli.training.metrics import Metrics
from tests.support.models import tiny
from tests.support.realign_world import vocabulary

ONE_STEP = LoopSettings(steps=1, learning_rate=1e-3, checkpoint_every=1)


def generic(folder: Path) -> None:
    """A network whose loss is a sum over rows, of which the processes get unequal numbers and micro-batches."""
    accelerator = open_accelerator(folder / "generic", "cpu")
    torch.manual_seed(2)
    network = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3)).double()
    x, y = torch.randn(11, 5).double(), torch.randint(3, (11,))
    shares = [[(0, 4), (4, 9)], [(9, 11)]] if accelerator.num_processes == 2 else [[(0, 11)]]

    def batches(step: int) -> list[MicroBatch]:
        return [MicroBatch((x[a:b], y[a:b]), b - a, b - a, b - a) for a, b in shares[accelerator.process_index]]

    def summed(model: nn.Module, inputs: Any) -> Tensor:
        return nn.functional.cross_entropy(model(inputs[0]), inputs[1], reduction="sum")

    metrics = Metrics(folder / "metrics.jsonl", accelerator)
    train(network, summed, batches, ONE_STEP, folder / "checkpoints", Console(), metrics, accelerator)


def realignment(folder: Path, inputs: Path) -> None:
    """The realignment objective on seven pairs, of which one process gets four and the other three."""
    accelerator = open_accelerator(folder / "realignment", "cpu")
    opened = open_pairs(inputs / "pairs")
    tokenizer = load_tokenizer(inputs / "encoder")
    (language,) = opened.files
    pairs = encode_pairs(opened, language, file_digest(language.path), tokenizer, tokenizer_digest(tokenizer), 32)
    model = tiny("bert", vocab_size=len(vocabulary()))
    arch = architecture(model)
    apply_plan(model, FreezePlan.parse("front").resolve(arch.n_blocks))
    both = nn.ModuleDict({"encoder": model, "projection": Projection(arch.hidden_size, 16, 0.3).double()})

    def batches(step: int) -> list[MicroBatch]:
        mine = range(7)[accelerator.process_index :: accelerator.num_processes]
        batch = make_batch([Drawn(pairs, number, number) for number in mine], arch, 0)
        return [MicroBatch(batch, 1 / accelerator.num_processes, batch.layout.tokens, batch.layout.positions)]

    compute = partial(realignment_loss, block=3, processes=accelerator.num_processes)
    metrics = Metrics(folder / "metrics.jsonl", accelerator)
    train(both, compute, batches, ONE_STEP, folder / "checkpoints", Console(), metrics, accelerator)  # type: ignore[arg-type]


def whole_step(folder: Path, inputs: Path) -> None:
    """The command's step itself, with checkpoints, the probe, and an encoder of fewer steps inside."""
    settings = RealignSettings(
        model=str(inputs / "encoder"),
        pairs=(str(inputs / "pairs"),),
        steps=4,
        save_at=("3",),
        batch_size=5,
        max_length=32,
        probe_pairs=2,
        probe_every=2,
        checkpoint_every=2,
        device="cpu",
        output=folder / "encoder",
    )
    realign(settings, Console())


def main(folder: Path) -> None:
    for name in ("generic", "realignment"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    generic(folder / "generic")
    realignment(folder / "realignment", folder.parent / "inputs")
    whole_step(folder, folder.parent / "inputs")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
