"""Symmetrising: golden cases that agree with atools, and a slow version of the stated rules."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignfreeze_cli.aligners.settings import SYMMETRISE
from alignfreeze_cli.aligners.symmetrise import symmetrise

GOLDEN = Path(__file__).parents[1] / "golden" / "alignment_cases.json"
CASES = json.loads(GOLDEN.read_text(encoding="utf-8"))["symmetrising"]

Links = list[tuple[int, int]]


def pairs(links: list[list[int]]) -> Links:
    return [(i, j) for i, j in links]


@pytest.mark.parametrize("case", CASES, ids=[str(number) for number in range(len(CASES))])
def test_golden_cases(case: dict[str, Any]) -> None:
    forward, reverse = pairs(case["forward"]), pairs(case["reverse"])
    known = [rule for rule in case["links"] if rule in SYMMETRISE]
    assert len(known) >= 5
    for rule in known:
        assert symmetrise(forward, reverse, rule) == pairs(case["links"][rule]), rule
    assert symmetrise(forward, reverse, "forward") == sorted(forward)
    assert symmetrise(forward, reverse, "reverse") == sorted(reverse)


def slowly(forward: Links, reverse: Links, rule: str, words: int) -> Links:
    """The rules read out, on a table of yes and no, with every word asked anew whether it has a link."""
    cells = list(itertools.product(range(words), repeat=2))
    chosen = {cell: cell in forward and cell in reverse for cell in cells}

    def linked_source(i: int) -> bool:
        return any(chosen[i, j] for j in range(words))

    def linked_target(j: int) -> bool:
        return any(chosen[i, j] for i in range(words))

    def near(i: int, j: int) -> bool:
        return any(chosen[a, b] for a, b in cells if max(abs(a - i), abs(b - j)) == 1)

    if rule != "intersection":
        changed = True
        while changed:
            changed = False
            for i, j in cells:
                candidate = not chosen[i, j] and ((i, j) in forward or (i, j) in reverse)
                if candidate and near(i, j) and not (linked_source(i) and linked_target(j)):
                    chosen[i, j] = changed = True
    if "final" in rule:
        for direction in (forward, reverse):
            for i, j in cells:
                linked = linked_source(i) + linked_target(j)
                if (i, j) in direction and linked <= (0 if rule.endswith("and") else 1):
                    chosen[i, j] = True
    return [cell for cell in cells if chosen[cell]]


WORDS = 6
POSITIONS = st.lists(st.none() | st.integers(0, WORDS - 1), min_size=WORDS, max_size=WORDS)
GROWN = ("intersection", "grow-diag", "grow-diag-final", "grow-diag-final-and")


@given(POSITIONS, POSITIONS, st.sampled_from(GROWN))
def test_it_follows_the_stated_rules(of_targets: list[int | None], of_sources: list[int | None], rule: str) -> None:
    forward = [(i, j) for j, i in enumerate(of_targets) if i is not None]
    reverse = [(i, j) for i, j in enumerate(of_sources) if j is not None]
    found = symmetrise(forward, reverse, rule)
    assert found == slowly(forward, reverse, rule, WORDS)
    assert set(forward) & set(reverse) <= set(found) <= set(forward) | set(reverse)
