"""Questions and passages as windows, and the answers that a model finds in them.

A window holds the question and a part of the passage:

    before  question  middle  passage[begin:end]  after        BERT: [CLS] question [SEP] passage [SEP]
    0                         first

Consecutive windows of a passage overlap, so that an answer cut by the border of one is whole in the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from alignfreeze_cli.errors import ArtifactError, DataError
from alignfreeze_cli.tasks.base import Windows
from alignfreeze_cli.tasks.squad import Question
from alignfreeze_cli.tasks.subwords import encodings, padded, padded_inputs

if TYPE_CHECKING:
    import numpy as np

LONGEST_QUESTION = 64  # subwords, as in BERT's scripts for SQuAD and in the published evaluation
_LAST_SPACE = 0x3000  # the last code point that is a space


class PairTemplate(NamedTuple):
    """The ids that a tokenizer puts around and between two texts, and the token type of the second text.

    The type is 0 if the tokenizer gives no types.
    """

    before: list[int]
    middle: list[int]
    after: list[int]
    second_type: int

    @property
    def size(self) -> int:
        return len(self.before) + len(self.middle) + len(self.after)

    @classmethod
    def of(cls, tokenizer: Any) -> PairTemplate:
        """What stands between the texts stands in front, too, where nothing else does: "no answer" points there.

        Raises ArtifactError for a tokenizer that puts nothing between the texts.
        """
        bare = tokenizer("a", add_special_tokens=False)["input_ids"]
        pair = tokenizer("a", "a", return_token_type_ids=True)
        whole, size = pair["input_ids"], len(bare)
        at = [start for start in range(len(whole) - size + 1) if whole[start : start + size] == bare]
        if len(at) != 2 or at[1] == at[0] + size:
            raise ArtifactError(
                f"the tokenizer {type(tokenizer).__name__} does not mark a pair of texts by special tokens between "
                "them, which question answering needs"
            )
        types = pair["token_type_ids"] if "token_type_ids" in tokenizer.model_input_names else [0] * len(whole)
        middle = whole[at[0] + size : at[1]]
        return cls(whole[: at[0]] or middle, middle, whole[at[1] + size :], types[at[1]])


@dataclass(eq=False)
class QaWindows(Windows):
    """The windows of some questions. Every passage and every question is tokenised once, into flat arrays.

    Window w holds the question q = `question[w]`, which is `questions[question_starts[q] : question_starts[q + 1]]`,
    and `passages[begin[w] : end[w]]`. `spans` has the code points of every token of the passages, the first and the one
    after the last. `gold` has the positions in the window of the first and last token of the first right answer; both
    are 0 if the window does not hold the whole answer.
    """

    passages: np.ndarray  # (tokens of all passages,)
    spans: np.ndarray  # (tokens of all passages, 2)
    questions: np.ndarray  # (tokens of all questions,)
    question_starts: np.ndarray  # (questions + 1,)
    question: np.ndarray  # (windows,)
    begin: np.ndarray  # (windows,)
    end: np.ndarray  # (windows,)
    gold: np.ndarray  # (windows, 2)
    template: PairTemplate
    padding_id: int
    keep_empty: bool
    notes: Mapping[str, int] = field()  # without field() the attribute of Windows would be its default

    def __post_init__(self) -> None:
        import numpy as np

        question_lengths = np.diff(self.question_starts)[self.question]
        # Position of the first token of the passage, (windows,).
        self.first = len(self.template.before) + len(self.template.middle) + question_lengths
        self.lengths = self.first + (self.end - self.begin) + len(self.template.after)
        self.weights = np.ones(len(self.question))

    def collate(self, indices: np.ndarray) -> dict[str, Any]:
        """`inputs` for the model, (windows, positions) each; `gold`, (windows, 2)."""
        import numpy as np
        import torch

        before, middle, after = (np.array(part, dtype=np.int32) for part in self.template[:3])
        rows, types = [], []
        for w in indices:
            question = self.questions[slice(*self.question_starts[self.question[w] : self.question[w] + 2])]
            rows.append(np.concatenate([before, question, middle, self.passages[self.begin[w] : self.end[w]], after]))
            types.append((np.arange(len(rows[-1])) >= self.first[w]) * self.template.second_type)
        inputs = padded_inputs(rows, self.padding_id)
        if self.template.second_type:
            inputs["token_type_ids"] = padded(types, 0)
        return {"inputs": inputs, "gold": torch.from_numpy(self.gold[indices])}

    def token_ids(self) -> np.ndarray:
        import numpy as np

        around = [*self.template.before, *self.template.middle, *self.template.after, self.padding_id]
        return np.concatenate([self.passages, self.questions, np.array(around, dtype=np.int32)])

    def for_training(self) -> QaWindows:
        """The windows to learn from; answers that no window holds are noted. DataError if that is so of all answers."""
        import numpy as np

        holds = self.gold[:, 1] > 0  # (windows,) whether the answer is in the window
        if not holds.any():
            raise DataError("no window holds the whole answer to its question; raise --max-length")
        kept = np.flatnonzero(holds | self.keep_empty)
        lost = len(np.setdiff1d(self.question, self.question[holds]))
        return replace(
            self,
            question=self.question[kept],
            begin=self.begin[kept],
            end=self.end[kept],
            gold=self.gold[kept],
            notes={**self.notes, **_note("questions whose answer no window holds whole", lost)},
        )


def cut_windows(
    examples: Sequence[Question],
    tokenizer: Any,
    max_length: int,
    overlap: int,
    whole_words: bool = False,
    keep_empty: bool = True,
) -> QaWindows:
    """Windows of at most `max_length` subwords; consecutive ones share `overlap` subwords of the passage.

    A question that leaves no room for more of the passage than the overlap gets no window, which is noted. With
    `whole_words` the code points of a token are those of its whole word; `keep_empty` says whether windows without the
    whole answer are for training too.
    """
    import numpy as np

    template = PairTemplate.of(tokenizer)
    passages = {text: number for number, text in enumerate(dict.fromkeys(e.context for e in examples))}
    tokens, exact, spans = [], [], []  # of each passage: ids, code points, and the code points that an answer gets
    for encoding, text in zip(encodings(list(passages), tokenizer), passages, strict=True):
        tokens.append(np.array(encoding.ids, dtype=np.int32))
        exact.append(_code_points(encoding.offsets, text))
        spans.append(_widened(exact[-1], encoding.word_ids) if whole_words else exact[-1])
    starts = np.cumsum([0, *map(len, tokens)]).tolist()
    asked = [encoding.ids for encoding in encodings([e.text for e in examples], tokenizer)]
    questions = [np.array(ids[:LONGEST_QUESTION], dtype=np.int32) for ids in asked]

    rows: list[tuple[int, int, int, int, int]] = []  # question, begin, end, first and last position of the answer
    too_long = 0
    for number, (example, question) in enumerate(zip(examples, questions, strict=True)):
        passage = passages[example.context]
        length, offset = len(exact[passage]), starts[passage]
        room = max_length - template.size - len(question)
        if room <= overlap or not length:
            too_long += 1
            continue
        low, high = _answer_tokens(exact[passage], *example.answers[0])
        first = len(template.before) + len(template.middle) + len(question)
        for begin in range(0, max(length - overlap, 1), room - overlap):
            end = min(begin + room, length)
            holds = begin <= low <= high < end
            gold = (low - begin + first, high - begin + first) if holds else (0, 0)
            rows.append((number, offset + begin, offset + end, *gold))
    table = np.array(rows, dtype=np.int64).reshape(-1, 5)
    return QaWindows(
        passages=np.concatenate(tokens),
        spans=np.concatenate(spans),
        questions=np.concatenate(questions),
        question_starts=np.cumsum([0, *map(len, questions)]),
        question=table[:, 0],
        begin=table[:, 1],
        end=table[:, 2],
        gold=table[:, 3:],
        template=template,
        padding_id=tokenizer.pad_token_id,
        keep_empty=keep_empty,
        notes={
            **_note(
                f"questions cut to {LONGEST_QUESTION} subwords",
                sum(len(ids) > LONGEST_QUESTION for ids in asked),
            ),
            **_note("questions too long for a window (raise --max-length or lower --qa-stride)", too_long),
        },
    )


def best_spans(
    start: np.ndarray, end: np.ndarray, first: np.ndarray, count: np.ndarray, longest: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The most probable answer of each window: its log probability and its first and last position, (windows,) each.

    `start` and `end` are logits, (windows, positions). An answer lies within the `count` positions from `first` on,
    which hold the passage, and has at most `longest` positions. Probabilities are normalised over the passage and
    position 0, to which training points windows without an answer; so the answers of several windows can be compared.
    """
    import numpy as np

    positions = np.arange(start.shape[1])
    inside = (positions >= first[:, None]) & (positions < (first + count)[:, None])
    log_start, log_end = (_log_probabilities(logits, inside) for logits in (start, end))

    rows = np.arange(len(start))
    best = np.full(len(start), -np.inf)
    begin = finish = np.zeros(len(start), dtype=np.int64)
    for more in range(min(longest, start.shape[1])):  # positions of the answer after its first
        scores = log_start[:, : start.shape[1] - more] + log_end[:, more:]
        at = scores.argmax(1)
        better = scores[rows, at] > best
        best = np.where(better, scores[rows, at], best)
        begin, finish = np.where(better, at, begin), np.where(better, at + more, finish)
    return best, begin, finish


