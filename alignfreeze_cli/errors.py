"""Every error a step raises on purpose.

    AlignFreezeError              something failed                       exit code 1
    ├── SettingsError             wrong usage or settings                exit code 2
    │   └── OutputExistsError     the output is there, made otherwise    exit code 2
    ├── DataError                 bad input data, with its place         exit code 3
    │   └── ArtifactError         a folder that doesn't fit or is damaged
    │       ├── WeightsDeletedError  a model whose weights `run --keep` deleted
    │       └── SeveralScoresError  several scores of one model, and nothing says which are meant
    ├── HubError                  the Hub, the network, or a download    exit code 4
    └── Interrupted               Ctrl-C or SIGTERM, work was saved      exit code 130

A message is one sentence for a person: what is wrong, where, and what to do. The exit codes are documented in the
README and stable; `alignfreeze_cli/cli/errors.py` adds sentences for exceptions of other libraries.
"""

from __future__ import annotations

from pathlib import Path


class AlignFreezeError(Exception):
    """Base class; raised itself when a step failed for a reason that fits no other class."""

    exit_code = 1


class SettingsError(AlignFreezeError):
    """A setting is unknown, of the wrong type, out of range, or does not go with another one."""

    exit_code = 2


class OutputExistsError(SettingsError):
    """The output exists and was made by other settings or from other inputs."""


class DataError(AlignFreezeError):
    """Input data cannot be used. `path` and `line` (counted from 1) go in front of the message."""

    exit_code = 3

    def __init__(self, message: str, path: str | Path | None = None, line: int | None = None) -> None:
        place = "" if path is None else f"{path}, line {line}: " if line is not None else f"{path}: "
        super().__init__(place + message)


class ArtifactError(DataError):
    """A folder is of another kind than the step needs, or a file in it does not match its digest."""


class WeightsDeletedError(ArtifactError):
    """A model is needed whose weights were deleted by `alignfreeze run --keep`."""


class SeveralScoresError(ArtifactError):
    """Several folders of scores are those of one model, and nothing says which are meant."""


class HubError(AlignFreezeError):
    """The Hub or another server could not be reached, or refused."""

    exit_code = 4


class Interrupted(AlignFreezeError):  # noqa: N818 - an interruption, not an error
    """The user or the system asked the step to stop; what can be resumed was saved."""

    exit_code = 130
