"""Word vectors from the hidden states of their subwords."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def pool_words(hidden: Tensor, starts: Tensor, ends: Tensor, pooling: str = "first") -> Tensor:
    """One vector per word, (words, hidden size).

    `hidden` is (positions, hidden size), the rows of a batch one after the other; word w covers the positions
    `starts[w]` .. `ends[w] - 1` of it (both (words,), long), at least one. `pooling` is "first", the hidden state of
    the first subword, as published; or "mean", the mean over all of them, whose loss equals that of the published
    code's sum, since cosines and the projection do not mind the length of a vector.
    """
    if pooling == "first":
        return F.embedding(starts, hidden)  # its backward adds rows up, much faster than the one of hidden[starts]
    if pooling != "mean":
        raise ValueError(f"pooling is first or mean, not {pooling!r}")
    lengths = ends - starts
    word = torch.arange(len(starts), device=hidden.device).repeat_interleave(lengths)  # (subwords,)
    first = torch.cumsum(lengths, 0) - lengths  # where each word begins among the subwords
    at = starts[word] + torch.arange(len(word), device=hidden.device) - first[word]
    total = hidden.new_zeros(len(starts), hidden.shape[1]).index_add(0, word, F.embedding(at, hidden))
    return total / lengths.unsqueeze(1).to(hidden.dtype)
