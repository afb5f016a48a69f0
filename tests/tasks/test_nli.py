"""Natural language inference: what is read and refused, how pairs become rows, every family's head, the whole way."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModel, set_seed

from alignfreeze_cli.encoder.blocks import architecture
from alignfreeze_cli.encoder.models import families_with, load_task_model, new_task_model, save_model
from alignfreeze_cli.errors import DataError, SettingsError
from alignfreeze_cli.tasks.registry import TASKS
from alignfreeze_cli.tasks.sequences import SequenceWindows
from alignfreeze_cli.tasks.xnli import LABELS, NliPair
from tests.support.console import RecordingConsole
from tests.support.models import tiny
from tests.tasks.test_iob import write
from tests.tasks.test_tagging import wordpiece
from tests.tasks.worlds import make_encoder, score, train

NLI = TASKS["nli"]
PLAIN = 'He said "no.\tHe spoke.\tentailment\n  "A cat\t"\tneutral\nx\ty\tcontradiction\n'


def read(folder: Path, content: str | bytes, name: str = "x.tsv", language: str = "en") -> list[NliPair]:
    return list(NLI.read([write(folder, content, name)], language, {}))


def test_three_columns_without_a_header_and_without_quoting(tmp_path: Path) -> None:
    assert read(tmp_path, PLAIN) == [
        NliPair("1", 'He said "no.', "He spoke.", "entailment"),
        NliPair("2", '  "A cat', '"', "neutral"),
        NliPair("3", "x", "y", "contradiction"),
    ]


HEADERS = [
    "genre\tlabel\tsentence1_en\tsentence2_en\nface\tneutral\tp\th\n",
    "premise\thypo\tlabel\np\th\tneutral\n",
    "hypothesis\tpremise\tgold_label\tlabel\nh\tp\tneutral\tentailment\n",
    "language\tgold_label\tsentence1\tsentence2\tlabel1\nen\tneutral\tp\th\nde\tentailment\tP\tH\t\n",
    "label\tsentence1_de\tsentence2_de\tsentence1_en\tsentence2_en\nneutral\tP\tH\tp\th\n",
]


@pytest.mark.parametrize("content", HEADERS, ids=["columns mixed", "hypo", "gold label first", "XNLI 1.0", "parallel"])
def test_headers_say_which_column_is_which(tmp_path: Path, content: str) -> None:
    assert read(tmp_path, content) == [NliPair("2", "p", "h", "neutral")]


def test_headers_choose_the_language(tmp_path: Path) -> None:
    assert read(tmp_path, HEADERS[3], language="de") == [NliPair("3", "P", "H", "entailment")]
    assert read(tmp_path, HEADERS[4], language="de") == [NliPair("2", "P", "H", "neutral")]
    with pytest.raises(DataError, match="x.tsv: holds no pair of sentences in 'fr', only in de, en"):
        read(tmp_path, HEADERS[3], language="fr")
    with pytest.raises(DataError, match="there is no premise .premise or sentence1 or sentence1_fr., only label, sent"):
        read(tmp_path, HEADERS[4], language="fr")


def test_json_lines_of_multinli_and_of_the_hub(tmp_path: Path) -> None:
    lines = [
        {"gold_label": "neutral", "sentence1": "p\t1", "sentence2": "h\n1", "pairID": "63735n", "genre": "slate"},
        {"gold_label": "-", "sentence1": "p2", "sentence2": "h2", "pairID": "2"},
        {"label": 2, "premise": "p3", "hypothesis": "h3"},
        {"label": -1, "premise": "p4", "hypothesis": "h4"},
        {"label": "contradictory", "premise": "p5", "hypothesis": "h5"},
    ]
    text = "\n".join(json.dumps(line) for line in lines)
    for name in ("x.jsonl", "x.json"):
        assert read(tmp_path, text + "\n\n", name) == [
            NliPair("63735n", "p\t1", "h\n1", "neutral"),
            NliPair("2", "p2", "h2", None),
            NliPair("3", "p3", "h3", "contradiction"),
            NliPair("4", "p4", "h4", None),
            NliPair("5", "p5", "h5", "contradiction"),
        ]


def test_a_label_may_be_a_float_that_is_whole(tmp_path: Path) -> None:
    texts = {"premise": "p", "hypothesis": "h"}
    lines = "\n".join(json.dumps({**texts, "label": label}) for label in (0.0, 1.0, 2.0, -1.0))
    assert [pair.label for pair in read(tmp_path, lines, "x.jsonl")] == [*LABELS, None]
    assert [pair.label for pair in read(tmp_path, "p\th\t2.0\np\th\t-1.0\n")] == ["contradiction", None]
    pq.write_table(pa.table({"premise": ["p"], "hypothesis": ["h"], "label": [1.0]}), tmp_path / "x.parquet")
    assert [pair.label for pair in list(NLI.read([tmp_path / "x.parquet"], "en", {}))] == ["neutral"]
    for label, sentence in ((1.5, "'1.5' is not one of the labels"), (3.0, "'3' is not one"), (math.nan, "no label")):
        with pytest.raises(DataError, match=f"x.jsonl, line 1: .*{sentence}"):
            read(tmp_path, json.dumps({**texts, "label": label}), "x.jsonl")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            '{"premise": "a \\ud83d", "hypothesis": "b", "label": 1}',
            "the value of 'premise' holds half of a surrogate pair",
        ),
        ('{"pairID": "\\udc00", "premise": "a", "hypothesis": "b", "label": 1}', "the value of 'pairID' holds half"),
        (
            '{"language": "\\udc00", "premise": "a", "hypothesis": "b", "label": 1}',
            "the value of 'language' holds half",
        ),
        ('{"\\udc00": 0, "premise": "a", "hypothesis": "b"}', "a key holds half of a surrogate pair"),
        ("[" * 100_000, "is JSON that can't be read"),
        ('{"label": ' + "1" * 5000 + "}", "is JSON that can't be read"),
    ],
    ids=["premise", "identifier", "language", "key", "deep", "long number"],
)
def test_lines_that_no_text_is_in_are_refused(tmp_path: Path, line: str, sentence: str) -> None:
    good = '{"premise": "a \\ud83d\\ude00", "hypothesis": "b", "label": 1}\n'
    assert read(tmp_path, good, "x.jsonl")[0].premise == "a \U0001f600"
    with pytest.raises(DataError) as caught:
        read(tmp_path, good + line, "x.jsonl")
    assert f"x.jsonl, line 2: {sentence}" in str(caught.value)


def test_bad_rows_of_parquet_are_named(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    bytes_ = pa.array([b"fine", b"half \xed\xa0\xbd"], pa.binary())
    text = pa.StringArray.from_buffers(2, bytes_.buffers()[1], bytes_.buffers()[2])
    pq.write_table(pa.table({"premise": text, "hypothesis": ["h", "h"], "label": [0, 1]}), path)
    with pytest.raises(DataError, match="x.parquet: row 2 holds text that is not UTF-8"):
        list(NLI.read([path], "en", {}))
    for lacking, sentence in (("premise", "there is no premise"), ("label", "the pair has no label")):
        row = {"premise": "p", "hypothesis": "h", "label": 0}
        pq.write_table(pa.Table.from_pylist([row, {**row, lacking: None}]), path)
        with pytest.raises(DataError, match=f"x.parquet, row 2: {sentence}"):
            list(NLI.read([path], "en", {}))
    texts = pa.array(["p", "q"]).dictionary_encode()
    pq.write_table(pa.table({"premise": texts, "hypothesis": texts, "label": [0, 1]}), path)
    assert [pair.hypothesis for pair in list(NLI.read([path], "en", {}))] == ["p", "q"]


@pytest.mark.parametrize(
    "told", [b"[]", b"null", b'{"info": 1}', b'{"info": {"features": {"label": []}}}', b"[" * 100_000]
)
def test_metadata_that_names_no_labels_is_left_alone(tmp_path: Path, told: bytes) -> None:
    table = pa.table({"premise": ["p"], "hypothesis": ["h"], "label": [2]}).replace_schema_metadata(
        {"huggingface": told}
    )
    pq.write_table(table, tmp_path / "x.parquet")
    assert [pair.label for pair in list(NLI.read([tmp_path / "x.parquet"], "en", {}))] == ["contradiction"]


def hub_table(path: Path, labels: list[int], names: list[str] | None = None) -> Path:
    """A file as the Hub's XNLI has it."""
    texts = {part: [f"{part} {number}" for number in range(len(labels))] for part in ("premise", "hypothesis")}
    table = pa.table({**texts, "label": pa.array(labels, pa.int64())})
    if names:
        feature = {"names": names, "_type": "ClassLabel"}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": {"label": feature}}})})
    pq.write_table(table, path)
    return path


