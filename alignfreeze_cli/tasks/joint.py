"""Realignment during fine-tuning (`finetune --realign-with`): the `during` schedule of the published code.

Every optimizer step learns from one batch of the task and one of pairs, and its loss is

    task + weight x realignment        weight 0.1 (arXiv 2502.12959, section 3; published code, training_loops.py)

The task trains every block; the gradients of realignment reach only what the freeze plan leaves free, as in the
published `during_partial_freeze_*`. Batches, loss and projection are those of `realign`. The projection is trained
along, at the rate of fine-tuning, and is not part of the saved model.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from alignfreeze_cli.artifacts import Input
from alignfreeze_cli.encoder.batches import Packing, WordBatch, make_batch
from alignfreeze_cli.encoder.blocks import Architecture, architecture
from alignfreeze_cli.encoder.dataset import (
    LanguageSource,
    RealignDataset,
    build_dataset,
    language_sources,
    report_usage,
    resolve_pairs,
)
from alignfreeze_cli.encoder.freezing import ResolvedPlan, gradients_only_where_trained, resolve_plan
from alignfreeze_cli.encoder.loss import new_projection, realignment_loss
from alignfreeze_cli.encoder.settings import RealignSettings
from alignfreeze_cli.encoder.tokenizers import load_tokenizer
from alignfreeze_cli.progress import Console
from alignfreeze_cli.tasks.settings import (
    DEFAULT_REALIGN_WEIGHT,
    REALIGN_PREFIX,
    SHARED_WITH_REALIGN,
    FinetuneSettings,
    is_unset,
)
from alignfreeze_cli.training.loop import MicroBatch, Objective, Training

Batches = Callable[[int], list[MicroBatch]]


@dataclass(frozen=True)
class Joint:
    """What is realigned on while a task is learned, and how; `settings` are those that `realign` would have."""

    settings: RealignSettings
    weight: float
    folders: Sequence[Input]
    sources: dict[str, list[LanguageSource]]
    plan: ResolvedPlan
    causal: bool = False  # whether the model is a decoder-only one

    @property
    def parts(self) -> tuple[tuple[str, float], ...]:
        """The parts of the loss, as the loop wants them."""
        return (("task", 1.0), ("realign", self.weight))

    def planned(self) -> dict[str, Any]:
        """What a dry run says."""
        rows = {name: sum(source.file.rows for source in some) for name, some in self.sources.items()}
        pairs = {"pairs": rows, "batch-size": self.settings.batch_size, "weight": self.weight}
        return {"schedule": "during", "plan of realignment": self.plan.diagram(), **pairs}

    def dataset(
        self, console: Console, model: Input, steps: int, per_pass: int, accelerator: Accelerator
    ) -> RealignDataset:
        """The pairs of `steps` steps; `per_pass` of them are one pass over the task's data.

        Under `--realign-sampling published` the stream begins anew with every pass, as it did in the published code,
        so only the pairs of one pass are planned.
        """
        planned = min(steps, per_pass) if self.settings.sampling == "published" else steps
        settings = dataclasses.replace(self.settings, steps=planned)
        with accelerator.main_process_first():
            tokenizer = load_tokenizer(model.path, causal=self.causal)
            dataset = build_dataset(settings, self.sources, tokenizer, accelerator.num_processes, console)
        report_usage(dataset.draws, settings.sampling, console)
        return dataset

    def model(self, encoder: Any) -> nn.ModuleDict:
        """The task's model and the projection that realignment looks through, made from the seed."""
        torch.manual_seed(self.settings.seed)
        projection = new_projection(self.settings.projection, architecture(encoder).hidden_size, encoder.config)
        return nn.ModuleDict({"encoder": encoder, "projection": projection})

    def loss(self, of_task: Objective, processes: int) -> Objective:
        """Both losses over a micro-batch, (2,): the sum of the task's terms, this process's share of realignment's."""

        def both(model: nn.Module, inputs: tuple[Any, WordBatch | None]) -> Tensor:
            assert isinstance(model, nn.ModuleDict)
            task, pairs = inputs
            summed = of_task(model["encoder"], task)
            if pairs is None:
                return torch.stack([summed, summed.new_zeros(())])
            pooling = self.settings.pooling or architecture(model["encoder"]).pooling
            with gradients_only_where_trained(model["encoder"], self.plan):
                share = realignment_loss(
                    model,
                    pairs,
                    block=self.plan.read_block,
                    pooling=pooling,
                    temperature=self.settings.temperature,
                    negatives=self.settings.negatives,
                    processes=processes,
                )
            return torch.stack([summed, share.to(summed.dtype)])

        return both

    def batches(
        self,
        of_task: Batches,
        dataset: RealignDataset,
        arch: Architecture,
        packing: Packing,
        renumber: Callable[[np.ndarray], np.ndarray] | None = None,
        process: int = 0,
        processes: int = 1,
    ) -> Batches:
        """The task's micro-batches, the last one of a step with this process's pairs.

        Computed in one forward pass with the last, not in one of its own, because in a run of several processes every
        parameter must take part in the pass whose gradients are exchanged.
        """

        def of_step(step: int) -> list[MicroBatch]:
            *before, last = of_task(step)
            drawn = dataset.drawn(step % dataset.draws.steps)[process::processes]
            # In one part: a part is computed again during the backward pass, where nothing is frozen any more.
            pairs = make_batch(drawn, arch, dataset.pad_id, renumber, packing._replace(budget=math.inf))
            return [
                *(_joined(micro_batch, None, 0.0) for micro_batch in before),
                _joined(last, pairs, 1 / processes),
            ]

        return of_step

    def to_dict(self, dataset: RealignDataset, training: Training, arch: Architecture) -> dict[str, Any]:
        """What the record says of it; under `realign` the names are those of the record of `realign`."""
        chosen = {
            key: value
            for key, value in self.settings.recorded().items()
            if key.replace("-", "_") in SHARED_WITH_REALIGN
        }
        first, last = training.parts["realign"]
        reopened = dataset.draws.steps < training.steps
        realign = {
            "plan": self.plan.text,
            "weight": self.weight,
            **chosen,
            "family": arch.family,
            "blocks": arch.n_blocks,
            "frozen-blocks": list(self.plan.frozen),
            "embeddings-frozen": self.plan.embeddings_frozen,
            "trained-blocks": list(self.plan.trained),
            "read-block": self.plan.read_block,
            "steps": training.steps,
            "steps-of-stream": dataset.draws.steps,
            "stream": "anew in every epoch" if reopened else "continued",
            "first-loss": first,
            "last-loss": last,
            "languages": dataset.to_dict(),
        }
        return {"schedule": "during", "realign": realign}


