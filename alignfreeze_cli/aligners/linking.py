"""Aligning chunks, in this process or in several: the order and the bytes of the result are the same."""

from __future__ import annotations

import functools
import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from types import TracebackType

import numpy as np
import pyarrow as pa

from alignfreeze_cli.aligners.base import Aligner, SentencePairs
from alignfreeze_cli.errors import AlignFreezeError
from alignfreeze_cli.pairs.arrays import int32_array
from alignfreeze_cli.pairs.folder import SCHEMA
from alignfreeze_cli.pairs.lines import Chunk, Lines, Problem, companion_lines, parse
from alignfreeze_cli.pairs.links import filter_links, write_pharaoh
from alignfreeze_cli.pairs.statistics import Counts
from alignfreeze_cli.pairs.words import Texts, Words, splitter

_AHEAD = 8
"""Chunks per worker that may be done before the one that is written next: processes take half a second to start."""


@dataclass(frozen=True)
class Job:
    """What to do with the chunks of a language pair. Small: it travels with every chunk."""

    source: str
    target: str
    words: str
    aligner: Aligner
    pharaoh: bool = False


@dataclass(frozen=True)
class Aligned:
    """The outcome of a chunk: usable pairs as an Arrow stream with `SCHEMA`, and what became of the rest."""

    target: str
    place: str
    lines: int
    table: bytes
    counts: Counts
    problems: Sequence[Problem]
    link_problems: Sequence[Problem] = field(default_factory=list)
    pharaoh: str = ""


@functools.lru_cache(maxsize=4)
def _splitter(rule: str, language: str) -> Callable[[Texts], Words]:
    return splitter(rule, language)


def split_chunk(job: Job, lines: Lines, companions: Sequence[str] | None = None) -> SentencePairs:
    """The words of a chunk's sentence pairs."""
    source = _splitter(job.words, job.source)(lines.source)
    target = _splitter(job.words, job.target)(lines.target)
    return SentencePairs(source, target, companions)


def align_chunk(job: Job, chunk: Chunk, first_companion: int = 1, companions: bytes | None = None) -> Aligned:
    """Parse, split, align and filter one chunk.

    `companions` are the lines of the aligner's companion file for this chunk, the first of them with the number
    `first_companion` in that file.
    """
    lines = parse(chunk)
    given, undecodable = (None, {}) if companions is None else companion_lines(companions, first_companion)
    batch = split_chunk(job, lines, given)
    found = job.aligner.align(batch)
    filtered = filter_links(batch.source, batch.target, found)

    malformed = np.zeros(len(batch), bool)
    malformed[[problem.line - chunk.first for problem in lines.problems]] = True
    bad_links = {**dict(batch.problems), **undecodable}
    # A malformed line of the corpus has no words, so whatever its links say is no second mistake.
    bad_links = {number: why for number, why in sorted(bad_links.items()) if not malformed[number]}
    unusable = malformed.copy()
    unusable[list(bad_links)] = True
    empty = ~unusable & ((batch.source.lengths == 0) | (batch.target.lengths == 0))
    unlinked = ~unusable & ~empty & (found.counts(len(batch)) == 0)
    kept = filtered.links.counts(len(batch)) > 0

    counts = Counts(
        lines=len(batch),
        kept=int(kept.sum()),
        malformed=int(malformed.sum()),
        malformed_links=len(bad_links),
        empty=int(empty.sum()),
        unlinked=int(unlinked.sum()),
        links_found=len(found),
        links_kept=len(filtered.links),
        not_one_to_one=filtered.not_one_to_one,
        equal_words=filtered.equal_words,
        source_words=len(batch.source.values),
        target_words=len(batch.target.values),
    )
    counts.filtered = counts.lines - sum(
        (counts.kept, counts.malformed, counts.malformed_links, counts.empty, counts.unlinked)
    )
    columns = [batch.source.column, batch.target.column, filtered.links.column(len(batch))]
    rows = int32_array(np.flatnonzero(kept))
    table = pa.table([column.take(rows) for column in columns], schema=SCHEMA)
    return Aligned(
        job.target,
        chunk.place,
        len(batch),
        _packed(table),
        counts,
        lines.problems,
        [Problem(first_companion + number, why) for number, why in bad_links.items()],
        write_pharaoh(found, len(batch)) if job.pharaoh else "",
    )


def _packed(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    packed: bytes = sink.getvalue().to_pybytes()
    return packed


def unpacked(aligned: Aligned) -> pa.Table:
    """The usable pairs of a chunk."""
    return pa.ipc.open_stream(aligned.table).read_all()


ChunkTask = tuple[Job, Chunk, int, bytes | None]
"""The arguments of `align_chunk`."""


class Workers:
    """This process and others that align chunks beside it, `count` together. A context manager."""

    def __init__(self, count: int) -> None:
        self._others = count - 1
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Workers:
        if self._others:
            # Spawned, not forked: by now Arrow has threads of its own, which a fork would lose in the middle of things.
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self._others, context, initializer=_leave_interrupts_to_the_parent)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def align(self, tasks: Iterable[ChunkTask]) -> Iterator[Aligned]:
        """The outcomes in the order of the tasks; only a few chunks per worker are in memory at a time.

        Every other process has a chunk in hand and one to come; what is beyond that is aligned right here.
        """
        if self._pool is None:
            for task in tasks:
                yield align_chunk(*task)
            return
        waiting: deque[Future[Aligned]] = deque()
        try:
            for task in tasks:
                if sum(not outcome.done() for outcome in waiting) < 2 * self._others:
                    waiting.append(self._pool.submit(align_chunk, *task))
                else:
                    waiting.append(Future())
                    waiting[-1].set_result(align_chunk(*task))
                while waiting and (waiting[0].done() or len(waiting) > _AHEAD * (self._others + 1)):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise AlignFreezeError(
                "A worker process ended without a word; was memory short? Try fewer --workers. (From Python, start "
                'the script under `if __name__ == "__main__":`.)'
            ) from error


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
