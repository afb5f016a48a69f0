"""What `alignfreeze score-links` does: links against gold links; it writes no folder.

From top to bottom: read the gold links, the sentences and the links, see that they belong together, count.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alignfreeze_cli.aligners.gold import Link, LinkedSentence, LinkFile, drop_outside, read_links
from alignfreeze_cli.aligners.scoring import LinkScores, misreading, score
from alignfreeze_cli.aligners.scoring_settings import ScoreLinksSettings
from alignfreeze_cli.errors import DataError
from alignfreeze_cli.pairs.chunks import parse_chunk
from alignfreeze_cli.pairs.links import Links, filter_links
from alignfreeze_cli.pairs.readers import find_corpora
from alignfreeze_cli.pairs.settings import TWO_FILES, CorpusSettings
from alignfreeze_cli.pairs.words import Words, splitter
from alignfreeze_cli.phrases import counted, listed
from alignfreeze_cli.progress import WARNINGS, Console
from alignfreeze_cli.tasks.conllu import read_conllu

MOST_OUTSIDE = 0.01
"""Share of the gold links that may lead to words that are not there."""

_SHOWN = 5  # links outside that are named

Sides = tuple[list[list[str]], list[list[str]]]


@dataclass(frozen=True)
class ScoredFile:
    """A file of links and its scores; `filtered` are those of the links that realignment's filters leave."""

    file: LinkFile
    scores: LinkScores
    filtered: LinkScores | None

    def to_dict(self, sentences: int) -> dict[str, Any]:
        entry = {"path": self.file.place, "format": self.file.form, "base": self.file.base, **self.scores.to_dict()}
        entry["links-per-pair"] = self.scores.links / sentences if sentences else None
        if self.filtered is not None:
            left = self.filtered
            entry["after-filters"] = {
                "links": left.links,
                "links-per-pair": left.links / sentences if sentences else None,
                "precision": left.precision,
            }
        return entry


@dataclass(frozen=True)
class Scored:
    """The outcome: the gold links, every file of links, and of two files what they have in common."""

    gold: LinkFile
    outside: Sequence[tuple[int, Link]]
    annotated_only: bool
    files: Sequence[ScoredFile]
    common: LinkScores | None = None

    @property
    def sentences(self) -> int:
        return len(self.gold.sentences)

    def to_dict(self) -> dict[str, Any]:
        """As `--format json` gives it."""
        sure = sum(len(each.sure) for each in self.gold.sentences)
        found: dict[str, Any] = {
            "gold": {
                "path": self.gold.place,
                "format": self.gold.form,
                "base": self.gold.base,
                "sentences": self.sentences,
                "without-links": sum(not each.links for each in self.gold.sentences),
                "sure": sure,
                "possible": sum(len(each.links) for each in self.gold.sentences) - sure,
                "outside": [{"sentence": number, "link": list(link)} for number, link in self.outside],
            },
            "counted": "links of annotated words" if self.annotated_only else "all links",
            "links": [each.to_dict(self.sentences) for each in self.files],
        }
        if self.common is not None:
            found["both"] = {"links": self.common.links, "right": self.common.possible_found}
            found["one-only"] = [
                {
                    "links": each.scores.links - self.common.links,
                    "right": each.scores.possible_found - self.common.possible_found,
                }
                for each in self.files
            ]
        return found


def score_links(settings: ScoreLinksSettings, console: Console = WARNINGS) -> Scored:
    """Score files of links against gold links.

    Raises DataError for files that cannot be read, that are not about the same sentences, or that seem to count words
    otherwise than they are read; warns of gold links to words that are not there, which are left out.
    """
    gold, sides, outside = read_gold(settings, console)
    files = [_read_found(path, settings, gold, sides) for path in settings.links]
    links = [[sentence.links for sentence in file.sentences] for file in files]
    only = settings.annotated_only
    scored = []
    for file, found in zip(files, links, strict=True):
        filtered = score(_filtered(found, sides), gold.sentences, only) if sides is not None else None
        scored.append(ScoredFile(file, score(found, gold.sentences, only), filtered))
    common = None
    if len(links) == 2:
        common = score([one & other for one, other in zip(*links, strict=True)], gold.sentences, only)
    return Scored(gold, outside, only, scored, common)


def read_gold(
    settings: ScoreLinksSettings, console: Console
) -> tuple[LinkFile, Sides | None, Sequence[tuple[int, Link]]]:
    """The gold links, the words of both sides, if they are known, and the links outside, which are taken out."""
    gold = read_links(settings.gold, _base(settings.gold_base), settings.first)
    if not any(each.links for each in gold.sentences):
        raise DataError("holds no link", gold.place)
    sides = _words(settings, gold)
    return gold, sides, [] if sides is None else _gold_outside(gold, sides, console)


def _base(value: str | None) -> int | None:
    return None if value is None else int(value)


