"""Finding and reading parallel text: text files (TSV, `source ||| target`, two Moses files), Parquet, the Hub.

Every reader is a `Corpus` that gives chunks of a fixed number of lines, so memory does not grow with the corpus.
"""

from __future__ import annotations

import functools
import glob
import gzip
import hashlib
import json
import logging
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import IO, Any, Protocol, TypeVar, cast

import pyarrow as pa
import pyarrow.parquet as pq

from alignfreeze_cli.artifacts import Input, resolve_files
from alignfreeze_cli.artifacts.files import cache_folder, content_digest, write_json
from alignfreeze_cli.artifacts.hub_client import hub_errors, split_reference, with_retries
from alignfreeze_cli.artifacts.record import portable
from alignfreeze_cli.errors import DataError, HubError
from alignfreeze_cli.pairs.arrays import table_to_bytes
from alignfreeze_cli.pairs.chunks import CHUNK, Chunk, Form
from alignfreeze_cli.pairs.settings import OPUS_100, TWO_FILES, CorpusSettings, fill, may_be_hub
from alignfreeze_cli.settings import nearest

T = TypeVar("T")


class Corpus(Protocol):
    """Parallel text of one language pair. `place` names it in messages and statistics."""

    @property
    def place(self) -> str: ...

    def chunks(self, limit: int | None) -> Iterator[Chunk]:
        """The first `limit` lines (all, if None). Raises DataError for what is no such corpus, or empty."""
        ...


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


def _find(reference: str, settings: CorpusSettings, target: str) -> tuple[Sequence[Corpus], Input]:
    """What one item of `--corpus` names: a data set of the Hub, two files, or all files that fit a pattern."""
    source, name = settings.source, f"corpus {target}"
    filled = fill(reference, source, target)
    if TWO_FILES in reference or "{language}" in filled:
        # `a.en::b.de` names both sides' files; otherwise {language} in the one name is either side's code.
        sides = filled.split(TWO_FILES, 1) if TWO_FILES in reference else [filled, filled]
        sides = [side.replace("{language}", code) for side, code in zip(sides, (source, target), strict=True)]
        two = TwoFiles(*(Path(side).expanduser() for side in sides))
        return [two], resolve_files(name, reference, two.paths)
    if may_be_hub(filled) and not Path(filled).exists():
        corpus, resolved = find_hub_corpus(filled, source, target, settings.split, name)
        return [corpus], resolved
    files = [_find_reader(path, settings, target) for path in _fitting_files(filled)]
    return files, resolve_files(name, reference, [file.path for file in files])


def _fitting_files(pattern: str) -> list[Path]:
    """The file of this name; if there is none and the name holds wildcards, the files that fit them, sorted."""
    plain = Path(pattern).expanduser()
    fitting = sorted(glob.glob(str(plain))) if not plain.exists() and glob.has_magic(pattern) else []
    return [Path(match) for match in fitting] or [plain]


def _find_reader(path: Path, settings: CorpusSettings, target: str) -> TextFile | ParquetFile:
    if not path.is_file():
        raise DataError("no such corpus file", path)
    if path.suffix == ".parquet":
        return ParquetFile(path, settings.source, target)
    form: Form = "bars" if settings.corpus_format == "bars" else "tsv"
    if settings.corpus_format == "auto" and path.name.removesuffix(".gz").rpartition(".")[2] not in ("tsv", "tab"):
        form = _guess_form(path)
    return TextFile(path, form)


def _guess_form(path: Path) -> Form:
    """TSV or `source ||| target`, by what more of the first hundred lines fit."""
    with _open_text(path) as file:
        lines = list(islice(file, 100))
    tabs = sum(line.count(b"\t") == 1 for line in lines)
    bars = sum(line.count(b"|||") == 1 for line in lines)
    if lines and tabs == bars == 0:
        raise DataError("is neither TSV (source, tab, target) nor lines of `source ||| target`", path)
    return "bars" if bars > tabs else "tsv"


# Text files