def find_joint(settings: FinetuneSettings, arch: Architecture, max_length: int) -> Joint | None:
    """What `--realign-with` asks for, for an encoder of this architecture; None without it.

    Raises SettingsError for a plan that leaves realignment nothing to train, a block or a language that is not there,
    ArtifactError for folders of another kind, HubError.
    """
    if not settings.realign_with:
        return None
    given = {name: getattr(settings, REALIGN_PREFIX + name) for name in SHARED_WITH_REALIGN}
    given["pooling"] = given["pooling"] or arch.pooling
    as_realign = RealignSettings(
        model=settings.model,
        pairs=settings.realign_with,
        freeze=settings.freeze,
        max_length=max_length,
        seed=settings.seed,
        probe_pairs=0,
        **{name: value for name, value in given.items() if not is_unset(value)},
    )
    folders = resolve_pairs(settings.realign_with)
    return Joint(
        as_realign,
        DEFAULT_REALIGN_WEIGHT if settings.realign_weight is None else settings.realign_weight,
        folders,
        language_sources(folders, as_realign.targets, "--realign-targets"),
        resolve_plan(settings.freeze, arch.n_blocks, as_realign.block, settings.lora, causal=arch.causal),
        arch.causal,
    )


def _joined(micro_batch: MicroBatch, pairs: WordBatch | None, weight: float) -> MicroBatch:
    assert isinstance(micro_batch.weight, float)
    return MicroBatch(
        inputs=(micro_batch.inputs, pairs),
        weight=(micro_batch.weight, weight),
        tokens=micro_batch.tokens + (pairs.layout.tokens if pairs else 0),
        computed=micro_batch.computed + (pairs.layout.positions if pairs else 0),
    )
