"""The command `align-pairs`: parallel text → pairs folder.

1. find the corpora, dictionaries or links of every language
2. read the corpora in chunks, align and filter these, in several processes if wanted
3. write one Parquet file per language, and statistics.json: what was kept, what was dropped and why
"""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from itertools import chain, groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from alignfreeze_cli.aligners import aligner_class
from alignfreeze_cli.aligners.base import MODEL
from alignfreeze_cli.aligners.encoder_settings import ENCODER_LINES
from alignfreeze_cli.aligners.language_pair import LanguagePair, chunks_of_corpora, read_batches, read_chunks
from alignfreeze_cli.aligners.linking import LinkedChunk, LinkingJob, LinkingPool, drop_duplicates
from alignfreeze_cli.aligners.saved import saved_aligner
from alignfreeze_cli.aligners.selection import select
from alignfreeze_cli.aligners.settings import AlignPairsSettings
from alignfreeze_cli.artifacts import Input, OutputFolder, Result, resolve_encoder
from alignfreeze_cli.artifacts.files import atomic_file
from alignfreeze_cli.artifacts.record import portable
from alignfreeze_cli.errors import DataError, SettingsError
from alignfreeze_cli.hub.cards import card_after
from alignfreeze_cli.pairs.chunks import CHUNK
from alignfreeze_cli.pairs.counts import FILTERED, FileCounts, few_pairs_warnings, recut_warnings
from alignfreeze_cli.pairs.filters import TextFilters, language_test
from alignfreeze_cli.pairs.folder import PairsWriter, data_file, write_statistics
from alignfreeze_cli.pairs.readers import find_corpora
from alignfreeze_cli.pairs.words import segmenter_for
from alignfreeze_cli.phrases import counted, listed
from alignfreeze_cli.progress import WARNINGS, Console
from alignfreeze_cli.steps.estimates import of_align_pairs

MALFORMED = 0.01
"""Share of a file's lines that may be malformed."""


def align_pairs(settings: AlignPairsSettings, console: Console = WARNINGS) -> Result:
    """Find the links between the words of parallel text and write the usable pairs of every language.

    Raises SettingsError (a segmenter is missing, `--filter language` does not know a language, and what `OutputFolder`
    raises), DataError (a corpus, dictionary or file of links that cannot be used, or no usable pair at all), HubError.
    """
    if settings.word_rule != "blank":
        for code in (settings.source, *settings.target):
            segmenter_for(code)  # raises SettingsError if it is needed and not installed
    if "language" in settings.filter:
        for code in (settings.source, *settings.target):
            language_test(code)  # raises SettingsError for a language that it does not know
    if settings.min_score is not None and not aligner_class(settings.aligner).scored:
        raise SettingsError(f"--min-score needs links that have scores, and --aligner {settings.aligner} gives none.")
    if settings.aligner == "encoder":
        from alignfreeze_cli.training.devices import with_precision  # needs torch, other aligners don't

        settings = with_precision(settings)
    languages = [_find_inputs(settings, target, console) for target in settings.target]

    inputs = [each for pair in languages for each in pair.inputs]
    if encoder := _find_filter_encoder(settings):
        inputs.append(encoder)
    inputs = list({each.name: each for each in inputs}.values())  # languages may have one in common, an encoder

    output = OutputFolder("pairs", settings, inputs, default="pairs")
    kept = saved_aligner(settings, inputs)
    if kept is not None and kept.finished() is not None:
        kept = None
    if done := output.finished():
        if (settings.pharaoh is not None or kept is not None) and not settings.dry_run:
            # Files of links may be missing, or come from other settings: nothing records what they were made from.
            console.info("The pairs are there already; writing what else is asked for.")
            with _kept_models(kept, languages, console) as models:
                _align(languages, encoder, settings, console, None, models)
        return card_after(done, console, settings.dry_run)
    if settings.dry_run:
        encoders = [each for each in inputs if each.name in ("encoder", "filter-encoder")]
        _demand_usable(encoders, settings.device)
        needs = of_align_pairs(settings, [each.path for each in encoders], console)
        return output.planned({**_plan(languages, settings), "needs": needs.to_dict()})

    with output.open(console) as work, _kept_models(kept, languages, console) as models:
        _align(languages, encoder, settings, console, work.path, models)
        counts = {pair.job.target: pair.counts for pair in languages}
        warnings = few_pairs_warnings(counts, settings.word_rule) + recut_warnings(counts, settings.word_rule)
        for warning in warnings:
            console.warn(warning)
        warnings = [warning for pair in languages for warning in pair.warnings] + warnings
        statistics = {
            "source": settings.source,
            "words": settings.word_rule,
            "aligner": settings.aligner,
            "languages": {pair.job.target: _statistics(pair) for pair in languages},
            "warnings": warnings,
        }
        write_statistics(work.path, statistics)
        work.details = {
            "languages": {pair.job.target: pair.counts.summary() for pair in languages},
            "warnings": warnings,
        }
    return card_after(output.result, console)


