"""Statistical aligners learn from the text alone which words translate each other: fast_align, eflomal, HMM.

They are those of the library sil-thot (extra `aligners`). The whole text of a language pair is read before its pairs
are written, and linked while the model is at hand.
"""

from __future__ import annotations

import functools
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from alignfreeze_cli.aligners.base import MODEL, SentencePairs
from alignfreeze_cli.aligners.fit_text import SIDES, FitText, word_keys, write_text
from alignfreeze_cli.aligners.fitting import (
    DIRECTIONS,
    FittedLinks,
    KnownLinks,
    link_text,
    symmetrise_text,
    symmetrise_units,
)
from alignfreeze_cli.aligners.link_table import LinkTable
from alignfreeze_cli.aligners.saved import KNOWN, find_saved
from alignfreeze_cli.aligners.settings import AlignPairsSettings
from alignfreeze_cli.aligners.thot_process import Task, longest, units
from alignfreeze_cli.artifacts import Input
from alignfreeze_cli.artifacts.record import portable
from alignfreeze_cli.errors import ArtifactError, DataError, SettingsError
from alignfreeze_cli.pairs.links import Links
from alignfreeze_cli.phrases import counted
from alignfreeze_cli.progress import Console

FEW = 1_000
"""Sentence pairs below which a statistical aligner is warned of: it has nothing but them to learn from."""

_NO_ARRAYS = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)
"""What NumPy raises for a file that holds no arrays."""


