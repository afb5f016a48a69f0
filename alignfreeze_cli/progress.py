"""How a step talks while it works: a silent `Console` and one for warnings here, the terminal's in `cli/console.py`.

Steps get a console and never print, so that they can be called from Python, from tests and from the runner alike.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


class ProgressBar:
    """Progress of one piece of work; the silent version only counts."""

    def __init__(self, total: int | None = None) -> None:
        self.total = total
        self.done = 0

    def advance(self, amount: int = 1, note: str = "") -> None:
        """Report `amount` more units done; `note` is shown beside the bar (for example the loss)."""
        self.done += amount


class Console:
    """Silent base class."""

    def info(self, text: str) -> None:
        """Say something a user may want to know; may hold several lines."""

    def warn(self, text: str) -> None:
        """Say something a user should not miss, though the work goes on."""

    @contextmanager
    def progress(self, title: str, total: int | None = None, unit: str = "items") -> Iterator[ProgressBar]:
        """Show progress of a piece of work of `total` units (None: unknown) while the block runs."""
        yield ProgressBar(total)


class WarningConsole(Console):
    """Hands warnings to Python's `logging`, as those of the logger `alignfreeze`, and says nothing else."""

    def warn(self, text: str) -> None:
        logging.getLogger("alignfreeze").warning("%s", text)


WARNINGS = WarningConsole()
"""For whoever gives a step no console; it holds nothing, so all can share it."""
