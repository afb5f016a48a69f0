"""Parallel text from a Hub on loopback, in a process of its own: the endpoint is read when the client is imported."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.hubserver import HubServer

CODE = """
import json, sys
from pathlib import Path
from alignfreeze_cli.errors import AlignFreezeError
from alignfreeze_cli.aligners.settings import AlignPairsSettings
from alignfreeze_cli.steps.align_pairs import align_pairs
from alignfreeze_cli.progress import Console
outcomes = []
for corpus, target in json.loads(sys.argv[1]):
    settings = AlignPairsSettings(
        target=(target,), corpus=(corpus,), dictionary="en-{target}.txt", output=Path(f"pairs-{target}"), max_lines=5
    )
    try:
        result = align_pairs(settings, Console())
        outcomes.append([result.details["languages"][target]["lines"], result.record.inputs[0]])
    except AlignFreezeError as error:
        outcomes.append([error.exit_code, str(error)])
print(json.dumps(outcomes))
"""


def parquet(target: str, rows: int) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"translation": [{"en": "the cat", target: "chat"}] * rows}), buffer)
    return buffer.getvalue()


def card(*configurations: str) -> str:
    parts = "".join(
        f"- config_name: {name}\n  data_files:\n  - split: train\n    path: {name}/train-*\n" for name in configurations
    )
    return f"---\nconfigs:\n{parts}---\n"


def run(hub: HubServer, folder: Path, *corpora: tuple[str, str], **environment: str) -> list[list]:
    """What comes of aligning (corpus, target language) one after another in one process."""
    for _, target in corpora:
        (folder / f"en-{target}.txt").write_text("cat chat\n")
    command = [sys.executable, "-c", CODE, json.dumps(corpora)]
    environment = hub.environment(folder / "cache", USE_TORCH="0", **environment)
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_data_sets_are_streamed_at_a_commit(hub: HubServer, tmp_path: Path) -> None:
    files = {f"{pair}/train-00000-of-00001.parquet": parquet(pair.strip("en-"), 8) for pair in ("af-en", "en-fr")}
    opus = hub.add("Helsinki-NLP/opus-100", {"README.md": card("af-en", "en-fr"), **files}, kind="dataset")
    old = hub.add("org/text", {"train.parquet": parquet("de", 3)}, kind="dataset")
    hub.add("org/text", {"train.parquet": parquet("de", 5)}, kind="dataset")

    other = {name: parquet(code, 4) for name, code in (("en-iw", "iw"), ("en-pt_BR", "pt_BR"), ("en-pt_PT", "pt_PT"))}
    files = {f"{name}/train-00000-of-00001.parquet": content for name, content in other.items()}
    hub.add("org/codes", {"README.md": card(*other), **files}, kind="dataset")

    # The codes of a configuration of OPUS-100 stand in alphabetical order.
    asked = [
        ("opus-100", "af"),
        ("opus-100", "fr"),
        ("opus-100", "xx"),
        (f"org/text@{old.oid}", "de"),
        ("org/no", "tr"),
        ("org/codes", "he"),
        ("org/codes", "pt"),
    ]
    af, fr, xx, de, tr, he, pt = run(hub, tmp_path, *asked)
    for lines, described in (af, fr):
        assert lines == 5
        assert (described["source"], described["commit"]) == ("opus-100", opus.oid)
    assert xx[0] == 3
    assert "Helsinki-NLP/opus-100: has no configuration for en and xx" in xx[1]
    assert (de[0], de[1]["commit"]) == (3, old.oid)
    assert tr[0] == 4
    assert "org/no is neither a folder here nor a repository on the Hub" in tr[1]
    assert he[0] == 4
    assert pt == [3, "org/codes: has several configurations for en and pt: en-pt_BR, en-pt_PT"]


@pytest.mark.slow
def test_without_network_the_corpus_is_named(hub: HubServer, tmp_path: Path) -> None:
    hub.die()
    for environment, complaint in (({"HF_HUB_OFFLINE": "1"}, "offline mode is on"), ({}, "the Hub")):
        ((code, message),) = run(hub, tmp_path, ("opus-100", "fr"), **environment)
        assert code == 4
        assert "Helsinki-NLP/opus-100" in message
        assert complaint in message
