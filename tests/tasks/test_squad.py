"""Questions about passages: SQuAD 1.1 JSON and the Hub's Parquet, and what is refused with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from alignfreeze_cli.errors import DataError
from alignfreeze_cli.tasks.squad import Answer, Question, read_squad

CONTEXT = "😀 Nairobi is the capital. नैरोबी"


def item(identifier: Any = "q1", answers: Any = ((2, "Nairobi"),), **more: Any) -> dict[str, Any]:
    found = [{"answer_start": start, "text": text} for start, text in answers]
    return {"id": identifier, "question": "What is the capital?", "answers": found, **more}


def write(folder: Path, *items: Any, context: Any = CONTEXT, head: str = "") -> Path:
    """A file with one article of one paragraph."""
    path = folder / "squad.json"
    data = [{"title": "Kenya", "paragraphs": [{"context": context, "qas": list(items)}]}]
    path.write_text(head + json.dumps({"version": "1.1", "data": data}, ensure_ascii=False), encoding="utf-8")
    return path


def test_answers_are_counted_in_code_points(tmp_path: Path) -> None:
    path = write(tmp_path, item(answers=[(2, "Nairobi"), (CONTEXT.index("न"), "नैरोबी")]), head="\ufeff")
    (question,) = list(read_squad(path, "en"))
    assert question == Question(
        "q1", "What is the capital?", CONTEXT, (Answer(2, "Nairobi"), Answer(26, "नैरोबी")), "en"
    )


def test_repeated_identifiers_lose_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, item(5), item(5, [(13, "the capital")]), item(5))
    assert [(q.identifier, q.answers[0].text) for q in list(read_squad(path, "en"))] == [
        ("5", "Nairobi"),
        ("5", "the capital"),
        ("5", "Nairobi"),
    ]


@pytest.mark.parametrize(
    ("items", "sentence"),
    [
        (
            [item(), item("q2", [(3, "Nairobi")])],
            "'Nairobi' of question 'q2' (number 2) is not at answer_start 3",
        ),
        ([item("q2", [(-5, "obi")])], "is not at answer_start -5"),
        ([item("q2", [], is_impossible=True)], "question 'q2' (number 1) is marked is_impossible, as in SQuAD 2.0"),
        ([item(), item("q2", [])], "question 'q2' (number 2) has no answer, as in SQuAD 2.0"),
        ([item(), item("q2", [(0, "")])], "question 'q2' (number 2) has an empty answer"),
        ([item("q1", [(0, "")]), item("q2", [(0, "")])], "has no answer to any question"),
        ([item("q1", []), item("q2", [])], "has no answer to any question"),
        ([], "holds no question"),
        ([{**item(), "question": None}], "question number 1 has no 'question' that is a text"),
        ([item(), {**item(), "id": True}], "question number 2 has no 'id' that is a text"),
        ([item(answers=[("2", "Nairobi")])], "question number 1 has no 'answer_start' that is a whole number"),
        (["q1"], "question number 1 has no 'id' that is a text"),
    ],
)
def test_what_is_no_squad_is_refused_with_its_question(tmp_path: Path, items: list[Any], sentence: str) -> None:
    path = write(tmp_path, *items)
    with pytest.raises(DataError) as caught:
        list(read_squad(path, "en"))
    assert sentence in str(caught.value)
    assert str(path) in str(caught.value)


def test_misplaced_answers_are_all_counted_and_the_first_three_shown(tmp_path: Path) -> None:
    items = [item(f"q{number}", [(3, "Nairobi"), (2, "Nairobi")]) for number in range(7)]
    with pytest.raises(DataError) as caught:
        list(read_squad(write(tmp_path, item(), *items), "en"))
    text = str(caught.value)
    assert "squad.json: misplaced answers, 7 of 15 (answer_start counts Unicode code points from 0): " in text
    assert text.count("is not at answer_start 3, where the context has 'airobi '") == 3
    assert "of question 'q2' (number 4)" in text
    assert text.endswith("; and 4 more")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b'{"data":\n [1,}', "squad.json, line 2: is not JSON"),
        (b'{"data": "\xff"}', "is not UTF-8 text (byte 0xff)"),
        (b'{"data": [{"paragraphs": [{"context": "\\ud83d", "qas": []}]}]}', "holds half of a surrogate pair"),
        (b"[" * 100_000, "is JSON that can't be read"),
        (b'{"data": ' + b"1" * 5000 + b"}", "is JSON that can't be read"),
        (b"[]", "the file has no 'data' that is a list; SQuAD 1.1 JSON is needed"),
        (b'{"data": [{}]}', "article 1 has no 'paragraphs'"),
        (b'{"data": [{"paragraphs": [{"qas": []}]}]}', "paragraph 1 of article 1 has no 'context'"),
        (b'{"data": [{"paragraphs": []}]}', "holds no question"),
    ],
)
def test_a_broken_file_is_named_with_the_place(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "squad.json"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        list(read_squad(path, "en"))
    assert sentence in str(caught.value)


def hub_table(path: Path, *rows: tuple[str, str, list[int], list[str]]) -> Path:
    """A file as the Hub has it, of (id, context, answer_start, text)."""
    columns = {
        "id": [row[0] for row in rows],
        "title": ["Kenya" for _ in rows],
        "context": [row[1] for row in rows],
        "question": ["What?" for _ in rows],
        "answers": [{"text": row[3], "answer_start": row[2]} for row in rows],
    }
    pq.write_table(pa.table(columns), path)
    return path


def test_reads_the_hubs_parquet(tmp_path: Path) -> None:
    path = hub_table(tmp_path / "a.parquet", ("q1", CONTEXT, [2, 13], ["Nairobi", "the capital"]))
    assert list(read_squad(path, "de")) == [
        Question("q1", "What?", CONTEXT, (Answer(2, "Nairobi"), Answer(13, "the capital")), "de")
    ]


def test_passages_that_lost_their_first_spaces_on_the_hub(tmp_path: Path) -> None:
    """Some passages of XQuAD begin with a space that the Hub has stripped: 169 answers start too late there."""
    path = hub_table(tmp_path / "a.parquet", ("q1", "Nairobi, Nairobi", [2, 11], ["Nairobi", "Nairobi"]))
    assert next(iter(read_squad(path, "en"))).answers == (Answer(0, "Nairobi"), Answer(9, "Nairobi"))
    path = hub_table(tmp_path / "b.parquet", ("q1", "Nairobi", [0], ["Mombasa"]))
    with pytest.raises(DataError, match="is not at answer_start 0"):
        list(read_squad(path, "en"))


def test_parquet_of_other_things_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"id": ["1"], "context": [CONTEXT], "question": ["What?"], "answers": ["Nairobi"]}), path)
    with pytest.raises(DataError, match=r"row 1 has no answers with the lists answer_start and text"):
        list(read_squad(path, "en"))
    for lacking in ("question", "context"):
        row = {"id": "1", "question": "What?", "context": "Nairobi", "answers": {"text": ["N"], "answer_start": [0]}}
        pq.write_table(pa.Table.from_pylist([row, {**row, lacking: None}]), path)
        with pytest.raises(DataError, match="row 2 lacks its question or its context"):
            list(read_squad(path, "en"))
    for answers in ({"text": [None], "answer_start": [0]}, {"text": ["N"], "answer_start": [None]}):
        row = {"id": "1", "question": "What?", "context": "Nairobi", "answers": {"text": ["N"], "answer_start": [0]}}
        pq.write_table(pa.Table.from_pylist([row, {**row, "answers": answers}]), path)
        with pytest.raises(DataError, match="row 2 has an answer whose text or answer_start is null"):
            list(read_squad(path, "en"))
    pq.write_table(pa.table({"id": ["1"]}), path)
    with pytest.raises(DataError, match="is not a Parquet file with the columns id, question, context and answers"):
        list(read_squad(path, "en"))
