"""Pairs as numbers: tokenised once into flat arrays that runs and processes share through memory maps.

The arrays lie in `$ALIGNFREEZE_CACHE` (default `~/.cache/alignfreeze`), in a folder named after a digest of the pairs
file, the tokenizer and the settings that shape them, so nothing there is ever stale and all of it may be deleted at
any time. A run that needs a small part of a large corpus (OPUS-100 has a million pairs for most languages) encodes a
random sample that holds at least a quarter more pairs than it will draw, instead of everything; `sample_size` decides
(and `dataset.py` which pairs).

As in the published code (realignment_dataset.py) each side is encoded by itself and cut at `max_length` subwords; words
of which nothing is left are removed and the links renumbered; a pair without links is dropped. Special tokens are no
words.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alignfreeze_cli.artifacts.files import cache_folder, sync
from alignfreeze_cli.encoder.tokenizers import encode_words, lone_piece_id
from alignfreeze_cli.errors import SettingsError
from alignfreeze_cli.pairs.folder import Pair, PairsFile, PairsFolder
from alignfreeze_cli.progress import Console

_FORMAT = 3  # raised when the arrays change, so that older ones are not read
_CHUNK = 1000
_NAMES = ("ids", "ids_at", "words", "words_at")


@dataclass(frozen=True)
class Side:
    """The sentences of one side. Sentence s has the subwords `ids[ids_at[s]:ids_at[s+1]]`, special ones included."""

    ids: NDArray[np.int32]  # (tokens,)
    ids_at: NDArray[np.int64]  # (sentences + 1,)
    words: NDArray[np.int32]  # (words, 2) first subword and the one after the last, counted within the sentence
    words_at: NDArray[np.int64]  # (sentences + 1,)


@dataclass(frozen=True)
class EncodedPairs:
    """The usable pairs of one language. Pair p has the links `links[links_at[p]:links_at[p+1]]`, word to word."""

    language: str
    source: Side
    target: Side
    links: NDArray[np.int32]  # (links, 2) word numbers within their sentences
    links_at: NDArray[np.int64]  # (pairs + 1,)
    row: NDArray[np.int64]  # (pairs,) which pair of the folder it is, counted from 0, ascending
    rows: int  # pairs in the folder
    read: int  # pairs that were encoded to find the usable ones

    def __len__(self) -> int:
        return len(self.links_at) - 1


def sample_size(needed: int, rows: int) -> int:
    """How many of `rows` pairs to encode when `needed` are to be drawn: all of them, unless that is much too many.

    A quarter is added for pairs that turn out unusable, and the next power of two taken, so that runs of nearly the
    same length share their arrays.
    """
    enough = 1 << max(12, (needed * 5 // 4 - 1).bit_length())
    return rows if rows <= 2 * enough else enough


def tokenizer_digest(tokenizer: Any) -> str:
    """SHA-256 of everything a fast tokenizer does."""
    return hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest()


def encode_pairs(
    folder: PairsFolder,
    file: PairsFile,
    digest: str,
    tokenizer: Any,
    tokenizer_key: str,
    max_length: int,
    lone_pieces: str = "keep",
    rows: NDArray[np.int64] | None = None,
    console: Console | None = None,
) -> EncodedPairs:
    """The encoded pairs of one file, from the cache or made now.

    `digest` is that of the file, `tokenizer_key` that of the tokenizer (`tokenizer_digest`, slow for large ones).
    `rows`: which pairs to encode, ascending numbers (None: all). `lone_pieces`: a lone `▁` in front of a word's other
    subwords stays in the input under "keep", but the word is read from the next subword on; "delete" removes every
    lone `▁` as published, and with it the words that consist of nothing else. Raises SettingsError if the cache cannot
    be written, OSError if the disk is full.
    """
    if rows is not None and len(rows) == file.rows:
        rows = None
    count = file.rows if rows is None else len(rows)
    key = {
        "format": _FORMAT,
        "pairs": digest,
        "tokenizer": tokenizer_key,
        "max_length": max_length,
        "lone_pieces": lone_pieces,
        "rows": None if rows is None else hashlib.sha256(rows.astype("<i8").tobytes()).hexdigest(),
    }
    name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]
    path = cache_folder() / "encoded" / name
    if not path.is_dir():
        pairs = folder.read(file.target, None if rows is None else rows.tolist())
        numbers = np.arange(count) if rows is None else rows
        with (console or Console()).progress(f"encoding {file.target}", count, "pairs") as task:
            parts: list[dict[str, NDArray[Any]]] = []
            done = 0
            while chunk := list(islice(pairs, _CHUNK)):
                parts.append(_encode(chunk, numbers[done : done + len(chunk)], tokenizer, max_length, lone_pieces))
                done += len(chunk)
                task.advance(len(chunk))
        _store(path, _joined(parts))
    # Views of the maps: a slice of np.memmap itself costs ten times as much as one of an array.
    arrays = {part.stem: np.asarray(np.load(part, mmap_mode="r")) for part in sorted(path.glob("*.npy"))}
    return _from_arrays(arrays, file.target, file.rows, count)


def encode_some(
    folder: PairsFolder,
    file: PairsFile,
    tokenizer: Any,
    max_length: int,
    lone_pieces: str,
    rows: NDArray[np.int64],
) -> EncodedPairs:
    """Some pairs of a file, encoded as by `encode_pairs`; nothing is read from or kept in the cache."""
    pairs = list(folder.read(file.target, rows.tolist()))
    parts = [_encode(pairs, rows, tokenizer, max_length, lone_pieces)] if pairs else []
    return _from_arrays(_joined(parts), file.target, file.rows, len(rows))


def join(parts: Sequence[EncodedPairs]) -> EncodedPairs:
    """The pairs of several folders for the same language, one after the other; their rows are counted on."""
    if len(parts) == 1:
        return parts[0]
    before = np.cumsum([0, *(part.rows for part in parts)])
    arrays = _joined([_arrays(part) for part in parts])
    arrays["row"] = np.concatenate([part.row + first for part, first in zip(parts, before[:-1], strict=True)])
    return _from_arrays(arrays, parts[0].language, sum(p.rows for p in parts), sum(p.read for p in parts))


def _encode(
    pairs: Sequence[Pair], rows: NDArray[np.int64], tokenizer: Any, max_length: int, lone_pieces: str
) -> dict[str, NDArray[Any]]:
    """The arrays of some pairs and their rows, unusable ones left out; names as `_arrays` gives them."""
    pair_of = np.repeat(np.arange(len(pairs)), [len(pair.links) for pair in pairs])
    links = np.array([link for pair in pairs for link in pair.links], dtype=np.int64).reshape(-1, 2)
    renumbered, sides = np.empty_like(links), {}
    for column, name in enumerate(("source", "target")):
        texts = [getattr(pair, name) for pair in pairs]
        sides[name], numbers = _encode_side(texts, tokenizer, max_length, lone_pieces)
        first = _offsets([len(text) for text in texts])
        renumbered[:, column] = numbers[first[pair_of] + links[:, column]]
    whole = (renumbered >= 0).all(1)
    links, pair_of = renumbered[whole], pair_of[whole]
    counts = np.bincount(pair_of, minlength=len(pairs))
    usable = counts > 0
    arrays: dict[str, NDArray[Any]] = {"links": links.astype(np.int32), "links_at": _offsets(counts[usable])}
    arrays["row"] = rows[usable]
    for name, side in sides.items():
        kept_ids, kept_words = (np.repeat(usable, np.diff(at)) for at in (side.ids_at, side.words_at))
        arrays[f"{name}.ids"] = side.ids[kept_ids]
        arrays[f"{name}.ids_at"] = _offsets(np.diff(side.ids_at)[usable])
        arrays[f"{name}.words"] = side.words[kept_words]
        arrays[f"{name}.words_at"] = _offsets(np.diff(side.words_at)[usable])
    return arrays


def _encode_side(
    texts: Sequence[list[str]], tokenizer: Any, max_length: int, lone_pieces: str
) -> tuple[Side, NDArray[np.int64]]:
    """One side, and the new number of each of its words within its sentence, -1 where nothing is left of it."""
    encodings = encode_words(tokenizer, texts, truncation=True, max_length=max_length)
    ids = np.concatenate([np.array(e.ids, dtype=np.int32) for e in encodings])
    word = np.concatenate([np.array([-1 if w is None else w for w in e.word_ids], dtype=np.int64) for e in encodings])
    sentence = np.repeat(np.arange(len(texts)), [len(e.ids) for e in encodings])

    lone = (ids == lone_piece_id(tokenizer)) & (word >= 0)
    if lone_pieces == "delete":
        ids, word, sentence, lone = (array[~lone] for array in (ids, word, sentence, lone))
    ids_at = _offsets(np.bincount(sentence, minlength=len(texts)))
    # A word is a run of equal (sentence, word) numbers; -1 are the special tokens.
    begins = np.ones(len(ids), dtype=bool)
    begins[1:] = (word[1:] != word[:-1]) | (sentence[1:] != sentence[:-1])
    start = np.flatnonzero(begins)
    end = np.append(start[1:], len(ids))
    start, end = start[word[start] >= 0], end[word[start] >= 0]
    owner, original = sentence[start], word[start]
    # A boundary mark with more of the word behind it says nothing about the word: read the subword after it.
    start = start + (lone[start] & (end - start > 1))
    words = np.stack([start, end], 1) - ids_at[owner][:, None]
    words_at = _offsets(np.bincount(owner, minlength=len(texts)))

    lengths = np.array([len(text) for text in texts])
    numbers = np.full(lengths.sum(), -1, dtype=np.int64)
    numbers[_offsets(lengths)[owner] + original] = np.arange(len(start)) - words_at[owner]
    return Side(ids, ids_at, words.astype(np.int32), words_at), numbers


def _offsets(counts: Sequence[int] | NDArray[Any]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _arrays(pairs: EncodedPairs) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {"links": pairs.links, "links_at": pairs.links_at, "row": pairs.row}
    for side in ("source", "target"):
        for name in _NAMES:
            arrays[f"{side}.{name}"] = getattr(getattr(pairs, side), name)
    return arrays


def _from_arrays(arrays: dict[str, NDArray[Any]], language: str, rows: int, read: int) -> EncodedPairs:
    source, target = (Side(*(arrays[f"{side}.{name}"] for name in _NAMES)) for side in ("source", "target"))
    return EncodedPairs(language, source, target, arrays["links"], arrays["links_at"], arrays["row"], rows, read)


def _joined(parts: Sequence[dict[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """One after the other; offsets are made to count on."""
    if not parts:  # an empty file of pairs
        empty = np.zeros((0, 2), dtype=np.int32)
        at = np.zeros(1, dtype=np.int64)
        none = Side(empty[:, 0], at, empty, at)
        return _arrays(EncodedPairs("", none, none, empty, at, at[:0], 0, 0))
    joined = {}
    for name in parts[0]:
        if name.endswith("_at"):
            joined[name] = _offsets(np.concatenate([np.diff(part[name]) for part in parts]))
        else:
            joined[name] = np.concatenate([part[name] for part in parts])
    return joined


def _store(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Write the arrays and give the folder its name; another process may have been quicker, and made the same."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{path.name[:8]}-", dir=path.parent))
    except PermissionError as error:
        raise SettingsError(
            f"The cache {path.parent} cannot be written; set ALIGNFREEZE_CACHE to a folder that can."
        ) from error
    try:
        for name, array in arrays.items():
            np.save(draft / f"{name}.npy", array)
            sync(draft / f"{name}.npy")
        try:
            os.rename(draft, path)
        except OSError:
            if not path.is_dir():
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
