"""Where the time of a realign step goes, by torch's profiler."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.autograd import DeviceType
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.profiler import ProfilerActivity, profile, record_function
from transformers import PreTrainedModel

from alignfreeze_cli.encoder.batches import make_batch
from alignfreeze_cli.encoder.blocks import architecture
from alignfreeze_cli.encoder.models import skeleton
from benchmarks.clock import percent
from benchmarks.inputs import Inputs, describe
from benchmarks.table import Report, markdown
from benchmarks.training import watch

WAITS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize")  # the program waits for the GPU
WARM_UP = 5  # steps that are not profiled
FORWARD, BACKWARD, OPTIMIZER, STEP = "encoder forward", "encoder backward", "optimizer", "step"


def run(inputs: Inputs) -> Report:
    """Profile `--steps` steps of the training loop; the report."""
    options = inputs.options
    if options.device == "cuda":
        return _on_gpu(inputs)
    settings = inputs.realign_settings(WARM_UP + options.steps)
    profiler = profile(activities=[ProfilerActivity.CPU])
    marks = _Marks()

    def after(done: int) -> None:
        if done < WARM_UP:
            return
        if done == WARM_UP:
            profiler.start()
        else:
            marks.end(STEP)
        if done < WARM_UP + options.steps:
            marks.begin(STEP)
        else:
            profiler.stop()

    with _marked(marks):
        watch(settings, lambda: None, after)
    events = profiler.key_averages()
    seconds = {event.key: event.cpu_time_total / 1e6 / options.steps for event in events}
    preparing, padding = _preparation(inputs)
    # The loop prepares the next batch in a thread while this one is computed; here it is added as if it did not.
    total = seconds[STEP] + preparing
    encoder = seconds[FORWARD] + seconds[BACKWARD] + seconds[OPTIMIZER]
    rows = {
        FORWARD: seconds[FORWARD],
        BACKWARD: seconds[BACKWARD],
        OPTIMIZER: seconds[OPTIMIZER],
        "preparing the batch": preparing,
        "pooling, loss and the rest": seconds[STEP] - encoder,
    }
    text = (
        f"A realign step of {describe(skeleton(inputs.encoder))}, freeze {options.freeze}, batch {options.batch_size}, "
        f"{options.precision}: {total * 1000:.1f} ms, mean of {options.steps} steps; padding {percent(padding)}.\n\n"
    )
    cells = [(name, f"{value * 1000:.2f}", percent(value / total)) for name, value in rows.items()]
    cells.append(("encoder and optimizer together", f"{encoder * 1000:.2f}", percent(encoder / total)))
    text += markdown(("part", "ms", "share"), cells)
    if options.top:
        text += "\n\n" + events.table(sort_by="self_cpu_time_total", row_limit=options.top, max_name_column_width=48)
    return Report(text=text)


def _on_gpu(inputs: Inputs) -> Report:
    """What the GPU is told and how long it works. It works while the program goes on: marks there would say nothing."""
    options = inputs.options
    profiler = profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA])
    clock = []

    def after(done: int) -> None:
        if done not in (WARM_UP, WARM_UP + options.steps):
            return
        torch.cuda.synchronize()
        clock.append(time.perf_counter())
        if done == WARM_UP:
            profiler.start()
        else:
            profiler.stop()

    watch(inputs.realign_settings(WARM_UP + options.steps), lambda: None, after)
    events = profiler.key_averages()
    calls = {event.key: event.count for event in events}
    # The kernels alone: what the program calls has their time, too.
    kernels = [event for event in events if event.device_type == DeviceType.CUDA and not event.is_user_annotation]
    busy = sum(event.self_device_time_total for event in kernels) / 1e6
    waits = {name: calls.get(name, 0) for name in WAITS}
    launches = sum(count for name, count in calls.items() if "Launch" in name and name.startswith("cuda"))
    first, last = clock
    cells = [
        ("by the clock, profiled", f"{(last - first) / options.steps * 1000:.2f} ms"),
        ("the GPU works", f"{busy / options.steps * 1000:.2f} ms"),
        ("kernels launched", f"{launches / options.steps:.0f}"),
        *((f"`{name}`", f"{count} in {options.steps} steps") for name, count in waits.items()),
    ]
    text = f"{describe(skeleton(inputs.encoder))}, freeze {options.freeze}, batch {options.batch_size}, "
    return Report(text=f"{text}{options.precision}:\n\n" + markdown(("a realign step", ""), cells))


class _Marks:
    """Named ranges in the profile that begin and end in different places."""

    def __init__(self) -> None:
        self._open: dict[str, record_function] = {}

    def begin(self, name: str) -> None:
        if name not in self._open:
            self._open[name] = record_function(name)
            self._open[name].__enter__()

    def end(self, name: str) -> None:
        if name in self._open:
            self._open.pop(name).__exit__(None, None, None)


@contextmanager
def _marked(marks: _Marks) -> Iterator[None]:
    """While inside, encoder and optimizer mark what they do. The encoder's backward pass begins when the gradient of
    its output is there, and ends when the optimizer begins.
    """

    def forward_begins(module: Any, _arguments: Any) -> None:
        if isinstance(module, PreTrainedModel):
            marks.begin(FORWARD)

    def forward_ends(module: Any, _arguments: Any, output: Any) -> None:
        if isinstance(module, PreTrainedModel):
            marks.end(FORWARD)
            if output.last_hidden_state.requires_grad:
                output.last_hidden_state.register_hook(lambda _gradient: marks.begin(BACKWARD))

    def optimizer_begins(*_: Any) -> None:
        marks.end(BACKWARD)
        marks.begin(OPTIMIZER)

    hooks = [
        register_module_forward_pre_hook(forward_begins),
        register_module_forward_hook(forward_ends),
        register_optimizer_step_pre_hook(optimizer_begins),
        register_optimizer_step_post_hook(lambda *_: marks.end(OPTIMIZER)),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _preparation(inputs: Inputs) -> tuple[float, float]:
    """Seconds to draw and lay out a batch, and the share of padding, over the steps that were profiled."""
    steps = inputs.options.steps
    dataset = inputs.dataset(inputs.realign_settings(WARM_UP + steps))
    arch = architecture(skeleton(inputs.encoder))
    tokens = positions = 0
    started = time.perf_counter()
    for step in range(WARM_UP, WARM_UP + steps):
        layout = make_batch(dataset.drawn(step), arch, dataset.pad_id).layout
        tokens += layout.tokens
        positions += layout.positions
    return (time.perf_counter() - started) / steps, 1 - tokens / positions
