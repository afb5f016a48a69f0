"""Texts as subwords, and the code points that each subword stands for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

CHUNK = 4096  # texts tokenised at once: what the tokenizer returns takes many times the memory of the ids
_LAST_SPACE = 0x3000  # no code point beyond is a space


def encodings(texts: list[str], tokenizer: Any) -> Iterator[Any]:
    """The whole texts as subwords, without special tokens.

    Straight from the tokenizer below: transformers makes lists of all their fields first, which takes longer than the
    tokenizer itself.
    """
    below = tokenizer.backend_tokenizer
    below.no_truncation()
    below.no_padding()
    for begin in range(0, len(texts), CHUNK):
        yield from below.encode_batch(texts[begin : begin + CHUNK], add_special_tokens=False)


def code_points(offsets: Sequence[tuple[int, int]], text: str) -> np.ndarray:
    """First and last + 1 code point of every token, (tokens, 2), without the spaces that some tokenizers count in."""
    import numpy as np

    spans = np.array(offsets, dtype=np.int64).reshape(-1, 2)
    codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    spaces = np.append(_is_space()[np.minimum(codes, _LAST_SPACE + 1)], False)
    for token in np.flatnonzero(spaces[spans[:, 0]] | spaces[spans[:, 1] - 1]).tolist():
        begin, end = offsets[token]
        bare = text[begin:end].strip()
        if bare:
            begin += text[begin:end].index(bare)
            spans[token] = begin, begin + len(bare)
    return spans


@cache
def _is_space() -> np.ndarray:
    """By code point, with one more than the last space for all that come after it."""
    import numpy as np

    return np.array([chr(code).isspace() for code in range(_LAST_SPACE + 2)])


def tokens_of(spans: np.ndarray, start: int, text: str) -> tuple[int, int]:
    """First and last token of an answer, spaces around it aside; the first is greater if it has no token at all."""
    import numpy as np

    begin, end = start + len(text) - len(text.lstrip()), start + len(text.rstrip())
    return int(np.searchsorted(spans[:, 1], begin, "right")), int(np.searchsorted(spans[:, 0], end, "left")) - 1


def widened(spans: np.ndarray, words: Sequence[int | None]) -> np.ndarray:
    """Every token's span widened to that of its word; `words` has the number of each token's word."""
    import numpy as np

    if not len(spans):
        return spans
    numbers = np.array([-1 if word is None else word for word in words])
    heads = np.flatnonzero(np.concatenate([[True], numbers[1:] != numbers[:-1]]))
    sizes = np.diff([*heads, len(spans)])
    low, high = np.minimum.reduceat(spans[:, 0], heads), np.maximum.reduceat(spans[:, 1], heads)
    return np.stack([np.repeat(low, sizes), np.repeat(high, sizes)], axis=1)
