"""A batch of sentence pairs as the realignment objective takes it: sentences in rows, words, links."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alignfreeze_cli.encoder import packing
from alignfreeze_cli.encoder.blocks import Architecture
from alignfreeze_cli.encoder.encoded import EncodedPairs


class Drawn(NamedTuple):
    """One pair of a batch. As a control the target sentence may be that of another pair of the same language."""

    pairs: EncodedPairs
    source: int
    target: int


@dataclass(frozen=True)
class WordBatch:
    """Sentences laid out for one forward pass, source side first, and where their words are."""

    layout: packing.Batch
    starts: Tensor  # (words,) first position of each word in the flat layout, source words first
    ends: Tensor  # (words,) the position after its last
    n_source: int  # words of the source side
    links: Tensor  # (links, 2) numbers of a source word and a target word, each within its side

    def to(self, device: torch.device | str) -> WordBatch:
        """The same on another device."""
        starts, ends, links = (t.to(device, non_blocking=True) for t in (self.starts, self.ends, self.links))
        return replace(self, layout=self.layout.to(device), starts=starts, ends=ends, links=links)


def make_batch(
    drawn: Sequence[Drawn],
    arch: Architecture,
    pad_id: int,
    renumber: Callable[[NDArray[np.integer]], NDArray[np.integer]] | None = None,
) -> WordBatch:
    """Lay out some pairs. `renumber` turns token ids, also `pad_id`, into rows of a reduced embedding table."""
    sentences, words = [], []
    picks = [(d.pairs.source, d.source) for d in drawn] + [(d.pairs.target, d.target) for d in drawn]
    for side, index in picks:
        sentences.append(side.ids[side.ids_at[index] : side.ids_at[index + 1]])
        words.append(side.words[side.words_at[index] : side.words_at[index + 1]])
    links = [_links(pair) for pair in drawn]

    lengths = np.array([len(sentence) for sentence in sentences])
    ids: NDArray[np.integer] = np.concatenate(sentences)
    if renumber is not None:
        ids, pad_id = renumber(ids), int(renumber(np.array([pad_id]))[0])
    layout = packing.pack(ids, np.cumsum(lengths) - lengths, lengths, arch, pad_id)

    counts = np.array([len(spans) for spans in words])
    spans = np.concatenate(words) + np.repeat(layout.starts, counts)[:, None]  # (words, 2) in the flat layout
    # Words are numbered through each side, so a link moves on by the words of the sentences before its own.
    source, target = counts[: len(drawn)], counts[len(drawn) :]
    before = np.stack([np.cumsum(source) - source, np.cumsum(target) - target], 1)  # (pairs, 2)
    linked = np.concatenate(links) + np.repeat(before, [len(pair_links) for pair_links in links], axis=0)
    return WordBatch(
        layout=layout,
        starts=torch.from_numpy(spans[:, 0].astype(np.int64)),
        ends=torch.from_numpy(spans[:, 1].astype(np.int64)),
        n_source=int(source.sum()),
        links=torch.from_numpy(linked.astype(np.int64)),
    )


def _links(drawn: Drawn) -> NDArray[np.int32]:
    """The pair's links; with a foreign target sentence, its linked words joined to ours in their order."""
    pairs = drawn.pairs
    own = pairs.links[pairs.links_at[drawn.source] : pairs.links_at[drawn.source + 1]]
    if drawn.source == drawn.target:
        return own
    other = pairs.links[pairs.links_at[drawn.target] : pairs.links_at[drawn.target + 1]]
    count = min(len(own), len(other))
    return np.stack([own[:count, 0], other[:count, 1]], 1)
