"""Records keep their settings, identity and inputs: what was finished before an update is finished after it.

python -m tests.steps.test_records      writes tests/golden/records.json anew
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.cli.world import align, alignfreeze, evaluate, finetune, realign
from tests.report.runs import write as write_run
from tests.runs import world as small

GOLDEN = Path(__file__).parents[1] / "golden" / "records.json"
FOLDERS = (
    "pairs",
    "front",
    "save-at",
    "save-at/steps-1",
    "lora",
    "published",
    "front-pos",
    "joint-pos",
    "lora-pos",
    "front-scores",
    "report",
)


def make_all() -> None:
    """Run every step on the small world, in the current folder and with relative paths, as they go into records."""
    world = small.make(Path("world"))
    pairs, front, tagger = Path("pairs"), Path("front"), Path("front-pos")
    published = ("--links", "shuffled", "--sampling", "published", "--vocabulary", "full", "--lone-pieces", "delete")
    for score in (5, 6):
        write_run(Path("runs"), "baseline", score, {"en": [9, 8], "xx": [score, 4]})
        write_run(Path("runs"), "front", score, {"en": [9, 7], "xx": [score, 6]})
    for result in (
        align(world, pairs),
        realign(world, pairs, front, "--freeze", "front"),
        realign(world, pairs, Path("save-at"), "--freeze", "back", "--save-at", "1,2"),
        realign(world, pairs, Path("lora"), "--lora", "2", "--keep-adapter"),
        realign(world, pairs, Path("published"), *published, "--pooling", "mean"),
        finetune(world, front, tagger),
        finetune(world, world / "encoder", Path("joint-pos"), "--realign-with", pairs, "--realign-batch-size", "4"),
        finetune(world, world / "encoder", Path("lora-pos"), "--lora", "2", "--keep-adapter"),
        evaluate(world, tagger, Path("front-scores")),
        alignfreeze("report", "runs", "--no-plots", "--resamples", "100", "--output", "report"),
    ):
        assert result.exit_code == 0, result.stderr


def kept(folder: Path) -> dict[str, Any]:
    """What a record must keep. Digests of what torch or pyarrow wrote depend on their versions and are left out."""
    record = json.loads((folder / "alignfreeze.json").read_text(encoding="utf-8"))
    record["identity"].pop("behaviour", None)  # counts the wanted changes of what a step computes
    for given in record["inputs"]:
        if not given["source"].startswith(("world/text", "world/dictionaries", "world/treebanks")):
            given["digest"] = record["identity"]["inputs"][given["name"]] = "…"
    return {part: record[part] for part in ("kind", "settings", "identity", "inputs")}


def test_records_say_what_they_always_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_all()
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    for folder in FOLDERS:
        assert kept(Path(folder)) == golden[folder], folder


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        os.chdir(temporary)
        make_all()
        golden = {folder: kept(Path(folder)) for folder in FOLDERS}
    GOLDEN.write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