def test_reads_the_hubs_parquet(tmp_path: Path) -> None:
    found = list(NLI.read([hub_table(tmp_path / "a.parquet", [0, 1, 2, -1])], "de", {}))
    assert [pair.label for pair in found] == [*LABELS, None]
    assert found[1] == NliPair("2", "premise 1", "hypothesis 1", "neutral")
    path = hub_table(tmp_path / "b.parquet", [0, 1], ["contradiction", "entailment", "neutral"])
    assert [pair.label for pair in list(NLI.read([path], "de", {}))] == ["contradiction", "entailment"]


def test_refuses_parquet_that_cannot_be_scored(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="row 2: '3' is not one of the labels"):
        list(NLI.read([hub_table(tmp_path / "a.parquet", [0, 3])], "de", {}))
    with pytest.raises(DataError, match="no pair has a label"):
        list(NLI.read([hub_table(tmp_path / "b.parquet", [-1, -1])], "de", {}))
    texts = [{"de": "p", "en": "q"}]
    pq.write_table(pa.table({"premise": texts, "hypothesis": texts, "label": [0]}), tmp_path / "c.parquet")
    with pytest.raises(DataError, match="the column premise holds struct<.*>, not text; take the files of one lang"):
        list(NLI.read([tmp_path / "c.parquet"], "de", {}))
    pq.write_table(pa.table({"premise": ["a"], "hypothesis": ["b"]}), tmp_path / "d.parquet")
    with pytest.raises(DataError, match="it has no column label"):
        list(NLI.read([tmp_path / "d.parquet"], "de", {}))


