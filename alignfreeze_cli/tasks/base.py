"""What a task has to bring so that finetune and evaluate can serve it.

How data flows, and in which file:

    files ──read──▶ examples ──encode──▶ windows ──collate──▶ batch ──loss────▶ training             (finetuning.py)
                                                              └─────answer──▶ answers                (prediction.py)
    answers ──predictions──▶ table ──tallies──▶ sums ──metrics──▶ scores                        (steps/evaluate.py)

Evaluation takes this way with some thousand examples at a time, so that any number of them can be scored: examples are
read one by one, tables are written one after the other, and sums are added up.

Steps, `finetuning.py` and `prediction.py` use only the names in this file; what an example, a batch or an answer is,
only the task knows. A new task is a file with a subclass of `Task` and a line in `registry.py` (see CONTRIBUTING.md).

Nothing here imports torch: settings and help come from the tasks, and must come fast.
"""

from __future__ import annotations

import dataclasses
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from alignfreeze_cli.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from torch import Tensor, nn

    from alignfreeze_cli.encoder.batches import Packing
    from alignfreeze_cli.encoder.blocks import Architecture

Options = Mapping[str, Any]
Warn = Callable[[str], object]

log_warning: Warn = logging.getLogger("alignfreeze").warning


@dataclass(frozen=True)
class HubFiles:
    """Files of a Hub data set: all in the repository whose path fits `pattern`, in the order of their names.

    `note`: what a user should know of them if they are not the first choice.
    """

    repository: str
    pattern: str
    revision: str | None = None
    note: str = ""


@dataclass(frozen=True)
class RawText:
    """What a user wants an answer for: the task's `raw_texts` by name, and their words if the task `reads_words`.

    `line` is where it stands, counted from 1.
    """

    line: int
    identifier: str | int
    texts: Mapping[str, str]
    words: list[str] = dataclasses.field(default_factory=list)


class Windows(ABC):
    """Examples as a model reads them. A window is one row of a batch; a long example may need several.

    `lengths`: subwords of each window, special tokens included, (windows,). `weights`: loss terms of each window,
    (windows,). `notes`: what a user should know about examples that did not fit, with their number.
    """

    lengths: np.ndarray
    weights: np.ndarray
    padding_id: int  # of the tokenizer
    notes: Mapping[str, int] = MappingProxyType({})

    @abstractmethod
    def collate(self, indices: np.ndarray) -> dict[str, Any]:
        """A batch of some windows, padded to the longest: tensors, also in nested dicts, that move to a device."""

    @abstractmethod
    def token_ids(self) -> np.ndarray:
        """All token ids of the windows, the padding id among them, in any order, repeats allowed."""

    def for_training(self) -> Windows:
        """The windows to learn from; DataError if there are none."""
        return self


class RowSharingWindows(Windows):
    """Windows of which several may share a row: what their task's head gives at a position depends on it alone."""

    @abstractmethod
    def pack(self, indices: np.ndarray, arch: Architecture, packing: Packing) -> tuple[dict[str, Any], int]:
        """A batch like that of `collate`, with the windows side by side in few rows; and the positions it has."""


