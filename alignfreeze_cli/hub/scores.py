"""Scores on a card: those of the card's model, recognised by its digest, averaged with those of its other seeds.

Seeds of one recipe are models that differ in nothing but the seed: same settings, same base, same data. Scores of any
other model are refused.
"""

from __future__ import annotations

import shlex
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from alignfreeze_cli.artifacts import Record, read_record, verify
from alignfreeze_cli.artifacts.files import read_json
from alignfreeze_cli.deviations import sample_deviation
from alignfreeze_cli.errors import ArtifactError, SettingsError, SeveralScoresError
from alignfreeze_cli.hub.commands import SETTINGS
from alignfreeze_cli.hub.facts import Step, model_input
from alignfreeze_cli.phrases import listed
from alignfreeze_cli.published import Published, language_names
from alignfreeze_cli.settings import declarations
from alignfreeze_cli.tasks.registry import TASKS

SCORES = "scores.json"

Mean = tuple[float, float | None]
"""A mean over seeds and their sample standard deviation, fractions of 1; no deviation for one seed."""


@dataclass(frozen=True)
class Measured:
    """Scores of one model, or of several seeds. `values` holds a fraction per seed for every language.

    `others` holds those of further metrics, by metric. `data` is what each language was scored on, as recorded.
    """

    task: str
    metric: str
    source_language: str
    seeds: tuple[int | None, ...]
    values: Mapping[str, tuple[float, ...]]
    counts: Mapping[str, int]
    data: Mapping[str, Mapping[str, Any]]
    others: Mapping[str, Mapping[str, tuple[float, ...]]] = field(default_factory=dict)

    @property
    def metrics(self) -> tuple[str, ...]:
        """All metrics, the main one first."""
        return self.metric, *self.others

    @property
    def targets(self) -> tuple[str, ...]:
        return tuple(language for language in self.values if language != self.source_language)

    def points(self, language: str) -> list[float]:
        """The scores of one language by the main metric in percent, one per seed."""
        return [100 * value for value in self.values[language]]

    def mean(self, language: str, metric: str | None = None) -> Mean:
        """Mean of one language over the seeds, by the main metric or another."""
        return _mean(self._values(metric)[language])

    def average(self, metric: str | None = None) -> Mean:
        """Mean over the target languages, and its deviation over the seeds."""
        per_seed = zip(*(self._values(metric)[code] for code in self.targets), strict=True)
        return _mean([statistics.fmean(scores) for scores in per_seed])

    def by_seed(self) -> dict[int | None, float]:
        """Seed → mean over the target languages by the main metric, a fraction of 1; there must be targets."""
        per_seed = zip(*(self.values[code] for code in self.targets), strict=True)
        return dict(zip(self.seeds, map(statistics.fmean, per_seed), strict=True))

    def _values(self, metric: str | None) -> Mapping[str, tuple[float, ...]]:
        return self.values if metric in (None, self.metric) else self.others[metric]


@dataclass(frozen=True)
class ScoreRow:
    """A line of the card's table of scores; `language` is None for the mean over the target languages.

    `baseline` and `published` are None where they have no score for it. `others` are the model's own scores by its
    further metrics; all else is the main metric.
    """

    language: str | None
    own: Mean
    baseline: Mean | None = None
    published: Mean | None = None
    others: tuple[Mean, ...] = ()

    @property
    def difference(self) -> float | None:
        return self.own[0] - self.baseline[0] if self.baseline else None


