"""The settings of finetune, evaluate and predict. Free of torch, so that `alignfreeze --help` stays quick."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alignfreeze_cli.encoder.freezing import WORDS, plan_complaint
from alignfreeze_cli.encoder.settings import (
    COMPUTING,
    LORA_OPTIONS,
    TRAINED,
    TRAINING,
    WORDS_WITH_BLANKS,
    RealignSettings,
    device_setting,
    eager_setting,
    keep_adapter_setting,
    lora_complaints,
    lora_setting,
    precision_setting,
)
from alignfreeze_cli.settings import Settings, StepSettings, plain, setting
from alignfreeze_cli.tasks.base import Task
from alignfreeze_cli.tasks.classify import ClassifyOptions
from alignfreeze_cli.tasks.ner import NerOptions
from alignfreeze_cli.tasks.pos import PosOptions
from alignfreeze_cli.tasks.qa import QaOptions
from alignfreeze_cli.tasks.registry import SCORED_LANGUAGES, TASKS
from alignfreeze_cli.tasks.tagging import TaggingOptions


def is_unset(value: Any) -> bool:
    return value is None or value == ()


REALIGN_PREFIX = "realign_"
_DATA, _JOINT = "Model and data", "With --realign-with"
"""Headings in the help."""
DEFAULT_REALIGN_WEIGHT = 0.1
"""The published coefficient of realignment during fine-tuning (training_loops.py)."""


@dataclass(frozen=True, kw_only=True)
class TaskOptions(PosOptions, NerOptions, TaggingOptions, QaOptions, ClassifyOptions, StepSettings):
    """The options of all tasks: every task's own dataclass is a base here.

    An option that is not set is left out of records and identities, so a new task changes nothing for the others.
    """

    def left_out(self, name: str) -> bool:
        return is_unset(getattr(self, name)) and any(name in task.option_names() for task in TASKS.values())

    def foreign_options(self, task: Task) -> list[str]:
        """Complaints about options that were set but belong to other tasks."""
        owners: dict[str, list[str]] = {}
        for other in TASKS.values():
            for name in other.option_names():
                owners.setdefault(name, []).append(other.name)
        return [
            f"--{name.replace('_', '-')} is an option of {' and '.join(tasks)}, not of {task.name}"
            for name, tasks in owners.items()
            if task.name not in tasks and getattr(self, name) is not None
        ]


_REALIGN_FIELDS = {field.name: field for field in dataclasses.fields(RealignSettings)}


def _realign_setting(name: str) -> Any:
    """A setting of realign as a setting of finetune: without a default of its own; the help says realign's default."""
    field = _REALIGN_FIELDS[name]
    about: str = field.metadata["help"]
    default = "" if is_unset(field.default) else f" [default: {plain(field.default)}]"
    metadata = {
        **field.metadata,
        "panel": _JOINT,
        "help": f"With --realign-with: {about[0].lower()}{about[1:]}{default}",
    }
    return dataclasses.field(default=() if field.default == () else None, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class JointOptions:
    """Settings of finetune that only realignment during fine-tuning reads (joint.py).

    Those that `RealignSettings` declares get `realign-` before their name, and are unset by default, so that the record
    of fine-tuning without realignment does not hold them.
    """

    realign_with: tuple[str, ...] = dataclasses.field(
        default=(),
        metadata={
            **_REALIGN_FIELDS["pairs"].metadata,
            "help": "Pairs folders, made by `align-pairs`: realign during fine-tuning, with one batch of pairs in each "
            "step (`during` in the published code). --freeze then names the blocks that are frozen for realignment; "
            "the task trains all blocks.",
            "metavar": "PAIRS",
            "panel": _JOINT,
        },
    )
    realign_weight: float | None = dataclasses.field(
        default=None,
        metadata={
            **_REALIGN_FIELDS["temperature"].metadata,
            "panel": _JOINT,
            "help": "With --realign-with: weight of the realignment loss, in task loss + weight x realignment loss. "
            f"[default: {DEFAULT_REALIGN_WEIGHT}]",
        },
    )
    realign_targets: tuple[str, ...] = _realign_setting("targets")
    realign_batch_size: int | None = _realign_setting("batch_size")
    realign_temperature: float | None = _realign_setting("temperature")
    realign_projection: int | None = _realign_setting("projection")
    realign_block: str | None = _realign_setting("block")
    realign_pooling: str | None = _realign_setting("pooling")
    realign_negatives: str | None = _realign_setting("negatives")
    realign_sampling: str | None = _realign_setting("sampling")
    realign_links: str | None = _realign_setting("links")
    realign_lone_pieces: str | None = _realign_setting("lone_pieces")


JOINT_OPTIONS = tuple(field.name for field in dataclasses.fields(JointOptions))
SHARED_WITH_REALIGN = tuple(
    bare for name in JOINT_OPTIONS if (bare := name.removeprefix(REALIGN_PREFIX)) in _REALIGN_FIELDS
)
"""The settings of realign that finetune has too, by their names in realign."""


DATA_REFUSED = "label ids that no label has, nulls and treebanks whose words were taken out are refused"
"""What finetune and evaluate came to do otherwise with labelled data."""


def joint_complaints(options: JointOptions) -> list[str]:
    """Settings of realignment that are set although there are no pairs to realign on."""
    if options.realign_with:
        return []
    return [
        f"--{name.replace('_', '-')} goes with --realign-with, which names the pairs to realign on"
        for name in JOINT_OPTIONS
        if not is_unset(getattr(options, name))
    ]


@dataclass(frozen=True, kw_only=True)
class _Finetune(StepSettings):
    """The settings of finetune that are not of single tasks."""

    model: str = setting(
        panel=_DATA, help="Encoder: a folder, or a Hub id (org/name@revision).", input=True, short="-m"
    )
    task: str = setting(panel=_DATA, help="Task to learn.", choices=tuple(TASKS), short="-t")
    language: str = setting("en", panel=_DATA, help="Language of the training data.", suggested=SCORED_LANGUAGES)
    train: str | None = setting(
        None,
        panel=_DATA,
        help="Training data: a file; {language} in its path is replaced, and * matches anything. For pos also a folder "
        "that holds a version of Universal Dependencies. [default: the task's data on the Hub; classify has none]",
        input=True,
        metavar="FILE",
    )
    steps: int | None = setting(None, panel=TRAINING, help="Optimizer steps, instead of --epochs.", minimum=1)
    epochs: float | None = setting(
        None,
        panel=TRAINING,
        help="Passes over the training data. [default: the paper's, by task]",
        minimum=0.0,
        above=True,
    )
    batch_size: int = setting(32, panel=TRAINING, help="Windows per optimizer step.", minimum=1)
    batch_tokens: int | None = setting(
        None,
        panel=COMPUTING,
        help="Subwords computed at once: a batch that has more is computed in parts (the pairs of --realign-with are "
        "not). The loss is averaged over the whole batch, but dropout draws other random numbers. [default: 2048 on a "
        "CPU, 16384 on a GPU]",
        minimum=8,
    )
    vocabulary: str = setting(
        "active",
        choices=("active", "full"),
        result=False,
        panel=TRAINED,
        help="Train only the embeddings of subwords that occur in the data, or all: the result is the same, active "
        "needs less memory and time.",
    )
    learning_rate: float | None = setting(
        None,
        panel=TRAINING,
        help="Peak learning rate. [default: the paper's, by architecture; 3e-4 with --lora]",
        minimum=0.0,
        above=True,
    )
    lora: int | None = lora_setting()
    keep_adapter: bool = keep_adapter_setting()
    warmup: float = setting(
        0.1,
        panel=TRAINING,
        help="Share of the steps in which the learning rate rises linearly; then it falls linearly to 0.",
        minimum=0.0,
        maximum=1.0,
    )
    freeze: str = setting(
        "none",
        panel=TRAINED,
        help="Blocks that are frozen; the paper fine-tunes all. With --realign-with: blocks that are frozen for "
        "realignment.",
        check=plan_complaint,
        suggested=WORDS,
        metavar="PLAN",
    )
    max_length: int | None = setting(
        None,
        panel=TRAINING,
        help="Subwords per window, special tokens included. [default: 96]",
        minimum=8,
        metavar="SUBWORDS",
    )
    precision: str = precision_setting("forward and backward passes", panel=COMPUTING)
    eager: bool = eager_setting()
    seed: int = setting(31, panel=TRAINING, help="Decides the new head, the order of the data and dropout.", minimum=0)
    checkpoint_every: int = setting(
        500,
        panel=COMPUTING,
        help="Steps between checkpoints for --resume; 0: only when interrupted.",
        minimum=0,
        result=False,
    )
    device: str = device_setting(COMPUTING)
    tracker: tuple[str, ...] = setting(
        (), panel=COMPUTING, help="Also report to tensorboard or wandb.", choices=("tensorboard", "wandb"), result=False
    )


@dataclass(frozen=True, kw_only=True)
class FinetuneSettings(TaskOptions, JointOptions, _Finetune):
    """The settings of finetune, those of single tasks last."""

    changes = (
        "the head is always new, also where the model's folder holds one",
        WORDS_WITH_BLANKS,
        DATA_REFUSED,
        "short sentences share rows and batches are split by subwords, so dropout draws other random numbers",
    )
    measurable = True

    def left_out(self, name: str) -> bool:
        if name in ("eager", *LORA_OPTIONS):
            return not getattr(self, name)
        return super().left_out(name) or (name in JOINT_OPTIONS and is_unset(getattr(self, name)))

    def conflicts(self) -> list[str]:
        found = []
        if self.steps is not None and self.epochs is not None:
            found.append("--steps and --epochs cannot both be given")
        found += joint_complaints(self) + lora_complaints(self)
        if self.task in TASKS:
            found += self.foreign_options(TASKS[self.task])
        return found


@dataclass(frozen=True, kw_only=True)
class _Evaluate(StepSettings):
    """The settings of evaluate that are not of single tasks."""

    model: str = setting(
        panel=_DATA, help="Task model: a folder, or a Hub id (org/name@revision).", input=True, short="-m"
    )
    task: str | None = setting(
        None,
        panel=_DATA,
        help="Task that the model must be for. [default: any]",
        choices=tuple(TASKS),
        short="-t",
        result=False,
    )
    languages: tuple[str, ...] = setting(
        (),
        suggested=SCORED_LANGUAGES,
        panel=_DATA,
        help="Languages to score, comma separated. [default: the language of training, English and the paper's target "
        "languages of the task; in classify the language of training]",
    )
    data: str | None = setting(
        None,
        panel=_DATA,
        help="Test data, one file per language: {language} in the path is replaced, and * matches anything. For pos "
        "also a folder that holds a version of Universal Dependencies. [default: the task's data on the Hub; classify "
        "has none]",
        input=True,
        metavar="PATTERN",
    )
    max_length: int | None = setting(
        None,
        panel=COMPUTING,
        help="Subwords per window, special tokens included. [default: the paper's, by task]",
        minimum=8,
        metavar="SUBWORDS",
    )
    batch_tokens: int | None = setting(
        None,
        panel=COMPUTING,
        help="Subwords computed at once, padding included. [default: 1024 on a CPU, 65536 on a GPU]",
        minimum=8,
        result=False,
    )
    precision: str = precision_setting("the model", panel=COMPUTING)
    device: str = device_setting(COMPUTING)


_EVALUATE_FIELDS = {field.name: field for field in dataclasses.fields(_Evaluate)}


def _evaluate_setting(name: str) -> Any:
    """A setting of evaluate as one of predict, which uses the same code."""
    field = _EVALUATE_FIELDS[name]
    return dataclasses.field(default=field.default, metadata=field.metadata)


@dataclass(frozen=True, kw_only=True)
class PredictSettings(Settings):
    """The settings of predict, which writes no folder."""

    model: str = setting(
        argument=True,
        metavar="MODEL",
        help="Task model: a folder, or a Hub id (org/name@revision); `finetune` makes one.",
    )
    file: Path | None = setting(
        None, argument=True, metavar="FILE", help="File with the texts; without it, or as -, standard input is read."
    )
    input_format: str | None = setting(
        None,
        choices=("lines", "jsonl"),
        help="lines: a text in each line; for nli premise and hypothesis, for qa question and context, with a tab "
        "between them. jsonl: an object in each line with the key text; premise and hypothesis; or question and "
        "context; an id is passed on. [default: jsonl for files *.jsonl and *.json, and for qa; else lines]",
    )
    language: str | None = setting(
        None,
        suggested=SCORED_LANGUAGES,
        help="Language of the texts, for pos and ner: Chinese, Japanese and Thai (zh, ja, th) are cut into words by a "
        "segmenter.",
        metavar="CODE",
    )
    words: str | None = setting(
        None,
        choices=("unicode", "blank"),
        help="How pos and ner cut texts into words. unicode: letters and digits, the other characters between blanks "
        "by themselves. blank: the texts are cut already. [default: unicode]",
    )
    format: str | None = setting(
        None,
        choices=("text", "conllu", "jsonl"),
        help="text: a line for each text, for reading. conllu: for pos and ner. jsonl: an object for each text. "
        "[default: by the suffix of --output; on a terminal text; else conllu for pos, jsonl for the others]",
    )
    output: Path | None = setting(
        None, help="File to write instead of standard output; it appears there whole or not at all.", short="-o"
    )
    overwrite: bool = setting(False, help="Replace an output file that exists.")
    max_length: int | None = _evaluate_setting("max_length")
    batch_tokens: int | None = _evaluate_setting("batch_tokens")
    precision: str = _evaluate_setting("precision")
    device: str = _evaluate_setting("device")

    def conflicts(self) -> list[str]:
        if self.words == "blank" and self.language is not None:
            return ["--language says how texts are cut into words, and with --words blank they are cut already"]
        return []


@dataclass(frozen=True, kw_only=True)
class EvaluateSettings(TaskOptions, _Evaluate):
    """The settings of evaluate, those of single tasks last."""

    changes = (WORDS_WITH_BLANKS, DATA_REFUSED)

    def conflicts(self) -> list[str]:
        twice = sorted({language for language in self.languages if self.languages.count(language) > 1})
        found = [f"--languages names {', '.join(twice)} twice"] if twice else []
        one_file = self.data is not None and "{language}" not in self.data and not Path(self.data).expanduser().is_dir()
        if one_file and len(self.languages) != 1:
            found.append("--data needs {language} in its path when several languages are scored")
        if self.task in TASKS:
            found += self.foreign_options(TASKS[self.task])
        return found
