"""The linear probe: a slow version of it, and what it can and can't read."""

from __future__ import annotations

import numpy as np
import torch

from alignfreeze_cli.encoder.tag_probe import probe_hits


def slow_hits(x: np.ndarray, labels: np.ndarray, sentence: np.ndarray) -> list[float]:
    """Least squares on rows added for the penalty, one fold at a time."""
    x = (x - x.mean(0)) / x.std(0)
    hits = np.zeros(len(x))
    for fold in range(5):
        held = sentence % 5 == fold
        known, count = x[~held], (~held).sum()
        rows = np.concatenate(
            [np.c_[known, np.ones(count)], np.c_[np.eye(x.shape[1]) * (0.01 * count) ** 0.5, np.zeros(x.shape[1])]]
        )
        goals = np.concatenate([np.eye(labels.max() + 1)[labels[~held]], np.zeros((x.shape[1], labels.max() + 1))])
        weights = np.linalg.lstsq(rows, goals, rcond=None)[0]
        hits[held] = (np.c_[x[held], np.ones(held.sum())] @ weights).argmax(1) == labels[held]
    return hits.tolist()


def world(noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    sentence = np.repeat(np.arange(60), 5)
    labels = draw.integers(0, 4, 300)
    return np.eye(8)[labels] @ draw.normal(size=(8, 8)) + noise * draw.normal(size=(300, 8)), labels, sentence


def hits(x: np.ndarray, labels: np.ndarray, sentence: np.ndarray) -> list[float]:
    found: list[float] = probe_hits(*map(torch.from_numpy, (x, labels, sentence))).tolist()
    return found


def test_it_is_ridge_regression_over_folds_of_sentences() -> None:
    x, labels, sentence = world(noise=1.5)
    assert hits(x, labels, sentence) == slow_hits(x, labels, sentence)
    assert 0.5 < np.mean(hits(x, labels, sentence)) < 0.95


def test_it_reads_what_is_there_in_any_coordinates_and_not_what_is_not() -> None:
    x, labels, sentence = world(noise=0.1)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(8, 8)))[0]
    assert np.mean(hits(x, labels, sentence)) > 0.98
    assert np.mean(hits(3 * x @ turn + 5, labels, sentence)) > 0.98
    assert np.mean(hits(world(0.1, seed=5)[0], labels, sentence)) < 0.4


def test_a_word_is_not_judged_by_a_probe_that_has_seen_its_sentence() -> None:
    """Every sentence has a direction and a label of its own: only its own words could tell."""
    sentence = np.repeat(np.arange(20), 4)
    x = np.eye(20)[sentence]
    labels = sentence % 2
    assert np.mean(hits(x, labels, sentence)) < 0.7
