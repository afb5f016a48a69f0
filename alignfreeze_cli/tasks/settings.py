"""The settings of finetune and evaluate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from alignfreeze_cli.encoder.freezing import plan_complaint
from alignfreeze_cli.encoder.settings import LORA_OPTIONS, keep_adapter_setting, lora_complaints, lora_setting
from alignfreeze_cli.settings import StepSettings, setting
from alignfreeze_cli.tasks.base import Task
from alignfreeze_cli.tasks.joint_settings import JOINT_OPTIONS, JointOptions, joint_complaints
from alignfreeze_cli.tasks.ner import NerOptions
from alignfreeze_cli.tasks.pos import PosOptions
from alignfreeze_cli.tasks.qa import QaOptions
from alignfreeze_cli.tasks.registry import TASKS
from alignfreeze_cli.tasks.tagging import TaggingOptions

DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True, kw_only=True)
class TaskOptions(PosOptions, NerOptions, TaggingOptions, QaOptions, StepSettings):
    """The options of single tasks, gathered: every task's own dataclass is a base here.

    An option that is not set stays out of records and identities, so a new task changes nothing for the others.
    """

    def identity(self) -> dict[str, Any]:
        return self._without_unset(super().identity())

    def recorded(self) -> dict[str, Any]:
        return self._without_unset(super().recorded())

    def _without_unset(self, values: dict[str, Any]) -> dict[str, Any]:
        options = {name.replace("_", "-") for name in self.silent()}
        return {key: value for key, value in values.items() if key not in options or value not in (None, [])}

    def silent(self) -> set[str]:
        """Names of the settings that are left out where they are not set."""
        return {name for task in TASKS.values() for name in task.option_names()}

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


@dataclass(frozen=True, kw_only=True)
class _Finetune(StepSettings):
    """The settings of finetune that every task has."""

    model: str = setting(help="Encoder: a folder, or a Hub id (org/name@revision).", input=True, short="-m")
    task: str = setting(help="Task to learn.", choices=tuple(TASKS), short="-t")
    language: str = setting("en", help="Language of the training data, the source of zero-shot transfer.")
    train: str | None = setting(
        None,
        help="Training data: a file; may hold {language} and *. [default: the task's data on the Hub]",
        input=True,
        metavar="FILE",
    )
    steps: int | None = setting(None, help="Optimizer steps. [default: --epochs decides]", minimum=1)
    epochs: float | None = setting(
        None, help="Passes over the training data. [default: the paper's, by task]", minimum=0.0, above=True
    )
    batch_size: int = setting(32, help="Windows per optimizer step.", minimum=1)
    micro_batch: int | None = setting(
        None,
        help="Windows computed at once; a batch is sorted by length and cut. The loss is weighed over the whole batch, "
        "but dropout falls otherwise. [default: 4 on a CPU, --batch-size on a GPU]",
        minimum=1,
    )
    learning_rate: float | None = setting(
        None,
        help="Peak learning rate. [default: the paper's, by architecture; 3e-4 with --lora]",
        minimum=0.0,
        above=True,
    )
    lora: int | None = lora_setting()
    keep_adapter: bool = keep_adapter_setting()
    warmup: float = setting(
        0.1, help="Share of the steps in which the rate rises; then it falls linearly to 0.", minimum=0.0, maximum=1.0
    )
    freeze: str = setting(
        "none",
        help="Freeze plan; the paper fine-tunes everything. With --realign-with: what realignment leaves alone.",
        check=plan_complaint,
        metavar="PLAN",
    )
    max_length: int | None = setting(
        None, help="Subwords per window, special tokens included. [default: 96]", minimum=8, metavar="SUBWORDS"
    )
    precision: str = setting("fp32", help="bf16 computes in 16 bits and keeps weights in 32.", choices=("fp32", "bf16"))
    seed: int = setting(31, help="Seed of the new head, the order of the data and dropout.", minimum=0)
    checkpoint_every: int = setting(
        500, help="Steps between checkpoints for --resume; 0: only when interrupted.", minimum=0, result=False
    )
    device: str = setting("auto", help="Where to compute.", choices=DEVICES, result=False)
    tracker: tuple[str, ...] = setting(
        (), help="Also report to tensorboard or wandb.", choices=("tensorboard", "wandb"), result=False
    )


@dataclass(frozen=True, kw_only=True)
class FinetuneSettings(TaskOptions, JointOptions, _Finetune):
    """The settings of finetune, the options of single tasks last."""

    changes = ("the head is always new, also where the model's folder holds one",)

    def silent(self) -> set[str]:
        return super().silent() | set(JOINT_OPTIONS)

    def _without_unset(self, values: dict[str, Any]) -> dict[str, Any]:
        return super()._without_unset({key: value for key, value in values.items() if key not in LORA_OPTIONS or value})

    def conflicts(self) -> list[str]:
        found = []
        if self.steps is not None and self.epochs is not None:
            found.append("--steps and --epochs say the same thing; give one of them")
        found += joint_complaints(self) + lora_complaints(self)
        if self.task in TASKS:
            found += self.foreign_options(TASKS[self.task])
        return found


@dataclass(frozen=True, kw_only=True)
class _Evaluate(StepSettings):
    """The settings of evaluate that every task has."""

    model: str = setting(help="Task model: a folder, or a Hub id (org/name@revision).", input=True, short="-m")
    task: str | None = setting(
        None, help="Refuse a model of another task. [default: any]", choices=tuple(TASKS), short="-t", result=False
    )
    languages: tuple[str, ...] = setting(
        (), help="Languages to score, comma separated. [default: the paper's, by task, and its source language]"
    )
    data: str | None = setting(
        None,
        help="Test data: a path that holds {language} and may hold *, one file per language. "
        "[default: the task's data on the Hub]",
        input=True,
        metavar="PATTERN",
    )
    max_length: int | None = setting(
        None,
        help="Subwords per window, special tokens included. [default: the paper's, by task]",
        minimum=8,
        metavar="SUBWORDS",
    )
    batch_tokens: int | None = setting(
        None,
        help="Subwords computed at once, padding included. [default: 512 on a CPU, 65536 on a GPU]",
        minimum=8,
        result=False,
    )
    device: str = setting("auto", help="Where to compute.", choices=DEVICES, result=False)


@dataclass(frozen=True, kw_only=True)
class EvaluateSettings(TaskOptions, _Evaluate):
    """The settings of evaluate, the options of single tasks last."""

    def conflicts(self) -> list[str]:
        twice = sorted({language for language in self.languages if self.languages.count(language) > 1})
        found = [f"--languages names {', '.join(twice)} twice"] if twice else []
        if self.data is not None and "{language}" not in self.data and len(self.languages) != 1:
            found.append("--data needs {language} in its path when several languages are scored")
        if self.task in TASKS:
            found += self.foreign_options(TASKS[self.task])
        return found
