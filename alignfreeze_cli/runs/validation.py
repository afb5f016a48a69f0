"""What is wrong with the files of a recipe: everything at once, each with file, line, place and nearest valid key."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from alignfreeze_cli.runs.recipe_files import SET, Document, Place
from alignfreeze_cli.runs.sections import (
    COMMON_KEYS,
    NAME,
    SCHEDULES,
    SECTIONS,
    SHORTCUTS,
    STANDS_FOR,
    TOP,
    fill_data,
)
from alignfreeze_cli.settings import as_list, nearest, nearest_or_all, problems_of
from alignfreeze_cli.tasks.registry import TASKS

_NAME = re.compile(NAME)


def problems_in(document: Document, has_data: bool) -> list[str]:
    """Every mistake of one file, as `file:line: section.key: complaint`.

    `has_data`: whether this file or another of the recipe names the folder that `{data}` stands for.
    """
    found = _Check(document, has_data)
    found.overlay(document.values, (), TOP)
    for key, complaint in _TOP_CHECKS.items():
        value = document.values.get(key)
        if value is not None and (text := complaint(value)):
            found.add((key,), text)
    found.data_known(document.values.get("model"), ("model",))
    for name, overlay in found.mapping("strategies", document.values, ()):
        if not _NAME.fullmatch(name):
            found.add(("strategies", name), "a name may hold letters, digits, dots and hyphens only")
        found.overlay(overlay, ("strategies", name), ("per-task",))
        found.per_task(overlay, ("strategies", name))
    for name, overlay in found.mapping("aligners", document.values, ()):
        if not _NAME.fullmatch(name):
            found.add(("aligners", name), "a name may hold letters, digits, dots and hyphens only")
        found.overlay(overlay, ("aligners", name), ())
    found.per_task(document.values, ())
    return [*document.problems, *found.problems]


class _Check:
    def __init__(self, document: Document, has_data: bool) -> None:
        self.document, self.has_data = document, has_data
        self.problems: list[str] = []

    def add(self, place: Place, complaint: str) -> None:
        self.problems.append(f"{self.document.place(place)}: {complaint}")

    def mapping(self, key: str, values: Mapping[str, Any], place: Place) -> Iterable[tuple[str, Mapping[str, Any]]]:
        """The parts of a key that holds a mapping of overlays; None stands for an empty one."""
        parts = values.get(key)
        if parts is None:
            return
        if not isinstance(parts, Mapping):
            self.add((*place, key), f"must hold `name: …` lines, not {parts!r}")
            return
        for name, overlay in parts.items():
            if overlay is None:
                continue
            if isinstance(overlay, Mapping):
                yield name, overlay
            else:
                self.add((*place, key, name), f"must hold sections, not {overlay!r}")

    def per_task(self, values: Mapping[str, Any], place: Place) -> None:
        for name, overlay in self.mapping("per-task", values, place):
            here = (*place, "per-task", name)
            if name not in TASKS:
                self.add(here, f"there is no such task, only {', '.join(TASKS)}" + nearest(name, TASKS))
            self.overlay(overlay, here, ())

    def overlay(self, values: Mapping[str, Any], place: Place, further: Iterable[str]) -> None:
        """The sections and shortcuts among `values`; `further` are other keys allowed here."""
        allowed = (*SECTIONS, *SHORTCUTS, *further)
        for key, value in values.items():
            here = (*place, key)
            if key in SECTIONS:
                self._section(key, value, here)
            elif key in SHORTCUTS:
                self._shortcut(key, value, here)
            elif key not in allowed:
                self.add(here, self._unknown(key, place, allowed))

    def _unknown(self, key: str, place: Place, allowed: Iterable[str]) -> str:
        if place and key in TOP:
            return "belongs at the top of the recipe"
        homes = [name for name, section in SECTIONS.items() if key.replace("_", "-") in section.keys]
        meant = nearest(key, allowed)  # seed is a setting of align-pairs, and nearly `seeds`
        if homes:
            of_set = self.document.path == SET
            place_for_it = f"as {homes[0]}.{key}=…" if of_set else f"below `{homes[0]}:`"
            return f"unknown key here; it is a setting of {' and '.join(homes)}, so write it {place_for_it}{meant}"
        return f"unknown key{self._alike(key, allowed)}"

    def _alike(self, key: str, known: Iterable[str]) -> str:
        """The key that is meant; of `--set`, which has no file with others to look at, all where none is alike."""
        return nearest_or_all(key, known) if self.document.path == SET else nearest(key, known)

    def _section(self, name: str, values: Any, place: Place) -> None:
        section = SECTIONS[name]
        if values is None or (name == "realign" and isinstance(values, bool)) or (name == "blend" and values is False):
            return
        if not isinstance(values, Mapping):
            off = {"realign": " (or false for a baseline)", "blend": " (or false for none)"}.get(name, "")
            self.add(place, f"must hold `key: value` lines{off}, not {values!r}")
            return
        for key, value in values.items():
            here, normal = (*place, key), key.replace("_", "-")
            if normal in section.filled_in:
                self.add(here, f"is filled in by `alignfreeze run`; write {section.filled_in[normal]} of the recipe")
            elif normal in COMMON_KEYS:
                self.add(here, "belongs on the command line of `alignfreeze run`, not in a recipe")
            elif normal not in section.keys:
                self.add(here, "unknown key" + self._alike(normal, section.keys))
            else:
                self._setting(name, normal, value, here)

    def _setting(self, step: str, key: str, value: Any, place: Place) -> None:
        if value is None:
            # "key:" with nothing after it takes back what the recipe below says, if the setting may be without value.
            if problems_of(SECTIONS[step].settings, {key: None}):
                self.add(place, "needs a value")
            return
        if not self.data_known(value, place):
            return
        if isinstance(value, Mapping):
            self.add(place, "must be a value or a list, not further keys")
            return
        for problem in problems_of(SECTIONS[step].settings, {key: fill_data(value, "data")}):
            self.add(place, problem.removeprefix(f"{key}: "))

    def data_known(self, value: Any, place: Place) -> bool:
        """Whether the value can be filled in; complains if it holds `{data}` and nothing says what that is."""
        if "{data}" in str(value) and not self.has_data:
            self.add(place, "holds {data}, but the recipe has no `data:` that says which folder it is")
            return False
        return True

    def _shortcut(self, key: str, value: Any, place: Place) -> None:
        if value is None:
            return
        if key == "schedule":
            if value not in SCHEDULES:
                self.add(place, f"must be {' or '.join(SCHEDULES)}, not {value!r}" + nearest(str(value), SCHEDULES))
            return
        if key == "links-from":
            if complaint := _name(value):
                self.add(place, complaint)
            return
        step, setting = STANDS_FOR[key]
        self._setting(step, setting, value, place)


def _seeds(value: Any) -> str | None:
    seeds = as_list(value)
    for seed in seeds:
        if isinstance(seed, bool) or not re.fullmatch(r"[0-9]+", str(seed)):
            return f"must be whole numbers from 0, not {seed!r}"
    texts = [str(int(seed)) for seed in seeds]
    doubled = next((text for text in texts if texts.count(text) > 1), None)
    return f"names {doubled} twice" if doubled else None if texts else "needs at least one seed"


def _tasks(value: Any) -> str | None:
    tasks = as_list(value)
    for task in tasks:
        if not isinstance(task, str) or task not in TASKS:
            return f"there is no task {task!r}, only {', '.join(TASKS)}" + nearest(str(task), TASKS)
        if tasks.count(task) > 1:
            return f"names {task} twice"
    return None if tasks else "needs at least one task"


def _name(value: Any) -> str | None:
    fits = isinstance(value, str) and _NAME.fullmatch(value)
    return None if fits else f"must be a name of letters, digits, dots and hyphens, not {value!r}"


def _names(value: Any) -> str | None:
    return next(filter(None, map(_name, as_list(value))), None)


def _text(value: Any) -> str | None:
    return None if isinstance(value, str) and value else f"must be text, not {value!r}"


def _count(value: Any) -> str | None:
    fits = not isinstance(value, bool) and re.fullmatch(r"[1-9][0-9]*", str(value))
    return None if fits else f"must be a whole number from 1, not {value!r}"


_TOP_CHECKS: dict[str, Callable[[Any], str | None]] = {
    "extends": _text,
    "model": _text,
    "name": _name,
    "strategy": _name,
    "seeds": _seeds,
    "tasks": _tasks,
    "data": _text,
    "threads": _count,
    "aligner": _names,
    "controls": _names,
}
