"""Windows over passages: nothing of a passage is lost, and answers are where they should be, to the code point."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from alignfreeze_cli.errors import ArtifactError, DataError
from alignfreeze_cli.tasks.qa_windows import PairTemplate, QaWindows, best_spans, cut_windows
from alignfreeze_cli.tasks.squad import Answer, Question
from tests.tasks.test_tagging import sentencepiece, wordpiece

CORPUS = ["the cat sat on the red mat", "漢字 é ไทย cats!"] * 5


@cache
def tokenizer(kind: str) -> Any:
    """BERT's word pieces (much is unknown), or pieces as XLM-R's and ModernBERT's, whose spans may count spaces in."""
    if kind == "wordpiece":
        return wordpiece()
    if kind == "metaspace":
        backend = Tokenizer(models.BPE(unk_token="<unk>"))
        backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
        trainer = trainers.BpeTrainer(vocab_size=80, special_tokens=["<s>", "<pad>", "</s>", "<unk>"])
        pair, model_inputs = "<s> $A </s> </s> $B </s>", ["input_ids", "attention_mask"]
    else:
        backend = Tokenizer(models.BPE())
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=290, initial_alphabet=alphabet, special_tokens=["<s>", "<pad>", "</s>"]
        )
        pair, model_inputs = "<s> $A </s> $B </s>", ["input_ids", "attention_mask"]
    backend.train_from_iterator(CORPUS, trainer)
    special = [("<s>", 0), ("</s>", 2)]
    backend.post_processor = processors.TemplateProcessing("<s> $A </s>", pair, special_tokens=special)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", cls_token="<s>", sep_token="</s>", model_input_names=model_inputs
    )


KINDS = ["wordpiece", "metaspace", "bytelevel"]


def ask(context: str, start: int, end: int, question: str = "who", identifier: str = "q") -> Question:
    return Question(identifier, question, context, (Answer(start, context[start:end]),), "en")


def questions() -> st.SearchStrategy[list[Question]]:
    @st.composite
    def one(draw: Any) -> Question:
        context = draw(st.text("ab catsé漢ไท .", min_size=1, max_size=60).filter(lambda text: text.strip()))
        start = draw(st.integers(0, len(context) - 1))
        end = draw(st.integers(start + 1, len(context)))
        if not context[start:end].strip():
            start, end = 0, len(context)
        return ask(context, start, end, draw(st.text("abc ?", max_size=30)))

    return st.lists(one(), min_size=1, max_size=5)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=50)
@given(questions(), st.integers(12, 40), st.integers(0, 8))
def test_windows(kind: str, examples: list[Question], length: int, overlap: int) -> None:
    read = tokenizer(kind)
    frame = PairTemplate.of(read).size
    rooms = [length - frame - len(read(e.text, add_special_tokens=False)["input_ids"][:64]) for e in examples]
    windows = cut_windows(examples, read, length, overlap)
    assert windows.lengths.max(initial=0) <= length
    batch = windows.collate(np.arange(len(windows.lengths))) if len(windows.lengths) else {}
    for number, (example, room) in enumerate(zip(examples, rooms, strict=True)):
        own = np.flatnonzero(windows.question == number)
        asked = read(example.text, add_special_tokens=False)["input_ids"]
        passage = read(example.context, add_special_tokens=False)["input_ids"]
        assert bool(len(own)) == (room > overlap)
        if not len(own):
            continue
        # Every token of the passage is in some window, and consecutive windows share the overlap.
        offset = windows.begin[own[0]]
        assert windows.passages[offset : windows.end[own[-1]]].tolist() == passage
        assert (windows.begin[own[1:]] == windows.end[own[:-1]] - overlap).all()
        # A row holds the question and its part of the passage, framed as the tokenizer frames a pair.
        for w in own:
            part = passage[windows.begin[w] - offset : windows.end[w] - offset]
            row = batch["inputs"]["input_ids"][w]
            before, middle, after, _ = windows.template
            assert row[: windows.lengths[w]].tolist() == [*before, *asked, *middle, *part, *after]
            assert row[windows.lengths[w] :].eq(read.pad_token_id).all()
        check_gold(windows, own, example, offset, overlap)


def check_gold(windows: QaWindows, own: np.ndarray, example: Question, offset: int, overlap: int) -> None:
    """Where a window points, the answer stands, whole and with nothing to spare."""
    ((start, text),) = example.answers
    text, start = text.strip(), start + len(text) - len(text.lstrip())
    end = start + len(text)
    spans = windows.spans[offset : windows.end[own[-1]]]
    covering = np.flatnonzero((spans[:, 1] > start) & (spans[:, 0] < end))
    for w, (low, high) in zip(own, windows.gold[own], strict=True):
        shift = windows.begin[w] - windows.first[w] - offset
        held = covering.min() + offset >= windows.begin[w] and covering.max() + offset < windows.end[w]
        assert (high > 0) == held
        if held:
            assert [low + shift, high + shift] == [covering.min(), covering.max()]
            assert text in example.context[spans[low + shift, 0] : spans[high + shift, 1]]
    if len(covering) <= overlap + 1:
        assert windows.gold[own, 1].max() > 0


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=50)
@given(st.text("ab catsé漢ไท .", min_size=1, max_size=60).filter(lambda text: text.strip()))
def test_spans_of_tokens_leave_out_nothing_but_spaces(kind: str, context: str) -> None:
    spans = cut_windows([ask(context, 0, len(context))], tokenizer(kind), 200, 0).spans
    covered = {place for begin, end in spans for place in range(begin, end)}
    assert {place for place, character in enumerate(context) if not character.isspace()} <= covered
    widened = cut_windows([ask(context, 0, len(context))], tokenizer(kind), 200, 0, whole_words=True).spans
    assert (widened[:, 0] <= spans[:, 0]).all()
    assert (widened[:, 1] >= spans[:, 1]).all()