def score_rows(measured: Measured, baseline: Measured | None, cell: Published | None) -> list[ScoreRow]:
    """A model's scores next to the baseline's and the published ones: a line per language, then the means.

    The means are compared only where they are over the same languages, and only by the main metric.
    """
    rows = []
    for code in measured.values:
        base = baseline.mean(code) if baseline and code in baseline.values else None
        known: Mean | None = None
        if cell and code == measured.source_language:
            known = (cell.source, None)
        elif cell and code in cell.values:
            known = _mean(cell.by_seed[code])
        others = tuple(measured.mean(code, name) for name in measured.others)
        rows.append(ScoreRow(code, measured.mean(code), base, known, others))
    if targets := set(measured.targets):
        base = baseline.average() if baseline and set(baseline.targets) == targets else None
        known = _mean(cell.averages) if cell and set(cell.values) == targets else None
        others = tuple(measured.average(name) for name in measured.others)
        rows.append(ScoreRow(None, measured.average(), base, known, others))
    return rows


def scores_of_model(folders: Sequence[Path], model: Record, where: Path) -> Measured:
    """The scores on the card of `model` (in the folder `where`): its own and those of its other seeds.

    Raises ArtifactError for a folder that holds no scores, or scores of another model.
    """
    found = [read_scores(folder) for folder in folders]
    own = [folder for folder, (record, _) in zip(folders, found, strict=True) if scored_digest(record) == model.digest]
    if not own:
        raise ArtifactError(
            f"holds the scores of another model ({scored_digest(found[0][0])[:12]}…), not of {where} "
            f"({model.digest[:12]}…); evaluate this one",
            folders[0],
        )
    for folder, (record, _) in zip(folders, found, strict=True):
        if folder not in own and recipe_of(scored_model(record, folder), record) != recipe_of(model.as_parent(), model):
            raise ArtifactError(
                f"holds the scores of a model that differs from {where} in more than its seed; they can't be put "
                "together",
                folder,
            )
    return put_together(found)


def put_together(found: Sequence[tuple[Record, Mapping[str, Any]]]) -> Measured:
    """Scores of several seeds as one; raises SettingsError if they are of several tasks or languages."""
    scores = [each for _, each in found]
    first = scores[0]
    for each in scores[1:]:
        same = all(each[key] == first[key] for key in ("task", "metric", "source-language"))
        if not same or list(each["languages"]) != list(first["languages"]):
            raise SettingsError("The scores to be put together are of different tasks, metrics or languages.")
    seeds = [_seed(record) for record, _ in found]
    if len(set(seeds)) < len(seeds):
        raise SettingsError("The scores to be put together name one seed twice.")
    languages = first["languages"]
    # Those that all scores have; a folder of an earlier version or from elsewhere may lack some.
    tables = [entry.get("metrics", {}) for each in scores for entry in each["languages"].values()]
    others = [name for name in tables[0] if name != first["metric"] and all(name in table for table in tables)]
    return Measured(
        task=first["task"],
        metric=first["metric"],
        source_language=first["source-language"],
        seeds=tuple(seeds),
        values={code: tuple(each["languages"][code]["value"] for each in scores) for code in languages},
        counts={code: entry["scored"] for code, entry in languages.items()},
        data={code: entry["data"] for code, entry in languages.items()},
        others={
            name: {code: tuple(each["languages"][code]["metrics"][name] for each in scores) for code in languages}
            for name in others
        },
    )


def scores_beside(folder: Path, model: Record) -> Path | None:
    """The scores of this very model, known by its digest, that lie in the same folder as it, whatever they are called.

    Of several those named `<folder>-scores`, where `run` and `evaluate` put them. Raises SeveralScoresError if none of
    the several is, ArtifactError if that one can't be read; of other folders that can't be read nothing is known.
    """
    place = folder.resolve()
    usual = place.with_name(f"{place.name}-scores")
    found = []
    for each in sorted(place.parent.iterdir()):
        try:
            record = read_record(each) if each.is_dir() and not each.name.startswith(".") else None
        except ArtifactError:
            if each == usual:
                raise
            continue
        if record is not None and record.kind == "scores" and scored_digest(record) == model.digest:
            found.append(each)
    if usual in found:
        return usual
    if len(found) > 1:
        near = folder.parent if folder.parent.resolve() == place.parent else place.parent
        names = listed(f"--scores {shlex.quote(str(near / each.name))}" for each in found)
        raise SeveralScoresError(
            f"has several folders of scores beside it; say which are for its card ({names})", folder
        )
    return found[0] if found else None


