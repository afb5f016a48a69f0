"""Chunks of a corpus -> linked and filtered word pairs, in this process or in several; the result is the same bytes."""

from __future__ import annotations

import functools
import hashlib
import math
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing.process import BaseProcess
from types import TracebackType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alignfreeze_cli.aligners.base import Aligner, SentencePairs
from alignfreeze_cli.errors import AlignFreezeError, DataError
from alignfreeze_cli.pairs.arrays import int32_array, table_from_bytes, table_to_bytes
from alignfreeze_cli.pairs.chunks import Chunk, MalformedLine, ParsedChunk, parse_chunk, parse_companion
from alignfreeze_cli.pairs.counts import LEFT_OUT, Counts
from alignfreeze_cli.pairs.filters import Codes, TextFilters
from alignfreeze_cli.pairs.folder import SCHEMA, SCORED_SCHEMA
from alignfreeze_cli.pairs.links import Links, Scores, count_linked, filter_links, write_pharaoh
from alignfreeze_cli.pairs.shifts import refuse_shifted_lengths
from alignfreeze_cli.pairs.words import Texts, Words, splitter
from alignfreeze_cli.signals import how_they_ended


@dataclass(frozen=True)
class LinkingJob:
    """How the chunks of a language pair are aligned: its codes, the word rule, the aligner, whether links are wanted in
    Pharaoh format, too, whether duplicates are to be found, the filters, and the least score of a link. Small, as it is
    sent to the worker processes with every chunk.
    """

    source: str
    target: str
    words: str
    aligner: Aligner
    pharaoh: bool = False
    find_duplicates: bool = False
    filters: TextFilters = TextFilters()
    min_score: float | None = None


@dataclass(frozen=True)
class LinkedChunk:
    """A chunk's usable pairs, and what became of the rest.

    `pairs_bytes` holds the pairs as an Arrow stream with `SCHEMA`, or `SCORED_SCHEMA` if the aligner scores its links,
    `pharaoh` the unfiltered links of all lines, if they are wanted, `digests` one of each pair's words, if duplicates
    are to be found.
    """

    target: str
    place: str
    lines: int
    pairs_bytes: bytes
    counts: Counts
    malformed: Sequence[MalformedLine]
    malformed_companion: Sequence[MalformedLine]
    pharaoh: str
    digests: Sequence[bytes] = ()

    def pairs(self) -> pa.Table:
        """The usable pairs as a table."""
        return table_from_bytes(self.pairs_bytes)


def link_chunk(job: LinkingJob, chunk: Chunk) -> LinkedChunk:
    """Parse, cut into words, filter and align one chunk. Raises DataError for two files that are shifted."""
    parsed, batch, left_out = read_pairs(job, chunk)
    found = job.aligner.align(batch)
    filtered = filter_links(batch.source, batch.target, found, job.min_score)
    if chunk.form == "two files" and job.aligner.companion is None:
        _refuse_shifted_files(job.aligner, chunk, batch, found)

    # Every line of the chunk is one of: left out, malformed, with malformed links, empty, too long, unlinked, with no
    # link left, kept. A malformed line has no words, so no filter leaves it out.
    malformed = np.zeros(len(batch), bool)
    malformed[[each.line - chunk.first for each in parsed.malformed]] = True
    unusable = malformed | (left_out > 0)
    # Such a line of the corpus has no words any more, so whatever its links say is no second mistake.
    bad_links = {number: reason for number, reason in sorted(batch.malformed) if not unusable[number]}
    unusable[list(bad_links)] = True
    empty = ~unusable & ((batch.source.lengths == 0) | (batch.target.lengths == 0))
    too_long = np.zeros(len(batch), bool)
    too_long[batch.too_long] = True
    unlinked = ~unusable & ~empty & ~too_long & (found.counts(len(batch)) == 0)
    kept = filtered.links.counts(len(batch)) > 0
    source_words_found, target_words_found = count_linked(batch.source, batch.target, found)
    counts = Counts(
        lines=len(batch),
        kept=int(kept.sum()),
        malformed=int(malformed.sum()),
        malformed_links=len(bad_links),
        empty=int(empty.sum()),
        too_long=int(too_long.sum()),
        unlinked=int(unlinked.sum()),
        filtered=int((~unusable & ~empty & ~too_long & ~unlinked & ~kept).sum()),
        not_best=int((left_out == LEFT_OUT["keep-best"]).sum()),
        dissimilar=int((left_out == LEFT_OUT["similarity"]).sum()),
        unequal=int((left_out == LEFT_OUT["length-ratio"]).sum()),
        foreign=int((left_out == LEFT_OUT["language"]).sum()),
        links_found=len(found),
        links_kept=len(filtered.links),
        low_score=filtered.low_score,
        not_one_to_one=filtered.not_one_to_one,
        equal_words=filtered.equal_words,
        source_words=len(batch.source.values),
        target_words=len(batch.target.values),
        source_words_found=source_words_found,
        target_words_found=target_words_found,
    )
    if batch.companion_lines is not None and job.words != "blank":
        counts.recut, counts.recut_rightly = _count_recut(job, parsed, batch, found)
    columns, schema = [batch.source.column, batch.target.column, filtered.links.column(len(batch))], SCHEMA
    if job.aligner.scored:
        columns.append(filtered.links.scores_column(len(batch)))
        schema = SCORED_SCHEMA
    rows = int32_array(np.flatnonzero(kept))
    pairs = pa.table([column.take(rows) for column in columns], schema=schema)
    return LinkedChunk(
        job.target,
        chunk.place,
        len(batch),
        table_to_bytes(pairs),
        counts,
        parsed.malformed,
        [MalformedLine(chunk.position + number, reason) for number, reason in bad_links.items()],
        write_pharaoh(found, len(batch)) if job.pharaoh else "",
        _digests(pairs) if job.find_duplicates else (),
    )


