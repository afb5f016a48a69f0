"""Vectors of sentences, against transformers and one sentence at a time; folders of sentence-transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoModel, AutoTokenizer

from alignfreeze_cli.artifacts import resolve_encoder
from alignfreeze_cli.encoder.sentences import LONGEST, load_sentence_encoder
from alignfreeze_cli.errors import ArtifactError
from tests.support.models import OWN, SIZES, save_bert

WORDS = [f"w{number}" for number in range(40)]


def texts(count: int = 60, longest: int = 30) -> list[str]:
    random = np.random.default_rng(0)
    return [" ".join(random.choice(WORDS, random.integers(1, longest))) for _ in range(count)]


def plain(folder: Path, sentences: list[str], pooling: str = "mean", longest: int = LONGEST) -> torch.Tensor:
    """Each sentence by itself, with nothing but transformers, before what follows the pooling."""
    model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    found = []
    with torch.inference_mode():
        for sentence in sentences:
            encoded = tokenizer(sentence, truncation=True, max_length=longest, return_tensors="pt")
            hidden = model(**encoded).last_hidden_state[0]
            found.append(hidden.mean(0) if pooling == "mean" else hidden[0])
    return torch.stack(found)


def close(vectors: Any, expected: torch.Tensor) -> bool:
    return bool(np.allclose(vectors, torch.nn.functional.normalize(expected, dim=1), atol=1e-5))


def with_modules(folder: Path, *modules: tuple[str, dict[str, Any]]) -> Path:
    """Make it a folder of sentence-transformers: an encoder and these steps with their configurations."""
    steps = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}]
    for number, (kind, config) in enumerate(modules, 1):
        steps.append({"idx": number, "path": f"{number}_{kind}", "type": f"sentence_transformers.models.{kind}"})
        (folder / f"{number}_{kind}").mkdir()
        (folder / f"{number}_{kind}" / "config.json").write_text(json.dumps(config))
    (folder / "modules.json").write_text(json.dumps(steps))
    return folder


@pytest.fixture
def bert(tmp_path: Path) -> Path:
    return save_bert(tmp_path / "bert", WORDS)


def test_a_sentence_is_the_mean_of_its_subwords(bert: Path) -> None:
    sentences = [*texts(), ""]
    assert close(load_sentence_encoder(bert).vectors(sentences), plain(bert, sentences))
    assert load_sentence_encoder(bert).vectors([]).shape == (0, 16)


@pytest.mark.parametrize("family", ["xlm-roberta", "distilbert", "modernbert", "deberta-v2", "electra"])
def test_every_family(family: str, bert: Path) -> None:
    from transformers import AutoConfig, set_seed

    set_seed(0)
    sizes = SIZES | OWN.get(family, {}) | {"pad_token_id": 0}
    AutoModel.from_config(AutoConfig.for_model(family, **sizes)).save_pretrained(bert)
    encoder = load_sentence_encoder(bert)
    # The final norm of ModernBERT is part of it.
    assert close(encoder.vectors(texts()), plain(bert, texts(), longest=encoder.arch.max_length))


def test_long_sentences_are_judged_by_their_beginning(tmp_path: Path) -> None:
    folder = save_bert(tmp_path / "long", WORDS, max_position_embeddings=512)
    long = " ".join(WORDS * 5)
    vectors = load_sentence_encoder(folder).vectors([long, " ".join(long.split()[: LONGEST - 2]), "w1"])
    assert np.allclose(vectors[0], vectors[1], atol=1e-6)
    assert not np.allclose(vectors[0], vectors[2], atol=1e-3)


def test_the_number_of_threads_changes_nothing(bert: Path) -> None:
    encoder, before = load_sentence_encoder(bert), torch.get_num_threads()
    try:
        found = []
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append(encoder.vectors(texts(200)))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(*found)


def test_pooling_and_dense_as_the_model_says(bert: Path) -> None:
    """As LaBSE has them."""
    dense = {"in_features": 16, "out_features": 8, "activation_function": "torch.nn.modules.activation.Tanh"}
    pooling = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    folder = with_modules(bert, ("Pooling", pooling), ("Dense", dense), ("Normalize", {}))
    weights = {"linear.weight": torch.randn(8, 16), "linear.bias": torch.randn(8)}
    save_file(weights, folder / "2_Dense" / "model.safetensors")
    expected = torch.tanh(plain(bert, texts(), "first") @ weights["linear.weight"].T + weights["linear.bias"])
    assert close(load_sentence_encoder(folder).vectors(texts()), expected)


def test_the_further_files_belong_to_the_digest(bert: Path) -> None:
    alone = resolve_encoder(str(bert), of_sentences=True).digest
    assert alone == resolve_encoder(str(bert)).digest
    with_modules(bert, ("Pooling", {"pooling_mode_mean_tokens": True}))
    mean = resolve_encoder(str(bert), of_sentences=True).digest
    (bert / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    assert len({alone, mean, resolve_encoder(str(bert), of_sentences=True).digest}) == 3
    assert resolve_encoder(str(bert)).digest == alone


@pytest.mark.parametrize(
    ("kind", "config", "complaint"),
    [
        ("Pooling", {"pooling_mode_max_tokens": True}, "asks for another pooling than mean_tokens or cls_token"),
        ("Pooling", {"pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": True}, "asks for another pooling"),
        ("Pooling", {}, "asks for another pooling"),
        ("Dense", {"activation_function": "torch.nn.ReLU"}, "asks for an activation other than Tanh or Identity"),
        ("Dense", {"activation_function": "torch.nn.Identity"}, "has no weights in safetensors that can be read"),
        ("LSTM", {}, "names a step of the kind LSTM, which is not known here"),
    ],
)
def test_what_is_not_known_is_refused(kind: str, config: dict[str, Any], complaint: str, bert: Path) -> None:
    with pytest.raises(ArtifactError, match=complaint):
        load_sentence_encoder(with_modules(bert, (kind, config)))


@pytest.mark.parametrize("content", ["", "7", "[7]", '{"a": 1}', '[{"type": "Pooling"}]', "\xff"])
def test_a_list_of_steps_that_is_none(content: str, bert: Path) -> None:
    (bert / "modules.json").write_text(content, encoding="latin-1")
    with pytest.raises(ArtifactError, match=r"modules\.json"):
        load_sentence_encoder(bert)


def test_vectors_that_are_no_numbers(bert: Path) -> None:
    encoder = load_sentence_encoder(bert)
    with torch.no_grad():
        encoder.model.embeddings.LayerNorm.weight.fill_(float("nan"))
    with pytest.raises(ArtifactError, match="gives vectors that are not numbers"):
        encoder.vectors(["w1"])
