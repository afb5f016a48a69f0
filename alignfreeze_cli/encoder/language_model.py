"""Can the base's language-modelling head still read an encoder? Its loss in nats, on the same words for all encoders.

The head is that of the base, and stays as it is. Its output matrix is usually the word embeddings themselves. So there
are two ways to put it on a realigned encoder: *tied*, with that encoder's own embeddings as output matrix, which is
what transformers does; and *untied*, with the base's. Where the embeddings were frozen, both are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from alignfreeze_cli.encoder.sampling import random
from alignfreeze_cli.encoder.text import Ints, Text, states_at
from alignfreeze_cli.progress import Console

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MASKED = 0.15
"""Share of a sentence's subwords that are masked, at least one; as in BERT's training (Devlin et al. 2019)."""

HEAD_RATE, HEAD_BATCH = 1e-3, 32
"""First learning rate, and sentences per step, of a head that has to be trained."""

_READS_AT_ONCE = 256  # times the size of the vocabulary: numbers in memory


@dataclass(frozen=True)
class Guesses:
    """What a head has to guess in a text: `ids` is the text as the encoder sees it."""

    ids: Ints  # (tokens,)
    places: Ints  # (guesses,) where in `ids` the states are read, ascending
    answers: Ints  # (guesses,) the subwords that were there
    sentence: Ints  # (guesses,)


Ask = Callable[[Text, np.random.Generator, Ints | None], Guesses]
"""What to guess in a text, or in some of its sentences, by number (None: all)."""


def masked(text: Text, draw: np.random.Generator, sentences: Ints | None = None, *, mask_id: int) -> Guesses:
    """Mask some subwords of every sentence, drawn at random; special tokens never.

    All of them become the mask token: that a tenth stays or becomes another word (BERT's training) is to make states of
    unmasked words good, not to measure.
    """
    places = [np.zeros(0, np.int64)]
    for number in np.arange(len(text)) if sentences is None else np.sort(sentences):
        start = text.starts[number]
        free = np.flatnonzero(~text.special[start : start + text.lengths[number]])
        if len(free):
            places.append(start + np.sort(draw.permutation(free)[: max(1, round(MASKED * len(free)))]))
    chosen = np.concatenate(places)
    ids = text.ids.copy()
    ids[chosen] = mask_id
    return Guesses(ids, chosen, text.ids[chosen], text.sentence_of(chosen))


def next_words(text: Text, _draw: np.random.Generator, sentences: Ints | None = None) -> Guesses:
    """For decoder-only models: every subword but a sentence's first is guessed from the state of the one before it."""
    places = [np.zeros(0, np.int64)]
    for number in np.arange(len(text)) if sentences is None else np.sort(sentences):
        start, length = text.starts[number], text.lengths[number]
        places.append(start + np.flatnonzero(~text.special[start + 1 : start + length]))
    before = np.concatenate(places)
    return Guesses(text.ids, before, text.ids[before + 1], text.sentence_of(before))


def losses(
    heads: Sequence[tuple[PreTrainedModel, Tensor | None]],
    body: PreTrainedModel,
    text: Text,
    guesses: Guesses,
    pad_id: int,
) -> list[Tensor]:
    """The loss of every guess in nats, (guesses,), for each of the heads on the states of one encoder, `body`.

    A head is a model that has one, and the word embeddings to put in place of its own (None: its own).
    """
    found = [torch.zeros(len(guesses.places), dtype=torch.float64) for _ in heads]
    for sentences in text.batches():
        mine = np.flatnonzero(np.isin(guesses.sentence, sentences))
        (states,) = states_at(body, text, guesses.ids, sentences, guesses.places[mine], pad_id)
        answers = torch.from_numpy(guesses.answers[mine]).to(states.device)
        for loss, (head, embeddings) in zip(found, heads, strict=True):
            with torch.no_grad(), _with_embeddings(head, embeddings):
                parts = [
                    F.cross_entropy(head_logits(head, some), right, reduction="none")
                    for some, right in zip(states.split(_READS_AT_ONCE), answers.split(_READS_AT_ONCE), strict=True)
                    if len(some)
                ]
            loss[torch.from_numpy(mine)] = torch.cat([torch.zeros(0), *(each.double().cpu() for each in parts)])
    return found


def head_logits(model: PreTrainedModel, states: Tensor) -> Tensor:
    """What a model's head makes of an encoder's states, (reads, hidden) → (reads, vocabulary).

    The model's own forward is run with the states in the place of what its encoder would answer, so that every family's
    head is what transformers makes of it.
    """
    from transformers.modeling_outputs import BaseModelOutputWithPastAndCrossAttentions

    answer = BaseModelOutputWithPastAndCrossAttentions(last_hidden_state=states.unsqueeze(0))
    body: Any = model.base_model
    body.forward = lambda *_args, **_kwargs: answer
    try:
        logits: Tensor = model(input_ids=torch.zeros(1, len(states), dtype=torch.long, device=states.device)).logits
    finally:
        del body.forward
    return logits[0]


@contextmanager
def _with_embeddings(model: PreTrainedModel, embeddings: Tensor | None) -> Iterator[None]:
    """While inside, the word embeddings, and the output matrix if it is tied to them, are the given ones."""
    own: Any = model.get_input_embeddings().weight
    before = own.data
    try:
        if embeddings is not None:
            own.data = embeddings
        yield
    finally:
        own.data = before


def train_head(
    model: PreTrainedModel, texts: Sequence[Text], ask: Ask, pad_id: int, steps: int, seed: int, console: Console
) -> float:
    """Train the head of a base that was published without one; the encoder stays as it is, without dropout.

    Every step asks about some sentences of one text, drawn at random; the rate falls to 0. Gives the mean loss of the
    last tenth of the steps, in nats.
    """
    encoder = {id(parameter) for parameter in model.base_model.parameters()}  # a head may be tied to the embeddings
    trained = [parameter for parameter in model.parameters() if id(parameter) not in encoder]
    optimizer = torch.optim.Adam(trained, lr=HEAD_RATE)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    draw = random(seed, "head")
    found: list[float] = []
    model.eval()
    with console.progress("training a head on the base", steps, "steps") as bar:
        for _ in range(steps):
            text = texts[int(draw.integers(len(texts)))]
            sentences = draw.permutation(len(text))[:HEAD_BATCH]
            guesses = ask(text, draw, sentences)
            (states,) = states_at(model, text, guesses.ids, sentences, guesses.places, pad_id)
            answers = torch.from_numpy(guesses.answers).to(states.device)
            loss = F.cross_entropy(head_logits(model, states), answers)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            found.append(loss.item())
            bar.advance(note=f"loss {found[-1]:.2f}")
    last = found[-max(1, len(found) // 10) :]
    return sum(last) / len(last)
