"""Every aligner against gold links: agreement, what is left for realignment, and processor time.

    python -m benchmarks aligners --gold DIR --parallel DIR --encoder DIR

DIR of `--gold` holds the published files named in `GOLD`, DIR of `--parallel` folders of TSV files `en-de.tsv`, such as
those of Tatoeba and NTREX. Aligners that learn from the text are given the gold sentences and the parallel text of the
language pair, the encoder the gold sentences alone; everything is scored on the first sentences of the gold.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alignfreeze_cli.aligners import aligner_class
from alignfreeze_cli.aligners.base import SentencePairs
from alignfreeze_cli.aligners.scoring import LinkScores, score
from alignfreeze_cli.aligners.scoring_settings import ScoreLinksSettings
from alignfreeze_cli.aligners.settings import AlignPairsSettings
from alignfreeze_cli.pairs.links import filter_links
from alignfreeze_cli.pairs.settings import TWO_FILES
from alignfreeze_cli.pairs.words import Words, splitter
from alignfreeze_cli.progress import Console
from alignfreeze_cli.steps.score_links import read_gold
from benchmarks.clock import processor_time
from benchmarks.inputs import Inputs
from benchmarks.table import Report, markdown

SENTENCES = 100  # of each gold that are scored


@dataclass(frozen=True)
class GoldFiles:
    """A file of gold links, the file or files of its sentences, and from which number it counts words."""

    links: str
    text: str | None = None
    base: str | None = None


GOLD = {
    "de-en": GoldFiles("bicici-de-en/de-en.ref.wa", "bicici-de-en/test.de::bicici-de-en/test.en", "0"),
    "en-fr": GoldFiles("awesome-align/enfr.gold", "awesome-align/enfr.src-tgt", "1"),
    "ro-en": GoldFiles("awesome-align/roen.gold", "awesome-align/roen.src-tgt", "1"),
    "zh-en": GoldFiles("awesome-align/zhen.gold", "awesome-align/zhen.src-tgt", "1"),
    "en-cs": GoldFiles("binaryalign/en-cz.czenali.valid.jsonl"),
    "en-hi": GoldFiles("binaryalign/en-hi.hindi.train.jsonl"),
    "en-tr": GoldFiles("silveralign/eng_tur.Gold/gold.txt", "silveralign/eng_tur.Gold/parallel.txt"),
    "en-ru": GoldFiles("pud/en-ru/alignment.json", "pud/en-ru/en.conllu::pud/en-ru/target.conllu"),
    "en-ar": GoldFiles("pud/en-ar/alignment.json", "pud/en-ar/en.conllu::pud/en-ar/target.conllu"),
}
"""Language pair, source first → its gold."""

ROWS: dict[str, dict[str, Any]] = {
    "dictionary": {"aligner": "dictionary", "fold_case": True},
    "fast-align": {"aligner": "fast-align"},
    "fast-align, grow-diag-final-and": {"aligner": "fast-align", "symmetrise": "grow-diag-final-and"},
    "hmm": {"aligner": "hmm"},
    "eflomal": {"aligner": "eflomal"},
    "eflomal, grow-diag-final-and": {"aligner": "eflomal", "symmetrise": "grow-diag-final-and"},
    "encoder, argmax": {"aligner": "encoder", "extract": "argmax"},
    "encoder, itermax": {"aligner": "encoder", "extract": "itermax"},
    "encoder, match": {"aligner": "encoder", "extract": "match"},
    "encoder, softmax 0.001": {"aligner": "encoder", "extract": "softmax"},
    "encoder, softmax of cosines": {
        "aligner": "encoder",
        "extract": "softmax",
        "softmax_temperature": 0.01,
        "softmax_threshold": 0.1,
    },
}
"""What a row is called → the settings of `align-pairs`; cosines are divided by 0.01, and the threshold is 0.1."""


@dataclass(frozen=True)
class Measured:
    """What came out for one aligner and language pair; `filtered` counts the links that realignment uses."""

    scores: LinkScores
    filtered: LinkScores
    sentences: int
    seconds: float  # of processor time for 1,000 pairs


def run(inputs: Inputs) -> Report:
    """All aligners on all language pairs; four tables, aligner by language pair."""
    options = inputs.options
    if options.gold is None or options.encoder is None:
        raise SystemExit("aligners needs --gold and --encoder, and --parallel for aligners that learn from text")
    found: dict[tuple[str, str], Measured] = {}
    for pair, files in GOLD.items():
        if not (options.gold / files.links).is_file():
            continue
        gold, text = _text(options.gold, options.parallel, pair, files)
        for name, settings in ROWS.items():
            if not re.search(options.aligners, name):
                continue
            measured = _measure(inputs, pair, settings, gold, text)
            if measured is not None:
                found[name, pair] = measured
    return Report(text=_tables(found))


def _text(folder: Path, parallel: Path | None, pair: str, files: GoldFiles) -> tuple[list[Any], SentencePairs]:
    """The gold, and the sentences of a language pair: first those of the gold, then the parallel text."""
    text = None if files.text is None else TWO_FILES.join(str(folder / each) for each in files.text.split(TWO_FILES))
    settings = ScoreLinksSettings(
        links=(folder / files.links,), gold=folder / files.links, gold_base=files.base, text=text
    )
    gold, sides, _ = read_gold(settings, Console())
    assert sides is not None
    source, target = (list(side) for side in sides)
    codes = pair.split("-")
    other = next(code for code in codes if code != "en")
    for path in sorted(parallel.glob(f"*/en-{other}.tsv")) if parallel is not None else ():
        columns = zip(*(line.split("\t")[:2] for line in path.read_text(encoding="utf-8").splitlines()), strict=True)
        both = dict(zip(("en", other), columns, strict=True))
        source += splitter("unicode", codes[0])(both[codes[0]]).to_lists()
        target += splitter("unicode", codes[1])(both[codes[1]]).to_lists()
    return gold.sentences, SentencePairs(Words.from_lists(source), Words.from_lists(target), position=1)


def _measure(
    inputs: Inputs, pair: str, chosen: dict[str, Any], gold: list[Any], text: SentencePairs
) -> Measured | None:
    """One aligner on one language pair; None without a dictionary."""
    source, target = pair.split("-")
    options = inputs.options
    given: dict[str, Any] = {"source": source, "target": (target,), "words": "blank", "corpus": ("text-{pair}",)}
    if chosen["aligner"] == "dictionary":
        paths = [str(options.dictionary).format(source=s, target=t) for s, t in ((source, target), (target, source))]
        if options.dictionary is None or not any(Path(path).is_file() for path in paths):
            return None
        given["dictionary"] = options.dictionary
    if chosen["aligner"] == "encoder":
        given |= {"encoder": str(options.encoder), "device": options.device, "precision": options.precision}
    aligner, _ = aligner_class(chosen["aligner"]).prepare(AlignPairsSettings(**given, **chosen), target, Console())
    wanted, batch = min(SENTENCES, len(gold)), text
    folder = Path(tempfile.mkdtemp(dir=inputs.folder))
    if chosen["aligner"] == "encoder":
        batch = _first(text, wanted)
        aligner = aligner.fit(iter(()), folder, Console())  # loads it
        aligner.align(_first(text, 1))
    begun = processor_time()
    aligner = aligner.fit(iter([batch]), folder, Console())
    links = aligner.align(batch)
    seconds = 1_000 * (processor_time() - begun) / len(batch)
    links = links.select(links.pair < wanted)
    kept = filter_links(batch.source, batch.target, links).links
    scores, filtered = (score([set(each) for each in found.to_lists(wanted)], gold[:wanted]) for found in (links, kept))
    return Measured(scores, filtered, wanted, seconds)


def _first(text: SentencePairs, count: int) -> SentencePairs:
    numbers = np.arange(count)
    return SentencePairs(text.source.select(numbers), text.target.select(numbers), position=1)


def _tables(found: dict[tuple[str, str], Measured]) -> str:
    """AER; precision, recall, F1; links a pair and what is kept of them; processor time."""
    cells: dict[str, Callable[[Measured], str]] = {
        "AER, in percent": lambda each: _percent(each.scores.aer),
        "Precision / recall / F1, in percent": lambda each: " / ".join(
            map(_percent, (each.scores.precision, each.scores.recall, each.scores.f1))
        ),
        "Links a pair → those that realignment uses @ their precision": lambda each: (
            f"{each.scores.links / each.sentences:.1f} → {each.filtered.links / each.sentences:.1f} @ "
            f"{_percent(each.filtered.precision)}"
        ),
        "Processor time, seconds per 1,000 pairs": lambda each: f"{each.seconds:.2g}",
    }
    pairs = list(dict.fromkeys(pair for _, pair in found))
    parts = []
    for title, cell in cells.items():
        rows = [
            [name, *(cell(found[name, pair]) if (name, pair) in found else "–" for pair in pairs)]
            for name in dict.fromkeys(name for name, _ in found)
        ]
        parts.append(f"{title}:\n\n{markdown(['aligner', *pairs], rows)}")
    return "\n\n".join(parts)


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"
