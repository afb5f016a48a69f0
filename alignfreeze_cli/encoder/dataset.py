"""What a realignment run draws from: the encoded pairs of every language, split, sampled and counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alignfreeze_cli.artifacts import Input, resolve_artifact
from alignfreeze_cli.artifacts.files import file_digest
from alignfreeze_cli.encoder.batches import Drawn
from alignfreeze_cli.encoder.encoding import EncodedPairs, encode_pairs, join, sample_size, tokenizer_digest
from alignfreeze_cli.encoder.sampling import Schedule, draws_of, random, schedule, steps_for
from alignfreeze_cli.encoder.settings import RealignSettings
from alignfreeze_cli.errors import DataError, SettingsError
from alignfreeze_cli.pairs.folder import PairsFile, PairsFolder, open_pairs
from alignfreeze_cli.phrases import counted
from alignfreeze_cli.progress import Console

MANY_PASSES = 3.0  # over one language; from here on the user is warned


@dataclass(frozen=True)
class LanguageSource:
    """One language's file in one of the pairs folders."""

    folder: PairsFolder
    file: PairsFile
    digest: str


@dataclass(frozen=True)
class RealignDataset:
    """The encoded pairs of all languages, and which of them is drawn when; the lists go by language."""

    pairs: list[EncodedPairs]
    training: list[NDArray[np.int64]]  # pairs to train on, in the order of the first pass
    partners: list[NDArray[np.int64]]  # for each of them the pair that its target sentence comes from
    held_out: list[NDArray[np.int64]]  # pairs of the probe
    draws: Schedule
    pad_id: int

    def drawn(self, step: int) -> list[Drawn]:
        """The pairs of a step."""
        return [
            Drawn(self.pairs[language], int(self.training[language][number]), int(self.partners[language][number]))
            for language, number in self.draws.batch(step)
        ]

    def first(self, steps: int) -> RealignDataset:
        """What a run of so many steps would draw."""
        return replace(self, draws=self.draws.first(steps))

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """How many pairs each language had and gave, as the record holds it."""
        return {
            use.language: {
                "pairs": pairs.rows,
                "encoded": pairs.read,
                "usable": len(pairs),
                "held-out": len(held),
                "drawn": use.drawn,
                "distinct": use.distinct,
                "passes": round(use.passes, 3),
            }
            for use, pairs, held in zip(self.draws.usage(), self.pairs, self.held_out, strict=True)
        }

    def token_ids(self) -> NDArray[np.int64]:
        """Every token id that occurs, the padding id among them, sorted."""
        counts = np.zeros(self.pad_id + 1, dtype=np.int64)
        counts[self.pad_id] = 1
        for some in self.pairs:
            for side in (some.source, some.target):
                more = np.bincount(side.ids, minlength=len(counts))
                more[: len(counts)] += counts
                counts = more
        return np.flatnonzero(counts)


def resolve_pairs(references: Sequence[str]) -> list[Input]:
    """The pairs folders that are meant, named as inputs of a step. Raises ArtifactError for another kind, HubError."""
    names = ["pairs", *(f"pairs-{number}" for number in range(2, len(references) + 1))]
    return [resolve_artifact(reference, "pairs", name) for reference, name in zip(references, names, strict=False)]


def language_sources(
    folders: Sequence[Input], targets: Sequence[str], option: str = "--targets"
) -> dict[str, list[LanguageSource]]:
    """The files of every language in the order of its turn; a language may come from several folders.

    SettingsError, naming the `option`, if one of the wanted `targets` is in no folder.
    """
    found: dict[str, list[LanguageSource]] = {}
    for folder in folders:
        opened = open_pairs(folder.path)
        for file in opened.files:
            name = file.path.relative_to(folder.path).as_posix()
            recorded = folder.record.files.get(name) if folder.record else None
            source = LanguageSource(opened, file, recorded or file_digest(file.path))
            found.setdefault(file.target, []).append(source)
    missing = [target for target in targets if target not in found]
    if missing:
        raise SettingsError(f"{option}: there are no pairs for {', '.join(missing)}; there are for {', '.join(found)}.")
    return {target: found[target] for target in targets} if targets else found


