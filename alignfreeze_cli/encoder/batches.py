"""A batch of sentence pairs as the realignment loss takes it: sentences in rows, words, links.

In the order of the data's way: drawn pairs → `make_batch` (sentences of both sides, words, links) → `pack` (rows) →
`encode` (hidden states) → `pool_words` (word vectors).

Parallel sentences differ much in length, so a batch padded to its longest one computes twice what it needs. Here
several sentences share a row. Positions start again with each, and the attention mask is block-diagonal (in a
decoder-only model the lower triangle of each block), so every word gets the vector that it would get alone. Where a
model cannot do that, sentences of similar length are padded together.

All of it is tensors in tuples, which `accelerate.utils.send_to_device` moves.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from alignfreeze_cli.encoder.blocks import Architecture, architecture, hidden_states_at
from alignfreeze_cli.encoder.encoding import EncodedPairs
from alignfreeze_cli.encoder.recording import not_recorded

if TYPE_CHECKING:
    from transformers import PreTrainedModel


Ints = NDArray[np.integer[Any]]


class Packing(NamedTuple):
    """How sentences are laid out for a device; see `packing_for`."""

    budget: float = math.inf  # tokens of a batch that are encoded at once, with what the gradient needs of them
    multiple: int = 1  # the widths of rows are multiples of it
    rows: int = 1  # and the numbers of rows multiples of this
    # What attention costs per pair of positions, in units of what the rest of a block costs per position and hidden
    # unit (12 x hidden size per position). Measured forward and backward with dropout on a CPU: 9; on two cores in
    # either precision, anything from 4 to 64 gives the same rows and the same time.
    pair_cost: float = 8


IN_ONE_PART = Packing()
"""In one part, however large the batch is."""


def packing_for(device: torch.device, batch_tokens: int | None = None) -> Packing:
    """The layout that suits a device; `batch_tokens` is its budget if the user gave one.

    On a GPU widths are multiples of 32, and rows come in fours: kernels of attention take masks whose rows begin at
    multiples of 16 bytes, and a dozen shapes come back again and again, which training records (recording.py). There
    attention counts as what its operations are, 2 for its two products of positions.
    """
    if device.type == "cpu":
        return Packing(batch_tokens or 16384)
    return Packing(batch_tokens or 65536, multiple=32, rows=4, pair_cost=2)


class Drawn(NamedTuple):
    """One pair of a batch: numbers of its sentences. Under `--links shuffled` the target's is that of another pair."""

    pairs: EncodedPairs
    source: int
    target: int


class WordBatch(NamedTuple):
    """Sentences laid out for one forward pass, source side first, and where their words are."""

    layout: PackedBatch
    starts: Tensor  # (words,) first position of each word in the flat layout, source words first
    ends: Tensor  # (words,) the position after its last
    n_source: int  # words of the source side
    n_subwords: int  # of all words together
    links: Tensor  # (links, 2) numbers of a source word and a target word, each within its side


def make_batch(
    drawn: Sequence[Drawn],
    arch: Architecture,
    pad_id: int,
    renumber: Callable[[Ints], Ints] | None = None,
    packing: Packing = IN_ONE_PART,
) -> WordBatch:
    """Lay out some pairs.

    `renumber` turns token ids, also `pad_id`, into rows of a reduced embedding table.
    """
    sentences, words = [], []
    picks = [(d.pairs.source, d.source) for d in drawn] + [(d.pairs.target, d.target) for d in drawn]
    for side, index in picks:
        sentences.append(side.ids[side.ids_at[index] : side.ids_at[index + 1]])
        words.append(side.words[side.words_at[index] : side.words_at[index + 1]])
    links = [_links(pair) for pair in drawn]

    lengths = np.array([len(sentence) for sentence in sentences])
    ids: Ints = np.concatenate(sentences)
    if renumber is not None:
        ids, pad_id = renumber(ids), int(renumber(np.array([pad_id]))[0])
    layout = pack(ids, np.cumsum(lengths) - lengths, lengths, arch, pad_id, packing)

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
        n_subwords=int((spans[:, 1] - spans[:, 0]).sum()),
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


