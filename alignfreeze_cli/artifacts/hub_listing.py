"""What a repository of the Hub holds and what of it lies in the cache: names and sizes, without fetching anything."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alignfreeze_cli.artifacts.hub_client import SILENCE, choose_files, hub_errors, limit_silence, with_retries


@dataclass(frozen=True)
class RemoteFile:
    """A file of a server: its size in bytes, None where the server does not say, and whether the cache holds it."""

    name: str
    size: int | None
    here: bool


def remote_files(reference: str, patterns: Sequence[str], repo_type: str = "model") -> list[RemoteFile]:
    """What `pull` would fetch: the files of `org/name@revision` that fit the patterns. Raises HubError as it does."""
    from huggingface_hub.utils import filter_repo_objects

    chosen = choose_files(reference, patterns, repo_type)
    commit, listed = _listing(chosen.repo, chosen.revision, repo_type)
    names = filter_repo_objects(listed, allow_patterns=chosen.wanted, ignore_patterns=chosen.left_out)
    return [_described(chosen.repo, commit, repo_type, listed[name]) for name in names]


def named_files(repo: str, commit: str, repo_type: str, names: Iterable[str]) -> list[RemoteFile]:
    """The files of these names at a commit, as far as it has them. Raises HubError."""
    _, listed = _listing(repo, commit, repo_type)
    return [_described(repo, commit, repo_type, listed[name]) for name in names if name in listed]


@functools.lru_cache(maxsize=16)
def _listing(repo: str, revision: str | None, repo_type: str) -> tuple[str, dict[str, Any]]:
    """The commit that a revision means, and what the Hub says of each of its files, by name."""
    from huggingface_hub import HfApi

    what = f"{repo}@{revision}" if revision else repo

    def ask() -> Any:
        return HfApi().repo_info(repo, revision=revision, repo_type=repo_type, files_metadata=True)

    limit_silence(SILENCE)
    with hub_errors(what):
        info = with_retries(what, ask, logging.getLogger("alignfreeze").warning)
    return str(info.sha), {each.rfilename: each for each in info.siblings or ()}


def _described(repo: str, commit: str, repo_type: str, file: Any) -> RemoteFile:
    """A file that the Hub tells of; the cache has it if it has its bytes, also as part of another commit."""
    from huggingface_hub import constants, try_to_load_from_cache
    from huggingface_hub.file_download import repo_folder_name

    here = isinstance(try_to_load_from_cache(repo, file.rfilename, revision=commit, repo_type=repo_type), str)
    blobs = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repo, repo_type=repo_type) / "blobs"
    content = file.lfs.sha256 if file.lfs else file.blob_id
    return RemoteFile(file.rfilename, file.size, here or (content is not None and (blobs / content).is_file()))
