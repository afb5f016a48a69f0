"""Small treebanks, a tiny encoder whose vocabulary fits them, and shorthands to run the two steps on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from alignfreeze_cli.artifacts import Result
from alignfreeze_cli.progress import Console
from alignfreeze_cli.steps.evaluate import evaluate
from alignfreeze_cli.steps.finetune import finetune
from alignfreeze_cli.tasks.settings import EvaluateSettings, FinetuneSettings
from tests.support.models import save_bert

LEXICON = {
    "the": "DET",
    "cat": "NOUN",
    "dog": "NOUN",
    "river": "NOUN",
    "sees": "VERB",
    "finds": "VERB",
    "red": "ADJ",
    ".": "PUNCT",
}


def conllu(sentences: Sequence[Sequence[tuple[str, str]]]) -> str:
    """CoNLL-U text of sentences given as (form, tag)."""
    blocks = []
    for number, words in enumerate(sentences, 1):
        lines = [f"# sent_id = s{number}"]
        lines += [f"{place}\t{form}\t_\t{tag}" + "\t_" * 6 for place, (form, tag) in enumerate(words, 1)]
        blocks.append("\n".join(lines) + "\n\n")
    return "".join(blocks)


def sentences(count: int, seed: int = 0, suffix: str = "") -> list[list[tuple[str, str]]]:
    """Random sentences of 1 to 12 words; `suffix` makes another language of them."""
    draw = torch.Generator().manual_seed(seed)
    words = list(LEXICON.items())
    found = []
    for _ in range(count):
        length = int(torch.randint(1, 13, (), generator=draw))
        numbers = torch.randint(len(words), (length,), generator=draw).tolist()
        found.append([(words[n][0] + suffix, words[n][1]) for n in numbers])
    return found


def make_world(folder: Path) -> Path:
    """`encoder/`, `train.conllu`, and test treebanks of en, xx (other words) and yy."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "train.conllu").write_text(conllu(sentences(41, 1)), encoding="utf-8")
    for seed, (language, suffix) in enumerate({"en": "", "xx": "x", "yy": "y"}.items(), 2):
        text = conllu(sentences(9, seed, suffix))
        (folder / f"{language}_tiny-ud-test.conllu").write_text(text, encoding="utf-8")
    make_encoder(folder / "encoder")
    return folder


def make_encoder(folder: Path) -> Path:
    """A random BERT of 4 blocks with dropout, whose words may take a suffix as a second subword."""
    return save_bert(folder, [*LEXICON, "##x", "##y"], max_position_embeddings=64, intermediate_size=24)


def train(world: Path, name: str = "pos", console: Console | None = None, **changes: Any) -> Result:
    """Fine-tune in a world; the result lies in `world / name`."""
    given: dict[str, Any] = {
        "model": str(world / "encoder"),
        "task": "pos",
        "train": str(world / "train.conllu"),
        "steps": 4,
        "batch_size": 8,
        "learning_rate": 1e-2,
        "max_length": 24,
        "device": "cpu",
        "output": world / name,
        **changes,
    }
    return finetune(FinetuneSettings(**given), console or Console())


def score(world: Path, name: str = "scores", console: Console | None = None, **changes: Any) -> Result:
    """Evaluate the model of `train` in a world; the result lies in `world / name`."""
    given: dict[str, Any] = {
        "model": str(world / "pos"),
        "languages": ("en", "xx", "yy"),
        "data": str(world / "{language}_*-ud-test.conllu"),
        "max_length": 24,
        "device": "cpu",
        "output": world / name,
        **changes,
    }
    return evaluate(EvaluateSettings(**given), console or Console())
