"""The settings of the demo world. Imports nothing heavy: the command line reads it at every start."""

from __future__ import annotations

from dataclasses import dataclass

from alignfreeze_cli.settings import StepSettings, setting


@dataclass(frozen=True, kw_only=True)
class DemoWorldSettings(StepSettings):
    """A small multilingual world made from a seed. With the defaults the demo takes a few minutes."""

    seed: int = setting(1, help="Decides the languages, all texts and the encoder.", minimum=0)
    languages: int = setting(8, help="Languages derived from the source, by growing distance.", minimum=1, maximum=8)
    sentences: int = setting(4000, help="Lines of text per language on which the encoder is pre-trained.", minimum=1)
    pairs: int = setting(600, help="Sentence pairs of parallel text per language.", minimum=1)
    known: float = setting(
        0.4, help="Share of the words that a dictionary covers, drawn for each language.", minimum=0.0, maximum=1.0
    )
    train: int = setting(2000, help="Training examples of each task, in the source language.", minimum=1)
    test: int = setting(150, help="Test examples of each task and language, the same in all languages.", minimum=1)
    steps: int = setting(1500, help="Pre-training steps (prediction of masked words).", minimum=1)
    batch_size: int = setting(64, help="Sentences per step.", minimum=1)
    learning_rate: float = setting(2e-3, help="Peak learning rate of pre-training.", minimum=0.0, above=True)
    second_source: str | None = setting(
        None,
        help="Code of a language that is to be a source, too: with training data, and parallel text and dictionaries "
        "with every other language; qek, for example.",
        metavar="LANGUAGE",
    )
    threads: int = setting(
        1, help="CPU threads for pre-training; another number gives slightly different weights.", minimum=1
    )

    def left_out(self, name: str) -> bool:
        return name == "second_source" and self.second_source is None