def _find_inputs(settings: AlignPairsSettings, target: str, console: Console) -> LanguagePair:
    corpora, corpus_input = find_corpora(settings, target)
    aligner, aligner_inputs = aligner_class(settings.aligner).prepare(settings, target, console)
    job = LinkingJob(
        settings.source,
        target,
        settings.word_rule,
        aligner,
        pharaoh=settings.pharaoh is not None,
        find_duplicates="duplicates" in settings.filter,
        filters=TextFilters(
            max_ratio=settings.max_length_ratio if "length-ratio" in settings.filter else None,
            languages=(settings.source, target) if "language" in settings.filter else None,
        ),
        min_score=settings.min_score,
    )
    lines = ENCODER_LINES if settings.aligner == "encoder" else CHUNK
    return LanguagePair(job, corpora, [corpus_input, *aligner_inputs], lines)


@contextmanager
def _kept_models(kept: OutputFolder | None, languages: list[LanguagePair], console: Console) -> Iterator[Path | None]:
    """Where the fitted aligners are kept, if they are; made whole as the pairs are."""
    if kept is None:
        yield None
        return
    with kept.open(console) as work:
        yield work.path
        work.details = {"languages": {pair.job.target: {"lines": pair.counts.lines} for pair in languages}}


def _find_filter_encoder(settings: AlignPairsSettings) -> Input | None:
    """The encoder that compares sentences, if one does. Raises SettingsError or ArtifactError for what is none."""
    if settings.filter_encoder is None:
        return None
    from alignfreeze_cli.encoder.models import skeleton  # with torch, which most runs do without

    found = resolve_encoder(settings.filter_encoder, "filter-encoder", of_sentences=True)
    skeleton(found.path)
    return found


def _demand_usable(encoders: list[Input], device: str) -> None:
    """What a run would find missing only when it loads an encoder: the device, and packages for the tokenizer."""
    for each in encoders:
        from alignfreeze_cli.encoder.blocks import architecture
        from alignfreeze_cli.encoder.models import skeleton
        from alignfreeze_cli.encoder.tokenizers import load_tokenizer
        from alignfreeze_cli.training.devices import pick_device

        pick_device(device)
        arch = architecture(skeleton(each.path))
        load_tokenizer(each.path, arch.vocabulary_size, arch.causal)


def _plan(languages: list[LanguagePair], settings: AlignPairsSettings) -> dict[str, Any]:
    """What a dry run says."""
    plan: dict[str, Any] = {
        "words": settings.word_rule,
        "aligner": settings.aligner,
        "corpora": {pair.name: [corpus.place for corpus in pair.corpora] for pair in languages},
    }
    if settings.save_aligner is not None:
        plan["saved aligner"] = str(settings.save_aligner)
    if settings.pharaoh is not None:
        plan["pharaoh"] = [str(_pharaoh_file(settings.pharaoh, pair)) for pair in languages]
    return plan


def _align(
    languages: list[LanguagePair],
    encoder: Input | None,
    settings: AlignPairsSettings,
    console: Console,
    folder: Path | None,
    models: Path | None,
) -> None:
    """Align every language and count; without a folder, no pairs are written; without `models`, no models are kept."""
    if settings.keep_best is not None or settings.by_similarity:
        _select_lines(languages, encoder, settings, console)
    with ExitStack() as stack:
        fitted = Path(stack.enter_context(TemporaryDirectory(dir=folder or models)))  # what the aligners learn
        for pair in languages:
            (fitted / pair.name).mkdir()
            batches = read_batches(pair, settings.max_lines, console)
            pair.job = replace(pair.job, aligner=pair.aligner.fit(batches, fitted / pair.name, console))
            if models is not None:
                shutil.move(fitted / pair.name / MODEL, models / pair.name)
        pool = stack.enter_context(LinkingPool(settings.workers))
        # One stream over all languages: the processes need not wait for the end of one to begin the next.
        work = chain.from_iterable(
            ((pair.job, chunk) for chunk in read_chunks(pair, settings.max_lines, console)) for pair in languages
        )
        linked_by_language = groupby(pool.link(work), key=lambda linked: linked.target)
        # One bar, too: while one language is written, the next is aligned already.
        which = languages[0].name if len(languages) == 1 else f"{len(languages)} languages"
        progress = stack.enter_context(console.progress(f"aligning {which}", unit="lines"))
        kept = 0
        for pair, (_, linked) in zip(languages, linked_by_language, strict=True):
            place = "" if len(languages) == 1 else f"up to {pair.name}, "
            with closing(_write_language(pair, linked, settings, console, folder)) as written:
                for lines in written:
                    progress.advance(lines, note=f"{place}{kept + pair.counts.kept:,} kept")
            kept += pair.counts.kept
    if not any(pair.counts.kept for pair in languages):
        raise DataError(
            f"No usable pair in {sum(pair.counts.lines for pair in languages):,} lines: no link was left in any "
            "language; do the corpus, the dictionary and --words fit together?"
        )


