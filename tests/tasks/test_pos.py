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
BLANKED = f"# sent_id = b\n1\t_\t_\tPRON{TAIL}\n2\t____\t_\tVERB{TAIL}\n3\t_\t_\tNOUN{TAIL}\n"


def test_multiword_tokens_and_empty_nodes_are_no_words_unless_published(tmp_path: Path) -> None:
    path = write(tmp_path, FRENCH)
    first, _ = list(POS.read([path], "fr", EXCLUDE))
    assert first == TaggedSentence(
        "fr-1", ["10 000", "livres", "de", "le", "chat"], ["NUM", "NOUN", "ADP", "DET", "NOUN"]
    )
    first, _ = list(POS.read([path], "fr", PUBLISHED))
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
        (
            f"# sent_id = a\n1\tyes\t_\tINTJ{TAIL}\n\n" + BLANKED,
            "every word of sentence b is _: the text was taken out",
        ),
        (f"1\t_\t_\tINTJ{TAIL}\n\n1\t___\t_\tX{TAIL}\n2\t_\t_\tX{TAIL}\n", "every word is _: the text was taken"),
    ],
)
def test_missing_and_unknown_tags_are_refused(tmp_path: Path, content: str, sentence: str) -> None:
    with pytest.raises(DataError) as caught:
        list(POS.read([write(tmp_path, content)], "en", EXCLUDE))
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
    (sentence,) = list(POS.read([path], "fr", EXCLUDE))
    assert sentence == TaggedSentence("s0", ["w1", "w2", "w4"], ["ADP", "DET", "NOUN"])
    (sentence,) = list(POS.read([path], "fr", PUBLISHED))
    assert sentence.labels == ["_", "ADP", "DET", "ADJ", "NOUN"]


def test_refuses_parquet_without_tags_or_columns(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="of sentence s0 .row 1. has no tag"):
        list(POS.read([hub_table(tmp_path / "a.parquet", [[13]], [["0"]])], "fr", EXCLUDE))
    with pytest.raises(DataError, match="holds no sentence"):
        list(POS.read([hub_table(tmp_path / "b.parquet", [], [])], "fr", EXCLUDE))
    pq.write_table(pa.table({"idx": ["1"]}), tmp_path / "c.parquet")
    with pytest.raises(DataError, match="not a Parquet file with the columns"):
        list(POS.read([tmp_path / "c.parquet"], "fr", EXCLUDE))
    (tmp_path / "d.parquet").write_bytes(b"no parquet at all")
    with pytest.raises(DataError, match="not a Parquet file"):
        list(POS.read([tmp_path / "d.parquet"], "fr", EXCLUDE))


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"upos": [8, -1]}, "row 2: the word 'b' has the label id -1; ids are 0 to 17"),
        ({"upos": [8, 18]}, "row 2: the word 'b' has the label id 18; ids are 0 to 17"),
        ({"upos": [8, 0.5]}, "row 2: the word 'b' has no label (0.5)"),
        ({"upos": [8, None]}, "row 2: the word 'b' has no label (None)"),
        ({"upos": [8]}, "row 2 has 2 tokens but 1 in upos"),
        ({"head": ["2", "0", "1"]}, "row 2 has 2 tokens but 3 in head"),
        ({"upos": None}, "row 2 has no list in upos, but null"),
        ({"tokens": None}, "row 2 has no list in tokens, but null"),
        ({"tokens": ["a", None]}, "row 2 has a word that is not text (None, number 2)"),
        ({"upos": ["DET", "NN"]}, "row 2: 'NN' is not a universal tag"),
    ],
)
def test_rows_that_cannot_be_are_refused_by_their_number(tmp_path: Path, row: dict, sentence: str) -> None:
    whole = {"idx": "s", "tokens": ["a", "b"], "upos": [8, 0], "head": ["2", "0"]}
    if isinstance(row.get("upos"), list) and isinstance(row["upos"][0], str):
        whole["upos"] = ["DET", "NOUN"]
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_pylist([whole, {**whole, **row}]), path)
    with pytest.raises(DataError) as caught:
        list(POS.read([path], "en", EXCLUDE))
    assert f"{path}: {sentence}" in str(caught.value)


