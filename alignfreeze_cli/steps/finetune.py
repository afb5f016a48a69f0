"""`alignfreeze finetune`: an encoder and labelled data in one language → a task model.

From top to bottom: check the settings against task and encoder, find the data, open the output folder, read and cut the
data into windows, give the encoder a head, train, write the model. With `--realign-with` every step also realigns
(tasks/joint.py).
"""

from __future__ import annotations

import functools
import math
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch

from alignfreeze_cli.artifacts import OutputFolder, Result, resolve_encoder
from alignfreeze_cli.artifacts.record import ADAPTER
from alignfreeze_cli.encoder.batches import packing_for
from alignfreeze_cli.encoder.blocks import architecture
from alignfreeze_cli.encoder.freezing import apply_plan, resolve_plan
from alignfreeze_cli.encoder.lora import Adapters, heads_of
from alignfreeze_cli.encoder.models import demand_head, new_task_model, save_model, skeleton, word_embeddings
from alignfreeze_cli.encoder.recording import recorded
from alignfreeze_cli.encoder.tokenizers import load_tokenizer
from alignfreeze_cli.encoder.vocabulary import ActiveVocabulary
from alignfreeze_cli.errors import DataError
from alignfreeze_cli.hub.cards import card_after
from alignfreeze_cli.progress import WARNINGS, Console
from alignfreeze_cli.steps.measuring import measure
from alignfreeze_cli.steps.model_estimates import of_finetune, texts_of_pairs, texts_of_windows
from alignfreeze_cli.tasks.base import Windows
from alignfreeze_cli.tasks.data import find_data, read_windows
from alignfreeze_cli.tasks.finetuning import (
    CPU_BATCH_TOKENS,
    GPU_BATCH_TOKENS,
    batches,
    learnable,
    share_rows,
    steps_per_pass,
    summed_loss,
)
from alignfreeze_cli.tasks.joint import find_joint
from alignfreeze_cli.tasks.registry import find_task
from alignfreeze_cli.tasks.settings import FinetuneSettings
from alignfreeze_cli.training.devices import with_precision
from alignfreeze_cli.training.loop import LoopSettings, default_rate, demand_available, open_accelerator, train
from alignfreeze_cli.training.metrics import FILE_NAME, Metrics


