"""What is asked when something is pushed: creation, checks, uploads, commits, references, collections."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import yaml

from tests.support.hubserver.handler import HubHandler, StorageHandler, route
from tests.support.hubserver.reading import REPO
from tests.support.hubserver.store import File, RefusedError, Repository, is_large

LICENCES = (
    "apache-2.0",
    "mit",
    "cc-by-4.0",
    "cc-by-nc-4.0",
    "cc-by-sa-4.0",
    "cc-by-nc-sa-4.0",
    "bsd-3-clause",
    "other",
)


@route(HubHandler, "POST", r"/api/repos/create")
def create(self: HubHandler) -> None:
    asked = json.loads(self.body)
    user = self.user()
    namespace = asked.get("organization") or user
    self.writer(str(namespace))
    kind = asked.get("type") or "model"
    repo_id = f"{namespace}/{asked['name']}"
    url = f"{self.hub.url}/{_prefix(kind)}{repo_id}"
    if (kind, repo_id) in self.hub.store.repositories:
        raise RefusedError(409, f"You already created this {kind} repo: {repo_id}", url=url)
    self.hub.store.create(kind, repo_id, private=asked.get("visibility") == "private")
    self.answer_json({"url": url, "name": repo_id, "id": repo_id})


def _prefix(kind: str) -> str:
    return "" if kind == "model" else f"{kind}s/"


@route(HubHandler, "POST", r"/api/validate-yaml")
def validate_yaml(self: HubHandler) -> None:
    """The checks of the card's metadata that a push has to pass."""
    asked = json.loads(self.body)
    errors = list(metadata_errors(asked["content"]))
    warnings = [] if asked["content"].startswith("---") else ["empty or missing yaml metadata in repo card"]
    found = {"errors": [{"message": m} for m in errors], "warnings": [{"message": m} for m in warnings]}
    self.answer_json(found, 400 if errors else 200)


def metadata_errors(card: str) -> Iterator[str]:
    """What the Hub refuses in the front matter of a README.md."""
    if not card.startswith("---\n"):
        return
    try:
        data = yaml.safe_load(card.split("\n---", 1)[0].removeprefix("---\n")) or {}
    except yaml.YAMLError as error:
        yield f"YAML can't be parsed: {error}"
        return
    if data.get("license", "other") not in LICENCES:
        yield f'"license" must be one of [{", ".join(LICENCES)}]'
    if "tags" in data and not _strings(data["tags"]):
        yield '"tags" must be an array of strings'
    language = data.get("language", [])
    for code in [language] if isinstance(language, str) else language:
        if not (isinstance(code, str) and code.isascii() and code.isalpha() and code.islower() and 2 <= len(code) <= 3):
            yield f'"language" must only contain ISO 639-1, 639-2 or 639-3 codes, not {code!r}'
    base = data.get("base_model", [])
    for model in [base] if isinstance(base, str) else base:
        if not isinstance(model, str) or model.count("/") > 1 or not model.replace("/", "").strip():
            yield f'"base_model" with value {model!r} is not valid'
    for model in data.get("model-index", []):
        if not isinstance(model.get("name"), str) or not isinstance(model.get("results"), list):
            yield '"model-index[0]" needs a name and results'
            continue
        for number, result in enumerate(model["results"]):
            where = f'"model-index[0].results[{number}]'
            dataset = result.get("dataset", {})
            if not isinstance(result.get("task", {}).get("type"), str):
                yield f'{where}.task.type" is required'
            for key in ("type", "name"):
                if not isinstance(dataset.get(key), str):
                    yield f'{where}.dataset.{key}" is required'
            if "config" in dataset and not isinstance(dataset["config"], str):
                yield f'{where}.dataset.config" must be a string'
            for metric in result.get("metrics", [{}]):
                if not isinstance(metric.get("type"), str) or metric.get("value") is None:
                    yield f'{where}.metrics" need a type and a value'


def _strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


