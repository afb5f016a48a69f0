"""What a realignment reads, from a sample of its pairs: how large its batches are, how many subwords occur."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alignfreeze_cli.encoder.batches import Drawn, Packing, make_batch
from alignfreeze_cli.encoder.blocks import Architecture
from alignfreeze_cli.encoder.dataset import LanguageSource, pairs_needed
from alignfreeze_cli.encoder.encoding import EncodedPairs, encode_some, sample_size
from alignfreeze_cli.encoder.footprint import Texts
from alignfreeze_cli.encoder.settings import RealignSettings

PAIRS = 8_000
"""Pairs of a sample, of all languages together."""

RUNS = 4
"""Places in a file from which they are taken, since many a file is sorted."""

BATCHES = 1_000
"""Batches drawn from the sample; the largest of more would hardly be larger."""


def sample_texts(
    settings: RealignSettings,
    sources: Mapping[str, Sequence[LanguageSource]],
    tokenizer: Any,
    arch: Architecture,
    packing: Packing,
) -> Texts | None:
    """What a realignment on these pairs reads at most at once, and in all; None if no pair of the sample is usable."""
    per_language = max(RUNS, PAIRS // len(sources))
    encoded = []
    for some in sources.values():
        largest = max(some, key=lambda source: source.file.rows)
        rows = spread(largest.file.rows, per_language)
        pairs = encode_some(largest.folder, largest.file, tokenizer, settings.max_length, settings.lone_pieces, rows)
        encoded += [pairs] if len(pairs) else []
    if not encoded:
        return None
    positions, width = _largest_batch(settings, encoded, arch, tokenizer.pad_token_id or 0, packing)
    rows_of = [sum(source.file.rows for source in some) for some in sources.values()]
    needed = pairs_needed(settings, rows_of, settings.length)
    count = sum(size if some is None else sample_size(some, size) for some, size in zip(needed, rows_of, strict=True))
    return Texts(positions, width, _distinct(encoded, count))


def spread(total: int, wanted: int) -> NDArray[np.int64]:
    """So many of `total` row numbers, ascending, in a few runs; all if there are no more."""
    if total <= wanted:
        return np.arange(total)
    run = wanted // RUNS
    return (np.linspace(0, total - run, RUNS).astype(np.int64)[:, None] + np.arange(run)).ravel()


def _largest_batch(
    settings: RealignSettings, encoded: Sequence[EncodedPairs], arch: Architecture, pad_id: int, packing: Packing
) -> tuple[int, int]:
    """Positions that are computed at once, and the width of their rows, in the largest of some batches."""
    lengths = np.concatenate([np.diff(pairs.source.ids_at) + np.diff(pairs.target.ids_at) for pairs in encoded])
    owners = [(pairs, number) for pairs in encoded for number in range(len(pairs))]
    random = np.random.default_rng(settings.seed)
    count = min(BATCHES, settings.length or BATCHES)
    draws = random.integers(0, len(lengths), (count, settings.batch_size))
    largest = draws[lengths[draws].sum(axis=1).argmax()]
    drawn = [Drawn(owners[each][0], owners[each][1], owners[each][1]) for each in largest.tolist()]
    layout = make_batch(drawn, arch, pad_id, packing=packing).layout
    at_once = max(rows.input_ids.numel() for rows in layout.groups) if layout.in_parts else layout.positions
    return at_once, max(rows.input_ids.shape[1] for rows in layout.groups)


def _distinct(encoded: Sequence[EncodedPairs], pairs: int) -> int:
    """How many different subwords so many pairs have.

    By Heaps' law: their number grows as a power of the text's length, that between half of the sample and all of it.
    """
    sampled = sum(part.read for part in encoded)
    whole = np.unique(np.concatenate([side.ids for part in encoded for side in (part.source, part.target)]))
    if pairs <= sampled:
        return len(whole)
    halves = [side.ids[: len(side.ids) // 2] for part in encoded for side in (part.source, part.target)]
    half = np.unique(np.concatenate(halves))
    return round(len(whole) * (pairs / sampled) ** math.log2(len(whole) / len(half)))