@pytest.mark.parametrize(
    ("content", "name", "sentence"),
    [
        ("", "x.tsv", "holds no pair of sentences"),
        ("\n", "x.jsonl", "holds no pair of sentences"),
        ("p\th\n", "x.tsv", "line 1: the line has no label; premise, hypothesis and label are needed"),
        ("p\th\tneutral\np\n", "x.tsv", "line 2: the line has 1 column instead of 3"),
        ("p\th\tneutral\tx\n", "x.tsv", "line 1: the line has 4 columns instead of 3"),
        ("p\th\t\n", "x.tsv", "line 1: the pair has no label; labelled data is needed"),
        ("p\th\t-\np\th\t-\n", "x.tsv", "no pair has a label (they are - or -1 throughout)"),
        (
            "p\th\tentialment\n",
            "x.tsv",
            "line 1: 'entialment' is not one of the labels entailment, neutral and contrad",
        ),
        ("p\th\tentialment\n", "x.tsv", "did you mean 'entailment'?"),
        ("p\th\t3\n", "x.tsv", "line 1: '3' is not one of the labels"),
        (
            "sentence1\tsentence2\tgenre\np\th\tx\n",
            "x.tsv",
            "line 1: there is no label (gold_label or label), only sent",
        ),
        ("premise\thypothesis\tlabel\n", "x.tsv", "holds no pair of sentences"),
        (
            "premise\thypothesis\tlabel\ta\np\th\tneutral\tb\tc\n",
            "x.tsv",
            "line 2: the line has 5 columns instead of 4",
        ),
        ("a\tlabel\tpremise\thypothesis\nx\tneutral\tp\n", "x.tsv", "line 2: there is no hypothesis (hypothesis or hy"),
        ('{"premise": "p"\n', "x.jsonl", "line 1: is not JSON"),
        ("[1]\n", "x.jsonl", "line 1: is not a JSON object"),
        (
            '{"premise": "p", "hypothesis": "h"}\n',
            "x.jsonl",
            "line 1: there is no label (gold_label or label), only pr",
        ),
        ('{"premise": "p", "hypothesis": "h", "label": null}\n', "x.jsonl", "line 1: the pair has no label"),
        ('{"premise": "p", "hypothesis": "h", "label": true}\n', "x.jsonl", "line 1: the pair has no label"),
        ('{"premise": "p", "hypothesis": 1, "label": 0}\n', "x.jsonl", "line 1: premise and hypothesis must be text"),
        (b"p\th\xff\tneutral\n", "x.tsv", "line 1: is not UTF-8 text"),
    ],
)
def test_says_what_is_wrong_and_where(tmp_path: Path, content: str | bytes, name: str, sentence: str) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, content, name)
    assert sentence in str(caught.value)
    assert str(tmp_path / name) in str(caught.value)


