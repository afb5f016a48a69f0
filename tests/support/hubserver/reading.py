"""What is asked when something is pulled: who am I, repository info, tree, paths, references, files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, quote

from tests.support.hubserver.handler import HubHandler, StorageHandler, route
from tests.support.hubserver.store import Commit, File, RefusedError, Repository

# An id has one or two parts; the lazy second one leaves the verb that follows to the pattern.
REPO = r"(?P<kind>models|datasets)/(?P<repo>[^/]+(?:/[^/]+)??)"


@route(HubHandler, "GET", r"/api/whoami-v2")
def whoami(self: HubHandler) -> None:
    user = self.user()
    if user is None:
        raise RefusedError(401, "Invalid username or password.")
    role = "read" if user == "reader" else "write"
    organizations = [{"name": name, "type": "org"} for name in sorted(self.hub.store.organizations)]
    access = {"type": "access_token", "accessToken": {"displayName": "test", "role": role}}
    self.answer_json({"type": "user", "name": user, "fullname": user, "orgs": organizations, "auth": access})


@route(HubHandler, "GET", rf"/api/{REPO}(?:/revision/(?P<revision>[^/]+))?")
def info(self: HubHandler, kind: str, repo: str, revision: str) -> None:
    kind = kind.removesuffix("s")
    if self.redirect_if_renamed(kind, repo):
        return
    repository = self.repository(kind, repo)
    commit = repository.find(revision or "main")
    first = repository.commits[next(iter(repository.commits))]
    described: dict[str, Any] = {
        "_id": first.oid[:24],
        "id": repo,
        "author": repo.split("/")[0],
        "sha": commit.oid,
        "lastModified": commit.date,
        "createdAt": first.date,
        "private": repository.private,
        "gated": "auto" if repository.gated else False,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": _tags(commit),
        "siblings": [_sibling(path, file, "blobs" in self.query) for path, file in sorted(commit.files.items())],
    }
    if kind == "model":
        described["modelId"] = repo
    self.answer_json(described)


def _tags(commit: Commit) -> list[str]:
    """The tags in the front matter of the card, as a list of `- name` lines."""
    lines = commit.files["README.md"].data.decode().splitlines() if "README.md" in commit.files else []
    tags: list[str] = []
    inside = False
    for line in lines[1 : lines.index("---", 1)] if lines[:1] == ["---"] and "---" in lines[1:] else []:
        inside = line == "tags:" or (inside and line.startswith("- "))
        tags += [line[2:]] if inside and line.startswith("- ") else []
    return tags


def _sibling(path: str, file: File, blobs: bool) -> dict[str, Any]:
    if not blobs:
        return {"rfilename": path}
    lfs = {"lfs": {"sha256": file.sha256, "size": len(file.data), "pointerSize": len(file.pointer)}} if file.lfs else {}
    return {"rfilename": path, "size": len(file.data), "blobId": file.git_oid, **lfs}


@route(HubHandler, "GET", rf"/api/{REPO}/refs")
def refs(self: HubHandler, kind: str, repo: str) -> None:
    repository = self.repository(kind.removesuffix("s"), repo)

    def below(prefix: str) -> list[dict[str, str]]:
        return [
            {"name": name.removeprefix(prefix), "ref": name, "targetCommit": oid}
            for name, oid in repository.references.items()
            if name.startswith(prefix)
        ]

    found = {"branches": below("refs/heads/"), "tags": below("refs/tags/"), "converts": below("refs/convert/")}
    if "include_prs" in self.query:
        found["pullRequests"] = below("refs/pr/")
    self.answer_json(found)


@route(HubHandler, "GET", rf"/api/{REPO}/commits/(?P<revision>[^/]+)")
def commits(self: HubHandler, kind: str, repo: str, revision: str) -> None:
    history = self.repository(kind.removesuffix("s"), repo).history(revision)
    self.answer_json(
        [{"id": c.oid, "title": c.title, "message": c.description, "date": c.date, "authors": []} for c in history]
    )


@route(HubHandler, "GET", rf"/api/{REPO}/discussions")
def discussions(self: HubHandler, kind: str, repo: str) -> None:
    """Pull requests, newest first, in pages; discussions that are none are not kept here."""
    repository = self.repository(kind.removesuffix("s"), repo)
    numbers = [int(name.removeprefix("refs/pr/")) for name in repository.references if name.startswith("refs/pr/")]
    found = []
    for number in sorted(numbers, reverse=True):
        commit = repository.find(f"refs/pr/{number}")
        author = {"name": repository.authors.get(f"refs/pr/{number}", "tester"), "type": "user"}
        page = {"num": number, "title": commit.title, "status": "open", "isPullRequest": True, "author": author}
        found.append({**page, "createdAt": commit.date, "repo": {"name": repo, "type": repository.kind}})
    size = min(self.hub.page_size, 50)
    start = int(self.query.get("p", 0)) * size
    self.answer_json({"discussions": found[start : start + size], "count": len(found), "start": start})


@route(HubHandler, "GET", rf"/api/{REPO}/tree/(?P<revision>[^/]+)(?:/(?P<path>.+))?")
def tree(self: HubHandler, kind: str, repo: str, revision: str, path: str) -> None:
    """Pages of `page_size` entries; the next one's address stands in the Link header."""
    kind = kind.removesuffix("s")
    if self.redirect_if_renamed(kind, repo):
        return
    repository = self.repository(kind, repo)
    commit = repository.find(revision)
    flags = {name: self.query.get(name, "").lower() in ("1", "true") for name in ("recursive", "expand")}
    entries = list(_entries(repository, commit, path, **flags))
    if path and not entries:
        raise RefusedError(404, f"{path} does not exist on {revision!r}", "EntryNotFound")
    start = int(self.query.get("cursor", 0))
    end = start + self.hub.page_size
    headers = {}
    if end < len(entries):
        query = "&".join(f"{key}={quote(value)}" for key, value in {**self.query, "cursor": str(end)}.items())
        headers["Link"] = f'<{self.hub.url}{self.route_path}?{query}>; rel="next"'
    self.answer_json(entries[start:end], headers=headers)


