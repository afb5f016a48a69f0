"""One process at a time writes an output folder: its partial folder is locked while the process lives."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alignfreeze_cli.errors import AlignFreezeError

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None  # type: ignore[assignment]


@contextmanager
def locked(partial: Path) -> Iterator[None]:
    """Hold the partial folder's lock; the folder is made if it is not there.

    Raises AlignFreezeError if another process holds the lock, or has just given the folder its final name.
    """
    with _locked_folder(partial) if fcntl is not None else _locked_by_a_file(partial):
        yield


@contextmanager
def _locked_folder(partial: Path) -> Iterator[None]:
    """The folder itself is locked: no lock file is left behind, and the kernel lets go when the process dies."""
    partial.mkdir(parents=True, exist_ok=True)
    handle = os.open(partial, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _in_use(partial) from None
        if not partial.exists() or os.stat(partial).st_ino != os.fstat(handle).st_ino:
            raise AlignFreezeError(f"Another process has just finished {partial}; run the command again.")
        yield
    finally:
        os.close(handle)


@contextmanager
def _locked_by_a_file(partial: Path) -> Iterator[None]:
    """Windows opens no folder. There a file beside it is the lock, which the system deletes when the process dies."""
    partial.parent.mkdir(parents=True, exist_ok=True)
    lock = partial.with_name(f"{partial.name}.lock")
    temporary = getattr(os, "O_TEMPORARY", 0)
    try:
        handle = os.open(lock, os.O_CREAT | os.O_EXCL | os.O_RDWR | temporary)
    except FileExistsError:
        raise _in_use(partial) from None
    except PermissionError:  # what Windows says of a lock that is just being deleted, too
        raise AlignFreezeError(
            f"Another process is just finishing {partial}, or nothing may be written there; run the command again, or "
            "choose another --output."
        ) from None
    try:
        partial.mkdir(exist_ok=True)
        yield
    finally:
        os.close(handle)
        if not temporary:  # otherwise the system has deleted it, and one of this name is another process's
            lock.unlink(missing_ok=True)


def _in_use(partial: Path) -> AlignFreezeError:
    return AlignFreezeError(f"Another process is writing {partial}; wait for it, or choose another --output.")
