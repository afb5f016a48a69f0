"""The scores of many runs as one table: found in run folders, in folders of scores that are part of no run, or in the
published results; checked and put in order.

It is a pandas frame with one row per run, task and language:

    model, strategy, seed, control   the run
    task, metric, source             what was scored; `source` is the language of fine-tuning
    language, value                  in the order of evaluation; the score is a fraction of 1
    others                           the scores by further metrics, by metric; empty where there are none
    data, scoring, folder            digest of the test data, options of scoring, folder of the scores; empty where they
                                     are not known, as with published runs
    precisions                       kind of folder → the arithmetic of the steps behind the score, fp32 or bf16
    behaviours                       kind of folder → the numbers of the behaviour of the steps that made those behind
                                     the score (`identity.behaviour` in their records)
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from alignfreeze_cli.artifacts import read_record
from alignfreeze_cli.artifacts.files import read_json
from alignfreeze_cli.artifacts.record import KINDS, made_by
from alignfreeze_cli.artifacts.run_folder import BASELINE, RUN_NAME, read_run
from alignfreeze_cli.errors import ArtifactError, DataError, SettingsError
from alignfreeze_cli.phrases import is_name, listed, printable
from alignfreeze_cli.published import ALIGNERS, STRATEGIES, bare_id
from alignfreeze_cli.published import rows as published_rows
from alignfreeze_cli.report.lone_scores import holds_scores, joined, runs_of_scores
from alignfreeze_cli.tasks.registry import TASKS

RUN = ["model", "strategy", "seed", "control"]
TABLE = ["model", "task", "metric", "source"]
"""Scores that are equal in these may be compared, and stand in one table."""
COLUMNS = [
    *RUN,
    *("task", "metric", "source", "language", "value", "others"),
    *("data", "scoring", "folder", "behaviours", "precisions"),
]

_COMPUTED = ("encoder", "task-model", "scores")
"""Kinds of folders that are computed with a model, in a precision."""

_DEPTH = 3
"""How many levels of folders below a given one are searched for runs."""


@dataclass(frozen=True)
class FoundScores:
    """The scores to report on, the folders that hold their runs, and notes on what is missing or was left out."""

    scores: pd.DataFrame
    folders: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


def collect(folders: Iterable[str | Path]) -> FoundScores:
    """The scores of all runs in these folders. Raises SettingsError, DataError, ArtifactError for unreadable files."""
    runs = find_runs(folders)
    missing: dict[str, list[str]] = {}
    for run in runs:
        for task, name in read_run(run)["tasks"].items() if _is_run(run) else ():
            if not (run / name / "scores.json").is_file():
                missing.setdefault(task, []).append(printable(run.name))
    scores = read_scores(runs)
    scored = set(scores["task"])  # a task that nobody ran is none that is missing
    notes = [f"No scores yet for {task} in {listed(names)}." for task, names in missing.items() if task in scored]
    if scores.empty:
        raise DataError("no run has scores yet; finish them with `alignfreeze run`", runs[0].parent)
    scores, duplicates = _without_duplicates(scores)
    _demand_one_precision(scores)
    notes += [*duplicates, *_without_a_baseline(scores)]
    return FoundScores(in_order(scores), tuple(dict.fromkeys(run.parent for run in runs)), tuple(notes))


def find_runs(folders: Iterable[str | Path]) -> list[Path]:
    """The run folders among and below these, and the folders of scores outside of runs, each once, sorted by name.

    Raises SettingsError for a folder that does not exist, DataError for one without any run.
    """
    found: dict[Path, Path] = {}
    for given in map(Path, folders):
        folder = given.expanduser()
        if not folder.is_dir():
            what = "not a folder" if folder.exists() else "no such folder"
            raise SettingsError(f"{given}: {what}; name a run folder or a folder that holds runs.")
        runs = sorted(_walk(folder), key=_natural)
        if not runs:
            raise DataError(
                f"holds no run (no {RUN_NAME} in it or below it) and no scores; `alignfreeze run` makes runs, "
                "`alignfreeze evaluate` scores",
                given,
            )
        for run in runs:
            found.setdefault(run.resolve(), run)
    return list(found.values())


def read_scores(folders: Iterable[Path]) -> pd.DataFrame:
    """The scores that run folders have so far, and those of folders of scores.

    Raises ArtifactError for a `run.json` or scores that can't be read.
    """
    rows = []
    places = list(folders)
    runs: dict[Path, Mapping[str, Any]] = {each: read_run(each) for each in places if _is_run(each)}
    runs |= runs_of_scores((each for each in places if each not in runs and holds_scores(each)), runs.values())
    for folder in places:
        run = runs.get(folder) or read_run(folder)
        for task, name in run["tasks"].items():
            path = folder / name / "scores.json"
            if path.is_file():
                rows += _read(run, task, path)
    return pd.DataFrame(rows, columns=COLUMNS)


def _read(run: Mapping[str, Any], task: str, path: Path) -> list[dict[str, Any]]:
    scores = read_json(path, "evaluate again")
    try:
        common = {
            **{name: run[name] for name in RUN},
            "task": task,
            "metric": _name(scores["metric"]),
            "source": _name(scores["source-language"]),
            "scoring": _scoring(scores.get("scoring", {})),
            "folder": path.parent,
            "behaviours": _behaviours(path.parent),
            "precisions": _precisions(path.parent),
        }
        return [
            common
            | {"language": _name(language), "value": _fraction(entry["value"])}
            | {"others": _others(entry, common["metric"])}
            | {"data": str(entry["data"]["digest"]) if "data" in entry else None}
            for language, entry in scores["languages"].items()
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else error
        raise ArtifactError(f"is no file of scores ({reason}); evaluate again", path) from error


def _name(value: Any) -> str:
    """A name from a file of scores, which may come from anywhere; it becomes part of titles and of a file's name."""
    if not is_name(value) or "/" in value:
        raise ValueError(f"{str(value)[:50]!r} is no name")
    return str(value)


