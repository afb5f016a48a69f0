"""Uploads the Xet way, which huggingface_hub takes wherever hf_xet is installed: xorbs of chunks, then a shard.

    GET  /api/…/xet-write-token/main    where the storage is, and a token for it
    GET  /v1/chunks/…/<hash>            is a chunk known? here never
    POST /v1/xorbs/default/<hash>       chunks, each compressed by itself
    POST /v1/shards                     which chunks make up which file

From the protocol's public specification (huggingface.co/docs/xet). Files are put together as soon as their shard is
there, and kept like other large objects, by their SHA-256; downloads go the plain way.
"""

from __future__ import annotations

import hashlib
import struct
import time
from collections.abc import Iterator

from tests.support.hubserver.handler import HubHandler, StorageHandler, route
from tests.support.hubserver.reading import REPO
from tests.support.hubserver.store import RefusedError

_ENTRY = 48  # bytes of every structure in a shard
_END = b"\xff" * 32
_VERIFIED, _DESCRIBED = 1 << 31, 1 << 30
_ACCESS = "-".join(["xet", "access"])


@route(HubHandler, "GET", rf"/api/{REPO}/xet-(?P<kind_of_token>read|write)-token/(?P<revision>[^/]+)")
def xet_token(self: HubHandler, kind: str, repo: str, kind_of_token: str, revision: str) -> None:
    self.repository(kind.removesuffix("s"), repo, write=kind_of_token == "write" and "create_pr" not in self.query)
    until = int(time.time()) + 3600
    headers = {
        "X-Xet-Cas-Url": self.hub.storage_url,
        "X-Xet-Access-Token": _ACCESS,
        "X-Xet-Token-Expiration": str(until),
    }
    self.answer_json({"casUrl": self.hub.storage_url, "accessToken": _ACCESS, "exp": until}, headers=headers)


@route(StorageHandler, "GET", r"/v1/chunks/(?P<prefix>[^/]+)/(?P<digest>[0-9a-f]{64})")
def chunk(self: StorageHandler, prefix: str, digest: str) -> None:
    raise RefusedError(404, "Not tracked")


@route(StorageHandler, "POST", r"/v1/xorbs/default/(?P<digest>[0-9a-f]{64})")
def upload_xorb(self: StorageHandler, digest: str) -> None:
    _demand_access(self)
    new = digest not in self.hub.xorbs
    self.hub.xorbs[digest] = list(_chunks(self.body))
    self.answer_json({"was_inserted": new})


@route(StorageHandler, "POST", r"/v1/shards")
def upload_shard(self: StorageHandler) -> None:
    _demand_access(self)
    for terms in _files(self.body):
        try:
            data = b"".join(b"".join(self.hub.xorbs[xorb][first:last]) for xorb, first, last in terms)
        except KeyError:
            raise RefusedError(400, "The shard names a xorb that is not there") from None
        self.hub.store.objects[hashlib.sha256(data).hexdigest()] = data
    self.answer_json({"result": 1})


def _demand_access(self: StorageHandler) -> None:
    if self.headers.get("authorization") != f"Bearer {_ACCESS}":
        raise RefusedError(401, "Refresh the token")


def _chunks(xorb: bytes) -> Iterator[bytes]:
    """The chunks of a xorb, unpacked. A header of 8 bytes stands before each; a footer may follow the last."""
    at = 0
    while at < len(xorb) and xorb[at : at + 7] != b"XETBLOB":
        packed, scheme = int.from_bytes(xorb[at + 1 : at + 4], "little"), xorb[at + 4]
        data = xorb[at + 8 : at + 8 + packed]
        at += 8 + packed
        if scheme:
            data = _unframed(data)
        yield _ungrouped(data) if scheme == 2 else data


def _files(shard: bytes) -> Iterator[list[tuple[str, int, int]]]:
    """Per file of a shard its terms: xorb, first chunk, chunk after the last."""
    at = _ENTRY  # after the header
    while shard[at : at + 32] != _END:
        flags, count = struct.unpack_from("<II", shard, at + 32)
        terms = []
        for number in range(1, count + 1):
            start = at + number * _ENTRY
            first, last = struct.unpack_from("<II", shard, start + 40)
            terms.append((_name(shard[start : start + 32]), first, last))
        at += _ENTRY * (1 + count * (2 if flags & _VERIFIED else 1) + (1 if flags & _DESCRIBED else 0))
        yield terms


def _name(digest: bytes) -> str:
    """A hash as it stands in addresses: four little-endian numbers in hexadecimal."""
    return "".join(f"{number:016x}" for number in struct.unpack("<4Q", digest))


def _ungrouped(data: bytes) -> bytes:
    """Undo the grouping of bytes by their place in every four."""
    result, at = bytearray(len(data)), 0
    for place in range(4):
        size = len(range(place, len(data), 4))
        result[place::4] = data[at : at + size]
        at += size
    return bytes(result)


def _unframed(frame: bytes) -> bytes:
    """The content of an LZ4 frame (github.com/lz4/lz4, doc/lz4_Frame_format.md)."""
    flags = frame[4]
    at = 7 + (8 if flags & 0x08 else 0) + (4 if flags & 0x01 else 0)
    result = bytearray()
    while size := int.from_bytes(frame[at : at + 4], "little"):
        at += 4
        plain, size = size >> 31, size & 0x7FFFFFFF
        block = frame[at : at + size]
        if plain:
            result += block
        else:
            _unpack(block, result)
        at += size + (4 if flags & 0x10 else 0)
    return bytes(result)


def _unpack(block: bytes, result: bytearray) -> None:
    """Append the content of an LZ4 block; copies may reach back into earlier blocks."""
    at = 0

    def length(start: int) -> int:
        nonlocal at
        if start == 15:
            while True:
                start += block[at]
                at += 1
                if block[at - 1] != 255:
                    break
        return start

    while at < len(block):
        token = block[at]
        at += 1
        size = length(token >> 4)
        result += block[at : at + size]
        at += size
        if at >= len(block):
            return  # the last sequence has no copy
        back = int.from_bytes(block[at : at + 2], "little")
        at += 2
        size = length(token & 15) + 4
        for _ in range(size):
            result.append(result[-back])
