"""How many steps are enough: the curve that `realign --probe-every` left in a record, as its card reads it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MOST_ROWS = 12


@dataclass(frozen=True)
class Point:
    """Retrieval after so many steps, in fractions of 1: the mean over languages, the lowest and the highest of them."""

    steps: int
    mean: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class Curve:
    """Retrieval in the block that the loss reads, from the first measurement, at step 0, to the last.

    `words` are the linked words per side of all languages. `error` is the standard error of the highest mean, from the
    binomial deviation of each language, with words taken as independent.
    """

    points: tuple[Point, ...]
    languages: int
    words: int
    error: float

    @property
    def best(self) -> Point:
        """The first one with the highest mean."""
        return max(self.points, key=lambda point: point.mean)

    @property
    def enough(self) -> Point | None:
        """The first one from which on no mean lies below the highest one by more than its standard error.

        The rule of one standard error for choosing the least of several settings (Breiman et al. 1984, section 3.4.3;
        Hastie et al. 2009, section 7.10), read over steps. None if the last mean itself lies farther below.
        """
        found = None
        for point in reversed(self.points):
            if point.mean < self.best.mean - self.error:
                break
            found = point
        return found

    @property
    def shown(self) -> list[Point]:
        """About a dozen of the points, evenly spaced, among them the first, the last, `best` and `enough`."""
        spacing = math.ceil(len(self.points) / MOST_ROWS)
        marked = (self.points[-1], self.best, self.enough)
        return [point for place, point in enumerate(self.points) if place % spacing == 0 or point in marked]


def recorded_curve(details: Mapping[str, Any]) -> Curve | None:
    """The curve in the details of a realignment; None if it was not measured during training."""
    found = details.get("retrieval-curve")
    if found is None:
        return None
    words, accuracy = found["words"], found["accuracy"]
    at_steps = list(zip(*accuracy.values(), strict=True))  # of each measurement, by language
    points = tuple(
        Point(steps, statistics.fmean(values), min(values), max(values))
        for steps, values in zip(found["steps"], at_steps, strict=True)
    )
    best = max(range(len(points)), key=lambda place: points[place].mean)
    variances = [each * (1 - each) / words[code] for code, each in zip(accuracy, at_steps[best], strict=True)]
    return Curve(points, len(accuracy), sum(words.values()), math.sqrt(sum(variances)) / len(accuracy))
