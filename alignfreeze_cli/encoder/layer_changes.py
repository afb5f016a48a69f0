"""What realignment changed in each block: of its weights, of what it makes of words, and across languages.

A *layer* here is the input of block 0, called `embeddings`, or the output of a block, called by the block's number.
Measures are (samples, layers): row 0 is the value, the others are those of half-samples (`half_samples.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from alignfreeze_cli.encoder.blocks import architecture
from alignfreeze_cli.encoder.half_samples import Estimate, estimate
from alignfreeze_cli.encoder.linked_words import LinkedWords, linked_states, outputs_on, states_of
from alignfreeze_cli.encoder.similarity import (
    cosine_drift,
    csls_hits,
    debiased_cka,
    neuron_correlation,
    relative_change,
    sample_means,
)
from alignfreeze_cli.phrases import number_ranges, signed

if TYPE_CHECKING:
    from transformers import PreTrainedModel

EMBEDDINGS = "embeddings"
OF_WORDS = ("cka", "drift", "centred-drift", "own-change")
"""Measures of the words of one language, before against after."""
ACROSS = ("retrieval-before", "retrieval-after", "retrieval-change", "anc-before", "anc-after", "anc-change")
"""Measures of words and their translations."""

Measures = Mapping[str, Tensor]


def layer_names(blocks: int) -> list[str]:
    return [EMBEDDINGS, *map(str, range(blocks))]


@dataclass
class _Words:
    """What base and realigned model make of the words of one side; each list goes by layer."""

    before: list[Tensor]  # (words, hidden)
    after: list[Tensor]
    change: list[Tensor]  # (words,), by block: squared length of the change of its output on the base's input
    size: list[Tensor]  # (words,), by block: squared length of what the base's block adds to its input


@torch.no_grad()
def language_changes(
    base: PreTrainedModel, model: PreTrainedModel, words: LinkedWords, pad_id: int, pooling: str, samples: Tensor
) -> Measures:
    """The measures of a language's words (`OF_WORDS` and `ACROSS`).

    Both models are in evaluation mode and of one architecture.
    """
    source, target = _collect(base, model, words, pad_id, pooling)
    return {**_of_words(target, words.sentence, samples), **_across(source, target, words, samples)}


@torch.no_grad()
def source_changes(
    base: PreTrainedModel, model: PreTrainedModel, words: LinkedWords, pad_id: int, pooling: str, samples: Tensor
) -> Measures:
    """The measures `OF_WORDS` of the source words that a language's words are linked to."""
    source, _ = _collect(base, model, words, pad_id, pooling)
    return _of_words(source, words.sentence, samples)


def _collect(
    base: PreTrainedModel, model: PreTrainedModel, words: LinkedWords, pad_id: int, pooling: str
) -> tuple[_Words, _Words]:
    """The source words and the target words, in the order of the links."""
    parts: tuple[list[_Words], list[_Words]] = [], []
    for batch in words.batches(base, pad_id):
        given = states_of(base, batch)
        made = given, states_of(model, batch), outputs_on(base, batch, given), outputs_on(model, batch, given)
        vectors = [linked_states(states, batch, pooling) for states in made]
        for side, found in enumerate(parts):
            before, after, was, now = ([layer[side].cpu() for layer in each] for each in vectors)
            changes, sizes = _squared_lengths(now, was), _squared_lengths(was, before[:-1])
            found.append(_Words(before, after, changes, sizes))
    return _joined(parts[0]), _joined(parts[1])


def _squared_lengths(these: Sequence[Tensor], those: Sequence[Tensor]) -> list[Tensor]:
    """Of the differences of vectors, (words, hidden), block by block: (words,)."""
    return [(x.double() - y.double()).square().sum(1) for x, y in zip(these, those, strict=True)]


def _joined(parts: Sequence[_Words]) -> _Words:
    """What was found batch by batch, as one."""

    def join(name: str) -> list[Tensor]:
        return [torch.cat(layer) for layer in zip(*(getattr(each, name) for each in parts), strict=True)]

    return _Words(join("before"), join("after"), join("change"), join("size"))


def _of_words(words: _Words, sentence: Tensor, samples: Tensor) -> dict[str, Tensor]:
    pairs = list(zip(words.before, words.after, strict=True))
    own = [relative_change(*each, sentence, samples) for each in zip(words.change, words.size, strict=True)]
    nothing = torch.full_like(own[0], torch.nan)  # the embeddings are no block
    by_layer = {
        "cka": [debiased_cka(*pair, sentence, samples) for pair in pairs],
        "drift": [sample_means(cosine_drift(*pair), sentence, samples) for pair in pairs],
        # The centre is that of all words in every sample: it hardly varies, and the words would move with it.
        "centred-drift": [sample_means(cosine_drift(*pair, centred=True), sentence, samples) for pair in pairs],
        "own-change": [nothing, *own],
    }
    return {name: torch.stack(values, 1) for name, values in by_layer.items()}


