"""evaluate: scores against a slow and obvious version, the same bytes every time, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForTokenClassification, AutoTokenizer

from alignfreeze_cli.encoder.models import load_task_model, prepare_for_bf16
from alignfreeze_cli.errors import AlignFreezeError, ArtifactError, DataError, SettingsError
from alignfreeze_cli.tasks.conllu import read_conllu
from alignfreeze_cli.tasks.pos import PosTask
from alignfreeze_cli.tasks.prediction import length_batches
from alignfreeze_cli.tasks.registry import TASKS
from alignfreeze_cli.tasks.settings import EvaluateSettings
from alignfreeze_cli.training.devices import arithmetic
from tests.tasks.worlds import make_world, score, train


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_world(tmp_path_factory.mktemp("world"))
    train(folder, steps=30)
    return folder


def slow_accuracy(folder: Path, treebank: Path) -> tuple[int, int]:
    """Right words and all words, one sentence and one word at a time."""
    model = AutoModelForTokenClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    right = total = 0
    for sentence in read_conllu(treebank):
        read = tokenizer([row.form for row in sentence.lines], is_split_into_words=True, return_tensors="pt")
        with torch.no_grad():
            logits = model(**read).logits[0]
        for number, row in enumerate(sentence.lines):
            place = read.word_ids(0).index(number)
            right += model.config.id2label[int(logits[place].argmax())] == row.upos
            total += 1
    return right, total


def test_scores_are_those_of_the_obvious_way(world: Path) -> None:
    result = score(world, "obvious", max_length=60)
    scores = json.loads((world / "obvious" / "scores.json").read_text(encoding="utf-8"))
    assert result.details == scores
    assert list(scores["languages"]) == ["en", "xx", "yy"]
    for language, entry in scores["languages"].items():
        right, total = slow_accuracy(world / "pos", world / f"{language}_tiny-ud-test.conllu")
        assert (entry["metric"], entry["value"], entry["scored"]) == ("accuracy", right / total, total)
        assert (entry["examples"], entry["data"]["source"]) == (9, f"{language}_tiny-ud-test.conllu")
        table = pq.read_table(world / "obvious" / "predictions" / f"{language}.parquet").to_pydict()
        hits = [
            g == p
            for gold, told in zip(table["gold"], table["predicted"], strict=True)
            for g, p in zip(gold, told, strict=True)
        ]
        assert (sum(hits), len(hits)) == (right, total)
        assert table["id"][0] == "s1"
    assert scores["languages"]["en"]["value"] > 0.8
    targets = [scores["languages"][language]["value"] for language in ("xx", "yy")]
    assert scores["average"] == pytest.approx(sum(targets) / 2)
    assert (scores["source-language"], scores["unit"]) == ("en", "words")


def test_the_same_input_gives_the_same_bytes_in_batches_of_any_size(world: Path) -> None:
    folders = [score(world, f"again-{tokens}", batch_tokens=tokens).path for tokens in (8, 64, 64000)]
    for name in ("scores.json", "predictions/en.parquet", "predictions/xx.parquet", "predictions/yy.parquet"):
        assert len({(folder / name).read_bytes() for folder in folders}) == 1


def test_threads_change_nothing(world: Path) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        folder = score(world, "threads", batch_tokens=32).path
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert (folder / "scores.json").read_bytes() == (score(world, "one").path / "scores.json").read_bytes()


def test_a_batch_that_does_not_fit_is_computed_in_halves(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = score(world, "whole").path
    answer = PosTask.answer

    def small_memory(task: PosTask, model: Any, batch: Any) -> Any:
        if len(batch["inputs"]["input_ids"]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return answer(task, model, batch)

    monkeypatch.setattr(PosTask, "answer", small_memory)
    found = score(world, "halves").path
    for language in ("en", "xx", "yy"):
        name = f"predictions/{language}.parquet"
        assert pq.read_table(found / name) == pq.read_table(expected / name)


def test_bf16_is_recorded_and_changes_little(world: Path) -> None:
    single, half = (score(world, f"in-{name}", precision=name) for name in ("fp32", "bf16"))
    assert half.record is not None
    assert half.record.settings["precision"] == half.record.identity["settings"]["precision"] == "bf16"
    one, other = (json.loads((each.path / "scores.json").read_text())["languages"] for each in (single, half))
    for language in one:
        assert one[language]["value"] == pytest.approx(other[language]["value"], abs=0.05)
    (prepared, _), (usual, _) = (load_task_model(world / "pos", TASKS["pos"].auto_class) for _ in range(2))
    prepare_for_bf16(prepared.eval())
    ids = torch.tensor([[2, 5, 6, 7, 3]])
    with torch.inference_mode(), arithmetic("bf16", torch.device("cpu")):
        states = usual.eval().bert(ids).last_hidden_state
        assert torch.equal(prepared.bert(ids).last_hidden_state, states)
        logits = prepared(ids).logits
    with torch.inference_mode():
        assert torch.equal(logits, usual.classifier(states.float()))


def test_the_source_language_alone_has_no_average(world: Path) -> None:
    assert score(world, "source", languages=("en",)).details["average"] is None


@given(st.lists(st.integers(1, 60), min_size=1, max_size=80), st.integers(8, 300))
def test_length_batches_hold_every_window_once_within_the_budget(lengths: list[int], budget: int) -> None:
    sizes = np.array(lengths)
    found = length_batches(sizes, budget)
    assert sorted(n for batch in found for n in batch.tolist()) == list(range(len(lengths)))
    for batch in found:
        assert len(batch) == 1 or sizes[batch].max() * len(batch) <= budget
        assert sizes[batch].min() >= 0.9 * sizes[batch].max()  # nothing is padded by more than a tenth


def edited(world: Path, folder: Path, **details: object) -> str:
    """The task model with other details in its record."""
    shutil.copytree(world / "pos", folder)
    record = json.loads((folder / "alignfreeze.json").read_text())
    record["details"].update(details)
    (folder / "alignfreeze.json").write_text(json.dumps(record))
    return str(folder)


def test_a_model_of_an_unknown_task_is_refused(world: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="is a model for the task 'chess', which this version does not know"):
        score(world, "chess", model=edited(world, tmp_path / "chess", task="chess"))


@pytest.mark.parametrize(
    ("changes", "error", "sentence"),
    [
        ({"model": "encoder"}, ArtifactError, "is no task-model folder"),
        (
            {"model": "scores"},
            ArtifactError,
            "holds scores, made by `alignfreeze evaluate`, but a task-model is needed",
        ),
        ({"languages": ("en", "zz")}, DataError, "no such file for the language 'zz' (--data)"),
        (
            {"data": "{language}_*-ud-*"},
            DataError,
            "2 files fit for the language 'en' (en_tiny-ud-dev.conllu and",
        ),
    ],
)
def test_what_does_not_fit_is_refused(
    world: Path, changes: dict[str, object], error: type[AlignFreezeError], sentence: str
) -> None:
    score(world)
    shutil.copy(world / "en_tiny-ud-test.conllu", world / "en_tiny-ud-dev.conllu")
    given_here = {k: str(world / v) if isinstance(v, str) else v for k, v in changes.items()}
    with pytest.raises(error) as caught:
        score(world, "refused", **given_here)
    (world / "en_tiny-ud-dev.conllu").unlink()
    assert sentence in str(caught.value)
    assert not (world / "refused").exists()


def test_a_treebank_without_tags_is_refused(world: Path, tmp_path: Path) -> None:
    blank = (world / "xx_tiny-ud-test.conllu").read_text(encoding="utf-8")
    for tag in ("NOUN", "VERB", "DET", "ADJ", "PUNCT"):
        blank = blank.replace(f"\t{tag}\t", "\t_\t")
    (tmp_path / "xx.conllu").write_text(blank, encoding="utf-8")
    with pytest.raises(DataError, match=r"xx.conllu: no word has a tag"):
        score(world, "blank", languages=("xx",), data=str(tmp_path / "{language}.conllu"))


def test_a_damaged_task_model_is_refused(world: Path, tmp_path: Path) -> None:
    folder = Path(edited(world, tmp_path / "damaged"))
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "model.safetensors").write_bytes(data)
    with pytest.raises(ArtifactError, match=r"model.safetensors: differs from its digest"):
        score(world, "damaged", model=str(folder))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"languages": ("en", "de", "en")}, "--languages names en twice"),
        ({"languages": ("en", "de"), "data": "x.conllu"}, "--data needs {language} in its path"),
        ({"task": "chess"}, "--task must be one of pos, ner"),
    ],
)
def test_settings_complain(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        EvaluateSettings(**{"model": "m", **changes})  # type: ignore[arg-type]
    assert sentence in str(caught.value)
