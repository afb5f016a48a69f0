"""What a recipe may hold: a section for each step, shortcuts for settings of several steps, and keys at the top."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from alignfreeze_cli.settings import COMMON, Declaration, StepSettings, declarations
from alignfreeze_cli.steps import STEPS

COMMON_KEYS = {name.replace("_", "-") for name in COMMON}
"""Options that every command has; they belong on the command line, not in a recipe."""


@dataclass(frozen=True)
class RecipeSection:
    """A section of a recipe: settings of the step of the same name.

    `filled_in` are the settings that follow from the recipe as a whole, each with what to write in the recipe instead.
    `exclusive` are settings that exclude each other, so that giving one in a recipe undoes the other in the recipe it
    extends.
    """

    name: str
    filled_in: dict[str, str]
    exclusive: tuple[str, ...] = ()

    @property
    def settings(self) -> type[StepSettings]:
        return STEPS[self.name].settings

    @property
    def keys(self) -> tuple[str, ...]:
        """The settings that may be given in a recipe."""
        all_keys = (declaration.key for declaration in declarations(self.settings))
        return tuple(key for key in all_keys if key not in self.filled_in and key not in COMMON_KEYS)


_MODEL, _SEED, _TASK = "`model:` at the top", "`seeds:` at the top", "`tasks:` at the top"
_DURING = "`schedule: during` in a strategy"
SECTIONS = {
    section.name: section
    for section in (
        RecipeSection("align-pairs", {}),
        RecipeSection("realign", {"model": _MODEL, "pairs": "`pairs:` at the top", "seed": _SEED}, ("steps", "epochs")),
        RecipeSection("blend", {"base": _MODEL, "model": "`realign:`", "pairs": "`pairs:` at the top"}),
        RecipeSection(
            "finetune",
            {"model": _MODEL, "seed": _SEED, "task": _TASK, "realign-with": _DURING},
            ("steps", "epochs"),
        ),
        RecipeSection("evaluate", {"model": _MODEL, "task": _TASK}),
    )
}
"""Name -> section, in the order of the work."""

SHORTCUTS = {
    "freeze": "freeze plan of realigning; short for realign.freeze",
    "source": "language of training; short for align-pairs.source and finetune.language",
    "targets": "target languages; short for align-pairs.target and, with the source before them, evaluate.languages",
    "pairs": "existing pairs folders, used instead of the align-pairs step",
    "links-from": "strategy whose realigned encoder, of the same seed, links the words (align-pairs.aligner: encoder)",
    "schedule": "before: realign, then fine-tune; during: realign while fine-tuning",
}
"""Keys that stand for settings of several steps; allowed wherever sections are."""

STANDS_FOR = {
    "freeze": ("realign", "freeze"),
    "source": ("align-pairs", "source"),
    "targets": ("align-pairs", "target"),
    "pairs": ("realign", "pairs"),
}
"""Shortcut -> step and setting whose values it takes; the others have values of their own."""

TOP = {
    "extends": "recipe that this one changes: a shipped name, or a path relative to this file",
    "model": "encoder to start from: a folder, or org/name[@revision] on the Hub",
    "name": "the model's part of the names of run folders",
    "strategy": "name of the recipe's only strategy, if it is not to be named after its freeze plan",
    "seeds": "one run for each",
    "tasks": "tasks to fine-tune on and to evaluate",
    "data": "folder that {data} stands for in paths",
    "threads": "threads of every step, so that scores do not depend on the machine",
    "strategies": "name -> what is different in that strategy",
    "aligners": "name -> what is different with that aligner",
    "aligner": "which of `aligners` to run every strategy with: front with fastalign is the strategy front-fastalign",
    "controls": "strategies that the table lists apart, as controls",
    "per-task": "task -> what is different for that task",
}
"""Keys at the top of a file only (`per-task` also in a strategy)."""

FILES_ONLY = ("extends", "strategy", "strategies", "aligners", "controls", "per-task")
"""Keys that `--set` does not take: they make a recipe, they do not change one."""

SCHEDULES = ("before", "during")

NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
"""What names of strategies, of aligners and of models in the names of folders look like."""


def fill_data(value: Any, data: str | None) -> Any:
    """Put the folder that `data:` names for `{data}` in texts and lists of texts."""
    if isinstance(value, str) and data is not None:
        return value.replace("{data}", data)
    return [fill_data(item, data) for item in value] if isinstance(value, list) else value


_PUBLISHED = {"normalise": "none", "lone-pieces": "delete", "answer-borders": "words", "max-answer-length": "15"}
"""Published behaviours whose value has a name of its own; all others are called `published`."""


def published_behaviours(sections: Iterable[tuple[str, Mapping[str, Any]]]) -> tuple[str, ...]:
    """`step.setting` of every setting that has the value of the published code where the default is another one.

    `sections` are names of steps, each with some of its settings; a step may come several times.
    """
    given = {(step, key, str(value)) for step, values in sections for key, value in values.items()}
    return tuple(
        f"{section.name}.{each.key}"
        for section in SECTIONS.values()
        for each in declarations(section.settings)
        if (section.name, each.key, _published_value(each)) in given
    )


def _published_value(setting: Declaration) -> str | None:
    if "published" in (setting.metadata["choices"] or ()):
        return "published"
    return _PUBLISHED.get(setting.key.removeprefix("realign-"))  # `finetune.realign-…` are settings of realign
