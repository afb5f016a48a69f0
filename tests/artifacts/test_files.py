"""Files that appear whole, and beside others that do the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from alignfreeze_cli.artifacts import lock
from alignfreeze_cli.artifacts.files import atomic_file, atomic_write
from alignfreeze_cli.artifacts.lock import locked
from alignfreeze_cli.errors import AlignFreezeError, OutputExistsError


@pytest.mark.parametrize("hard_links", [True, False])
def test_a_new_file_takes_a_free_name_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hard_links: bool) -> None:
    path = tmp_path / "made"
    if not hard_links:
        monkeypatch.setattr(os, "link", _refused)
    else:  # the name is taken by the whole file, in one call
        monkeypatch.setattr(os, "replace", _refused)
    with atomic_file(path, replace=False) as file:
        file.write(b"ours")
        assert not path.exists()
    with pytest.raises(OutputExistsError, match="it was left as it is"), atomic_file(path, replace=False) as file:
        file.write(b"theirs")
    assert path.read_bytes() == b"ours"
    assert list(tmp_path.iterdir()) == [path]


def _refused(*_: object) -> None:
    raise PermissionError(1, "Operation not permitted")


def test_a_lock_file_that_the_system_deletes_is_not_deleted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows: by then one of its name is another process's."""
    monkeypatch.setattr(lock, "fcntl", None)
    monkeypatch.setattr(os, "O_TEMPORARY", os.O_CREAT, raising=False)  # any flag that is set anyway
    partial = tmp_path / "partial"
    file = tmp_path / "partial.lock"
    with locked(partial):
        file.unlink()
        file.write_text("another process's")
    assert file.is_file()
    with pytest.raises(AlignFreezeError, match="Another process is writing"), locked(partial):
        pass
    monkeypatch.setattr(os, "open", _refused)
    with pytest.raises(AlignFreezeError, match="is just finishing"), locked(partial):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="a draft is known to be left by its lock")
def test_what_a_killed_process_left_of_a_file_is_removed_and_what_a_living_one_writes_is_not(tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    code = (
        "import sys; from pathlib import Path; from alignfreeze_cli.artifacts.files import atomic_file, atomic_write\n"
        "with atomic_file(Path(sys.argv[1])) as file:\n"
        "    file.write(b'half'); file.flush(); print('begun', flush=True); sys.stdin.read(); file.write(b' and whole')"
    )

    def writer() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        return process

    with writer() as killed:
        killed.kill()
    (left,) = tmp_path.iterdir()
    with writer() as living:
        assert not left.exists()
        atomic_write(path, "other")
        assert path.read_text() == "other"
        assert len(list(tmp_path.iterdir())) == 2
        living.communicate("")
    assert living.returncode == 0
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert path.read_text() == "half and whole"
