"""Recipes and settings as text: what a recipe comes to, and the reference of everything that can be set."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from alignfreeze_cli.errors import SettingsError
from alignfreeze_cli.runs.checking import SHORTCUTS, TOP
from alignfreeze_cli.runs.merging import Variant
from alignfreeze_cli.runs.recipes import Recipe
from alignfreeze_cli.runs.steps import MANNERS, STEPS, Step
from alignfreeze_cli.settings import Declaration, declarations, nearest, plain
from alignfreeze_cli.tasks.registry import TASKS
from alignfreeze_cli.tasks.settings import JOINT_OPTIONS

_WIDTH = 110
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
    for name in STEPS:
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
    steps = {
        name: [_described(each, declaration) for declaration in _declared(each)] for name, each in _chosen(step).items()
    }
    return {"steps": steps} if step else {"top": {**TOP, **SHORTCUTS}, "steps": steps}


def reference_text(step: str | None = None) -> str:
    """The reference to read: key, type and default, and below them what the setting does."""
    parts = []
    if step is None:
        parts.append("At the top of a recipe:\n\n" + _entries({**TOP, **SHORTCUTS}.items()))
    for name, each in _chosen(step).items():
        entries = []
        for setting in (_described(each, declaration) for declaration in _declared(each)):
            default = setting["default"]
            default = ", ".join(map(str, default)) if isinstance(default, list) else default
            default = str(default).lower() if isinstance(default, bool) else default
            shown = "" if default in (None, "") else f", default {default}"
            wired = f" In a recipe: {setting['from']}." if "from" in setting else ""
            entries.append((f"{setting['key']} ({setting['type']}{shown})", setting["help"] + wired))
        parts.append(f"{name}:\n\n" + _entries(entries))
    return "\n\n".join(parts)


def _sections(variant: Variant, seed: int) -> Sections:
    pairs = list(variant.pairs) or "?"
    wired = {"model": variant.model or "?", "pairs": pairs, "task": variant.task, "seed": seed}
    wired["realign-with"] = pairs if variant.during else []
    sections: Sections = {}
    for name in variant.steps:
        step = STEPS[name]
        settings = variant.settings(name, variant.strategy, **{key: wired[key] for key in step.wired})
        sections[name] = {key: value for key, value in settings.recorded().items() if key not in step.wired}
    # An option that is not set may stay out of a record; here it is shown, unless it has no say in this variant.
    mute = {name for task in TASKS.values() for name in task.option_names()}
    mute -= set(TASKS[variant.task].option_names())
    mute |= set() if variant.during else set(JOINT_OPTIONS)
    muted = {name.replace("_", "-") for name in mute}
    return {
        name: {key: values.get(key) for key in STEPS[name].keys if key not in muted or name == "realign"}
        for name, values in sections.items()
    }


def _chosen(step: str | None) -> Mapping[str, Step]:
    if step is not None and step not in STEPS:
        raise SettingsError(f"There is no step {step!r}, only {', '.join(STEPS)}{nearest(step, STEPS) or '.'}")
    return {name: each for name, each in STEPS.items() if step in (None, name)}


def _declared(step: Step) -> list[Declaration]:
    return [declaration for declaration in declarations(step.settings) if declaration.key not in MANNERS]


def _described(step: Step, declaration: Declaration) -> dict[str, Any]:
    filled = {"from": step.wired[declaration.key]} if declaration.key in step.wired else {}
    default = None if declaration.required else plain(declaration.default)
    text = declaration.metadata["help"]
    return {"key": declaration.key, "type": _type(declaration), "default": default, "help": text, **filled}


def _type(declaration: Declaration) -> str:
    if declaration.metadata["choices"]:
        return "|".join(declaration.metadata["choices"])
    kind = "list" if declaration.is_list else declaration.type.__name__
    return {"str": "text", "int": "whole number", "float": "number", "bool": "true|false", "Path": "path"}.get(
        kind, kind
    )


def _entries(entries: Iterable[tuple[str, str]]) -> str:
    lines = []
    for head, body in entries:
        lines.append(textwrap.fill(head, _WIDTH, initial_indent="  ", subsequent_indent="      "))
        lines.append(textwrap.fill(body, _WIDTH, initial_indent="      ", subsequent_indent="      "))
    return "\n".join(lines)


class _Dumper(yaml.SafeDumper):
    """A line for every key, lists within the line."""


_Dumper.add_representer(list, lambda dumper, value: dumper.represent_sequence("tag:yaml.org,2002:seq", value, True))


def _yaml(values: Mapping[str, Any]) -> str:
    text = yaml.dump(
        dict(values), Dumper=_Dumper, sort_keys=False, default_flow_style=False, allow_unicode=True, width=_WIDTH
    )
    return str(text).rstrip("\n")
