"""The retrieval probe against one sentence and one word at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from alignfreeze_cli.artifacts.files import file_digest
from alignfreeze_cli.encoder.encoding import EncodedPairs, encode_pairs, tokenizer_digest
from alignfreeze_cli.encoder.probe import retrieval
from alignfreeze_cli.encoder.tokenizers import load_tokenizer
from alignfreeze_cli.pairs.folder import Pair, open_pairs
from tests.support.models import N_BLOCKS, tiny
from tests.support.realign_world import make_encoder, make_pairs, sentence_pairs, vocabulary


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load_tokenizer(make_encoder(tmp_path_factory.mktemp("probe") / "encoder"))


def encoded(folder: Path, pairs: list[Pair], tokenizer: Any) -> EncodedPairs:
    opened = open_pairs(make_pairs(folder, {"de": pairs}))
    digest = file_digest(opened.files[0].path)
    return encode_pairs(opened, opened.files[0], digest, tokenizer, tokenizer_digest(tokenizer), 32)


def by_hand(model: Any, pairs: list[Pair], tokenizer: Any) -> list[float]:
    """First subwords, one sentence at a time; a word looks for its partner among all linked words of the other side."""
    found: list[tuple[list[Any], list[Any]]] = [([], []) for _ in range(N_BLOCKS + 1)]
    model.eval()
    for pair in pairs:
        sides = []
        for words in (pair.source, pair.target):
            encoding = tokenizer(words, is_split_into_words=True, return_tensors="pt")
            with torch.no_grad():
                layers = model(**encoding, output_hidden_states=True).hidden_states
            sides.append((layers, encoding.word_ids()))
        for i, j in pair.links:
            for layer in range(N_BLOCKS + 1):
                for side, word, kept in ((0, i, found[layer][0]), (1, j, found[layer][1])):
                    layers, ids = sides[side]
                    kept.append(layers[layer][0, ids.index(word)])
    accuracies = []
    for sources, targets in found:
        hits = 0
        for here, there in ((sources, targets), (targets, sources)):
            for number, vector in enumerate(here):
                cosines = [float(F.cosine_similarity(vector, other, dim=0)) for other in there]
                hits += cosines.index(max(cosines)) == number
        accuracies.append(hits / (2 * len(sources)))
    return accuracies


def test_every_block_is_scored_as_one_word_at_a_time(tmp_path: Path, tokenizer: Any) -> None:
    pairs = sentence_pairs("de", 40)
    model = tiny("bert", vocab_size=len(vocabulary()))
    chosen = [3, 4, 7, 20, 33, 39]
    found = retrieval(model, encoded(tmp_path / "p", pairs, tokenizer), chosen, 0)
    expected = by_hand(model, [pairs[number] for number in chosen], tokenizer)
    assert list(found["accuracy"].values()) == pytest.approx(expected, abs=1e-6)
    assert 0 < max(expected) < 1
    assert found["words"] == sum(len(pairs[number].links) for number in chosen)
    assert found["chance"] == round(1 / found["words"], 6)


def test_a_sentence_paired_with_itself_is_retrieved_at_every_block(tmp_path: Path, tokenizer: Any) -> None:
    same = [Pair(p.source, p.source, [(i, i) for i in range(len(p.source))]) for p in sentence_pairs("de", 20)]
    model = tiny("xlm-roberta", vocab_size=len(vocabulary()))
    found = retrieval(model, encoded(tmp_path / "p", same, tokenizer), range(20), 0)
    # Below the first block equal words at equal places are one and the same vector, so they are rivals there.
    assert list(found["accuracy"].values())[1:] == pytest.approx([1.0] * N_BLOCKS)


def test_dropout_is_off_and_the_mode_is_restored(tmp_path: Path, tokenizer: Any) -> None:
    pairs = encoded(tmp_path / "p", sentence_pairs("de", 20), tokenizer)
    model = tiny("bert", vocab_size=len(vocabulary()), hidden_dropout_prob=0.5)
    first, again = (retrieval(model, pairs, range(20), 0) for _ in range(2))
    assert first == again
    assert model.training


def test_a_metrics_row_names_the_blocks(tmp_path: Path, tokenizer: Any) -> None:
    pairs = encoded(tmp_path / "p", sentence_pairs("de", 12), tokenizer)
    row = retrieval(tiny("bert", vocab_size=len(vocabulary())), pairs, range(12), 0)
    assert list(row["accuracy"]) == ["embeddings", "0", "1", "2", "3", "4"]
    assert (row["language"], row["chance"]) == ("de", round(1 / row["words"], 6))
