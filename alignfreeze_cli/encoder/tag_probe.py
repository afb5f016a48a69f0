"""How well a linear probe reads parts of speech from the words' vectors of one layer, within a language.

A probe is trained and tested on the same encoder and language: what it reads is there, whatever coordinates it has. So
it can tell that something was lost, where a head that was trained on another encoder only tells that something moved.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

FOLDS = 5
_PENALTY = 0.01
"""Of the squared weights, per word and component of variance 1: enough where there are as many components as words."""


def probe_hits(vectors: Tensor, labels: Tensor, sentence: Tensor) -> Tensor:
    """Whether a probe that has not seen a word's sentence gives its label: 1 or 0, (words,).

    `vectors`: (words, hidden); `labels`, `sentence`: (words,), long, from 0. Least squares with a penalty (ridge
    regression) from the vectors, each component with mean 0 and variance 1, to one output per label, the largest of
    which wins; five-fold over sentences, every fifth of them a fold. It has a closed form, so it has no seed.
    """
    x = vectors.double()
    x = (x - x.mean(0)) / x.std(0, correction=0).clamp(min=1e-12)
    x = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], 1)  # (words, hidden + 1)
    y = F.one_hot(labels).to(x.dtype)  # (words, labels)
    penalty = torch.eye(x.shape[1], dtype=x.dtype) * _PENALTY
    penalty[-1, -1] = 1e-9  # of the constant, there only so that the equations have one solution
    squares, products = x.T @ x, x.T @ y
    hits = torch.zeros(len(x), dtype=torch.float64)
    for fold in range(FOLDS):
        held = sentence % FOLDS == fold
        mine = x[held]
        others = len(x) - len(mine)
        if not others or not len(mine):
            continue
        weights = torch.linalg.solve(squares - mine.T @ mine + others * penalty, products - mine.T @ y[held])
        hits[held] = ((mine @ weights).argmax(1) == labels[held]).double()
    return hits