def recipe_of(model: Step, record: Record) -> list[Any]:
    """What two models have in common that differ in nothing but the seed."""
    by_digest: dict[str, Step] = {}
    for each in [*record.lineage, record.as_parent()]:  # a blend may have the digest of what it was made from
        by_digest.setdefault(each["digest"], each)
    recipe: list[Any] = []
    seen: list[Step] = []  # a record may come from anywhere, and go round in a circle
    step: Step | None = model
    while step is not None and all(step is not each for each in seen):
        seen.append(step)
        own = [d.key for d in declarations(SETTINGS[step["kind"]]) if d.metadata["result"] and d.key != "seed"]
        parent = model_input(step)
        data = sorted(each["digest"] for each in step["inputs"] if each is not parent)
        recipe.append([step["kind"], {key: step["settings"].get(key) for key in own}, data])
        step = by_digest.get(parent["digest"]) if parent else None
        if step is None and parent:
            recipe.append(parent["digest"])
    return recipe


def evaluation_results(measured: Measured, fine_tuned: bool = False) -> list[Any]:
    """The entries of the card's `model-index`: one per language and metric, each language with a configuration.

    `fine_tuned`: whether they are of models that were fine-tuned from the one that the card is of.

    huggingface_hub merges entries that agree in task, data set, configuration and split, so the configuration must name
    the language, as a string.
    """
    from huggingface_hub import EvalResult

    task, names = TASKS[measured.task], language_names()
    seeds = len(measured.seeds)
    how = (" after fine-tuning" if fine_tuned else "") + (f", mean of {seeds} seeds" if seeds > 1 else "")
    results = []
    for code in measured.values:
        data = measured.data[code]
        parts = data["source"].split("/") if data.get("commit") else []
        results += [
            EvalResult(
                task_type=task.pipeline_tag,
                task_name=task.title,
                # Of a file only its name is known: which data set it holds would be a guess.
                dataset_type="/".join(parts[:2]) or "local-file",
                dataset_name=f"{task.data if parts else PurePath(data['source']).name} ({names.get(code, code)})",
                dataset_config=next((part for part in parts[2:] if part != "parquet"), code),  # a folder says nothing
                dataset_split="test",
                dataset_revision=data.get("commit"),
                metric_type=metric,
                metric_name=f"{metric}{how}",
                metric_value=round(measured.mean(code, metric)[0], 6),
            )
            for metric in measured.metrics
        ]
    return results


def _mean(values: Sequence[float]) -> Mean:
    return statistics.fmean(values), sample_deviation(values)


def read_scores(folder: Path) -> tuple[Record, Mapping[str, Any]]:
    """The record and the content of a scores folder, checked by its digest; ArtifactError if it is none."""
    record = read_record(folder) if folder.is_dir() else None
    if record is None or record.kind != "scores":
        held = f"holds a record of kind {record.kind}" if record else "has no scores"
        raise ArtifactError(f"{held}; `alignfreeze evaluate` makes scores", folder)
    verify(folder, record, [SCORES])
    return record, read_json(folder / SCORES, "evaluate again")


def scored_digest(record: Record) -> str:
    """The digest of the model that a record of scores is about; empty if it names none."""
    return next((str(each["digest"]) for each in record.inputs if each["name"] == "model"), "")


def scored_model(record: Record, folder: Path) -> Step:
    """The model behind the scores in a folder, from the lineage; ArtifactError if it is not there."""
    digest = scored_digest(record)
    step = next((step for step in record.lineage if step["digest"] == digest), None)
    if step is None:
        raise ArtifactError("does not say how its model was made, so it can't be put together with others", folder)
    return step


def _seed(record: Record) -> int | None:
    digest = scored_digest(record)
    return next((step["seed"] for step in record.lineage if step["digest"] == digest), None)
