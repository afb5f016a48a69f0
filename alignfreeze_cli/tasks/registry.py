"""The tasks: one file each, one line here."""

from __future__ import annotations

from alignfreeze_cli.artifacts import Input
from alignfreeze_cli.errors import ArtifactError, SettingsError
from alignfreeze_cli.settings import nearest
from alignfreeze_cli.tasks.base import Task
from alignfreeze_cli.tasks.classify import ClassifyTask
from alignfreeze_cli.tasks.ner import NerTask
from alignfreeze_cli.tasks.nli import NliTask
from alignfreeze_cli.tasks.pos import PosTask
from alignfreeze_cli.tasks.qa import QaTask

TASKS: dict[str, Task] = {task.name: task for task in (PosTask(), NerTask(), NliTask(), QaTask(), ClassifyTask())}

SCORED_LANGUAGES = tuple(dict.fromkeys(code for task in TASKS.values() for code in task.scored_languages("en")))
"""The languages that models are scored in where nobody names others, all tasks together."""


def find_task(name: str) -> Task:
    """The task of that name; raises SettingsError with the known ones."""
    if name not in TASKS:
        raise SettingsError(f"--task: there is no task {name!r}, only {', '.join(TASKS)}" + nearest(name, TASKS) + ".")
    return TASKS[name]


def task_of(model: Input, wanted: str | None = None) -> Task:
    """The task that a model was trained for; raises ArtifactError if it is unknown or not the wanted one."""
    assert model.record is not None
    name = model.record.details.get("task")
    if name not in TASKS:
        raise ArtifactError(f"is a model for the task {name!r}, which this version does not know", model.path)
    if wanted is not None and wanted != name:
        raise ArtifactError(
            f"holds a {name} model ({TASKS[name].title}), but a {wanted} model ({TASKS[wanted].title}) is needed here, "
            f"made by `alignfreeze finetune --task {wanted}`",
            model.path,
        )
    return TASKS[name]
