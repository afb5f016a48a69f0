"""Settings of parallel text: where it is read and how it is cut into words.

Imports nothing heavy: the command line reads it at every start.
"""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from typing import Any

from alignfreeze_cli.settings import StepSettings, setting

_PAPER = "bg cs de es lv af ar ca da el fa fi fr he hi hu it ja ko lt no pl pt ro ru sk sl sv ta th tr uk vi zh"
PAPER_LANGUAGES = tuple(_PAPER.split(" "))
"""The 34 languages that the paper realigns, in the order of its published scripts for PoS and NER."""

KNOWN_LANGUAGES = ("en", *PAPER_LANGUAGES)
"""Codes that are offered where a language is named; any other one will do as well."""

OPUS_100 = "opus-100"
WORD_RULES = ("unicode", "published", "blank")
FILTERS = ("duplicates", "length-ratio", "language", "similarity")
DEFAULT_LENGTH_RATIO = 3.0
"""OpusFilter's default for words (its `LengthRatioFilter`); that of Moses' clean-corpus-n.perl is 9.

In Tatoeba and NTREX, English and 12 other languages, at most 2 % of the lines exceed 3. Of lines put together at random
2 to 18 % do, while at most 0.6 % exceed 9.
"""
PLACEHOLDERS = ("source", "target", "language", "pair")
_TEXT, _KEPT = "Parallel text", "Which pairs are kept"
"""Headings in the help."""
TWO_FILES = "::"
"""Between the two paths of a corpus whose sides are in files of their own."""

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]+)*")


def fill(template: str, source: str, target: str) -> str:
    """Replace `{source}`, `{target}` and `{pair}` (both codes in alphabetical order); `{language}` stays."""
    pair = "-".join(sorted((source, target)))
    return template.format(source=source, target=target, pair=pair, language="{language}")


def placeholders(template: str) -> set[str]:
    """The names in braces; raises ValueError if the braces do not match."""
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


def _check_languages(value: tuple[str, ...]) -> str | None:
    if not value:
        return "needs at least one language"
    bad = [code for code in value if not _LANGUAGE.fullmatch(code)]
    if bad:
        return f"must hold language codes such as de or zh, not {bad[0]!r}"
    doubled = {code for code in value if value.count(code) > 1}
    return f"names {sorted(doubled)[0]} twice" if doubled else None


def _check_language(value: str) -> str | None:
    return None if _LANGUAGE.fullmatch(value) else f"must be a language code such as en, not {value!r}"


def template_complaint(value: str, allowed: tuple[str, ...]) -> str | None:
    """What is wrong with the placeholders of a path, or None."""
    try:
        unknown = placeholders(value) - set(allowed)
    except ValueError:
        return f"has braces that do not match: {value!r}"
    known = ", ".join(f"{{{name}}}" for name in allowed)
    return f"has an unknown {{{sorted(unknown)[0]}}} in {value!r}; known are {known}" if unknown else None


def _check_corpora(value: tuple[str, ...]) -> str | None:
    if not value:
        return "needs at least one corpus"
    return next(filter(None, (template_complaint(item, PLACEHOLDERS) for item in value)), None)


def _check_columns(value: tuple[str, ...]) -> str | None:
    if len(value) not in (0, 2) or len(set(value)) < len(value):
        return f"needs two different columns, SOURCE,TARGET, not {','.join(value)}"
    return "counts columns from 1" if "0" in value and all(item.isdecimal() for item in value) else None


