"""Data sets of the Hub as corpora: which configuration holds a language pair, and its Parquet files."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from alignfreeze_cli.artifacts import Input
from alignfreeze_cli.artifacts.files import cache_folder, read_json, write_json
from alignfreeze_cli.artifacts.hub_client import hub_errors, split_reference, with_retries
from alignfreeze_cli.artifacts.hub_listing import RemoteFile, named_files
from alignfreeze_cli.errors import ArtifactError, DataError, HubError
from alignfreeze_cli.pairs.chunks import Chunk
from alignfreeze_cli.pairs.languages import find_code
from alignfreeze_cli.pairs.settings import OPUS_100, CorpusSettings
from alignfreeze_cli.pairs.tables import ParquetFile
from alignfreeze_cli.pairs.text_files import CorpusFile
from alignfreeze_cli.settings import nearest

T = TypeVar("T")

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
    columns: tuple[str, ...] = ()
    score: str | None = None

    @property
    def place(self) -> str:
        return f"{self.repository}@{self.commit[:12]} {self.configuration} {self.split}"

    def chunks(self, limit: int | None) -> Iterator[Chunk]:
        """The rows of the Parquet files, which are fetched one by one as they are needed, and kept in the Hub's cache.

        Raises HubError when the Hub cannot be reached, DataError if the data set has no such split or columns.
        """
        first = 1
        for name in self._names():
            left = None if limit is None else limit - first + 1
            if left == 0:
                return
            file = CorpusFile(self._fetch(name), self.place)
            for chunk in ParquetFile(file, self.source, self.target, self.columns, self.score).chunks(left):
                yield replace(chunk, first=first)
                first += chunk.count

    def fetch(self, limit: int | None = None) -> None:
        """Fetch the files that hold the first `limit` rows (all, if None) into the Hub's cache. Raises as `chunks`."""
        import pyarrow.parquet as pq

        rows = 0
        for name in self._names():
            if limit is not None and rows >= limit:
                return
            path = self._fetch(name)
            rows += 0 if limit is None else pq.read_metadata(path).num_rows

    def files(self) -> list[RemoteFile]:
        """Its files on the Hub, without fetching them."""
        return named_files(self.repository, self.commit, "dataset", self._names())

    def _names(self) -> tuple[str, ...]:
        return _parquet_files(self.repository, self.commit, self.configuration, self.split)

    def _fetch(self, name: str) -> Path:
        from huggingface_hub import hf_hub_download

        def call() -> str:
            return hf_hub_download(self.repository, name, repo_type="dataset", revision=self.commit)

        return Path(_ask_hub(f"{self.repository}/{name}", call))


def find_hub_corpus(reference: str, settings: CorpusSettings, target: str, name: str) -> tuple[HubCorpus, Input]:
    """Resolve `org/name@revision` (or a short name) to a commit and to the configuration of a language pair.

    Raises HubError if it cannot be reached or does not exist, DataError if it has no such language pair.
    """
    parts = split_reference(reference)
    if parts is None:
        raise HubError(f"{reference!r} is neither a file here nor a Hub id (org/name or org/name@revision).")
    repository, revision = SHORT_NAMES.get(parts[0], parts[0]), parts[1]
    commit = _commit(repository, revision)
    source, split = settings.source, settings.split
    configuration = _choose_configuration(repository, _configurations(repository, commit), source, target)
    corpus = HubCorpus(
        repository, commit, configuration, split, source, target, settings.columns, settings.score_column
    )
    # The commit fixes the bytes, so the identity of the input needs no download.
    digest = hashlib.sha256(f"{repository}@{commit}/{configuration}/{split}".encode()).hexdigest()
    return corpus, Input(name, reference, Path(configuration), digest, commit)


_LANGUAGE_PAIR = re.compile(r"[a-z]{2,3}(_[A-Za-z]+)?-[a-z]{2,3}(_[A-Za-z]+)?")
"""A configuration that is named like this holds these two languages, and no others."""


def _choose_configuration(repository: str, configurations: tuple[str, ...], source: str, target: str) -> str:
    """OPUS-100 sorts the two codes; other data sets put either first, or hold everything in one configuration."""
    pairs = ["-".join(sorted((source, target))), f"{source}-{target}", f"{target}-{source}"]
    wanted = [*pairs, *(name.replace("-", "_") for name in pairs), target]
    for name in wanted:
        if name in configurations:
            return name
    # Other codes of the same languages: en-zh_CN, zho_Hans-eng, zh_CN.
    found = [name for name in configurations if _names_pair(name, source, target, repository)]
    if len(found) == 1:
        return found[0]
    if len(configurations) == 1 and not _LANGUAGE_PAIR.fullmatch(configurations[0]):
        return configurations[0]
    if found:
        raise DataError(f"has several configurations for {source} and {target}: {', '.join(found)}", repository)
    raise DataError(
        f"has no configuration for {source} and {target} (looked for {', '.join(dict.fromkeys(wanted))})"
        + nearest(wanted[0], configurations),
        repository,
    )


def _names_pair(configuration: str, source: str, target: str, repository: str) -> bool:
    """Whether a configuration's name is both codes, with a hyphen between, or that of the target, in other codes."""
    codes = configuration.split("-", 1)
    wanted = [(source, target), (target, source)] if len(codes) == 2 else [(target,)]
    return any(
        all(find_code([code], asked, repository) for code, asked in zip(codes, pair, strict=True)) for pair in wanted
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
        # What could be a mistyped path (`texts/news` beside a folder `texts`) is not worth waiting for the network.
        reconnect = not Path(what).parent.is_dir() or "/" not in what
        return with_retries(what, call, logging.getLogger("alignfreeze").warning, reconnect)


def _cached_answer(what: str, key: Sequence[str | None], ask: Callable[[], Any], permanent: bool = True) -> Any:
    """An answer of the Hub, kept for offline mode; one that cannot change (`permanent`) is asked for only once."""
    from huggingface_hub import constants

    name = hashlib.sha256(json.dumps(list(key)).encode()).hexdigest()[:32]
    path = cache_folder() / "hub" / f"{name}.json"
    offline = constants.is_offline_mode()
    if permanent or offline:
        with contextlib.suppress(ArtifactError, KeyError):  # there is none, or a damaged one
            return read_json(path, "ask again")["answer"]
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
