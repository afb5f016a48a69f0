"""The files of recipes: finding them, reading their YAML so that every mistake can be named with its line, and `--set`.

YAML is read by the rules of version 1.2: only `true` and `false` are booleans, so `no` is Norwegian and needs no
quotes, and `1e-5` is a number. A key given twice is a mistake, not a silent replacement.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, ReusedAnchorWarning, YAMLError
from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from alignfreeze_cli.artifacts.nearby import path_alike
from alignfreeze_cli.errors import SettingsError
from alignfreeze_cli.runs.sections import FILES_ONLY, SECTIONS
from alignfreeze_cli.settings import nearest

Place = tuple[str, ...]
SCHEMA = "recipe.schema.json"
"""The file beside the shipped recipes that tells editors what a recipe may hold (schema.py)."""
MODELINE = "# yaml-language-server: $schema="
"""With the place of such a file after it, a line that editors read."""
SET = Path("--set")
"""In the place of a file's path, for what `--set` gives."""
MAX_BYTES = 1_000_000
MAX_VALUES = 10_000  # a recipe has some dozens; ten lines of aliases to aliases can stand for billions
MAX_DEPTH = 20


@dataclass(frozen=True)
class Document:
    """One file: its values, the line of every key (counted from 1), and mistakes in its form.

    `header` is the comment at the top, without the `#` and without the line that names the schema.
    """

    path: Path
    values: dict[str, Any]
    header: str
    lines: dict[Place, int] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def place(self, place: Place) -> str:
        """`file:line: section.key`, with the line of the innermost key that the file itself holds."""
        known = next((place[:depth] for depth in range(len(place), 0, -1) if place[:depth] in self.lines), None)
        line = f":{self.lines[known]}" if known else ""
        return f"{self.path}{line}: {'.'.join(place)}" if place else f"{self.path}{line}"


def recipes_folder() -> Path:
    """The folder of the shipped recipes: in the wheel's data, or in the repository of an editable install."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "_data" / "recipes"
    return inside if inside.is_dir() else package.parent / "recipes"


def shipped() -> dict[str, Path]:
    """Name -> file of every shipped recipe, sorted."""
    return {path.stem: path for path in sorted(recipes_folder().glob("*.yaml"))}


def copied(path: Path) -> bytes:
    """The content of a recipe for a file elsewhere, whose editor is to find the schema where it is installed."""
    installed = (recipes_folder() / SCHEMA).as_uri()
    return path.read_bytes().replace(f"{MODELINE}{SCHEMA}".encode(), f"{MODELINE}{installed}".encode(), 1)


def is_recipe(name: str) -> bool:
    """Whether a name on the command line is that of a recipe: a shipped one, or a YAML file's."""
    return name in shipped() or name.endswith((".yaml", ".yml"))


def find(reference: str, folder: Path | None = None) -> Path:
    """The file a user means: a path (relative to `folder`, or to here), or a shipped name. SettingsError if none."""
    known = shipped()
    name = reference.removesuffix(".yaml").removesuffix(".yml")
    is_path = name != reference or "/" in reference
    path = (folder or Path()) / Path(reference).expanduser()
    if is_path and path.is_file():
        return path
    if reference in known:
        return known[reference]
    if is_path and path.exists():
        raise SettingsError(f"{path}: is a folder; a recipe is a YAML file.")
    kind = "recipe file" if is_path else "shipped recipe"
    alike = path_alike(path, folders=False) if is_path else ""
    hint = alike or nearest(name.rpartition("/")[2], known) or "; `alignfreeze recipes list` lists them."
    raise SettingsError(f"There is no {kind} {reference!r}{hint}")


