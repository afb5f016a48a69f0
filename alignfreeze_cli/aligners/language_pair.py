"""A language pair: its corpora, how they are aligned, and reading them, with checks of their beginnings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import chain

from alignfreeze_cli.aligners.base import Aligner, SentencePairs
from alignfreeze_cli.aligners.linking import LinkingJob, read_pairs, split_into_words
from alignfreeze_cli.aligners.selection import Selection
from alignfreeze_cli.artifacts import Input
from alignfreeze_cli.errors import DataError, SettingsError
from alignfreeze_cli.pairs.chunks import CHUNK, Chunk, ParsedChunk, parse_chunk, split_chunk
from alignfreeze_cli.pairs.counts import Counts, FileCounts
from alignfreeze_cli.pairs.readers import Corpus
from alignfreeze_cli.pairs.text_files import corpus_file, next_lines, open_lines
from alignfreeze_cli.pairs.words import unbroken_warning
from alignfreeze_cli.phrases import listed
from alignfreeze_cli.progress import Console

MOST_WARNINGS = 5
"""Warnings about the beginnings of a language's corpora, which may be hundreds of files of the same kind."""

_SAMPLE = 1_000  # lines of a corpus by which it is checked
_EVIDENCE = 5  # words that say on which side a language is
_WORDS_KEPT = 20_000  # of the corpora before, to compare a corpus with; a corpus may have thousands of files


@dataclass
class LanguagePair:
    """What the pairs of one language are made from, and what has been counted."""

    job: LinkingJob
    corpora: list[Corpus]
    inputs: list[Input]
    lines_at_once: int = CHUNK  # that are linked before progress is shown
    counts: Counts = field(default_factory=Counts)
    files: dict[str, FileCounts] = field(default_factory=dict)
    selection: Selection | None = None
    words: tuple[set[str], set[str]] = field(default_factory=lambda: (set(), set()))  # seen in the sides' first lines
    warnings: list[str] = field(default_factory=list)
    checked: bool = False  # whether the corpora have been read to the end, their beginnings checked

    @property
    def name(self) -> str:
        return f"{self.job.source}-{self.job.target}"

    @property
    def aligner(self) -> Aligner:
        return self.job.aligner


def read_chunks(pair: LanguagePair, limit: int | None, console: Console) -> Iterator[Chunk]:
    """The chunks of all corpora of a language pair, each with its lines of the aligner's companion file."""
    companion = pair.aligner.companion
    if companion is not None and limit is not None and len(pair.corpora) > 1:
        # Each corpus would end early, and the file of links would go on in the middle of it.
        raise SettingsError(
            "--max-lines with --aligner pharaoh needs a single corpus; give one, or leave --max-lines out."
        )
    with ExitStack() as stack:
        companion_file = corpus_file(companion) if companion is not None else None
        companion_lines = stack.enter_context(open_lines(companion_file)) if companion_file is not None else None
        number = 1
        for chunk in _selected_chunks(pair, limit, console):
            if companion_lines is not None and companion_file is not None:
                held = next_lines(companion_lines, chunk.count, companion_file, number)
                if len(held) < chunk.count:
                    raise DataError(f"has {number - 1 + len(held)} lines, fewer than the corpus", companion)
                chunk = replace(chunk, companion=b"".join(held))
            # Of two files each part is looked at for a shift, which costs as much as linking hundreds of lines.
            lines = CHUNK if chunk.form == "two files" else pair.lines_at_once
            yield from split_chunk(replace(chunk, position=number), lines)
            number += chunk.count
        if companion_lines is not None and limit is None and next(companion_lines, None) is not None:
            raise DataError(f"goes on after line {number - 1}, where the corpus ends", companion)


def read_batches(pair: LanguagePair, limit: int | None, console: Console) -> Iterator[SentencePairs]:
    """The sentence pairs of all corpora, for an aligner that learns from them before it links them."""
    position = 1
    for chunk in _selected_chunks(pair, limit, console):
        yield read_pairs(pair.job, replace(chunk, position=position))[1]
        position += chunk.count


def _selected_chunks(pair: LanguagePair, limit: int | None, console: Console) -> Iterator[Chunk]:
    """The chunks of all corpora, with what the selection says of their lines."""
    start = 0
    for chunk in chunks_of_corpora(pair, limit, console):
        yield chunk if pair.selection is None else replace(chunk, left_out=pair.selection.mark(chunk, start))
        start += chunk.count


def chunks_of_corpora(pair: LanguagePair, limit: int | None, console: Console) -> Iterator[Chunk]:
    """The chunks of all corpora, with all lines. What is wrong with them is found, and warned of, at the first reading.

    Raises DataError if a corpus has its sides swapped, or if all are empty.
    """
    if pair.checked:
        yield from chain.from_iterable(corpus.chunks(limit) for corpus in pair.corpora)
        return
    empty = []
    for corpus in pair.corpora:
        chunks = corpus.chunks(limit)
        first = next(chunks, None)
        if first is None:
            empty.append(corpus.place)
            continue
        _check_beginning(pair, first, console)
        yield first
        yield from chunks
    if len(empty) == len(pair.corpora):
        raise DataError("is empty", listed(empty))
    if empty:
        console.warn(f"{pair.name}: {listed(empty)} {'is' if len(empty) == 1 else 'are'} empty.")
    pair.checked = True


def _check_beginning(pair: LanguagePair, chunk: Chunk, console: Console) -> None:
    """Check the beginning of a corpus: is it the language pair's, and has it the source on the side of the source?

    Its words are compared with those of the corpora before it. If there are none, or they are too few, the aligner is
    asked whether its dictionary fits. Warns of text that is not cut into words.
    """
    parsed = parse_chunk(chunk)
    sample = split_into_words(pair.job, ParsedChunk(parsed.source[:_SAMPLE], parsed.target[:_SAMPLE]))
    source, target = (set(words.values.unique().to_pylist()) for words in (sample.source, sample.target))
    known_source, known_target = pair.words[0] - pair.words[1], pair.words[1] - pair.words[0]
    straight = len(source & known_source) + len(target & known_target)
    crossed = len(source & known_target) + len(target & known_source)
    if crossed >= _EVIDENCE and crossed > 2 * straight:
        raise DataError(
            f"seems to have {pair.job.target} on the side of {pair.job.source}: {crossed} words are on the other side "
            f"of the corpora before it, only {straight} on the same side; give it with its sides swapped",
            chunk.place,
        )
    warnings = [*pair.aligner.check(sample)] if straight < _EVIDENCE else []
    for code, words, other in (
        (pair.job.source, sample.source, sample.target),
        (pair.job.target, sample.target, sample.source),
    ):
        if warning := unbroken_warning(code, words, other):
            warnings.append(f"{chunk.place}: {warning}")
    for warning in warnings[: MOST_WARNINGS - len(pair.warnings)]:
        console.warn(warning)
        pair.warnings.append(warning)
    if len(pair.words[0]) < _WORDS_KEPT:
        pair.words[0].update(source)
        pair.words[1].update(target)
