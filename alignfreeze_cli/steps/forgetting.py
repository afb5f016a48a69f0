"""`alignfreeze forgetting`: how far realignment took an encoder from its base's head, and what probes still read.

From top to bottom: find text, load the base with its head (or train one), what the base scores, then each encoder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from alignfreeze_cli.artifacts import Input, OutputFolder, Result, resolve_encoder, resolve_files
from alignfreeze_cli.artifacts.files import write_json
from alignfreeze_cli.encoder.blocks import architecture
from alignfreeze_cli.encoder.half_samples import estimate, half_samples, sample_means
from alignfreeze_cli.encoder.language_model import Ask, Guesses, losses, masked, next_words, train_head
from alignfreeze_cli.encoder.layer_changes import layer_names
from alignfreeze_cli.encoder.models import load_encoder, load_language_model, skeleton
from alignfreeze_cli.encoder.sampling import random
from alignfreeze_cli.encoder.study_settings import ForgettingSettings
from alignfreeze_cli.encoder.tag_probe import probe_hits
from alignfreeze_cli.encoder.text import Text, encode_text, states_at
from alignfreeze_cli.encoder.tokenizers import load_tokenizer
from alignfreeze_cli.errors import DataError, SettingsError
from alignfreeze_cli.hub.cards import card_after
from alignfreeze_cli.hub.changes import FORGETTING, INPUT
from alignfreeze_cli.progress import WARNINGS, Console
from alignfreeze_cli.steps.layers import demand_same_kind, output_beside
from alignfreeze_cli.tasks.data import find_file
from alignfreeze_cli.tasks.sentences import NO_TAG, TREEBANK, TaggedSentence, read_sentences
from alignfreeze_cli.training.devices import pick_device

FEWEST_GUESSES = 100
"""Subwords of a language to be guessed, below which its loss is not worth a line."""


@dataclass(frozen=True)
class Files:
    """The files of each language; a treebank is None where there is none."""

    text: Mapping[str, Path]
    treebanks: Mapping[str, Path]

    def inputs(self) -> list[Input]:
        found = [resolve_files(f"text {code}", str(path), [path]) for code, path in self.text.items()]
        return found + [resolve_files(f"treebank {code}", str(path), [path]) for code, path in self.treebanks.items()]


@dataclass(frozen=True)
class Tagged:
    """A treebank for the probe; `labels` and `sentence` are (words,)."""

    text: Text
    words: np.ndarray  # (words,) which of the text's words have a tag
    labels: Tensor
    sentence: Tensor


@dataclass(frozen=True)
class Base:
    """The base, and what it scores: losses (guesses,) by language, probe hits (words, layers) by language."""

    head: Any
    own_head: bool
    head_loss: float | None
    guesses: Mapping[str, tuple[Text, Guesses]]
    losses: Mapping[str, Tensor]
    tagged: Mapping[str, Tagged]
    hits: Mapping[str, Tensor]


def forgetting(settings: ForgettingSettings, console: Console = WARNINGS) -> list[Result]:
    """Measure every encoder; gives one result per encoder, in their order.

    Raises SettingsError (no languages, a tokenizer without a mask), ArtifactError (an encoder that is not of the base's
    architecture or has another tokenizer, a family without a head), DataError (text that is missing or too short).
    """
    base_folder = resolve_encoder(settings.base, "base")
    arch = architecture(skeleton(base_folder.path))
    arch.sentence_length(settings.max_length, settings.max_length)
    tokenizer = load_tokenizer(base_folder.path, arch.vocabulary_size, arch.causal)
    if tokenizer.mask_token_id is None and not arch.causal:
        raise SettingsError(f"--base: the tokenizer of {settings.base} has no token for a masked word.")
    encoders = [resolve_encoder(each, INPUT) for each in settings.encoders]
    for encoder in encoders:
        demand_same_kind(base_folder, encoder, tokenizer)
    files = _find(settings, settings.languages or _realigned_languages(encoders[0]))

    base: Base | None = None
    results = []
    for reference, encoder in zip(settings.encoders, encoders, strict=True):
        output = output_beside(FORGETTING, settings, reference, [encoder, base_folder, *files.inputs()])
        done = output.finished()
        if done or settings.dry_run:
            results.append(card_after(done, console, settings.dry_run) if done else _planned(output, files, settings))
            continue
        base = base or _measure_base(settings, base_folder, tokenizer, files, console)
        with output.open(console) as work:
            content = _measure(settings, base, encoder, tokenizer, console)
            write_json(work.path / f"{FORGETTING}.json", content)
            work.details = {"mean": content["mean"], "head": content["head"]}
        results.append(card_after(output.result, console))
    return results


def _realigned_languages(encoder: Input) -> tuple[str, ...]:
    """The source language of an encoder's pairs, and the languages it was realigned in."""
    record = encoder.record
    steps = [*record.lineage, record.as_parent()] if record else []
    sources = [str(step["settings"].get("source", "en")) for step in steps if step["kind"] == "pairs"]
    targets = list(record.details.get("languages", {})) if record else []
    if not targets:
        raise SettingsError(
            f"--languages: {encoder.source} does not say what languages it was realigned in; name some."
        )
    return tuple(dict.fromkeys([*sources, *targets]))


