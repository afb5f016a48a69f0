"""`alignfreeze layers`: where in the encoder realignment changed something; one folder beside each encoder.

layers.json              every number with its interval
layers.svg  layers.png   four of them as heat maps: layers across, languages down

From top to bottom: check that encoders and base belong together, choose the words of each language, measure, write.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from alignfreeze_cli.artifacts import Input, OutputFolder, Result, resolve_encoder
from alignfreeze_cli.artifacts.files import write_json
from alignfreeze_cli.artifacts.hub_client import split_reference
from alignfreeze_cli.encoder.blocks import architecture
from alignfreeze_cli.encoder.dataset import LanguageSource, first_pairs, language_sources, resolve_pairs
from alignfreeze_cli.encoder.encoding import encode_pairs, tokenizer_digest
from alignfreeze_cli.encoder.half_samples import half_samples
from alignfreeze_cli.encoder.layer_changes import (
    Measures,
    compare_halves,
    language_changes,
    layer_names,
    mean_measures,
    source_changes,
    to_dict,
    weight_changes,
)
from alignfreeze_cli.encoder.linked_words import LinkedWords, choose_words
from alignfreeze_cli.encoder.models import load_encoder, skeleton
from alignfreeze_cli.encoder.study_settings import FEWEST_WORDS, LayersSettings
from alignfreeze_cli.encoder.tokenizers import load_tokenizer
from alignfreeze_cli.errors import ArtifactError, DataError
from alignfreeze_cli.hub.cards import card_after
from alignfreeze_cli.hub.changes import HEAT_MAP, INPUT, LAYERS, place_beside
from alignfreeze_cli.progress import WARNINGS, Console
from alignfreeze_cli.training.devices import pick_device


def layers(settings: LayersSettings, console: Console = WARNINGS) -> list[Result]:
    """Compare every encoder with the base; gives one result per encoder, in their order.

    Raises SettingsError, ArtifactError (an encoder that is not of the base's architecture or has another tokenizer,
    folders of other kinds), DataError (no language with enough words).
    """
    base = resolve_encoder(settings.base, "base")
    folders = resolve_pairs(settings.pairs)
    sources = language_sources(folders, settings.targets)
    arch = architecture(skeleton(base.path))
    arch.sentence_length(settings.max_length, settings.max_length)
    settings = replace(settings, pooling=settings.pooling or arch.pooling)
    tokenizer = load_tokenizer(base.path, arch.vocabulary_size, arch.causal)
    encoders = [resolve_encoder(each, INPUT) for each in settings.encoders]
    for encoder in encoders:
        demand_same_kind(base, encoder, tokenizer)

    words: dict[str, LinkedWords] = {}
    results = []
    for reference, encoder in zip(settings.encoders, encoders, strict=True):
        output = output_beside(LAYERS, settings, reference, [encoder, base, *folders])
        done = output.finished()
        if done or settings.dry_run:
            made = card_after(done, console, settings.dry_run) if done else output.planned(_plan(settings, sources))
            results.append(made)
            continue
        words = words or _choose(settings, sources, tokenizer, console)
        with output.open(console) as work:
            content = _measure(settings, base, encoder, words, tokenizer.pad_token_id, folders, console)
            write_json(work.path / f"{LAYERS}.json", content)
            _draw(content, work.path)
            work.details = {"mean": content["mean"], "weights": content["weights"], "halves": content["halves"]}
        results.append(card_after(output.result, console))
    return results


def demand_same_kind(base: Input, encoder: Input, tokenizer: Any) -> None:
    """Raise ArtifactError unless the encoder can be one that was realigned from the base: sizes, blocks, subwords."""
    ours, theirs = (architecture(skeleton(each.path)) for each in (base, encoder))
    if ours != theirs:
        raise ArtifactError(
            f"is a {theirs.family} of {theirs.n_blocks} blocks, {theirs.hidden_size} wide, with "
            f"{theirs.vocabulary_size:,} subwords; the base {base.source} is a {ours.family} of {ours.n_blocks}, "
            f"{ours.hidden_size} wide, with {ours.vocabulary_size:,}; it was not realigned from that one",
            encoder.source,
        )
    own = load_tokenizer(encoder.path, theirs.vocabulary_size, theirs.causal)
    if tokenizer_digest(own) != tokenizer_digest(tokenizer):
        raise ArtifactError(f"has another tokenizer than {base.source}, so their words differ", encoder.source)


def output_beside(kind: str, settings: Any, reference: str, inputs: Sequence[Input]) -> OutputFolder:
    """The folder of one encoder's results: beside the encoder, or here, if that one is on the Hub."""
    folder = Path(reference).expanduser()
    if folder.is_dir():
        place = place_beside(folder, kind)
    else:
        repository, _ = split_reference(reference) or (reference, None)
        place = Path(f"{repository.replace('/', '-')}-{kind}")
    one = replace(settings, encoders=(reference,), output=settings.output or place)
    return OutputFolder(kind, one, inputs, default=kind, seed=settings.seed)


