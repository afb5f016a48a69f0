"""Output at chosen positions: equal to the whole computation, without the rest of the last block."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForTokenClassification

from alignfreeze_cli.encoder.blocks import FAMILIES, architecture, logits_at, read_positions_only
from alignfreeze_cli.encoder.models import families_with
from tests.support.models import VOCABULARY, tiny


def batch(seed: int, lengths: tuple[int, ...] = (11, 9, 4)) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """Padded rows of random subwords, and every third place of their text."""
    generator = torch.Generator().manual_seed(seed)
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)).long()
    ids = torch.randint(5, VOCABULARY, mask.shape, generator=generator) * mask
    rows, positions = mask.nonzero()[::3].unbind(1)
    return {"input_ids": ids, "attention_mask": mask}, rows, positions


def tagger(family: str, **changes: Any) -> Any:
    return tiny(family, AutoModelForTokenClassification, num_labels=7, **changes).eval()


def in_last_block(model: Any, inputs: dict[str, Tensor], rows: Tensor, positions: Tensor) -> tuple[Tensor, set[int]]:
    """The logits, and at how many places each linear layer of the last block was computed."""
    counts: list[int] = []
    layers = [m for m in architecture(model).blocks(model)[-1].modules() if isinstance(m, torch.nn.Linear)]
    hooks = [
        layer.register_forward_hook(lambda _module, _args, out: counts.append(out.shape[:-1].numel()))
        for layer in layers
    ]
    with torch.inference_mode():
        logits = logits_at(model, inputs, rows, positions)
    for hook in hooks:
        hook.remove()
    return logits, set(counts)


@pytest.mark.parametrize("family", families_with("AutoModelForTokenClassification"))
def test_logits_at_chosen_positions_are_those_of_the_whole_computation(family: str) -> None:
    model = tagger(family)
    inputs, rows, positions = batch(1)
    with torch.inference_mode():
        whole = model(**inputs).logits[rows, positions]
    with read_positions_only(model):
        few, computed = in_last_block(model, inputs, rows, positions)
    torch.testing.assert_close(few, whole, rtol=1e-12, atol=1e-12)
    # In the others the residual sum passes through no module.
    assert (len(rows) in computed) == (FAMILIES[family].first_positionwise is not None)
    after, computed = in_last_block(model, inputs, rows, positions)
    assert torch.equal(after, whole)
    assert len(rows) not in computed


def test_threads_share_a_model() -> None:
    model = tagger("bert")
    batches = [batch(seed, (12, 3 + seed % 9)) for seed in range(60)]

    def answer(given: tuple[dict[str, Tensor], Tensor, Tensor]) -> Tensor:
        with torch.inference_mode():
            return logits_at(model, *given)

    whole = [answer(given) for given in batches]
    with read_positions_only(model), ThreadPoolExecutor(4) as pool:
        for few, expected in zip(pool.map(answer, batches), whole, strict=True):
            torch.testing.assert_close(few, expected, rtol=1e-12, atol=1e-12)
        with torch.inference_mode():  # and who wants no places gets them all
            assert model(**batches[0][0]).logits.shape == (2, 12, 7)


def test_a_convolution_over_positions_is_computed_at_all_of_them() -> None:
    model = tagger("deberta-v2", num_hidden_layers=1, conv_kernel_size=3, conv_act="gelu")
    inputs, rows, positions = batch(2)
    with torch.inference_mode():
        whole = model(**inputs).logits[rows, positions]
        with read_positions_only(model):
            assert torch.equal(logits_at(model, inputs, rows, positions), whole)