@dataclass(frozen=True)
class TextFile:
    """One file with both sides on a line."""

    path: Path
    form: Form

    @property
    def place(self) -> str:
        return portable(str(self.path))

    def chunks(self, limit: int | None) -> Iterator[Chunk]:
        with _open_text(self.path) as file:
            for first, blocks in _blocks([file], limit):
                yield Chunk(self.place, first, len(blocks[0]), self.form, (b"".join(blocks[0]),))


@dataclass(frozen=True)
class TwoFiles:
    """Two files (as Moses takes them): line k of the one translates line k of the other."""

    source: Path
    target: Path

    @property
    def place(self) -> str:
        return f"{portable(str(self.source))} and {portable(str(self.target))}"

    @property
    def paths(self) -> list[Path]:
        return [self.source, self.target]

    def chunks(self, limit: int | None) -> Iterator[Chunk]:
        with ExitStack() as stack:
            files = [stack.enter_context(_open_text(path)) for path in self.paths]
            for first, blocks in _blocks(files, limit):
                lengths = [len(block) for block in blocks]
                if lengths[0] != lengths[1]:
                    short, long = self.paths if lengths[0] < lengths[1] else self.paths[::-1]
                    raise DataError(f"has only {first - 1 + min(lengths)} lines, but {long} goes on", short)
                yield Chunk(self.place, first, lengths[0], "two files", tuple(b"".join(block) for block in blocks))


def _blocks(files: Sequence[IO[bytes]], limit: int | None) -> Iterator[tuple[int, list[list[bytes]]]]:
    """The next CHUNK lines of each file, with the number of the first; ends when no file has any."""
    first = 1
    while limit is None or first <= limit:
        size = CHUNK if limit is None else min(CHUNK, limit - first + 1)
        blocks = [list(islice(file, size)) for file in files]
        if not any(blocks):
            return
        yield first, blocks
        first += size


_SAMPLE_BYTES = 65_536  # bytes at the beginning of a file by which text is recognised
_SIGNATURES = {b"PK\x03\x04": "a zip archive", b"\x1f\x8b": "gzipped, but its name does not end in .gz"}


@contextmanager
def _open_text(path: Path) -> Iterator[IO[bytes]]:
    """A text file, gzipped or not; DataError for one that is missing, empty, binary or damaged."""
    if not path.is_file():
        raise DataError("no such corpus file", path)
    try:
        with cast(IO[bytes], gzip.open(path)) if path.suffix == ".gz" else path.open("rb") as file:
            start = file.read(_SAMPLE_BYTES)
            if not start.strip():
                raise DataError("is empty", path)
            kind = next((kind for signature, kind in _SIGNATURES.items() if start.startswith(signature)), None)
            if kind or b"\0" in start:
                raise DataError(f"is {kind or 'a binary file'}; a corpus must be UTF-8 text or Parquet", path)
            file.seek(0)
            yield file
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"cannot be unpacked: {error}", path) from error


# Parquet


@dataclass(frozen=True)
class ParquetFile:
    """A Parquet file with a column `translation` (code → text), or one string column for each side."""

    path: Path
    source: str
    target: str

    @property
    def place(self) -> str:
        return portable(str(self.path))

    def chunks(self, limit: int | None) -> Iterator[Chunk]:
        try:
            with pq.ParquetFile(self.path) as file:
                if file.metadata.num_rows == 0:
                    raise DataError("is empty", self.path)
                sides = _find_columns(file.schema_arrow, self.source, self.target, str(self.path))
                first = 1
                for batch in file.iter_batches(batch_size=CHUNK, columns=sorted({side[0] for side in sides})):
                    table = pa.Table.from_batches([batch])
                    if limit is not None and first + table.num_rows - 1 > limit:
                        table = table.slice(0, limit - first + 1)
                    if table.num_rows:
                        yield Chunk(self.place, first, table.num_rows, "table", (_both_sides(table, sides),))
                    first += table.num_rows
                    if limit is not None and first > limit:
                        return
        except pa.ArrowException as error:
            raise DataError(f"cannot be read as Parquet: {error}", self.path) from error


