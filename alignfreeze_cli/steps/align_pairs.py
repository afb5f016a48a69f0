"""The step `align-pairs`: parallel text → pairs folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import chain, groupby, islice
from pathlib import Path
from typing import IO, Any

from alignfreeze_cli.aligners import aligner_class
from alignfreeze_cli.aligners.base import Aligner
from alignfreeze_cli.aligners.linking import Aligned, ChunkTask, Job, Workers, split_chunk, unpacked
from alignfreeze_cli.aligners.settings import AlignPairsSettings
from alignfreeze_cli.artifacts import Input, OutputFolder, Result
from alignfreeze_cli.artifacts.record import portable
from alignfreeze_cli.errors import DataError, SettingsError
from alignfreeze_cli.hub.cards import card_after
from alignfreeze_cli.pairs.folder import PairsWriter, data_file, write_statistics
from alignfreeze_cli.pairs.lines import Chunk, Lines, parse
from alignfreeze_cli.pairs.readers import Corpus, find_corpora
from alignfreeze_cli.pairs.statistics import Counts, FileCounts, starving, summary
from alignfreeze_cli.pairs.words import segmenter_for
from alignfreeze_cli.progress import Console

MALFORMED = 0.01
"""Share of a file's lines that may be malformed."""

_SAMPLE = 1_000  # lines in which a dictionary must show that it is meant for the corpus


@dataclass
class LanguagePair:
    """One language pair on its way: what it is made from, and what has been counted."""

    job: Job
    corpora: list[Corpus]
    inputs: list[Input]
    counts: Counts = field(default_factory=Counts)
    files: dict[str, FileCounts] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.job.source}-{self.job.target}"

    @property
    def aligner(self) -> Aligner:
        return self.job.aligner


def align_pairs(settings: AlignPairsSettings, console: Console) -> Result:
    """Find the links between the words of parallel text and write the usable pairs of every language.

    Raises SettingsError (a segmenter is missing), DataError (a corpus, dictionary or file of links that cannot be used,
    or no usable pair at all), HubError, and what `OutputFolder` raises.
    """
    languages = _resolve(settings, console)
    inputs = [resolved for language in languages for resolved in language.inputs]
    output = OutputFolder("pairs", settings, inputs, default="pairs")
    if done := output.finished():
        if settings.pharaoh is not None and not settings.dry_run:
            # The pairs need not be made again, but nobody knows from which words the files of links come, if any.
            console.info("The pairs are there already; writing the links.")
            _build(languages, settings, console, None)
        return done
    plan = {
        "words": settings.words,
        "aligner": settings.aligner,
        "corpora": {language.name: [corpus.place for corpus in language.corpora] for language in languages},
    }
    if settings.pharaoh is not None:
        plan["pharaoh"] = [str(_pharaoh_file(settings.pharaoh, language)) for language in languages]

    if settings.dry_run:
        return output.planned(plan)
    with output.open(console) as work:
        work.details = _build(languages, settings, console, work.path)
    card_after(output.result, console)
    return output.result


def _resolve(settings: AlignPairsSettings, console: Console) -> list[LanguagePair]:
    """Find everything that is needed, for all languages, before anything is read."""
    codes = (settings.source, *settings.target)
    if settings.words != "blank":
        for code in codes:
            segmenter_for(code)
    languages = []
    for target in settings.target:
        corpora, corpus_input = find_corpora(settings, target)
        aligner, aligner_inputs = aligner_class(settings.aligner).prepare(settings, target, console)
        job = Job(settings.source, target, settings.words, aligner, settings.pharaoh is not None)
        languages.append(LanguagePair(job, corpora, [corpus_input, *aligner_inputs]))
    return languages


def _build(
    languages: list[LanguagePair], settings: AlignPairsSettings, console: Console, folder: Path | None
) -> dict[str, Any]:
    """Align every language; without a folder only the files of links are written. Gives the details for the record."""
    with Workers(settings.workers) as workers:
        # One stream over all languages: at the end of one, nobody waits for the last chunk before the next begins.
        tasks = chain.from_iterable(_tasks(language, settings.max_lines) for language in languages)
        outcomes = groupby(workers.align(tasks), key=lambda aligned: aligned.target)
        for language, (_, aligned) in zip(languages, outcomes, strict=True):
            language.counts, language.files = Counts(), {}
            _align_language(language, aligned, settings, console, folder)
    kept = {language.job.target: language.counts.kept for language in languages}
    if not any(kept.values()):
        raise DataError(
            f"No usable pair in {sum(language.counts.lines for language in languages):,} lines: no link was left in "
            "any language; do the corpus, the dictionary and --words fit together?"
        )
    lines = {language.job.target: language.counts.lines for language in languages}
    warnings = starving(kept, lines, settings.words)
    for warning in warnings:
        console.warn(warning)
    if folder is not None:
        statistics = {
            "source": settings.source,
            "words": settings.words,
            "aligner": settings.aligner,
            "languages": {language.job.target: _described(language) for language in languages},
            "warnings": warnings,
        }
        write_statistics(folder, statistics)
    return {
        "languages": {language.job.target: summary(language.counts) for language in languages},
        "warnings": warnings,
    }


