"""Word-aligned sentence pairs as numbers, by `datasets.map` with a fast tokenizer.

What most training scripts do before their first step: read the Parquet files, tokenise both sides in batches, note
where each word begins, and let the library keep the result in its cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any


def encoded_pairs(paths: Sequence[Path], tokenizer: Any, max_length: int, cache: Path) -> Any:
    """The usable pairs as a `datasets.Dataset`: ids and first subwords of both sides, and the links between words.

    A link is usable if both of its words have a subword among the first `max_length`; a pair if one of its links is.
    """
    from datasets import Dataset

    pairs = Dataset.from_parquet([str(path) for path in paths], cache_dir=str(cache))

    def encode(batch: dict[str, Any]) -> dict[str, Any]:
        columns: dict[str, list[Any]] = {}
        for side in ("source", "target"):
            encoded = tokenizer(batch[side], is_split_into_words=True, truncation=True, max_length=max_length)
            columns[f"{side}_ids"] = encoded["input_ids"]
            columns[f"{side}_words"] = []
            for row in range(len(batch[side])):
                first: dict[int, int] = {}
                for position, word in enumerate(encoded.word_ids(row)):
                    if word is not None:
                        first.setdefault(word, position)
                columns[f"{side}_words"].append([first.get(word, -1) for word in range(len(batch[side][row]))])
        columns["links"] = [
            [[i, j] for i, j in links if source[i] >= 0 and target[j] >= 0]
            for links, source, target in zip(
                batch["links"], columns["source_words"], columns["target_words"], strict=True
            )
        ]
        return columns

    encoded = pairs.map(encode, batched=True, remove_columns=pairs.column_names)
    return encoded.filter(lambda links: [len(some) > 0 for some in links], batched=True, input_columns="links")
