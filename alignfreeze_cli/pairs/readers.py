"""Finding parallel text and reading it: text files (TSV, `source ||| target`, two Moses files); see also `tables.py`
(Parquet, CSV, JSONL), `tmx.py` and `hub_corpora.py`.

Every reader is a `Corpus` that gives chunks of a fixed number of lines, so memory does not grow with the corpus.
"""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Protocol

from alignfreeze_cli.artifacts import Input, resolve_files
from alignfreeze_cli.artifacts.files import content_digest
from alignfreeze_cli.artifacts.nearby import path_alike
from alignfreeze_cli.errors import DataError, SettingsError
from alignfreeze_cli.pairs.chunks import Chunk, Form, Layout
from alignfreeze_cli.pairs.hub_corpora import find_hub_corpus
from alignfreeze_cli.pairs.settings import TWO_FILES, CorpusSettings, fill, may_be_hub, placeholders
from alignfreeze_cli.pairs.tables import CsvFile, JsonlFile, ParquetFile, column_numbers
from alignfreeze_cli.pairs.text_files import (
    COMPRESSED,
    CorpusFile,
    FileOfLines,
    blocks,
    corpus_file,
    first_lines,
    open_lines,
    read_start,
)
from alignfreeze_cli.pairs.tmx import TmxFile
from alignfreeze_cli.progress import Console


class Corpus(Protocol):
    """Parallel text of one language pair. `place` names it in messages and statistics."""

    @property
    def place(self) -> str: ...

    def chunks(self, limit: int | None) -> Iterator[Chunk]:
        """The first `limit` lines (all, if None); none if it is empty. Raises DataError for what is no such corpus."""
        ...


class FileCorpus(Corpus, Protocol):
    """One that is read from files."""

    @property
    def files(self) -> list[CorpusFile]: ...


def find_corpora(settings: CorpusSettings, target: str) -> tuple[list[Corpus], Input]:
    """The corpora of a language pair in the order given, and all of them as one resolved input.

    Raises DataError for a missing file, HubError for a data set that cannot be reached.
    """
    corpora: list[Corpus] = []
    inputs: list[Input] = []
    for reference in settings.corpus:
        found, resolved = _find(reference, settings, target)
        corpora += found
        inputs.append(resolved)
    if len(inputs) == 1:
        return corpora, inputs[0]
    digest = content_digest({f"{number:06d}": each.digest for number, each in enumerate(inputs)})
    commit = next((each.commit for each in inputs if each.commit), None)
    return corpora, Input(inputs[0].name, " ".join(settings.corpus), inputs[0].path, digest, commit)


def count_lines(settings: CorpusSettings, console: Console | None = None) -> int | None:
    """How many lines of the corpora are read, in all languages; None unless all of them are files that are there.

    Nothing is fetched, and a pipe, which can be read only once, is left alone. Raises DataError for what is no corpus.
    """
    corpora: list[FileCorpus] = []
    for target in settings.target:
        for reference in settings.corpus:
            if is_on_hub(reference, settings.source, target):
                return None
            if not all(path.is_file() for path in corpus_paths(reference, settings.source, target)):
                return None
            corpora += _corpora_in_files(reference, settings, target)
    with (console or Console()).progress("counting lines", unit="lines") as progress:
        for corpus in corpora:
            for chunk in corpus.chunks(settings.max_lines):
                progress.advance(chunk.count)
    return progress.done


def _find(reference: str, settings: CorpusSettings, target: str) -> tuple[Sequence[Corpus], Input]:
    """What one item of `--corpus` names: a data set of the Hub, two files, or all files that fit a pattern."""
    source, name = settings.source, f"corpus {target}"
    if is_on_hub(reference, source, target):
        corpus, resolved = find_hub_corpus(fill(reference, source, target), settings, target, name)
        return [corpus], resolved
    corpora = _corpora_in_files(reference, settings, target)
    return corpora, resolve_files(name, reference, [file.path for each in corpora for file in each.files])


def _corpora_in_files(reference: str, settings: CorpusSettings, target: str) -> Sequence[FileCorpus]:
    """The corpora of one item of `--corpus` that names files. Raises DataError if one is missing."""
    both_sides = _of_both_sides(reference)
    if both_sides and (settings.columns or settings.score_column):
        option = "--columns" if settings.columns else "--score-column"
        raise SettingsError(f"{option} is for files that hold both sides, not for {reference}.")
    files = [corpus_file(path) for path in corpus_paths(reference, settings.source, target)]
    return [TwoFiles(*files)] if both_sides else [_find_reader(file, settings, target) for file in files]


def is_on_hub(reference: str, source: str, target: str) -> bool:
    """Whether an item of `--corpus` names a data set of the Hub.

    Raises DataError for what is written nearly as a file or folder that is beside it.
    """
    filled = fill(reference, source, target)
    path = Path(filled)
    if _of_both_sides(reference) or not may_be_hub(filled) or path.exists():
        return False
    if "/" in filled and "@" not in filled and path.parent.is_dir() and (alike := path_alike(path)):
        raise DataError(f"no such corpus here (a data set of the Hub would be {filled}@main){alike}", filled)
    return True


def corpus_paths(reference: str, source: str, target: str) -> list[Path]:
    """The files that an item of `--corpus` names, whether they exist or not.

    Two, if it names one for each side; otherwise that of this name or, if there is none and the name holds wildcards,
    those that fit them, sorted.
    """
    filled = fill(reference, source, target)
    if _of_both_sides(reference):
        # `a.en::b.de` names both sides' files; otherwise {language} in the one name is either side's code.
        sides = filled.split(TWO_FILES, 1) if TWO_FILES in reference else [filled, filled]
        codes = (source, target)
        return [Path(side.replace("{language}", code)).expanduser() for side, code in zip(sides, codes, strict=True)]
    plain = Path(filled).expanduser()
    fitting = sorted(glob.glob(str(plain))) if not plain.exists() and glob.has_magic(filled) else []
    return [Path(match) for match in fitting] or [plain]


