"""`alignfreeze.json`: what a folder is, how it was made, from what, and the digest of every file in it.

The format is described in docs/artifacts.md.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import os
import platform
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alignfreeze_cli import __version__
from alignfreeze_cli.artifacts.deleted import deleted_files, demand_weights
from alignfreeze_cli.artifacts.files import content_digest, file_digest, json_bytes, read_json
from alignfreeze_cli.errors import ArtifactError

RECORD_NAME = "alignfreeze.json"
SCHEMA = 1
KINDS = {
    "pairs": "align-pairs",
    "aligner": "align-pairs --save-aligner",
    "encoder": "realign",
    "task-model": "finetune",
    "scores": "evaluate",
    "world": "demo",
    "report": "report",
    "layers": "layers",
    "forgetting": "forgetting",
}
"""Kind of a folder -> the command that makes it."""

_ABOUT = ("metrics.jsonl", "statistics.json", "README.md", "blocks.svg", "blocks.png")
"""Files that tell of a folder's making or describe it; what a later step reads is in the others."""

ADAPTER = "adapter"
"""Folder of LoRA adapters kept beside the weights they were merged into."""

_BLOCKS = {"blocks": int, "read-block": int, "frozen-blocks": list, "trained-blocks": list}
_PROBED = {"probe": list, "retrieval-curve": dict}
_DETAILS: dict[str, dict[str, Any]] = {
    "pairs": {"languages": dict, "warnings": list},
    "aligner": {"languages": dict},
    "encoder": {**_BLOCKS, **_PROBED, "family": str, "steps": int, "languages": dict, "blend": dict},
    "task-model": {"task": str, "options": dict, "language": str, "labels": list, "frozen-blocks": list, "steps": int},
    "scores": {"task": str, "metric": str, "source-language": str, "languages": dict, "scoring": dict},
}
"""Types of the details that later steps and cards read, by kind of folder."""

_REQUIRED = {"task-model": ("task", "options", "language")}

_SELDOM = ("run", "earlier")
"""Fields that a record has only where there is something to say."""

_PACKAGES = ("torch", "transformers", "tokenizers", "safetensors", "accelerate", "datasets", "huggingface-hub", "numpy")


@dataclass(frozen=True)
class Record:
    """One folder's record. `files` maps every file except the record itself to its SHA-256.

    `run` is the id of the output folder of `alignfreeze run` in which the step ran, "" for a command by itself.
    `earlier` are digests of folders that this one stands for: made by the same settings from the same inputs, their
    weights were deleted, and when they were made again other bytes came out, as on a GPU.
    """

    kind: str
    settings: dict[str, Any]
    identity: dict[str, Any]
    inputs: list[dict[str, Any]]
    lineage: list[dict[str, Any]]
    seed: int | None
    details: dict[str, Any]
    files: dict[str, str]
    created: str = ""
    seconds: float = 0.0
    versions: dict[str, str] = field(default_factory=dict)
    hardware: dict[str, Any] = field(default_factory=dict)
    schema: int = SCHEMA
    run: str = ""
    earlier: list[str] = field(default_factory=list)

    @property
    def digest(self) -> str:
        """Digest of what later steps read, independent of when, where and how fast it was made.

        Artifacts inside this one have digests of their own.
        """
        inside = [name.removesuffix(RECORD_NAME) for name in self.files if name.endswith(f"/{RECORD_NAME}")]
        beside = (*inside, f"{ADAPTER}/")
        content = {n: digest for n, digest in self.files.items() if n not in _ABOUT and not n.startswith(beside)}
        return content_digest({**content, "kind": self.kind})

    def as_parent(self) -> dict[str, Any]:
        """This record as it stands in the lineage of its children: without the files, with their digest."""
        kept = ("kind", "settings", "inputs", "seed", "details", "created", "seconds", "versions", "hardware")
        behaviour = {"behaviour": self.identity["behaviour"]} if "behaviour" in self.identity else {}
        return {"digest": self.digest} | {name: getattr(self, name) for name in kept} | behaviour

    def write(self, folder: Path) -> None:
        values = dataclasses.asdict(self)
        for name in _SELDOM:
            if not values[name]:
                del values[name]
        (folder / RECORD_NAME).write_bytes(json_bytes(values))


def made_by(step: Mapping[str, Any]) -> str:
    """Kind of a folder, as recorded or in a lineage, with encoders told apart: `blend` for those that blend made."""
    return "blend" if step["kind"] == "encoder" and "blend" in step["details"] else str(step["kind"])


def read_record(folder: Path) -> Record | None:
    """The record of a folder, or None if it has none; raises ArtifactError if it cannot be read."""
    path = folder / RECORD_NAME
    if not os.path.lexists(path):
        return None
    values = read_json(path, "make the folder again")
    try:
        if _whole(values, "schema") > SCHEMA:
            raise ArtifactError(
                f"has schema {values['schema']}, written by a newer alignfreeze; update to read it", path
            )
        _check_record(values)
        names = {f.name for f in dataclasses.fields(Record)}
        record = Record(**{name: value for name, value in values.items() if name in names})
    except (ValueError, TypeError, KeyError) as error:
        raise ArtifactError(f"is not a record of alignfreeze ({error}); make the folder again", path) from error
    return record


