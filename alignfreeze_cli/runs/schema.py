"""The JSON Schema of recipes, for editors: keys, types, choices, defaults and help, from the settings themselves.

Draft 7, which every editor reads (json-schema.org/draft-07). Editors know the file by a line in the recipe (MODELINE).

A schema can't say all that a recipe may not hold: `alignfreeze recipes validate` also tries each setting's own check,
and what goes together. What it accepts is valid here, but for rare spellings, such as a boolean written as `1`. Keys
with `_` for `-` are known, but their values are not checked.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from alignfreeze_cli.runs.sections import NAME, SCHEDULES, SECTIONS, SHORTCUTS, STANDS_FOR, TOP, RecipeSection
from alignfreeze_cli.settings import Declaration, declarations, plain
from alignfreeze_cli.tasks.registry import TASKS

Schema = dict[str, Any]

_BLANK = r"[ \t]*"
_WHOLE = r"[+-]?[0-9]+(_[0-9]+)*"
_NUMBER = r"[+-]?([0-9][0-9_]*\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
_NOTHING = "none|null||"  # how a text says that an optional setting has no value


def recipe_schema() -> Schema:
    """The schema as JSON holds it."""
    of_part = {name: _reference(name) for name in (*SECTIONS, *SHORTCUTS)}
    top = {key: {"description": text, **_TOP_VALUES[key]} for key, text in TOP.items()}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Recipe of alignfreeze",
        "description": "The settings of all steps; `alignfreeze recipes validate` checks more than this schema can.",
        **_object({**top, **of_part}),
        "definitions": {
            **{name: _section(section) for name, section in SECTIONS.items()},
            **{name: _shortcut(name) for name in SHORTCUTS},
            "strategy": _object({**of_part, "per-task": top["per-task"]}, nullable=True),
            "part": _object(of_part, nullable=True),
        },
    }


def schema_text() -> str:
    """The schema as the shipped file has it."""
    return json.dumps(recipe_schema(), indent=1) + "\n"


def _object(properties: Mapping[str, Any], nullable: bool = False) -> Schema:
    return {
        "type": ["object", "null"] if nullable else "object",
        "properties": dict(properties),
        "additionalProperties": False,
    }


def _reference(name: str) -> Schema:
    return {"$ref": f"#/definitions/{name}"}


def _mapping_of(part: str, names: Schema) -> Schema:
    return {"type": ["object", "null"], "propertyNames": names, "additionalProperties": _reference(part)}


def _section(section: RecipeSection) -> Schema:
    """A step's settings, but for those that the runner fills in; `null` changes nothing."""
    known = {each.key: each for each in declarations(section.settings)}
    schema = _object({key: _value(known[key]) for key in section.keys}, nullable=True)
    schema["type"] += {"realign": ["boolean"], "blend": ["boolean"]}.get(section.name, [])
    if section.name == "blend":
        schema["not"] = {"const": True}
    underlined = [key.replace("-", "[-_]") for key in section.keys if "-" in key]
    schema["patternProperties"] = {f"^({'|'.join(underlined)})$": {}}
    return {"description": f"Settings of `alignfreeze {section.name}`.", **schema}


def _shortcut(name: str) -> Schema:
    if name == "schedule":
        value: Schema = {"enum": [*SCHEDULES, None], "default": SCHEDULES[0]}
    elif name == "links-from":
        value = {"type": ["string", "null"], "pattern": f"^{NAME}$"}
    else:
        step, key = STANDS_FOR[name]
        declaration = next(each for each in declarations(SECTIONS[step].settings) if each.key == key)
        value = _value(declaration)
        value["type"] = list(dict.fromkeys([*_listed(value["type"]), "null"]))
    return {**value, "description": SHORTCUTS[name]}


