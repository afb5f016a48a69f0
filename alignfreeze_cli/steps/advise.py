"""What `alignfreeze advise` does: look up what is known, predict the rest, say what follows; it writes no folder.

From top to bottom: the gains that are known, an expectation for every language and strategy, what they mean together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from alignfreeze_cli.advice import ridge
from alignfreeze_cli.advice.conformal import LEVEL, coverage
from alignfreeze_cli.advice.expectation import MEAN, PUBLISHED, RIDGE, RUNS, Expectation, Known, expectation
from alignfreeze_cli.advice.gains import STRATEGIES, Cell, Gain, by_cell, gains_of_runs, means, published_gains
from alignfreeze_cli.advice.pilot import Pilot, pilot, said
from alignfreeze_cli.advice.settings import AdviseSettings
from alignfreeze_cli.advice.verdict import Verdict, verdict
from alignfreeze_cli.errors import SettingsError
from alignfreeze_cli.pairs.languages import find_code
from alignfreeze_cli.progress import WARNINGS, Console
from alignfreeze_cli.published import bare_id

PILOTS = (1, 2)
"""Numbers of seeds of the pilots that are told of."""

POOR_COVERAGE = 0.65
"""An interval that held so small a share of a language's gains in other cells, where `LEVEL` is meant, is warned of."""

_SCORES_UNUSED = (
    "--baseline-score is not used: where gains with the model are known, the baseline's score adds too little to their "
    "mean (docs/advice.md)."
)
_FEW_MODELS = (
    "Intervals for a model without runs come from the three published ones, too few to know how often they hold for "
    "another; a pilot of one seed tells more (docs/advice.md)."
)

Expected = Mapping[str, Mapping[str, Expectation | None]]
"""Language → strategy → expectation, None where nothing is known."""


@dataclass(frozen=True)
class Advice:
    """The outcome."""

    task: str
    model: str
    source: str
    expected: Expected
    verdict: Verdict
    pilots: Sequence[Pilot]
    warnings: Sequence[str]

    @property
    def strategies(self) -> tuple[str, ...]:
        return tuple(next(iter(self.expected.values())))

    @property
    def sentences(self) -> tuple[str, ...]:
        return (*self.verdict.sentences, said(self.task, self.pilots))

    def to_dict(self) -> dict[str, Any]:
        """As `--format json` gives it."""
        return {
            "task": self.task,
            "model": self.model,
            "source": self.source,
            "level": LEVEL,
            "languages": {
                language: [each.to_dict() for each in of_strategies.values() if each is not None]
                for language, of_strategies in self.expected.items()
            },
            **self.verdict.to_dict(),
            "advice": list(self.sentences),
            "pilots": [each.to_dict() for each in self.pilots],
            "warnings": list(self.warnings),
        }


def advise(settings: AdviseSettings, console: Console = WARNINGS) -> Advice:
    """What to expect of realignment in the languages of the settings, and what follows.

    Raises SettingsError where nothing can be said, and for what is no language; DataError and ArtifactError for runs
    that can't be read. Warns where an interval is known to be too narrow.
    """
    known: Known = {
        RUNS: by_cell(_own(settings)) if settings.runs else {},
        PUBLISHED: by_cell(published_gains()),
    }
    of_task = [
        gain for cell, gains in known[PUBLISHED].items() if cell.task == settings.task for gain in gains.values()
    ]
    pilots = [pilot(of_task, seeds) for seeds in PILOTS]
    cells = _cells(settings, known)
    codes = _codes(settings, known)
    scores = settings.scores()
    if cells:
        expected: Expected = {
            language: {cell.strategy: expectation(known, cell, code, pilots[0].radius) for cell in cells}
            for language, code in codes.items()
        }
    elif scores and settings.source == "en":
        expected = _by_score(settings.task, codes, scores, known)
    else:
        raise SettingsError(_refusal(settings))
    if not any(each for of_strategies in expected.values() for each in of_strategies.values()):
        raise SettingsError(f"Too little is known of {settings.task} with {settings.model} in other languages.")
    warnings = [_SCORES_UNUSED if cells else _FEW_MODELS] if scores else []
    warnings += _too_narrow(known, expected, codes)
    for text in warnings:
        console.warn(text)
    return Advice(
        task=settings.task,
        model=settings.model,
        source=settings.source,
        expected=expected,
        verdict=verdict(expected, _gains_of(cells, known)),
        pilots=pilots,
        warnings=warnings,
    )


