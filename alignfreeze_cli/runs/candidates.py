"""What a search chooses from, and how it divides its budget. Nothing here runs anything or needs torch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from alignfreeze_cli.artifacts.run_folder import BASELINE
from alignfreeze_cli.encoder.freezing import ResolvedPlan, resolve_plan
from alignfreeze_cli.errors import SettingsError
from alignfreeze_cli.phrases import counted

FULL = "full"
_NAMED = ("embeddings", "front", "back", "even", "odd")


@dataclass(frozen=True)
class Candidate:
    """One way to make an encoder. `plan` is its freeze plan; the baseline, which is not realigned, has none."""

    name: str
    plan: ResolvedPlan | None


def candidates(
    n_blocks: int, block: str | None = None, lora: int | None = None, causal: bool = False
) -> tuple[Candidate, ...]:
    """The candidates for an encoder of `n_blocks` blocks: none realigned, all, and what is frozen in the others.

    The embeddings, the halves, even and odd blocks, every single block, and runs of a quarter of the blocks. Of plans
    that train the same, such as `back` and block 2 where the loss reads block 2, the first stands for all; those that
    leave nothing to train are left out. The arguments are those of `resolve_plan`.
    """
    read = resolve_plan("none", n_blocks, block, lora, causal=causal).read_block
    quarter = n_blocks // 4
    plans = [(FULL, "none"), *((name, name) for name in _NAMED)]
    plans += [(f"block-{number}", str(number)) for number in range(read + 1)]
    if quarter > 1:
        runs = ((first, min(first + quarter - 1, read)) for first in range(0, read + 1, quarter))
        plans += [(f"blocks-{first}-{last}", f"{first}-{last}") for first, last in runs]
    found: dict[tuple[tuple[int, ...], bool], Candidate] = {}
    for name, text in plans:
        try:
            plan = resolve_plan(text, n_blocks, block, lora, causal=causal)
        except SettingsError:  # leaves nothing to train in an encoder of one or two blocks
            continue
        found.setdefault((plan.trained, plan.embeddings_frozen), Candidate(name, plan))
    return (Candidate(BASELINE, None), *found.values())


@dataclass(frozen=True)
class Rung:
    """A round of the search: so many candidates, each run with so many seeds. `blended` in the first."""

    candidates: int
    seeds: int
    blended: bool = False

    @property
    def runs(self) -> int:
        return self.candidates * self.seeds


def rungs(budget: int, count: int) -> tuple[Rung, Rung, Rung]:
    """How a budget of runs is divided among `count` candidates: successive halving over seeds (arXiv 1502.07943).

    All are run with one seed, as blends; √(2 count) of them, the geometric mean of count and 2, are realigned and run
    with half of what is left, the best two with the rest. Every rung has seeds of its own. SettingsError if the budget
    does not give the last two candidates two seeds each, without which their difference has no interval.
    """
    kept = max(2, min(count - 1, round(math.sqrt(2 * count))))
    least = count + kept + 4
    if budget < least:
        raise SettingsError(
            f"--budget {budget} is too little for {counted(count, 'candidate')}: {count} runs to try each once, {kept} "
            f"for the best of them, and 4 for the last two take at least {least}."
        )
    second = max(1, (budget - count) // 2 // kept)
    return Rung(count, 1, blended=True), Rung(kept, second), Rung(2, (budget - count - kept * second) // 2)


def halves(languages: list[str], coin: Iterator[bool]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Languages that select and languages that report: of every two neighbours one is drawn for each.

    Recipes often list languages by their distance from the source, so both halves have near and distant ones. An odd
    one at the end selects. SettingsError for fewer than two.
    """
    if len(languages) < 2:
        raise SettingsError(
            "search needs scores in two languages at least besides the source: one half selects, the other reports."
        )
    selecting, reporting = [], []
    for at in range(0, len(languages) - 1, 2):
        pair = languages[at : at + 2]
        first = next(coin)
        selecting.append(pair[0 if first else 1])
        reporting.append(pair[1 if first else 0])
    return (*selecting, *languages[len(languages) // 2 * 2 :]), tuple(reporting)