def test_whole_words_are_the_tokenizers() -> None:
    context = "cats, 漢字."
    spans = {}
    for kind in ("wordpiece", "metaspace"):
        found = cut_windows([ask(context, 0, 4)], tokenizer(kind), 40, 0, whole_words=True).spans
        spans[kind] = list(dict.fromkeys(context[begin:end] for begin, end in found.tolist()))
    assert spans == {"wordpiece": ["cats", ",", "漢", "字", "."], "metaspace": ["cats,", "漢字."]}


def test_overlapping_windows_by_hand() -> None:
    # 9 tokens, room for 5 - 0: a window of 9 holds [CLS] q [SEP] and [SEP]; windows share 2.
    windows = cut_windows([ask("a b c d e f g h i", 8, 11, "q")], wordpiece(), 9, 2)
    assert list(zip(windows.begin.tolist(), windows.end.tolist(), strict=True)) == [(0, 5), (3, 8), (6, 9)]
    assert windows.first.tolist() == [3, 3, 3]
    assert windows.gold.tolist() == [[0, 0], [4, 5], [0, 0]]  # "e f" are tokens 4 and 5; the first window lacks f
    assert windows.collate(np.array([2]))["inputs"]["token_type_ids"].tolist() == [[0, 0, 0, 1, 1, 1, 1]]
    learned = windows.for_training()
    assert len(learned.lengths) == 3
    dropped = cut_windows([ask("a b c d e f g h i", 8, 11, "q")], wordpiece(), 9, 2, keep_empty=False).for_training()
    assert dropped.gold.tolist() == [[4, 5]]
    assert dropped.collate(np.array([0]))["gold"].tolist() == [[4, 5]]


def test_what_does_not_fit_is_noted() -> None:
    long, short = "q" * 40, "q"
    examples = [ask("a b c d e f", 0, 1, short), ask("a b c d e f", 0, 1, long), ask("a b c d e f", 0, 11, short)]
    windows = cut_windows(examples, wordpiece(), 8, 1)
    too_long = "questions too long for a window (raise --max-length or lower --qa-stride)"
    assert dict(windows.notes) == {too_long: 1}
    assert set(windows.question.tolist()) == {0, 2}
    assert dict(windows.for_training().notes) == {
        too_long: 1,
        "questions whose answer no window holds whole": 1,
    }
    with pytest.raises(DataError, match="no window holds the whole answer"):
        cut_windows(examples[2:], wordpiece(), 8, 1).for_training()
    nothing = cut_windows(examples[1:2], wordpiece(), 8, 1)
    assert (len(nothing.lengths), dict(nothing.notes)) == (0, {too_long: 1})
    cut = cut_windows([ask("a b", 0, 1, "q" * 80)], wordpiece(), 100, 10)
    assert dict(cut.notes) == {"questions cut to 64 subwords": 1}
    assert cut.lengths.tolist() == [64 + 3 + 2]


def test_an_answer_that_the_tokenizer_drops_is_in_no_window() -> None:
    windows = cut_windows([ask("a \u200b b", 2, 3)], wordpiece(), 20, 2)
    assert windows.gold.tolist() == [[0, 0]]


def test_passages_are_kept_once() -> None:
    windows = cut_windows([ask("a b c", 0, 1), ask("d", 0, 1), ask("a b c", 2, 3)], wordpiece(), 20, 2)
    assert (len(windows.passages), windows.begin.tolist(), windows.gold[:, 0].tolist()) == (4, [0, 3, 0], [5, 5, 6])


def test_a_tokenizer_that_marks_no_pairs_is_refused() -> None:
    assert PairTemplate.of(wordpiece()) == ([2], [3], [3], 1)
    assert PairTemplate.of(tokenizer("metaspace")) == ([0], [2, 2], [2], 0)
    with pytest.raises(ArtifactError, match="does not mark a pair of texts by special tokens"):
        PairTemplate.of(sentencepiece())


def slow_span(start: list[float], end: list[float], first: int, count: int, longest: int) -> tuple[float, int, int]:
    """Every pair of positions, with probabilities over the passage and position 0."""
    counted = [0, *range(first, first + count)]
    totals = [sum(math.exp(logits[i]) for i in counted) for logits in (start, end)]
    pairs = [
        (math.exp(start[i]) / totals[0] * math.exp(end[j]) / totals[1], i, j)
        for i in range(first, first + count)
        for j in range(i, min(i + longest, first + count))
    ]
    return max(pairs)


@pytest.mark.parametrize("longest", [1, 3, 50])
def test_the_best_span_is_that_of_a_slow_search(longest: int) -> None:
    random = np.random.default_rng(longest)
    start, end = random.normal(0, 3, (2, 40, 17)).astype(np.float32)
    first = random.integers(1, 9, 40)
    count = random.integers(1, 17 - first + 1)
    # As padding comes from the model.
    for row, border in enumerate(first + count):
        start[row, border:] = end[row, border:] = -np.inf
    scores, begin, finish = best_spans(start, end, first, count, longest)
    for row in range(40):
        expected = slow_span(start[row].tolist(), end[row].tolist(), int(first[row]), int(count[row]), longest)
        assert (math.exp(scores[row]), begin[row], finish[row]) == (pytest.approx(expected[0]), *expected[1:])
