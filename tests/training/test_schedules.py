"""Learning rates over a run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignfreeze_cli.training.loop import rate_factor


def test_linear_rises_over_the_warm_up_and_falls_to_zero_after_the_last_step() -> None:
    rates = [rate_factor("linear", step, 10, 0.2) for step in range(11)]
    assert rates == pytest.approx([0, 0.5, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125, 0])


def test_constant_without_warm_up_never_changes() -> None:
    assert {rate_factor("constant", step, 7, 0.0) for step in range(7)} == {1.0}


def test_linear_is_that_of_transformers() -> None:
    import torch
    from transformers import get_linear_schedule_with_warmup

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = get_linear_schedule_with_warmup(optimizer, 3, 30)
    for step in range(30):
        assert rate_factor("linear", step, 30, 0.1) == pytest.approx(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()


@given(st.sampled_from(["constant", "linear"]), st.integers(1, 500), st.floats(0, 1), st.data())
def test_the_factor_is_between_0_and_1(schedule: str, steps: int, warmup: float, data: st.DataObject) -> None:
    step = data.draw(st.integers(0, steps - 1))
    assert 0 <= rate_factor(schedule, step, steps, warmup) <= 1
