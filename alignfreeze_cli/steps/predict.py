"""What `alignfreeze predict` does: a task model and a user's own texts → answers, in the order of the texts.

From top to bottom: read the task from the model's record, check the settings against it, load the model, and some texts
at a time, cut them into words if the task reads words, predict and give the answers. It computes with the code of
`evaluate`, and writes nothing.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from alignfreeze_cli.artifacts import resolve_artifact
from alignfreeze_cli.encoder.blocks import architecture
from alignfreeze_cli.encoder.models import skeleton
from alignfreeze_cli.errors import DataError, SettingsError
from alignfreeze_cli.progress import WARNINGS, Console
from alignfreeze_cli.tasks import data
from alignfreeze_cli.tasks.base import RawText, Task, Windows
from alignfreeze_cli.tasks.data import decoded_lines, numbered_lines
from alignfreeze_cli.tasks.prediction import Predictor, load_predictor
from alignfreeze_cli.tasks.raw_texts import WORDS, read_raw_texts, word_cutter
from alignfreeze_cli.tasks.registry import task_of
from alignfreeze_cli.tasks.settings import EvaluateSettings, PredictSettings
from alignfreeze_cli.training.devices import with_precision

STANDARD_INPUT = "standard input"
FIRST_TEXTS = 64  # so that the first answers come soon; every further chunk is twice as large
FIRST_OF_A_PIPE = 1  # its texts may come slowly

Answer = dict[str, Any]
"""The id of a text, the text or texts by name, and the task's `answer_columns`."""


@dataclass(frozen=True)
class Predictions:
    """The answers, computed as they are asked for; `labels` are those of the model. Close `answers` when done."""

    task: Task
    labels: tuple[str, ...]
    answers: Generator[Answer, None, None]


def predict(
    settings: PredictSettings, console: Console = WARNINGS, standard_input: BinaryIO | None = None
) -> Predictions:
    """Answers to the texts of a file or of standard input; from a terminal each as soon as its line is typed.

    Raises SettingsError, ArtifactError, HubError; and, while the answers are computed, DataError with file and line.
    """
    settings = with_precision(settings)
    resolved = resolve_artifact(settings.model, "task-model")
    assert resolved.record is not None
    task = task_of(resolved)
    if not task.reads_words:
        for name in ("language", "words"):
            if getattr(settings, name) is not None:
                raise SettingsError(f"--{name} says how texts are cut into words, which {task.name} does not do.")
    if settings.format == "conllu" and not task.reads_words:
        raise SettingsError(f"--format conllu is for words with labels; the model is for {task.name} ({task.title}).")
    options = task.chosen_options(EvaluateSettings(model=settings.model), resolved.record.details["options"])
    max_length = architecture(skeleton(resolved.path)).sentence_length(settings.max_length, task.evaluation_length)

    from_file = settings.file is not None and str(settings.file) != "-"
    path: str | Path = STANDARD_INPUT
    stream = None if from_file else _standard_input(standard_input)
    if from_file:
        assert settings.file is not None
        path = settings.file.expanduser()
        if not path.exists():
            raise DataError("no such file", path)
        if path.suffix.lower() == ".csv" and settings.input_format is None:
            raise DataError("is a CSV file; texts are read from lines or JSON lines (--input-format)", path)
    form = settings.input_format or ("jsonl" if Path(path).suffix in (".jsonl", ".json") else task.raw_form)
    cut = word_cutter(settings.words or WORDS, settings.language, path) if task.reads_words else None

    typed = stream is not None and stream.isatty()
    if typed:
        console.info(f"Reading {' and '.join(task.raw_texts)} as {form} from the terminal; Ctrl-D ends it.")
    loaded = load_predictor(resolved.path, task, settings)
    lines = numbered_lines(Path(path)) if stream is None else decoded_lines(stream, path)
    texts = read_raw_texts(lines, task, form, path, sure=settings.input_format is not None)

    def prepared() -> Iterator[tuple[tuple[list[RawText], list[Any]], Windows]]:
        some = False
        for chunk in _chunks(texts, FIRST_TEXTS if from_file else FIRST_OF_A_PIPE, typed):
            some = True
            if cut is not None and not (chunk := _with_words(cut(chunk), path, console)):
                continue
            examples = task.unlabelled(chunk, loaded.labels)
            yield (chunk, examples), task.encode(examples, loaded.tokenizer, loaded.labels, max_length, options)
        if not some and not typed:
            raise DataError("holds no text", path)

    return Predictions(task, loaded.labels, _answers(loaded, options, prepared(), typed, path, console))


def _standard_input(given: BinaryIO | None) -> BinaryIO:
    found: BinaryIO | None = given or getattr(sys.stdin, "buffer", None)
    if found is None:
        raise SettingsError("This process has no standard input to read texts from; name a file.")
    return found


def _chunks(texts: Iterator[RawText], size: int, typed: bool) -> Iterator[list[RawText]]:
    """Texts that are computed together: `size` at first, then up to as many as `evaluate` takes; typed ones singly."""
    while chunk := list(islice(texts, 1 if typed else size)):
        yield chunk
        size = min(2 * size, data.EXAMPLES_AT_ONCE)


def _with_words(texts: list[RawText], path: str | Path, console: Console) -> list[RawText]:
    """Those that have a word; of the others it is said that they are passed over."""
    for each in texts:
        if not each.words:
            console.warn(f"{path}, line {each.line}: the text has no word and is passed over")
    return [each for each in texts if each.words]


def _answers(
    loaded: Predictor,
    options: Mapping[str, Any],
    prepared: Iterator[tuple[tuple[list[RawText], list[Any]], Windows]],
    typed: bool,
    path: str | Path,
    console: Console,
) -> Generator[Answer, None, None]:
    """One chunk is prepared while another is computed; but the first is answered before another is read, and each that
    is typed: nobody types on without an answer.
    """
    task, notes = loaded.task, Counter[str]()
    for group in ([each] for each in prepared) if typed else (islice(prepared, 1), prepared):
        with closing(loaded.predict(group)) as predicted:  # ends its threads
            for (texts, examples), windows, found in predicted:
                table = task.predictions(examples, windows, found, loaded.labels, options)
                notes.update(windows.notes)
                for number, each in enumerate(texts):
                    answers = {name: table[name][number] for name in task.answer_columns}
                    yield {"id": each.identifier, **each.texts, **answers}
    for note, count in notes.items():
        console.warn(f"{path}: {note}: {count:,}")
