"""Windows over words: what is in them, what is scored, and the paper's way of cutting."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertTokenizer, PreTrainedTokenizerFast

from alignfreeze_cli.errors import DataError
from alignfreeze_cli.tasks.registry import TASKS
from alignfreeze_cli.tasks.tagging import TaggedSentence, TaggedWindows

POS = TASKS["pos"]
OPTIONS = dict(POS.defaults)
LABELS = ("X", "NOUN")
PIECES = [chr(letter) for letter in range(ord("a"), ord("z") + 1)]


def wordpiece() -> BertTokenizer:
    """A word of n letters has n subwords; a zero-width space has none."""
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *PIECES, *(f"##{piece}" for piece in PIECES)]
    return BertTokenizer(vocab={token: number for number, token in enumerate(tokens)})


def sentencepiece() -> PreTrainedTokenizerFast:
    """As XLM-R: a word begins with ▁, which stands alone before words that the vocabulary has not got with it."""
    scores = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), ("▁a", -1.0), ("b", -1.5)]
    backend = Tokenizer(models.Unigram(scores, unk_id=3, byte_fallback=False))
    metaspace = pre_tokenizers.Metaspace(prepend_scheme="always")
    backend.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), metaspace])
    backend.post_processor = processors.TemplateProcessing("<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    return PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", unk_token="<unk>")


def tagged(words: list[str], label: str = "X") -> TaggedSentence:
    return TaggedSentence("s", words, [label] * len(words))


def encode(sentences: list[TaggedSentence], length: int, tokenizer=None, **options: str) -> TaggedWindows:
    windows = POS.encode(sentences, tokenizer or wordpiece(), LABELS, length, {**OPTIONS, **options})
    assert isinstance(windows, TaggedWindows)
    return windows


def texts(windows: TaggedWindows, tokenizer=None) -> list[str]:
    tokenizer = tokenizer or wordpiece()
    cuts = zip(windows.starts, windows.starts[1:], strict=False)
    return [" ".join(tokenizer.convert_ids_to_tokens(windows.tokens[a:b].tolist())) for a, b in cuts]


def test_a_long_sentence_is_cut_between_words() -> None:
    windows = encode([tagged(["aa", "bbb", "cc"]), tagged(["d"])], 6)
    assert texts(windows) == ["[CLS] a ##a [SEP]", "[CLS] b ##b ##b [SEP]", "[CLS] c ##c [SEP]", "[CLS] d [SEP]"]
    assert windows.word.tolist() == [0, 1, 2, 3]
    assert windows.position.tolist() == [1, 1, 1, 1]


def test_a_word_longer_than_a_window_loses_its_tail() -> None:
    windows = encode([tagged(["a", "bbbbbb", "c"])], 5)
    assert texts(windows) == ["[CLS] a [SEP]", "[CLS] b ##b ##b [SEP]", "[CLS] c [SEP]"]


def test_published_windows_end_anywhere_and_a_cut_word_has_two_slots() -> None:
    windows = encode([tagged(["aa", "bbb", "cc"])], 6, windows="published")
    assert texts(windows) == ["[CLS] a ##a b ##b [SEP]", "[CLS] ##b c ##c [SEP]"]
    assert windows.word.tolist() == [0, 1, 1, 2]
    assert windows.position.tolist() == [1, 3, 1, 2]


WORDS = st.lists(st.text("abc", min_size=1, max_size=12) | st.just("\u200b"), min_size=1, max_size=15)


@given(st.lists(WORDS, min_size=1, max_size=6), st.integers(4, 20))
def test_every_word_with_subwords_has_exactly_one_slot(sentences: list[list[str]], length: int) -> None:
    windows = encode([tagged(words) for words in sentences], length)
    words = [word for sentence in sentences for word in sentence]
    assert windows.word.tolist() == [number for number, word in enumerate(words) if word != "\u200b"]
    assert windows.lengths.max(initial=0) <= length
    assert windows.weights.sum() == len(windows.word)
    letters = [text.split()[position] for text, position in _slots(windows)]
    assert letters == [word[0] for word in words if word != "\u200b"]


def _slots(windows: TaggedWindows) -> list[tuple[str, int]]:
    window_of = np.repeat(np.arange(len(windows.lengths)), windows.weights)
    return [(texts(windows)[w], int(p)) for w, p in zip(window_of, windows.position, strict=True)]


def test_lone_pieces_are_kept_and_the_subword_after_them_is_labelled() -> None:
    tokenizer = sentencepiece()
    words = tagged(["a", "b", "▁"])
    windows = encode([words], 20, tokenizer)
    assert texts(windows, tokenizer) == ["<s> ▁a ▁ b ▁ </s>"]
    assert windows.position.tolist() == [1, 3, 4]
    windows = encode([words], 20, tokenizer, lone_pieces="delete")
    assert texts(windows, tokenizer) == ["<s> ▁a b </s>"]
    assert (windows.position.tolist(), windows.word.tolist()) == ([1, 2], [0, 1])


def test_collate_pads_and_points_at_the_words() -> None:
    windows = encode([tagged(["aa", "b"]), tagged(["c"], "NOUN")], 10)
    batch = windows.collate(np.array([1, 0]))
    assert batch["inputs"]["attention_mask"].tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]
    assert batch["slots"].tolist() == [[0, 1], [1, 1], [1, 3]]
    assert batch["gold"].tolist() == [1, 0, 0]
    assert (batch["inputs"]["input_ids"][0, 3:] == 0).all()


def perfect(windows: TaggedWindows, wrong: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Right answers to every slot, except to the first `wrong` ones, in batches of one window, last window first."""
    answers = windows.gold[windows.word].copy()
    answers[:wrong] = 1 - answers[:wrong]
    order = range(len(windows.lengths) - 1, -1, -1)
    return [(np.array([w]), answers[windows.slot_starts[w] : windows.slot_starts[w + 1]]) for w in order]


