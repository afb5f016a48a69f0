"""Realignment as a whole process beside sentence-transformers' contrastive training on the same sentences.

The two losses are not the same, so no result is compared but the subwords that both read.
"""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

from alignfreeze_cli.pairs.folder import open_pairs
from benchmarks.clock import Laps
from benchmarks.inputs import Inputs
from benchmarks.processes import recorded_rate, run_module
from benchmarks.table import Report, Row

PEER = "sentence-transformers, MultipleNegativesRankingLoss"
UNIT = 1000  # subwords


def run(inputs: Inputs) -> Report:
    """Both in turn, once per round; the report."""
    if not find_spec("sentence_transformers"):
        return Report(text="Left out: sentence-transformers is not installed (pip install sentence-transformers).")
    options = inputs.options
    pairs = inputs.folder / "drawn.tsv"
    tokens = write_drawn(inputs, pairs)
    report = Report()
    for precision in options.precisions:
        theirs, ours = Laps(PEER), Laps("alignfreeze")
        their_steps, our_steps = Laps(PEER), Laps("alignfreeze")
        for _ in range(options.rounds):
            output = inputs.folder / "contrastive"
            shutil.rmtree(output, ignore_errors=True)
            given = ("--model", inputs.encoder, "--pairs", pairs, "--batch-size", options.batch_size)
            ended = run_module("benchmarks.peers.contrastive", (*given, "--precision", precision, "--output", output))
            answer = ended.answer()
            assert answer["steps"] == options.steps, f"{answer['steps']} steps"
            # The text of a subword sequence may be cut into subwords a little differently.
            assert abs(answer["tokens"] - tokens) < 0.02 * tokens, f"{answer['tokens']} subwords, not {tokens}"
            theirs.add(ended)
            their_steps.wall.append(UNIT * answer["seconds"] / answer["tokens"])

            output = inputs.folder / "realigned-whole"
            shutil.rmtree(output, ignore_errors=True)
            ours.add(run_module("alignfreeze_cli", ("realign", *_options(inputs, precision, output))))
            our_steps.wall.append(UNIT / recorded_rate(output))
        work = f"`realign` {precision}"
        report.rows += [
            Row(f"{work}, {options.steps} steps of {options.batch_size} pairs, whole process", theirs, ours),
            Row(f"{work}, {UNIT:,} subwords of its steps", their_steps, our_steps),
        ]
    return report


def write_drawn(inputs: Inputs, path: Path) -> int:
    """Write the words of the pairs that a realignment of `--steps` steps draws, as TSV; gives our subwords of them."""
    dataset = inputs.dataset(inputs.realign_settings(inputs.options.steps))
    folder = open_pairs(inputs.pairs)
    tables = {file.target: folder.table(file.target) for file in folder.files}
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for drawn in chain.from_iterable(map(dataset.drawn, range(inputs.options.steps))):
            texts = []
            for name, number in (("source", drawn.source), ("target", drawn.target)):
                words = tables[drawn.pairs.language].column(name)[int(drawn.pairs.row[number])].as_py()
                texts.append(" ".join(words))
            file.write("\t".join(texts) + "\n")
    return inputs.drawn_subwords(inputs.options.steps)


def _options(inputs: Inputs, precision: str, output: Path) -> tuple[object, ...]:
    options = inputs.options
    return (
        *("--model", inputs.encoder, "--pairs", inputs.pairs, "--freeze", options.freeze),
        *("--steps", options.steps, "--batch-size", options.batch_size, "--vocabulary", options.vocabulary),
        *("--precision", precision, "--device", options.device, "--seed", options.seed),
        *("--probe-pairs", 0, "--checkpoint-every", 0, "--output", output, "--quiet"),
    )
