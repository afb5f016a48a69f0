"""What the benchmarks run on: real data where options name it, made-up data (generated.py) where they don't."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import cycle
from pathlib import Path
from typing import Any

from alignfreeze_cli.aligners.settings import AlignPairsSettings
from alignfreeze_cli.encoder.dataset import RealignDataset, build_dataset, language_sources, resolve_pairs
from alignfreeze_cli.encoder.settings import RealignSettings
from alignfreeze_cli.encoder.tokenizers import load_tokenizer
from alignfreeze_cli.pairs.settings import fill
from alignfreeze_cli.progress import Console
from alignfreeze_cli.steps.align_pairs import align_pairs
from benchmarks import generated

MADE_UP_LINES = 4_000  # of each language, where no corpus is given
MADE_UP_SENTENCES = 200  # of each treebank to be scored


@dataclass(frozen=True)
class Options:
    """The command line; see `python -m benchmarks --help`."""

    model: Path | None = None
    shape: str = "minilm"
    corpus: tuple[str, ...] = ()
    dictionary: str | None = None
    targets: tuple[str, ...] = ("aa", "bb", "cc", "dd")
    treebank: tuple[Path, ...] = ()
    train_treebank: Path | None = None
    task_model: Path | None = None
    freeze: str = "front"
    batch_size: int = 16
    steps: int = 20
    finetune_steps: int = 10
    rounds: int = 3
    lines: int = 100_000
    vocabulary: str = "active"
    precisions: tuple[str, ...] = ("fp32", "bf16")
    device: str = "cpu"
    eager: bool = False
    peak_tflops: float | None = None
    seed: int = 31
    top: int = 0
    peers: str = ""
    gold: Path | None = None
    parallel: Path | None = None
    encoder: Path | None = None
    aligners: str = ""
    growth: tuple[str, ...] = ()
    most_lines: int = 1_000_000
    most_sentences: int = 100_000
    images: Path | None = None

    @property
    def precision(self) -> str:
        """The first one, for what is measured in one precision only."""
        return self.precisions[0]

    def wants(self, peer: str, precision: str, common: bool = True) -> bool:
        """Whether a peer is to be measured; one that is not `common` only where `--peers` names it."""
        named = common if not self.peers else re.search(self.peers, peer) is not None
        return named and precision in self.precisions


class Inputs:
    """The inputs of one run of the benchmarks, made when they are first asked for, in a folder that may be deleted."""

    def __init__(self, options: Options, folder: Path) -> None:
        self.options = options
        self.folder = folder

    @cached_property
    def text(self) -> tuple[tuple[str, ...], str]:
        """The corpora and the dictionary, as `align-pairs` takes them."""
        options = self.options
        if options.corpus:
            if options.dictionary is None:
                raise SystemExit("--corpus needs --dictionary")
            return options.corpus, options.dictionary
        corpus, dictionary = generated.write_corpus(
            self.folder / "text", options.targets, MADE_UP_LINES, self.options.seed
        )
        return (corpus,), dictionary

    @cached_property
    def treebanks(self) -> tuple[Path, ...]:
        """CoNLL-U files to score, one per language."""
        if self.options.treebank:
            return self.options.treebank
        paths = tuple(self.folder / "made-up" / f"{target}-test.conllu" for target in self.options.targets)
        for number, path in enumerate(paths):
            generated.write_treebank(path, MADE_UP_SENTENCES, self.options.seed + number)
        return paths

    @cached_property
    def train_treebank(self) -> Path:
        """A CoNLL-U file to learn from."""
        if self.options.train_treebank:
            return self.options.train_treebank
        path = self.folder / "made-up" / "train.conllu"
        generated.write_treebank(path, 2 * 32 * self.options.finetune_steps, self.options.seed - 1)
        return path

    def write_training(self, path: Path, sentences: int, max_length: int) -> int:
        """Write the first so many sentences that fit into `max_length` subwords, repeated if there are fewer.

        Gives their subwords.
        """
        blocks = self.train_treebank.read_text(encoding="utf-8").strip().split("\n\n")
        tokenizer = load_tokenizer(self.encoder)
        kept, tokens = [], 0
        for block in cycle(blocks):
            rows = [line.split("\t") for line in block.split("\n") if line[:1].isdigit()]
            words = [row[1] for row in rows if row[0].isdigit()]
            length = len(tokenizer(words, is_split_into_words=True)["input_ids"])
            if length <= max_length:
                kept.append(f"{block}\n\n")
                tokens += length
            if len(kept) == sentences:
                break
        path.write_text("".join(kept), encoding="utf-8")
        return tokens

    @cached_property
    def encoder(self) -> Path:
        """The folder of an encoder."""
        if self.options.model is not None:
            return self.options.model
        folder = self.folder / "encoder"
        generated.write_encoder(folder, self.options.shape, self._all_text(), self.options.seed)
        return folder

    @cached_property
    def pairs(self) -> Path:
        """A pairs folder."""
        corpora, dictionary = self.text
        settings = AlignPairsSettings(
            target=self.options.targets,
            corpus=corpora,
            dictionary=dictionary,
            words="published",
            output=self.folder / "pairs",
        )
        return align_pairs(settings, Console()).path

    def realign_settings(self, steps: int, **more: Any) -> RealignSettings:
        """Settings of a realignment of so many steps, without what is not a step."""
        options = self.options
        settings: dict[str, Any] = {
            "model": str(self.encoder),
            "pairs": (str(self.pairs),),
            "freeze": options.freeze,
            "steps": steps,
            "batch_size": options.batch_size,
            "vocabulary": options.vocabulary,
            "precision": options.precision,
            "device": options.device,
            "eager": options.eager,
            "seed": options.seed,
            "probe_pairs": 0,
            "checkpoint_every": 0,
            "output": self.folder / "realigned",
        }
        return RealignSettings(**{**settings, **more})

    def dataset(self, settings: RealignSettings) -> RealignDataset:
        """The pairs that a realignment with these settings draws, step by step."""
        sources = language_sources(resolve_pairs(settings.pairs), settings.targets)
        return build_dataset(settings, sources, load_tokenizer(self.encoder), processes=1, console=Console())

    def drawn_subwords(self, steps: int) -> int:
        """Subwords of the pairs that a realignment of so many steps draws."""
        dataset = self.dataset(self.realign_settings(steps))
        sides = [
            (side, number)
            for step in range(steps)
            for drawn in dataset.drawn(step)
            for side, number in ((drawn.pairs.source, drawn.source), (drawn.pairs.target, drawn.target))
        ]
        return sum(int(side.ids_at[number + 1] - side.ids_at[number]) for side, number in sides)

    def corpus_files(self, target: str) -> list[Path]:
        """The files of one language."""
        return [Path(fill(pattern, "en", target)) for pattern in self.text[0]]

    def _all_text(self) -> Iterator[str]:
        for target in self.options.targets:
            for path in self.corpus_files(target):
                yield from path.read_text(encoding="utf-8").split("\n")
        for path in (*self.treebanks, self.train_treebank):
            rows = (line.split("\t") for line in path.read_text(encoding="utf-8").split("\n"))
            yield from (columns[1] for columns in rows if columns[0].isdigit())


def describe(encoder: Any) -> str:
    """An encoder in a few words."""
    config = encoder.config
    size = f"{config.num_hidden_layers} blocks, {config.hidden_size} wide"
    return f"{config.model_type}, {size}, vocabulary {config.vocab_size:,}"
