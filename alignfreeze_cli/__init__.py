"""AlignFreeze: realign multilingual encoders with frozen layers (arXiv 2502.12959).

The steps and their settings can be imported from here (docs/python.md). Each is loaded when it is first asked for, so
that `import alignfreeze_cli` imports no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = [
    "AdviseSettings",
    "AlignFreezeError",
    "AlignPairsSettings",
    "ArtifactError",
    "BlendSettings",
    "Console",
    "DataError",
    "DemoWorldSettings",
    "EvaluateSettings",
    "FinetuneSettings",
    "ForgettingSettings",
    "HubError",
    "Interrupted",
    "LayersSettings",
    "OutputExistsError",
    "PredictSettings",
    "RealignSettings",
    "Record",
    "ReportSettings",
    "Result",
    "ScoreLinksSettings",
    "SettingsError",
    "TerminalConsole",
    "__version__",
    "advise",
    "align_pairs",
    "blend",
    "evaluate",
    "finetune",
    "forgetting",
    "layers",
    "make_report",
    "make_world",
    "predict",
    "read_record",
    "realign",
    "score_links",
]

_HOMES = {
    "advice.settings": ("AdviseSettings",),
    "aligners.scoring_settings": ("ScoreLinksSettings",),
    "aligners.settings": ("AlignPairsSettings",),
    "artifacts": ("Record", "Result", "read_record"),
    "cli.console": ("TerminalConsole",),
    "demo.settings": ("DemoWorldSettings",),
    "demo.world": ("make_world",),
    "encoder.blend_settings": ("BlendSettings",),
    "encoder.settings": ("RealignSettings",),
    "encoder.study_settings": ("ForgettingSettings", "LayersSettings"),
    "errors": (
        "AlignFreezeError",
        "ArtifactError",
        "DataError",
        "HubError",
        "Interrupted",
        "OutputExistsError",
        "SettingsError",
    ),
    "progress": ("Console",),
    "report.settings": ("ReportSettings",),
    "steps.advise": ("advise",),
    "steps.align_pairs": ("align_pairs",),
    "steps.blend": ("blend",),
    "steps.evaluate": ("evaluate",),
    "steps.finetune": ("finetune",),
    "steps.forgetting": ("forgetting",),
    "steps.layers": ("layers",),
    "steps.predict": ("predict",),
    "steps.realign": ("realign",),
    "steps.report": ("make_report",),
    "steps.score_links": ("score_links",),
    "tasks.settings": ("EvaluateSettings", "FinetuneSettings", "PredictSettings"),
}
"""Module → the public names that it defines. Type checkers read the same in the imports below."""

if TYPE_CHECKING:
    from alignfreeze_cli.advice.settings import AdviseSettings
    from alignfreeze_cli.aligners.scoring_settings import ScoreLinksSettings
    from alignfreeze_cli.aligners.settings import AlignPairsSettings
    from alignfreeze_cli.artifacts import Record, Result, read_record
    from alignfreeze_cli.cli.console import TerminalConsole
    from alignfreeze_cli.demo.settings import DemoWorldSettings
    from alignfreeze_cli.demo.world import make_world
    from alignfreeze_cli.encoder.blend_settings import BlendSettings
    from alignfreeze_cli.encoder.settings import RealignSettings
    from alignfreeze_cli.encoder.study_settings import ForgettingSettings, LayersSettings
    from alignfreeze_cli.errors import (
        AlignFreezeError,
        ArtifactError,
        DataError,
        HubError,
        Interrupted,
        OutputExistsError,
        SettingsError,
    )
    from alignfreeze_cli.progress import Console
    from alignfreeze_cli.report.settings import ReportSettings
    from alignfreeze_cli.steps.advise import advise
    from alignfreeze_cli.steps.align_pairs import align_pairs
    from alignfreeze_cli.steps.blend import blend
    from alignfreeze_cli.steps.evaluate import evaluate
    from alignfreeze_cli.steps.finetune import finetune
    from alignfreeze_cli.steps.forgetting import forgetting
    from alignfreeze_cli.steps.layers import layers
    from alignfreeze_cli.steps.predict import predict
    from alignfreeze_cli.steps.realign import realign
    from alignfreeze_cli.steps.report import make_report
    from alignfreeze_cli.steps.score_links import score_links
    from alignfreeze_cli.tasks.settings import EvaluateSettings, FinetuneSettings, PredictSettings
else:  # hidden from type checkers, which would take any name for an object

    def __getattr__(name: str) -> object:
        """A public name, loaded from its module (PEP 562)."""
        for module, names in _HOMES.items():
            if name in names:
                value = getattr(importlib.import_module(f"{__name__}.{module}"), name)
                globals()[name] = value  # the next time it is found at once
                return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
