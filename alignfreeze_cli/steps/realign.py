"""`realign`: pull words that translate each other together, in the blocks that the freeze plan leaves free.

In the order of the run: resolve and check (`realign`), encode the pairs and plan the draws (`material.py`), train,
probe before and after, write the encoder (`_build`, with what `realigner.py` does).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from alignfreeze_cli.artifacts import Input, Result, Workspace, produce, resolve_encoder
from alignfreeze_cli.encoder.blocks import Architecture, architecture
from alignfreeze_cli.encoder.dataset import LanguageSource, gather, languages, pairs_folders, report
from alignfreeze_cli.encoder.freezing import FreezePlan, ResolvedPlan, read_block
from alignfreeze_cli.encoder.lora import with_lora
from alignfreeze_cli.encoder.models import skeleton
from alignfreeze_cli.encoder.settings import DEFAULT_STEPS, RealignSettings
from alignfreeze_cli.errors import AlignFreezeError, SettingsError
from alignfreeze_cli.progress import Console
from alignfreeze_cli.steps.realigner import Realigner
from alignfreeze_cli.training.loop import LoopSettings, Training, default_rate, open_accelerator
from alignfreeze_cli.training.metrics import FILE_NAME, Metrics


def realign(settings: RealignSettings, console: Console) -> Result:
    """Realign an encoder; the result is an encoder folder. Under `torchrun` every process calls this.

    Raises SettingsError (a plan or block that does not fit the encoder, a family that is not supported), ArtifactError
    (inputs of another kind, damaged or pickled), DataError (no usable pairs), Interrupted (a checkpoint was left).
    """
    if not settings.pairs:
        raise SettingsError("--pairs: name the pairs folders to realign on, as `align-pairs` makes them.")
    model = resolve_encoder(settings.model)
    folders = pairs_folders(settings.pairs)
    bare = skeleton(model.path)
    arch = architecture(bare)
    plan = FreezePlan.parse(settings.freeze).resolve(arch.n_blocks, read_block(settings.block, arch.n_blocks))
    plan = with_lora(plan, settings.lora)
    if settings.max_length > arch.max_length:
        raise SettingsError(f"--max-length {settings.max_length} is more than the encoder takes ({arch.max_length}).")
    sources = languages(folders, settings.targets)
    rows = {name: sum(source.language.rows for source in some) for name, some in sources.items()}
    length = {"epochs": settings.epochs} if settings.epochs else {"steps": settings.steps or DEFAULT_STEPS}
    shown = {
        "plan": plan.strip(),
        "pairs": rows,
        **length,
        **({"save-at": list(settings.save_steps)} if settings.save_at else {}),
        "batch-size": settings.batch_size,
        "learning-rate": learning_rate(settings, arch),
        **({"lora": f"rank {settings.lora} in blocks {', '.join(map(str, plan.trained))}"} if settings.lora else {}),
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
    """The rate of a run: as set, or the published one of the encoder's family, or that of LoRA."""
    return default_rate(arch.family, settings.lora) if settings.learning_rate is None else settings.learning_rate


def _build(
    settings: RealignSettings,
    console: Console,
    model: Input,
    sources: dict[str, list[LanguageSource]],
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
        material = gather(settings, console, model.path, sources, processes)
    report(console, settings, material.draws.usage())
    steps = material.draws.steps
    if complaints := settings.save_at_complaints(steps):
        raise SettingsError(f"{complaints[0]}.")
    realigner = Realigner.open(settings, console, model, plan, material, accelerator)
    loop = replace(loop, steps=steps, learning_rate=learning_rate(settings, realigner.arch))
    metrics = Metrics(work.path / FILE_NAME, accelerator)

    def keep(training: Training) -> None:
        """What a run that ended here would have made."""
        alone = replace(settings, steps=training.steps, epochs=None, save_at=())
        with realigner.as_published():
            work.nested(_nested_name(training.steps), alone, partial(realigner.finish, metrics, training, loop))
        accelerator.wait_for_everyone()

    if work.main:
        realigner.probe(metrics, 0)
    accelerator.wait_for_everyone()
    training = realigner.train(loop, work.checkpoints, metrics, dict.fromkeys(settings.save_steps, keep))
    details = {}
    if work.main:
        lost = [name for name in map(_nested_name, settings.save_steps) if not (work.path / name).is_dir()]
        if lost:
            raise AlignFreezeError(f"{work.path} has lost its {lost[0]}; start anew with --overwrite.")
        details = realigner.finish(metrics, training, loop, work.path)
    accelerator.wait_for_everyone()
    accelerator.end_training()
    return details


def _nested_name(steps: int) -> str:
    return f"steps-{steps}"
