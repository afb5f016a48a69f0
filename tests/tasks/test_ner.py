"""Named entities: what is scored and how, the published repair, what is read and refused, and the whole way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nervaluate import Evaluator

from alignfreeze_cli.errors import DataError, SettingsError
from alignfreeze_cli.tasks.ner import repaired
from alignfreeze_cli.tasks.registry import TASKS
from alignfreeze_cli.tasks.tagging import TaggedSentence
from tests.support.console import RecordingConsole
from tests.tasks.test_iob import TAGS, write
from tests.tasks.test_tagging import wordpiece
from tests.tasks.worlds import make_encoder, score, train

NER = TASKS["ner"]
OPTIONS = dict(NER.defaults)
PUBLISHED = {**OPTIONS, "ner_repair": "published"}


def table_of(gold: list[str], predicted: list[str], options: dict[str, object] = OPTIONS) -> dict[str, list[Any]]:
    """Predictions for sentences of tags with spaces between; `-` stands for a word without answer (no subword)."""
    labels = NER.labels(options)
    examples, answers = [], []
    for number, (right, said) in enumerate(zip(gold, predicted, strict=True)):
        words = ["\u200b" if tag == "-" else "a" for tag in said.split()]
        examples.append(TaggedSentence(f"s{number}", words, right.split()))
        answers.append(np.array([labels.index(tag) for tag in said.split() if tag != "-"], dtype=np.int64))
    windows = NER.encode(examples, wordpiece(), labels, 40, options)
    batches = [(np.array([number]), answer) for number, answer in enumerate(answers)]
    return NER.predictions(examples, windows, batches, labels, options)


@pytest.mark.parametrize(
    ("gold", "predicted", "right", "said", "there"),
    [
        ("B-PER I-PER O", "B-PER I-PER O", 1, 1, 1),
        ("B-PER I-PER O", "B-PER O O", 0, 1, 1),  # half an entity is none
        ("B-PER I-PER O", "B-LOC I-LOC O", 0, 1, 1),
        ("B-PER B-PER", "B-PER I-PER", 0, 1, 2),  # two entities side by side
        ("B-PER I-PER", "I-PER I-PER", 1, 1, 1),  # an I that opens counts as a beginning
        ("B-PER I-PER", "B-PER I-LOC", 0, 2, 1),  # another type ends the entity
        ("B-PER I-PER O", "O I-PER O", 0, 1, 1),
        ("B-PER O B-PER", "B-PER B-PER I-PER", 1, 2, 2),
        ("O O", "B-PER I-PER", 0, 1, 0),
        ("B-PER I-PER", "O O", 0, 0, 1),
        ("B-PER I-PER", "B-PER -", 0, 1, 1),  # no answer is O
        ("B-PER O", "B-PER -", 1, 1, 1),
        ("I-LOC O", "B-LOC O", 1, 1, 1),
    ],
)
def test_entities_are_counted_whole(gold: str, predicted: str, right: int, said: int, there: int) -> None:
    (sums,) = NER.tallies(table_of([gold], [predicted]))
    assert sums[2:].tolist() == [right, said, there]
    metrics = NER.metrics(sums)
    assert metrics["precision"] == (right / said if said else 0)
    assert metrics["recall"] == (right / there if there else 0)
    assert metrics["f1"] == pytest.approx(2 * right / (said + there) if said + there else 0, abs=1e-12)


def test_scores_are_micro_averages_and_entities_end_with_their_sentence() -> None:
    gold = ["B-PER I-PER", "I-PER O", "B-LOC O B-ORG"]
    predicted = ["B-PER I-PER", "I-PER O", "B-ORG O B-ORG"]
    tallies = NER.tallies(table_of(gold, predicted))
    assert tallies.tolist() == [[2, 2, 1, 1, 1], [2, 2, 1, 1, 1], [2, 3, 1, 2, 2]]
    # 3 of 4 right, whatever their types; 6 of 7 words.
    assert NER.metrics(tallies.sum(0)) == {"f1": 0.75, "precision": 0.75, "recall": 0.75, "accuracy": 6 / 7}


REPAIRS = [
    ("B-PER I-LOC I-ORG O", "B-ORG I-ORG I-ORG O"),
    ("I-LOC I-PER", "B-PER I-PER"),
    ("B-PER I-PER B-LOC I-LOC", "B-LOC I-LOC B-LOC I-LOC"),
    ("B-PER B-LOC I-LOC", "B-LOC B-LOC I-LOC"),
    ("O I-PER O B-LOC", "O B-PER O B-LOC"),
    ("B-PER B-LOC", "B-PER B-LOC"),
    ("B-ORG B-PER I-LOC", "B-ORG B-LOC I-LOC"),  # a B that was changed closes
    ("", ""),
]


@pytest.mark.parametrize(("predicted", "expected"), REPAIRS)
def test_the_published_repair(predicted: str, expected: str) -> None:
    assert " ".join(map(str, repaired(predicted.split()))) == expected


@pytest.mark.parametrize(("predicted", "expected"), REPAIRS[:-1])
def test_repair_changes_predictions_only_and_keeps_what_the_model_said(predicted: str, expected: str) -> None:
    gold = " ".join("I-PER" for _ in predicted.split())
    table = table_of([gold], [predicted], PUBLISHED)
    assert table["predicted"] == [expected.split()]
    assert table["gold"] == [gold.split()]
    assert table["unrepaired"] == [predicted.split()]
    assert (NER.tallies(table) == NER.tallies(table_of([gold], [expected]))).all()
    assert "unrepaired" not in table_of([gold], [predicted])


ANSWERS = st.lists(st.sampled_from([*TAGS, None]), max_size=10)


@given(ANSWERS)
def test_repaired_tags_form_entities_and_lose_none_of_their_places(predicted: list[str | None]) -> None:
    found = repaired(predicted)
    outside = ("O", None)
    assert [tag in outside for tag in found] == [tag in outside for tag in predicted]
    for before, tag in zip([None, *found], found, strict=False):
        if tag is not None and tag.startswith("I-"):
            assert before in (f"B-{tag[2:]}", tag)
    # A sequence without an I cannot be improper.
    if not any(tag and tag.startswith("I-") for tag in predicted):
        assert found == predicted


def entities(tags: list[str | None]) -> set[tuple[int, int, str]]:
    """The entities of a sequence, slowly: (first word, last word, type)."""
    found = set()
    for first, tag in enumerate(tags):
        before = tags[first - 1] if first else None
        if tag in ("O", None) or (tag[0] == "I" and before not in ("O", None) and before[2:] == tag[2:]):
            continue
        last = first
        while last + 1 < len(tags) and tags[last + 1] == f"I-{tag[2:]}":
            last += 1
        found.add((first, last, tag[2:]))
    return found


SENTENCES = st.lists(
    st.lists(st.tuples(st.sampled_from(TAGS), st.sampled_from([*TAGS, None])), max_size=8), min_size=1, max_size=6
)


def nervaluate_metrics(gold: list[list[str]], predicted: list[list[str | None]]) -> dict[str, float]:
    """What nervaluate gives for all sequences at once; it knows no word without an answer."""
    answers = [[tag or "O" for tag in tags] for tags in predicted]
    types = sorted({tag[2:] for tag in TAGS} - {""})
    whole = Evaluator(gold, answers, types, loader="list").evaluate()["overall"]["strict"]
    words = [pair for sentence in zip(gold, answers, strict=True) for pair in zip(*sentence, strict=True)]
    accuracy = sum(right == said for right, said in words) / len(words)
    return {"f1": whole.f1, "precision": whole.precision, "recall": whole.recall, "accuracy": accuracy}


@pytest.mark.parametrize(
    ("gold", "predicted", "values"),
    [  # precision, recall and F1 by seqeval 1.2.2, which the published scores were computed with
        (["B-PER O"], ["O I-PER"], (0.0, 0.0, 0.0)),
        (["B-PER I-PER O"], ["I-PER I-PER O"], (1.0, 1.0, 1.0)),
        (["B-PER B-LOC"], ["B-PER I-LOC"], (1.0, 1.0, 1.0)),
        (["B-PER B-PER"], ["B-PER I-PER"], (0.0, 0.0, 0.0)),
        (["O B-PER", "I-PER O"], ["O B-PER", "I-PER O"], (1.0, 1.0, 1.0)),
        (["B-PER I-LOC I-PER O B-LOC I-LOC", "I-LOC O"], ["B-PER I-LOC I-LOC O I-LOC I-LOC", "O O"], (2 / 3, 0.4, 0.5)),
    ],
)
def test_metrics_are_those_of_seqeval(gold: list[str], predicted: list[str], values: tuple[float, ...]) -> None:
    table = {"gold": [tags.split() for tags in gold], "predicted": [tags.split() for tags in predicted]}
    found = NER.metrics(NER.tallies(table).sum(0))
    assert (found["precision"], found["recall"], found["f1"]) == values
    assert found == nervaluate_metrics(table["gold"], table["predicted"])  # type: ignore[arg-type]


@given(SENTENCES)
def test_tallies_agree_with_nervaluate_and_with_counting_slowly(sentences: list[list[tuple[str, str | None]]]) -> None:
    gold = [[right for right, _ in sentence] for sentence in sentences]
    predicted = [[said for _, said in sentence] for sentence in sentences]
    table = pa.table({"gold": pa.array(gold, pa.list_(pa.string())), "predicted": predicted}).to_pydict()
    tallies = NER.tallies(table)
    slow = [
        [len(there & said), len(said), len(there)]
        for there, said in ((entities(g), entities(p)) for g, p in zip(gold, predicted, strict=True))
    ]
    assert tallies[:, 2:].tolist() == slow
    if any(gold):
        assert NER.metrics(tallies.sum(0)) == nervaluate_metrics(gold, predicted)  # to the last bit


@pytest.mark.parametrize("repair", ["none", "published"])
@given(SENTENCES.filter(lambda sentences: all(sentences)), st.integers(4, 8))
def test_tallies_of_published_windows(repair: str, sentences: list[list[tuple[str, str]]], length: int) -> None:
    options = {**OPTIONS, "ner_repair": repair, "windows": "published"}
    examples = [TaggedSentence("s", ["ab"] * len(each), [gold for gold, _ in each]) for each in sentences]
    windows = NER.encode(examples, wordpiece(), TAGS, length, options)
    said = np.array([TAGS.index(tag or "O") for sentence in sentences for _, tag in sentence])
    answers = [(np.array([w]), said[windows.word[windows.slots_of([w])]]) for w in range(len(windows.lengths))]
    table = NER.predictions(examples, windows, answers, TAGS, options)
    written = pa.table(table, schema=NER.schema(options)).to_pydict()
    assert written == table
    slots = [windows.word[windows.slots_of([w])] for w in range(len(windows.lengths))]
    gold = [[TAGS[label] for label in windows.gold[words]] for words in slots]
    said_by_window = [NER.postprocess([TAGS[label] for label in said[words]], options) for words in slots]
    assert NER.metrics(NER.tallies(written).sum(0)) == nervaluate_metrics(gold, said_by_window)


def hub_table(path: Path, tags: list[list[int]] | list[list[str]], names: list[str] | None = None) -> Path:
    """A file as the Hub's WikiANN has it."""
    columns = {"tokens": [[f"w{n}" for n in range(len(row))] for row in tags], "ner_tags": tags}
    table = pa.table({**columns, "langs": [["en"] * len(row) for row in tags]})
    if names:
        feature = {"feature": {"names": names, "_type": "ClassLabel"}, "_type": "Sequence"}
        table = table.replace_schema_metadata(
            {"huggingface": json.dumps({"info": {"features": {"ner_tags": feature}}})}
        )
    pq.write_table(table, path)
    return path


