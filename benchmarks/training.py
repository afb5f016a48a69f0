"""The step `realign` as users run it, watched from outside through its console."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from alignfreeze_cli.encoder.settings import RealignSettings
from alignfreeze_cli.progress import Console, ProgressBar
from alignfreeze_cli.steps.realign import realign


class _EnoughError(Exception):
    """Ends a run after its last step: what comes then is not measured."""


class _Bar(ProgressBar):
    def __init__(self, total: int, begin: Callable[[], None], after: Callable[[int], None]) -> None:
        super().__init__(total)
        self._begin, self._after = begin, after

    def advance(self, amount: int = 1, note: str = "") -> None:
        if amount == 0:
            if self.done == 0 and not note:
                self._begin()
            return
        super().advance(amount, note)
        self._after(self.done)
        if self.done == self.total:
            raise _EnoughError


class _Watching(Console):
    def __init__(self, begin: Callable[[], None], after: Callable[[int], None]) -> None:
        self._hooks = (begin, after)

    @contextmanager
    def progress(self, title: str, total: int | None = None, unit: str = "items") -> Iterator[ProgressBar]:
        yield _Bar(total or 0, *self._hooks) if title == "training" else ProgressBar(total)


def watch(settings: RealignSettings, begin: Callable[[], None], after: Callable[[int], None]) -> None:
    """Run `realign` up to the end of its last step: `begin()` before the first one, `after(steps done)` after each."""
    try:
        realign(settings, _Watching(begin, after))
    except _EnoughError:
        return
    raise AssertionError("the training did not report its steps")


def wait_for(device: Any) -> None:
    """Until a GPU has done what it was told; a CPU has already."""
    if device.type == "cuda":
        import torch

        torch.cuda.synchronize(device)
