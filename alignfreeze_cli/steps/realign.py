"""`alignfreeze realign`: pull words that translate each other together, in the blocks that the freeze plan trains.

From top to bottom: check the settings against encoder and pairs, open the output folder, encode the pairs and plan what
is drawn at each step, load and freeze the encoder, probe, train, probe again, write the encoder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from alignfreeze_cli.aligners.settings import AlignPairsSettings
from alignfreeze_cli.artifacts import OutputFolder, Result, Workspace, resolve_encoder
from alignfreeze_cli.artifacts.record import ADAPTER
from alignfreeze_cli.encoder.batches import make_batch, packing_for
from alignfreeze_cli.encoder.blocks import Architecture, architecture
from alignfreeze_cli.encoder.dataset import (
    LanguageSource,
    RealignDataset,
    build_dataset,
    language_sources,
    report_usage,
    resolve_pairs,
)
from alignfreeze_cli.encoder.freezing import ResolvedPlan, apply_plan, resolve_plan
from alignfreeze_cli.encoder.lora import Adapters
from alignfreeze_cli.encoder.loss import new_projection, realignment_loss
from alignfreeze_cli.encoder.models import load_encoder, save_model, skeleton, word_embeddings
from alignfreeze_cli.encoder.probe import accuracy_over_steps, log_retrieval
from alignfreeze_cli.encoder.recording import recorded
from alignfreeze_cli.encoder.settings import DEFAULT_STEPS, RealignSettings
from alignfreeze_cli.encoder.tokenizers import load_tokenizer
from alignfreeze_cli.encoder.vocabulary import ActiveVocabulary
from alignfreeze_cli.errors import AlignFreezeError, OutputExistsError, SettingsError
from alignfreeze_cli.hub.cards import card_after
from alignfreeze_cli.progress import WARNINGS, Console
from alignfreeze_cli.steps.align_pairs import align_pairs
from alignfreeze_cli.steps.estimates import Estimate
from alignfreeze_cli.steps.measuring import measure
from alignfreeze_cli.steps.model_estimates import of_realign, texts_of_pairs
from alignfreeze_cli.training.devices import with_precision
from alignfreeze_cli.training.loop import (
    LoopSettings,
    MicroBatch,
    Training,
    default_rate,
    demand_available,
    open_accelerator,
    train,
)
from alignfreeze_cli.training.metrics import FILE_NAME, Metrics

DEFAULT_PAIRS = "opus-100-pairs"
DEFAULT_PAIRS_LINES = 100_000  # per language; a default run draws 31,440 pairs in all, 925 of each of 34 languages


def realign(settings: RealignSettings, console: Console = WARNINGS) -> Result:
    """Realign an encoder; the result is an encoder folder. Under `torchrun` every process calls this.

    Raises SettingsError (a plan or block that does not fit the encoder, a family that is not supported), ArtifactError
    (inputs of another kind, damaged or pickled), DataError (no usable pairs), Interrupted (a checkpoint was left).
    """
    settings = with_precision(settings)
    source = resolve_encoder(settings.model)
    arch = architecture(skeleton(source.path))
    pooling = settings.pooling or arch.pooling
    settings = replace(settings, pooling=pooling)
    plan = resolve_plan(settings.freeze, arch.n_blocks, settings.block, settings.lora, causal=arch.causal)
    arch.sentence_length(settings.max_length, settings.max_length)  # refuses more than it has positions for
    rate = default_rate(arch.family, settings.lora) if settings.learning_rate is None else settings.learning_rate
    if not settings.pairs:
        made = _default_pairs(settings, console)
        if made.status == "planned":
            if settings.measure:
                raise SettingsError("--measure needs the pairs: make them first with `alignfreeze align-pairs`.")
            planned = {
                "align-pairs": dict(made.details),
                "realign": "once these pairs are there",
                "plan": plan.diagram(),
                "needs": of_realign(settings, source.path).to_dict(),
            }
            return replace(made, details=planned)
        settings = replace(settings, pairs=(str(made.path),))
    folders = resolve_pairs(settings.pairs)
    sources = language_sources(folders, settings.targets)

    output = OutputFolder("encoder", settings, [source, *folders], default="encoder", seed=settings.seed)
    if done := output.finished():
        return card_after(done, console, settings.dry_run)
    demand_available(settings.device, settings.tracker)
    if settings.dry_run:
        rows = {name: sum(each.file.rows for each in some) for name, some in sources.items()}
        tokenizer = load_tokenizer(source.path, arch.vocabulary_size, arch.causal)
        needs = _needs(settings, sources, tokenizer, source.path, console)
        return output.planned({**_dry_run_details(settings, plan, rows, rate), "needs": needs.to_dict()})

    with output.open(console) as work:
        accelerator = open_accelerator(
            output.path, settings.device, settings.precision, settings.tracker, settings.recorded()
        )
        process, processes = accelerator.process_index, accelerator.num_processes
        with accelerator.main_process_first():
            tokenizer = load_tokenizer(source.path, arch.vocabulary_size, arch.causal)
            dataset = build_dataset(settings, sources, tokenizer, processes, console)
        report_usage(dataset.draws, settings.sampling, console)
        if complaints := settings.length_complaints(dataset.draws.steps):
            raise SettingsError(f"{'; '.join(complaints)}.")

        model, missing = load_encoder(source.path)
        apply_plan(model, plan)
        console.info(plan.diagram())
        model.to(accelerator.device)
        metrics = Metrics(work.path / FILE_NAME, accelerator)
        vocabulary = adapters = None
        if settings.vocabulary == "active":  # the model gets a small embedding table; `whole()` puts the full one back
            vocabulary = ActiveVocabulary(model, dataset.token_ids(), word_embeddings(source.path))
            console.info(vocabulary.summary("the pairs"))

        @contextmanager
        def as_written() -> Iterator[None]:
            """Inside, the model is what would be written now; then training can go on."""
            with vocabulary.whole() if vocabulary else nullcontext(), adapters.merged() if adapters else nullcontext():
                yield

        if work.main:
            with as_written():
                log_retrieval(model, dataset, pooling, metrics, 0, "before", console)
        accelerator.wait_for_everyone()
        torch.manual_seed(settings.seed)  # of the projection and of the adapters
        projection = new_projection(settings.projection, arch.hidden_size, model.config).to(accelerator.device)
        if settings.lora:
            adapters = Adapters.attach(model, plan.trained, settings.lora)  # they train instead of the blocks' weights
            console.info(adapters.summary())

        packing = packing_for(accelerator.device, settings.batch_tokens)

        def batches(step: int) -> list[MicroBatch]:
            """This process's share of a step's pairs."""
            drawn = dataset.drawn(step)[process::processes]
            batch = make_batch(drawn, arch, dataset.pad_id, vocabulary.remap if vocabulary else None, packing)
            # The loss of the batch is one term, of which each process brings its share.
            layout = batch.layout
            return [MicroBatch(batch, weight=1 / processes, tokens=layout.tokens, computed=layout.positions)]

        def write(training: Training, folder: Workspace, log: Metrics) -> None:
            """The encoder as it is now, in a folder: what a run that ended here would have made."""
            with as_written():
                log_retrieval(model, dataset, pooling, log, training.steps, "after", console)
                save_model(model, source.path, folder.path, without=missing)
            if adapters and settings.keep_adapter:
                adapters.save(folder.path / ADAPTER, source)
            probed = [row for row in log.rows() if "probe" in row]
            several = any(row["probe"] == "during" for row in probed)
            folder.details = {
                **_training_details(arch, plan, training, rate, dataset),
                "batch-tokens": packing.budget,
                "probe": [row for row in probed if row["probe"] != "during"],
                **({"retrieval-curve": accuracy_over_steps(probed, plan.read_block)} if several else {}),
                "left-out": missing,
                **({"lora": adapters.to_dict(settings.keep_adapter)} if adapters else {}),
            }

        def keep(training: Training) -> None:
            """`--save-at`: write the encoder as it is in the midst of training. For the main process."""
            name = _kept_name(training.steps)
            if not (work.path / name).exists():
                every = settings.probe_every if settings.probe_every < training.steps else 0
                alone = replace(settings, steps=training.steps, epochs=None, save_at=(), probe_every=every)
                with work.nested(name, alone) as inner:
                    write(training, inner, metrics.copied(inner.path / FILE_NAME))

        probe_steps = settings.probe_steps(dataset.draws.steps)

        def pause(training: Training) -> None:
            """What is done between two steps. Kept first: a run that ends here has no probe during its last step."""
            if work.main:
                if training.steps in settings.save_steps:
                    keep(training)
                if training.steps in probe_steps:
                    with as_written():
                        log_retrieval(model, dataset, pooling, metrics, training.steps, "during", console)
            accelerator.wait_for_everyone()

        wanted = not settings.eager and arch.can_pack
        with recorded(model, wanted=wanted, device=accelerator.device, processes=processes):
            training = train(
                nn.ModuleDict({"encoder": model, "projection": projection}),
                partial(
                    realignment_loss,
                    block=plan.read_block,
                    pooling=pooling,
                    temperature=settings.temperature,
                    negatives=settings.negatives,
                    processes=processes,
                ),
                batches,
                LoopSettings(
                    steps=dataset.draws.steps,
                    learning_rate=rate,
                    seed=settings.seed,
                    checkpoint_every=settings.checkpoint_every,
                ),
                work.checkpoints,
                console,
                metrics,
                accelerator,
                at=dict.fromkeys((*settings.save_steps, *probe_steps), pause),
            )
        if work.main:
            lost = [name for name in map(_kept_name, settings.save_steps) if not (work.path / name).is_dir()]
            if lost:
                raise AlignFreezeError(f"{work.path} has lost its {lost[0]}; start anew with --overwrite.")
            write(training, work, metrics)
        accelerator.wait_for_everyone()
        accelerator.end_training()
    return card_after(output.result, console)


def _default_pairs(settings: RealignSettings, console: Console) -> Result:
    """The pairs of a run that names none: OPUS-100 with the MUSE dictionaries, made once and found again."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise SettingsError("--pairs: with several processes, make the pairs first with `alignfreeze align-pairs`.")
    folder = (settings.output or Path("encoder")).parent / "-".join([DEFAULT_PAIRS, *settings.targets])
    wanted = AlignPairsSettings(output=folder, max_lines=DEFAULT_PAIRS_LINES, dry_run=settings.dry_run)
    try:
        return align_pairs(replace(wanted, target=settings.targets) if settings.targets else wanted, console)
    except OutputExistsError as error:
        reason = str(error).partition("; choose another")[0]
        raise OutputExistsError(f"--pairs: {reason}; rename or remove it, or name the pairs to use.") from error


