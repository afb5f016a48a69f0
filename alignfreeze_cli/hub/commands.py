"""The commands that made a folder, from the settings in its record and lineage."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from alignfreeze_cli.aligners.settings import AlignPairsSettings
from alignfreeze_cli.artifacts.record import KINDS, Record, made_by
from alignfreeze_cli.encoder.blend_settings import BlendSettings
from alignfreeze_cli.encoder.settings import RealignSettings
from alignfreeze_cli.hub.facts import MODEL_INPUTS, Step, steps_of
from alignfreeze_cli.settings import StepSettings, declarations, plain, to_option
from alignfreeze_cli.tasks.settings import EvaluateSettings, FinetuneSettings

SETTINGS: dict[str, type[StepSettings]] = {
    "pairs": AlignPairsSettings,
    "encoder": RealignSettings,
    "blend": BlendSettings,
    "task-model": FinetuneSettings,
    "scores": EvaluateSettings,
}

_ALWAYS = ("freeze", "steps", "seed")
"""Given even where they are the defaults, as a reader wants to know them first."""


def commands(record: Record) -> str:
    """The commands that made a folder, as a shell script; most of what is a default is left out.

    Each step's result is kept in a variable, which the next step takes as its input. Paths are as recorded: their last
    two parts.
    """
    names: dict[str, str] = {}
    lines = []
    for step in steps_of(record):
        kind = made_by(step)
        if kind not in SETTINGS:
            continue
        name = _variable(step, names)
        options = " \\\n  ".join(_options(step, names))
        command = f"alignfreeze {KINDS.get(kind, kind)} \\\n  {options}"
        lines.append(f"{name}=$({command} --quiet)")
        names[step["digest"]] = name
    return "\n".join(lines)


def _variable(step: Step, taken: Mapping[str, str]) -> str:
    name = {"pairs": "pairs", "encoder": "encoder", "task-model": "model", "scores": "scores"}[step["kind"]]
    return name if name not in taken.values() else f"{name}{len(taken) + 1}"


def _options(step: Step, names: Mapping[str, str]) -> Iterator[str]:
    """The options of a step; inputs are an earlier step's variable, or pinned to the commit that was used."""
    inputs = {each["name"]: _pinned(each, names) for each in step["inputs"]}
    pairs = [inputs[each["name"]] for each in step["inputs"] if each.get("kind") == "pairs"]
    corpora = {text for name, text in inputs.items() if name.startswith("corpus ")}
    for declaration in declarations(SETTINGS[made_by(step)]):
        key, value = declaration.key, step["settings"].get(declaration.key)
        default = None if declaration.required else plain(declaration.default)
        if key == "model" or (key in MODEL_INPUTS and key in inputs):
            yield inputs[key] if declaration.metadata["argument"] else f"--{key} {inputs[key]}"
        elif key in ("pairs", "realign-with"):
            yield from (f"--{key} {each}" for each in pairs)
        elif key == "corpus" and len(corpora) == 1:
            yield f"--corpus {corpora.pop()}"
        elif value not in (None, []) and (value != default or key in _ALWAYS):
            yield " ".join(map(_quoted, to_option(declaration, value)))


def _pinned(given: Mapping[str, Any], names: Mapping[str, str]) -> str:
    if given["digest"] in names:
        return f'"${names[given["digest"]]}"'
    source, commit = given["source"], given.get("commit")
    return _quoted(f"{source.partition('@')[0]}@{commit}" if commit else source)


def _quoted(text: str) -> str:
    """A word of a shell's command, always in one line, as it stands in a block of code."""
    if text.isprintable():
        return shlex.quote(text)
    kept = "".join(c if c.isprintable() and c not in "\\'" else f"\\U{ord(c):08x}" for c in text)
    return f"$'{kept}'"
