"""What a pilot tells: runs with one or two seeds, before all the others are paid for."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from alignfreeze_cli.advice.conformal import LEVEL, from_others
from alignfreeze_cli.advice.gains import Gain, by_cell


@dataclass(frozen=True)
class Pilot:
    """How well the mean gain over `seeds` seeds stands for that over other seeds, in the languages of some cells.

    `r2` compares it with the mean over other languages: 1 if a pilot tells all, 0 if as much as that mean, below
    0 if it tells less. `radius`: a share `LEVEL` of pilots lies so near, in points.
    """

    seeds: int
    r2: float
    radius: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def pilot(gains: Iterable[Gain], seeds: int) -> Pilot:
    """What every choice of `seeds` seeds tells of the rest; all gains must be over the same number of seeds.

    R² = 1 - Σ (pilot - rest)² / Σ (others - rest)². `rest` is the mean gain over the seeds that are not in the pilot,
    `others` its mean over the other languages of the cell; the sums are over languages, cells and choices.
    """
    cells = [np.array([gain.by_seed for gain in cell.values()]) for cell in by_cell(gains).values()]
    count = cells[0].shape[1]
    errors, spread = [], 0.0
    for choice in itertools.combinations(range(count), seeds):
        others = [seed for seed in range(count) if seed not in choice]
        for by_seed in cells:  # (languages, seeds)
            rest = by_seed[:, others].mean(axis=1)
            errors.append(by_seed[:, choice].mean(axis=1) - rest)
            spread += float(np.square(from_others(rest.tolist())).sum())
    every = np.concatenate(errors)
    return Pilot(seeds, float(1 - np.square(every).sum() / spread), float(np.quantile(np.abs(every), LEVEL)))


def said(task: str, pilots: Iterable[Pilot]) -> str:
    """What pilots of a task tell, in a sentence."""
    parts = []
    for each in pilots:
        seeds = "one seed" if each.seeds == 1 else f"{each.seeds} seeds"
        tells = "nothing more" if each.r2 <= 0 else f"{100 * each.r2:.0f} %"
        parts.append(f"{tells} with {seeds}, within ±{each.radius:.1f} points in {100 * LEVEL:.0f} % of cases")
    return f"A pilot would tell, of what the mean over other languages leaves open in {task}: {'; '.join(parts)}."
