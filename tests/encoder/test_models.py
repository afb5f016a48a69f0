"""Model folders: odd ones end in one sentence before anything is allocated, and a new head is always new."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    BertTokenizer,
)

from alignfreeze_cli.artifacts import resolve_encoder
from alignfreeze_cli.encoder.blocks import FAMILIES
from alignfreeze_cli.encoder.models import demand_head, families_with, load_encoder, new_task_model, skeleton
from alignfreeze_cli.encoder.tokenizers import load_tokenizer
from alignfreeze_cli.errors import AlignFreezeError, ArtifactError, SettingsError
from tests.support.models import N_BLOCKS, SPECIAL, tiny

TAGGER = "AutoModelForTokenClassification"


def saved(folder: Path, family: str = "bert", auto: Any = None, seed: int = 0, **changes: Any) -> Path:
    more = {"auto": auto} if auto else {}
    tiny(family, seed=seed, dtype=torch.float32, **more, **changes).save_pretrained(folder)
    return folder


def reconfigured(folder: Path, **changes: Any) -> Path:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    return folder


def head_of(model: Any) -> torch.Tensor:
    head = model.score if hasattr(model, "score") else model.classifier
    weight: torch.Tensor = head.weight.detach()
    return weight


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"num_hidden_layers": 1_000_000}, "says 1,000,000 blocks, but the weights have 5"),
        ({"num_hidden_layers": 3}, "says 3 blocks, but the weights have 5"),
        ({"vocab_size": 10_000_000}, "says 10,000,000 x 24 word embeddings, but the weights have 61 x 24"),
        ({"hidden_size": 25}, "says 61 x 25 word embeddings"),
        ({"num_attention_heads": 5}, "describes no model that can be built"),
        ({"is_decoder": True}, "sets is_decoder"),
        ({"num_hidden_layers": "many"}, "config.json"),
        ({"hidden_act": "nonsense"}, "describes no model that can be built"),
    ],
    ids=str,
)
def test_an_odd_configuration_is_one_sentence(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ArtifactError, match=sentence):
        skeleton(reconfigured(saved(tmp_path / "model"), **changes))


@pytest.mark.parametrize(
    ("family", "name", "value"),
    [("llama", "is_causal", False), ("gemma3_text", "use_bidirectional_attention", True)],
)
def test_a_decoder_made_into_an_encoder_is_refused(tmp_path: Path, family: str, name: str, value: bool) -> None:
    folder = reconfigured(saved(tmp_path / "model", family), **{name: value})
    with pytest.raises(ArtifactError, match=f"sets {name} to {str(value).lower()}, so its attention sees later words"):
        skeleton(folder)


def test_roberta_without_a_padding_id_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="has no pad_token_id, after which xlm-roberta counts its positions"):
        skeleton(reconfigured(saved(tmp_path / "model", "xlm-roberta"), pad_token_id=None))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"model_type": 7}', '{"model_type": "bert", "vocab_size": {}}']
)
def test_a_damaged_configuration_is_one_sentence(tmp_path: Path, text: str) -> None:
    saved(tmp_path / "model")
    (tmp_path / "model" / "config.json").write_text(text)
    with pytest.raises(AlignFreezeError):
        skeleton(tmp_path / "model")


def test_code_in_a_model_folder_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = tmp_path / "ran"
    folder = reconfigured(
        saved(tmp_path / "model"), auto_map={"AutoConfig": "mine.Mine", "AutoModel": "mine.Mine"}, model_type="mine"
    )
    (folder / "mine.py").write_text(f"open({str(ran)!r}, 'w')\nclass Mine: pass\n")

    def asked(*_: object) -> str:
        raise AssertionError("asked on standard input")

    monkeypatch.setattr("builtins.input", asked)
    with pytest.raises(AlignFreezeError):
        skeleton(folder)
    assert not ran.exists()


@pytest.mark.parametrize("family", families_with(TAGGER))
def test_a_new_head_is_new_whatever_the_folder_holds(tmp_path: Path, family: str) -> None:
    """Also where an old head has the right size; and it follows from the seed alone."""
    bare = saved(tmp_path / "bare", family)
    old = tiny(family, auto=AutoModelForTokenClassification, dtype=torch.float32, num_labels=3)
    old.base_model.load_state_dict(load_file(bare / "model.safetensors"), strict=False)
    old.save_pretrained(tmp_path / "old")
    heads = {}
    for name in ("bare", "old"):
        torch.manual_seed(7)
        model = new_task_model(tmp_path / name, TAGGER, ("a", "b", "c"))
        heads[name] = head_of(model)
        for key, value in load_file(bare / "model.safetensors").items():
            mine = model.base_model.state_dict().get(key)
            assert mine is None or torch.equal(mine, value), key
    assert torch.equal(heads["bare"], heads["old"])
    torch.manual_seed(8)
    assert not torch.equal(head_of(new_task_model(tmp_path / "old", TAGGER, ("a", "b", "c"))), heads["old"])


def test_a_head_of_another_size_is_no_error(tmp_path: Path) -> None:
    saved(tmp_path / "nli", auto=AutoModelForSequenceClassification, num_labels=3)
    model = new_task_model(tmp_path / "nli", TAGGER, ("a", "b", "c", "d"))
    assert head_of(model).shape == (4, 24)
    two = new_task_model(tmp_path / "nli", "AutoModelForQuestionAnswering", ())
    assert two.config.num_labels == 2


def without_a_block(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in state.items() if f"layer.{N_BLOCKS - 1}.output.dense" not in name}


def misshaped(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor[:-1] if name.endswith("output.dense.weight") else tensor for name, tensor in state.items()}


@pytest.mark.parametrize("spoil", [without_a_block, misshaped])
def test_weights_of_something_else_are_refused(tmp_path: Path, spoil: Callable[..., Any]) -> None:
    path = saved(tmp_path / "model") / "model.safetensors"
    spoiled = {name: tensor.contiguous() for name, tensor in spoil(load_file(path)).items()}
    save_file(spoiled, path, metadata={"format": "pt"})
    with pytest.raises(ArtifactError, match="lacks|can be read"):
        load_encoder(tmp_path / "model")
    with pytest.raises(ArtifactError, match="lacks|can be read"):
        new_task_model(tmp_path / "model", TAGGER, ("a",))


@pytest.mark.parametrize("family", ["bert", "llama", "qwen3", "bloom"])
def test_the_encoder_is_found_under_whatever_head_it_was_saved(tmp_path: Path, family: str) -> None:
    """Question answering has another name for it in some families; decoders are published with a head for text."""
    heads = [AutoModel, AutoModelForQuestionAnswering, *([AutoModelForCausalLM] if FAMILIES[family].causal else [])]
    bare = tiny(family, dtype=torch.float32)
    for head in heads:
        model = tiny(family, head, dtype=torch.float32)
        model.base_model.load_state_dict(bare.state_dict(), strict=False)
        model.save_pretrained(tmp_path / head.__name__)
        new = new_task_model(tmp_path / head.__name__, "AutoModelForQuestionAnswering", ())
        for name, tensor in new.base_model.state_dict().items():
            assert torch.equal(tensor, bare.state_dict()[name]), (head, name)


@pytest.mark.parametrize(
    ("auto_class", "family", "having"),
    [
        ("AutoModelForTokenClassification", "xglm", "llama, mistral, qwen2, qwen3, gemma, gemma2, bloom"),
        ("AutoModelForQuestionAnswering", "gemma2", "llama, mistral, qwen2, qwen3, bloom"),
        (
            "AutoModelForSequenceClassification",
            "xglm",
            "llama, mistral, qwen2, qwen3, gemma, gemma2, gemma3_text, bloom",
        ),
    ],
)
def test_a_task_without_a_head_is_refused_with_the_families_that_have_one(
    auto_class: str, family: str, having: str
) -> None:
    with pytest.raises(SettingsError, match=f"no head for a task .* of type '{family}'; .* electra, {having}\\.$"):
        demand_head(family, auto_class, "a task")
    demand_head("bloom", auto_class, "a task")


def test_labels_stand_in_the_configuration(tmp_path: Path) -> None:
    model = new_task_model(saved(tmp_path / "model"), TAGGER, ("NOUN", "VERB"))
    model.save_pretrained(tmp_path / "again")
    assert AutoConfig.from_pretrained(tmp_path / "again").id2label == {0: "NOUN", 1: "VERB"}


def test_the_lines_of_the_documentation_convert_pickled_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Path(__file__).parents[2] / "docs" / "models.md"
    code = re.search(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert code is not None
    folder = saved(tmp_path / "org" / "name")
    weights = load_file(folder / "model.safetensors")
    torch.save(weights, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    BertTokenizer(vocab={token: number for number, token in enumerate([*SPECIAL, "a", "b"])}).save_pretrained(folder)
    with pytest.raises(ArtifactError, match=r"pickle \(pytorch_model\.bin\).*docs/models\.md"):
        resolve_encoder(str(folder))
    monkeypatch.chdir(tmp_path)
    exec(textwrap.dedent(code[1]), {})
    converted = resolve_encoder("converted")
    assert load_file(converted.path / "model.safetensors").keys() == weights.keys()
    assert load_tokenizer(converted.path).tokenize("a b") == ["a", "b"]