def _gold_outside(gold: LinkFile, sides: Sides, console: Console) -> list[tuple[int, Link]]:
    total = sum(len(each.links) for each in gold.sentences)
    outside = drop_outside(gold.sentences, _lengths(sides))
    if not outside:
        return []
    shown = listed((f"{i}-{j} in sentence {number}" for number, (i, j) in outside), most=_SHOWN)
    said = f"{len(outside):,} of {counted(total, 'gold link')} lead to words that are not there ({shown}, from 0)"
    if len(outside) > MOST_OUTSIDE * total:
        raise DataError(f"{said}; do the sentences belong to it, and does it count words from {gold.base}?", gold.place)
    console.warn(f"{gold.place}: {said}; left out.")
    return outside


def _read_found(path: Path, settings: ScoreLinksSettings, gold: LinkFile, sides: Sides | None) -> LinkFile:
    """A file of links that has the gold's sentences."""
    file = read_links(path, _base(settings.base), settings.first)
    _pad(file, len(gold.sentences))
    if len(file.sentences) != len(gold.sentences):
        raise DataError(
            f"has {counted(len(file.sentences), 'sentence')}, but {gold.place} has {len(gold.sentences):,}; --first N "
            "scores the first N of both",
            file.place,
        )
    outside = drop_outside(file.sentences, _lengths(sides)) if sides is not None else []
    if outside and sides is not None:
        number, (i, j) = outside[0]
        raise DataError(
            f"has {counted(len(outside), 'link')} to words that are not there, first {i}-{j} (from 0) in a pair of "
            f"{len(sides[0][number - 1])} and {len(sides[1][number - 1])} words; it was made with other words, or "
            f"does not count them from {file.base}",
            file.place,
            number,
        )
    if better := misreading(file.sentences, gold.sentences):
        raise DataError(f"seems to be read wrongly: {better}", file.place)
    return file


def _pad(file: LinkFile, sentences: int) -> None:
    """In NAACL format sentences without links have no lines, the last ones too."""
    if file.form == "NAACL":
        file.sentences.extend(LinkedSentence() for _ in range(sentences - len(file.sentences)))


def _words(settings: ScoreLinksSettings, gold: LinkFile) -> Sides | None:
    """The words of the gold's sentences, from `--text` or from the gold itself; None if neither has them."""
    if settings.text is None:
        own = [each.words for each in gold.sentences if each.words is not None]
        if len(own) < len(gold.sentences):
            return None
        return [source for source, _ in own], [target for _, target in own]
    sides = _conllu(settings.text) or _corpus(settings, gold.numbered)
    if settings.first is not None:
        sides = sides[0][: settings.first], sides[1][: settings.first]
    _pad(gold, len(sides[0]))
    for side in sides:
        if len(side) != len(gold.sentences):
            raise DataError(
                f"has {counted(len(side), 'sentence')}, but {gold.place} has {len(gold.sentences):,}", settings.text
            )
    return sides


def _conllu(text: str) -> Sides | None:
    """Two treebanks, whose words are numbered; None if these are other files."""
    paths = text.split(TWO_FILES)
    if len(paths) != 2 or not all(path.endswith(".conllu") for path in paths):
        return None
    source, target = (
        [[line.form for line in each.lines if line.kind == "word"] for each in read_conllu(Path(path))]
        for path in paths
    )
    return source, target


def _corpus(settings: ScoreLinksSettings, numbered: bool) -> Sides:
    """Parallel text as `align-pairs` reads it; its lines may be numbered as those of the links are."""
    assert settings.text is not None
    (corpora, _) = find_corpora(CorpusSettings(source="xx", target=("yy",), corpus=(settings.text,)), "yy")
    cut = splitter("blank", "xx")
    sides: Sides = ([], [])
    for corpus in corpora:
        for chunk in corpus.chunks(settings.first):
            parsed = parse_chunk(chunk)
            if parsed.malformed:
                raise DataError(parsed.malformed[0].reason, chunk.place, parsed.malformed[0].line)
            for side, texts in zip(sides, (parsed.source, parsed.target), strict=True):
                plain = texts
                if numbered and TWO_FILES in settings.text:
                    plain = [re.sub(r"^\d+\t", "", line) for line in texts.to_pylist()]
                side += cut(plain).to_lists()
    return sides


def _lengths(sides: Sides) -> list[tuple[int, int]]:
    return [(len(source), len(target)) for source, target in zip(*sides, strict=True)]


def _filtered(found: list[set[Link]], sides: Sides) -> list[set[Link]]:
    """The links that realignment uses: of words with a single one, and not between equal words."""
    links = Links.from_lists([sorted(each) for each in found])
    left = filter_links(Words.from_lists(sides[0]), Words.from_lists(sides[1]), links).links
    return [set(each) for each in left.to_lists(len(found))]
