"""Packing: every token once, no attention between sentences, and the same numbers as with padding."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from accelerate.utils import send_to_device
from hypothesis import given, settings
from hypothesis import strategies as st

from alignfreeze_cli.encoder.batches import (
    PackedBatch,
    Packing,
    Rows,
    encode,
    model_inputs,
    pack,
    packing_for,
    pool_words,
)
from alignfreeze_cli.encoder.blocks import FAMILIES, Architecture, all_hidden_states, architecture
from alignfreeze_cli.encoder.loss import Projection, contrastive_loss
from alignfreeze_cli.tasks.subwords import inputs_for
from tests.support.models import DECODERS, N_BLOCKS, PACKABLE, VOCABULARY, exactness, sentences, tiny, token_places

READ = N_BLOCKS - 2
CONVOLUTION = {"conv_kernel_size": 3, "conv_act": "gelu"}

all_lengths = st.lists(st.integers(1, 40), min_size=1, max_size=40)
families = st.sampled_from(list(FAMILIES))


def random_ids(lengths: list[int]) -> tuple[Any, Any, Any]:
    """Flat ids, starts and lengths, with a gap before every sentence that belongs to none of them."""
    sizes = np.array(lengths)
    starts = np.cumsum(sizes + 3) - sizes
    return np.random.default_rng(0).integers(5, VOCABULARY, int(starts[-1] + sizes[-1])), starts, sizes


def pad(ids: Any, starts: Any, lengths: Any, arch: Architecture) -> PackedBatch:
    """The plain layout: a row for every sentence, filled up to the longest."""
    shape = (len(lengths), max(lengths))
    tokens, numbers = torch.zeros(shape, dtype=torch.long), torch.full(shape, -1)
    for sentence, (start, length) in enumerate(zip(starts, lengths, strict=True)):
        tokens[sentence, :length] = torch.as_tensor(ids[start : start + length])
        numbers[sentence, :length] = sentence
    positions = arch.first_position + torch.arange(shape[1]).expand(shape) * (numbers >= 0)
    first = np.arange(shape[0]) * shape[1]
    return PackedBatch(
        (Rows(tokens, positions, numbers, shared=False, padded=bool((numbers < 0).any())),), first, int(sum(lengths))
    )


ARCHITECTURES: dict[str, Architecture] = {}


def of(family: str) -> Architecture:
    if family not in ARCHITECTURES:
        ARCHITECTURES[family] = architecture(tiny(family))
    return ARCHITECTURES[family]


@given(all_lengths, families, st.booleans(), st.sampled_from([Packing(), Packing(multiple=32, rows=4)]))
def test_every_token_is_laid_out_exactly_once(
    lengths: list[int], family: str, can_pack: bool, packing: Packing
) -> None:
    ids, starts, sizes = random_ids(lengths)
    arch = replace(of(family), can_pack=can_pack)
    batch = pack(ids, starts, sizes, arch, pad_id=3, packing=packing)
    assert all(len(rows.input_ids) % packing.rows == 0 for rows in batch.groups) or not arch.can_pack
    flat = {
        name: torch.cat([getattr(rows, name).flatten() for rows in batch.groups]).numpy()
        for name in ("input_ids", "position_ids", "sentences")
    }
    assert batch.positions == len(flat["input_ids"])
    for sentence, (start, length) in enumerate(zip(starts, sizes, strict=True)):
        place = slice(batch.starts[sentence], batch.starts[sentence] + length)
        assert flat["input_ids"][place].tolist() == ids[start : start + length].tolist()
        assert flat["position_ids"][place].tolist() == list(range(arch.first_position, arch.first_position + length))
        assert (flat["sentences"] == sentence).nonzero()[0].tolist() == list(range(place.start, place.stop))
    padding = flat["sentences"] == -1
    assert batch.tokens == sum(lengths) == batch.positions - padding.sum()
    assert (flat["input_ids"][padding] == 3).all()
    for rows in batch.groups:  # and no sentence runs over the end of its row
        assert all(len({*column.tolist()}) == 1 for column in _rows_of(rows.sentences).values())


def _rows_of(numbers: torch.Tensor) -> dict[int, torch.Tensor]:
    return {int(n): (numbers == n).nonzero()[:, 0] for n in numbers.unique() if n >= 0}


@settings(max_examples=40)
@given(all_lengths, st.sampled_from(["bert", "roberta", "deberta-v2", "modernbert"]))
def test_no_token_attends_to_another_sentence(lengths: list[int], family: str) -> None:
    model = MODELS.setdefault(family, tiny(family))
    (rows,) = pack(*random_ids(lengths), of(family)).groups
    mask = model_inputs(model, rows).get("attention_mask")
    if mask is None:
        assert (rows.sentences == torch.arange(len(lengths)).unsqueeze(1)).all()  # whole rows, each a sentence
        return
    masks = mask if isinstance(mask, dict) else {"full_attention": mask}
    same = rows.sentences.unsqueeze(2) == rows.sentences.unsqueeze(1)
    assert torch.equal(masks["full_attention"][:, 0], same)
    assert masks["full_attention"].any(-1).all()  # or a softmax would be over nothing
    if family == "modernbert":
        at = torch.arange(same.shape[-1])
        assert torch.equal(masks["sliding_attention"][:, 0], same & ((at[:, None] - at).abs() <= 3))


MODELS: dict[str, Any] = {}


@settings(max_examples=40)
@given(all_lengths, st.sampled_from(["llama", "mistral", "qwen2", "gemma2", "gemma3_text"]))
def test_in_a_decoder_a_token_attends_to_its_sentence_up_to_itself(lengths: list[int], family: str) -> None:
    model = MODELS.setdefault(family, tiny(family, attn_implementation="sdpa" if family != "gemma2" else None))
    (rows,) = pack(*random_ids(lengths), of(family)).groups
    mask = model_inputs(model, rows).get("attention_mask")
    if mask is None:
        assert (rows.sentences == torch.arange(len(lengths)).unsqueeze(1)).all()
        return
    masks = mask if isinstance(mask, dict) else {"window" if family == "mistral" else "full_attention": mask}
    allowed = {name: each[:, 0] if each.dtype == torch.bool else each[:, 0] == 0 for name, each in masks.items()}
    for row, numbers in enumerate(rows.sentences.tolist()):
        for query, own in enumerate(numbers):
            back = [query - key if other == own and key <= query else None for key, other in enumerate(numbers)]
            for name, each in allowed.items():
                width = math.inf if name == "full_attention" else 4  # positions that are seen, the token's own included
                assert each[row, query].tolist() == [b is not None and b < width for b in back]


@given(all_lengths)
def test_packing_never_computes_more_than_padding(lengths: list[int]) -> None:
    ids, starts, sizes = random_ids(lengths)
    packed, padded = pack(ids, starts, sizes, of("bert")), pad(ids, starts, sizes, of("bert"))
    assert packed.positions <= padded.positions
    assert packed.groups[0].input_ids.shape[1] <= 3 * max(lengths)


@pytest.mark.parametrize("pairs", [8, 16, 64])
def test_under_five_percent_of_what_is_computed_is_padding(pairs: int) -> None:
    # Lengths like those of news and everyday sentences in a multilingual vocabulary, cut at 96.
    random = np.random.default_rng(0)
    computed = tokens = 0
    for _ in range(50):
        lengths = np.clip(random.lognormal(np.log(25), 0.75, 2 * pairs), 3, 96).astype(int)
        batch = pack(*random_ids(lengths.tolist()), replace(of("bert"), hidden_size=384))
        computed, tokens = computed + batch.positions, tokens + batch.tokens
    assert 1 - tokens / computed < 0.05


def word_vectors(model: Any, batch: PackedBatch, lengths: Any, pooling: str, whole: bool = False) -> torch.Tensor:
    """Words of two tokens (the last of an odd sentence has one), in the order of the flat ids."""
    first = np.concatenate([np.arange(0, length, 2) for length in lengths])
    sentence = np.repeat(np.arange(len(lengths)), -(-lengths // 2))
    starts = batch.starts[sentence] + first
    ends = np.minimum(starts + 2, (batch.starts + lengths)[sentence])
    if whole:  # with the blocks above
        (rows,) = batch.groups
        hidden = all_hidden_states(model, model_inputs(model, rows))[READ + 1].flatten(0, 1)
    else:
        hidden = encode(model, batch, READ)
    return pool_words(hidden, torch.as_tensor(starts), torch.as_tensor(ends), pooling)


def step(model: Any, layout: Callable[..., PackedBatch], pooling: str, whole: bool = False) -> tuple[Any, Any, Any]:
    """Word vectors, loss and gradients of one realignment step; sentences 0-3 are the source, 4-8 the target."""
    torch.manual_seed(3)
    head = Projection(24, 8).to(model.dtype)
    model.zero_grad(set_to_none=True)
    ids, starts, lengths = sentences()
    words = word_vectors(model, layout(ids, starts, lengths, architecture(model)), lengths, pooling, whole)
    n_source = int(sum(-(-lengths[:4] // 2)))
    links = torch.tensor([[0, 1], [3, 3], [n_source - 1, 9], [7, 0]])
    projected = head(words)
    loss = contrastive_loss(projected[:n_source], projected[n_source:], links)
    loss.backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    return words.detach(), loss.detach(), gradients | {"head": head.inner.weight.grad}


@pytest.mark.parametrize("pooling", ["first", "last", "mean"])
@pytest.mark.parametrize("family", PACKABLE)
def test_the_packed_step_is_the_padded_step(family: str, pooling: str) -> None:
    model, close = tiny(family), exactness(family)
    assert pack(*sentences(), architecture(model)).groups[0].shared
    packed, padded = step(model, pack, pooling), step(model, pad, pooling)
    whole = step(model, pad, pooling, whole=True)
    for ours, theirs in ((packed, padded), (padded, whole)):
        torch.testing.assert_close(ours, theirs, rtol=close, atol=close)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_sentence_is_computed_as_if_it_were_alone(family: str) -> None:
    model = tiny(family)
    ids, starts, lengths = sentences()
    batch = pack(ids, starts, lengths, architecture(model))
    with torch.no_grad():
        hidden = encode(model, batch, READ)[token_places(batch, lengths)]
        alone = [
            model(input_ids=torch.as_tensor(ids[None, s : s + n]), output_hidden_states=True).hidden_states[READ + 1][0]
            for s, n in zip(starts, lengths, strict=True)
        ]
    torch.testing.assert_close(hidden, torch.cat(alone), rtol=0, atol=exactness(family))


@pytest.mark.parametrize("family", DECODERS)
def test_padding_changes_nothing_in_a_decoder(family: str) -> None:
    """As tasks give it whole windows: ids and a mask of one number per position."""
    model = tiny(family)
    ids, starts, lengths = sentences()
    mask = torch.arange(int(max(lengths))) < torch.as_tensor(lengths)[:, None]
    padded = torch.zeros(mask.shape, dtype=torch.long)
    padded[mask] = torch.as_tensor(ids)
    inputs = inputs_for(model, {"input_ids": padded, "attention_mask": mask.long()})
    with torch.no_grad():
        hidden = model(**inputs).last_hidden_state[mask]
        alone = [model(input_ids=torch.as_tensor(ids[None, s : s + n])) for s, n in zip(starts, lengths, strict=True)]
    expected = torch.cat([each.last_hidden_state[0] for each in alone])
    torch.testing.assert_close(hidden, expected, rtol=0, atol=exactness(family))


@pytest.mark.parametrize("family", PACKABLE)
def test_packing_works_with_eager_attention(family: str) -> None:
    model = tiny(family, attn_implementation="eager")
    assert architecture(model).additive_mask == (family != "deberta-v2")
    # Their eager softmax is in single precision.
    close = 1e-3 if family == "modernbert" or FAMILIES[family].causal else 1e-9
    torch.testing.assert_close(step(model, pack, "first"), step(tiny(family), pad, "first"), rtol=close, atol=close)


@pytest.mark.parametrize("family", PACKABLE)
def test_packing_works_in_bfloat16_autocast(family: str) -> None:
    model = tiny(family, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        words, loss, gradients = step(model, pack, "first")
    assert torch.isfinite(loss)
    assert all(torch.isfinite(gradient).all() for gradient in gradients.values())
    assert torch.isfinite(words).all()


def test_a_model_with_convolutions_over_positions_is_not_packed() -> None:
    model = tiny("deberta-v2", **CONVOLUTION)
    arch = architecture(model)
    assert not arch.can_pack
    batch = pack(*sentences(), replace(arch, hidden_size=384))
    assert not any(rows.shared for rows in batch.groups)
    torch.testing.assert_close(step(model, pack, "mean"), step(model, pad, "mean"), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(step(model, pad, "mean"), step(model, pad, "mean", whole=True), rtol=1e-9, atol=1e-9)


def test_sentences_of_very_different_length_go_into_different_groups() -> None:
    arch = replace(of("bert"), can_pack=False)
    lengths = [5] * 30 + [40] * 30
    batch = pack(*random_ids(lengths), arch)
    assert [tuple(rows.input_ids.shape) for rows in batch.groups] == [(30, 5), (30, 40)]
    assert batch.positions == batch.tokens


def test_a_batch_moves_between_devices() -> None:
    batch = send_to_device(pack(*sentences(), of("bert")), "meta")
    assert {rows.input_ids.device.type for rows in batch.groups} == {"meta"}
    assert batch.groups[0].shared


@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_in_parts_gives_the_same_numbers_and_gradients(family: str) -> None:
    """With dropout, too: a part that is computed again for its gradient draws the same numbers again."""
    ids, starts, lengths = random_ids([3, 17, 9, 1, 22, 5, 13, 8])
    causal = FAMILIES[family].causal
    name = {"distilbert": "dropout", "xglm": "dropout"}.get(
        family, "attention_dropout" if causal else "hidden_dropout_prob"
    )
    close = exactness(family)
    for changes in ({}, {name: 0.2}):
        model = tiny(family, **changes)
        arch = architecture(model)
        parts = pack(ids, starts, lengths, arch, packing=Packing(budget=30))
        assert parts.in_parts
        assert len(parts.groups) > 1
        layouts = [parts, parts._replace(in_parts=False)]  # all of them kept for the gradient
        layouts += [] if changes else [pack(ids, starts, lengths, arch)]
        results = []
        for layout in layouts:
            torch.manual_seed(0)
            hidden = encode(model, layout, READ)[token_places(layout, lengths)]
            model.zero_grad()
            (hidden * torch.linspace(-1, 1, hidden.numel(), dtype=hidden.dtype).view_as(hidden)).sum().backward()
            results.append((hidden.detach(), {n: p.grad for n, p in model.named_parameters() if p.grad is not None}))
        for hidden, gradients in results[1:]:
            torch.testing.assert_close(hidden, results[0][0], rtol=0, atol=close)
            assert gradients.keys() == results[0][1].keys()
            for name, gradient in gradients.items():
                torch.testing.assert_close(gradient, results[0][1][name], rtol=10 * close, atol=10 * close)


def test_shapes_for_a_gpu_are_few() -> None:
    arch, packing = of("bert"), packing_for(torch.device("cuda"))
    random = np.random.default_rng(0)
    shapes: dict[str, set[torch.Size]] = {"cpu": set(), "cuda": set()}
    for _ in range(100):
        ids, starts, lengths = random_ids(random.integers(5, 60, 32).tolist())
        for name, how in (("cpu", Packing()), ("cuda", packing)):
            (rows,) = pack(ids, starts, lengths, arch, packing=how).groups
            shapes[name].add(rows.input_ids.shape)
    assert all(width % 32 == 0 == rows % 4 for rows, width in shapes["cuda"])
    assert len(shapes["cuda"]) < 10 < 40 < len(shapes["cpu"])