Columns = Sequence[tuple[str, ...]]
"""For each side the column of its text, or the column and the field in it."""


def _find_columns(schema: pa.Schema, source: str, target: str, place: str) -> Columns:
    """Where the two sides are; raises DataError naming the columns if they are not found."""
    if "translation" in schema.names and pa.types.is_struct(schema.field("translation").type):
        fields = schema.field("translation").type
        if fields.get_field_index(source) >= 0 and fields.get_field_index(target) >= 0:
            return [("translation", source), ("translation", target)]
        held = ", ".join(field.name for field in fields)
        raise DataError(f"its column translation holds {held}, not {source} and {target}", place)
    for names in ((source, target), ("source", "target")):
        if all(name in schema.names and _is_text(schema.field(name).type) for name in names):
            return [(name,) for name in names]
    raise DataError(
        f"has the columns {', '.join(schema.names)}; needed are `translation`, or text in `{source}` and `{target}`, "
        "or in `source` and `target`",
        place,
    )


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _both_sides(table: pa.Table, sides: Columns) -> bytes:
    """The two texts of every row as an Arrow stream, which can be sent to another process."""
    columns = []
    for column, *fields in sides:
        values = table.column(column).combine_chunks()
        columns.append(values.field(fields[0]) if fields else values)
    return table_to_bytes(pa.table(columns, names=["source", "target"]))


# Data sets of the Hub

SHORT_NAMES = {OPUS_100: "Helsinki-NLP/opus-100"}
"""Short names of data sets that are used often."""


@dataclass(frozen=True)
class HubCorpus:
    """One configuration and split of a data set at a commit, with a column `translation` or one for each side."""

    repository: str
    commit: str
    configuration: str
    split: str
    source: str
    target: str

    @property
    def place(self) -> str:
        return f"{self.repository}@{self.commit[:12]} {self.configuration} {self.split}"

    def chunks(self, limit: int | None) -> Iterator[Chunk]:
        """The rows of the Parquet files, which are fetched one by one as they are needed, and kept in the Hub's cache.

        Raises HubError when the Hub cannot be reached, DataError if the data set has no such split or columns.
        """
        first = 1
        for name in _parquet_files(self.repository, self.commit, self.configuration, self.split):
            left = None if limit is None else limit - first + 1
            if left == 0:
                return
            for chunk in ParquetFile(self._fetch(name), self.source, self.target).chunks(left):
                yield replace(chunk, place=self.place, first=first)
                first += chunk.count

    def _fetch(self, name: str) -> Path:
        from huggingface_hub import hf_hub_download

        def call() -> str:
            return hf_hub_download(self.repository, name, repo_type="dataset", revision=self.commit)

        return Path(_ask_hub(f"{self.repository}/{name}", call))


def find_hub_corpus(reference: str, source: str, target: str, split: str, name: str) -> tuple[HubCorpus, Input]:
    """Resolve `org/name@revision` (or a short name) to a commit and to the configuration of a language pair.

    Raises HubError if it cannot be reached or does not exist, DataError if it has no such language pair.
    """
    parts = split_reference(reference)
    if parts is None:
        raise HubError(f"{reference!r} is neither a file here nor a Hub id (org/name or org/name@revision).")
    repository, revision = SHORT_NAMES.get(parts[0], parts[0]), parts[1]
    commit = _commit(repository, revision)
    configuration = _choose_configuration(repository, _configurations(repository, commit), source, target)
    corpus = HubCorpus(repository, commit, configuration, split, source, target)
    # The commit fixes the bytes, so the identity of the input needs no download.
    digest = hashlib.sha256(f"{repository}@{commit}/{configuration}/{split}".encode()).hexdigest()
    return corpus, Input(name, reference, Path(configuration), digest, commit)