def test_a_word_without_subwords_counts_as_wrong() -> None:
    sentences = [tagged(["a", "\u200b", "b"]), tagged(["c"])]
    windows = encode(sentences, 10)
    table = POS.predictions(sentences, windows, perfect(windows), LABELS, OPTIONS)
    assert POS.tallies(table).sum(0).tolist() == [3, 4]
    assert table["predicted"] == [["X", None, "X"], ["X"]]
    published = {**OPTIONS, "windows": "published"}
    windows = encode(sentences, 10, windows="published")
    table = POS.predictions(sentences, windows, perfect(windows), LABELS, published)
    assert POS.tallies(table).sum(0).tolist() == [3, 3]


def test_published_scoring_counts_a_cut_word_twice() -> None:
    sentences = [tagged(["aa", "bbb", "cc"])]
    options = {**OPTIONS, "windows": "published"}
    windows = encode(sentences, 6, windows="published")
    table = POS.predictions(sentences, windows, perfect(windows, wrong=2), LABELS, options)
    assert POS.tallies(table).sum(0).tolist() == [2, 4]
    # The table has one answer per word, that of the window in which it begins.
    assert table["predicted"] == [["NOUN", "NOUN", "X"]]
    assert table["window_words"] == [[[0, 1], [1, 2]]]
    assert table["window_predicted"] == [[["NOUN", "NOUN"], ["X", "X"]]]


def test_the_loss_is_the_cross_entropy_of_every_labelled_word_summed() -> None:
    from transformers import BertConfig, BertForTokenClassification, set_seed

    set_seed(0)
    config = BertConfig(vocab_size=60, hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=8)
    config.num_labels = len(LABELS)
    model = BertForTokenClassification(config).eval().double()
    sentences = [tagged(["aab", "b", "ccc"]), tagged(["c", "bb"], "NOUN"), tagged(["a"])]
    windows = encode(sentences, 20)
    loss = POS.loss(model, windows.collate(np.arange(3)))
    expected = torch.zeros((), dtype=torch.float64)
    for sentence in sentences:
        read = wordpiece()(sentence.words, is_split_into_words=True, return_tensors="pt")
        logits = model(**read).logits[0]
        first = {word: place for place, word in reversed(list(enumerate(read.word_ids(0)))) if word is not None}
        for word, place in first.items():
            gold = LABELS.index(sentence.labels[word])
            expected = expected - torch.log_softmax(logits[place].float(), -1)[gold]
    torch.testing.assert_close(loss.double(), expected, atol=1e-5, rtol=0)
    apart = sum(POS.loss(model, windows.collate(np.array([n]))) for n in range(3))
    torch.testing.assert_close(loss, apart, atol=1e-5, rtol=0)


def test_a_label_that_the_model_does_not_know_is_named() -> None:
    with pytest.raises(
        DataError, match="sentence s has the label 'NUON', which the model does not know; did you mean 'NOUN'"
    ):
        encode([tagged(["a"], "NUON")], 10)


@pytest.mark.parametrize("cut", ["whole-words", "published"])
@given(st.lists(WORDS, min_size=1, max_size=6), st.integers(4, 20), st.randoms(use_true_random=False))
def test_tallies_of_the_table_count_every_slot(cut: str, sentences: list[list[str]], length: int, draw) -> None:
    options = {**OPTIONS, "windows": cut}
    examples = [TaggedSentence("s", words, [draw.choice(LABELS) for _ in words]) for words in sentences]
    windows = encode(examples, length, windows=cut)
    answers = [(np.array([w]), np.array([draw.randrange(2) for _ in range(n)])) for w, n in enumerate(windows.weights)]
    table = POS.predictions(examples, windows, answers, LABELS, options)
    table = pa.table(table, schema=POS.schema(options)).to_pydict()  # as it comes back from the file
    tallies = POS.tallies(table)
    assert tallies.shape == (len(examples), 2)
    gold = windows.gold[windows.word]
    right = sum((answer == gold[windows.slots_of(indices)]).sum() for indices, answer in answers)
    # Without published windows, a word that no slot has is counted as well, as wrong.
    assert tallies.sum(0).tolist() == [right, len(gold) if cut == "published" else len(windows.gold)]
    # A set of examples may be any sample of them: each row speaks for its own example.
    for number, example in enumerate(examples):
        alone = {column: [values[number]] for column, values in table.items()}
        assert (POS.tallies(alone) == tallies[number]).all(), example


def test_metrics_of_many_samples_at_once() -> None:
    table = {"gold": [["X", "Y"], ["X"]], "predicted": [["X", None], ["X"]]}
    tallies = POS.tallies(table)
    assert tallies.tolist() == [[1, 2], [1, 1]]
    assert POS.metrics(tallies[[[0, 0], [0, 1], [1, 1]]].sum(1))["accuracy"].tolist() == [0.5, 2 / 3, 1.0]
    assert POS.metrics(np.zeros((1, 2)))["accuracy"].tolist() == [0.0]
