"""Python's garbage collector, kept away from objects that last as long as the process.

Importing torch and transformers makes millions of objects, and the collector would walk over all of them again and
again while they are made, and once more at the end: two seconds of each command together.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def lasting_objects() -> Iterator[None]:
    """Nothing is collected inside. (Nothing is frozen for good either: a process may run many steps, with garbage.)"""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def skip_last_collection() -> None:
    """To be called at exit: the system takes back all memory anyway."""
    gc.freeze()