class Rows(NamedTuple):
    """Rows of equal length; all tensors are (rows, positions), long."""

    input_ids: Tensor
    position_ids: Tensor
    sentences: Tensor  # number of the sentence within the batch, -1 at padding
    shared: bool  # whether some row holds more than one sentence
    padded: bool  # whether there is a position without a sentence


class PackedBatch(NamedTuple):
    """A batch of sentences in rows, usually one group of them.

    `starts[s]` is where sentence s begins when all groups are laid out position by position, as `encode` returns them:
    word w of sentence s with subwords p .. q-1 covers `starts[s] + p` .. `starts[s] + q - 1` there.
    """

    groups: tuple[Rows, ...]
    starts: Ints  # (sentences,)
    tokens: int  # without padding
    in_parts: bool = False  # whether there are too many positions to keep what the gradient needs of all groups

    @property
    def positions(self) -> int:
        """Positions that are computed, padding included."""
        return sum(rows.input_ids.numel() for rows in self.groups)


def pack(
    ids: Ints, starts: Ints, lengths: Ints, arch: Architecture, pad_id: int = 0, packing: Packing = IN_ONE_PART
) -> PackedBatch:
    """Lay the sentences `ids[starts[s] : starts[s] + lengths[s]]` out for the model, with little padding.

    `ids` is flat, (tokens,), and may be a memory map of a whole corpus; `starts` and `lengths` are (sentences,), every
    length at least 1 and at most `arch.max_length`. Shared rows where the model allows it, else groups by length. A
    batch of more tokens than the budget is laid out in parts of about that many.
    """
    lengths, starts = np.asarray(lengths), np.asarray(starts)
    tokens = int(lengths.sum())
    if not arch.can_pack:
        groups = groups_by_length(lengths, packing.budget)
        laid_out = _in_groups(ids, starts, lengths, arch, pad_id, groups, packing)
        return laid_out._replace(in_parts=tokens > packing.budget)
    if tokens <= packing.budget:
        row, column = _assign_rows(lengths, arch.hidden_size, packing)
        rows, first = _lay_out(ids, starts, lengths, row, column, arch, pad_id, packing)
        return PackedBatch((rows,), first, tokens)
    # Long and short sentences in every part, which fill rows well.
    count = min(len(lengths), math.ceil(tokens / packing.budget))
    order = np.argsort(-lengths, kind="stable")
    parts: list[Rows] = []
    first, before = np.zeros(len(lengths), dtype=np.int64), 0
    for members in (order[number::count] for number in range(count)):
        part = pack(ids, starts[members], lengths[members], arch, pad_id, packing._replace(budget=math.inf))
        first[members] = before + part.starts
        before += part.positions
        parts += part.groups
    return PackedBatch(tuple(parts), first, tokens, in_parts=True)


def encode(model: PreTrainedModel, batch: PackedBatch, block: int) -> Tensor:
    """Output of block number `block` for every position of the batch, (positions, hidden); see `PackedBatch.starts`.

    Of a batch that was packed in parts, a part's intermediate results are not kept for the gradient but computed again
    when its turn comes (gradient caching, arXiv 2101.06983), with the same dropout: the memory of one part suffices.
    """

    alone = len(batch.groups) == 1

    def encoded(rows: Rows) -> Tensor:
        with nullcontext() if alone else not_recorded():
            return hidden_states_at(model, model_inputs(model, rows), block).flatten(0, 1)

    if batch.in_parts and torch.is_grad_enabled():
        outputs = [checkpoint(encoded, rows, use_reentrant=False) for rows in batch.groups]
    else:
        outputs = [encoded(rows) for rows in batch.groups]
    return outputs[0] if alone else torch.cat(outputs)