def read_pairs(job: LinkingJob, chunk: Chunk) -> tuple[ParsedChunk, SentencePairs, Codes]:
    """The sentence pairs of a chunk as text and as words, and which of them are left out (`LEFT_OUT`), (lines,).

    Those are empty, as are malformed lines. Raises DataError for two files that are shifted.
    """
    parsed = parse_chunk(chunk)
    if chunk.form == "two files":
        refuse_shifted_lengths(chunk, parsed)
    companion_lines, undecodable = parse_companion(chunk)
    batch = split_into_words(job, parsed, chunk.position, companion_lines)
    batch.malformed.extend(undecodable.items())
    left_out = np.frombuffer(bytearray(chunk.left_out or chunk.count), np.uint8)
    job.filters.apply(left_out, parsed, batch.source, batch.target)
    if left_out.any():
        parsed, batch = parsed.without(left_out > 0), batch.without(left_out > 0)
    return parsed, batch, left_out


def _digests(pairs: pa.Table) -> list[bytes]:
    """For each pair 16 bytes that are the same for the same words on both sides."""
    # Words hold no blank of any kind, so these separators keep apart what differs.
    sides = [pc.binary_join(pairs.column(name).combine_chunks(), " ") for name in ("source", "target")]
    texts = pc.binary_join_element_wise(*sides, "\n").to_pylist()
    return [hashlib.blake2b(text.encode(), digest_size=16).digest() for text in texts]


def drop_duplicates(linked: LinkedChunk, seen: set[bytes]) -> LinkedChunk:
    """The chunk without the pairs whose digest was `seen` before, in it or in another; the others are added there."""
    first = [digest not in seen and not seen.add(digest) for digest in linked.digests]  # type: ignore[func-returns-value]
    if all(first):
        return linked
    pairs = linked.pairs()
    left = pairs.filter(pa.array(first, pa.bool_()))
    links = len(pairs.column("links").combine_chunks().flatten()) - len(left.column("links").combine_chunks().flatten())
    counts = replace(
        linked.counts,
        kept=left.num_rows,
        duplicates=pairs.num_rows - left.num_rows,
        links_kept=linked.counts.links_kept - links,
        duplicate_links=links,
    )
    return replace(linked, pairs_bytes=table_to_bytes(left), counts=counts)


_WINDOW = 128  # lines by which a shift is found
_SHIFTS = (0, -2, -1, 1, 2)
_SURE = 4.0  # standard deviations
_FEW = 30  # links of which a mean score says little
_SCORE = 0.01  # differences that rounding makes are smaller


def _refuse_shifted_files(aligner: Aligner, chunk: Chunk, batch: SentencePairs, found: Links) -> None:
    """Raise DataError if the lines that fit each other worst fit better when one of the files is shifted a little.

    A line missing in one of the files makes all that follow translations of something else. The few links that a
    dictionary finds then are between frequent words: in samples of real text in 12 languages a half to a fifteenth of
    what the right lines have. Aligners that score their links find as many in any two sentences, with lower scores.
    """
    pairs = len(batch)
    size = min(_WINDOW, pairs)
    starts = np.append(np.arange(0, pairs - size, size), pairs - size)
    fits = _Fit.of_ranges(found, pairs, [(int(start), int(start) + size) for start in starts])
    start = int(starts[np.argmin([fit.goodness for fit in fits])])
    ranges = [(max(start, -shift), max(0, min(start + size, pairs - max(0, shift)))) for shift in _SHIFTS]
    lines = [np.arange(first, last) for first, last in ranges]
    # All shifts at once: most of what a small batch costs is the same for a large one. The lines as they are once more,
    # too: an aligner that was fitted to the corpora links other pairs in another way.
    source = batch.source.select(np.concatenate(lines))
    target = batch.target.select(np.concatenate([each + shift for each, shift in zip(lines, _SHIFTS, strict=True)]))
    links = aligner.align(SentencePairs(source, target))
    begins = np.cumsum([0, *(len(each) for each in lines)]).tolist()
    for shift, (first, last), begin in zip(_SHIFTS[1:], ranges[1:], begins[1:], strict=False):
        bounds = [(first - start, last - start), (begin, begin + max(0, last - first))]
        here, there = _Fit.of_ranges(links, len(source), bounds)
        if there.is_surely_better_than(here):
            line = chunk.first + first
            raise DataError(
                f"the two files are shifted: {last - first} lines from here on have {here} with the same lines of the "
                f"other file, but {there} with those from line {line + shift} on; is a line missing in one, here or "
                "before?",
                chunk.place,
                line,
            )


