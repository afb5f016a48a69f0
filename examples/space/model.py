"""What the page asks of the models: the tag of every word, and its vector in every block."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import AutoModelForTokenClassification, AutoTokenizer

LONGEST = 128  # subwords that are read of a sentence, special tokens included


def words_of(text: str) -> list[str]:
    """A sentence cut into words: letters and digits with the marks on them, and every other character by itself.

    Languages written without blanks (Chinese, Japanese, Thai) need blanks between the words.
    """
    words: list[str] = []
    inside = False
    for character in text:
        kind = unicodedata.category(character)
        part = kind[0] in "LNM" or kind in ("Pc", "Cf")
        if part and inside:
            words[-1] += character
        elif not character.isspace():
            words.append(character)
        inside = part
    return words


@dataclass(frozen=True)
class Tagger:
    """A tagger that `alignfreeze finetune` made of an encoder such as XLM-R or mBERT."""

    name: str
    model: Any
    tokenizer: Any

    @classmethod
    def load(cls, name: str, reference: str) -> Tagger:
        """From a folder, or a repository on the Hub, `org/name` or `org/name@revision`."""
        place, _, revision = reference.partition("@")
        given = {"revision": revision} if revision else {}
        model = AutoModelForTokenClassification.from_pretrained(place, **given).eval()
        return cls(name, model, AutoTokenizer.from_pretrained(place, **given))

    @torch.no_grad()
    def read(self, words: list[str]) -> tuple[list[str | None], Tensor]:
        """Tag and vectors of each word: those of its first subword, as in training.

        The vectors have length 1, (layers, words, hidden size), layer 0 being the embeddings. A word that the tokenizer
        has no subword for, or that is beyond the longest sentence, has no tag, and vectors of zeros.
        """
        read = self.tokenizer(words, is_split_into_words=True, truncation=True, max_length=LONGEST, return_tensors="pt")
        pieces, owners = read.tokens(), read.word_ids()
        first: dict[int | None, int] = {}
        for at in sorted(range(len(pieces)), key=lambda at: pieces[at] == "▁"):  # a lone mark of a beginning comes last
            first.setdefault(owners[at], at)
        outputs = self.model(**read, output_hidden_states=True)
        labels = [self.model.config.id2label[best] for best in outputs.logits[0].argmax(-1).tolist()]
        states = torch.stack(outputs.hidden_states)[:, 0]  # (layers, subwords, hidden size)
        vectors = states.new_zeros(states.shape[0], len(words), states.shape[2])
        for number in range(len(words)):
            if number in first:
                vectors[:, number] = F.normalize(states[:, first[number]], dim=-1)
        return [labels[first[number]] if number in first else None for number in range(len(words))], vectors


class Bank:
    """The words among which translations are looked for, each as a tagger reads it in its sentence."""

    def __init__(self, taggers: Iterable[Tagger], sentences: Iterable[str]) -> None:
        """Every word counts once, where it occurs first."""
        cut = [words for sentence in sentences if (words := words_of(sentence))]
        self.words: list[str] = []
        places: list[list[int]] = []  # of each sentence, the words that are new
        seen: set[str] = set()
        for words in cut:
            places.append([])
            for at, word in enumerate(words):
                if word[0].isalpha() and word.casefold() not in seen:
                    seen.add(word.casefold())
                    places[-1].append(at)
                    self.words.append(word)
        self.vectors = {
            tagger.name: torch.cat([tagger.read(words)[1][:, at] for words, at in zip(cut, places, strict=True)], dim=1)
            for tagger in taggers
        }

    def nearest(self, tagger: str, vectors: Tensor) -> list[list[tuple[str, float]]]:
        """For each layer and word of `vectors` the word with the greatest cosine, and that cosine."""
        cosines = vectors @ self.vectors[tagger].transpose(1, 2)  # (layers, words, words of the bank)
        best, at = cosines.max(-1)
        return [
            [(self.words[place], value) for place, value in zip(*layer, strict=True)]
            for layer in zip(at.tolist(), best.tolist(), strict=True)
        ]