def _plan(settings: LayersSettings, sources: Mapping[str, Sequence[LanguageSource]]) -> dict[str, Any]:
    """What a dry run shows."""
    rows = {name: sum(each.file.rows for each in some) for name, some in sources.items()}
    return {"pairs": rows, "words": settings.words, "pooling": settings.pooling, "halves": settings.halves}


def _choose(
    settings: LayersSettings, sources: Mapping[str, Sequence[LanguageSource]], tokenizer: Any, console: Console
) -> dict[str, LinkedWords]:
    """The words of every language that has enough of them; the others are warned about."""
    key = tokenizer_digest(tokenizer)

    def encode(source: LanguageSource, rows: Any) -> Any:
        return encode_pairs(
            source.folder, source.file, source.digest, tokenizer, key, settings.max_length, "keep", rows, console
        )

    chosen, few = {}, []
    for language, some in sources.items():
        if not sum(source.file.rows for source in some):
            few.append(f"{language} (0)")
            continue
        # Every usable pair has a link at least, so as many pairs as words will do.
        pairs, order = first_pairs(some, settings.words, 0, settings.seed, encode)
        words = choose_words(pairs, order.tolist(), settings.words)
        if len(words.sentence) < FEWEST_WORDS:
            few.append(f"{language} ({len(words.sentence):,})")
        else:
            chosen[language] = words
    if few:
        said = f"fewer than {FEWEST_WORDS:,} linked words in {', '.join(few)}"
        if not chosen:
            raise DataError(f"{said}; similarities of so few say more about the sample than about the encoder")
        console.warn(f"Left out: {said}.")
    return chosen


def _measure(
    settings: LayersSettings,
    base: Input,
    encoder: Input,
    words: Mapping[str, LinkedWords],
    pad_id: int,
    folders: Sequence[Input],
    console: Console,
) -> dict[str, Any]:
    """The content of `layers.json` (docs/layers.md)."""
    assert settings.pooling is not None
    device = pick_device(settings.device)
    before, after = (load_encoder(each.path)[0].to(device).eval() for each in (base, encoder))
    layers = layer_names(architecture(before).n_blocks)
    languages: dict[str, Measures] = {}
    first = next(iter(words))
    with console.progress(f"measuring {encoder.source}", len(words) + 1, "languages") as bar:
        for language, some in words.items():
            samples = half_samples(len(some.numbers), settings.halves, settings.seed, language)
            given = before, after, some, pad_id, settings.pooling, samples
            languages[language] = language_changes(*given)
            if language == first:
                source = source_changes(*given)
                bar.advance(note="source")
            bar.advance(note=language)
    mean = mean_measures(list(languages.values()))
    weights = weight_changes(before, after)
    halves = compare_halves(weights, mean["own-change"])
    seen = {each["digest"] for each in encoder.record.inputs} if encoder.record else set()
    return {
        "layers": layers,
        "pooling": settings.pooling,
        "halves": settings.halves,
        "trained-on-these-pairs": any(folder.digest in seen for folder in folders),
        "weights": dict(zip(layers, (round(each, 6) for each in weights), strict=True)),
        "mean": to_dict(mean, layers),
        "languages": {
            language: {
                "pairs": len(words[language].numbers),
                "words": len(words[language].sentence),
                "types": len(words[language].types),
                **to_dict(found, layers),
            }
            for language, found in languages.items()
        },
        "source": {"words-of": first, **to_dict(source, layers)},
        "lower-blocks": halves.to_dict() if halves else None,
    }


def _draw(content: Mapping[str, Any], folder: Path) -> None:
    from alignfreeze_cli.report.heat_map import layers_heat_map

    svg, png = layers_heat_map(content)
    (folder / "layers.svg").write_text(svg, encoding="utf-8", newline="\n")
    (folder / HEAT_MAP).write_bytes(png)
