"""Where each family keeps its blocks and embeddings, and the hidden states after any block.

Families are encoders, and decoder-only models ("causal"): there a position sees only itself and what stands before it.
The *encoder* of such a model is all of it but the head that predicts the next subword.

A new family is one line in `FAMILIES` (and a tiny model in `tests/support/models.py`, which every test then runs on).
Block numbers count from 0; "block 10" is the eleventh, and its output is what transformers calls `hidden_states[11]`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from alignfreeze_cli.errors import SettingsError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Family:
    """What differs between families, as far as realignment can see. Paths are attributes below the bare encoder."""

    blocks: str  # path of the nn.ModuleList
    after: tuple[str, ...] = ()  # what stands after the last block: it is skipped, and never trained
    positions_after_padding: bool = False  # positions start at pad_token_id + 1
    local_attention: bool = False  # some blocks may see only a window, and then there is one mask per kind of block
    first_positionwise: str | None = None  # module of a block from which on every position is computed by itself
    causal: bool = False  # decoder-only: a position sees itself and what stands before it
    window_everywhere: bool = False  # if there is a window, every block has it, so there is one mask
    alibi: bool = False  # positions are told from a mask of one number per position (ALiBi), and know no limit


_BERT = Family("encoder.layer", after=("pooler",), first_positionwise="attention.output")
_ROBERTA = replace(_BERT, positions_after_padding=True)
_LLAMA = Family("layers", after=("norm",), causal=True)
_LLAMA_WITH_WINDOWS = replace(_LLAMA, local_attention=True)

FAMILIES = {
    "bert": _BERT,
    "distilbert": Family("transformer.layer", first_positionwise="sa_layer_norm"),
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "deberta-v2": Family("encoder.layer", first_positionwise="attention.output"),
    "modernbert": Family("layers", after=("final_norm",), local_attention=True),
    "electra": Family("encoder.layer", first_positionwise="attention.output"),
    "llama": _LLAMA,
    "mistral": replace(_LLAMA, window_everywhere=True),
    "qwen2": _LLAMA_WITH_WINDOWS,
    "qwen3": _LLAMA_WITH_WINDOWS,
    "gemma": _LLAMA,
    "gemma2": _LLAMA_WITH_WINDOWS,
    "gemma3_text": _LLAMA_WITH_WINDOWS,
    "bloom": Family("h", after=("ln_f",), causal=True, alibi=True),
    "xglm": Family("layers", after=("layer_norm",), causal=True),
}

_NO_LIMIT = 1 << 20
"""Subwords, where a model has no table of positions: more than any sentence has."""


@dataclass(frozen=True)
class Architecture:
    """One model's family and sizes. Its methods take any model of that architecture, bare or with a task head."""

    family: str
    n_blocks: int
    hidden_size: int
    vocabulary_size: int  # rows of the matrix of word embeddings
    first_position: int  # position id of a sentence's first token
    max_length: int  # tokens that one sentence may have, special tokens included
    causal: bool  # whether a position sees only itself and what stands before it
    window: int | None  # local attention sees |i - j| <= window; None where every block sees everything
    window_everywhere: bool  # whether that is so in every block
    additive_mask: bool  # eager attention adds the mask, everything else wants booleans
    can_pack: bool  # whether several sentences can share a row without seeing each other
    can_pack_with_head: bool  # whether that is so of the whole forward of a task model

    @property
    def pooling(self) -> str:
        """Which subword a word is read at unless told otherwise: the one that has seen all of the word."""
        return "last" if self.causal else "first"

    def sentence_length(self, wanted: int | None, usual: int) -> int:
        """The wanted length in subwords; if none is wanted, the usual one, or what the model has positions for.

        Raises SettingsError if the wanted length is more than that.
        """
        if wanted is not None and wanted > self.max_length:
            raise SettingsError(
                f"--max-length {wanted} is more than the {self.max_length} subwords this model has positions for."
            )
        return min(usual, self.max_length) if wanted is None else wanted

    def blocks(self, model: PreTrainedModel) -> nn.ModuleList:
        """The list of blocks, lowest first."""
        blocks: nn.ModuleList = model.base_model.get_submodule(FAMILIES[self.family].blocks)
        return blocks

    def embedding_parameters(self, model: PreTrainedModel) -> list[tuple[str, nn.Parameter]]:
        """Names (within the bare encoder) and parameters of all that is neither a block nor after the blocks.

        Word, position and type embeddings and their norm; ELECTRA's projection to the hidden size; DeBERTa's relative
        positions, which every block reads, and its convolution beside block 0; BLOOM's norm of the embeddings.
        """
        family = FAMILIES[self.family]
        outside = tuple(f"{path}." for path in (family.blocks, *family.after))
        return [item for item in model.base_model.named_parameters() if not item[0].startswith(outside)]


