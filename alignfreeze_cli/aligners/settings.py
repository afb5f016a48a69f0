"""Settings of `alignfreeze align-pairs`. Imports nothing heavy: the command line reads it at every start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from alignfreeze_cli.aligners import ALIGNERS
from alignfreeze_cli.aligners.encoder_settings import ENCODER_OPTIONS, EncoderAlignerSettings
from alignfreeze_cli.pairs.settings import (
    PAPER_LANGUAGES,
    TWO_FILES,
    CorpusSettings,
    may_be_hub,
    placeholders,
    template_complaint,
)
from alignfreeze_cli.settings import declarations, setting

MUSE = "https://dl.fbaipublicfiles.com/arrival/dictionaries/{source}-{target}.txt"
"""Where the paper's code fetches its dictionaries: the full MUSE files."""

STATISTICAL = ("fast-align", "eflomal", "hmm")

SYMMETRISE = (
    "intersection",
    "union",
    "grow-diag",
    "grow-diag-final",
    "grow-diag-final-and",
    "forward",
    "reverse",
)

ONLY_WITH = {
    "reverse_dictionary": ("dictionary",),
    "fold_case": ("dictionary",),
    "normalise": ("dictionary", "encoder"),
    "links": ("pharaoh",),
    "symmetrise": STATISTICAL,
    "save_aligner": STATISTICAL,
    "load_aligner": STATISTICAL,
    "seed": ("eflomal",),
    **dict.fromkeys(ENCODER_OPTIONS, ("encoder",)),
}
"""Name of a setting -> the aligners that read it. With others it must keep its default, and is not recorded."""

_LINKS, _STATISTICAL, _DICTIONARY = "Links", "With a statistical aligner", "With --aligner dictionary"
"""Headings in the help."""

_ALWAYS_RECORDED = ("reverse_dictionary", "fold_case", "normalise", "links")  # as in the first records


def _check_path(value: str) -> str | None:
    return template_complaint(value, ("source", "target", "pair"))


