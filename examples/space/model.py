"""What the page asks of the models: the tag of every word, and its vector in every block."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import hf_hub_download
from torch import Tensor
from torch.nn import functional as F
from transformers import AutoModelForTokenClassification, AutoTokenizer

LONGEST = 128  # subwords that are read of a sentence, special tokens included
RECORD = "alignfreeze.json"


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
class Reading:
    """How a tagger was trained to read words, as its record has it.

    `blanks`: its tokenizer needs a blank before each word. `delete`: a subword that is only `▁` is left out. `last`: a
    word is read at its last subword, not at its first.
    """

    blanks: bool
    delete: bool
    last: bool

    @classmethod
    def of(cls, record: dict[str, Any]) -> Reading:
        """Raises ValueError for a record that does not say it."""
        details = record.get("details", {})
        if "word-blanks" not in details:
            raise ValueError("its record does not say how words are read; make it with this version of alignfreeze")
        options = details["options"]
        lone = details["lone-pieces"] and options.get("lone_pieces") == "delete"
        return cls(details["word-blanks"], lone, options.get("label_subword") == "last")


@dataclass(frozen=True)
class Tagger:
    """A tagger that `alignfreeze finetune` made."""

    name: str
    model: Any
    tokenizer: Any
    reading: Reading

    @classmethod
    def load(cls, name: str, reference: str) -> Tagger:
        """From a folder, or a repository on the Hub, `org/name` or `org/name@revision`.

        Raises ValueError for one whose record does not say how words are read.
        """
        place, given = reference, {}
        if not Path(reference).is_dir():  # the name of a folder may hold an @
            place, _, revision = reference.partition("@")
            given = {"revision": revision} if revision else {}
        file = Path(place) / RECORD if Path(place).is_dir() else Path(hf_hub_download(place, RECORD, **given))
        try:
            reading = Reading.of(json.loads(file.read_text(encoding="utf-8")))
        except ValueError as error:
            raise ValueError(f"{reference}: {error}") from error
        model = AutoModelForTokenClassification.from_pretrained(place, **given).eval()
        return cls(name, model, AutoTokenizer.from_pretrained(place, **given), reading)

    @torch.no_grad()
    def read(self, words: list[str]) -> tuple[list[str | None], Tensor]:
        """Tag and vectors of each word, at the subword where it was read in training.

        The vectors have length 1, (layers, words, hidden size), layer 0 being the embeddings. A word that the tokenizer
        has no subword for, or that is beyond the longest sentence, has no tag, and vectors of zeros.
        """
        texts = [" " + word for word in words] if self.reading.blanks else words
        read = self.tokenizer(texts, is_split_into_words=True, truncation=True, max_length=LONGEST, return_tensors="pt")
        kept = [at for at, piece in enumerate(read.tokens()) if piece != "▁" or not self.reading.delete]
        pieces, owners = [read.tokens()[at] for at in kept], [read.word_ids()[at] for at in kept]
        place: dict[int | None, int] = {}  # of each word
        if self.reading.last:
            place = {owner: at for at, owner in enumerate(owners)}
        else:
            for at in sorted(range(len(pieces)), key=lambda at: pieces[at] == "▁"):  # one by itself says nothing
                place.setdefault(owners[at], at)
        outputs = self.model(**{key: ids[:, kept] for key, ids in read.items()}, output_hidden_states=True)
        labels = [self.model.config.id2label[best] for best in outputs.logits[0].argmax(-1).tolist()]
        states = torch.stack(outputs.hidden_states)[:, 0]  # (layers, subwords, hidden size)
        vectors = states.new_zeros(states.shape[0], len(words), states.shape[2])
        for number in range(len(words)):
            if number in place:
                vectors[:, number] = F.normalize(states[:, place[number]], dim=-1)
        return [labels[place[number]] if number in place else None for number in range(len(words))], vectors


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
