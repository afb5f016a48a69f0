"""A run folder: one strategy and seed of a recipe, described by its `run.json`.

    <model>-<strategy>-s<seed>/
        run.json                what this run is
        pairs -> ../pairs       links to what several runs share
        encoder                 absent in a baseline and where fine-tuning realigns
        pos, pos-scores         one task model and its scores per task

`run` writes it; `report` and `push` read it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alignfreeze_cli.artifacts.files import atomic_write, json_bytes, read_json
from alignfreeze_cli.errors import ArtifactError
from alignfreeze_cli.phrases import is_name

RUN_NAME = "run.json"
BASELINE = "baseline"
"""Name of the strategy without realignment."""

_SCHEMA = 1
_NO_PRIVILEGE = 1314  # what Windows says to a user who may not make links
_TYPES = {str: "name", int: "whole number", bool: "true or false", dict: "mapping"}


@dataclass(frozen=True)
class RunFolder:
    """One strategy and seed. `tasks` maps a task to its scores' folder, `links` a name to where it points."""

    folder: Path
    model: str
    strategy: str
    seed: int
    source: str
    control: bool
    tasks: dict[str, str]
    links: dict[str, str] = field(default_factory=dict)

    def write(self) -> None:
        """Make the folder, its links and `run.json`; what is there already and right stays untouched.

        Tasks that an earlier recipe gave the same run stay its tasks, so that a report still finds their scores.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, target in self.links.items():
            link = self.folder / name
            if link.is_symlink() and os.readlink(link) != target:
                link.unlink()
            if not link.is_symlink() and not link.exists():
                _link(link, target)
        path = self.folder / RUN_NAME
        values = self.to_dict()
        values["tasks"] = _earlier_tasks(path, values) | self.tasks
        content = json_bytes(values)
        if not path.is_file() or path.read_bytes() != content:
            atomic_write(path, content)

    def to_dict(self) -> dict[str, Any]:
        """What `run.json` holds: enough for a report to sort the run without reading its name."""
        kept = ("model", "strategy", "seed", "source", "control", "tasks")
        return {"schema": _SCHEMA} | {name: getattr(self, name) for name in kept}


def _link(link: Path, target: str) -> None:
    """Links are for people to follow; nothing here reads them. Windows may allow them to administrators only."""
    try:
        link.symlink_to(target)
    except OSError as error:
        if getattr(error, "winerror", None) != _NO_PRIVILEGE:
            raise


def read_run(folder: Path) -> dict[str, Any]:
    """What a run folder's `run.json` says; raises ArtifactError if it can't be read, lacks something or is odd.

    Names are text on one line without control characters, and scores lie inside the folder: the file may come from
    anywhere.
    """
    path = folder / RUN_NAME
    run = read_json(path, "run the recipe again")
    for key, type_ in (("model", str), ("strategy", str), ("seed", int), ("control", bool), ("tasks", dict)):
        if key not in run:
            raise ArtifactError(f"lacks {key}; run the recipe again", path)
        if type(run[key]) is not type_ or (type_ is str and not is_name(run[key])):
            raise ArtifactError(f"{key} is no {_TYPES[type_]}; run the recipe again", path)
    for task, name in run["tasks"].items():
        if not (is_name(task) and is_name(name)) or Path(name).is_absolute() or ".." in Path(name).parts:
            raise ArtifactError("tasks must name the folders of scores inside the run; run the recipe again", path)
    return run


def _earlier_tasks(path: Path, values: dict[str, Any]) -> dict[str, str]:
    """The tasks in a `run.json` that is there, if it is of the same run."""
    try:
        there = read_json(path, "run the recipe again")
        same = all(there[key] == value for key, value in values.items() if key != "tasks")
        return dict(there["tasks"]) if same else {}
    except (ArtifactError, KeyError, ValueError, TypeError):
        return {}
