"""Ctrl-C and SIGTERM: handlers that last as long as a piece of work; by which signal a process was ended."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any


@contextmanager
def handled(handler: Callable[[int, Any], None], *numbers: signal.Signals) -> Iterator[None]:
    """Inside, `handler` gets these signals. Only the main thread may handle signals; in others nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():  # None: it was set by other code than Python's
            signal.signal(number, signal.SIG_DFL if earlier is None else earlier)


def ended_by(code: int | None) -> str | None:
    """The signal that ended a process, by its exit code as Python gives it; None if it ended by itself.

    SIGKILL is what the system sends when memory runs out.
    """
    if code is None or code >= 0:
        return None
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def how_they_ended(codes: Sequence[int | None], fewer: str) -> str:
    """Why worker processes gave no answer, by their exit codes, as the end of a sentence; `fewer` is the option to try.

    One that ended by itself explains the others, which were ended after it.
    """
    for code in codes:
        if code is not None and code > 0:
            return (
                f"ended with exit code {code} and no answer; what it said is above. (From Python, start the script "
                'under `if __name__ == "__main__":`.)'
            )
    names = {name for name in map(ended_by, codes) if name is not None}
    if "SIGKILL" in names:
        return f"was ended by SIGKILL; memory may have run out, try fewer {fewer}."
    if names:
        return f"was ended by {min(names - {'SIGTERM'}, default='SIGTERM')}."
    return "ended without an answer."
