"""A checkpoint is used only when it is complete."""

from __future__ import annotations

import errno
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from alignfreeze_cli.training import checkpoints


def _save(folder: Path, step: int, size: int = 3) -> Path:
    value = torch.full((size,), float(step))
    return checkpoints.save(folder, step, {"w": value}, {"w:exp_avg": value * 2}, {"seen": [0.1, step]})


def test_a_checkpoint_is_loaded_as_it_was_saved(tmp_path: Path) -> None:
    _save(tmp_path / "store", 120)
    found, torn = checkpoints.latest(tmp_path / "store")
    assert found is not None
    assert (found.path.name, found.step, found.progress) == ("step-00000120", 120, {"seen": [0.1, 120]})
    assert torch.equal(found.weights()["w"], torch.full((3,), 120.0))
    assert torch.equal(found.optimizer()["w:exp_avg"], torch.full((3,), 240.0))
    assert torn == []


def test_the_older_checkpoint_is_deleted_once_the_newer_is_complete(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        _save(tmp_path, step)
        assert [path.name for path in tmp_path.iterdir()] == [f"step-{step:08d}"]


def test_without_checkpoints_none_is_found(tmp_path: Path) -> None:
    assert checkpoints.latest(tmp_path / "none") == (None, [])


@pytest.mark.parametrize("damage", ["no marker", "half a marker", "half a file", "a file missing", "another step"])
def test_an_incomplete_checkpoint_is_skipped(tmp_path: Path, damage: str) -> None:
    older, newer = tmp_path / "a" / "step-00000002", tmp_path / "step-00000002"
    _save(tmp_path / "a", 2)
    _save(tmp_path, 4)
    older.rename(newer)
    torn = tmp_path / "step-00000004"
    match damage:
        case "no marker":
            (torn / "checkpoint.json").unlink()
        case "half a marker":
            text = (torn / "checkpoint.json").read_text()
            (torn / "checkpoint.json").write_text(text[: len(text) // 2])
        case "half a file":
            data = (torn / "optimizer.safetensors").read_bytes()
            (torn / "optimizer.safetensors").write_bytes(data[: len(data) // 2])
        case "a file missing":
            (torn / "weights.safetensors").unlink()
        case "another step":
            torn = torn.rename(tmp_path / "step-00000005")
    found, passed_over = checkpoints.latest(tmp_path)
    assert found is not None
    assert found.step == 2
    assert passed_over == [torn]


def test_an_incomplete_checkpoint_of_the_same_step_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "step-00000007"
    path.mkdir()
    (path / "weights.safetensors").write_bytes(b"half")
    _save(tmp_path, 7)
    found, torn = checkpoints.latest(tmp_path)
    assert found is not None
    assert torn == []


def test_a_full_disk_is_an_os_error_and_the_older_checkpoint_stays(tmp_path: Path) -> None:
    _save(tmp_path, 1)
    with _files_of_at_most(20_000), pytest.raises(OSError, match="weights") as caught:
        _save(tmp_path, 2, size=100_000)
    assert caught.value.errno in (errno.EFBIG, errno.ENOSPC)
    found, torn = checkpoints.latest(tmp_path)
    assert found is not None
    assert found.step == 1
    assert torn == []


@contextmanager
def _files_of_at_most(size: int) -> Iterator[None]:
    """The nearest thing to a full disk that needs no privileges: the kernel refuses to let a file grow further."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
