"""How far each language is from the source: from a file, the distances from English in the package, or URIEL's."""

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
from alignfreeze_cli.report import uriel
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


def candidates(wanted: str | None, folders: Sequence[Path], languages: Mapping[str, Sequence[str]]) -> list[Distances]:
    """The distances that may be used, best first; `folders` are searched for a `distances.json`.

    `languages`: source → targets. Raises SettingsError for a kind or file that is not there, DataError for a file that
    can't be read.
    """
    if wanted is not None:
        if wanted in KINDS:
            return of_kind(wanted, languages)
        path = Path(wanted).expanduser()
        if not path.is_file():
            raise SettingsError(f"--distances {wanted}: no such file, and no kind of distance" + nearest(wanted, KINDS))
        return read(path)
    paths = dict.fromkeys(folder / FILE_NAME for folder in folders)
    found = [each for path in paths if path.is_file() for each in read(path)]
    others = {source: targets for source, targets in languages.items() if fitting(found, source) is None}
    return [*found, *of_kind(DEFAULT, others)]


def of_kind(kind: str, languages: Mapping[str, Sequence[str]]) -> list[Distances]:
    """One kind of the distances from every source (source → targets): those from English that come with the package
    if all targets are among them, otherwise URIEL's, where `urielplus` is installed. The two are never mixed.
    """
    english = of_english(kind)
    computed = []
    for source, targets in languages.items():
        real = [code for code in targets if uriel.may_know(code)]
        if not real or not uriel.may_know(source) or (source == english.source and english.values.keys() >= set(real)):
            continue
        if uriel.available() and (values := uriel.distances(kind, source, real)):
            computed.append(Distances(uriel.title(kind, source), source, values))
    return [*computed, english]


def fitting(found: Sequence[Distances], source: str) -> Distances | None:
    """The first that are from this source language, or do not name theirs."""
    return next((each for each in found if each.source in (None, source)), None)


def of_english(kind: str) -> Distances:
    """One kind of the distances from English, all of them computed from URIEL's vectors in one way."""
    values = {code: each[kind] for code, each in published("computed").items() if each is not None}
    known = {code: value for code, value in values.items() if value is not None}
    return Distances(f"{kind} distance from English (URIEL vectors of lang2vec, 1 - cosine)", "en", known)


def read(path: Path) -> list[Distances]:
    """A file of distances.

    JSON: `{"source": "en", "title": "…", "distances": {"de": 0.1, …}}`, or only the inner object, or a list of the
    former with a source each. CSV: the columns `language` and `distance`. Raises DataError.
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
        if not isinstance(content, list):
            return [_from_one(content, path)]
        found = [_from_one(each, path) for each in content]
        sources = [each.source for each in found]
        if not found or None in sources or len(set(sources)) < len(sources):
            raise ValueError("each object of a list needs a source of its own")
        return found
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"holds no distances ({error}); write JSON, {{language: distance}}, or CSV with the columns language and "
            "distance",
            path,
        ) from error


def _from_one(content: Any, path: Path) -> Distances:
    """The distances from one source; raises ValueError, TypeError, AttributeError or KeyError for what is none."""
    inner = content.get("distances", content)
    values = {str(code): float(value) for code, value in inner.items() if value is not None}
    names = {"title": content.get("title"), "source": content.get("source")} if inner is not content else {}
    if not all(map(is_name, [*values, *(name for name in names.values() if name is not None)])):
        raise ValueError("title, source and languages must be names")
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
