"""Scores of links against gold links, by their definitions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignfreeze_cli.aligners.gold import LinkedSentence
from alignfreeze_cli.aligners.scoring import LinkScores, misreading, score

GOLDEN = Path(__file__).parents[1] / "golden" / "alignment_cases.json"
CASES = json.loads(GOLDEN.read_text(encoding="utf-8"))["scoring"]


def links(found: Any) -> set[tuple[int, int]]:
    return {(i, j) for i, j in found}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["description"][:40])
def test_golden_cases(case: dict[str, Any]) -> None:
    gold = [
        LinkedSentence(links(each["sure"]), links(each["possible_besides_sure"]) - links(each["sure"]))
        for each in case["sentences"]
    ]
    found = score([links(each["links"]) for each in case["sentences"]], gold)
    counts = case["counts"]
    assert found == LinkScores(counts["A"], counts["S"], counts["P"], counts["A&S"], counts["A&P"])
    for name in ("precision", "recall", "f1", "aer"):
        assert getattr(found, name) == (None if case[name] is None else pytest.approx(case[name], abs=1e-12)), name


SETS = st.sets(st.tuples(st.integers(0, 4), st.integers(0, 4)))


@given(st.lists(st.tuples(SETS, SETS, SETS), max_size=5))
def test_scores_stay_within_bounds_and_follow_each_other(sentences: list[tuple[set[Any], set[Any], set[Any]]]) -> None:
    gold = [LinkedSentence(sure, possible - sure) for _, sure, possible in sentences]
    found = score([each for each, _, _ in sentences], gold)
    for value in (found.precision, found.recall, found.f1, found.aer):
        assert value is None or 0 <= value <= 1
    sure_only = score([each for each, _, _ in sentences], [LinkedSentence(sure) for _, sure, _ in sentences])
    if sure_only.f1 is not None:
        assert sure_only.aer == pytest.approx(1 - sure_only.f1)
    itself = score([each.links for each in gold], gold)
    assert itself.precision in (1, None)
    assert itself.recall in (1, None)


def test_no_links_at_all_have_no_scores() -> None:
    nothing = score([set()], [LinkedSentence()])
    assert (nothing.precision, nothing.recall, nothing.f1, nothing.aer) == (None, None, None, None)


def test_only_links_of_annotated_words_count() -> None:
    gold = LinkedSentence({(1, 1), (2, 3)}, unlinked=({4}, {5}))
    found = {(1, 1), (0, 0), (6, 3), (4, 6), (7, 5), (8, 8)}
    assert score([found], [gold]).links == 6
    counted = score([found], [gold], annotated_only=True)  # neither 0-0 nor 8-8 touch a word of which it says something
    assert (counted.links, counted.possible_found) == (4, 1)


@pytest.mark.parametrize(
    ("spoil", "reading"),
    [
        (lambda each: each, None),
        (lambda each: [sentence.swapped() for sentence in each], "source and target exchanged"),
        (lambda each: [sentence.moved(1) for sentence in each], "another base"),
        (lambda each: [sentence.moved(-1) for sentence in each], "another base"),
        (lambda each: [*each[1:], each[0]], "one line further"),
        (lambda each: [each[-1], *each[:-1]], "one line further"),
    ],
)
def test_links_that_are_read_wrongly_are_found(spoil: Any, reading: str | None) -> None:
    gold = [LinkedSentence({(i, (i * k + k) % 11) for i in range(0, 11, 2)}) for k in range(1, 11)] * 3
    found = misreading(spoil(gold), gold)
    assert found is None if reading is None else reading in (found or "")
