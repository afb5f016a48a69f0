"""Output of a model at a few positions only; what nobody reads of the last block is not computed.

After its attention a block works on every position by itself. A tagger reads the first subword of each word, so in the
last block the other positions are needed as keys and values only: what follows the attention, three quarters of a
block's matrix products, runs on the positions that are read. Their output is that of the whole computation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from torch import Tensor

from alignfreeze_cli.encoder.blocks import FAMILIES, architecture

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# A context of its own in every thread: several may use one model at a time.
_wanted: ContextVar[tuple[Tensor, Tensor] | None] = ContextVar("wanted", default=None)


@contextmanager
def few_places(model: PreTrainedModel) -> Iterator[None]:
    """While inside, `logits_at` spares the model what it can; without it, or for other families, it computes all."""
    arch = architecture(model)
    path = FAMILIES[arch.family].alone_from
    # DeBERTa has a convolution over positions beside its first block, so that one must stay whole.
    if path is None or arch.n_blocks < 2:
        yield
        return
    handle = arch.blocks(model)[-1].get_submodule(path).register_forward_pre_hook(_select)
    try:
        yield
    finally:
        handle.remove()


def logits_at(model: PreTrainedModel, inputs: Mapping[str, Any], rows: Tensor, positions: Tensor) -> Tensor:
    """What a token classifier says at some places of a batch, (places, labels); `rows`, `positions`: (places,), long.

    `model` is in evaluation mode; `inputs` is what its forward takes.
    """
    token = _wanted.set((rows, positions))
    try:
        logits: Tensor = model(**inputs).logits
    finally:
        _wanted.reset(token)
    return logits if logits.dim() == 2 else logits[rows, positions]


def _select(_module: Any, states: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
    """Of all states that go on from here, (batch, positions, hidden), those at the wanted places, (places, hidden)."""
    wanted = _wanted.get()
    return None if wanted is None else tuple(state[wanted] for state in states)