def _needs(
    settings: RealignSettings,
    sources: dict[str, list[LanguageSource]],
    tokenizer: Any,
    folder: Path,
    console: Console,
) -> Estimate:
    """What it takes, by a sample of the pairs; with `--measure` by ten steps on all of them."""
    expected = of_realign(settings, folder, texts_of_pairs(settings, sources, tokenizer, folder))
    if not settings.measure:
        return expected
    build_dataset(settings, sources, tokenizer, 1, console)  # in the cache they stay, so no later run encodes them
    return measure(settings, expected, console)


def _dry_run_details(
    settings: RealignSettings, plan: ResolvedPlan, rows: dict[str, int], rate: float
) -> dict[str, Any]:
    """What a dry run shows."""
    length = {"epochs": settings.epochs} if settings.epochs else {"steps": settings.steps or DEFAULT_STEPS}
    lora = {"lora": f"rank {settings.lora} in blocks {', '.join(map(str, plan.trained))}"} if settings.lora else {}
    return {
        "plan": plan.diagram(),
        "pairs": rows,
        **length,
        **({"save-at": list(settings.save_steps)} if settings.save_at else {}),
        **({"probe-every": settings.probe_every} if settings.probe_every else {}),
        "batch-size": settings.batch_size,
        "learning-rate": rate,
        "precision": settings.precision,
        **lora,
    }


def _training_details(
    arch: Architecture, plan: ResolvedPlan, training: Training, rate: float, dataset: RealignDataset
) -> dict[str, Any]:
    """What the record says of the training."""
    return {
        "family": arch.family,
        "blocks": arch.n_blocks,
        "frozen-blocks": list(plan.frozen),
        "embeddings-frozen": plan.embeddings_frozen,
        "trained-blocks": list(plan.trained),
        "read-block": plan.read_block,
        "learning-rate": rate,
        "steps": training.steps,
        "first-loss": training.first_loss,
        "last-loss": training.last_loss,
        "tokens-per-second": round(training.tokens_per_second, 1),
        "padding": round(training.padding, 4),
        "languages": dataset.first(training.steps).to_dict(),
    }


def _kept_name(steps: int) -> str:
    """The folder, inside the output, of an encoder that `--save-at` keeps."""
    return f"steps-{steps}"
