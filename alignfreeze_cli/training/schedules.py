"""Learning rates over the optimizer steps of a run.

The published code counted micro-batches where it meant optimizer steps (reference: its warm-up then lasts longer and
the rate never falls to zero); here a step is always an optimizer step.
"""

from __future__ import annotations

SCHEDULES = ("constant", "linear")


def factor(schedule: str, step: int, steps: int, warmup: float) -> float:
    """The share of the peak rate at `step` (0-based) of `steps` optimizer steps, between 0 and 1.

    `warmup` is the share of the steps over which the rate rises linearly from 0 (so the very first step of a run with
    warm-up has rate 0, as in `transformers.get_linear_schedule_with_warmup`). Then `constant` stays at the peak and
    `linear` falls to 0, which would be reached at step number `steps`, one after the last.
    """
    rising = int(steps * warmup)
    if step < rising:
        return step / rising
    if schedule == "constant":
        return 1.0
    return max(0.0, (steps - step) / max(1, steps - rising))


LORA_RATE = 3e-4
"""The rate of LoRA where none is given, for every family. The published rates are for training all weights; adapters
begin at zero and need rates some ten times as large (arXiv 2106.09685, table 9: 2e-4 to 5e-4 for RoBERTa)."""


def default_rate(model_type: str, lora: int | None = None) -> float:
    """The peak rate where none is given: the published one, or that of LoRA."""
    return LORA_RATE if lora else published_rate(model_type)


def published_rate(model_type: str) -> float:
    """The published code's peak rate, for realigning and fine-tuning alike: 7.5e-6 for RoBERTa's kin, else 2e-5.

    `model_type` is the configuration's; the published code looked for `roberta` in the model's name.
    """
    return 7.5e-6 if "roberta" in model_type else 2e-5
