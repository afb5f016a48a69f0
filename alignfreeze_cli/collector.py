"""Python's garbage collector, kept away from objects that last as long as the process.

Importing torch and transformers makes millions of objects, and the collector would walk over all of them again and
again while they are made, and once more at the end: two seconds of each command together.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_IMPORTED = "transformers.modeling_utils"


@contextmanager
def lasting_objects() -> Iterator[None]:
    """Nothing is collected inside.

    In the first step of a process, what is alive at the end is not looked at by later collections. In a later one there
    may be garbage, which would stay for good; so what the steps before have left is collected at the beginning instead.
    """
    first = _IMPORTED not in sys.modules
    if not first:
        gc.collect()
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if first:
            gc.freeze()
        if enabled:
            gc.enable()


def skip_last_collection() -> None:
    """To be called at exit: the system takes back all memory anyway."""
    gc.freeze()
