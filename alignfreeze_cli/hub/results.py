"""What tasks say of a model, as its card shows it: scores per language, a baseline's beside them, what was gained.

A task model has its own scores. An encoder has those of the task models that were fine-tuned from it: the record of the
scores names the task model, whose record names the encoder, both by digest.
"""

from __future__ import annotations

import glob
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from alignfreeze_cli.artifacts import Record, read_record
from alignfreeze_cli.deviations import bars_apart, beyond, sample_deviation
from alignfreeze_cli.errors import ArtifactError, SettingsError, SeveralScoresError
from alignfreeze_cli.hub import facts
from alignfreeze_cli.hub.facts import model_input
from alignfreeze_cli.hub.scores import (
    Mean,
    Measured,
    ScoreRow,
    put_together,
    read_scores,
    recipe_of,
    score_rows,
    scored_digest,
    scored_model,
    scores_beside,
    scores_of_model,
)
from alignfreeze_cli.phrases import listed
from alignfreeze_cli.published import Published, published
from alignfreeze_cli.tasks.base import Task
from alignfreeze_cli.tasks.registry import TASKS

_PUBLISHED_SOURCE = "en"  # what every published run was realigned with and fine-tuned in


@dataclass(frozen=True)
class TaskScores:
    """The scores of one task on a card; `untouched` says whether the baseline is the same encoder, never realigned."""

    measured: Measured
    baseline: Measured | None = None
    published: Published | None = None
    untouched: bool = False

    @property
    def task(self) -> Task:
        return TASKS[self.measured.task]

    @property
    def rows(self) -> list[ScoreRow]:
        return score_rows(self.measured, self.baseline, self.published)

    @property
    def gains(self) -> list[tuple[str, float]]:
        """Target language and difference from the baseline, smallest first; empty unless both have the same targets."""
        if self.baseline is None or set(self.baseline.targets) != set(self.measured.targets):
            return []
        differences = [
            (code, self.measured.mean(code)[0] - self.baseline.mean(code)[0]) for code in self.measured.targets
        ]
        return sorted(differences, key=lambda each: each[1])

    @property
    def median_gain(self) -> float:
        """The median of `gains`, of which there must be some."""
        return statistics.median(difference for _, difference in self.gains)

    @property
    def beyond(self) -> list[str] | None:
        """The languages of `gains` where the difference is larger than both standard deviations over seeds together.

        Counted as in a report (`deviations.bars_apart`, ddof 0). None without gains, or if one side has a single seed.
        """
        if self.baseline is None or not self.gains or min(len(self.baseline.seeds), len(self.measured.seeds)) < 2:
            return None
        return [
            code for code, _ in self.gains if beyond(self.baseline.points(code), self.measured.points(code), bars_apart)
        ]

    @property
    def gain(self) -> Mean | None:
        """The mean of `gains`, with its sample standard deviation over seeds where both sides have the same."""
        if self.baseline is None or not self.gains:
            return None
        mean = statistics.fmean(difference for _, difference in self.gains)
        own, theirs = self.measured.by_seed(), self.baseline.by_seed()
        if own.keys() != theirs.keys():
            return mean, None
        return mean, sample_deviation([own[seed] - theirs[seed] for seed in own])


def task_scores(
    folder: Path, record: Record, scores: Sequence[Path], baseline: Sequence[Path], look_beside: bool
) -> list[TaskScores]:
    """The scores on the card of `folder`, a part for each task: those given or, if `look_beside`, found beside it.

    Raises ArtifactError (scores of another model, or none), SettingsError (scores that don't go together).
    """
    scores, baseline = expanded(scores, "--scores"), expanded(baseline, "--baseline")
    if record.kind == "task-model":
        beside = scores_beside(folder, record) if look_beside and not scores else None
        given = [*scores, *([beside] if beside else [])]
        found = [scores_of_model(given, record, folder)] if given else []
    elif record.kind == "encoder":
        found = _of_encoder(scores or (_beside_encoder(folder, record) if look_beside else []), record, folder)
    else:
        found = []
        if scores:
            raise ArtifactError(f"holds {record.kind}, which has no scores; give --scores with a model", folder)
    if baseline and not found:
        raise SettingsError(f"--baseline {baseline[0]} has nothing to be compared with: {folder} has no scores.")
    return _compared(found, baseline, record)


def pushed_scores(folder: Path, record: Record, given: Sequence[Path]) -> dict[str, Path]:
    """Place in the repository → folder of the scores that are pushed with a model, of those given or else beside it.

    Those of the very model and, of an encoder, of the first model for each task that was fine-tuned from it.
    """
    given = expanded(given, "--scores")
    if record.kind == "task-model":
        own = next((each for each in given if scored_digest(read_scores(each)[0]) == record.digest), None)
        own = own if given else scores_beside(folder, record)
        return {"scores": own} if own else {}
    if record.kind != "encoder":
        return {}
    found: dict[str, Path] = {}
    for each in given or _beside_encoder(folder, record):
        scored, content = read_scores(each)
        if _encoder_digest(scored, each) == record.digest:
            found.setdefault(f"scores/{content['task']}", each)
    return found


