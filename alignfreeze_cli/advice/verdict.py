"""What follows from the expectations: which strategy, or none, and why."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alignfreeze_cli.advice.expectation import Expectation
from alignfreeze_cli.advice.gains import Gain
from alignfreeze_cli.artifacts.run_folder import BASELINE
from alignfreeze_cli.phrases import listed, signed

CLEAR = 0.9
"""Where so large a share of the gains with every strategy lies below zero, the advice is not to realign."""

LEAST = 8  # languages that such a sentence needs


@dataclass(frozen=True)
class Verdict:
    """The strategy that is advised, `baseline` for none; None if no strategy is known in all of the languages.

    `below`: strategy → languages of the cell in which it scored below the baseline, and all languages of the cell.
    `sentences` say it, and why.
    """

    strategy: str | None
    below: Mapping[str, tuple[int, int]]
    sentences: Sequence[str]

    def to_dict(self) -> dict[str, Any]:
        below = {name: {"languages": low, "of": of} for name, (low, of) in self.below.items()}
        return {"advised": self.strategy, "below-baseline": below}


def verdict(expected: Mapping[str, Mapping[str, Expectation | None]], gains: Sequence[Gain]) -> Verdict:
    """The verdict on what is expected; `gains` are all of the cells that the expectations come from.

    None is advised where nearly all gains of the cells are below zero, or every strategy's mean expectation is. Else it
    is the strategy with the largest mean over the languages asked about.
    """
    below = _below(gains)
    low, of = (sum(counts) for counts in zip(*below.values(), strict=True)) if below else (0, 0)
    average = {
        name: statistics.fmean(each.gain for each in found)
        for name in next(iter(expected.values()))
        if len(found := [each for of_language in expected.values() if (each := of_language[name])]) == len(expected)
    }
    counts = listed(f"{name} in {each[0]} of {each[1]}" for name, each in below.items())
    if below and low >= CLEAR * of and min(each[1] for each in below.values()) >= LEAST:
        return Verdict(BASELINE, below, [f"Don't realign: languages below the baseline were, with {counts}."])
    if not average:
        return Verdict(None, below, ["No strategy is known in all of these languages."])
    best = max(average, key=lambda name: average[name])
    if average[best] <= 0:
        nearest = f"{best} with {signed(average[best], 2)}"
        said = f"Don't realign without a pilot: no strategy is expected to gain on average here; nearest is {nearest}."
        return Verdict(BASELINE, below, [said])
    others = [f"{name} {signed(average[name], 2)}" for name in average if name != best]
    sentence = f"Best on average here: {best}, {signed(average[best], 2)} points"
    sentence += f" ({', '.join(others)})." if others else "."
    unsure = [code for code, found in expected.items() if (each := found[best]) and each.low <= 0 <= each.high]
    if unsure:
        sentence += f" It may be no gain in {listed(unsure)}."
    return Verdict(best, below, [sentence])


def _below(gains: Sequence[Gain]) -> dict[str, tuple[int, int]]:
    found: dict[str, list[bool]] = {}
    for gain in gains:
        found.setdefault(gain.cell.strategy, []).append(gain.mean < 0)
    return {name: (sum(low), len(low)) for name, low in found.items()}
