"""Settings of `layers` and `forgetting`, which measure what realignment changed. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from alignfreeze_cli.encoder.settings import device_setting
from alignfreeze_cli.pairs.settings import KNOWN_LANGUAGES
from alignfreeze_cli.settings import StepSettings, setting

FEWEST_WORDS = 1000
"""Below this, similarities say more about the sample than about the encoder."""

FEWEST_HALVES = 50


def _encoders_setting(metavar: str) -> Any:
    text = "Realigned encoders: folders, or org/name[@revision] on the Hub."
    return setting((), input=True, argument=True, metavar=metavar, help=text)


def _base_setting() -> Any:
    return setting(
        input=True, help="The encoder they were realigned from: a folder, or org/name[@revision] on the Hub."
    )


def _halves_setting() -> Any:
    return setting(
        200,
        minimum=FEWEST_HALVES,
        help="Random halves of the sentences, from which the 95 % intervals come (docs/layers.md).",
    )


def _complaints(settings: Any, encoders: tuple[str, ...], name: str) -> list[str]:
    """What is wrong with the encoders that are named, or with where their results are to go."""
    if not encoders:
        return [f"{name}: name at least one encoder"]
    if twice := sorted({each for each in encoders if encoders.count(each) > 1}):
        return [f"{name}: {twice[0]} is named twice"]
    several = settings.output is not None and len(encoders) > 1
    return ["--output goes with one encoder; the results of several are written beside each"] if several else []


@dataclass(frozen=True, kw_only=True)
class LayersSettings(StepSettings):
    """Realigned encoders, their base, and pairs on whose words they are compared."""

    encoders: tuple[str, ...] = _encoders_setting("ENCODER")
    base: str = _base_setting()
    pairs: tuple[str, ...] = setting(
        input=True, help="Pairs folders, made by `align-pairs`, whose linked words are looked at; several are joined."
    )
    targets: tuple[str, ...] = setting(
        (), suggested=KNOWN_LANGUAGES, help="Languages to look at. [default: all of the pairs]"
    )
    words: int = setting(
        2000, minimum=FEWEST_WORDS, help="Linked words per language; one with fewer than 1,000 is left out."
    )
    pooling: str | None = setting(
        None,
        choices=("first", "last", "mean"),
        help="A word's vector: of its first subword, of its last, or the mean of all. [default: first; last for "
        "decoder-only models]",
    )
    max_length: int = setting(96, minimum=4, help="Subwords per sentence, special tokens included.")
    halves: int = _halves_setting()
    seed: int = setting(31, minimum=0, help="Decides which sentences are taken, and their halves.")
    device: str = device_setting()

    def conflicts(self) -> list[str]:
        return _complaints(self, self.encoders, "ENCODER")


@dataclass(frozen=True, kw_only=True)
class ForgettingSettings(StepSettings):
    """Realigned encoders, their base, and text on which both are asked for masked words, or for the next ones."""

    encoders: tuple[str, ...] = _encoders_setting("MODEL")
    base: str = _base_setting()
    text: str = setting(
        input=True,
        metavar="PATTERN",
        help="Text, one file per language with a sentence in each line, or treebanks in CoNLL-U: {language} in the "
        "path is replaced, and * matches anything.",
    )
    treebanks: str | None = setting(
        None,
        input=True,
        metavar="PATTERN",
        help="Treebanks in CoNLL-U, for the probe of parts of speech within a language. [default: the text, where it "
        "is CoNLL-U]",
    )
    languages: tuple[str, ...] = setting(
        (),
        suggested=KNOWN_LANGUAGES,
        help="Languages to look at. [default: those that the first MODEL was realigned in, and its source]",
    )
    sentences: int = setting(
        500, minimum=50, help="Sentences per language, of the text and of the treebank; drawn at random if it has more."
    )
    head_steps: int = setting(
        2000,
        minimum=1,
        help="If the base has no head of its own: steps of training one on it, on sentences of the text that are not "
        "measured.",
    )
    max_length: int = setting(96, minimum=4, help="Subwords per sentence, special tokens included.")
    halves: int = _halves_setting()
    seed: int = setting(31, minimum=0, help="Decides the sentences, the masks, a new head, and the halves.")
    device: str = device_setting()

    def conflicts(self) -> list[str]:
        found = _complaints(self, self.encoders, "MODEL")
        several = len(self.languages) != 1
        for option, pattern in (("--text", self.text), ("--treebanks", self.treebanks)):
            if several and pattern is not None and "{language}" not in pattern:
                found.append(f"{option} needs {{language}} in its path when several languages are looked at")
        return found
