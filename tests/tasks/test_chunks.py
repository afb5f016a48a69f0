"""evaluate takes some examples at a time: whatever their number, the result is the same, and no others are held."""

from __future__ import annotations

import json
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from alignfreeze_cli.errors import DataError
from alignfreeze_cli.tasks import data
from alignfreeze_cli.tasks.pos import PosTask
from alignfreeze_cli.tasks.tagging import TaggedSentence
from tests.support.console import RecordingConsole
from tests.tasks.test_classify import labelled
from tests.tasks.test_ner import iob
from tests.tasks.test_nli import tsv
from tests.tasks.test_qa import squad
from tests.tasks.worlds import conllu, make_encoder, score, sentences, train

CHUNK = 4
UNLABELLED = "the cat\tred\t-\n"
TASKS = {
    "pos": (conllu(sentences(41, 2)), {"windows": "published"}),
    "ner": (iob(41, 2), {"ner_repair": "published"}),
    # A whole chunk of pairs without a label, and some elsewhere.
    "nli": (tsv(6, 2) + UNLABELLED * 9 + tsv(25, 3) + UNLABELLED, {}),
    "qa": (squad(41, 2), {"max_length": 24}),
    "classify": (labelled(41, 2), {}),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model and a test set of 41 examples for every task."""
    folder = tmp_path_factory.mktemp("chunks")
    make_encoder(folder / "encoder")
    for name, (content, _) in TASKS.items():
        (folder / f"{name}.txt").write_text(content, encoding="utf-8")
        train(folder, name, task=name, train=str(folder / f"{name}.txt"), steps=2)
    longer = json.loads(TASKS["qa"][0])
    for number in (3, 40):  # the last is the only one of its chunk
        longer["data"][0]["paragraphs"][number]["qas"][0]["question"] = "the dog sees " * 30
    (folder / "qa.txt").write_text(json.dumps(longer), encoding="utf-8")
    return folder


def evaluated(world: Path, task: str, name: str, **changes: Any) -> tuple[dict[str, Any], pq.ParquetFile, list[str]]:
    """Scores of a language, its predictions, and what was warned of."""
    console = RecordingConsole()
    chosen = {"model": str(world / task), "languages": ("xx",), "data": str(world / f"{task}.txt"), "batch_tokens": 64}
    made = score(world, name, console, **{**chosen, **TASKS[task][1], **changes})
    entry = json.loads((made.path / "scores.json").read_text(encoding="utf-8"))["languages"]["xx"]
    return entry, pq.ParquetFile(made.path / "predictions" / "xx.parquet"), console.warned


@pytest.mark.parametrize("task", TASKS)
def test_chunks_change_nothing(world: Path, task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, table, warned = evaluated(world, task, f"{task}-whole")
    assert table.num_row_groups == 1
    monkeypatch.setattr(data, "EXAMPLES_AT_ONCE", CHUNK)
    entry, chunks, warned_of_chunks = evaluated(world, task, f"{task}-chunks")
    assert chunks.num_row_groups == 11
    assert chunks.read() == table.read()
    assert (entry["examples"], warned_of_chunks) == (41, warned)
    assert bool(warned) == ("notes" in entry) == (task in ("nli", "qa"))
    # The sum of F1 scores, which are no whole numbers, may differ in the last digit.
    metrics = entry.pop("metrics"), whole.pop("metrics")
    assert metrics[0] == pytest.approx(metrics[1], abs=1e-15)
    assert entry.pop("value") == metrics[0][entry["metric"]]
    assert whole.pop("value") == metrics[1][entry["metric"]]
    assert entry == whole


def test_no_more_than_two_chunks_are_held(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, predictions = PosTask.read, PosTask.predictions
    examples: list[weakref.ref[TaggedSentence]] = []
    held: list[int] = []

    def remembered(task: PosTask, *given: Any) -> Iterator[TaggedSentence]:
        for each in read(task, *given):
            examples.append(weakref.ref(each))
            yield each

    def counted(task: PosTask, *given: Any) -> Any:
        held.append(sum(each() is not None for each in examples))
        return predictions(task, *given)

    monkeypatch.setattr(PosTask, "read", remembered)
    monkeypatch.setattr(PosTask, "predictions", counted)
    monkeypatch.setattr(data, "EXAMPLES_AT_ONCE", CHUNK)
    evaluated(world, "pos", "held")
    assert (len(examples), len(held)) == (41, 11)
    assert max(held) == 2 * CHUNK  # the one that is scored and the one that is computed meanwhile


def test_what_is_wrong_further_on_is_found_and_leaves_no_folder(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "EXAMPLES_AT_ONCE", CHUNK)
    path = tmp_path / "xx.txt"
    path.write_text(TASKS["ner"][0] + "cat\tB-MISC\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"data in 'xx': .*xx\.txt, line \d+: 'B-MISC' is not one of the tags"):
        evaluated(world, "ner", "late", data=str(path))
    path.write_text(UNLABELLED * 9, encoding="utf-8")
    with pytest.raises(DataError, match=r"data in 'xx': .*xx\.txt: no pair has a label"):
        evaluated(world, "nli", "late", data=str(path))
    asked = "no question leaves room for its passage in a window of 24 subwords that shares 20 with the next one"
    with pytest.raises(DataError, match=rf"data in 'xx': .*qa\.txt: {asked}"):
        evaluated(world, "qa", "late", qa_stride=20)
    assert not (world / "late").exists()


def test_rows_of_parquet_are_counted_through_all_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "ROWS_AT_ONCE", 2)
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"text": list("abcde"), "other": range(5)}), path, row_group_size=3)
    assert list(data.read_rows(path, ["text"], "text")) == [(n, {"text": each}) for n, each in enumerate("abcde", 1)]
    texts = pa.array([b"a", b"b", b"c", b"\xff", b"e"])
    broken = pa.StringArray.from_buffers(len(texts), *texts.buffers()[1:])
    pq.write_table(pa.table({"text": broken}), path)
    with pytest.raises(DataError, match=r"x\.parquet: row 4 holds text that is not UTF-8"):
        list(data.read_rows(path, ["text"], "text"))
    twice = pa.table([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    pq.write_table(twice, path)
    with pytest.raises(DataError, match="it has 2 columns text"):
        list(data.read_rows(path, ["text"], "text"))


def test_a_row_group_is_not_read_at_once(tmp_path: Path) -> None:
    letters = np.random.default_rng(0).bytes(10_000_000).hex()
    texts = [letters[begin : begin + 200] for begin in range(0, len(letters), 200)]
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"text": texts}), path)
    assert pq.ParquetFile(path).num_row_groups == 1
    before = pa.total_allocated_bytes()
    rows = data.read_rows(path, ["text"], "text")
    assert next(rows)[1]["text"] == texts[0]
    assert pa.total_allocated_bytes() - before < path.stat().st_size / 4
