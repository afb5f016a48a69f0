"""Word vectors at every block for some pairs of a language: which words, and what the model makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from accelerate.utils import send_to_device
from numpy.typing import NDArray
from torch import Tensor

from alignfreeze_cli.encoder.batches import Drawn, WordBatch, make_batch, model_inputs, pool_words
from alignfreeze_cli.encoder.blocks import all_hidden_states, architecture, cut_above, last_hidden_states
from alignfreeze_cli.encoder.encoding import EncodedPairs

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PAIRS_AT_ONCE = 32


@dataclass(frozen=True)
class LinkedWords:
    """The linked words of some pairs, in the order of the pairs and of their links."""

    pairs: EncodedPairs
    numbers: list[int]  # of the pairs
    sentence: Tensor  # (words,), long: which of these pairs, counted from 0, a link is of
    types: Tensor  # (types,), long: links whose source and target word both occur for the first time

    def batches(self, model: PreTrainedModel, pad_id: int) -> Iterator[WordBatch]:
        """All pairs, some at a time, on the model's device."""
        arch, device = architecture(model), next(model.parameters()).device
        for at in range(0, len(self.numbers), PAIRS_AT_ONCE):
            drawn = [Drawn(self.pairs, number, number) for number in self.numbers[at : at + PAIRS_AT_ONCE]]
            yield send_to_device(make_batch(drawn, arch, pad_id), device)


def choose_words(pairs: EncodedPairs, order: Sequence[int], most: int | None = None) -> LinkedWords:
    """The words of the first pairs in an order, until there are `most` links (None: of all these pairs).

    A pair with a target sentence that was there before is passed over: its words would be the same ones again. For
    retrieval every word should be there once, so a link belongs to the `types` if neither its source word nor its
    target word is in an earlier one; words are the same if their subwords are.
    """
    numbers: list[int] = []
    sentence: list[int] = []
    types: list[int] = []
    known: tuple[set[bytes], set[bytes], set[bytes]] = set(), set(), set()  # target sentences, source and target words
    for number in order:
        target = pairs.target
        text = target.ids[target.ids_at[number] : target.ids_at[number + 1]].tobytes()
        if text in known[0]:
            continue
        known[0].add(text)
        links = pairs.links[pairs.links_at[number] : pairs.links_at[number + 1]]
        for source_word, target_word in links.tolist():
            words = _word(pairs, "source", number, source_word), _word(pairs, "target", number, target_word)
            if words[0] not in known[1] and words[1] not in known[2]:
                types.append(len(sentence))
                known[1].add(words[0])
                known[2].add(words[1])
            sentence.append(len(numbers))
        numbers.append(int(number))
        if most is not None and len(sentence) >= most:
            break
    return LinkedWords(pairs, numbers, torch.tensor(sentence, dtype=torch.long), torch.tensor(types, dtype=torch.long))


def _word(pairs: EncodedPairs, side: str, number: int, word: int) -> bytes:
    """The subwords of one word."""
    of = getattr(pairs, side)
    start, end = of.words[of.words_at[number] + word]
    first: NDArray[np.int32] = of.ids[of.ids_at[number] + start : of.ids_at[number] + end]
    return first.tobytes()


def linked_states(
    states: Sequence[Sequence[Tensor]], batch: WordBatch, pooling: str = "first"
) -> list[tuple[Tensor, Tensor]]:
    """The vectors of linked words in some states, source and target, each (links, hidden), one such pair per layer.

    `states` has, for every group of rows of the batch, one tensor (rows, positions, hidden) per layer.
    """
    found = []
    for layer in zip(*states, strict=True):
        hidden = torch.cat([group.flatten(0, 1) for group in layer])  # (positions, hidden)
        words = pool_words(hidden, batch.starts, batch.ends, pooling)
        found.append((words[batch.links[:, 0]], words[batch.links[:, 1] + batch.n_source]))
    return found


def states_of(model: PreTrainedModel, batch: WordBatch) -> list[list[Tensor]]:
    """For every group of rows of a batch the input of block 0 and the output of every block, as `linked_states` takes.

    In evaluation mode there is no dropout; the caller sees to it.
    """
    return [all_hidden_states(model, model_inputs(model, rows)) for rows in batch.layout.groups]


def outputs_on(model: PreTrainedModel, batch: WordBatch, given: Sequence[Sequence[Tensor]]) -> list[list[Tensor]]:
    """The output of every block if its input is the given one, whatever the block below has made.

    `given` are states as `states_of` gives them, of any model of the same architecture: block k gets the k-th. So a
    block is seen by itself, without what the blocks below it have changed. n_blocks tensors for every group of rows.
    """
    return [_outputs_on(model, batch, number, inputs[:-1]) for number, inputs in enumerate(given)]


def _outputs_on(model: PreTrainedModel, batch: WordBatch, group: int, inputs: Sequence[Tensor]) -> list[Tensor]:
    arch = architecture(model)
    outputs: list[Tensor] = []
    hooks = []
    for block, own in zip(arch.blocks(model), inputs, strict=True):
        hooks.append(block.register_forward_pre_hook(lambda _module, args, own=own: (own, *args[1:])))
        hooks.append(
            block.register_forward_hook(
                lambda _module, _args, made: outputs.append(made[0] if isinstance(made, tuple) else made)
            )
        )
    try:
        with cut_above(model, arch.n_blocks - 1):
            last_hidden_states(model, model_inputs(model, batch.layout.groups[group]))
    finally:
        for hook in hooks:
            hook.remove()
    return outputs
