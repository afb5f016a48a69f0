"""Word vectors against the obvious loop."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from alignfreeze_cli.encoder.batches import pool_words

spans = st.lists(st.tuples(st.integers(0, 11), st.integers(1, 5)), max_size=8)


@given(spans, st.sampled_from(["first", "last", "mean"]))
def test_words_are_pooled_as_a_loop_would(words: list[tuple[int, int]], pooling: str) -> None:
    hidden = torch.randn(16, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    starts = torch.tensor([start for start, _ in words], dtype=torch.long)
    ends = torch.tensor([start + length for start, length in words], dtype=torch.long)
    obvious = {
        "first": lambda s, e: hidden[s],
        "last": lambda s, e: hidden[e - 1],
        "mean": lambda s, e: hidden[s:e].mean(0),
    }
    expected = [obvious[pooling](s, e) for s, e in zip(starts, ends, strict=True)]
    ours = pool_words(hidden, starts, ends, pooling)
    slow = torch.stack(expected) if expected else hidden.new_zeros(0, 3)
    torch.testing.assert_close(ours, slow, rtol=0, atol=1e-12)
    if words:
        weights = torch.arange(ours.numel(), dtype=torch.float64).view_as(ours)
        gradients = [torch.autograd.grad((pooled * weights).sum(), hidden)[0] for pooled in (ours, slow)]
        torch.testing.assert_close(*gradients, rtol=0, atol=1e-12)


def test_another_pooling_is_refused() -> None:
    with pytest.raises(ValueError, match="first, last or mean"):
        pool_words(torch.zeros(1, 1), torch.tensor([0]), torch.tensor([1]), "max")
