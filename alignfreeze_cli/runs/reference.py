"""What `recipes show --resolved` and `recipes settings` print: a recipe with every setting, and all that can be set."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.representer import RoundTripRepresenter

from alignfreeze_cli.aligners.settings import ONLY_WITH
from alignfreeze_cli.errors import SettingsError
from alignfreeze_cli.runs.recipes import Recipe, Variant
from alignfreeze_cli.runs.sections import COMMON_KEYS, SECTIONS, SHORTCUTS, TOP, RecipeSection
from alignfreeze_cli.settings import Declaration, declarations, nearest, plain
from alignfreeze_cli.tasks.registry import TASKS
from alignfreeze_cli.tasks.settings import JOINT_OPTIONS

_WIDTH = 110
_TAG = "tag:yaml.org,2002:"
Sections = dict[str, dict[str, Any]]


def resolved(recipe: Recipe) -> dict[str, dict[str, Sections]]:
    """Strategy -> task -> step -> every setting with its value; what the runner fills in is left out."""
    return {
        strategy: {task: _sections(recipe.variant(strategy, task), recipe.seeds[0]) for task in recipe.tasks}
        for strategy in recipe.strategies
    }


def resolved_text(recipe: Recipe) -> str:
    """YAML with everything merged: first what the strategies have in common, then what is different in each."""
    cases = {
        (strategy, task): sections for strategy, tasks in resolved(recipe).items() for task, sections in tasks.items()
    }
    common: Sections = {}
    for name in SECTIONS:
        holders = [sections[name] for sections in cases.values() if name in sections]
        if holders:
            common[name] = {
                key: value
                for key, value in holders[0].items()
                if all(key in holder and holder[key] == value for holder in holders)
            }
    head = {
        "model": recipe.model,
        "seeds": list(recipe.seeds),
        "tasks": list(recipe.tasks),
        "strategies": list(recipe.strategies),
    }
    files = ", ".join(str(document.path) for document in reversed(recipe.files))
    texts = [f"# {recipe.name}: {recipe.about}\n# from {files}", _yaml(head)]
    texts += [_yaml({name: values}) for name, values in common.items()]
    for (strategy, task), sections in cases.items():
        different: dict[str, Any] = {}
        for name in common:
            if name not in sections:
                different[name] = False
            elif own := {key: value for key, value in sections[name].items() if key not in common[name]}:
                different[name] = own
        if different:
            texts.append(f"# strategy {strategy}, task {task}\n{_yaml(different)}")
    return "\n\n".join(texts)


def reference(step: str | None = None) -> dict[str, Any]:
    """The keys of a recipe's top and every setting of every step (or of one). SettingsError for an unknown step."""
    if step is not None and step not in SECTIONS:
        raise SettingsError(f"There is no step {step!r}, only {', '.join(SECTIONS)}{nearest(step, SECTIONS) or '.'}")
    steps = {
        name: [_to_dict(section, each) for each in declarations(section.settings) if each.key not in COMMON_KEYS]
        for name, section in SECTIONS.items()
        if step in (None, name)
    }
    return {"steps": steps} if step else {"top": {**TOP, **SHORTCUTS}, "steps": steps}


def reference_text(step: str | None = None) -> str:
    """The reference to read: key, type and default, and below them what the setting does."""
    known = reference(step)
    parts = ["At the top of a recipe:\n\n" + _entries(known["top"].items())] if "top" in known else []
    for name, settings in known["steps"].items():
        entries = []
        for setting in settings:
            default = setting["default"]
            default = ", ".join(map(str, default)) if isinstance(default, list) else default
            default = str(default).lower() if isinstance(default, bool) else default
            by_default = "" if default in (None, "") else f", default {default}"
            in_recipe = f" In a recipe: {setting['from']}." if "from" in setting else ""
            entries.append((f"{setting['key']} ({setting['type']}{by_default})", setting["help"] + in_recipe))
        parts.append(f"{name}:\n\n" + _entries(entries))
    return "\n\n".join(parts)


def _sections(variant: Variant, seed: int) -> Sections:
    sections = {name: variant.preview(name, seed).recorded() for name in variant.steps}
    # An option that is not set may be missing in a record; here it is listed, unless it is one of other tasks.
    foreign = {name for task in TASKS.values() for name in task.option_names()}
    foreign -= set(TASKS[variant.task].option_names())
    foreign |= set() if variant.during else set(JOINT_OPTIONS)
    aligner = sections["align-pairs"]["aligner"] if "align-pairs" in sections else None
    foreign |= {name for name, aligners in ONLY_WITH.items() if aligner not in aligners}
    unused = {name.replace("_", "-") for name in foreign}
    return {
        name: {key: values.get(key) for key in SECTIONS[name].keys if key not in unused or name == "realign"}
        for name, values in sections.items()
    }


def _to_dict(section: RecipeSection, declaration: Declaration) -> dict[str, Any]:
    filled_in = {"from": section.filled_in[declaration.key]} if declaration.key in section.filled_in else {}
    default = None if declaration.required else plain(declaration.default)
    text = declaration.metadata["help"]
    return {"key": declaration.key, "type": _type(declaration), "default": default, "help": text, **filled_in}


def _type(declaration: Declaration) -> str:
    if declaration.metadata["choices"]:
        return "|".join(declaration.metadata["choices"])
    if declaration.is_list:
        return "list"
    return {str: "text", int: "whole number", float: "number", bool: "true|false", Path: "path"}[declaration.type]


def _entries(entries: Iterable[tuple[str, str]]) -> str:
    lines = []
    for head, body in entries:
        lines.append(textwrap.fill(head, _WIDTH, initial_indent="  ", subsequent_indent="      "))
        lines.append(textwrap.fill(body, _WIDTH, initial_indent="      ", subsequent_indent="      "))
    return "\n".join(lines)


class _Representer(RoundTripRepresenter):
    """A line for every key, lists within the line, `null` written out."""


_Representer.add_representer(list, lambda self, data: self.represent_sequence(_TAG + "seq", data, flow_style=True))
_Representer.add_representer(type(None), lambda self, data: self.represent_scalar(_TAG + "null", "null"))


def _yaml(values: Mapping[str, Any]) -> str:
    yaml = YAML()
    yaml.Representer = _Representer
    yaml.width = _WIDTH
    text = io.StringIO()
    yaml.dump(dict(values), text)
    return text.getvalue().rstrip("\n")
