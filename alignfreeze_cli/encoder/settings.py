"""Settings of `realign`. Free of torch, so that `alignfreeze --help` stays quick."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from alignfreeze_cli.encoder.freezing import WORDS, plan_complaint
from alignfreeze_cli.pairs.settings import KNOWN_LANGUAGES
from alignfreeze_cli.settings import StepSettings, nearest, setting

WORDS_WITH_BLANKS = "words carry the blank before them, which Gemma-like tokenizers need"
"""A change of all steps that encode words (`StepSettings.changes`)."""

DEFAULT_STEPS = 1965
"""Realignment steps behind the published part-of-speech results of mBERT and DistilMBERT: one pass over their pairs."""

BLOCKS = ("last-but-one", "middle", "last")
SAMPLINGS = ("round-robin", "published", "proportional")
DEVICES = ("auto", "cpu", "cuda", "mps")

TRAINED, TRAINING, COMPUTING = "What is trained", "Training", "Computing"
"""Headings in the help of realign and finetune."""
_PAIRS, _LOSS = "Encoder and pairs", "Loss and batches"


def _block_complaint(block: str) -> str | None:
    if block in BLOCKS or block.isdecimal():
        return None
    return f"must be last-but-one, middle, last or the number of a block, counted from 0, not {block!r}"


LORA_OPTIONS = ("lora", "keep_adapter")


def lora_setting() -> Any:
    """The setting `lora` of realign and finetune."""
    return setting(
        None,
        minimum=0,
        metavar="RANK",
        panel=TRAINED,
        help="Train LoRA adapters of this rank in the unfrozen blocks instead of all weights, merged into them at the "
        "end; the embeddings are frozen. 0: no LoRA.",
    )


def keep_adapter_setting() -> Any:
    """The setting `keep_adapter` of realign and finetune."""
    return setting(
        False, panel=TRAINED, help="With --lora: also keep the adapters by themselves, in adapter in the output."
    )


def precision_setting(of: str, default: str = "fp32", panel: str | None = None) -> Any:
    """The setting `precision` of the steps that compute with a model."""
    return setting(
        default,
        choices=("fp32", "bf16", "auto"),
        panel=panel,
        help=f"Arithmetic of {of}; weights are kept in fp32. auto: bf16 where the hardware multiplies it (CUDA, "
        "processors with AMX or AVX512-BF16), else fp32; another machine may answer otherwise.",
    )


def device_setting(panel: str | None = None) -> Any:
    """The setting `device` of the steps that compute with a model."""
    return setting(
        "auto",
        check=_device_complaint,
        suggested=DEVICES,
        panel=panel,
        result=False,
        metavar="DEVICE",
        help="Where to compute: auto, cpu, cuda, cuda:1 (the second GPU), mps (a Mac's GPU).",
    )


def eager_setting() -> Any:
    """The setting `eager` of realign and finetune."""
    return setting(
        False,
        panel=COMPUTING,
        result=False,
        help="On a GPU, compute every step anew instead of playing steps of a known shape from a recording (CUDA "
        "graphs). The weights are the same; in bf16 it takes two to three times as long.",
    )


def _device_complaint(name: str) -> str | None:
    if re.fullmatch(r"auto|cpu|mps|cuda(:\d{1,3})?", name):
        return None
    return f"must be auto, cpu, cuda, cuda:NUMBER or mps, not {name!r}" + nearest(name, DEVICES)


def lora_complaints(settings: Any) -> list[str]:
    """What is wrong with the two settings together."""
    return ["--keep-adapter goes with --lora"] if settings.keep_adapter and not settings.lora else []


def _save_at_complaint(values: tuple[str, ...]) -> str | None:
    steps = [int(value) for value in values if value.isdecimal()]
    if len(steps) < len(values) or not all(before < after for before, after in pairwise([0, *steps])):
        return f"must be numbers of steps from 1 on, in ascending order, not {','.join(values)}"
    return None


@dataclass(frozen=True, kw_only=True)
class RealignSettings(StepSettings):
    """Encoder + pairs → encoder.

    Where a default differs from the paper's code: docs/differences-from-the-published-code.md.
    """

    changes = (WORDS_WITH_BLANKS, "pairs equal to a held-out one are not trained on")
    measurable = True

    model: str = setting(
        input=True, short="-m", panel=_PAIRS, help="Encoder to realign: a folder, or org/name[@revision] on the Hub."
    )
    pairs: tuple[str, ...] = setting(
        (),
        input=True,
        panel=_PAIRS,
        help="Pairs folders, made by `align-pairs`; several are joined. On the command line they may be left out: then "
        "they are made from OPUS-100 and the MUSE dictionaries (the paper's 34 languages, 100,000 lines of each), in "
        "opus-100-pairs beside the output.",
    )
    targets: tuple[str, ...] = setting(
        (),
        suggested=KNOWN_LANGUAGES,
        panel=_PAIRS,
        help="Target languages to use, in the order in which they take turns. [default: all, as the folders list them]",
    )
    freeze: str = setting(
        "front",
        check=plan_complaint,
        suggested=WORDS,
        metavar="PLAN",
        panel=TRAINED,
        help="What is frozen: none, front (lower half), back (upper half), even, odd, embeddings, blocks by number "
        "from 0 (0-5), all-but:11, or several with commas.",
    )
    steps: int | None = setting(
        None,
        minimum=1,
        panel=TRAINING,
        help=f"Optimizer steps. [default: {DEFAULT_STEPS}, as for the paper's PoS, unless --epochs is given]",
    )
    epochs: float | None = setting(
        None, minimum=0.0, above=True, panel=TRAINING, help="Length as passes over the pairs, instead of --steps."
    )
    save_at: tuple[str, ...] = setting(
        (),
        check=_save_at_complaint,
        metavar="N,N,…",
        panel=TRAINING,
        help="Also keep the encoder after so many steps, fewer than the run has: steps-N in the output is what a run "
        "of N steps would have made.",
    )
    batch_size: int = setting(16, minimum=1, panel=_LOSS, help="Sentence pairs per step, all processes together.")
    batch_tokens: int | None = setting(
        None,
        minimum=8,
        panel=COMPUTING,
        help="Subwords whose intermediate results are kept for the gradient: a batch that has more is encoded in "
        "parts, each of them twice. The loss is that of the whole batch, but dropout draws other random numbers. "
        "[default: 16384 on a CPU, 65536 on a GPU]",
    )
    learning_rate: float | None = setting(
        None,
        minimum=0.0,
        above=True,
        panel=TRAINING,
        help="Constant learning rate. [default: 7.5e-6 for RoBERTa-like encoders, else 2e-5; with --lora 3e-4]",
    )
    lora: int | None = lora_setting()
    keep_adapter: bool = keep_adapter_setting()
    temperature: float = setting(0.1, minimum=0.0, above=True, panel=_LOSS, help="Temperature of the contrastive loss.")
    projection: int = setting(
        128,
        minimum=0,
        panel=_LOSS,
        help="Width of the projection head between word vectors and loss; it is not kept. 0: none.",
    )
    block: str = setting(
        "last-but-one",
        check=_block_complaint,
        suggested=BLOCKS,
        panel=_LOSS,
        help="Block whose output the loss reads: last-but-one (as published), middle, last, or its number from 0; "
        "blocks above it are never trained.",
    )
    pooling: str | None = setting(
        None,
        choices=("first", "last", "mean"),
        panel=_LOSS,
        help="A word's vector: of its first subword, of its last, or the mean of all. [default: first; last for "
        "decoder-only models]",
    )
    negatives: str = setting(
        "all",
        choices=("all", "other-language"),
        panel=_LOSS,
        help="Negatives of a word: all other words of the batch, or those of the other language.",
    )
    sampling: str = setting(
        "round-robin",
        choices=SAMPLINGS,
        panel=_LOSS,
        help="How languages take turns. round-robin: one pair each; a language that runs out starts again in a new "
        "order. published: the paper's stream, which ends when one language runs out, and repeats. proportional: by "
        "their pairs.",
    )
    links: str = setting(
        "given",
        choices=("given", "shuffled"),
        panel=_LOSS,
        help="given: the links as they are. shuffled: a control that links the words of one pair to those of another.",
    )
    lone_pieces: str = setting(
        "keep",
        choices=("keep", "delete"),
        panel=_LOSS,
        help="A word-boundary mark that is a subword of its own (XLM-R's lone ▁): keep it as input but read the "
        "subword after it, or delete it, as published.",
    )
    max_length: int = setting(96, minimum=4, panel=TRAINING, help="Subwords per sentence, special tokens included.")
    vocabulary: str = setting(
        "active",
        choices=("active", "full"),
        result=False,
        panel=TRAINED,
        help="Train only the embeddings of subwords that occur in the pairs, or all: the result is the same, active "
        "needs less memory and time.",
    )
    precision: str = precision_setting("forward and backward passes", panel=COMPUTING)
    eager: bool = eager_setting()
    seed: int = setting(
        31,
        minimum=0,
        panel=TRAINING,
        help="Decides the order of the pairs, dropout, the projection head and the held-out pairs.",
    )
    probe_pairs: int = setting(
        100,
        minimum=0,
        panel=TRAINING,
        help="Pairs per language held out for the retrieval probe, at most a tenth of the usable; 0: none.",
    )
    probe_every: int = setting(
        0,
        minimum=0,
        metavar="N",
        panel=TRAINING,
        help="Also probe every N steps of training, for a curve of retrieval on the card; what is trained stays the "
        "same. 0: only before and after.",
    )
    checkpoint_every: int = setting(
        250,
        minimum=0,
        result=False,
        panel=COMPUTING,
        help="Steps between checkpoints for --resume; 0: only when interrupted.",
    )
    device: str = device_setting(COMPUTING)
    tracker: tuple[str, ...] = setting(
        (), choices=("tensorboard", "wandb"), result=False, panel=COMPUTING, help="Also report to tensorboard or wandb."
    )

    def conflicts(self) -> list[str]:
        found = []
        if self.steps is not None and self.epochs is not None:
            found.append("--steps and --epochs cannot both be given")
        found += lora_complaints(self)
        if self.probe_every and not self.probe_pairs:
            found.append("--probe-every needs held-out pairs, of which --probe-pairs 0 leaves none")
        if self.epochs is None:
            found += self.length_complaints(self.steps or DEFAULT_STEPS)
        return found

    @property
    def length(self) -> int | None:
        """Optimizer steps; None where `epochs` says how many."""
        return self.steps or (None if self.epochs else DEFAULT_STEPS)

    @property
    def save_steps(self) -> tuple[int, ...]:
        """The steps of `save_at` as numbers."""
        return tuple(int(steps) for steps in self.save_at)

    def probe_steps(self, steps: int) -> range:
        """When to probe within a run of so many steps; before and after it is probed in any case."""
        return range(self.probe_every, steps, self.probe_every) if self.probe_every else range(0)

    def length_complaints(self, steps: int) -> list[str]:
        """What does not fit a run of so many steps."""
        latest = {} if _save_at_complaint(self.save_at) else {"save-at": max(self.save_steps, default=0)}
        latest["probe-every"] = self.probe_every
        return [f"--{key} {n} must be below the {steps} steps of the run" for key, n in latest.items() if n >= steps]

    def left_out(self, name: str) -> bool:
        unused = ("save_at", "probe_every", "batch_tokens", "eager", *LORA_OPTIONS)
        return name in unused and not getattr(self, name)
