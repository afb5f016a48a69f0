"""`--save-at`: one run leaves the encoders of several lengths, each what a run of that length makes."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel

from alignfreeze_cli.artifacts import read_record, resolve_encoder, verify
from alignfreeze_cli.artifacts.files import file_digest, folder_files
from alignfreeze_cli.encoder import dataset
from alignfreeze_cli.encoder.settings import RealignSettings
from alignfreeze_cli.errors import AlignFreezeError, Interrupted, SettingsError
from alignfreeze_cli.progress import Console
from alignfreeze_cli.steps.realign import realign
from tests.support.realign_world import make_encoder, make_pairs

PREFIXES = (3, 5)
STEPS = 24


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    make_encoder(folder / "encoder", hidden_size=32, num_attention_heads=2)
    make_pairs(folder / "pairs", {"de": 60, "fr": 200, "ta": 12})
    return folder


@pytest.fixture(scope="module", autouse=True)
def small_samples() -> Iterator[None]:
    """So that of fr a long run reads more than a short one, as is usual with corpora of millions of pairs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset, "sample_size", lambda needed, rows: min(rows, max(40, needed)))
        yield


def run(world: Path, output: Path, **changes: Any) -> Path:
    values: dict[str, Any] = {
        "model": str(world / "encoder"),
        "pairs": (str(world / "pairs"),),
        "steps": STEPS,
        "batch_size": 6,
        "max_length": 32,
        "learning_rate": 1e-3,
        "probe_pairs": 4,
        "checkpoint_every": 4,
        "device": "cpu",
        "output": output,
    }
    return realign(RealignSettings(**{**values, **changes}), Console()).path


def settled(folder: Path) -> dict[str, Any]:
    """A record without times, speeds, and how much was read ahead."""
    record = read_record(folder)
    assert record is not None
    verify(folder, record)
    fixed = {name: getattr(record, name) for name in ("kind", "settings", "identity", "inputs", "seed", "lineage")}
    left_out = ("tokens-per-second", "languages")
    details = {name: value for name, value in record.details.items() if name not in left_out}
    drawn = {name: (row["drawn"], row["distinct"]) for name, row in record.details["languages"].items()}
    return {**fixed, "details": details, "drawn": drawn, "digest": record.digest}


def encoded(folder: Path) -> dict[str, int]:
    record = read_record(folder)
    assert record is not None
    return {name: row["encoded"] for name, row in record.details["languages"].items()}


def metrics(folder: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if name != "tokens_per_second"} for row in rows]


NOT_COMPARED = ("alignfreeze.json", "metrics.jsonl", "README.md", "blocks.svg", "blocks.png")  # inner ones get no card
CASES: dict[str, dict[str, Any]] = {
    "round-robin": {},
    "published": {"sampling": "published"},
    "proportional": {"sampling": "proportional"},
    "shuffled, probed every 2 steps": {"links": "shuffled", "probe_every": 2},
    "bf16": {"precision": "bf16"},
    "whole vocabulary": {"vocabulary": "full"},
    "no projection and no probe": {"projection": 0, "probe_pairs": 0},
}


@pytest.mark.parametrize("case", CASES)
def test_each_saved_encoder_equals_that_of_a_run_of_that_length(world: Path, tmp_path: Path, case: str) -> None:
    run(world, tmp_path / "long", save_at=tuple(map(str, PREFIXES)), **CASES[case])
    for steps in PREFIXES if case == "round-robin" else PREFIXES[:1]:
        alone, nested = run(world, tmp_path / str(steps), steps=steps, **CASES[case]), tmp_path / f"long/steps-{steps}"
        for name in folder_files(alone):
            if name.name not in NOT_COMPARED:
                assert file_digest(nested / name) == file_digest(alone / name), name
        assert settled(nested) == settled(alone)
        assert encoded(nested)["fr"] > encoded(alone)["fr"]
        if steps == PREFIXES[0]:
            assert metrics(nested) == metrics(alone)
    without = run(world, tmp_path / "without", **CASES[case])
    assert file_digest(tmp_path / "long/model.safetensors") == file_digest(without / "model.safetensors")


