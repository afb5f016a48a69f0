"""A console that keeps what a step says."""

from __future__ import annotations

from alignfreeze_cli.progress import Console


class RecordingConsole(Console):
    """`said` holds the information messages, `warned` the warnings, each in order."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.warned: list[str] = []

    def info(self, text: str) -> None:
        self.said.append(text)

    def warn(self, text: str) -> None:
        self.warned.append(text)
