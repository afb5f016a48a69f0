"""Fitting a statistical aligner to the text of a language pair, or applying one that was fitted before.

1. both directions are fitted and link the text, each in a process of its own (`thot_process.py`)
2. their links are symmetrised, pair by pair
3. the links of the whole text are counted, which gives each of them a score (`link_table.py`)

The result is in files that the processes which write the pairs read (`FittedLinks`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from alignfreeze_cli.aligners.fit_text import FitText, Keys, Numbers
from alignfreeze_cli.aligners.link_table import LinkTable
from alignfreeze_cli.aligners.symmetrise import symmetrise
from alignfreeze_cli.aligners.thot_process import Task
from alignfreeze_cli.aligners.thot_runner import run_processes
from alignfreeze_cli.errors import AlignFreezeError
from alignfreeze_cli.pairs.links import Link, Scores
from alignfreeze_cli.progress import ProgressBar

Positions = npt.NDArray[np.int16]

DIRECTIONS = ("forward", "reverse")


@dataclass(frozen=True)
class Direction:
    """Links of one direction: for each word of a pair the position of its partner from 1, 0 for none.

    Pair n has `positions[bounds[n]:bounds[n + 1]]`, one for each of its target words (forward) or source words
    (reverse).
    """

    positions: Positions
    bounds: Numbers

    @classmethod
    def none(cls) -> Direction:
        return cls(np.zeros(0, np.int16), np.zeros(1, np.int64))

    def of_pair(self, pair: int) -> list[int]:
        found: list[int] = self.positions[self.bounds[pair] : self.bounds[pair + 1]].tolist()
        return found

    def select(self, pairs: Numbers) -> Direction:
        """The links of some of the pairs, in the order of their numbers."""
        lengths = np.diff(self.bounds)[pairs]
        ends = np.cumsum(lengths)
        words = np.repeat(self.bounds[pairs] - (ends - lengths), lengths) + np.arange(int(lengths.sum()))
        return Direction(self.positions[words], np.concatenate(([0], ends)))

    def followed_by(self, other: Direction) -> Direction:
        bounds = np.concatenate((self.bounds, self.bounds[-1] + other.bounds[1:]))
        return Direction(np.concatenate((self.positions, other.positions)), bounds)


@dataclass(frozen=True)
class KnownLinks:
    """Links of both directions for sentence pairs that are known by their `digests`, (pairs,), no two the same."""

    digests: Keys
    forward: Direction
    reverse: Direction

    @classmethod
    def none(cls) -> KnownLinks:
        return cls(np.zeros(0, np.uint64), Direction.none(), Direction.none())

    @classmethod
    def load(cls, path: Path) -> KnownLinks:
        """Raises ValueError, KeyError or OSError for a file that holds no links."""
        with np.load(path, allow_pickle=False) as found:
            forward, reverse = (Direction(found[f"{way}_positions"], found[f"{way}_bounds"]) for way in DIRECTIONS)
            return cls(found["digests"], forward, reverse)

    def save(self, path: Path) -> None:
        np.savez(
            path,
            digests=self.digests,
            forward_positions=self.forward.positions,
            forward_bounds=self.forward.bounds,
            reverse_positions=self.reverse.positions,
            reverse_bounds=self.reverse.bounds,
        )

    def followed_by(self, other: KnownLinks) -> KnownLinks:
        digests = np.concatenate((self.digests, other.digests))
        return KnownLinks(digests, self.forward.followed_by(other.forward), self.reverse.followed_by(other.reverse))

    def find(self, digests: Keys) -> Numbers:
        """The number of the pair of each digest; all are known."""
        order = np.argsort(self.digests)
        found: Numbers = order[np.searchsorted(self.digests[order], digests)]
        return found


def link_text(text: FitText, tasks: Sequence[Task], at_once: int, progress: ProgressBar) -> KnownLinks:
    """Do the tasks, forward and reverse; gives the links of all pairs that the text files hold.

    A pair that occurs several times has those of its first occurrence, also where sampling found others for the next.
    Raises AlignFreezeError if a process fails.
    """
    if len(text.written) == 0:
        return KnownLinks.none()
    run_processes(tasks, at_once, text.folder, progress)
    digests, first = np.unique(text.digests[text.written], return_index=True)
    directions = []
    for task, bounds in zip(tasks, reversed(text.bounds), strict=True):  # forward: a position for each target word
        positions = np.fromfile(task.positions, np.int16)
        ends = np.cumsum(np.diff(bounds)[text.written])
        if len(positions) != ends[-1]:
            raise AlignFreezeError(f"{task.aligner} has linked {len(positions):,} words of {ends[-1]:,}.")
        directions.append(Direction(positions, np.concatenate(([0], ends))).select(first))
    return KnownLinks(digests, *directions)


@dataclass(frozen=True)
class FittedLinks:
    """The symmetrised links of a text: those of line n of the corpora are `bounds[n]` to `bounds[n + 1]`.

    `source`, `target` (word positions from 0) and `scores` have shape (links,). `too_long` are the lines that have no
    links for their length.
    """

    bounds: Numbers
    source: Positions
    target: Positions
    scores: Scores
    too_long: Numbers

    def save(self, folder: Path) -> None:
        for each in fields(self):
            np.save(folder / f"{each.name}.npy", getattr(self, each.name))

    @classmethod
    def load(cls, folder: Path) -> FittedLinks:
        """Map the files into memory: processes share what they read of it."""
        arrays: list[Any] = [
            np.load(folder / f"{each.name}.npy", mmap_mode="r", allow_pickle=False) for each in fields(cls)
        ]
        return cls(*arrays)


def _demand_fitting(direction: Direction, numbers: Numbers, own: Numbers, other: Numbers) -> None:
    """Raise ValueError if links are not those of sentences of these lengths: a saved file may come from anywhere."""
    if not np.array_equal(np.diff(direction.bounds)[numbers], own):
        raise ValueError("its sentences have other lengths")
    found = direction.select(numbers)
    if np.any((found.positions < 0) | (found.positions > np.repeat(other, own))):
        raise ValueError("a link leads to no word")


_AT_A_TIME = 2_000  # pairs that are symmetrised between two signs of progress


def symmetrise_units(pairs: int) -> int:
    """Units of work of `symmetrise_text`."""
    return -(-pairs // _AT_A_TIME)


def symmetrise_text(
    text: FitText, found: KnownLinks, rule: str, table: LinkTable | None, progress: ProgressBar
) -> tuple[FittedLinks, LinkTable]:
    """The links of a text by a rule, scored by a table, or by that of these links; gives the table as well."""
    numbers = found.find(text.digests)
    for direction, own, other in ((found.forward, 1, 0), (found.reverse, 0, 1)):
        _demand_fitting(direction, numbers, np.diff(text.bounds[own]), np.diff(text.bounds[other]))
    per_pair = np.zeros(len(text), np.int64)
    parts = [np.zeros((0, 2), np.int16)]
    for start in range(0, len(text), _AT_A_TIME):
        links: list[Link] = []
        for pair, number in enumerate(numbers[start : start + _AT_A_TIME].tolist(), start):
            forward = [(i - 1, j) for j, i in enumerate(found.forward.of_pair(number)) if i]
            reverse = [(i, j - 1) for i, j in enumerate(found.reverse.of_pair(number)) if j]
            chosen = symmetrise(forward, reverse, rule)
            per_pair[pair] = len(chosen)
            links += chosen
        parts.append(np.array(links, np.int16).reshape(-1, 2))
        progress.advance(1)
    source, target = np.concatenate(parts).T
    source_keys = text.keys("source")[np.repeat(text.bounds[0][:-1], per_pair) + source]
    target_keys = text.keys("target")[np.repeat(text.bounds[1][:-1], per_pair) + target]
    table = table or LinkTable.count(source_keys, target_keys)
    per_line = np.zeros(text.line_count, np.int64)
    per_line[text.lines] = per_pair
    bounds = np.concatenate(([0], np.cumsum(per_line)))
    return FittedLinks(bounds, source, target, table.scores(source_keys, target_keys), text.too_long), table
