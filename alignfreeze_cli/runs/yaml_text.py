"""Reading YAML so that every mistake can be named with its line.

Two differences to PyYAML's own rules, both of YAML 1.2: only `true` and `false` are booleans, so `no` is Norwegian and
needs no quotes, and `1e-5` is a number. A key given twice is a mistake, not a silent replacement.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from alignfreeze_cli.errors import SettingsError

Place = tuple[str, ...]


@dataclass(frozen=True)
class Document:
    """One file: its values, the line of every key (counted from 1), and mistakes of its form.

    `header` is the comment at the top, without its marks.
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


class _Loader(yaml.SafeLoader):
    """SafeLoader with the plain scalars of YAML 1.2's core schema."""


_PLAIN = "tag:yaml.org,2002:"
_REPLACED = {_PLAIN + kind for kind in ("bool", "int", "float", "timestamp", "merge")}
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _REPLACED]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_PLAIN + "bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
_Loader.add_implicit_resolver(_PLAIN + "int", re.compile(r"^[-+]?[0-9]+$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    _PLAIN + "float",
    re.compile(r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$"),
    list("-+.0123456789"),
)
_Loader.add_constructor(_PLAIN + "int", lambda loader, node: int(str(node.value)))
_Loader.add_constructor(_PLAIN + "float", lambda loader, node: float(str(node.value)))


def read_yaml(path: Path) -> Document:
    """Read a file that holds one mapping. SettingsError if it can't be read or is no YAML, with the line."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: is no text file in UTF-8, so it can't be a recipe.") from None
    except OSError as error:
        raise SettingsError(f"{path}: can't be read ({error.strerror}).") from None
    loader = _Loader(text)
    lines: dict[Place, int] = {}
    problems: list[str] = []

    def plain(node: yaml.Node, place: Place) -> Any:
        if isinstance(node, yaml.MappingNode):
            values: dict[str, Any] = {}
            for key_node, value_node in node.value:
                key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else ""
                line = key_node.start_mark.line + 1
                if not key or key in values:
                    what = f"{'.'.join((*place, key))}: is given twice" if key else "a key must be a word"
                    problems.append(f"{path}:{line}: {what}")
                    continue
                lines[(*place, key)] = line
                values[key] = plain(value_node, (*place, key))
            return values
        if isinstance(node, yaml.SequenceNode):
            return [plain(item, place) for item in node.value]
        return loader.construct_object(node)

    try:
        root = loader.get_single_node()
        values = plain(root, ()) if root is not None else {}
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise SettingsError(f"{path}{line}: is no YAML: {error.problem or error.context}.") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise SettingsError(f"{path}: is no YAML: {str(error).splitlines()[0]}.") from None
    finally:
        loader.dispose()
    if not isinstance(values, dict):
        raise SettingsError(f"{path}: must hold `key: value` lines, not a {type(values).__name__}.")
    return Document(path, values, _header(text), lines, tuple(problems))


def _header(text: str) -> str:
    kept = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        kept.append(line.lstrip("#").strip())
    return "\n".join(kept)
