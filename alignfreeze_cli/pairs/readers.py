"""Finding and reading parallel text: TSV, `source ||| target`, two Moses files, Parquet; the Hub's is in hubdata.py.

A corpus is read as a stream of chunks of a fixed number of lines, so memory does not grow with it.
"""

from __future__ import annotations

import functools
import glob
import gzip
import hashlib
import json
import logging
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import IO, Any, Protocol, cast

import pyarrow as pa
import pyarrow.parquet as pq

from alignfreeze_cli.artifacts import Input, resolve_files
from alignfreeze_cli.artifacts.files import cache_folder, content_digest
from alignfreeze_cli.artifacts.hub_client import hub_errors, patiently, split_reference
from alignfreeze_cli.artifacts.record import portable
from alignfreeze_cli.errors import DataError, HubError
from alignfreeze_cli.pairs.lines import CHUNK, Chunk, Form
from alignfreeze_cli.pairs.settings import OPUS_100, TWO_FILES, CorpusSettings, fill, may_be_hub
from alignfreeze_cli.settings import nearest

_LOOKED_AT = 65_536  # bytes at the beginning of a file that tell text from other things
_SIGNATURES = {b"PK\x03\x04": "a zip archive", b"\x1f\x8b": "gzipped, but its name does not end in .gz"}


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
    name = f"corpus {target}"
    for reference in settings.corpus:
        first, both, second = reference.partition(TWO_FILES)
        written = fill(reference, settings.source, target)
        found: Sequence[Corpus]
        if both:
            sides = (fill(side, settings.source, target) for side in (first, second))
            found = [TwoFiles(*(Path(side).expanduser() for side in sides))]
        elif "{language}" in written:
            sides = (fill(reference, settings.source, target, code) for code in (settings.source, target))
            found = [TwoFiles(*(Path(side).expanduser() for side in sides))]
        elif may_be_hub(written) and not Path(written).exists():
            corpus, resolved = find_hub_corpus(written, settings.source, target, settings.split, name)
            corpora.append(corpus)
            inputs.append(resolved)
            continue
        else:
            found = [_one_file(path, settings, target) for path in _matching(written)]
        paths = [path for corpus in found for path in corpus.paths]  # type: ignore[attr-defined]
        inputs.append(resolve_files(name, reference, paths))
        corpora += found
    if len(inputs) == 1:
        return corpora, inputs[0]
    digest = content_digest({f"{number:06d}": each.digest for number, each in enumerate(inputs)})
    commits = [each.commit for each in inputs if each.commit]
    joined = Input(name, " ".join(settings.corpus), inputs[0].path, digest, commits[0] if commits else None)
    return corpora, joined


def _matching(path: str) -> list[Path]:
    """The file of this name; if there is none and the name holds wildcards, the files that fit them, sorted."""
    plain = Path(path).expanduser()
    fitting = sorted(glob.glob(str(plain))) if not plain.exists() and glob.has_magic(path) else []
    return [Path(match) for match in fitting] or [plain]


def _one_file(path: Path, settings: CorpusSettings, target: str) -> Corpus:
    if not path.is_file():
        raise DataError("no such corpus file", path)
    if path.suffix == ".parquet":
        return ParquetFile(path, settings.source, target)
    form: Form = "bars" if settings.corpus_format == "bars" else "tsv"
    if settings.corpus_format == "auto" and path.name.removesuffix(".gz").rpartition(".")[2] not in ("tsv", "tab"):
        form = _guessed(path)
    return TextFile(path, form)


def _guessed(path: Path) -> Form:
    """TSV or `source ||| target`, by what more of the first hundred lines fit."""
    with _opened(path) as file:
        lines = list(islice(file, 100))
    tabs = sum(line.count(b"\t") == 1 for line in lines)
    bars = sum(line.count(b"|||") == 1 for line in lines)
    if lines and tabs == bars == 0:
        raise DataError("is neither TSV (source, tab, target) nor lines of `source ||| target`", path)
    return "bars" if bars > tabs else "tsv"