def test_reads_the_hubs_parquet(tmp_path: Path) -> None:
    path = hub_table(tmp_path / "a.parquet", [[0, 1, 2], [5, 6, 0], []])
    assert list(NER.read([path], "en", OPTIONS)) == [
        TaggedSentence("1", ["w0", "w1", "w2"], ["O", "B-PER", "I-PER"]),
        TaggedSentence("2", ["w0", "w1", "w2"], ["B-LOC", "I-LOC", "O"]),
    ]
    path = hub_table(tmp_path / "b.parquet", [[1, 2, 0]], ["O", "B-LOC", "I-LOC"])
    assert next(iter(NER.read([path], "en", OPTIONS))).labels == ["B-LOC", "I-LOC", "O"]
    path = hub_table(tmp_path / "c.parquet", [["I-PER", "O"]])
    assert next(iter(NER.read([path], "en", OPTIONS))).labels == ["B-PER", "O"]


def test_refuses_parquet_that_cannot_be_scored(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="row 2: the word 'w0' has the label id 9; ids are 0 to 6"):
        list(NER.read([hub_table(tmp_path / "a.parquet", [[1], [9]])], "en", OPTIONS))
    with pytest.raises(DataError, match="row 1: the word 'w0' has the label id -100"):
        list(NER.read([hub_table(tmp_path / "b.parquet", [[-100]])], "en", OPTIONS))
    pq.write_table(pa.table({"tokens": [["a"]], "label": [1]}), tmp_path / "c.parquet")
    with pytest.raises(DataError, match="it has no column ner_tags, only tokens and label"):
        list(NER.read([tmp_path / "c.parquet"], "en", OPTIONS))
    pq.write_table(pa.table({"tokens": [["a", "b"]], "ner_tags": [[1]]}), tmp_path / "d.parquet")
    with pytest.raises(DataError, match="row 1 has 2 tokens but 1 in ner_tags"):
        list(NER.read([tmp_path / "d.parquet"], "en", OPTIONS))
    pq.write_table(pa.table({"tokens": [["a", "b"]], "ner_tags": [[1, None]]}), tmp_path / "e.parquet")
    with pytest.raises(DataError, match="row 1: the word 'b' has no label"):
        list(NER.read([tmp_path / "e.parquet"], "en", OPTIONS))
    pq.write_table(pa.table({"tokens": [["a", None]], "ner_tags": [[1, 0]]}), tmp_path / "f.parquet")
    with pytest.raises(DataError, match="row 1 has a word that is not text"):
        list(NER.read([tmp_path / "f.parquet"], "en", OPTIONS))


