"""Intervals for what is measured on words: how much a number depends on the sentences that the words are from.

Words of a sentence are not independent, so whole sentences are drawn. They are drawn in halves, without replacement:
the deviation of a half from the whole has the variance that the whole has from sample to sample, as that of a bootstrap
sample has (the delete-d jackknife of Shao and Wu 1989, with half of the sentences for d). A bootstrap with replacement
would hold many words twice, and two copies of a word are alike whatever was done to the model, which a debiased
similarity would take for a finding.

Every measure is computed for all samples at once. `samples` is (1 + halves, sentences): ones where a sentence is in
a sample, zeros elsewhere. Its first row holds every sentence: the value itself. So a measure gives (1 + halves,)
numbers, of which `estimate` makes a value with its interval.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from alignfreeze_cli.encoder.sampling import random

LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A value and the interval in which 95 % of the half-samples lie; NaN where it is not defined."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float | None]:
        """As result files hold it: six digits, null for NaN."""
        numbers = {"value": self.value, "low": self.low, "high": self.high}
        return {name: round(number, 6) if math.isfinite(number) else None for name, number in numbers.items()}


def half_samples(sentences: int, halves: int, seed: int, language: str) -> Tensor:
    """All sentences, then random halves of them: (1 + halves, sentences), double, ones and zeros.

    They depend on these arguments alone, so two models measured on the same sentences are measured on the same halves.
    """
    draw = random(seed, f"halves of {language}")
    samples = torch.zeros(1 + halves, sentences, dtype=torch.float64)
    samples[0] = 1
    for row in samples[1:]:
        row[torch.from_numpy(draw.permutation(sentences)[: sentences // 2])] = 1
    return samples


def estimate(values: Tensor) -> Estimate:
    """The first of the values, (1 + halves,), and percentiles of the others, without those that are not defined."""
    edges = torch.tensor([(1 - LEVEL) / 2, (1 + LEVEL) / 2], dtype=values.dtype)
    low, high = torch.nanquantile(values[1:], edges).tolist()
    return Estimate(float(values[0]), low, high)


def by_sentence(values: Tensor, sentence: Tensor, sentences: int) -> Tensor:
    """Sums over the words of each sentence, (sentences, …), of `values`, (words, …); `sentence` is (words,), long."""
    return values.new_zeros(sentences, *values.shape[1:]).index_add(0, sentence, values)


def sample_means(values: Tensor, sentence: Tensor, samples: Tensor) -> Tensor:
    """The mean over the words of every sample, (samples, …); `values` is (words, …) and `sentence` (words,), long."""
    sentences = samples.shape[1]
    words = samples @ torch.bincount(sentence, minlength=sentences).to(samples.dtype)  # (samples,)
    sums = samples @ by_sentence(values.to(samples.dtype), sentence, sentences).reshape(
        sentences, -1
    )  # (samples, rest)
    return (sums / words.unsqueeze(1)).reshape(len(samples), *values.shape[1:])
