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

LEAST = 8  # languages that one of the strategies needs for such a sentence


@dataclass(frozen=True)
class Verdict:
    """The strategy that is advised, `baseline` for none; None if none is known in all languages of which one is known.

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

    None is advised where nearly all gains of every strategy are below zero, or every strategy's mean expectation is.
    Else it is the strategy with the largest mean over the languages asked about; those of which nothing is known are
    named.
    """
    below = _below(gains)
    answered = {code: found for code, found in expected.items() if any(found.values())}
    average = {
        name: statistics.fmean(each.gain for each in found)
        for name in next(iter(expected.values()))
        if (found := [each for of_language in answered.values() if (each := of_language[name])])
        and len(found) == len(answered)
    }
    unknown = [code for code in expected if code not in answered]
    last = [f"Nothing is known of {listed(unknown)}."] if unknown else []
    counts = listed(f"{name} in {each[0]} of {each[1]}" for name, each in below.items())
    everywhere = all(low >= CLEAR * of for low, of in below.values())
    if everywhere and max((of for _, of in below.values()), default=0) >= LEAST:
        return Verdict(BASELINE, below, [f"Don't realign: languages below the baseline were, with {counts}.", *last])
    if not average:
        return Verdict(None, below, ["No strategy is known in all of these languages.", *last])
    best = max(average, key=lambda name: average[name])
    if average[best] <= 0:
        nearest = f"{best} with {signed(average[best], 2)}"
        said = f"Don't realign without a pilot: no strategy is expected to gain on average here; nearest is {nearest}."
        return Verdict(BASELINE, below, [said, *last])
    others = [f"{name} {signed(average[name], 2)}" for name in average if name != best]
    sentence = f"Best on average here: {best}, {signed(average[best], 2)} points"
    sentence += f" ({', '.join(others)})." if others else "."
    unsure = [code for code, found in answered.items() if (each := found[best]) and each.low <= 0 <= each.high]
    if unsure:
        sentence += f" It may be no gain in {listed(unsure)}."
    return Verdict(best, below, [sentence, *last])


def _below(gains: Sequence[Gain]) -> dict[str, tuple[int, int]]:
    found: dict[str, list[bool]] = {}
    for gain in gains:
        found.setdefault(gain.cell.strategy, []).append(gain.mean < 0)
    return {name: (sum(low), len(low)) for name, low in found.items()}
