"""Tokenizers for words: those that are byte-level, those that are not, and folders without one."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from alignfreeze_cli.encoder.tokenizers import load_tokenizer, special_tokens
from alignfreeze_cli.errors import ArtifactError

from .test_tagging import sentencepiece, wordpiece


@pytest.mark.parametrize("alone", [True, False])
def test_byte_level_words_do_not_run_together(tmp_path: Path, alone: bool) -> None:
    level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = level if alone else pre_tokenizers.Sequence([pre_tokenizers.Digits(), level])
    trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    backend.train_from_iterator(["the cat sat on the cat"] * 10, trainer)
    PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="!").save_pretrained(tmp_path)
    tokenizer = load_tokenizer(tmp_path)
    read = tokenizer(["the", "cat"], is_split_into_words=True)
    assert tokenizer.convert_ids_to_tokens(read["input_ids"]) == ["Ġthe", "Ġcat"]
    assert read.word_ids() == [0, 1]


def test_special_tokens_before_and_after_a_text() -> None:
    assert special_tokens(wordpiece()) == ([2], [3])
    assert special_tokens(sentencepiece()) == ([0], [2])


def test_a_folder_without_a_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="has no tokenizer that can be read"):
        load_tokenizer(tmp_path)
