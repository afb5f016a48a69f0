"""Numbers, lists and foreign text in sentences: said the same way in messages, cards and reports."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

# What moves a cursor or changes the order of letters, and half surrogates, which no encoding has; not line ends, tabs.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """Text of unknown origin as it may be shown: control characters are written as their escapes, `\\x1b`."""
    return _CONTROL.sub(lambda match: ascii(match[0])[1:-1], text)


def counted(number: int, noun: str) -> str:
    """`1 file`, `2,000 files`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listed(items: Iterable[Any], most: int = 8, last: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`; of more than `most` items the first ones and how many more: `a, b and 7 more`."""
    texts = [str(item) for item in items]
    shown = [*texts[:most], *([f"{len(texts) - most} more"] if len(texts) > most else [])]
    return f" {last} ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else "".join(shown)


def number_ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers with runs shortened: `0-5, 7`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def signed(value: float, places: int = 1) -> str:
    """With its sign, a real minus sign; what rounds to zero has none."""
    shown = f"{value:+.{places}f}"
    return f"{0:.{places}f}" if float(shown) == 0 else shown.replace("-", "−")