def _value(declaration: Declaration) -> Schema:
    """The values that a recipe may give to a setting, with its help and default."""
    found = _list_value(declaration) if declaration.is_list else _single_value(declaration)
    if declaration.optional:
        if "enum" in found:
            found["enum"] = [*found["enum"], None]
        else:
            found["type"] = [*_listed(found["type"]), "null"]
    default = None if declaration.required else plain(declaration.default)
    return {
        "description": declaration.metadata["help"],
        **found,
        **({} if default in (None, []) else {"default": default}),
    }


def _list_value(declaration: Declaration) -> Schema:
    """A list, or a text with commas."""
    choices = declaration.metadata["choices"]
    if choices:
        item = f"({'|'.join(choices)})"
        pattern = rf"^({_BLANK}({item}{_BLANK})?(,{_BLANK}({item}{_BLANK})?)*)$"
        return {"type": ["array", "string"], "items": {"enum": list(choices)}, "pattern": pattern}
    return {"type": ["array", "string"], "items": {"type": ["string", "number"], **_examples(declaration)}}


def _single_value(declaration: Declaration) -> Schema:
    metadata = declaration.metadata
    if metadata["choices"]:
        choices = metadata["choices"]
        return {"enum": [*choices, *(int(choice) for choice in choices if choice.isdecimal())]}
    if declaration.type is bool:
        return {"enum": [True, False, "yes", "no", "on", "off"]}
    if declaration.type in (int, float):
        kind, text = ("integer", _WHOLE) if declaration.type is int else ("number", _NUMBER)
        nothing = _NOTHING if declaration.optional else ""
        return {"type": [kind, "string"], **_bounds(metadata), "pattern": f"^({nothing}{_BLANK}{text}{_BLANK})$"}
    return {"type": ["string", "number"], **_examples(declaration)}


def _bounds(metadata: Mapping[str, Any]) -> Schema:
    """The bounds of a number; a number that is written as a text is not compared with them."""
    low, high = metadata["minimum"], metadata["maximum"]
    found = {} if low is None else {"exclusiveMinimum" if metadata["above"] else "minimum": low}
    return found if high is None else {**found, "maximum": high}


def _examples(declaration: Declaration) -> Schema:
    return {"examples": list(declaration.offered)} if declaration.offered else {}


def _listed(types: str | Iterable[str]) -> list[str]:
    return [types] if isinstance(types, str) else list(types)


def _comma_separated(item: str) -> str:
    return rf"^{_BLANK}{item}{_BLANK}(,{_BLANK}{item}{_BLANK})*$"


def _names(pattern: str) -> Schema:
    """One name, or several as a list or a text with commas."""
    items = {"type": "string", "pattern": f"^{pattern}$"}
    return {"type": ["array", "string", "null"], "items": items, "pattern": _comma_separated(f"({pattern})")}


_TEXT = {"type": ["string", "null"], "minLength": 1}
_TOP_VALUES: dict[str, Schema] = {
    "extends": _TEXT,
    "model": _TEXT,
    "name": {"type": ["string", "null"], "pattern": f"^{NAME}$"},
    "strategy": {"type": ["string", "null"], "pattern": f"^{NAME}$"},
    "seeds": {
        "type": ["array", "integer", "string", "null"],
        "minimum": 0,
        "items": {"type": ["integer", "string"], "minimum": 0, "pattern": "^[0-9]+$"},
        "pattern": _comma_separated("[0-9]+"),
        "minItems": 1,
        "uniqueItems": True,
    },
    "tasks": {
        "type": ["array", "string", "null"],
        "items": {"enum": list(TASKS)},
        "pattern": _comma_separated(f"({'|'.join(TASKS)})"),
        "minItems": 1,
        "uniqueItems": True,
    },
    "data": _TEXT,
    "threads": {"type": ["integer", "string", "null"], "minimum": 1, "pattern": "^[1-9][0-9]*$"},
    "strategies": _mapping_of("strategy", {"pattern": f"^{NAME}$"}),
    "aligners": _mapping_of("part", {"pattern": f"^{NAME}$"}),
    "aligner": _names(NAME),
    "controls": _names(NAME),
    "per-task": _mapping_of("part", {"enum": list(TASKS)}),
}
"""Key at the top -> its values."""