def _log_probabilities(logits: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Log softmax over the positions inside and position 0; minus infinity outside, and at 0, which is no answer."""
    import numpy as np

    counted = inside.copy()
    counted[:, 0] = True
    kept = np.where(counted, logits.astype(np.float64), -np.inf)
    top = kept.max(1, keepdims=True)
    normalised = kept - top - np.log(np.exp(kept - top).sum(1, keepdims=True))
    return np.where(inside, normalised, -np.inf)


def _code_points(offsets: Sequence[tuple[int, int]], text: str) -> np.ndarray:
    """The first code point of every token and the one after its last, (tokens, 2).

    Without the spaces at the ends that some tokenizers count as part of a token.
    """
    import numpy as np

    spans = np.array(offsets, dtype=np.int64).reshape(-1, 2)
    codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    spaces = np.append(_is_space()[np.minimum(codes, _LAST_SPACE + 1)], False)
    for token in np.flatnonzero(spaces[spans[:, 0]] | spaces[spans[:, 1] - 1]).tolist():
        begin, end = offsets[token]
        bare = text[begin:end].strip()
        if bare:
            begin += text[begin:end].index(bare)
            spans[token] = begin, begin + len(bare)
    return spans


@cache
def _is_space() -> np.ndarray:
    """Whether a code point is a space; the last entry is for all code points after the last space."""
    import numpy as np

    return np.array([chr(code).isspace() for code in range(_LAST_SPACE + 2)])


def _answer_tokens(spans: np.ndarray, start: int, text: str) -> tuple[int, int]:
    """First and last token of an answer, without the spaces around it; the first is greater if it has no token."""
    import numpy as np

    begin, end = start + len(text) - len(text.lstrip()), start + len(text.rstrip())
    return int(np.searchsorted(spans[:, 1], begin, "right")), int(np.searchsorted(spans[:, 0], end, "left")) - 1


def _widened(spans: np.ndarray, words: Sequence[int | None]) -> np.ndarray:
    """The code points of every token's whole word, (tokens, 2); `words` has the number of each token's word."""
    import numpy as np

    if not len(spans):
        return spans
    numbers = np.array([-1 if word is None else word for word in words])
    heads = np.flatnonzero(np.concatenate([[True], numbers[1:] != numbers[:-1]]))
    sizes = np.diff([*heads, len(spans)])
    low, high = np.minimum.reduceat(spans[:, 0], heads), np.maximum.reduceat(spans[:, 1], heads)
    return np.stack([np.repeat(low, sizes), np.repeat(high, sizes)], axis=1)


def _note(note: str, count: int) -> dict[str, int]:
    """The note with its count, for `Windows.notes`; nothing if the count is 0."""
    return {note: count} if count else {}
