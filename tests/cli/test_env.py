"""What a bug report says: `alignfreeze env` as Markdown and as JSON, and what it must not give away."""

from __future__ import annotations

import json
import os
from importlib import metadata
from pathlib import Path

import pytest
import torch

from tests.cli.world import alignfreeze

TOKEN = "-".join(["a", "secret", "of", "mine"])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder with a cache of two files, one of them linked to a second time."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ALIGNFREEZE_CACHE", str(tmp_path / "cache" / "own"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("HTTPS_PROXY", "http://me:password@proxy.example:3128")
    (tmp_path / "cache" / "own" / "hub").mkdir(parents=True)
    (tmp_path / "cache" / "own" / "hub" / "a.json").write_bytes(b"x" * 1_400)
    (tmp_path / "cache" / "own" / "b").write_bytes(b"x" * 600)
    (tmp_path / "cache" / "own" / "link").symlink_to("b")
    return tmp_path


def test_the_block_to_paste_names_what_matters_and_no_secret(home: Path) -> None:
    done = alignfreeze("env")
    assert done.exit_code == 0, done.stderr
    assert done.stderr == ""
    for said in (
        f"| torch | {metadata.version('torch')} |",
        f"| transformers | {metadata.version('transformers')} |",
        "- own cache: ~/cache/own, 2.0 kB in 2 files\n",
        "a token is set",
        "- HF_HUB_OFFLINE=1\n",
        "- HTTPS_PROXY=http://…@proxy.example:3128\n",
        "- extra `segmenters`: ",
        f"processor: {torch.get_num_threads()} thread",
    ):
        assert said in done.stdout
    for secret in (TOKEN, "password", str(home)):
        assert secret not in done.stdout


def test_as_json_it_is_one_object(home: Path) -> None:
    done = alignfreeze("env", "--format", "json")
    facts = json.loads(done.stdout)
    assert facts["packages"]["safetensors"] == metadata.version("safetensors")
    assert facts["extras"]["segmenters"].keys() == {"rjieba", "fugashi", "unidic-lite", "pythainlp"}
    assert "dev" not in facts["extras"]
    assert facts["caches"]["own cache"] == {"path": "~/cache/own", "exists": True, "files": 2, "bytes": 2_000}
    assert facts["hub"]["token"] is True
    assert facts["hub"]["offline"] is True
    assert TOKEN not in done.stdout
    assert facts["devices"]["cores"] <= (os.cpu_count() or 1)
