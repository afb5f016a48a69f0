"""Part-of-speech data: what counts as a word, which labels there are, what is refused; local files and the Hub's."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from alignfreeze_cli.errors import DataError, SettingsError
from alignfreeze_cli.tasks.pos import HUB_LABELS, TREEBANKS
from alignfreeze_cli.tasks.registry import TASKS, find_task
from alignfreeze_cli.tasks.tagging import TaggedSentence
from tests.tasks.test_conllu import FRENCH, TAIL, write

POS = TASKS["pos"]
EXCLUDE = {"multiword_tokens": "exclude", "windows": "whole-words", "lone_pieces": "keep"}
PUBLISHED = {**EXCLUDE, "multiword_tokens": "published"}


def test_multiword_tokens_and_empty_nodes_are_no_words_unless_published(tmp_path: Path) -> None:
    path = write(tmp_path, FRENCH)
    first, _ = POS.read([path], "fr", EXCLUDE)
    assert first == TaggedSentence(
        "fr-1", ["10 000", "livres", "de", "le", "chat"], ["NUM", "NOUN", "ADP", "DET", "NOUN"]
    )
    first, _ = POS.read([path], "fr", PUBLISHED)
    assert first.words == ["10 000", "livres", "du", "de", "le", "gros", "chat"]
    assert first.labels == ["NUM", "NOUN", "_", "ADP", "DET", "ADJ", "NOUN"]


def test_labels_have_the_order_of_the_hub(tmp_path: Path) -> None:
    assert " ".join(POS.labels(PUBLISHED)) == (
        "NOUN PUNCT ADP NUM SYM SCONJ ADJ PART DET CCONJ PROPN PRON X _ ADV INTJ VERB AUX"
    )
    assert POS.labels(EXCLUDE) == tuple(label for label in HUB_LABELS if label != "_")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (f"1\tyes\t_\tINTJ{TAIL}\n2\tno\t_\t_{TAIL}\n", "line 2: the word 'no' has no tag"),
        (f"1\tyes\t_\t_{TAIL}\n\n1\tno\t_\t_{TAIL}\n", "no word has a tag"),
        (f"1\tyes\t_\tITNJ{TAIL}\n", "line 1: 'ITNJ' is not a universal tag; did you mean 'INTJ'?"),
    ],
)
def test_missing_and_unknown_tags_are_refused(tmp_path: Path, content: str, sentence: str) -> None:
    with pytest.raises(DataError) as caught:
        POS.read([write(tmp_path, content)], "en", EXCLUDE)
    assert sentence in str(caught.value)


def hub_table(path: Path, tags: list[list[int]], heads: list[list[str]], features: object = None) -> Path:
    """A file as the Hub's conversion lays it out."""
    tokens = [[f"w{n}" for n in range(len(row))] for row in tags]
    columns = {"idx": [f"s{n}" for n in range(len(tags))], "tokens": tokens, "upos": tags, "head": heads}
    table = pa.table({**columns, "lemmas": tokens})
    if features is not None:
        told = json.dumps({"info": {"features": {"upos": features}}})
        table = table.replace_schema_metadata({"huggingface": told})
    pq.write_table(table, path)
    return path


@pytest.mark.parametrize(
    "features",
    [
        None,
        {"feature": {"names": list(HUB_LABELS), "_type": "ClassLabel"}, "_type": "Sequence"},
        {"feature": {"names": list(HUB_LABELS), "_type": "ClassLabel"}, "_type": "List"},
        [{"names": list(HUB_LABELS), "_type": "ClassLabel"}],
    ],
)
def test_reads_the_hubs_parquet(tmp_path: Path, features: object) -> None:
    # du = de + le, then an understood adjective: neither has a head.
    path = hub_table(tmp_path / "0000.parquet", [[13, 2, 8, 6, 0]], [["None", "2", "0", "None", "2"]], features)
    (sentence,) = POS.read([path], "fr", EXCLUDE)
    assert sentence == TaggedSentence("s0", ["w1", "w2", "w4"], ["ADP", "DET", "NOUN"])
    (sentence,) = POS.read([path], "fr", PUBLISHED)
    assert sentence.labels == ["_", "ADP", "DET", "ADJ", "NOUN"]


def test_refuses_parquet_without_tags_or_columns(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="of sentence s0 .row 1. has no tag"):
        POS.read([hub_table(tmp_path / "a.parquet", [[13]], [["0"]])], "fr", EXCLUDE)
    with pytest.raises(DataError, match="holds no sentence"):
        POS.read([hub_table(tmp_path / "b.parquet", [], [])], "fr", EXCLUDE)
    pq.write_table(pa.table({"idx": ["1"]}), tmp_path / "c.parquet")
    with pytest.raises(DataError, match="not a Parquet file with the columns"):
        POS.read([tmp_path / "c.parquet"], "fr", EXCLUDE)
    (tmp_path / "d.parquet").write_bytes(b"no parquet at all")
    with pytest.raises(DataError, match="not a Parquet file"):
        POS.read([tmp_path / "d.parquet"], "fr", EXCLUDE)


def test_the_papers_treebanks() -> None:
    assert len(POS.languages) == 34
    assert list(TREEBANKS) == ["en", *POS.languages]
    assert POS.hub_files("ta", "test").pattern == "ta_ttb/test/*.parquet"
    with pytest.raises(SettingsError, match="no default treebank for 'xx'"):
        POS.hub_files("xx", "test")


def test_an_unknown_task_is_named_with_the_known_ones() -> None:
    assert find_task("pos") is POS
    with pytest.raises(SettingsError, match="no task 'poss', only pos, .*; did you mean 'pos'"):
        find_task("poss")
