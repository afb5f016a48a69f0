"""Question answering through the two commands, on every family, and from the Hub."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from transformers import AutoModelForQuestionAnswering, AutoTokenizer
from typer.testing import CliRunner, Result

from alignfreeze_cli.cli.app import app
from alignfreeze_cli.encoder.models import families_with, new_task_model
from alignfreeze_cli.errors import SettingsError
from alignfreeze_cli.tasks.qa_windows import QaWindows
from alignfreeze_cli.tasks.registry import TASKS
from alignfreeze_cli.tasks.settings import EvaluateSettings
from alignfreeze_cli.tasks.squad import Answer, Question
from tests.support.hubserver import HubServer
from tests.support.models import tiny
from tests.tasks.test_squad import CONTEXT, hub_table
from tests.tasks.test_tagging import wordpiece
from tests.tasks.worlds import LEXICON, make_encoder

QA = TASKS["qa"]
OPTIONS = dict(QA.defaults)


def squad(count: int, seed: int, suffix: str = "", identifier: str = "q") -> str:
    """Passages of 4 to 30 words with one noun in them, which is the answer."""
    draw = np.random.default_rng(seed)
    nouns = [word for word, tag in LEXICON.items() if tag == "NOUN"]
    others = [word for word in LEXICON if word not in nouns]
    paragraphs = []
    for _ in range(count):
        passage = [others[n] + suffix for n in draw.integers(len(others), size=int(draw.integers(4, 31)))]
        place = int(draw.integers(len(passage)))
        passage[place] = nouns[int(draw.integers(len(nouns)))] + suffix
        answers = [{"text": passage[place], "answer_start": len(" ".join([*passage[:place], ""]))}]
        asked = {"id": identifier, "question": "the . sees", "answers": answers}
        paragraphs.append({"context": " ".join(passage), "qas": [asked]})
    return json.dumps({"version": "1.1", "data": [{"paragraphs": paragraphs}]})


def alignfreeze(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def evaluated(world: Path, name: str, *more: str) -> dict[str, Any]:
    data = world / "{language}-test.json"
    ran = alignfreeze("evaluate", "-m", world / "qa", "--languages", "en,xx", "--data", data, "-o", world / name, *more)
    assert ran.exit_code == 0, ran.stderr
    scores: dict[str, Any] = json.loads((world / name / "scores.json").read_text(encoding="utf-8"))
    return scores


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model for questions, and two test sets whose questions all have the same identifier."""
    folder = tmp_path_factory.mktemp("world")
    make_encoder(folder / "encoder")  # 64 positions
    (folder / "train.json").write_text(squad(150, 1))
    (folder / "en-test.json").write_text(squad(30, 2))
    (folder / "xx-test.json").write_text(squad(30, 3, "x"))
    ran = alignfreeze(
        "finetune", "--task", "qa", "-m", folder / "encoder", "--train", folder / "train.json", "--max-length", "24",
        "--steps", "60", "--batch-size", "16", "--batch-tokens", "512", "--learning-rate", "1e-2", "-o", folder / "qa",
    )  # fmt: skip
    assert ran.exit_code == 0, ran.stderr
    return folder


def slow_answer(model: Any, tokenizer: Any, context: str) -> str:
    """The best span of a passage in one window, position by position."""
    read = tokenizer("the . sees", context, return_tensors="pt", return_offsets_mapping=True)
    offsets = read.pop("offset_mapping")[0].tolist()
    with torch.no_grad():
        outputs = model(**read)
    start, end = outputs.start_logits[0].tolist(), outputs.end_logits[0].tolist()
    inside = [place for place, part in enumerate(read.sequence_ids(0)) if part == 1]
    _, low, high = max((start[i] + end[j], i, j) for i in inside for j in inside if i <= j < i + 30)
    return context[offsets[low][0] : offsets[high][1]]


def test_learns_and_scores_as_the_obvious_way_does(world: Path) -> None:
    scores = evaluated(world, "scores")
    assert scores["languages"]["en"]["value"] > 0.8  # one word of 17 by chance
    assert (scores["metric"], scores["unit"], scores["scoring"]["max-length"]) == ("f1", "questions", 64)
    model, tokenizer = (auto.from_pretrained(world / "qa") for auto in (AutoModelForQuestionAnswering, AutoTokenizer))
    model.eval()
    for language, entry in scores["languages"].items():
        table = pq.read_table(world / "scores" / "predictions" / f"{language}.parquet").to_pydict()
        paragraphs = json.loads((world / f"{language}-test.json").read_text())["data"][0]["paragraphs"]
        contexts = [paragraph["context"] for paragraph in paragraphs]
        if language == "en":  # xx has two subwords a word, so that some passages need two windows
            assert table["prediction"] == [slow_answer(model, tokenizer, context) for context in contexts]
        cut = zip(table["start"], table["prediction"], contexts, strict=True)
        assert all(context[start : start + len(text)] == text for start, text, context in cut)
        # No two questions have different identifiers, and yet every one is there.
        assert (entry["scored"], entry["examples"], table["id"]) == (30, 30, ["q"] * 30)
        exact = [given == right for given, (right,) in zip(table["prediction"], table["references"], strict=True)]
        assert table["exact_match"] == [float(e) for e in exact]
        assert entry["metrics"]["exact_match"] == pytest.approx(sum(exact) / 30)
        tallies = QA.tallies(table)
        assert tallies.shape == (30, 3)
        assert (entry["value"], entry["metrics"]["f1"]) == (np.mean(table["f1"]), np.mean(table["f1"]))
        assert QA.metrics(tallies[[[0, 0], [1, 2]]].sum(1))["f1"].tolist() == pytest.approx(
            [table["f1"][0], (table["f1"][1] + table["f1"][2]) / 2]
        )


