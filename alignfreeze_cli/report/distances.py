"""How far each language is from the source: from a file, or the typological distances from English in the package."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alignfreeze_cli.artifacts.files import LARGEST_JSON, parse_json
from alignfreeze_cli.errors import DataError, SettingsError
from alignfreeze_cli.phrases import is_name, printable
from alignfreeze_cli.published import distances as published
from alignfreeze_cli.settings import nearest

FILE_NAME = "distances.json"
KINDS = ("syntactic", "genetic", "geographic", "phonological", "inventory", "featural")
DEFAULT = "syntactic"


@dataclass(frozen=True)
class Distances:
    """Language → distance from the source language. `source` is None in a file that does not name it."""

    title: str
    source: str | None
    values: Mapping[str, float]


def candidates(wanted: str | None, folders: Sequence[Path]) -> list[Distances]:
    """The distances that may be used, best first; `folders` are searched for a `distances.json`.

    Raises SettingsError for a kind or file that is not there, DataError for a file that can't be read.
    """
    if wanted is not None:
        if wanted in KINDS:
            return [of_english(wanted)]
        path = Path(wanted).expanduser()
        if not path.is_file():
            raise SettingsError(f"--distances {wanted}: no such file, and no kind of distance" + nearest(wanted, KINDS))
        return [read(path)]
    paths = dict.fromkeys(folder / FILE_NAME for folder in folders)
    return [*(read(path) for path in paths if path.is_file()), of_english(DEFAULT)]


def fitting(found: Sequence[Distances], source: str) -> Distances | None:
    """The first that are from this source language, or do not name theirs."""
    return next((each for each in found if each.source in (None, source)), None)


def of_english(kind: str) -> Distances:
    """One kind of the distances from English, all of them computed from URIEL's vectors in one way."""
    values = {code: each[kind] for code, each in published("computed").items() if each is not None}
    known = {code: value for code, value in values.items() if value is not None}
    return Distances(f"{kind} distance from English (URIEL vectors of lang2vec, 1 - cosine)", "en", known)


def read(path: Path) -> Distances:
    """A file of distances.

    JSON: `{"source": "en", "title": "…", "distances": {"de": 0.1, …}}`, or only the inner object. CSV: the columns
    `language` and `distance`. Raises DataError.
    """
    try:
        if path.stat().st_size > LARGEST_JSON:
            raise ValueError(f"larger than {LARGEST_JSON:,} bytes")
        text = path.read_text(encoding="utf-8")
        if path.suffix.lower() == ".csv":
            rows = list(csv.DictReader(text.splitlines()))
            content: Any = {row["language"]: float(row["distance"]) for row in rows}
        else:
            content = parse_json(text)
        inner = content.get("distances", content)
        values = {str(code): float(value) for code, value in inner.items() if value is not None}
        names = {"title": content.get("title"), "source": content.get("source")} if inner is not content else {}
        if not all(map(is_name, [*values, *(name for name in names.values() if name is not None)])):
            raise ValueError("title, source and languages must be names")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"holds no distances ({error}); write JSON, {{language: distance}}, or CSV with the columns language and "
            "distance",
            path,
        ) from error
    wrong = next((code for code, value in values.items() if not (math.isfinite(value) and value >= 0)), None)
    if wrong is not None:
        raise DataError(f"the distance of {wrong} is {values[wrong]}; it must be a number of at least 0", path)
    title = names.get("title") or f"distance from {printable(path.name)}"
    return Distances(title, names.get("source"), values)


def halves(distances: Mapping[str, float]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The nearer and the farther half of the languages, each nearest first.

    Of an odd number the one in the middle is among the nearer; equal distances go by the code.
    """
    order = sorted(distances, key=lambda code: (distances[code], code))
    if len(order) < 2:
        return (), ()
    middle = (len(order) + 1) // 2
    return tuple(order[:middle]), tuple(order[middle:])
