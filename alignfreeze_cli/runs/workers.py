"""Worker processes for steps: started once and reused, so that torch is imported once in each.

Each worker is a process group of its own, so that Ctrl-C in a terminal reaches only the parent, which passes it on
once to the workers that are running a step. They save a checkpoint and answer. It is passed on by closing the worker's
lifeline, a pipe of which only the parent holds the other end: the worker then interrupts itself. So it does when its
parent has died: no orphans. Windows has no process groups, and there Ctrl-C reaches the workers by itself.
"""

from __future__ import annotations

import _thread
import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from typing import Any

from alignfreeze_cli.errors import AlignFreezeError, Interrupted
from alignfreeze_cli.phrases import counted
from alignfreeze_cli.progress import Console, ProgressBar
from alignfreeze_cli.runs.graph import Node
from alignfreeze_cli.runs.worklist import Outcome, Worklist, attempt, torch_threads
from alignfreeze_cli.settings import StepSettings
from alignfreeze_cli.signals import handled, how_they_ended

_REPORT_EVERY = 1.0  # seconds between two messages about the progress of a step
_OWN_GROUPS = hasattr(os, "setpgrp")  # not on Windows
_CONTEXT = multiprocessing.get_context("spawn")  # fork would copy locks that torch's threads hold


class WorkerDiedError(AlignFreezeError):
    """The process of a step ended without an answer: it was killed, or an error kept it from answering."""


def run_in_workers(worklist: Worklist, jobs: int, threads: int) -> None:
    """Run the graph with `jobs` processes.

    Raises KeyboardInterrupt after SIGINT or SIGTERM, once all of them have saved what they could.
    """
    pool: list[_Worker] = []
    total = len(worklist.graph.nodes)
    with (
        contextlib.closing(_Stop()) as stop,
        handled(stop.handle, signal.SIGINT, signal.SIGTERM),
        worklist.console.progress("steps", total=total, unit="steps") as bar,
    ):
        try:
            while len(worklist.outcomes) < total and not stop.asked:
                before = len(worklist.outcomes)
                for node in worklist.ready():
                    worker = next((w for w in pool if w.node is None and w.process.is_alive()), None)
                    if worker is None and sum(w.node is not None for w in pool) < jobs:
                        worker = _Worker(threads)
                        pool.append(worker)
                    if worker is None:
                        break
                    if worker.start(node, worklist.settings(node)):
                        worklist.started.add(node.name)
                _listen(pool, worklist, stop)
                notes = "; ".join(w.note for w in pool if w.node is not None)
                bar.advance(len(worklist.outcomes) - before, notes)
            if stop.asked:
                _interrupt(pool, worklist, stop)
        finally:
            for worker in pool:
                worker.close()
    if stop.asked:
        raise KeyboardInterrupt


def _listen(pool: list[_Worker], worklist: Worklist, stop: _Stop) -> None:
    """Wait until a worker sends a message, or a signal comes."""
    busy = {worker.connection: worker for worker in pool if worker.node is not None}
    if not busy:
        return  # the last steps ended without being run, because their inputs failed
    for connection in wait([*busy, stop.connection]):
        if connection is not stop.connection:
            outcome = busy[connection].listen(worklist.console)  # type: ignore[index]
            if outcome is not None:
                worklist.end(outcome)


def _interrupt(pool: list[_Worker], worklist: Worklist, stop: _Stop) -> None:
    """Pass Ctrl-C on, and wait until every worker has saved; a second Ctrl-C does not wait."""
    busy = [worker for worker in pool if worker.node is not None]
    running = counted(len(busy), "running step")
    worklist.console.info(f"Interrupted: {running} will save a checkpoint (Ctrl-C again to stop at once).")
    for worker in busy:
        if _OWN_GROUPS:
            worker.interrupt()
    while any(worker.node is not None for worker in busy):
        if stop.asked > 1:
            for worker in busy:
                worker.process.kill()
        for connection in wait([w.connection for w in busy if w.node is not None], timeout=0.2):
            worker = next(w for w in busy if w.connection is connection)
            outcome = worker.listen(worklist.console)
            if outcome is not None and outcome.status in ("made", "already done"):
                worklist.end(outcome)


class _Stop:
    """Counts SIGINT and SIGTERM, and makes `connection` readable, so that no signal falls between two lines of code."""

    def __init__(self) -> None:
        self.asked = 0
        self.connection, self._wake = _CONTEXT.Pipe(duplex=False)

    def handle(self, number: int, frame: Any) -> None:
        self.asked += 1
        self._wake.send_bytes(b"!")

    def close(self) -> None:
        self.connection.close()
        self._wake.close()