def _fraction(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"{str(value)[:50]!r} is no score, a number from 0 to 1")
    return float(value)


def _others(entry: Mapping[str, Any], metric: str) -> dict[str, float]:
    """The scores of a language by other metrics than that of its value."""
    if entry.get("metric", metric) != metric:
        raise ValueError(f"one language is scored by {_name(entry['metric'])}, another by {metric}")
    return {_name(name): _fraction(value) for name, value in entry.get("metrics", {}).items() if name != metric}


def _scoring(options: Any) -> dict[str, Any]:
    if not isinstance(options, dict) or not all(is_name(name) and is_name(str(options[name])) for name in options):
        raise ValueError("scoring is no mapping of options")
    return options


def _behaviours(folder: Path) -> dict[str, tuple[int, ...]]:
    """Kind → numbers of the behaviours that made the scores and all that is behind them; 1 where none is recorded."""
    record = read_record(folder)
    found: dict[str, set[int]] = {}
    for step in [*record.lineage, record.as_parent()] if record else ():
        found.setdefault(made_by(step), set()).add(step.get("behaviour", 1))
    return {kind: tuple(sorted(numbers)) for kind, numbers in found.items()}


def _precisions(folder: Path) -> dict[str, str]:
    """Kind → the precision in which its steps computed the scores and all that is behind them."""
    record = read_record(folder)
    found: dict[str, set[str]] = {}
    for step in [*record.lineage, record.as_parent()] if record else ():
        if made_by(step) in _COMPUTED:
            found.setdefault(step["kind"], set()).add(str(step["settings"].get("precision", "fp32")))
    return {kind: " and ".join(sorted(names)) for kind, names in found.items()}


def _demand_one_precision(scores: pd.DataFrame) -> None:
    """Raise DataError if runs of one model and task computed a step in different precisions.

    They would differ in their arithmetic, not only in what they are compared for.
    """
    for (model, task), runs in scores.groupby(["model", "task"], sort=False):
        for kind in _COMPUTED:
            of_step = runs["precisions"].map(lambda found, kind=kind: found.get(kind)).dropna()
            if of_step.nunique() > 1:
                first = runs.loc[[of_step.index[of_step == name][0] for name in of_step.unique()]]
                named = (f"{p[kind]} in {s} (seed {n})" for p, s, n in first[["precisions", "strategy", "seed"]].values)
                raise DataError(
                    f"{model}, {task}: not all runs computed `{KINDS[kind]}` in the same precision "
                    f"({'; '.join(named)}); make those again with the same --precision to compare them"
                )


def published_scores(
    aligner: str = "dictionary",
    model: str | None = None,
    task: str | None = None,
    strategies: Iterable[str] = STRATEGIES,
) -> pd.DataFrame:
    """The published runs of some strategies, of one model and task or of all; the baseline is always among them.

    `strategies` are named as published or as in recipes (`during-front`). One whose name ends with an aligner
    (`front-fastalign`) is that of the runs with it; the others are those with `aligner`.
    """
    wanted: dict[tuple[str, str | None], set[str]] = {}  # strategy and aligner as published -> what it is called here
    for name in {BASELINE, *map(published_name, strategies)}:
        bare, of_aligner = split_aligner(name)
        key = bare, None if bare == BASELINE else of_aligner or aligner
        wanted.setdefault(key, set()).add(name)
    rows = [
        {"model": run["model"], "strategy": name, "seed": run["seed"], "control": False}
        | {"task": run["task"], "metric": run["metric"], "source": "en", "language": language, "value": value}
        | {"scoring": {}, "others": {}}
        for run in published_rows()
        if (model is None or run["model"] == bare_id(model)) and (task is None or run["task"] == task)
        for name in sorted(wanted.get((run["strategy"], run["aligner"]), ()))
        for language, value in {"en": run["source_score"], **run["scores"]}.items()
    ]
    return in_order(pd.DataFrame(rows, columns=COLUMNS))


