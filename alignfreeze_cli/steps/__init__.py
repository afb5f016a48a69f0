"""One file per step, the whole of it from top to bottom: check, plan, open the output folder, do it, record it.

A step is a function of its settings and a console, such as `realign(settings, console) -> Result`. It does not know
whether the command line, a recipe or Python code calls it. What `predict`, `score-links`, `advise`, `card`
and `push` do is here too; they write no folder of their own and are not in `STEPS`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass

from alignfreeze_cli.aligners.settings import AlignPairsSettings
from alignfreeze_cli.artifacts import Result
from alignfreeze_cli.collector import lasting_objects
from alignfreeze_cli.encoder.blend_settings import BlendSettings
from alignfreeze_cli.encoder.settings import RealignSettings
from alignfreeze_cli.progress import Console
from alignfreeze_cli.report.settings import ReportSettings
from alignfreeze_cli.settings import StepSettings
from alignfreeze_cli.tasks.settings import EvaluateSettings, FinetuneSettings


@dataclass(frozen=True)
class Step:
    """A step by name; `function` is `module:name` within this package, imported only when it runs: it needs torch."""

    settings: type[StepSettings]
    function: str

    def load(self) -> Callable[[StepSettings, Console], Result]:
        """The step's function."""
        module, name = self.function.split(":")
        with lasting_objects():
            function: Callable[[StepSettings, Console], Result] = getattr(
                importlib.import_module(f"{__name__}.{module}"), name
            )
        return function


STEPS = {
    "align-pairs": Step(AlignPairsSettings, "align_pairs:align_pairs"),
    "realign": Step(RealignSettings, "realign:realign"),
    "blend": Step(BlendSettings, "blend:blend"),
    "finetune": Step(FinetuneSettings, "finetune:finetune"),
    "evaluate": Step(EvaluateSettings, "evaluate:evaluate"),
    "report": Step(ReportSettings, "report:make_report"),
}
"""Command -> its step, in the order of the work."""
