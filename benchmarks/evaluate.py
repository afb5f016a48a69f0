"""Scoring a tagger on treebanks as a whole process: `alignfreeze evaluate` beside what users would write instead.

`Trainer.predict` in the order of the files and sorted by length, `pipeline("token-classification")`, and the
straightforward way of plain/evaluate.py. All score the same words with the same model. What is left after start-up is
measured too: every program also runs once on the first sentence of each treebank, and that time is taken off.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from benchmarks.clock import Laps
from benchmarks.finetune import BATCH, finetuned
from benchmarks.inputs import Inputs
from benchmarks.peers.tagging import TEST_LENGTH, TRAIN_LENGTH
from benchmarks.processes import Ended, run_module
from benchmarks.table import Report, Row

CLOSE = {"fp32": 1e-3, "bf16": 1e-2}  # how far accuracies may be apart: sums of floats depend on the padding

Scores = dict[str, tuple[int, float]]  # by language, words and accuracy


@dataclass(frozen=True)
class Program:
    """What users would write: a module that is given a model and treebanks, and prints words and accuracies."""

    name: str
    module: str
    precision: str
    more: tuple[str, ...] = ()
    common: bool = True  # measured unless others are named

    def score(self, model: Path, banks: dict[str, Path]) -> tuple[Ended, Scores]:
        ended = run_module(self.module, ("--model", model, *self.more, *banks.values()))
        found = ended.answer()
        by_language = ((language, found[str(path)]) for language, path in banks.items())
        return ended, {language: (score["words"], score["accuracy"]) for language, score in by_language}


@dataclass(frozen=True)
class Ours:
    """`alignfreeze evaluate`."""

    precision: str
    folder: Path  # for the scores

    @property
    def name(self) -> str:
        return f"alignfreeze {self.precision}"

    def score(self, model: Path, banks: dict[str, Path]) -> tuple[Ended, Scores]:
        shutil.rmtree(self.folder, ignore_errors=True)
        pattern = next(iter(banks.values())).parent / "{language}-test.conllu"
        given = ("--model", model, "--languages", ",".join(banks), "--data", pattern, "--max-length", TEST_LENGTH)
        how = ("--precision", self.precision, "--output", self.folder, "--quiet")
        ended = run_module("alignfreeze_cli", ("evaluate", *given, *how))
        languages = json.loads((self.folder / "scores.json").read_text(encoding="utf-8"))["languages"]
        return ended, {language: (entry["scored"], entry["value"]) for language, entry in languages.items()}


def run(inputs: Inputs) -> Report:
    """All in turn, once per round; the report."""
    options = inputs.options
    model = options.task_model or _tagger(inputs)
    banks = _by_language(inputs)
    first = _first_sentences(inputs, banks)
    ours = [Ours(precision, inputs.folder / "scores") for precision in options.precisions]
    programs = [one for one in _programs() if options.wants(one.name, one.precision, one.common)]
    both: list[Ours | Program] = [*programs, *ours]
    whole = {one.name: Laps(one.name) for one in both}
    after: dict[str, Laps] = {}
    _, expected = ours[0].score(model, banks)  # also warms up: files are in memory from here on
    for _ in range(options.rounds):
        for one in both:
            ended, found = one.score(model, banks)
            _agree(found, expected, one)
            whole[one.name].add(ended)
    for one in both:
        start, _ = one.score(model, first)
        after[one.name] = whole[one.name].without(start)

    rows = []
    for laps, what in ((whole, "whole process"), (after, "without start-up")):
        for own in ours:
            rows += [
                Row(f"`evaluate` {own.precision}, {len(banks)} languages, {what}", laps[program.name], laps[own.name])
                for program in programs
                if program.precision == own.precision or (own.precision == "bf16" and "in the order" in program.name)
            ]
    return Report(rows)


def _programs() -> list[Program]:
    found = [Program("plain/evaluate.py fp32", "benchmarks.plain.evaluate", "fp32")]
    for precision in ("fp32", "bf16"):
        given = ("--precision", precision)
        trainer, pipeline = "benchmarks.peers.trainer_predict", "benchmarks.peers.pipeline_predict"
        found += [
            Program(f"`Trainer.predict` {precision}, in the order of the file", trainer, precision, given),
            Program(f"`Trainer.predict` {precision}, sorted by length", trainer, precision, (*given, "--sort")),
            Program(f"`pipeline(batch_size=32)` {precision}", pipeline, precision, given, precision == "fp32"),
        ]
    autocast = ("--precision", "autocast", "--sort")
    found.append(Program("`Trainer.predict` bf16 by autocast, sorted by length", trainer, "bf16", autocast))
    return found


def _agree(found: Scores, expected: Scores, one: Ours | Program) -> None:
    """The same words were scored, and about as many of them are right; AssertionError if not."""
    for language, (words, accuracy) in expected.items():
        assert found[language][0] == words, f"{one.name}: {found[language][0]} words of {language}, not {words}"
        apart = abs(found[language][1] - accuracy)
        assert apart <= CLOSE[one.precision], f"{one.name}: accuracy {found[language][1]} in {language}, not {accuracy}"


def _tagger(inputs: Inputs) -> Path:
    """A task model, trained for a few steps."""
    train = inputs.folder / "tagger-train.conllu"
    inputs.write_training(train, inputs.options.finetune_steps * BATCH, TRAIN_LENGTH)
    output = inputs.folder / "tagger"
    finetuned(inputs.encoder, train, output)
    return output


def _by_language(inputs: Inputs) -> dict[str, Path]:
    """The treebanks as `{language}-test.conllu` in a folder of their own; file names begin with the language."""
    folder = inputs.folder / "treebanks"
    folder.mkdir()
    banks = {}
    for path in inputs.treebanks:
        language = re.split(r"[^a-z]", path.name)[0]
        banks[language] = folder / f"{language}-test.conllu"
        banks[language].symlink_to(path.resolve())
    return banks


def _first_sentences(inputs: Inputs, banks: dict[str, Path]) -> dict[str, Path]:
    """Treebanks of one sentence each: scoring these is starting up and little else."""
    folder = inputs.folder / "first-sentences"
    folder.mkdir()
    first = {}
    for language, path in banks.items():
        first[language] = folder / path.name
        first[language].write_text(path.read_text(encoding="utf-8").split("\n\n")[0] + "\n\n", encoding="utf-8")
    return first
