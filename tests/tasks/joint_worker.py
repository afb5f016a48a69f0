"""One process of `test_joint.py`: joint training in double precision without dropout, and the command itself.

Argument: a folder. Under `torchrun` every process runs this; `main` called alone makes what to compare with. It is also
what the test kills: see `tests/support/killing.py`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from transformers import AutoModelForTokenClassification

from alignfreeze_cli.artifacts import resolve_encoder
from alignfreeze_cli.encoder.batches import Packing
from alignfreeze_cli.encoder.blocks import architecture
from alignfreeze_cli.encoder.tokenizers import load_tokenizer
from alignfreeze_cli.progress import Console
from alignfreeze_cli.steps.finetune import finetune
from alignfreeze_cli.tasks.base import Windows
from alignfreeze_cli.tasks.finetuning import batches, summed_loss
from alignfreeze_cli.tasks.joint import Joint, find_joint
from alignfreeze_cli.tasks.registry import TASKS
from alignfreeze_cli.tasks.settings import FinetuneSettings
from alignfreeze_cli.training.loop import LoopSettings, open_accelerator, train
from alignfreeze_cli.training.metrics import Metrics

RESULT = "model.safetensors"
POS = TASKS["pos"]
WEIGHT = 0.3
LABELS = 5


def settings(inputs: Path, **changes: Any) -> FinetuneSettings:
    given: dict[str, Any] = {
        "model": str(inputs / "encoder"),
        "task": "pos",
        "train": str(inputs / "train.conllu"),
        "realign_with": (str(inputs / "pairs"),),
        "realign_weight": WEIGHT,
        "realign_batch_size": 5,
        "freeze": "front",
        "steps": 1,
        "batch_size": 7,
        "batch_tokens": 24,
        "max_length": 24,
        "learning_rate": 1e-3,
        "checkpoint_every": 1,
        "device": "cpu",
        **changes,
    }
    return FinetuneSettings(**given)


def model_of(inputs: Path) -> Any:
    """The task model in double precision, without dropout, its head a function of nothing but the seed."""
    from transformers import set_seed

    set_seed(4)
    quiet = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    model = AutoModelForTokenClassification.from_pretrained(inputs / "encoder", num_labels=17, **quiet)
    return model.double()


def windows_of(inputs: Path) -> Windows:
    options = dict(POS.defaults)
    examples = list(POS.read([inputs / "train.conllu"], "en", options))
    return POS.encode(examples, load_tokenizer(inputs / "encoder"), POS.labels(options), 24, options)


def joint_of(inputs: Path, **changes: Any) -> Joint:
    joint = find_joint(settings(inputs, **changes), architecture(model_of(inputs)), 24)
    assert joint is not None
    return joint


def one_step(folder: Path, inputs: Path, **changes: Any) -> None:
    """A step of the loop; its checkpoint holds the gradients."""
    loop = LoopSettings(steps=1, learning_rate=1e-3, checkpoint_every=1, parts=(("task", 1.0), ("realign", WEIGHT)))
    accelerator = open_accelerator(folder / "joint", "cpu")
    process, processes = accelerator.process_index, accelerator.num_processes
    chosen, joint, model = settings(inputs, **changes), joint_of(inputs, **changes), model_of(inputs)
    material = joint.dataset(Console(), resolve_encoder(str(inputs / "encoder")), 1, 1, accelerator)
    of_task = batches(
        windows_of(inputs), chosen, architecture(model), Packing(24), process=process, processes=processes
    )
    train(
        joint.model(model).double(),
        joint.loss(summed_loss(POS), processes),
        joint.batches(of_task, material, architecture(model), Packing(), None, process, processes),
        loop,
        folder / "checkpoints",
        Console(),
        Metrics(folder / "metrics.jsonl", accelerator),
        accelerator,
    )


def run(folder: Path, resume: bool) -> None:
    """What is killed: twelve steps of the command."""
    inputs = folder.parent / "inputs"
    changes: dict[str, Any] = {"steps": 12, "checkpoint_every": 3, "output": folder / "output", "resume": resume}
    finetune(settings(inputs, **changes), Console())


def main(folder: Path) -> None:
    inputs = folder.parent / "inputs"
    (folder / "step").mkdir(parents=True, exist_ok=True)
    one_step(folder / "step", inputs)
    finetune(settings(inputs, steps=3, output=folder / "command"), Console())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
