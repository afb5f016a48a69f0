"""One direction of a statistical aligner, fitted (or loaded) and applied in a process of its own with sil-thot.

    python -m alignfreeze_cli.aligners.thot_process      a `Task` as JSON on standard input

Prints the number of units of work after each: the rounds of training, then the batches that are linked. A process of
its own, because the library keeps Python from running while it trains: the parent goes on showing progress, hears
Ctrl-C at once, gets all memory back at the end, and outlives a crash of the library.

The library sums in another order at another number of threads, so that last bits differ, and links might. Each
direction has one thread; two processes run at a time if there are two workers.
"""

from __future__ import annotations

import ctypes
import json
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from thot.alignment import AlignmentModel

BATCH = 2_000
"""Sentence pairs that are linked at a time."""

ROUNDS = 5
"""Rounds of training of fast-align (as in the C program), and of IBM model 1 and HMM, which follow each other."""

SAMPLERS = 5
"""Chains of eflomal, whose results are averaged.

Three, as its authors have, take two thirds of the time. On 2,450 pairs of zh-en, five seeds, grow-diag-final-and, their
alignment error rate is 26.6 % on average, and 26.0 to 27.2 %; that of five is 26.0, and 25.2 to 26.8 %.
"""


@dataclass(frozen=True)
class Task:
    """What the process does.

    `source` and `target` are text files, line k of the one translates line k of the other, words with blanks between
    them; the model gives each target word at most one source word. `load` and `save` are prefixes of the model's files.
    `positions` is the file written: for each target word, as int16, the position of its source word from 1, 0 for none.
    """

    aligner: str
    seed: int
    source: str
    target: str
    positions: str
    load: str | None = None
    save: str | None = None


def run(task: Task) -> Iterator[None]:
    """Do the task; gives control back after each unit of work, `units` in all. Raises OSError."""
    from thot import alignment

    if task.load is not None:
        model = new_model(task.aligner)
        if not model.load(task.load):
            raise OSError(f"sil-thot can't load {task.load}")
    elif task.aligner == "hmm":
        start = alignment.Ibm1AlignmentModel()
        start.read_sentence_pairs(task.source, task.target)
        yield from _train(start, ROUNDS)
        model = alignment.HmmAlignmentModel(start)
        yield from _train(model, ROUNDS)
    else:
        model = new_model(task.aligner, task.seed)
        model.read_sentence_pairs(task.source, task.target)
        yield from _train(model, ROUNDS)
    with Path(task.positions).open("wb") as file:
        first = 0
        for source, target in _batches(task):
            matrices = _link(model, source, target, first if _keeps_links(task) else None)
            for matrix, words in zip(matrices, target, strict=True):
                file.write(_positions(matrix, len(words)).tobytes())
            first += len(target)
            yield
    if task.save is not None:
        Path(task.save).parent.mkdir(parents=True, exist_ok=True)
        if not model.print(task.save):
            raise OSError(f"sil-thot can't write {task.save}")
        for ending in (".src", ".trg", ".srctrgc", ".aligns"):  # the text it was fitted on, not needed any more
            path = Path(task.save + ending)
            if path.exists():
                path.write_bytes(b"")


def new_model(aligner: str, seed: int = 0) -> AlignmentModel:
    """An untrained model of the library. Raises ImportError if it is not installed."""
    from thot import alignment

    if aligner == "fast-align":
        fast = alignment.FastAlignModel()
        fast.variational_bayes = True  # as fast_align's option -v, which its authors recommend
        return fast
    if aligner == "eflomal":
        eflomal = alignment.EflomalAlignmentModel()
        eflomal.seed = seed
        eflomal.num_samplers = SAMPLERS
        # Sampling has found better links of the text it learned from than the finished model would.
        eflomal.emit_training_alignments = True
        return eflomal
    return alignment.HmmAlignmentModel()


def longest(aligner: str) -> int:
    """The most words of a side that the library links; it gives no links to longer sentences, and does not say so."""
    return int(new_model(aligner).max_sentence_length)


def units(aligner: str, pairs: int, fitted: bool) -> int:
    """Units of work of a task that links so many pairs."""
    rounds = 0
    if not fitted:
        rounds = 2 * ROUNDS if aligner == "hmm" else ROUNDS
    return rounds + -(-pairs // BATCH)


def _train(model: AlignmentModel, units: int) -> Iterator[None]:
    """Train in `units` equal parts."""
    model.start_training()
    # eflomal does the fewer rounds the more text there is, as its authors do.
    rounds = int(getattr(model, "scheduled_iterations", units))
    done = 0
    for unit in range(1, units + 1):
        while done < rounds * unit // units:
            model.train()
            done += 1
        if unit == units:
            model.end_training()
        yield


def _keeps_links(task: Task) -> bool:
    return task.aligner == "eflomal" and task.load is None


def _link(
    model: AlignmentModel, source: list[list[str]], target: list[list[str]], first: int | None
) -> Iterator[npt.NDArray[np.bool_]]:
    """A matrix of links, (source words, target words), for each pair; `first`: number of the first in the text."""
    if first is None:
        found = model.get_best_alignments(source, target)
    else:
        found = [model.get_training_alignment(first + number) for number in range(len(target))]
    return (matrix.to_numpy() for _, matrix in found)


def _positions(matrix: npt.NDArray[np.bool_], words: int) -> npt.NDArray[np.int16]:
    """For each target word the position of its source word from 1, 0 for none, (target words,)."""
    positions = np.zeros(words, np.int16)
    i, j = np.nonzero(matrix)
    positions[j] = i + 1
    return positions


def _batches(task: Task) -> Iterator[tuple[list[list[str]], list[list[str]]]]:
    with (
        Path(task.source).open(encoding="utf-8", newline="\n") as source,
        Path(task.target).open(encoding="utf-8", newline="\n") as target,
    ):
        while lines := list(islice(source, BATCH)):
            yield [line.split() for line in lines], [line.split() for line in islice(target, BATCH)]


def _die_with_the_parent() -> None:
    """Ctrl-C is the parent's to handle; if the parent is killed, Linux kills this process, which may be deep in C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def main() -> None:
    _die_with_the_parent()
    for done, _ in enumerate(run(Task(**json.load(sys.stdin))), 1):
        sys.stdout.write(f"{done}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