def test_data_without_entities_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no word belongs to an entity"):
        list(NER.read([write(tmp_path, "a\tO\n\nb\tO\n")], "en", OPTIONS))


def test_other_types_of_entities_can_be_named(tmp_path: Path) -> None:
    path = write(tmp_path, "EU NNP I-NP I-ORG\nGerman JJ I-NP I-MISC\n")
    with pytest.raises(DataError, match=r"line 2: 'I-MISC' is not one of the tags.*--entity-types"):
        list(NER.read([path], "en", OPTIONS))
    options = {**OPTIONS, "entity_types": ("PER", "ORG", "LOC", "MISC")}
    assert next(iter(NER.read([path], "en", options))).labels == ["B-ORG", "B-MISC"]
    assert NER.labels(options)[-2:] == ("B-MISC", "I-MISC")


def test_labels_and_languages_are_the_papers() -> None:
    assert NER.labels(OPTIONS) == TAGS
    assert len(NER.languages) == 34
    assert (NER.train_length, NER.evaluation_length, NER.epochs) == (96, 128, 5)
    assert [files.pattern for files in NER.hub_files("ta", "test")] == ["ta/test-*.parquet"]
    with pytest.raises(SettingsError, match=r"WikiANN has no language '\*'"):
        NER.hub_files("*", "test")


