"""Pulling: every step takes `org/name@revision`, records the commit, waits for what may pass, and works offline."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.hub.hubworld import BASE, Cli, Made, record_of, run_cli

OFFLINE = {"HF_HUB_OFFLINE": "1"}


@pytest.mark.slow
def test_one_command_goes_the_whole_way_and_again_offline(made: Made, tmp_path: Path) -> None:
    """Encoder, OPUS-100 and dictionaries from their own places, then all of it from the cache."""
    short = ("--targets", "de,fr", "--steps", "2", "--probe-pairs", "0", "--quiet")
    home, model = tmp_path / "home", BASE.split("/")[1]
    made.hub.log.clear()
    made.hub.fail("GET", f"/api/models/{BASE}/revision", status=503)
    command = ("realign", "--model", model, "--freeze", "front", *short)
    first = run_cli(made.hub, home, *command, "-o", tmp_path / "one" / "encoder")
    assert first.returncode == 0, first.stderr
    assert "the Hub answered 503; trying again in 1 s" in first.stderr
    assert Path(first.stdout.strip()) == tmp_path / "one" / "encoder"
    assert made.hub.asked("GET", "/files/dictionaries/en-de.txt")
    assert any("opus-100/resolve" in seen.path for seen in made.hub.log)
    record = record_of(tmp_path / "one" / "encoder")
    assert record["inputs"][0]["commit"] == made.hub.repository(BASE).head().oid
    corpus = made.hub.repository("Helsinki-NLP/opus-100", "dataset").head().oid
    assert {each.get("commit") for each in record["lineage"][0]["inputs"]} == {corpus, None}

    made.hub.log.clear()
    again = run_cli(made.hub, home, *command, "-o", tmp_path / "two" / "encoder", **OFFLINE)
    assert again.returncode == 0, again.stderr
    assert not made.hub.log
    weights = [(tmp_path / name / "encoder" / "model.safetensors").read_bytes() for name in ("one", "two")]
    assert weights[0] == weights[1]


def test_pairs_and_models_of_ours_come_back_at_a_revision(made: Made, cli: Cli, tmp_path: Path) -> None:
    encoder = Path(shutil.copytree(made.run() / "encoder", tmp_path / "encoder"))
    pairs = Path(shutil.copytree(made.pairs, tmp_path / "pairs"))
    assert cli("push", encoder, "--repo-id", "org/pulled", "--yes", "--tag", "v1").code == 0
    assert cli("push", pairs, "--repo-id", "org/pulled-pairs", "--yes").code == 0
    tagged = made.hub.repository("org/pulled").head().oid
    made.hub.add("org/pulled", {"model.safetensors": b"spoiled later"})
    steps = ("--steps", "1", "--probe-pairs", "0")
    output = tmp_path / "again"
    place = ("--model", "org/pulled@v1", "--pairs", "org/pulled-pairs")
    done = cli("realign", *place, "--freeze", "back", *steps, "-o", output)
    assert done.code == 0, done.stderr
    model, data = record_of(output)["inputs"]
    assert (model["source"], model["commit"], model["kind"]) == ("org/pulled@v1", tagged, "encoder")
    assert (data["source"], data["kind"]) == ("org/pulled-pairs", "pairs")
    assert data["commit"] == made.hub.repository("org/pulled-pairs", "dataset").head().oid
    assert model["digest"] == record_of(output)["lineage"][-1]["digest"], "the records of what was pulled are parents"
    card = (cli("card", output), output / "README.md")[1].read_text()
    assert "base_model: org/pulled\n" in card, "the nearest ancestor on the Hub"
    assert "license: apache-2.0\n" in card, "and the licence of the first of all"

    damaged = cli("realign", "--model", "org/pulled", *place[2:], *steps, "-o", tmp_path / "x")
    assert damaged.code == 3
    assert "is no safetensors file" in damaged.stderr or "differs from its digest" in damaged.stderr


def test_what_cannot_be_pulled_is_one_sentence(made: Made, cli: Cli, tmp_path: Path) -> None:
    cases = {
        "org/nothing": "org/nothing is neither a folder here nor a repository on the Hub",
        f"{BASE}@v9": f"{BASE}@v9: the repository has no such revision.",
    }
    for reference, sentence in cases.items():
        done = cli("realign", "--model", reference, "--pairs", made.pairs, "-o", tmp_path / "x")
        assert (done.code, sentence in done.stderr) == (4, True), done.stderr
    done = cli("realign", "--model", "org/pairs@", "--pairs", made.pairs, "-o", tmp_path / "x")
    assert (done.code, "org/pairs@: no such folder, nor can it be a Hub id" in done.stderr) == (3, True), done.stderr
    made.hub.store.create("model", "org/gated").gated = True
    made.hub.store.users["x" * 8] = "somebody"
    gated = cli("realign", "--model", "org/gated", "--pairs", made.pairs, "-o", tmp_path / "x", HF_TOKEN="x" * 8)
    assert (gated.code, "org/gated is gated: ask for access on its page" in gated.stderr) == (4, True), gated.stderr