def _find(settings: ForgettingSettings, languages: Sequence[str]) -> Files:
    text = {code: find_file(settings.text, code, "--text") for code in languages}
    if settings.treebanks is not None:
        treebanks = {code: find_file(settings.treebanks, code, "--treebanks") for code in languages}
        if wrong := [path for path in treebanks.values() if path.suffix != TREEBANK]:
            raise DataError(f"is no treebank: its name does not end in {TREEBANK} (--treebanks)", wrong[0])
        return Files(text, treebanks)
    return Files(text, {code: path for code, path in text.items() if path.suffix == TREEBANK})


def _planned(output: OutputFolder, files: Files, settings: ForgettingSettings) -> Result:
    plan = {"text": {code: path.name for code, path in files.text.items()}, "sentences": settings.sentences}
    return output.planned(plan | {"treebanks": {code: path.name for code, path in files.treebanks.items()}})


def _measure_base(settings: ForgettingSettings, base: Input, tokenizer: Any, files: Files, console: Console) -> Base:
    """Load the base with its head, or train one; choose sentences and masks; what the base scores."""
    causal = architecture(skeleton(base.path)).causal
    ask: Ask = next_words if causal else partial(masked, mask_id=tokenizer.mask_token_id)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)  # of a new head
        head, own = load_language_model(base.path, "AutoModelForCausalLM" if causal else "AutoModelForMaskedLM")
    head.to(pick_device(settings.device)).eval()
    for parameter in head.base_model.parameters():
        parameter.requires_grad_(False)
    pad = tokenizer.pad_token_id

    guesses: dict[str, tuple[Text, Guesses]] = {}
    for_head: list[Text] = []
    few = []
    for code, path in files.text.items():
        sentences = _drawn(list(read_sentences(path)), settings.seed, f"text {code}")
        # A head is trained on other sentences than it is asked about.
        measured = settings.sentences if own else min(settings.sentences, len(sentences) // 2)
        text = _encoded(tokenizer, sentences[:measured], settings)
        asked = ask(text, random(settings.seed, f"masks {code}"), None)
        if len(asked.places) < FEWEST_GUESSES:
            few.append(f"{code} ({len(asked.places)})")
            continue
        guesses[code] = text, asked
        if not own:
            for_head.append(_encoded(tokenizer, sentences[measured:], settings))
    if few:
        said = f"fewer than {FEWEST_GUESSES} subwords to guess in {', '.join(few)}; more text is needed"
        if not guesses:
            raise DataError(said, settings.text)
        console.warn(f"Left out: {said}.")
    loss = None
    if not own:
        console.info(f"{settings.base} has no head of its own: one is trained on it, which stays as it is.")
        loss = train_head(head, for_head, ask, pad, settings.head_steps, settings.seed, console)

    tagged = {code: _tagged(path, code, tokenizer, settings) for code, path in files.treebanks.items()}
    known = {code: each for code, each in tagged.items() if each is not None}
    with console.progress("measuring the base", len(guesses), "languages") as bar:
        found = {}
        for code, (text, asked) in guesses.items():
            (found[code],) = losses([(head, None)], head, text, asked, pad)
            bar.advance(note=code)
    hits = {code: _hits(head, each, pad) for code, each in known.items()}
    return Base(head, own, loss, guesses, found, known, hits)


def _drawn(sentences: list[TaggedSentence], seed: int, purpose: str) -> list[TaggedSentence]:
    """The sentences in a random order, each once."""
    once = list({tuple(each.words): each for each in sentences}.values())
    return [once[place] for place in random(seed, purpose).permutation(len(once))]


def _encoded(tokenizer: Any, sentences: Sequence[TaggedSentence], settings: ForgettingSettings) -> Text:
    return encode_text(tokenizer, [each.words for each in sentences], settings.max_length)


def _tagged(path: Path, code: str, tokenizer: Any, settings: ForgettingSettings) -> Tagged | None:
    """The tagged words of some sentences of a treebank; None if no word has a tag."""
    drawn = _drawn(list(read_sentences(path)), settings.seed, f"treebank {code}")[: settings.sentences]
    text = _encoded(tokenizer, drawn, settings)
    tags = [drawn[sentence].tags[word] for sentence, word in text.words.tolist()]
    kept = np.array([place for place, tag in enumerate(tags) if tag != NO_TAG], np.int64)
    numbers = {tag: number for number, tag in enumerate(sorted({tags[place] for place in kept}))}
    if len(numbers) < 2:
        return None
    labels = torch.tensor([numbers[tags[place]] for place in kept])
    return Tagged(text, kept, labels, torch.from_numpy(text.words[kept, 0]))


def _hits(model: Any, tagged: Tagged, pad: int) -> Tensor:
    """Whether the probe is right, word by word and layer by layer: (words, layers)."""
    text, arch = tagged.text, architecture(model)
    read = (text.last if arch.pooling == "last" else text.first)[tagged.words]
    vectors: list[Tensor] = []
    for sentences in text.batches():
        mine = np.flatnonzero(np.isin(tagged.sentence.numpy(), sentences))
        states = states_at(model, text, text.ids, sentences, read[mine], pad, every_block=True)
        vectors = vectors or [states[0].new_zeros(len(tagged.words), states[0].shape[1]).cpu() for _ in states]
        for layer, found in zip(vectors, states, strict=True):
            layer[torch.from_numpy(mine)] = found.cpu()
    return torch.stack([probe_hits(layer, tagged.labels, tagged.sentence) for layer in vectors], 1)


def _measure(
    settings: ForgettingSettings, base: Base, encoder: Input, tokenizer: Any, console: Console
) -> dict[str, Any]:
    """The content of `forgetting.json` (docs/layers.md)."""
    body, _ = load_encoder(encoder.path)
    body.to(pick_device(settings.device)).eval()
    own, theirs = (model.get_input_embeddings().weight.detach() for model in (base.head, body))
    moved = not torch.equal(own, theirs)
    layers = layer_names(architecture(body).n_blocks)
    languages: dict[str, dict[str, Any]] = {}
    samples: dict[str, Tensor] = {}
    with console.progress(f"measuring {encoder.source}", len(base.guesses), "languages") as bar:
        for code, (text, asked) in base.guesses.items():
            halves = half_samples(len(text), settings.halves, settings.seed, code)
            heads = [(base.head, None), *([(base.head, theirs)] if moved else [])]
            untied, *tied = losses(heads, body, text, asked, tokenizer.pad_token_id)
            sentence = torch.from_numpy(asked.sentence)
            before, *changes = (
                sample_means(each, sentence, halves)
                for each in (base.losses[code], untied - base.losses[code], (tied or [untied])[0] - base.losses[code])
            )
            found = dict(zip(("base", "untied", "tied"), (before, *changes), strict=True))
            languages[code] = {"sentences": len(text), "guesses": len(asked.places)}
            languages[code] |= {name: estimate(each).to_dict() for name, each in found.items()}
            for name, each in found.items():
                samples[name] = samples.get(name, 0) + each / len(base.guesses)
            bar.advance(note=code)
    return {
        "layers": layers,
        "halves": settings.halves,
        "guessed": "next" if architecture(body).causal else "masked",
        "head": {
            "of-base": base.own_head,
            "steps": None if base.own_head else settings.head_steps,
            "loss": base.head_loss,
        },
        "embeddings-changed": moved,
        "mean": {name: estimate(each).to_dict() for name, each in samples.items()},
        "languages": languages,
        "probe": _probes(settings, base, body, tokenizer.pad_token_id, layers, console),
    }


def _probes(
    settings: ForgettingSettings, base: Base, body: Any, pad: int, layers: Sequence[str], console: Console
) -> dict[str, Any] | None:
    """The probe's accuracy in the base and its change, by language and in the mean; None without treebanks."""
    if not base.tagged:
        return None
    languages: dict[str, dict[str, Any]] = {}
    means: dict[str, Any] = {}
    with console.progress("probing", len(base.tagged), "languages") as bar:
        for code, tagged in base.tagged.items():
            halves = half_samples(len(tagged.text), settings.halves, settings.seed, f"treebank {code}")
            before = base.hits[code]
            after = _hits(body, tagged, pad)
            found = {
                name: sample_means(each, tagged.sentence, halves)
                for name, each in (("base", before), ("change", after - before))
            }
            languages[code] = {"words": len(tagged.words)}
            languages[code] |= {name: _by_layer(each, layers) for name, each in found.items()}
            for name, each in found.items():
                means[name] = means.get(name, 0) + each / len(base.tagged)
            bar.advance(note=code)
    return {"mean": {name: _by_layer(each, layers) for name, each in means.items()}, "languages": languages}


def _by_layer(values: Tensor, layers: Sequence[str]) -> dict[str, Any]:
    return {layer: estimate(values[:, number]).to_dict() for number, layer in enumerate(layers)}