def test_short_windows_find_the_same_answers(world: Path) -> None:
    """Passages are cut into up to three windows each; most answers are those of the whole passage."""
    whole, cut = (evaluated(world, name, *more) for name, more in (("scores", []), ("cut", ["--max-length", "24"])))
    assert abs(cut["languages"]["en"]["value"] - whole["languages"]["en"]["value"]) < 0.3
    assert (world / "cut" / "predictions" / "en.parquet").is_file()


def test_the_same_input_gives_the_same_bytes_in_batches_of_any_size(world: Path) -> None:
    for name, tokens in (("all", "65536"), ("single", "8")):
        evaluated(world, name, "--batch-tokens", tokens)
    for name in ("scores.json", "predictions/en.parquet", "predictions/xx.parquet"):
        assert (world / "all" / name).read_bytes() == (world / "single" / name).read_bytes()


def test_a_question_without_a_window_scores_nothing_and_is_told(world: Path, tmp_path: Path) -> None:
    content = json.loads((world / "en-test.json").read_text())
    content["data"][0]["paragraphs"][0]["qas"][0]["question"] = "the dog sees " * 30
    (tmp_path / "en.json").write_text(json.dumps(content))
    ran = alignfreeze(
        "evaluate", "-m", world / "qa", "--languages", "en", "--data", tmp_path / "en.json", "-o", tmp_path / "scores"
    )
    assert ran.exit_code == 0
    notes = {
        "questions cut to 64 subwords": 1,
        "questions too long for a window (raise --max-length or lower --qa-stride)": 1,
    }
    assert "warning: en.json: questions cut to 64 subwords: 1" in ran.stderr
    entry = json.loads((tmp_path / "scores" / "scores.json").read_text())["languages"]["en"]
    assert (entry["notes"], entry["scored"]) == (notes, 30)
    table = pq.read_table(tmp_path / "scores" / "predictions" / "en.parquet").slice(0, 1).to_pylist()
    assert table[0] | {"question": ""} == {
        "id": "q", "question": "", "prediction": "", "start": -1, "f1": 0.0, "exact_match": 0.0,
        "references": [content["data"][0]["paragraphs"][0]["qas"][0]["answers"][0]["text"]],
    }  # fmt: skip


def test_options(world: Path) -> None:
    chosen = QA.chosen_options(EvaluateSettings(model="m"), {**OPTIONS, "qa_stride": 32, "qa_scoring": "mlqa"})
    assert (chosen["qa_stride"], chosen["qa_scoring"]) == (None, "mlqa")  # an overlap fits windows of one length
    refused = alignfreeze(
        "finetune", "--task", "pos", "-m", world / "encoder", "--train", world / "train.json", "--qa-scoring", "mlqa"
    )
    assert refused.exit_code == 2
    assert "--qa-scoring is an option of qa, not of pos" in refused.stderr
    assert (QA.epochs, QA.train_length, QA.evaluation_length) == (2, 96, 384)
    assert " ".join(QA.languages) == "ar de el es hi ro ru th tr vi zh"


def windows(*passages: str, length: int = 20, **options: Any) -> tuple[list[Question], QaWindows]:
    examples = [Question("q", "q" * (n + 1), text, (Answer(2, text[2:3]),), "en") for n, text in enumerate(passages)]
    found = QA.encode(examples, wordpiece(), (), length, {**OPTIONS, **options})
    assert isinstance(found, QaWindows)
    return examples, found


@pytest.mark.parametrize("family", families_with(QA.auto_class))
def test_a_window_counts_the_same_in_any_batch(family: str) -> None:
    model = tiny(family, AutoModelForQuestionAnswering).eval()  # DistilBERT's head has a dropout of its own
    _, found = windows("a b c d", "a c b d e f g h i j k l m n o p q r", "b a")
    everything = np.arange(len(found.lengths))
    together = QA.loss(model, found.collate(everything))
    alone = [QA.loss(model, found.collate(everything[[w]])) for w in everything]
    assert torch.isfinite(together)
    assert together.item() == pytest.approx(sum(part.item() for part in alone), rel=1e-5)
    together.backward()
    assert all(p.grad is not None for name, p in model.named_parameters() if name.startswith("qa_outputs"))
    with torch.no_grad():
        logits = QA.answer(model, found.collate(everything))
    assert logits.shape == (2, len(everything), found.lengths.max())
    assert np.isneginf(logits[:, 0, found.lengths[0] :]).all()