def model_inputs(model: PreTrainedModel, rows: Rows) -> dict[str, Any]:
    """What the encoder's forward takes for these rows, the mask in the form that its family understands."""
    inputs: dict[str, Any] = {"input_ids": rows.input_ids, "position_ids": rows.position_ids}
    arch = architecture(model)
    if arch.causal:
        inputs["use_cache"] = False  # keys and values are kept for generating text
    # DeBERTa's own attention makes a mask where it is given none.
    if not rows.shared and not rows.padded and arch.can_pack_with_head:
        return inputs
    if not arch.can_pack:
        return {**inputs, "attention_mask": (rows.sentences >= 0).long()}
    # Also of rows with one sentence each: given one number per position, transformers reads whether all of them are 1.
    # Padding sees padding, so no position is without anything to attend to (a softmax over nothing is NaN).
    seen = (rows.sentences.unsqueeze(2) == rows.sentences.unsqueeze(1)).unsqueeze(1)  # (rows, 1, query, key)
    at = torch.arange(seen.shape[-1], device=seen.device)
    back = at.unsqueeze(1) - at  # (query, key); distances in a row are distances in its sentence
    if arch.causal:
        seen = seen & (back >= 0)
    mask = _additive(seen, model.dtype) if arch.additive_mask else seen
    if arch.window is None:
        return {**inputs, "attention_mask": mask}
    near = seen & (back.abs() <= arch.window)
    local = _additive(near, model.dtype) if arch.additive_mask else near
    if arch.window_everywhere:
        return {**inputs, "attention_mask": local}
    return {**inputs, "attention_mask": {"full_attention": mask, "sliding_attention": local}}


def _additive(allowed: Tensor, dtype: torch.dtype) -> Tensor:
    return torch.zeros(allowed.shape, dtype=dtype, device=allowed.device).masked_fill(~allowed, torch.finfo(dtype).min)


