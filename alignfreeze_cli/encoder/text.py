"""Sentences of one language as flat arrays: for language modelling, and for probes that read single words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from accelerate.utils import send_to_device
from numpy.typing import NDArray
from torch import Tensor

from alignfreeze_cli.encoder.batches import batches_by_length, model_inputs, pack
from alignfreeze_cli.encoder.blocks import all_hidden_states, architecture, last_hidden_states
from alignfreeze_cli.encoder.tokenizers import encode_words

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Ints = NDArray[np.int64]

_TOKENS_AT_ONCE = 2_048


@dataclass(frozen=True)
class Text:
    """Sentence s has the subwords `ids[starts[s] : starts[s] + lengths[s]]`, special ones included."""

    ids: Ints  # (tokens,)
    special: NDArray[np.bool_]  # (tokens,)
    starts: Ints  # (sentences,)
    lengths: Ints  # (sentences,)
    first: Ints  # (words,) where in `ids` a word begins
    last: Ints  # (words,) where its last subword is
    words: Ints  # (words, 2) its sentence, and which word of that sentence it is; words that were cut off are not there

    def __len__(self) -> int:
        return len(self.lengths)

    def sentence_of(self, places: Ints) -> Ints:
        """The sentences that some subwords are of, by where they are in `ids`."""
        found: Ints = np.searchsorted(self.starts, places, side="right") - 1
        return found

    def batches(self) -> Iterator[Ints]:
        """Numbers of sentences, those of similar length together."""
        yield from batches_by_length(self.lengths, _TOKENS_AT_ONCE)


def encode_text(tokenizer: Any, sentences: Sequence[Sequence[str]], max_length: int) -> Text:
    """Sentences, each a list of words, cut at `max_length` subwords."""
    encodings = encode_words(tokenizer, sentences, truncation=True, max_length=max_length)
    lengths = np.array([len(each.ids) for each in encodings], np.int64)
    starts = np.cumsum(lengths) - lengths
    first, last, words = [], [], []
    for number, (encoding, start) in enumerate(zip(encodings, starts.tolist(), strict=True)):
        before = None
        for place, word in enumerate(encoding.word_ids):
            if word is not None and word != before:
                first.append(start + place)
                last.append(start + place)
                words.append((number, word))
            elif word is not None:
                last[-1] = start + place
            before = word
    return Text(
        np.concatenate([np.array(each.ids, np.int64) for each in encodings]),
        np.concatenate([np.array(each.special_tokens_mask, bool) for each in encodings]),
        starts,
        lengths,
        np.array(first, np.int64),
        np.array(last, np.int64),
        np.array(words, np.int64).reshape(-1, 2),
    )


@torch.no_grad()
def states_at(
    model: PreTrainedModel, text: Text, ids: Ints, sentences: Ints, places: Ints, pad_id: int, every_block: bool = False
) -> list[Tensor]:
    """The states of some subwords, each (places, hidden): of every layer, or of the encoder's last alone.

    `ids` are those of the text or of the text with some masked, `sentences` the numbers of those that are encoded, and
    `places`, (places,), where in `ids` the subwords are. The last layer is what a head reads, after a final norm.
    """
    arch, device = architecture(model), next(model.parameters()).device
    layout = pack(ids, text.starts[sentences], text.lengths[sentences], arch, pad_id)
    begins = np.zeros(len(text), np.int64)
    begins[sentences] = layout.starts - text.starts[sentences]  # from a place in `ids` to one in the layout
    at = torch.from_numpy(places + begins[text.sentence_of(places)]).to(device)
    layers: list[list[Tensor]] = []
    for rows in send_to_device(layout.groups, device):
        inputs = model_inputs(model, rows)
        layers.append(all_hidden_states(model, inputs) if every_block else [last_hidden_states(model, inputs)])
    return [torch.cat([group.flatten(0, 1) for group in layer])[at] for layer in zip(*layers, strict=True)]
