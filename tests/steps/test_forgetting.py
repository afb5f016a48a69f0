"""The command `forgetting`, with a base that has a head and with one that has none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

from tests.cli.world import alignfreeze
from tests.support.models import tiny
from tests.support.realign_world import make_encoder, make_pairs, sentence_pairs, vocabulary
from tests.support.tokenizers import tokenizer

LAYERS = ["embeddings", "0", "1", "2", "3", "4"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bases with and without a head of the same body, an encoder realigned from it, text and treebanks."""
    folder = tmp_path_factory.mktemp("forgetting")
    make_encoder(folder / "base")
    head = tiny("bert", AutoModelForMaskedLM, dtype=torch.float32, vocab_size=len(vocabulary()))
    head.save_pretrained(folder / "with-head")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(folder / "base" / name, folder / "with-head")
    make_pairs(folder / "pairs", {"de": 60, "fr": 60})
    for name, base, freeze in (
        ("encoder", "with-head", "none"),
        ("frozen", "with-head", "embeddings"),
        ("bare", "base", "none"),
    ):
        ran = alignfreeze(
            "realign", "--model", folder / base, "--pairs", folder / "pairs", "--freeze", freeze, "--steps", "4",
            "--learning-rate", "0.01", "--probe-pairs", "0", "--max-length", "64", "--output", folder / name,
        )  # fmt: skip
        assert ran.exit_code == 0, ran.stderr
    (folder / "text").mkdir()
    for language in ("en", "de", "fr"):
        pairs = sentence_pairs("de" if language == "en" else language, 240)
        sentences = [pair.source if language == "en" else pair.target for pair in pairs]
        (folder / "text" / f"{language}.txt").write_text("\n".join(map(" ".join, sentences)) + "\n")
        blocks = ["\n".join(conllu_line(n, word) for n, word in enumerate(each, 1)) for each in sentences[:50]]
        (folder / "text" / f"{language}.conllu").write_text("\n\n".join(blocks) + "\n\n")
    return folder


def conllu_line(number: int, word: str) -> str:
    """A third of the words are verbs."""
    tag = "VERB" if int(word.rstrip("ab")[2:]) % 3 == 0 else "NOUN"
    return "\t".join([str(number), word, "_", tag, *["_"] * 6])


def measure(world: Path, encoder: str, *more: str | Path, base: str = "with-head", text: str = "{language}.txt") -> Any:
    return alignfreeze(
        "forgetting", world / encoder, "--base", world / base, "--text", world / "text" / text, "--halves", "50",
        "--max-length", "64", *more,
    )  # fmt: skip


