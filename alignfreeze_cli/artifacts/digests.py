"""SHA-256 digests of files and folders."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_files(folder: Path) -> list[Path]:
    """Every file below a folder, as paths relative to it, sorted."""
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def content_digest(files: Mapping[str, str]) -> str:
    """One digest for a set of files: SHA-256 of the JSON object that maps name to file digest, keys sorted.

    It does not depend on when or where the files were made, so two runs with the same result agree.
    """
    return hashlib.sha256(json.dumps(dict(files), sort_keys=True).encode()).hexdigest()
