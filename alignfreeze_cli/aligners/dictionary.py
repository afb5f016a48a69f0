"""The dictionary aligner links words that a bilingual dictionary has as translations: the paper's main setting.

From top to bottom: what a dictionary file is and how both directions' files are found, the rule by which words are
linked, and the aligner that applies the rule to the files.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from alignfreeze_cli.aligners.base import SentencePairs
from alignfreeze_cli.aligners.settings import MUSE, AlignPairsSettings
from alignfreeze_cli.artifacts import Input, resolve_files
from alignfreeze_cli.artifacts.files import atomic_write, cache_folder, file_digest, write_json
from alignfreeze_cli.errors import DataError, HubError
from alignfreeze_cli.pairs.arrays import Ints, int32_values
from alignfreeze_cli.pairs.links import Links
from alignfreeze_cli.pairs.settings import fill, placeholders
from alignfreeze_cli.pairs.words import Words
from alignfreeze_cli.progress import Console

# Dictionary files


@dataclass(frozen=True)
class DictionaryFile:
    """The entries of a file, (word of the first column, word of the second), and how many of its lines are no entry."""

    entries: Sequence[tuple[str, str]]
    skipped: int


def read_dictionary(path: Path) -> DictionaryFile:
    """Read a file in MUSE's format as the published code does (realignment_dataset.py).

    A line is an entry if it splits on blanks into exactly two words that differ; words are taken as they are. Raises
    DataError if the file is no UTF-8 text or has no entry.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DataError("is no dictionary: not UTF-8 text", path, line) from None
    lines = [line.split() for line in text.split("\n") if line.strip()]
    entries = [(fields[0], fields[1]) for fields in lines if len(fields) == 2 and fields[0] != fields[1]]
    if not entries:
        raise DataError("is no dictionary: it has no line of two different words", path)
    return DictionaryFile(entries, len(lines) - len(entries))


@dataclass(frozen=True)
class FoundDictionary:
    """The files of a language pair, one or both, as one resolved input.

    `copied`: the reverse file has the forward file's entries. `note`: what a user should know about the files.
    """

    forward: Path | None
    reverse: Path | None
    input: Input
    copied: bool = False
    note: str = ""


def find_dictionary(
    template: str, source: str, target: str, name: str = "dictionary", copy_forward: bool = False
) -> FoundDictionary:
    """Find the files of both directions; either may be missing. With `copy_forward` the forward file is used for both.

    The other direction's file has the codes swapped: in the place of `{source}` and `{target}` in `template`, or,
    without them, where its name holds `source-target`. Raises DataError if there is no file, HubError if an address
    cannot be reached.
    """
    forward = _find_file(fill(template, source, target))
    if copy_forward:
        reverse = forward
    else:
        swapped = _swap_codes(template, source, target)
        reverse = _find_file(swapped) if swapped is not None else None
    paths = list(dict.fromkeys(path for path in (forward, reverse) if path is not None))
    if not paths:
        raise DataError(f"no such dictionary for {source}-{target}", fill(template, source, target))
    note, copied = "", False
    if forward is None:
        note = f"no dictionary {source}-{target}; {paths[0].name} is used for both directions"
    elif reverse is None:
        note = f"no dictionary {target}-{source}; {forward.name} is used for both directions"
    elif file_digest(forward) == file_digest(reverse):
        note, copied = f"the reverse dictionary is a copy of {forward.name}, as in the paper's runs", True
    return FoundDictionary(forward, reverse, resolve_files(name, template, paths), copied, note)


def _swap_codes(template: str, source: str, target: str) -> str | None:
    """The name of the other direction's file; None if swapping the codes does not change the name."""
    if placeholders(template) & {"source", "target"}:
        swapped = fill(template, target, source)
        return swapped if swapped != fill(template, source, target) else None
    head, slash, name = template.rpartition("/")
    codes = f"{source}-{target}"
    return head + slash + name.replace(codes, f"{target}-{source}") if codes in name else None


def _find_file(path: str) -> Path | None:
    """A file on this machine, or one fetched from an address; None if there is none."""
    if path.startswith(("http://", "https://")):
        return _fetch(path)
    found = Path(path).expanduser()
    return found if found.is_file() else None


