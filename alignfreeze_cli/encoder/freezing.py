"""Freeze plans: which blocks (transformer layers) are frozen during realignment (arXiv 2502.12959, section 3).

A plan is a comma separated list of

    none, full      nothing is frozen
    front           blocks 0 .. n//2-1 of n          back      the last n//2 blocks
                    (of a decoder-only model: of the blocks up to the one that the loss reads)
    even, odd       blocks 0, 2, 4, … or 1, 3, 5, …
    3, 0-5          one block, a range (both ends included), counted from 0
    all-but:11      every block but those that follow: all-but:0-2,11 spares blocks 0, 1, 2 and 11
    embeddings      all that comes before block 0; trained unless named here, as published, or under --lora

The blocks above the one that the loss reads get no gradient, whatever the plan says. Nothing here needs torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from alignfreeze_cli.errors import SettingsError
from alignfreeze_cli.phrases import number_ranges
from alignfreeze_cli.settings import nearest

if TYPE_CHECKING:
    import torch

WORDS = ("none", "full", "front", "back", "even", "odd", "embeddings")
CELLS_PER_LINE = 24


@dataclass(frozen=True)
class FreezePlan:
    """A plan as written, checked for its grammar only; `resolve` applies it to an encoder."""

    text: str
    words: tuple[str, ...]  # front, back, even, odd
    ranges: tuple[tuple[int, int], ...]  # both ends included
    spared: tuple[tuple[int, int], ...] | None  # the ranges after all-but:, None without it
    embeddings: bool

    @classmethod
    def parse(cls, text: str) -> FreezePlan:
        """Read a plan; spaces and capitals do not matter. SettingsError names the part that cannot be read."""
        parts = [part for part in re.sub(r"\s+", "", text.lower()).split(",") if part]
        if not parts:
            raise SettingsError("the freeze plan is empty: say none to freeze nothing.")
        alone = next((part for part in parts if part in ("none", "full")), None)
        if alone and len(parts) > 1:
            raise SettingsError(f"freeze plan {text!r}: {alone} freezes nothing, so nothing can stand beside it.")
        words: list[str] = []
        ranges: list[tuple[int, int]] = []
        spared: list[tuple[int, int]] | None = None
        for part in parts:
            if part.startswith("all-but:"):
                spared = [*(spared or []), _range(part.removeprefix("all-but:"), text)]
            elif part in WORDS:
                words.append(part)
            else:
                # After all-but:, numbers go on naming what is spared; otherwise all-but:10,11 would freeze both.
                (ranges if spared is None else spared).append(_range(part, text))
        return cls(
            text=",".join(parts),
            words=tuple(word for word in words if word not in ("none", "full", "embeddings")),
            ranges=tuple(ranges),
            spared=None if spared is None else tuple(spared),
            embeddings="embeddings" in words,
        )

    def resolve(
        self, n_blocks: int, read_block: int | None = None, with_head: bool = False, causal: bool = False
    ) -> ResolvedPlan:
        """The plan for an encoder of `n_blocks` blocks whose block `read_block` (default: last but one) is read.

        In a decoder-only model (`causal`), where the loss may well read a block in the middle, front and back are the
        halves of the blocks 0 .. `read_block`; in an encoder they are those of all blocks, as published.

        SettingsError when the plan names a block that does not exist, or leaves nothing to train among the
        embeddings and the blocks up to `read_block`, unless a head on top learns (`with_head`); also when front or
        back names no block, or leaves none because a lower block than usual is read.
        """
        read_block = default_read_block(n_blocks) if read_block is None else read_block
        if not 0 <= read_block < n_blocks:
            raise SettingsError(f"there is no block {read_block} to read: the encoder has {_blocks_0_to(n_blocks)}.")
        highest = max((last for _, last in (*self.ranges, *(self.spared or ()))), default=0)
        if highest >= n_blocks:
            raise SettingsError(
                f"freeze plan {self.text!r} names block {highest}, but the encoder has {_blocks_0_to(n_blocks)}."
            )
        halved = read_block + 1 if causal else n_blocks
        half = halved // 2
        named = {
            "front": range(half),
            "back": range(halved - half, halved),
            "even": range(0, n_blocks, 2),
            "odd": range(1, n_blocks, 2),
        }
        frozen = {block for word in self.words for block in named[word]} | _members(self.ranges)
        if self.spared is not None:
            frozen |= set(range(n_blocks)) - _members(self.spared)
        plan = ResolvedPlan(tuple(sorted(frozen)), self.embeddings, self.text, n_blocks, read_block, halved)
        if not plan.trained and self.embeddings and not with_head:
            raise SettingsError(
                f"freeze plan {self.text!r} leaves nothing to train: the loss reads block {read_block}, so blocks above"
                " it are never trained, and everything up to it is frozen."
            )
        if halves := [word for word in self.words if word in ("front", "back")]:
            if causal and not half:
                raise SettingsError(
                    f"freeze plan {self.text!r}: {halves[0]} is half of the blocks up to block {read_block}, which the "
                    "loss reads, and that is a single one; read a higher one with --block, or name what is frozen."
                )
            if not plan.trained and not with_head and read_block < default_read_block(n_blocks):
                raise SettingsError(
                    f"freeze plan {self.text!r} leaves no block to train: the loss reads block {read_block}, and all "
                    f"up to it are frozen. To train the embeddings alone, name the blocks: 0-{read_block}."
                )
        return plan


@dataclass(frozen=True)
class ResolvedPlan:
    """A plan for one encoder: block numbers from 0, sorted."""

    frozen: tuple[int, ...]
    embeddings_frozen: bool
    text: str
    n_blocks: int
    read_block: int
    halved: int  # front and back are the halves of so many blocks, the lowest ones

    @property
    def trained(self) -> tuple[int, ...]:
        """The blocks that realignment changes: not frozen, and not above the block that the loss reads."""
        return tuple(block for block in range(self.read_block + 1) if block not in self.frozen)

    def diagram(self) -> str:
        """The plan as text, one cell per block (■ trained, □ frozen, · not reached by the loss), with its legend."""
        trained = set(self.trained)
        names = ["emb", *(f"{block:>2}" for block in range(self.n_blocks))]
        marks = ["·" if n > self.read_block else "■" if n in trained else "□" for n in range(self.n_blocks)]
        cells = [" □ " if self.embeddings_frozen else " ■ ", *(f" {mark}" for mark in marks)]
        lines = [f"freeze plan {self.text}"]
        for at in range(0, len(names), CELLS_PER_LINE + 1):
            lines.append("  " + " ".join(names[at : at + CELLS_PER_LINE + 1]))
            lines.append(("  " + " ".join(cells[at : at + CELLS_PER_LINE + 1])).rstrip())
        unreached = "   · not reached by the loss" if self.read_block < self.n_blocks - 1 else ""
        lines.append(f"  ■ trained   □ frozen{unreached}")
        lines.extend(f"  {note}" for note in self._notes())
        return "\n".join(lines)

    def _notes(self) -> list[str]:
        notes = []
        above = list(range(self.read_block + 1, self.n_blocks))
        if above:
            which, are = ("blocks", "are") if len(above) > 1 else ("block", "is")
            notes.append(
                f"the loss reads block {self.read_block}: {which} {number_ranges(above)} above it {are} neither "
                "computed nor trained"
            )
        if not {"front", "back"} & set(self.text.split(",")):
            return notes
        half = self.halved // 2
        if self.halved < self.n_blocks:
            notes.append(f"front and back are the halves of the {self.halved} blocks that the loss reaches")
        if self.halved % 2 and half:
            notes.append(
                f"{self.halved} blocks: front and back freeze {half} each, so the half that trains is the larger"
                f" one; block {half}, in the middle, trains in both"
            )
        return notes


def resolve_plan(
    text: str,
    n_blocks: int,
    block: str | None = None,
    lora: int | None = None,
    with_head: bool = False,
    causal: bool = False,
) -> ResolvedPlan:
    """A freeze plan as text, for an encoder of `n_blocks` blocks.

    `block` is the setting of that name: `last-but-one` (also None), `middle`, `last`, or a number from 0. With LoRA the
    embeddings are frozen too, since adapters are all that trains. `with_head`, `causal`: see `FreezePlan.resolve`.
    SettingsError if it does not fit, or leaves LoRA no block.
    """
    named = {
        "last-but-one": default_read_block(n_blocks),
        "middle": (n_blocks - 1) // 2,  # of 32 blocks number 15, after which half of them are done (arXiv 2502.14830)
        "last": n_blocks - 1,
    }
    block = "last-but-one" if block is None else block
    read_block = named[block] if block in named else int(block)
    plan = FreezePlan.parse(text).resolve(n_blocks, read_block, with_head, causal)
    if not lora:
        return plan
    if not plan.trained:
        raise SettingsError(f"--lora {lora}: the freeze plan {plan.text!r} leaves no block for adapters.")
    return replace(plan, embeddings_frozen=True)


def plan_complaint(text: str) -> str | None:
    """What is wrong with the grammar of a plan, or None; the check of the `freeze` settings."""
    try:
        FreezePlan.parse(text)
    except SettingsError as error:
        return f"is wrong: {str(error).removesuffix('.')}"
    return None


def apply_plan(model: torch.nn.Module, plan: ResolvedPlan, train_top: bool = False) -> None:
    """Set `requires_grad` of the encoder's parameters: True for what the plan trains, False for all the rest.

    The rest is the frozen blocks, the blocks above the read one, and what comes after the last block (a pooler, a final
    norm), which the realignment loss never reaches; `train_top` is for tasks, whose head reads it. Heads of a task
    model are left as they are. SettingsError if the plan was resolved for another number of blocks, or the model's
    family is not supported.
    """
    from alignfreeze_cli.encoder.blocks import architecture

    arch = architecture(model)
    if arch.n_blocks != plan.n_blocks:
        raise SettingsError(f"the freeze plan is for {plan.n_blocks} blocks, the encoder has {arch.n_blocks}.")
    model.base_model.requires_grad_(train_top)
    for _, parameter in arch.embedding_parameters(model):
        parameter.requires_grad_(not plan.embeddings_frozen)
    for number, block in enumerate(arch.blocks(model)):
        block.requires_grad_(number in plan.trained)


@contextmanager
def gradients_only_where_trained(model: torch.nn.Module, plan: ResolvedPlan) -> Iterator[None]:
    """Inside, what is computed gives gradients only to the encoder's parameters that the plan trains.

    Frozen parameters enter such a computation as constants. Afterwards they can be trained as before, and what was
    computed with them before keeps its gradients; parameters that did not require a gradient get none here either.
    """
    before = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    try:
        apply_plan(model, plan)
        for parameter, required in before:
            parameter.requires_grad_(required and parameter.requires_grad)
        yield
    finally:
        for parameter, required in before:
            parameter.requires_grad_(required)


def default_read_block(n_blocks: int) -> int:
    """The block whose output the loss reads: the last but one, as published (the only one if there is one)."""
    return max(n_blocks - 2, 0)


def _range(part: str, text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([0-9]+)(?:-([0-9]+))?", part)
    if match is None:
        ending = nearest(part, (*WORDS, "all-but:")) or "."  # `; did you mean 'front'?` or a full stop
        raise SettingsError(
            f"freeze plan {text!r}: cannot read {part!r}; a part is none, full, front, back, even, odd, embeddings,"
            f" a block number, a range like 0-5, or all-but:11{ending}"
        )
    first, last = int(match[1]), int(match[2] or match[1])
    if first > last:
        raise SettingsError(f"freeze plan {text!r}: the range {part} runs backwards, write {last}-{first}.")
    return first, last


def _members(ranges: tuple[tuple[int, int], ...]) -> set[int]:
    return {block for first, last in ranges for block in range(first, last + 1)}


def _blocks_0_to(n_blocks: int) -> str:
    return "one block, 0" if n_blocks == 1 else f"{n_blocks} blocks, 0 to {n_blocks - 1}"