@dataclass(frozen=True)
class TextFile:
    """One file with both sides on a line."""

    path: Path
    form: Form

    @property
    def place(self) -> str:
        return portable(str(self.path))

    @property
    def paths(self) -> list[Path]:
        return [self.path]

    def chunks(self, limit: int | None) -> Iterator[Chunk]:
        with _opened(self.path) as file:
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
            files = [stack.enter_context(_opened(path)) for path in self.paths]
            for first, blocks in _blocks(files, limit):
                lengths = [len(block) for block in blocks]
                if lengths[0] != lengths[1]:
                    short, long = self.paths if lengths[0] < lengths[1] else self.paths[::-1]
                    raise DataError(f"has only {first - 1 + min(lengths)} lines, but {long} goes on", short)
                yield Chunk(self.place, first, lengths[0], "two files", tuple(b"".join(block) for block in blocks))


@dataclass(frozen=True)
class ParquetFile:
    """A Parquet file with a column `translation` (code → text), or one string column for each side."""

    path: Path
    source: str
    target: str

    @property
    def place(self) -> str:
        return portable(str(self.path))

    @property
    def paths(self) -> list[Path]:
        return [self.path]

    def chunks(self, limit: int | None) -> Iterator[Chunk]:
        try:
            with pq.ParquetFile(self.path) as file:
                if file.metadata.num_rows == 0:
                    raise DataError("is empty", self.path)
                sides = find_columns(file.schema_arrow, self.source, self.target, str(self.path))
                first = 1
                for batch in file.iter_batches(batch_size=CHUNK, columns=sorted({side[0] for side in sides})):
                    table = pa.Table.from_batches([batch])
                    if limit is not None and first + table.num_rows - 1 > limit:
                        table = table.slice(0, limit - first + 1)
                    if table.num_rows:
                        yield table_chunk(self.place, first, table, sides)
                    first += table.num_rows
                    if limit is not None and first > limit:
                        return
        except pa.ArrowException as error:
            raise DataError(f"cannot be read as Parquet: {error}", self.path) from error


Columns = Sequence[tuple[str, ...]]
"""For each side the column of its text, or the column and the field in it."""


def find_columns(schema: pa.Schema, source: str, target: str, place: str) -> Columns:
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


def table_chunk(place: str, first: int, table: pa.Table, sides: Columns) -> Chunk:
    """Rows of a table as a chunk that can be sent to another process."""
    columns = []
    for column, *fields in sides:
        values = table.column(column).combine_chunks()
        columns.append(values.field(fields[0]) if fields else values)
    both = pa.table(columns, names=["source", "target"])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, both.schema) as writer:
        writer.write_table(both)
    return Chunk(place, first, both.num_rows, "table", (sink.getvalue().to_pybytes(),))


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


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """A text file, gzipped or not; DataError for one that is empty, binary or damaged."""
    if not path.is_file():
        raise DataError("no such corpus file", path)
    try:
        with _open(path) as file:
            start = file.read(_LOOKED_AT)
            if not start.strip():
                raise DataError("is empty", path)
            kind = next((kind for signature, kind in _SIGNATURES.items() if start.startswith(signature)), None)
            if kind or b"\0" in start:
                raise DataError(f"is {kind or 'a binary file'}; a corpus must be UTF-8 text or Parquet", path)
            file.seek(0)
            yield file
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"cannot be unpacked: {error}", path) from error