TEXTS = st.text(st.characters(exclude_characters="\t\n\r\0", codec="utf-8"), max_size=20).map(lambda text: f"x{text}")


@given(st.lists(st.tuples(TEXTS, TEXTS, st.sampled_from(LABELS)), min_size=1, max_size=8))
def test_any_text_survives_in_tsv_and_json(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    found = read(folder, "".join("\t".join(row) + "\n" for row in rows))
    assert [(pair.premise, pair.hypothesis, pair.label) for pair in found] == rows
    names = ("premise", "hypothesis", "label")
    objects = [json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) for row in rows]
    assert read(folder, "\n".join(objects), "x.jsonl") == found


def pairs(*texts: str, label: str | None = "neutral") -> list[NliPair]:
    return [NliPair(str(number), *text.split("|"), label) for number, text in enumerate(texts)]


def encode(examples: list[NliPair], length: int) -> SequenceWindows:
    windows = NLI.encode(examples, wordpiece(), LABELS, length, {})
    assert isinstance(windows, SequenceWindows)
    return windows


def rows(windows: SequenceWindows) -> list[str]:
    batch = windows.collate(np.arange(len(windows.lengths)))
    kept = zip(batch["inputs"]["input_ids"], batch["inputs"]["attention_mask"].bool(), strict=True)
    return [" ".join(wordpiece().convert_ids_to_tokens(ids[mask].tolist())) for ids, mask in kept]


def test_pairs_are_joined_as_the_tokenizer_does_and_the_longer_text_is_cut_first() -> None:
    windows = encode(pairs("a b|c", "a b c d|e f", "a|b c d e f g h"), 8)
    assert rows(windows) == [
        "[CLS] a b [SEP] c [SEP]",
        "[CLS] a b c [SEP] e f [SEP]",
        "[CLS] a [SEP] b c d e [SEP]",
    ]
    batch = windows.collate(np.array([2, 0]))
    assert batch["inputs"]["token_type_ids"].tolist() == [[0, 0, 0, 1, 1, 1, 1, 1], [0, 0, 0, 0, 1, 1, 0, 0]]
    assert windows.lengths.tolist() == [6, 8, 8]