@dataclass(frozen=True)
class _Fit:
    """How well some lines fit each other: by the number of links, or by their scores, where they have any."""

    links: int
    scores: Scores | None  # (links,)

    @classmethod
    def of_ranges(cls, links: Links, pairs: int, ranges: Sequence[tuple[int, int]]) -> list[_Fit]:
        """The fit of the lines of each range, from its first to before its last; `links` are those of `pairs` lines."""
        before = np.concatenate(([0], np.cumsum(links.counts(pairs))))
        # A range may be empty, and begin where there is no line.
        bounds = [(int(before[min(first, pairs)]), int(before[min(max(first, last), pairs)])) for first, last in ranges]
        return [cls(end - begin, None if links.scores is None else links.scores[begin:end]) for begin, end in bounds]

    @property
    def goodness(self) -> float:
        return self.links if self.scores is None else float(self.scores.mean()) if self.links else 0.0

    def is_surely_better_than(self, other: _Fit) -> bool:
        """Whether it is not by chance that these lines have more links, or such with higher scores."""
        difference = self.goodness - other.goodness
        if self.scores is None or other.scores is None:
            return difference > 0.5 * other.links and difference > _SURE * math.sqrt(self.links + other.links)
        if min(self.links, other.links) < _FEW:
            return False
        variance = sum(float(each.var()) / len(each) for each in (self.scores, other.scores))
        return difference > max(_SCORE, _SURE * math.sqrt(variance))

    def __str__(self) -> str:
        return f"{self.links} links" if self.scores is None else f"links with a mean score of {self.goodness:.2f}"


def split_into_words(
    job: LinkingJob, parsed: ParsedChunk, position: int | None = None, companion_lines: Sequence[str] | None = None
) -> SentencePairs:
    """The words of a chunk's sentence pairs, and where these stand in the corpora."""
    source = _splitter(job.words, job.source)(parsed.source)
    target = _splitter(job.words, job.target)(parsed.target)
    return SentencePairs(source, target, position, companion_lines)


def _count_recut(job: LinkingJob, parsed: ParsedChunk, batch: SentencePairs, links: Links) -> tuple[int, int]:
    """In how many pairs the word rule finds another number of words than there are between blanks.

    And in how many of these a link names a word that would not be there between blanks: the links follow the rule.
    """
    at_blanks = split_into_words(replace(job, words="blank"), parsed)
    sides = ((batch.source, at_blanks.source, links.source), (batch.target, at_blanks.target, links.target))
    differs, beyond = np.zeros(len(batch), bool), np.zeros(len(batch), bool)
    for by_rule, by_blanks, positions in sides:
        differs |= by_rule.lengths != by_blanks.lengths
        beyond[links.pair[positions >= by_blanks.lengths[links.pair]]] = True
    return int(differs.sum()), int((differs & beyond).sum())


@functools.lru_cache(maxsize=4)
def _splitter(rule: str, language: str) -> Callable[[Texts], Words]:
    return splitter(rule, language)


_AHEAD = 8
"""Chunks per process that may be done before the one that is written next: processes take half a second to start."""


class LinkingPool:
    """This process and others that align chunks together, `processes` in all. A context manager."""

    def __init__(self, processes: int) -> None:
        self._others = processes - 1
        self._processes: set[BaseProcess] = set()
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> LinkingPool:
        if self._others:
            # Spawned, not forked: by now Arrow has threads of its own, which a fork would lose in the middle of things.
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self._others, context, initializer=_live_with_the_parent)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def link(self, work: Iterable[tuple[LinkingJob, Chunk]]) -> Iterator[LinkedChunk]:
        """The linked chunks in the order given; only a few chunks per process are in memory at a time.

        Every other process has a chunk in hand and one to come; what is beyond that is aligned in this process. Raises
        AlignFreezeError if a process ends without an answer.
        """
        if self._pool is None:
            for job, chunk in work:
                yield link_chunk(job, chunk)
            return
        waiting: deque[Future[LinkedChunk]] = deque()
        try:
            for job, chunk in work:
                if sum(not outcome.done() for outcome in waiting) < 2 * self._others:
                    waiting.append(self._pool.submit(link_chunk, job, chunk))
                    self._processes.update(multiprocessing.active_children())  # the pool starts them on demand
                else:
                    waiting.append(Future())
                    waiting[-1].set_result(link_chunk(job, chunk))
                while waiting and (waiting[0].done() or len(waiting) > _AHEAD * (self._others + 1)):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            self._pool.shutdown(wait=True)
            why = how_they_ended([each.exitcode for each in self._processes], "--workers")
            raise AlignFreezeError(f"A worker process {why}") from error


def _live_with_the_parent() -> None:
    """In another process: Ctrl-C is the parent's to handle, and when the parent dies, so does this process.

    Waiting for work alone would not do: the queue's other end is open in every other process, too.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)
