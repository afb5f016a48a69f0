"""`alignfreeze blend`: weights between an encoder and what was realigned from it, and blocks put back as they were.

From top to bottom: check that the one was realigned from the other, open the output folder, choose alpha if it is to be
chosen, write the encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from alignfreeze_cli.artifacts import Input, OutputFolder, Result, resolve_artifact, resolve_encoder
from alignfreeze_cli.encoder.blend_settings import ALPHAS, BlendSettings
from alignfreeze_cli.encoder.blending import Blend, resolve_restored, smallest_as_good
from alignfreeze_cli.encoder.blocks import architecture
from alignfreeze_cli.encoder.dataset import (
    RealignDataset,
    build_dataset,
    language_sources,
    resolve_pairs,
)
from alignfreeze_cli.encoder.freezing import ResolvedPlan
from alignfreeze_cli.encoder.models import load_encoder, save_model, skeleton
from alignfreeze_cli.encoder.probe import retrieval
from alignfreeze_cli.encoder.settings import RealignSettings
from alignfreeze_cli.encoder.tokenizers import load_tokenizer
from alignfreeze_cli.errors import ArtifactError, DataError, SettingsError
from alignfreeze_cli.hub.cards import card_after
from alignfreeze_cli.hub.facts import Step, last_realignment, model_input, models_of
from alignfreeze_cli.phrases import listed, number_ranges
from alignfreeze_cli.progress import WARNINGS, Console
from alignfreeze_cli.settings import declarations, from_mapping
from alignfreeze_cli.training.devices import pick_device


def blend(settings: BlendSettings, console: Console = WARNINGS) -> Result:
    """Blend an encoder with what was realigned from it; the result is an encoder folder.

    Raises ArtifactError if the one was not realigned from the other or a file is damaged, SettingsError for a plan that
    does not fit the encoder and for pairs that were trained on, DataError if no pair is usable.
    """
    base, realigned = resolve_encoder(settings.base, "base"), resolve_artifact(settings.model, "encoder")
    step = _realignment_from(base, realigned)
    arch = architecture(skeleton(realigned.path))
    read_block = step["details"]["read-block"]
    plan = resolve_restored(settings.restore, arch.n_blocks, read_block, arch.causal)
    folders = resolve_pairs(settings.pairs)
    as_realigned = _settings_of(step, folders)
    sources = language_sources(folders, as_realigned.targets)

    output = OutputFolder("encoder", settings, [base, realigned, *folders], default="blend")
    if done := output.finished():
        return card_after(done, console, settings.dry_run)
    if settings.dry_run:
        return output.planned({"alpha": settings.alpha, "put back": _put_back(plan)})

    with output.open(console) as work:
        (before, lacking), (model, missing) = load_encoder(base.path), load_encoder(realigned.path)
        blended = Blend.of(before, model, plan)
        alpha = settings.number
        rows: list[dict[str, Any]] = []
        if alpha is None:
            dataset = build_dataset(
                as_realigned, sources, load_tokenizer(realigned.path, arch.vocabulary_size, arch.causal), 1, console
            )
            model.to(pick_device(settings.device))
            alpha, rows = _choose(blended, dataset, as_realigned.pooling or arch.pooling, read_block, console)
            model.to("cpu")
        blended.set(alpha)
        console.info(f"alpha {alpha:g}; as in the base: {_put_back(plan)}")
        save_model(model, realigned.path, work.path, without=sorted({*missing, *lacking}))
        work.details = {
            "family": arch.family,
            "blocks": arch.n_blocks,
            "blend": {
                "alpha": alpha,
                "restored-blocks": list(plan.frozen),
                "embeddings-restored": plan.embeddings_frozen,
            },
            **({"read-block": read_block, "probe": rows} if rows else {}),
        }
    return card_after(output.result, console)


def _realignment_from(base: Input, realigned: Input) -> Step:
    """The last realign step behind the realigned encoder, which must have come from the base, at once or by several.

    Weights between models that do not come from each other would make a model of nothing.
    """
    assert realigned.record is not None  # resolve_artifact asks for it
    step = last_realignment(realigned.record)
    parents = [each for each in map(model_input, models_of(realigned.record)) if each is not None]
    if step is None or not parents:
        raise ArtifactError("was not realigned", realigned.source)
    if all(each["digest"] != base.digest for each in parents):
        raise ArtifactError(
            f"was realigned from {listed(each['source'] for each in reversed(parents))}, which has other files than "
            f"{base.source}; weights between two models mean something only if the one comes from the other",
            realigned.source,
        )
    return step


def _settings_of(step: Step, folders: Sequence[Input]) -> RealignSettings:
    """The settings of a realignment, with which its held-out pairs are found again in these folders, if they are its.

    SettingsError for folders of which it is not known which pairs it was trained on.
    """
    known = {each.key for each in declarations(RealignSettings)}
    recorded = {key: value for key, value in step["settings"].items() if key in known and value is not None}
    settings = from_mapping(RealignSettings, recorded, "settings of the realignment")
    trained_on = [each["digest"] for each in step["inputs"] if each.get("kind") == "pairs"]
    given = [each.digest for each in folders]
    if given == trained_on and not settings.probe_pairs:
        raise SettingsError("--pairs: the realignment held none of them out (--probe-pairs 0); give others.")
    if given == trained_on:
        return settings
    if set(given) & set(trained_on):
        raise SettingsError("--pairs: give all folders of the realignment in its order, or none of them.")
    probe_pairs = next(each.default for each in declarations(RealignSettings) if each.name == "probe_pairs")
    return replace(settings, probe_pairs=probe_pairs, targets=())


def _choose(
    blended: Blend, dataset: RealignDataset, pooling: str, block: int, console: Console
) -> tuple[float, list[dict[str, Any]]]:
    """Alpha by the retrieval of held-out words at the block that realignment read, and what was measured at each."""
    held = [len(numbers) for numbers in dataset.held_out]
    if not any(held):
        raise DataError("--pairs: too few pairs to hold any out; ten are needed of a language.")
    rows: list[dict[str, Any]] = []
    with console.progress("choosing alpha", len(ALPHAS) * sum(held), "pairs") as bar:
        for alpha in ALPHAS:
            blended.set(alpha)
            for pairs, numbers in zip(dataset.pairs, dataset.held_out, strict=True):
                if len(numbers):
                    found = retrieval(blended.model, pairs, numbers.tolist(), dataset.pad_id, pooling)
                    rows.append({"alpha": alpha, **found})
                bar.advance(len(numbers), f"alpha {alpha:g}")
    by_alpha = {alpha: [row["accuracy"][str(block)] for row in rows if row["alpha"] == alpha] for alpha in ALPHAS}
    return smallest_as_good(by_alpha), rows


def _put_back(plan: ResolvedPlan) -> str:
    blocks = [f"block{'s' if len(plan.frozen) > 1 else ''} {number_ranges(plan.frozen)}"] if plan.frozen else []
    return listed([*blocks, *(["the embeddings"] if plan.embeddings_frozen else [])]) or "nothing"
