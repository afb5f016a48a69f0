"""The test Hub against the real clients: huggingface_hub and datasets read and write there as on the real one."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.support.hubserver import HubServer


def run(hub: HubServer, home: Path, code: str, **environment: str) -> dict:
    """What a fresh process prints as JSON."""
    command = [sys.executable, "-c", f"import json\n{code}"]
    done = subprocess.run(command, env=hub.environment(home, **environment), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def parquet(**columns: list) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def test_snapshots_come_whole_and_again_without_the_network(hub: HubServer, tmp_path: Path) -> None:
    hub.page_size = 2  # the listing comes in pages
    weights = bytes(range(256)) * 64
    commit = hub.add("org/model", {"config.json": "{}", "model.safetensors": weights, "a/b.txt": "b", "a/c.txt": "c"})
    hub.store.renamed["model", "old-name"] = "org/model"
    code = """
from pathlib import Path
from huggingface_hub import snapshot_download
folder = Path(snapshot_download("old-name"))
files = {str(p.relative_to(folder)): p.stat().st_size for p in folder.rglob("*") if p.is_file()}
print(json.dumps([folder.name, files]))
"""
    expected = {".gitattributes": 92, "config.json": 2, "model.safetensors": 16384, "a/b.txt": 1, "a/c.txt": 1}
    assert run(hub, tmp_path, code) == [commit.oid, expected]
    assert not any(seen.authorized for seen in hub.log if seen.server == "storage"), "the token stays with the Hub"
    before = len(hub.log)
    assert run(hub, tmp_path, code, HF_HUB_OFFLINE="1") == [commit.oid, expected]
    assert len(hub.log) == before


def test_datasets_load_whole_by_configuration_and_as_a_stream(hub: HubServer, tmp_path: Path) -> None:
    card = (
        "---\nconfigs:\n- config_name: en-de\n  data_files: en-de/*\n- config_name: en-fr\n  data_files: en-fr/*\n---\n"
    )
    files = {f"en-{code}/train.parquet": parquet(text=[code, "x"]) for code in ("de", "fr")}
    hub.add("org/text", {"README.md": card, **files}, kind="dataset")
    code = """
from datasets import load_dataset
whole = load_dataset("org/text", "en-fr")["train"]["text"][:]
stream = list(load_dataset("org/text", "en-de", split="train", streaming=True))
print(json.dumps([whole, [row["text"] for row in stream]]))
"""
    assert run(hub, tmp_path, code) == [["fr", "x"], ["de", "x"]]


def test_information_about_repositories_is_complete(hub: HubServer, tmp_path: Path) -> None:
    hub.add("org/text", {"one.parquet": parquet(a=[1])}, kind="dataset")
    hub.add("org/text", {"en/0000.parquet": b"PAR1"}, kind="dataset", reference="refs/convert/parquet")
    hub.repository("org/text", "dataset").private = True
    code = """
from huggingface_hub import HfApi
api = HfApi()
info = api.dataset_info("org/text", files_metadata=True)
refs = api.list_repo_refs("org/text", repo_type="dataset")
converted = api.list_repo_files("org/text", repo_type="dataset", revision="refs/convert/parquet")
paths = api.get_paths_info("org/text", ["one.parquet"], repo_type="dataset", expand=True)
print(json.dumps({
    "me": api.whoami()["name"], "private": info.private, "sha": info.sha,
    "digests": [s.lfs.sha256 for s in info.siblings if s.lfs], "refs": [r.ref for r in refs.branches + refs.converts],
    "converted": converted, "path": paths[0].lfs.sha256,
}))
"""
    head = hub.repository("org/text", "dataset").head()
    assert run(hub, tmp_path, code) == {
        "me": "tester",
        "private": True,
        "sha": head.oid,
        "digests": [head.files["one.parquet"].sha256],
        "refs": ["refs/heads/main", "refs/convert/parquet"],
        "converted": ["en/0000.parquet"],
        "path": head.files["one.parquet"].sha256,
    }
    nobody = """
