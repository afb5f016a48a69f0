"""Dictionary alignment as the rule says it, sentence by sentence and word by word: the paper's main aligner.

A source word is linked to a target word if exactly one distinct word among its translations occurs in the target
sentence, occurs there exactly once, and exactly one source word, repeats counted, is among that word's translations.
Then the filters: one to one, no links between equal words, no pairs without links.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

Translations = dict[str, set[str]]
Links = list[tuple[int, int]]


def read_dictionaries(forward: Path, reverse: Path | None) -> tuple[Translations, Translations]:
    """Source word → translations, target word → translations, from the files of both directions."""
    to_target: Translations = {}
    to_source: Translations = {}
    for path, turned in ((forward, False), (reverse, True)):
        if path is None:
            continue
        for line in path.read_text(encoding="utf-8").split("\n"):
            fields = line.split()
            if len(fields) == 2 and fields[0] != fields[1]:
                source, target = reversed(fields) if turned else fields
                to_target.setdefault(source, set()).add(target)
                to_source.setdefault(target, set()).add(source)
    return to_target, to_source


def split(text: str) -> list[str]:
    """The words of a text, by the published rule."""
    return re.findall(r"\w+|[^\w\s]+", text)


def links_of(source: list[str], target: list[str], to_target: Translations, to_source: Translations) -> Links:
    """The links of one sentence pair, in source order."""
    links = []
    for i, word in enumerate(source):
        present = [translation for translation in to_target.get(word, ()) if translation in target]
        if len(present) == 1 and target.count(present[0]) == 1:
            rivals = [other for other in source if other in to_source[present[0]]]
            if len(rivals) == 1:
                links.append((i, target.index(present[0])))
    return links


def filtered(source: list[str], target: list[str], links: Links) -> Links:
    """The links that training may use."""
    kept = []
    for i, j in links:
        alone = [a for a, _ in links].count(i) == 1 and [b for _, b in links].count(j) == 1
        if alone and source[i] != target[j]:
            kept.append((i, j))
    return kept


def align(corpus: Path, forward: Path, reverse: Path | None) -> Iterator[tuple[list[str], list[str], Links]]:
    """The usable pairs of a TSV file: both sides' words and their links."""
    to_target, to_source = read_dictionaries(forward, reverse)
    with corpus.open(encoding="utf-8", newline="\n") as lines:
        for line in lines:
            first, second = line.rstrip("\n").split("\t")
            source, target = split(first), split(second)
            links = filtered(source, target, links_of(source, target, to_target, to_source))
            if links:
                yield source, target, links


def align_to_file(corpus: Path, forward: Path, reverse: Path | None, output: Path) -> int:
    """Write the usable pairs as lines of JSON; how many there are."""
    count = 0
    with output.open("w", encoding="utf-8") as file:
        for source, target, links in align(corpus, forward, reverse):
            file.write(json.dumps({"source": source, "target": target, "links": links}, ensure_ascii=False) + "\n")
            count += 1
    return count
