"""Parallel text from the Hub: Parquet files at a commit that is found once and recorded; offline from the cache."""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alignfreeze_cli.artifacts import Input
from alignfreeze_cli.artifacts.hubcalls import hub_errors, patiently
from alignfreeze_cli.artifacts.pulling import split_reference
from alignfreeze_cli.errors import DataError, HubError
from alignfreeze_cli.pairs.corpora import ParquetFile
from alignfreeze_cli.pairs.dictionaries import cache_folder
from alignfreeze_cli.pairs.lines import Chunk
from alignfreeze_cli.pairs.settings import OPUS_100
from alignfreeze_cli.settings import nearest

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