from huggingface_hub import HfApi, errors
try:
    HfApi().dataset_info("org/text")
except errors.RepositoryNotFoundError as error:
    print(json.dumps(error.response.status_code))
"""
    assert run(hub, tmp_path, nobody, HF_TOKEN="") == 401


def test_commits_references_and_collections_are_kept(hub: HubServer, tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    weights.write_bytes(b"\0\1\2" * 1000)
    code = f"""
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, errors
api = HfApi()
api.create_repo("org/model", private=True)
api.create_repo("org/model", exist_ok=True)
def files(card): return [
    CommitOperationAdd("README.md", card.encode()), CommitOperationAdd("model.safetensors", {str(weights)!r})]
first = api.create_commit("org/model", files("---\\nlicense: mit\\n---\\none"), commit_message="One")
same = api.create_commit("org/model", files("---\\nlicense: mit\\n---\\none"), commit_message="Same")
second = api.create_commit("org/model", files("two"), commit_message="Two", parent_commit=first.oid)
failed = []
try:
    api.create_commit("org/model", files("three"), commit_message="Three", parent_commit=first.oid)
except errors.HfHubHTTPError as error:
    failed.append(error.response.status_code)
try:
    api.create_commit("org/model", files("---\\nlicense: unheard\\n---\\n"), commit_message="Bad card")
except ValueError as error:
    failed.append("license" in str(error))
pull = api.create_commit("org/model", files("four"), commit_message="Four", create_pr=True)
api.create_tag("org/model", tag="v1", revision=first.oid)
api.create_branch("org/model", branch="seed-31")
api.create_commit("org/model", [CommitOperationDelete("README.md")], commit_message="Gone", revision="seed-31")
refs = [r.name for r in api.list_repo_refs("org/model").branches + api.list_repo_refs("org/model").tags]
slug = api.create_collection("Our models", namespace="org").slug
api.add_collection_item(slug, "org/model", "model")
api.add_collection_item(slug, "org/model", "model", exists_ok=True)
there = [item.item_id for item in api.get_collection(slug).items]
branch = sorted(api.list_repo_files("org/model", revision="seed-31"))
titles = [c.title for c in api.list_repo_commits("org/model")]
print(json.dumps([first.oid == same.oid, second.oid, failed, pull.pr_url, refs, there, branch, titles]))
"""
    same, second, failed, pull, refs, there, branch, titles = run(hub, tmp_path, code)
    repository = hub.repository("org/model")
    assert same
    assert repository.private
    assert repository.head().oid == second
    assert repository.find("refs/pr/1").files["README.md"].data == b"four"
    assert failed == [412, True]
    assert pull == f"{hub.url}/org/model/discussions/1"
    assert (refs, there) == (["main", "seed-31", "v1"], ["org/model"])
    assert branch == [".gitattributes", "model.safetensors"]
    assert titles == ["Two", "One", "initial commit"]
    assert len(hub.asked("PUT")) == 1, "an object that is there is not uploaded again"
    assert not any(seen.authorized for seen in hub.log if seen.server == "storage")


def test_faults_come_and_pass(hub: HubServer, tmp_path: Path) -> None:
    hub.add("org/model", {"config.json": "{}"})
    hub.fail("GET", "/api/models/org/model", status=503)
    hub.fail("GET", "/api/models/org/model", status=429, headers={"Retry-After": "7"}, message="Slow down")
    hub.fail("GET", "/api/models/org/model", drop="before")
    code = """
from huggingface_hub import HfApi, errors
from huggingface_hub.utils import httpx
found = []
for _ in range(4):
    try:
        found.append(HfApi().model_info("org/model").id)
    except errors.HfHubHTTPError as error:
        found.append([error.response.status_code, error.response.headers.get("Retry-After")])
    except httpx.HTTPError as error:
        found.append(type(error).__name__)
print(json.dumps(found))
"""
    assert run(hub, tmp_path, code) == [[503, None], [429, "7"], "RemoteProtocolError", "org/model"]
