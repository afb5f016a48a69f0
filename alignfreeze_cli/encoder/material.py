"""What a realignment run draws from: the encoded pairs of every language, split, sampled and counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alignfreeze_cli.artifacts import Input
from alignfreeze_cli.artifacts.digests import file_digest
from alignfreeze_cli.encoder.batches import Drawn
from alignfreeze_cli.encoder.encoded import EncodedPairs, encode_pairs, join, sample_size, tokenizer_digest
from alignfreeze_cli.encoder.loading import load_tokenizer
from alignfreeze_cli.encoder.sampling import Schedule, Usage, random, schedule, steps_for
from alignfreeze_cli.encoder.settings import DEFAULT_STEPS, RealignSettings
from alignfreeze_cli.errors import DataError, SettingsError
from alignfreeze_cli.pairs.folder import Language, PairsFolder, open_pairs
from alignfreeze_cli.progress import Console

MANY_PASSES = 3.0  # over one language; from here on the user is told


@dataclass(frozen=True)
class Source:
    """One language pair's file in one of the pairs folders."""

    folder: PairsFolder
    language: Language
    digest: str


@dataclass(frozen=True)
class Material:
    """The encoded pairs of all languages and what becomes of them; the lists go by language."""

    pairs: list[EncodedPairs]
    training: list[NDArray[np.int64]]  # pairs to train on
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

    def described(self) -> dict[str, dict[str, Any]]:
        """What each language had and gave, as it stands in the record."""
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
        """Every token id that occurs, sorted."""
        counts = np.zeros(1, dtype=np.int64)
        for some in self.pairs:
            for side in (some.source, some.target):
                more = np.bincount(side.ids, minlength=len(counts))
                more[: len(counts)] += counts
                counts = more
        return np.flatnonzero(counts)


def languages(folders: Sequence[Input], targets: Sequence[str], option: str = "--targets") -> dict[str, list[Source]]:
    """The files of every language in the order of its turn; a language may come from several folders.

    SettingsError, naming the `option`, if one of the wanted `targets` is in no folder.
    """
    found: dict[str, list[Source]] = {}
    for folder in folders:
        opened = open_pairs(folder.path)
        for language in opened.languages:
            name = str(language.path.relative_to(folder.path).as_posix())
            recorded = folder.record.files.get(name) if folder.record else None
            source = Source(opened, language, recorded or file_digest(language.path))
            found.setdefault(language.target, []).append(source)
    missing = [target for target in targets if target not in found]
    if missing:
        raise SettingsError(f"{option}: there are no pairs for {', '.join(missing)}; there are for {', '.join(found)}.")
    return {target: found[target] for target in targets} if targets else found


def gather(
    settings: RealignSettings, console: Console, model: Path, sources: dict[str, list[Source]], processes: int
) -> Material:
    """Encode the pairs, hold some out for the probe, and plan every draw of the run."""
    tokenizer = load_tokenizer(model)
    key = tokenizer_digest(tokenizer)
    steps = settings.steps or (None if settings.epochs else DEFAULT_STEPS)
    rows = {name: sum(source.language.rows for source in some) for name, some in sources.items()}
    pairs = []
    for name, some in sources.items():
        share = rows[name] / sum(rows.values()) if settings.sampling == "proportional" else 1 / len(rows)
        parts = []
        for source in some:
            sample = None
            if steps is not None:
                part = source.language.rows / max(1, rows[name])
                needed = int((steps * settings.batch_size * share + settings.probe_pairs) * part) + 1
                sample = sample_size(needed, source.language.rows)
            parts.append(
                encode_pairs(
                    source.folder,
                    source.language,
                    source.digest,
                    tokenizer,
                    key,
                    settings.max_length,
                    settings.lone_pieces,
                    sample,
                    settings.seed,
                    console,
                )
            )
        joined = join(parts)
        if len(joined):
            pairs.append(joined)
        else:
            console.warn(f"{name}: none of the {joined.rows:,} pairs can be used, so the language is left out.")
    if not pairs:
        raise DataError("no pair can be used: none has a link between words that the tokenizer keeps.")

    held_out, training, partners = [], [], []
    for some_pairs in pairs:
        order = random(settings.seed, f"probe {some_pairs.language}").permutation(len(some_pairs))
        held = min(settings.probe_pairs, len(some_pairs) // 10)
        held_out.append(np.sort(order[:held]))
        kept = np.sort(order[held:])
        training.append(kept)
        partners.append(_next_in_ring(kept, settings.seed) if settings.links == "shuffled" else kept)
    sizes = [len(numbers) for numbers in training]
    if steps is None:
        steps = steps_for(settings.sampling, sizes, settings.batch_size, settings.epochs or 1.0)
    draws = schedule(
        settings.sampling,
        [p.language for p in pairs],
        sizes,
        steps,
        settings.batch_size,
        settings.seed,
        weights=[p.rows * len(p) / p.read for p in pairs],
    )
    smallest = int(np.diff(draws.starts).min())
    if smallest < processes:
        raise SettingsError(f"a batch of {smallest} pairs leaves some of the {processes} processes none; use fewer.")
    pad_id = tokenizer.pad_token_id
    return Material(pairs, training, partners, held_out, draws, 0 if pad_id is None else pad_id)


def report(console: Console, settings: RealignSettings, usage: Sequence[Usage]) -> None:
    """Say how much of each language the run sees, and warn of starvation."""
    rows = [f"{u.language:8} {u.usable:10,} {u.drawn:10,} {u.distinct:10,} {u.passes:8.2f}" for u in usage]
    console.info("\n".join([f"language {'usable':>10} {'drawn':>10} {'distinct':>10} {'passes':>8}", *rows]))
    if settings.sampling == "published":
        poorest = min(range(len(usage)), key=lambda n: usage[n].usable * len(usage) + n)
        distinct, drawn = sum(use.distinct for use in usage), sum(use.drawn for use in usage)
        if drawn > distinct:
            console.warn(
                f"The published stream ends when {usage[poorest].language} runs out ({usage[poorest].usable:,} pairs): "
                f"{distinct:,} distinct pairs are seen, each {drawn / distinct:.1f} times."
            )
        return
    starved = [f"{use.language} ({use.passes:.1f} passes)" for use in usage if use.passes > MANY_PASSES]
    if starved:
        console.warn(f"Few pairs, so they repeat often: {', '.join(starved)}; fewer --steps or more text would help.")


def _next_in_ring(kept: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """For each pair another one, the next in a random ring: as wrong as can be, each target still used once."""
    ring = random(seed, "ring").permutation(len(kept))
    partner = np.empty_like(kept)
    partner[ring] = kept[np.roll(ring, -1)]
    return partner
