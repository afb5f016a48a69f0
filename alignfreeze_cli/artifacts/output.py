"""The life of every output folder: refused, done already, or made whole and renamed into place.

    output = OutputFolder("encoder", settings, inputs, default="encoder", seed=settings.seed)
    if done := output.finished():
        return done                     # the same settings and inputs made it before
    if settings.dry_run:
        return output.planned({...})
    with output.open(console) as work:  # a hidden partial folder beside the output
        ...                             # write files into work.path
        work.details = {...}            # what the record says of them
    return output.result

When the block ends, the record is written with the digest of every file, everything is flushed to the disk, and the
partial folder (`.name.partial`) is renamed. So whatever has the output's name is complete. Training checkpoints live in
the partial folder; it stays if the block fails and there is one, and `--resume` finds it there. A partial folder with a
record is finished: if its place was taken in the meantime, or the process was killed before the rename, the next run of
the same command only puts it in place.

What is left of a model that lost its weights to `alignfreeze run --keep` (deleted.py) is replaced by the same command,
which makes it again, unless `run` says that it counts as done.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from alignfreeze_cli.artifacts.deleted import deleted_files, demand_weights, is_deleted
from alignfreeze_cli.artifacts.files import file_digest, folder_files, json_bytes, read_json, sync
from alignfreeze_cli.artifacts.inputs import Input
from alignfreeze_cli.artifacts.lock import locked
from alignfreeze_cli.artifacts.record import (
    RECORD_NAME,
    Record,
    current_hardware,
    current_versions,
    portable,
    read_record,
    verify,
)
from alignfreeze_cli.errors import ArtifactError, OutputExistsError, SettingsError
from alignfreeze_cli.progress import Console
from alignfreeze_cli.settings import StepSettings, declarations
from alignfreeze_cli.signals import handled

CHECKPOINTS = "checkpoints"
_IDENTITY = "partial.json"
_OTHER_BYTES = (
    "{} was made again after its weights had been deleted, and other bytes came out, as on a GPU, with another version "
    "or number of threads. What was made from the deleted weights still counts as done; remove it to have it made anew."
)


@dataclass(frozen=True)
class Result:
    """What a step hands back. `record` is None for a dry run and in the other processes of a `torchrun`."""

    path: Path
    status: Literal["made", "already done", "planned"]
    record: Record | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Workspace:
    """Where a step writes, and what the record will say of it.

    `main` is False in the other processes of a `torchrun`: they must not write.
    """

    path: Path
    output: OutputFolder
    main: bool = True
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def checkpoints(self) -> Path:
        """Folder for training state; removed before the output is finished."""
        return self.path / CHECKPOINTS

    @contextmanager
    def nested(self, name: str, settings: StepSettings) -> Iterator[Workspace]:
        """An artifact inside this one, with a record of its own: what `settings` alone would make from the same inputs.

        For the main process. Like every artifact it is whole or not there, so one that a resumed run finds is kept, and
        must not be made again.
        """
        draft = self.path / f".{name}.partial"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        inner = Workspace(draft, self.output)
        yield inner
        self.output.seal(draft, settings, inner.details, name)
        os.rename(draft, self.path / name)
        sync(self.path)


class OutputFolder:
    """The folder that a step makes from its settings and inputs; the module's docstring shows its use."""

    def __init__(
        self, kind: str, settings: StepSettings, inputs: Sequence[Input], *, default: str, seed: int | None = None
    ) -> None:
        """`default` is the folder's name where `--output` was not given."""
        self.kind, self.settings, self.inputs, self.seed = kind, settings, inputs, seed
        self.path = settings.output or Path(default)
        self.result = Result(self.path, "planned")
        self._main = int(os.environ.get("RANK", "0")) == 0
        self._place = Path(os.path.realpath(self.path))  # a link, also one that leads nowhere yet, or `.`
        self._partial = self._place.parent / f".{self._place.name}.partial"
        self._replaced = _inode(self._place)  # what is there now, and may be replaced with --overwrite
        self._started = time.monotonic()

    def finished(self) -> Result | None:
        """The result, if the output is there already; None if it has to be made.

        Raises OutputExistsError if it was made otherwise and is not to be replaced, WeightsDeletedError if it has to be
        made from a model that lost its weights.
        """
        done = self._found()
        if done is None:
            for each in self.inputs:
                if each.record is not None:
                    demand_weights(each.path)
        return done

    def _found(self) -> Result | None:
        """`finished`, whatever became of the inputs."""
        output, identity = self.path, self._identity(self.settings)
        if not self._main and self._is_sealed(identity):  # the main process is about to put it in place
            return Result(output, "already done")
        if self._main and not self.settings.dry_run:
            if _aside(self._place).exists():
                with locked(self._partial):
                    _recover(self._place)
                self._replaced = _inode(self._place)
            if self._is_sealed(identity) and (self._may_replace() or _is_free(self._place)):
                with locked(self._partial):
                    self._put_in_place()
        if _is_free(self._place):
            return None
        record = read_record(output) if output.is_dir() else None
        if record is None:
            raise OutputExistsError(f"{output} exists and was not made by alignfreeze; choose another --output.")
        if self._is_made_alike(record, self.settings):
            if is_deleted(output) and self.settings.weights_wanted:
                return None
            if all((output / name).is_file() for name in record.files.keys() - deleted_files(output)):
                return Result(output, "already done", record, record.details)
        if self.settings.overwrite:
            return None
        difference = _difference(record.identity, identity, self.settings.changes)
        raise OutputExistsError(
            f"{output} exists and was made otherwise ({difference}); "
            "choose another --output, or replace it with --overwrite."
        )

    def planned(self, plan: Mapping[str, Any]) -> Result:
        """The result of a dry run: the inputs, the step's own `plan`, and the output."""
        inputs = {each.name: f"{portable(each.source)} ({each.digest[:12]})" for each in self.inputs}
        return Result(self.path, "planned", None, {"inputs": inputs, **plan, "output": str(self.path)})

    @contextmanager
    def open(self, console: Console) -> Iterator[Workspace]:
        """Make the output within the block; afterwards `result` is what the step hands back.

        Raises SettingsError if an interrupted run would be lost, AlignFreezeError if another process writes the output.
        """
        if not self._main:
            work = Workspace(self._partial, self, main=False)
            yield work
            self.result = Result(self.path, "made", None, work.details)
            return
        with locked(self._partial):
            self._prepare(console)
            work = Workspace(self._partial, self)
            try:
                yield work
                record = self.seal(self._partial, self.settings, work.details)
                if record.earlier:
                    console.warn(_OTHER_BYTES.format(self.path))
            except BaseException:
                if not _has_checkpoint(self._partial):
                    shutil.rmtree(self._partial, ignore_errors=True)
                raise
            self._put_in_place()
        self.result = Result(self.path, "made", record, work.details)

    def seal(self, folder: Path, settings: StepSettings, details: Mapping[str, Any], name: str = "") -> Record:
        """Write the record of a folder whose files are all there, and flush everything to the disk.

        `name` is that of the folder within the output, "" for the output itself.
        """
        made = [name for name in folder_files(folder) if name.parts[0] not in (CHECKPOINTS, _IDENTITY, RECORD_NAME)]
        record = Record(
            kind=self.kind,
            settings=_publishable(settings),
            identity=self._identity(settings),
            inputs=[each.to_dict() for each in self.inputs],
            lineage=_lineage(self.inputs),
            seed=self.seed,
            details=dict(details),
            files={name.as_posix(): file_digest(folder / name) for name in made},
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - self._started, 3),
            versions=current_versions(),
            hardware=current_hardware(),
            run=settings.run_id,
        )
        record = replace(record, earlier=self._earlier(record, settings, self._place / name))
        record.write(folder)
        for path in [*folder.rglob("*"), folder]:  # the rename that follows must not overtake them
            sync(path)
        return record

    def _identity(self, settings: StepSettings) -> dict[str, Any]:
        """What decides the content of a folder; `behaviour` counts the changes of the step, absent before the first."""
        inputs = {each.name: each.digest for each in self.inputs}
        behaviour = {"behaviour": 1 + len(settings.changes)} if settings.changes else {}
        return {"kind": self.kind, "settings": settings.identity(), "inputs": inputs, **behaviour}

    def _is_made_alike(self, record: Record, settings: StepSettings) -> bool:
        """Whether a record says that these settings made a folder from these inputs, or from what they stand for."""
        now, then = self._identity(settings), record.identity
        known = {each.name: each.digests for each in self.inputs}
        return {**now, "inputs": None} == {**then, "inputs": None} and (
            then["inputs"].keys() == known.keys()
            and all(digest in known[name] for name, digest in then["inputs"].items())
        )

    def _may_replace(self) -> bool:
        """Whether what has the output's place may be replaced: on demand, or if it is the same without its weights."""
        if self.settings.overwrite or not is_deleted(self._place):
            return self.settings.overwrite
        record = read_record(self._place)
        return record is not None and self.settings.weights_wanted and self._is_made_alike(record, self.settings)

    def _earlier(self, record: Record, settings: StepSettings, place: Path) -> list[str]:
        """The digests that a new folder stands for: of the one that it replaces, if that was the same but for bytes."""
        old = read_record(place) if is_deleted(place) else None
        if old is None or not self._is_made_alike(old, settings):
            return []
        return sorted({*old.earlier, old.digest} - {record.digest})

    def _is_sealed(self, identity: Mapping[str, Any]) -> bool:
        """Whether the partial folder is the finished output, whole and made by the same settings and inputs."""
        try:
            record = read_record(self._partial) if self._partial.is_dir() else None
            if record is None or record.identity != identity:
                return False
            verify(self._partial, record)
        except ArtifactError:
            return False
        return True

    def _put_in_place(self) -> None:
        """Give the finished partial folder its name. OutputExistsError, and it is kept, if the place was taken."""
        shutil.rmtree(self._partial / CHECKPOINTS, ignore_errors=True)  # a resumed run would have needed them
        (self._partial / _IDENTITY).unlink(missing_ok=True)
        if not _is_free(self._place) and not (self._may_replace() and _inode(self._place) == self._replaced):
            raise OutputExistsError(
                f"{self.path} was made by something else in the meantime. What this command made is kept in "
                f"{self._partial}; move {self.path} away and run the command again to put it in place."
            )
        here = Path.cwd() == self._place
        with handled(lambda *_: None, signal.SIGINT, signal.SIGTERM):  # not to be left between the two renames
            if _is_free(self._place):
                os.rename(self._partial, self._place)
            else:
                os.rename(self._place, _aside(self._place))
                os.rename(self._partial, self._place)
        _remove(_aside(self._place))
        if here:  # `--output .`: the folder that this process was in is gone
            os.chdir(self._place)
        sync(self._place.parent)

    def _prepare(self, console: Console) -> None:
        """Keep the partial folder if it can be resumed, otherwise empty it."""
        partial, identity = self._partial, self._identity(self.settings)
        marker = partial / _IDENTITY
        try:
            same = read_json(marker, "start anew") == identity
        except ArtifactError:
            same = False
        if self.settings.resume and same:
            return
        if _has_checkpoint(partial) and not self.settings.overwrite:
            whose = "the same settings" if same else "other settings or inputs"
            way = "go on with --resume, or start anew with --overwrite" if same else "start anew with --overwrite"
            raise SettingsError(f"An interrupted run with {whose} left a checkpoint in {partial}; {way}.")
        if self.settings.resume:
            console.info("Nothing to resume: starting from the beginning.")
        for path in partial.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        marker.write_bytes(json_bytes(identity))