def _described(language: LanguagePair) -> dict[str, Any]:
    facts = dict(language.aligner.described())
    files = {place: counts.described() for place, counts in language.files.items()}
    return language.counts.described() | {"files": files} | ({"aligner": facts} if facts else {})


def _align_language(
    language: LanguagePair,
    outcomes: Iterator[Aligned],
    settings: AlignPairsSettings,
    console: Console,
    folder: Path | None,
) -> None:
    """Write one language pair as it is aligned; raises DataError if more than 1 % of a file's lines are malformed."""
    companion = portable(str(language.aligner.companion))
    with ExitStack() as stack:
        writer = pharaoh = None
        if folder is not None:
            path = data_file(folder, language.job.source, language.job.target)
            writer = stack.enter_context(PairsWriter(path))
        if settings.pharaoh is not None:
            pharaoh = stack.enter_context(_whole_file(_pharaoh_file(settings.pharaoh, language)))
        progress = stack.enter_context(console.progress(f"aligning {language.name}", unit="lines"))
        place = None
        for aligned in outcomes:
            if place not in (None, aligned.place):
                _demand_well_formed(str(place), language.files[str(place)])
            place = aligned.place
            language.counts.add(aligned.counts)
            language.files.setdefault(aligned.place, FileCounts()).add(aligned.lines, aligned.problems)
            if language.aligner.companion is not None:
                language.files.setdefault(companion, FileCounts()).add(aligned.lines, aligned.link_problems)
            if writer is not None:
                writer.write(unpacked(aligned))
            if pharaoh is not None:
                pharaoh.write(aligned.pharaoh)
            progress.advance(aligned.lines, note=f"{language.counts.kept:,} kept")
        for file, counts in language.files.items():
            _demand_well_formed(file, counts)
    for file, counts in language.files.items():
        if counts.malformed:
            first = ", ".join(f"line {problem.line} ({problem.why})" for problem in counts.places)
            console.warn(f"{file}: {counts.malformed:,} of {counts.lines:,} lines are malformed and skipped: {first}.")


def _demand_well_formed(place: str, counts: FileCounts) -> None:
    if counts.malformed > MALFORMED * counts.lines:
        first = counts.places[0]
        raise DataError(
            f"{counts.malformed:,} of {counts.lines:,} lines are malformed, more than {MALFORMED:.0%}; the first one: "
            f"{first.why}",
            place,
            first.line,
        )


def _tasks(language: LanguagePair, limit: int | None) -> Iterator[ChunkTask]:
    """The chunks of all corpora of a language pair, each with its lines of the aligner's companion file."""
    companion = language.aligner.companion
    if companion is not None and limit is not None and len(language.corpora) > 1:
        # Each corpus would end early, and the file of links would go on in the middle of it.
        raise SettingsError(
            "--max-lines with --aligner pharaoh needs a single corpus; give one, or leave --max-lines out."
        )
    with ExitStack() as stack:
        lines = stack.enter_context(companion.open("rb")) if companion is not None else None
        number, checked = 1, False
        for corpus in language.corpora:
            for chunk in corpus.chunks(limit):
                if not checked:
                    _check(language, chunk)
                    checked = True
                block = None
                if lines is not None:
                    held = list(islice(lines, chunk.count))
                    if len(held) < chunk.count:
                        raise DataError(f"has {number - 1 + len(held)} lines, fewer than the corpus", companion)
                    block = b"".join(held)
                yield language.job, chunk, number, block
                number += chunk.count
        if lines is not None and limit is None and lines.readline():
            raise DataError(f"goes on after line {number - 1}, where the corpus ends", companion)


def _check(language: LanguagePair, chunk: Chunk) -> None:
    """Let the aligner look at the beginning of the corpus."""
    lines = parse(chunk)
    language.aligner.check(split_chunk(language.job, Lines(lines.source[:_SAMPLE], lines.target[:_SAMPLE])))


def _pharaoh_file(folder: Path, language: LanguagePair) -> Path:
    return folder / f"{language.name}.pharaoh"


@contextmanager
def _whole_file(path: Path) -> Iterator[IO[str]]:
    """A text file that appears under its name when it is complete, and not at all if the block fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("w", encoding="utf-8", newline="\n") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
