"""What align-pairs counts per language: pairs read and kept, links, why the rest was dropped; and who has too few."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from alignfreeze_cli.pairs.chunks import MalformedLine

EXAMPLES = 5
"""Malformed lines that are named, per file."""

TOO_FEW = 0.25
"""A language with fewer usable pairs than this share of the median language is warned about."""

RIGHTLY = 0.02
"""Where a word rule and blanks disagree, the share of pairs in which links must show that they follow the rule."""

FILTERED = {
    "keep-best": ("not_best", "not among the best"),
    "similarity": ("dissimilar", "sides not alike"),
    "length-ratio": ("unequal", "unequal lengths"),
    "language": ("foreign", "another language"),
    "duplicates": ("duplicates", "duplicate pair"),
}
"""Filter of sentence pairs -> the field of `Counts` that counts what it left out, the reason in statistics.json.

In the order in which they are asked: a pair is counted for the first that leaves it out.
"""

LEFT_OUT = {name: code for code, name in enumerate(FILTERED, 1)}
"""Filter -> its code where a number says for each line by which one it was left out; 0: by none."""


@dataclass
class Counts:
    """Counts of one chunk or, added up, of a language pair."""

    lines: int = 0
    kept: int = 0
    malformed: int = 0
    malformed_links: int = 0
    empty: int = 0
    too_long: int = 0
    unlinked: int = 0
    filtered: int = 0
    not_best: int = 0
    dissimilar: int = 0
    unequal: int = 0
    foreign: int = 0
    duplicates: int = 0
    links_found: int = 0
    links_kept: int = 0
    duplicate_links: int = 0
    low_score: int = 0
    not_one_to_one: int = 0
    equal_words: int = 0
    source_words: int = 0
    target_words: int = 0
    # Words that the aligner has linked, before the filters.
    source_words_found: int = 0
    target_words_found: int = 0
    # Pairs with ready links in which the word rule finds another number of words than blanks do, and those among them
    # in which a link names a word that blanks do not find.
    recut: int = 0
    recut_rightly: int = 0

    def add(self, other: Counts) -> None:
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))

    def left_out(self) -> dict[str, int]:
        """Filter -> sentence pairs that it left out, if there are any."""
        numbers = {name: int(getattr(self, counter)) for name, (counter, _) in FILTERED.items()}
        return {name: number for name, number in numbers.items() if number}

    def share_linked(self) -> dict[str, float]:
        """Share of all words read that have a link left by the filters, on each side."""
        linked = self.links_kept + self.duplicate_links
        return self._share_of_words(linked, linked)

    def share_linked_before(self) -> dict[str, float]:
        """Share of all words read that the aligner linked, on each side."""
        return self._share_of_words(self.source_words_found, self.target_words_found)

    def _share_of_words(self, source: int, target: int) -> dict[str, float]:
        return {
            "source": round(source / max(1, self.source_words), 4),
            "target": round(target / max(1, self.target_words), 4),
        }

    def links_per_pair(self) -> dict[str, float]:
        """Links for each pair that was aligned: those that the aligner found, those left by the filters of links."""
        left_out = self.not_best + self.unequal + self.foreign
        pairs = max(1, self.lines - self.malformed - self.malformed_links - self.empty - left_out)
        left = self.links_kept + self.duplicate_links
        return {"found": round(self.links_found / pairs, 2), "kept": round(left / pairs, 2)}

    def to_dict(self) -> dict[str, Any]:
        """The language's counts as statistics.json has them."""
        return {
            "lines": self.lines,
            "kept": self.kept,
            "dropped": {
                "malformed line": self.malformed,
                "malformed links": self.malformed_links,
                "empty side": self.empty,
            }
            | ({"too long for the aligner": self.too_long} if self.too_long else {})
            | {
                "no link found": self.unlinked,
                "no link left by the filters": self.filtered,
            }
            | {FILTERED[name][1]: number for name, number in self.left_out().items()},
            "links": {
                "found": self.links_found,
                "kept": self.links_kept,
                "dropped": ({"score too low": self.low_score} if self.low_score else {})
                | {"word linked more than once": self.not_one_to_one, "equal words": self.equal_words}
                | ({"duplicate pair": self.duplicate_links} if self.duplicates else {}),
            },
            "links per pair": self.links_per_pair(),
            "words": {"source": self.source_words, "target": self.target_words},
            "share of words linked before the filters": self.share_linked_before(),
            "share of words linked": self.share_linked(),
        }

    def summary(self) -> dict[str, Any]:
        """The few counts that the record holds and the terminal shows."""
        return {
            "lines": self.lines,
            "kept": self.kept,
            "links": self.links_kept,
            "links per pair": self.links_per_pair(),
            "share of words linked before the filters": self.share_linked_before(),
            "share of words linked": self.share_linked(),
        } | ({"left out": self.left_out()} if self.left_out() else {})


