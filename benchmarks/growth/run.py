"""The measurements of growth, one function per kind of size."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from alignfreeze_cli.encoder.tokenizers import load_tokenizer
from benchmarks import generated
from benchmarks.align import write_long
from benchmarks.finetune import BATCH, finetuned
from benchmarks.growth.plot import draw
from benchmarks.growth.series import FLAT, LINEAR, Growth, Law, Series
from benchmarks.inputs import Inputs
from benchmarks.peers.tagging import TRAIN_LENGTH
from benchmarks.processes import Ended, recorded_rate, run_module
from benchmarks.table import Report

LANGUAGES = (1, 3, 10, 30, 100)
LENGTHS = (8, 16, 32, 64, 128, 256, 512)
VOCABULARIES = (30_522, 60_000, 120_000, 250_002)
BLOCKS = (2, 4, 8, 12, 24)
SENTENCES = (1_000, 10_000, 100_000, 1_000_000)
LINES = (10_000, 100_000, 1_000_000, 10_000_000)
LINES_PER_LANGUAGE = 2_000
TOKENS = 2_048  # subwords of a step, where their length grows
STEPS = 8
PER = 1_000  # subwords
LANGUAGE_CODES = [f"q{a}{b}" for a in "abcd" for b in "abcdefghijklmnopqrstuvwxyz"]  # ISO 639-2: for local use
BYTES_PER_TRAINED = 16  # Adam in fp32: weight, gradient and two moments


def run(inputs: Inputs) -> Report:
    """Measure what `--growth` names, draw it into `--images`, and give the tables."""
    kinds: dict[str, Callable[[Inputs, Path], Growth]] = {
        "lines": _lines,
        "sentences": _sentences,
        "languages": _languages,
        "length": _length,
        "vocabulary": _vocabulary,
        "blocks": _blocks,
    }
    parts = []
    if inputs.options.images:
        inputs.options.images.mkdir(parents=True, exist_ok=True)
    for name in inputs.options.growth or kinds:
        folder = inputs.folder / f"growth-{name}"
        folder.mkdir()
        growth = kinds[name](inputs, folder)
        shutil.rmtree(folder)
        if inputs.options.images:
            draw(growth, inputs.options.images / f"growth-{name}.svg")
        parts.append(f"### {name.capitalize()}\n\n{growth.markdown()}")
    return Report(text="\n\n".join(parts))


def _lines(inputs: Inputs, folder: Path) -> Growth:
    """`align-pairs` on one language, from ten thousand lines up to `--most-lines`."""
    target = inputs.options.targets[0]
    series = Series("align-pairs, one worker", LINEAR, FLAT)
    for lines in _up_to(LINES, inputs.options.most_lines):
        write_long(inputs.corpus_files(target), lines, folder / f"en-{target}.tsv")
        ended = _align(str(folder / "en-{target}.tsv"), inputs.text[1], [target], folder / "pairs")
        _measured(series, lines, ended.wall, ended.peak)
    return Growth("lines", "lines", "seconds", [series])


def _sentences(inputs: Inputs, folder: Path) -> Growth:
    """`evaluate` on one language, from a thousand sentences up to `--most-sentences`; the tagger is very small."""
    target = inputs.options.targets[0]
    small = folder / "encoder"
    generated.vary_encoder(inputs.encoder, small, **generated.SHAPES["tiny"])
    train = folder / "train.conllu"
    generated.write_treebank(train, BATCH, inputs.options.seed)
    finetuned(small, train, folder / "tagger")
    series = Series("evaluate", LINEAR, FLAT)
    blocks = inputs.treebanks[0].read_text(encoding="utf-8").strip().split("\n\n")
    for sentences in _up_to(SENTENCES, inputs.options.most_sentences):
        with (folder / f"{target}.conllu").open("w", encoding="utf-8", newline="\n") as file:
            for begin in range(0, sentences, len(blocks)):
                file.writelines(f"{one}\n\n" for one in blocks[: sentences - begin])
        given = ("--model", folder / "tagger", "--languages", target, "--data", folder / f"{target}.conllu")
        shutil.rmtree(folder / "scores", ignore_errors=True)
        ended = run_module("alignfreeze_cli", ("evaluate", *given, "--output", folder / "scores", "--quiet"))
        _measured(series, sentences, ended.wall, ended.peak)
    return Growth("sentences", "sentences", "seconds", [series])


def _languages(inputs: Inputs, folder: Path) -> Growth:
    """`align-pairs` and `realign` on one language up to a hundred, the same number of lines of each."""
    corpus, dictionary = generated.write_corpus(folder, LANGUAGE_CODES, LINES_PER_LANGUAGE, inputs.options.seed)
    aligning = Series("align-pairs", LINEAR, FLAT)
    realigning = Series(f"realign, {STEPS} steps", LINEAR, LINEAR)
    for count in LANGUAGES:
        pairs = folder / f"pairs-{count}"
        ended = _align(corpus, dictionary, LANGUAGE_CODES[:count], pairs)
        _measured(aligning, count, ended.wall, ended.peak)
        ended, _ = _realign(inputs, inputs.encoder, pairs)
        _measured(realigning, count, ended.wall, ended.peak)
    return Growth("languages", "languages", "seconds", [aligning, realigning])


def _length(inputs: Inputs, folder: Path) -> Growth:
    """Training steps on sentences of one length, the same number of subwords in each step."""
    law = Law("operations", _operations_per_subword(inputs.encoder))
    realigning, finetuning = (Series(name, law, LINEAR) for name in ("realign", "finetune"))
    tokenizer = load_tokenizer(inputs.encoder)
    for length in LENGTHS:
        own, count, seed = folder / str(length), TOKENS // length, inputs.options.seed
        corpus, dictionary = generated.write_even_corpus(own, tokenizer, length, STEPS * count, seed)
        _align(corpus, dictionary, ["aa"], own / "pairs")
        limit = ("--max-length", length)
        ended, rate = _realign(inputs, inputs.encoder, own / "pairs", "--batch-size", count // 2, *limit)
        _measured(realigning, length, PER / rate, ended.peak)
        generated.write_even_treebank(own / "train.conllu", tokenizer, length, STEPS * count, seed)
        ended, rate = _finetune(inputs, inputs.encoder, own / "train.conllu", "--batch-size", count, *limit)
        _measured(finetuning, length, PER / rate, ended.peak)
    return Growth("length", "subwords of a sentence", f"seconds per {PER:,} subwords", [realigning, finetuning])


def _vocabulary(inputs: Inputs, folder: Path) -> Growth:
    """Training steps with more and more embeddings, of which the text uses as many as before."""
    width = _config(inputs.encoder)["hidden_size"]
    kept = Law("4 bytes a weight", lambda rows: rows * width, factor=4.0)
    trained = Law("16 bytes a weight", lambda rows: rows * width, factor=BYTES_PER_TRAINED)
    active, full = Series("realign, active vocabulary", FLAT, kept), Series("realign, full vocabulary", LINEAR, trained)
    finetuning = Series("finetune", FLAT, kept)
    train = _train_treebank(inputs, folder)
    for rows in VOCABULARIES:
        encoder = folder / f"encoder-{rows}"
        generated.vary_encoder(inputs.encoder, encoder, vocab_size=rows)
        for series, vocabulary in ((active, "active"), (full, "full")):
            ended, rate = _realign(inputs, encoder, inputs.pairs, "--vocabulary", vocabulary)
            _measured(series, rows, PER / rate, ended.peak)
        ended, rate = _finetune(inputs, encoder, train)
        _measured(finetuning, rows, PER / rate, ended.peak)
        shutil.rmtree(encoder)
    return Growth("vocabulary", "embeddings", f"seconds per {PER:,} subwords", [active, full, finetuning])


def _blocks(inputs: Inputs, folder: Path) -> Growth:
    """Training steps with more and more blocks."""
    front, none, finetuning = (
        Series(name, LINEAR, LINEAR) for name in ("realign, front", "realign, all blocks", "finetune")
    )
    train = _train_treebank(inputs, folder)
    for blocks in BLOCKS:
        encoder = folder / f"encoder-{blocks}"
        generated.vary_encoder(inputs.encoder, encoder, num_hidden_layers=blocks)
        for series, plan in ((front, "front"), (none, "none")):
            ended, rate = _realign(inputs, encoder, inputs.pairs, "--freeze", plan)
            _measured(series, blocks, PER / rate, ended.peak)
        ended, rate = _finetune(inputs, encoder, train)
        _measured(finetuning, blocks, PER / rate, ended.peak)
        shutil.rmtree(encoder)
    return Growth("blocks", "blocks", f"seconds per {PER:,} subwords", [front, none, finetuning])


def _align(corpus: str, dictionary: str, targets: Sequence[str], output: Path) -> Ended:
    shutil.rmtree(output, ignore_errors=True)
    given = ("--target", ",".join(targets), "--corpus", corpus, "--dictionary", dictionary, "--words", "published")
    return run_module("alignfreeze_cli", ("align-pairs", *given, "--output", output, "--quiet"))


def _realign(inputs: Inputs, encoder: Path, pairs: Path, *more: object) -> tuple[Ended, float]:
    """A few steps; the process, and the subwords per second of its training."""
    output = inputs.folder / "growth-realigned"
    shutil.rmtree(output, ignore_errors=True)
    given = ("--model", encoder, "--pairs", pairs, "--steps", STEPS, "--probe-pairs", 0, "--output", output, "--quiet")
    ended = run_module("alignfreeze_cli", ("realign", *given, *more))
    return ended, recorded_rate(output)


def _finetune(inputs: Inputs, encoder: Path, train: Path, *more: object) -> tuple[Ended, float]:
    """One pass over the sentences; the process, and the subwords per second of its training."""
    output = inputs.folder / "growth-tagger"
    shutil.rmtree(output, ignore_errors=True)
    return finetuned(encoder, train, output, *more), recorded_rate(output)


def _train_treebank(inputs: Inputs, folder: Path) -> Path:
    path = folder / "train.conllu"
    inputs.write_training(path, STEPS * BATCH, TRAIN_LENGTH)
    return path


def _measured(series: Series, size: int, seconds: float, peak: int) -> None:
    series.add(size, seconds, peak)
    print(f"{series.name}, {size:,}: {seconds:.3g} s, {peak / 1e9:.2f} GB", file=sys.stderr, flush=True)


def _up_to(sizes: Sequence[int], most: int) -> list[int]:
    return [size for size in sizes if size <= most]


def _config(encoder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((encoder / "config.json").read_text(encoding="utf-8"))
    return found


def _operations_per_subword(encoder: Path) -> Callable[[float], float]:
    """Operations of the matrix products for one subword of a sentence of some length, forward.

    In each block, with width h and inner width i: 2 (4 h² + 2 h i) in the linear layers, 4 L h in attention, where
    every subword meets all L of its sentence.
    """
    config = _config(encoder)
    width, inner, blocks = (config[name] for name in ("hidden_size", "intermediate_size", "num_hidden_layers"))
    return lambda length: blocks * (2 * (4 * width * width + 2 * width * inner) + 4 * length * width)
