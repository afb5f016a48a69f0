"""The realignment step: the training loop of `realign` against the straightforward step of plain/realign.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from accelerate.utils import send_to_device

from alignfreeze_cli.encoder.batches import make_batch
from alignfreeze_cli.encoder.blocks import architecture
from alignfreeze_cli.encoder.dataset import RealignDataset
from alignfreeze_cli.encoder.freezing import FreezePlan, ResolvedPlan, default_read_block
from alignfreeze_cli.encoder.loss import Projection, realignment_loss
from alignfreeze_cli.encoder.models import load_encoder
from benchmarks.clock import Laps, details, percent
from benchmarks.inputs import Inputs, describe
from benchmarks.plain.realign import Pair, PlainRealigner, batch_loss, computed_positions, read_pair
from benchmarks.table import Report, Row
from benchmarks.training import wait_for, watch

BLOCK = 5  # steps in a lap; the first lap of both is not counted


def run(inputs: Inputs) -> Report:
    """Ours and the straightforward one in turn, five steps each, on the same batches; the report."""
    report = Report()
    for precision in inputs.options.precisions:
        _compare(inputs, precision, report)
    return report


def _compare(inputs: Inputs, precision: str, report: Report) -> None:
    options = inputs.options
    steps = BLOCK * max(2, options.steps // BLOCK)
    settings = inputs.realign_settings(steps, precision=precision, output=inputs.folder / f"realigned-{precision}")
    dataset = inputs.dataset(settings)
    batches = [[read_pair(drawn) for drawn in dataset.drawn(step)] for step in range(steps)]
    plain, plan = plain_realigner(inputs, dataset, precision)
    same_loss(plain, dataset, batches[0])

    as_torch_has_it = torch.backends.cuda.cudnn_sdp_enabled()
    ours, theirs = Laps("alignfreeze", BLOCK), Laps("plain/realign.py", BLOCK)

    def after(done: int) -> None:
        if done % BLOCK:
            return
        wait_for(plain.device)
        some = batches[done - BLOCK : done]
        tokens = sum(map(count_tokens, some))
        ours.stop(tokens)
        torch.backends.cuda.enable_cudnn_sdp(as_torch_has_it)
        with theirs.lap(tokens):
            for batch in some:
                plain.step(batch)
        torch.backends.cuda.enable_cudnn_sdp(False)  # as ours has it, see training/devices.py
        ours.start()

    plain.encoder.train()
    watch(settings, ours.start, after)
    for laps in (ours, theirs):
        for values in (laps.wall, laps.cpu, laps.units):
            del values[0]

    tokens = sum(map(count_tokens, batches))
    theirs.padding = 1 - tokens / sum(map(computed_positions, batches))
    ours.padding = 1 - tokens / sum(computed_by_ours(plain.encoder, dataset, step) for step in range(steps))
    report.rows.append(Row(f"`realign` {precision}, one step of {options.batch_size} pairs", theirs, ours))
    lines = [
        f"{precision}: {describe(plain.encoder)}, freeze {options.freeze}, {options.device}, "
        f"vocabulary {options.vocabulary}",
        *(f"- {details(laps, 'tokens')}" for laps in (theirs, ours)),
    ]
    if options.peak_tflops:
        lengths = [[len(s.ids) for pair in batch for s in (pair.source, pair.target)] for batch in batches]
        flops = float(np.mean([model_flops(plain.encoder.config, some, plan) for some in lengths]))
        for laps in (theirs, ours):
            share = flops / float(np.median(laps.wall)) / (options.peak_tflops * 1e12)
            lines.append(
                f"- {laps.name}: {percent(share)} of {options.peak_tflops:g} TFLOP/s ({flops / 1e12:.3f} TFLOP a step)"
            )
    report.text += ("\n\n" if report.text else "") + "\n".join(lines)


def plain_realigner(
    inputs: Inputs, dataset: RealignDataset, precision: str = "fp32"
) -> tuple[PlainRealigner, ResolvedPlan]:
    """The straightforward trainer of the same encoder, with the blocks frozen that the plan names."""
    options = inputs.options
    encoder, _ = load_encoder(inputs.encoder)
    arch = architecture(encoder)
    plan = FreezePlan.parse(options.freeze).resolve(arch.n_blocks, default_read_block(arch.n_blocks))
    for number in plan.frozen:
        arch.blocks(encoder)[number].requires_grad_(False)
    if plan.embeddings_frozen:
        for _, parameter in arch.embedding_parameters(encoder):
            parameter.requires_grad_(False)
    torch.manual_seed(options.seed)
    projection = Projection(arch.hidden_size)
    device = torch.device(options.device)
    trainer = PlainRealigner(
        encoder.to(device), projection.to(device), plan.read_block, dataset.pad_id, 2e-5, precision
    )
    return trainer, plan


def same_loss(plain: PlainRealigner, dataset: RealignDataset, first: list[Pair]) -> None:
    """Both must compute the same loss for the first batch, without dropout; AssertionError if they don't."""
    both = torch.nn.ModuleDict({"encoder": plain.encoder, "projection": plain.projection}).eval()
    batch = make_batch(dataset.drawn(0), architecture(plain.encoder), dataset.pad_id)
    batch = send_to_device(batch, plain.device)
    with torch.no_grad():
        ours = realignment_loss(both, batch, block=plain.block).item()
        theirs = batch_loss(plain.encoder, plain.projection, first, plain.block, plain.pad_id).item()
    assert abs(ours - theirs) < 1e-4 * abs(theirs), f"the losses differ: {ours} and {theirs}"


def count_tokens(batch: list[Pair]) -> int:
    """Subwords of text in a batch."""
    return sum(len(sentence.ids) for pair in batch for sentence in (pair.source, pair.target))


def computed_by_ours(encoder: Any, dataset: RealignDataset, step: int) -> int:
    """Positions that our step computes, padding included."""
    return make_batch(dataset.drawn(step), architecture(encoder), dataset.pad_id).layout.positions


def model_flops(config: Any, lengths: list[int], plan: ResolvedPlan) -> float:
    """Floating point operations that a step needs, by its matrix products: only text, only blocks up to the read one.

    A product costs 2 operations per multiplication forward, as many again for the gradient of its input where something
    below is trained, and as many for that of its weights where they are.
    """
    size, inner = config.hidden_size, config.intermediate_size
    tokens, pairs = sum(lengths), sum(length * length for length in lengths)
    total = 0.0
    for block in range(plan.read_block + 1):
        below = not plan.embeddings_frozen or any(trained < block for trained in plan.trained)
        trained = block in plan.trained
        weights = 2.0 * tokens * (4 * size * size + 2 * size * inner)
        attention = 2.0 * 2 * pairs * size
        total += weights * (1 + below + trained) + attention * (1 + 2 * (below or trained))
    return total
