"""Question answering: the words of a passage that answer a question (SQuAD 1.1), in windows over long passages.

A window holds the question and a part of the passage. Consecutive windows overlap, by a third of their length unless
`--qa-stride` says otherwise (32 of 96 subwords in training, 128 of 384 in evaluation, as published), so that an answer
cut by the border of one window is whole in the next. In training the first right answer of a question is the target; a
window that does not hold the whole answer has the first token, [CLS], as its target, as in the published code
(span_alignment.py). In evaluation the most probable span of all windows of a question is its answer; the model never
gives "no answer".

Questions are cut to 64 subwords. One that leaves no room for more of the passage than an overlap gets no window: it is
left out of training, and scores 0 in evaluation. Both are counted and reported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from alignfreeze_cli.errors import SettingsError
from alignfreeze_cli.settings import nearest, setting
from alignfreeze_cli.tasks.base import HubFiles, Options, RawText, Task, Warn, Windows, log_warning, share
from alignfreeze_cli.tasks.qa_scoring import SCORINGS
from alignfreeze_cli.tasks.qa_windows import QaWindows, best_spans, cut_windows
from alignfreeze_cli.tasks.squad import Answer, Question, read_squad
from alignfreeze_cli.tasks.subwords import inputs_for

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from torch import Tensor, nn

XQUAD = ("ar", "de", "el", "es", "hi", "ro", "ru", "th", "tr", "vi", "zh")
"""The languages of XQuAD except English, in the published order."""


@dataclass(frozen=True, kw_only=True)
class QaOptions:
    """Settings that only this task reads."""

    qa_scoring: str | None = setting(
        None,
        choices=tuple(SCORINGS),
        panel="For qa",
        help="How answers are compared with the right ones. squad: as in SQuAD v1.1, the best of all right answers "
        "counts. mlqa: as in MLQA, with punctuation, articles and words of each language. published: as for the "
        "paper's results: only the first right answer counts, F1 is lower, and exact match is of the raw texts outside "
        "English. [default: squad; in evaluate as the model was trained]",
    )
    qa_stride: int | None = setting(
        None,
        panel="For qa",
        help="Subwords of a passage that a window shares with the next one. [default: a third of --max-length]",
        minimum=0,
        metavar="SUBWORDS",
    )
    max_answer_length: int | None = setting(
        None,
        panel="For qa",
        help="Longest possible answer, in subwords; 15 for the paper's results. "
        "[default: 30; in evaluate as the model was trained]",
        minimum=1,
        metavar="SUBWORDS",
    )
    answer_borders: str | None = setting(
        None,
        choices=("subwords", "words"),
        panel="For qa",
        help="Where an answer begins and ends. subwords: at the subwords that the model chose. words: extended to "
        "whole words of the tokenizer, as in the published code; with SentencePiece (XLM-R) a word is everything "
        "between two spaces, punctuation too. [default: subwords; in evaluate as the model was trained]",
    )
    empty_windows: str | None = setting(
        None,
        choices=("keep", "drop"),
        panel="For qa",
        help="What is done with training windows that do not hold the whole answer. keep: the first token is their "
        "target, as in the published code. drop: they are left out. [default: keep]",
    )


class QaTask(Task):
    """Extractive question answering; the main metric is F1 over the words of the answers."""

    name = "qa"
    title = "question answering"
    auto_class = "AutoModelForQuestionAnswering"
    pipeline_tag = "question-answering"
    metric = "f1"
    unit = "questions"
    languages = XQUAD
    evaluation_length = 384
    raw_texts = ("question", "context")
    raw_form = "jsonl"  # a passage may hold line ends
    answer_columns = ("prediction", "start")
    epochs = 2
    data = "SQuAD and XQuAD"
    licence = "CC BY-SA 4.0"
    citation = """@inproceedings{rajpurkar-etal-2016-squad,
  title = {{SQ}u{AD}: 100,000+ Questions for Machine Comprehension of Text},
  author = {Rajpurkar, Pranav and Zhang, Jian and Lopyrev, Konstantin and Liang, Percy},
  booktitle = {Proceedings of the 2016 Conference on Empirical Methods in Natural Language Processing},
  year = {2016},
  pages = {2383--2392},
  doi = {10.18653/v1/D16-1264}
}
@inproceedings{artetxe-etal-2020-cross,
  title = {On the Cross-lingual Transferability of Monolingual Representations},
  author = {Artetxe, Mikel and Ruder, Sebastian and Yogatama, Dani},
  booktitle = {Proceedings of the 58th Annual Meeting of the Association for Computational Linguistics},
  year = {2020},
  pages = {4623--4637},
  doi = {10.18653/v1/2020.acl-main.421}
}"""
    options = (QaOptions,)
    defaults: ClassVar[dict[str, Any]] = {
        "qa_scoring": "squad",
        "qa_stride": None,
        "max_answer_length": 30,
        "answer_borders": "subwords",
        "empty_windows": "keep",
    }

    def chosen_options(self, settings: Any, trained_with: Options | None = None) -> dict[str, Any]:
        """As for every task, except that evaluation, whose windows are longer, does not inherit training's overlap."""
        inherited = {name: value for name, value in (trained_with or {}).items() if name != "qa_stride"}
        return super().chosen_options(settings, inherited)

    def hub_files(self, language: str, split: str) -> tuple[HubFiles, ...]:
        """English is SQuAD; its validation split is scored, because its test split is not public."""
        if language == "en":
            part = "train" if split == "train" else "validation"
            return (HubFiles("rajpurkar/squad", f"plain_text/{part}-*.parquet"),)
        if split == "train":
            raise SettingsError(f"There is no default training data for {language!r}, only for en; name a file.")
        if language not in XQUAD:
            raise SettingsError(f"XQuAD has no {language!r}" + nearest(language, ("en", *XQUAD)) + "; name a file.")
        return (HubFiles("google/xquad", f"xquad.{language}/validation-*.parquet"),)

    def read(
        self, paths: Sequence[Path], language: str, options: Options, warn: Warn = log_warning
    ) -> Iterator[Question]:
        for path in paths:
            yield from read_squad(path, language)

    def unlabelled(self, texts: Sequence[RawText], labels: Sequence[str]) -> list[Question]:
        nowhere = (Answer(0, ""),)
        return [
            Question(str(each.identifier), each.texts["question"], each.texts["context"], nowhere, "") for each in texts
        ]

    def labels(self, options: Options) -> tuple[str, ...]:
        return ()

    def encode(
        self, examples: Sequence[Question], tokenizer: Any, labels: Sequence[str], max_length: int, options: Options
    ) -> QaWindows:
        return cut_windows(
            examples,
            tokenizer,
            max_length,
            _overlap(max_length, options),
            whole_words=options["answer_borders"] == "words",
            keep_empty=options["empty_windows"] == "keep",
        )

    def no_windows(self, max_length: int, options: Options) -> str:
        return (
            f"no question leaves room for its passage in a window of {max_length} subwords that shares "
            f"{_overlap(max_length, options)} with the next one; raise --max-length or lower --qa-stride"
        )

    def loss(self, model: nn.Module, batch: dict[str, Any]) -> Tensor:
        """Mean of the cross-entropies of first and last position, summed over windows.

        Padding is left out of it, so that a window counts the same in any batch.
        """
        from torch.nn import functional as F

        start, end = _start_and_end_logits(model, batch)
        first, last = batch["gold"].unbind(1)
        return (F.cross_entropy(start, first, reduction="sum") + F.cross_entropy(end, last, reduction="sum")) / 2

    def answer(self, model: nn.Module, batch: dict[str, Any]) -> np.ndarray:
        """The logits of first and last position, (2, windows, positions)."""
        import torch

        answers: np.ndarray = torch.stack(_start_and_end_logits(model, batch)).cpu().numpy()
        return answers

    def predictions(
        self,
        examples: Sequence[Question],
        windows: Windows,
        answers: Sequence[tuple[np.ndarray, Any]],
        labels: Sequence[str],
        options: Options,
    ) -> dict[str, list[Any]]:
        """A row per question, whether its identifier is unique or not, with its F1 and exact match.

        The column `start` has the first code point of the prediction in the passage, -1 for a question without window.
        """
        import numpy as np

        assert isinstance(windows, QaWindows)
        found = np.full(len(windows.question), -np.inf)
        spans = np.zeros((len(found), 2), dtype=np.int64)  # code points
        for indices, (start, end) in answers:
            first = windows.first[indices]
            count = windows.end[indices] - windows.begin[indices]
            found[indices], low, high = best_spans(start, end, first, count, options["max_answer_length"])
            tokens = windows.begin[indices] - first
            spans[indices] = np.stack([windows.spans[tokens + low, 0], windows.spans[tokens + high, 1]], 1)
        order = np.lexsort([-np.arange(len(found)), found])  # ascending, so that the best is written last
        best = np.full(len(examples), -1)
        best[windows.question[order]] = order

        compare = SCORINGS[options["qa_scoring"]]
        table: dict[str, list[Any]] = {name: [] for name in self.schema(options).names}
        for example, window in zip(examples, best.tolist(), strict=True):
            start, end = spans[window].tolist() if window >= 0 else (-1, -1)
            prediction = example.context[start:end] if window >= 0 else ""
            references = [answer.text for answer in example.answers]
            exact, f1 = compare(prediction, references, example.language) if window >= 0 else (0.0, 0.0)
            row = (example.identifier, example.text, prediction, start, references, f1, exact)
            for column, value in zip(table.values(), row, strict=True):
                column.append(value)
        return table

    def schema(self, options: Options) -> pa.Schema:
        import pyarrow as pa

        return pa.schema(
            {
                **dict.fromkeys(("id", "question", "prediction"), pa.string()),
                "start": pa.int64(),
                "references": pa.list_(pa.string()),
                **dict.fromkeys((self.metric, "exact_match"), pa.float64()),
            }
        )

    def tallies(self, table: Mapping[str, Sequence[Any]]) -> np.ndarray:
        """F1 and exact match of the question, and 1: (questions, 3)."""
        import numpy as np

        f1, exact = (np.asarray(table[name], dtype=np.float64) for name in (self.metric, "exact_match"))
        return np.stack([f1, exact, np.ones(len(f1))]).T  # a column lies in one piece, which numpy sums up precisely

    def metrics(self, sums: np.ndarray) -> dict[str, np.ndarray]:
        """Means over questions."""
        return {self.metric: share(sums[..., 0], sums[..., 2]), "exact_match": share(sums[..., 1], sums[..., 2])}


def _overlap(max_length: int, options: Options) -> int:
    stride: int | None = options["qa_stride"]
    return max_length // 3 if stride is None else stride


def _start_and_end_logits(model: nn.Module, batch: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """First and last position's logits in fp32, (windows, positions) each; minus infinity in the padding."""
    outputs = model(**inputs_for(model, batch["inputs"]))
    padding = batch["inputs"]["attention_mask"] == 0
    return (
        outputs.start_logits.float().masked_fill(padding, -float("inf")),
        outputs.end_logits.float().masked_fill(padding, -float("inf")),
    )
