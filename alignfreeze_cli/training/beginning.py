"""The first steps of a training, to learn from them how long all of it takes (`steps/measuring.py`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass
class Beginning:
    """A training that ends after `most` steps, or earlier if it has fewer.

    `planned` are the steps that it would have had, `ended` when each that was done had ended, in seconds of
    `time.perf_counter`.
    """

    most: int
    planned: int = 0
    ended: list[float] = field(default_factory=list)

    @property
    def seconds_per_step(self) -> float:
        """Of all steps but the first, which makes the optimizer's state and much else for the first time."""
        return (self.ended[-1] - self.ended[0]) / (len(self.ended) - 1) if len(self.ended) > 1 else 0.0

    @property
    def remaining(self) -> float:
        """Seconds that the steps would take which were not done."""
        return self.seconds_per_step * (self.planned - len(self.ended))


_CURRENT: ContextVar[Beginning | None] = ContextVar("beginning", default=None)


@contextmanager
def beginning(most: int) -> Iterator[Beginning]:
    """Inside, `training.loop.train` does the first steps only."""
    token = _CURRENT.set(found := Beginning(most))
    try:
        yield found
    finally:
        _CURRENT.reset(token)


def current_beginning() -> Beginning | None:
    """What `beginning` asks for here, or None."""
    return _CURRENT.get()
