"""The finetune step: an encoder and labelled data in one language → a task model."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from alignfreeze_cli.artifacts import Result, Workspace, produce, resolve_encoder
from alignfreeze_cli.artifacts.record import ADAPTER
from alignfreeze_cli.encoder.blocks import architecture
from alignfreeze_cli.encoder.freezing import FreezePlan, ResolvedPlan
from alignfreeze_cli.encoder.lora import Adapters, heads_of, with_lora
from alignfreeze_cli.encoder.models import skeleton
from alignfreeze_cli.encoder.tokenizers import load_tokenizer
from alignfreeze_cli.errors import DataError
from alignfreeze_cli.progress import Console
from alignfreeze_cli.tasks.base import Task, Windows
from alignfreeze_cli.tasks.joint import find_joint
from alignfreeze_cli.tasks.models import build_model, save_model, window_length
from alignfreeze_cli.tasks.registry import find_task
from alignfreeze_cli.tasks.settings import FinetuneSettings
from alignfreeze_cli.tasks.sources import find_sources, tell
from alignfreeze_cli.training.loop import LoopSettings, MicroBatch, default_rate, open_accelerator, train
from alignfreeze_cli.training.metrics import FILE_NAME, Metrics

CPU_MICRO_BATCH = 4


def finetune(settings: FinetuneSettings, console: Console) -> Result:
    """Make a task-model folder that the task's Auto class loads, its labels in `config.json`.

    Every word, pair or question of an optimizer batch weighs the same, in whatever micro-batch it is computed. Raises
    SettingsError, DataError, ArtifactError, HubError, and what `training.loop.train` raises.
    """
    task = find_task(settings.task)
    encoder = resolve_encoder(settings.model)
    outlined = architecture(skeleton(encoder.path))
    max_length = window_length(settings.max_length, task.train_length, outlined)
    joint = find_joint(settings, outlined, max_length)
    # The task's loss reads the top block, so every block can be trained, and the head always is.
    frozen = FreezePlan.parse("none" if joint else settings.freeze).resolve(
        outlined.n_blocks, outlined.n_blocks - 1, with_head=True
    )
    frozen = with_lora(frozen, settings.lora)
    rate = settings.learning_rate or default_rate(outlined.family, settings.lora)
    (source,) = find_sources(task, [settings.language], settings.train, "train", "--train", console)
    options = task.chosen_options(settings)
    labels = task.labels(options)
    plan = {
        "task": task.title,
        "options": options,
        "labels": list(labels),
        **(joint.shown() if joint else {"freeze": frozen.strip()}),
        "learning-rate": rate,
        "max-length": max_length,
    }

    def read() -> tuple[Windows, np.ndarray, int, int]:
        tokenizer = load_tokenizer(encoder.path, words=task.reads_words)
        with console.progress(f"reading {task.title} in {settings.language}", unit="examples") as progress:
            examples = task.read(source.paths, settings.language, options)
            windows = task.encode(examples, tokenizer, labels, max_length, options).for_training()
            progress.advance(len(examples))
        tell(windows.notes, source, console)
        usable = learnable(windows)
        if not len(usable):
            raise DataError(f"holds no {task.unit} to learn from", source.paths[0])
        # 1.1 passes of 10 steps are 11 steps, though 1.1 * 10 is a little more.
        length = round((settings.epochs or task.epochs) * per_pass(usable, settings), 9)
        steps = settings.steps or max(1, math.ceil(length))
        return windows, usable, len(examples), steps

    if settings.dry_run:
        _, usable, count, steps = read()
        plan |= {"examples": count, "windows": len(usable), "steps": steps}

    def build(work: Workspace) -> Mapping[str, Any]:
        windows, usable, count, steps = read()
        if joint or frozen.frozen or frozen.embeddings_frozen:
            console.info((joint.plan if joint else frozen).strip())
        torch.manual_seed(settings.seed)
        model = build_model(encoder.path, task, labels)
        freeze(model, frozen)
        adapters = Adapters.attach(model, frozen.trained, settings.lora) if settings.lora else None
        if adapters:
            console.info(adapters.told())
        loop = LoopSettings(
            steps=steps,
            learning_rate=rate,
            warmup=settings.warmup,
            schedule="linear",
            seed=settings.seed,
            precision=settings.precision,
            checkpoint_every=settings.checkpoint_every,
            device=settings.device,
            trackers=settings.tracker,
            **({"parts": joint.parts} if joint else {}),
        )
        output = settings.output or Path(task.name)
        accelerator = open_accelerator(loop, output.parent, output.name)
        micro_batch = settings.micro_batch or (
            CPU_MICRO_BATCH if accelerator.device.type == "cpu" else settings.batch_size
        )
        process, processes = accelerator.process_index, accelerator.num_processes
        learning, compute, of_step = model, objective(task), batches(windows, settings, micro_batch, process, processes)
        if joint:
            material = joint.gather(console, encoder, steps, per_pass(usable, settings), accelerator)
            learning, compute = joint.model(model), joint.objective(compute, processes)
            of_step = joint.batches(of_step, material, architecture(model), process, processes)
        trained = train(
            learning,
            compute,
            of_step,
            loop,
            work.checkpoints,
            console,
            Metrics(work.path / FILE_NAME, accelerator),
            accelerator,
        )
        accelerator.end_training()
        if adapters:
            adapters.merge()
        if work.main:
            save_model(model, encoder.path, work.path)
            if adapters and settings.keep_adapter:
                adapters.save(work.path / ADAPTER, encoder, heads_of(model, outlined))
        return {
            "task": task.name,
            "options": options,
            "language": settings.language,
            "labels": list(labels),
            "freeze": frozen.text,
            "frozen-blocks": list(frozen.frozen),
            "max-length": max_length,
            "learning-rate": rate,
            "micro-batch": micro_batch,
            "steps": steps,
            "epochs": round(steps * settings.batch_size / len(usable), 3),
            "examples": count,
            "windows": len(usable),
            **({"notes": dict(windows.notes)} if windows.notes else {}),
            "first-loss": trained.first_loss,
            "last-loss": trained.last_loss,
            "tokens-per-second": round(trained.tokens_per_second, 1),
            "padding": round(trained.padding, 4),
            **({"lora": adapters.described(settings.keep_adapter)} if adapters else {}),
            **(joint.described(material, trained, architecture(model)) if joint else {}),
        }

    return produce(
        kind="task-model",
        settings=settings,
        default_output=task.name,
        inputs=[encoder, source.input, *(joint.folders if joint else ())],
        console=console,
        plan=plan,
        build=build,
        seed=settings.seed,
    )


def freeze(model: nn.Module, plan: ResolvedPlan) -> None:
    """Take the frozen blocks and embeddings out of training; everything else, the head too, stays in it."""
    arch = architecture(model)
    for number in plan.frozen:
        arch.blocks(model)[number].requires_grad_(False)
    if plan.embeddings_frozen:
        for _, parameter in arch.embedding_parameters(model):
            parameter.requires_grad_(False)


def objective(task: Task) -> Callable[[nn.Module, Any], Tensor]:
    """The task's loss as the loop wants it: the sum of the terms of a micro-batch (see `batches` for the share)."""

    def summed(model: nn.Module, inputs: Any) -> Tensor:
        batch, share = inputs
        return task.loss(model, batch) * share

    return summed


