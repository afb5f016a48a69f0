"""Reader of questions about passages: SQuAD 1.1 JSON, and the Parquet files that the Hub holds of SQuAD and XQuAD.

    {"data": [{"paragraphs": [{"context": "…", "qas": [
        {"id": "…", "question": "…", "answers": [{"text": "…", "answer_start": 12}]}]}]}]}

`answer_start` counts Unicode code points from 0. Parquet has a row per question with the columns `id`, `question`,
`context` and `answers` (two lists, `text` and `answer_start`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from alignfreeze_cli.errors import DataError
from alignfreeze_cli.tasks.data import check_characters, parsed_json, read_rows

MOST_LOST_SPACES = 8  # the passages of XQuAD began with at most two
MOST_SHOWN = 3


class Answer(NamedTuple):
    """A right answer: `context[start : start + len(text)] == text`, in code points."""

    start: int
    text: str


@dataclass(frozen=True)
class Question:
    """A question about a passage. Identifiers need not be unique (those of TyDi QA are not)."""

    identifier: str
    text: str
    context: str
    answers: tuple[Answer, ...]
    language: str


def read_squad(path: Path, language: str) -> Iterator[Question]:
    """The questions of a file in its order, one by one; a JSON file, which is a single value, is read as a whole.

    Raises DataError, with file and question, for data that are not SQuAD 1.1: a key that is missing or of the wrong
    type, questions without an answer (SQuAD 2.0) or with an empty one (files published without their answers), and an
    answer that is not at its `answer_start`.
    """
    found = _read_hub_questions(path, language) if path.suffix == ".parquet" else _read_squad_json(path, language)
    first = []  # up to one with an answer
    for question in found:
        first.append(question)
        if any(answer.text.strip() for answer in question.answers):
            break
    else:
        raise DataError(
            "has no answer to any question, like files whose answers are not public; it can't be used for training or "
            "scoring"
            if first
            else "holds no question",
            path,
        )
    answers = misplaced = 0
    shown: list[str] = []
    for number, question in enumerate(chain(first, found), 1):
        wrong = list(_misplaced_answers(question, f"question {question.identifier!r} (number {number})", path))
        answers, misplaced = answers + len(question.answers), misplaced + len(wrong)
        shown = (shown + wrong)[:MOST_SHOWN]
        yield question
    if misplaced:
        more = f"; and {misplaced - MOST_SHOWN:,} more" if misplaced > MOST_SHOWN else ""
        raise DataError(
            f"misplaced answers, {misplaced:,} of {answers:,} (answer_start counts Unicode code points from 0): "
            f"{'; '.join(shown)}{more}",
            path,
        )


def _misplaced_answers(question: Question, name: str, path: Path) -> Iterator[str]:
    """Each answer that is not where it should be; raises DataError for a question without answer, or an empty one."""
    if not question.answers:
        raise DataError(
            f"{name} has no answer, as in SQuAD 2.0; only SQuAD 1.1 is read, where every question has one", path
        )
    for start, text in question.answers:
        if not text.strip():
            raise DataError(f"{name} has an empty answer", path)
        there = question.context[start : start + len(text)] if start >= 0 else ""
        if there != text:
            yield f"{text[:40]!r} of {name} is not at answer_start {start}, where the context has {there[:40]!r}"


def _read_squad_json(path: Path, language: str) -> Iterator[Question]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})", path) from error
    except UnicodeDecodeError as error:
        raise DataError(f"is not UTF-8 text (byte 0x{error.object[error.start]:02x})", path) from None
    content = parsed_json(text, path)
    number = 0
    for article, part in enumerate(_get(content, "data", list, "the file", path), 1):
        for place, paragraph in enumerate(_get(part, "paragraphs", list, f"article {article}", path), 1):
            where = f"paragraph {place} of article {article}"
            context = _get(paragraph, "context", str, where, path)
            for item in _get(paragraph, "qas", list, where, path):
                number += 1
                where = f"question number {number}"
                identifier = _get(item, "id", (str, int), where, path)
                if item.get("is_impossible"):
                    raise DataError(
                        f"question {identifier!r} (number {number}) is marked is_impossible, as in SQuAD 2.0; only "
                        "SQuAD 1.1 is read, where every question has an answer: leave such questions out",
                        path,
                    )
                answers = tuple(
                    Answer(_get(answer, "answer_start", int, where, path), _get(answer, "text", str, where, path))
                    for answer in _get(item, "answers", list, where, path)
                )
                text = _get(item, "question", str, where, path)
                yield Question(str(identifier), text, context, answers, language)


def _get(mapping: Any, key: str, kind: type | tuple[type, ...], where: str, path: Path) -> Any:
    """`mapping[key]`; raises DataError if it is missing or of another kind. `where` names the mapping."""
    value = mapping.get(key) if isinstance(mapping, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        names = {list: "a list", str: "a text", int: "a whole number"}
        wanted = names[kind if isinstance(kind, type) else kind[0]]
        raise DataError(f"{where} has no {key!r} that is {wanted}; SQuAD 1.1 JSON is needed", path)
    if isinstance(value, str):
        check_characters(value, f"{key!r} of {where}", path)
    return value


def _read_hub_questions(path: Path, language: str) -> Iterator[Question]:
    for number, row in read_rows(path, ("id", "question", "context", "answers"), "question"):
        if not (isinstance(row["question"], str) and isinstance(row["context"], str)):
            raise DataError(f"row {number} lacks its question or its context", path)
        answers = row["answers"] if isinstance(row["answers"], dict) else {}
        starts, texts = answers.get("answer_start"), answers.get("text")
        if not (isinstance(starts, list) and isinstance(texts, list) and len(starts) == len(texts)):
            raise DataError(f"row {number} has no answers with the lists answer_start and text, of one length", path)
        if not all(isinstance(start, int) for start in starts) or not all(isinstance(text, str) for text in texts):
            raise DataError(f"row {number} has an answer whose text or answer_start is null, or of another type", path)
        found = tuple(map(Answer, starts, texts))
        identifier = str(number if row["id"] is None else row["id"])
        yield _with_moved_answers(Question(identifier, row["question"], row["context"], found, language))


def _with_moved_answers(question: Question) -> Question:
    """The question with its answers moved back to where they are in the passage, if they are there.

    In the Hub's XQuAD some passages have lost the spaces at their beginning; their answers start too late by as many.
    """
    for lost in range(MOST_LOST_SPACES + 1):
        moved = tuple(Answer(start - lost, text) for start, text in question.answers)
        if all(start >= 0 and question.context.startswith(text, start) for start, text in moved):
            return replace(question, answers=moved)
    return question