def test_the_loss_is_the_mean_of_two_cross_entropies() -> None:
    model = tiny("bert", AutoModelForQuestionAnswering)
    (example,), found = windows("a b c d")
    read = wordpiece()(example.text, example.context, return_tensors="pt")
    place = torch.tensor([read["input_ids"][0].tolist().index(wordpiece().convert_tokens_to_ids("b"))])
    expected = model(**read, start_positions=place, end_positions=place).loss
    assert QA.loss(model, found.collate(np.array([0]))).item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_best_window_of_a_question_answers_it() -> None:
    """Windows without the answer point at their first token; the surest pointer into a passage wins."""
    examples, found = windows("aa bb cc dd ee ff gg hh ii jj", "aa b", length=16)
    assert found.question.tolist() == [0, 0, 0, 1]
    logits = np.zeros((2, 4, int(found.lengths.max())))
    answer = found.passages.tolist().index(wordpiece().convert_tokens_to_ids("h"))
    for w in range(4):
        holds = w < 3 and found.begin[w] <= answer < found.end[w]
        logits[:, w, answer - found.begin[w] + found.first[w] if holds else 0] = 9
    answers = [(part, logits[:, part]) for part in (np.array([2, 0]), np.array([3, 1]))]
    table = QA.predictions(examples, found, answers, (), OPTIONS)
    assert (table["prediction"][0], len(table["id"])) == ("h", 2)
    _, words = windows("aa bb cc dd ee ff gg hh ii jj", "aa b", length=16, answer_borders="words")
    assert QA.predictions(examples, words, answers, (), OPTIONS)["prediction"][0] == "hh"


CODE = """
import json, sys
from alignfreeze_cli.errors import AlignFreezeError
from alignfreeze_cli.progress import Console
from alignfreeze_cli.tasks.registry import TASKS
from alignfreeze_cli.tasks.data import find_data
found = []
for split, languages in (("train", ["en"]), ("test", ["en", "ar", "zh"])):
    for source in find_data(TASKS["qa"], languages, None, split, "--data", Console()):
        examples = list(TASKS["qa"].read(source.paths, source.language, {}))
        found.append([split, source.language, source.title, source.to_dict()["commit"], len(examples)])
print(json.dumps(found))
assert "torch" not in sys.modules
"""


def test_default_data_comes_from_the_hub(hub: HubServer, tmp_path: Path) -> None:
    def table(count: int) -> bytes:
        return hub_table(tmp_path / "x.parquet", *[("q", CONTEXT, [2], ["Nairobi"])] * count).read_bytes()

    english = hub.add(
        "rajpurkar/squad",
        {
            "plain_text/train-00000-of-00001.parquet": table(5),
            "plain_text/validation-00000-of-00001.parquet": table(2),
        },
        kind="dataset",
    )
    others = hub.add(
        "google/xquad",
        {f"xquad.{name}/validation-00000-of-00001.parquet": table(3) for name in ("ar", "en", "zh")},
        kind="dataset",
    )
    ran = subprocess.run([sys.executable, "-c", CODE], env=hub.environment(tmp_path), capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout.splitlines()[-1]) == [
        ["train", "en", "rajpurkar/squad/plain_text/train-*.parquet", english.oid, 5],
        ["test", "en", "rajpurkar/squad/plain_text/validation-*.parquet", english.oid, 2],
        ["test", "ar", "google/xquad/xquad.ar/validation-*.parquet", others.oid, 3],
        ["test", "zh", "google/xquad/xquad.zh/validation-*.parquet", others.oid, 3],
    ]


def test_languages_without_default_data_are_named() -> None:
    with pytest.raises(SettingsError, match="no default training data for 'de', only for en; name a file"):
        QA.hub_files("de", "train")
    with pytest.raises(SettingsError, match="XQuAD has no 'fr'"):
        QA.hub_files("fr", "test")


@pytest.mark.parametrize("family", ["bert", "distilbert"])
def test_an_encoder_published_with_three_labels_still_gets_two_outputs(family: str, tmp_path: Path) -> None:
    encoder = tiny(family, dtype=torch.float32)
    encoder.save_pretrained(tmp_path / "two")
    encoder.config.num_labels = 3
    encoder.save_pretrained(tmp_path / "three")
    two, three = (new_task_model(tmp_path / name, QA.auto_class, ()) for name in ("two", "three"))
    assert three.qa_outputs.out_features == 2
    assert three(input_ids=torch.arange(5, 9)[None]).end_logits.shape == (1, 4)
    assert three.config.to_dict() == {**two.config.to_dict(), "_name_or_path": three.config._name_or_path}


def test_training_only_the_embeddings_that_occur_gives_the_same_bytes(world: Path) -> None:
    for rows in ("active", "full"):
        ran = alignfreeze(
            "finetune", "--task", "qa", "-m", world / "encoder", "--train", world / "train.json", "--max-length", "24",
            "--steps", "3", "--batch-tokens", "100", "--vocabulary", rows, "-o", world / rows,
        )  # fmt: skip
        assert ran.exit_code == 0, ran.stderr
    one, other = (world / rows / "model.safetensors" for rows in ("active", "full"))
    assert one.read_bytes() == other.read_bytes()
