"""Links from similarities: the golden cases, and what holds for every matrix."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from alignfreeze_cli.aligners.extraction import (
    Extraction,
    argmax,
    itermax,
    match,
    similarities,
    softmax,
    softmax_scores,
    word_links,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "alignment_cases.json"
CASES = json.loads(GOLDEN.read_text(encoding="utf-8"))
RULES = {
    "argmax": argmax,
    "itermax (2 rounds, 0.9)": itermax,
    "itermax (3 rounds, 0.9)": lambda similarity: itermax(similarity, rounds=3),
    "match": match,
}


def by_words(case: dict[str, Any], links: Any) -> list[list[int]]:
    words = (np.array(case[f"word_of_{side}_subword"]) for side in ("source", "target"))
    found, _ = word_links(links, np.ones(links.shape), *words)
    return found.tolist()  # type: ignore[no-any-return]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("case", CASES["similarity"], ids=lambda case: case["description"][:12])
def test_golden_similarities(case: dict[str, Any], rule: str) -> None:
    links = RULES[rule](np.array(case["similarity"]))
    assert np.argwhere(links).tolist() == case["subword_links"][rule]
    assert by_words(case, links) == case["word_links"][rule]


@pytest.mark.parametrize("case", CASES["softmax"], ids=lambda case: case["description"][:30])
def test_golden_softmax(case: dict[str, Any]) -> None:
    source, target = np.array(case["source_vectors"]), np.array(case["target_vectors"])
    np.testing.assert_allclose(source @ target.T, case["dot"])
    links, scores = Extraction("softmax", case["threshold"])(source, target)
    assert np.argwhere(links).tolist() == case["subword_links"]
    assert by_words(case, links) == case["word_links"]
    assert ((scores >= 0) & (scores <= 1)).all()
    for threshold in np.unique(case["source_to_target"] + case["target_to_source"]):
        expected = (np.array(case["source_to_target"]) > threshold + 1e-8) & (
            np.array(case["target_to_source"]) > threshold + 1e-8
        )
        assert (softmax(np.array(case["dot"]), threshold + 1e-8) == expected).all()


# Few values, so that many are equal; small enough to try every assignment.
MATRICES = st.tuples(st.integers(1, 5), st.integers(1, 5)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.integers(0, 6).map(lambda value: value / 6))
)


@given(MATRICES)
def test_argmax_by_looking(similarity: Any) -> None:
    expected = []
    for i, j in np.ndindex(similarity.shape):
        row, column = similarity[i].tolist(), similarity[:, j].tolist()
        if row.index(max(row)) == j and column.index(max(column)) == i:
            expected.append([i, j])
    assert np.argwhere(argmax(similarity)).tolist() == expected


@given(MATRICES)
def test_match_has_the_largest_sum(similarity: Any) -> None:
    links = match(similarity)
    assert links.sum() == min(similarity.shape)
    assert links.sum(axis=0).max() == links.sum(axis=1).max() == 1
    matrix = similarity if similarity.shape[0] <= similarity.shape[1] else similarity.T
    columns = itertools.permutations(range(matrix.shape[1]), matrix.shape[0])
    best = max(sum(matrix[i, j] for i, j in enumerate(chosen)) for chosen in columns)
    assert similarity[links].sum() == pytest.approx(best)


@given(MATRICES, st.integers(2, 4))
def test_itermax_only_adds_links_of_words_that_had_none(similarity: Any, rounds: int) -> None:
    fewer, more = itermax(similarity, rounds - 1), itermax(similarity, rounds)
    assert (more | fewer == more).all()
    for i, j in np.argwhere(more & ~fewer):
        assert not (fewer[i].any() and fewer[:, j].any())


@given(st.data(), MATRICES)
def test_words_are_linked_if_any_of_their_subwords_are(data: Any, scores: Any) -> None:
    links = data.draw(arrays(bool, scores.shape))
    sides = [np.sort(data.draw(arrays(np.int64, size, elements=st.integers(0, 3)))) for size in scores.shape]
    expected: dict[tuple[int, int], float] = {}
    for i, j in np.argwhere(links):
        word_pair = (int(sides[0][i]), int(sides[1][j]))
        expected[word_pair] = max(expected.get(word_pair, 0.0), scores[i, j])
    pairs, found = word_links(links, scores, *sides)
    assert [tuple(pair) for pair in pairs.tolist()] == sorted(expected)
    assert found.tolist() == [expected[word_pair] for word_pair in sorted(expected)]


def test_softmax_over_cosines_does_not_mind_the_length_of_vectors() -> None:
    random = np.random.default_rng(0)
    source, target = random.normal(size=(4, 8)), random.normal(size=(5, 8))
    rule = Extraction("softmax", 0.1, temperature=0.1)
    links, scores = rule(source, target)
    longer, longer_scores = rule(100 * source, 0.01 * target)
    assert links.any()
    assert (links == longer).all()
    np.testing.assert_allclose(scores, longer_scores)


def test_scores_of_softmax_by_their_definition() -> None:
    logits = np.array([[2.0, 1.0, -1.0], [0.0, 3.0, 0.5]])
    p = np.exp(logits[0, 1] / np.sqrt(3)) / np.exp(logits[0] / np.sqrt(3)).sum()
    q = np.exp(logits[0, 1] / np.sqrt(2)) / np.exp(logits[:, 1] / np.sqrt(2)).sum()
    assert softmax_scores(logits)[0, 1] == pytest.approx(2 * p * q / (p + q))


def test_similarities_lie_between_0_and_1_also_of_vectors_without_length() -> None:
    found = similarities(np.array([[1.0, 0.0], [0.0, 0.0]]), np.array([[3.0, 0.0], [-2.0, 0.0], [0.0, 1.0]]))
    np.testing.assert_allclose(found, [[1, 0, 0.5], [0.5, 0.5, 0.5]])