def _check_record(values: Any) -> None:
    """Whether a record's fields are of their types; raises ValueError that names the field.

    Later steps and cards rely on it, and a record may come from anywhere.
    """
    _check_parent(values, "")
    for name in ("identity", "files"):
        _demand(values, name, dict)
    identity = values["identity"]
    if identity.get("kind") != values["kind"]:
        raise ValueError(f"identity.kind is not {values['kind']!r}")
    for name, type_ in (("settings", dict), ("inputs", dict)):
        _demand(identity, name, type_, "identity.")
    if "behaviour" in identity:
        _whole(identity, "behaviour", "identity.")
    optional: dict[str, Any] = {"created": "", "seconds": 0.0, "versions": {}, "hardware": {}, "run": "", "earlier": []}
    for name, default in optional.items():
        if name in values:
            _demand(values, name, int | float if isinstance(default, float) else type(default))
    if not all(isinstance(each, str) for each in values.get("earlier", ())):
        raise ValueError("earlier holds what is no digest")
    for file, digest in values["files"].items():
        if not isinstance(digest, str):
            raise ValueError(f"files: the digest of {file!r} is no text")
        if os.path.isabs(file) or ".." in Path(file).parts:
            raise ValueError(f"files: {file!r} is outside the folder")
    for number, ancestor in enumerate(_demand(values, "lineage", list)):
        where = f"lineage[{number}]."
        if not isinstance(ancestor, dict):
            raise ValueError(f"lineage[{number}] is no object")
        _check_parent(ancestor, where)
        _demand(ancestor, "digest", str, where)
        if "behaviour" in ancestor:
            _whole(ancestor, "behaviour", where)


def _check_parent(values: Any, where: str) -> None:
    """The fields that a record shares with its entry in the lineage of its children."""
    if not isinstance(values, dict):
        raise ValueError("no JSON object")
    kind = _demand(values, "kind", str, where)
    for name in ("settings", "details"):
        _demand(values, name, dict, where)
    if values.get("seed") is not None:
        _whole(values, "seed", where)
    for number, given in enumerate(_demand(values, "inputs", list, where)):
        if not isinstance(given, dict):
            raise ValueError(f"{where}inputs[{number}] is no object")
        for name in ("name", "source", "digest"):
            _demand(given, name, str, f"{where}inputs[{number}].")
    details = values["details"]
    for name, type_ in _DETAILS.get(kind, {}).items():
        if name in details or name in _REQUIRED.get(kind, ()):
            _demand(details, name, type_, f"{where}details.")


def _demand(values: Mapping[str, Any], name: str, type_: Any, where: str = "") -> Any:
    if name not in values:
        raise ValueError(f"{where}{name} is missing")
    if not isinstance(values[name], type_) or (isinstance(values[name], bool) and type_ is not bool):
        raise ValueError(f"{where}{name} is {type(values[name]).__name__}")
    return values[name]


def _whole(values: Any, name: str, where: str = "") -> int:
    if not isinstance(values, dict):
        raise ValueError("no JSON object")
    return int(_demand(values, name, int, where))


def verify(folder: Path, record: Record, names: Iterable[str] | None = None) -> None:
    """Check files of a folder (all of them, or `names`) against their digests; raises ArtifactError naming the file."""
    deleted = deleted_files(folder)
    for name in record.files if names is None else names:
        path = folder / name
        if name in deleted:
            demand_weights(folder)
        if not path.is_file():
            raise ArtifactError(f"is missing, though {RECORD_NAME} lists it; make or fetch the folder again", path)
        if file_digest(path) != record.files.get(name):
            raise ArtifactError(f"differs from its digest in {RECORD_NAME}; make or fetch the folder again", path)


def portable(text: str) -> str:
    """Text as it may be published: of an absolute path in it only the last two parts are kept.

    The text may be several paths, with blanks or `::` between them, as corpora are given.
    """
    return "".join(
        "/".join(["…", *Path(part).parts[-2:]]) if os.path.isabs(part) else part for part in re.split(r"(\s+|::)", text)
    )


def current_versions() -> dict[str, str]:
    """Versions of this package, Python, and the libraries that decide results."""
    versions = {"alignfreeze": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def current_hardware() -> dict[str, Any]:
    """Machine type, cores, and, once torch is loaded, its threads and accelerator: training repeats bit for bit only
    at the same number of threads.
    """
    hardware: dict[str, Any] = {"machine": platform.machine(), "system": platform.system(), "cores": os.cpu_count()}
    torch = sys.modules.get("torch")
    if torch is not None:
        hardware["threads"] = torch.get_num_threads()
        if torch.cuda.is_available():
            hardware["accelerator"] = torch.cuda.get_device_name()
            hardware["accelerators"] = torch.cuda.device_count()
    if "WORLD_SIZE" in os.environ:
        hardware["processes"] = int(os.environ["WORLD_SIZE"])
    return hardware
