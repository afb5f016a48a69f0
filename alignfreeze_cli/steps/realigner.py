"""An encoder under realignment: trained on its material, probed, and written as it is at some step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn

from alignfreeze_cli.artifacts import Input
from alignfreeze_cli.artifacts.record import ADAPTER
from alignfreeze_cli.encoder.batches import make_batch
from alignfreeze_cli.encoder.blocks import Architecture, architecture
from alignfreeze_cli.encoder.dataset import RealignDataset
from alignfreeze_cli.encoder.freezing import ResolvedPlan, apply_plan
from alignfreeze_cli.encoder.lora import Adapters
from alignfreeze_cli.encoder.loss import new_projection, realignment_loss
from alignfreeze_cli.encoder.models import load_encoder, save_encoder
from alignfreeze_cli.encoder.probe import retrieval
from alignfreeze_cli.encoder.settings import RealignSettings
from alignfreeze_cli.encoder.vocabulary import ActiveVocabulary
from alignfreeze_cli.progress import Console
from alignfreeze_cli.training.loop import LoopSettings, MicroBatch, Training, train
from alignfreeze_cli.training.metrics import FILE_NAME, Metrics


@dataclass
class Realigner:
    """One run's encoder, with the projection that the loss looks through, and what it is trained on."""

    settings: RealignSettings
    console: Console
    source: Input  # the encoder as it was
    model: Any
    missing: list[str]  # names of parameters that the folder lacks; they are not written either
    plan: ResolvedPlan
    material: RealignDataset
    accelerator: Accelerator
    active: ActiveVocabulary | None = None
    adapters: Adapters | None = None

    @classmethod
    def open(
        cls,
        settings: RealignSettings,
        console: Console,
        source: Input,
        plan: ResolvedPlan,
        material: RealignDataset,
        accelerator: Accelerator,
    ) -> Realigner:
        """Load the encoder of a folder and freeze what the plan freezes. Raises ArtifactError."""
        model, missing = load_encoder(source.path)
        apply_plan(model, plan)
        console.info(plan.strip())
        model.to(accelerator.device)
        return cls(settings, console, source, model, missing, plan, material, accelerator)

    @property
    def arch(self) -> Architecture:
        return architecture(self.model)

    def train(
        self,
        loop: LoopSettings,
        store: Path,
        metrics: Metrics,
        at: Mapping[int, Callable[[Training], None]],
    ) -> Training:
        """Train the encoder in place; its projection is dropped at the end. `at`: see `loop.train`."""
        arch, settings, accelerator = self.arch, self.settings, self.accelerator
        if settings.vocabulary == "active":
            self.active = ActiveVocabulary(self.model, np.append(self.material.token_ids(), self.material.pad_id))
            count, all_of_them = len(self.active.ids), self.active.full.num_embeddings
            self.console.info(f"{count:,} of {all_of_them:,} word embeddings occur in the pairs.")
        torch.manual_seed(settings.seed)
        projection = new_projection(settings.projection, arch.hidden_size, self.model.config).to(accelerator.device)
        if settings.lora:
            self.adapters = Adapters.attach(self.model, self.plan.trained, settings.lora)
            self.console.info(self.adapters.told())

        def batches(step: int) -> list[MicroBatch]:
            drawn = self.material.drawn(step)[accelerator.process_index :: accelerator.num_processes]
            batch = make_batch(drawn, arch, self.material.pad_id, self.active.remap if self.active else None)
            return [MicroBatch(batch, 1 / accelerator.num_processes, batch.layout.tokens, batch.layout.positions)]

        compute = partial(
            realignment_loss,
            block=self.plan.read_block,
            pooling=settings.pooling,
            temperature=settings.temperature,
            negatives=settings.negatives,
            processes=accelerator.num_processes,
        )
        both = nn.ModuleDict({"encoder": self.model, "projection": projection})
        try:
            return train(both, compute, batches, loop, store, self.console, metrics, accelerator, at)
        finally:
            if self.active is not None:
                self.active.restore()
                self.active = None
            if self.adapters is not None:
                self.adapters.merge()

    @contextmanager
    def as_published(self) -> Iterator[None]:
        """In the midst of training: inside, the model is what would be written now; afterwards it trains on."""
        with ExitStack() as put_back:
            if self.active is not None:
                put_back.enter_context(self.active.whole())
            if self.adapters is not None:
                put_back.enter_context(self.adapters.merged())
            yield

    def probe(self, metrics: Metrics, step: int) -> None:
        """Log the retrieval of every language, unless an earlier part of a resumed run has done so.

        For the main process alone.
        """
        when = "after" if step else "before"
        done = {row["language"] for row in metrics.rows() if row.get("probe") == when}
        held_out, pad_id = self.material.held_out, self.material.pad_id
        total = sum(len(held) for held in held_out)
        if not total:
            return
        with self.console.progress(f"probing {when}", total, "pairs") as bar:
            for pairs, held in zip(self.material.pairs, held_out, strict=True):
                if len(held) and pairs.language not in done:
                    found = retrieval(self.model, pairs, held.tolist(), pad_id, self.settings.pooling)
                    metrics.log(step, probe=when, **found.row())
                bar.advance(len(held))

    def finish(self, metrics: Metrics, training: Training, loop: LoopSettings, folder: Path) -> dict[str, Any]:
        """Probe and write the encoder as it is after `training`, with its metrics; gives the details of its record.

        For the main process alone. `metrics` are those of the run so far; they are copied into a `folder` of its own.
        """
        if metrics.path.parent != folder:
            metrics = metrics.copied(folder / FILE_NAME)
        self.probe(metrics, training.steps)
        save_encoder(self.model, self.missing, self.source.path, folder)
        keep = self.settings.keep_adapter
        if self.adapters is not None and keep:
            self.adapters.save(folder / ADAPTER, self.source)
        return {
            "family": self.arch.family,
            "blocks": self.arch.n_blocks,
            "frozen-blocks": list(self.plan.frozen),
            "embeddings-frozen": self.plan.embeddings_frozen,
            "trained-blocks": list(self.plan.trained),
            "read-block": self.plan.read_block,
            "learning-rate": loop.learning_rate,
            "steps": training.steps,
            "first-loss": training.first_loss,
            "last-loss": training.last_loss,
            "tokens-per-second": round(training.tokens_per_second, 1),
            "padding": round(training.padding, 4),
            "languages": self.material.first(training.steps).described(),
            "probe": [row for row in metrics.rows() if "probe" in row],
            "left-out": self.missing,
            **({"lora": self.adapters.described(keep)} if self.adapters else {}),
        }
