"""Merging the overlays of a recipe to the settings of one strategy and task.

An overlay is a mapping with sections named after the steps, and shortcuts, which stand for settings of several steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alignfreeze_cli.encoder.settings import RealignSettings
from alignfreeze_cli.errors import SettingsError
from alignfreeze_cli.runs.steps import STEPS
from alignfreeze_cli.settings import StepSettings, as_list, declarations, from_mapping
from alignfreeze_cli.tasks.registry import TASKS
from alignfreeze_cli.tasks.settings import SHARED_WITH_REALIGN

DATA = "{data}"
DEFAULT_PLAN = next(each.default for each in declarations(RealignSettings) if each.name == "freeze")


@dataclass(frozen=True)
class Variant:
    """The settings of one strategy and task, merged: one mapping of keys per section.

    `pairs` are ready-made pairs folders that stand for the align-pairs step. `realigned` is False for a baseline;
    `during` is True if realignment is part of fine-tuning, so that there is no realign step.
    """

    strategy: str
    task: str
    model: str
    realigned: bool
    during: bool
    pairs: tuple[str, ...]
    sections: Mapping[str, Mapping[str, Any]]

    @property
    def steps(self) -> tuple[str, ...]:
        """The steps that have to be run, in the order of the work."""
        left_out = {
            "align-pairs": not self.realigned or bool(self.pairs),
            "realign": not self.realigned or self.during,
        }
        return tuple(name for name in STEPS if not left_out.get(name, False))

    def settings(self, step: str, where: str, **wired: Any) -> StepSettings:
        """The settings of a step; `wired` is what follows from the graph. SettingsError lists what does not fit."""
        values = {key: value for key, value in self.sections[step].items() if key not in STEPS[step].wired}
        return from_mapping(STEPS[step].settings, {**values, **wired}, f"{where}: {step}")


class Merged:
    """Overlays laid on each other; the shortcuts go to the settings they stand for as they come."""

    def __init__(self) -> None:
        self.sections: dict[str, dict[str, Any]] = {name: {} for name in STEPS}
        self.realigned = True
        self.plain: dict[str, Any] = {}

    def apply(self, overlay: Mapping[str, Any], from_outside: bool = False) -> None:
        """Lay an overlay on top. `from_outside` settings do not make a baseline realign."""
        self.plain |= {key: overlay[key] for key in ("pairs", "targets", "schedule") if key in overlay}
        if "freeze" in overlay:
            self._section("realign", {"freeze": overlay["freeze"]})
        if "source" in overlay:
            self._section("align-pairs", {"source": overlay["source"]})
            self._section("finetune", {"language": overlay["source"]})
        if "targets" in overlay:
            self._section("align-pairs", {"target": overlay["targets"]})
            self.sections["evaluate"].pop("languages", None)  # an earlier layer's; they follow from these again
        for name in STEPS:
            section = overlay.get(name)
            if name == "realign" and name in overlay and not (from_outside and isinstance(section, Mapping)):
                self.realigned = section is not False
            if isinstance(section, Mapping):
                self._section(name, section)

    def _section(self, name: str, values: Mapping[str, Any]) -> None:
        normal = {key.replace("_", "-"): value for key, value in values.items()}
        rivals = STEPS[name].rivals
        if any(normal.get(key) is not None for key in rivals):
            for key in rivals:
                self.sections[name].pop(key, None)
        self.sections[name] |= normal

    def variant(self, strategy: str, task: str, model: str, data: str | None) -> Variant:
        sections = {name: dict(values) for name, values in self.sections.items()}
        targets = self.plain.get("targets")
        pairs = tuple(as_list(self.plain.get("pairs") or ()))
        if targets is not None:
            source = sections["finetune"].get("language", "en")
            languages = [source, *as_list(targets)]
            if sections["evaluate"].get("data") is None:
                languages = [code for code in languages if _on_the_hub(task, code)] or languages
            sections["evaluate"].setdefault("languages", languages)
            if pairs:
                sections["realign"].setdefault("targets", targets)
        during = self.realigned and self.plain.get("schedule") == "during"
        if during:
            sections["finetune"] = _with_realignment(sections["finetune"], sections["realign"])
        filled = {name: {k: fill_data(v, data) for k, v in values.items()} for name, values in sections.items()}
        return Variant(strategy, task, model, self.realigned, during, tuple(fill_data(list(pairs), data)), filled)


def _on_the_hub(task: str, language: str) -> bool:
    """Whether the task's usual test data has the language."""
    try:
        TASKS[task].hub_files(language, "test")
    except SettingsError:
        return False
    return True


def _with_realignment(finetune: Mapping[str, Any], realign: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of fine-tuning that realigns: the plan, and what it shares with the realign step, come from there.

    What the section of finetune itself says about realignment (`realign-temperature`, a plan of its own) wins.
    """
    shared = {
        f"realign-{key}": realign[key] for name in SHARED_WITH_REALIGN if (key := name.replace("_", "-")) in realign
    }
    own_plan = finetune.get("freeze") not in (None, "none")
    plan = finetune["freeze"] if own_plan else realign.get("freeze", DEFAULT_PLAN)
    return {**shared, **finetune, "freeze": plan}


def fill_data(value: Any, data: str | None) -> Any:
    """Put the folder that `data:` names for `{data}` in texts and lists of texts."""
    if isinstance(value, str) and data is not None:
        return value.replace(DATA, data)
    return [fill_data(item, data) for item in value] if isinstance(value, list) else value
