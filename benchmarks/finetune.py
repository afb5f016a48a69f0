"""Fine-tuning a tagger as a whole process: `alignfreeze finetune` and `transformers.Trainer`, on the same sentences.

Both learn from every sentence once, so both compute the same subwords, whatever order they draw them in. What a step
takes is what each says of its own training, divided by the steps: start-up, reading and writing left out.
"""

from __future__ import annotations

import shutil
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from alignfreeze_cli.encoder.models import new_task_model
from alignfreeze_cli.encoder.tokenizers import load_tokenizer
from alignfreeze_cli.tasks.finetuning import summed_loss
from alignfreeze_cli.tasks.registry import TASKS
from benchmarks.clock import Laps
from benchmarks.inputs import Inputs
from benchmarks.peers.tagging import TRAIN_LENGTH, encoded_treebank
from benchmarks.processes import Ended, recorded_rate, run_module
from benchmarks.table import Report, Row

BATCH = 32
VARIANTS: dict[str, tuple[str, ...]] = {
    "`Trainer.train`": (),
    "`Trainer.train`, grouped by length": ("--group-by-length",),
}


def run(inputs: Inputs) -> Report:
    """All in turn, once per round; the report."""
    options = inputs.options
    train = inputs.folder / "finetune-train.conllu"
    tokens = inputs.write_training(train, options.finetune_steps * BATCH, TRAIN_LENGTH)
    same_loss(inputs, train)

    rows = []
    for precision in options.precisions:
        variants = {name: more for name, more in VARIANTS.items() if options.wants(name, precision, common=not more)}
        whole = {name: Laps(name) for name in ("alignfreeze", *variants)}
        steps = {name: Laps(name) for name in whole}
        for _ in range(options.rounds):
            for name, arguments in variants.items():
                ended = _peer(inputs, train, precision, arguments)
                answer = ended.answer()
                assert answer["steps"] == options.finetune_steps, f"{answer['steps']} steps"
                assert answer["tokens"] == tokens, f"{name} learned from {answer['tokens']} subwords, not {tokens}"
                whole[name].add(ended)
                steps[name].wall.append(answer["seconds"] / answer["steps"])
            ended, rate = _ours(inputs, train, precision)
            whole["alignfreeze"].add(ended)
            steps["alignfreeze"].wall.append(tokens / rate / options.finetune_steps)
        work = f"`finetune` {precision}"
        ours = whole.pop("alignfreeze")
        rows += [Row(f"{work}, {options.finetune_steps} steps, whole process", laps, ours) for laps in whole.values()]
        ours = steps.pop("alignfreeze")
        rows += [Row(f"{work}, one step of {BATCH} sentences", laps, ours) for laps in steps.values()]
    return Report(rows)


def _peer(inputs: Inputs, train: Path, precision: str, more: tuple[str, ...]) -> Ended:
    output = inputs.folder / "trainer"
    shutil.rmtree(output, ignore_errors=True)
    arguments = ("--model", inputs.encoder, "--train", train, "--precision", precision, "--output", output, *more)
    return run_module("benchmarks.peers.trainer_finetune", arguments)


def _ours(inputs: Inputs, train: Path, precision: str) -> tuple[Ended, float]:
    """The process, and the subwords per second of its training."""
    output = inputs.folder / f"finetuned-{precision}"
    shutil.rmtree(output, ignore_errors=True)
    return finetuned(inputs.encoder, train, output, "--precision", precision), recorded_rate(output)


def finetuned(encoder: Path, train: Path, output: Path, *more: object) -> Ended:
    """`alignfreeze finetune`, one pass over a treebank, with the peers' learning rate and length."""
    fixed = ("--task", "pos", "--epochs", 1, "--batch-size", BATCH, "--max-length", TRAIN_LENGTH)
    named = ("--model", encoder, "--train", train, "--output", output, "--learning-rate", 5e-5, "--quiet")
    return run_module("alignfreeze_cli", ("finetune", *fixed, *named, *more))


def same_loss(inputs: Inputs, train: Path) -> None:
    """Both must compute the same loss for the first sentences, without dropout; AssertionError if they don't."""
    from transformers import DataCollatorForTokenClassification

    task = TASKS["pos"]
    labels = task.labels(task.defaults)
    torch.manual_seed(inputs.options.seed)
    model = new_task_model(inputs.encoder, task.auto_class, labels).eval()
    tokenizer = load_tokenizer(inputs.encoder)
    windows, _ = encoded_treebank(train, tokenizer, labels, TRAIN_LENGTH)
    batch = DataCollatorForTokenClassification(tokenizer)([windows[number] for number in range(BATCH)])
    examples = list(islice(task.read([train], "en", task.defaults), BATCH))
    own = task.encode(examples, tokenizer, labels, TRAIN_LENGTH, task.defaults)
    with torch.no_grad():
        theirs = model(**batch).loss.item()
        ours = summed_loss(task)(model, (own.collate(np.arange(BATCH)), 1.0)).item() / own.weights.sum()
    assert abs(ours - theirs) < 1e-4 * theirs, f"the losses differ: {ours} and {theirs}"
