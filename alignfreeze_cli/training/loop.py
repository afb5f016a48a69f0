"""The training loop of realign and finetune.

A step is a pure function of (seed, step, state): the random numbers are seeded anew from (seed, step, process) before
every step and the batches are a function of the step, so a checkpoint is the trained weights, the optimizer's tensors
and a number, and a resumed run is the same run: on a CPU with the same number of threads bit for bit, which is tested;
on a GPU some of torch's kernels add in an order of their own.

An optimizer step may be made of several micro-batches on several processes. The objective returns the *sum* of its
loss terms over a micro-batch, and the sum over all of them is divided by their total weight, so neither the number of
micro-batches nor that of processes changes the result. A loss may have several parts (a task and realignment), each
with a weight of its own. Devices, bf16, `torchrun` and trackers come from `accelerate`.
"""

from __future__ import annotations

import hashlib
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import (
    InitProcessGroupKwargs,
    is_tensorboard_available,
    is_wandb_available,
    recursively_apply,
    send_to_device,
)
from torch import Tensor, nn

from alignfreeze_cli.errors import AlignFreezeError, Interrupted, SettingsError
from alignfreeze_cli.progress import Console
from alignfreeze_cli.signals import handled
from alignfreeze_cli.training import checkpoints
from alignfreeze_cli.training.beginning import current_beginning
from alignfreeze_cli.training.devices import pick_device
from alignfreeze_cli.training.metrics import Metrics

LOG_EVERY = 10  # steps; also the window of the first and the last loss
TRACKERS = {"tensorboard": is_tensorboard_available, "wandb": is_wandb_available}


@dataclass(frozen=True)
class LoopSettings:
    """What the loop itself needs to know."""

    steps: int  # optimizer steps
    learning_rate: float  # the peak
    seed: int = 31
    checkpoint_every: int = 0  # steps; 0: only when interrupted
    warmup: float = 0.0  # share of the steps over which the rate rises from 0
    schedule: str = "constant"  # or "linear": falls to 0
    parts: tuple[tuple[str, float], ...] = (("loss", 1.0),)  # parts of the loss: their names and coefficients


@dataclass
class MicroBatch:
    """What one process computes at once: the objective's input and what the loop must know of it."""

    inputs: Any  # tensors in dicts, lists or tuples
    weight: float | tuple[float, ...]  # number of loss terms that the objective sums up over it; if parts: of each
    tokens: int  # subwords of text in it
    computed: int  # positions computed for it, padding included


@dataclass
class Progress:
    """What a checkpoint remembers beside the tensors."""

    first: list[list[float]] = field(default_factory=list)  # of the first steps, the mean of every part of the loss
    recent: list[list[float]] = field(default_factory=list)  # likewise of the last steps
    since_log: int = 0  # steps since the last row of metrics
    tokens: int = 0
    computed: int = 0

    @classmethod
    def of(cls, checkpoint: checkpoints.Checkpoint, parts: int) -> Progress:
        """What a checkpoint remembers; AlignFreezeError if that is not what this version writes."""
        found = checkpoint.progress
        losses: list[Any] = [found.get(name) for name in ("first", "recent")]
        counts: list[Any] = [found.get(name) for name in ("since_log", "tokens", "computed")]
        if (
            len(found) != len(losses) + len(counts)
            or not all(type(count) is int and count >= 0 for count in counts)
            or not all(isinstance(rows, list) and all(map(partial(_are_numbers, parts), rows)) for rows in losses)
        ):
            raise AlignFreezeError(
                f"{checkpoint.path} does not say how far the training was; start anew with --overwrite."
            )
        return cls(*losses, *counts)

    def add(self, losses: list[list[float]]) -> None:
        self.first = (self.first + losses)[:LOG_EVERY]
        self.recent = (self.recent + losses)[-LOG_EVERY:]
        self.since_log += len(losses)


@dataclass(frozen=True)
class Training:
    """What is worth recording of a finished training."""

    steps: int
    resumed_from: int  # step of the checkpoint this process started from, 0 without one
    first_loss: float  # mean over the first 10 steps
    last_loss: float  # mean over the last 10 steps
    parts: dict[str, tuple[float, float]]  # the same of every part of the loss, without its coefficient
    tokens_per_second: float  # of this process's own run, all processes together
    padding: float  # share of computed positions that are padding


Objective = Callable[[nn.Module, Any], Tensor]


def demand_available(device: str, trackers: tuple[str, ...] = ()) -> torch.device:
    """The device that a training would run on.

    Steps ask before they do anything, also in a dry run. Raises SettingsError for a device that is not there, or a
    tracker whose package is missing.
    """
    for name in trackers:
        if not TRACKERS[name]():
            raise SettingsError(f"--tracker {name}: the package is missing; pip install 'alignfreeze[trackers]'.")
    chosen = pick_device(device)
    if device.startswith("cuda:") and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise SettingsError(f"--device {device}: with several processes each has a GPU of its own; use cuda.")
    return chosen


