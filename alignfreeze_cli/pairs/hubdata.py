"""Parallel text from the Hub: streamed through `datasets`, at a commit that is found once and recorded."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from alignfreeze_cli.artifacts import Input
from alignfreeze_cli.artifacts.pulling import hub_errors, split_reference
from alignfreeze_cli.errors import DataError, HubError
from alignfreeze_cli.pairs.corpora import find_columns, table_chunk
from alignfreeze_cli.pairs.lines import CHUNK, Chunk
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
        """Rows as they come in; nothing is kept on the disk.

        Raises HubError when the Hub cannot be reached, DataError if the data set has no such split or columns.
        """
        from datasets import load_dataset

        with _dataset_errors(self.place):
            rows = load_dataset(
                self.repository, self.configuration, split=self.split, revision=self.commit, streaming=True
            )
            rows = rows.with_format("arrow") if limit is None else rows.take(limit).with_format("arrow")
            first = 1
            for table in rows.iter(batch_size=CHUNK):
                sides = find_columns(table.schema, self.source, self.target, self.place)
                yield table_chunk(self.place, first, table, sides)
                first += table.num_rows
        if first == 1:
            raise DataError("is empty", self.place)


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
    from huggingface_hub import HfApi

    with hub_errors(f"{repository}@{revision}" if revision else repository):
        commit = HfApi().dataset_info(repository, revision=revision).sha
    if commit is None:
        raise HubError(f"The Hub names no commit for {repository}.")
    return str(commit)


@functools.lru_cache(maxsize=8)
def _configurations(repository: str, commit: str) -> tuple[str, ...]:
    from datasets import get_dataset_config_names

    with _dataset_errors(repository):
        return tuple(get_dataset_config_names(repository, revision=commit))


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
