"""Dictionary files: MUSE's format, found on the disk or fetched once and kept with their digest."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from alignfreeze_cli.artifacts import Input, resolve_files
from alignfreeze_cli.artifacts.cache import cache_folder
from alignfreeze_cli.artifacts.digests import file_digest
from alignfreeze_cli.errors import DataError, HubError
from alignfreeze_cli.pairs.settings import MUSE, fill, placeholders

_TIMEOUT = 30.0  # seconds without an answer or a byte


@dataclass(frozen=True)
class Entries:
    """What a file says: (word of its first column, word of its second), and how many lines say nothing usable."""

    entries: Sequence[tuple[str, str]]
    skipped: int


@dataclass(frozen=True)
class Found:
    """The files of a language pair. `copied`: both hold the forward entries; `note`: what a user should know."""

    forward: Path | None
    reverse: Path | None
    input: Input
    copied: bool = False
    note: str = ""


def read_entries(path: Path) -> Entries:
    """Read a dictionary as the paper's code does.

    A line counts if it splits on blanks into exactly two words that differ; words are taken as they are. Raises
    DataError if the file is no UTF-8 text or no line counts.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DataError("is no dictionary: not UTF-8 text", path, line) from None
    lines = [line.split() for line in text.split("\n") if line.strip()]
    entries = [(fields[0], fields[1]) for fields in lines if len(fields) == 2 and fields[0] != fields[1]]
    if not entries:
        raise DataError("is no dictionary: it has no line of two different words", path)
    return Entries(entries, len(lines) - len(entries))


def find_dictionary(
    template: str, source: str, target: str, name: str = "dictionary", copy_forward: bool = False
) -> Found:
    """Find the files of both directions; either may be missing. With `copy_forward` the forward one stands for both.

    The other direction's file has the codes swapped: through `{source}` and `{target}` in `template`, or, without them,
    where `source-target` stands in the file's name. Raises DataError if there is no file, HubError if an address
    cannot be reached.
    """
    swapped = None if copy_forward else _swapped(template, source, target)
    ahead, back = (_local(path) if path is not None else None for path in (fill(template, source, target), swapped))
    if copy_forward:
        back = ahead
    paths = list(dict.fromkeys(path for path in (ahead, back) if path is not None))
    if not paths:
        raise DataError(f"no such dictionary for {source}-{target}", fill(template, source, target))
    note, copied = "", False
    if ahead is None:
        note = f"no dictionary {source}-{target}; {back.name if back else ''} is used for both directions"
    elif back is None:
        note = f"no dictionary {target}-{source}; {ahead.name} is used for both directions"
    elif file_digest(ahead) == file_digest(back):
        note, copied = f"the reverse dictionary is a copy of {ahead.name}, as in the paper's runs", True
    return Found(ahead, back, resolve_files(name, template, paths), copied, note)


def _swapped(template: str, source: str, target: str) -> str | None:
    if placeholders(template) & {"source", "target"}:
        swapped = fill(template, target, source)
        return swapped if swapped != fill(template, source, target) else None
    head, slash, name = template.rpartition("/")
    codes = f"{source}-{target}"
    return head + slash + name.replace(codes, f"{target}-{source}") if codes in name else None


def _local(path: str) -> Path | None:
    """A file here, or one fetched from an address; None if there is none."""
    if path.startswith(("http://", "https://")):
        return fetch(path)
    found = Path(path).expanduser()
    return found if found.is_file() else None


def fetch(address: str) -> Path | None:
    """A file from the web, from the cache if it was fetched before and is whole; None if the server has no such file.

    Raises HubError if the server cannot be reached, answers with an error, or offline mode (HF_HUB_OFFLINE) is on.
    """
    folder = cache_folder() / "dictionaries" / hashlib.sha256(address.encode()).hexdigest()[:16]
    kept, marker = folder / address.rsplit("/", 1)[-1], folder / "fetched.json"
    if marker.is_file() and kept.is_file():
        recorded = json.loads(marker.read_text(encoding="utf-8"))
        if recorded.get("sha256") == file_digest(kept):
            return kept
    content = _download(address)
    if content is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    facts = {"address": address, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    for path, data in ((kept, content), (marker, json.dumps(facts, indent=2).encode())):
        # Renamed into place: a second process may be fetching the same file.
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        partial.write_bytes(data)
        os.replace(partial, path)
    return kept


def _download(address: str) -> bytes | None:
    from huggingface_hub import constants
    from huggingface_hub.utils import httpx

    if constants.HF_HUB_OFFLINE:
        raise HubError(f"{address} is not in the local cache, and offline mode is on (HF_HUB_OFFLINE).")
    mirror = os.environ.get("ALIGNFREEZE_MUSE")  # like HF_ENDPOINT: another server for the same files
    place = address.replace(MUSE.rpartition("/")[0], mirror.rstrip("/")) if mirror else address
    try:
        answer = httpx.get(place, timeout=_TIMEOUT, follow_redirects=True)
    except httpx.HTTPError as error:
        raise HubError(
            f"{address} can't be fetched ({error}); check the network, or give your own files with --dictionary."
        ) from error
    # MUSE's server (object storage) says 403 for what it does not have.
    if answer.status_code in (403, 404):
        return None
    if answer.status_code != 200:
        raise HubError(f"The server answered {answer.status_code} for {address}; try again later, or use --dictionary.")
    content: bytes = answer.content
    return content
