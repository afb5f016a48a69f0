"""The dictionary aligner links words that a bilingual dictionary has as translations: the paper's main setting.

From top to bottom: in which form words are compared, the rule by which they are linked, and the aligner that applies
the rule to the files.
"""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from alignfreeze_cli.aligners.base import SentencePairs
from alignfreeze_cli.aligners.dictionary_files import WANTED, DictionaryFile, find_dictionary, read_dictionary
from alignfreeze_cli.aligners.settings import AlignPairsSettings
from alignfreeze_cli.artifacts import Input
from alignfreeze_cli.artifacts.record import portable
from alignfreeze_cli.errors import DataError
from alignfreeze_cli.pairs.arrays import Ints, int32_values
from alignfreeze_cli.pairs.links import Links
from alignfreeze_cli.pairs.words import Words
from alignfreeze_cli.progress import Console

# How words are compared


_VISIBLE_FORMAT = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD, *range(0x13430, 0x13440)}
"""Format characters that are seen: number signs that enclose digits, the end of ayah, hieroglyphs' joiners."""


@functools.cache
def _format_characters() -> re.Pattern[str]:
    """Unicode's format characters (category Cf) that are not seen themselves.

    Soft hyphens, directional marks, byte-order marks and the two joiners. Persian writes می‌گوید with a zero-width
    non-joiner or, like the MUSE entries looked at, without; either way it is the same word. Where a joiner chooses
    between two shapes of a letter (Sinhala, Malayalam), the shapes spell the same word, too.
    """
    planes = (range(0x20000), range(0xE0000, 0xE1000))
    found = [
        chr(point)
        for plane in planes
        for point in plane
        if unicodedata.category(chr(point)) == "Cf" and point not in _VISIBLE_FORMAT
    ]
    return re.compile(f"[{''.join(found)}]+")


def compared_forms(words: Sequence[str], normalise: str, fold_case: bool) -> list[str]:
    """The form of each word in which it is looked up; `normalise` is "nfc" or "none".

    Folding case takes `İ` for `i`, and `I` for `i` in Turkish, too: MUSE's Turkish entries were lower-cased that way
    (`isı` for `ısı`).
    """
    text = " ".join(words)  # one string is changed faster than many
    changed = _compared_form(text, normalise, fold_case)
    if changed == text:
        return list(words)
    if text.count(" ") == len(words) - 1:
        return changed.split(" ")
    return [_compared_form(word, normalise, fold_case) for word in words]  # some word has a blank in it


def _compared_form(text: str, normalise: str, fold_case: bool) -> str:
    if normalise == "nfc" and not text.isascii():
        text = unicodedata.normalize("NFC", text)
        if not text.isprintable():
            text = _format_characters().sub("", text)
    return text.casefold().replace("i\N{COMBINING DOT ABOVE}", "i") if fold_case else text


# The rule


_TABLE_CELLS = 1 << 20
"""Size of the table that holds a few hundred sentences while they are aligned: small enough for a processor's cache."""