def _of_both_sides(reference: str) -> bool:
    """Whether an item names two files, one for each side."""
    return TWO_FILES in reference or "language" in placeholders(reference)


_FORMATS = {
    "tsv": "tsv",
    "tab": "tsv",
    "csv": "csv",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "json": "jsonl",
    "tmx": "tmx",
    "parquet": "parquet",
}
"""Ending of a file's name -> format."""


def _find_reader(file: CorpusFile, settings: CorpusSettings, target: str) -> FileCorpus:
    name = file.place
    for ending in COMPRESSED:
        name = name.removesuffix(ending)
    form = _FORMATS.get(name.rpartition(".")[2].lower())
    if settings.corpus_format != "auto" and form != "parquet":
        form = settings.corpus_format
    form = form or _guess_format(file)
    readers: dict[str, Callable[[CorpusFile, str, str, tuple[str, ...], str | None], FileCorpus]] = {
        "tsv": TextFile,
        "bars": partial(TextFile, form="bars"),
        "parquet": ParquetFile,
        "csv": CsvFile,
        "jsonl": JsonlFile,
        "tmx": TmxFile,
    }
    return readers[form](file, settings.source, target, settings.columns, settings.score_column)


def _guess_format(file: CorpusFile) -> str:
    """The format, by how the file begins; TSV or `source ||| target` by what more of the first hundred lines hold."""
    start = read_start(file).lstrip()
    if start.startswith("PAR1"):
        return "parquet"
    if start.startswith(("<?xml", "<tmx")):
        return "tmx"
    if start.startswith(('{"', "{ ")):
        return "jsonl"
    with open_lines(file) as all_lines:
        lines = first_lines(all_lines, file)
    tabs = sum(b"\t" in line for line in lines)
    bars = sum(b"|||" in line for line in lines)
    if lines and tabs == bars == 0:
        raise DataError("is neither TSV (source, tab, target) nor lines of `source ||| target`", file.place)
    return "bars" if bars > tabs else "tsv"


@dataclass(frozen=True)
class TextFile(FileOfLines):
    """One file with both sides on a line.

    `columns`: numbers of the two parts, counted from 1, or their names in the first line, if there are more than two.
    """

    form: Form = "tsv"

    def chunks_of(self, head: Sequence[bytes], lines: Iterator[bytes], limit: int | None) -> Iterator[Chunk]:
        layout, named = self._layout(head)
        start = 2 if named else 1
        for first, (block,) in blocks([islice(lines, start - 1, None)], [self.file], limit, start):
            yield Chunk(self.place, first, len(block), self.form, (b"".join(block),), layout)

    def _layout(self, head: Sequence[bytes]) -> tuple[Layout, bool]:
        """Which parts of a line are the sides, and whether the first line names them. Raises DataError."""
        separator = "\t" if self.form == "tsv" else "|||"
        rows = [line.decode("utf-8", "replace").rstrip("\r\n").split(separator) for line in head if line.strip()]
        if not rows:
            return Layout(), False
        # A tab at the end of a line begins no column.
        widths = Counter(len(row) - (len(row) > 2 and not row[-1].strip()) for row in rows)
        width = widths.most_common(1)[0][0]
        if not self.columns:
            if width > 2 and (self.score is not None or widths[width] > len(rows) / 2):
                raise DataError(
                    f"has {width} columns; say which two hold source and target, by their numbers, with "
                    "--columns SOURCE,TARGET",
                    self.place,
                    1,
                )
            if self.score is not None:
                raise DataError(f"has only {width} columns, so none with scores", self.place, 1)
            return Layout(), False
        wanted = self.columns if self.score is None else (*self.columns, self.score)
        names = [name.strip() for name in head[0].decode("utf-8", "replace").rstrip("\r\n").split(separator)]
        if numbers := column_numbers(wanted, width, self.place):
            return _layout_of(numbers, width), False
        for column in wanted:
            if column not in names:
                raise DataError(f"has no column {column!r} in its first line, only {', '.join(names)}", self.place, 1)
        return _layout_of([names.index(column) for column in wanted], len(names)), True


def _layout_of(columns: Sequence[int], width: int) -> Layout:
    """The layout of lines with so many parts, of which those with these numbers are the sides and perhaps the score."""
    return Layout(columns[0], columns[1], width, columns[2] if len(columns) > 2 else None)


@dataclass(frozen=True)
class TwoFiles:
    """Two files (as Moses takes them): line k of the one translates line k of the other."""

    source: CorpusFile
    target: CorpusFile

    @property
    def place(self) -> str:
        return f"{self.source.place} and {self.target.place}"

    @property
    def files(self) -> list[CorpusFile]:
        return [self.source, self.target]

    def chunks(self, limit: int | None) -> Iterator[Chunk]:
        with ExitStack() as stack:
            lines = [stack.enter_context(open_lines(file)) for file in self.files]
            for first, found in blocks(lines, self.files, limit):
                lengths = [len(block) for block in found]
                if lengths[0] != lengths[1]:
                    short, long = self.files if lengths[0] < lengths[1] else self.files[::-1]
                    raise DataError(f"has only {first - 1 + min(lengths)} lines, but {long.place} goes on", short.place)
                yield Chunk(self.place, first, lengths[0], "two files", tuple(b"".join(block) for block in found))
