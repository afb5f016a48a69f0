"""A console that keeps what a step says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from alignfreeze_cli.progress import Console, ProgressBar


class RecordingConsole(Console):
    """`said` holds the information messages, `warned` the warnings, `bars` the progress of all work, each in order."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.warned: list[str] = []
        self.bars: list[RecordingBar] = []

    def info(self, text: str) -> None:
        self.said.append(text)

    def warn(self, text: str) -> None:
        self.warned.append(text)

    @contextmanager
    def progress(self, title: str, total: int | None = None, unit: str = "items") -> Iterator[ProgressBar]:
        self.bars.append(RecordingBar(title, total))
        yield self.bars[-1]


class RecordingBar(ProgressBar):
    """`title` of the work, `note` the last that was given."""

    def __init__(self, title: str, total: int | None = None) -> None:
        super().__init__(total)
        self.title, self.note = title, ""

    def advance(self, amount: int = 1, note: str = "") -> None:
        super().advance(amount, note)
        self.note = note
