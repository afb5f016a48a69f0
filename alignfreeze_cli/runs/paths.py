"""Paths that the steps of a graph are to read: whether they exist is told before the first step, not hours later."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from alignfreeze_cli.aligners.dictionary_files import file_names
from alignfreeze_cli.aligners.settings import AlignPairsSettings
from alignfreeze_cli.artifacts.inputs import local_folder
from alignfreeze_cli.artifacts.nearby import path_alike
from alignfreeze_cli.errors import DataError
from alignfreeze_cli.pairs.readers import corpus_paths, is_on_hub
from alignfreeze_cli.pairs.settings import fill
from alignfreeze_cli.phrases import counted
from alignfreeze_cli.runs.graph import Graph
from alignfreeze_cli.settings import StepSettings, as_list
from alignfreeze_cli.tasks.data import local_files
from alignfreeze_cli.tasks.registry import TASKS
from alignfreeze_cli.tasks.settings import EvaluateSettings, FinetuneSettings

ARTIFACTS = {
    "model": "encoder",
    "base": "encoder",
    "encoder": "encoder",
    "filter_encoder": "encoder",
    "pairs": "pairs",
    "realign_with": "pairs",
    "load_aligner": "aligner",
}
"""Setting that names a folder or a repository -> the kind of what it names."""


def demand_paths(graph: Graph) -> None:
    """See that what the steps read, and none of them makes, is there, as far as it is named by a path.

    Raises DataError with all that is missing.
    """
    made = made_by(graph)
    problems = list(dict.fromkeys(each for node in graph.nodes.values() for each in _missing(node.settings, made)))
    if len(problems) == 1:
        raise DataError(problems[0])
    if problems:
        lines = [f"{counted(len(problems), 'path')} that the steps read are not there:", *problems]
        raise DataError("\n  ".join(lines))


def made_by(graph: Graph) -> list[Path]:
    """The folders that the steps of a graph make."""
    found: list[Path] = []
    for node in graph.nodes.values():
        extra = (getattr(node.settings, name, None) for name in ("save_aligner", "pharaoh"))
        found += [node.output, *(path for path in extra if path is not None)]
    return found


def _missing(settings: StepSettings, made: list[Path]) -> Iterator[str]:
    """A sentence for each path of a step that is not there."""
    for name in ARTIFACTS:
        for reference in as_list(getattr(settings, name, None) or ()):
            if not any(Path(reference).is_relative_to(folder) for folder in made):
                try:
                    local_folder(str(reference))
                except DataError as error:
                    yield str(error)
    if isinstance(settings, AlignPairsSettings):
        for target in settings.target:
            yield from _missing_of_pair(settings, target, made)
    if isinstance(settings, FinetuneSettings):
        yield from _missing_data(settings.task, settings.train, (settings.language,), "train", "finetune.train")
    if isinstance(settings, EvaluateSettings) and settings.task is not None:
        languages = settings.languages or ()  # without them they follow from the model
        yield from _missing_data(settings.task, settings.data, languages, "test", "evaluate.data")


def _missing_of_pair(settings: AlignPairsSettings, target: str, made: list[Path]) -> Iterator[str]:
    source = settings.source
    for reference in settings.corpus:
        try:
            paths = [] if is_on_hub(reference, source, target) else corpus_paths(reference, source, target)
        except DataError as error:
            yield str(error)
            continue
        yield from (f"{path}: no such corpus{path_alike(path, folders=False)}" for path in paths if not path.exists())
    if settings.aligner == "dictionary" and "://" not in settings.dictionary:
        names = [name for name in file_names(settings.dictionary, source, target) if name is not None]
        paths = [Path(name).expanduser() for name in names]
        if not any(path.is_file() for path in paths):
            yield f"{paths[0]}: no such dictionary{path_alike(paths[0], folders=False)}"
    if settings.links is not None:
        path = Path(fill(settings.links, source, target)).expanduser()
        if not path.exists() and not any(path.is_relative_to(folder) for folder in made):
            yield f"{path}: no such file of links{path_alike(path, folders=False)}"


def _missing_data(
    task: str, pattern: str | None, languages: tuple[str, ...], split: str, setting: str
) -> Iterator[str]:
    for language in languages if pattern is not None else ():
        try:
            local_files(TASKS[task], str(pattern), language, split, setting)
        except DataError as error:
            yield str(error)
