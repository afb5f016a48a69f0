"""A treebank as the library `datasets` and a fast tokenizer prepare it for a tagger.

As in the token-classification example of transformers: words are tokenised with `is_split_into_words`, the first
subword of a word carries its tag, all others -100. Two things are ours, so that the same words are learned and scored:
a sentence that is too long gives several windows instead of being cut off, and the mark of a word's beginning that
SentencePiece sometimes leaves alone (`▁`) gives its tag to the subword after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.plain.evaluate import read_treebank

IGNORED = -100
TRAIN_LENGTH, TEST_LENGTH = 96, 128


def encoded_treebank(path: Path, tokenizer: Any, labels: Sequence[str], max_length: int) -> tuple[Any, int]:
    """The windows of a treebank as a `datasets.Dataset` with input_ids, attention_mask and labels; its words."""
    from datasets import Dataset

    sentences = read_treebank(path)
    numbers = {label: number for number, label in enumerate(labels)}
    data = Dataset.from_dict(
        {"words": [words for words, _ in sentences], "tags": [[numbers[tag] for tag in tags] for _, tags in sentences]}
    )
    lone = tokenizer.convert_tokens_to_ids("▁")
    lone = None if lone == tokenizer.unk_token_id else lone

    def encode(batch: dict[str, Any]) -> dict[str, Any]:
        encoded = tokenizer(
            batch["words"],
            is_split_into_words=True,
            truncation=True,
            max_length=max_length,
            return_overflowing_tokens=True,
        )
        rows = []
        sentence = word = None
        for window, number in enumerate(encoded["overflow_to_sample_mapping"]):
            if number != sentence:
                sentence, word = number, None
            owners, ids = encoded.word_ids(window), encoded["input_ids"][window]
            row = [IGNORED] * len(ids)
            for position, owner in enumerate(owners):
                if owner is not None and owner != word:
                    word = owner
                    after_lone = ids[position] == lone and owners[position + 1] == owner
                    row[position + after_lone] = batch["tags"][number][owner]
            rows.append(row)
        return {"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"], "labels": rows}

    windows = data.map(encode, batched=True, remove_columns=data.column_names)
    return windows, sum(len(words) for words, _ in sentences)