@route(HubHandler, "POST", rf"/api/{REPO}/paths-info/(?P<revision>[^/]+)")
def paths_info(self: HubHandler, kind: str, repo: str, revision: str) -> None:
    repository = self.repository(kind.removesuffix("s"), repo)
    commit = repository.find(revision)
    asked = parse_qs(self.body.decode())
    expand = asked.get("expand", ["false"])[0].lower() == "true"
    everything = {entry["path"]: entry for entry in _entries(repository, commit, "", recursive=True, expand=expand)}
    self.answer_json([everything[path] for path in asked.get("paths", []) if path in everything])


def _entries(
    repository: Repository, commit: Commit, below: str, recursive: bool, expand: bool
) -> Iterator[dict[str, Any]]:
    """Files and folders below a path, each once, as the tree shows them."""
    prefix = f"{below}/" if below else ""
    last = {"lastCommit": {"id": commit.oid, "title": commit.title, "date": commit.date}} if expand else {}
    folders: set[str] = set()
    for path, file in sorted(commit.files.items()):
        if not path.startswith(prefix):
            continue
        parts = path.removeprefix(prefix).split("/")
        for depth in range(1, len(parts) if recursive else min(len(parts), 2)):
            folder = prefix + "/".join(parts[:depth])
            if folder not in folders:
                folders.add(folder)
                oid = File("\n".join(p for p in commit.files if p.startswith(folder)).encode()).git_oid
                yield {"type": "directory", "oid": oid, "size": 0, "path": folder, **last}
        if recursive or len(parts) == 1:
            size, pointer = len(file.data), len(file.pointer)
            lfs = {"lfs": {"oid": file.sha256, "size": size, "pointerSize": pointer}} if file.lfs else {}
            yield {"type": "file", "oid": file.git_oid, "size": size, "path": path, **lfs, **last}


@route(
    HubHandler, "GET", r"/(?:(?P<kind>datasets)/)?(?P<repo>[^/]+(?:/[^/]+)??)/resolve/(?P<revision>[^/]+)/(?P<path>.+)"
)
def resolve(self: HubHandler, kind: str, repo: str, revision: str, path: str) -> None:
    """A small file lies behind a redirect on the Hub itself, a large one behind a redirect to the storage."""
    kind = (kind or "models").removesuffix("s")
    if self.redirect_if_renamed(kind, repo):
        return
    repository = self.repository(kind, repo)
    commit = repository.find(revision)
    headers = {"X-Repo-Commit": commit.oid}
    file = commit.files.get(path)
    if file is None:
        raise RefusedError(404, "Entry not found", "EntryNotFound", headers=headers)
    size = str(len(file.data))
    if file.lfs:
        headers |= {"X-Linked-Etag": f'"{file.sha256}"', "X-Linked-Size": size, "ETag": f'"{file.git_oid}"'}
        location = f"{self.hub.storage_url}/objects/{file.sha256}?signature=for-reading"
        self.answer(302, b"", headers | {"Location": location})
    else:
        location = f"/api/resolve-cache/{kind}s/{repo}/{commit.oid}/{quote(path, safe='')}"
        self.answer(307, b"", headers | {"ETag": f'"{file.etag}"', "X-Linked-Size": size, "Location": location})


@route(HubHandler, "GET", rf"/api/resolve-cache/{REPO}/(?P<revision>[0-9a-f]{{40}})/(?P<path>.+)")
def resolve_cache(self: HubHandler, kind: str, repo: str, revision: str, path: str) -> None:
    repository = self.repository(kind.removesuffix("s"), repo)
    file = repository.find(revision).files[path]
    self.answer_file(file.data, {"X-Repo-Commit": revision, "ETag": f'"{file.etag}"'})


@route(StorageHandler, "GET", r"/objects/(?P<oid>[0-9a-f]{64})")
def download(self: StorageHandler, oid: str) -> None:
    if self.query.get("signature") != "for-reading" or oid not in self.hub.store.objects:
        raise RefusedError(403, "Access denied")
    self.answer_file(self.hub.store.objects[oid], {"ETag": f'"{oid}"'})


@route(HubHandler, "GET", r"/files/(?P<path>.+)")
def plain(self: HubHandler, path: str) -> None:
    """Files that belong to no repository, such as dictionaries at an address of their own."""
    if path not in self.hub.plain:
        raise RefusedError(404, "Not found")
    self.answer_file(self.hub.plain[path], {})
