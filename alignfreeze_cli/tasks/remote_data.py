"""What of a task's default data would be fetched: names and sizes of files, from the Hub."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from alignfreeze_cli.artifacts.hub_listing import RemoteFile, remote_files
from alignfreeze_cli.errors import HubError
from alignfreeze_cli.phrases import listed
from alignfreeze_cli.progress import Console
from alignfreeze_cli.tasks.base import Task
from alignfreeze_cli.tasks.data import by_repositories, repository_of, unpacked_data


def remote_data(task: Task, languages: Sequence[str], split: str) -> list[RemoteFile]:
    """The files that `find_data` would take where no pattern is given, without fetching them.

    Raises SettingsError for a language that the task has no data for, HubError.
    """
    if unpacked := unpacked_data(task, languages, split, Console()):
        return [RemoteFile(path.name, path.stat().st_size, True) for data in unpacked for path in data.paths]
    found: list[RemoteFile] = []
    for repositories, wanted in by_repositories(task, languages, split).items():
        problems: list[str] = []
        for repository in repositories:
            of_languages = [
                [each.pattern for each in some if repository_of(each) == repository] for some in wanted.values()
            ]
            patterns = sorted({each for some in of_languages for each in some})
            try:
                files = remote_files(repository, patterns, "dataset")
            except HubError as error:
                problems.append(str(error))
                continue
            if all(any(_fits(file.name, pattern) for file in files for pattern in some) for some in of_languages):
                found += files
                break
            problems.append(f"{repository} does not hold {task.data} in all of {listed(wanted)}.")
        else:
            raise HubError(" ".join(problems))
    return found


def _fits(name: str, pattern: str) -> bool:
    """Whether a path fits a pattern, in which `*` matches no slash."""
    return fnmatchcase(name, pattern) and name.count("/") == pattern.count("/")
