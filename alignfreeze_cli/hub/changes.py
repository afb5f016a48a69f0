"""What `layers` and `forgetting` have measured of an encoder, as its card and a report read it.

Results lie beside the encoder they are of, as scores lie beside a task model: `encoder-layers/layers.json`. They are
taken only if their record names this very encoder by its digest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alignfreeze_cli.artifacts import RECORD_NAME, Record, read_record, verify
from alignfreeze_cli.artifacts.files import read_json

LAYERS, FORGETTING = "layers", "forgetting"
CHANGES = (LAYERS, FORGETTING)
"""Kinds of folders; each holds `<kind>.json`."""

INPUT = "encoder"
"""The name, among the inputs of such a folder, of the encoder that it is about."""

HEAT_MAP = "layers.png"


@dataclass(frozen=True)
class Changes:
    """One result file: a folder, its record and its content."""

    folder: Path
    record: Record
    content: Mapping[str, Any]


def place_beside(folder: Path, kind: str) -> Path:
    """Where the results of an encoder folder belong: `<folder>-<kind>`; of one inside another, beside the outer."""
    whole = folder.expanduser().resolve()
    if (whole.parent / RECORD_NAME).is_file():
        return whole.parent.with_name(f"{whole.parent.name}-{whole.name}-{kind}")
    return whole.with_name(f"{whole.name}-{kind}")


def changes_of(folder: Path, kind: str) -> Changes | None:
    """The results that lie beside an encoder folder, if they are there and of this very encoder.

    Raises ArtifactError if they are, but can't be read or differ from their record.
    """
    place = place_beside(folder, kind)
    record = read_record(place) if place.is_dir() else None
    encoder = read_record(folder)
    if record is None or encoder is None or record.kind != kind:
        return None
    measured = next((each["digest"] for each in record.inputs if each["name"] == INPUT), None)
    if measured != encoder.digest:
        return None
    name = f"{kind}.json"
    verify(place, record, [name])
    return Changes(place, record, read_json(place / name, f"run `alignfreeze {kind}` again"))


def number(content: Mapping[str, Any], *keys: str) -> float | None:
    """A number inside the content, None if there is none at this place. Raises ValueError for what is no number."""
    value: Any = content
    for key in keys:
        if not isinstance(value, Mapping):
            raise ValueError(f"{'.'.join(keys)}: {key} is asked of {type(value).__name__}")
        value = value.get(key)
        if value is None:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{'.'.join(keys)} is no number")
    return float(value)
