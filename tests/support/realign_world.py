"""A tiny encoder folder with a tokenizer, and pairs folders that fit it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import BertTokenizer

from alignfreeze_cli.artifacts.files import file_digest, folder_files
from alignfreeze_cli.artifacts.record import Record
from alignfreeze_cli.pairs.folder import Pair, PairsWriter, data_file, write_statistics
from tests.support.models import SPECIAL, tiny

LEMMAS = 20  # every language has the words <code>0 .. <code>19, and xx-i translates i
LANGUAGES = {"de": 60, "fr": 40, "ta": 12}


def vocabulary() -> dict[str, int]:
    words = [f"{language}{number}" for language in ("en", *LANGUAGES) for number in range(LEMMAS)]
    return {token: number for number, token in enumerate([*SPECIAL, *words, "##a", "##b"])}


def make_encoder(folder: Path, family: str = "bert", seed: int = 0, **changes: Any) -> Path:
    """A random encoder with dropout, 5 blocks, saved in single precision, and a WordPiece tokenizer."""
    dropout = (
        {"dropout": 0.1, "attention_dropout": 0.1}
        if family == "distilbert"
        else {"attention_dropout": 0.1, "embedding_dropout": 0.1}
        if family == "modernbert"
        else {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}
    )
    model = tiny(family, seed=seed, dtype=torch.float32, **{"vocab_size": len(vocabulary()), **dropout, **changes})
    model.save_pretrained(folder)
    BertTokenizer(vocab=vocabulary()).save_pretrained(folder)
    return folder


def sentence_pairs(language: str, count: int, seed: int = 0) -> list[Pair]:
    """English sentences of 3 to 9 words and their translations in another order; two thirds of the words linked."""
    chance = np.random.default_rng([seed, len(language), count])
    pairs = []
    for _ in range(count):
        lemmas = chance.choice(LEMMAS, chance.integers(3, 10), replace=False)
        order = chance.permutation(len(lemmas))
        target = [f"{language}{lemmas[i]}{'ab' * int(chance.integers(2))}" for i in order]
        links = [(int(i), place) for place, i in enumerate(order) if lemmas[i] % 3]
        pairs.append(Pair([f"en{lemma}" for lemma in lemmas], target, links or [(int(order[0]), 0)]))
    return pairs


def make_pairs(folder: Path, languages: Mapping[str, int | list[Pair]] = LANGUAGES) -> Path:
    """A pairs folder with its record; per language a number of made-up pairs, or the pairs themselves."""
    for language, pairs in languages.items():
        with PairsWriter(data_file(folder, "en", language)) as writer:
            writer.write_pairs(sentence_pairs(language, pairs) if isinstance(pairs, int) else pairs)
    write_statistics(folder, {"source": "en", "languages": {language: {} for language in languages}})
    files = {str(name): file_digest(folder / name) for name in folder_files(folder)}
    identity = {"kind": "pairs", "settings": {}, "inputs": {}}
    Record("pairs", {"source": "en"}, identity, [], [], None, {}, files).write(folder)
    return folder
