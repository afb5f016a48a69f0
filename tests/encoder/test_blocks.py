"""Hidden states at a block, for every family: against transformers' own, with and without the blocks above."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModel, AutoModelForTokenClassification, GPT2Config, GPT2Model

from alignfreeze_cli.encoder.blocks import FAMILIES, all_hidden_states, architecture, cut_above, hidden_states_at
from alignfreeze_cli.encoder.models import families_with
from alignfreeze_cli.errors import SettingsError
from tests.support.models import N_BLOCKS, PACKABLE, SIZES, tiny


def inputs_of(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Two sentences of 9 and 5 tokens, padded the plain way."""
    ids = torch.randint(5, SIZES["vocab_size"], (2, 9), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    ids[1, 5:], mask[1, 5:] = model.get_input_embeddings().padding_idx or 0, 0
    return {"input_ids": ids, "attention_mask": mask}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_architecture_of_every_family_is_recognised(family: str) -> None:
    model = tiny(family)
    arch = architecture(model)
    assert (arch.family, arch.n_blocks, arch.hidden_size) == (family, N_BLOCKS, 24)
    assert arch.can_pack == (family in PACKABLE)
    assert len(arch.blocks(model)) == N_BLOCKS
    assert model.get_input_embeddings().num_embeddings == SIZES["vocab_size"]
    assert arch.first_position == (2 if "roberta" in family else 0)
    assert arch.max_length == (1 << 20 if family == "bloom" else 64 - arch.first_position)
    # Encoders see so many positions to both sides, decoders so many before the own one.
    assert arch.window == {"modernbert": 3, "mistral": 3, "qwen2": 3, "gemma2": 3, "gemma3_text": 3}.get(family)


@pytest.mark.parametrize("block", [0, N_BLOCKS - 2])
@pytest.mark.parametrize("family", FAMILIES)
def test_hidden_states_are_those_of_transformers(family: str, block: int) -> None:
    model = tiny(family)
    inputs = inputs_of(model)
    expected = model(**inputs, output_hidden_states=True).hidden_states[block + 1]
    real = inputs["attention_mask"].bool()
    for hidden in (hidden_states_at(model, inputs, block), all_hidden_states(model, inputs)[block + 1]):
        torch.testing.assert_close(hidden[real], expected[real], rtol=0, atol=1e-12)


@pytest.mark.parametrize("family", FAMILIES)
def test_all_hidden_states_begin_with_the_embeddings_and_end_with_the_last_block(family: str) -> None:
    model = tiny(family)
    inputs = inputs_of(model)
    states = all_hidden_states(model, inputs)
    expected = model(**inputs, output_hidden_states=True).hidden_states
    assert len(states) == N_BLOCKS + 1
    for ours, theirs in zip(states[:-1], expected[:-1], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
    last = states[-1]
    for name in FAMILIES[family].after:
        if name != "pooler":  # transformers gives the last one after the final norm
            last = getattr(model, name)(last)
    torch.testing.assert_close(last, expected[-1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("family", FAMILIES)
def test_skipping_the_blocks_above_changes_no_gradient(family: str) -> None:
    model = tiny(family)
    inputs = inputs_of(model)
    real = inputs["attention_mask"].bool()
    gradients = []
    for states in (hidden_states_at(model, inputs, N_BLOCKS - 2), all_hidden_states(model, inputs)[N_BLOCKS - 1]):
        model.zero_grad(set_to_none=True)
        states[real].pow(3).sum().backward()
        gradients.append({name: p.grad for name, p in model.named_parameters()})
    for name, gradient in gradients[0].items():
        assert (gradient is None) == (gradients[1][name] is None), name
        if gradient is not None:
            torch.testing.assert_close(gradient, gradients[1][name], rtol=1e-9, atol=1e-9)
    above = f"{FAMILIES[family].blocks}.{N_BLOCKS - 1}."
    assert all(gradient is None for name, gradient in gradients[0].items() if name.startswith(above))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_blocks_above_are_not_computed(family: str) -> None:
    model = tiny(family)
    called: list[int] = []
    for number, block in enumerate(architecture(model).blocks(model)):
        block.register_forward_hook(lambda *_, number=number: called.append(number))
    hidden_states_at(model, inputs_of(model), 2)
    assert called == [0, 1, 2]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_model_has_all_its_blocks_again_afterwards(family: str) -> None:
    model = tiny(family)
    names, inputs = list(model.state_dict()), inputs_of(model)
    before = model(**inputs).last_hidden_state
    with pytest.raises(RuntimeError, match="stop"), cut_above(model, 1):
        raise RuntimeError("stop")
    hidden_states_at(model, inputs, 0)
    assert list(model.state_dict()) == names
    assert torch.equal(model(**inputs).last_hidden_state, before)
    # What transformers installs lazily to collect hidden states must not have seen a cut model.
    assert len(model(**inputs, output_hidden_states=True).hidden_states) == N_BLOCKS + 1


@pytest.mark.parametrize("family", families_with("AutoModelForTokenClassification"))
def test_a_task_model_is_read_through_its_encoder(family: str) -> None:
    model = tiny(family, AutoModelForTokenClassification)
    inputs = inputs_of(model)
    assert architecture(model) == architecture(model.base_model)
    assert torch.equal(hidden_states_at(model, inputs, 3), hidden_states_at(model.base_model, inputs, 3))


@pytest.mark.parametrize("family", FAMILIES)
def test_embeddings_are_what_lies_below_the_blocks(family: str) -> None:
    model = tiny(family)
    arch = architecture(model)
    embeddings = {name for name, _ in arch.embedding_parameters(model)}
    in_blocks = {f"{FAMILIES[family].blocks}.{name}" for name, _ in arch.blocks(model).named_parameters()}
    rest = {name for name, _ in model.named_parameters()} - embeddings - in_blocks
    assert not embeddings & in_blocks
    assert all(name.startswith(("pooler.", "final_norm.", "norm.", "ln_f.", "layer_norm.")) for name in rest)
    assert ("encoder.rel_embeddings.weight" in embeddings) == (family == "deberta-v2")
    assert ("embeddings_project.weight" in embeddings) == (family == "electra")


def test_other_families_are_refused_by_name() -> None:
    model = GPT2Model(GPT2Config(n_layer=1, n_head=1, n_embd=8, vocab_size=9))
    with pytest.raises(
        SettingsError, match=r"'gpt2' are not supported: the supported ones are bert, distilbert, .*, electra, llama"
    ):
        architecture(model)


def test_a_model_of_another_library_is_refused() -> None:
    with pytest.raises(SettingsError, match="'Linear'"):
        architecture(torch.nn.Linear(2, 2))


@pytest.mark.parametrize("block", [-1, N_BLOCKS])
def test_a_block_that_does_not_exist_is_refused(block: int) -> None:
    model = tiny("bert")
    with pytest.raises(SettingsError, match=f"no block {block}"):
        hidden_states_at(model, inputs_of(model), block)


def test_blocks_above_can_be_skipped_in_a_model_without_pooler() -> None:
    model = AutoModel.from_config(tiny("bert").config, add_pooling_layer=False).double()
    hidden_states_at(model, inputs_of(model), 0)
    assert model.pooler is None
