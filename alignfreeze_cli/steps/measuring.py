"""How long a step that trains takes, and how much memory: it is done with ten steps of training instead of all.

That happens in a process of its own, whose result is thrown away, so start, reading and writing are in it, and the peak
of the memory is that of this step alone.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from alignfreeze_cli.encoder.settings import RealignSettings
from alignfreeze_cli.errors import AlignFreezeError, SettingsError
from alignfreeze_cli.progress import Console
from alignfreeze_cli.tasks.settings import FinetuneSettings

if TYPE_CHECKING:
    from alignfreeze_cli.steps.estimates import Estimate

TRAINED = 10
"""Steps of training."""


def measure(settings: RealignSettings | FinetuneSettings, expected: Estimate, console: Console) -> Estimate:
    """An estimate of a step with its seconds and the memory that it takes, measured.

    The step is done with `TRAINED` steps of training, beside where its output would be, and what came out is removed;
    the seconds are those of all of it, and of the steps that were not done. On a GPU that is before most shapes of a
    batch are recorded (encoder/recording.py), so it may take less time than measured, and more memory. Checkpoints,
    encoders kept by `--save-at` and the probes of `--probe-every` are left out.

    Raises AlignFreezeError if the process fails, of which it says why, SettingsError under `torchrun`.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise SettingsError("--measure takes one process, not those of a torchrun.")
    place = (settings.output or Path("output")).absolute().parent
    while not place.is_dir():
        place = place.parent
    more: dict[str, Any] = {"save_at": (), "probe_every": 0} if isinstance(settings, RealignSettings) else {}
    console.info(f"Measuring: the step with {TRAINED} steps of training; its result is thrown away.")
    with TemporaryDirectory(prefix=".measuring-", dir=place) as folder:
        short = replace(
            settings,
            output=Path(folder) / "output",
            dry_run=False,
            measure=False,
            checkpoint_every=0,
            tracker=(),
            **more,
        )
        began = time.perf_counter()
        # The settings go as they are: a command line cannot say all of them.
        done = subprocess.run([sys.executable, "-m", __name__], input=pickle.dumps(short), capture_output=True)
        seconds = time.perf_counter() - began
    if done.returncode:
        raise AlignFreezeError(f"--measure: {_failure(done)}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return replace(
        expected,
        memory_bytes=found["memory"],
        gpu_bytes=found["gpu"],
        seconds=seconds + found["remaining"],
        measured=True,
    )


def _failure(done: subprocess.CompletedProcess[bytes]) -> str:
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        return f"the process was ended by {name}; memory may have run out."
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return f"the step failed: {lines[-1] if lines else 'it says nothing'}"


def _measured_here() -> dict[str, Any]:
    """What the process does: the step whose settings come by stdin."""
    import torch

    from alignfreeze_cli.steps import STEPS
    from alignfreeze_cli.training.beginning import beginning

    settings = pickle.load(sys.stdin.buffer)
    (step,) = (each for each in STEPS.values() if each.settings is type(settings))
    with beginning(TRAINED) as begun:
        step.load()(settings, Console())
    gpu = torch.cuda.max_memory_reserved() if torch.cuda.is_initialized() else 0
    return {"remaining": begun.remaining, "memory": peak_memory(), "gpu": gpu}


def peak_memory() -> int:
    """Bytes of this process's resident memory at its peak."""
    status = Path("/proc/self/status")
    if status.is_file():  # of this program alone; what getrusage says is at least that of the process that started it
        return next(int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    try:
        sys.stdout.write(json.dumps(_measured_here()) + "\n")
    except AlignFreezeError as error:
        sys.exit(str(error))