def build_dataset(
    settings: RealignSettings,
    sources: Mapping[str, Sequence[LanguageSource]],
    tokenizer: Any,
    processes: int,
    console: Console,
) -> RealignDataset:
    """Encode the pairs, hold some out for the probe, and plan every draw of the run.

    A language's pairs are drawn, and before that held out, in a random order of all its pairs, of which as much is
    encoded as the run needs. A pair that is equal to a held-out one is not drawn. So what happens at a step does
    not depend on how many follow: the beginning of a long run is a short one. Raises DataError if no pair is
    usable, SettingsError if some of the `processes` would get none.
    """
    steps = settings.length
    encoded = _encode_languages(settings, sources, tokenizer, steps, console)
    if not encoded:
        raise DataError("no pair can be used: none has a link between words that the tokenizer keeps.")
    held_out, training, partners = [], [], []
    for pairs, order in encoded:
        held, rest = hold_out(pairs, order, settings.probe_pairs)
        if not len(rest):  # all pairs of the language are equal
            held, rest = order[:0], order
        if equal := len(order) - len(held) - len(rest):
            console.info(f"{pairs.language}: {counted(equal, 'pair')} left out, equal to held-out ones.")
        held_out.append(np.sort(held))
        training.append(rest)
        shuffled = settings.links == "shuffled"
        partners.append(mismatched_partners(rest, settings.batch_size) if shuffled else rest)
    if settings.probe_every and not any(map(len, held_out)):
        console.warn("--probe-every: no language has the 10 usable pairs to hold one out of, so nothing is measured.")
    sizes = [len(numbers) for numbers in training]
    if steps is None:
        steps = steps_for(settings.sampling, sizes, settings.batch_size, settings.epochs or 1.0)
    names, rows = [pairs.language for pairs, _ in encoded], [pairs.rows for pairs, _ in encoded]
    draws = schedule(settings.sampling, names, sizes, steps, settings.batch_size, settings.seed, weights=rows)
    smallest = int(np.diff(draws.starts).min())
    if smallest < processes:
        raise SettingsError(
            f"--batch-size: a batch of {smallest} pairs leaves some of the {processes} processes none; use fewer."
        )
    pad_id = 0 if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    return RealignDataset([pairs for pairs, _ in encoded], training, partners, held_out, draws, pad_id)


def report_usage(draws: Schedule, sampling: str, console: Console) -> None:
    """Say how much of each language the run sees, and warn where few pairs are repeated often."""
    usage = draws.usage()
    rows = [f"{u.language:8} {u.usable:10,} {u.drawn:10,} {u.distinct:10,} {u.passes:8.2f}" for u in usage]
    console.info("\n".join([f"language {'usable':>10} {'drawn':>10} {'distinct':>10} {'passes':>8}", *rows]))
    if sampling == "published":
        poorest = min(range(len(usage)), key=lambda n: usage[n].usable * len(usage) + n)
        distinct, drawn = sum(use.distinct for use in usage), sum(use.drawn for use in usage)
        if drawn > distinct:
            console.warn(
                f"The published stream ends when {usage[poorest].language} runs out ({usage[poorest].usable:,} pairs): "
                f"{distinct:,} distinct pairs are seen, each {drawn / distinct:.1f} times."
            )
        return
    repeated = [f"{use.language} ({use.passes:.1f} passes)" for use in usage if use.passes > MANY_PASSES]
    if repeated:
        console.warn(f"Few pairs, so they repeat often: {', '.join(repeated)}; fewer --steps or more text would help.")