def test_label_ids_may_be_floats_and_labels_may_be_names(tmp_path: Path) -> None:
    for tags in ([8.0, 0.0], ["DET", "NOUN"]):
        row = {"idx": None, "tokens": ["a", "b"], "upos": tags, "head": [2, 0]}
        pq.write_table(pa.Table.from_pylist([row]), tmp_path / "a.parquet")
        assert list(POS.read([tmp_path / "a.parquet"], "en", EXCLUDE)) == [
            TaggedSentence("1", ["a", "b"], ["DET", "NOUN"])
        ]


def test_parquet_whose_words_cannot_be_told_or_were_taken_out_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no word has a head"):
        list(POS.read([hub_table(tmp_path / "a.parquet", [[8, 0]], [["_", "_"]])], "en", EXCLUDE))
    row = {"idx": "s7", "tokens": ["_", "_", "_"], "upos": [8, 0, 1], "head": ["2", "0", "2"]}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "b.parquet")
    with pytest.raises(DataError, match="every word of sentence s7 is _"):
        list(POS.read([tmp_path / "b.parquet"], "en", EXCLUDE))


def repackaged_table(path: Path, tags: list[list[str]], names: bool) -> Path:
    """A file as the repackaged version of UD has it; UPOS are names, or, as in its first versions, ids."""
    empty = {"lemma": "_", "xpos": "_", "feats": None, "head": None, "deprel": "_", "deps": None, "misc": None}
    row = {"text": "du", "comments": ["# a"], "feats": [None] * len(tags), "misc": [None] * len(tags)}
    rows = [
        {
            "sent_id": f"r{number}",
            **row,
            "tokens": [f"w{n}" for n in range(len(some))],
            "lemmas": [f"w{n}" for n in range(len(some))],
            "upos": some if names else [HUB_LABELS.index(tag) for tag in some],
            "head": [0] * len(some),
            "mwt": [{"id": "1-2", "form": "du", "feats": None, "misc": None}] if number == 0 else [],
            "empty_nodes": [
                {"id": "0.1", "form": "on", "upos": "PRON", **empty},
                {"id": "2.1", "form": "gros", "upos": "ADJ", **empty},
            ]
            if number == 0
            else [],
        }
        for number, some in enumerate(tags)
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.mark.parametrize("names", [True, False], ids=["names", "ids"])
def test_reads_the_repackaged_treebanks_as_their_conllu(tmp_path: Path, names: bool) -> None:
    path = repackaged_table(tmp_path / "test.parquet", [["ADP", "DET", "NOUN"], ["INTJ"]], names)
    conllu = (
        f"# sent_id = r0\n0.1\ton\t_\tPRON{TAIL}\n1-2\tdu\t_\t_{TAIL}\n1\tw0\t_\tADP{TAIL}\n2\tw1\t_\tDET{TAIL}\n"
        f"2.1\tgros\t_\tADJ{TAIL}\n3\tw2\t_\tNOUN{TAIL}\n\n# sent_id = r1\n1\tw0\t_\tINTJ{TAIL}\n"
    )
    for options in (EXCLUDE, PUBLISHED):
        read = list(POS.read([path], "fr", options))
        assert read == list(POS.read([write(tmp_path, conllu)], "fr", options))
        assert read[0].words == (["w0", "w1", "w2"] if options is EXCLUDE else ["on", "du", "w0", "w1", "gros", "w2"])


def test_repackaged_treebanks_without_ids_are_refused(tmp_path: Path) -> None:
    row = {"sent_id": "a", "tokens": ["x"], "upos": ["X"], "mwt": [{"id": "x-y", "form": "z"}], "empty_nodes": []}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="row 1 has no usable ids in mwt or empty_nodes"):
        list(POS.read([tmp_path / "a.parquet"], "fr", EXCLUDE))


def test_the_papers_treebanks() -> None:
    assert len(POS.languages) == 34
    assert list(TREEBANKS) == ["en", *POS.languages]
    assert [files.pattern for files in POS.hub_files("ta", "test")] == [
        "ta_ttb/test/*.parquet",
        "ta_ttb/universal_dependencies-test*.parquet",
        "parquet/ta_ttb/test.parquet",
    ]
    assert POS.hub_files("cs", "train")[-1].pattern == "parquet/cs_pdtc/train.parquet"
    with pytest.raises(SettingsError, match="no default treebank for 'xx'"):
        POS.hub_files("xx", "test")


def test_an_unknown_task_is_named_with_the_known_ones() -> None:
    assert find_task("pos") is POS
    with pytest.raises(SettingsError, match="no task 'poss', only pos, .*; did you mean 'pos'"):
        find_task("poss")
