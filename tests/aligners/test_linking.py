"""What is said of a process that ended while it aligned a chunk."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import Any

import pytest

from alignfreeze_cli.aligners.linking import LinkingPool
from alignfreeze_cli.errors import AlignFreezeError
from alignfreeze_cli.pairs.chunks import Chunk
from alignfreeze_cli.signals import how_they_ended


@dataclass(frozen=True)
class Job:
    """A job that makes every process that is sent it call a function."""

    function: Any
    argument: Any

    def __reduce__(self) -> tuple[Any, ...]:
        return self.function, (self.argument,)


@pytest.mark.parametrize(
    ("job", "why"),
    [
        (Job(int, "no number"), r"^A worker process ended with exit code 1 and no answer; what it said is above\. "),
        (Job(signal.raise_signal, signal.SIGKILL), "ended by SIGKILL; memory may have run out, try fewer --workers"),
    ],
)
def test_only_a_killed_process_is_said_to_lack_memory(job: Any, why: str) -> None:
    with LinkingPool(2) as pool, pytest.raises(AlignFreezeError, match=why):
        list(pool.link([(job, Chunk("a.tsv", 1, 1, "tsv", (b"a\tb\n",)))]))


@pytest.mark.parametrize(
    ("codes", "why"),
    [
        ([-15, -11, None], "was ended by SIGSEGV."),
        ([-15], "was ended by SIGTERM."),
        ([-99], "was ended by signal 99."),
        ([0, None], "ended without an answer."),
    ],
)
def test_the_cause_is_told_from_what_followed(codes: list[int | None], why: str) -> None:
    assert how_they_ended(codes, "--jobs") == why
