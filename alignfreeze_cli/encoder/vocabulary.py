"""Training only the rows of the word embeddings that occur.

A multilingual vocabulary has 250,000 rows, a run's pairs use some thousands. Plain Adam leaves a row that never got a
gradient untouched (its moments stay 0, so its step is 0), hence training a small table of the rows that occur and
writing them back is exact, and spares the gradient and both moments of all the others. Weight decay would break this.

Exact means bit for bit, for fused Adam on a CPU and rows that fill whole vectors of the processor: an embedding size
that is a multiple of 16, as in every published model. With other sizes the last few numbers of the table may differ in
their last bit, because fused Adam computes what is left after the last whole vector in another way.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from alignfreeze_cli.encoder.blocks import architecture
from alignfreeze_cli.errors import SettingsError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class ActiveVocabulary:
    """The model's word embeddings, reduced to the rows `ids` (any order, repeats allowed), except inside `whole()`.

    The full table is not part of the model meanwhile, and has no gradient or optimizer state. It rests in main memory,
    or, if `read` is given, nowhere: `read()` gives it as it was, whenever it is needed. Whatever is fed to the model
    must go through `remap`, also the padding id. SettingsError if the output layer shares the table (masked-word
    models), since that layer needs every row.
    """

    def __init__(
        self, model: PreTrainedModel, ids: NDArray[np.integer[Any]], read: Callable[[], Tensor] | None = None
    ) -> None:
        self.model, self._read = model, read
        self.full: nn.Embedding = model.get_input_embeddings()
        output = model.get_output_embeddings()
        if output is not None and output.weight is self.full.weight:
            raise SettingsError("the output layer shares the word embeddings, so all of their rows must stay.")
        padding = self.full.padding_idx
        # RoBERTa finds positions by comparing ids with the padding id, so the ids up to it must keep their numbers.
        always = [*range(architecture(model).first_position), *([] if padding is None else [padding])]
        active = np.union1d(ids, np.array(always, dtype=np.int64))  # (active,), sorted
        self.ids = torch.from_numpy(active)
        self._numbers = np.full(self.full.num_embeddings, -1)
        self._numbers[active] = np.arange(len(active))
        # From the file, where there is one: a row that is read from a table in a file maps all that lies around it.
        device = self.full.weight.device
        table = self.full.weight.detach() if read is None else read()
        rows = table[self.ids.to(table.device)].to(device)  # (active, size), a copy
        # A copy of the module with other weights: Gemma's and XGLM's multiply what they look up.
        weight = nn.Parameter(rows, requires_grad=self.full.weight.requires_grad)
        small = copy.deepcopy(self.full, {id(self.full.weight): weight})
        small.num_embeddings = len(active)
        small.padding_idx = None if padding is None else int(self._numbers[padding])
        model.set_input_embeddings(small)
        self._rest()

    def _rest(self) -> None:
        if self._read is None:
            self.full.to("cpu")
        else:
            self.full.weight.data = torch.empty(0)

    def summary(self, where: str) -> str:
        """One sentence on how much of the vocabulary occurs there."""
        return f"{len(self.ids):,} of {self.full.num_embeddings:,} word embeddings occur in {where}."

    def remap(self, ids: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
        """The numbers of these token ids in the small table, same shape. ValueError if one has no row."""
        numbers = self._numbers[ids]
        if (numbers < 0).any():
            raise ValueError("a token id is not among those that the active vocabulary was made of")
        return numbers

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Inside, the model has its full table, with the rows as trained so far; then training can go on."""
        small, weight = self.model.get_input_embeddings(), self.full.weight
        if self._read is not None:
            weight.data = self._read()
        with torch.no_grad():
            weight[self.ids] = small.weight.to(weight.device, weight.dtype)
        weight.requires_grad_(small.weight.requires_grad)
        self.full.train(small.training)
        self.model.set_input_embeddings(self.full.to(small.weight.device))
        try:
            yield
        finally:
            self.model.set_input_embeddings(small)
            self._rest()