def expanded(folders: Sequence[Path], option: str) -> list[Path]:
    """The folders, with all that match in the place of one that is a pattern; SettingsError if none does."""
    found: list[Path] = []
    for folder in folders:
        if folder.exists() or not glob.has_magic(str(folder)):
            found.append(folder)
        elif matching := sorted(map(Path, glob.glob(str(folder.expanduser())))):
            found += matching
        else:
            raise SettingsError(f"{option}: nothing matches {folder}.")
    return found


def _encoder_digest(scored: Record, folder: Path) -> str | None:
    """The digest of what the scored model was fine-tuned from; None if it was realigned at the same time."""
    step = scored_model(scored, folder)
    parent = None if "schedule" in step["details"] else model_input(step)
    return str(parent["digest"]) if parent else None


def _of_encoder(folders: Sequence[Path], encoder: Record, where: Path) -> list[Measured]:
    """The scores of each task. Raises ArtifactError for those of a model that has another encoder but for its seed."""
    by_task: dict[str, list[Path]] = {}
    for folder in folders:
        by_task.setdefault(str(read_scores(folder)[1]["task"]), []).append(folder)
    found = []
    for task, of_task in by_task.items():
        read = [read_scores(folder) for folder in of_task]
        recipes = [
            recipe_of(scored_model(record, folder), record) for folder, (record, _) in zip(of_task, read, strict=True)
        ]
        own = [
            recipe
            for folder, (record, _), recipe in zip(of_task, read, recipes, strict=True)
            if _encoder_digest(record, folder) == encoder.digest
        ]
        if not own:
            raise ArtifactError(
                f"holds {task} scores, but not of a model that was fine-tuned from {where} ({encoder.digest[:12]}…)",
                of_task[0],
            )
        for folder, recipe in zip(of_task, recipes, strict=True):
            if recipe != own[0]:
                raise ArtifactError(
                    f"holds the scores of a model that differs from the one fine-tuned from {where} in more than its "
                    "seed; they can't be put together",
                    folder,
                )
        found.append(put_together(read))
    return found


def _beside_encoder(folder: Path, encoder: Record) -> list[Path]:
    """The scores folders beside an encoder whose models were fine-tuned from it; nothing is known of unreadable ones.

    Several of one task go together if they differ in the seed alone; SeveralScoresError otherwise.
    """
    found: dict[str, list[tuple[Path, Record]]] = {}
    for each in sorted(folder.resolve().parent.iterdir()):
        try:
            record = read_record(each) if each.is_dir() and not each.name.startswith(".") else None
            if record is None or record.kind != "scores" or _encoder_digest(record, each) != encoder.digest:
                continue
        except (ArtifactError, LookupError, TypeError, AttributeError):  # damaged, or not as we write it
            continue
        near = each if folder.is_absolute() or folder.parent.resolve() != each.parent else folder.parent / each.name
        task = str(scored_model(record, each)["details"]["task"])
        found.setdefault(task, []).append((near, record))
    for same in found.values():
        seeds = [scored_model(record, each)["seed"] for each, record in same]
        recipes = [recipe_of(scored_model(record, each), record) for each, record in same]
        if len(set(seeds)) < len(seeds) or any(recipe != recipes[0] for recipe in recipes):
            names = listed(f"--scores {each}" for each, _ in same)
            raise SeveralScoresError(
                f"has several folders of scores beside it; say which are for its card ({names})", folder
            )
    return [each for same in found.values() for each, _ in same]


def _compared(found: Sequence[Measured], baseline: Sequence[Path], model: Record) -> list[TaskScores]:
    """Each task's scores with the baseline's of the same task."""
    read = [(folder, *read_scores(folder)) for folder in baseline]
    for folder, _, scores in read:
        if (scores["task"], scores["metric"]) not in {(each.task, each.metric) for each in found}:
            had = listed(f"{each.task} scores ({each.metric})" for each in found)
            raise SettingsError(
                f"--baseline {folder} has {scores['task']} scores ({scores['metric']}), the model {had}; they can't be "
                "compared."
            )
    bases = facts.bases_of(model)
    parts = []
    for measured in found:
        same = [(folder, record, scores) for folder, record, scores in read if scores["task"] == measured.task]
        cell = published_cell(model) if model.kind == "task-model" else None
        parts.append(
            TaskScores(
                measured,
                put_together([(record, scores) for _, record, scores in same]) if same else None,
                cell if cell and cell.metric == measured.metric else None,
                bool(bases) and all(_encoder_digest(record, each) == bases[-1].digest for each, record, _ in same),
            )
        )
    return parts


def published_cell(record: Record) -> Published | None:
    """The published scores of the same recipe, if this task model was made like one of the paper's."""
    bases, plan = facts.bases_of(record), facts.strategy(record)
    aligners = {facts.published_aligner(step) for step in facts.pairs_steps(record)} or {"dictionary"}
    languages = {facts.task_language(record), *facts.source_languages(record)}
    if not bases or bases[-1].id is None or plan is None or len(aligners) > 1 or languages != {_PUBLISHED_SOURCE}:
        return None
    return published(bases[-1].id, record.details["task"], plan, aligners.pop())
