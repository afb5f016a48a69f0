"""Files for certain: their SHA-256 digests, on the disk when they say so, written whole or not at all."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from alignfreeze_cli.errors import ArtifactError, OutputExistsError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_FOLDERS_OPEN = hasattr(os, "O_DIRECTORY")  # not on Windows, which flushes only files that are open for writing

LARGEST_JSON = 16_000_000  # bytes; what is meant to be read here is far smaller


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_files(folder: Path) -> list[Path]:
    """Every file below a folder, as paths relative to it, sorted."""
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def content_digest(files: Mapping[str, str]) -> str:
    """One digest for a set of files: SHA-256 of the JSON object that maps name to file digest, keys sorted.

    It does not depend on when or where the files were made, so two runs with the same result agree.
    """
    return hashlib.sha256(json.dumps(dict(files), sort_keys=True).encode()).hexdigest()


def sync(path: Path) -> None:
    """Flush a file's content, or a folder's list of names, to the disk. On Windows files only."""
    if not _FOLDERS_OPEN and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY if _FOLDERS_OPEN else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def atomic_file(path: Path, replace: bool = True) -> Iterator[IO[bytes]]:
    """A file, open for writing, that appears under its name when the block ends, and not at all if the block fails.

    It is written beside its place under a name of its own, so several processes may write the same file: the last one
    wins, and nobody ever reads a half. What a process left that was killed while it wrote this file is removed. Missing
    folders are made. It is readable as any new file of the user is.

    Without `replace` OutputExistsError is raised at the end if the file is there by then; it stays as it is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = _new_draft(path)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            if hasattr(os, "fchmod"):  # Windows: the file has the rights of its folder
                os.fchmod(file.fileno(), 0o666 & ~_umask())
            os.fsync(file.fileno())
            if fcntl is not None:  # while the draft is locked
                _give_name(draft, path, replace)
        if fcntl is None:  # Windows: an open file can't be renamed
            _give_name(draft, path, replace)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
    sync(path.parent)


def _new_draft(path: Path) -> tuple[int, str]:
    """A new file beside `path`, open, and locked for as long as it is; drafts that nobody has locked are removed."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        _remove_unlocked(left)
    while True:
        handle, draft = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
        if _lock(handle) is not False and os.path.exists(draft):
            return handle, draft
        os.close(handle)  # another process took it for one that was left, before it was locked
        Path(draft).unlink(missing_ok=True)


def _lock(handle: int) -> bool | None:
    """Lock an open file until it is closed: whether that went, None where files can't be locked."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return None
    return True


def _remove_unlocked(draft: Path) -> None:
    """Remove a draft whose process has died: the kernel has let go of its lock."""
    try:
        handle = os.open(draft, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    except OSError:  # it has its name by now, or is no file of ours
        return
    try:
        if _lock(handle):
            draft.unlink(missing_ok=True)
    finally:
        os.close(handle)


def _give_name(draft: str, path: Path, replace: bool) -> None:
    if replace:
        os.replace(draft, path)
    else:
        _take_name(draft, path)


def _take_name(draft: str, path: Path) -> None:
    """Give the whole draft its name, if there is no such file: only one of several processes succeeds."""
    try:
        try:
            os.link(draft, path)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links: there the name is taken first
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            os.replace(draft, path)
        else:
            os.unlink(draft)
    except FileExistsError:
        raise OutputExistsError(f"{path} exists by now, made by another process; it was left as it is.") from None


def atomic_write(path: Path, content: str | bytes) -> None:
    """Write a whole file at once, text in UTF-8 (see `atomic_file`)."""
    with atomic_file(path) as file:
        file.write(content.encode("utf-8") if isinstance(content, str) else content)


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, whole or not at all."""
    atomic_write(path, json_bytes(value))


def json_bytes(value: Any) -> bytes:
    """A value as indented JSON. Half a character, as in a file name that is no UTF-8, stays as JSON's escape for it."""
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")


def parse_json(text: str | bytes) -> Any:
    """The value that a JSON text means. Raises ValueError, also for one that is nested too deeply."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read_json(path: Path, advice: str) -> dict[str, Any]:
    """The JSON object in a file; raises ArtifactError that ends with the `advice` if there is none."""
    try:
        if not path.is_file():  # reading from a pipe might never end
            raise ValueError("no such file")
        if path.stat().st_size > LARGEST_JSON:
            raise ValueError(f"larger than {LARGEST_JSON:,} bytes")
        value = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError(f"can't be read ({error}); {advice}", path) from error
    if not isinstance(value, dict):
        raise ArtifactError(f"must hold one JSON object; {advice}", path)
    return value


def cache_folder() -> Path:
    """Where this package keeps what it can make or fetch again, such as dictionaries and encoded pairs.

    `$ALIGNFREEZE_CACHE`, else `alignfreeze` in the user's cache folder (`$XDG_CACHE_HOME` or `~/.cache`).
    """
    own = os.environ.get("ALIGNFREEZE_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(own).expanduser() if own else Path(base).expanduser() / "alignfreeze"


def _umask() -> int:
    """The process's mask for new files; it can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
