"""Settings of `blend`. Free of torch, so that `alignfreeze --help` stays quick."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from alignfreeze_cli.encoder.freezing import WORDS, plan_complaint
from alignfreeze_cli.encoder.settings import device_setting
from alignfreeze_cli.settings import StepSettings, setting

AUTO = "auto"
ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""What `--alpha auto` chooses from."""


def _number(alpha: str) -> float:
    try:
        return float(alpha)
    except ValueError:
        return math.nan


def _alpha_complaint(alpha: str) -> str | None:
    if alpha == AUTO or 0 <= _number(alpha) <= 1:
        return None
    return f"must be a number from 0 to 1, or {AUTO}, not {alpha!r}"


@dataclass(frozen=True, kw_only=True)
class BlendSettings(StepSettings):
    """Encoder + what was realigned from it → encoder."""

    base: str = setting(
        input=True,
        argument=True,
        metavar="BASE",
        help="Encoder as it was before realignment: a folder, or org/name[@revision] on the Hub.",
    )
    model: str = setting(
        input=True, argument=True, metavar="REALIGNED", help="What `realign` made of it: a folder, or a Hub id."
    )
    alpha: str = setting(
        "1",
        check=_alpha_complaint,
        suggested=(AUTO,),
        metavar="NUMBER",
        help="How far to go from the base, 0, to the realigned encoder, 1. auto: the smallest of 0, 0.25, 0.5, 0.75 "
        "and 1 that finds the translations of held-out words as well as the best, up to one standard error.",
    )
    restore: str = setting(
        "none",
        check=plan_complaint,
        suggested=WORDS,
        metavar="PLAN",
        help="What is put back as it was in the base, written as a freeze plan: front, 0-5, all-but:11, embeddings, …",
    )
    pairs: tuple[str, ...] = setting(
        (),
        input=True,
        help="With --alpha auto: the pairs folders of the realignment, of which those it held out are used, or others.",
    )
    device: str = device_setting()

    def conflicts(self) -> list[str]:
        found = []
        if self.number == 1 and self.restore.strip().lower() in ("none", "full"):
            found.append("this would copy the realigned encoder: give --alpha below 1, or --restore")
        if self.alpha == AUTO and not self.pairs:
            found.append("--alpha auto needs --pairs")
        if self.alpha != AUTO and self.pairs:
            found.append("--pairs goes with --alpha auto")
        return found

    @property
    def number(self) -> float | None:
        """The number of `alpha`; None if it is to be chosen."""
        return None if self.alpha == AUTO else _number(self.alpha)

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "alpha": self.alpha if self.number is None else self.number}  # .5 is 0.50
