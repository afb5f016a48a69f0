"""The head of a base on other encoders, against transformers' own forward."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

from alignfreeze_cli.encoder.language_model import head_logits, losses, masked, next_words, train_head
from alignfreeze_cli.encoder.text import Text, encode_text, states_at
from alignfreeze_cli.encoder.tokenizers import load_tokenizer
from alignfreeze_cli.progress import Console
from tests.support.models import DECODERS, ENCODERS, VOCABULARY, tiny
from tests.support.realign_world import make_encoder

MASK, PAD = 4, 0
ask = partial(masked, mask_id=MASK)


def text_of(seed: int, count: int = 12, longest: int = 15, vocabulary: int = VOCABULARY) -> Text:
    """Random sentences between two special tokens."""
    draw = np.random.default_rng(seed)
    lengths = draw.integers(4, longest, count)
    ids = [np.concatenate([[2], draw.integers(5, vocabulary, length - 2), [3]]) for length in lengths]
    special = [np.array([True, *[False] * (length - 2), True]) for length in lengths]
    starts = np.cumsum(lengths) - lengths
    none = np.zeros((0, 2), np.int64)
    return Text(np.concatenate(ids), np.concatenate(special), starts, lengths, none[:, 0], none[:, 0], none)


def test_masks_are_fixed_by_the_seed_and_spare_special_tokens() -> None:
    text = text_of(0, count=200, longest=40)
    guesses = ask(text, np.random.default_rng(1))
    assert not text.special[guesses.places].any()
    assert (guesses.ids[guesses.places] == MASK).all()
    assert (guesses.answers == text.ids[guesses.places]).all()
    assert (np.delete(guesses.ids, guesses.places) == np.delete(text.ids, guesses.places)).all()
    counts = np.bincount(guesses.sentence, minlength=200)
    assert counts.tolist() == [max(1, round(0.15 * (length - 2))) for length in text.lengths.tolist()]
    assert np.array_equal(guesses.places, ask(text, np.random.default_rng(1)).places)
    assert not np.array_equal(guesses.places, ask(text, np.random.default_rng(2)).places)
    some = ask(text, np.random.default_rng(1), np.array([7, 3]))
    assert sorted(set(some.sentence.tolist())) == [3, 7]


@pytest.mark.parametrize("family", ENCODERS)
def test_the_loss_is_that_of_transformers_one_sentence_at_a_time(family: str) -> None:
    base = tiny(family, AutoModelForMaskedLM).eval()
    body = tiny(family, AutoModelForMaskedLM, seed=1).eval()
    text = text_of(0)
    guesses = ask(text, np.random.default_rng(0))
    untied, tied = losses(
        [(base, None), (base, body.get_input_embeddings().weight.detach())], body.base_model, text, guesses, PAD
    )
    # The same by hand: the base with the body's weights in its encoder; then with its own output matrix again.
    by_hand = copy.deepcopy(base)
    by_hand.base_model.load_state_dict(body.base_model.state_dict())
    expected = one_at_a_time(by_hand, text, guesses)
    torch.testing.assert_close(tied, expected)
    if by_hand.get_output_embeddings().weight is by_hand.get_input_embeddings().weight:
        by_hand.get_output_embeddings().weight = torch.nn.Parameter(base.get_input_embeddings().weight.detach())
        torch.testing.assert_close(untied, one_at_a_time(by_hand, text, guesses))
        assert not torch.allclose(tied, untied)
    (own,) = losses([(base, None)], base, text, guesses, PAD)
    torch.testing.assert_close(own, one_at_a_time(base, text, guesses))


@pytest.mark.parametrize("family", DECODERS)
def test_a_decoder_guesses_the_next_subword_as_transformers_does(family: str) -> None:
    base, body = (tiny(family, AutoModelForCausalLM, seed=seed).eval() for seed in (0, 1))
    text = text_of(0, count=6)
    guesses = next_words(text, np.random.default_rng(0))
    (found,) = losses([(base, base.get_input_embeddings().weight.detach())], base, text, guesses, PAD)
    expected = []
    for start, length in zip(text.starts, text.lengths, strict=True):
        ids = torch.from_numpy(text.ids[start : start + length]).unsqueeze(0)
        with torch.no_grad():
            logits = base(input_ids=ids).logits[0, :-2]  # nobody asks for the special token at the end
        expected.append(F.cross_entropy(logits, ids[0, 1:-1], reduction="none"))
    torch.testing.assert_close(found, torch.cat(expected).double(), atol=1e-4, rtol=1e-4)
    assert guesses.sentence.tolist() == np.repeat(np.arange(6), text.lengths - 2).tolist()
    (other,) = losses([(base, None)], body.base_model, text, guesses, PAD)
    assert not torch.allclose(other, found)


@torch.no_grad()
def one_at_a_time(model: Any, text: Text, guesses: Any) -> torch.Tensor:
    found = []
    for place, answer, sentence in zip(guesses.places, guesses.answers, guesses.sentence, strict=True):
        start, length = text.starts[sentence], text.lengths[sentence]
        ids = torch.from_numpy(guesses.ids[start : start + length]).unsqueeze(0)
        logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0, place - start]
        found.append(F.cross_entropy(logits, torch.tensor(answer)))
    return torch.stack(found)


def test_the_model_is_as_before_once_its_head_has_answered() -> None:
    model = tiny("bert", AutoModelForMaskedLM).eval()
    ids = torch.tensor([[2, 7, 8, 3]])
    before = model(input_ids=ids).logits
    states = model.base_model(input_ids=ids).last_hidden_state[0]
    torch.testing.assert_close(head_logits(model, states), before[0])
    torch.testing.assert_close(model(input_ids=ids).logits, before)


@pytest.mark.parametrize("family", ["bert", "xlm-roberta", "electra"])
def test_a_head_learns_and_the_encoder_stays_as_it_is(family: str) -> None:
    model = tiny(family, AutoModelForMaskedLM, dtype=torch.float32)
    before = copy.deepcopy(model.base_model.state_dict())
    text = text_of(3, count=40, vocabulary=8)
    few = [train_head(copy.deepcopy(model), [text], ask, PAD, 2, 0, Console()) for _ in range(2)]
    assert few[0] == few[1]
    assert train_head(model, [text], ask, PAD, 100, 0, Console()) < few[0] - 0.3
    after = model.base_model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_words_of_a_text_begin_where_their_first_subword_is(tmp_path: Any) -> None:
    tokenizer = load_tokenizer(make_encoder(tmp_path / "encoder"))
    text = encode_text(tokenizer, [["en1", "en2ab", "de3"], ["fr1"], ["en1"] * 30], max_length=12)
    pieces = tokenizer.convert_ids_to_tokens(text.ids[text.first])
    assert pieces[:4] == ["en1", "en2", "de3", "fr1"]
    assert tokenizer.convert_ids_to_tokens(text.ids[text.last])[:4] == ["en1", "##b", "de3", "fr1"]
    assert text.words[:4].tolist() == [[0, 0], [0, 1], [0, 2], [1, 0]]
    assert (text.words[:, 0] == 2).sum() == 10, "ten subwords fit between the special ones"
    assert text.lengths.tolist() == [7, 3, 12]
    model = tiny("bert", vocab_size=len(tokenizer)).eval()
    layers = states_at(model, text, text.ids, np.array([1, 0]), text.first[:4], 0, every_block=True)
    for sentence, words in ((0, [0, 1, 2]), (1, [3])):
        start, length = text.starts[sentence], text.lengths[sentence]
        ids = torch.from_numpy(text.ids[start : start + length]).unsqueeze(0)
        hidden = model(input_ids=ids, output_hidden_states=True).hidden_states
        for found, expected in zip(layers, hidden, strict=True):
            torch.testing.assert_close(found[words], expected[0, text.first[words] - start])
