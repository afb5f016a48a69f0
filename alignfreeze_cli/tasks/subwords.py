"""Texts to subwords, and windows of subwords to the tensors that a model reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

TEXTS_AT_ONCE = 4096  # what the tokenizer returns takes many times the memory of the ids


def encodings(texts: list[str], tokenizer: Any) -> Iterator[Any]:
    """The whole texts as subwords (`Encoding` of the library tokenizers), without special tokens.

    transformers would make lists of all fields of the encodings first, which takes longer than the tokenizer itself.
    """
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    for begin in range(0, len(texts), TEXTS_AT_ONCE):
        yield from backend.encode_batch(texts[begin : begin + TEXTS_AT_ONCE], add_special_tokens=False)


def padded(rows: Sequence[np.ndarray], value: int) -> Tensor:
    """Rows of numbers as a tensor of int64, (rows, length of the longest row); the ends are filled with `value`."""
    import numpy as np
    import torch

    lengths = np.array([len(row) for row in rows])
    filled = np.arange(lengths.max(initial=0)) < lengths[:, None]
    numbers = np.full(filled.shape, value, dtype=np.int64)
    numbers[filled] = np.concatenate(rows)
    return torch.from_numpy(numbers)


def padded_inputs(windows: Sequence[np.ndarray], padding_id: int) -> dict[str, Tensor]:
    """Subword ids of some windows as `input_ids` and `attention_mask`, (windows, positions) each."""
    import numpy as np

    masks = [np.ones_like(window) for window in windows]
    return {"input_ids": padded(windows, padding_id), "attention_mask": padded(masks, 0)}


def inputs_for(model: Any, inputs: dict[str, Tensor]) -> dict[str, Any]:
    """What the model's forward takes: the inputs, and what its family needs besides.

    Without `token_type_ids` if the model has no types (DistilBERT, ModernBERT) or only one (RoBERTa); the tokenizers of
    such models may give types all the same. A decoder-only model is told not to keep what it would generate text from.
    """
    from alignfreeze_cli.encoder.blocks import find_family

    taken: dict[str, Any] = dict(inputs)
    if getattr(model.config, "type_vocab_size", 0) <= 1:
        taken.pop("token_type_ids", None)
    if find_family(model.config.model_type).causal:
        taken["use_cache"] = False
    return taken