@route(HubHandler, "POST", rf"/api/{REPO}/preupload/(?P<revision>[^/]+)")
def preupload(self: HubHandler, kind: str, repo: str, revision: str) -> None:
    """Per file: kept in git or in the storage, ignored or not, and what lies under its name now."""
    repository = _writable(self, kind, repo, bool(self.query.get("create_pr")))
    commit = repository.find(revision)
    files = []
    for asked in json.loads(self.body)["files"]:
        large = is_large(asked["path"], asked["size"], base64.b64decode(asked["sample"]))
        described = {"path": asked["path"], "uploadMode": "lfs" if large else "regular", "shouldIgnore": False}
        there = commit.files.get(asked["path"])
        files.append(described | ({"oid": there.etag} if there else {}))
    self.answer_json({"files": files, "commitOid": commit.oid})


def _writable(self: HubHandler, kind: str, repo: str, pull_request: bool = False) -> Repository:
    """Anyone who may see a repository may open a pull request."""
    if pull_request and self.user() is None:
        raise RefusedError(401, "Invalid username or password.")
    return self.repository(kind.removesuffix("s"), repo, write=not pull_request)


@route(HubHandler, "POST", r"/(?:(?P<kind>datasets)/)?(?P<repo>[^/]+/[^/]+)\.git/info/lfs/objects/batch")
def lfs_batch(self: HubHandler, kind: str, repo: str) -> None:
    """Where to upload each object; one that is there already has no actions."""
    _writable(self, kind or "models", repo)
    objects = []
    for asked in json.loads(self.body)["objects"]:
        described: dict[str, Any] = {"oid": asked["oid"], "size": asked["size"]}
        if asked["oid"] not in self.hub.store.objects:
            prefix = f"{self.hub.url}/{kind + '/' if kind else ''}{repo}.git/info/lfs"
            upload = {"href": f"{self.hub.storage_url}/objects/{asked['oid']}?signature=for-writing"}
            described["actions"] = {"upload": upload, "verify": {"href": f"{prefix}/verify"}}
        objects.append(described)
    self.answer_json({"transfer": "basic", "objects": objects})


@route(StorageHandler, "PUT", r"/objects/(?P<oid>[0-9a-f]{64})")
def upload(self: StorageHandler, oid: str) -> None:
    if self.query.get("signature") != "for-writing":
        raise RefusedError(403, "Access denied")
    if hashlib.sha256(self.body).hexdigest() != oid:
        raise RefusedError(400, "The digest does not match")
    self.hub.store.objects[oid] = self.body
    self.answer(200)


@route(HubHandler, "POST", r"/(?:datasets/)?(?P<repo>[^/]+/[^/]+)\.git/info/lfs/verify")
def lfs_verify(self: HubHandler, repo: str) -> None:
    asked = json.loads(self.body)
    if len(self.hub.store.objects.get(asked["oid"], b"")) != asked["size"]:
        raise RefusedError(404, "Object does not exist")
    self.answer_json({})


@route(HubHandler, "POST", rf"/api/{REPO}/commit/(?P<revision>[^/]+)")
def commit(self: HubHandler, kind: str, repo: str, revision: str) -> None:
    """One commit from lines of JSON: a header, then an operation per line."""
    pull_request = self.query.get("create_pr") == "1"
    repository = _writable(self, kind, repo, pull_request)
    base = repository.find(revision)
    header, *operations = [json.loads(line) for line in self.body.splitlines()]
    parent = header["value"].get("parentCommit")
    if parent and not base.oid.startswith(parent):
        raise RefusedError(412, "A commit has happened since. Please refresh and try again.")
    files = dict(base.files)
    for operation in operations:
        _apply(self, files, operation["key"], operation["value"])
    for message in metadata_errors(files["README.md"].data.decode() if "README.md" in files else ""):
        raise RefusedError(400, f"Invalid metadata in README.md: {message}")
    title, description = header["value"]["summary"], header["value"].get("description", "")
    address = f"{self.hub.url}/{_prefix(repository.kind)}{repo}"
    found: dict[str, Any] = {"success": True, "hookOutput": ""}
    if pull_request:
        number = repository.open_pull_request(files, title, description, base)
        made = repository.find(f"refs/pr/{number}")
        found["pullRequestUrl"] = f"{address}/discussions/{number}"
    else:
        reference = revision if revision.startswith("refs/") else f"refs/heads/{revision}"
        if reference not in repository.references:
            raise RefusedError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        made = repository.commit(reference, files, title, description)
    self.answer_json({**found, "commitOid": made.oid, "commitUrl": f"{address}/commit/{made.oid}"})


