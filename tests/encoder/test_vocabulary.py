"""Training the rows that occur: bit for bit what training the whole table gives."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForMaskedLM, AutoModelForTokenClassification

from alignfreeze_cli.encoder.batches import encode, pack
from alignfreeze_cli.encoder.blocks import FAMILIES, architecture
from alignfreeze_cli.encoder.models import families_with, word_embeddings
from alignfreeze_cli.encoder.vocabulary import ActiveVocabulary
from alignfreeze_cli.errors import ArtifactError, SettingsError
from tests.support.models import N_BLOCKS, VOCABULARY, sentences, tiny, token_places

SEEDS = (0, 1, 2, 3)
STEPS = 6


def flat_ids() -> Any:
    """All tokens of the sentences that `train` uses; some only occur in one step."""
    return np.concatenate([sentences(seed, 4, 6)[0] for seed in SEEDS])


def train(model: Any, active: ActiveVocabulary | None) -> None:
    """Several steps of fused Adam on packed sentences, padding included in the rows."""
    arch = architecture(model)
    torch.manual_seed(0)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.01, fused=True)
    for step in range(STEPS):
        ids, starts, lengths = sentences(SEEDS[step % len(SEEDS)], 4, 6)
        pad_id = model.get_input_embeddings().padding_idx or 0
        batch = pack(ids if active is None else active.remap(ids), starts, lengths, arch, pad_id)
        hidden = encode(model, batch, N_BLOCKS - 2)[token_places(batch, lengths)]
        optimizer.zero_grad()
        (hidden * torch.randn_like(hidden)).sum().backward()
        optimizer.step()


@pytest.mark.parametrize("family", FAMILIES)
def test_training_the_active_rows_equals_training_the_whole_table(family: str) -> None:
    whole, small = (tiny(family, dtype=torch.float32, hidden_size=48) for _ in range(2))
    before = {name: value.clone() for name, value in whole.state_dict().items()}
    train(whole, None)
    active = ActiveVocabulary(small, flat_ids())
    assert 0 < len(active.ids) < VOCABULARY
    assert small.get_input_embeddings().num_embeddings == len(active.ids)
    train(small, active)
    with active.whole():
        assert list(small.state_dict()) == list(before)
        for name, value in whole.state_dict().items():
            assert torch.equal(small.state_dict()[name], value), name
        table = small.get_input_embeddings().weight
        untouched = torch.ones(VOCABULARY, dtype=torch.bool)
        untouched[flat_ids()] = False
        name = next(name for name, value in small.named_parameters() if value is table)
        assert torch.equal(table[untouched], before[name][untouched])
        assert not torch.equal(table, before[name])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_table_that_is_read_again_rests_nowhere(family: str, tmp_path: Path) -> None:
    """Stored in half precision, as some checkpoints are. That the file is removed changes nothing; written to, it is
    refused.
    """
    model = tiny(family, dtype=torch.float32, hidden_size=48)
    model.half().save_pretrained(tmp_path)
    model.float()
    expected = model.get_input_embeddings().weight.detach().clone()
    read = word_embeddings(tmp_path)
    assert read is not None
    active = ActiveVocabulary(model, flat_ids(), read)
    assert active.full.weight.numel() == 0
    model.get_input_embeddings().weight.data += 1
    expected[active.ids] += 1
    kept = tmp_path / "kept.safetensors"
    os.link(tmp_path / "model.safetensors", kept)
    (tmp_path / "model.safetensors").unlink()
    for _ in range(2):
        with active.whole():
            assert torch.equal(model.get_input_embeddings().weight, expected)
        assert active.full.weight.numel() == 0
    os.utime(kept, ns=(0, 0))
    with pytest.raises(ArtifactError, match=r"model\.safetensors: was changed while"), active.whole():
        pass


@pytest.mark.parametrize("hidden", [16, 48, 768, 1, 7, 13, 21, 40])
def test_fused_adam_treats_all_whole_vectors_alike(hidden: int) -> None:
    """Why the two are equal, and the limit: with rows of odd sizes, what follows the last whole vector may differ."""
    for seed in range(10):
        torch.manual_seed(seed)
        table = torch.randn(257, hidden)
        ids = torch.cat([torch.arange(0, 257, 5), torch.tensor([256])]).unique()
        whole, rows = torch.nn.Parameter(table.clone()), torch.nn.Parameter(table[ids])
        optimizers = [torch.optim.Adam([parameter], lr=0.01, fused=True) for parameter in (whole, rows)]
        for _ in range(10):
            gradient = torch.randn(len(ids), hidden) * (torch.rand(len(ids), 1) < 0.7)
            rows.grad, whole.grad = gradient, torch.zeros_like(whole).index_copy(0, ids, gradient)
            for optimizer in optimizers:
                optimizer.step()
        same = rows.numel() // 16 * 16 - (16 if hidden % 16 else 0)  # both tables may end within a vector
        assert torch.equal(whole.detach()[ids].flatten()[:same], rows.detach().flatten()[:same])
        torch.testing.assert_close(whole.detach()[ids], rows.detach(), rtol=1e-5, atol=1e-6)
        others = torch.ones(257, dtype=torch.bool)
        others[ids] = False
        assert torch.equal(whole.detach()[others], table[others])


@pytest.mark.parametrize("family", families_with("AutoModelForTokenClassification"))
def test_a_task_model_reads_the_same_through_the_small_table(family: str) -> None:
    """Called without packing, so RoBERTa's positions, found by comparing with the padding id, are tested too."""
    model = tiny(family, AutoModelForTokenClassification)
    ids = torch.randint(5, 20, (2, 8))
    padding = ids[1, 5:] = model.get_input_embeddings().padding_idx or 0
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0
    expected = model(input_ids=ids, attention_mask=mask).logits
    active = ActiveVocabulary(model, np.array([*range(5, 20), padding]))
    found = model(input_ids=torch.from_numpy(active.remap(ids.numpy())), attention_mask=mask).logits
    assert torch.equal(found[0], expected[0])
    assert torch.equal(found[1, :5], expected[1, :5])
    with active.whole():
        assert torch.equal(model(input_ids=ids, attention_mask=mask).logits[0], expected[0])


