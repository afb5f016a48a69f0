"""A run folder: one strategy and seed of a recipe, described by its `run.json`.

    <model>-<strategy>-s<seed>/
        run.json                what this run is
        pairs -> ../pairs       links to what several runs share
        encoder                 absent in a baseline and where fine-tuning realigns
        pos, pos-scores         one task model and its scores per task

`run` writes it; `report` and `push` read it.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alignfreeze_cli.artifacts.files import atomic_write, read_json
from alignfreeze_cli.errors import ArtifactError

RUN_NAME = "run.json"
BASELINE = "baseline"
"""Name of the strategy without realignment."""

_SCHEMA = 1


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
                link.symlink_to(target)
        path = self.folder / RUN_NAME
        values = self.to_dict()
        values["tasks"] = _earlier_tasks(path, values) | self.tasks
        text = json.dumps(values, indent=2, ensure_ascii=False) + "\n"
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            atomic_write(path, text)

    def to_dict(self) -> dict[str, Any]:
        """What `run.json` holds: enough for a report to sort the run without reading its name."""
        kept = ("model", "strategy", "seed", "source", "control", "tasks")
        return {"schema": _SCHEMA} | {name: getattr(self, name) for name in kept}


def read_run(folder: Path) -> dict[str, Any]:
    """What a run folder's `run.json` says; raises ArtifactError if it can't be read or lacks something."""
    run = read_json(folder / RUN_NAME, "run the recipe again")
    lacking = [key for key in ("model", "strategy", "seed", "control", "tasks") if key not in run]
    if lacking or not isinstance(run["tasks"], dict):
        raise ArtifactError(f"lacks {lacking[0] if lacking else 'its tasks'}; run the recipe again", folder / RUN_NAME)
    return run


def _earlier_tasks(path: Path, values: dict[str, Any]) -> dict[str, str]:
    """The tasks in a `run.json` that is there, if it is of the same run."""
    try:
        there = json.loads(path.read_text(encoding="utf-8"))
        same = all(there[key] == value for key, value in values.items() if key != "tasks")
        return dict(there["tasks"]) if same else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
