"""The pairs folder: written as a stream, read in any order, the same bytes for the same rows."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

from alignfreeze_cli.errors import ArtifactError
from alignfreeze_cli.pairs.folder import (
    ROW_GROUP,
    SCORED_SCHEMA,
    Pair,
    PairsWriter,
    data_file,
    open_pairs,
    write_statistics,
)

PAIRS = [Pair([f"w{n}", "x"], ["y"] * (n % 3 + 1), [(0, 0), (1, n % 3)]) for n in range(ROW_GROUP + 500)]


def make(folder: Path, pairs: list[Pair], cut: int) -> Path:
    with PairsWriter(data_file(folder, "en", "de")) as writer:
        for start in range(0, len(pairs), cut):
            writer.write_pairs(pairs[start : start + cut])
    write_statistics(folder, {"source": "en", "languages": {"de": {}}})
    return folder


def test_the_bytes_do_not_depend_on_how_the_rows_arrive(tmp_path: Path) -> None:
    files = [data_file(make(tmp_path / str(cut), PAIRS, cut), "en", "de") for cut in (997, 4000, len(PAIRS))]
    assert len({file.read_bytes() for file in files}) == 1


def test_rows_are_read_in_file_order_and_in_any_other(tmp_path: Path) -> None:
    pairs = open_pairs(make(tmp_path, PAIRS, 5000))
    assert pairs.files == [("en", "de", data_file(tmp_path, "en", "de"), len(PAIRS))]
    assert list(pairs.read("de")) == PAIRS
    some = [ROW_GROUP + 7, 3, 4, ROW_GROUP - 1, ROW_GROUP, 3]
    assert list(pairs.read("de", some)) == [PAIRS[n] for n in some]
    assert pairs.table("de").num_rows == len(PAIRS)
    with pytest.raises(IndexError):
        list(pairs.read("de", [len(PAIRS)]))
    with pytest.raises(ArtifactError, match="no pairs for fr; it has de"):
        list(pairs.read("fr"))


def test_scores_are_a_column_more_which_readers_leave_alone(tmp_path: Path) -> None:
    make(tmp_path, PAIRS[:2], 2)
    plain = open_pairs(tmp_path).table("de")
    scores = pa.array([[0.5, 0.25], [1.0, 0.0]], SCORED_SCHEMA.field("scores").type)
    with PairsWriter(data_file(tmp_path, "en", "de"), scored=True) as writer:
        writer.write(plain.append_column("scores", scores))
    assert list(open_pairs(tmp_path).read("de")) == PAIRS[:2]
    assert pq.read_table(data_file(tmp_path, "en", "de")).column("scores").to_pylist() == scores.to_pylist()


def test_datasets_loads_it(tmp_path: Path) -> None:
    make(tmp_path / "pairs", PAIRS[:3], 3)
    loaded = load_dataset("parquet", data_dir=str(tmp_path / "pairs" / "data"), cache_dir=str(tmp_path / "cache"))
    assert loaded["train"][1] == {"source": ["w1", "x"], "target": ["y", "y"], "links": [[0, 0], [1, 1]]}


def test_a_language_without_pairs_has_an_empty_file(tmp_path: Path) -> None:
    assert list(open_pairs(make(tmp_path, [], 1)).read("de")) == []


def test_a_folder_that_holds_no_pairs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="statistics.json: can.t be read"):
        open_pairs(tmp_path)
    make(tmp_path, PAIRS[:3], 3)
    data_file(tmp_path, "en", "de").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(ArtifactError, match="cannot be read as Parquet"):
        open_pairs(tmp_path)
    (tmp_path / "statistics.json").write_text(json.dumps({"languages": []}))
    with pytest.raises(ArtifactError, match="statistics.json: must name the `source` language"):
        open_pairs(tmp_path)
