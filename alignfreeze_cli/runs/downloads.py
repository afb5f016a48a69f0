"""What the steps of a graph read and none of them makes, as far as it comes from the Hub or another server.

A download can be listed, with the sizes of its files, and fetched into the caches. Fetching ends in the functions by
which the steps find their inputs, so that what was fetched is what they read; without a network (HF_HUB_OFFLINE) the
same call tells whether all of it is in the caches.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from alignfreeze_cli.aligners.dictionary_cache import remote_dictionary
from alignfreeze_cli.aligners.dictionary_files import file_names, find_dictionary
from alignfreeze_cli.aligners.settings import MUSE, AlignPairsSettings
from alignfreeze_cli.artifacts.hub_client import split_reference
from alignfreeze_cli.artifacts.hub_listing import RemoteFile, remote_files
from alignfreeze_cli.artifacts.inputs import files_of, resolve_artifact, resolve_encoder
from alignfreeze_cli.errors import AlignFreezeError, HubError
from alignfreeze_cli.pairs.hub_corpora import HubCorpus, find_hub_corpus
from alignfreeze_cli.pairs.readers import is_on_hub
from alignfreeze_cli.pairs.settings import CorpusSettings, fill
from alignfreeze_cli.phrases import counted
from alignfreeze_cli.progress import Console
from alignfreeze_cli.runs.graph import Graph
from alignfreeze_cli.runs.paths import ARTIFACTS, made_by
from alignfreeze_cli.settings import StepSettings, as_list
from alignfreeze_cli.tasks.data import find_data
from alignfreeze_cli.tasks.registry import TASKS
from alignfreeze_cli.tasks.remote_data import remote_data
from alignfreeze_cli.tasks.settings import EvaluateSettings, FinetuneSettings


class Download(ABC):
    """Something that is read: `title` in words, `parts` which of it, such as languages."""

    @property
    @abstractmethod
    def title(self) -> str: ...

    @property
    def parts(self) -> tuple[str, ...]:
        return ()

    @abstractmethod
    def files(self) -> list[RemoteFile]:
        """Its files, without fetching them. Raises HubError, DataError."""

    @abstractmethod
    def fetch(self, console: Console) -> None:
        """Bring it into the caches; offline, raises HubError if it isn't there. Raises HubError, DataError."""

    def missing(self) -> tuple[tuple[str, ...], str] | None:
        """Offline, the parts that are not in the caches, and why; None if all of it is there."""
        try:
            self.fetch(Console())
        except AlignFreezeError as error:
            return self.parts, str(error)
        return None


@dataclass(frozen=True)
class ArtifactDownload(Download):
    """A model, pairs or a fitted aligner in a repository of the Hub. `kind` is that of a record."""

    reference: str
    kind: str = "encoder"
    of_sentences: bool = False
    hint: str = field(default="", compare=False)  # what else may be meant, if there is no such repository

    @property
    def title(self) -> str:
        return f"{'model' if self.kind in ('encoder', 'task-model') else self.kind} {self.reference}"

    def files(self) -> list[RemoteFile]:
        try:
            return remote_files(self.reference, *files_of(self.kind, self.of_sentences))
        except HubError as error:
            raise HubError(f"{error}".rstrip(".") + self.hint if self.hint else str(error)) from error

    def fetch(self, console: Console) -> None:
        if self.kind == "encoder":
            resolve_encoder(self.reference, of_sentences=self.of_sentences)
        else:
            resolve_artifact(self.reference, self.kind)


@dataclass(frozen=True)
class CorpusDownload(Download):
    """Parallel text of a language pair in a data set of the Hub; `lines`: how many of it are read, None for all."""

    reference: str
    source: str
    target: str
    split: str = "train"
    lines: int | None = None

    @property
    def title(self) -> str:
        return f"parallel text {self.reference}"

    @property
    def parts(self) -> tuple[str, ...]:
        return (self.target,)

    def _found(self) -> HubCorpus:
        settings = CorpusSettings(source=self.source, target=(self.target,), split=self.split)
        return find_hub_corpus(fill(self.reference, self.source, self.target), settings, self.target, "corpus")[0]

    def files(self) -> list[RemoteFile]:
        return self._found().files()

    def fetch(self, console: Console) -> None:
        self._found().fetch(self.lines)


@dataclass(frozen=True)
class DictionaryDownload(Download):
    """Both directions' dictionaries of a language pair at addresses of the web."""

    template: str
    source: str
    target: str
    copy_forward: bool = False

    @property
    def title(self) -> str:
        return "dictionaries of MUSE" if self.template == MUSE else f"dictionaries {self.template}"

    @property
    def parts(self) -> tuple[str, ...]:
        return (self.target,)

    def files(self) -> list[RemoteFile]:
        addresses = dict.fromkeys(file_names(self.template, self.source, self.target, self.copy_forward))
        found = [file for address in addresses if address is not None and (file := remote_dictionary(address))]
        if not found:
            raise HubError(f"The server has no dictionary for {self.source}-{self.target}, or refuses to give it.")
        return found

    def fetch(self, console: Console) -> None:
        find_dictionary(self.template, self.source, self.target, copy_forward=self.copy_forward)


