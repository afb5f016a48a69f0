"""What changed in which block, on encoders whose changes are known."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

from alignfreeze_cli.encoder.blocks import architecture
from alignfreeze_cli.encoder.half_samples import half_samples
from alignfreeze_cli.encoder.layer_changes import (
    ACROSS,
    OF_WORDS,
    compare_halves,
    language_changes,
    layer_names,
    mean_measures,
    source_changes,
    to_dict,
    weight_changes,
)
from alignfreeze_cli.encoder.tokenizers import load_tokenizer
from tests.encoder.test_linked_words import words_of
from tests.support.models import N_BLOCKS, tiny
from tests.support.realign_world import make_encoder, vocabulary


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load_tokenizer(make_encoder(tmp_path_factory.mktemp("changes") / "encoder"))


def changed(model: Any, block: int, factor: float = 1.5) -> Any:
    """A copy with the weights of one block multiplied."""
    other = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in architecture(other).blocks(other)[block].parameters():
            parameter.mul_(factor)
    return other


def test_only_the_changed_block_has_a_change_of_its_own(tmp_path: Path, tokenizer: Any) -> None:
    base = tiny("bert", vocab_size=len(vocabulary())).eval()
    model = changed(base, 2)
    words = words_of(tmp_path / "p", tokenizer)
    given = base, model, words, 0, "first", half_samples(8, 50, 0, "de")
    own, source = language_changes(*given), source_changes(*given)
    assert {*own} == {*OF_WORDS, *ACROSS}
    assert {*source} == {*OF_WORDS}
    for found in (own, source):
        layers = found["own-change"][0, 1:].tolist()
        assert [value > 0.01 for value in layers] == [block == 2 for block in range(N_BLOCKS)]
        assert torch.isnan(found["own-change"][:, 0]).all()
        same = [0, 1, 2]  # embeddings and the outputs of blocks 0 and 1
        torch.testing.assert_close(found["cka"][:, same], torch.ones(51, 3, dtype=torch.float64))
        assert found["cka"][0, 3:].max() < 0.9999, "above it the change is passed on"
        assert found["drift"][0, same].abs().max() < 1e-9
        assert found["drift"][0, 3:].min() > 1e-4
    assert own["retrieval-change"][:, :3].abs().max() == own["anc-change"][:, :3].abs().max() == 0


def test_nothing_changed_is_nothing_everywhere(tmp_path: Path, tokenizer: Any) -> None:
    base = tiny("xlm-roberta", vocab_size=len(vocabulary())).eval()
    words = words_of(tmp_path / "p", tokenizer)
    own = language_changes(base, copy.deepcopy(base), words, 0, "mean", half_samples(8, 50, 0, "de"))
    for name in ("drift", "centred-drift", "retrieval-change", "anc-change"):
        assert own[name].abs().max() < 1e-9
    assert own["own-change"][:, 1:].abs().max() == 0
    shown = to_dict(mean_measures([own, own]), layer_names(N_BLOCKS))
    assert list(shown["own-change"]) == ["0", "1", "2", "3", "4"], "the embeddings are no block"
    assert shown["cka"]["embeddings"] == {"value": 1.0, "low": 1.0, "high": 1.0}


def test_the_change_of_weights_is_relative_to_their_length() -> None:
    base = tiny("bert", vocab_size=len(vocabulary()))
    model = changed(base, 3, factor=1.25)
    with torch.no_grad():
        model.embeddings.word_embeddings.weight.add_(0.01)
    embeddings, *blocks = weight_changes(base, model)
    assert blocks == pytest.approx([0, 0, 0, 0.25, 0])
    of_base = [p.detach() for name, p in base.named_parameters() if name.startswith("embeddings.")]
    length = torch.cat([p.flatten() for p in of_base]).norm()
    assert embeddings == pytest.approx(float(0.01 * base.embeddings.word_embeddings.weight.numel() ** 0.5 / length))


def own_changes(*by_block: float, spread: float = 0.01) -> torch.Tensor:
    """Own changes with the embeddings first, in 1 + 100 samples that all move together."""
    moves = torch.cat([torch.zeros(1), torch.linspace(-spread, spread, 100)]).double()
    weights = torch.tensor([0.0, *[1.0, -1.0] * len(by_block)][: len(by_block) + 1])
    return torch.tensor([torch.nan, *by_block]).double() + moves.unsqueeze(1) * weights


@pytest.mark.parametrize(
    ("weights", "own", "lower", "upper", "says"),
    [
        (
            (0.3, 0.2, 0.2, 0.2, 0.2),
            (0.9, 0.9, 0.5, 0.5),
            (0, 1),
            (2, 3),
            "lower blocks changed more than upper",
        ),
        (
            (0.3, 0.2, 0.2, 0.2, 0.0),
            (0.5, 0.2, 0.9, 0.0),
            (0,),
            (2,),
            "lower blocks did not change more: upper",
        ),
        ((0.0, 0.0, 0.0, 0.2, 0.2), (0.0, 0.0, 0.7, 0.701), (2,), (3,), "It can't be told"),
    ],
    ids=["all trained", "the top not reached, the middle in neither half", "front"],
)
def test_the_sentence_follows_from_the_interval(
    weights: tuple[float, ...], own: tuple[float, ...], lower: tuple[int, ...], upper: tuple[int, ...], says: str
) -> None:
    found = compare_halves(weights, own_changes(*own))
    assert found is not None
    assert (found.lower, found.upper) == (lower, upper)
    assert found.difference.low <= found.difference.value <= found.difference.high
    assert says in found.sentence()
    assert f"{found.difference.value:.3f}".lstrip("-") in found.sentence()


def test_one_trained_block_has_no_halves() -> None:
    assert compare_halves((0.1, 0.0, 0.2), own_changes(0.0, 0.5)) is None
    assert compare_halves((0.0, 0.0, 0.0), own_changes(0.0, 0.0)) is None
