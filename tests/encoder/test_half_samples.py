"""Random halves of sentences as a bootstrap."""

from __future__ import annotations

import pytest
import torch

from alignfreeze_cli.encoder.half_samples import Estimate, by_sentence, estimate, half_samples, sample_means


def test_the_first_sample_is_everything_and_the_others_are_halves() -> None:
    samples = half_samples(11, 30, seed=0, language="de")
    assert samples.shape == (31, 11)
    assert samples[0].tolist() == [1.0] * 11
    assert samples[1:].sum(1).tolist() == [5.0] * 30
    assert set(samples.flatten().tolist()) == {0.0, 1.0}
    assert len({tuple(row) for row in samples[1:].tolist()}) > 20
    assert torch.equal(samples, half_samples(11, 30, seed=0, language="de"))
    assert not torch.equal(samples, half_samples(11, 30, seed=0, language="fr"))
    assert not torch.equal(samples, half_samples(11, 30, seed=1, language="de"))


def test_means_are_over_the_words_of_the_sentences_that_are_in_a_sample() -> None:
    sentence = torch.tensor([0, 0, 1, 2, 2, 2])
    values = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 9.0])
    samples = torch.tensor([[1, 1, 1], [1, 0, 1], [0, 1, 0]], dtype=torch.float64)
    assert by_sentence(values, sentence, 3).tolist() == [3.0, 3.0, 18.0]
    assert sample_means(values, sentence, samples).tolist() == [4.0, pytest.approx(21 / 5), 3.0]
    both = torch.stack([values, -values], 1)
    assert sample_means(both, sentence, samples)[:, 1].tolist() == [-4.0, pytest.approx(-21 / 5), -3.0]


def test_the_spread_of_halves_is_the_standard_error_of_a_mean() -> None:
    torch.manual_seed(0)
    count = 400
    values = torch.randn(count, dtype=torch.float64) * 3 + 1
    means = sample_means(values, torch.arange(count), half_samples(count, 4000, seed=0, language="de"))
    assert float(means[1:].std()) == pytest.approx(float(values.std()) / count**0.5, rel=0.05)
    found = estimate(means)
    assert found.value == pytest.approx(float(values.mean()))
    assert found.high - found.low == pytest.approx(2 * 1.96 * float(values.std()) / count**0.5, rel=0.07)


def test_an_undefined_number_is_null_in_a_file() -> None:
    assert Estimate(0.5, float("nan"), 1.23456789).to_dict() == {"value": 0.5, "low": None, "high": 1.234568}
