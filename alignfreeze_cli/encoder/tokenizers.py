"""Tokenizers, for text that is split into words already or for text as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alignfreeze_cli.errors import ArtifactError

LONE_PIECE = "▁"
"""SentencePiece's mark of a word's beginning, where it became a subword of its own."""


def load_tokenizer(folder: Path, words: bool = True) -> Any:
    """The tokenizer of a model folder; with `words`, set so that every word given to it begins as a word.

    Byte-level vocabularies (RoBERTa, ModernBERT) mark a word's beginning by the space before it, and transformers 5
    no longer adds one to words that come already split: "the", "cat" would read as "thecat". Raises ArtifactError for
    a folder without a tokenizer, or one that cannot tell which word a subword belongs to.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError, TypeError) as error:
        raise ArtifactError(f"has no tokenizer that can be read ({str(error).splitlines()[0]})", folder) from error
    if not tokenizer.is_fast:
        raise ArtifactError("has only a slow tokenizer, which cannot say which word a subword belongs to", folder)
    backend = tokenizer.backend_tokenizer
    for part in _pre_tokenizers(backend.pre_tokenizer) if words else ():
        if type(part).__name__ == "ByteLevel":
            part.add_prefix_space = True
    return tokenizer


def lone_piece_id(tokenizer: Any) -> int:
    """Id of the lone `▁`, or -1 (no id) where the vocabulary has none."""
    found = tokenizer.backend_tokenizer.token_to_id(LONE_PIECE)
    return -1 if found is None else int(found)


def special_tokens(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The ids that a tokenizer puts before and after a single text. ArtifactError if it puts them elsewhere."""
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    whole = tokenizer("a")["input_ids"]
    for start in range(len(whole) - len(bare) + 1):
        if whole[start : start + len(bare)] == bare:
            return whole[:start], whole[start + len(bare) :]
    raise ArtifactError(
        f"the tokenizer {type(tokenizer).__name__} changes a text's subwords when it adds special tokens"
    )


def _pre_tokenizers(pre_tokenizer: Any) -> list[Any]:
    """A pre-tokenizer, or the parts of a sequence of them."""
    if type(pre_tokenizer).__name__ == "Sequence":
        return list(pre_tokenizer)
    return [pre_tokenizer]