def open_accelerator(
    output: Path,
    device: str = "auto",
    precision: str = "fp32",
    trackers: tuple[str, ...] = (),
    config: Mapping[str, Any] = MappingProxyType({}),
) -> Accelerator:
    """The devices, processes and trackers of a run that makes `output`; under `torchrun` every process calls this.

    `precision` is fp32, or bf16 for autocast: weights and optimizer stay in fp32. Trackers get the settings in
    `config`; TensorBoard's files go to the folder `tensorboard` beside the output, which holds results only.

    Raises SettingsError as `demand_available` does.
    """
    chosen = demand_available(device, trackers)
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)  # accelerate takes the current one
    # accelerate keeps one state per process and refuses a second precision; steps run one after another here.
    AcceleratorState._reset_state(reset_partial_state=True)
    accelerator = Accelerator(
        cpu=chosen.type == "cpu",
        mixed_precision="bf16" if precision == "bf16" else "no",
        log_with=list(trackers) or None,
        project_dir=output.parent / "tensorboard",
        # The others wait while the main process encodes pairs or probes, which may take longer than the usual minutes.
        kwargs_handlers=[InitProcessGroupKwargs(timeout=timedelta(hours=12))],
    )
    if trackers:
        accelerator.init_trackers(output.name, config={key: str(value) for key, value in config.items()})
    return accelerator


