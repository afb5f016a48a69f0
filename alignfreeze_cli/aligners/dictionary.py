"""Links from a bilingual dictionary in MUSE's format: the paper's main setting.

A source word is linked to a target word if (published code, realignment_dataset.py)

1. exactly one distinct word among its translations occurs in the target sentence,
2. that word occurs there exactly once, and
3. exactly one source word of the sentence, repeats counted, is among the translations of that word.

No tie is resolved: an ambiguous word stays unlinked, so the outcome is one to one.
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
from alignfreeze_cli.artifacts.files import cache_folder, file_digest
from alignfreeze_cli.errors import DataError, HubError
from alignfreeze_cli.pairs.arrays import Ints, int32_values
from alignfreeze_cli.pairs.links import Links
from alignfreeze_cli.pairs.settings import fill, placeholders
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

    def align(self, batch: SentencePairs) -> Links:
        return _loaded(self).align(batch.source, batch.target)

    def described(self) -> dict[str, Any]:
        paths = [path for path in (self.forward, self.reverse) if path is not None]
        files = {path.name: _read(path, self.digest) for path in paths}
        facts = {"entries": {name: len(read.entries) for name, read in files.items()}}
        skipped = {"lines skipped": sum(read.skipped for read in files.values())}
        return facts | skipped | ({"note": self.note} if self.note else {})

    def check(self, batch: SentencePairs) -> None:
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


_TIMEOUT = 30.0  # seconds without an answer or a byte


@dataclass(frozen=True)
class Entries:
    """What a file says: (word of its first column, word of its second), and how many lines say nothing usable."""

    entries: Sequence[tuple[str, str]]
    skipped: int


@dataclass(frozen=True)
class Found:
    """The files of a language pair. `copied`: both hold the forward entries; `note`: what a user should know."""

    forward: Path | None
    reverse: Path | None
    input: Input
    copied: bool = False
    note: str = ""


def read_entries(path: Path) -> Entries:
    """Read a dictionary as the paper's code does.

    A line counts if it splits on blanks into exactly two words that differ; words are taken as they are. Raises
    DataError if the file is no UTF-8 text or no line counts.
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
    return Entries(entries, len(lines) - len(entries))


def find_dictionary(
    template: str, source: str, target: str, name: str = "dictionary", copy_forward: bool = False
) -> Found:
    """Find the files of both directions; either may be missing. With `copy_forward` the forward one stands for both.

    The other direction's file has the codes swapped: through `{source}` and `{target}` in `template`, or, without them,
    where `source-target` stands in the file's name. Raises DataError if there is no file, HubError if an address
    cannot be reached.
    """
    swapped = None if copy_forward else _swapped(template, source, target)
    ahead, back = (_local(path) if path is not None else None for path in (fill(template, source, target), swapped))
    if copy_forward:
        back = ahead
    paths = list(dict.fromkeys(path for path in (ahead, back) if path is not None))
    if not paths:
        raise DataError(f"no such dictionary for {source}-{target}", fill(template, source, target))
    note, copied = "", False
    if ahead is None:
        note = f"no dictionary {source}-{target}; {back.name if back else ''} is used for both directions"
    elif back is None:
        note = f"no dictionary {target}-{source}; {ahead.name} is used for both directions"
    elif file_digest(ahead) == file_digest(back):
        note, copied = f"the reverse dictionary is a copy of {ahead.name}, as in the paper's runs", True
    return Found(ahead, back, resolve_files(name, template, paths), copied, note)


def _swapped(template: str, source: str, target: str) -> str | None:
    if placeholders(template) & {"source", "target"}:
        swapped = fill(template, target, source)
        return swapped if swapped != fill(template, source, target) else None
    head, slash, name = template.rpartition("/")
    codes = f"{source}-{target}"
    return head + slash + name.replace(codes, f"{target}-{source}") if codes in name else None


def _local(path: str) -> Path | None:
    """A file here, or one fetched from an address; None if there is none."""
    if path.startswith(("http://", "https://")):
        return fetch(path)
    found = Path(path).expanduser()
    return found if found.is_file() else None


def fetch(address: str) -> Path | None:
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
    folder.mkdir(parents=True, exist_ok=True)
    facts = {"address": address, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    for path, data in ((kept, content), (marker, json.dumps(facts, indent=2).encode())):
        # Renamed into place: a second process may be fetching the same file.
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        partial.write_bytes(data)
        os.replace(partial, path)
    return kept


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
