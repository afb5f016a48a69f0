"""The life of every output folder: refused, done already, or made whole and renamed into place.

An output is written in a hidden partial folder beside it (`.name.partial`), every file and folder is synced, then the
partial folder is renamed. So whatever has the output's name is complete. Training checkpoints live in the partial
folder; `--resume` finds them there.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from alignfreeze_cli.artifacts.files import file_digest, folder_files, sync
from alignfreeze_cli.artifacts.inputs import Input
from alignfreeze_cli.artifacts.record import Record, current_hardware, current_versions, portable, read_record
from alignfreeze_cli.errors import AlignFreezeError, OutputExistsError, SettingsError
from alignfreeze_cli.progress import Console
from alignfreeze_cli.settings import StepSettings, declarations

CHECKPOINTS = "checkpoints"
_IDENTITY = "partial.json"


@dataclass(frozen=True)
class Workspace:
    """Where `build` writes. `main` is False in the other processes of a `torchrun`: they must not write."""

    path: Path
    main: bool = True
    seal: Callable[[Path, StepSettings, Mapping[str, Any]], Record] | None = None  # writes a nested folder's record

    @property
    def checkpoints(self) -> Path:
        """Folder for training state; removed before the output is finished."""
        return self.path / CHECKPOINTS

    def nested(self, name: str, settings: StepSettings, fill: Callable[[Path], Mapping[str, Any]]) -> None:
        """Make an artifact inside this one: what `settings` alone would make from the same inputs.

        `fill` writes its files into the folder that it is given, and returns the details for its record. Like every
        artifact it is whole or not there, so one that a resumed run finds is kept.
        """
        folder, draft = self.path / name, self.path / f".{name}.partial"
        if self.seal is None or not self.main or folder.exists():
            return
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        self.seal(draft, settings, fill(draft))
        os.rename(draft, folder)
        sync(self.path)


@dataclass(frozen=True)
class Result:
    """What a step hands back. `record` is None for a dry run and in the other processes of a `torchrun`."""

    path: Path
    status: Literal["made", "already done", "planned"]
    record: Record | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


def produce(
    *,
    kind: str,
    settings: StepSettings,
    default_output: str,
    inputs: Sequence[Input],
    console: Console,
    plan: Mapping[str, Any],
    build: Callable[[Workspace], Mapping[str, Any]],
    seed: int | None = None,
) -> Result:
    """Make the folder of one step, or say that it is there already.

    `plan` is what a dry run shows. `build` writes the files and returns the details for the record. Raises
    OutputExistsError if the output was made otherwise, SettingsError if an interrupted run would be lost.
    """
    output = settings.output or Path(default_output)
    identity = _identity(kind, settings, inputs)
    main = int(os.environ.get("RANK", "0")) == 0
    partial = output.parent / f".{output.name}.partial"
    if main and not settings.dry_run and _aside(output).exists():
        with _locked(partial):
            _recover(output)
    done = _finished(output, identity, settings.overwrite)
    if done is not None:
        return Result(output, "already done", done, done.details)
    if settings.dry_run:
        described = {i.name: f"{portable(i.source)} ({i.digest[:12]})" for i in inputs}
        return Result(output, "planned", None, {"inputs": described, **plan, "output": str(output)})
    if not main:
        return Result(output, "made", None, build(Workspace(partial, main=False)))
    started = time.monotonic()

    def seal(folder: Path, made_by: StepSettings, details: Mapping[str, Any]) -> Record:
        return _seal(folder, kind, made_by, inputs, details, seed, started)

    with _locked(partial):
        _prepare(partial, identity, settings, console)
        try:
            details = build(Workspace(partial, seal=seal))
            record = seal(partial, settings, details)
            # Only now that the record is on the disk, what a resumed run would need can go.
            shutil.rmtree(partial / CHECKPOINTS, ignore_errors=True)
            (partial / _IDENTITY).unlink()
        except BaseException:
            if not _has_checkpoint(partial):
                shutil.rmtree(partial, ignore_errors=True)
            raise
        _put_in_place(partial, output)
    return Result(output, "made", record, details)


def _identity(kind: str, settings: StepSettings, inputs: Sequence[Input]) -> dict[str, Any]:
    """What decides the content of a folder."""
    return {"kind": kind, "settings": settings.identity(), "inputs": {i.name: i.digest for i in inputs}}


def _seal(
    folder: Path,
    kind: str,
    settings: StepSettings,
    inputs: Sequence[Input],
    details: Mapping[str, Any],
    seed: int | None,
    started: float,
) -> Record:
    """Write the record of a folder whose files are all there, and flush everything to the disk."""
    made = [name for name in folder_files(folder) if name.parts[0] not in (CHECKPOINTS, _IDENTITY)]
    record = Record(
        kind=kind,
        settings=_publishable(settings),
        identity=_identity(kind, settings, inputs),
        inputs=[i.described() for i in inputs],
        lineage=_lineage(inputs),
        seed=seed,
        details=dict(details),
        files={name.as_posix(): file_digest(folder / name) for name in made},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - started, 3),
        versions=current_versions(),
        hardware=current_hardware(),
    )
    record.write(folder)
    _sync_all(folder)
    return record


def _finished(output: Path, identity: Mapping[str, Any], overwrite: bool) -> Record | None:
    """The record of an output that is done; None if it has to be made; raises if it would be lost."""
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return None
    record = read_record(output) if output.is_dir() else None
    if record is None:
        raise OutputExistsError(f"{output} exists and was not made by alignfreeze; choose another --output.")
    if record.identity == identity and all((output / name).is_file() for name in record.files):
        return record
    if overwrite:
        return None
    raise OutputExistsError(
        f"{output} exists and was made otherwise ({_difference(record.identity, identity)}); "
        "choose another --output, or replace it with --overwrite."
    )


def _difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """The first few differences of two identities, in words."""
    if old["kind"] != new["kind"]:
        return f"it holds {old['kind']}, not {new['kind']}"
    found = []
    for part, name in (("settings", "{}"), ("inputs", "input {}")):
        for key in sorted(old[part].keys() | new[part].keys()):
            before, now = old[part].get(key), new[part].get(key)
            if before != now:
                found.append(name.format(key) + (f" was {before}, now {now}" if part == "settings" else " has changed"))
    more = f", and {len(found) - 3} more" if len(found) > 3 else ""
    return (", ".join(found[:3]) or "files are missing") + more


@contextlib.contextmanager
def _locked(partial: Path) -> Iterator[None]:
    """Hold the partial folder's lock, so that two processes never write the same output.

    The folder itself is locked: no lock file is left behind, and the kernel lets go when the process dies.
    """
    partial.mkdir(parents=True, exist_ok=True)
    handle = os.open(partial, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlignFreezeError(
                f"Another process is writing {partial}; wait for it, or choose another --output."
            ) from None
        if not partial.exists() or os.stat(partial).st_ino != os.fstat(handle).st_ino:
            raise AlignFreezeError(f"Another process has just finished {partial}; run the command again.")
        yield
    finally:
        os.close(handle)


def _prepare(partial: Path, identity: Mapping[str, Any], settings: StepSettings, console: Console) -> None:
    """Keep the partial folder if it can be resumed, otherwise empty it."""
    marker = partial / _IDENTITY
    try:
        same = json.loads(marker.read_text(encoding="utf-8")) == identity
    except (OSError, ValueError):
        same = False
    if settings.resume and same:
        return
    if _has_checkpoint(partial) and not settings.overwrite:
        whose = "the same settings" if same else "other settings or inputs"
        way = "go on with --resume, or start anew with --overwrite" if same else "start anew with --overwrite"
        raise SettingsError(f"An interrupted run with {whose} left a checkpoint in {partial}; {way}.")
    if settings.resume:
        console.info("Nothing to resume: starting from the beginning.")
    for path in partial.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    marker.write_text(json.dumps(identity), encoding="utf-8")


def _has_checkpoint(partial: Path) -> bool:
    return (partial / CHECKPOINTS).is_dir() and any((partial / CHECKPOINTS).iterdir())


def _publishable(settings: StepSettings) -> dict[str, Any]:
    """The recorded settings without the paths of this machine."""
    recorded = settings.recorded()
    for declaration in declarations(type(settings)):
        value = recorded.get(declaration.key)
        if isinstance(value, str):
            recorded[declaration.key] = portable(value)
        elif isinstance(value, list):
            recorded[declaration.key] = [portable(item) for item in value]
    return recorded


def _lineage(inputs: Sequence[Input]) -> list[dict[str, Any]]:
    """The records of all ancestors, oldest first, each once."""
    chain: dict[str, dict[str, Any]] = {}
    for record in (i.record for i in inputs if i.record is not None):
        for ancestor in [*record.lineage, record.as_parent()]:
            chain.setdefault(ancestor["digest"], ancestor)
    return list(chain.values())


def _sync_all(folder: Path) -> None:
    """Flush every file and folder to the disk, so that the rename that follows cannot overtake them."""
    for path in [*folder.rglob("*"), folder]:
        sync(path)


def _put_in_place(partial: Path, output: Path) -> None:
    if output.exists() and any(output.iterdir()):
        os.rename(output, _aside(output))
        os.rename(partial, output)
        _remove(_aside(output))
    else:
        os.rename(partial, output)
    sync(output.parent)


def _recover(output: Path) -> None:
    """Put back an output that was moved aside by a run killed between the two renames of an overwrite."""
    if not output.exists():
        os.rename(_aside(output), output)
    else:
        _remove(_aside(output))


def _aside(output: Path) -> Path:
    """Where an output waits while the one that replaces it takes its place."""
    return output.parent / f".{output.name}.old"


def _remove(path: Path) -> None:
    if path.is_symlink():
        path.unlink()
    else:
        shutil.rmtree(path, ignore_errors=True)