@given(st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=30))
def test_remapped_ids_point_at_the_same_rows(ids: list[int]) -> None:
    model = tiny("bert", num_hidden_layers=1)
    table = model.embeddings.word_embeddings.weight.detach().clone()
    active = ActiveVocabulary(model, np.array(ids))
    small = model.embeddings.word_embeddings
    assert torch.equal(small.weight[active.remap(np.array(ids))], table[ids])
    assert int(active.ids[small.padding_idx]) == 0
    missing = sorted(set(range(1, VOCABULARY)) - set(ids))
    with pytest.raises(ValueError, match="not among those"):
        active.remap(np.array([ids[0], missing[0]]))
    with active.whole():
        assert torch.equal(model.embeddings.word_embeddings.weight, table)


def test_the_full_table_has_no_gradient_and_is_written_last() -> None:
    model = tiny("xlm-roberta", dtype=torch.float32)
    full = model.embeddings.word_embeddings
    active = ActiveVocabulary(model, flat_ids())
    train(model, active)
    assert full.weight.grad is None
    assert all(parameter is not full.weight for parameter in model.parameters())
    with active.whole():
        assert model.embeddings.word_embeddings is full
        assert full.weight.requires_grad


def test_frozen_embeddings_stay_frozen() -> None:
    model = tiny("bert").requires_grad_(False)
    active = ActiveVocabulary(model, np.array([7]))
    assert not model.embeddings.word_embeddings.weight.requires_grad
    with active.whole():
        assert not model.embeddings.word_embeddings.weight.requires_grad


def test_a_shared_output_layer_is_refused() -> None:
    with pytest.raises(SettingsError, match="shares the word embeddings"):
        ActiveVocabulary(tiny("bert", AutoModelForMaskedLM), np.array([7]))
