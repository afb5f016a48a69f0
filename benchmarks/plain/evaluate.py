"""Scoring a part-of-speech tagger, written for clarity.

Sentences in the order of the file, 32 at a time, padded to the longest; every word is looked at by itself. Scoring as
in ours: multi-word tokens and empty nodes are no words, a word is judged at its first subword, a sentence that is too
long for the model is cut between words, a word without subwords counts as wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

BATCH = 32


@dataclass(frozen=True)
class Score:
    """Rightly tagged words, all words, subwords of text, and positions computed for them."""

    right: int
    words: int
    tokens: int
    computed: int

    @property
    def accuracy(self) -> float:
        return self.right / self.words


def read_treebank(path: Path) -> list[tuple[list[str], list[str]]]:
    """The words and tags of every sentence of a CoNLL-U file."""
    sentences = []
    words: list[str] = []
    tags: list[str] = []
    for line in path.read_text(encoding="utf-8").split("\n"):
        if line.startswith("#"):
            continue
        columns = line.split("\t")
        if columns[0].isdigit():
            words.append(columns[1])
            tags.append(columns[3])
        elif not line.strip() and words:
            sentences.append((words, tags))
            words, tags = [], []
    return sentences


def cut(words: list[str], tags: list[str], tokenizer: Any, max_length: int) -> list[tuple[list[str], list[str]]]:
    """A sentence in as many parts as needed for each to fit into `max_length` subwords, cut between words."""
    if len(tokenizer(words, is_split_into_words=True)["input_ids"]) <= max_length:
        return [(words, tags)]
    fits = len(words) - 1
    while fits > 1 and len(tokenizer(words[:fits], is_split_into_words=True)["input_ids"]) > max_length:
        fits -= 1
    return [(words[:fits], tags[:fits]), *cut(words[fits:], tags[fits:], tokenizer, max_length)]


@torch.no_grad()
def evaluate(model: Any, tokenizer: Any, labels: Sequence[str], path: Path, max_length: int = 128) -> Score:
    """Tag a treebank and count."""
    device = next(model.parameters()).device
    parts = []
    for words, tags in read_treebank(path):
        parts += cut(words, tags, tokenizer, max_length)
    right = total = tokens = computed = 0
    for begin in range(0, len(parts), BATCH):
        batch = parts[begin : begin + BATCH]
        encoded = tokenizer(
            [words for words, _ in batch],
            is_split_into_words=True,
            padding=True,
            truncation=True,
            max_length=max_length,
            return_tensors="pt",
        )
        logits = model(**encoded.to(device)).logits  # (sentences, longest, labels)
        predicted = logits.argmax(-1).cpu()
        for row, (words, tags) in enumerate(batch):
            pieces, owners = encoded.tokens(row), [*encoded.word_ids(row), None]
            last = None
            for position, word in enumerate(owners):
                if word is not None and word != last:
                    last = word
                    if pieces[position] == "▁" and owners[position + 1] == word:
                        position += 1  # the mark of a word's beginning, alone: the word itself stands after it
                    right += labels[predicted[row, position]] == tags[word]
            total += len(words)
        tokens += int(encoded["attention_mask"].sum())
        computed += encoded["input_ids"].numel()
    return Score(right, total, tokens, computed)


def main(arguments: Sequence[str] | None = None) -> None:
    """Tag the treebanks and print, for each, its words and the share of them that is tagged rightly."""
    import argparse
    import json

    from transformers import AutoModelForTokenClassification, AutoTokenizer

    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("treebanks", nargs="+", type=Path)
    given = parser.parse_args(arguments)
    tokenizer = AutoTokenizer.from_pretrained(given.model)
    model = AutoModelForTokenClassification.from_pretrained(given.model, dtype=torch.float32).eval()
    labels = [model.config.id2label[number] for number in range(model.config.num_labels)]
    scores = {str(path): evaluate(model, tokenizer, labels, path) for path in given.treebanks}
    print(json.dumps({path: {"words": score.words, "accuracy": score.accuracy} for path, score in scores.items()}))


if __name__ == "__main__":
    main()