def _by_score(task: str, codes: Mapping[str, str], scores: Mapping[str, float], known: Known) -> Expected:
    """Expectations for a model without runs, from its baseline's score in the languages that have one."""
    gains = [gain for cell in known[PUBLISHED].values() for gain in cell.values()]
    wanted = [(language, strategy) for language in codes if language in scores for strategy in STRATEGIES]
    cases = [ridge.Case(task, strategy, codes[language], scores[language]) for language, strategy in wanted]
    found: dict[str, dict[str, Expectation | None]] = {language: dict.fromkeys(STRATEGIES) for language in codes}
    for (language, strategy), interval in zip(wanted, ridge.intervals(gains, cases), strict=True):
        if interval is not None:
            found[language][strategy] = Expectation(strategy, RIDGE, interval.center, interval, PUBLISHED)
    return found


def _own(settings: AdviseSettings) -> Iterator[Gain]:
    """The gains in the runs; a model is known there by the last part of its id or path."""
    model, name = bare_id(settings.model), settings.model.rstrip("/").rpartition("/")[2]
    for gain in gains_of_runs(settings.runs):
        yield replace(gain, cell=gain.cell._replace(model=model)) if gain.cell.model == name else gain


def _cells(settings: AdviseSettings, known: Known) -> list[Cell]:
    """The cells of task, model and source of which gains are known, the published strategies first."""
    wanted = settings.task, bare_id(settings.model), settings.source
    found = {cell for cells in known.values() for cell in cells if (cell.task, cell.model, cell.source) == wanted}
    order = {name: n for n, name in enumerate(STRATEGIES)}
    return sorted(found, key=lambda cell: (order.get(cell.strategy, len(order)), cell.strategy))


def _codes(settings: AdviseSettings, known: Known) -> dict[str, str]:
    """The languages asked about → the codes by which they are known, if they are: zho is zh there.

    Raises SettingsError for a code that is no language's, unless runs have it.
    """
    import langcodes

    there = {language for cells in known.values() for gains in cells.values() for language in gains}
    found = {}
    for code in settings.languages:
        found[code] = find_code(there, code, "the runs") or code
        if found[code] not in there and not langcodes.tag_is_valid(code):
            raise SettingsError(f"LANGUAGE: {code!r} is no code of a language; they are like de, sw or yue.")
    return found


def _refusal(settings: AdviseSettings) -> str:
    """Why nothing can be said, and what would help."""
    where = f"{settings.task} with {settings.model}"
    if settings.source != "en":
        return (
            f"Nothing is known of {where} from {settings.source}: the published runs are from English. --runs takes "
            "runs of your own."
        )
    if not settings.scores():
        return (
            f"Nothing is known of {where}: no published run, and none in --runs. For a prediction from the baseline's "
            f"score give --baseline-score {settings.languages[0]}=PERCENT; a pilot of one seed tells more."
        )
    return f"Nothing is known of {where}."


def _too_narrow(known: Known, expected: Expected, codes: Mapping[str, str]) -> Iterator[str]:
    """Languages whose gains lie outside such intervals more often than they should, as far as is known."""
    predicted = [code for code, found in expected.items() if any(e and e.basis == MEAN for e in found.values())]
    if not predicted:
        return
    covered = coverage([means(gains) for cells in known.values() for gains in cells.values()])
    for code in predicted:
        inside, of = covered.get(codes[code], (0, 0))
        if of and inside / of < POOR_COVERAGE:
            yield (
                f"{code}: the interval is too narrow for it. Of its {of} known gains {inside} ({inside / of:.0%}) lie "
                f"in such intervals from the other languages, where {LEVEL:.0%} should."
            )


def _gains_of(cells: Sequence[Cell], known: Known) -> list[Gain]:
    """All gains of these cells: of runs or published, whichever have more languages of the cell."""
    both = ((known[whose].get(cell, {}) for whose in (RUNS, PUBLISHED)) for cell in cells)
    return [gain for of_cell in both for gain in max(of_cell, key=len).values()]