def iob(count: int, seed: int, suffix: str = "") -> str:
    """Sentences in which a word alone says whether it belongs to an entity."""
    draw = np.random.default_rng(seed)
    lines = []
    for _ in range(count):
        for _ in range(draw.integers(1, 5)):
            words = [("the", "O"), ("cat", "B-PER"), ("cat", "B-PER"), ("river", "B-LOC")][draw.integers(4)]
            lines.append(f"{words[0]}{suffix}\t{words[1]}\n")
            if words[1] == "B-LOC":
                lines.append(f"red{suffix}\tI-LOC\n")
        lines.append("\n")
    return "".join(lines)


def test_parquet_in_another_scheme_is_converted_and_blanked_words_are_refused(tmp_path: Path) -> None:
    said: list[str] = []
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"tokens": [["New", "York", "Ada"]], "ner_tags": [["B-LOC", "L-LOC", "U-PER"]]}), path)
    (sentence,) = list(NER.read([path], "en", OPTIONS, said.append))
    assert sentence.labels == ["B-LOC", "I-LOC", "B-PER"]
    assert said == ["a.parquet: the tags are in the scheme BILOU; they are read as IOB2 (L-X as I-X and U-X as B-X)."]
    for tokens in (["_", "_", "_"], None, ["a", None, "b"]):
        pq.write_table(pa.table({"tokens": [["a", "b", "c"], tokens], "ner_tags": [[1, 0, 0], [1, 0, 0]]}), path)
        with pytest.raises(DataError, match="every word of sentence 2 is _|row 2 has "):
            list(NER.read([path], "en", OPTIONS))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ner")
    make_encoder(folder / "encoder")
    write(folder, iob(40, 1), "en-train.tsv")
    for seed, (language, suffix) in enumerate({"en": "", "xx": "x"}.items(), 2):
        write(folder, iob(12, seed, suffix), f"{language}-test.tsv")
    train(folder, "ner", task="ner", train=str(folder / "en-train.tsv"), steps=60, learning_rate=2e-2)
    return folder


