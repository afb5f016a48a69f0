"""`alignfreeze evaluate`: a task model and labelled data in many languages → scores and predictions.

From top to bottom: check the settings against the model's task, find the data of every language, open the output
folder, load the model, and language by language, some thousand examples at a time, read, predict, score and write; then
the summary.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from alignfreeze_cli.artifacts import OutputFolder, Result, resolve_artifact
from alignfreeze_cli.artifacts.files import write_json
from alignfreeze_cli.encoder.blocks import architecture
from alignfreeze_cli.encoder.models import skeleton
from alignfreeze_cli.encoder.tokenizers import load_tokenizer
from alignfreeze_cli.errors import DataError, SettingsError
from alignfreeze_cli.hub.cards import card_after
from alignfreeze_cli.progress import WARNINGS, Console
from alignfreeze_cli.steps.model_estimates import of_evaluate
from alignfreeze_cli.tasks.base import Task, Windows
from alignfreeze_cli.tasks.data import LanguageData, find_data, read_chunks, say_notes
from alignfreeze_cli.tasks.prediction import load_predictor
from alignfreeze_cli.tasks.registry import task_of
from alignfreeze_cli.tasks.settings import EvaluateSettings
from alignfreeze_cli.training.devices import pick_device, with_precision


def evaluate(settings: EvaluateSettings, console: Console = WARNINGS) -> Result:
    """Make a scores folder: `scores.json` and `predictions/<language>.parquet`, one row per example.

    Same model and data give the same bytes on a CPU. Raises SettingsError, DataError, ArtifactError, HubError.
    """
    settings = with_precision(settings)
    resolved = resolve_artifact(settings.model, "task-model")
    assert resolved.record is not None
    trained = resolved.record.details
    task = task_of(resolved, settings.task)
    if complaints := settings.foreign_options(task):
        raise SettingsError("; ".join(complaints) + ".")
    arch = architecture(skeleton(resolved.path))
    max_length = arch.sentence_length(settings.max_length, task.evaluation_length)
    options = task.chosen_options(settings, trained["options"])
    languages = settings.languages or task.scored_languages(trained["language"])
    sources = find_data(task, languages, settings.data, "test", "--data", console)

    inputs = [resolved, *(source.input for source in sources)]
    output = OutputFolder("scores", settings, inputs, default=f"{task.name}-scores")
    if done := output.finished():
        return card_after(done, console, settings.dry_run, resolved.path)
    if settings.dry_run:
        # What a run would find missing only when it begins to score.
        pick_device(settings.device)
        load_tokenizer(resolved.path, arch.vocabulary_size, arch.causal)
        plan = {
            "task": task.title,
            "options": options,
            "max-length": max_length,
            "precision": settings.precision,
            "languages": list(languages),
            "needs": of_evaluate(replace(settings, languages=tuple(languages)), resolved.path).to_dict(),
        }
        return output.planned(plan)

    with output.open(console) as work:
        if work.main:
            (work.path / "predictions").mkdir(exist_ok=True)
            scores = _score_languages(settings, task, resolved.path, sources, options, max_length, work.path, console)
            work.details = summarise(task, scores, trained["language"], options, max_length)
            write_json(work.path / "scores.json", work.details)
    return card_after(output.result, console, model=resolved.path)


def _score_languages(
    settings: EvaluateSettings,
    task: Task,
    folder: Path,
    sources: Sequence[LanguageData],
    options: Mapping[str, Any],
    max_length: int,
    output: Path,
    console: Console,
) -> dict[str, dict[str, Any]]:
    """What `scores.json` says of every language; predictions are written on the way."""
    loaded = load_predictor(folder, task, settings)
    labels = loaded.labels

    def prepared() -> Iterator[tuple[tuple[LanguageData, list[Any]], Windows]]:
        for source in sources:
            for examples, windows in read_chunks(task, source, loaded.tokenizer, labels, max_length, options, console):
                yield (source, examples), windows

    scores: dict[str, dict[str, Any]] = {}
    with (
        console.progress(f"scoring {task.title}", len(sources), "languages") as progress,
        closing(loaded.predict(prepared())) as predicted,  # ends the threads if scoring fails
    ):
        for source, chunks in groupby(predicted, key=lambda chunk: chunk[0][0]):
            path = output / "predictions" / f"{source.language}.parquet"
            found = _score(task, chunks, labels, options, path)
            if not found["scored"]:
                raise DataError(f"holds no {task.unit} to score", source.paths[0])
            say_notes(source, found.get("notes", {}), console)
            scores[source.language] = {**found, "data": source.to_dict()}
            progress.advance(note=f"{source.language} {found['value']:.4f}")
    return scores


def _score(
    task: Task,
    chunks: Iterable[tuple[tuple[LanguageData, list[Any]], Windows, list[tuple[np.ndarray, Any]]]],
    labels: Sequence[str],
    options: Mapping[str, Any],
    path: Path,
) -> dict[str, Any]:
    """The scores of one language, whose predictions are written chunk by chunk, each as a row group of a table."""
    schema = task.schema(options)
    count, sums, notes = 0, np.zeros(1), Counter[str]()
    with pq.ParquetWriter(path, schema) as writer:
        for (_, examples), windows, answers in chunks:
            table = task.predictions(examples, windows, answers, labels, options)
            writer.write_table(pa.table(table, schema=schema))
            count += len(examples)
            sums = sums + task.tallies(table).sum(0)  # (k,)
            notes.update(windows.notes)
    metrics = {name: float(value) for name, value in task.metrics(sums).items()}
    return {
        "metric": task.metric,
        "value": metrics[task.metric],
        "scored": int(sums[-1]),
        "examples": count,
        "metrics": metrics,
        **({"notes": dict(notes)} if notes else {}),
    }


def summarise(
    task: Task, scores: Mapping[str, Mapping[str, Any]], source_language: str, options: Mapping[str, Any], length: int
) -> dict[str, Any]:
    """The content of `scores.json` (docs/artifacts.md): values are fractions of 1.

    `average` is the unweighted mean over the languages that the model was not trained on, None if there are none.
    """
    targets = [entry["value"] for language, entry in scores.items() if language != source_language]
    return {
        "task": task.name,
        "metric": task.metric,
        "unit": task.unit,
        "source-language": source_language,
        "average": sum(targets) / len(targets) if targets else None,
        "languages": dict(scores),
        "scoring": {"max-length": length, **{name.replace("_", "-"): value for name, value in options.items()}},
    }
