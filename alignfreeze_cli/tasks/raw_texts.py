"""Reader of texts that nobody has labelled, for `predict`: a text in each line, or JSON lines.

What a task reads of an example (`Task.raw_texts`) are the columns of a line, separated by tabs, or the keys of an
object. Blank lines are passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from alignfreeze_cli.errors import DataError
from alignfreeze_cli.pairs.words import splitter, without_blanks
from alignfreeze_cli.phrases import counted, listed
from alignfreeze_cli.settings import nearest
from alignfreeze_cli.tasks.base import RawText, Task
from alignfreeze_cli.tasks.data import json_object

WORDS = "unicode"
"""The default rule that cuts texts into words."""

_COLUMN_NAMES = {"text", "sentence", "label", "premise", "hypothesis", "question", "context"}


def read_raw_texts(
    lines: Iterable[tuple[int, str]], task: Task, form: str, path: str | Path, sure: bool = True
) -> Iterator[RawText]:
    """The texts in numbered lines, one by one; `form` is `lines` or `jsonl`, `path` is where they are from.

    A line that looks like a JSON object, and a first line that names columns, are text only if somebody is `sure` of
    the form. Raises DataError with the line for too many or too few columns, a key that is missing, a value that is no
    text, and an empty text.
    """
    first = True
    for number, line in lines:
        if not line.strip():
            continue
        if form == "jsonl":
            yield _from_json(json_object(line, path, number), task, path, number)
            continue
        if not sure and line.strip().startswith("{") and line.strip().endswith("}"):
            raise DataError("looks like JSON; say --input-format jsonl, or lines if it is text", path, number)
        columns = line.split("\t")
        if first and not sure and _COLUMN_NAMES.issuperset(columns):
            raise DataError("the line names columns; leave it out, or say --input-format lines", path, number)
        first = False
        if len(columns) != len(task.raw_texts):
            raise DataError(f"the line has {counted(len(columns), 'column')}; {_wanted(task)}", path, number)
        yield RawText(number, number, _checked(dict(zip(task.raw_texts, columns, strict=True)), path, number))


def word_cutter(rule: str, language: str | None, path: str | Path) -> Callable[[Sequence[RawText]], list[RawText]]:
    """The function that cuts texts into words, as `align-pairs` does (pairs/words.py).

    It raises DataError, with the line, for a text that is written without blanks between words if no language is given:
    it would become one long word. SettingsError for a language that needs a segmenter that is not installed.
    """
    split = splitter(rule, language or "und")

    def cut(texts: Sequence[RawText]) -> list[RawText]:
        for each in texts:
            if language is None and rule != "blank" and without_blanks(each.texts["text"]):
                raise DataError(
                    "the text is written without blanks between words; say which language it is, as --language zh, ja "
                    "or th, or cut it and say --words blank",
                    path,
                    each.line,
                )
        found = split([each.texts["text"] for each in texts]).to_lists()
        return [replace(each, words=words) for each, words in zip(texts, found, strict=True)]

    return cut


def _wanted(task: Task) -> str:
    if len(task.raw_texts) == 1:
        return "one text in each line is needed, without tabs (JSON lines may hold some)"
    return f"{listed(task.raw_texts)} are needed, separated by a tab"


def _from_json(value: dict[str, Any], task: Task, path: str | Path, number: int) -> RawText:
    texts: dict[str, str] = {}
    for name in task.raw_texts:
        if name not in value:
            found = f"only {listed(value)}" if value else "the object is empty"
            raise DataError(f"there is no {name}, {found}" + nearest(name, value), path, number)
        if not isinstance(value[name], str):
            raise DataError(f"the value of {name!r} is no text", path, number)
        texts[name] = value[name]
    identifier = value.get("id")
    if identifier is not None and (not isinstance(identifier, str | int) or isinstance(identifier, bool)):
        raise DataError("the value of 'id' is neither text nor a whole number", path, number)
    return RawText(number, number if identifier is None else identifier, _checked(texts, path, number))


def _checked(texts: dict[str, str], path: str | Path, number: int) -> dict[str, str]:
    for name, text in texts.items():
        if not text.strip():
            raise DataError(f"the {name} is empty", path, number)
    return texts