def _across(source: _Words, target: _Words, words: LinkedWords, samples: Tensor) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for when in ("before", "after"):
        pairs = list(zip(getattr(source, when), getattr(target, when), strict=True))
        hits = torch.stack([csls_hits(x[words.types], y[words.types]) for x, y in pairs], 1)  # (types, layers)
        found[f"retrieval-{when}"] = sample_means(hits, words.sentence[words.types], samples)
        anc = [neuron_correlation(x, y, words.sentence, samples) for x, y in pairs]
        found[f"anc-{when}"] = torch.stack(anc, 1)
    for name in ("retrieval", "anc"):
        found[f"{name}-change"] = found[f"{name}-after"] - found[f"{name}-before"]
    return found


def mean_measures(found: Sequence[Measures]) -> Measures:
    """The mean over languages, whose samples are drawn independently of each other."""
    return {name: torch.stack([each[name] for each in found]).mean(0) for name in found[0]}


def to_dict(measures: Measures, layers: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Measure → layer → value with interval, as result files hold it; layers where it is not defined are left out."""
    return {
        name: {
            layer: estimate(values[:, number]).to_dict()
            for number, layer in enumerate(layers)
            if not values[0, number].isnan()
        }
        for name, values in measures.items()
    }


def weight_changes(base: PreTrainedModel, model: PreTrainedModel) -> list[float]:
    """Relative change of the weights of the embeddings and of every block: ‖after - before‖ / ‖before‖.

    All parameters of a block are taken as one long vector.
    """
    arch = architecture(base)
    parts = [[parameter for _, parameter in arch.embedding_parameters(each)] for each in (base, model)]
    changes = [_relative(*parts)]
    for before, after in zip(arch.blocks(base), arch.blocks(model), strict=True):
        changes.append(_relative(before.parameters(), after.parameters()))
    return changes


@torch.no_grad()
def _relative(before: Iterable[Tensor], after: Iterable[Tensor]) -> float:
    change = whole = 0.0
    for was, now in zip(before, after, strict=True):
        change += float((now.to(was.device) - was).double().square().sum())
        whole += float(was.double().square().sum())
    return (change / whole) ** 0.5 if whole else 0.0


@dataclass(frozen=True)
class HalvesCompared:
    """Whether lower blocks changed more than upper ones, among those whose weights changed.

    Of an odd number the middle block is in neither half. `weights` are the means of the relative changes of weights.
    """

    lower: tuple[int, ...]
    upper: tuple[int, ...]
    own_lower: Estimate
    own_upper: Estimate
    difference: Estimate  # of the mean own changes, lower less upper
    weights: tuple[float, float]

    def sentence(self) -> str:
        """The finding for a reader; an interval that holds zero decides nothing."""
        if self.difference.low > 0:
            finding = "In this encoder lower blocks changed more than upper ones"
        elif self.difference.high < 0:
            finding = "In this encoder lower blocks did not change more: upper ones did"
        else:
            finding = "It can't be told whether lower or upper blocks changed more"
        low, high = signed(self.difference.low, 3), signed(self.difference.high, 3)
        return (
            f"{finding}. A block's own change is {self.own_lower.value:.3f} in {_blocks(self.lower)} and "
            f"{self.own_upper.value:.3f} in {_blocks(self.upper)}, difference {signed(self.difference.value, 3)} "
            f"[{low}, {high}]; the relative change of weights is {self.weights[0]:.3f} and {self.weights[1]:.3f}."
        )

    def to_dict(self) -> dict[str, Any]:
        """As result files hold it."""
        return {
            "lower": list(self.lower),
            "upper": list(self.upper),
            "own-change": {
                "lower": self.own_lower.to_dict(),
                "upper": self.own_upper.to_dict(),
                "difference": self.difference.to_dict(),
            },
            "weights": {"lower": round(self.weights[0], 6), "upper": round(self.weights[1], 6)},
            "sentence": self.sentence(),
        }


def _blocks(numbers: Sequence[int]) -> str:
    return f"block{'s' if len(numbers) > 1 else ''} {number_ranges(numbers)}"


def compare_halves(weights: Sequence[float], own_change: Tensor) -> HalvesCompared | None:
    """Compare the halves of the blocks whose weights changed; None if fewer than two did.

    `weights` and `own_change`, (samples, layers), have the embeddings first, which are left out. A block that was
    frozen says nothing about where realignment works, nor does one above the block that the loss reads.
    """
    changed = [block for block, change in enumerate(weights[1:]) if change > 0]
    half = len(changed) // 2
    if not half:
        return None
    lower, upper = tuple(changed[:half]), tuple(changed[-half:])
    below, above = (own_change[:, [block + 1 for block in blocks]].mean(1) for blocks in (lower, upper))
    means = [sum(weights[block + 1] for block in blocks) / half for blocks in (lower, upper)]
    return HalvesCompared(lower, upper, estimate(below), estimate(above), estimate(below - above), (means[0], means[1]))
