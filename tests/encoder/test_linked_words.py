"""Which words are measured, and blocks seen by themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from alignfreeze_cli.artifacts.files import file_digest
from alignfreeze_cli.encoder.blocks import FAMILIES, architecture
from alignfreeze_cli.encoder.encoding import EncodedPairs, encode_pairs, tokenizer_digest
from alignfreeze_cli.encoder.linked_words import LinkedWords, choose_words, linked_states, outputs_on, states_of
from alignfreeze_cli.encoder.tokenizers import load_tokenizer
from alignfreeze_cli.pairs.folder import Pair, open_pairs
from tests.support.models import N_BLOCKS, tiny
from tests.support.realign_world import make_encoder, make_pairs, sentence_pairs, vocabulary


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load_tokenizer(make_encoder(tmp_path_factory.mktemp("words") / "encoder"))


def encoded(folder: Path, pairs: list[Pair], tokenizer: Any) -> EncodedPairs:
    opened = open_pairs(make_pairs(folder, {"de": pairs}))
    digest = file_digest(opened.files[0].path)
    return encode_pairs(opened, opened.files[0], digest, tokenizer, tokenizer_digest(tokenizer), 32)


def test_a_link_is_a_type_if_neither_of_its_words_was_there_before(tmp_path: Path, tokenizer: Any) -> None:
    pairs = [
        Pair(["en1", "en2"], ["de1", "de2"], [(0, 0), (1, 1)]),
        Pair(["en9"], ["de1", "de2"], [(0, 0)]),  # the same target sentence
        Pair(["en1", "en3"], ["de4", "de3"], [(0, 0), (1, 1)]),
        Pair(["en5", "en6"], ["de1a", "de1"], [(0, 0), (1, 1)]),
        Pair(["en7"], ["de7"], [(0, 0)]),
    ]
    words = choose_words(encoded(tmp_path / "p", pairs, tokenizer), [0, 1, 2, 3, 4])
    assert words.numbers == [0, 2, 3, 4]
    assert words.sentence.tolist() == [0, 0, 1, 1, 2, 2, 3]
    # en1 is known in the third pair; de1a is another word than de1, which is known in the fourth.
    assert words.types.tolist() == [0, 1, 3, 4, 6]


def test_pairs_are_taken_in_order_until_there_are_enough_words(tmp_path: Path, tokenizer: Any) -> None:
    pairs = encoded(tmp_path / "p", sentence_pairs("de", 30), tokenizer)
    order = [7, 3, 21, 4, 5]
    links = [int(pairs.links_at[number + 1] - pairs.links_at[number]) for number in order]
    assert choose_words(pairs, order, links[0] + 1).numbers == order[:2]
    assert choose_words(pairs, order, 1).numbers == order[:1]
    everything = choose_words(pairs, order)
    assert everything.numbers == order
    assert everything.sentence.tolist() == [place for place, count in enumerate(links) for _ in range(count)]


def words_of(folder: Path, tokenizer: Any) -> LinkedWords:
    return choose_words(encoded(folder, sentence_pairs("de", 8), tokenizer), range(8))


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_a_block_gets_the_given_input_whatever_is_below_it(tmp_path: Path, tokenizer: Any, family: str) -> None:
    base, model = (tiny(family, vocab_size=len(vocabulary())).eval() for _ in range(2))
    arch = architecture(model)
    for parameter in arch.blocks(model)[1].parameters():
        parameter.add_(0.1)
    batch = next(iter(words_of(tmp_path / "p", tokenizer).batches(base, 0)))
    given = states_of(base, batch)
    own = [outputs_on(each, batch, given) for each in (base, model)]
    for group, states in enumerate(given):
        assert len(own[0][group]) == N_BLOCKS
        for block in range(N_BLOCKS):
            torch.testing.assert_close(own[0][group][block], states[block + 1])
            same = torch.equal(own[1][group][block], own[0][group][block])
            assert same == (block != 1), "a block above the changed one has the base's input, and so its output"
    changed = states_of(model, batch)
    assert [torch.equal(x, y) for x, y in zip(changed[0], given[0], strict=True)] == [True, True] + [False] * 4


@torch.no_grad()
def test_linked_states_are_those_of_the_words_first_subwords(tmp_path: Path, tokenizer: Any) -> None:
    pairs = sentence_pairs("de", 5)
    words = choose_words(encoded(tmp_path / "p", pairs, tokenizer), range(5))
    model = tiny("bert", vocab_size=len(vocabulary())).eval()
    batch = next(iter(words.batches(model, 0)))
    layers = linked_states(states_of(model, batch), batch)
    place = 0
    for pair in pairs:
        sides = []
        for text in (pair.source, pair.target):
            encoding = tokenizer(text, is_split_into_words=True, return_tensors="pt")
            sides.append((model(**encoding, output_hidden_states=True).hidden_states, encoding.word_ids()))
        for link in pair.links:
            for layer, found in enumerate(layers):
                for (hidden, ids), word, vectors in zip(sides, link, found, strict=True):
                    torch.testing.assert_close(vectors[place], hidden[layer][0, ids.index(word)])
            place += 1
    assert place == len(words.sentence)