def _select_lines(
    languages: list[LanguagePair], encoder: Input | None, settings: AlignPairsSettings, console: Console
) -> None:
    """Find out which lines of each language pair are aligned, where all of them must be read to know it."""
    compare = None
    if encoder is not None:
        from alignfreeze_cli.encoder.sentences import load_sentence_encoder

        compare = load_sentence_encoder(encoder.path, settings.device)
    for pair in languages:
        chunks = chunks_of_corpora(pair, settings.max_lines, console)
        pair.selection = select(chunks, settings, pair.name, compare, console)
        if "similarity" in pair.selection.thresholds and settings.min_similarity is None:
            least = pair.selection.thresholds["similarity"]
            console.info(f"{pair.name}: pairs with a cosine below {least:.3f} are left out, as unrelated ones have.")


def _write_language(
    pair: LanguagePair,
    linked_chunks: Iterable[LinkedChunk],
    settings: AlignPairsSettings,
    console: Console,
    folder: Path | None,
) -> Generator[int, None, None]:
    """Write one language pair as it is aligned, and give the lines of each chunk.

    Raises DataError if more than 1 % of a file's lines are malformed.
    """
    companion = portable(str(pair.aligner.companion))
    seen: set[bytes] = set()  # digests of pairs, if duplicates are dropped
    with ExitStack() as stack:
        writer = pharaoh = None
        if folder is not None:
            path = data_file(folder, pair.job.source, pair.job.target)
            writer = stack.enter_context(PairsWriter(path, pair.aligner.scored))
        if settings.pharaoh is not None:
            pharaoh = stack.enter_context(atomic_file(_pharaoh_file(settings.pharaoh, pair)))
        for place, linked_of_file in groupby(linked_chunks, key=lambda linked: linked.place):
            for linked in linked_of_file:
                if "duplicates" in settings.filter:
                    linked = drop_duplicates(linked, seen)
                pair.counts.add(linked.counts)
                pair.files.setdefault(place, FileCounts()).add(linked.lines, linked.malformed, linked.counts)
                if pair.aligner.companion is not None:
                    pair.files.setdefault(companion, FileCounts()).add(linked.lines, linked.malformed_companion)
                if writer is not None:
                    writer.write(linked.pairs())
                if pharaoh is not None:
                    pharaoh.write(linked.pharaoh.encode())
                yield linked.lines
            _demand_well_formed(place, pair.files[place])
        if pair.aligner.companion is not None:
            _demand_well_formed(companion, pair.files[companion])
    if pair.counts.too_long:
        be, have = ("is", "has") if pair.counts.too_long == 1 else ("are", "have")
        warning = (
            f"{pair.name}: {counted(pair.counts.too_long, 'pair')} of {pair.counts.lines:,} {be} longer than --aligner "
            f"{settings.aligner} can take, and {have} no links."
        )
        console.warn(warning)
        pair.warnings.append(warning)
    if filters := [name for name in FILTERED if name in settings.filters]:
        left_out = pair.counts.left_out()
        numbers = [f"{left_out.get(name, 0):,} by {name}" for name in filters]
        console.info(f"{pair.name}: pairs left out: {listed(numbers)}.")
    for file, counts in pair.files.items():
        if counts.malformed:
            first = ", ".join(f"line {each.line} ({each.reason})" for each in counts.examples)
            console.warn(f"{file}: {counts.malformed:,} of {counts.lines:,} lines are malformed and skipped: {first}.")


def _demand_well_formed(place: str, counts: FileCounts) -> None:
    if counts.malformed > MALFORMED * counts.lines:
        first = counts.examples[0]
        raise DataError(
            f"{counts.malformed:,} of {counts.lines:,} lines are malformed, more than {MALFORMED:.0%}; the first one: "
            f"{first.reason}",
            place,
            first.line,
        )


def _statistics(pair: LanguagePair) -> dict[str, Any]:
    files = {place: counts.to_dict() for place, counts in pair.files.items()}
    found = pair.counts.to_dict() | {"files": files}
    if pair.selection is not None:
        found["least scores"] = pair.selection.thresholds
    if aligner := dict(pair.aligner.statistics()):
        found["aligner"] = aligner
    return found


def _pharaoh_file(folder: Path, pair: LanguagePair) -> Path:
    return folder / f"{pair.name}.pharaoh"
