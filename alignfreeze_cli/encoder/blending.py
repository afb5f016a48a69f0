"""Weights between an encoder and what realignment made of it, and blocks put back as they were.

    base + alpha (realigned - base)         alpha from 0 to 1: WiSE-FT (arXiv 2109.01903, section 3)
    base, in the blocks that are restored   blocks of one model put into another (arXiv 2410.01335, 2505.18356)

So one realignment gives a curve from the base to the realigned encoder, and of every freeze plan something like it: the
blocks that a plan freezes are put back, though the others were trained beside blocks that moved.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from alignfreeze_cli.encoder.blocks import architecture
from alignfreeze_cli.encoder.freezing import FreezePlan, ResolvedPlan
from alignfreeze_cli.errors import SettingsError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def resolve_restored(text: str, n_blocks: int, read_block: int, causal: bool = False) -> ResolvedPlan:
    """What `--restore` puts back: what `--freeze` would freeze, the `frozen` blocks and perhaps the embeddings.

    In an encoder of `n_blocks` blocks that was realigned at `read_block`; `causal`: see `FreezePlan.resolve`.
    SettingsError for a block that does not exist, and if all that realignment reached would be put back.
    """
    plan = FreezePlan.parse(text).resolve(n_blocks, read_block, with_head=True, causal=causal)
    if plan.embeddings_frozen and not plan.trained:
        raise SettingsError(f"--restore {text}: puts everything back, which gives the base again.")
    return plan


@dataclass(frozen=True)
class Blend:
    """The model with the weights of the realigned encoder at first, and of both what is different in them, by name."""

    model: PreTrainedModel
    base: Mapping[str, Tensor]
    realigned: Mapping[str, Tensor]
    restored: frozenset[str]

    @classmethod
    def of(cls, base: PreTrainedModel, realigned: PreTrainedModel, plan: ResolvedPlan) -> Blend:
        """Two encoders of one architecture; `plan` says what is restored. `realigned` becomes the blend."""
        arch = architecture(realigned)
        names = {id(parameter): name for name, parameter in realigned.named_parameters()}
        parameters = [parameter for number in plan.frozen for parameter in arch.blocks(realigned)[number].parameters()]
        if plan.embeddings_frozen:
            parameters += [parameter for _, parameter in arch.embedding_parameters(realigned)]
        before = dict(base.named_parameters())
        differing = {
            name: parameter.detach()
            for name, parameter in realigned.named_parameters()
            if not torch.equal(parameter, before[name])
        }
        return cls(
            realigned,
            {name: before[name].detach() for name in differing},
            {name: tensor.clone() for name, tensor in differing.items()},
            frozenset(names[id(parameter)] for parameter in parameters),
        )

    @torch.no_grad()
    def set(self, alpha: float) -> None:
        """Give the model the weights of the blend. At 0 and 1 they are those of either encoder, bit for bit."""
        for name, parameter in self.model.named_parameters():
            if name in self.realigned:
                # lerp takes the end's side of the sum from 0.5 on, so it is exact at both ends.
                share = 0.0 if name in self.restored else alpha
                parameter.copy_(torch.lerp(self.base[name], self.realigned[name], share))


def smallest_as_good(accuracies: Mapping[float, Sequence[float]]) -> float:
    """The smallest alpha whose mean accuracy over languages is within one standard error of the best mean.

    `accuracies`: alpha → one number per language, in the same order. The standard error is that of the mean difference
    from the best alpha, over languages; with a single language there is none, so the best alpha is taken. (The rule of
    Breiman et al. 1984, Classification and Regression Trees, section 3.4.3, which takes the simplest of what is as
    good.)
    """
    best = max(accuracies, key=lambda alpha: (statistics.fmean(accuracies[alpha]), -alpha))
    for alpha in sorted(accuracies):
        differences = [top - here for top, here in zip(accuracies[best], accuracies[alpha], strict=True)]
        error = statistics.stdev(differences) / math.sqrt(len(differences)) if len(differences) > 1 else 0.0
        if statistics.fmean(differences) <= error:
            return alpha
    return best
