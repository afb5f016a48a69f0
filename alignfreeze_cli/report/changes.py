"""What `layers` and `forgetting` measured of the runs' encoders, put together over seeds: a table per model."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from alignfreeze_cli.artifacts.files import content_digest
from alignfreeze_cli.artifacts.run_folder import RUN_NAME
from alignfreeze_cli.errors import ArtifactError
from alignfreeze_cli.hub.changes import CHANGES, LAYERS, changes_of, number
from alignfreeze_cli.phrases import counted, signed
from alignfreeze_cli.report.text_tables import NONE, TextTable

ENCODER = "encoder"
"""The folder of a run's encoder; where tasks have encoders of their own, that of the first task."""

CAPTION = (
    "what realignment changed, mean over seeds ± sample standard deviation; own change and CKA as fractions, found "
    "translations in points at the highest block that was trained, loss of the base's masked-word head in nats"
)
READING = (
    "CKA falls with every block, since each works on what those below it have changed; a block's own change is what it "
    "does otherwise with the base's input",
    "The loss says how far vectors moved from the head of the base, not what was lost: compare it with a control on "
    "shuffled links; the probe is trained and tested within each language",
)
_COLUMNS = (
    "weights",
    "own change, lower",
    "upper",
    "CKA, top",
    "found, points",
    "loss, tied",
    "untied",
    "probe, points",
)


@dataclass(frozen=True)
class RunChanges:
    """The results of one run; `numbers` go by the columns of the table, those that were measured."""

    model: str
    strategy: str
    seed: int
    control: bool
    numbers: Mapping[str, float]
    verdict: str | None  # lower, upper or open: which blocks changed more
    digests: Mapping[str, str]


@dataclass(frozen=True)
class ChangesReport:
    """Tables and sentences for the report."""

    tables: tuple[TextTable, ...]
    sentences: tuple[str, ...]


def collect_changes(scores: pd.DataFrame) -> list[RunChanges]:
    """The results beside the encoders of the runs whose scores these are, in their order; runs without any left out.

    Scores outside of a run folder have none: which encoder beside them is theirs is not looked for. Raises
    ArtifactError for results that can't be read.
    """
    found = []
    runs = scores.drop_duplicates(["model", "strategy", "seed"]).to_dict("records")
    for run in runs:
        folder = run["folder"]
        encoder = Path(folder).parent / ENCODER if isinstance(folder, Path) else None
        if encoder is None or not encoder.is_dir() or not (encoder.parent / RUN_NAME).is_file():
            continue
        results = {kind: result for kind in CHANGES if (result := changes_of(encoder, kind)) is not None}
        if not results:
            continue
        numbers: dict[str, float | None] = {}
        verdict = None
        for kind, result in results.items():
            try:
                if kind == LAYERS:
                    numbers |= _of_layers(result.content)
                    verdict = _verdict(result.content)
                else:
                    numbers |= _of_forgetting(result.content)
            except (ValueError, LookupError, TypeError, AttributeError) as error:
                path = result.folder / f"{kind}.json"
                raise ArtifactError(f"is no result of `alignfreeze {kind}` ({error}); run it again", path) from error
        known = {name: value for name, value in numbers.items() if value is not None}
        digests = {kind: result.record.digest for kind, result in results.items()}
        found.append(RunChanges(run["model"], run["strategy"], run["seed"], run["control"], known, verdict, digests))
    return found


def _of_layers(content: Mapping[str, Any]) -> dict[str, float | None]:
    layers = content["layers"]
    weights = {layer: number(content, "weights", layer) or 0.0 for layer in layers}
    trained = [layer for layer in layers[1:] if weights[layer] > 0]
    highest = trained[-1] if trained else layers[-1]
    found = number(content, "mean", "retrieval-change", highest, "value")
    halves = content["lower-blocks"]
    own = {half: number(halves, "own-change", half, "value") if halves else None for half in ("lower", "upper")}
    return {
        "weights": statistics.fmean(weights[layer] for layer in trained) if trained else 0.0,
        "own change, lower": own["lower"],
        "upper": own["upper"],
        "CKA, top": number(content, "mean", "cka", layers[-1], "value"),
        "found, points": None if found is None else 100 * found,
    }


def _verdict(content: Mapping[str, Any]) -> str | None:
    halves = content["lower-blocks"]
    if not halves:
        return None
    low, high = (number(halves, "own-change", "difference", edge) for edge in ("low", "high"))
    if low is None or high is None:
        return "open"
    return "lower" if low > 0 else "upper" if high < 0 else "open"


def _of_forgetting(content: Mapping[str, Any]) -> dict[str, float | None]:
    change = number(content, "probe", "mean", "change", content["layers"][-1], "value") if content["probe"] else None
    return {
        "loss, tied": number(content, "mean", "tied", "value"),
        "untied": number(content, "mean", "untied", "value"),
        "probe, points": None if change is None else 100 * change,
    }


def changes_digest(found: Iterable[RunChanges]) -> str:
    """One digest for all results, in the order of the runs."""
    rows = [[each.model, each.strategy, each.seed, dict(each.digests)] for each in found]
    return content_digest({"changes": json.dumps(rows, sort_keys=True)})


def changes_report(found: Sequence[RunChanges]) -> ChangesReport | None:
    """Tables and sentences; None if nothing was measured."""
    if not found:
        return None
    tables, sentences = [], []
    for model in dict.fromkeys(each.model for each in found):
        groups: dict[tuple[str, bool], list[RunChanges]] = {}
        for each in found:
            if each.model == model:
                groups.setdefault((each.strategy, each.control), []).append(each)
        columns = [name for name in _COLUMNS if any(name in each.numbers for some in groups.values() for each in some)]
        rows = [
            (f"{name} (control)" if control else name, str(len(some)), *(_cell(some, column) for column in columns))
            for (name, control), some in groups.items()
        ]
        tables.append(TextTable(f"{model}: {CAPTION}", ("strategy", "seeds", *columns), (tuple(rows),)))
        for (name, _), some in groups.items():
            if (sentence := _which_half(some)) is not None:
                sentences.append(f"{model}, {name}: {sentence}")
    return ChangesReport(tuple(tables), (*sentences, *READING))


def _cell(runs: Sequence[RunChanges], column: str) -> str:
    values = [each.numbers[column] for each in runs if column in each.numbers]
    if not values:
        return NONE
    points = column.endswith("points")
    mean = statistics.fmean(values)
    text = signed(mean) if points else signed(mean, 2) if column in ("loss, tied", "untied") else f"{mean:.2f}"
    return text + (f" ± {statistics.stdev(values):.{1 if points else 2}f}" if len(values) > 1 else "")


def _which_half(runs: Sequence[RunChanges]) -> str | None:
    """In how many seeds lower or upper blocks changed more, by the interval of the difference of their own changes."""
    counts = Counter(each.verdict for each in runs if each.verdict is not None)
    total = sum(counts.values())
    if not total:
        return None
    return (
        f"by their own change, lower blocks changed more in {counts['lower']} and upper ones in {counts['upper']} of "
        f"{counted(total, 'seed')}" + (", the others don't tell" if counts["open"] else "")
    )
