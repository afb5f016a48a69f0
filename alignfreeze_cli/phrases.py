"""Numbers and lists in sentences: said the same way in messages, cards and reports."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that move a terminal's cursor, set its colours or turn text around, and halves of characters."""

_SPECIAL = re.compile(
    r"[\\`\[\]|$]"
    r"|\*(?=\S)"  # before a blank it opens no emphasis: our mark of significance
    r"|(?<![^\W_])_|_(?![^\W_])"  # inside a word it is a letter
    r"|~(?=~)|(?<=~)~"
    r"|<(?=[A-Za-z/!?])"
    r"|&(?=#?\w+;)"
    r"|#(?=#*$)"  # the end of a heading
    r"|(?<=:)/(?=/)|(?<=www)\.",  # an address would become a link
    re.IGNORECASE,
)
_AT_START = re.compile(r"^(?:[#>+=-]|\d+(?=[.)])|[*](?=\s))")


def printable(text: str) -> str:
    """Text for a terminal: what would control it is written as an escape, `\\x1b`; tabs and line ends stay."""
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def escaped(text: str) -> str:
    """Text that Markdown shows as it is, inside a line or a cell of a table: names may come from anywhere."""
    return _SPECIAL.sub(r"\\\g<0>", text)


def escaped_line(text: str) -> str:
    """The same for text with which a paragraph or an item of a list begins."""
    text = escaped(text.strip())
    return _AT_START.sub(lambda match: _mark_last(match[0]), text)


def _mark_last(start: str) -> str:
    """`#` → `\\#`; a number keeps its digits, and the point after it is marked."""
    return f"{start}\\" if start.isdigit() else f"\\{start}"


def is_name(value: Any) -> bool:
    """Whether a value from a file may stand in a title and in a file's name: short text without control characters."""
    return isinstance(value, str) and value.isprintable() and 0 < len(value.encode()) <= 200


def metric_title(name: str) -> str:
    """A metric as one writes it: `f1` → `F1`; unknown ones stay as they are."""
    return {"f1": "F1", "macro_f1": "macro-F1", "exact_match": "exact match"}.get(name, name)


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


def size(number: int) -> str:
    """Bytes: `2.3 GB`, `470.0 MB`."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= factor:
            return f"{number / factor:.1f} {unit}"
    return f"{number} B"


def duration(seconds: float) -> str:
    """`41.0 s`, `12.5 min`, `3.2 h`."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def signed(value: float, places: int = 1) -> str:
    """With its sign, a real minus sign; what rounds to zero has none."""
    shown = f"{value:+.{places}f}"
    return f"{0:.{places}f}" if float(shown) == 0 else shown.replace("-", "−")
