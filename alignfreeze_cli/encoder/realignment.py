"""`realign`: pull words that translate each other together, in the blocks that the freeze plan leaves free.

In the order of the run: resolve and check (`realign`), encode the pairs and plan the draws (`material.py`), train
(`_train`), probe before and after, write the encoder (`_build`).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from alignfreeze_cli.artifacts import Input, Result, Workspace, produce, resolve_artifact, resolve_encoder
from alignfreeze_cli.encoder import packing
from alignfreeze_cli.encoder.batches import WordBatch, make_batch
from alignfreeze_cli.encoder.blocks import Architecture, architecture
from alignfreeze_cli.encoder.folders import load_encoder, save_encoder, skeleton
from alignfreeze_cli.encoder.freezing import FreezePlan, ResolvedPlan, apply_plan, default_read_block
from alignfreeze_cli.encoder.loss import Projection, contrastive_loss, gather_words
from alignfreeze_cli.encoder.material import Material, Source, gather, languages, report
from alignfreeze_cli.encoder.pooling import pool_words
from alignfreeze_cli.encoder.probe import retrieval
from alignfreeze_cli.encoder.settings import DEFAULT_STEPS, RealignSettings
from alignfreeze_cli.encoder.vocabulary import ActiveVocabulary
from alignfreeze_cli.errors import SettingsError
from alignfreeze_cli.progress import Console
from alignfreeze_cli.training.loop import LoopSettings, MicroBatch, Training, open_accelerator, train
from alignfreeze_cli.training.metrics import FILE_NAME, Metrics
from alignfreeze_cli.training.schedules import published_rate


def realign(settings: RealignSettings, console: Console) -> Result:
    """Realign an encoder; the result is an encoder folder. Under `torchrun` every process calls this.

    Raises SettingsError (a plan or block that does not fit the encoder, a family that is not supported), ArtifactError
    (inputs of another kind, damaged or pickled), DataError (no usable pairs), Interrupted (a checkpoint was left).
    """
    if not settings.pairs:
        raise SettingsError("--pairs: name the pairs folders to realign on, as `align-pairs` makes them.")
    model = resolve_encoder(settings.model)
    folders = [
        resolve_artifact(reference, "pairs", "pairs" if number == 0 else f"pairs-{number + 1}")
        for number, reference in enumerate(settings.pairs)
    ]
    bare = skeleton(model.path)
    arch = architecture(bare)
    plan = FreezePlan.parse(settings.freeze).resolve(arch.n_blocks, read_block(settings.block, arch.n_blocks))
    if settings.max_length > arch.max_length:
        raise SettingsError(f"--max-length {settings.max_length} is more than the encoder takes ({arch.max_length}).")
    sources = languages(folders, settings.targets)
    rows = {name: sum(source.language.rows for source in some) for name, some in sources.items()}
    length = {"epochs": settings.epochs} if settings.epochs else {"steps": settings.steps or DEFAULT_STEPS}
    shown = {
        "plan": plan.strip(),
        "pairs": rows,
        **length,
        "batch-size": settings.batch_size,
        "learning-rate": learning_rate(settings, arch),
    }
    return produce(
        kind="encoder",
        settings=settings,
        default_output="encoder",
        inputs=[model, *folders],
        console=console,
        plan=shown,
        build=partial(_build, settings, console, model, sources, plan),
        seed=settings.seed,
    )


def learning_rate(settings: RealignSettings, arch: Architecture) -> float:
    """The rate of a run: as set, or the published one of the encoder's family."""
    return published_rate(arch.family) if settings.learning_rate is None else settings.learning_rate


def objective(
    model: nn.ModuleDict,
    batch: WordBatch,
    *,
    block: int,
    pooling: str = "first",
    temperature: float = 0.1,
    negatives: str = "all",
    processes: int = 1,
) -> Tensor:
    """This process's share of the realignment loss of the whole batch, a scalar; the shares add up to the loss.

    `model` holds `encoder` and `projection`. One forward pass for both sides, up to the block that is read.
    """
    hidden = packing.encode(model["encoder"], batch.layout, block)  # (positions, hidden)
    words = model["projection"](pool_words(hidden, batch.starts, batch.ends, pooling))  # (words, size)
    source, target, links = gather_words(words[: batch.n_source], words[batch.n_source :], batch.links)
    loss = contrastive_loss(source, target, links, temperature, negatives)
    # Every process computes the loss of the whole batch, but the gradient through its own words only: the gradients
    # are to be added up over the processes, so of the value each gives a share.
    return loss - loss.detach() * (1 - 1 / processes)