def learnable(windows: Windows) -> np.ndarray:
    """The numbers of the windows that have something to learn from.

    One without any loss term (a sentence of nothing but a zero-width space, say) is left out: it teaches nothing, and
    a batch of nothing else would have no loss.
    """
    return np.flatnonzero(windows.weights > 0)


def per_pass(usable: np.ndarray, settings: FinetuneSettings) -> int:
    """Optimizer steps in one pass over the windows."""
    return math.ceil(len(usable) / settings.batch_size)


def batches(
    windows: Windows, settings: FinetuneSettings, micro_batch: int, process: int, processes: int
) -> Callable[[int], list[MicroBatch]]:
    """The micro-batches of a step on one of several processes, a function of the step alone.

    Every pass over the data has its own order, a function of seed and pass; its last batch may be smaller. Within a
    batch the windows are sorted by length, which changes no gradient and saves most of the padding.
    """
    usable = learnable(windows)
    steps_per_pass = per_pass(usable, settings)

    def of_step(step: int) -> list[MicroBatch]:
        number, place = divmod(step, steps_per_pass)
        order = usable[np.random.default_rng([settings.seed, number]).permutation(len(usable))]
        batch = order[place * settings.batch_size : (place + 1) * settings.batch_size]
        batch = batch[np.argsort(-windows.lengths[batch], kind="stable")]
        own, share = batch[process::processes], 1.0
        if not len(own):
            # Fewer windows than processes: all must still take part in the step, this one with nothing to add.
            own, share = batch[:1], 0.0
        return [
            _micro_batch(windows, own[begin : begin + micro_batch], share) for begin in range(0, len(own), micro_batch)
        ]

    return of_step


def _micro_batch(windows: Windows, indices: np.ndarray, share: float) -> MicroBatch:
    lengths = windows.lengths[indices]
    return MicroBatch(
        inputs=(windows.collate(indices), share),
        weight=float(windows.weights[indices].sum()) * share,
        tokens=int(lengths.sum()),
        computed=int(lengths.max() * len(lengths)),
    )
