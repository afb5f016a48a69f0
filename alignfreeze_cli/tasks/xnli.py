"""Reader of premises and hypotheses with their label, in the formats of XNLI: TSV, JSON lines, and the Hub's Parquet.

The suffix of a file gives its format: `.parquet`; `.jsonl` or `.json` (one object per line); anything else is TSV, in
which the tab is the only special character, so quotes are part of the text.

- TSV without a header has three columns, premise, hypothesis and label (XTREME, the demo world).
- TSV with a header may have them in any order among others; the first line is a header if it names both texts. Known
  names: `premise` or `sentence1`; `hypothesis`, `hypo` or `sentence2`; `gold_label` (read first) or `label`. Of texts
  in several languages (`sentence1_en`, `sentence2_en`, `sentence1_de`, …), those of the wanted language are read. If
  there is a column `language` (XNLI 1.0), only the lines of the wanted language are.
- The objects of JSON lines have keys of the same names (MultiNLI, XNLI 1.0).

Labels are the three words, `contradictory` as in XNLI's translated training data, or the ids 0, 1, 2 of the Hub's data
sets, also written 0.0, 1.0, 2.0; `-` and -1 mean that the annotators did not agree.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alignfreeze_cli.errors import DataError
from alignfreeze_cli.phrases import counted, listed
from alignfreeze_cli.settings import nearest
from alignfreeze_cli.tasks.data import json_lines, label_names, numbered_lines, read_rows, schema_of

LABELS = ("entailment", "neutral", "contradiction")
"""In the order of the ids in the Hub's data sets."""

NAMES = {
    "premise": ("premise", "sentence1", "sentence1_{language}"),
    "hypothesis": ("hypothesis", "hypo", "sentence2", "sentence2_{language}"),
    "label": ("gold_label", "label"),
}
"""Names of columns and keys; the first one that a file has is read."""

_SPELLINGS = {"contradictory": "contradiction"}
_NO_AGREEMENT = ("-", "-1")
_WHOLE = re.compile(r"(-?[0-9]+)\.0*")  # a label id that was written as a float


@dataclass(frozen=True)
class NliPair:
    """A premise and a hypothesis; `label` is one of `LABELS`, or None where the annotators did not agree."""

    identifier: str
    premise: str
    hypothesis: str
    label: str | None


def read_xnli(path: Path, language: str) -> Iterator[NliPair]:
    """The pairs of a file in one language, one by one.

    The identifier is the `pairID`, or the number of the line or row from 1 on.

    Raises DataError with file and line: for pairs without labels, unknown labels, lines with too many or too few
    columns, a file without a pair in the language.
    """
    if path.suffix == ".parquet":
        yield from _read_hub_pairs(path)
        return
    rows = json_lines(path) if path.suffix in (".jsonl", ".json") else _tsv_lines(path, language)
    some = False
    others: set[str] = set()
    for number, row in rows:
        if row.get("language", language) != language:
            others.add(str(row["language"]))
            continue
        values = {}
        for part in NAMES:
            name = _column_of(part, row, language)
            if name is None:
                raise DataError(_missing_column(part, row, language), path, number)
            values[part] = row[name]
        texts = values["premise"], values["hypothesis"]
        if not all(isinstance(text, str) for text in texts):
            raise DataError("premise and hypothesis must be text", path, number)
        label = _label(values["label"], LABELS, f"{path}, line {number}")
        yield NliPair(str(row.get("pairID", number)), *texts, label)
        some = True
    if not some:
        only = f" in {language!r}, only in {', '.join(sorted(others))}" if others else ""
        raise DataError(f"holds no pair of sentences{only}", path)


def _tsv_lines(path: Path, language: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Numbered lines as columns by name."""
    header: list[str] = []
    for number, line in numbered_lines(path):
        if not line.strip():
            continue
        columns = line.split("\t")
        if not header:
            header = list(NAMES)
            if _is_header(columns):
                header = columns
                missing = [part for part in NAMES if _column_of(part, header, language) is None]
                if missing:
                    raise DataError(_missing_column(missing[0], header, language), path, number)
                continue
        # Empty columns at the end of a line are often left out, so there may be fewer than in the header.
        if len(columns) > len(header) or len(columns) < len(NAMES):
            wrong = f"{counted(len(columns), 'column')} instead of {len(header)}" if len(columns) != 2 else "no label"
            raise DataError(
                f"the line has {wrong}; premise, hypothesis and label are needed, separated by tabs", path, number
            )
        yield number, dict(zip(header, columns, strict=False))


def _is_header(columns: Collection[str]) -> bool:
    """Whether the columns of a file's first line name both texts, in any language."""
    beginnings = [tuple(name.replace("{language}", "") for name in NAMES[part]) for part in ("premise", "hypothesis")]
    return all(any(column in names or column.startswith(names[-1]) for column in columns) for names in beginnings)


def _read_hub_pairs(path: Path) -> Iterator[NliPair]:
    """The Hub's data sets: `premise`, `hypothesis`, and `label` as an id (or a word)."""
    schema = schema_of(path, list(NAMES))
    names = label_names(schema, "label", LABELS)
    for number, row in read_rows(path, list(NAMES), "pair of sentences"):
        place = f"{path}, row {number}"
        for part in ("premise", "hypothesis"):
            if row[part] is None:
                raise DataError(f"there is no {part} (null)", place)
            if not isinstance(row[part], str):
                kind = schema.field(part).type
                raise DataError(f"the column {part} holds {kind}, not text; take the files of one language", path)
        yield NliPair(str(number), row["premise"], row["hypothesis"], _label(row["label"], names, place))


def _column_of(part: str, names: Collection[str], language: str) -> str | None:
    """The column or key that holds a part of a pair (`premise`, `hypothesis`, `label`) in a language."""
    return next((known for name in NAMES[part] if (known := name.replace("{language}", language)) in names), None)


def _missing_column(part: str, names: Collection[str], language: str) -> str:
    known = " or ".join(name.replace("{language}", language) for name in NAMES[part])
    needed = "; labelled data is needed" if part == "label" else ""
    return f"there is no {part} ({known}), only {', '.join(names)}{needed}"


def _label(value: Any, names: Sequence[str], place: str) -> str | None:
    """The label that a word or an id means, None for no agreement; `names` are the labels of the ids."""
    text = str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    if whole := _WHOLE.fullmatch(text):
        text = whole[1]
    if text in _NO_AGREEMENT:
        return None
    if text.isdecimal() and len(text) < 10 and int(text) < len(names):
        text = names[int(text)]
    text = _SPELLINGS.get(text, text)
    if not text.strip() or text == "nan":
        raise DataError("the pair has no label; labelled data is needed", place)
    if text not in LABELS:
        raise DataError(f"{text[:40]!r} is not one of the labels {listed(LABELS)}" + nearest(text, LABELS), place)
    return text
