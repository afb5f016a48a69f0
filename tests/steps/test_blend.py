"""The blend step from folder to folder, on tiny random encoders."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

from alignfreeze_cli.artifacts import Result, read_record
from alignfreeze_cli.encoder.blend_settings import BlendSettings
from alignfreeze_cli.encoder.settings import RealignSettings
from alignfreeze_cli.errors import ArtifactError, OutputExistsError, SettingsError
from alignfreeze_cli.hub import facts
from alignfreeze_cli.progress import Console
from alignfreeze_cli.steps.blend import blend
from alignfreeze_cli.steps.realign import realign
from tests.support.console import RecordingConsole
from tests.support.realign_world import make_encoder, make_pairs


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    make_encoder(folder / "encoder")
    make_pairs(folder / "pairs")
    make_pairs(folder / "others", {"de": 50, "fr": 30})
    realigned(folder, folder / "full")
    return folder


def realigned(world: Path, output: Path, **changes: Any) -> Result:
    values: dict[str, Any] = {
        "model": str(world / "encoder"), "pairs": (str(world / "pairs"),), "freeze": "none", "steps": 6,
        "batch_size": 6, "max_length": 32, "learning_rate": 1e-3, "probe_pairs": 4, "device": "cpu", "output": output,
    }  # fmt: skip
    return realign(RealignSettings(**{**values, **changes}), Console())


def run(world: Path, output: Path, console: Console | None = None, **changes: Any) -> Result:
    values = {"base": str(world / "encoder"), "model": str(world / "full"), "device": "cpu", "output": output}
    return blend(BlendSettings(**{**values, **changes}), console or Console())


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def test_a_blend_is_a_plain_encoder_with_lineage(world: Path, tmp_path: Path) -> None:
    console = RecordingConsole()
    made = run(world, tmp_path / "blend", console, alpha="0.75", restore="front")
    assert console.warned == []
    base, full, blended = (weights(folder) for folder in (world / "encoder", world / "full", made.path))
    for name, tensor in blended.items():
        if name.startswith(("encoder.layer.0.", "encoder.layer.1.")):
            assert torch.equal(tensor, base[name])
        else:
            torch.testing.assert_close(tensor, base[name] + 0.75 * (full[name] - base[name]))
    assert AutoModel.from_pretrained(made.path).config.num_hidden_layers == 5
    assert len(AutoTokenizer.from_pretrained(made.path)) == len(AutoTokenizer.from_pretrained(world / "full"))

    record = read_record(made.path)
    assert record is not None
    assert [step["kind"] for step in record.lineage] == ["pairs", "encoder"]
    assert record.details["blend"] == {"alpha": 0.75, "restored-blocks": [0, 1], "embeddings-restored": False}
    assert (facts.strategy(record), facts.realigned_languages(record)) == (None, ("de", "fr", "ta"))
    assert [strip.name for strip in facts.strips(record, 5)] == ["realignment", "blend"]

    card = (made.path / "README.md").read_text()
    assert "75 % of the way from those before to the realigned ones and blocks 0-1 were put back" in card
    assert "encoder3=$(alignfreeze blend" in card
    assert "(nothing frozen), blended" in card


def test_the_same_again_is_done_already_and_another_alpha_is_refused(world: Path, tmp_path: Path) -> None:
    first = run(world, tmp_path / "blend", alpha="0.5")
    again = run(world, tmp_path / "blend", alpha=".50")
    assert (first.status, again.status) == ("made", "already done")
    with pytest.raises(OutputExistsError, match=r"alpha was 0\.5, now 0\.25"):
        run(world, tmp_path / "blend", alpha="0.25")
    other = run(world, tmp_path / "other", alpha="0.5")
    assert first.record is not None
    assert other.record is not None
    assert first.record.digest == other.record.digest
    planned = run(world, tmp_path / "planned", alpha="0.5", restore="embeddings", dry_run=True)
    assert planned.details["put back"] == "the embeddings"
    assert not (tmp_path / "planned").exists()


def test_alpha_is_chosen_on_the_pairs_that_the_realignment_held_out(world: Path, tmp_path: Path) -> None:
    made = run(world, tmp_path / "blend", alpha="auto", pairs=(str(world / "pairs"),))
    assert made.record is not None
    rows = {(row["language"], row["alpha"]): row for row in made.details["probe"]}
    assert sorted({alpha for _, alpha in rows}) == [0.0, 0.25, 0.5, 0.75, 1.0]
    probed = read_record(world / "full")
    assert probed is not None
    for row in probed.details["probe"]:  # the same words, before and after realignment
        same = rows[row["language"], {"before": 0.0, "after": 1.0}[row["probe"]]]
        assert (same["accuracy"], same["words"]) == (row["accuracy"], row["words"])
    alpha = made.details["blend"]["alpha"]
    fixed = run(world, tmp_path / "fixed", alpha=str(alpha)) if alpha != 1 else None
    expected = weights(fixed.path if fixed else world / "full")
    assert all(torch.equal(tensor, expected[name]) for name, tensor in weights(made.path).items())


def test_other_pairs_are_all_held_out_and_a_part_of_those_trained_on_is_refused(world: Path, tmp_path: Path) -> None:
    made = run(world, tmp_path / "blend", alpha="auto", pairs=(str(world / "others"),))
    assert {row["language"] for row in made.details["probe"]} == {"de", "fr"}
    with pytest.raises(SettingsError, match="give all folders of the realignment"):
        run(world, tmp_path / "mixed", alpha="auto", pairs=(str(world / "others"), str(world / "pairs")))
    realigned(world, tmp_path / "unprobed", probe_pairs=0)
    with pytest.raises(SettingsError, match="held none of them out"):
        run(world, tmp_path / "b", alpha="auto", model=str(tmp_path / "unprobed"), pairs=(str(world / "pairs"),))


def test_only_what_comes_from_each_other_is_blended(world: Path, tmp_path: Path) -> None:
    make_encoder(tmp_path / "stranger", seed=7)
    with pytest.raises(ArtifactError, match="weights between two models mean something only if"):
        run(world, tmp_path / "blend", alpha="0.5", base=str(tmp_path / "stranger"))
    with pytest.raises(ArtifactError, match=r"is no encoder folder: it has no alignfreeze\.json"):
        run(world, tmp_path / "blend", alpha="0.5", model=str(world / "encoder"))
    with pytest.raises(ArtifactError, match="holds pairs"):
        run(world, tmp_path / "blend", alpha="0.5", base=str(world / "pairs"))
    assert not (tmp_path / "blend").exists()


def test_a_damaged_encoder_is_refused(world: Path, tmp_path: Path) -> None:
    shutil.copytree(world / "full", tmp_path / "full")
    path = tmp_path / "full" / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"hidden_size": 12}))
    with pytest.raises(ArtifactError, match="differs from its digest"):
        run(world, tmp_path / "blend", alpha="0.5", model=str(tmp_path / "full"))


def test_a_blend_can_be_realigned_and_blended_again_with_any_ancestor(world: Path, tmp_path: Path) -> None:
    first = run(world, tmp_path / "first", alpha="0.5")
    second = realigned(world, tmp_path / "second", model=str(first.path), freeze="front")
    again = run(world, tmp_path / "again", model=str(second.path), restore="2")  # with the encoder of the very start
    base, last, blended = (weights(folder) for folder in (world / "encoder", second.path, again.path))
    assert all(
        torch.equal(tensor, (base if name.startswith("encoder.layer.2.") else last)[name])
        for name, tensor in blended.items()
    )
    record = read_record(again.path)
    assert record is not None
    assert [strip.name for strip in facts.strips(record, 5)] == ["realignment", "blend", "realignment", "blend"]
    assert len(facts.blends_of(record)) == 2


def test_a_blend_with_the_weights_of_its_base_has_a_card(world: Path, tmp_path: Path) -> None:
    second = realigned(world, tmp_path / "second", model=str(world / "full"), freeze="front")
    made = run(world, tmp_path / "same", base=str(world / "full"), model=str(second.path), alpha="0")
    full = read_record(world / "full")
    assert made.record is not None
    assert full is not None
    assert made.record.digest == full.digest, "the same files of the same kind"
    assert [step["kind"] for step in facts.models_of(made.record)] == ["encoder"] * 3
    assert (made.path / "README.md").is_file()