def _assign_rows(lengths: Ints, hidden_size: int, packing: Packing) -> tuple[Ints, Ints]:
    """Row and column of each sentence, both (sentences,).

    Longest sentence first, each into the emptiest row; among the numbers of rows, the one that costs least. Fewer rows
    are tried as long as they could still win, that is without padding but with their longer attention.
    """
    longest, total = int(lengths.max()), int(lengths.sum())
    order = np.argsort(-lengths, kind="stable").tolist()
    sizes = lengths.tolist()
    best: tuple[float, list[int], list[int]] | None = None
    pair_cost, step = packing.pair_cost, packing.rows
    # More rows than this only add padding, since none can be narrower than the longest sentence.
    n_rows = _rounded(min(len(sizes), -(-total // longest) + 1), step)
    while n_rows > 0 and (best is None or total * (12.0 * hidden_size + pair_cost * total / n_rows) < best[0]):
        fill = [(0, row) for row in range(n_rows)]
        row_of, column_of = [0] * len(sizes), [0] * len(sizes)
        for sentence in order:
            used, row = fill[0]
            row_of[sentence], column_of[sentence] = row, used
            heapq.heapreplace(fill, (used + sizes[sentence], row))
        width = max(used for used, _ in fill)
        cost = n_rows * width * (12.0 * hidden_size + pair_cost * width)
        if best is None or cost < best[0]:
            best = (cost, row_of, column_of)
        n_rows -= _rounded(max(1, n_rows // 16), step)
    assert best is not None
    _, row_of, column_of = best
    return np.array(row_of), np.array(column_of)


def _rounded(number: int, multiple: int) -> int:
    """The next multiple."""
    return -(-number // multiple) * multiple


def _lay_out(
    ids: Ints,
    starts: Ints,
    lengths: Ints,
    row: Ints,
    column: Ints,
    arch: Architecture,
    pad_id: int,
    packing: Packing,
    numbers: Ints | None = None,
) -> tuple[Rows, Ints]:
    """Copy every sentence to its row and column at once; also returns where each begins, counted row after row."""
    n_rows = _rounded(int(row.max()) + 1, packing.rows)
    width = _rounded(int((column + lengths).max()), packing.multiple)
    first = row * width + column  # (sentences,)
    n_positions = n_rows * width
    within = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)  # (tokens,)
    to = np.repeat(first, lengths) + within
    flat_ids, positions, sentences = (np.full(n_positions, fill) for fill in (pad_id, arch.first_position, -1))
    flat_ids[to] = ids[np.repeat(starts, lengths) + within]
    positions[to] += within
    sentences[to] = np.repeat(np.arange(len(lengths)) if numbers is None else numbers, lengths)
    laid_out = [torch.from_numpy(flat.reshape(n_rows, width)) for flat in (flat_ids, positions, sentences)]
    shared, padded = len(lengths) > int(row.max()) + 1, bool(lengths.sum() < n_positions)
    return Rows(laid_out[0], laid_out[1], laid_out[2], shared, padded), first


def _in_groups(
    ids: Ints, starts: Ints, lengths: Ints, arch: Architecture, pad_id: int, groups: Sequence[Ints], packing: Packing
) -> PackedBatch:
    """One row per sentence; each group of sentences (given by their numbers) is as wide as its longest one."""
    packing = packing._replace(rows=1)  # fours are for recordings, and these rows are not recorded
    all_rows, first, before = [], np.zeros(len(lengths), dtype=np.int64), 0
    starts = np.asarray(starts)
    for members in groups:
        row, column = np.arange(len(members)), np.zeros(len(members), dtype=np.int64)
        rows, at = _lay_out(ids, starts[members], lengths[members], row, column, arch, pad_id, packing, members)
        all_rows.append(rows)
        first[members] = before + at
        before += rows.input_ids.numel()
    return PackedBatch(tuple(all_rows), first, int(lengths.sum()))


def groups_by_length(lengths: Ints, most: float = math.inf, overhead: int = 128) -> list[Ints]:
    """Sentence numbers in groups of similar length: least padding, where one more group counts as `overhead` tokens.

    A group has at most `most` positions, padding included, unless it is a single sentence.
    """
    order = np.argsort(lengths, kind="stable")
    sizes = lengths[order]
    cost, cut = np.zeros(len(sizes) + 1), np.zeros(len(sizes) + 1, dtype=np.int64)
    for end in range(1, len(sizes) + 1):
        # The last group holds the sentences begin .. end-1 of the sorted ones, all padded to the length of end-1.
        begin = np.arange(end)
        positions = (end - begin) * sizes[end - 1]
        costs = np.where((positions <= most) | (begin == end - 1), cost[:end] + positions + overhead, math.inf)
        cut[end] = int(np.argmin(costs))
        cost[end] = costs[cut[end]]
    groups: list[Ints] = []
    end = len(sizes)
    while end:
        groups.append(order[cut[end] : end])
        end = int(cut[end])
    return groups[::-1]


def batches_by_length(lengths: Ints, budget: int) -> list[NDArray[np.int64]]:
    """Numbers of items in batches of similar length, longest first, each of at most `budget` subwords or one item.

    `lengths`: subwords of each item, such as a sentence or a pair of them, (items,).
    """
    order: NDArray[np.int64] = np.argsort(-lengths, kind="stable")
    batches, begin = [], 0
    while begin < len(order):
        fitting = int(np.searchsorted(np.cumsum(lengths[order[begin : begin + budget]]), budget, side="right"))
        batches.append(order[begin : begin + max(1, fitting)])
        begin += len(batches[-1])
    return batches


def pool_words(
    hidden: Tensor, starts: Tensor, ends: Tensor, pooling: str = "first", n_subwords: int | None = None
) -> Tensor:
    """One vector per word, (words, hidden size).

    `hidden` is (positions, hidden size), the rows of a batch one after the other; word w covers the positions
    `starts[w]` .. `ends[w] - 1` of it (both (words,), long), at least one. `pooling` is "first", the hidden state of
    the first subword, as published; "last", that of the last one, which in a decoder-only model is the only one to have
    seen the whole word; or "mean", the mean over all of them, whose loss equals that of the published code's sum, since
    cosines and the projection do not mind the length of a vector. `n_subwords`, the sum of all lengths, spares a GPU
    from telling it.
    """
    if pooling in ("first", "last"):
        at = starts if pooling == "first" else ends - 1
        return F.embedding(at, hidden)  # its backward adds rows up, much faster than the one of hidden[at]
    if pooling != "mean":
        raise ValueError(f"pooling is first, last or mean, not {pooling!r}")
    lengths = ends - starts
    word = torch.arange(len(starts), device=hidden.device).repeat_interleave(lengths, output_size=n_subwords)
    first = torch.cumsum(lengths, 0) - lengths  # where each word begins among the subwords
    at = starts[word] + torch.arange(len(word), device=hidden.device) - first[word]
    total = hidden.new_zeros(len(starts), hidden.shape[1]).index_add(0, word, F.embedding(at, hidden))
    return total / lengths.unsqueeze(1).to(hidden.dtype)