@pytest.fixture(scope="module")
def long(world: Path) -> Path:
    return run(world, world / "long", save_at=tuple(map(str, PREFIXES)))


def test_the_outer_folder_is_complete_and_readers_ignore_the_inner_ones(world: Path, long: Path) -> None:
    record, without = read_record(long), read_record(run(world, world / "without"))
    assert record is not None
    assert without is not None
    verify(long, record)
    assert {f"steps-{n}/{name}" for n in PREFIXES for name in ("alignfreeze.json", "model.safetensors")} <= set(
        record.files
    )
    assert record.digest == without.digest
    assert record.settings["save-at"] == ["3", "5"]
    assert "save-at" not in without.settings
    AutoModel.from_pretrained(long, subfolder="steps-3")


def test_an_inner_folder_can_be_used_as_an_encoder(world: Path, long: Path) -> None:
    found = resolve_encoder(str(long / "steps-3"))
    assert found.record is not None
    assert found.record.details["steps"] == 3
    again = read_record(run(world, world / "again", model=str(long / "steps-3"), steps=2))
    assert again is not None
    assert [parent["details"].get("steps") for parent in again.lineage] == [None, 3]


def interrupted(monkeypatch: pytest.MonkeyPatch, world: Path, output: Path, after: int) -> Path:
    """The partial folder of a run that got SIGINT in a certain step."""
    real, done = torch.optim.Adam.step, 0

    def step(*args: Any, **kwargs: Any) -> Any:
        nonlocal done
        done += 1
        if done == after:
            signal.raise_signal(signal.SIGINT)
        return real(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.Adam, "step", step)
        with pytest.raises(Interrupted):
            run(world, output, save_at=("3", "5"))
    return output.parent / f".{output.name}.partial"


@pytest.mark.parametrize("after", [2, 3, 4, 7])
def test_interrupted_anywhere_it_resumes_to_the_same_bytes(
    world: Path, long: Path, tmp_path: Path, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before an inner folder, right after it, between two: finished folders are kept, the rest is made."""
    partial = interrupted(monkeypatch, world, tmp_path / "out", after)
    kept = {path.name: path.stat().st_ino for path in partial.glob("steps-*")}
    assert set(kept) == {f"steps-{n}" for n in PREFIXES if n <= after}
    if after < 5:
        (partial / ".steps-5.partial").mkdir()  # as a kill leaves it
    run(world, tmp_path / "out", save_at=("3", "5"), resume=True)
    for name in folder_files(long):
        if name.name == "model.safetensors":
            assert file_digest(tmp_path / "out" / name) == file_digest(long / name)
    assert {path.name: path.stat().st_ino for path in (tmp_path / "out").glob("steps-*") if path.name in kept} == kept
    assert [path.name for path in (tmp_path / "out").glob(".*")] == []


def test_an_inner_folder_lost_before_resuming_is_reported(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(interrupted(monkeypatch, world, tmp_path / "out", 4) / "steps-3")
    with pytest.raises(AlignFreezeError, match="has lost its steps-3; start anew with --overwrite"):
        run(world, tmp_path / "out", save_at=("3", "5"), resume=True)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"save_at": ("24",)}, "--save-at 24 must be below the 24 steps of the run"),
        ({"save_at": ("5", "3")}, "--save-at must be numbers of steps from 1 on, in ascending order, not 5,3"),
        ({"save_at": ("0",)}, "--save-at must be numbers of steps from 1 on"),
        ({"save_at": ("x",)}, "--save-at must be numbers of steps from 1 on"),
        ({"save_at": ("1965",), "steps": None}, "--save-at 1965 must be below the 1965 steps"),
        ({"save_at": ("99",), "steps": None, "epochs": 0.5}, "--save-at 99 must be below the 22 steps"),
    ],
)
def test_steps_outside_the_run_are_refused(world: Path, tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        run(world, tmp_path / "out", **changes)
    assert sentence in str(caught.value)
    assert not (tmp_path / "out").exists()
