"""Records that anybody may have written: what is not one is refused in one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignfreeze_cli.artifacts import RECORD_NAME, Record, read_record, resolve_artifact
from alignfreeze_cli.errors import AlignFreezeError, ArtifactError

INPUT = {"name": "corpus de", "source": "text.tsv", "digest": "0" * 64}
PARENT = {"kind": "pairs", "settings": {}, "inputs": [INPUT], "seed": None, "details": {}, "digest": "1" * 64}
GOOD: dict[str, Any] = {
    "kind": "task-model",
    "settings": {"task": "pos"},
    "identity": {"kind": "task-model", "settings": {}, "inputs": {}},
    "inputs": [INPUT],
    "lineage": [PARENT],
    "seed": 31,
    "details": {"task": "pos", "options": {}, "language": "en", "labels": ["NOUN"]},
    "files": {"config.json": "2" * 64},
    "created": "2026-01-01T00:00:00+00:00",
    "seconds": 1.5,
    "versions": {},
    "hardware": {},
    "schema": 1,
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def written(folder: Path, value: Any) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / RECORD_NAME).write_text(value if isinstance(value, str) else json.dumps(value))
    return folder


def test_a_good_record_is_read(tmp_path: Path) -> None:
    record = read_record(written(tmp_path / "good", GOOD))
    assert isinstance(record, Record)
    assert record.details["task"] == "pos"


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("kind",), 7, "kind is int"),
        (("settings",), [], "settings is list"),
        (("identity",), None, "identity is NoneType"),
        (("inputs",), {}, "inputs is dict"),
        (("inputs", 0), "text", r"inputs\[0\] is no object"),
        (("inputs", 0, "digest"), 5, r"inputs\[0\]\.digest is int"),
        (("lineage", 0, "details"), "none", r"lineage\[0\]\.details is str"),
        (("lineage", 0, "digest"), None, r"lineage\[0\]\.digest is NoneType"),
        (("seed",), "31", "seed is str"),
        (("details", "options"), [], r"details\.options is list"),
        (("details", "labels"), "NOUN", r"details\.labels is str"),
        (("files",), ["config.json"], "files is list"),
        (("files", "config.json"), 3, "digest of 'config.json' is no text"),
        (("schema",), "1", "schema is str"),
        (("schema",), True, "schema is bool"),
        (("seconds",), "long", "seconds is str"),
    ],
    ids=str,
)
def test_a_field_of_another_type_is_named(tmp_path: Path, path: tuple[Any, ...], value: Any, named: str) -> None:
    values = json.loads(json.dumps(GOOD))
    holder = values
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    with pytest.raises(ArtifactError, match=f"is not a record of alignfreeze .*{named}"):
        read_record(written(tmp_path / "bad", values))


@pytest.mark.parametrize("name", ["/etc/passwd", "../outside", "data/../../outside"])
def test_files_outside_the_folder_are_not_looked_at(tmp_path: Path, name: str) -> None:
    with pytest.raises(ArtifactError, match="is outside the folder"):
        read_record(written(tmp_path / "bad", {**GOOD, "files": {name: "0" * 64}}))


@pytest.mark.parametrize("missing", [key for key in GOOD if key not in ("created", "seconds", "versions", "hardware")])
def test_a_missing_field_is_named(tmp_path: Path, missing: str) -> None:
    values = {key: value for key, value in GOOD.items() if key != missing}
    if missing == "seed":  # many folders have none
        assert read_record(written(tmp_path / "bad", {**values, "seed": None})) is not None
        return
    with pytest.raises(ArtifactError, match=f"{missing}"):
        read_record(written(tmp_path / "bad", values))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "7", '"record"', "[" * 100_000, '{"a":' * 100_000, "\\ud800"])
def test_what_is_no_record_at_all_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ArtifactError, match=r"can't be read|must hold one JSON object"):
        read_record(written(tmp_path / "bad", text))


@given(st.data())
def test_any_record_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """One part of a good record replaced by anything JSON can hold: never another error than ours."""
    values = json.loads(json.dumps(GOOD))
    holder: Any = values
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = data.draw(st.sampled_from(keys))
        inner = holder[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.booleans()):
            holder[key] = data.draw(JSON)
            break
        holder = inner
    folder = written(tmp_path_factory.mktemp("any") / "record", values)
    for read in (read_record, lambda folder: resolve_artifact(str(folder), "task-model")):
        try:
            read(folder)
        except AlignFreezeError:
            continue
