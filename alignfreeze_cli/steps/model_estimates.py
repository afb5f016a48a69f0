"""What a step with a model will take: memory and disk, from its settings, the shape of the model and its texts.

A dry run of a step knows its texts (`texts_of_pairs`, `texts_of_windows`); before they are there, they are taken to be
as `ASSUMED` says.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from alignfreeze_cli.artifacts.inputs import TOKENIZER_FILES
from alignfreeze_cli.encoder.batches import packing_for
from alignfreeze_cli.encoder.blend_settings import BlendSettings
from alignfreeze_cli.encoder.blocks import architecture
from alignfreeze_cli.encoder.dataset import LanguageSource
from alignfreeze_cli.encoder.footprint import NUMBER, Footprint, Texts, footprint, kept_of_position
from alignfreeze_cli.encoder.freezing import resolve_plan
from alignfreeze_cli.encoder.models import skeleton
from alignfreeze_cli.encoder.sample import sample_texts
from alignfreeze_cli.encoder.sentences import CPU_BATCH_TOKENS as LINKED_AT_ONCE
from alignfreeze_cli.encoder.settings import RealignSettings
from alignfreeze_cli.errors import ArtifactError
from alignfreeze_cli.settings import StepSettings
from alignfreeze_cli.steps.estimates import Estimate
from alignfreeze_cli.tasks import finetuning, prediction
from alignfreeze_cli.tasks.base import RowSharingWindows, Windows
from alignfreeze_cli.tasks.settings import EvaluateSettings, FinetuneSettings
from alignfreeze_cli.training.devices import pick_device

LIBRARIES = 450_000_000
"""Bytes of Python with torch, transformers and the others, before a model is read (torch 2.13 for CPUs)."""

OF_PIECE = 1_600
"""Bytes of a tokenizer for each subword that it knows (XLM-R's 250,002)."""

SLACK = 1.5
"""How much more is held than what is kept for the gradient: what is computed meanwhile, and holes between pieces."""

OF_LANGUAGE = 1_000_000
"""Bytes of the predictions in a language."""

EXAMPLES = 150_000_000
"""Bytes of the examples that `evaluate` holds at once, and of what it writes of them."""

ASSUMED = Texts(positions=30, width=48, rows=15_000)
"""Texts that are not there yet: subwords of a sentence in the largest batch, width of its rows, different subwords."""

_TEXTS_ASSUMED = (
    f"The texts are not there yet: {ASSUMED.positions} subwords a sentence in the largest batch, of {ASSUMED.rows:,} "
    "different ones."
)


def of_model_step(settings: StepSettings, model: Path | None = None, threads: int | None = None) -> Estimate:
    """What `estimate` says of a step with a model."""
    if isinstance(settings, RealignSettings):
        return of_realign(settings, model)
    if isinstance(settings, FinetuneSettings):
        return of_finetune(settings, model)
    if isinstance(settings, EvaluateSettings):
        return of_evaluate(settings, model, threads)
    if isinstance(settings, BlendSettings):
        return of_blend(settings, model)
    raise ValueError(f"nothing is known of what {type(settings).__name__} takes")


def of_realign(settings: RealignSettings, model: Path | None = None, texts: Texts | None = None) -> Estimate:
    """The largest of reading the encoder, the steps and writing it; `texts` as `texts_of_pairs` finds them."""
    folder = model or Path(settings.model)
    encoder = _shape(folder)
    arch = architecture(encoder)
    plan = resolve_plan(settings.freeze, arch.n_blocks, settings.block, settings.lora, causal=arch.causal)
    found = texts or _assumed(2 * settings.batch_size, packing_for(_device(settings), settings.batch_tokens).budget)
    needs = footprint(
        encoder, plan, _trained_rows(found, settings), lora=settings.lora, half=settings.precision == "bf16"
    )
    return _of_training(settings, folder, needs, texts, 1 + len(settings.save_at))


def of_finetune(settings: FinetuneSettings, model: Path | None = None, texts: Texts | None = None) -> Estimate:
    """As of realign; `texts` as `texts_of_windows` finds them."""
    folder = model or Path(settings.model)
    encoder = _shape(folder)
    arch = architecture(encoder)
    freeze = "none" if settings.realign_with else settings.freeze
    plan = resolve_plan(freeze, arch.n_blocks, "last", settings.lora, with_head=True)
    found = texts or _assumed(settings.batch_size, _budget(settings))
    needs = footprint(
        encoder, plan, _trained_rows(found, settings), lora=settings.lora, half=settings.precision == "bf16", head=True
    )
    return _of_training(settings, folder, needs, texts, 1)


def of_evaluate(settings: EvaluateSettings, model: Path | None = None, threads: int | None = None) -> Estimate:
    """The model, some thousand examples, and what every thread computes; data of any size take the same."""
    folder = model or Path(settings.model)
    on_gpu = _device(settings).type != "cpu"
    at_once = settings.batch_tokens or (prediction.GPU_BATCH_TOKENS if on_gpu else prediction.CPU_BATCH_TOKENS)
    used = _of_use(folder, at_once, 1 if on_gpu else threads)
    return Estimate(
        LIBRARIES + EXAMPLES + used, OF_LANGUAGE * max(1, len(settings.languages)), gpu_bytes=used if on_gpu else 0
    )


def of_blend(settings: BlendSettings, model: Path | None = None) -> Estimate:
    """The two encoders and the blend."""
    folder = model or Path(settings.base)
    weights = NUMBER * sum(each.numel() for each in _shape(folder).parameters())
    return Estimate(LIBRARIES + 3 * weights, weights + _tokenizer_size(folder))


def of_encoders(folders: Sequence[Path]) -> int:
    """Bytes of a process that links words by an encoder, or compares sentences, or both."""
    return LIBRARIES + sum(_of_use(each, LINKED_AT_ONCE) for each in folders)


def texts_of_pairs(
    settings: RealignSettings, sources: Mapping[str, Sequence[LanguageSource]], tokenizer: Any, folder: Path
) -> Texts | None:
    """What a realignment reads, by a sample of its pairs; None if none of them is usable."""
    packing = packing_for(_device(settings), settings.batch_tokens)
    return sample_texts(settings, sources, tokenizer, architecture(skeleton(folder)), packing)


def texts_of_windows(settings: FinetuneSettings, windows: Windows, pairs: Texts | None = None) -> Texts:
    """What fine-tuning reads of its windows; beside them, under `--realign-with`, `pairs` in every step."""
    usable = finetuning.learnable(windows)
    lengths = windows.lengths[usable]
    draws = np.random.default_rng(settings.seed).choice(lengths, (1_000, settings.batch_size))
    largest = int(draws.sum(axis=1).max())
    positions = min(largest, _budget(settings), int(lengths.sum()))
    rows = len(np.unique(windows.token_ids()))
    widest = int(np.quantile(lengths, 0.99)) if isinstance(windows, RowSharingWindows) else int(lengths.max())
    if pairs is not None:
        return Texts(positions + pairs.positions, max(widest, pairs.width), max(rows, pairs.rows))
    return Texts(positions, widest, rows)


def _assumed(sentences: int, budget: float) -> Texts:
    return ASSUMED._replace(positions=int(min(sentences * ASSUMED.positions, budget)))


def _trained_rows(texts: Texts, settings: RealignSettings | FinetuneSettings) -> Texts:
    """The texts, every row of the embeddings among them if all train."""
    return texts if settings.vocabulary == "active" else texts._replace(rows=sys.maxsize)


def _budget(settings: FinetuneSettings) -> int:
    usual = finetuning.CPU_BATCH_TOKENS if _device(settings).type == "cpu" else finetuning.GPU_BATCH_TOKENS
    return settings.batch_tokens or usual


def _of_training(
    settings: RealignSettings | FinetuneSettings, folder: Path, needs: Footprint, texts: Texts | None, copies: int
) -> Estimate:
    """Of training and of writing the model afterwards; `copies` are those that are left.

    Weights that are read are mapped from the file, so they count when they are used. What the steps have held is not
    given back before the whole table of embeddings is read, to be written.
    """
    on_gpu = _device(settings).type != "cpu"
    table = needs.table if settings.vocabulary == "active" else 0
    steps = needs.computed + needs.trained + needs.moments + int(SLACK * needs.kept)
    return Estimate(
        memory_bytes=LIBRARIES + OF_PIECE * needs.pieces + (needs.weights if on_gpu else steps + table),
        disk_bytes=copies * (needs.weights + _tokenizer_size(folder)),
        # A checkpoint goes only when the next one is whole.
        scratch_bytes=2 * (needs.trained + needs.moments) if settings.checkpoint_every else 0,
        gpu_bytes=max(steps, needs.weights + needs.moments) if on_gpu else 0,
        measurable=True,
        assumed=() if texts else (_TEXTS_ASSUMED,),
    )


def _of_use(folder: Path, positions: int, threads: int | None = None) -> int:
    """Bytes of a model that computes so many positions in each thread (None: as many as here), without gradients."""
    model = _shape(folder)
    arch = architecture(model)
    weights = NUMBER * sum(each.numel() for each in model.parameters())
    of_position = kept_of_position(arch.blocks(model)[0], model.config, ASSUMED.width, trained=True)
    return (
        weights + OF_PIECE * arch.vocabulary_size + int((threads or torch.get_num_threads()) * positions * of_position)
    )


def _shape(folder: Path) -> Any:
    """The model of a folder without its weights. Raises ArtifactError if it is not there yet, or no model."""
    if not (folder / "config.json").is_file():
        raise ArtifactError("is not there, so what it takes is not known", folder)
    return skeleton(folder, weights=False)


def _tokenizer_size(folder: Path) -> int:
    paths = {path for pattern in TOKENIZER_FILES for path in folder.glob(pattern)}
    return sum(path.stat().st_size for path in paths if path.is_file())


def _device(settings: Any) -> torch.device:
    """The device that is meant, whether it is here or not."""
    return pick_device("auto") if settings.device == "auto" else torch.device(settings.device)
