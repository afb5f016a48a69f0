"""Tokenizers for words: every kind sees a blank before each word, and folders without a usable one are refused."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import BertTokenizer, PreTrainedTokenizerFast

from alignfreeze_cli.encoder.tokenizers import encode_words, load_tokenizer, special_tokens
from alignfreeze_cli.errors import ArtifactError
from tests.support.tokenizers import TEXT, tokenizer

KINDS = (
    "bert",
    "xlm-roberta",
    "roberta",
    "roberta with its own blank",
    "qwen2",
    "gemma",
    "bloom",
    "llama 2",
    "llama 3",
)
# Words without blanks or leading marks in them, which no tokenizer keeps apart from what stands before.
WORDS = st.lists(st.text("abcdeostühкошa.'-猫", min_size=1, max_size=6), min_size=1, max_size=6)


@pytest.mark.parametrize("kind", KINDS)
@given(words=WORDS)
def test_words_are_encoded_as_the_text_that_they_make(kind: str, words: list[str]) -> None:
    (encoding,) = encode_words(tokenizer(kind), [words], add_special_tokens=False)
    before = "" if kind == "llama 2" else " "  # it puts a blank there itself, beside any that stands there
    whole = tokenizer(kind)(before + " ".join(words), add_special_tokens=False)["input_ids"]
    assert encoding.ids == whole
    assert sorted({word for word in encoding.word_ids if word is not None}) == list(range(len(words)))


@pytest.mark.parametrize("kind", ["roberta", "qwen2", "gemma", "bloom", "llama 2", "llama 3"])
def test_words_do_not_run_together_nor_fall_apart(kind: str) -> None:
    (encoding,) = encode_words(tokenizer(kind), [["the", "cat"]], add_special_tokens=False)
    assert encoding.tokens == (["▁the", "▁cat"] if kind in ("gemma", "llama 2") else ["Ġthe", "Ġcat"])
    if kind == "qwen2":  # only the first part of a word has the blank before it
        (encoding,) = encode_words(tokenizer(kind), [["don't"]], add_special_tokens=False)
        assert [token.startswith("Ġ") for token in encoding.tokens][1:] == [False] * (len(encoding.tokens) - 1)


def test_special_tokens_before_and_after_a_text() -> None:
    assert special_tokens(tokenizer("bert")) == ([2], [3])
    assert special_tokens(tokenizer("xlm-roberta")) == ([], [])


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    tokenizer("xlm-roberta").save_pretrained(tmp_path)
    loaded = load_tokenizer(tmp_path)
    assert loaded.get_vocab() == tokenizer("xlm-roberta").get_vocab()


def test_a_folder_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ArtifactError, match="has no tokenizer .* none of them is there"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize("package", ["sentencepiece", "google.protobuf"])
def test_a_sentencepiece_model_alone_needs_two_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "xlm-roberta"}')
    (tmp_path / "sentencepiece.bpe.model").write_bytes(b"\n")
    monkeypatch.setitem(sys.modules, package, None)  # as where it is not installed
    with pytest.raises(ArtifactError, match=r"packages sentencepiece and protobuf .*alignfreeze\[sentencepiece\]"):
        load_tokenizer(tmp_path)


def sentencepiece_folder(folder: Path, file: str, config: str, **more: Any) -> Any:
    """A model folder whose tokenizer is a SentencePiece model alone, trained on a few sentences; gives that model."""
    sentencepiece = pytest.importorskip("sentencepiece")
    pytest.importorskip("google.protobuf")
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT),
        model_writer=model,
        hard_vocab_limit=False,
        minloglevel=2,
        **{"vocab_size": 40, **more},
    )
    (folder / "config.json").write_text(f'{{"model_type": "{config}"}}')
    (folder / file).write_bytes(model.getvalue())
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


@pytest.mark.parametrize(
    ("file", "config", "pad"), [("sentencepiece.bpe.model", "xlm-roberta", 1), ("spm.model", "deberta-v2", 0)]
)
def test_a_sentencepiece_model_alone_is_converted(tmp_path: Path, file: str, config: str, pad: int) -> None:
    special: dict[str, Any] = {"pad_piece": "[PAD]", "bos_piece": "[CLS]", "eos_piece": "[SEP]", "unk_piece": "[UNK]"}
    special |= {"pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3}
    model = sentencepiece_folder(tmp_path, file, config, **(special if config == "deberta-v2" else {}))
    loaded = load_tokenizer(tmp_path)
    assert loaded.pad_token_id == pad
    for text in TEXT[:6]:
        (encoding,) = encode_words(loaded, [text.split()], add_special_tokens=False)
        assert encoding.tokens == model.encode(text, out_type=str)


def test_a_conversion_that_cuts_words_otherwise_is_refused(tmp_path: Path) -> None:
    """transformers gives Gemma's tokenizer no blank before the first word, whatever the SentencePiece model says."""
    sentencepiece_folder(tmp_path, "tokenizer.model", "gemma", model_type="bpe", vocab_size=90)
    with pytest.raises(ArtifactError, match=r"tokenizer\.model: is converted .* cuts \d+ of \d+ words otherwise"):
        load_tokenizer(tmp_path)