@dataclass(frozen=True, kw_only=True)
class CorpusSettings(StepSettings):
    """Which parallel text is read, and how it is cut into words; `AlignPairsSettings` adds how it is aligned."""

    source: str = setting(
        "en",
        panel=_TEXT,
        help="Language of the first side.",
        check=_check_language,
        suggested=KNOWN_LANGUAGES,
        metavar="CODE",
    )
    target: tuple[str, ...] = setting(
        PAPER_LANGUAGES,
        panel=_TEXT,
        help="Languages of the second side, comma separated; if none is named the paper's 34.",
        check=_check_languages,
        suggested=PAPER_LANGUAGES,
        metavar="CODES",
    )
    corpus: tuple[str, ...] = setting(
        (OPUS_100,),
        panel=_TEXT,
        help="Parallel text: a file (TSV, lines of `source ||| target`, CSV, JSONL, TMX or Parquet), two files (Moses "
        "format, line k translates line k: `news.{pair}.{language}`, or both names with `::` between them: "
        "`a.en::b.de`), a pipe (/dev/stdin), or a data set of the Hub (`org/name@revision`; `opus-100` for short). "
        "{source} and {target} are replaced by the language codes, {pair} by both in alphabetical order, {language} by "
        "the code of each side. Several corpora are read one after another. Files may be compressed (gzip, bzip2, xz, "
        "zstd).",
        check=_check_corpora,
        input=True,
        metavar="PATHS",
    )
    corpus_format: str = setting(
        "auto",
        panel=_TEXT,
        help="Format of text files. tsv: source, tab, target; bars: source ||| target; csv; jsonl: a JSON object on "
        "each line; tmx; auto: by the name (such as .tsv) or the first lines.",
        choices=("auto", "tsv", "bars", "csv", "jsonl", "tmx"),
    )
    split: str = setting("train", panel=_TEXT, help="Split of a data set of the Hub.")
    max_lines: int | None = setting(
        None,
        panel=_TEXT,
        help="Read at most this many lines of each corpus, to try something out; default: all.",
        minimum=1,
    )
    words: str | None = setting(
        None,
        panel=_TEXT,
        help="How text is cut into words. unicode: letters and digits with their marks; published: \\w+|[^\\w\\s]+ as "
        "in the paper, which cuts Indic words to pieces; blank: at spaces and tabs only, for text that is split "
        "already. Under the first two zh, ja and th are cut by a segmenter (extra `segmenters`), and other languages "
        "without blanks are refused. Default: unicode, or blank with --aligner pharaoh.",
        choices=WORD_RULES,
    )
    columns: tuple[str, ...] = setting(
        (),
        panel=_TEXT,
        help="The two columns that hold source and target, where a file has more, or names them otherwise: numbers "
        "counted from 1 (TSV, CSV), names in the first line (TSV, CSV), names of columns (Parquet), keys (JSONL), with "
        "dots inside nested ones (translation.de), or languages (TMX).",
        check=_check_columns,
        metavar="SOURCE,TARGET",
    )
    filter: tuple[str, ...] = setting(
        (),
        panel=_KEPT,
        help="Pairs to leave out; several with commas. duplicates: those whose words are the same, on both sides, as "
        "in a pair before. length-ratio: those with more than --max-length-ratio times as many words on one side as on "
        "the other. language: those with a side that is in another language (extra `filters`). similarity: those "
        "whose sides are no more alike than unrelated sentences, by --filter-encoder.",
        choices=FILTERS,
    )
    max_length_ratio: float = setting(
        DEFAULT_LENGTH_RATIO,
        panel=_KEPT,
        help="With --filter length-ratio: words of the longer side for each word of the shorter one, at most.",
        minimum=1.0,
    )

    keep_best: float | None = setting(
        None,
        panel=_KEPT,
        help="Keep only this share of each language's pairs (above 0, at most 1): those with the highest scores in "
        "--score-column, or those whose sides are most alike by --filter-encoder. [default: all pairs]",
        minimum=0.0,
        above=True,
        maximum=1.0,
        metavar="SHARE",
    )
    score_column: str | None = setting(
        None,
        panel=_KEPT,
        help="With --keep-best: the column of the corpus that says how good each pair is, the higher the better; named "
        "as --columns names the others.",
        metavar="COLUMN",
    )

    filter_encoder: str | None = setting(
        None,
        input=True,
        panel=_KEPT,
        help="For --filter similarity, and for --keep-best without --score-column: an encoder that knows both "
        "languages, at best one trained for sentences; a folder, or org/name[@revision] on the Hub. A sentence is the "
        "mean of its subwords after the last block, unless the model says otherwise (modules.json).",
        metavar="MODEL",
    )
    min_similarity: float | None = setting(
        None,
        panel=_KEPT,
        help="With --filter similarity: the least cosine of the two sentences. [default: what 5 % of unrelated "
        "sentences of the corpora reach]",
        minimum=-1.0,
        maximum=1.0,
    )

    @property
    def by_similarity(self) -> bool:
        """Whether pairs are compared by an encoder."""
        return "similarity" in self.filter or (self.keep_best is not None and self.score_column is None)

    @property
    def filters(self) -> tuple[str, ...]:
        """All filters of pairs, `--keep-best` among them."""
        return (*(() if self.keep_best is None else ("keep-best",)), *self.filter)

    @property
    def word_rule(self) -> str:
        """The rule by which text is cut into words."""
        return self.words or "unicode"

    def recorded(self) -> dict[str, Any]:
        return super().recorded() | {"words": self.word_rule}

    def identity(self) -> dict[str, Any]:
        return super().identity() | {"words": self.word_rule}

    def left_out(self, name: str) -> bool:
        if name == "max_length_ratio":
            return "length-ratio" not in self.filter
        added = ("keep_best", "score_column", "filter_encoder", "min_similarity")
        return name in added and getattr(self, name) is None

    def conflicts(self) -> list[str]:
        found = []
        if self.max_length_ratio != DEFAULT_LENGTH_RATIO and "length-ratio" not in self.filter:
            found.append("--max-length-ratio goes with --filter length-ratio")
        if self.score_column is not None and self.keep_best is None:
            found.append("--score-column goes with --keep-best")
        if self.min_similarity is not None and "similarity" not in self.filter:
            found.append("--min-similarity goes with --filter similarity")
        if self.by_similarity and self.filter_encoder is None:
            option = "--filter similarity" if "similarity" in self.filter else "--keep-best without --score-column"
            found.append(f"{option} needs --filter-encoder, the model that compares the sentences")
        if self.filter_encoder is not None and not self.by_similarity:
            found.append("--filter-encoder goes with --filter similarity, or with --keep-best without --score-column")
        return found


def may_be_hub(corpus: str) -> bool:
    """Whether a corpus may be a data set of the Hub: that holds all languages, so its name needs no placeholder."""
    return corpus == OPUS_100 or (corpus.count("/") == 1 and "." not in corpus.rsplit("/", 1)[1].split("@")[0])