@dataclass
class FileCounts:
    """Lines of one file, the first malformed ones among them, and what was kept of them.

    `kept`: counts of the pairs; None for a file without text, such as one of links.
    """

    lines: int = 0
    malformed: int = 0
    examples: list[MalformedLine] = field(default_factory=list)
    kept: Counts | None = None

    def add(self, lines: int, malformed: Iterable[MalformedLine], counts: Counts | None = None) -> None:
        found = list(malformed)
        self.lines += lines
        self.malformed += len(found)
        self.examples += found[: EXAMPLES - len(self.examples)]
        if counts is not None:
            self.kept = self.kept or Counts()
            self.kept.add(counts)

    def to_dict(self) -> dict[str, Any]:
        """The file's counts as statistics.json has them."""
        examples = [{"line": each.line, "why": each.reason} for each in self.examples]
        found: dict[str, Any] = {"lines": self.lines, "malformed": self.malformed}
        if self.kept is not None:
            found |= {key: value for key, value in self.kept.summary().items() if key != "lines"}
        return found | ({"first malformed": examples} if examples else {})


def few_pairs_warnings(counts: Mapping[str, Counts], words: str) -> list[str]:
    """A sentence for every language with far fewer usable pairs than the others, or with none.

    Realignment takes languages in turn, so one with few pairs is repeated often (or, with `--sampling published`, ends
    the stream): the paper's runs saw under 20,000 distinct pairs because Tamil had 581. `words` is the word rule.
    """
    warnings = []
    kept = {code: each.kept for code, each in counts.items()}
    kept_share = {code: each.kept / max(1, each.lines) for code, each in counts.items()}
    median, median_share = statistics.median(kept.values()), statistics.median(kept_share.values())
    for code, number in kept.items():
        if number and (len(kept) < 3 or number >= TOO_FEW * median):
            continue
        lines = f"{counts[code].lines:,} lines"
        few = f"{number:,} usable pairs of {lines}" if number else f"no usable pair in {lines}"
        compared = f"; the median language has {median:,.0f}" if len(kept) > 2 else ""
        advice = ""
        if not number or kept_share[code] < TOO_FEW * median_share:
            advice = (
                "; --words published cuts words of scripts with vowel signs to pieces, --words unicode keeps them whole"
                if words == "published"
                else "; check that the dictionary is the right one"
            )
        warnings.append(f"{code} has {few}{compared}{advice}.")
    return warnings


def recut_warnings(counts: Mapping[str, Counts], words: str) -> list[str]:
    """A sentence for every language whose ready links seem to count other words than those of the word rule `words`.

    They do not if many of them name words that only that rule finds.
    """
    return [
        f"{code}: --words {words} finds another number of words than there are between blanks in {each.recut:,} of "
        f"{each.lines:,} lines, and the links seem to count what is between blanks: they join other words there; use "
        "--words blank."
        for code, each in counts.items()
        if each.recut_rightly < RIGHTLY * each.recut
    ]