def _fetch(address: str) -> Path | None:
    """A file from the web, from the cache if it was fetched before and is whole; None if the server has no such file.

    Raises HubError if the server cannot be reached, answers with an error, or offline mode (HF_HUB_OFFLINE) is on.
    """
    folder = cache_folder() / "dictionaries" / hashlib.sha256(address.encode()).hexdigest()[:16]
    kept, marker = folder / address.rsplit("/", 1)[-1], folder / "fetched.json"
    if marker.is_file() and kept.is_file():
        recorded = json.loads(marker.read_text(encoding="utf-8"))
        if recorded.get("sha256") == file_digest(kept):
            return kept
    content = _download(address)
    if content is None:
        return None
    atomic_write(kept, content)
    write_json(marker, {"address": address, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)})
    return kept


_TIMEOUT = 30.0  # seconds without an answer or a byte


def _download(address: str) -> bytes | None:
    from huggingface_hub import constants
    from huggingface_hub.utils import httpx

    if constants.HF_HUB_OFFLINE:
        raise HubError(f"{address} is not in the local cache, and offline mode is on (HF_HUB_OFFLINE).")
    mirror = os.environ.get("ALIGNFREEZE_MUSE")  # like HF_ENDPOINT: another server for the same files
    place = address.replace(MUSE.rpartition("/")[0], mirror.rstrip("/")) if mirror else address
    try:
        answer = httpx.get(place, timeout=_TIMEOUT, follow_redirects=True)
    except httpx.HTTPError as error:
        raise HubError(
            f"{address} can't be fetched ({error}); check the network, or give your own files with --dictionary."
        ) from error
    # MUSE's server (object storage) says 403 for what it does not have.
    if answer.status_code in (403, 404):
        return None
    if answer.status_code != 200:
        raise HubError(f"The server answered {answer.status_code} for {address}; try again later, or use --dictionary.")
    content: bytes = answer.content
    return content


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
        """The links of sentence pairs, in the order of the source words."""
        s_place, s_word = _look_up(source, self.source_numbers, self.fold_case)  # both (known source words,)
        t_place, t_word = _look_up(target, self.target_numbers, self.fold_case)
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

    def check(self, batch: SentencePairs) -> None:
        """Refuse a file of the wrong direction: its columns fit the corpus the other way round."""
        source, target = ({w.casefold() for w in words.values.to_pylist()} for words in (batch.source, batch.target))
        for path, first, second, code in (
            (self.forward, source, target, f"{self.source}-{self.target}"),
            (None if self.copied else self.reverse, target, source, f"{self.target}-{self.source}"),
        ):
            if path is None:
                continue
            entries = _read_cached(path, self.digest).entries
            left = {word.casefold() for word, _ in entries}
            right = {word.casefold() for _, word in entries}
            straight = len(first & left) + len(second & right)
            crossed = len(first & right) + len(second & left)
            if crossed > 2 * straight:
                other = "-".join(reversed(code.split("-")))
                raise DataError(
                    f"looks like the {other} dictionary, but the {code} one is needed here: {crossed} words of the "
                    f"corpus are in its columns the other way round, only {straight} this way; give the right file, or "
                    "check which column of the corpus holds which language",
                    path,
                )

    def align(self, batch: SentencePairs) -> Links:
        return _load(self).align(batch.source, batch.target)

    def statistics(self) -> dict[str, Any]:
        paths = [path for path in (self.forward, self.reverse) if path is not None]
        files = {path.name: _read_cached(path, self.digest) for path in paths}
        entries = {name: len(file.entries) for name, file in files.items()}
        skipped = sum(file.skipped for file in files.values())
        return {"entries": entries, "lines skipped": skipped} | ({"note": self.note} if self.note else {})


@functools.lru_cache(maxsize=2)
def _read_cached(path: Path, digest: str) -> DictionaryFile:
    return read_dictionary(path)


@functools.lru_cache(maxsize=1)
def _load(aligner: DictionaryAligner) -> Dictionary:
    forward, reverse = (
        _read_cached(path, aligner.digest).entries if path is not None else []
        for path in (aligner.forward, aligner.reverse)
    )
    return Dictionary([*forward, *((s, t) for t, s in reverse)], aligner.fold_case)
