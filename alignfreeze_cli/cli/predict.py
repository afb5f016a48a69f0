"""The command `predict`: a task model's answers to a user's own texts, as CoNLL-U, JSON lines, or lines to read."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console as RichConsole
from rich.text import Text

from alignfreeze_cli.artifacts.files import atomic_file
from alignfreeze_cli.cli.options import add_command
from alignfreeze_cli.errors import OutputExistsError, SettingsError
from alignfreeze_cli.phrases import listed, printable
from alignfreeze_cli.progress import Console
from alignfreeze_cli.tasks.settings import PredictSettings

if TYPE_CHECKING:
    from alignfreeze_cli.steps.predict import Answer, Predictions

HELP = """Tag, label or answer your own texts with a task model; in any language, in the order of the texts.

    alignfreeze predict pos sentences.txt > tagged.conllu

    alignfreeze predict ner --language ja news.txt --output entities.jsonl

    echo 'The red house sleeps.' | alignfreeze predict pos

The task is read from the model. pos, ner and classify take a text in each line; nli a premise and a hypothesis in each
line, with a tab between them; qa JSON lines with question and context.
"""

_SUFFIXES = {".conllu": "conllu", ".jsonl": "jsonl", ".json": "jsonl", ".txt": "text"}
_COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "red")
_READER_GONE = 1
_OUTSIDE = "O"  # the label of a word outside of entities


def add(app: typer.Typer) -> None:
    add_command(app, "predict", HELP, PredictSettings, _predict, about_quiet="Say nothing on stderr but warnings.")


def _predict(settings: PredictSettings, console: Console, quiet: bool, format: str) -> None:
    if settings.output is not None:
        _check_output(settings, settings.output)

    from alignfreeze_cli.steps.predict import predict

    predictions = predict(settings, console)
    with closing(predictions.answers):
        if settings.output is not None:
            _write(predictions, _format(settings, predictions, terminal=False), settings, console)
        else:
            terminal = sys.stdout.isatty()
            try:
                _print(predictions, _format(settings, predictions, terminal), terminal)
            except BrokenPipeError:  # such as `| head`
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python flushes at its end
                raise typer.Exit(_READER_GONE) from None


def _check_output(settings: PredictSettings, path: Path) -> None:
    """Before anything is computed. Raises OutputExistsError, SettingsError."""
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "no file, but a device or a pipe"
        raise SettingsError(f"--output: {path} is {what}; name a file.")
    if settings.format is None and path.suffix.lower() not in _SUFFIXES:
        named = f"the suffix {path.suffix} names no format" if path.suffix else "a name without suffix names no format"
        raise SettingsError(f"--output: {path}: {named}; end it with {listed(_SUFFIXES, last='or')}, or say --format.")
    if settings.file is not None and path.exists() and settings.file.exists() and path.samefile(settings.file):
        raise SettingsError(f"--output: {path} holds the texts that are read; name another file.")
    if (path.exists() or path.is_symlink()) and not settings.overwrite:
        raise OutputExistsError(f"{path} exists; choose another --output, or give --overwrite to replace it.")


def _format(settings: PredictSettings, predictions: Predictions, terminal: bool) -> str:
    if settings.format is not None:
        return settings.format
    if settings.output is not None:
        found = _SUFFIXES[settings.output.suffix.lower()]
        if found != "conllu" or predictions.task.reads_words:
            return found
        raise SettingsError(f"--output: CoNLL-U is for words with labels; the model is for {predictions.task.name}.")
    return "text" if terminal else "conllu" if _universal(predictions) else "jsonl"


def _universal(predictions: Predictions) -> bool:
    """Whether words get universal part-of-speech tags, for which CoNLL-U has a column."""
    from alignfreeze_cli.tasks.pos import HUB_LABELS

    return predictions.task.reads_words and set(predictions.labels) <= set(HUB_LABELS)


def _of_entities(labels: Sequence[str]) -> bool:
    """Whether labels of words say which word begins an entity and which is inside one (IOB)."""
    return any(label.startswith("B-") for label in labels) and all(
        label == _OUTSIDE or label.startswith(("B-", "I-")) for label in labels
    )


def _write(predictions: Predictions, form: str, settings: PredictSettings, console: Console) -> None:
    assert settings.output is not None
    render, title = _renderer(form, predictions), f"predicting {predictions.task.title}"
    with atomic_file(settings.output, settings.overwrite) as file, console.progress(title, unit="texts") as progress:
        for answer in predictions.answers:
            file.write(render(answer).encode())
            progress.advance()


def _print(predictions: Predictions, form: str, terminal: bool) -> None:
    """On a terminal nothing that would control it, in colours; elsewhere always UTF-8."""
    if terminal and form == "text":
        screen = RichConsole(highlight=False, soft_wrap=True)
        for answer in predictions.answers:
            screen.print(_line(answer, predictions))
        return
    render = _renderer(form, predictions)
    for answer in predictions.answers:
        text = render(answer)
        sys.stdout.buffer.write((printable(text) if terminal else text).encode())
        sys.stdout.buffer.flush()


def _renderer(form: str, predictions: Predictions) -> Callable[[Answer], str]:
    """The function that makes the lines of an answer."""
    if form == "conllu":
        from alignfreeze_cli.tasks.conllu import conllu_block

        column = "UPOS" if _universal(predictions) else predictions.task.name  # in MISC, as Stanza has `ner`
        return lambda each: conllu_block(str(each["id"]), each["text"], each["words"], {column: each["predicted"]})
    if form == "jsonl":
        return lambda each: json.dumps(each, ensure_ascii=False) + "\n"
    return lambda each: _line(each, predictions).plain + "\n"


def _line(answer: Answer, predictions: Predictions) -> Text:
    """An answer in one line: labels behind the words, entities in brackets, or the label or answer before the text."""
    task = predictions.task
    if task.reads_words:
        parts = _entities if _of_entities(predictions.labels) else _tags
        return Text(" ").join(parts(answer["words"], answer["predicted"], predictions.labels))
    found = answer[task.answer_columns[0]]
    width = max((len(label) for label in predictions.labels), default=0)
    number = predictions.labels.index(found) if found in predictions.labels else 0
    texts = [Text(_one_line(answer[name])) for name in task.raw_texts if name != "context"]
    return Text("  ").join([Text(_one_line(found or "–").ljust(width), _colour(number)), *texts])


def _tags(words: Sequence[str], labels: Sequence[str | None], known: Sequence[str]) -> list[Text]:
    """`house/NOUN`"""
    return [
        Text.assemble(_one_line(word), ("/" + (label or "_"), _colour(known.index(label)) if label else ""))
        for word, label in zip(words, labels, strict=True)
    ]


def _entities(words: Sequence[str], labels: Sequence[str | None], known: Sequence[str]) -> list[Text]:
    """`[PER Ada Lovelace]`; an entity begins at a B, and at an I that does not continue one of its type."""
    kinds = list(dict.fromkeys(label[2:] for label in known if label != _OUTSIDE))
    found: list[Text] = []
    before = ""
    for word, label in zip(words, labels, strict=True):
        kind = label[2:] if label and label != _OUTSIDE else ""
        if kind and kind == before and str(label).startswith("I-"):
            found[-1] = Text(" ").join([found[-1][:-1], Text(f"{_one_line(word)}]", _colour(kinds.index(kind)))])
        elif kind:
            found.append(Text(f"[{kind} {_one_line(word)}]", _colour(kinds.index(kind))))
        else:
            found.append(Text(_one_line(word)))
        before = kind
    return found


def _colour(number: int) -> str:
    return _COLOURS[number % len(_COLOURS)]


def _one_line(text: Any) -> str:
    return printable(" ".join(str(text).split()))
