"""Settings of `alignfreeze score-links`. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from alignfreeze_cli.settings import Settings, setting

BASES = ("0", "1")
_MOST = 2  # files of links


@dataclass(frozen=True, kw_only=True)
class ScoreLinksSettings(Settings):
    """One or two files of links, and the gold links that they are compared with."""

    links: tuple[Path, ...] = setting(
        (),
        argument=True,
        metavar="LINKS",
        help="Files of links, one or two: Pharaoh (`0-0 2p1`), NAACL (`7 1 2 S`), JSON or JSONL; of two, what they "
        "have in common is shown, too. `align-pairs --pharaoh` writes such files.",
    )
    gold: Path = setting(
        metavar="FILE",
        help="Gold links, in any of these formats. Sure and possible links are told apart where the format does so.",
    )
    base: str | None = setting(
        None,
        choices=BASES,
        help="Number of a sentence's first word in LINKS. [default: 0 where some link names a word 0; otherwise it "
        "must be said]",
    )
    gold_base: str | None = setting(None, choices=BASES, help="The same for the gold links; files in JSON have 1.")
    text: str | None = setting(
        None,
        metavar="PATHS",
        help="The sentences, split into words at blanks: one file (`source ||| target`, TSV) or two with `::` between "
        "them, also in CoNLL-U. With them links to words that are not there are found, and the links that "
        "realignment's filters leave are scored, too. JSONL brings its own.",
    )
    first: int | None = setting(None, minimum=1, metavar="N", help="Score only the first N sentences.")
    annotated_only: bool = setting(
        False,
        help="Of LINKS count only those that touch a word about which the gold says something: for gold that leaves "
        "out words, such as that of the PUD treebanks, which has content words only.",
    )

    def conflicts(self) -> list[str]:
        return [] if 0 < len(self.links) <= _MOST else [f"LINKS: name one or two files of links, not {len(self.links)}"]