def _difference(old: Mapping[str, Any], new: Mapping[str, Any], changes: Sequence[str]) -> str:
    """The first few differences of two identities, in words."""
    if old["kind"] != new["kind"]:
        return f"it holds {old['kind']}, not {new['kind']}"
    found = []
    before, now = old.get("behaviour", 1), new.get("behaviour", 1)
    if before < now:
        found.append(f"by an older version; since then {'; '.join(changes[before - 1 :])}")
    elif before > now:
        found.append("by a newer version")
    for part, name in (("settings", "{}"), ("inputs", "input {}")):
        for key in sorted(old[part].keys() | new[part].keys()):
            before, now = old[part].get(key), new[part].get(key)
            if before != now:
                change = f" was {_shown(before)}, now {_shown(now)}" if part == "settings" else " has changed"
                found.append(name.format(key) + change)
    more = f", and {len(found) - 3} more" if len(found) > 3 else ""
    return (", ".join(found[:3]) or "files are missing") + more


def _shown(value: Any) -> str:
    """A recorded setting as it is typed."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "on" if value else "off"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


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
    for record in (each.record for each in inputs if each.record is not None):
        for ancestor in [*record.lineage, record.as_parent()]:
            chain.setdefault(ancestor["digest"], ancestor)
    return list(chain.values())


def _is_free(place: Path) -> bool:
    """Whether nothing is there that could be lost."""
    return not place.exists() or (place.is_dir() and not any(place.iterdir()))


def _inode(place: Path) -> tuple[int, int] | None:
    """Which folder stands at a place, None if none does."""
    try:
        found = place.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


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