def read_yaml(path: Path) -> Document:
    """Read a file that holds one mapping. SettingsError, with the line, if it can't be read, is too large, or no YAML.

    Time and memory are bounded, whatever the file holds: its size, its values and their depth are limited.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _too_large(path)
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: is no text file in UTF-8, so it can't be a recipe.") from None
    except OSError as error:
        raise SettingsError(f"{path}: can't be read ({error.strerror}).") from None
    try:
        depth = 0
        for number, event in enumerate(YAML(typ="safe", pure=True).parse(text)):
            depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
            if number > 2 * MAX_VALUES or depth > MAX_DEPTH:  # a list or mapping is two events
                raise _too_large(path, event.start_mark.line + 1)
        yaml = YAML(typ="safe", pure=True)
        content = _Content(path, yaml.constructor)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ReusedAnchorWarning)  # allowed: an alias means the last one before it
            root = yaml.compose(text)
        values = content.plain(root, ()) if root is not None else {}
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise SettingsError(f"{path}{line}: is no YAML: {error.problem or error.context}.") from None
    except YAMLError as error:
        raise SettingsError(f"{path}: is no YAML: {str(error).splitlines()[0]}.") from None
    if not isinstance(values, dict):
        raise SettingsError(f"{path}: must hold `key: value` lines, not a {type(values).__name__}.")
    return Document(path, values, "\n".join(_header(text.splitlines())), content.lines, tuple(content.problems))


def first_line(path: Path) -> str:
    """The first line of the comment at the top of a recipe, without reading the rest. OSError if it can't be read."""
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        return next(_header(lines), "")


def _header(lines: Iterable[str]) -> Iterator[str]:
    """The comment at the top; a line for editors, which names the schema, is none of it."""
    comments = takewhile(lambda line: line.startswith("#"), lines)
    return (line.lstrip("#").strip() for line in comments if not line.startswith(MODELINE))


class _Content:
    """Turns the nodes of a YAML file into values, and keeps the line of every key and the mistakes found on the way."""

    def __init__(self, path: Path, constructor: Any) -> None:
        self.path, self.constructor = path, constructor
        self.lines: dict[Place, int] = {}
        self.problems: list[str] = []
        self.counted = 0

    def plain(self, node: Node, place: Place, depth: int = 0) -> Any:
        self.counted += 1  # an alias counts as all that it stands for
        if self.counted > MAX_VALUES or depth > MAX_DEPTH:
            raise _too_large(self.path, node.start_mark.line + 1)
        if isinstance(node, SequenceNode):
            return [self.plain(item, place, depth + 1) for item in node.value]
        if not isinstance(node, MappingNode):
            is_date = node.tag == "tag:yaml.org,2002:timestamp"  # text to us
            try:
                return node.value if is_date else self.constructor.construct_object(node)
            except (ValueError, KeyError):  # a number of thousands of digits, or a tag that the value does not fit
                kind, line = str(node.tag).rpartition(":")[2], node.start_mark.line + 1
                raise SettingsError(f"{self.path}:{line}: {node.value[:20]!r} is no {kind} that can be read.") from None
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value) if isinstance(key_node, ScalarNode) else ""
            line = key_node.start_mark.line + 1
            if not key or key in values:
                what = f"{'.'.join((*place, key))}: is given twice" if key else "a key must be a word"
                self.problems.append(f"{self.path}:{line}: {what}")
                continue
            self.lines[(*place, key)] = line
            values[key] = self.plain(value_node, (*place, key), depth + 1)
        return values


def _too_large(path: Path, line: int | None = None) -> SettingsError:
    where = f"{path}:{line}" if line else str(path)
    return SettingsError(
        f"{where}: is too large for a recipe, which holds at most {MAX_VALUES:,} values, counted through aliases, "
        f"{MAX_DEPTH} levels deep, in {MAX_BYTES:,} bytes."
    )


def parse_overrides(overrides: Sequence[str]) -> Document:
    """`section.key=value` or `key=value` texts as a layer above all files; lists are comma separated."""
    values: dict[str, Any] = {}
    problems = []
    for text in overrides:
        name, equals, value = text.partition("=")
        section, dot, key = name.strip().partition(".")
        if not equals or not section or (dot and not key):
            problems.append(f"--set {text}: must look like section.key=value, for example realign.steps=100")
        elif section in FILES_ONLY:
            problems.append(
                f"--set {text}: {section} can't be set here; make a recipe of your own that extends this one"
            )
        elif not dot:
            switched = {"true": True, "false": False}.get(value, value)
            values[section] = switched if section in SECTIONS else value
        elif isinstance(values.setdefault(section, {}), dict):
            values[section][key] = value
        else:
            problems.append(f"--set {text}: {section} was set to {values[section]} before")
    return Document(SET, values, "", {}, tuple(problems))
