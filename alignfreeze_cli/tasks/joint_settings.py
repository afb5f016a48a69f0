"""The settings of realignment during fine-tuning (`finetune --realign-with`). Free of torch.

What shapes the loss and the batches of realignment is declared in `RealignSettings`; here it gets `realign-` in front
of its name and no default of its own, so that fine-tuning without realignment keeps its record as it is.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from alignfreeze_cli.encoder.settings import RealignSettings
from alignfreeze_cli.settings import plain

PREFIX = "realign_"
DEFAULT_WEIGHT = 0.1
"""The published coefficient of realignment during fine-tuning; before it, it is 1 (reference, section 4)."""

_REALIGN = {field.name: field for field in dataclasses.fields(RealignSettings)}


def _as_in_realign(name: str) -> Any:
    """A setting of realign, unset; its default is said in the help."""
    field = _REALIGN[name]
    default = f" [default: {plain(field.default)}]" if field.default != () else ""
    metadata = {**field.metadata, "help": f"Realignment: {field.metadata['help']}{default}"}
    return dataclasses.field(default=() if field.default == () else None, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class JointOptions:
    """Settings of finetune that only realignment during fine-tuning reads."""

    realign_with: tuple[str, ...] = dataclasses.field(
        default=(),
        metadata={
            **_REALIGN["pairs"].metadata,
            "help": "Pairs folders, made by `align-pairs`: realign while fine-tuning, one batch of pairs in every step "
            "(the paper's `during`). --freeze then says which blocks realignment leaves alone; the task trains all.",
            "metavar": "PAIRS",
        },
    )
    realign_weight: float | None = dataclasses.field(
        default=None,
        metadata={
            **_REALIGN["temperature"].metadata,
            "help": f"Realignment: its share in the loss, task + weight x realignment. [default: {DEFAULT_WEIGHT}]",
        },
    )
    realign_targets: tuple[str, ...] = _as_in_realign("targets")
    realign_batch_size: int | None = _as_in_realign("batch_size")
    realign_temperature: float | None = _as_in_realign("temperature")
    realign_projection: int | None = _as_in_realign("projection")
    realign_block: str | None = _as_in_realign("block")
    realign_pooling: str | None = _as_in_realign("pooling")
    realign_negatives: str | None = _as_in_realign("negatives")
    realign_sampling: str | None = _as_in_realign("sampling")
    realign_links: str | None = _as_in_realign("links")
    realign_lone_pieces: str | None = _as_in_realign("lone_pieces")


JOINT_OPTIONS = tuple(field.name for field in dataclasses.fields(JointOptions))
SHARED = tuple(name.removeprefix(PREFIX) for name in JOINT_OPTIONS if name.removeprefix(PREFIX) in _REALIGN)
"""The settings of realign that finetune has too, under its names there; `finetune` puts `realign-` in front of them."""


def unset(value: Any) -> bool:
    return value is None or value == ()


def joint_complaints(options: JointOptions) -> list[str]:
    """What is set though there are no pairs to realign on."""
    if options.realign_with:
        return []
    return [
        f"--{name.replace('_', '-')} goes with --realign-with, which names the pairs to realign on"
        for name in JOINT_OPTIONS
        if not unset(getattr(options, name))
    ]
