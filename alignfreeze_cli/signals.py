"""Ctrl-C and SIGTERM: handlers that last as long as a piece of work."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
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
