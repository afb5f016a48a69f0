"""Training only the rows of the word embeddings that occur.

A multilingual vocabulary has 250,000 rows, a run's pairs use some thousands. Plain Adam leaves a row that never got a
gradient untouched (its moments stay 0, so its step is 0), hence training a small table of the rows that occur and
writing them back is exact, and spares the gradient and both moments of all the others. Weight decay would break this.

Exact means bit for bit, for fused Adam on a CPU and rows that fill whole vectors of the processor: an embedding size
that is a multiple of 16, as in every published model. With other sizes the last few numbers of the table may differ in
their last bit, because fused Adam computes what is left after the last whole vector in another way.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from alignfreeze_cli.encoder.blocks import architecture
from alignfreeze_cli.errors import SettingsError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

IdArray = TypeVar("IdArray", Tensor, npt.NDArray[np.integer])


class ActiveVocabulary:
    """The model's word embeddings, reduced to the rows `ids` (any order, repeats allowed) until `restore()`.

    The full table rests in main memory, without gradient or optimizer state, and is not part of the model meanwhile.
    Whatever is fed to the model must go through `remap`, also the padding id. SettingsError if the output layer shares
    the table (masked-word models), since that layer needs every row.
    """

    def __init__(self, model: PreTrainedModel, ids: Tensor | npt.NDArray[np.integer]) -> None:
        arch = architecture(model)
        self.model = model
        self.full = arch.word_embeddings(model)
        output = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
        if output is not None and output.weight is self.full.weight:
            raise SettingsError("the output layer shares the word embeddings, so all of their rows must stay.")
        padding = self.full.padding_idx
        # RoBERTa finds positions by comparing ids with the padding id, so the ids up to it must keep their numbers.
        always = [*range(arch.first_position), *([] if padding is None else [padding])]
        needed = torch.cat([torch.as_tensor(ids).flatten().long().cpu(), torch.tensor(always, dtype=torch.long)])
        self.ids = torch.unique(needed)  # (active,), sorted
        self._numbers = torch.full((self.full.num_embeddings,), -1)
        self._numbers[self.ids] = torch.arange(len(self.ids))
        rows = self.full.weight.detach()[self.ids.to(self.full.weight.device)]  # (active, size), a copy
        small = nn.Embedding.from_pretrained(
            rows, freeze=False, padding_idx=None if padding is None else int(self._numbers[padding])
        )
        small.weight.requires_grad_(self.full.weight.requires_grad)
        small.train(self.full.training)
        arch.set_word_embeddings(model, small)
        self.full.to("cpu")

    def remap(self, ids: IdArray) -> IdArray:
        """The numbers of these token ids in the small table, same shape and kind. ValueError if one has no row."""
        numbers = self._numbers.to(ids.device)[ids] if isinstance(ids, Tensor) else self._numbers.numpy()[ids]
        if (numbers < 0).any():
            raise ValueError("a token id is not among those that the active vocabulary was made of")
        return numbers

    @torch.no_grad()
    def restore(self) -> None:
        """Write the trained rows into the full table and put it back, on the device where the model now is."""
        arch = architecture(self.model)
        small = arch.word_embeddings(self.model)
        weight = self.full.weight
        weight[self.ids.to(weight.device)] = small.weight.detach().to(weight.device, weight.dtype)
        weight.requires_grad_(small.weight.requires_grad)
        self.full.train(small.training)
        arch.set_word_embeddings(self.model, self.full.to(small.weight.device))

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Inside, the model has its full table, with the rows as trained so far; then training can go on."""
        arch = architecture(self.model)
        small = arch.word_embeddings(self.model)
        self.restore()
        try:
            yield
        finally:
            arch.set_word_embeddings(self.model, small)
            self.full.to("cpu")
