"""LoRA: what is trained, what stays frozen bit for bit, what is written, and that peft reads it."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForTokenClassification

from alignfreeze_cli.artifacts import read_record, verify
from alignfreeze_cli.artifacts.files import file_digest
from alignfreeze_cli.encoder.blocks import FAMILIES, all_hidden_states
from alignfreeze_cli.encoder.freezing import apply_plan, resolve_plan
from alignfreeze_cli.encoder.lora import Adapters
from alignfreeze_cli.encoder.settings import RealignSettings
from alignfreeze_cli.errors import Interrupted, SettingsError
from alignfreeze_cli.progress import Console
from alignfreeze_cli.steps.realign import realign
from alignfreeze_cli.training import checkpoints
from tests.support.models import ENCODERS, N_BLOCKS, realign_steps, tiny
from tests.support.realign_world import make_encoder, make_pairs
from tests.tasks.worlds import make_world, train

RANK = 2

# peft asks transformers for an attribute by its old name.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    make_encoder(folder / "encoder", hidden_size=32, num_attention_heads=2)
    make_pairs(folder / "pairs")
    return folder


def run(world: Path, output: Path, **changes: Any) -> Path:
    values: dict[str, Any] = {
        "model": str(world / "encoder"),
        "pairs": (str(world / "pairs"),),
        "steps": 8,
        "batch_size": 6,
        "max_length": 32,
        "lora": RANK,
        "learning_rate": 3e-2,
        "probe_pairs": 2,
        "checkpoint_every": 3,
        "device": "cpu",
        "output": output,
    }
    return realign(RealignSettings(**{**values, **changes}), Console()).path


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def changed(before: Path, after: Path) -> set[str]:
    old, new = weights(before), weights(after)
    assert old.keys() == new.keys()
    return {name for name in old if not torch.equal(old[name], new[name])}


def states(model: Any) -> list[torch.Tensor]:
    ids = torch.arange(5, 17).reshape(2, 6)
    with torch.no_grad():
        return all_hidden_states(model.eval(), {"input_ids": ids, "attention_mask": torch.ones_like(ids)})


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_front_trains_nothing_below_and_only_adapters_above(family: str) -> None:
    model = tiny(family)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    plan = resolve_plan("front", N_BLOCKS, lora=RANK)
    apply_plan(model, plan)
    adapters = Adapters.attach(model, plan.trained, RANK)
    assert plan.trained == (2, 3)
    assert {name for name, p in model.named_parameters() if p.requires_grad} == {
        f"{target}.lora_{letter}.default.weight" for target in adapters.targets for letter in "AB"
    }
    # Attention and feed-forward network, in both blocks.
    assert {name.split(".")[0] for name in adapters.layers} == {"2", "3"}
    assert len(adapters.targets) == 2 * len(adapters.to_dict(False)["targets"]) >= 8
    realign_steps(model, plan.read_block)
    for name, parameter in model.named_parameters():
        assert (parameter.grad is not None) == ("lora_" in name), name
    with adapters.merged():
        assert model.state_dict().keys() == before.keys()
        after = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    touched = {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}
    assert touched == {f"{target}.weight" for target in adapters.targets}


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_merged_weights_compute_what_the_adapters_did_and_training_continues_unchanged(family: str) -> None:
    model = tiny(family, dtype=torch.float32)
    apply_plan(model, resolve_plan("none", N_BLOCKS, lora=RANK))
    adapters = Adapters.attach(model, range(4), RANK)
    realign_steps(model, 3)
    kept = {name: parameter.clone() for name, parameter in model.named_parameters()}
    with_adapters = states(model)
    with adapters.merged():
        merged = states(model)
    assert {name for name, _ in model.named_parameters()} == kept.keys()
    assert all(torch.equal(kept[name], parameter) for name, parameter in model.named_parameters())
    adapters.merge()
    for one, other, last in zip(with_adapters, merged, states(model), strict=True):
        torch.testing.assert_close(one, other, atol=2e-5, rtol=1e-5)
        assert torch.equal(other, last)


def test_the_result_is_a_plain_encoder_of_which_only_the_trained_blocks_changed(world: Path, tmp_path: Path) -> None:
    out = run(world, tmp_path / "out", freeze="front")
    names = changed(world / "encoder", out)
    assert {name.split(".")[2] for name in names} == {"2", "3"}
    assert all(name.startswith("encoder.layer.") and name.endswith(".weight") for name in names)
    record = read_record(out)
    assert record is not None
    assert record.details["lora"] == {
        "rank": 2,
        "alpha": 4,
        "blocks": [2, 3],
        "targets": [
            "attention.self.query",
            "attention.self.key",
            "attention.self.value",
            "attention.output.dense",
            "intermediate.dense",
            "output.dense",
        ],
        "kept": False,
    }
    assert (record.details["embeddings-frozen"], record.settings["lora"]) == (True, 2)
    assert not (out / "adapter").exists()


def test_the_change_of_a_weight_has_the_rank_of_its_adapter(world: Path, tmp_path: Path) -> None:
    before, after = weights(world / "encoder"), weights(run(world, tmp_path / "out", freeze="none"))
    name = "encoder.layer.1.intermediate.dense.weight"
    assert int(torch.linalg.matrix_rank((after[name] - before[name]).double(), rtol=1e-4)) == RANK


@pytest.mark.parametrize("family", [*ENCODERS, "llama", "bloom"])
def test_the_kept_adapter_is_one_that_peft_reads(tmp_path: Path, family: str) -> None:
    make_encoder(tmp_path / "encoder", family)
    make_pairs(tmp_path / "pairs")
    out = run(tmp_path, tmp_path / "out", keep_adapter=True, freeze="front", steps=3)
    config = json.loads((out / "adapter" / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["revision"]) == ("encoder", None)
    base = AutoModel.from_pretrained(tmp_path / "encoder", dtype=torch.float32)
    loaded = PeftModel.from_pretrained(base, str(out / "adapter")).base_model.model
    for one, other in zip(states(loaded), states(AutoModel.from_pretrained(out)), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_keeping_the_adapter_changes_nothing_else_and_its_bytes_are_the_same_each_time(
    world: Path, tmp_path: Path
) -> None:
    plain, kept, again = (
        run(world, tmp_path / "plain"),
        *(run(world, tmp_path / name, keep_adapter=True) for name in ("kept", "again")),
    )
    records = [read_record(folder) for folder in (plain, kept, again)]
    assert len({record.digest for record in records if record}) == 1
    assert records[1] is not None
    verify(kept, records[1])
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        assert file_digest(kept / "adapter" / name) == file_digest(again / "adapter" / name)


def test_interrupted_it_resumes_to_the_same_bytes_and_its_checkpoints_hold_only_adapters(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(world, tmp_path / "whole", save_at=("5",), keep_adapter=True)
    real, done = torch.optim.Adam.step, 0

    def step(*args: Any, **kwargs: Any) -> Any:
        nonlocal done
        done += 1
        if done == 4:
            signal.raise_signal(signal.SIGINT)
        return real(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.Adam, "step", step)
        with pytest.raises(Interrupted):
            run(world, tmp_path / "out", save_at=("5",), keep_adapter=True)
    checkpoint, _ = checkpoints.latest(tmp_path / ".out.partial" / "checkpoints")
    assert checkpoint is not None
    assert all("lora_" in name or name.startswith("projection.") for name in checkpoint.weights())
    assert all("lora_" in name or name.startswith("projection.") for name in checkpoint.optimizer())
    run(world, tmp_path / "out", save_at=("5",), keep_adapter=True, resume=True)
    alone = run(world, tmp_path / "alone", steps=5, keep_adapter=True)
    for name in ("model.safetensors", "adapter/adapter_model.safetensors"):
        assert file_digest(tmp_path / "out" / name) == file_digest(whole / name)
        assert file_digest(tmp_path / "out" / "steps-5" / name) == file_digest(alone / name)


def test_the_default_learning_rate_is_that_of_lora(world: Path, tmp_path: Path) -> None:
    settings = RealignSettings(
        model=str(world / "encoder"), pairs=(str(world / "pairs"),), lora=8, max_length=32, dry_run=True
    )
    planned = realign(settings, Console())
    assert planned.details["learning-rate"] == 3e-4
    assert planned.details["lora"] == "rank 8 in blocks 2, 3"
    assert "□" in planned.details["plan"].splitlines()[2].split()[0]  # the embeddings


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"freeze": "0-3"}, "--lora 2: the freeze plan '0-3' leaves no block for adapters"),
        ({"lora": -1}, "--lora must be at least 0"),
        ({"lora": None, "keep_adapter": True}, "--keep-adapter goes with --lora"),
    ],
)
def test_options_that_exclude_each_other_are_refused(
    world: Path, tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        run(world, tmp_path / "out", **changes)
    assert sentence in str(caught.value)


def test_in_fine_tuning_the_head_trains_in_full_and_peft_reads_both(tmp_path: Path) -> None:
    made = make_world(tmp_path)
    out = train(made, freeze="front", lora=RANK, keep_adapter=True)
    before, after = weights(made / "encoder"), weights(out.path)
    touched = {name for name, tensor in before.items() if f"bert.{name}" in after}
    touched = {name for name in touched if not torch.equal(before[name], after[f"bert.{name}"])}
    assert {name.split(".")[2] for name in touched} == {"2", "3"}
    assert all(name.startswith("encoder.layer.") and name.endswith(".weight") for name in touched)
    assert out.details["lora"]["blocks"] == [2, 3]
    base = AutoModelForTokenClassification.from_pretrained(
        made / "encoder", num_labels=len(out.details["labels"]), dtype=torch.float32
    )
    loaded = PeftModel.from_pretrained(base, str(out.path / "adapter")).eval()
    plain = AutoModelForTokenClassification.from_pretrained(out.path).eval()
    ids = torch.arange(5, 13).reshape(2, 4)
    torch.testing.assert_close(loaded(input_ids=ids).logits, plain(input_ids=ids).logits, atol=1e-5, rtol=1e-5)


def test_without_lora_records_do_not_mention_it(tmp_path: Path) -> None:
    record = train(make_world(tmp_path)).record
    assert record is not None
    assert not {"lora", "keep-adapter"} & (record.settings.keys() | record.identity["settings"].keys())