def find_family(model_type: str) -> Family:
    """The family of models whose configuration has this `model_type`. SettingsError if it is not supported."""
    if model_type not in FAMILIES:
        known = ", ".join(FAMILIES)
        raise SettingsError(f"models of type {model_type!r} are not supported: the supported ones are {known}.")
    return FAMILIES[model_type]


def architecture(model: PreTrainedModel) -> Architecture:
    """Recognise a transformers model, bare or with a head. SettingsError if its family is not supported."""
    config: Any = getattr(model, "config", None)
    name = getattr(config, "model_type", type(model).__name__)
    family = find_family(name)
    encoder: Any = model.base_model
    attention = getattr(config, "_attn_implementation", "eager")
    first_position = config.pad_token_id + 1 if family.positions_after_padding else 0
    # DeBERTa computes its own attention, from a boolean mask, whatever the configuration says.
    own_attention = name == "deberta-v2"
    # Its convolution (only some checkpoints have one) mixes neighbouring positions, so neighbours in a row too.
    mixes_neighbours = getattr(encoder.get_submodule(family.blocks.rpartition(".")[0]), "conv", None) is not None
    can_pack = (attention in ("sdpa", "eager") or own_attention) and not mixes_neighbours and not family.alibi
    window = getattr(config, "sliding_window", None) if family.local_attention or family.window_everywhere else None
    if window is not None and family.causal:
        window -= 1  # decoders count the position itself: w of them are seen, those with i - j < w
    return Architecture(
        family=name,
        n_blocks=len(encoder.get_submodule(family.blocks)),
        hidden_size=config.hidden_size,
        vocabulary_size=encoder.get_input_embeddings().num_embeddings,
        first_position=first_position,
        max_length=_NO_LIMIT if family.alibi else config.max_position_embeddings - first_position,
        causal=family.causal,
        window=window,
        window_everywhere=family.window_everywhere,
        additive_mask=attention == "eager" and not own_attention,
        can_pack=can_pack,
        can_pack_with_head=can_pack and not own_attention,
    )


def hidden_states_at(model: PreTrainedModel, inputs: Mapping[str, Any], block: int) -> Tensor:
    """The output of block number `block`, (batch, positions, hidden), before any final norm.

    `inputs` is what the bare encoder's forward takes; `attention_mask` may also be (batch, 1, positions, positions),
    as `batches.model_inputs` makes it. The blocks above are not computed, so they also get no gradient.
    SettingsError if there is no such block.
    """
    n_blocks = architecture(model).n_blocks
    if not 0 <= block < n_blocks:
        raise SettingsError(f"there is no block {block}: the encoder has {n_blocks} blocks, counted from 0.")
    with cut_above(model, block):
        return last_hidden_states(model, inputs)


def all_hidden_states(model: PreTrainedModel, inputs: Mapping[str, Any]) -> list[Tensor]:
    """The input of block 0 and the output of every block, each (batch, positions, hidden): n_blocks + 1 tensors."""
    arch = architecture(model)
    seen: list[Tensor] = []
    # A block's input is read rather than its output, so that what stands between two blocks is in it.
    hooks = [
        block.register_forward_pre_hook(lambda _module, args: seen.append(args[0])) for block in arch.blocks(model)
    ]
    try:
        with cut_above(model, arch.n_blocks - 1):
            seen.append(last_hidden_states(model, inputs))
    finally:
        for hook in hooks:
            hook.remove()
    return seen