class Dictionary:
    """The entries of both directions, and the rule by which they link the words of sentence pairs.

    A source word is linked to a target word if (published code, realignment_dataset.py)

    1. exactly one distinct word among its translations occurs in the target sentence,
    2. that word occurs there exactly once, and
    3. exactly one source word of the sentence, repeats counted, is among the translations of that word.

    No tie is resolved: an ambiguous word stays unlinked, so the outcome is one-to-one.
    """

    # Words are numbered. Source word number s translates to the target words `targets[starts[s]:starts[s + 1]]`.

    def __init__(self, entries: Iterable[tuple[str, str]], fold_case: bool = False, normalise: str = "none") -> None:
        self._forms = functools.partial(compared_forms, normalise=normalise, fold_case=fold_case)
        entries = list(entries)
        sources, targets = (self._forms([entry[side] for entry in entries]) for side in (0, 1))
        if normalise == "nfc":  # words of nothing but format characters, and two spellings of one word
            usable = [s != "" != t and (s != t or fold_case) for s, t in zip(sources, targets, strict=True)]
            sources, targets = ([*itertools.compress(side, usable)] for side in (sources, targets))
        # Words are numbered in the order in which they are first seen.
        self.source_numbers = {word: number for number, word in enumerate(dict.fromkeys(sources))}
        self.target_numbers = {word: number for number, word in enumerate(dict.fromkeys(targets))}
        s_number = np.array([*map(self.source_numbers.__getitem__, sources)], np.int64)
        t_number = np.array([*map(self.target_numbers.__getitem__, targets)], np.int64)
        width = max(1, len(self.target_numbers))
        distinct = np.unique(s_number * width + t_number)  # ascending by source word, each entry once
        self.targets = (distinct % width).astype(np.int32)
        self.starts = np.searchsorted(distinct // width, np.arange(len(self.source_numbers) + 1)).astype(np.int32)

    def align(self, source: Words, target: Words) -> Links:
        """The links of sentence pairs, in the order of the source words."""
        s_place, s_word = _look_up(source, self.source_numbers, self._forms)  # both (known source words,)
        t_place, t_word = _look_up(target, self.target_numbers, self._forms)
        # Numbers for the target words that occur here, so that the table below stays narrow.
        used = np.zeros(len(self.target_numbers), bool)
        used[t_word] = True
        column = np.cumsum(used, dtype=np.int32) - 1
        width = max(1, int(used.sum()))
        t_column = column[t_word]
        s_sentence, t_sentence = _sentence_of(source, s_place), _sentence_of(target, t_place)

        # Every translation of every source word, if it occurs in any sentence here: `row` is the source word.
        degrees = self.starts[s_word + 1] - self.starts[s_word]
        row = np.repeat(np.arange(len(s_word), dtype=np.int32), degrees)
        before = np.cumsum(degrees) - degrees
        translation = self.targets[np.arange(len(row)) - (before - self.starts[s_word])[row]]
        possible = used[translation]
        row, wanted = (
            row.compress(possible),
            column[translation.compress(possible)],
        )  # faster than indexing with booleans
        row_sentence = s_sentence[row]

        # table[sentence, column] = 1 + place of that word in the target sentence (the last one if it repeats).
        height = max(1, _TABLE_CELLS // width)
        table = np.zeros(height * width, np.int32)
        hits = np.empty(len(row), np.int32)
        repeated = np.zeros(len(t_word) + 1, bool)
        edges = np.arange(0, len(source) + height, height)
        for first, r0, r1, t0, t1 in zip(
            edges[:-1].tolist(),
            *_ranges(row_sentence, edges),
            *_ranges(t_sentence, edges),
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


def _look_up(words: Words, numbers: Mapping[str, int], forms: Callable[[list[str]], list[str]]) -> tuple[Ints, Ints]:
    """Flat positions of the words that the dictionary knows, and their numbers in it."""
    encoded = words.values.dictionary_encode()
    distinct = forms(encoded.dictionary.to_pylist())
    known = np.array([numbers.get(word, -1) for word in distinct], np.int32)
    found = known[int32_values(encoded.indices)]
    places = np.flatnonzero(found >= 0).astype(np.int32)
    return places, found[places]


def _sentence_of(words: Words, places: Ints) -> Ints:
    """The sentence in which each flat word position lies."""
    return np.repeat(np.arange(len(words), dtype=np.int32), words.lengths)[places]


def _ranges(ascending: Ints, edges: npt.NDArray[np.int64]) -> tuple[list[int], list[int]]:
    """Where the values from each edge to the next begin and end in an ascending array."""
    bounds = np.searchsorted(ascending, edges).tolist()
    return bounds[:-1], bounds[1:]


# The aligner


@dataclass(frozen=True)
class DictionaryAligner:
    """The dictionary of a language pair, in one or two files; each process reads them once.

    `digest` is that of the files' content: a file that changed while its name stayed is read again.
    """

    scored: ClassVar[bool] = False

    source: str
    target: str
    forward: Path | None
    reverse: Path | None
    fold_case: bool = False
    normalise: str = "none"
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
        aligner = cls(
            settings.source,
            target,
            found.forward,
            found.reverse,
            settings.fold_case,
            settings.normalise,
            found.input.digest,
            found.copied,
            found.note,
        )
        return aligner, [found.input]

    def fit(self, batches: Iterator[SentencePairs], folder: Path, console: Console) -> Self:
        """Nothing to learn: what is known is in the dictionary."""
        return self

    def check(self, batch: SentencePairs) -> list[str]:
        """Refuse a file of the wrong direction: its columns fit the corpus the other way round.

        Warns of a file that is hardly a dictionary, or that hardly fits but for its capitals.
        """
        corpus = [set(words.values.to_pylist()) for words in (batch.source, batch.target)]
        folded = self._forms(corpus, fold_case=True)
        warnings = []
        for path, order, code in (
            (self.forward, 1, f"{self.source}-{self.target}"),
            (None if self.copied else self.reverse, -1, f"{self.target}-{self.source}"),
        ):
            if path is None:
                continue
            file = _read_cached(path, self.digest)
            columns = [{entry[side] for entry in file.entries} for side in (0, 1)][::order]
            folded_columns = self._forms(columns, fold_case=True)
            straight, crossed = _shared(folded, folded_columns), _shared(folded, folded_columns[::-1])
            if crossed > max(1, 2 * straight):  # one word may be a name or a mistake
                other = "-".join(reversed(code.split("-")))
                raise DataError(
                    f"looks like the {other} dictionary, but the {code} one is needed here: {crossed} words of the "
                    f"corpus are in its columns the other way round, only {straight} this way; give the right file, or "
                    "check which column of the corpus holds which language",
                    path,
                )
            if not self.fold_case and straight > 2 * _shared(corpus, columns):
                exact = _shared(self._forms(corpus, fold_case=False), self._forms(columns, fold_case=False))
                if straight > 2 * exact:
                    warnings.append(
                        f"{portable(str(path))}: {straight:,} words of the first lines are in it if case is ignored, "
                        f"but only {exact:,} as they are written; --fold-case ignores it."
                    )
            if file.other > MOST_SKIPPED * file.lines:
                number, line = file.example
                warnings.append(
                    f"{portable(str(path))}: {file.other:,} of {file.lines:,} lines are skipped; the first is line "
                    f"{number}, {line!r}; {WANTED}."
                )
        return warnings

    def align(self, batch: SentencePairs) -> Links:
        return _load(self).align(batch.source, batch.target)

    def statistics(self) -> dict[str, Any]:
        files = {path.name: _read_cached(path, self.digest) for path in self._paths()}
        entries = {name: len(file.entries) for name, file in files.items()}
        forms = {name: file.form for name, file in files.items() if file.form}
        skipped = sum(file.skipped for file in files.values())
        found = {"entries": entries, "lines skipped": skipped}
        return found | ({"read as": forms} if forms else {}) | ({"note": self.note} if self.note else {})

    def _forms(self, sides: Sequence[set[str]], fold_case: bool) -> list[set[str]]:
        return [set(compared_forms([*side], self.normalise, fold_case)) for side in sides]

    def _paths(self) -> list[Path]:
        return list(dict.fromkeys(path for path in (self.forward, self.reverse) if path is not None))


MOST_SKIPPED = 0.1
"""Share of a dictionary's lines that may be no entries before that is warned of."""


def _shared(corpus: Sequence[set[str]], columns: Sequence[set[str]]) -> int:
    """How many words of both sides of a corpus are in a dictionary's columns."""
    return sum(len(side & column) for side, column in zip(corpus, columns, strict=True))


@functools.lru_cache(maxsize=2)
def _read_cached(path: Path, digest: str) -> DictionaryFile:
    return read_dictionary(path)


@functools.lru_cache(maxsize=1)
def _load(aligner: DictionaryAligner) -> Dictionary:
    forward, reverse = (
        _read_cached(path, aligner.digest).entries if path is not None else []
        for path in (aligner.forward, aligner.reverse)
    )
    return Dictionary([*forward, *((s, t) for t, s in reverse)], aligner.fold_case, aligner.normalise)