def test_learns_and_scores_entities(world: Path) -> None:
    data = str(world / "{language}-test.tsv")
    made = score(world, "plain", model=str(world / "ner"), languages=("en", "xx"), data=data)
    scores = json.loads((made.path / "scores.json").read_text())
    assert (scores["metric"], scores["unit"]) == ("f1", "entities")
    assert scores["scoring"]["ner-repair"] == "none"
    assert scores["scoring"]["entity-types"] == ["PER", "ORG", "LOC"]
    english = scores["languages"]["en"]
    assert english["value"] > 0.6
    assert set(english["metrics"]) == {"f1", "precision", "recall", "accuracy"}
    for language, entry in scores["languages"].items():
        table = pq.read_table(made.path / "predictions" / f"{language}.parquet").to_pydict()
        sums = NER.tallies(table).sum(0)
        assert {name: float(value) for name, value in NER.metrics(sums).items()} == entry["metrics"]
        assert sums[-1] == entry["scored"]
        assert len(table["id"]) == entry["examples"]
    config = json.loads((world / "ner/config.json").read_text())
    assert list(config["id2label"].values()) == list(TAGS)


def test_what_was_converted_is_said_and_a_label_of_no_use_is_named_with_its_language_and_file(world: Path) -> None:
    console = RecordingConsole()
    blocks = write(world, "the\tO\ncat\tS-PER\n", "yy-test.tsv")
    chosen = {"model": str(world / "ner"), "languages": ("yy",), "data": str(world / "{language}-test.tsv")}
    score(world, "blocks", console, **chosen)
    assert console.warned == [
        f"{blocks.name}: the tags are in the scheme BIOES; they are read as IOB2 (E-X as I-X and S-X as B-X)."
    ]
    path = write(world, "the\tO\ncat\tB-MISC\n", "zz-test.tsv")
    with pytest.raises(DataError) as caught:
        score(world, "misc", **{**chosen, "languages": ("zz",)})
    assert f"data in 'zz': {path}, line 2: 'B-MISC' is not one of the tags" in str(caught.value)
    with pytest.raises(DataError) as caught:  # a label that the data may have, but the model has not
        score(world, "misc", **{**chosen, "languages": ("zz",), "entity_types": ("PER", "ORG", "LOC", "MISC")})
    assert f"data in 'zz': {path}: sentence 1 has the label 'B-MISC', which the model does not know" in str(
        caught.value
    )


def test_the_repair_is_chosen_when_scoring(world: Path) -> None:
    data = str(world / "{language}-test.tsv")
    chosen = {"model": str(world / "ner"), "languages": ("xx",), "data": data, "ner_repair": "published"}
    made = score(world, "repaired", **chosen)
    scores = json.loads((made.path / "scores.json").read_text())
    assert scores["scoring"]["ner-repair"] == "published"
    table = pq.read_table(made.path / "predictions/xx.parquet").to_pydict()
    assert table["predicted"] == [repaired(tags) for tags in table["unrepaired"]]


def test_options_of_other_tasks_are_refused(world: Path) -> None:
    with pytest.raises(SettingsError, match="--multiword-tokens is an option of pos, not of ner"):
        train(world, "x", task="ner", train=str(world / "en-train.tsv"), multiword_tokens="exclude")
    with pytest.raises(SettingsError, match="--ner-repair is an option of ner, not of pos"):
        train(world, "x", task="pos", train=str(world / "en-train.tsv"), ner_repair="none")
    with pytest.raises(SettingsError, match="--entity-types names a type twice: PER, PER"):
        train(world, "x", task="ner", train=str(world / "en-train.tsv"), entity_types=("PER", "PER"))
