"""Fetching repositories from the Hub at a named commit, through huggingface_hub's cache (so it works offline again)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from alignfreeze_cli.errors import HubError

_REFERENCE = re.compile(r"^(?P<repo>[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?)(@(?P<revision>[\w./-]+))?$")


def split_reference(reference: str) -> tuple[str, str | None] | None:
    """`org/name@revision` → (`org/name`, `revision` or None); None if it can't be a Hub id."""
    match = _REFERENCE.match(reference)
    return (match["repo"], match["revision"]) if match else None


@contextmanager
def hub_errors(what: str) -> Iterator[None]:
    """Turn the errors of huggingface_hub while fetching `what` into one sentence each (HubError)."""
    from huggingface_hub import errors
    from huggingface_hub.utils import httpx

    try:
        yield
    except errors.GatedRepoError as error:
        raise HubError(f"{what} is gated: ask for access on its page, then log in with `hf auth login`.") from error
    except errors.RepositoryNotFoundError as error:
        raise HubError(
            f"{what} is neither a folder here nor a repository on the Hub (or it is private: run `hf auth login`)."
        ) from error
    except errors.RevisionNotFoundError as error:
        raise HubError(f"{what}: the repository has no such revision.") from error
    except errors.OfflineModeIsEnabled as error:
        raise HubError(f"{what} is not in the local cache, and offline mode is on (HF_HUB_OFFLINE).") from error
    except errors.LocalEntryNotFoundError as error:
        raise HubError(f"{what} is not in the local cache, and the Hub can't be reached; check the network.") from error
    except errors.HFValidationError as error:
        raise HubError(f"{what} is neither a folder here nor a valid Hub id: {error}") from error
    except errors.HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "?"
        raise HubError(f"The Hub answered {status} for {what}: {error.server_message or error}") from error
    except httpx.HTTPError as error:
        raise HubError(f"The Hub can't be reached for {what} ({error}); check the network.") from error


def pull(reference: str, patterns: Sequence[str], repo_type: str = "model") -> tuple[Path, str]:
    """Fetch the files of a Hub repository that fit `patterns`; gives (folder in the cache, resolved commit).

    Raises HubError if it does not exist, can't be reached, or, offline, is not in the cache.
    """
    parts = split_reference(reference)
    if parts is None:
        raise HubError(f"{reference!r} is neither a folder here nor a Hub id (org/name or org/name@revision).")
    from huggingface_hub import snapshot_download

    repo, revision = parts
    with hub_errors(reference):
        folder = Path(snapshot_download(repo, revision=revision, repo_type=repo_type, allow_patterns=list(patterns)))
    return folder, folder.name  # a snapshot's folder is named after its commit
