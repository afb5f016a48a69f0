"""Text classification: every text gets one of the labels that occur in the training data.

The data is the user's own, in TSV, JSON lines or Parquet (labelled_texts.py). What is too long for `--max-length` is
cut at the end, and counted. Metrics are accuracy and macro-F1: the mean of the F1 of all labels that the scored texts
have or were given, as `sklearn.metrics.f1_score(average="macro")` has it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from alignfreeze_cli.errors import DataError, SettingsError
from alignfreeze_cli.phrases import listed
from alignfreeze_cli.settings import nearest, setting
from alignfreeze_cli.tasks.base import HubFiles, Options, RawText, Warn, Windows, log_warning, share
from alignfreeze_cli.tasks.labelled_texts import NAMES, Columns, LabelledText, read_labelled_texts
from alignfreeze_cli.tasks.sequences import SequenceTask, SequenceWindows, chosen_ids
from alignfreeze_cli.tasks.subwords import encodings

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_MAYBE_HEADER = (
    "; if line 1 names the columns, say which they are with --text-column and --label-column, else put a line text, "
    "tab, label before it"
)


def _column_setting(part: str) -> Any:
    return setting(
        None,
        panel="For classify",
        help=f"Column or key that holds the {part} in the data; {{language}} in it is replaced. "
        f"[default: {' or '.join(NAMES[part])}; in evaluate as the model was trained]",
        metavar="NAME",
    )


@dataclass(frozen=True, kw_only=True)
class ClassifyOptions:
    """Settings that only this task reads."""

    text_column: str | None = _column_setting("text")
    label_column: str | None = _column_setting("label")


class ClassifyTask(SequenceTask):
    """Text classification; the main metric is the share of texts with the right label."""

    name = "classify"
    title = "text classification"
    metric = "accuracy"
    unit = "texts"
    languages = ()  # not a task of the paper
    evaluation_length = 256
    epochs = 3
    data = "labelled texts"
    licence = "that of your data"
    citation = ""
    options = (ClassifyOptions,)
    defaults: ClassVar[dict[str, Any]] = {"text_column": None, "label_column": None}

    def scored_languages(self, trained_in: str) -> tuple[str, ...]:
        """Which others there is data in, only the user knows."""
        return (trained_in,)

    def hub_files(self, language: str, split: str) -> tuple[HubFiles, ...]:
        option = "--train" if split == "train" else "--data"
        raise SettingsError(f"{self.name} has no data of its own: name a file of labelled texts with {option}.")

    def read(
        self, paths: Sequence[Path], language: str, options: Options, warn: Warn = log_warning
    ) -> Iterator[LabelledText]:
        columns = Columns(options["text_column"], options["label_column"])
        for path in paths:
            yield from read_labelled_texts(path, language, columns)

    def unlabelled(self, texts: Sequence[RawText], labels: Sequence[str]) -> list[LabelledText]:
        return [
            LabelledText(str(each.identifier), each.texts["text"], labels[0], f"line {each.line}") for each in texts
        ]

    def labels(self, options: Options) -> tuple[str, ...]:
        return ()

    def labels_of(self, examples: Sequence[LabelledText], options: Options) -> tuple[str, ...]:
        """The labels of the texts, sorted; numbers by their value."""
        counts = Counter(example.label for example in examples)
        if len(counts) == 1:
            raise DataError(f"every text has the label {next(iter(counts))!r}; two labels or more are needed")
        texts = len({example.text for example in examples})
        if len(counts) == len(examples) or len(counts) > texts:
            raise DataError(
                f"there are {len(counts):,} labels for {texts:,} different texts; does the text stand first, then the "
                "label?"
            )
        if counts[examples[0].label] == 1 and examples[0].maybe_header:
            raise DataError(f"no other text has the label of line 1, {examples[0].label!r}{_MAYBE_HEADER}")
        return tuple(sorted(counts, key=_by_value))

    def encode(
        self,
        examples: Sequence[LabelledText],
        tokenizer: Any,
        labels: Sequence[str],
        max_length: int,
        options: Options,
    ) -> SequenceWindows:
        import numpy as np

        from alignfreeze_cli.encoder.tokenizers import special_tokens

        ids = {label: number for number, label in enumerate(labels)}
        gold = [_label_id(example, ids) for example in examples]
        before, after = special_tokens(tokenizer)
        budget = max_length - len(before) - len(after)
        rows: list[list[int]] = []
        cut = 0
        for encoding in encodings([example.text for example in examples], tokenizer):
            cut += len(encoding.ids) > budget
            # A text without subwords, under a tokenizer without special tokens, still is a window of its own.
            rows.append([*before, *encoding.ids[:budget], *after] or [tokenizer.pad_token_id])
        tokens = np.fromiter(chain.from_iterable(rows), dtype=np.int32)
        return SequenceWindows(
            tokens,
            np.zeros(len(tokens), dtype=np.int8),
            np.cumsum([0, *map(len, rows)]),
            np.array(gold, dtype=np.int32),
            np.arange(len(examples)),
            tokenizer.pad_token_id,
            {f"texts cut at the end, to {max_length} subwords": cut},
        )

    def predictions(
        self,
        examples: Sequence[LabelledText],
        windows: Windows,
        answers: Sequence[tuple[np.ndarray, Any]],
        labels: Sequence[str],
        options: Options,
    ) -> dict[str, list[Any]]:
        """A row per text; the labels are given by name and by number, and `labels` says how many there are."""
        assert isinstance(windows, SequenceWindows)
        chosen = chosen_ids(windows, answers, len(examples)).tolist()
        return {
            "id": [example.identifier for example in examples],
            "text": [example.text for example in examples],
            "gold": [example.label for example in examples],
            "predicted": [labels[number] for number in chosen],
            "gold_id": windows.gold.tolist(),
            "predicted_id": chosen,
            "labels": [len(labels)] * len(examples),
        }

    def schema(self, options: Options) -> pa.Schema:
        import pyarrow as pa

        names = dict.fromkeys(("id", "text", "gold", "predicted"), pa.string())
        return pa.schema(names | dict.fromkeys(("gold_id", "predicted_id", "labels"), pa.int32()))

    def tallies(self, table: Mapping[str, Sequence[Any]]) -> np.ndarray:
        """For each label whether it is right, then for each how often the text has it or got it; then 1 per text.

        (texts, 2 * labels + 1) of 0 to 2.
        """
        import numpy as np

        gold, predicted = (np.asarray(table[name], dtype=np.int64) for name in ("gold_id", "predicted_id"))
        count = max(table["labels"], default=0)
        one_hot = np.eye(count, dtype=np.int64)
        right = one_hot[gold] * (gold == predicted)[:, None]
        return np.hstack([right, one_hot[gold] + one_hot[predicted], np.ones((len(gold), 1), dtype=np.int64)])

    def metrics(self, sums: np.ndarray) -> dict[str, np.ndarray]:
        """Accuracy, and the mean F1 over labels: of each twice what is right, of all that have it or got it."""
        count = sums.shape[-1] // 2
        right, both, texts = sums[..., :count], sums[..., count : 2 * count], sums[..., -1]
        f1 = share(2 * right, both)  # (..., labels)
        return {"accuracy": share(right.sum(-1), texts), "macro_f1": share(f1.sum(-1), (both > 0).sum(-1))}


def _by_value(label: str) -> tuple[float, str]:
    try:
        value = float(label)
    except ValueError:
        value = math.nan
    return (value, label) if math.isfinite(value) else (math.inf, label)


def _label_id(example: LabelledText, ids: Mapping[str, int]) -> int:
    if example.label not in ids:
        raise DataError(
            f"{example.place}: the label {example.label[:40]!r} is none of the model's, {listed(ids)}"
            + (nearest(example.label, ids) or (_MAYBE_HEADER if example.maybe_header else ""))
        )
    return ids[example.label]