@dataclass(frozen=True)
class StatisticalAligner:
    """An aligner of `thot_process.py` for one language pair.

    `rule` is how its directions are symmetrised, `longest` the most words of a sentence, `processes` how many may run
    at a time. `keep`: the model is wanted. `loaded` is the folder of a model that was fitted before, `digest` that of
    its content, `fitted` the folder of the links, once there are any.
    """

    scored: ClassVar[bool] = True

    name: str
    source: str
    target: str
    rule: str
    seed: int
    longest: int
    processes: int = 1
    keep: bool = False
    loaded: Path | None = None
    digest: str = ""
    fitted: Path | None = None
    companion: Path | None = None

    @classmethod
    def prepare(cls, settings: AlignPairsSettings, target: str, console: Console) -> tuple[Self, list[Input]]:
        """Look for the library, and for a saved aligner. Raises SettingsError, ArtifactError, HubError."""
        try:
            limit = longest(settings.aligner)
        except ImportError as error:
            raise SettingsError(
                f"--aligner {settings.aligner} needs the package sil-thot: pip install 'alignfreeze[aligners]'. It is "
                "there for Linux on x86-64 and macOS; elsewhere pip has to compile it, or take --aligner pharaoh with "
                "links made on another machine."
            ) from error
        if sys.platform == "win32":  # its processes are listened to by `select`, which knows no pipes there
            raise SettingsError(
                f"--aligner {settings.aligner} does not run on Windows; take --aligner pharaoh with links made on "
                "another machine."
            )
        aligner = cls(
            settings.aligner,
            settings.source,
            target,
            settings.symmetrise,
            settings.seed,
            limit,
            settings.workers,
            settings.save_aligner is not None,
        )
        saved = find_saved(settings, target)
        return (
            (aligner, []) if saved is None else (replace(aligner, loaded=saved[0], digest=saved[1].digest), [saved[1]])
        )

    @property
    def pair(self) -> str:
        return f"{self.source}-{self.target}"

    def fit(self, batches: Iterator[SentencePairs], folder: Path, console: Console) -> Self:
        """Read the text into files, fit both directions if none is loaded, and link the text.

        Raises AlignFreezeError if a process fails, ArtifactError if a loaded file can't be used.
        """
        known, table = self._load_known(), None if self.loaded is None else _load_table(self.loaded, self.digest)
        with console.progress(f"reading {self.pair} for {self.name}", unit="lines") as progress:
            text = write_text(batches, folder, self.longest, known.digests, progress)
        if len(text) < FEW and self.loaded is None:
            console.warn(
                f"{self.pair}: {self.name} has only {counted(len(text), 'usable pair')} to learn from; with fewer than "
                "some thousands its links are poor."
            )
        tasks = self._tasks(text)
        rounds = len(tasks) * units(self.name, len(text.written), self.loaded is not None) + symmetrise_units(len(text))
        doing = f"fitting {self.name} to {self.pair}" if self.loaded is None else f"linking {self.pair}"
        with console.progress(doing, total=rounds, unit="rounds") as progress:
            found = known.followed_by(link_text(text, tasks, min(2, self.processes), progress))
            try:
                links, table = symmetrise_text(text, found, self.rule, table, progress)
            except ValueError as error:
                raise ArtifactError(f"does not fit the text ({error}); fit the aligner again", self.loaded) from error
        text.remove()
        links.save(folder)
        if self.keep:
            (folder / MODEL).mkdir(exist_ok=True)  # it is not there if no pair was usable
            table.save(folder / MODEL)
            if self.name == "eflomal":
                found.save(folder / MODEL / KNOWN)
        return replace(self, fitted=folder)

    def _load_known(self) -> KnownLinks:
        if self.loaded is None or not (self.loaded / KNOWN).exists():
            return KnownLinks.none()
        try:
            return KnownLinks.load(self.loaded / KNOWN)
        except _NO_ARRAYS as error:
            raise ArtifactError(f"holds no links ({error}); fit the aligner again", self.loaded / KNOWN) from error

    def _tasks(self, text: FitText) -> list[Task]:
        """Forward and reverse."""
        source, target = (str(text.file(side)) for side in SIDES)
        return [
            Task(
                self.name,
                self.seed,
                *files,
                positions=str(text.folder / way),
                load=str(self.loaded / way) if self.loaded is not None else None,
                save=str(text.folder / MODEL / way) if self.keep else None,
            )
            for way, files in zip(DIRECTIONS, ((source, target), (target, source)), strict=True)
        ]

    def check(self, batch: SentencePairs) -> list[str]:
        """Refuse text whose sides are swapped, which a loaded aligner can see; warn of words that it does not know."""
        if self.loaded is None:
            return []
        table = _load_table(self.loaded, self.digest)
        source, target = (np.unique(word_keys(words)) for words in (batch.source, batch.target))
        straight, crossed = sum(table.knows(source, target)), sum(table.knows(target, source))
        if crossed > max(1, 2 * straight):
            raise DataError(
                f"the text seems to have {self.target} on the side of {self.source}: the aligner knows {crossed} of "
                f"its words from the other side, only {straight} from this one; swap the sides",
                portable(str(self.loaded)),
            )
        share = straight / max(1, len(source) + len(target))
        if share < 0.5:
            return [
                f"{self.pair}: the loaded aligner knows only {share:.0%} of the words at the beginning of the text."
            ]
        return []

    def align(self, batch: SentencePairs) -> Links:
        """The links that were found for these lines of the corpora; other pairs get none."""
        assert self.fitted is not None
        if batch.position is None:
            return Links.from_lists([[] for _ in range(len(batch))], [])
        links, first = _load_links(self.fitted), batch.position - 1
        bounds = links.bounds[first : first + len(batch) + 1]
        start, end = np.searchsorted(links.too_long, (first, first + len(batch)))
        batch.too_long.extend((links.too_long[start:end] - first).tolist())
        pair = np.repeat(np.arange(len(batch)), np.diff(bounds))
        source, target, scores = (each[bounds[0] : bounds[-1]] for each in (links.source, links.target, links.scores))
        return Links(pair, source.astype(np.int64), target.astype(np.int64), np.array(scores))

    def statistics(self) -> dict[str, Any]:
        return {"symmetrised by": self.rule, "longest sentence": self.longest}


@functools.lru_cache(maxsize=2)
def _load_links(folder: Path) -> FittedLinks:
    return FittedLinks.load(folder)


@functools.lru_cache(maxsize=2)
def _load_table(folder: Path, digest: str = "") -> LinkTable:
    try:
        return LinkTable.load(folder)
    except _NO_ARRAYS as error:
        raise ArtifactError(f"holds no counts of links ({error}); fit the aligner again", folder) from error
