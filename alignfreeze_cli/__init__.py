"""AlignFreeze: realign multilingual encoders with frozen layers (arXiv 2502.12959).

The steps and their settings can be imported from here (docs/python.md). Each is loaded when it is first asked for, so
that `import alignfreeze_cli` imports no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

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
"""Module → the public names that it defines. Type checkers read the same in the imports below, where `as` says that a
name is meant for others, too."""

if TYPE_CHECKING:
    from alignfreeze_cli.advice.settings import AdviseSettings as AdviseSettings
    from alignfreeze_cli.aligners.scoring_settings import ScoreLinksSettings as ScoreLinksSettings
    from alignfreeze_cli.aligners.settings import AlignPairsSettings as AlignPairsSettings
    from alignfreeze_cli.artifacts import Record as Record
    from alignfreeze_cli.artifacts import Result as Result
    from alignfreeze_cli.artifacts import read_record as read_record
    from alignfreeze_cli.cli.console import TerminalConsole as TerminalConsole
    from alignfreeze_cli.demo.settings import DemoWorldSettings as DemoWorldSettings
    from alignfreeze_cli.demo.world import make_world as make_world
    from alignfreeze_cli.encoder.blend_settings import BlendSettings as BlendSettings
    from alignfreeze_cli.encoder.settings import RealignSettings as RealignSettings
    from alignfreeze_cli.encoder.study_settings import ForgettingSettings as ForgettingSettings
    from alignfreeze_cli.encoder.study_settings import LayersSettings as LayersSettings
    from alignfreeze_cli.errors import AlignFreezeError as AlignFreezeError
    from alignfreeze_cli.errors import ArtifactError as ArtifactError
    from alignfreeze_cli.errors import DataError as DataError
    from alignfreeze_cli.errors import HubError as HubError
    from alignfreeze_cli.errors import Interrupted as Interrupted
    from alignfreeze_cli.errors import OutputExistsError as OutputExistsError
    from alignfreeze_cli.errors import SettingsError as SettingsError
    from alignfreeze_cli.progress import Console as Console
    from alignfreeze_cli.report.settings import ReportSettings as ReportSettings
    from alignfreeze_cli.steps.advise import advise as advise
    from alignfreeze_cli.steps.align_pairs import align_pairs as align_pairs
    from alignfreeze_cli.steps.blend import blend as blend
    from alignfreeze_cli.steps.evaluate import evaluate as evaluate
    from alignfreeze_cli.steps.finetune import finetune as finetune
    from alignfreeze_cli.steps.forgetting import forgetting as forgetting
    from alignfreeze_cli.steps.layers import layers as layers
    from alignfreeze_cli.steps.predict import predict as predict
    from alignfreeze_cli.steps.realign import realign as realign
    from alignfreeze_cli.steps.report import make_report as make_report
    from alignfreeze_cli.steps.score_links import score_links as score_links
    from alignfreeze_cli.tasks.settings import EvaluateSettings as EvaluateSettings
    from alignfreeze_cli.tasks.settings import FinetuneSettings as FinetuneSettings
    from alignfreeze_cli.tasks.settings import PredictSettings as PredictSettings
else:  # hidden from type checkers, which would take any name for an object
    __all__ = sorted(["__version__", *(name for names in _HOMES.values() for name in names)])

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
