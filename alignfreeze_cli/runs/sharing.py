"""What the runs of a recipe share, and what it is called: pairs among strategies, realignment among tasks.

Both follow from the whole recipe, also where only a part of it is run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from alignfreeze_cli.encoder.settings import DEFAULT_STEPS
from alignfreeze_cli.runs.merging import Variant
from alignfreeze_cli.runs.recipes import Recipe
from alignfreeze_cli.settings import as_list


@dataclass(frozen=True)
class Realignment:
    """One realign step for all tasks of a run that want nothing different but its length.

    The rate is constant, so a shorter run is the beginning of a longer one, and one run of `steps` serves all:
    `save_at` are the lengths of the others. A length in passes over the pairs (`steps` is None) is never shared with
    another one.
    """

    name: str
    steps: int | None = None
    save_at: tuple[int, ...] = ()

    def applied(self, variant: Variant) -> Variant:
        """The variant with the settings of this step instead of its own."""
        if not self.save_at:
            return variant
        own = {**variant.sections["realign"], "steps": self.steps, "save-at": list(self.save_at)}
        return replace(variant, sections={**variant.sections, "realign": own})

    def part(self, variant: Variant) -> str:
        """The folder of the variant's encoder within the output of the step; "" for the output itself."""
        wanted = _length(variant)
        return "" if wanted == self.steps else f"steps-{wanted}"


class Names:
    """Names of the folders that variants of a recipe may share.

    What the first task has without any strategy gets the bare name, others what makes them different. Strategies with
    the same pairs share the folder that bears the name of the first of them.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        first = recipe.variant(None, recipe.tasks[0]).sections["align-pairs"]
        self._pairs: list[tuple[Mapping[str, Any], str]] = [(first, "pairs")]
        for strategy in recipe.strategies:
            for task in recipe.tasks:
                common = recipe.variant(None, task).sections["align-pairs"]
                own = recipe.variant(strategy, task).sections["align-pairs"]
                parts = ["pairs"] + [task] * (common != first) + [strategy] * (own != common)
                if all(own != section for section, _ in self._pairs):
                    self._pairs.append((own, "-".join(parts)))

    def pairs(self, variant: Variant) -> str:
        """The folder of a variant's pairs, shared by all runs."""
        return next(name for section, name in self._pairs if section == variant.sections["align-pairs"])

    def link(self, variant: Variant) -> str:
        """The name of the pairs inside a run's folder; plain unless the run's tasks have different ones."""
        first = self.recipe.variant(variant.strategy, self.recipe.tasks[0])
        return "pairs" if self.pairs(first) == self.pairs(variant) else f"pairs-{variant.task}"

    def realignment(self, variant: Variant) -> Realignment:
        """The realign step that makes the variant's encoder."""
        all_tasks = (self.recipe.variant(variant.strategy, task) for task in self.recipe.tasks)
        group = [each for each in all_tasks if "realign" in each.steps and _but_length(each) == _but_length(variant)]
        name = "encoder" if group[0].task == self.recipe.tasks[0] else f"encoder-{group[0].task}"
        lengths = {length for each in group if (length := _length(each)) is not None}
        if not lengths:
            return Realignment(name)
        wished = {int(step) for step in as_list(variant.sections["realign"].get("save-at") or ())}
        return Realignment(name, max(lengths), tuple(sorted(lengths - {max(lengths)} | wished)))


def _length(variant: Variant) -> int | None:
    """Steps of realignment, None where they are counted in passes over the pairs."""
    section = variant.sections["realign"]
    return None if section.get("epochs") is not None else int(section.get("steps") or DEFAULT_STEPS)


def _but_length(variant: Variant) -> tuple[Any, ...]:
    """All that an encoder follows from, but for the number of steps."""
    section = {key: value for key, value in variant.sections["realign"].items() if key != "steps"}
    return variant.pairs, variant.sections["align-pairs"], section
