"""A small real tokenizer of each kind that encoders and decoders have, trained on a few sentences."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertTokenizer, GemmaTokenizer, PreTrainedTokenizerFast, Qwen2Tokenizer

TEXT = ["the cat sat on the mat", "don't stop me now", "über die Brücke", "кошка сидит", "a.b c-d", "猫が 座る"] * 20
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def trained(model: Any, trainer: Any, pre_tokenizer: Any, normalizer: Any = None) -> Tokenizer:
    backend = Tokenizer(model)
    backend.pre_tokenizer = pre_tokenizer
    if normalizer is not None:
        backend.normalizer = normalizer
    backend.train_from_iterator(TEXT, trainer)
    return backend


def bpe_parts(backend: Tokenizer) -> tuple[dict[str, int], list[tuple[str, str]]]:
    model = json.loads(backend.to_str())["model"]
    return model["vocab"], [tuple(merge) for merge in model["merges"]]


@cache
def tokenizer(kind: str) -> Any:
    """`kind`: a family, but for "roberta with its own blank", "llama 2" (as Mistral's) and "llama 3"."""
    byte_level = trainers.BpeTrainer(vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    named = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    if kind == "bert":
        words = sorted({word for text in TEXT for word in text.split()} | set("abcdefghijklmnopqrstuvwxyz.-'"))
        vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words, "##t", "##s"]
        return BertTokenizer(vocab={token: number for number, token in enumerate(vocabulary)})
    if kind == "xlm-roberta":
        unigram = trainers.UnigramTrainer(vocab_size=120, special_tokens=SPECIAL, unk_token="<unk>")
        backend = trained(models.Unigram(), unigram, pre_tokenizers.Metaspace(), normalizers.NFKC())
        return PreTrainedTokenizerFast(tokenizer_object=backend, **named)
    if kind in ("roberta", "roberta with its own blank"):
        level = pre_tokenizers.ByteLevel(add_prefix_space="own" in kind)
        return PreTrainedTokenizerFast(tokenizer_object=trained(models.BPE(), byte_level, level), **named)
    if kind == "bloom":  # as Qwen's, but nothing of it is known to transformers
        level = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(r" ?[^(\s|[.,!?…。，、।۔،])]+"), "isolated"),
                pre_tokenizers.ByteLevel(False, use_regex=False),
            ]
        )
        backend = trained(models.BPE(), byte_level, level)
        backend.post_processor = processors.ByteLevel(trim_offsets=False)
        return PreTrainedTokenizerFast(tokenizer_object=backend, **named)
    if kind == "llama 3":  # byte level, a token before each text, and none for padding
        backend = trained(models.BPE(), byte_level, pre_tokenizers.ByteLevel(add_prefix_space=False))
        read = PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>")
        begin = ("<s>", read.bos_token_id)
        template = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B:1", special_tokens=[begin])
        read.backend_tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=True), template])
        return read
    if kind == "llama 2":  # a blank is put before whatever text comes
        trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=SPECIAL, initial_alphabet=["▁"])
        whole = pre_tokenizers.Split("▁", "merged_with_next")
        marks = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        backend = trained(models.BPE(unk_token="<unk>"), trainer, whole, marks)
        backend.pre_tokenizer = None
        return PreTrainedTokenizerFast(tokenizer_object=backend, **named)
    if kind == "qwen2":
        vocabulary, merges = bpe_parts(trained(models.BPE(), byte_level, pre_tokenizers.ByteLevel()))
        return Qwen2Tokenizer(vocab={**vocabulary, "<|endoftext|>": len(vocabulary)}, merges=merges)
    blanks = normalizers.Replace(" ", "▁")
    alphabet = [*sorted(set("".join(TEXT)) - {" "}), "▁"]
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=special, initial_alphabet=alphabet)
    vocabulary, merges = bpe_parts(
        trained(models.BPE(), trainer, pre_tokenizers.Split("▁", "merged_with_next"), blanks)
    )
    return GemmaTokenizer(vocab=vocabulary, merges=merges)
