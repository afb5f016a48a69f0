"""CUDA graphs: what is played from a recording equals what is computed, bit for bit. Most of it needs a GPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from accelerate.utils import send_to_device
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification

from alignfreeze_cli.encoder.batches import PackedBatch, Packing, encode, model_inputs, pack
from alignfreeze_cli.encoder.blocks import FAMILIES, architecture
from alignfreeze_cli.encoder.freezing import apply_plan, resolve_plan
from alignfreeze_cli.encoder.lora import Adapters
from alignfreeze_cli.encoder.recording import recorded
from tests.support.models import N_BLOCKS, PACKABLE, sentences, tiny

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
CUDA = torch.device("cuda")
READ = N_BLOCKS - 2
DROPOUT: dict[str, dict[str, float]] = {
    "distilbert": {"dropout": 0.1, "attention_dropout": 0.1},
    "modernbert": {"embedding_dropout": 0.1, "mlp_dropout": 0.1},
    "xglm": {"dropout": 0.1},
}
EXACT = [family for family in FAMILIES if family in PACKABLE and family != "deberta-v2"]
"""DeBERTa's forward is not called as a whole, so nothing of it is recorded."""
USUAL_DROPOUT = {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}


def batches_of(model: Any) -> list[PackedBatch]:
    """Sixteen batches of two shapes, and one of a shape that never comes back."""
    arch = architecture(model)
    drawn = [sentences(seed, count=6, longest=12) for seed in range(8)]
    shapes = [Packing(rows=4, multiple=32), Packing(rows=8, multiple=32)]
    found = [pack(*each, arch, packing=shape) for shape in shapes for each in drawn]
    found.insert(5, pack(*drawn[0], arch, packing=Packing(rows=12, multiple=32)))
    return [send_to_device(batch, CUDA) for batch in found]


def after_steps(
    model: Any,
    loss: Callable[[Any, PackedBatch], torch.Tensor],
    record: bool,
    *,
    bf16: bool = False,
    every: int = 2,
    records: bool = True,
) -> list[Any]:
    """The loss of every batch, and at last the weights; the gradients of `every` batches add up to a step.

    It is checked that something was recorded, or, where `records` says so, that nothing was.
    """
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.01, fused=True)
    seen: list[Any] = []
    played = torch.cuda.CUDAGraph.replay

    def counting(graph: torch.cuda.CUDAGraph) -> None:
        seen.append("played")
        played(graph)

    torch.cuda.CUDAGraph.replay = counting
    try:
        with recorded(model, wanted=record, device=CUDA, processes=1):
            for step, batch in enumerate(batches_of(model)):
                torch.manual_seed(step)
                with torch.autocast("cuda", torch.bfloat16, enabled=bf16):
                    value = loss(model, batch)
                value.backward()
                if (step + 1) % every == 0:
                    optimizer.step()
                    optimizer.zero_grad(set_to_none=True)
                seen.append(value.detach())
    finally:
        torch.cuda.CUDAGraph.replay = played
    times = seen.count("played")
    assert times > 8 if record and records else times == 0
    return [*[each for each in seen if each != "played"], *[p.detach() for p in model.parameters()]]


def weighted(hidden: torch.Tensor) -> torch.Tensor:
    return (hidden.float() * torch.linspace(-1, 1, hidden.numel(), device=CUDA).view_as(hidden)).sum()


def of_realignment(model: Any, batch: PackedBatch) -> torch.Tensor:
    return weighted(encode(model, batch, READ))


def of_task(model: Any, batch: PackedBatch) -> torch.Tensor:
    return weighted(model(**model_inputs(model, batch.groups[0])).logits)


def same(one: list[Any], other: list[Any]) -> None:
    assert len(one) == len(other)
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def on_gpu(family: str, auto: Any = None, seed: int = 0) -> Any:
    more = {} if auto is None else {"auto": auto}
    dropout = DROPOUT.get(family, {} if FAMILIES[family].causal else USUAL_DROPOUT)
    return tiny(family, seed=seed, dtype=torch.float32, **more, **dropout).to(CUDA)


@needs_gpu
@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("family", EXACT)
def test_a_recorded_realignment_gives_the_same_bits(family: str, bf16: bool) -> None:
    results = []
    for record in (False, True):
        model = on_gpu(family)
        apply_plan(model, resolve_plan("front", N_BLOCKS, READ))
        results.append(after_steps(model, of_realignment, record, bf16=bf16))
        assert "forward" not in vars(model.base_model)
    same(*results)


@needs_gpu
@pytest.mark.parametrize("auto", [AutoModelForTokenClassification, AutoModelForSequenceClassification])
@pytest.mark.parametrize("family", ["bert", "distilbert", "xlm-roberta", "modernbert", "electra"])
def test_a_recorded_task_model_gives_the_same_bits(family: str, auto: Any) -> None:
    same(*(after_steps(on_gpu(family, auto), of_task, record) for record in (False, True)))


@needs_gpu
def test_adapters_are_recorded() -> None:
    results = []
    for record in (False, True):
        model = on_gpu("xlm-roberta")
        torch.manual_seed(0)
        Adapters.attach(model, range(2, 4), 4)
        results.append(after_steps(model, of_realignment, record))
    same(*results)


@needs_gpu
def test_two_passes_before_one_backward_pass_are_not_mixed_up() -> None:
    """All recordings share their memory, so the second pass must not be played into the first one's."""

    def both(model: Any, batch: PackedBatch) -> torch.Tensor:
        return of_realignment(model, batch) + 2 * weighted(encode(model, batch, READ - 1))

    same(*(after_steps(on_gpu("bert"), both, record, every=1) for record in (False, True)))


@needs_gpu
def test_groups_of_one_batch_are_computed() -> None:
    def in_groups(model: Any, batch: PackedBatch) -> torch.Tensor:
        return of_realignment(model, batch._replace(groups=(*batch.groups, *batch.groups)))

    same(*(after_steps(on_gpu("bert"), in_groups, record, records=False) for record in (False, True)))


@pytest.mark.parametrize(
    ("wanted", "device", "processes"), [(True, "cpu", 1), (False, "cuda", 1), (True, "cuda", 2), (True, "mps", 1)]
)
def test_elsewhere_nothing_is_recorded(wanted: bool, device: str, processes: int) -> None:
    model = tiny("bert")
    with recorded(model, wanted=wanted, device=torch.device(device), processes=processes):
        assert "forward" not in vars(model)
