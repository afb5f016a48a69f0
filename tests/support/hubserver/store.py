"""What the Hub keeps: repositories with commits and references, large objects, collections. No HTTP here."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

_LARGE = re.compile(
    r"\.(7z|arrow|bin|bz2|ckpt|ftz|gz|h5|joblib|model|msgpack|npy|npz|onnx|ot|parquet|pb|pickle|pkl|pt|pth|rar|"
    r"safetensors|tar|tflite|tgz|wasm|xz|zip|zst|png|jpg|jpeg|gif|webp|mp3|wav)$|saved_model/"
)
_GIT_ATTRIBUTES = "*.bin filter=lfs diff=lfs merge=lfs -text\n*.safetensors filter=lfs diff=lfs merge=lfs -text\n"
_EPOCH = datetime(2025, 1, 1, tzinfo=UTC)


class RefusedError(Exception):
    """An answer that is not 2xx: status, the Hub's error code for its header, and a message."""

    def __init__(self, status: int, message: str, code: str | None = None, **extra: object) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.extra = status, message, code, extra


def is_large(path: str, size: int, sample: bytes) -> bool:
    """Whether the Hub keeps a file outside git: by its name, its size, or because it is no text."""
    return bool(_LARGE.search(path)) or size > 10_000_000 or b"\0" in sample


@dataclass(frozen=True)
class File:
    """A file in a commit. `lfs` files are kept in the storage; git only has a pointer to them."""

    data: bytes
    lfs: bool = False

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def pointer(self) -> bytes:
        return f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {len(self.data)}\n".encode()

    @property
    def git_oid(self) -> str:
        blob = self.pointer if self.lfs else self.data
        return hashlib.sha1(b"blob %d\0" % len(blob) + blob).hexdigest()

    @property
    def etag(self) -> str:
        return self.sha256 if self.lfs else self.git_oid


@dataclass(frozen=True)
class Commit:
    """A commit with the whole tree of its files."""

    oid: str
    parent: str | None
    title: str
    description: str
    date: str
    files: Mapping[str, File]


@dataclass
class Repository:
    """One repository. `references` maps full names (refs/heads/main, refs/tags/v1, refs/pr/1, …) to commits.

    `authors` names who opened a pull request, by its reference, where it was not the tester.
    """

    kind: str  # model or dataset
    id: str
    private: bool = False
    gated: bool = False
    commits: dict[str, Commit] = field(default_factory=dict)
    references: dict[str, str] = field(default_factory=dict)
    authors: dict[str, str] = field(default_factory=dict)

    def find(self, revision: str) -> Commit:
        """The commit of a branch, tag, `refs/…` or commit id of at least five digits."""
        for name in (f"refs/heads/{revision}", f"refs/tags/{revision}", revision):
            if name in self.references:
                return self.commits[self.references[name]]
        found = [oid for oid in self.commits if len(revision) >= 5 and oid.startswith(revision)]
        if len(found) != 1:
            raise RefusedError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return self.commits[found[0]]

    def head(self, branch: str = "main") -> Commit:
        return self.find(f"refs/heads/{branch}")

    def commit(
        self, reference: str, files: Mapping[str, File], title: str, description: str = "", parent: str | None = None
    ) -> Commit:
        """Add a commit with this tree to a reference; `parent` is that reference's commit unless it is new."""
        parent = self.references.get(reference, parent)
        date = (_EPOCH + timedelta(minutes=len(self.commits))).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        tree = {path: file.git_oid for path, file in sorted(files.items())}
        content = json.dumps([self.kind, self.id, reference, tree, parent, title, date])
        commit = Commit(hashlib.sha1(content.encode()).hexdigest(), parent, title, description, date, dict(files))
        self.commits[commit.oid] = commit
        self.references[reference] = commit.oid
        return commit

    def history(self, revision: str) -> list[Commit]:
        """The commits of a revision, newest first."""
        found, commit = [], self.find(revision)
        while True:
            found.append(commit)
            if commit.parent is None:
                return found
            commit = self.commits[commit.parent]

    def open_pull_request(self, files: Mapping[str, File], title: str, description: str, base: Commit) -> int:
        number = 1 + sum(name.startswith("refs/pr/") for name in self.references)
        self.commit(f"refs/pr/{number}", files, title, description, parent=base.oid)
        return number


@dataclass
class Store:
    """Everything: repositories by (kind, id), large objects by SHA-256, users by token, collections by slug."""

    repositories: dict[tuple[str, str], Repository] = field(default_factory=dict)
    renamed: dict[tuple[str, str], str] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)
    organizations: set[str] = field(default_factory=set)
    collections: dict[str, dict] = field(default_factory=dict)

    def create(self, kind: str, repo_id: str, private: bool = False) -> Repository:
        """A new repository with the first commit that the Hub makes. RefusedError 409 if it exists."""
        if (kind, repo_id) in self.repositories:
            raise RefusedError(409, f"You already created this {kind} repo: {repo_id}")
        repository = Repository(kind, repo_id, private)
        repository.commit("refs/heads/main", {".gitattributes": File(_GIT_ATTRIBUTES.encode())}, "initial commit")
        self.repositories[kind, repo_id] = repository
        return repository

    def add(self, repo_id: str, files: Mapping[str, str | bytes], kind: str, reference: str) -> Commit:
        """Put files into a repository, made if need be, as one commit on a branch or another reference."""
        repository = self.repositories.get((kind, repo_id)) or self.create(kind, repo_id)
        content = {path: data.encode() if isinstance(data, str) else data for path, data in files.items()}
        added = {path: File(data, is_large(path, len(data), data[:512])) for path, data in content.items()}
        self.objects |= {file.sha256: file.data for file in added.values() if file.lfs}
        before = (
            repository.commits[repository.references[reference]].files if reference in repository.references else {}
        )
        return repository.commit(reference, {**before, **added}, f"Add {len(added)} files")
