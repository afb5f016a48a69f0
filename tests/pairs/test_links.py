"""Pharaoh format and the filters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignfreeze_cli.pairs.links import Links, filter_links, parse_pharaoh, write_pharaoh
from alignfreeze_cli.pairs.words import Words
from tests.support.plain_rules import filtered

LINK = st.tuples(st.integers(0, 4), st.integers(0, 4))
WORD = st.sampled_from("abcAé")


@given(st.lists(st.lists(LINK, max_size=5), max_size=5))
def test_what_is_written_is_read_again(links: list[list[tuple[int, int]]]) -> None:
    text = write_pharaoh(Links.from_lists(links), len(links))
    assert text.count("\n") == len(links)
    assert [parse_pharaoh(line) for line in text.splitlines()] == links
    assert Links.from_lists(links).to_lists(len(links)) == links


@given(st.lists(st.lists(st.tuples(LINK, st.integers(0, 4)), max_size=5), max_size=5))
def test_scores_stay_with_their_links(scored: list[list[tuple[tuple[int, int], int]]]) -> None:
    links = Links.from_lists(
        [[link for link, _ in pair] for pair in scored], [[n / 4 for _, n in pair] for pair in scored]
    )
    assert links.scores is not None
    sure = links.select(links.scores >= 0.5)
    left = [[(link, n) for link, n in pair if n >= 2] for pair in scored]
    assert sure.to_lists(len(scored)) == [[link for link, _ in pair] for pair in left]
    assert sure.scores_column(len(scored)).to_pylist() == [[n / 4 for _, n in pair] for pair in left]


def test_links_of_a_low_score_go_before_a_word_is_said_to_have_several() -> None:
    source, target = Words.from_lists([["a", "b"]]), Words.from_lists([["x", "y"]])
    found = filter_links(source, target, Links.from_lists([[(0, 0), (0, 1), (1, 1)]], [[0.5, 0.4, 0.9]]), 0.5)
    assert found.links.to_lists(1) == [[(0, 0), (1, 1)]]
    assert (found.low_score, found.not_one_to_one, found.equal_words) == (1, 0, 0)


@pytest.mark.parametrize(
    ("line", "links"),
    [
        ("", []),
        (" \n", []),
        ("0-0 12-3", [(0, 0), (12, 3)]),
        ("\t1-1  2-2 ", [(1, 1), (2, 2)]),
        ("0-0\r\n", [(0, 0)]),
        ("0-0:0.93 1-2:-1.5e-3\n", [(0, 0), (1, 2)]),  # scores
        ("0-0 1p2 2p2:1 1-2", [(0, 0), (1, 2), (2, 2)]),  # possible links, one of them sure as well
    ],
)
def test_reading_a_line(line: str, links: list[tuple[int, int]]) -> None:
    assert parse_pharaoh(line) == links


@pytest.mark.parametrize(
    "line", ["0", "1-", "-1-2", "1-2-3", "a-b", "0-0,1-1", "1-2 x", "9999999999-1", "0–0", "1-2:", "1-2:x", "1q2"]
)
def test_a_malformed_line_says_which_link_is_none(line: str) -> None:
    with pytest.raises(ValueError, match="is no link like 3-4"):
        parse_pharaoh(line)


@pytest.mark.parametrize(
    ("links", "left"),
    [
        ([(0, 0), (1, 2)], [(0, 0), (1, 2)]),
        ([(0, 0), (0, 1), (1, 1), (2, 2)], [(2, 2)]),  # counted over all links read, so 1-1 goes with the others
        ([(0, 0), (0, 0), (1, 1)], [(1, 1)]),  # the same link twice counts as two
        ([], []),
    ],
)
def test_words_with_several_links_lose_all_of_them(links: list[tuple[int, int]], left: list[tuple[int, int]]) -> None:
    source, target = Words.from_lists([["a", "b", "c"]]), Words.from_lists([["x", "y", "z"]])
    assert filter_links(source, target, Links.from_lists([links])).links.to_lists(1) == [left]


def test_equal_words_are_dropped_after_counting_and_case_counts() -> None:
    source, target = Words.from_lists([["2", "Taxi", "a"]]), Words.from_lists([["2", "taxi", "a"]])
    found = filter_links(source, target, Links.from_lists([[(0, 0), (1, 1), (2, 2)]]))
    assert found.links.to_lists(1) == [[(1, 1)]]
    assert (found.not_one_to_one, found.equal_words) == (0, 2)
    doubled = filter_links(source, target, Links.from_lists([[(0, 0), (0, 1), (2, 2)]]))
    assert (doubled.not_one_to_one, doubled.equal_words) == (2, 1)


SIDE = st.lists(WORD, min_size=5, max_size=5)


@given(st.lists(st.tuples(SIDE, SIDE, st.lists(LINK, max_size=8)), max_size=4))
def test_the_filters_follow_their_stated_rules(pairs: list[tuple[list[str], list[str], list[tuple[int, int]]]]) -> None:
    source, target = (Words.from_lists([pair[side] for pair in pairs]) for side in (0, 1))
    found = filter_links(source, target, Links.from_lists([pair[2] for pair in pairs]))
    assert found.links.to_lists(len(pairs)) == [filtered(links, s, t) for s, t, links in pairs]
