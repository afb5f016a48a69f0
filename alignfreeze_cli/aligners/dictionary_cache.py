"""Dictionaries from the web, kept in the cache; it can also be filled from a folder of MUSE's files, without a network.

    <cache>/dictionaries/<digest of the address>/en-de.txt       the file as it came
                                                 fetched.json    its address and digest; that the server has none

A file that differs from its digest is not read.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from alignfreeze_cli.aligners.settings import MUSE
from alignfreeze_cli.artifacts.files import atomic_write, cache_folder, file_digest, read_json, write_json
from alignfreeze_cli.artifacts.hub_client import is_offline
from alignfreeze_cli.artifacts.hub_listing import RemoteFile
from alignfreeze_cli.errors import ArtifactError, DataError, HubError
from alignfreeze_cli.pairs.settings import fill

FROM_FOLDER = "`alignfreeze fetch muse --dictionaries FOLDER`"
_TIMEOUT = 30.0  # seconds without an answer or a byte


def fetch_dictionary(address: str) -> Path | None:
    """A file from the web, from the cache if it was fetched before and is whole; None if the server has no such file.

    Raises HubError if the server cannot be reached, answers with an error, or offline mode (HF_HUB_OFFLINE) is on.
    """
    if kept := cached_dictionary(address):
        return kept
    if is_offline():
        if _noted(address).get("absent"):
            return None
        raise HubError(f"{address} is not in the local cache, and offline mode is on (HF_HUB_OFFLINE).")
    answer = _ask("GET", address)
    if answer is None:
        _note(address, {"absent": True})
        return None
    return keep_dictionary(address, answer.content)


def cached_dictionary(address: str) -> Path | None:
    """The file of this address in the cache, if it is whole."""
    kept = _folder(address) / address.rsplit("/", 1)[-1]
    whole = kept.is_file() and _noted(address).get("sha256") == file_digest(kept)  # what is damaged is fetched again
    return kept if whole else None


def keep_dictionary(address: str, content: bytes) -> Path:
    """Put a file into the cache as that of an address."""
    kept = _folder(address) / address.rsplit("/", 1)[-1]
    atomic_write(kept, content)
    _note(address, {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)})
    return kept


def remote_dictionary(address: str) -> RemoteFile | None:
    """Size of a file, here or at its server, without fetching it; None if the server has none. Raises HubError."""
    name = address.rsplit("/", 1)[-1]
    if kept := cached_dictionary(address):
        return RemoteFile(name, kept.stat().st_size, True)
    answer = None if is_offline() and _noted(address).get("absent") else _ask("HEAD", address)
    if answer is None:
        return None
    size = answer.headers.get("Content-Length", "")
    return RemoteFile(name, int(size) if size.isdecimal() else None, False)


def keep_from_folder(folder: Path, pairs: Iterable[tuple[str, str]]) -> list[Path]:
    """Put MUSE's files of these language pairs, both directions, into the cache; gives where they were in the folder.

    That may be in folders below it. Raises DataError if it is no folder, or has neither direction of a pair.
    """
    if not folder.is_dir():
        raise DataError("is no folder; unpack the dictionaries of MUSE, and name the folder of its files", folder)
    found: list[Path] = []
    for source, target in pairs:
        addresses = [fill(MUSE, *codes) for codes in ((source, target), (target, source))]
        places = [_inside(folder, address.rsplit("/", 1)[-1]) for address in addresses]
        if not any(places):
            raise DataError(f"holds neither {source}-{target}.txt nor {target}-{source}.txt", folder)
        for address, place in zip(addresses, places, strict=True):
            if place is not None:
                keep_dictionary(address, place.read_bytes())
                found.append(place)
            elif cached_dictionary(address) is None:
                _note(address, {"absent": True})
    return found


def _inside(folder: Path, name: str) -> Path | None:
    """The first file of this name in a folder or below it."""
    return next((path for path in sorted(folder.rglob(name)) if path.is_file()), None)


def _folder(address: str) -> Path:
    return cache_folder() / "dictionaries" / hashlib.sha256(address.encode()).hexdigest()[:16]


def _noted(address: str) -> dict[str, Any]:
    """What was noted when the file of an address was fetched; nothing if it wasn't, or the note is damaged."""
    marker = _folder(address) / "fetched.json"
    with contextlib.suppress(ArtifactError):
        return read_json(marker, "fetch it again") if marker.is_file() else {}
    return {}


def _note(address: str, facts: dict[str, Any]) -> None:
    write_json(_folder(address) / "fetched.json", {"address": address, **facts})


def _ask(method: str, address: str) -> Any:
    """The server's answer, None if it has no such file. Raises HubError."""
    from huggingface_hub.utils import httpx

    if is_offline():
        raise HubError(f"{address} is not in the local cache, and offline mode is on (HF_HUB_OFFLINE).")
    mirror = os.environ.get("ALIGNFREEZE_MUSE")  # like HF_ENDPOINT: another server for the same files
    place = address.replace(MUSE.rpartition("/")[0], mirror.rstrip("/")) if mirror else address
    try:
        answer = httpx.request(method, place, timeout=_TIMEOUT, follow_redirects=True)
    except httpx.HTTPError as error:
        raise HubError(
            f"{address} can't be fetched ({error}); check the network, give your own files with --dictionary, or keep "
            f"those of an unpacked {MUSE.rpartition('/')[0]}.tar.gz with {FROM_FOLDER}."
        ) from error
    # MUSE's server (object storage) says 403 for what it does not have, but also where it refuses everything.
    if answer.status_code in (403, 404):
        return None
    if answer.status_code != 200:
        raise HubError(f"The server answered {answer.status_code} for {address}; try again later, or use --dictionary.")
    return answer
