"""The gain with a model of which no runs are known, from the score of its baseline: ridge regression.

Where the baseline is weak there is more to gain, and that carries over from one model to another. What else does is the
language itself. Distances from English and the like add nothing (docs/advice.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from alignfreeze_cli.advice.conformal import Interval, radius
from alignfreeze_cli.advice.gains import Gain

PENALTY = 1.0
"""Weight of the squared weights, of standardised features; 0.1 and 3 predict as well (R² 0.36 and 0.29)."""


@dataclass(frozen=True)
class Ridge:
    """Weights of standardised features: gain = mean + ((features - center) / scale) · weights."""

    mean: float
    center: np.ndarray  # (features,)
    scale: np.ndarray  # (features,)
    weights: np.ndarray  # (features,)

    @classmethod
    def fit(cls, features: np.ndarray, gains: np.ndarray, penalty: float = PENALTY) -> Ridge:
        """Least squares with `penalty` times the squared weights added. features: (n, k), gains: (n,)."""
        center, scale = features.mean(axis=0), features.std(axis=0)
        scale = np.where(scale > 0, scale, 1.0)
        standard = (features - center) / scale
        mean = float(gains.mean())
        square = standard.T @ standard + penalty * np.eye(features.shape[1])
        return cls(mean, center, scale, np.linalg.solve(square, standard.T @ (gains - mean)))

    def predict(self, features: np.ndarray) -> np.ndarray:
        """(n, k) → gains in points, (n,)."""
        return self.mean + ((features - self.center) / self.scale) @ self.weights


@dataclass(frozen=True)
class Case:
    """A task, strategy and language, and the baseline's score there in percent."""

    task: str
    strategy: str
    language: str
    baseline: float

    @classmethod
    def of(cls, gain: Gain) -> Case:
        return cls(gain.cell.task, gain.cell.strategy, gain.language, gain.baseline)


def features(cases: Sequence[Case], values: Mapping[str, Sequence[str]]) -> np.ndarray:
    """(cases, k): the baseline's score in each task, and whether it is this task, this strategy, this language.

    `values`: which tasks, strategies and languages have a feature.
    """
    task, strategy, language = (
        (np.array([getattr(case, name) for case in cases])[:, None] == np.array(values[name], dtype=str)).astype(float)
        for name in ("task", "strategy", "language")
    )
    baseline = np.array([[case.baseline] for case in cases])
    return np.concatenate([baseline * task, task, strategy, language], axis=1)


def predict(known: Sequence[Gain], cases: Sequence[Case]) -> np.ndarray:
    """The gains of cases, (cases,), learned from known ones of other models.

    Languages have features where all of the cases' are among the known ones; of another language the mean is not known,
    and it does better without.
    """
    learned = [Case.of(gain) for gain in known]
    values = {name: sorted({getattr(case, name) for case in learned}) for name in ("task", "strategy", "language")}
    if any(case.language not in values["language"] for case in cases):
        values["language"] = []
    ridge = Ridge.fit(features(learned, values), np.array([gain.mean for gain in known]))
    return ridge.predict(features(cases, values))


def errors(known: Sequence[Gain], new_language: bool = False) -> list[float]:
    """How far each gain lies from what the gains of the other models predict; of other languages, too, if it is new."""
    found = np.empty(len(known))
    groups = [(gain.cell.model, gain.language if new_language else "") for gain in known]
    for model, language in dict.fromkeys(groups):
        others = [gain for gain in known if gain.cell.model != model and gain.language != language]
        inside = [n for n, group in enumerate(groups) if group == (model, language)]
        predicted = predict(others, [Case.of(known[n]) for n in inside])
        found[inside] = [known[n].mean for n in inside] - predicted
    return found.tolist()


def intervals(known: Sequence[Gain], cases: Sequence[Case]) -> list[Interval | None]:
    """What to expect of cases with a new model, as wide as the errors in their task with each known model held out."""
    there = {gain.language for gain in known}
    of_kind: dict[bool, list[float]] = {}  # whether the language is new -> errors
    found: list[Interval | None] = []
    for case in cases:
        new = case.language not in there
        if new not in of_kind:
            of_kind[new] = errors(known, new)
        wide = radius([e for gain, e in zip(known, of_kind[new], strict=True) if gain.cell.task == case.task])
        found.append(None if wide is None else Interval(float(predict(known, [case])[0]), wide))
    return found