def _build(
    settings: RealignSettings,
    console: Console,
    model_input: Input,
    sources: dict[str, list[Source]],
    plan: ResolvedPlan,
    work: Workspace,
) -> dict[str, Any]:
    """Everything between the checks and the record."""
    loop = LoopSettings(
        steps=0,  # this and the rate are known when pairs and encoder are
        learning_rate=0.0,
        seed=settings.seed,
        precision=settings.precision,
        checkpoint_every=settings.checkpoint_every,
        device=settings.device,
        trackers=settings.tracker,
    )
    output = settings.output or Path("encoder")
    accelerator = open_accelerator(loop, output.parent, output.name)
    processes = accelerator.num_processes
    if settings.batch_size < processes:
        raise SettingsError(f"--batch-size {settings.batch_size} leaves some of the {processes} processes no pair.")
    with accelerator.main_process_first():
        material = gather(settings, console, model_input.path, sources, processes)
    usage = material.draws.usage()
    report(console, settings, usage)

    model, missing = load_encoder(model_input.path)
    arch = architecture(model)
    apply_plan(model, plan)
    console.info(plan.strip())
    loop = replace(loop, steps=material.draws.steps, learning_rate=learning_rate(settings, arch))
    metrics = Metrics(work.path / FILE_NAME, accelerator)
    model.to(accelerator.device)

    _probe(model, material, settings, console, metrics, accelerator, 0)
    training = _train(model, material, settings, loop, plan, work, console, metrics, accelerator)
    _probe(model, material, settings, console, metrics, accelerator, training.steps)
    accelerator.end_training()
    if not work.main:
        return {}
    save_encoder(model, missing, model_input.path, work.path)
    return {
        "family": arch.family,
        "blocks": arch.n_blocks,
        "frozen-blocks": list(plan.frozen),
        "embeddings-frozen": plan.embeddings_frozen,
        "trained-blocks": list(plan.trained),
        "read-block": plan.read_block,
        "learning-rate": loop.learning_rate,
        "steps": training.steps,
        "first-loss": training.first_loss,
        "last-loss": training.last_loss,
        "tokens-per-second": round(training.tokens_per_second, 1),
        "padding": round(training.padding, 4),
        "languages": material.described(),
        "probe": [row for row in metrics.rows() if "probe" in row],
        "left-out": missing,
    }


def _train(
    model: Any,
    material: Material,
    settings: RealignSettings,
    loop: LoopSettings,
    plan: ResolvedPlan,
    work: Workspace,
    console: Console,
    metrics: Metrics,
    accelerator: Accelerator,
) -> Training:
    """Train the encoder in place; its projection is dropped at the end."""
    arch = architecture(model)
    active = None
    if settings.vocabulary == "active":
        active = ActiveVocabulary(model, np.append(material.token_ids(), material.pad_id))
        console.info(f"{len(active.ids):,} of {active.full.num_embeddings:,} word embeddings occur in the pairs.")
    torch.manual_seed(settings.seed)
    projection: nn.Module = nn.Identity()
    if settings.projection:
        spread = getattr(model.config, "initializer_range", 0.02)
        projection = Projection(arch.hidden_size, settings.projection, spread).to(accelerator.device)

    def batches(step: int) -> list[MicroBatch]:
        drawn = material.drawn(step)[accelerator.process_index :: accelerator.num_processes]
        batch = make_batch(drawn, arch, material.pad_id, active.remap if active else None)
        return [MicroBatch(batch, 1 / accelerator.num_processes, batch.layout.tokens, batch.layout.positions)]

    compute = partial(
        objective,
        block=plan.read_block,
        pooling=settings.pooling,
        temperature=settings.temperature,
        negatives=settings.negatives,
        processes=accelerator.num_processes,
    )
    try:
        both = nn.ModuleDict({"encoder": model, "projection": projection})
        return train(both, compute, batches, loop, work.checkpoints, console, metrics, accelerator)
    finally:
        if active is not None:
            active.restore()


def _probe(
    model: Any,
    material: Material,
    settings: RealignSettings,
    console: Console,
    metrics: Metrics,
    accelerator: Accelerator,
    step: int,
) -> None:
    """Log the retrieval of every language, unless an earlier part of a resumed run has done so."""
    when = "after" if step else "before"
    done = {row["language"] for row in metrics.rows() if row.get("probe") == when}
    total = sum(len(held) for held in material.held_out)
    if accelerator.is_main_process and total:
        with console.task(f"probing {when}", total, "pairs") as bar:
            for pairs, held in zip(material.pairs, material.held_out, strict=True):
                if len(held) and pairs.language not in done:
                    found = retrieval(model, pairs, held.tolist(), material.pad_id, settings.pooling)
                    metrics.log(step, probe=when, **found.row())
                bar.advance(len(held))
    accelerator.wait_for_everyone()


def read_block(text: str, n_blocks: int) -> int:
    """The number of the block that the loss reads, from the setting `block`."""
    if text.isdecimal():
        return int(text)
    return n_blocks - 1 if text == "last" else default_read_block(n_blocks)