def finetune(settings: FinetuneSettings, console: Console = WARNINGS) -> Result:
    """Make a task-model folder that the task's Auto class loads, its labels in `config.json`.

    Every word, pair or question of an optimizer batch weighs the same, in whatever micro-batch it is computed. Raises
    SettingsError, DataError, ArtifactError, HubError, and what `training.loop.train` raises.
    """
    settings = with_precision(settings)
    task = find_task(settings.task)
    encoder = resolve_encoder(settings.model)
    arch = architecture(skeleton(encoder.path))
    demand_head(arch.family, task.auto_class, task.title)
    options = task.chosen_options(settings, task.causal_defaults if arch.causal else None)
    max_length = arch.sentence_length(settings.max_length, task.train_length)
    joint = find_joint(settings, arch, max_length)
    # The task's loss reads the top block, so every block can be trained, and the head always is.
    plan = resolve_plan("none" if joint else settings.freeze, arch.n_blocks, "last", settings.lora, with_head=True)
    rate = settings.learning_rate or default_rate(arch.family, settings.lora)
    (source,) = find_data(task, [settings.language], settings.train, "train", "--train", console)

    @functools.cache
    def tokenizer() -> Any:
        return load_tokenizer(encoder.path, arch.vocabulary_size, arch.causal)

    def read() -> tuple[Windows, tuple[str, ...], dict[str, int]]:
        """The training data as windows, the model's labels, and sizes: examples, windows to learn from, steps."""
        with console.progress(f"reading {task.title} in {settings.language}", unit="examples") as progress:
            examples, labels, windows = read_windows(task, source, tokenizer(), max_length, options, console)
            progress.advance(examples)
        usable = learnable(windows)
        if not len(usable):
            raise DataError(f"holds no {task.unit} to learn from", source.paths[0])
        # 1.1 passes of 10 steps are 11 steps, though 1.1 * 10 is a little more.
        length = round((settings.epochs or task.epochs) * steps_per_pass(usable, settings), 9)
        steps = settings.steps or max(1, math.ceil(length))
        return windows, labels, {"examples": examples, "windows": len(usable), "steps": steps}

    inputs = [encoder, source.input, *(joint.folders if joint else ())]
    output = OutputFolder("task-model", settings, inputs, default=task.name, seed=settings.seed)
    if done := output.finished():
        return card_after(done, console, settings.dry_run)
    demand_available(settings.device, settings.tracker)
    if settings.dry_run:
        windows, labels, size = read()
        shown: dict[str, Any] = {
            "task": task.title,
            "options": options,
            "labels": list(labels),
            **(joint.planned() if joint else {"freeze": plan.diagram()}),
            "learning-rate": rate,
            "max-length": max_length,
            "precision": settings.precision,
        }
        pairs = None if joint is None else texts_of_pairs(joint.settings, joint.sources, tokenizer(), encoder.path)
        needs = of_finetune(settings, encoder.path, texts_of_windows(settings, windows, pairs))
        if settings.measure:
            needs = measure(settings, needs, console)
        return output.planned({**shown, **size, "needs": needs.to_dict()})

    with output.open(console) as work:
        windows, labels, size = read()
        if joint:
            console.info(f"Plan of realignment, which does not hold for the task:\n{joint.plan.diagram()}")
        elif plan.frozen or plan.embeddings_frozen:
            console.info(plan.diagram())
        torch.manual_seed(settings.seed)
        model = new_task_model(encoder.path, task.auto_class, labels)
        if arch.causal:
            model.config.pad_token_id = windows.padding_id  # by which transformers' heads find the last subword
        apply_plan(model, plan, train_top=True)
        accelerator = open_accelerator(
            output.path, settings.device, settings.precision, settings.tracker, settings.recorded()
        )
        process, processes = accelerator.process_index, accelerator.num_processes
        on_cpu = accelerator.device.type == "cpu"
        packing = packing_for(
            accelerator.device, settings.batch_tokens or (CPU_BATCH_TOKENS if on_cpu else GPU_BATCH_TOKENS)
        )
        per_pass = steps_per_pass(learnable(windows), settings)
        dataset = joint.dataset(console, encoder, size["steps"], per_pass, accelerator) if joint else None
        model.to(accelerator.device)
        vocabulary = None
        if settings.vocabulary == "active":  # the model gets a small embedding table; `whole()` puts the full one back
            occurring = [windows.token_ids(), *([dataset.token_ids()] if dataset else [])]
            vocabulary = ActiveVocabulary(model, np.concatenate(occurring), word_embeddings(encoder.path))
            console.info(vocabulary.summary("the data"))
        adapters = Adapters.attach(model, plan.trained, settings.lora) if settings.lora else None
        if adapters:
            console.info(adapters.summary())

        renumber = vocabulary.remap if vocabulary else None
        learning, loss = model, summed_loss(task)
        micro_batches = batches(windows, settings, arch, packing, renumber, process, processes)
        if joint and dataset:
            learning, loss = joint.model(model), joint.loss(loss, processes)
            micro_batches = joint.batches(micro_batches, dataset, arch, packing, renumber, process, processes)
        # Realignment beside it would be a second pass before the backward pass.
        wanted = not settings.eager and joint is None and share_rows(windows, arch)
        with recorded(model, wanted=wanted, device=accelerator.device, processes=processes):
            training = train(
                learning,
                loss,
                micro_batches,
                LoopSettings(
                    steps=size["steps"],
                    learning_rate=rate,
                    seed=settings.seed,
                    checkpoint_every=settings.checkpoint_every,
                    warmup=settings.warmup,
                    schedule="linear",
                    parts=joint.parts if joint else LoopSettings.parts,
                ),
                work.checkpoints,
                console,
                Metrics(work.path / FILE_NAME, accelerator),
                accelerator,
            )
        accelerator.end_training()
        if adapters:
            adapters.merge()
        if work.main:
            with vocabulary.whole() if vocabulary else nullcontext():
                save_model(model, encoder.path, work.path)
            if adapters and settings.keep_adapter:
                adapters.save(work.path / ADAPTER, encoder, heads_of(model, arch))
        work.details = {
            "task": task.name,
            "options": options,
            "language": settings.language,
            "labels": list(labels),
            "freeze": plan.text,
            "frozen-blocks": list(plan.frozen),
            "max-length": max_length,
            "learning-rate": rate,
            "batch-tokens": packing.budget,
            **(
                {"padding-token": tokenizer().pad_token, "separator-token": tokenizer().sep_token}
                if arch.causal
                else {}
            ),
            **task.reading(tokenizer()),
            **size,
            "epochs": round(size["steps"] / per_pass, 3),
            **({"notes": dict(windows.notes)} if windows.notes else {}),
            "first-loss": training.first_loss,
            "last-loss": training.last_loss,
            "tokens-per-second": round(training.tokens_per_second, 1),
            "padding": round(training.padding, 4),
            **({"lora": adapters.to_dict(settings.keep_adapter)} if adapters else {}),
            **(joint.to_dict(dataset, training, arch) if joint and dataset else {}),
        }
    return card_after(output.result, console)
