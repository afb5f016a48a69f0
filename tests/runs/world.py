"""A world small enough to run every step in a second: three languages word by word, and a random encoder."""

from __future__ import annotations

import random
from pathlib import Path

from tests.support.models import save_bert

WORDS = {
    "DET": ["the", "a"],
    "NOUN": ["cat", "dog", "house", "tree", "river", "stone"],
    "VERB": ["sees", "likes", "finds", "takes"],
    "ADJ": ["old", "red", "small"],
}
SOURCE, TARGETS = "en", ("xx", "yy")


def other(word: str, language: str) -> str:
    """The word of another language: spelt backwards, with the language's ending."""
    return word if language == SOURCE else word[::-1] + language[0]


def sentences(seed: int, count: int) -> list[list[tuple[str, str]]]:
    draw = random.Random(seed)
    pattern = ("DET", "ADJ", "NOUN", "VERB", "DET", "NOUN")
    return [[(draw.choice(WORDS[tag]), tag) for tag in pattern] for _ in range(count)]


def make(folder: Path) -> Path:
    """Write `encoder/`, `text/`, `dictionaries/` and `treebanks/` below a folder."""
    for name in ("text", "dictionaries", "treebanks"):
        (folder / name).mkdir(parents=True)
    words = sorted({word for tagged in WORDS.values() for word in tagged})
    for target in TARGETS:
        pairs = [" ".join(w for w, _ in s) + "\t" + " ".join(other(w, target) for w, _ in s) for s in sentences(1, 60)]
        (folder / "text" / f"en-{target}.tsv").write_text("\n".join(pairs) + "\n", encoding="utf-8")
        entries = [(word, other(word, target)) for word in words]
        for name, columns in ((f"en-{target}", (0, 1)), (f"{target}-en", (1, 0))):
            lines = "".join(f"{entry[columns[0]]} {entry[columns[1]]}\n" for entry in entries)
            (folder / "dictionaries" / f"{name}.txt").write_text(lines, encoding="utf-8")
    _treebank(folder / "treebanks" / "en-train.conllu", SOURCE, seed=2, count=40)
    for language in (SOURCE, *TARGETS):
        _treebank(folder / "treebanks" / f"{language}-test.conllu", language, seed=3, count=8)
    save_bert(folder / "encoder", [other(word, language) for language in (SOURCE, *TARGETS) for word in words])
    return folder


def _treebank(path: Path, language: str, seed: int, count: int) -> None:
    blocks = []
    for number, sentence in enumerate(sentences(seed, count), 1):
        lines = [f"# sent_id = {language}-{number}"]
        for place, (word, tag) in enumerate(sentence, 1):
            lines.append("\t".join([str(place), other(word, language), "_", tag, *["_"] * 6]))
        blocks.append("\n".join(lines) + "\n\n")
    path.write_text("".join(blocks), encoding="utf-8")


RECIPE = """\
# A tiny recipe: every strategy, a few steps each.
model: '{data}/encoder'
name: tiny
data: DATA
source: en
targets: [xx, yy]
seeds: [0, 1]
threads: 1
controls: [shuffled-links]
align-pairs:
  corpus: '{data}/text/{source}-{target}.tsv'
  dictionary: '{data}/dictionaries/{source}-{target}.txt'
realign: {steps: 3, batch-size: 4, learning-rate: 1e-3, probe-pairs: 4, projection: 8}
finetune: {steps: 3, batch-size: 8, learning-rate: 1e-3, train: '{data}/treebanks/en-train.conllu'}
evaluate: {data: '{data}/treebanks/{language}-test.conllu'}
strategies:
  baseline: {realign: false}
  front: {freeze: front}
  shuffled-links: {realign: {freeze: none, links: shuffled}}
"""


def recipe(folder: Path, data: Path, text: str = RECIPE, name: str = "tiny.yaml") -> Path:
    """Write a recipe file that runs on the world in `data`."""
    path = folder / name
    path.write_text(text.replace("DATA", str(data)), encoding="utf-8")
    return path
