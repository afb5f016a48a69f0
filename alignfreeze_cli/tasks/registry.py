"""The tasks: one file each, one line here."""

from __future__ import annotations

from alignfreeze_cli.errors import SettingsError
from alignfreeze_cli.settings import nearest
from alignfreeze_cli.tasks.base import Task
from alignfreeze_cli.tasks.ner import NerTask
from alignfreeze_cli.tasks.nli import NliTask
from alignfreeze_cli.tasks.pos import PosTask
from alignfreeze_cli.tasks.qa import QaTask

TASKS: dict[str, Task] = {task.name: task for task in (PosTask(), NerTask(), NliTask(), QaTask())}


def find_task(name: str) -> Task:
    """The task of that name; raises SettingsError with the known ones."""
    if name not in TASKS:
        raise SettingsError(f"--task: there is no task {name!r}, only {', '.join(TASKS)}" + nearest(name, TASKS) + ".")
    return TASKS[name]
