"""Where this package keeps what it can make or fetch again: dictionaries, encoded pairs."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """`$ALIGNFREEZE_CACHE`, else `alignfreeze` in the user's cache folder (`$XDG_CACHE_HOME` or `~/.cache`)."""
    own = os.environ.get("ALIGNFREEZE_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(own).expanduser() if own else Path(base).expanduser() / "alignfreeze"
