"""What a step will take, before anything starts: memory and disk, from its settings and the shape of its model.

    estimate(RealignSettings(model="encoder", pairs=("pairs",)))  ->  Estimate(memory_bytes=…, disk_bytes=…, …)

Nothing is computed and no weight is read; the lines of corpora are counted. Steps with a model are in
`model_estimates.py`; how long one takes, only `measuring.py` tells. docs/performance.md has estimates beside what was
taken. Free of torch, which aligning by a dictionary does without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alignfreeze_cli.aligners.settings import STATISTICAL, AlignPairsSettings
from alignfreeze_cli.pairs.readers import count_lines
from alignfreeze_cli.progress import Console
from alignfreeze_cli.settings import StepSettings

LINKING = 370_000_000
"""Bytes of a process that links words without a model, whatever the text is (docs/performance.md)."""

FITTING = 400_000_000
"""Bytes of the process of a statistical aligner, for 100,000 lines (docs/aligners.md); it takes more for more."""

OF_PAIR = 150
"""Bytes of a pair in a pairs folder."""

LINES = 1_000_000
"""Lines of a language, where neither its files nor `--max-lines` say how many are read: those of OPUS-100."""


@dataclass(frozen=True)
class Estimate:
    """What a step takes.

    `memory_bytes`: the peak of the main memory, all of its processes together; `gpu_bytes`: of a GPU's memory, 0
    without one. `disk_bytes`: what it leaves, `scratch_bytes`: what it needs besides while it runs. `seconds` is None
    unless `measured`: then they and the memory are from ten steps; `measurable`: whether they can be. `assumed`: what
    was taken for granted, in sentences.
    """

    memory_bytes: int
    disk_bytes: int
    scratch_bytes: int = 0
    gpu_bytes: int = 0
    seconds: float | None = None
    measured: bool = False
    measurable: bool = False
    assumed: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As a dry run says it."""
        return {
            "memory-bytes": self.memory_bytes,
            "gpu-bytes": self.gpu_bytes,
            "disk-bytes": self.disk_bytes,
            "scratch-bytes": self.scratch_bytes,
            "seconds": self.seconds,
            "measured": self.measured,
            "measurable": self.measurable,
            "assumed": list(self.assumed),
        }

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Estimate:
        """What `to_dict` says."""
        values = {name.replace("-", "_"): value for name, value in said.items()}
        return cls(**{**values, "assumed": tuple(values["assumed"])})


def estimate(
    settings: StepSettings, model: Path | None = None, threads: int | None = None, console: Console | None = None
) -> Estimate:
    """What a step will take, as far as that is known before its inputs are there: of texts, what is usual is assumed.

    `model`: a folder with the shape of its model (a `config.json` will do), where that of the settings is still to be
    made or fetched. `threads`: on which it will compute (None: as many as here). Raises ArtifactError if there is no
    such folder, SettingsError for a plan that does not fit the model, ValueError for a step that is not known here.
    """
    if isinstance(settings, AlignPairsSettings):
        named = [each for each in (settings.encoder, settings.filter_encoder) if each is not None]
        encoders = [model] if model and len(named) == 1 else [Path(each) for each in named]
        return of_align_pairs(settings, encoders, console)
    from alignfreeze_cli.steps.model_estimates import of_model_step

    return of_model_step(settings, model, threads)


def of_align_pairs(
    settings: AlignPairsSettings, encoders: Sequence[Path] = (), console: Console | None = None
) -> Estimate:
    """Chunks of text are read, linked and written one after the other, so memory does not grow with the text.

    Disk does; the lines are counted if all corpora are files that are there. `encoders`: folders of those that link
    words or compare sentences. Raises DataError for a file that is no corpus.
    """
    memory = LINKING * settings.workers + (FITTING if settings.aligner in STATISTICAL else 0)
    if encoders:
        from alignfreeze_cli.steps.model_estimates import of_encoders  # needs torch

        memory = of_encoders(encoders)
    lines = count_lines(settings, console)
    assumed: tuple[str, ...] = ()
    if lines is None and settings.max_lines is not None:
        lines = settings.max_lines * len(settings.corpus) * len(settings.target)
    elif lines is None:
        lines, assumed = LINES * len(settings.target), (f"{LINES:,} lines of each language.",)
    return Estimate(memory, OF_PAIR * lines, assumed=assumed)
