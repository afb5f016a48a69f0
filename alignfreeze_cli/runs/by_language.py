"""A graph in which every language is aligned by a step of its own, so that jobs or machines share the work.

What reads the pairs is given the folders of all languages, in the order of the recipe; it makes of them what it would
make of one folder with all of them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from alignfreeze_cli.aligners.settings import AlignPairsSettings
from alignfreeze_cli.artifacts.run_folder import RunFolder
from alignfreeze_cli.runs.graph import Graph, Node

ENDING = "-by-language"
_READERS = ("pairs", "realign_with")  # settings that name pairs folders


def by_language(graph: Graph) -> Graph:
    """The graph with `pairs-by-language/de`, `pairs-by-language/tr` … in the place of every `pairs` of several."""
    parts = {name: _parts(node) for name, node in graph.nodes.items() if _is_divided(node)}
    folders = {str(graph.nodes[name].output): [str(part.output) for part in nodes] for name, nodes in parts.items()}
    nodes: dict[str, Node] = {}
    for node in graph.nodes.values():
        for each in parts.get(node.name, [node]):
            needs = tuple(part for name in each.needs for part in _names(parts, name))
            nodes[each.name] = replace(each, needs=needs, settings=_reading(each.settings, folders))
    runs = tuple(replace(run, links=_links(run, parts)) for run in graph.runs)
    return replace(graph, nodes=nodes, runs=runs)


def _is_divided(node: Node) -> bool:
    return isinstance(node.settings, AlignPairsSettings) and len(node.settings.target) > 1


def _parts(node: Node) -> list[Node]:
    """One node for each language of a node of align-pairs."""
    settings = node.settings
    assert isinstance(settings, AlignPairsSettings)
    found = []
    for target in settings.target:
        kept = settings.save_aligner and settings.save_aligner / target
        output = node.output.parent / f"{node.output.name}{ENDING}" / target
        own = replace(settings, target=(target,), output=output, save_aligner=kept)
        found.append(replace(node, name=f"{node.name}{ENDING}/{target}", settings=own))
    return found


def _names(parts: dict[str, list[Node]], name: str) -> list[str]:
    return [part.name for part in parts[name]] if name in parts else [name]


def _reading(settings: Any, folders: dict[str, list[str]]) -> Any:
    """A step's settings with the folders of single languages where they name one of several."""
    for name in _READERS:
        if references := getattr(settings, name, None):
            new = tuple(each for reference in references for each in folders.get(reference, [reference]))
            settings = replace(settings, **{name: new})
    return settings


def _links(run: RunFolder, parts: dict[str, list[Node]]) -> dict[str, str]:
    """The links of a run's folder, to the folder of folders."""
    divided = {f"../{name}" for name in parts}
    return {
        f"{name}{ENDING}" if to in divided else name: f"{to}{ENDING}" if to in divided else to
        for name, to in run.links.items()
    }