def hold_out(pairs: EncodedPairs, order: NDArray[np.int64], most: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first pairs of an order, `most` or a tenth of them, and those to train on: the others not equal to any.

    Pairs are equal if both sides have the same subwords.
    """
    count = min(most, len(order) // 10)
    held, rest = order[:count], order[count:]
    if not count:
        return held, rest
    # What is equal has equal lengths and sums; only of such pairs, which are few, the subwords are compared.
    keys = np.zeros(len(pairs), np.int64)
    for side in (pairs.source, pairs.target):
        sums = np.concatenate(([0], np.cumsum(side.ids, dtype=np.int64)))
        keys = (keys * 1_000_003 + np.diff(side.ids_at)) * 1_000_003 + np.diff(sums[side.ids_at])
    alike = np.isin(keys[rest], keys[held])
    subwords = {_subwords(pairs, number) for number in held.tolist()}
    equal = [number for number in rest[alike].tolist() if _subwords(pairs, number) in subwords]
    return held, rest[~np.isin(rest, equal)] if equal else rest


def _subwords(pairs: EncodedPairs, number: int) -> tuple[bytes, bytes]:
    source, target = (
        side.ids[side.ids_at[number] : side.ids_at[number + 1]].tobytes() for side in (pairs.source, pairs.target)
    )
    return source, target


def mismatched_partners(order: NDArray[np.int64], batch_size: int) -> NDArray[np.int64]:
    """For each pair another one, whose target sentence it gets (the control `--links shuffled`); each is used once.

    It is the one a batch further on in the order, so that no batch of the first pass holds a sentence's own translation
    beside the wrong one.
    """
    shift = batch_size % len(order) or min(1, len(order) - 1)
    return np.roll(order, -shift)


def _encode_languages(
    settings: RealignSettings,
    sources: Mapping[str, Sequence[LanguageSource]],
    tokenizer: Any,
    steps: int | None,
    console: Console,
) -> list[tuple[EncodedPairs, NDArray[np.int64]]]:
    """Per language the encoded pairs, and the order in which to use them: enough for so many steps (None: all pairs).

    A language of which no pair can be used is left out, and the others have its turns.
    """
    key = tokenizer_digest(tokenizer)

    def encode(source: LanguageSource, rows: NDArray[np.int64]) -> EncodedPairs:
        return encode_pairs(
            source.folder,
            source.file,
            source.digest,
            tokenizer,
            key,
            settings.max_length,
            settings.lone_pieces,
            rows,
            console,
        )

    while sources:
        rows = [sum(source.file.rows for source in some) for some in sources.values()]
        needed = pairs_needed(settings, rows, steps)
        encoded = [
            first_pairs(some, enough, settings.probe_pairs, settings.seed, encode)
            for some, enough in zip(sources.values(), needed, strict=True)
        ]
        empty = {pairs.language: pairs.rows for pairs, _ in encoded if not len(pairs)}
        if not empty:
            return encoded
        for name, count in empty.items():
            console.warn(f"{name}: none of the {count:,} pairs can be used, so the language is left out.")
        sources = {name: some for name, some in sources.items() if name not in empty}
    return []


def pairs_needed(settings: RealignSettings, rows: Sequence[int], steps: int | None) -> list[int | None]:
    """How many usable pairs of each language, of so many rows, are needed for so many steps (None: all)."""
    if steps is None:
        return [None] * len(rows)
    # The probe gets a tenth at most, so it must be known whether ten times as many are there. Partners lie further on.
    more = settings.probe_pairs + (settings.batch_size if settings.links == "shuffled" else 0)
    draws = draws_of(settings.sampling, [max(1, each) for each in rows], steps * settings.batch_size)
    return [max(10 * settings.probe_pairs, some + more, 1) for some in draws]


def first_pairs(
    sources: Sequence[LanguageSource],
    needed: int | None,
    probe_pairs: int,
    seed: int,
    encode: Callable[[LanguageSource, NDArray[np.int64]], EncodedPairs],
) -> tuple[EncodedPairs, NDArray[np.int64]]:
    """The first pairs of one language in a random order of all of its rows, at least `needed` usable ones (None: all).

    Those equal to one of the `probe_pairs` held out do not count.

    Gives them and their numbers in that order. The order is a function of the seed and the number of rows, so whoever
    needs more finds the same ones first.
    """
    bounds = np.cumsum([0, *(source.file.rows for source in sources)])  # rows are counted through the files
    total = int(bounds[-1])
    order = random(seed, f"rows {sources[0].file.target}").permutation(total)
    place = np.empty(total, dtype=np.int64)
    place[order] = np.arange(total)
    count = total if needed is None else sample_size(needed, total)
    while True:
        chosen = np.sort(order[:count])
        cuts = np.searchsorted(chosen, bounds)
        pairs = join(
            [
                encode(source, chosen[begin:end] - first)
                for source, first, begin, end in zip(sources, bounds[:-1], cuts[:-1], cuts[1:], strict=True)
            ]
        )
        ranked = np.argsort(place[pairs.row])
        if count == total or (needed is not None and sum(map(len, hold_out(pairs, ranked, probe_pairs))) >= needed):
            return pairs, ranked
        count = sample_size(count + 1, total)
