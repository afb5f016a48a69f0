"""How much memory an encoder takes while it is trained or used, from its shape: nothing is loaded or computed.

Weights are in single precision whatever `--precision` says. A trained parameter takes 16 bytes: itself, its gradient
and Adam's two moments. What a block keeps of a position for the gradient is counted as in arXiv 2205.05198 (Korthikanti
et al., Reducing Activation Recomputation in Large Transformer Models), section 4.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import nn

from alignfreeze_cli.encoder.blocks import architecture
from alignfreeze_cli.encoder.freezing import ResolvedPlan

if TYPE_CHECKING:
    from transformers import PreTrainedModel

NUMBER = 4
"""Bytes of a number in single precision."""

MOMENTS = 2 * NUMBER
"""Bytes that Adam keeps of a parameter."""


class Texts(NamedTuple):
    """What is read: at most so many `positions` at once, in rows of `width`, and so many `rows` of the embeddings."""

    positions: int
    width: int
    rows: int


@dataclass(frozen=True)
class Footprint:
    """Bytes of an encoder in training, and its number of word embeddings, `pieces`.

    `weights` are all of them, `table` the word embeddings among them; `computed` those that a step reads, and `trained`
    those that it changes, of the word embeddings only rows that occur. `kept` is there of a batch when its gradient
    begins.
    """

    pieces: int
    weights: int
    table: int
    computed: int
    trained: int
    kept: int

    @property
    def moments(self) -> int:
        """Adam's."""
        return self.trained // NUMBER * MOMENTS


def footprint(
    model: PreTrainedModel,
    plan: ResolvedPlan,
    texts: Texts,
    *,
    lora: int | None = None,
    half: bool = False,
    head: bool = False,
) -> Footprint:
    """The footprint of a training under a plan; `model` may be on the meta device, and stays as it is.

    `half`: forward and backward passes are in bf16. `head`: all blocks are computed, and what is above them trains.
    """
    arch = architecture(model)
    table = model.get_input_embeddings().weight
    blocks = arch.blocks(model)
    in_blocks = [sum(each.numel() for each in block.parameters()) for block in blocks]
    below = sum(each.numel() for _, each in arch.embedding_parameters(model)) - table.numel()
    everything = sum(each.numel() for each in model.parameters())
    above = everything - table.numel() - below - sum(in_blocks) if head else 0

    occurring = min(texts.rows, table.shape[0]) * table.shape[1]
    last = arch.n_blocks - 1 if head else plan.read_block
    adapters = sum(_adapters(blocks[number], lora) for number in plan.trained) if lora else 0
    trained = adapters or sum(in_blocks[number] for number in plan.trained)
    trained += above + (0 if plan.embeddings_frozen else below + occurring)
    # No graph is built below the first parameter that trains.
    lowest = 0 if not plan.embeddings_frozen else min(plan.trained, default=last + 1)
    kept, copies = 0.0, 0
    for number in range(lowest, last + 1):
        kept += kept_of_position(blocks[number], model.config, texts.width, number in plan.trained, half)
        copies += 2 * _multiplied(blocks[number]) if half else 0  # autocast's, in bf16, until the end of the pass
    return Footprint(
        pieces=table.shape[0],
        weights=NUMBER * everything,
        table=NUMBER * table.numel(),
        computed=NUMBER * (below + occurring + sum(in_blocks[: last + 1]) + above + adapters),
        trained=NUMBER * trained,
        kept=int(texts.positions * kept) + copies,
    )


def kept_of_position(block: nn.Module, config: Any, width: int, trained: bool, half: bool = False) -> float:
    """Bytes that a block keeps of one position until its gradient is computed.

    In a block of BERT, h wide, with a heads and s positions in a row, that is 66 h + 9 a s in single precision: twice
    the 34 h + 5 a s that the paper has for 16 bits, but for dropout's masks (2 h + a s), of one byte a number in both.
    It is what goes into and what comes out of the linear layers, whatever their number and sizes. What goes in is
    needed for the gradient of their weights alone, so a frozen block does not keep it. In bf16, sums stay in single
    precision.
    """
    size = 2 if half else NUMBER
    outputs, inputs = 0, set()
    for name, module in block.named_modules():
        if isinstance(module, nn.Linear):
            outputs += module.out_features
            inputs.add((name.rpartition(".")[0], module.in_features))  # one input of queries, keys and values
    going_in = sum(features for _, features in inputs) if trained else 0
    sums, masks = 2 * config.hidden_size * (NUMBER - size), 2 * config.hidden_size
    return size * (outputs + going_in) + sums + masks + config.num_attention_heads * width * (2 * size + 1)


def _multiplied(block: nn.Module) -> int:
    return sum(module.weight.numel() for module in block.modules() if isinstance(module, nn.Linear))


def _adapters(block: nn.Module, rank: int) -> int:
    """Parameters of LoRA's adapters, on every linear layer of a block."""
    linear = [module for module in block.modules() if isinstance(module, nn.Linear)]
    return sum(rank * (module.in_features + module.out_features) for module in linear)
