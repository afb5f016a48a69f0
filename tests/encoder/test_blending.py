"""Weights between two encoders, and which alpha is taken."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from alignfreeze_cli.encoder.blend_settings import BlendSettings
from alignfreeze_cli.encoder.blending import Blend, resolve_restored, smallest_as_good
from alignfreeze_cli.encoder.blocks import FAMILIES, architecture
from alignfreeze_cli.encoder.freezing import apply_plan, resolve_plan
from alignfreeze_cli.errors import SettingsError
from tests.support.models import N_BLOCKS, realign_steps, tiny


@pytest.mark.parametrize("family", FAMILIES)
def test_every_parameter_is_where_alpha_says_or_put_back(family: str) -> None:
    base, realigned = tiny(family), tiny(family)
    apply_plan(realigned, resolve_plan("none", N_BLOCKS))
    realign_steps(realigned, N_BLOCKS - 2)
    before = {name: value.detach().numpy().copy() for name, value in base.named_parameters()}
    after = {name: value.detach().numpy().copy() for name, value in realigned.named_parameters()}
    blend = Blend.of(base, realigned, resolve_restored("1,embeddings", N_BLOCKS, N_BLOCKS - 2))
    arch = architecture(base)
    below = {name for name, _ in arch.embedding_parameters(base)}
    blocks = {
        f"{path}.{name}"
        for path, module in base.named_modules()
        if module is arch.blocks(base)[1]
        for name, _ in module.named_parameters()
    }
    assert any(not np.array_equal(before[name], after[name]) for name in below)
    assert any(not np.array_equal(before[name], after[name]) for name in blocks)
    for alpha in (0.3, 1.0, 0.75, 0.0):  # in any order: each starts from the two encoders
        blend.set(alpha)
        for name, value in realigned.named_parameters():
            share = 0.0 if name in below | blocks else alpha
            expected = before[name] + share * (after[name] - before[name])
            np.testing.assert_allclose(
                value.detach().numpy(), expected, atol=1e-6
            )  # some families keep a part in single precision
            if share in (0.0, 1.0):
                assert np.array_equal(value.detach().numpy(), (before if share == 0 else after)[name])


def test_what_did_not_change_is_bit_for_bit_the_same_at_any_alpha() -> None:
    base, realigned = tiny("bert", dtype=torch.float32), tiny("bert", dtype=torch.float32)
    with torch.no_grad():
        base.embeddings.word_embeddings.weight[0, 0] = -0.0
        realigned.embeddings.word_embeddings.weight[0, 0] = -0.0
    realigned.encoder.layer[2].output.dense.weight.data.add_(1)
    kept = {name: value.detach().numpy().tobytes() for name, value in base.named_parameters()}
    Blend.of(base, realigned, resolve_restored("none", N_BLOCKS, N_BLOCKS - 2)).set(1 / 3)
    differing = [name for name, value in realigned.named_parameters() if value.detach().numpy().tobytes() != kept[name]]
    assert differing == ["encoder.layer.2.output.dense.weight"]


def test_a_plan_that_does_not_fit_or_puts_all_back_is_refused() -> None:
    with pytest.raises(SettingsError, match="names block 5, but the encoder has 5 blocks"):
        resolve_restored("5", N_BLOCKS, 3)
    with pytest.raises(SettingsError, match="gives the base again"):
        resolve_restored("0-3,embeddings", N_BLOCKS, 3)
    assert resolve_restored("0-4", N_BLOCKS, 3).frozen == (0, 1, 2, 3, 4)
    assert resolve_restored("front", N_BLOCKS, 3).frozen == (0, 1)
    assert resolve_restored("back", 8, 3).frozen == (4, 5, 6, 7)
    assert resolve_restored("back", 8, 3, causal=True).frozen == (2, 3), "what --freeze back froze"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "would copy the realigned encoder"),
        ({"restore": "none", "alpha": "1.0"}, "would copy the realigned encoder"),
        ({"alpha": "1.5"}, "--alpha must be a number from 0 to 1, or auto, not '1.5'"),
        ({"alpha": "nan"}, "--alpha must be a number from 0 to 1"),
        ({"alpha": "best"}, "--alpha must be a number from 0 to 1, or auto, not 'best'"),
        ({"restore": "frnt"}, "did you mean 'front'"),
        ({"alpha": "auto"}, "--alpha auto needs --pairs"),
        ({"alpha": "0.5", "pairs": ("pairs",)}, "--pairs goes with --alpha auto"),
    ],
)
def test_settings_that_mean_nothing_are_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        BlendSettings(base="base", model="full", **given)


def test_the_same_number_written_otherwise_is_the_same_blend() -> None:
    one, other = (BlendSettings(base="base", model="full", alpha=text) for text in (".5", "0.50"))
    assert one.identity() == other.identity()


def test_the_smallest_alpha_within_one_standard_error_of_the_best() -> None:
    # Differences of 0.75 from the best, 1: 0.02 and 0 with a mean of 0.01 and a standard error of 0.01.
    accuracies = {0.0: [0.5, 0.6], 0.5: [0.7, 0.8], 0.75: [0.88, 0.9], 1.0: [0.9, 0.9]}
    assert smallest_as_good(accuracies) == 0.75
    assert smallest_as_good({**accuracies, 0.75: [0.88, 0.885]}) == 1.0  # mean 0.0175, standard error 0.0025
    assert smallest_as_good({0.0: [0.5], 0.5: [0.9], 1.0: [0.89]}) == 0.5, "one language: the best"
    assert smallest_as_good({0.0: [0.9, 0.8], 0.5: [0.9, 0.8], 1.0: [0.9, 0.8]}) == 0.0


@given(
    st.dictionaries(
        st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]),
        st.lists(st.floats(0, 1), min_size=3, max_size=3),
        min_size=1,
    )
)
def test_the_chosen_alpha_is_never_above_the_best(accuracies: dict[float, list[float]]) -> None:
    chosen = smallest_as_good(accuracies)
    best = max(sum(values) for values in accuracies.values())
    assert chosen <= min(alpha for alpha, values in accuracies.items() if sum(values) == best) + 1e-12 or np.isclose(
        sum(accuracies[chosen]), best
    )