def _open(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


SHORT_NAMES = {OPUS_100: "Helsinki-NLP/opus-100"}
"""What may be written for a data set that is used often."""


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
        for name in _files(self.repository, self.commit, self.configuration, self.split):
            left = None if limit is None else limit - first + 1
            if left == 0:
                return
            for chunk in ParquetFile(self._fetch(name), self.source, self.target).chunks(left):
                yield replace(chunk, place=self.place, first=first)
                first += chunk.count

    def _fetch(self, name: str) -> Path:
        from huggingface_hub import hf_hub_download

        def call() -> str:
            return str(hf_hub_download(self.repository, name, repo_type="dataset", revision=self.commit))

        with hub_errors(f"{self.repository}/{name}"):
            return Path(patiently(f"{self.repository}/{name}", call, logging.getLogger("alignfreeze").warning))


def find_hub_corpus(reference: str, source: str, target: str, split: str, name: str) -> tuple[HubCorpus, Input]:
    """Resolve `org/name@revision` (or a short name) to a commit and to the configuration of a language pair.

    Raises HubError if it cannot be reached or does not exist, DataError if it has no such language pair.
    """
    parts = split_reference(reference)
    if parts is None:
        raise HubError(f"{reference!r} is neither a file here nor a Hub id (org/name or org/name@revision).")
    repository, revision = SHORT_NAMES.get(parts[0], parts[0]), parts[1]
    commit = _commit(repository, revision)
    configuration = _choose(repository, _configurations(repository, commit), source, target)
    corpus = HubCorpus(repository, commit, configuration, split, source, target)
    # The commit fixes the bytes, so the identity of the input needs no download.
    digest = hashlib.sha256(f"{repository}@{commit}/{configuration}/{split}".encode()).hexdigest()
    return corpus, Input(name, reference, Path(configuration), digest, commit)


def _choose(repository: str, configurations: tuple[str, ...], source: str, target: str) -> str:
    """OPUS-100 sorts the two codes; other data sets put either first, or hold everything in one configuration."""
    sorted_first = ["-".join(sorted((source, target))), f"{source}-{target}", f"{target}-{source}"]
    wanted = [*sorted_first, *(name.replace("-", "_") for name in sorted_first), target]
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

        def call() -> str | None:
            return HfApi().dataset_info(repository, revision=revision).sha

        with hub_errors(what):
            commit = patiently(what, call, logging.getLogger("alignfreeze").warning)
        if commit is None:
            raise HubError(f"The Hub names no commit for {repository}.")
        return str(commit)

    return str(_remembered(what, [repository, revision], ask, fixed=False))


@functools.lru_cache(maxsize=8)
def _configurations(repository: str, commit: str) -> tuple[str, ...]:
    def ask() -> list[str]:
        from datasets import get_dataset_config_names

        with _dataset_errors(repository):
            return list(get_dataset_config_names(repository, revision=commit))

    return tuple(_remembered(repository, [repository, commit, "configurations"], ask))


def _files(repository: str, commit: str, configuration: str, split: str) -> tuple[str, ...]:
    """The Parquet files of a split, as paths in the repository; `datasets` knows which they are."""
    where = f"{repository} {configuration} {split}"

    def ask() -> list[str]:
        from datasets import load_dataset_builder

        with _dataset_errors(where):
            found = load_dataset_builder(repository, configuration, revision=commit).config.data_files or {}
        if split not in found:
            raise DataError(f"has no split {split!r}, only {', '.join(map(str, found))}" + nearest(split, found), where)
        return [str(each).partition(f"@{commit}/")[2] for each in found[split]]

    files = tuple(_remembered(where, [repository, commit, configuration, split], ask))
    if not files or not all(name.endswith(".parquet") for name in files):
        held = files[0] if files else "nothing"
        raise DataError(f"is not in Parquet files (it holds {held}); use a Parquet copy of it", where)
    return files


def _remembered(what: str, key: Sequence[str | None], ask: Callable[[], Any], fixed: bool = True) -> Any:
    """What the Hub says, kept so that it is known offline; `fixed` is what cannot change and is asked for once."""
    from huggingface_hub import constants

    name = hashlib.sha256(json.dumps(list(key)).encode()).hexdigest()[:32]
    path = cache_folder() / "hub" / f"{name}.json"
    offline = constants.is_offline_mode()
    if (fixed or offline) and path.is_file():
        return json.loads(path.read_text(encoding="utf-8"))["answer"]
    if offline:
        raise HubError(f"{what} is not in the local cache, and offline mode is on (HF_HUB_OFFLINE).")
    answer = ask()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{name}.{os.getpid()}")  # renamed into place: others may be asking too
    partial.write_text(json.dumps({"asked": list(key), "answer": answer}), encoding="utf-8")
    os.replace(partial, path)
    return answer


@contextmanager
def _dataset_errors(what: str) -> Iterator[None]:
    """The errors of `datasets` as one sentence each; those of huggingface_hub below it likewise."""
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