def test_pairs_without_agreement_are_left_out_counted_and_kept_in_the_table() -> None:
    examples = [*pairs("a|b"), *pairs("c|d", "e|f", label=None), *pairs("g|h", label="entailment")]
    windows = encode(examples, 8)
    assert rows(windows) == ["[CLS] a [SEP] b [SEP]", "[CLS] g [SEP] h [SEP]"]
    assert windows.notes == {"pairs without a label that the annotators agree on, left out": 2}
    assert windows.weights.tolist() == [1, 1]
    neutral = LABELS.index("neutral")
    table = NLI.predictions(examples, windows, [(np.array([1, 0]), np.array([neutral, neutral]))], LABELS, {})
    assert table["gold"] == ["neutral", None, None, "entailment"]
    assert table["predicted"] == ["neutral", None, None, "neutral"]
    table = pa.table(table, schema=NLI.schema({})).to_pydict()
    assert NLI.tallies(table).tolist() == [[1, 1], [0, 0], [0, 0], [0, 1]]
    assert NLI.metrics(NLI.tallies(table).sum(0)) == {"accuracy": 0.5}


@given(st.lists(st.tuples(st.sampled_from([*LABELS, None]), st.sampled_from(LABELS)), min_size=1, max_size=12))
def test_tallies_of_the_table_count_right_and_labelled_pairs(answers: list[tuple[str | None, str]]) -> None:
    examples = [NliPair(str(number), "a", "b", gold) for number, (gold, _) in enumerate(answers)]
    windows = encode(examples, 8)
    chosen = np.array([LABELS.index(answers[example][1]) for example in windows.example])
    table = NLI.predictions(examples, windows, [(np.arange(len(chosen)), chosen)], LABELS, {})
    sums = NLI.tallies(pa.table(table, schema=NLI.schema({})).to_pydict()).sum(0)
    labelled = [(gold, answer) for gold, answer in answers if gold is not None]
    assert sums.tolist() == [sum(gold == answer for gold, answer in labelled), len(labelled)]
    assert len(windows.lengths) == len(labelled)


def test_labels_that_the_model_does_not_know_are_named() -> None:
    with pytest.raises(DataError, match="the data has the label 'neutral', the model knows only yes and no"):
        NLI.encode(pairs("a|b"), wordpiece(), ("yes", "no"), 8, {})


@pytest.mark.parametrize("family", families_with(NLI.auto_class))
def test_every_family_gets_a_head_and_is_loaded_again(family: str, tmp_path: Path) -> None:
    changes = {"vocab_size": 61, "pad_token_id": 0}
    tiny(family, AutoModel, dtype=torch.float32, **changes).save_pretrained(tmp_path / "encoder")
    wordpiece().save_pretrained(tmp_path / "encoder")
    set_seed(1)
    model = new_task_model(tmp_path / "encoder", NLI.auto_class, LABELS)
    assert len(architecture(model).blocks(model)) == 5
    examples = [*pairs("a b c|d e", "f|g h i j k"), *pairs("l m|n o", label="entailment")]
    windows = encode(examples, 12)
    batch = windows.collate(np.arange(3))
    # All of the model but a pooler that the head has no use for learns from the pair.
    NLI.loss(model, batch).backward()
    still = [name for name, p in model.named_parameters() if p.grad is None]
    assert not [name for name in still if "pooler" not in name], still
    model.eval()
    together = NLI.loss(model, batch)
    apart = sum(NLI.loss(model, windows.collate(np.array([number]))) for number in range(3))
    torch.testing.assert_close(together, apart, atol=1e-4, rtol=1e-4)
    save_model(model, tmp_path / "encoder", tmp_path / "nli")
    again, labels = load_task_model(tmp_path / "nli", NLI.auto_class)
    assert labels == LABELS
    torch.testing.assert_close(NLI.loss(again.eval(), batch), together)