def _choose_configuration(repository: str, configurations: tuple[str, ...], source: str, target: str) -> str:
    """OPUS-100 sorts the two codes; other data sets put either first, or hold everything in one configuration."""
    pairs = ["-".join(sorted((source, target))), f"{source}-{target}", f"{target}-{source}"]
    wanted = [*pairs, *(name.replace("-", "_") for name in pairs), target]
    for name in wanted:
        if name in configurations:
            return name
    if len(configurations) == 1:
        return configurations[0]
    raise DataError(
        f"has no configuration for {source} and {target} (looked for {', '.join(dict.fromkeys(wanted))})"
        + nearest(wanted[0], configurations),
        repository,
    )


@functools.lru_cache(maxsize=8)
def _commit(repository: str, revision: str | None) -> str:
    what = f"{repository}@{revision}" if revision else repository

    def ask() -> str:
        from huggingface_hub import HfApi

        commit = _ask_hub(what, lambda: HfApi().dataset_info(repository, revision=revision).sha)
        if commit is None:
            raise HubError(f"The Hub names no commit for {repository}.")
        return commit

    return str(_cached_answer(what, [repository, revision], ask, permanent=False))


@functools.lru_cache(maxsize=8)
def _configurations(repository: str, commit: str) -> tuple[str, ...]:
    def ask() -> list[str]:
        from datasets import get_dataset_config_names

        with _dataset_errors(repository):
            return list(get_dataset_config_names(repository, revision=commit))

    return tuple(_cached_answer(repository, [repository, commit, "configurations"], ask))


def _parquet_files(repository: str, commit: str, configuration: str, split: str) -> tuple[str, ...]:
    """The files of a split, as paths in the repository; `datasets` knows which they are."""
    what = f"{repository} {configuration} {split}"

    def ask() -> list[str]:
        from datasets import load_dataset_builder

        with _dataset_errors(what):
            found = load_dataset_builder(repository, configuration, revision=commit).config.data_files or {}
        if split not in found:
            raise DataError(f"has no split {split!r}, only {', '.join(map(str, found))}" + nearest(split, found), what)
        return [str(each).partition(f"@{commit}/")[2] for each in found[split]]

    files = tuple(_cached_answer(what, [repository, commit, configuration, split], ask))
    if not files or not all(name.endswith(".parquet") for name in files):
        held = files[0] if files else "nothing"
        raise DataError(f"is not in Parquet files (it holds {held}); use a Parquet copy of it", what)
    return files


def _ask_hub(what: str, call: Callable[[], T]) -> T:
    """The result of a call to the Hub, tried again after temporary failures; HubError if it fails."""
    with hub_errors(what):
        return with_retries(what, call, logging.getLogger("alignfreeze").warning)


def _cached_answer(what: str, key: Sequence[str | None], ask: Callable[[], Any], permanent: bool = True) -> Any:
    """An answer of the Hub, kept for offline mode; one that cannot change (`permanent`) is asked for only once."""
    from huggingface_hub import constants

    name = hashlib.sha256(json.dumps(list(key)).encode()).hexdigest()[:32]
    path = cache_folder() / "hub" / f"{name}.json"
    offline = constants.is_offline_mode()
    if (permanent or offline) and path.is_file():
        return json.loads(path.read_text(encoding="utf-8"))["answer"]
    if offline:
        raise HubError(f"{what} is not in the local cache, and offline mode is on (HF_HUB_OFFLINE).")
    answer = ask()
    write_json(path, {"asked": list(key), "answer": answer})
    return answer


@contextmanager
def _dataset_errors(what: str) -> Iterator[None]:
    """Turn the errors of `datasets`, and of huggingface_hub below it, into DataError or HubError of one sentence."""
    from datasets.exceptions import DatasetNotFoundError

    try:
        with hub_errors(what):
            yield
    except DatasetNotFoundError as error:
        raise HubError(f"{what}: {error}") from error
    except RuntimeError as error:
        if "scripts are no longer supported" not in str(error):
            raise
        raise DataError("is a loading script, which `datasets` does not run; use a Parquet copy of it", what) from error
    except ValueError as error:  # no such split or configuration, no data files
        raise DataError(str(error).splitlines()[0], what) from error
    except ConnectionError as error:
        raise HubError(f"The Hub can't be reached for {what} ({error}); check the network.") from error
