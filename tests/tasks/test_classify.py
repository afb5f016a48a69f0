"""Text classification: what is read and refused, labels from the data, windows, macro-F1, the whole way to a card."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import ModelCard
from hypothesis import given
from hypothesis import strategies as st
from transformers import pipeline

from alignfreeze_cli.errors import DataError, SettingsError
from alignfreeze_cli.hub.cards import sections
from alignfreeze_cli.runs.recipes import RecipeError, load
from alignfreeze_cli.tasks.labelled_texts import Columns, LabelledText, read_labelled_texts
from alignfreeze_cli.tasks.registry import TASKS
from alignfreeze_cli.tasks.sequences import SequenceWindows
from tests.support.console import RecordingConsole
from tests.tasks.test_iob import write
from tests.tasks.test_tagging import wordpiece
from tests.tasks.worlds import make_encoder, score, train

CLASSIFY = TASKS["classify"]
OPTIONS = dict(CLASSIFY.defaults)
WORDS = {"the": "start", "red": "colour", ".": "stop"}


def read(folder: Path, content: str | bytes, name: str = "x.tsv", language: str = "en", **named: str) -> list[Any]:
    found = read_labelled_texts(write(folder, content, name), language, Columns(**named))
    return [(each.identifier, each.text, each.label) for each in found]


def test_two_columns_without_a_header_and_without_quoting(tmp_path: Path) -> None:
    assert read(tmp_path, 'He said "no.\tspeech\n\n  "A cat\t pet \r\nx\tpet\n') == [
        ("1", 'He said "no.', "speech"),
        ("3", '  "A cat', "pet"),
        ("4", "x", "pet"),
    ]


@pytest.mark.parametrize(
    ("content", "name", "named"),
    [
        ("label\tid\ttext\nb\tq7\ta\n", "x.tsv", {}),
        ("id\tsentence\tlabel\nq7\ta\tb\n", "x.tsv", {}),
        ("id\tstars\treview_en\treview_de\nq7\tb\ta\tz\n", "x.tsv", {"text": "review_{language}", "label": "stars"}),
        ('{"label": "b", "text": "a", "id": "q7"}\n', "x.jsonl", {}),
        ('{"topic": "b", "sentence": "a", "id": "q7"}\n', "x.json", {"label": "topic"}),
    ],
)
def test_columns_are_found_by_name_or_named(tmp_path: Path, content: str, name: str, named: dict[str, str]) -> None:
    assert read(tmp_path, content, name, **named) == [("q7", "a", "b")]


def test_a_column_with_the_language_chooses_the_lines(tmp_path: Path) -> None:
    content = "text\tlabel\tlanguage\na\tx\ten\nb\ty\tde\n"
    assert read(tmp_path, content) == [("2", "a", "x")]
    assert read(tmp_path, content, language="de") == [("3", "b", "y")]
    with pytest.raises(DataError, match="holds no text with a label in 'fr', only in de and en"):
        read(tmp_path, content, language="fr")
    pq.write_table(pa.table({"text": ["a", "b"], "label": [0, 1], "language": ["en", "de"]}), tmp_path / "x.parquet")
    found = list(read_labelled_texts(tmp_path / "x.parquet", "de", Columns()))
    assert found == [LabelledText("2", "b", "1", "row 2")]


def test_a_column_with_the_language_may_be_the_label(tmp_path: Path) -> None:
    content = "text\tlanguage\na\ten\nb\tde\n"
    assert read(tmp_path, content, label="language") == [("2", "a", "en"), ("3", "b", "de")]
    pq.write_table(pa.table({"text": ["a", "b"], "language": ["en", "de"]}), tmp_path / "x.parquet")
    found = read_labelled_texts(tmp_path / "x.parquet", "en", Columns(label="language"))
    assert [each.label for each in found] == ["en", "de"]


@pytest.mark.parametrize(
    ("value", "label"), [("b", "b"), (" b ", "b"), (3, "3"), (3.0, "3"), (-1, "-1"), (True, "true"), (False, "false")]
)
def test_labels_are_texts_whole_numbers_and_truth_values(tmp_path: Path, value: Any, label: str) -> None:
    assert read(tmp_path, json.dumps({"text": "a", "label": value}), "x.jsonl") == [("1", "a", label)]
    pq.write_table(pa.table({"text": ["a"], "label": [value]}), tmp_path / "x.parquet")
    assert [each.label for each in read_labelled_texts(tmp_path / "x.parquet", "en", Columns())] == [label]


def test_ids_of_labels_get_their_names_where_the_file_has_them(tmp_path: Path) -> None:
    feature = {"names": ["neg", "pos"], "_type": "ClassLabel"}
    told = {"huggingface": json.dumps({"info": {"features": {"label": feature}}})}
    for ids, expected in (([1, 0], ["pos", "neg"]), ([1.0, 0.0], ["pos", "neg"])):
        table = pa.table({"text": ["a", "b"], "label": ids}).replace_schema_metadata(told)
        pq.write_table(table, tmp_path / "x.parquet")
        found = list(read_labelled_texts(tmp_path / "x.parquet", "en", Columns()))
        assert [each.label for each in found] == expected
    for number, sentence in ((2, "the label id 2 has no name; ids are 0 to 1"), (-1, "has no name .no label is known")):
        table = pa.table({"text": ["a", "b"], "label": [1, number]}).replace_schema_metadata(told)
        pq.write_table(table, tmp_path / "x.parquet")
        with pytest.raises(DataError, match=f"x.parquet, row 2: .*{sentence}"):
            list(read_labelled_texts(tmp_path / "x.parquet", "en", Columns()))


TSV, JSONL = "x.tsv", "x.jsonl"


@pytest.mark.parametrize(
    ("content", "name", "sentence"),
    [
        ("", TSV, "x.tsv: holds no text with a label"),
        ("text\tlabel\n", TSV, "x.tsv: holds no text with a label"),
        ("a,b\n", "x.csv", "x.csv: is a CSV file; texts with labels are read from TSV, JSON lines"),
        ("a b\n", TSV, "line 1: the line has 1 column; without a first line that names the columns two are needed"),
        ("a\tb\tc\n", TSV, "line 1: the line has 3 columns; without a first line"),
        ("a\tb\nc\n", TSV, "line 2: the line has 1 column instead of 2 (text and label), separated by tabs"),
        ("text\tlabel\tmore\na\tb\n", TSV, "line 2: the line has 2 columns instead of 3"),
        ("a\tb\n\tb\n", TSV, "line 2: the text is empty"),
        ("a\tb\nc\t \n", TSV, "line 2: there is no label (it is empty); labelled data is needed"),
        (
            "text\tsentiment\na\tb\n",
            TSV,
            "line 1: there is no label (label), only text and sentiment; name it with --l",
        ),
        ("text\tlabel\na\tb\ntext\tlabel\n", TSV, "line 3: the line names the columns once more"),
        (
            '{"text": "a", "label": "b", "language": null}',
            JSONL,
            "line 1: the language is null; it must be a code",
        ),
        ("text\ttext\tlabel\na\tb\tc\n", TSV, "line 1: two columns are called text"),
        ("text\tid\tlabel\tid\na\tb\tc\td\n", TSV, "line 1: two columns are called id"),
        (
            "text\tsentence\tlabel\na\tb\tc\n",
            TSV,
            "both text and sentence may hold the text; name one with --text-colu",
        ),
        (b"a\tb\nc\xff\tb\n", TSV, "line 2: is not UTF-8 text"),
        (
            '{"text": "a", "label": "b"}\n{"text": "a"}\n',
            JSONL,
            "line 2: there is no label (label), only text; name it",
        ),
        ('{"text": "a", "label": null}', JSONL, "line 1: there is no label (it is empty); labelled data is needed"),
        ('{"text": "a", "label": ["b"]}', JSONL, "line 1: the label is a list; it must be one text, whole number"),
        ('{"text": "a", "label": {}}', JSONL, "line 1: the label is an object"),
        ('{"text": "a", "label": 1.5}', JSONL, "line 1: the label is 1.5"),
        ('{"text": 1, "label": 1}', JSONL, "line 1: the text is 1; it must be a text"),
        ('{"text": null, "label": 1}', JSONL, "line 1: the text is null"),
        ('[{"text": "a", "label": 1}]', JSONL, "line 1: is not a JSON object; one per line is needed"),
        ('{"text": "a", "label": "\\ud83d"}', JSONL, "line 1: the value of 'label' holds half of a surrogate pair"),
        ('{"text": "a", "text": "b", "label": 1}', JSONL, "line 1: has the key 'text' twice"),
    ],
)
def test_says_what_is_wrong_and_where(tmp_path: Path, content: str | bytes, name: str, sentence: str) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, content, name)
    assert sentence in str(caught.value)
    assert str(tmp_path / name) in str(caught.value)


def test_named_columns_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"x.tsv, line 1: there is no text .review., only reviews and label; --text-col"
    ):
        read(tmp_path, "reviews\tlabel\na\tb\n", text="review")
    pq.write_table(pa.table({"text": ["a"], "labels": ["b"]}), tmp_path / "x.parquet")
    with pytest.raises(DataError, match=r"x.parquet: there is no label .label., only text and labels"):
        list(read_labelled_texts(tmp_path / "x.parquet", "en", Columns()))
    twice = pa.table([pa.array(["a"]), pa.array(["b"]), pa.array(["c"])], names=["text", "text", "label"])
    pq.write_table(twice, tmp_path / "x.parquet")
    with pytest.raises(DataError, match=r"x.parquet: two columns are called text"):
        list(read_labelled_texts(tmp_path / "x.parquet", "en", Columns()))


def texts(*labels: str, maybe_header: bool = False) -> list[LabelledText]:
    return [
        LabelledText(str(n), f"a {n}", label, f"line {n}", maybe_header and n == 1) for n, label in enumerate(labels, 1)
    ]


def test_labels_are_those_of_the_data_in_order() -> None:
    assert CLASSIFY.labels_of(texts("b", "a", "b", "a"), OPTIONS) == ("a", "b")
    assert CLASSIFY.labels_of(texts("-1", "-2", "10.5", "2.5", "nan", "nan"), OPTIONS) == (
        *("-2", "-1", "2.5", "10.5", "nan"),
    )
    assert CLASSIFY.labels_of(texts("10", "9", "9", "x", "-1"), OPTIONS) == ("-1", "9", "10", "x")
    for given_, sentence in (
        (texts("a", "a"), "every text has the label 'a'; two labels or more are needed"),
        (texts("a", "b", "c"), "there are 3 labels for 3 different texts; does the text stand first, then the label?"),
        (
            [LabelledText(str(n), "ab"[n % 2], label, f"line {n}") for n, label in enumerate(("x", "y", "z", "x"))],
            "there are 3 labels for 2 different texts",
        ),
        (texts("kind", "b", "b", maybe_header=True), "no other text has the label of line 1, 'kind'; if line 1 names"),
    ):
        with pytest.raises(DataError, match=sentence):
            CLASSIFY.labels_of(given_, OPTIONS)


def encode(examples: list[LabelledText], labels: tuple[str, ...], length: int = 8) -> SequenceWindows:
    windows = CLASSIFY.encode(examples, wordpiece(), labels, length, OPTIONS)
    assert isinstance(windows, SequenceWindows)
    return windows


def test_labels_that_the_model_does_not_know_are_named_with_their_place() -> None:
    with pytest.raises(
        DataError, match="line 2: the label 'sprot' is none of the model's, art and sport; did you mean"
    ):
        encode(texts("sport", "sprot"), ("art", "sport"))
    with pytest.raises(
        DataError, match="line 1: the label 'kind' is none of .*; if line 1 names the columns, say which"
    ):
        encode(texts("kind", "art", maybe_header=True), ("art", "sport"))


@given(st.lists(st.sampled_from(["a", "b c d", "e f g h i j k", "unknown", "a, b"]), min_size=1, max_size=6))
def test_windows_are_what_the_tokenizer_makes_of_the_texts(given_: list[str]) -> None:
    examples = [LabelledText(str(n), text, "x", f"line {n}") for n, text in enumerate(given_)]
    windows = encode(examples, ("x", "y"))
    expected = wordpiece()(given_, truncation=True, max_length=8)["input_ids"]
    found = [windows.tokens[start:end].tolist() for start, end in zip(windows.starts, windows.starts[1:], strict=False)]
    assert found == expected
    cut = sum(len(ids) > 8 for ids in wordpiece()(given_)["input_ids"])
    assert windows.notes == ({"texts cut at the end, to 8 subwords": cut} if cut else {})


def macro_f1(gold: Sequence[str], predicted: Sequence[str]) -> float:
    """As scikit-learn has it: the mean over the labels that occur on either side."""
    scores = []
    for label in {*gold, *predicted}:
        right = sum(g == p == label for g, p in zip(gold, predicted, strict=True))
        precision, recall = right / max(predicted.count(label), 1), right / max(gold.count(label), 1)
        scores.append(2 * precision * recall / (precision + recall) if right else 0.0)
    return sum(scores) / len(scores)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), min_size=1, max_size=12), st.data())
def test_accuracy_and_macro_f1_are_those_of_their_definitions(
    pairs: list[tuple[str, str]], data: st.DataObject
) -> None:
    labels = ("a", "b", "c", "d")
    examples = texts(*(gold for gold, _ in pairs))
    windows = encode(examples, labels)
    order = np.array(data.draw(st.permutations(range(len(pairs)))))
    chosen = np.array([labels.index(predicted) for _, predicted in pairs])
    table = CLASSIFY.predictions(examples, windows, [(order, chosen[order])], labels, OPTIONS)
    assert list(zip(table["gold"], table["predicted"], strict=True)) == pairs
    table = pa.table(table, schema=CLASSIFY.schema(OPTIONS)).to_pydict()
    parts = [{name: column[part] for name, column in table.items()} for part in (slice(3), slice(3, None))]
    sums = sum(CLASSIFY.tallies(part).sum(0) for part in parts if part["id"])
    gold, predicted = zip(*pairs, strict=True)
    found = CLASSIFY.metrics(np.asarray(sums))
    assert found["accuracy"] == pytest.approx(sum(g == p for g, p in pairs) / len(pairs))
    assert found["macro_f1"] == pytest.approx(macro_f1(gold, predicted))
    assert sums[-1] == len(pairs)


def labelled(count: int, seed: int, suffix: str = "") -> str:
    """Texts whose last word gives their label away."""
    draw = np.random.default_rng(seed)
    others = ["cat", "dog", "river", "sees", "finds"]
    lines = []
    for number in range(count):
        words = [others[n] + suffix for n in draw.integers(0, 5, draw.integers(1, 4))]
        word = list(WORDS)[number % 3]
        lines.append(f"{' '.join(words)} {word}{suffix}\t{WORDS[word]}\n")
    return "".join(lines)


def test_learns_scores_and_gets_a_card(tmp_path: Path) -> None:
    make_encoder(tmp_path / "encoder")
    write(tmp_path, labelled(60, 1) + "the " * 40 + "\tstart\n", "en-train.tsv")
    for seed, (language, suffix) in enumerate({"en": "", "xx": "x"}.items(), 2):
        rows = [line.split("\t") for line in labelled(21, seed, suffix).splitlines()]
        lines = [json.dumps({"review": text, "label": label}) for text, label in rows]
        write(tmp_path, "\n".join(lines), f"{language}-test.jsonl")
    console = RecordingConsole()
    train_file = str(tmp_path / "en-train.tsv")
    made = train(tmp_path, "topics", console, task="classify", train=train_file, steps=120, learning_rate=5e-3)
    assert any("en-train.tsv: texts cut at the end, to 24 subwords: 1" in said for said in console.warned)
    assert made.details["labels"] == ["colour", "start", "stop"]
    assert made.details["options"] == {"text_column": None, "label_column": None}
    model = str(tmp_path / "topics")
    data = str(tmp_path / "{language}-test.jsonl")
    with pytest.raises(
        DataError, match=r"data in 'en': .*line 1: there is no text .text or sentence., only review and"
    ):
        score(tmp_path, "topics-scores", model=model, languages=("en", "xx"), data=data)
    scored = score(
        tmp_path, "topics-scores", model=model, languages=("en", "xx"), data=data, text_column="review", task="classify"
    )
    scores = json.loads((scored.path / "scores.json").read_text())
    assert (scores["metric"], scores["unit"], scores["scoring"]["text-column"]) == ("accuracy", "texts", "review")
    assert scores["languages"]["en"]["value"] > 0.9
    for language, entry in scores["languages"].items():
        table = pq.read_table(scored.path / "predictions" / f"{language}.parquet").to_pydict()
        metrics = CLASSIFY.metrics(CLASSIFY.tallies(table).sum(0))
        assert {name: float(value) for name, value in metrics.items()} == entry["metrics"]
        assert (entry["value"], entry["scored"]) == (entry["metrics"]["accuracy"], 21)
    card = (tmp_path / "topics" / "README.md").read_text()
    assert "pipeline_tag: text-classification" in card
    described = ModelCard(card).data
    assert described.metrics == ["accuracy", "macro_f1"]
    results = {(each.dataset_config, each.metric_type): each.metric_value for each in described.eval_results}
    assert results == {
        (language, name): pytest.approx(value, abs=1e-6)
        for language, entry in scores["languages"].items()
        for name, value in entry["metrics"].items()
    }
    assert "Accuracy in percent, per language, at the right the model's macro-F1; the model was" in card
    assert "| language | this model | macro-F1 |" in card
    other = scores["languages"]["xx"]["metrics"]
    assert f"| xx | {100 * other['accuracy']:.1f} | {100 * other['macro_f1']:.1f} |" in card.replace("`", "")
    assert f"| **mean without source** | **{100 * other['accuracy']:.1f}** | {100 * other['macro_f1']:.1f} |" in card
    found: dict[str, Any] = {}
    exec(sections(card)["use"].split("```")[1].removeprefix("python\n").replace("path/to/this/folder", model), found)
    assert found["classify"]("cat red")[0]["label"] == "colour"
    ours = pq.read_table(scored.path / "predictions" / "en.parquet").to_pydict()
    theirs = pipeline("text-classification", model=model)(ours["text"])
    assert [each["label"] for each in theirs] == ours["predicted"]


def test_data_must_be_named(tmp_path: Path) -> None:
    make_encoder(tmp_path / "encoder")
    with pytest.raises(SettingsError, match="classify has no data of its own: name a file of labelled texts with --tr"):
        train(tmp_path, "topics", task="classify", train=None)
    with pytest.raises(SettingsError, match="--text-column is an option of classify, not of pos"):
        train(tmp_path, "topics", text_column="x")
    assert CLASSIFY.scored_languages("de") == ("de",)


LIKE_PORTUGUESE = ["source=pt", "targets=de,es", "finetune.train=mnli-pt.tsv"]
"""A source language in which XNLI has no test data."""


def test_recipes_must_name_data(tmp_path: Path) -> None:
    recipe = write(tmp_path, "extends: default\nmodel: org/name\ntasks: [classify]\n", "topics.yaml")
    with pytest.raises(RecipeError) as caught:
        load(recipe)
    assert [problem.split(": ", 1)[1] for problem in caught.value.problems] == [
        f"{key}: the task classify has no data of its own in 'en'; name a file"
        for key in ("finetune.train", "evaluate.data")
    ]
    found = load(write(tmp_path, "extends: default\nmodel: org/name\ntasks: [nli]\n", "nli.yaml"), LIKE_PORTUGUESE)
    assert found.variant(None, "nli").settings("evaluate", "", model="m", task="nli").languages == ("de", "es")
    with pytest.raises(RecipeError, match="evaluate.data: the task nli has no data of its own in 'af'; name a file"):
        load(recipe, [*LIKE_PORTUGUESE, "tasks=nli", "evaluate.languages=de,af"])
    named = ["finetune.train=en.tsv", "evaluate.data={language}.tsv", "targets=de,tr"]
    evaluate = load(recipe, named).variant(None, "classify").settings("evaluate", "", model="m", task="classify")
    assert evaluate.recorded()["languages"] == ["en", "de", "tr"]
