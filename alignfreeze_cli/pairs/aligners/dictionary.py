"""Links from a bilingual dictionary in MUSE's format: the paper's main setting.

A source word is linked to a target word if (published code, realignment_dataset.py)

1. exactly one distinct word among its translations occurs in the target sentence,
2. that word occurs there exactly once, and
3. exactly one source word of the sentence, repeats counted, is among the translations of that word.

No tie is resolved: an ambiguous word stays unlinked, so the outcome is one to one.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from alignfreeze_cli.artifacts import Input
from alignfreeze_cli.errors import DataError
from alignfreeze_cli.pairs.aligners.base import Batch
from alignfreeze_cli.pairs.arrays import Ints, int32_values
from alignfreeze_cli.pairs.dictionaries import Entries, find_dictionary, read_entries
from alignfreeze_cli.pairs.links import Links
from alignfreeze_cli.pairs.settings import AlignPairsSettings
from alignfreeze_cli.pairs.words import Words
from alignfreeze_cli.progress import Console

_TABLE = 1 << 20
"""Cells of the table that is kept while a few hundred sentences are aligned: small enough for the processor's cache."""


class Dictionary:
    """Translations as arrays: source word number s translates to target words `targets[starts[s]:starts[s + 1]]`."""

    def __init__(self, entries: Iterable[tuple[str, str]], fold_case: bool = False) -> None:
        self.fold_case = fold_case
        self.source_numbers: dict[str, int] = {}
        self.target_numbers: dict[str, int] = {}
        s_number, t_number = self.source_numbers.setdefault, self.target_numbers.setdefault
        # Each word gets the next number when it is first seen: a dictionary has as many words as numbers given out.
        numbers = [
            (s_number(s, len(self.source_numbers)), t_number(t, len(self.target_numbers)))
            for s, t in (((s.casefold(), t.casefold()) for s, t in entries) if fold_case else entries)
        ]
        both = np.array(numbers, np.int64).reshape(-1, 2)
        width = max(1, len(self.target_numbers))
        distinct = np.unique(both[:, 0] * width + both[:, 1])  # ascending by source word, each entry once
        self.targets = (distinct % width).astype(np.int32)
        self.starts = np.searchsorted(distinct // width, np.arange(len(self.source_numbers) + 1)).astype(np.int32)

    def align(self, source: Words, target: Words) -> Links:
        """The links of sentence pairs, in source order, by the rule above."""
        s_place, s_word = _look_up(source, self.source_numbers, self.fold_case)  # both (known source words,)
        t_place, t_word = _look_up(target, self.target_numbers, self.fold_case)
        # Numbers for the target words that occur here, so that the table below stays narrow.
        used = np.zeros(len(self.target_numbers), bool)
        used[t_word] = True
        column = np.cumsum(used, dtype=np.int32) - 1
        width = max(1, int(used.sum()))
        t_column = column[t_word]
        s_sentence, t_sentence = _sentences(source, s_place), _sentences(target, t_place)

        # Every translation of every source word, if it occurs in any sentence here: `row` is the source word.
        degrees = self.starts[s_word + 1] - self.starts[s_word]
        row = np.repeat(np.arange(len(s_word), dtype=np.int32), degrees)
        before = np.cumsum(degrees) - degrees
        translation = self.targets[np.arange(len(row)) - (before - self.starts[s_word])[row]]
        possible = used[translation]
        row, wanted = row.compress(possible), column[translation.compress(possible)]  # faster than row[possible]
        row_sentence = s_sentence[row]

        # table[sentence, column] = 1 + place of that word in the target sentence (the last one if it repeats).
        height = max(1, _TABLE // width)
        table = np.zeros(height * width, np.int32)
        hits = np.empty(len(row), np.int32)
        repeated = np.zeros(len(t_word) + 1, bool)
        edges = np.arange(0, len(source) + height, height)
        for first, r0, r1, t0, t1 in zip(
            edges[:-1].tolist(),
            *_spans(row_sentence, edges),
            *_spans(t_sentence, edges),
            strict=True,
        ):
            cells = (t_sentence[t0:t1] - first) * width + t_column[t0:t1]
            numbers = np.arange(t0 + 1, t1 + 1, dtype=np.int32)
            table[cells] = numbers
            last = table[cells]
            repeated[last[last != numbers]] = True
            hits[r0:r1] = table[(row_sentence[r0:r1] - first) * width + wanted[r0:r1]]
            table[cells] = 0

        found = hits > 0
        row, hits = row.compress(found), hits.compress(found)
        candidates = np.bincount(row, minlength=len(s_word))  # rule 1: distinct translations present
        rivals = np.bincount(hits, minlength=len(t_word) + 1)  # rule 3: source words that translate to it
        linked = (candidates[row] == 1) & ~repeated[hits] & (rivals[hits] == 1)
        row, hits = row.compress(linked), hits.compress(linked) - 1
        pair = s_sentence[row].astype(np.int64)
        return Links(pair, s_place[row] - source.offsets[pair], t_place[hits] - target.offsets[pair])


def _look_up(words: Words, numbers: Mapping[str, int], fold_case: bool) -> tuple[Ints, Ints]:
    """Flat positions of the words that the dictionary knows, and their numbers in it."""
    encoded = words.values.dictionary_encode()
    distinct = encoded.dictionary.to_pylist()
    if fold_case:
        distinct = [word.casefold() for word in distinct]
    known = np.array([numbers.get(word, -1) for word in distinct], np.int32)
    found = known[int32_values(encoded.indices)]
    places = np.flatnonzero(found >= 0).astype(np.int32)
    return places, found[places]


def _sentences(words: Words, places: Ints) -> Ints:
    """The sentence in which each flat word position lies."""
    return np.repeat(np.arange(len(words), dtype=np.int32), words.lengths)[places]


def _spans(ascending: Ints, edges: npt.NDArray[np.int64]) -> tuple[list[int], list[int]]:
    """Where the values from each edge to the next begin and end in an ascending array."""
    bounds = np.searchsorted(ascending, edges).tolist()
    return bounds[:-1], bounds[1:]


@dataclass(frozen=True)
class DictionaryAligner:
    """One or two dictionary files of a language pair; the words in them are loaded once per process.

    `digest` tells files apart that had the same name one after the other.
    """

    source: str
    target: str
    forward: Path | None
    reverse: Path | None
    fold_case: bool = False
    digest: str = ""
    copied: bool = False
    note: str = ""
    companion: Path | None = None

    @classmethod
    def prepare(cls, settings: AlignPairsSettings, target: str, console: Console) -> tuple[Self, list[Input]]:
        """Find both directions' files.

        Raises DataError if there is neither; HubError if an address cannot be fetched.
        """
        found = find_dictionary(
            settings.dictionary,
            settings.source,
            target,
            name=f"dictionary {target}",
            copy_forward=settings.reverse_dictionary == "published",
        )
        if found.note:
            console.info(f"{settings.source}-{target}: {found.note}")
        facts = (found.forward, found.reverse, settings.fold_case, found.input.digest, found.copied, found.note)
        return cls(settings.source, target, *facts), [found.input]

    def align(self, batch: Batch) -> Links:
        return _loaded(self).align(batch.source, batch.target)

    def described(self) -> dict[str, Any]:
        paths = [path for path in (self.forward, self.reverse) if path is not None]
        files = {path.name: _read(path, self.digest) for path in paths}
        facts = {"entries": {name: len(read.entries) for name, read in files.items()}}
        skipped = {"lines skipped": sum(read.skipped for read in files.values())}
        return facts | skipped | ({"note": self.note} if self.note else {})

    def check(self, batch: Batch) -> None:
        """Refuse a file whose columns fit the corpus the other way round."""
        source, target = ({w.casefold() for w in words.values.to_pylist()} for words in (batch.source, batch.target))
        for path, first, second, code in (
            (self.forward, source, target, f"{self.source}-{self.target}"),
            (None if self.copied else self.reverse, target, source, f"{self.target}-{self.source}"),
        ):
            if path is None:
                continue
            entries = _read(path, self.digest).entries
            left = {word.casefold() for word, _ in entries}
            right = {word.casefold() for _, word in entries}
            straight = len(first & left) + len(second & right)
            crossed = len(first & right) + len(second & left)
            if crossed > 2 * straight:
                other = "-".join(reversed(code.split("-")))
                raise DataError(
                    f"looks like the {other} dictionary, but the {code} one is needed here: of the words of the corpus "
                    f"{crossed} fit its columns the other way round and only {straight} as they stand; give the right "
                    "file, or check which column of the corpus holds which language",
                    path,
                )


@functools.lru_cache(maxsize=2)
def _read(path: Path, digest: str) -> Entries:
    """The entries of a file; `digest` is part of the cache's key only."""
    return read_entries(path)


@functools.lru_cache(maxsize=1)
def _loaded(aligner: DictionaryAligner) -> Dictionary:
    ahead, back = (
        _read(path, aligner.digest).entries if path is not None else [] for path in (aligner.forward, aligner.reverse)
    )
    return Dictionary([*ahead, *((s, t) for t, s in back)], aligner.fold_case)
