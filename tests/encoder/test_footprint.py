"""The arithmetic of memory: what a block keeps, beside what torch keeps; what trains, beside what really trains."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from alignfreeze_cli.encoder.blocks import architecture, hidden_states_at
from alignfreeze_cli.encoder.footprint import NUMBER, Footprint, Texts, footprint, kept_of_position
from alignfreeze_cli.encoder.freezing import apply_plan, resolve_plan
from alignfreeze_cli.encoder.lora import Adapters
from tests.support.models import FAMILIES, N_BLOCKS, tiny

WIDTH, ROWS = 32, 4
DROPOUT = {
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "dropout": 0.1,
    "attention_dropout": 0.1,
    "hidden_dropout": 0.1,
}
USUAL = {"hidden_size": 64, "intermediate_size": 256, "hidden_dim": 256, "ffn_dim": 256, "num_attention_heads": 4}


def kept_by_torch(model: Any, block: int) -> int:
    """Bytes that torch keeps for the gradient of a block's output, parameters left out, each storage once."""
    own = {each.untyped_storage().data_ptr() for each in (*model.parameters(), *model.buffers())}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in own:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    ids = torch.randint(5, 60, (ROWS, WIDTH))
    mask = torch.ones(ROWS, 1, WIDTH, WIDTH, dtype=torch.bool)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = hidden_states_at(model, {"input_ids": ids, "attention_mask": mask}, block)
    assert output.requires_grad
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("family", ["bert", "xlm-roberta", "distilbert", "electra", "modernbert"])
def test_a_block_keeps_what_torch_keeps(family: str, frozen: bool) -> None:
    model = tiny(family, dtype=torch.float32, **USUAL, **DROPOUT)
    blocks = architecture(model).blocks(model)
    for block in blocks:
        block.requires_grad_(not frozen)
    found = (kept_by_torch(model, 3) - kept_by_torch(model, 1)) / 2  # of one block, without what is below
    expected = ROWS * WIDTH * kept_of_position(blocks[2], model.config, WIDTH, trained=not frozen)
    assert found == pytest.approx(expected, rel=0.4 if family == "modernbert" else 0.3)  # it turns queries and keys


def test_of_bert_it_is_the_papers_formula() -> None:
    model = tiny("bert", hidden_size=64, intermediate_size=256, num_attention_heads=4)
    kept = kept_of_position(architecture(model).blocks(model)[0], model.config, WIDTH, trained=True)
    assert kept == 66 * 64 + 9 * 4 * WIDTH


@pytest.mark.parametrize("lora", [None, 2])
@pytest.mark.parametrize("text", ["front", "back,embeddings"])
@pytest.mark.parametrize("family", ["bert", "electra", "llama"])
def test_what_trains_is_what_is_counted(family: str, text: str, lora: int | None) -> None:
    model = tiny(family)
    arch = architecture(model)
    plan = resolve_plan(text, arch.n_blocks, lora=lora, causal=arch.causal)
    rows = model.get_input_embeddings().num_embeddings
    found = footprint(model, plan, Texts(10, 5, rows), lora=lora)
    whole = sum(each.numel() for each in model.parameters())
    apply_plan(model, plan)
    if lora:
        Adapters.attach(model, plan.trained, lora)
    assert found.trained == NUMBER * sum(each.numel() for each in model.parameters() if each.requires_grad)
    assert found.weights == NUMBER * whole
    assert found.computed <= found.weights + found.trained


def test_rows_that_do_not_occur_and_blocks_that_are_not_reached_take_nothing() -> None:
    model = tiny("bert")

    def needs(rows: int, block: str | None = None, **more: Any) -> Footprint:
        return footprint(model, resolve_plan("front", N_BLOCKS, block), Texts(100, 20, rows), **more)

    few, many = needs(10), needs(50)
    width = model.config.hidden_size
    assert many.trained - few.trained == many.computed - few.computed == NUMBER * 40 * width
    assert needs(10**9).trained == needs(61).trained, "there are no more rows than the table has"
    lower, head = needs(10, "2"), needs(10, head=True)
    assert lower.computed < few.computed < head.computed
    assert lower.kept < few.kept < head.kept
    assert needs(10, half=True).kept > 0


def test_nothing_is_kept_below_what_trains() -> None:
    model = tiny("bert")
    plans = [resolve_plan(text, N_BLOCKS, "last") for text in ("0-3", "0-3,embeddings", "none")]
    below, alone, whole = (footprint(model, plan, Texts(100, 20, 10)).kept for plan in plans)
    assert alone < below < whole


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_a_footprint(family: str) -> None:
    with torch.device("meta"):
        model = tiny(family, dtype=torch.float32)
    found = footprint(model, resolve_plan("none", N_BLOCKS), Texts(100, 20, 10))
    assert 0 < found.table < found.weights
    assert found.trained > 0
    assert found.kept > 0