def parts_computed(model: PreTrainedModel) -> tuple[Any, ...]:
    """What the encoder's forward computes at the moment (see `cut_above`), as something that can be compared."""
    arch = architecture(model)
    encoder = model.base_model
    above = (type(getattr(encoder, part, None)) for part in FAMILIES[arch.family].after)
    return len(arch.blocks(model)), *above


@contextmanager
def cut_above(model: PreTrainedModel, block: int) -> Iterator[None]:
    """While inside, the encoder ends with the output of block number `block`: no block above it, no norm, no pooler."""
    arch = architecture(model)
    encoder = model.base_model
    path, _, name = FAMILIES[arch.family].blocks.rpartition(".")
    holder, blocks = encoder.get_submodule(path), arch.blocks(model)
    after = {part: getattr(encoder, part, None) for part in FAMILIES[arch.family].after}
    try:
        setattr(holder, name, blocks[: block + 1])
        for part, module in after.items():
            # A pooler may be absent, and then transformers expects None; a norm is called, so it must be callable.
            setattr(encoder, part, nn.Identity() if module is not None and part != "pooler" else None)
        yield
    finally:
        setattr(holder, name, blocks)
        for part, module in after.items():
            setattr(encoder, part, module)


def last_hidden_states(model: PreTrainedModel, inputs: Mapping[str, Any]) -> Tensor:
    """The output of the last block that the encoder has (see `cut_above`), (batch, positions, hidden).

    Several threads may call it at once, inside one `cut_above` of them all.
    """
    encoder, mask = model.base_model, inputs.get("attention_mask")
    if encoder.config.model_type == "deberta-v2" and isinstance(mask, Tensor) and mask.dim() == 4:
        # Its forward multiplies the embeddings with the mask, which only works for one number per position.
        embedded = encoder.embeddings(**{name: value for name, value in inputs.items() if name != "attention_mask"})
        hidden: Tensor = encoder.encoder(embedded, mask[:, 0], output_hidden_states=False).last_hidden_state
    else:
        hidden = encoder(**inputs, output_hidden_states=False).last_hidden_state
    return hidden


# After its attention a block works on every position by itself. A tagger reads the first subword of each word, so in
# the last block the others are needed as keys and values only: what follows the attention, three quarters of a block's
# matrix products, runs on the positions that are read. Their output is that of the whole computation.

# A context of its own in every thread: several may use one model at a time.
_positions_read: ContextVar[tuple[Tensor, Tensor] | None] = ContextVar("positions_read", default=None)


@contextmanager
def read_positions_only(model: PreTrainedModel) -> Iterator[None]:
    """Inside, `logits_at` computes of the last block what it reads only; for some families all of it."""
    arch = architecture(model)
    path = FAMILIES[arch.family].first_positionwise
    # DeBERTa has a convolution over positions beside its first block, so that one must stay whole.
    if path is None or arch.n_blocks < 2:
        yield
        return
    handle = arch.blocks(model)[-1].get_submodule(path).register_forward_pre_hook(_select_read)
    try:
        yield
    finally:
        handle.remove()


def logits_at(model: PreTrainedModel, inputs: Mapping[str, Any], rows: Tensor, positions: Tensor) -> Tensor:
    """Logits of a token classifier at some positions of a batch, (reads, labels); `rows`, `positions`: (reads,), long.

    `model` is in evaluation mode; `inputs` is what its forward takes.
    """
    token = _positions_read.set((rows, positions))
    try:
        logits: Tensor = model(**inputs).logits
    finally:
        _positions_read.reset(token)
    return logits if logits.dim() == 2 else logits[rows, positions]


def _select_read(_module: Any, states: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
    """Of the states that go on from here, (batch, positions, hidden), those at the positions read, (reads, hidden)."""
    read = _positions_read.get()
    return None if read is None else tuple(state[read] for state in states)
