"""The demo world's folder: what is in it, that other parts read it, and that a seed always gives the same bytes."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path

import pytest

from alignfreeze_cli.aligners.settings import AlignPairsSettings
from alignfreeze_cli.artifacts import Result, resolve_encoder
from alignfreeze_cli.demo.settings import DemoWorldSettings
from alignfreeze_cli.demo.world import make_world
from alignfreeze_cli.errors import OutputExistsError, SettingsError
from alignfreeze_cli.pairs.links import parse_pharaoh
from alignfreeze_cli.progress import Console
from alignfreeze_cli.steps.align_pairs import align_pairs
from alignfreeze_cli.tasks.conllu import read_conllu
from alignfreeze_cli.tasks.registry import TASKS

CODES = ("qav", "qbe", "qci")


def settings(output: Path, **changed: object) -> DemoWorldSettings:
    small = {"languages": 2, "sentences": 150, "pairs": 80, "train": 60, "test": 20, "steps": 40, "batch_size": 16}
    return DemoWorldSettings(output=output, threads=1, **(small | {"learning_rate": 5e-3} | changed))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return make_world(settings(tmp_path_factory.mktemp("demo") / "world"), Console())


@pytest.fixture
def world(result: Result) -> Path:
    return result.path


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def test_everything_is_there(world: Path) -> None:
    found = {str(path.relative_to(world)) for path in world.rglob("*") if path.is_file()}
    expected = {"README.md", "alignfreeze.json", "distances.json", *(f"text/{code}.txt" for code in CODES)}
    for code in CODES[1:]:
        expected |= {f"parallel/qav-{code}.tsv", f"links/qav-{code}.pharaoh"}
        expected |= {f"dictionaries/qav-{code}.txt", f"dictionaries/{code}-qav.txt"}
    for task, ending in {"pos": "conllu", "ner": "tsv", "nli": "tsv", "qa": "json"}.items():
        expected |= {f"{task}/qav-train.{ending}", *(f"{task}/{code}-test.{ending}" for code in CODES)}
    expected |= {f"encoder/{name}" for name in ("config.json", "model.safetensors", "tokenizer.json")}
    assert found - expected <= {"encoder/tokenizer_config.json"}
    assert expected <= found


def test_the_same_seed_gives_the_same_bytes(result: Result, tmp_path: Path) -> None:
    again = make_world(settings(tmp_path / "again"), Console())
    assert result.record is not None
    assert again.record is not None
    assert again.record.files == result.record.files


def test_another_seed_gives_another_world(result: Result, tmp_path: Path) -> None:
    other = make_world(settings(tmp_path / "other", seed=2, steps=1), Console())
    assert result.record is not None
    assert other.record is not None
    same = [name for name, digest in other.record.files.items() if result.record.files[name] == digest]
    assert set(same) <= {"distances.json", "encoder/config.json", "encoder/tokenizer_config.json"}


def test_the_readme_shows_the_distances_of_distances_json(world: Path) -> None:
    distances = json.loads((world / "distances.json").read_text(encoding="utf-8"))
    assert distances["source"] == "qav"
    far = distances["distances"]
    assert 0 < far["qbe"] < far["qci"] < 1
    page = (world / "README.md").read_text(encoding="utf-8")
    assert f"| qbe | Belto | {1 - far['qbe']:.0%} |" in page


def test_a_world_is_made_once(result: Result) -> None:
    assert result.status == "made"
    assert make_world(settings(result.path), Console()).status == "already done"
    with pytest.raises(OutputExistsError, match="pairs was 80, now 90"):
        make_world(settings(result.path, pairs=90), Console())


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    planned = make_world(settings(tmp_path / "planned", dry_run=True), Console())
    assert planned.details["languages"] == list(CODES)
    assert list(tmp_path.iterdir()) == []


def test_more_languages_than_there_are_is_refused() -> None:
    with pytest.raises(SettingsError, match="--languages must be at most 8"):
        DemoWorldSettings(languages=9)


def test_the_encoder_loads_and_knows_every_word(world: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    assert resolve_encoder(str(world / "encoder")).digest
    model = AutoModel.from_pretrained(world / "encoder")
    tokenizer = AutoTokenizer.from_pretrained(world / "encoder")
    assert model.config.num_hidden_layers == 4
    text = [line for code in CODES for line in lines(world / "text" / f"{code}.txt")]
    text += [line for code in CODES[1:] for line in lines(world / "parallel" / f"qav-{code}.tsv")]
    assert all(tokenizer.unk_token_id not in ids for ids in tokenizer(text)["input_ids"])


def test_the_encoder_has_learned(result: Result) -> None:
    vocabulary = json.loads((result.path / "encoder" / "config.json").read_text())["vocab_size"]
    assert result.details["masked-word-loss"] < math.log(vocabulary) - 0.5


def test_true_links_go_through_align_pairs_unchanged(world: Path, tmp_path: Path) -> None:
    """So the words that align-pairs cuts are those that the links count."""
    links = str(world / "links" / "{source}-{target}.pharaoh")
    made = _align(world, tmp_path, aligner="pharaoh", links=links, words="unicode")
    assert made.details["warnings"] == []
    for code in CODES[1:]:
        name = f"qav-{code}.pharaoh"
        assert lines(tmp_path / "links" / name) == lines(world / "links" / name)


def test_dictionary_links_are_a_part_of_the_true_ones(world: Path, tmp_path: Path) -> None:
    result = _align(world, tmp_path, dictionary=str(world / "dictionaries" / "{source}-{target}.txt"))
    assert result.status == "made"
    for code in CODES[1:]:
        name = f"qav-{code}.pharaoh"
        found = [set(parse_pharaoh(line)) for line in lines(tmp_path / "links" / name)]
        true = [set(parse_pharaoh(line)) for line in lines(world / "links" / name)]
        assert all(some <= every for some, every in zip(found, true, strict=True))
        assert 0.1 < sum(map(len, found)) / sum(map(len, true)) < 0.5


def _align(world: Path, folder: Path, **how: object) -> Result:
    corpus = (str(world / "parallel" / "{source}-{target}.tsv"),)
    values = {"source": "qav", "target": CODES[1:], "corpus": corpus, "output": folder / "pairs"} | how
    return align_pairs(AlignPairsSettings(pharaoh=folder / "links", **values), Console())  # type: ignore[arg-type]


def test_both_directions_of_a_dictionary_hold_the_same(world: Path) -> None:
    for code in CODES[1:]:
        there = [line.split(" ") for line in lines(world / "dictionaries" / f"qav-{code}.txt")]
        back = [line.split(" ") for line in lines(world / "dictionaries" / f"{code}-qav.txt")]
        assert sorted(there) == sorted([b, a] for a, b in back)


def test_treebanks_are_conllu_with_tags_for_every_word(world: Path) -> None:
    for code in CODES:
        sentences = list(read_conllu(world / "pos" / f"{code}-test.conllu"))
        assert len(sentences) == 20
        text = (world / "pos" / f"{code}-test.conllu").read_text(encoding="utf-8")
        rows = [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]
        assert all(len(row) == 10 for row in rows)
        assert any("-" in row[0] for row in rows) == (code != "qav")
    tags = Counter(row[3] for row in rows if "-" not in row[0])
    assert {"NOUN", "VERB", "DET", "ADP", "PUNCT"} <= set(tags)
    assert "_" not in tags


@pytest.mark.parametrize(("name", "suffix"), [("pos", "conllu"), ("ner", "tsv"), ("nli", "tsv"), ("qa", "json")])
def test_tasks_read_their_data(world: Path, name: str, suffix: str) -> None:
    task = TASKS[name]
    for file in ("qav-train", *(f"{code}-test" for code in CODES)):
        examples = list(task.read([world / name / f"{file}.{suffix}"], file[:3], task.defaults))
        assert len(examples) >= 20


def test_entities_are_iob2(world: Path) -> None:
    before = "O"
    kinds = set()
    for line in lines(world / "ner" / "qav-train.tsv"):
        tag = line.split("\t")[1] if line else "O"
        assert not tag.startswith("I-") or before[2:] == tag[2:]
        before = tag
        kinds.add(tag[2:])
    assert kinds == {"", "PER", "ORG", "LOC"}


def test_inference_is_three_columns_and_parallel(world: Path) -> None:
    labels = [[line.split("\t")[2] for line in lines(world / "nli" / f"{code}-test.tsv")] for code in CODES]
    assert labels[0] == labels[1] == labels[2]
    train = Counter(line.split("\t")[2] for line in lines(world / "nli" / "qav-train.tsv"))
    assert set(train) == {"entailment", "neutral", "contradiction"}
    assert min(train.values()) > 10


def test_answers_are_found_at_their_start(world: Path) -> None:
    for code in CODES:
        squad = json.loads((world / "qa" / f"{code}-test.json").read_text(encoding="utf-8"))
        paragraphs = squad["data"][0]["paragraphs"]
        assert squad["version"] == "1.1"
        assert len({qa["id"] for p in paragraphs for qa in p["qas"]}) == 20
        for paragraph in paragraphs:
            (answer,) = paragraph["qas"][0]["answers"]
            start, text = answer["answer_start"], answer["text"]
            assert text
            assert paragraph["context"][start : start + len(text)] == text
            before, after = paragraph["context"][start - 1 : start], paragraph["context"][start + len(text)]
            assert before in ("", " ")
            assert after in " .,"


def test_the_readme_shows_a_sentence_of_every_language(world: Path) -> None:
    text = (world / "README.md").read_text(encoding="utf-8")
    assert all(text.count(f"| {code} |") == 2 for code in CODES)
    assert "{" not in text


def test_a_second_source_adds_its_files_and_changes_no_other(world: Path, tmp_path: Path) -> None:
    second = make_world(settings(tmp_path / "two", second_source="qci", steps=1), Console()).path
    there, here = (
        {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (world, second)
    )
    changed = {name for name in there if here[name] != there[name] and not name.startswith("encoder/")}
    assert changed == {"README.md", "alignfreeze.json", "distances.json"}
    added = {f"{task}/qci-train.{suffix}" for task, suffix in
             {"pos": "conllu", "ner": "tsv", "nli": "tsv", "qa": "json"}.items()}  # fmt: skip
    for code in ("qav", "qbe"):
        added |= {f"parallel/qci-{code}.tsv", f"links/qci-{code}.pharaoh"}
    added |= {"dictionaries/qci-qbe.txt", "dictionaries/qbe-qci.txt"}
    assert here.keys() - there.keys() == added
    first, other = json.loads(here["distances.json"])
    assert first == json.loads(there["distances.json"])
    assert (other["source"], set(other["distances"])) == ("qci", {"qav", "qbe"})
    assert other["distances"]["qav"] == first["distances"]["qci"]
    assert "it and Cirun alone have training data" in here["README.md"].decode()


def test_a_second_source_that_there_is_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"must be one of qbe, qci, not 'qav'"):
        make_world(settings(tmp_path / "two", second_source="qav"), Console())