def test_the_model_is_told_which_text_a_subword_belongs_to_if_it_can_know(tmp_path: Path) -> None:
    batch = encode(pairs("a b|c"), 8).collate(np.arange(1))
    without = {**batch["inputs"], "token_type_ids": torch.zeros_like(batch["inputs"]["token_type_ids"])}
    other = {**batch, "inputs": without}
    for family, differs in (("bert", True), ("electra", True), ("xlm-roberta", False), ("distilbert", False)):
        folder = tmp_path / family
        tiny(family, AutoModel, dtype=torch.float32, vocab_size=61, pad_token_id=0).save_pretrained(folder)
        model = new_task_model(folder, NLI.auto_class, LABELS).eval()
        assert torch.equal(NLI.loss(model, batch), NLI.loss(model, other)) is not differs


def test_facts_are_the_papers() -> None:
    assert NLI.languages == ("ar", "bg", "de", "el", "es", "fr", "hi", "ru", "th", "tr", "vi", "zh")
    assert (NLI.train_length, NLI.evaluation_length, NLI.epochs) == (96, 256, 2)
    assert [files.pattern for files in NLI.hub_files("th", "test")] == ["th/test-*.parquet"]
    with pytest.raises(SettingsError, match="XNLI has no 'fi'"):
        NLI.hub_files("fi", "test")


def tsv(count: int, seed: int, suffix: str = "") -> str:
    """Pairs whose label the hypothesis alone gives away."""
    draw = np.random.default_rng(seed)
    words = ["cat", "dog", "river", "sees", "finds", "."]
    key = {"the": "entailment", "red": "neutral", ".": "contradiction"}
    lines = []
    for _ in range(count):
        premise = " ".join(words[n] + suffix for n in draw.integers(0, 5, draw.integers(1, 4)))
        word = list(key)[draw.integers(3)]
        lines.append(f"{premise}\t{word}{suffix}\t{key[word]}\n")
    return "".join(lines)


def test_learns_and_scores(tmp_path: Path) -> None:
    make_encoder(tmp_path / "encoder")
    write(tmp_path, tsv(60, 1) + "x\ty\t-\n", "en-train.tsv")
    for seed, (language, suffix) in enumerate({"en": "", "xx": "x"}.items(), 2):
        write(tmp_path, tsv(20, seed, suffix) + "x\ty\t-\n", f"{language}-test.tsv")
    console = RecordingConsole()
    made = train(
        tmp_path,
        "nli",
        console,
        task="nli",
        train=str(tmp_path / "en-train.tsv"),
        steps=160,
        learning_rate=5e-3,
    )
    assert any(
        "en-train.tsv: pairs without a label that the annotators agree on, left out: 1" in said
        for said in console.warned
    )
    assert (made.record.details["examples"], made.record.details["windows"]) == (61, 60)
    data = str(tmp_path / "{language}-test.tsv")
    scored = score(tmp_path, model=str(tmp_path / "nli"), languages=("en", "xx"), data=data, task="nli")
    scores = json.loads((scored.path / "scores.json").read_text())
    assert (scores["metric"], scores["unit"]) == ("accuracy", "pairs")
    assert scores["languages"]["en"]["value"] > 0.8
    for language, entry in scores["languages"].items():
        assert (entry["scored"], entry["examples"]) == (20, 21)
        table = pq.read_table(scored.path / "predictions" / f"{language}.parquet").to_pydict()
        sums = NLI.tallies(table).sum(0)
        assert NLI.metrics(sums)["accuracy"] == entry["value"]
        assert len(table["premise"]) == 21
    assert json.loads((tmp_path / "nli/config.json").read_text())["id2label"] == dict(zip("012", LABELS, strict=True))


def test_training_only_the_embeddings_that_occur_gives_the_same_bytes(tmp_path: Path) -> None:
    make_encoder(tmp_path / "encoder")
    data = write(tmp_path, tsv(60, 1), "en-train.tsv")
    one, other = (
        train(tmp_path, rows, task="nli", train=str(data), steps=3, batch_tokens=60, vocabulary=rows).path
        for rows in ("active", "full")
    )
    assert (one / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()
