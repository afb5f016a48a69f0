"""The rules as they are stated, one word at a time: what the fast code is compared with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Link = tuple[int, int]


def dictionary_links(entries: Iterable[tuple[str, str]], source: Sequence[str], target: Sequence[str]) -> list[Link]:
    """The dictionary rule of the paper's code."""
    entries = set(entries)
    links = []
    for i, word in enumerate(source):
        present = {other for other in target if (word, other) in entries}
        if len(present) != 1:
            continue
        (other,) = present
        if target.count(other) == 1 and sum((rival, other) in entries for rival in source) == 1:
            links.append((i, target.index(other)))
    return links


def filtered(links: Sequence[Link], source: Sequence[str], target: Sequence[str]) -> list[Link]:
    """The filters that links go through before training."""
    sources, targets = [i for i, _ in links], [j for _, j in links]
    single = [(i, j) for i, j in links if sources.count(i) == 1 and targets.count(j) == 1]
    return [(i, j) for i, j in single if source[i] != target[j]]
