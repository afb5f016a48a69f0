"""The text that a statistical aligner learns from, as files that are read line by line: memory does not grow with it.

Case is folded, as `SAW` and `saw` are one word to a translator, and Unicode's form is C: the links are positions, which
are the same in the original words. Words are written so that none can be taken for a word with a meaning to the library
(`NULL`), or has a blank in it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from alignfreeze_cli.aligners.base import SentencePairs
from alignfreeze_cli.aligners.dictionary import compared_forms
from alignfreeze_cli.pairs.words import Words
from alignfreeze_cli.progress import ProgressBar

Numbers = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]

SIDES = ("source", "target")


@dataclass(frozen=True)
class FitText:
    """The usable sentence pairs of a language pair: those that have words on both sides, and not too many.

    Pair n is line `lines[n]` of the corpora, counted from 0, of `line_count`. Its words on a side are
    `keys[side][bounds[side][n]:bounds[side][n + 1]]`, as 64-bit digests, (words,), in a file. `digests[n]` is that of
    both sides' words. `too_long` are the lines that were left out for their length. `written` are the pairs that the
    text files hold, line by line: those whose links are not known.
    """

    folder: Path
    line_count: int
    lines: Numbers
    bounds: tuple[Numbers, Numbers]
    digests: Keys
    too_long: Numbers
    written: Numbers

    def __len__(self) -> int:
        return len(self.lines)

    def file(self, side: str) -> Path:
        """The text of a side, words with blanks between them."""
        return self.folder / f"{side}.txt"

    def remove(self) -> None:
        """Remove the files."""
        for side in SIDES:
            self.file(side).unlink()
            (self.folder / f"{side}.keys").unlink()

    def keys(self, side: str) -> Keys:
        """The digests of all words of a side, in a file that is mapped into memory."""
        return _mapped(self.folder / f"{side}.keys", np.uint64)


def write_text(
    batches: Iterable[SentencePairs], folder: Path, longest: int, known: Keys, progress: ProgressBar
) -> FitText:
    """Write the text of all batches into the folder; `known`: digests of pairs whose links are known already."""
    line_count = 0
    lines, too_long = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    digests = [np.zeros(0, np.uint64)]
    lengths: tuple[list[Numbers], list[Numbers]] = ([np.zeros(1, np.int64)], [np.zeros(1, np.int64)])
    written = [np.zeros(0, bool)]
    with ExitStack() as stack:
        texts, keys = (
            [stack.enter_context((folder / f"{side}.{ending}").open("wb")) for side in SIDES]
            for ending in ("txt", "keys")
        )
        for batch in batches:
            shorter = np.minimum(batch.source.lengths, batch.target.lengths)
            longer = np.maximum(batch.source.lengths, batch.target.lengths)
            too_long.append(line_count + np.flatnonzero((shorter > 0) & (longer > longest)))
            usable = np.flatnonzero((shorter > 0) & (longer <= longest))
            lines.append(line_count + usable)
            sides = [_lines_and_keys(words.select(usable)) for words in (batch.source, batch.target)]
            digests.append(_digests([f"{s}\n{t}" for s, t in zip(*(found for found, _ in sides), strict=True)]))
            written.append(~np.isin(digests[-1], known))
            for side, (words, (found, found_keys)) in enumerate(zip((batch.source, batch.target), sides, strict=True)):
                lengths[side].append(words.lengths[usable].astype(np.int64))
                texts[side].write(
                    "".join(line + "\n" for line, new in zip(found, written[-1], strict=True) if new).encode()
                )
                found_keys.tofile(keys[side])
            line_count += len(batch)
            progress.advance(len(batch))
    bounds = tuple(np.cumsum(np.concatenate(counts)) for counts in lengths)
    return FitText(
        folder,
        line_count,
        np.concatenate(lines),
        (bounds[0], bounds[1]),
        np.concatenate(digests),
        np.concatenate(too_long),
        np.flatnonzero(np.concatenate(written)),
    )


def word_keys(words: Words) -> Keys:
    """A 64-bit digest of each word's folded form, (words,)."""
    return _lines_and_keys(words)[1]


_MEANT = re.compile(r"[\s%\x00]")


def _lines_and_keys(words: Words) -> tuple[list[str], Keys]:
    """Each sentence as it is written to a text file, and the digest of each word."""
    encoded = words.values.dictionary_encode()
    distinct = [
        "_" + _MEANT.sub(lambda found: f"%{ord(found[0]):x};", form)
        for form in compared_forms(encoded.dictionary.to_pylist(), "nfc", True)
    ]
    written = pa.array(distinct, pa.string()).take(encoded.indices)
    lists = pa.ListArray.from_arrays(pa.array(words.offsets, pa.int32()), written)
    return pc.binary_join(lists, " ").to_pylist(), _digests(distinct)[encoded.indices.to_numpy(zero_copy_only=False)]


def _digests(texts: Sequence[str]) -> Keys:
    """64 bits for each text, which say whether two are the same."""
    digests = b"".join(hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts)
    return np.frombuffer(digests, np.uint64)


def _mapped(path: Path, kind: type[np.uint64]) -> Keys:
    return np.memmap(path, kind, "r") if path.stat().st_size else np.zeros(0, kind)
