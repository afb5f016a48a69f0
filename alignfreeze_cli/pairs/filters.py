"""Sentence pairs that are left out before they are aligned: whose text tells that the sides are no translations.

`--filter length-ratio` counts words, `--filter language` reads the text. (`--filter duplicates` comes after aligning,
when it is known which pairs are kept.)
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from alignfreeze_cli.errors import SettingsError
from alignfreeze_cli.pairs.chunks import ParsedChunk
from alignfreeze_cli.pairs.counts import LEFT_OUT
from alignfreeze_cli.pairs.languages import find_code
from alignfreeze_cli.pairs.words import Words

Mask = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.uint8]

TIMES_AS_LIKELY = 3.0
"""A text is in another language where that is so many times as likely as its own.

Of 500 lines each of Tatoeba and NTREX in English and 12 other languages, this takes away at most 0.6 % (English on the
other side: at least 99.8 %). Whichever language is the most likely one would take away up to 10 %: short sentences are
hard to tell, and Chinese is taken for Cantonese.
"""

_NO_LANGUAGE = "zxx"  # py3langid's label of numbers, addresses and the like


@dataclass(frozen=True)
class TextFilters:
    """The filters of a language pair that need nothing but its text. Small, as it is sent to the worker processes.

    `max_ratio`: words of the longer side for each word of the shorter one, at most; `languages`: the codes of both
    sides. None: no such filter.
    """

    max_ratio: float | None = None
    languages: tuple[str, str] | None = None

    def apply(self, left_out: Codes, parsed: ParsedChunk, source: Words, target: Words) -> None:
        """Write into `left_out`, (pairs,), which of the pairs that are not left out yet are now, and why (`LEFT_OUT`).

        `source` and `target` are the words of `parsed`.
        """
        left_out[(left_out == 0) & self.unequal(source, target)] = LEFT_OUT["length-ratio"]
        left_out[self.foreign(parsed.source, parsed.target, left_out == 0)] = LEFT_OUT["language"]

    def unequal(self, source: Words, target: Words) -> Mask:
        """Which sentence pairs have sides of too different lengths, (pairs,); an empty side is not judged."""
        if self.max_ratio is None:
            return np.zeros(len(source), bool)
        short, long = np.minimum(source.lengths, target.lengths), np.maximum(source.lengths, target.lengths)
        return (short > 0) & (long > self.max_ratio * short)

    def foreign(self, source: pa.StringArray, target: pa.StringArray, judged: Mask) -> Mask:
        """Which of the `judged` sentence pairs have a side in another language than its own, (pairs,)."""
        found = np.zeros(len(judged), bool)
        for code, texts in zip(self.languages or (), (source, target), strict=bool(self.languages)):
            is_foreign = language_test(code)
            for number in np.flatnonzero(judged & ~found).tolist():
                found[number] = is_foreign(texts[number].as_py())
        return found


@functools.cache
def language_test(code: str) -> Callable[[str], bool]:
    """The function that says whether a text is in another language than `code`.

    Raises SettingsError if py3langid is not installed, or does not know the language.
    """
    rank, labels = _identifier()
    label = find_code(labels, code, "py3langid")
    if label is None:
        raise SettingsError(
            f"--filter language does not know {code}, only {', '.join(labels)}; leave the language out of --target, or "
            "the filter out."
        )

    def is_foreign(text: str) -> bool:
        likelihoods = {name: value for name, value in rank(text) if name != _NO_LANGUAGE}
        return max(likelihoods.values()) > TIMES_AS_LIKELY * likelihoods[label]

    return is_foreign


@functools.cache
def _identifier() -> tuple[Callable[[str], Sequence[tuple[str, float]]], list[str]]:
    """Of py3langid (Lui and Baldwin 2012, trained anew): how likely a text is in each language, and the languages."""
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError as error:
        raise SettingsError(
            "--filter language needs py3langid, which is not installed: pip install 'alignfreeze[filters]'."
        ) from error
    identifier: Any = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    return identifier.rank, sorted(set(identifier.labels) - {_NO_LANGUAGE})
