"""Settings of `alignfreeze align-pairs`. Imports nothing heavy: the command line reads it at every start."""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from pathlib import Path

from alignfreeze_cli.pairs.aligners import ALIGNERS
from alignfreeze_cli.settings import StepSettings, setting

_PAPER = "bg cs de es lv af ar ca da el fa fi fr he hi hu it ja ko lt no pl pt ro ru sk sl sv ta th tr uk vi zh"
PAPER_LANGUAGES = tuple(_PAPER.split(" "))
"""The 34 languages every published realignment uses, in the published order (PoS and NER scripts)."""

MUSE = "https://dl.fbaipublicfiles.com/arrival/dictionaries/{source}-{target}.txt"
"""Where the paper's code fetches its dictionaries: the full MUSE files."""

OPUS_100 = "opus-100"
WORD_RULES = ("unicode", "published", "blank")
PLACEHOLDERS = ("source", "target", "language", "pair")
TWO_FILES = "::"
"""Between the two paths of a corpus whose sides lie in files of their own."""

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]+)*")


def fill(template: str, source: str, target: str, language: str = "{language}") -> str:
    """Put languages into `{source}`, `{target}`, `{language}` and `{pair}` (both codes in alphabetical order)."""
    pair = "-".join(sorted((source, target)))
    return template.format(source=source, target=target, language=language, pair=pair)


def placeholders(template: str) -> set[str]:
    """The names in braces; raises ValueError if the braces do not match."""
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


def _languages(value: tuple[str, ...]) -> str | None:
    if not value:
        return "needs at least one language"
    bad = [code for code in value if not _LANGUAGE.fullmatch(code)]
    if bad:
        return f"must hold language codes such as de or zh, not {bad[0]!r}"
    doubled = {code for code in value if value.count(code) > 1}
    return f"names {sorted(doubled)[0]} twice" if doubled else None


def _language(value: str) -> str | None:
    return None if _LANGUAGE.fullmatch(value) else f"must be a language code such as en, not {value!r}"


def _template(value: str, allowed: tuple[str, ...]) -> str | None:
    try:
        unknown = placeholders(value) - set(allowed)
    except ValueError:
        return f"has braces that do not match: {value!r}"
    known = ", ".join(f"{{{name}}}" for name in allowed)
    return f"has an unknown {{{sorted(unknown)[0]}}} in {value!r}; known are {known}" if unknown else None


def _corpora(value: tuple[str, ...]) -> str | None:
    if not value:
        return "needs at least one corpus"
    return next(filter(None, (_template(item, PLACEHOLDERS) for item in value)), None)


def _path(value: str) -> str | None:
    return _template(value, ("source", "target", "pair"))


@dataclass(frozen=True, kw_only=True)
class AlignPairsSettings(StepSettings):
    """Parallel text → pairs folder."""

    source: str = setting("en", help="Language of the first side.", check=_language, metavar="CODE")
    target: tuple[str, ...] = setting(
        PAPER_LANGUAGES,
        help="Languages of the second side; default: the paper's 34.",
        check=_languages,
        metavar="CODES",
    )
    corpus: tuple[str, ...] = setting(
        (OPUS_100,),
        help="Parallel text: a TSV file, a file of `source ||| target` lines, a Parquet file, two Moses files "
        "(`news.{pair}.{language}`, or both names with `::` between them: `a.en::b.de`), or a data set of the Hub "
        "(`org/name@revision`; `opus-100` for short). {source} and {target} stand for the codes, {pair} for both in "
        "alphabetical order, {language} for one side after the other. Several are read one after another; files may "
        "be gzipped (.gz).",
        check=_corpora,
        input=True,
        metavar="PATHS",
    )
    corpus_format: str = setting(
        "auto",
        help="How the lines of text files look; auto: by the name (.tsv) or the first lines.",
        choices=("auto", "tsv", "bars"),
    )
    split: str = setting("train", help="Split of a data set of the Hub.")
    max_lines: int | None = setting(
        None, help="Read at most so many lines of each corpus, for trials; default: all.", minimum=1
    )
    words: str = setting(
        "unicode",
        help="What a word is. unicode: letters and digits with their marks; published: \\w+|[^\\w\\s]+ as in the "
        "paper, which cuts Indic words to pieces; blank: the text is split already. Under the first two zh, ja, th go "
        "to a segmenter (extra `segmenters`).",
        choices=WORD_RULES,
    )
    aligner: str = setting("dictionary", help="Where the links between words come from.", choices=tuple(ALIGNERS))
    dictionary: str = setting(
        MUSE,
        help="For --aligner dictionary: a file in MUSE's format (`word translation` a line) or an address; "
        "{source}-{target} in it is swapped to find the other direction's file.",
        check=_path,
        input=True,
        metavar="PATH",
    )
    reverse_dictionary: str = setting(
        "own",
        help="The other direction's file: its own, or, as in the published runs, a copy of the forward one under its "
        "name, whose entries are then read the wrong way round.",
        choices=("own", "published"),
    )
    fold_case: bool = setting(
        False, help="Look words up without regard to case (off in the paper; on finds more, above all in German)."
    )
    links: str | None = setting(
        None,
        help="For --aligner pharaoh: file of links made elsewhere, `0-0 2-1` a line, one line per corpus line.",
        check=_path,
        input=True,
        metavar="PATH",
    )
    pharaoh: Path | None = setting(
        None,
        help="Also write the aligner's links, unfiltered, to DIR/<source>-<target>.pharaoh, one line per corpus line.",
        result=False,
        metavar="DIR",
    )
    workers: int = setting(1, help="Processes that align; the result is the same.", minimum=1, result=False)

    def conflicts(self) -> list[str]:
        found = []
        if self.source in self.target:
            whose = ", by default the paper's 34 languages," if self.target == PAPER_LANGUAGES else ""
            found.append(f"--target{whose} holds the source language {self.source}; name the others")
        if self.aligner == "pharaoh" and self.links is None:
            found.append("--aligner pharaoh needs --links, the file of links")
        if self.aligner != "pharaoh" and self.links is not None:
            found.append("--links goes with --aligner pharaoh")
        if self.aligner != "dictionary" and self.fold_case:
            found.append("--fold-case goes with --aligner dictionary")
        if self.aligner != "dictionary" and self.reverse_dictionary != "own":
            found.append("--reverse-dictionary goes with --aligner dictionary")
        if len(self.target) > 1:
            paths = [("corpus", item) for item in self.corpus if not may_be_hub(item)]
            paths += [("dictionary", self.dictionary)] if self.aligner == "dictionary" else []
            paths += [("links", self.links)] if self.links is not None else []
            found += [
                f"--{name} {path} is the same for {len(self.target)} languages; put {{target}} into it"
                for name, path in paths
                if not placeholders(path) & {"target", "pair"}
                and not (TWO_FILES not in path and "language" in placeholders(path))
            ]
        return found


def may_be_hub(corpus: str) -> bool:
    """A data set of the Hub holds all languages, so its name needs no placeholder."""
    return corpus == OPUS_100 or (corpus.count("/") == 1 and "." not in corpus.rsplit("/", 1)[1].split("@")[0])