def train(
    model: nn.Module,
    objective: Objective,
    batches: Callable[[int], list[MicroBatch]],
    settings: LoopSettings,
    store: Path,
    console: Console,
    metrics: Metrics,
    accelerator: Accelerator,
    at: Mapping[int, Callable[[Training], None]] = MappingProxyType({}),
) -> Training:
    """Train the parameters of `model` that require gradients, in place, for `settings.steps` optimizer steps.

    `objective(model, inputs)` returns the sum of the loss terms over a micro-batch, a scalar, or (parts,) if the loss
    has several: it is the sum of `settings.parts`, each divided by its total weight and times its coefficient.
    `batches(step)` returns this process's micro-batches of a step (0-based) and must depend on nothing else: it runs
    ahead, in a thread.
    Checkpoints go to the folder `store` (`work.checkpoints`); a complete one found there is continued. They are left
    there at the end: `OutputFolder` removes them once the result is written.
    `at[n]` is called when n steps are done, in every process, with what a training of n steps gives, and must leave
    model and random state as they are. It is called before the checkpoint of that step is written, and again by a run
    that resumes from an earlier one.

    Optimizer: Adam as in the published code (betas 0.9 and 0.999, eps 1e-8, no weight decay, no clipping), fused.

    Raises Interrupted after SIGINT or SIGTERM, once the running step is finished and saved (a second SIGINT: at once),
    AlignFreezeError when the loss is no longer a number, OSError when a checkpoint cannot be written.
    """
    if (only := current_beginning()) is not None:
        only.planned = settings.steps
        settings = replace(settings, steps=min(only.most, settings.steps))
    prepared = accelerator.prepare_model(_Step(model, objective))  # on its device, where the optimizer finds it
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    device = next(iter(trained.values())).device  # with its number, which accelerate's lacks
    optimizer = torch.optim.Adam(trained.values(), lr=settings.learning_rate, betas=(0.9, 0.999), eps=1e-8, fused=True)

    checkpoint, torn = checkpoints.latest(store)
    for path in torn:
        console.warn(f"{path} is not a complete checkpoint and is not used.")
    begin, progress = 0, Progress()
    if checkpoint is not None:
        begin, progress = checkpoint.step, Progress.of(checkpoint, len(settings.parts))
        _load(trained, optimizer, checkpoint)
        console.info(f"Going on after step {begin} of {settings.steps}.")
    accelerator.wait_for_everyone()
    metrics.truncate(begin)

    def save(step: int) -> None:
        if accelerator.is_main_process:
            metrics.sync()
            checkpoints.save(store, step, trained, _optimizer_tensors(trained, optimizer), asdict(progress))
        accelerator.wait_for_everyone()

    def placed(step: int) -> list[MicroBatch]:
        return [replace(each, inputs=_on_device(each.inputs, device)) for each in batches(step)]

    model.train()
    coefficients = [coefficient for _, coefficient in settings.parts]
    losses: list[Tensor] = []  # (parts,) of the steps since the last look: reading one makes a GPU wait
    tokens_seen, clock, started = 0, time.perf_counter(), time.perf_counter()
    tokens_at_log = progress.tokens

    def ended(steps: int) -> Training:
        elapsed = max(time.perf_counter() - started, 1e-9)
        (first, first_parts), (last, last_parts) = _mean(progress.first, settings), _mean(progress.recent, settings)
        return Training(
            steps=steps,
            resumed_from=begin,
            first_loss=first,
            last_loss=last,
            parts={name: (value, last_parts[name]) for name, value in first_parts.items()},
            tokens_per_second=tokens_seen / elapsed,
            padding=1 - progress.tokens / max(1, progress.computed),
        )

    with _stop_signals() as stop, console.progress("training", settings.steps, "steps") as bar:
        bar.advance(begin)
        for step, micro_batches in _ahead(placed, begin, settings.steps):
            torch.manual_seed(_seed(settings.seed, step, accelerator.process_index))
            rate = settings.learning_rate * rate_factor(settings.schedule, step, settings.steps, settings.warmup)
            for group in optimizer.param_groups:
                group["lr"] = rate
            weights, tokens, computed, stopping = _totals(accelerator, micro_batches, stop.is_set())

            loss = torch.zeros(len(coefficients), device=accelerator.device)
            for number, micro in enumerate(micro_batches, 1):
                last = number == len(micro_batches)
                with nullcontext() if last else accelerator.no_sync(prepared):
                    sums = prepared(micro.inputs)
                    means = [each / weight for each, weight in zip(sums.reshape(-1), weights, strict=True)]  # (parts,)
                    whole = torch.stack([each * by for each, by in zip(means, coefficients, strict=True)]).sum()
                    # Gradients are averaged over the processes, where a sum is wanted.
                    (whole * accelerator.num_processes).backward()
                loss = loss + torch.stack(means).detach()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

            losses.append(loss)
            progress.tokens += tokens
            progress.computed += computed
            tokens_seen += tokens
            done = step + 1
            # Several processes must stop at the same step, so they go by what they told each other at its beginning.
            stopping = stopping or (accelerator.num_processes == 1 and stop.is_set())
            saving = stopping or (settings.checkpoint_every and done % settings.checkpoint_every == 0)
            logging = done % LOG_EVERY == 0 or done == settings.steps or done in at
            if saving or logging:
                progress.add(_read(accelerator, losses, done))
                losses = []
            if logging:
                now = time.perf_counter()
                window = progress.recent[-progress.since_log :]
                mean, parts = _mean(window, settings)
                speed = (progress.tokens - tokens_at_log) / max(now - clock, 1e-9)
                by_part = {f"{name}_loss": part for name, part in parts.items()} if len(parts) > 1 else {}
                metrics.log(done, loss=mean, **by_part, learning_rate=rate, tokens_per_second=round(speed, 1))
                progress.since_log, tokens_at_log, clock = 0, progress.tokens, now
                bar.advance(0, note=f"loss {mean:.4f}")
            bar.advance()
            if only is not None:
                only.ended.append(time.perf_counter())
            if done in at:
                paused = time.perf_counter()
                at[done](ended(done))
                clock, started = (since + time.perf_counter() - paused for since in (clock, started))
            if saving:
                save(done)
            if stopping:
                raise Interrupted(f"Stopped after step {done} of {settings.steps}; --resume goes on from there.")
    return ended(settings.steps)


class _Step(nn.Module):
    """Model and objective as one module: what runs inside its forward is what accelerate and DDP get to see."""

    def __init__(self, model: nn.Module, objective: Objective) -> None:
        super().__init__()
        self.model = model
        self.objective = objective

    def forward(self, inputs: Any) -> Tensor:
        return self.objective(self.model, inputs)


