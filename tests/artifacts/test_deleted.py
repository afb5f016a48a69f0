"""A model whose weights were deleted: what its folder still stands for, with steps small enough to read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from alignfreeze_cli.artifacts import OutputFolder, Result, read_record, resolve_encoder, verify
from alignfreeze_cli.artifacts.deleted import DELETED_NAME, is_deleted
from alignfreeze_cli.artifacts.deleting import delete_weights
from alignfreeze_cli.artifacts.inputs import weight_files, weight_shapes
from alignfreeze_cli.errors import ArtifactError, OutputExistsError, WeightsDeletedError
from alignfreeze_cli.settings import StepSettings, setting
from tests.support.console import RecordingConsole


@dataclass(frozen=True, kw_only=True)
class ScaleSettings(StepSettings):
    model: str = setting("", help="What is scaled.", input=True)
    factor: float = setting(1.0, help="By how much.")


def scale(settings: ScaleSettings, noise: float = 0.0, console: RecordingConsole | None = None) -> Result:
    """An encoder from an encoder; `noise` stands for a GPU that sums in another order."""
    given = [resolve_encoder(settings.model)] if settings.model else []
    output = OutputFolder("encoder", settings, given, default="encoder")
    if done := output.finished():
        return done
    with output.open(console or RecordingConsole()) as work:
        save_model(work.path, settings.factor + noise)
        with work.nested("steps-1", settings) as inner:
            save_model(inner.path, settings.factor + noise)
    return output.result


def save_model(folder: Path, value: float) -> None:
    (folder / "config.json").write_text("{}", encoding="utf-8")
    (folder / "tokenizer.json").write_text("{}", encoding="utf-8")
    save_file({"weight": np.full((2, 3), value, dtype=np.float32)}, folder / "model.safetensors")


def delete(folder: Path) -> int:
    record = read_record(folder)
    assert record is not None
    return delete_weights(folder, record)


@pytest.fixture
def first(tmp_path: Path) -> ScaleSettings:
    return ScaleSettings(output=tmp_path / "first", factor=2.0)


@pytest.fixture
def second(tmp_path: Path, first: ScaleSettings) -> ScaleSettings:
    """Made from the first, which then loses its weights."""
    made = ScaleSettings(output=tmp_path / "second", model=str(first.output / "steps-1"), factor=3.0)
    scale(first)
    scale(made)
    delete(first.output)
    return made


def again(settings: ScaleSettings, **changes: object) -> ScaleSettings:
    values = {name: getattr(settings, name) for name in ("output", "model", "factor")}
    return ScaleSettings(**{**values, "weights_wanted": False, **changes})


def test_it_keeps_its_digest_its_shapes_and_all_that_is_no_weight(first: ScaleSettings) -> None:
    record = scale(first).record
    assert record is not None
    (first.output / "notes.txt").write_text("a person's", encoding="utf-8")
    size = sum(path.stat().st_size for name in ("model.s*", "tokenizer.json") for path in first.output.rglob(name))
    assert delete(first.output) == size
    assert sorted(str(path.relative_to(first.output)) for path in first.output.rglob("*") if path.is_file()) == [
        *("alignfreeze.json", "config.json", "deleted.json", "notes.txt"),
        *(f"steps-1/{name}" for name in ("alignfreeze.json", "config.json", "deleted.json")),
    ]
    for folder in (first.output, first.output / "steps-1"):
        assert resolve_encoder(str(folder)).digest == record.digest
        assert weight_shapes(folder) == {"weight": [2, 3]}
        with pytest.raises(WeightsDeletedError, match="lost its weights"):
            weight_files(folder)
    with pytest.raises(WeightsDeletedError):
        verify(first.output, record)


def test_what_was_made_from_it_is_done_and_nothing_else_can_be_made_from_it(second: ScaleSettings) -> None:
    assert scale(second).status == "already done"
    with pytest.raises(WeightsDeletedError, match=r"first/steps-1: has lost its weights"):
        scale(again(second, output=second.output.with_name("third")))
    with pytest.raises(OutputExistsError, match=r"made otherwise \(factor was 3\.0, now 4\.0\)"):
        scale(again(second, factor=4.0))
    with pytest.raises(WeightsDeletedError):
        scale(again(second, factor=4.0, overwrite=True))


def test_it_counts_as_done_for_run_and_a_command_makes_it_again(first: ScaleSettings, second: ScaleSettings) -> None:
    assert scale(again(first)).status == "already done"
    assert scale(again(first, overwrite=True)).status == "already done"
    assert is_deleted(first.output)
    with pytest.raises(OutputExistsError, match="made otherwise"):
        scale(again(first, factor=9.0, weights_wanted=True))
    told = RecordingConsole()
    result = scale(first, console=told)
    assert (result.status, told.warned) == ("made", [])
    assert result.record is not None
    assert result.record.earlier == []
    verify(first.output, result.record)
    assert scale(second).status == "already done"


def test_made_again_with_other_bytes_it_still_stands_for_the_first(first: ScaleSettings, second: ScaleSettings) -> None:
    digests = [resolve_encoder(str(first.output)).digest]
    for noise in (0.5, 0.25):
        told = RecordingConsole()
        result = scale(first, noise, told)
        assert result.record is not None
        assert result.record.earlier == sorted(digests)
        assert "other bytes came out" in told.warned[0]
        digests.append(result.record.digest)
        assert scale(second).status == "already done"
        delete(first.output)
        assert scale(second).status == "already done"
    delete(second.output)  # and what is made again from other bytes stands for what was made from the first
    scale(first, 0.5)
    assert scale(second).status == "made"
    with pytest.raises(OutputExistsError, match="made otherwise"):  # of other settings nobody knows anything
        scale(again(first, factor=9.0))


def test_a_deletion_that_was_cut_off_is_finished_by_the_next_one(first: ScaleSettings) -> None:
    scale(first)
    weights = first.output / "steps-1" / "model.safetensors"
    kept = weights.read_bytes()
    size = delete(first.output)
    weights.write_bytes(kept)
    assert is_deleted(first.output)
    assert 0 < delete(first.output) < size
    assert delete(first.output) == 0
    assert not weights.exists()


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"files": [{}]}', '{"files": "all"}', '{"files": []}', '{"files": [], "shapes": {"a": 1}}'],
)
def test_a_list_that_cannot_be_read_is_refused(text: str, first: ScaleSettings) -> None:
    scale(first)
    (first.output / DELETED_NAME).write_text(text, encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"deleted\.json: .*remove the folder and run the recipe again"):
        resolve_encoder(str(first.output))


def test_a_list_of_files_elsewhere_deletes_nothing(first: ScaleSettings, tmp_path: Path) -> None:
    scale(first)
    other = tmp_path / "mine.txt"
    other.write_text("a person's", encoding="utf-8")
    listed = {"files": ["../mine.txt", str(other)], "shapes": {"weight": [2, 3]}}
    (first.output / DELETED_NAME).write_text(json.dumps(listed), encoding="utf-8")
    assert delete(first.output) == 0
    assert other.is_file()