@dataclass(frozen=True)
class TaskDataDownload(Download):
    """The default data of a task in some languages."""

    task: str
    split: str
    languages: tuple[str, ...]

    @property
    def title(self) -> str:
        what = "training" if self.split == "train" else "test"
        return f"{what} data of {self.task} ({TASKS[self.task].data})"

    @property
    def parts(self) -> tuple[str, ...]:
        return self.languages

    def files(self) -> list[RemoteFile]:
        return remote_data(TASKS[self.task], self.languages, self.split)

    def fetch(self, console: Console) -> None:
        option = "--train" if self.split == "train" else "--data"
        find_data(TASKS[self.task], self.languages, None, self.split, option, console)

    def missing(self) -> tuple[tuple[str, ...], str] | None:
        whole = super().missing()
        if whole is None or len(self.languages) == 1:
            return whole
        lacking = [each for each in self.languages if TaskDataDownload(self.task, self.split, (each,)).missing()]
        return tuple(lacking) or self.languages, whole[1]  # each may be there, but not all in one version


_OFFLINE = "not in the local cache"
"""What the reason says where nothing else is wrong."""

OTHERS = ("corpus", "dictionary", "links", "train", "data")
"""The other settings that name an input: files here, or data that are downloads of their own."""


def downloads_of(graph: Graph) -> list[Download]:
    """What the steps of a graph read, in the order of the steps, each once."""
    made = made_by(graph)
    languages = {
        str(node.output): node.settings.language
        for node in graph.nodes.values()
        if isinstance(node.settings, FinetuneSettings)
    }
    found: list[Download] = []
    for node in graph.nodes.values():
        for download in _downloads_of_step(node.settings, languages):
            local = isinstance(download, ArtifactDownload) and _is_path(download.reference, made)
            found += [] if local else [download]
    return list(dict.fromkeys(found))


def _is_path(reference: str, made: Sequence[Path]) -> bool:
    """Whether a reference is a path: it exists, a step makes it or its folder, or the Hub has no such names."""
    path = Path(reference).expanduser()
    there = path.exists() or any(path.is_relative_to(folder) for folder in made)
    return there or path.is_absolute() or reference.startswith(".") or split_reference(reference) is None


def _downloads_of_step(settings: StepSettings, trained_in: dict[str, str]) -> Iterator[Download]:
    """`trained_in`: the language of each task model that the graph makes."""
    for name, kind in ARTIFACTS.items():
        kind = "task-model" if name == "model" and isinstance(settings, EvaluateSettings) else kind
        for reference in as_list(getattr(settings, name, None) or ()):
            yield ArtifactDownload(str(reference), kind, of_sentences=name == "filter_encoder")
    if isinstance(settings, AlignPairsSettings):
        yield from _downloads_of_pairs(settings)
    elif isinstance(settings, FinetuneSettings) and settings.train is None:
        yield TaskDataDownload(settings.task, "train", (settings.language,))
    elif isinstance(settings, EvaluateSettings) and settings.data is None and settings.task is not None:
        trained = trained_in.get(settings.model, TASKS[settings.task].source_language)
        languages = settings.languages or TASKS[settings.task].scored_languages(trained)
        yield TaskDataDownload(settings.task, "test", tuple(languages))


def _downloads_of_pairs(settings: AlignPairsSettings) -> Iterator[Download]:
    for target in settings.target:
        for reference in settings.corpus:
            if is_on_hub(reference, settings.source, target):
                yield CorpusDownload(reference, settings.source, target, settings.split, settings.max_lines)
        if settings.aligner == "dictionary" and settings.dictionary.startswith(("http://", "https://")):
            copied = settings.reverse_dictionary == "published"
            yield DictionaryDownload(settings.dictionary, settings.source, target, copied)


def demand_downloads(graph: Graph, fetch: str) -> None:
    """Offline, see that all that the steps read is in the caches. `fetch` is the command that brings it there.

    Raises HubError with the whole list of what is missing.
    """
    found: dict[str, list[str]] = {}
    reasons: dict[str, str] = {}
    for download in downloads_of(graph):
        if lacking := download.missing():
            found.setdefault(download.title, []).extend(lacking[0])
            reasons.setdefault(download.title, lacking[1])
    if not found:
        return
    lines = [f"Offline, and the caches lack {counted(len(found), 'thing')} that the steps read:"]
    for title, parts in found.items():
        said = "" if _OFFLINE in reasons[title] else f" ({reasons[title]})"
        lines.append(f"  {title}{': ' if parts else ''}{', '.join(dict.fromkeys(parts))}{said}")
    lines.append(f"Where there is a network, with the same HF_HOME and ALIGNFREEZE_CACHE: {fetch}")
    raise HubError("\n".join(lines))