@dataclass(frozen=True, kw_only=True)
class AlignPairsSettings(EncoderAlignerSettings, CorpusSettings):
    """How parallel text is aligned and written as a pairs folder."""

    changes = (
        "a tab at the end of a line begins no column, a NUL makes a line malformed, and no text is an empty side",
        "statistics.json says for each file what was kept of it",
        "--words blank splits at spaces and tabs only",
        "cmn, jpn and the like are segmented as zh and ja are",
        "dictionaries with commas, several translations or scores in a line are read as such",
        "--fold-case takes İ for i",
        "statistics.json says how many links and linked words there were before the filters",
    )

    aligner: str = setting(
        "dictionary",
        panel=_LINKS,
        help="Where the links between words come from. dictionary: a bilingual dictionary; encoder: the vectors of a "
        "multilingual encoder; fast-align, eflomal, hmm: statistics of the text itself (extra `aligners`); pharaoh: a "
        "file of links.",
        choices=tuple(ALIGNERS),
    )
    dictionary: str = setting(
        MUSE,
        panel=_DICTIONARY,
        help="For --aligner dictionary: a file in MUSE's format (a line is a word and its translation), or the address "
        "of one; also with commas, several translations or scores in a line, and compressed. The other direction's "
        "file is found by swapping the two language codes in it.",
        check=_check_path,
        input=True,
        metavar="PATH",
    )
    reverse_dictionary: str = setting(
        "own",
        panel=_DICTIONARY,
        help="What is read as the other direction's dictionary. own: its own file; published: the forward file again, "
        "with its entries read the wrong way round, as in the published runs.",
        choices=("own", "published"),
    )
    fold_case: bool = setting(
        False,
        panel=_DICTIONARY,
        help="Ignore case when looking words up: more links, above all in German. The paper does not ignore it.",
    )
    normalise: str = setting(
        "nfc",
        panel=_DICTIONARY,
        help="How words are looked up in the dictionary, or read by the encoder; the pairs keep the text as it is. "
        "nfc: in Unicode's form C and without invisible format characters (soft hyphens, directional marks; for the "
        "dictionary joiners, too); none: as they are, as in the paper.",
        choices=("nfc", "none"),
    )
    links: str | None = setting(
        None,
        panel="With --aligner pharaoh",
        help="For --aligner pharaoh: a file of links made by another tool, one line such as `0-0 2-1` per corpus line, "
        "words counted from 0; it may be compressed. Its words are what is between two blanks, unless --words says "
        "otherwise.",
        check=_check_path,
        input=True,
        metavar="PATH",
    )
    symmetrise: str = setting(
        "intersection",
        panel=_STATISTICAL,
        help="For statistical aligners: which links are taken of those from source to target and those from target to "
        "source. intersection keeps the most right links after our filters; grow-diag-final-and is the paper's.",
        choices=SYMMETRISE,
    )
    save_aligner: Path | None = setting(
        None,
        panel=_STATISTICAL,
        help="For statistical aligners: also keep what was learned, as a folder for --load-aligner.",
        result=False,
        metavar="DIR",
    )
    load_aligner: str | None = setting(
        None,
        panel=_STATISTICAL,
        help="For statistical aligners: link the text with what --save-aligner kept, and learn nothing from it. A "
        "folder, or org/name@revision on the Hub.",
        input=True,
        metavar="PATH",
    )
    seed: int = setting(
        31, panel=_STATISTICAL, help="For --aligner eflomal: seed of its sampling.", minimum=0, maximum=2**32 - 1
    )
    min_score: float | None = setting(
        None,
        panel=_LINKS,
        help="Drop links whose score (0 to 1) is lower, before the other filters; for an aligner that gives scores. "
        "Default: none is dropped.",
        minimum=0,
        maximum=1,
    )
    pharaoh: Path | None = setting(
        None,
        panel=_LINKS,
        help="Also write the aligner's links, unfiltered, to DIR/<source>-<target>.pharaoh, one line per corpus line. "
        "They count words as --words cuts them: --aligner pharaoh needs the same --words to read them.",
        result=False,
        metavar="DIR",
    )
    workers: int = setting(
        1,
        panel=_LINKS,
        help="Number of processes that align; the result does not depend on it.",
        minimum=1,
        result=False,
    )

    @property
    def word_rule(self) -> str:
        # Tools that make links are given text that is split already, and count what is between two blanks.
        return self.words or ("blank" if self.aligner == "pharaoh" else "unicode")

    def left_out(self, name: str) -> bool:
        unset = name in ("min_score", "save_aligner", "load_aligner") and getattr(self, name) is None
        foreign = name not in _ALWAYS_RECORDED and not self._reads(name)
        return super().left_out(name) or unset or foreign

    def _reads(self, name: str) -> bool:
        """Whether a setting is for this aligner, or for the encoder that compares sentences."""
        anyone = name not in ONLY_WITH or (name == "device" and self.by_similarity)
        return anyone or self.aligner in ONLY_WITH[name]

    def conflicts(self) -> list[str]:
        found = super().conflicts()
        if self.source in self.target:
            whose = ", by default the paper's 34 languages," if self.target == PAPER_LANGUAGES else ""
            found.append(f"--target{whose} holds the source language {self.source}; name the others")
        if self.save_aligner is not None and self.load_aligner is not None:
            found.append("--save-aligner keeps what is learned, and with --load-aligner nothing is")
        if self.save_aligner is not None and self.save_aligner == (self.output or Path("pairs")):
            found.append("--save-aligner and --output are the same folder")
        if self.aligner == "pharaoh" and self.links is None:
            found.append("--aligner pharaoh needs --links, the file of links")
        for declaration in declarations(type(self)):
            if not self._reads(declaration.name) and getattr(self, declaration.name) != declaration.default:
                found.append(f"--{declaration.key} goes with --aligner {' or '.join(ONLY_WITH[declaration.name])}")
        if self.aligner == "encoder":
            found += self.encoder_complaints(self.workers)
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
