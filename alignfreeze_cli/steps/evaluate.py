"""The evaluate step: a task model and labelled data in many languages → scores and predictions."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch

from alignfreeze_cli.artifacts import Input, Result, Workspace, produce, resolve_artifact
from alignfreeze_cli.encoder.blocks import architecture, few_places
from alignfreeze_cli.encoder.models import skeleton
from alignfreeze_cli.encoder.tokenizers import load_tokenizer
from alignfreeze_cli.errors import ArtifactError, DataError, SettingsError
from alignfreeze_cli.progress import Console
from alignfreeze_cli.tasks.base import Scored, Task, Windows
from alignfreeze_cli.tasks.models import load_model, window_length
from alignfreeze_cli.tasks.registry import TASKS
from alignfreeze_cli.tasks.settings import EvaluateSettings
from alignfreeze_cli.tasks.sources import LanguageData, find_sources, tell

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Named = TypeVar("Named")

CPU_BATCH_TOKENS = 512
GPU_BATCH_TOKENS = 65536
MOST_PADDING = 0.1


def evaluate(settings: EvaluateSettings, console: Console) -> Result:
    """Make a scores folder: `scores.json` and `predictions/<language>.parquet`.

    Same model and data give the same bytes. Raises SettingsError, DataError, ArtifactError, HubError.
    """
    resolved = resolve_artifact(settings.model, "task-model")
    assert resolved.record is not None
    made = resolved.record.details
    task = model_task(resolved, settings.task)
    complaints = settings.foreign_options(task)
    if complaints:
        raise SettingsError("; ".join(complaints) + ".")
    max_length = window_length(settings.max_length, task.evaluation_length, architecture(skeleton(resolved.path)))
    options = task.chosen_options(settings, made["options"])
    languages = settings.languages or task.scored_languages(made["language"])
    sources = find_sources(task, languages, settings.data, "test", "--data", console)

    def build(work: Workspace) -> Mapping[str, Any]:
        if not work.main:
            return {}
        device = pick_device(settings.device)
        model, labels = load_model(resolved.path, task)
        model.to(device).eval()
        tokenizer = load_tokenizer(resolved.path, words=task.reads_words)
        budget = settings.batch_tokens or (CPU_BATCH_TOKENS if device.type == "cpu" else GPU_BATCH_TOKENS)
        (work.path / "predictions").mkdir(exist_ok=True)
        scores: dict[str, dict[str, Any]] = {}

        def prepared() -> Iterator[tuple[tuple[LanguageData, list[Any]], Windows]]:
            for source in sources:
                examples = task.read(source.paths, source.language, options)
                windows = task.encode(examples, tokenizer, labels, max_length, options)
                tell(windows.notes, source, console)
                yield (source, examples), windows

        with (
            console.progress(f"scoring {task.title}", len(sources), "languages") as progress,
            closing(run(model, task, prepared(), budget, device)) as answered,  # ends the threads if scoring fails
        ):
            for (source, examples), windows, answers in answered:
                scored = task.score(examples, windows, answers, labels, options)
                if not scored.count:
                    raise DataError(f"holds no {task.unit} to score", source.paths[0])
                write_predictions(scored, work.path / "predictions" / f"{source.language}.parquet")
                scores[source.language] = _entry(task, scored, len(examples), windows.notes, source)
                progress.advance(note=f"{source.language} {scored.metrics[task.metric]:.4f}")
        summary = summarise(task, scores, made["language"], options, max_length)
        (work.path / "scores.json").write_text(
            json.dumps(summary, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        return summary

    return produce(
        kind="scores",
        settings=settings,
        default_output=f"{task.name}-scores",
        inputs=[resolved, *(source.input for source in sources)],
        console=console,
        plan={"task": task.title, "options": options, "max-length": max_length, "languages": list(languages)},
        build=build,
    )


def model_task(model: Input, wanted: str | None) -> Task:
    """The task that a model was trained for; raises ArtifactError if it is unknown or not the wanted one."""
    assert model.record is not None
    name = model.record.details.get("task")
    if name not in TASKS:
        raise ArtifactError(f"is a model for the task {name!r}, which this version does not know", model.path)
    if wanted is not None and wanted != name:
        raise ArtifactError(
            f"holds a {name} model ({TASKS[name].title}), but a {wanted} model ({TASKS[wanted].title}) is needed here, "
            f"made by `alignfreeze finetune --task {wanted}`",
            model.path,
        )
    return TASKS[name]


def pick_device(name: str) -> torch.device:
    """`auto` is the accelerator if there is one; raises SettingsError for `cuda` where there is none."""
    if name == "cuda" and not torch.cuda.is_available():
        raise SettingsError("--device cuda: no CUDA device is available here; use --device cpu or auto.")
    return torch.device("cuda" if name == "cuda" or (name == "auto" and torch.cuda.is_available()) else "cpu")


def length_batches(lengths: np.ndarray, budget: int) -> list[np.ndarray]:
    """Numbers of windows in batches of similar length, longest first, each of at most `budget` subwords with padding.

    The longest come first so that a memory too small is found out at once; a window longer than the budget goes alone.
    In small data neighbours in length may differ much, so no window is padded by more than `MOST_PADDING` of a row.
    """
    order = np.argsort(-lengths, kind="stable")
    batches, begin = [], 0
    while begin < len(order):
        longest = int(lengths[order[begin]])
        near = order[begin : begin + max(1, budget // longest)]
        near = near[lengths[near] >= (1 - MOST_PADDING) * longest]
        batches.append(near)
        begin += len(near)
    return batches


def run(
    model: PreTrainedModel, task: Task, prepared: Iterable[tuple[Named, Windows]], budget: int, device: torch.device
) -> Generator[tuple[Named, Windows, list[tuple[np.ndarray, Any]]], None, None]:
    """The task's answers to the windows of several data sets, one after the other; `prepared` names each.

    The model must be in evaluation mode. The next data set is prepared (read, cut, tokenised) while this one is
    computed. On a CPU every thread takes whole batches for itself: threads that share a batch wait for each other after
    every operation, which costs more than half of the time as soon as anything else runs on the machine.
    """
    from accelerate.utils import send_to_device

    def answer(windows: Windows, indices: np.ndarray) -> tuple[np.ndarray, Any]:
        with torch.inference_mode():
            return indices, task.answer(model, send_to_device(windows.collate(indices), device))

    threads = torch.get_num_threads()
    workers = threads if device.type == "cpu" else 1
    pool = ThreadPoolExecutor(workers, thread_name_prefix="batches")
    ahead: tuple[Named, Windows, Iterator[tuple[np.ndarray, Any]]] | None = None
    torch.set_num_threads(1 if device.type == "cpu" else threads)
    try:
        with few_places(model):
            for name, windows in prepared:
                begun = pool.map(partial(answer, windows), length_batches(windows.lengths, budget))
                if ahead is not None:
                    yield *ahead[:2], list(ahead[2])
                ahead = name, windows, begun
            if ahead is not None:
                yield *ahead[:2], list(ahead[2])
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)


def write_predictions(scored: Scored, path: Path) -> None:
    """One row per example, the columns as the task has them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table(scored.table), path)


def _entry(task: Task, scored: Scored, examples: int, notes: Mapping[str, int], source: LanguageData) -> dict[str, Any]:
    """What `scores.json` says of one language."""
    return {
        "metric": task.metric,
        "value": scored.metrics[task.metric],
        "scored": scored.count,
        "examples": examples,
        "metrics": scored.metrics,
        **({"notes": dict(notes)} if notes else {}),
        "data": source.described(),
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
        "average": mean(targets) if targets else None,
        "languages": dict(scores),
        "scoring": {"max-length": length, **{name.replace("_", "-"): value for name, value in options.items()}},
    }


def mean(values: Sequence[float]) -> float:
    """The unweighted mean."""
    return sum(values) / len(values)
