"""What a search chooses from, and how it divides budget and languages."""

from __future__ import annotations

from itertools import cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignfreeze_cli.errors import SettingsError
from alignfreeze_cli.runs.candidates import candidates, halves, rungs


def names(*arguments: object, **more: object) -> list[str]:
    return [each.name for each in candidates(*arguments, **more)]  # type: ignore[arg-type]


def test_an_encoder_of_twelve_blocks_has_every_kind_of_candidate() -> None:
    found = candidates(12)
    assert [each.name for each in found[:7]] == ["baseline", "full", "embeddings", "front", "back", "even", "odd"]
    assert [each.name for each in found[7:]] == [
        *(f"block-{number}" for number in range(11)),  # block 11 is above the one that the loss reads
        *("blocks-0-2", "blocks-3-5", "blocks-6-8", "blocks-9-10"),
    ]
    assert {each.name: each.plan.frozen for each in found if each.plan}["blocks-3-5"] == (3, 4, 5)
    assert found[0].plan is None


def test_plans_that_train_the_same_are_tried_once() -> None:
    # Of 4 blocks the loss reads 2: back (2, 3) trains what block 2 alone trains, odd (1, 3) what block 1 does.
    assert names(4) == ["baseline", "full", "embeddings", "front", "back", "even", "odd", "block-0"]
    assert names(4, "last")[-4:] == ["block-0", "block-1", "block-2", "block-3"]
    assert names(2) == ["baseline", "full", "embeddings", "front"]
    assert "embeddings" not in names(12, lora=8), "adapters never train them"


@given(st.integers(1, 48), st.sampled_from(["last", "last-but-one", "middle"]), st.booleans())
def test_candidates_differ_in_name_and_in_what_they_train(n_blocks: int, block: str, causal: bool) -> None:
    plans = [each.plan for each in candidates(n_blocks, block, causal=causal) if each.plan]
    assert len({(plan.trained, plan.embeddings_frozen) for plan in plans}) == len(plans)
    assert all(plan.trained or not plan.embeddings_frozen for plan in plans)
    assert len(set(names(n_blocks, block, causal=causal))) == len(plans) + 1


@given(st.integers(3, 60), st.integers(1, 500))
def test_a_budget_is_never_exceeded_and_the_last_two_have_an_interval(count: int, budget: int) -> None:
    least = count + max(2, min(count - 1, round((2 * count) ** 0.5))) + 4
    if budget < least:
        with pytest.raises(SettingsError, match=f"at least {least}\\."):
            rungs(budget, count)
        return
    first, second, third = rungs(budget, count)
    assert (first.candidates, first.seeds, third.candidates) == (count, 1, 2)
    assert first.candidates > second.candidates >= third.candidates
    assert second.seeds >= 1
    assert third.seeds >= 2
    assert budget - 2 < first.runs + second.runs + third.runs <= budget


def test_the_demo_with_a_budget_of_24() -> None:
    assert [(rung.candidates, rung.seeds) for rung in rungs(24, 8)] == [(8, 1), (4, 2), (2, 4)]


def test_of_every_two_neighbours_one_selects_and_one_reports() -> None:
    assert halves(["a", "b", "c", "d"], cycle([True, False])) == (("a", "d"), ("b", "c"))
    assert halves(["a", "b", "c"], cycle([False])) == (("b", "c"), ("a",))
    with pytest.raises(SettingsError, match="two languages at least"):
        halves(["a"], cycle([True]))
