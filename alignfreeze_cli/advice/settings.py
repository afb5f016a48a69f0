"""Settings of `alignfreeze advise`. Imports nothing heavy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from alignfreeze_cli.settings import Settings, setting
from alignfreeze_cli.tasks.registry import SCORED_LANGUAGES, TASKS


@dataclass(frozen=True, kw_only=True)
class AdviseSettings(Settings):
    """The languages asked about, task and model, and what is known of them besides the published runs."""

    languages: tuple[str, ...] = setting(
        (),
        argument=True,
        suggested=SCORED_LANGUAGES,
        metavar="LANGUAGE",
        help="Codes of the target languages, such as de or sw.",
    )
    task: str = setting(help="The task.", choices=tuple(TASKS), short="-t")
    model: str = setting(
        help="The encoder: a Hub id, or the path that stands in the runs.", metavar="MODEL", short="-m"
    )
    source: str = setting(
        "en",
        suggested=SCORED_LANGUAGES,
        help="Language that the task is learned in; the published runs are from English.",
    )
    runs: tuple[Path, ...] = setting(
        (), input=True, metavar="DIR", help="Run folders, or folders that hold them (runs/): their gains count, too."
    )
    baseline_score: tuple[str, ...] = setting(
        (),
        metavar="LANG=PERCENT",
        help="The baseline's score in a language, for a model of which no runs are known: de=71.2,fr=80.",
    )

    def conflicts(self) -> list[str]:
        complaints = []
        if not self.languages:
            complaints.append("LANGUAGE is missing: name one or more, such as de or sw")
        doubled = [code for n, code in enumerate(self.languages) if code in self.languages[:n]]
        if doubled:
            complaints.append(f"LANGUAGE: {doubled[0]} is named twice")
        if self.source in self.languages:
            complaints.append(f"LANGUAGE: {self.source} is the language that the task is learned in (--source)")
        try:
            scores = self.scores()
        except ValueError as error:
            complaints.append(f"--baseline-score {error}")
        else:
            foreign = [code for code in scores if code not in self.languages]
            if foreign:
                complaints.append(f"--baseline-score names {foreign[0]}, which is none of the languages asked about")
        return complaints

    def scores(self) -> dict[str, float]:
        """Language → the baseline's score in percent; raises ValueError for what is no such thing."""
        found: dict[str, float] = {}
        for text in self.baseline_score:
            language, equals, number = text.partition("=")
            try:
                value = float(number)
            except ValueError:
                value = math.nan
            if not (language and equals and 0 <= value <= 100):
                raise ValueError(f"must be LANGUAGE=PERCENT, such as de=71.2, not {text!r}")
            if language in found:
                raise ValueError(f"names {language} twice")
            if 0 < value <= 1:
                raise ValueError(f"is in percent: {text!r} would be a score of {value:g} %")
            found[language] = value
        return found
