"""Settings of `alignfreeze align-pairs`. Imports nothing heavy: the command line reads it at every start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from alignfreeze_cli.aligners import ALIGNERS
from alignfreeze_cli.pairs.settings import (
    PAPER_LANGUAGES,
    TWO_FILES,
    CorpusSettings,
    may_be_hub,
    placeholders,
    template_complaint,
)
from alignfreeze_cli.settings import setting

MUSE = "https://dl.fbaipublicfiles.com/arrival/dictionaries/{source}-{target}.txt"
"""Where the paper's code fetches its dictionaries: the full MUSE files."""


def _path(value: str) -> str | None:
    return template_complaint(value, ("source", "target", "pair"))


@dataclass(frozen=True, kw_only=True)
class AlignPairsSettings(CorpusSettings):
    """Parallel text → pairs folder."""

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
