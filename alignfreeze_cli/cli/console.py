"""What the user sees: talk on stderr, results on stdout.

Records, data and answers of a server may come from anywhere, so control characters are never sent to the terminal.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console as RichConsole
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Task as RichTask
from rich.table import Table
from rich.text import Text

from alignfreeze_cli.phrases import duration, printable
from alignfreeze_cli.progress import Console, ProgressBar

_PLAIN_LINE_SECONDS = 20.0
_WIDE = 1_000  # columns
_UNESCAPED = r"[\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"  # by JSON, though they control a terminal


class TerminalConsole(Console):
    """Writes to stderr: bars with rate and time left on a terminal, plain lines now and then elsewhere."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self.stderr = RichConsole(stderr=True, highlight=False, soft_wrap=True)

    def info(self, text: str) -> None:
        if not self.quiet:
            self.stderr.print(printable(text), markup=False)

    def warn(self, text: str) -> None:
        self.stderr.print(Text("warning: ", style="yellow") + Text(printable(text)))

    @contextmanager
    def progress(self, title: str, total: int | None = None, unit: str = "items") -> Iterator[ProgressBar]:
        if self.quiet:
            yield ProgressBar(total)
        elif self.stderr.is_terminal:
            with self._bar(unit) as progress:
                yield _BarTask(progress, progress.add_task(printable(title), total=total, note=""), total)
        else:
            task = _LineTask(self, title, total, unit)
            yield task
            task.line()

    def _bar(self, unit: str) -> Progress:
        return Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(unit),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=self.stderr,
        )


class ConsoleLog(logging.Handler):
    """Warnings of code that has no console, such as that a busy Hub is waited for."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.WARNING)
        self.console = console

    def emit(self, record: logging.LogRecord) -> None:
        self.console.warn(record.getMessage())


class _Rate(TextColumn):
    def __init__(self, unit: str) -> None:
        super().__init__("")
        self.unit = unit

    def render(self, task: RichTask) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else _rate(speed, self.unit), style="progress.data.speed")


class _BarTask(ProgressBar):
    def __init__(self, progress: Progress, identity: TaskID, total: int | None) -> None:
        super().__init__(total)
        self.progress, self.identity = progress, identity

    def advance(self, amount: int = 1, note: str = "") -> None:
        super().advance(amount, note)
        self.progress.advance(self.identity, amount)
        if note:
            self.progress.update(self.identity, note=printable(note))


class _LineTask(ProgressBar):
    """A line every 20 seconds, and one at the end."""

    def __init__(self, console: TerminalConsole, title: str, total: int | None, unit: str) -> None:
        super().__init__(total)
        self.console, self.title, self.unit = console, title, unit
        self.started = self.spoken = time.monotonic()
        self.note = ""

    def advance(self, amount: int = 1, note: str = "") -> None:
        super().advance(amount, note)
        self.note = note or self.note
        if time.monotonic() - self.spoken >= _PLAIN_LINE_SECONDS:
            self.spoken = time.monotonic()
            self.line()

    def line(self) -> None:
        seconds = max(time.monotonic() - self.started, 1e-9)
        rate = self.done / seconds
        of = "" if self.total is None else f" of {self.total:,}"
        to_do = (self.total or 0) - self.done
        left = f", {duration(to_do / rate)} left" if to_do > 0 and rate else ""
        note = f", {self.note}" if self.note else ""
        self.console.info(f"{self.title}: {self.done:,}{of} {self.unit}, {_rate(rate, self.unit)}{left}{note}")


def _rate(speed: float, unit: str) -> str:
    """`1,200 lines/s`, `1.2 steps/s`; less than one a second as the time of one, `3.4 s/step`."""
    if 0 < speed < 1:
        return f"{duration(1 / speed)}/{unit.removesuffix('s')}"
    return f"{speed:,.0f} {unit}/s" if speed >= 10 else f"{speed:.2g} {unit}/s"


def print_json(value: Any) -> None:
    """One JSON object on stdout; letters that its encoding may lack are escaped."""
    unicode = (sys.stdout.encoding or "").lower().replace("-", "") in ("utf8", "utf16", "utf32")
    text = json.dumps(value, ensure_ascii=not unicode)
    # JSON escapes what controls a terminal, but for a few, which stand inside its strings.
    escaped = re.sub(_UNESCAPED, lambda found: f"\\u{ord(found[0]):04x}", text)
    sys.stdout.write(escaped + "\n")


def print_result(text: str) -> None:
    """A result on stdout."""
    sys.stdout.write(printable(text) + "\n")


def print_table(table: Table) -> None:
    """A table on stdout; where that is no terminal, as wide as it needs to be."""
    console = RichConsole(highlight=False)
    if not console.is_terminal:
        console = RichConsole(highlight=False, width=_WIDE)
    console.print(table, markup=False)
