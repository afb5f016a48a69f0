"""Scores that lie in no run folder, as a chain of single commands leaves them: which run they are, from their record.

Names of folders say nothing: model, strategy and seed are those of the steps behind the scores.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePath
from typing import Any

from alignfreeze_cli.artifacts import RECORD_NAME, Record, read_record
from alignfreeze_cli.artifacts.run_folder import BASELINE
from alignfreeze_cli.errors import ArtifactError
from alignfreeze_cli.hub import facts
from alignfreeze_cli.hub.scores import SCORES, recipe_of, scored_digest, scored_model
from alignfreeze_cli.phrases import is_name

Run = Mapping[str, Any]
"""What `read_run` gives of a run folder; `tasks` maps the one task to the folder itself."""


def holds_scores(folder: Path) -> bool:
    """Whether it looks like a folder that `evaluate` made."""
    return (folder / SCORES).is_file() and (folder / RECORD_NAME).is_file()


def runs_of_scores(folders: Iterable[Path], runs: Iterable[Run] = ()) -> dict[Path, Run]:
    """Every folder of scores as a run of its own.

    Models that differ in more than their seed but have the same strategy (in the number of steps, say) are told apart
    by the folder's name, that of the first one of each kind; so are those that have the strategy of one of `runs`,
    which may have been made in another way. Raises ArtifactError for a record that does not say how the scored model
    was made.
    """
    found: dict[Path, dict[str, Any]] = {}
    alike: dict[tuple[str, str, str], dict[str, list[Path]]] = {}  # model, strategy and task → recipe → folders
    taken = {(run["model"], run["strategy"], task) for run in runs for task in run["tasks"]}
    for folder in folders:
        record = read_record(folder)
        assert record is not None
        try:
            run = _run(record, folder)
            recipe = json.dumps(recipe_of(scored_model(record, folder), record), sort_keys=True)
        except (LookupError, TypeError, AttributeError) as error:
            raise ArtifactError(f"does not say how its model was made ({error!r}); evaluate again", folder) from error
        found[folder] = run
        (task,) = run["tasks"]
        alike.setdefault((run["model"], run["strategy"], task), {}).setdefault(recipe, []).append(folder)
    for key, recipes in alike.items():
        if len(recipes) == 1 and key not in taken:
            continue
        groups = list(recipes.values())
        for same, name in zip(groups, _distinct_names([same[0].resolve() for same in groups]), strict=True):
            for folder in same:
                found[folder]["strategy"] += f" ({name})"
    return dict(found)


def joined(folders: Iterable[Path]) -> dict[Path, Path]:
    """For every folder of scores the first that scored the same model, as one would have that scored all languages.

    Such folders are of the same model (known by its digest), task, options of scoring, precision and behaviour of
    `evaluate`, and no language is in two of them. `--data` is the same for all, or a file of the only language in each.
    Of a folder, which may hold several languages, it must be the same: another may be another release of the data.
    A folder without a record stands for itself.
    """
    first: dict[Path, Path] = {}
    firsts: dict[str, list[tuple[Path, set[str]]]] = {}  # way of scoring → folders that stand for others, languages
    for folder in folders:
        first[folder] = folder
        record = read_record(folder)
        languages = set(record.details.get("languages", ())) if record else set()
        if record is None or not languages:
            continue
        alike = firsts.setdefault(_way_of_scoring(record), [])
        for other, known in alike:
            if not known & languages:
                first[folder] = other
                known |= languages
                break
        else:
            alike.append((folder, languages))
    return first


def _way_of_scoring(record: Record) -> str:
    data = record.settings.get("data")
    if _is_one_file(data, record.details["languages"]):
        data = "a file of the one language"
    alike = [record.details.get("task"), scored_digest(record), record.details.get("scoring"), data]
    return json.dumps([*alike, record.settings.get("precision", "fp32"), record.identity.get("behaviour", 1)])


def _is_one_file(data: Any, languages: Any) -> bool:
    """Whether `--data` was a file of one language: its last part fits the file's name in the record.

    That of a folder does not. The disk is not asked, as the scores may have been made elsewhere.
    """
    if not isinstance(data, str) or "{language}" in data:
        return False
    try:
        (entry,) = languages.values()
        read = str(entry["data"]["source"])
    except (LookupError, TypeError, ValueError, AttributeError):
        return False  # several languages, or a record that does not say what was read
    given = PurePath(data).name
    return read == given or fnmatchcase(read, given)


def _distinct_names(paths: Sequence[Path]) -> list[str]:
    """The last parts of each path, as many as it takes to tell them apart, with a dash between them."""
    most = max(len(path.parts) for path in paths)
    names = ["-".join(path.parts[-count:]) for count in range(1, most + 1) for path in paths]
    rows = [names[start : start + len(paths)] for start in range(0, len(names), len(paths))]
    return next(row for row in rows if len(set(row)) == len(paths))


def _run(record: Record, folder: Path) -> dict[str, Any]:
    if record.kind != "scores":
        raise ArtifactError(f"holds {SCORES}, but its record is of kind {record.kind}", folder)
    bases, seed = facts.bases_of(record), scored_model(record, folder)["seed"]
    names = {"model": bases[-1].name if bases else None, "strategy": strategy_of(record)}
    task = record.details["task"]
    if not all(map(is_name, (*names.values(), task))) or not isinstance(seed, int):
        raise ArtifactError("does not say how its model was made; evaluate again", folder)
    return {**names, "seed": seed, "control": False, "tasks": {task: "."}}


def strategy_of(record: Record) -> str:
    """What was done to the encoder, as recipes would name it: baseline, full, front, during-front, blend-front, …

    With `lora-` in front where adapters were trained, in whichever step.
    """
    realigned = facts.last_realignment(record)
    name = BASELINE
    if realigned is not None:
        plan = str(realigned["settings"]["freeze"])
        name = "full" if plan in ("none", "full") else plan
        name = f"during-{name}" if "schedule" in realigned["details"] else name
    name = f"blend-{name}" if facts.blends_of(record) else name
    return f"lora-{name}" if any("lora" in step["details"] for step in facts.models_of(record)) else name
