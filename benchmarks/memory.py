"""Peak memory of realignment steps: the active vocabulary, the full one, and the straightforward step.

Each runs in a process of its own. The peak is that of the resident memory (RSS) during the steps, the first of which
makes the optimizer's state; on a GPU it is that of the memory which torch holds there.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks.inputs import Inputs, Options, describe
from benchmarks.table import Report, markdown

STEPS = {"cpu": 3, "cuda": 40}  # on a GPU the shapes that come back are recorded by then
VARIANTS = ("straightforward", "vocabulary full", "vocabulary active")
_GB = 1e9


def run(inputs: Inputs) -> Report:
    """One process per variant; the report."""
    from alignfreeze_cli.encoder.models import skeleton

    given = {name: value for name, value in asdict(inputs.options).items() if name not in ("corpus", "dictionary")}
    paths = {"encoder": str(inputs.encoder), "pairs": str(inputs.pairs)}
    rows = []
    for variant in VARIANTS:
        message = json.dumps({"variant": variant, "options": given, **paths}, default=str)
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.memory", message], check=True, capture_output=True, text=True
        )
        measured = json.loads(done.stdout.splitlines()[-1])
        rows.append((variant, f"{measured['steps'] / _GB:.2f}", measured["note"]))
    text = (
        f"Peak memory of {STEPS[inputs.options.device]} realign steps of {describe(skeleton(inputs.encoder))}, "
        f"freeze {inputs.options.freeze}, batch {inputs.options.batch_size}, {inputs.options.precision}, "
        f"{inputs.options.device}:\n\n"
    )
    return Report(text=text + markdown(("step", "GB", ""), rows))


def _measure(message: dict[str, Any]) -> dict[str, Any]:
    """What the child process does."""
    from benchmarks.plain.realign import read_pair
    from benchmarks.realign import plain_realigner
    from benchmarks.training import watch

    given = message["options"]
    vocabulary = message["variant"].removeprefix("vocabulary ")
    options = Options(
        **{**given, "targets": tuple(given["targets"]), "treebank": (), "task_model": None, "model": None}
    )
    steps = STEPS[options.device]
    with tempfile.TemporaryDirectory() as folder:
        inputs = Inputs(replace(options, model=Path(message["encoder"])), Path(folder))
        inputs.__dict__["pairs"] = Path(message["pairs"])  # made already, by the parent process
        if message["variant"] == "straightforward":
            dataset = inputs.dataset(inputs.realign_settings(steps))
            plain, _ = plain_realigner(inputs, dataset, options.precision)
            plain.encoder.train()
            reset_peak(options.device)
            for step in range(steps):
                plain.step([read_pair(drawn) for drawn in dataset.drawn(step)])
            return {"steps": peak(options.device), "note": ""}
        settings = inputs.realign_settings(steps, vocabulary=vocabulary)
        peaks: list[int] = []
        watch(settings, lambda: reset_peak(options.device), lambda _done: peaks.append(peak(options.device)))
        note = ""
        if vocabulary == "active":
            note = f"{len(inputs.dataset(settings).token_ids()):,} of the subwords occur"
        return {"steps": max(peaks), "note": note}


def reset_peak(device: str) -> None:
    """Forget the peak so far: loading a model takes memory that the steps do not need."""
    if device == "cuda":
        import torch

        torch.cuda.reset_peak_memory_stats()
    else:
        Path("/proc/self/clear_refs").write_text("5")  # Linux: sets VmHWM back to VmRSS


def peak(device: str) -> int:
    """Bytes at the peak since `reset_peak`."""
    if device == "cuda":
        import torch

        return int(torch.cuda.max_memory_reserved())
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


if __name__ == "__main__":
    print(json.dumps(_measure(json.loads(sys.argv[1]))))
