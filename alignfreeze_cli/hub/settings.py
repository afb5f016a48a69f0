"""Settings of `push`, checked before anything is read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from alignfreeze_cli.errors import SettingsError

RUN = "{run}"
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_REFERENCE = re.compile(r"[A-Za-z0-9][\w./-]*")


@dataclass(frozen=True, kw_only=True)
class PushSettings:
    """Folders and where they go.

    `each` gives every folder a repository, named by `repo_id` with its name for `{run}`; otherwise the first folder
    goes to `revision` and every other one to a branch named after its seed or strategy. `part` is the folder inside a
    run folder that is pushed. `timeout`: seconds without a byte after which a request has failed.
    """

    folders: tuple[Path, ...]
    repo_id: str
    each: bool = False
    part: str | None = None
    scores: tuple[Path, ...] = ()
    baseline: tuple[Path, ...] = ()
    revision: str = "main"
    private: bool = False
    create_pr: bool = False
    tag: str | None = None
    collection: str | None = None
    message: str | None = None
    dry_run: bool = False
    timeout: float = 60.0

    def __post_init__(self) -> None:
        complaints = []
        name = self.repo_id.replace(RUN, "run")
        if not _REPOSITORY.fullmatch(name) or ".." in name or "--" in name or name.endswith((".git", ".", "-")):
            complaints.append(f"--repo-id must look like org/name, not {self.repo_id!r}")
        if self.each != (RUN in self.repo_id):
            complaints.append(f"--each and a --repo-id that holds {RUN}, such as org/{RUN}, go together")
        for option, value in (("--revision", self.revision), ("--tag", self.tag)):
            if value is not None and (not _REFERENCE.fullmatch(value) or ".." in value):
                complaints.append(f"{option} must be the name of a branch or tag, not {value!r}")
        if len(self.folders) > 1:
            if self.create_pr:
                complaints.append("--create-pr takes one folder")
            if self.scores or self.baseline:
                complaints.append(
                    "--scores and --baseline go with one folder; scores of several are found as DIR-scores"
                )
        if self.create_pr and self.tag:
            complaints.append("--tag can't be given with --create-pr: a proposed commit is not in the repository yet")
        if self.timeout <= 0:
            complaints.append("--timeout must be above 0")
        if complaints:
            raise SettingsError("; ".join(complaints) + ".")