def content_of(world: Path, encoder: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((world / f"{encoder}-forgetting" / "forgetting.json").read_text())
    return content


def test_with_the_bases_own_head_and_a_treebank(world: Path) -> None:
    ran = measure(world, "encoder", "--treebanks", world / "text" / "{language}.conllu")
    assert ran.exit_code == 0, ran.stderr
    content = content_of(world, "encoder")
    assert content["head"] == {"of-base": True, "steps": None, "loss": None}
    assert content["embeddings-changed"] is True
    assert list(content["languages"]) == ["en", "de", "fr"], "the source of the pairs, and those it was realigned in"
    for found in content["languages"].values():
        assert found["guesses"] >= 100
        assert found["base"]["value"] > 1
        assert found["tied"] != found["untied"]
        assert found["untied"]["low"] <= found["untied"]["value"] <= found["untied"]["high"]
    means = [sum(each[kind]["value"] for each in content["languages"].values()) / 3 for kind in ("base", "tied")]
    assert [content["mean"][kind]["value"] for kind in ("base", "tied")] == pytest.approx(means, abs=2e-6)
    probe = content["probe"]
    assert list(probe["mean"]["change"]) == LAYERS
    assert all(each["words"] > 200 for each in probe["languages"].values())
    assert 0.5 < probe["mean"]["base"]["embeddings"]["value"] <= 1
    assert "the base's own head" in ran.stdout
    assert "not how much was lost" in ran.stdout
    card = (world / "encoder" / "README.md").read_text()
    assert "## How far it moved from its base's head" in card
    assert "A probe of parts of speech" in card


def test_frozen_embeddings_leave_nothing_to_untie(world: Path) -> None:
    ran = measure(world, "frozen", "--languages", "de", "--format", "json")
    assert ran.exit_code == 0, ran.stderr
    (shown,) = json.loads(ran.stdout)["forgetting"]
    assert shown["embeddings-changed"] is False
    assert shown["languages"]["de"]["tied"] == shown["languages"]["de"]["untied"]
    assert shown["probe"] is None


def test_a_base_without_a_head_gets_one_that_is_trained_on_other_sentences(world: Path, tmp_path: Path) -> None:
    given = ("--languages", "de,fr", "--head-steps", "30")
    ran = measure(world, "bare", *given, base="base")
    assert ran.exit_code == 0, ran.stderr
    content = content_of(world, "bare")
    assert content["head"]["of-base"] is False
    assert content["head"]["steps"] == 30
    assert all(each["sentences"] <= 120 for each in content["languages"].values())
    assert "a head that was trained on the base" in ran.stdout
    again = measure(world, "bare", *given, "--output", tmp_path / "again", base="base")
    assert again.exit_code == 0, again.stderr
    assert (tmp_path / "again" / "forgetting.json").read_bytes() == (
        world / "bare-forgetting" / "forgetting.json"
    ).read_bytes()
    # The encoder itself has moved nowhere.
    shutil.copytree(world / "base", tmp_path / "same")
    same = alignfreeze("forgetting", tmp_path / "same", "--base", world / "base", "--text",
                       world / "text" / "{language}.txt", "--halves", "50", "--max-length", "64", *given)  # fmt: skip
    assert same.exit_code == 0, same.stderr
    content = content_of(tmp_path, "same")
    assert content["mean"]["tied"] == content["mean"]["untied"] == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_a_treebank_is_a_text_with_a_probe(world: Path, tmp_path: Path) -> None:
    ran = measure(
        world, "frozen", "--languages", "de", "--output", tmp_path / "new", "--dry-run", text="{language}.conllu"
    )
    assert ran.exit_code == 0, ran.stderr
    assert "de: de.conllu" in ran.stdout
    assert not (tmp_path / "new").exists()
    few = measure(world, "frozen", "--languages", "de", "--output", tmp_path / "new", text="{language}.conllu")
    assert few.exit_code == 3
    assert "fewer than 100 subwords to guess in de (" in few.stderr


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (("--text", "x.txt"), 2, "--text needs {language} in its path"),
        (("--languages", "xx"), 3, "no such file for the language 'xx' (--text)"),
        (("--treebanks", "{text}/{language}.txt"), 3, "is no treebank"),
        (("--base", "{world}/bare"), 3, "lacks"),
    ],
)
def test_what_is_refused(world: Path, tmp_path: Path, more: tuple[str, ...], code: int, said: str) -> None:
    if more[0] == "--base":
        make_encoder(tmp_path / "other", hidden_size=12)
        more, said = ("--base", str(tmp_path / "other")), "was not realigned from that one"
    places = [part.replace("{text}", str(world / "text")) for part in more]
    refused = measure(world, "frozen", "--output", tmp_path / "new", *places)
    assert refused.exit_code == code, refused.stderr
    assert said in refused.stderr.replace("\n", " ")


def test_an_encoder_that_does_not_say_its_languages_needs_them(world: Path) -> None:
    refused = measure(world, "base", base="with-head")
    assert refused.exit_code == 2
    assert "--languages" in refused.stderr


def test_a_decoder_whose_tokenizer_has_no_padding_token(world: Path, tmp_path: Path) -> None:
    """As Llama's; what `realign` takes is measured, too."""
    read = tokenizer("llama 3")
    sizes = {"vocab_size": len(read), "max_position_embeddings": 128}
    base = tiny("llama", AutoModelForCausalLM, dtype=torch.float32, pad_token_id=None, **sizes)
    for name, model in (("base", base), ("encoder", base.model)):
        model.save_pretrained(tmp_path / name)
        read.save_pretrained(tmp_path / name)
    ran = alignfreeze("forgetting", tmp_path / "encoder", "--base", tmp_path / "base", "--languages", "de",
                      "--text", world / "text" / "{language}.txt", "--halves", "50", "--max-length", "64")  # fmt: skip
    assert ran.exit_code == 0, ran.stderr
    content = content_of(tmp_path, "encoder")
    assert content["head"]["of-base"] is True
    assert content["mean"]["untied"]["value"] == pytest.approx(0, abs=1e-5)