def published_name(strategy: str) -> str:
    """A strategy as the published runs would call it: during-front in recipes is during_front there."""
    return strategy.replace("-", "_")


def split_aligner(strategy: str) -> tuple[str, str | None]:
    """The published name of a strategy without the aligner at its end, and that aligner, if there is one."""
    bare, _, last = published_name(strategy).rpartition("_")
    return (bare, last) if bare and last in ALIGNERS else (published_name(strategy), None)


def in_order(scores: pd.DataFrame) -> pd.DataFrame:
    """By task, model and seed; the strategies of the paper in its order, then the others by name, controls last."""
    strategies = sorted(scores["strategy"].unique(), key=lambda name: (_place(name), _natural(Path(name))))
    ranks = {"task": list(TASKS), "strategy": strategies}  # tasks that this version does not know come last
    return scores.sort_values(
        ["task", "model", "control", "strategy", "seed"],
        key=lambda column: (
            column.map({name: n for n, name in enumerate(ranks[column.name])}) if column.name in ranks else column
        ),
        kind="stable",
        ignore_index=True,
    )


def _place(strategy: str) -> int:
    name, _ = split_aligner(strategy)
    return STRATEGIES.index(name) if name in STRATEGIES else len(STRATEGIES)


def _without_duplicates(scores: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """One score of each model, strategy, seed, task and language, the first that was found, and a note on the others.

    Folders that scored one model in different languages are as one (`joined`).
    """
    whole = scores["folder"].map(joined(scores["folder"].unique()))
    keys = [scores[name] for name in ("model", "strategy", "seed", *TABLE[1:])]
    first = whole.groupby(keys, sort=False).transform("first")
    notes = []
    others = scores[whole != first]
    for (task, folder, kept), left_out in others.groupby(["task", "folder", first.rename("kept")], sort=False):
        counted = scores[(whole == kept) & (scores["task"] == task)]
        values, kept_values = (each.set_index("language")["value"].to_dict() for each in (left_out, counted))
        both = [code for code in values if code in kept_values]
        lost = [code for code in values if code not in kept_values]
        if values == kept_values:
            how = "with the same scores"
        elif both and all(values[code] == kept_values[code] for code in both):
            how = f"the same in {listed(map(printable, both))}, which both have"
        elif both:
            how = "with other scores"
        else:
            how = "in other languages, but not scored alike or not of the same weights"
        run = left_out.iloc[0]
        notes.append(
            f"{run['model']}, {task}, {run['strategy']}, seed {run['seed']} was found twice, {how}: {_short(kept)} "
            f"counts, {_short(folder)} is left out{f' and with it {listed(map(printable, lost))}' if lost else ''}."
        )
    return scores[whole == first], notes


def _without_a_baseline(scores: pd.DataFrame) -> list[str]:
    """A note for each model and task whose only baselines are several of different kinds (`lone_scores`)."""
    notes = []
    for (model, task), runs in scores.groupby(["model", "task"], sort=False):
        names = [name for name in runs["strategy"].unique() if name.startswith(f"{BASELINE} (")]
        if names and BASELINE not in set(runs["strategy"]):
            notes.append(
                f"{model}, {task}: no gains, as {listed(map(printable, names))} differ in more than their seed; report "
                "each with what was fine-tuned as it was."
            )
    return notes


def _short(scores: Path) -> str:
    parts = scores.parts[-3:-1] if _is_run(scores.parent) else scores.parts[-2:]
    return printable("/".join(parts))


def _is_run(folder: Path) -> bool:
    return (folder / RUN_NAME).is_file()


def _walk(folder: Path) -> Iterable[Path]:
    """The runs and scores among a folder and those below; none below a run, none hidden, none deeper than `_DEPTH`."""
    for path, names, files in os.walk(folder, followlinks=True):
        here = Path(path)
        found = _is_run(here) or holds_scores(here)
        if found:
            yield here
        deeper = not found and RUN_NAME not in files and len(here.relative_to(folder).parts) < _DEPTH
        names[:] = sorted(name for name in names if deeper and not name.startswith("."))


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sort key by which block-2 comes before block-10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", str(path)) if part]
