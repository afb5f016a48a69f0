"""Questions and passages as windows: a window holds the question and a part of the passage.

    before  question  middle  passage[begin:end]  after        BERT: [CLS] question [SEP] passage [SEP]
    0                         first

Consecutive windows of a passage overlap, so that an answer cut by the border of one stands whole in the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from alignfreeze_cli.errors import ArtifactError, DataError
from alignfreeze_cli.tasks.base import Windows
from alignfreeze_cli.tasks.squad import Question
from alignfreeze_cli.tasks.subwords import code_points, encodings, tokens_of, widened

if TYPE_CHECKING:
    import numpy as np

LONGEST_QUESTION = 64  # subwords, as in BERT's scripts for SQuAD and in the published evaluation


class Frame(NamedTuple):
    """The ids that a tokenizer puts around and between two texts, and the token type of the second (0: none)."""

    before: list[int]
    middle: list[int]
    after: list[int]
    segment: int

    @property
    def size(self) -> int:
        return len(self.before) + len(self.middle) + len(self.after)

    @classmethod
    def of(cls, tokenizer: Any) -> Frame:
        """Raises ArtifactError for a tokenizer without a special token in front, to which "no answer" could point."""
        bare = tokenizer("a", add_special_tokens=False)["input_ids"]
        pair = tokenizer("a", "a", return_token_type_ids=True)
        whole, size = pair["input_ids"], len(bare)
        at = [start for start in range(len(whole) - size + 1) if whole[start : start + size] == bare]
        if len(at) != 2 or at[0] == 0:
            raise ArtifactError(
                f"the tokenizer {type(tokenizer).__name__} does not mark a pair of texts by special tokens, one of "
                "them in front, which question answering needs"
            )
        types = pair["token_type_ids"] if "token_type_ids" in tokenizer.model_input_names else [0] * len(whole)
        return cls(whole[: at[0]], whole[at[0] + size : at[1]], whole[at[1] + size :], types[at[1]])


@dataclass(eq=False)
class QaWindows(Windows):
    """All windows of a data set. Passages and questions are tokenised once and lie flat.

    Window w has the question `question[w]`, which is `questions[question_starts[q] : question_starts[q + 1]]`, and
    `passages[begin[w] : end[w]]`. `spans` has the code points of every token of the passages, first and last + 1.
    `gold` has the positions in the window of the first right answer's first and last token; 0, 0 where the window does
    not hold it whole.
    """

    passages: np.ndarray  # (tokens of all passages,)
    spans: np.ndarray  # (tokens of all passages, 2)
    questions: np.ndarray  # (tokens of all questions,)
    question_starts: np.ndarray  # (questions + 1,)
    question: np.ndarray  # (windows,)
    begin: np.ndarray  # (windows,)
    end: np.ndarray  # (windows,)
    gold: np.ndarray  # (windows, 2)
    frame: Frame
    padding_id: int
    keep_empty: bool
    notes: Mapping[str, int] = field()  # else the class's own would be taken for a default

    def __post_init__(self) -> None:
        import numpy as np

        # Position of the first token of the passage, (windows,).
        self.first = len(self.frame.before) + len(self.frame.middle) + np.diff(self.question_starts)[self.question]
        self.lengths = self.first + (self.end - self.begin) + len(self.frame.after)
        self.weights = np.ones(len(self.question))

    def collate(self, indices: np.ndarray) -> dict[str, Any]:
        """`inputs` for the model, (windows, positions); `gold`, (windows, 2)."""
        import numpy as np
        import torch

        lengths = self.lengths[indices]
        positions = np.arange(lengths.max(initial=0))
        filled = positions < lengths[:, None]  # (windows, positions)
        before, middle, after = (np.array(part, dtype=np.int64) for part in self.frame[:3])
        parts = []
        for w in indices:
            asked = slice(*self.question_starts[self.question[w] : self.question[w] + 2])
            parts += [before, self.questions[asked], middle, self.passages[self.begin[w] : self.end[w]], after]
        ids = np.full(filled.shape, self.padding_id, dtype=np.int64)
        ids[filled] = np.concatenate(parts)
        inputs = {"input_ids": ids, "attention_mask": filled.astype(np.int64)}
        if self.frame.segment:
            inputs["token_type_ids"] = (filled & (positions >= self.first[indices, None])) * self.frame.segment
        return {
            "inputs": {name: torch.from_numpy(values) for name, values in inputs.items()},
            "gold": torch.from_numpy(self.gold[indices]),
        }

    def for_training(self) -> QaWindows:
        """The windows to learn from, with a note of the answers that none holds. DataError if none holds any."""
        import numpy as np

        holds = self.gold[:, 1] > 0
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
            notes={**self.notes, **_counted("questions whose answer no window holds whole", lost)},
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

    A question whose own length leaves no room for more than the overlap gets no window, which is noted. `whole_words`
    widens the code points of a token to those of the tokenizer's word it belongs to. Raises DataError if no question
    gets a window.
    """
    import numpy as np

    frame = Frame.of(tokenizer)
    passages = {text: number for number, text in enumerate(dict.fromkeys(e.context for e in examples))}
    tokens, exact, shown = [], [], []  # of each passage: ids, code points, and those that an answer is made of
    for encoding, text in zip(encodings(list(passages), tokenizer), passages, strict=True):
        tokens.append(np.array(encoding.ids, dtype=np.int32))
        exact.append(code_points(encoding.offsets, text))
        shown.append(widened(exact[-1], encoding.word_ids) if whole_words else exact[-1])
    starts = np.cumsum([0, *map(len, tokens)]).tolist()
    asked = [encoding.ids for encoding in encodings([e.text for e in examples], tokenizer)]
    questions = [np.array(ids[:LONGEST_QUESTION], dtype=np.int32) for ids in asked]

    rows: list[tuple[int, int, int, int, int]] = []  # question, begin, end, first and last position of the answer
    without = 0
    for number, (example, question) in enumerate(zip(examples, questions, strict=True)):
        passage = passages[example.context]
        length, offset = len(exact[passage]), starts[passage]
        room = max_length - frame.size - len(question)
        if room <= overlap or not length:
            without += 1
            continue
        low, high = tokens_of(exact[passage], *example.answers[0])
        first = len(frame.before) + len(frame.middle) + len(question)
        for begin in range(0, max(length - overlap, 1), room - overlap):
            end = min(begin + room, length)
            holds = begin <= low <= high < end
            gold = (low - begin + first, high - begin + first) if holds else (0, 0)
            rows.append((number, offset + begin, offset + end, *gold))
    if not rows:
        raise DataError(
            f"no question of {len(examples)} leaves room for its passage in a window of {max_length} subwords that "
            f"shares {overlap} with the next one; raise --max-length or lower --qa-stride"
        )
    table = np.array(rows, dtype=np.int64)
    return QaWindows(
        passages=np.concatenate(tokens),
        spans=np.concatenate(shown),
        questions=np.concatenate(questions),
        question_starts=np.cumsum([0, *map(len, questions)]),
        question=table[:, 0],
        begin=table[:, 1],
        end=table[:, 2],
        gold=table[:, 3:],
        frame=frame,
        padding_id=tokenizer.pad_token_id,
        keep_empty=keep_empty,
        notes={
            **_counted(f"questions cut to {LONGEST_QUESTION} subwords", sum(len(e) > LONGEST_QUESTION for e in asked)),
            **_counted("questions too long for a window (raise --max-length or lower --qa-stride)", without),
        },
    )


def _counted(note: str, count: int) -> dict[str, int]:
    return {note: count} if count else {}
