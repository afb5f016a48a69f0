"""Symmetrising: the links of both directions of a statistical aligner -> the links of a sentence pair.

A statistical aligner gives each target word at most one source word (forward), or each source word at most one target
word (reverse). What is made of the two is a rule of `SYMMETRISE`:

    forward, reverse      one of them alone
    intersection, union   links of both, links of either
    grow-diag             the intersection, and step by step its neighbours in the union that link a word not linked yet
    grow-diag-final       then links of forward, and of reverse, that link a word not linked yet
    grow-diag-final-and   the same, for links whose two words are both not linked yet: the paper's

After Och and Ney (2003), section 4, and Koehn, Och and Marcu (2003), section 3.1. Implementations of grow-diag differ
in the order in which they visit candidates; here it is that of atools, the program that comes with fast_align.
"""

from __future__ import annotations

from collections.abc import Iterable

from alignfreeze_cli.pairs.links import Link

_NEIGHBOURS = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]


def symmetrise(forward: Iterable[Link], reverse: Iterable[Link], rule: str) -> list[Link]:
    """The links of a sentence pair, ascending, by a rule of `SYMMETRISE`.

    Both directions are given as (source position, target position).
    """
    straight, back = set(forward), set(reverse)
    if rule == "forward":
        return sorted(straight)
    if rule == "reverse":
        return sorted(back)
    if rule == "union":
        return sorted(straight | back)
    growing = _Growing(straight & back)
    if rule != "intersection":
        growing.grow_diag(sorted(straight ^ back))
    if rule in ("grow-diag-final", "grow-diag-final-and"):
        for direction in (straight, back):
            growing.add_unlinked(sorted(direction), both=rule == "grow-diag-final-and")
    return sorted(growing.links)


class _Growing:
    """Links that grow, and the words that they link."""

    def __init__(self, links: set[Link]) -> None:
        self.links = links
        self.sources = {i for i, _ in links}
        self.targets = {j for _, j in links}

    def add(self, link: Link) -> None:
        self.links.add(link)
        self.sources.add(link[0])
        self.targets.add(link[1])

    def grow_diag(self, candidates: list[Link]) -> None:
        """Sweep over the candidates until none is added; what is added counts at once, within the same sweep."""
        before = -1
        while before < len(self.links):
            before = len(self.links)
            for i, j in candidates:
                free = i not in self.sources or j not in self.targets
                if free and any((i + di, j + dj) in self.links for di, dj in _NEIGHBOURS):
                    self.add((i, j))

    def add_unlinked(self, candidates: list[Link], both: bool) -> None:
        """Add the candidates of which a word, or `both` words, have no link when their turn comes."""
        for i, j in candidates:
            free = (i not in self.sources, j not in self.targets)
            if all(free) if both else any(free):
                self.add((i, j))