def _apply(self: HubHandler, files: dict[str, File], key: str, value: dict[str, Any]) -> None:
    path = value["path"]
    if key == "file":
        files[path] = File(base64.b64decode(value["content"]))
    elif key == "lfsFile":
        if value["oid"] not in self.hub.store.objects:
            raise RefusedError(400, f"LFS pointer pointed to a file that does not exist: {path}")
        files[path] = File(self.hub.store.objects[value["oid"]], lfs=True)
    elif key == "deletedFile":
        if path not in files:
            raise RefusedError(404, f"A file with this name doesn't exist: {path}", "EntryNotFound")
        del files[path]
    elif key == "deletedFolder":
        for name in [name for name in files if name.startswith(path)]:
            del files[name]
    else:
        raise RefusedError(400, f"Unknown operation {key}")


@route(HubHandler, "POST", rf"/api/{REPO}/branch/(?P<name>[^/]+)")
def create_branch(self: HubHandler, kind: str, repo: str, name: str) -> None:
    start = json.loads(self.body or b"{}").get("startingPoint", "main")
    _add_reference(self, _writable(self, kind, repo), f"refs/heads/{name}", start)


@route(HubHandler, "POST", rf"/api/{REPO}/tag/(?P<revision>[^/]+)")
def create_tag(self: HubHandler, kind: str, repo: str, revision: str) -> None:
    _add_reference(self, _writable(self, kind, repo), f"refs/tags/{json.loads(self.body)['tag']}", revision)


def _add_reference(self: HubHandler, repository: Repository, name: str, start: str) -> None:
    if name in repository.references:
        raise RefusedError(409, f"Reference already exists: {name}")
    repository.references[name] = repository.find(start).oid
    self.answer(200)


@route(HubHandler, "POST", r"/api/collections")
def create_collection(self: HubHandler) -> None:
    asked = json.loads(self.body)
    user = self.writer(asked["namespace"])
    digits = hashlib.sha1(asked["title"].encode()).hexdigest()[:24]
    slug = f"{asked['namespace']}/{asked['title'].lower().replace(' ', '-')}-{digits}"
    if slug in self.hub.store.collections:
        raise RefusedError(409, "This collection already exists", slug=slug)
    self.hub.store.collections[slug] = {
        "slug": slug,
        "title": asked["title"],
        "description": asked.get("description"),
        "owner": {"name": asked["namespace"], "type": "user" if asked["namespace"] == user else "org"},
        "items": [],
        "lastUpdated": "2025-01-01T00:00:00.000Z",
        "position": 0,
        "private": asked.get("private", False),
        "theme": "blue",
        "upvotes": 0,
    }
    self.answer_json(self.hub.store.collections[slug])


@route(HubHandler, "GET", r"/api/collections/(?P<slug>[^/]+/[^/]+)")
def collection(self: HubHandler, slug: str) -> None:
    if slug not in self.hub.store.collections:
        raise RefusedError(404, "Collection not found")
    self.answer_json(self.hub.store.collections[slug])


@route(HubHandler, "POST", r"/api/collections/(?P<slug>[^/]+/[^/]+)/items")
def add_to_collection(self: HubHandler, slug: str) -> None:
    if slug not in self.hub.store.collections:
        raise RefusedError(404, "Collection not found")
    self.writer(slug.split("/")[0])
    item = json.loads(self.body)["item"]
    items = self.hub.store.collections[slug]["items"]
    if any(there["id"] == item["id"] and there["type"] == item["type"] for there in items):
        raise RefusedError(409, "Item already exists")
    self.repository(item["type"], item["id"])
    items.append({"_id": f"{len(items):024x}", "id": item["id"], "type": item["type"], "position": len(items)})
    self.answer_json(self.hub.store.collections[slug])
