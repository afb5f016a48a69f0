"""A realignment step written for clarity.

Source and target sentences go through the encoder separately, each side padded to its longest sentence; every block is
computed though one is read; words, sentences and anchors are gone through one by one; Adam is torch's default one over
the whole vocabulary. Tokenising is left out, as in ours, which does it once before training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from alignfreeze_cli.encoder.batches import Drawn


@dataclass(frozen=True)
class Sentence:
    """Its subwords' ids, special ones included, and for each word the position of its first subword."""

    ids: list[int]
    words: list[int]


@dataclass(frozen=True)
class Pair:
    """Two sentences and the links between their words."""

    source: Sentence
    target: Sentence
    links: list[tuple[int, int]]


def read_pair(drawn: Drawn) -> Pair:
    """One pair of our flat arrays as lists."""
    sentences = []
    for side, number in ((drawn.pairs.source, drawn.source), (drawn.pairs.target, drawn.target)):
        ids = side.ids[side.ids_at[number] : side.ids_at[number + 1]].tolist()
        words = side.words[side.words_at[number] : side.words_at[number + 1], 0].tolist()
        sentences.append(Sentence(ids, words))
    links = drawn.pairs.links[drawn.pairs.links_at[drawn.source] : drawn.pairs.links_at[drawn.source + 1]].tolist()
    return Pair(sentences[0], sentences[1], [(i, j) for i, j in links])


def word_vectors(encoder: Any, sentences: Sequence[Sentence], block: int, pad_id: int) -> Tensor:
    """The vectors of all words of all sentences, (words, hidden): the output of a block at their first subwords."""
    device = next(encoder.parameters()).device
    longest = max(len(sentence.ids) for sentence in sentences)
    ids, mask = [], []
    for sentence in sentences:
        padding = longest - len(sentence.ids)
        ids.append(sentence.ids + [pad_id] * padding)
        mask.append([1] * len(sentence.ids) + [0] * padding)
    output = encoder(
        input_ids=torch.tensor(ids, device=device),
        attention_mask=torch.tensor(mask, device=device),
        output_hidden_states=True,
    )
    hidden = output.hidden_states[block + 1]  # (sentences, longest, hidden); number 0 are the embeddings
    vectors = [
        states[position] for states, sentence in zip(hidden, sentences, strict=True) for position in sentence.words
    ]
    return torch.stack(vectors)


def realignment_loss(words: Tensor, links: Sequence[tuple[int, int]], temperature: float = 0.1) -> Tensor:
    """The mean over all anchors of -log(exp(cos(x, y) / T) / sum over w != x of exp(cos(x, w) / T)).

    `words` is (words, size): all words of the batch, both languages; `links` are numbers in it. Both words of a link
    are anchors, each with the other as its partner.
    """
    words = words / words.norm(dim=1, keepdim=True)
    logits = list(words @ words.T / temperature)
    losses = []
    for a, b in links:
        for anchor, partner in ((a, b), (b, a)):
            candidates = torch.cat([logits[anchor][:anchor], logits[anchor][anchor + 1 :]])
            losses.append(torch.logsumexp(candidates, 0) - logits[anchor][partner])
    return torch.stack(losses).mean()


def batch_loss(encoder: Any, projection: nn.Module, pairs: Sequence[Pair], block: int, pad_id: int) -> Tensor:
    """The realignment loss of a batch of pairs."""
    source = word_vectors(encoder, [pair.source for pair in pairs], block, pad_id)
    target = word_vectors(encoder, [pair.target for pair in pairs], block, pad_id)
    links = []
    source_before, target_before = 0, len(source)
    for pair in pairs:
        for i, j in pair.links:
            links.append((source_before + i, target_before + j))
        source_before += len(pair.source.words)
        target_before += len(pair.target.words)
    words = projection(torch.cat([source, target]))
    return realignment_loss(words.to(torch.promote_types(words.dtype, torch.float32)), links)


class PlainRealigner:
    """Encoder, projection and optimizer of a straightforward training run; `precision` as in ours."""

    def __init__(
        self,
        encoder: Any,
        projection: nn.Module,
        block: int,
        pad_id: int,
        learning_rate: float,
        precision: str = "fp32",
    ) -> None:
        self.encoder, self.projection = encoder, projection
        self.block, self.pad_id, self.precision = block, pad_id, precision
        self.device = next(encoder.parameters()).device
        self.optimizer = torch.optim.Adam([*encoder.parameters(), *projection.parameters()], lr=learning_rate)

    def step(self, pairs: Sequence[Pair]) -> float:
        """One optimizer step; the loss before it."""
        self.optimizer.zero_grad()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            loss = batch_loss(self.encoder, self.projection, pairs, self.block, self.pad_id)
        loss.backward()
        self.optimizer.step()
        return loss.item()


def computed_positions(pairs: Sequence[Pair]) -> int:
    """Positions that a step computes, padding included."""
    sides = ([pair.source for pair in pairs], [pair.target for pair in pairs])
    return sum(len(side) * max(len(sentence.ids) for sentence in side) for side in sides)