class Task(ABC):
    """One task. Instances hold no state; the class attributes are facts that settings, records and cards use."""

    name: ClassVar[str]  # as in --task
    title: ClassVar[str]  # in words
    auto_class: ClassVar[str]  # class of transformers that builds and loads the model
    pipeline_tag: ClassVar[str]  # of the Hub
    metric: ClassVar[str]  # the main one of `metrics`
    unit: ClassVar[str]  # what is scored and counted, plural
    languages: ClassVar[tuple[str, ...]]  # targets of the paper, in its order
    source_language: ClassVar[str] = "en"
    train_length: ClassVar[int] = 96  # subwords, special tokens included
    evaluation_length: ClassVar[int]
    epochs: ClassVar[int]
    data: ClassVar[str]  # name of the default data, for records and cards
    release: ClassVar[str] = ""  # of that data, behind the published numbers, where it comes as an archive
    licence: ClassVar[str]  # of that data
    citation: ClassVar[str]  # BibTeX of that data
    options: ClassVar[tuple[type, ...]] = ()  # dataclasses of settings that only this task reads
    defaults: ClassVar[dict[str, Any]] = {}  # value of each option where nobody has set it
    causal_defaults: ClassVar[dict[str, Any]] = {}  # of those that decoder-only models have another default for
    raw_texts: ClassVar[tuple[str, ...]] = ("text",)  # what predict reads of an example: keys of JSON lines, columns
    raw_form: ClassVar[str] = "lines"  # how predict reads them where nothing says so: lines, or jsonl
    reads_words: ClassVar[bool] = False  # whether predict cuts the text into words
    answer_columns: ClassVar[tuple[str, ...]] = ("predicted",)  # the columns of `predictions` that predict gives
    without_hub: ClassVar[str] = "name files of your own with {option}"  # what to do where no default data is found

    @abstractmethod
    def hub_files(self, language: str, split: str) -> tuple[HubFiles, ...]:
        """Where the default data of a language may be, the first choice first; `split` is `train` or `test`.

        Raises SettingsError if there is none.
        """

    def unpacked(self, language: str, split: str) -> tuple[str, list[Path]] | None:
        """A release of the default data that the user has unpacked into the cache: its name, and a language's files."""
        return None

    def files_in(self, folder: Path, language: str, split: str) -> list[Path]:
        """The files of a language in a folder that holds the task's data as it is published. Raises DataError."""
        raise DataError(f"is a folder; the task {self.name} needs a file", folder)

    @abstractmethod
    def read(self, paths: Sequence[Path], language: str, options: Options, warn: Warn = log_warning) -> Iterator[Any]:
        """The examples in the files, local ones or those of `hub_files`, one by one; `warn` is told what was read
        otherwise than it stands there.

        Raises DataError with file and line, some only after the last example: that none of them has a label, say.
        """

    @abstractmethod
    def unlabelled(self, texts: Sequence[RawText], labels: Sequence[str]) -> list[Any]:
        """Examples of texts that nobody has labelled, for prediction alone; any label of the model takes its place."""

    @abstractmethod
    def labels(self, options: Options) -> tuple[str, ...]:
        """The labels a new model gets, in order; empty if the task has none, or takes them from its training data."""

    def labels_of(self, examples: Sequence[Any], options: Options) -> tuple[str, ...]:
        """The labels a new model gets, given its training data. Raises DataError if nothing can be learned from it."""
        return self.labels(options)

    @abstractmethod
    def encode(
        self, examples: Sequence[Any], tokenizer: Any, labels: Sequence[str], max_length: int, options: Options
    ) -> Windows:
        """Cut examples into windows of at most `max_length` subwords; `labels` are those of the model.

        There may be no window at all. Raises DataError for an example whose label the model does not know.
        """

    def no_windows(self, max_length: int, options: Options) -> str:
        """What is wrong if none of a language's examples got a window."""
        return f"no example fits into a window of {max_length} subwords"

    def reading(self, tokenizer: Any) -> dict[str, Any]:
        """What code that uses a model of this task without us has to know of its tokenizer, for record and card."""
        return {}

    @abstractmethod
    def loss(self, model: nn.Module, batch: dict[str, Any]) -> Tensor:
        """The sum of the loss terms of a batch, as many as the `weights` of its windows say. Scalar."""

    @abstractmethod
    def answer(self, model: nn.Module, batch: dict[str, Any]) -> Any:
        """What `predictions` needs of the model's output for a batch, as numpy arrays; without gradient."""

    @abstractmethod
    def predictions(
        self,
        examples: Sequence[Any],
        windows: Windows,
        answers: Sequence[tuple[np.ndarray, Any]],
        labels: Sequence[str],
        options: Options,
    ) -> dict[str, list[Any]]:
        """The table of predictions, a row per example, by column.

        The answers are given as (indices of the windows, answer to their batch), together all windows.
        """

    @abstractmethod
    def schema(self, options: Options) -> pa.Schema:
        """Names and types of the columns of `predictions`."""

    @abstractmethod
    def tallies(self, table: Mapping[str, Sequence[Any]]) -> np.ndarray:
        """Sums behind the metrics, from a table of predictions alone: (examples, k), the scored units (`unit`) last.

        Row i belongs to example i. The sums are additive over examples, so those of any set of examples, drawn with or
        without replacement, are the sums of its rows; `metrics` turns them into its metrics.
        """

    @abstractmethod
    def metrics(self, sums: np.ndarray) -> dict[str, np.ndarray]:
        """The metrics, fractions of 1, of sets of examples whose tallies are summed up: (..., k) to (...) each.

        0 where nothing was scored.
        """

    def scored_languages(self, trained_in: str) -> tuple[str, ...]:
        """What a model is scored in unless asked otherwise: its own language, then the paper's source and targets."""
        return tuple(dict.fromkeys((trained_in, self.source_language, *self.languages)))

    def option_names(self) -> tuple[str, ...]:
        """Fields of the settings that belong to this task."""
        return tuple(field.name for option in self.options for field in dataclasses.fields(option))

    def chosen_options(self, settings: Any, trained_with: Options | None = None) -> dict[str, Any]:
        """The value of each option: as set, else as the model was trained with, else the default."""
        chosen = {}
        for name in self.option_names():
            value = getattr(settings, name)
            if value is None:
                value = (trained_with or {}).get(name, self.defaults[name])
            chosen[name] = value
        return chosen


def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """`part / whole`, 0 where `whole` is 0; arrays of one shape."""
    import numpy as np

    return np.divide(part, whole, out=np.zeros(np.shape(whole)), where=whole != 0)
