"""The measures of likeness against slow formulas, cases made by hand, and what must not change them."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from alignfreeze_cli.encoder.half_samples import estimate, half_samples
from alignfreeze_cli.encoder.similarity import (
    cosine_drift,
    csls_hits,
    debiased_cka,
    neuron_correlation,
    relative_change,
)

seeds = st.integers(0, 10_000)


def vectors(seed: int, words: int, width: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(words, width)))


def rotation(seed: int, width: int) -> Tensor:
    return torch.linalg.qr(vectors(seed + 1, width, width)).Q


def whole(words: int) -> tuple[Tensor, Tensor]:
    """Every word a sentence of its own, all of them in one sample."""
    return torch.arange(words), torch.ones(1, words, dtype=torch.float64)


def cka(before: Tensor, after: Tensor) -> float:
    return float(debiased_cka(before, after, *whole(len(before))))


def anc(source: Tensor, target: Tensor) -> float:
    return float(neuron_correlation(source, target, *whole(len(source))))


def slow_hsic(x: Tensor, y: Tensor) -> float:
    """The unbiased estimate as what it is: means over all tuples of different words."""
    k, l, n = (x @ x.T).tolist(), (y @ y.T).tolist(), range(len(x))  # noqa: E741 - as in the paper
    pairs = [k[i][j] * l[i][j] for i, j in permutations(n, 2)]
    fours = [k[i][j] * l[q][r] for i, j, q, r in permutations(n, 4)]
    threes = [k[i][j] * l[i][q] for i, j, q in permutations(n, 3)]
    return sum(pairs) / len(pairs) + sum(fours) / len(fours) - 2 * sum(threes) / len(threes)


def slow_cka(x: Tensor, y: Tensor) -> float:
    return slow_hsic(x, y) / (slow_hsic(x, x) * slow_hsic(y, y)) ** 0.5


def test_debiased_cka_is_a_mean_over_tuples_of_different_words() -> None:
    before = vectors(0, 8, 3)
    after = before + 0.5 * vectors(1, 8, 3)
    assert cka(before, after) == pytest.approx(slow_cka(before, after))
    sentence = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3])
    samples = torch.tensor([[1, 1, 1, 1], [1, 0, 1, 1], [0, 1, 1, 0], [0, 0, 0, 1]], dtype=torch.float64)
    found = debiased_cka(before, after, sentence, samples).tolist()
    for value, sample in zip(found[:3], samples, strict=False):
        kept = sample[sentence].bool()
        assert value == pytest.approx(slow_cka(before[kept], after[kept]))
    assert np.isnan(found[3]), "two words say nothing"


@given(seed=seeds, scale=st.floats(0.01, 100), shift=st.floats(-50, 50))
def test_cka_does_not_mind_rotation_scale_and_shift(seed: int, scale: float, shift: float) -> None:
    before = vectors(seed, 20, 6)
    after = before + vectors(seed + 7, 20, 6)
    value = cka(before, after)
    assert cka(scale * before @ rotation(seed, 6) + shift, after) == pytest.approx(value, abs=1e-8)
    assert cka(after, before) == pytest.approx(value, abs=1e-9)
    assert cka(before, before @ rotation(seed, 6)) == pytest.approx(1)


def test_cka_of_unrelated_vectors_is_nothing_on_average_and_its_interval_says_so() -> None:
    """The usual estimate is far from it: 50 words, 64 wide."""
    found, usual, covered = [], [], 0
    for seed in range(40):
        x, y = vectors(seed, 50, 64), vectors(seed + 1000, 50, 64)
        halves = half_samples(50, 60, seed, "de")
        interval = estimate(debiased_cka(x, y, torch.arange(50), halves))
        found.append(interval.value)
        covered += interval.low <= 0 <= interval.high
        x, y = x - x.mean(0), y - y.mean(0)
        usual.append(float((x.T @ y).norm() ** 2 / ((x.T @ x).norm() * (y.T @ y).norm())))
    assert abs(np.mean(found)) < 0.02
    assert np.mean(usual) > 0.5
    assert covered >= 34


def test_drift_is_the_angle_and_centring_takes_the_common_part_off() -> None:
    before = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]])
    after = torch.tensor([[0.0, 5.0], [4.0, 0.0], [0.0, -1.0]])
    assert cosine_drift(before, after).tolist() == pytest.approx([1.0, 0.0, 2.0])
    common = torch.tensor([100.0, 100.0])
    turned = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    assert cosine_drift(common + turned, common - turned).max() < 0.001
    assert cosine_drift(common + turned, common - turned, centred=True).tolist() == pytest.approx([2.0, 2.0])


@given(seed=seeds, scale=st.floats(0.01, 100))
def test_drift_does_not_mind_a_rotation_of_both_or_the_length_of_words(seed: int, scale: float) -> None:
    before, after, turn = vectors(seed, 9, 5), vectors(seed + 1, 9, 5), rotation(seed, 5)
    drift = cosine_drift(before, after)
    lengths = torch.linspace(0.5, 2, 9).unsqueeze(1)
    torch.testing.assert_close(cosine_drift(before @ turn, scale * lengths * after @ turn), drift)
    centred = cosine_drift(before, after, centred=True)
    torch.testing.assert_close(cosine_drift(before @ turn + 3, scale * after @ turn - 2, centred=True), centred)


def slow_csls_hits(source: Tensor, target: Tensor, neighbours: int) -> list[float]:
    def cosine(x: Tensor, y: Tensor) -> float:
        return float(x @ y / (x.norm() * y.norm()))

    n = range(len(source))
    of_source = [np.mean(sorted((cosine(source[i], target[j]) for j in n), reverse=True)[:neighbours]) for i in n]
    of_target = [np.mean(sorted((cosine(source[i], target[j]) for i in n), reverse=True)[:neighbours]) for j in n]
    csls = [[2 * cosine(source[i], target[j]) - of_source[i] - of_target[j] for j in n] for i in n]
    there = [max(n, key=lambda j: csls[i][j]) == i for i in n]
    back = [max(n, key=lambda i: csls[i][j]) == j for j in n]
    return [(one + other) / 2 for one, other in zip(there, back, strict=True)]


@settings(max_examples=30)
@given(seed=seeds, neighbours=st.integers(1, 15))
def test_csls_finds_what_one_word_at_a_time_finds(seed: int, neighbours: int) -> None:
    source = vectors(seed, 12, 4)
    target = source + 0.7 * vectors(seed + 1, 12, 4)
    expected = slow_csls_hits(source, target, min(neighbours, 12))
    assert csls_hits(source, target, neighbours).tolist() == expected
    lengths = torch.linspace(0.1, 3, 12).unsqueeze(1)
    turn = rotation(seed, 4)
    assert csls_hits(2 * source @ turn, lengths * target @ turn, neighbours).tolist() == expected


def test_a_word_that_is_near_to_everything_does_not_win_everywhere() -> None:
    def directions(*degrees: float) -> Tensor:
        angles = torch.deg2rad(torch.tensor(degrees, dtype=torch.float64))
        return torch.stack([angles.cos(), angles.sin()], 1)

    source, target = directions(0, 40, -40), directions(0, 85, -85)
    assert (source @ target.T).argmax(1).tolist() == [0, 0, 0], "by cosine the first target word is nearest to all"
    assert csls_hits(source, target, 2).tolist() == [1.0, 1.0, 1.0]


@given(seed=seeds, scale=st.floats(0.01, 100), shift=st.floats(-50, 50))
def test_anc_is_the_mean_correlation_of_components_and_does_not_mind_their_scales(
    seed: int, scale: float, shift: float
) -> None:
    source = vectors(seed, 15, 4)
    target = 0.5 * source + vectors(seed + 1, 15, 4)
    expected = np.mean([np.corrcoef(source[:, n], target[:, n])[0, 1] for n in range(4)])
    assert anc(source, target) == pytest.approx(expected)
    scales = scale * torch.tensor([1.0, 2.0, 0.5, 3.0])
    assert anc(source * scales + shift, target) == pytest.approx(expected, abs=1e-7)


def test_anc_asks_for_the_same_components_in_both_languages() -> None:
    source = vectors(0, 200, 6)
    assert anc(source, source) == pytest.approx(1)
    assert anc(source, -source) == pytest.approx(-1)
    turned = source @ rotation(0, 6)
    assert cka(source, turned) == pytest.approx(1), "to CKA nothing has changed"
    assert anc(source, turned) < 0.8
    assert abs(anc(source, source.roll(1, 1))) < 0.2


def test_anc_of_samples_is_that_of_their_words_and_leaves_out_what_does_not_vary() -> None:
    source, target = vectors(0, 12, 3), vectors(1, 12, 3)
    source[:, 1] = 0.1
    sentence = torch.arange(12) // 3
    samples = torch.tensor([[1, 1, 1, 1], [1, 0, 0, 1]], dtype=torch.float64)
    found = neuron_correlation(source, target, sentence, samples).tolist()
    for value, sample in zip(found, samples, strict=True):
        kept = sample[sentence].bool()
        pairs = [np.corrcoef(source[kept, n], target[kept, n])[0, 1] for n in (0, 2)]
        assert value == pytest.approx(np.mean(pairs))
    assert np.isnan(anc(torch.ones(5, 2), vectors(0, 5, 2)))


def test_relative_change_is_a_quotient_of_norms() -> None:
    update, change = vectors(0, 6, 3), vectors(1, 6, 3)
    lengths = [each.square().sum(1) for each in (change, update)]
    sentence = torch.tensor([0, 0, 1, 1, 2, 2])
    samples = torch.tensor([[1, 1, 1], [0, 1, 1]], dtype=torch.float64)
    found = relative_change(*lengths, sentence, samples).tolist()
    assert found[0] == pytest.approx(float(change.norm() / update.norm()))
    assert found[1] == pytest.approx(float(change[2:].norm() / update[2:].norm()))