def _seed(seed: int, step: int, process: int) -> int:
    """63 bits from the three numbers; neighbouring seeds share nothing, unlike with sums."""
    digest = hashlib.sha256(f"{seed}/{step}/{process}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def _ahead(batches: Callable[[int], list[MicroBatch]], begin: int, end: int) -> Iterator[tuple[int, list[MicroBatch]]]:
    """The steps with their batches, the next one prepared in a thread while this one is computed."""
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as pool:
        coming = pool.submit(batches, begin) if begin < end else None
        for step in range(begin, end):
            assert coming is not None
            ready = coming.result()
            coming = pool.submit(batches, step + 1) if step + 1 < end else None
            yield step, ready


def _on_device(inputs: Any, device: torch.device) -> Any:
    """The inputs on a device. What goes to a GPU goes by way of pinned memory, so that nothing waits for the copy."""
    if device.type == "cuda":
        inputs = recursively_apply(Tensor.pin_memory, inputs)
    return send_to_device(inputs, device, non_blocking=device.type == "cuda")


def _totals(
    accelerator: Accelerator, micro_batches: list[MicroBatch], stop: bool
) -> tuple[list[float], int, int, bool]:
    """Weights, tokens, computed positions of the whole optimizer batch, and whether any process was told to stop."""
    own = [
        float(sum(m.tokens for m in micro_batches)),
        float(sum(m.computed for m in micro_batches)),
        float(stop),
        *(math.fsum(weights) for weights in zip(*map(_weights, micro_batches), strict=True)),
    ]
    if accelerator.num_processes > 1:
        own = accelerator.reduce(torch.tensor(own, dtype=torch.float64, device=accelerator.device), "sum").tolist()
    return own[3:], round(own[0]), round(own[1]), own[2] > 0


def _weights(micro_batch: MicroBatch) -> tuple[float, ...]:
    return micro_batch.weight if isinstance(micro_batch.weight, tuple) else (micro_batch.weight,)


def _read(accelerator: Accelerator, losses: list[Tensor], done: int) -> list[list[float]]:
    """The losses of the last steps as numbers, by step and part, over all processes."""
    if not losses:
        return []
    values: list[list[float]] = accelerator.reduce(torch.stack(losses), "sum").tolist()
    for number, parts in enumerate(values, done - len(values) + 1):
        wrong = next((value for value in parts if not math.isfinite(value)), None)
        if wrong is not None:
            raise AlignFreezeError(
                f"The loss of step {number} is {wrong}; a lower --learning-rate or --precision fp32 may help."
            )
    return values


def _mean(losses: list[list[float]], settings: LoopSettings) -> tuple[float, dict[str, float]]:
    """The mean loss over some steps, and that of every part of it, by its name and without its coefficient."""
    count = max(1, len(losses))
    parts = {name: math.fsum(row[n] for row in losses) / count for n, (name, _) in enumerate(settings.parts)}
    return math.fsum(by * parts[name] for name, by in settings.parts), parts


def _optimizer_tensors(trained: dict[str, nn.Parameter], optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Adam's tensors by parameter name; a parameter that never had a gradient has none."""
    return {
        f"{name}:{key}": value
        for name, parameter in trained.items()
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def _load(
    trained: dict[str, nn.Parameter], optimizer: torch.optim.Optimizer, checkpoint: checkpoints.Checkpoint
) -> None:
    """Put a checkpoint's tensors into the model and the optimizer."""
    weights, moments = checkpoint.weights(), checkpoint.optimizer()
    shapes = {name: parameter.shape for name, parameter in trained.items()}
    state: dict[str, dict[str, Tensor]] = {}
    for label, tensor in moments.items():
        name, _, key = label.rpartition(":")
        state.setdefault(name, {})[key] = tensor
    if (
        {name: tensor.shape for name, tensor in weights.items()} != shapes
        or not state
        or any(
            shapes.get(name) is None
            or {key: tensor.shape for key, tensor in own.items()} != _optimizer_shapes(shapes[name])
            for name, own in state.items()
        )
    ):
        raise AlignFreezeError(
            f"{checkpoint.path} holds other parameters than this run trains (another --vocabulary?); "
            "start anew with --overwrite."
        )
    with torch.no_grad():
        for name, parameter in trained.items():
            parameter.copy_(weights[name])
    numbers = {name: number for number, name in enumerate(trained)}
    by_number = {numbers[name]: own for name, own in state.items()}
    optimizer.load_state_dict({"state": by_number, "param_groups": optimizer.state_dict()["param_groups"]})


def _optimizer_shapes(parameter: torch.Size) -> dict[str, torch.Size]:
    """The tensors that Adam keeps of a parameter."""
    return {"step": torch.Size(), "exp_avg": parameter, "exp_avg_sq": parameter}


def _are_numbers(count: int, values: Any) -> bool:
    return isinstance(values, list) and len(values) == count and all(type(value) is float for value in values)


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """An event that the first SIGINT or SIGTERM sets; the second SIGINT interrupts at once."""
    stop = threading.Event()

    def handle(number: int, frame: Any) -> None:
        if stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.set()

    with handled(handle, signal.SIGINT, signal.SIGTERM):
        yield stop


def rate_factor(schedule: str, step: int, steps: int, warmup: float) -> float:
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


def default_rate(model_type: str, lora: int | None = None) -> float:
    """The peak rate where none is given, for realigning and fine-tuning alike.

    The published code's are for training all weights: 7.5e-6 for RoBERTa's kin, else 2e-5. `model_type` is the
    configuration's; the published code looked for `roberta` in the model's name. LoRA's adapters begin at zero and need
    rates some ten times as large (arXiv 2106.09685, table 9: 2e-4 to 5e-4 for RoBERTa).
    """
    if lora:
        return 3e-4
    return 7.5e-6 if "roberta" in model_type else 2e-5
