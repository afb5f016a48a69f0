"""Kill a step with SIGKILL at chosen moments, resume it with `--resume`, and compare the results.

The moments are calls, not times: a child process counts the calls that change the disk (and the optimizer's steps)
and kills itself before or after one of them, or in the middle of writing a tensor file. Children are forked from a
process that has run the step once and so imported everything: each costs only its own run.

A test calls `kill_and_resume(worker, ...)`. The worker is a Python file that defines

    run(folder: Path, resume: bool) -> None     the step under test, with its output at `folder / "output"`
    RESULT: str                                 the file of the output whose bytes must not depend on the kills

After every kill no process may be left behind; after resuming, the record must verify, the card be there, and no hidden
folder remain.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import json
import os
import random
import runpy
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alignfreeze_cli.artifacts import read_record, verify
from tests.support.processes import run_python

MARK = "ALIGNFREEZE_TEST_KILLED"


def kill_and_resume(worker: str | Path, folder: Path, moments: int, seed: int, complete: set[str]) -> list[str]:
    """Kill and resume a worker's step at so many moments: each time the result must be that of an undisturbed run.

    An output that exists after a kill must have all the files named by `complete`. Returns what was done when, such as
    `half write (17)`. The worker's runs lie in subfolders of `folder`.
    """
    output, errors = run_python("-m", __name__, worker, folder, str(moments), str(seed))
    report = json.loads(output)
    assert report["status"] == 0, errors
    assert len(report["kills"]) == moments
    for kill in report["kills"]:
        assert kill["killed"] == -signal.SIGKILL, kill
        assert kill["left"] == [] or complete <= set(kill["left"]), kill
        assert kill["resumed"] == 0, (kill, errors)
        assert kill["digest"] == report["digest"], kill
        assert kill["wrong"] == [], kill
    return [kill["moment"] for kill in report["kills"]]


class Moments:
    """Counts the calls that matter; `kill_at` (call number, how) ends the process there."""

    def __init__(self, kill_at: tuple[int, str] | None = None) -> None:
        self.kill_at = kill_at
        self.seen: list[str] = []

    def watch(self, owner: Any, name: str, label: str) -> None:
        """Replace `owner.name` by itself with a count around it."""
        real = getattr(owner, name)

        def watched(*args: Any, **kwargs: Any) -> Any:
            number = len(self.seen)
            self.seen.append(label)
            how = self.kill_at[1] if self.kill_at is not None and self.kill_at[0] == number else None
            if how == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            result = real(*args, **kwargs)
            if how == "half" and label == "write":
                os.truncate(args[1], os.path.getsize(args[1]) // 2)
            if how is not None:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        setattr(owner, name, watched)

    def watch_all(self) -> None:
        # Where it isn't loaded, nothing is trained; importing it here would also load it in every worker process.
        if "torch" in sys.modules:
            from torch.optim import Adam

            from alignfreeze_cli.training import checkpoints

            self.watch(Adam, "step", "step")
            self.watch(checkpoints, "save_file", "write")
        for name in ("fsync", "rename", "replace", "unlink", "rmdir"):
            self.watch(os, name, name)


def in_child(act: Callable[[], None]) -> int:
    """Run something in a forked child; its exit status as `os.waitstatus_to_exitcode` gives it (-9: killed)."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        act()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def left_running(mark: str) -> list[int]:
    """Processes with the mark in their environment that are still there after a while."""
    until = time.monotonic() + 30
    while True:
        found = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if f"{MARK}={mark}".encode() in path.read_bytes():
                    found.append(int(path.parent.name))
        if not found or time.monotonic() > until:
            return found
        os.sched_yield()


def complaints(output: Path) -> list[str]:
    """What is wrong with a finished output."""
    record = read_record(output)
    if record is None:
        return ["no record"]
    verify(output, record)
    found = [f"left behind: {path.name}" for path in output.parent.glob(".*")]
    has_card = record.kind == "scores" or (output / "README.md").is_file()
    return found if has_card else [*found, "no card"]


def choose(labels: list[str], count: int, seed: int) -> list[tuple[int, str]]:
    """Seeded moments: a quarter while saving, a quarter around the last rename, the rest anywhere."""
    chance = random.Random(seed)
    saving = [number for number, label in enumerate(labels) if label in ("write", "replace")]
    last = max(number for number, label in enumerate(labels) if label == "rename")
    near_the_end = range(max(0, last - 3), min(len(labels), last + 2))
    numbers = [chance.choice(saving) for _ in range(count // 4)]
    numbers += [last, last, *(chance.choice(near_the_end) for _ in range(count // 4 - 2))]
    numbers += chance.sample(range(len(labels)), count - len(numbers))
    ways = [("half" if labels[number] == "write" else chance.choice(("before", "after"))) for number in numbers]
    ways[count // 4 : count // 4 + 2] = ["before", "after"]
    return list(zip(numbers, ways, strict=True))


def main() -> None:
    worker, folder, count, seed = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    module = runpy.run_path(worker)
    run, result = module["run"], module["RESULT"]

    def digest(name: str) -> str | None:
        path = folder / name / "output" / result
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None

    def counted() -> None:
        moments = Moments()
        moments.watch_all()
        run(folder / "undisturbed", False)
        (folder / "labels.json").write_text(json.dumps(moments.seen))

    run(folder / "warm", False)  # imports what is imported late, so that the children find it there
    gc.freeze()
    report: dict[str, Any] = {"status": in_child(counted), "digest": digest("undisturbed"), "kills": []}
    labels = json.loads((folder / "labels.json").read_text())
    for turn, (number, how) in enumerate(choose(labels, count, seed)):
        name = f"killed-{turn}"

        def killed(name: str = name, number: int = number, how: str = how) -> None:
            os.environ[MARK] = f"{os.getppid()}-{name}"
            moments = Moments((number, how))
            moments.watch_all()
            run(folder / name, False)

        status = in_child(killed)
        orphans = left_running(f"{os.getpid()}-{name}")
        left = sorted(path.name for path in (folder / name / "output").glob("*"))
        resumed = in_child(lambda name=name: run(folder / name, True))  # type: ignore[misc]
        report["kills"].append(
            {
                "moment": f"{how} {labels[number]} ({number})",
                "killed": status,
                "left": left,
                "resumed": resumed,
                "digest": digest(name),
                "wrong": [*(f"orphan {pid}" for pid in orphans), *complaints(folder / name / "output")],
            }
        )
    sys.stdout.write(json.dumps(report))


if __name__ == "__main__":
    main()
