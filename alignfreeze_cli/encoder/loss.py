"""The realignment loss: words that translate each other are pulled together, all others pushed apart.

For a link (a, b) both words are anchors, x = a with partner y = b and the other way round. With N links in the batch,
T the temperature and C(x) the candidates of x:

    l(x) = -log( exp(cos(x, y) / T) / sum over w in C(x) of exp(cos(x, w) / T) )
    L = sum of l(x) over the 2N anchors / (2N)

C(x) is every word of the batch in both languages except x itself ("all", the strong alignment of the published code),
or every word of the other language ("other-language", its weak alignment). Words need no link to be candidates.
Source: arXiv 2502.12959, section 3, and the published code, realignment_loss.py.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from alignfreeze_cli.encoder.batches import WordBatch, encode, pool_words

LARGEST_MATRIX = 1 << 24
"""Numbers of the matrix of similarities that are held at once, 64 MB in single precision."""


def realignment_loss(
    model: nn.ModuleDict,
    batch: WordBatch,
    *,
    block: int,
    pooling: str = "first",
    temperature: float = 0.1,
    negatives: str = "all",
    processes: int = 1,
) -> Tensor:
    """This process's share of the realignment loss of the whole batch, a scalar; the shares add up to the loss.

    `model` holds `encoder` and `projection`. One forward pass for both sides, up to the block that is read; in parts if
    the batch was packed in parts (`encode`).
    """
    hidden = encode(model["encoder"], batch.layout, block)  # (positions, hidden)
    pooled = pool_words(hidden, batch.starts, batch.ends, pooling, batch.n_subwords)  # (words, hidden)
    words = model["projection"](pooled)  # (words, size)
    source, target, links = gather_words(words[: batch.n_source], words[batch.n_source :], batch.links)
    loss = contrastive_loss(source, target, links, temperature, negatives)
    # `train` adds this up over the processes. Each computes the loss of the whole batch, but only the gradient through
    # its own words, so the value is divided by the number of processes and the gradient is not.
    return loss - loss.detach() * (1 - 1 / processes)


def contrastive_loss(
    source_words: Tensor, target_words: Tensor, links: Tensor, temperature: float = 0.1, negatives: str = "all"
) -> Tensor:
    """The loss L of this module's first lines, a scalar; exactly 0, with zero gradients, where there is no link.

    `source_words` is (S, d) and `target_words` (T, d): the words of all sentences of the batch, linked or not.
    `links` is (N, 2), long: rows of `source_words` and of `target_words` that translate each other. `negatives` is
    "all" or "other-language". At least single precision is used, also under autocast. The matrix of similarities,
    (2N, W), is made in parts of at most `LARGEST_MATRIX` numbers: a larger batch takes more time, not more memory.
    """
    if negatives not in ("all", "other-language"):
        raise ValueError(f"negatives is all or other-language, not {negatives!r}")
    n_source = len(source_words)
    words = torch.cat([source_words, target_words])  # (W, d)
    if links.shape[0] == 0:
        return words.sum() * 0.0
    with torch.autocast(words.device.type, enabled=False):
        words = F.normalize(words if words.dtype == torch.float64 else words.float(), dim=1)
        source, target = links[:, 0], links[:, 1] + n_source
        anchors, partners = torch.cat([source, target]), torch.cat([target, source])  # (2N,)
        at_once = max(1, LARGEST_MATRIX // len(words))
        if len(anchors) <= at_once:
            return _summed(words, anchors, partners, n_source, temperature, negatives) / len(anchors)
        # Each part's matrix is made for its sum, thrown away, and made again for its gradient.
        parts = [
            checkpoint(_summed, words, some, theirs, n_source, temperature, negatives, use_reentrant=False)
            for some, theirs in zip(anchors.split(at_once), partners.split(at_once), strict=True)
        ]
        return torch.stack(parts).sum() / len(anchors)


def _summed(
    words: Tensor, anchors: Tensor, partners: Tensor, n_source: int, temperature: float, negatives: str
) -> Tensor:
    """The sum of l(x) over some anchors, (anchors,) like their `partners`; `words` are of length 1."""
    logits = F.embedding(anchors, words) @ words.T / temperature  # (anchors, W); words[anchors] with a faster backward
    positions = torch.arange(len(words), device=words.device)
    if negatives == "all":  # the anchor itself is no candidate
        excluded = positions == anchors.unsqueeze(1)
    else:  # nor is any word of the anchor's own language
        excluded = (positions < n_source) == (anchors < n_source).unsqueeze(1)
    return F.cross_entropy(logits.masked_fill(excluded, float("-inf")), partners, reduction="sum")


def gather_words(source_words: Tensor, target_words: Tensor, links: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Words and links of all processes, so that `contrastive_loss` of the result is that of the whole batch.

    Shapes as in `contrastive_loss`; every process brings its share (any size, also none), already projected. The other
    processes' words come without gradient and the own ones stay in the graph, so the loss has the same value everywhere
    and each process gets that part of the gradient which runs through its own words. **The gradient of the whole batch
    is the sum over the processes.** DistributedDataParallel takes their mean, so `training.loop.train` multiplies the
    loss by their number before `backward()`. With one process, or none started, the arguments come back as they are.
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return source_words, target_words, links
    rank, device = dist.get_rank(), source_words.device
    own = torch.tensor([len(source_words), len(target_words), len(links)], device=device)
    sizes = torch.stack(_all_gather(own)).tolist()  # (processes, 3)
    most_words, most_links = max(s + t for s, t, _ in sizes), max(n for _, _, n in sizes)
    # Processes exchange blocks of equal size, so each share is filled up to the largest one.
    words = torch.cat([source_words, target_words]).detach()
    others = _all_gather(F.pad(words, (0, 0, 0, most_words - len(words))))
    linked = _all_gather(F.pad(links, (0, 0, 0, most_links - len(links))))
    sources, targets, all_links = [], [], []
    before_source = before_target = 0
    for process, (n_source, n_target, n_links) in enumerate(sizes):
        sources.append(source_words if process == rank else others[process][:n_source])
        targets.append(target_words if process == rank else others[process][n_source : n_source + n_target])
        all_links.append(linked[process][:n_links] + links.new_tensor([before_source, before_target]))
        before_source, before_target = before_source + n_source, before_target + n_target
    return torch.cat(sources), torch.cat(targets), torch.cat(all_links)


def _all_gather(tensor: Tensor) -> list[Tensor]:
    gathered = [torch.empty_like(tensor) for _ in range(dist.get_world_size())]
    dist.all_gather(gathered, tensor.contiguous())
    return gathered


class Projection(nn.Module):
    """The head between word vectors and the loss: hidden → hidden, ReLU, hidden → `size`, no biases.

    Initialised like a new head of the model: normal with standard deviation `initializer_range`. It trains with the
    encoder and is thrown away afterwards.
    """

    def __init__(self, hidden: int, size: int = 128, initializer_range: float = 0.02) -> None:
        super().__init__()
        self.inner = nn.Linear(hidden, hidden, bias=False)
        self.outer = nn.Linear(hidden, size, bias=False)
        nn.init.normal_(self.inner.weight, std=initializer_range)
        nn.init.normal_(self.outer.weight, std=initializer_range)

    def forward(self, words: Tensor) -> Tensor:
        """(words, hidden) → (words, size)."""
        projected: Tensor = self.outer(F.relu(self.inner(words)))
        return projected


def new_projection(size: int, hidden: int, config: Any) -> nn.Module:
    """A new head of that size for an encoder with this configuration; size 0: words are compared as they are."""
    if not size:
        return nn.Identity()
    return Projection(hidden, size, getattr(config, "initializer_range", 0.02))
