"""What align-pairs counts per language: read, kept, linked, why the rest was dropped; and who starves."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from alignfreeze_cli.pairs.lines import Problem

SHOWN = 5
"""Malformed lines whose place is kept, per file."""

STARVING = 0.25
"""A language with fewer usable pairs than this share of the median language is warned about."""


@dataclass
class Counts:
    """Counts of one chunk or, added up, of a language pair."""

    lines: int = 0
    kept: int = 0
    malformed: int = 0
    malformed_links: int = 0
    empty: int = 0
    unlinked: int = 0
    filtered: int = 0
    links_found: int = 0
    links_kept: int = 0
    not_one_to_one: int = 0
    equal_words: int = 0
    source_words: int = 0
    target_words: int = 0

    def add(self, other: Counts) -> None:
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))

    def described(self) -> dict[str, Any]:
        """As in statistics.json; shares are of all words read."""
        return {
            "lines": self.lines,
            "kept": self.kept,
            "dropped": {
                "malformed line": self.malformed,
                "malformed links": self.malformed_links,
                "empty side": self.empty,
                "no link found": self.unlinked,
                "no link left by the filters": self.filtered,
            },
            "links": {
                "found": self.links_found,
                "kept": self.links_kept,
                "dropped": {"word linked more than once": self.not_one_to_one, "equal words": self.equal_words},
            },
            "words": {"source": self.source_words, "target": self.target_words},
            "share of words linked": {
                "source": round(self.links_kept / max(1, self.source_words), 4),
                "target": round(self.links_kept / max(1, self.target_words), 4),
            },
        }


@dataclass
class FileCounts:
    """Lines of one file, and the first malformed ones among them."""

    lines: int = 0
    malformed: int = 0
    places: list[Problem] = field(default_factory=list)

    def add(self, lines: int, problems: Iterable[Problem]) -> None:
        found = list(problems)
        self.lines += lines
        self.malformed += len(found)
        self.places += found[: SHOWN - len(self.places)]

    def described(self) -> dict[str, Any]:
        places = [{"line": problem.line, "why": problem.why} for problem in self.places]
        return {"lines": self.lines, "malformed": self.malformed} | ({"first malformed": places} if places else {})


def summary(counts: Counts) -> dict[str, Any]:
    """The few numbers of a language that the record and the terminal show."""
    described = counts.described()
    return {
        "lines": counts.lines,
        "kept": counts.kept,
        "links": counts.links_kept,
        "share of words linked": described["share of words linked"],
    }


def starving(kept: Mapping[str, int], lines: Mapping[str, int], words: str) -> list[str]:
    """A sentence for every language with far fewer usable pairs than the others, or with none.

    Realignment takes languages in turn, so a poor one is repeated often (or, with `--sampling published`, ends the
    stream): the paper's runs saw under 20,000 distinct pairs because Tamil had 581.
    """
    warnings = []
    median = statistics.median(kept.values())
    usual = statistics.median(kept[code] / max(1, lines[code]) for code in kept)
    for code, number in kept.items():
        if number and (len(kept) < 3 or number >= STARVING * median):
            continue
        few = (
            f"{number:,} usable pairs of {lines[code]:,} lines"
            if number
            else f"no usable pair in {lines[code]:,} lines"
        )
        compared = f"; the median language has {median:,.0f}" if len(kept) > 2 else ""
        poor_links = number / max(1, lines[code]) < STARVING * usual or not number
        why = "; is the dictionary the right one" if poor_links else ""
        if poor_links and words == "published":
            why = (
                "; --words published cuts words of scripts with vowel signs to pieces, --words unicode keeps them whole"
            )
        warnings.append(f"{code} has {few}{compared}{why}.")
    return warnings