class _Worker:
    """The parent's end of one process. `node` is the step that it runs, None when it is idle."""

    def __init__(self, threads: int) -> None:
        self.connection, theirs = _CONTEXT.Pipe()
        lifeline, self._lifeline = _CONTEXT.Pipe(duplex=False)
        self.process = _CONTEXT.Process(target=_serve, args=(theirs, lifeline, threads), name="alignfreeze-step")
        # Born with SIGINT blocked: until the worker has its own process group, Ctrl-C in the terminal would hit it too.
        with _sigint_blocked():
            self.process.start()
        theirs.close()
        lifeline.close()
        self.node: Node | None = None
        self.note = ""

    def start(self, node: Node, settings: StepSettings) -> bool:
        """Hand over a step; False if the process has died in the meantime."""
        try:
            self.connection.send((node, settings))
        except OSError:
            return False
        self.node, self.note = node, node.name
        return True

    def listen(self, console: Console) -> Outcome | None:
        """Take one message; returns the outcome of the step if it was the last one."""
        assert self.node is not None
        node = self.node
        try:
            kind, value = self.connection.recv()
        except (EOFError, OSError):
            self.node = None
            self.process.join()
            why = how_they_ended([self.process.exitcode], "--jobs")
            return Outcome(node, "failed", error=WorkerDiedError(f"its process {why}"))
        if kind == "warn":
            console.warn(f"{node.name}: {value}")
        elif kind == "note":
            self.note = f"{node.name} {value}"
        elif kind == "interrupted":
            self.node = None
            return Outcome(node, "failed", error=Interrupted("its process was stopped; run again to resume"))
        elif kind == "done":
            self.node = None
            return replace(value, node=node)
        return None

    def interrupt(self) -> None:
        self._lifeline.close()

    def close(self) -> None:
        """End the process. One that still runs a step (after an error here) is interrupted first."""
        if self.node is not None:
            self.interrupt()
        with contextlib.suppress(OSError):
            self.connection.send(None)
        self.process.join()
        self.connection.close()
        self._lifeline.close()


@contextmanager
def _sigint_blocked() -> Iterator[None]:
    """Processes that are started inside get no SIGINT until they allow it. Windows has no such mask."""
    if not _OWN_GROUPS:
        yield
        return
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _serve(connection: Connection, lifeline: Connection, threads: int) -> None:
    """The main function of a worker: take a step, run it, send its outcome, until None comes or the parent dies."""
    if _OWN_GROUPS:
        os.setpgrp()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # drops a SIGINT that came while it was blocked
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_watch, args=(lifeline,), daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt, EOFError, OSError), torch_threads(threads):
        while (job := connection.recv()) is not None:
            node, settings = job
            try:
                message: tuple[str, Any] = ("done", _portable(attempt(node, settings, _Relay(connection))))
            except (Interrupted, KeyboardInterrupt):
                message = ("interrupted", None)
            connection.send(message)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # no step is running any more


def _watch(lifeline: Connection) -> None:
    with contextlib.suppress(EOFError, OSError):
        lifeline.recv()
    if _OWN_GROUPS:
        main = threading.main_thread().ident
        assert main is not None
        signal.pthread_kill(main, signal.SIGINT)  # also ends its waiting for something
    else:
        _thread.interrupt_main()


def _portable(outcome: Outcome) -> Outcome:
    """The outcome as it can be sent: an error that can't be pickled is sent as what it says."""
    try:
        pickle.loads(pickle.dumps(outcome))
    except Exception:
        error = outcome.error
        return replace(
            outcome, error=AlignFreezeError(f"{type(error).__name__}: {error}") if error else None, details={}
        )
    return outcome


@dataclass
class _Relay(Console):
    """A console in a worker: warnings and progress go to the parent, the rest is dropped."""

    connection: Connection

    def warn(self, text: str) -> None:
        self.connection.send(("warn", text))

    @contextmanager
    def progress(self, title: str, total: int | None = None, unit: str = "items") -> Iterator[ProgressBar]:
        yield _RelayBar(self.connection, title, total)


class _RelayBar(ProgressBar):
    def __init__(self, connection: Connection, title: str, total: int | None) -> None:
        super().__init__(total)
        self.connection, self.title = connection, title
        self.reported = -_REPORT_EVERY  # the first message at once

    def advance(self, amount: int = 1, note: str = "") -> None:
        super().advance(amount, note)
        if time.monotonic() - self.reported >= _REPORT_EVERY:
            self.reported = time.monotonic()
            share = f"{self.done / self.total:.0%}" if self.total else f"{self.done:,}"
            self.connection.send(("note", f"{self.title} {share}"))
