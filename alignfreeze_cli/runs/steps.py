"""The steps a recipe can hold: their settings, their functions, and what the runner fills in by itself."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass

from alignfreeze_cli.aligners.settings import AlignPairsSettings
from alignfreeze_cli.artifacts.output import Result
from alignfreeze_cli.encoder.settings import RealignSettings
from alignfreeze_cli.progress import Console
from alignfreeze_cli.settings import StepSettings, declarations
from alignfreeze_cli.tasks.settings import EvaluateSettings, FinetuneSettings

MANNERS = tuple(declaration.key for declaration in declarations(StepSettings))


@dataclass(frozen=True)
class Step:
    """One step.

    `function` is `module:name`, imported only when the step runs (it brings torch along). `wired` are the settings
    which follow from the recipe as a whole, each with what to write in the recipe instead. `rivals` are settings that
    exclude each other, so that giving one in a recipe undoes the other in the recipe it extends.
    """

    name: str
    settings: type[StepSettings]
    function: str
    wired: dict[str, str]
    rivals: tuple[str, ...] = ()

    def run(self, settings: StepSettings, console: Console) -> Result:
        module, name = self.function.split(":")
        function: Callable[[StepSettings, Console], Result] = getattr(importlib.import_module(module), name)
        return function(settings, console)

    @property
    def keys(self) -> tuple[str, ...]:
        """The settings that may stand in a recipe."""
        all_keys = (declaration.key for declaration in declarations(self.settings))
        return tuple(key for key in all_keys if key not in self.wired and key not in MANNERS)


_MODEL, _SEED, _TASK = "`model:` at the top", "`seeds:` at the top", "`tasks:` at the top"
STEPS = {
    step.name: step
    for step in (
        Step("align-pairs", AlignPairsSettings, "alignfreeze_cli.steps.align_pairs:align_pairs", {}),
        Step(
            "realign",
            RealignSettings,
            "alignfreeze_cli.steps.realign:realign",
            {"model": _MODEL, "pairs": "`pairs:` at the top", "seed": _SEED},
            ("steps", "epochs"),
        ),
        Step(
            "finetune",
            FinetuneSettings,
            "alignfreeze_cli.steps.finetune:finetune",
            {"model": _MODEL, "seed": _SEED, "task": _TASK, "realign-with": "`schedule: during` in a strategy"},
            ("steps", "epochs"),
        ),
        Step(
            "evaluate",
            EvaluateSettings,
            "alignfreeze_cli.steps.evaluate:evaluate",
            {"model": _MODEL, "task": _TASK},
        ),
    )
}
"""Name of a section -> its step, in the order of the work."""
