"""Encoders of several lengths in one folder, and a kept adapter: on the Hub, from there, and on the card."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hub.hubworld import Cli, Made, record_of


@pytest.fixture(scope="module")
def encoder(made: Made, cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two steps, and one; by LoRA, its adapters kept."""
    output = tmp_path_factory.mktemp("inner") / "encoder"
    base = record_of(made.run() / "encoder")["inputs"][0]["source"]
    lora = ("--lora", "2", "--keep-adapter")
    place = ("--model", base, "--pairs", made.pairs, "--max-length", "32", "--probe-pairs", "0", "-o", output)
    done = cli("realign", *place, "--steps", "2", "--save-at", "1", *lora)
    assert done.code == 0, done.stderr
    assert cli("push", output, "--repo-id", "org/inner", "--yes").code == 0
    return output


def test_all_of_it_arrives(made: Made, encoder: Path) -> None:
    pushed = made.hub.repository("org/inner").head().files
    local = {path.relative_to(encoder).as_posix(): path.read_bytes() for path in encoder.rglob("*") if path.is_file()}
    assert {"steps-1/model.safetensors", "steps-1/alignfreeze.json", "adapter/adapter_config.json"} <= local.keys()
    assert {name: pushed[name].data for name in local} == local
    assert made.hub.url not in local["adapter/adapter_config.json"].decode()


def test_an_inner_one_is_an_input_like_any_other(made: Made, cli: Cli, encoder: Path, tmp_path: Path) -> None:
    rest = ("--pairs", made.pairs, "--max-length", "32", "--probe-pairs", "0", "--steps", "1")
    made.hub.log.clear()
    assert cli("realign", "--model", "org/inner", *rest, "-o", tmp_path / "outer").code == 0
    fetched = [seen.path for seen in made.hub.log if "/org/inner/resolve/" in seen.path]
    assert any(path.endswith("model.safetensors") for path in fetched)
    assert not [path for path in fetched if "steps-1/" in path or "adapter/" in path]
    done = cli("realign", "--model", "org/inner/steps-1", *rest, "-o", tmp_path / "inner")
    assert done.code == 0, done.stderr
    commit = made.hub.repository("org/inner").head().oid
    (given, _), lineage = record_of(tmp_path / "inner")["inputs"], record_of(tmp_path / "inner")["lineage"]
    assert (given["source"], given["commit"], given["kind"]) == ("org/inner/steps-1", commit, "encoder")
    assert lineage[-1]["details"]["steps"] == 1
    assert "base_model: org/inner\n" in (tmp_path / "inner" / "README.md").read_text()
    missing = cli("realign", "--model", "org/inner/steps-7", *rest, "-o", tmp_path / "none")
    assert (missing.code, "has no config.json" in missing.stderr) == (3, True), missing.stderr


def test_the_card_tells_of_it(encoder: Path) -> None:
    card = (encoder / "README.md").read_text()
    assert 'AutoModel.from_pretrained("org/inner", subfolder="steps-1")' in card
    assert "Only adapters of rank 2 were trained (LoRA); the adapters are merged into the weights." in card
    assert "blocks 0-1 of 4 and the embeddings were frozen" in card
    assert "--save-at 1" in card
    assert "--lora 2" in card
