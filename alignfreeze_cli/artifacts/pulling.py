"""Fetching repositories from the Hub at a named commit, through huggingface_hub's cache (so it works offline again)."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path

from alignfreeze_cli.artifacts.hubcalls import hub_errors, limit_waiting, patiently
from alignfreeze_cli.errors import HubError

__all__ = ["hub_errors", "pull", "split_reference"]

_REFERENCE = re.compile(
    r"^(?P<repo>[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?)(/(?P<inside>steps-\d+))?(@(?P<revision>[\w./-]+))?$"
)
_INSIDE = ("steps-*/*", "adapter/*")  # folders of a model's repository that are not the model itself
_SILENCE = 60.0  # seconds without a byte after which a request has failed


def split_reference(reference: str) -> tuple[str, str | None] | None:
    """`org/name@revision` → (`org/name`, `revision` or None); None if it can't be a Hub id.

    It may also name an encoder inside another one's repository: `org/name/steps-N@revision`.
    """
    match = _REFERENCE.match(reference)
    return (match["repo"], match["revision"]) if match else None


def pull(reference: str, patterns: Sequence[str], repo_type: str = "model") -> tuple[Path, str]:
    """Fetch the files of a Hub repository that fit `patterns`; gives (folder in the cache, resolved commit).

    Of `org/name/steps-N` the files in that folder are fetched, otherwise none of a model's inner folders.

    A failure that may pass is waited for (hubcalls.py). Raises HubError if the repository or revision does not exist,
    can't be reached, or, offline, is not in the cache.
    """
    parts = split_reference(reference)
    if parts is None:
        raise HubError(f"{reference!r} is neither a folder here nor a Hub id (org/name or org/name@revision).")
    from huggingface_hub import snapshot_download

    repo, revision = parts
    match = _REFERENCE.match(reference)
    inside = match["inside"] if match else None
    wanted = [f"{inside}/{pattern}" if inside else pattern for pattern in patterns]
    left_out = list(_INSIDE) if repo_type == "model" and not inside else None

    def fetch() -> str:
        return str(
            snapshot_download(
                repo, revision=revision, repo_type=repo_type, allow_patterns=wanted, ignore_patterns=left_out
            )
        )

    limit_waiting(_SILENCE)
    with hub_errors(reference):
        folder = Path(patiently(reference, fetch, logging.getLogger("alignfreeze").warning))
    return folder / (inside or ""), folder.name  # a snapshot's folder is named after its commit