def test_special_tokens_alone_are_no_vocabulary(tmp_path: Path) -> None:
    BertTokenizer(
        vocab={token: number for number, token in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])}
    ).save_pretrained(tmp_path)
    with pytest.raises(ArtifactError, match="vocabulary is 5 special tokens"):
        load_tokenizer(tmp_path)


def test_a_tokenizer_without_padding_is_refused(tmp_path: Path) -> None:
    backend = tokenizer("roberta").backend_tokenizer
    PreTrainedTokenizerFast(tokenizer_object=backend).save_pretrained(tmp_path)
    with pytest.raises(ArtifactError, match="without a padding token"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize(
    ("kind", "pad", "pair"),
    [
        ("qwen2", "<|endoftext|>", "Ġthe <|endoftext|> Ġcat"),
        ("bloom", "<pad>", "Ġthe </s> Ġcat"),
        ("llama 3", "</s>", "<s> Ġthe <s> Ġcat"),
        ("gemma", "<pad>", "▁the <eos> ▁cat"),
    ],
)
def test_what_a_decoders_tokenizer_lacks_is_made_up_for(tmp_path: Path, kind: str, pad: str, pair: str) -> None:
    """The end-of-text token pads where none is for that, and stands between two texts where nothing does."""
    tokenizer(kind).save_pretrained(tmp_path)
    loaded = load_tokenizer(tmp_path, causal=True)
    together = loaded(" the", " cat")
    assert (loaded.pad_token, " ".join(loaded.convert_ids_to_tokens(together["input_ids"]))) == (pad, pair)
    assert loaded(" the")["input_ids"] == tokenizer(kind)(" the")["input_ids"]
    short = loaded(" the the the", " cat cat", truncation="longest_first", max_length=4)["input_ids"]
    assert len(short) == 4


@pytest.mark.parametrize("content", ["", "{", "[]", '{"model": {"type": "Nonsense"}}', "null"])
def test_a_damaged_tokenizer_is_named(tmp_path: Path, content: str) -> None:
    tokenizer("bert").save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(ArtifactError, match="has no tokenizer that can be read"):
        load_tokenizer(tmp_path)


def test_ids_beyond_the_embedding_matrix_are_refused(tmp_path: Path) -> None:
    tokenizer("bert").save_pretrained(tmp_path)
    size = max(tokenizer("bert").get_vocab().values()) + 1
    load_tokenizer(tmp_path, size)
    with pytest.raises(ArtifactError, match=f"ids up to {size - 1}, but an embedding matrix of {size - 1} rows"):
        load_tokenizer(tmp_path, size - 1)


def test_nothing_of_the_folder_runs_and_nothing_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer("bert").save_pretrained(tmp_path)
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
    settings |= {"tokenizer_class": "Mine", "auto_map": {"AutoTokenizer": ["mine.Mine", "mine.Mine"]}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    ran = tmp_path / "ran"
    (tmp_path / "mine.py").write_text(f"open({str(ran)!r}, 'w')\nclass Mine: pass\n")

    def asked(*_: object) -> str:
        raise AssertionError("asked on standard input")

    monkeypatch.setattr("builtins.input", asked)
    with contextlib.suppress(ArtifactError):  # refused, or read as what transformers itself knows
        load_tokenizer(tmp_path)
    assert not ran.exists()
