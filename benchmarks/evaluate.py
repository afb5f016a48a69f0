"""Evaluation: reading, encoding, tagging and scoring of treebanks, ours against plain/evaluate.py."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from alignfreeze_cli.encoder.models import load_task_model, new_task_model
from alignfreeze_cli.encoder.tokenizers import load_tokenizer
from alignfreeze_cli.tasks.prediction import CPU_BATCH_TOKENS, GPU_BATCH_TOKENS, predict
from alignfreeze_cli.tasks.registry import TASKS
from benchmarks.clock import Laps, comparison
from benchmarks.inputs import Inputs, describe
from benchmarks.plain import evaluate as plain

MAX_LENGTH = 128


def run(inputs: Inputs) -> str:
    """Both implementations in turn over all treebanks; the report."""
    options = inputs.options
    task = TASKS["pos"]
    folder = options.task_model or inputs.encoder
    labels: tuple[str, ...]
    if options.task_model is not None:
        model, labels = load_task_model(folder, task.auto_class)
    else:  # a random head: it tags badly, but as fast
        torch.manual_seed(options.seed)
        labels = task.labels(task.defaults)
        model = new_task_model(folder, task.auto_class, labels)
    device = torch.device(options.device)
    model.to(device).eval()
    tokenizer = load_tokenizer(folder)

    ours, theirs = Laps("alignfreeze"), Laps("straightforward")
    _score(inputs.treebanks[:1], model, tokenizer, labels, device)  # warm up
    for _ in range(options.rounds):
        theirs.start()
        expected = [plain.evaluate(model, tokenizer, labels, path, MAX_LENGTH) for path in inputs.treebanks]
        theirs.stop(sum(score.words for score in expected))
        ours.start()
        found = _score(inputs.treebanks, model, tokenizer, labels, device)
        ours.stop(sum(words for _, words, _, _ in found))
        for (accuracy, words, _, _), score in zip(found, expected, strict=True):
            assert words == score.words, f"{words} and {score.words} words were scored"
            # Sums of floats depend on the padding, so a word whose two best tags are equally likely may change its tag.
            assert abs(accuracy - score.accuracy) <= max(1, words // 2_000) / words, f"{accuracy} and {score.accuracy}"
    theirs.padding = 1 - sum(s.tokens for s in expected) / sum(s.computed for s in expected)
    ours.padding = 1 - sum(tokens for _, _, tokens, _ in found) / sum(computed for _, _, _, computed in found)
    title = f"evaluation (pos): {describe(model)}, {len(inputs.treebanks)} treebanks, {options.device}"
    return comparison(title, "words", theirs, [ours])


def _score(
    paths: Sequence[Path], model: Any, tokenizer: Any, labels: Any, device: torch.device
) -> list[tuple[float, int, int, int]]:
    """Per treebank accuracy, words, subwords of text and positions computed: what `alignfreeze evaluate` does."""
    task = TASKS["pos"]
    budget = CPU_BATCH_TOKENS if device.type == "cpu" else GPU_BATCH_TOKENS

    def prepared() -> Iterator[tuple[Any, Any]]:
        for path in paths:
            examples = task.read([path], "", task.defaults)
            yield examples, task.encode(examples, tokenizer, labels, MAX_LENGTH, task.defaults)

    found = []
    for examples, windows, answers in predict(model, task, prepared(), budget, device):
        scored = task.score(examples, windows, answers, labels, task.defaults)
        computed = sum(len(some) * int(windows.lengths[some].max()) for some, _ in answers)
        found.append((scored.metrics[task.metric], scored.count, int(windows.lengths.sum()), computed))
    return found
