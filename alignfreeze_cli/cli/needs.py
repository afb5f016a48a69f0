"""What steps need, as text: of one step in its dry run, of a recipe as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from alignfreeze_cli.phrases import duration, listed, size

if TYPE_CHECKING:
    from alignfreeze_cli.runs.estimates import GraphEstimate

UNKNOWN = "?"


def needs_text(needs: Mapping[str, Any]) -> dict[str, str]:
    """The needs of one step, as its dry run tells them, line by line."""
    how = "measured over ten steps" if needs["measured"] else "estimated"
    lines = {"memory": f"{size(needs['memory-bytes'])} at the peak, {how}"}
    if needs["gpu-bytes"]:
        lines["memory of the GPU"] = size(needs["gpu-bytes"])
    lines["disk"] = size(needs["disk-bytes"])
    if needs["scratch-bytes"]:
        lines["disk"] += f", and {size(needs['scratch-bytes'])} for checkpoints while it runs"
    if needs["seconds"] is not None:
        lines["time"] = duration(needs["seconds"])
    elif needs["measurable"]:
        lines["time"] = "not known; --measure tells it by ten steps"
    if needs["assumed"]:
        lines["assumed"] = " ".join(needs["assumed"])
    return lines


def needs_table(estimate: GraphEstimate, jobs: int) -> str:
    """The needs of every step of a recipe, and of all of them: `jobs` at a time."""
    rows = [("it takes", "memory", "disk", "time")]
    for name, each in estimate.steps.items():
        time = UNKNOWN if each.seconds is None else duration(each.seconds)
        rows.append((name, size(each.memory_bytes), size(each.disk_bytes), time))
    rows += [(name, UNKNOWN, UNKNOWN, UNKNOWN) for name in estimate.unknown]
    time = UNKNOWN if estimate.seconds is None else duration(estimate.seconds)
    whole = "all" if jobs == 1 else f"all, {jobs} at a time"
    rows.append((whole, size(estimate.memory_bytes(jobs)), size(estimate.disk_bytes), time))
    widest = max(len(name) for name, *_ in rows)
    lines = [f"{name:<{widest}}{memory:>11}{disk:>11}{time:>11}" for name, memory, disk, time in rows]
    by_reason: dict[str, list[str]] = {}
    for name, why in estimate.unknown.items():
        by_reason.setdefault(why, []).append(name)
    lines += [f"{UNKNOWN} {listed(names, 3)}: {why}" for why, names in by_reason.items()]
    assumed = dict.fromkeys(each for estimated in estimate.steps.values() for each in estimated.assumed)
    lines += [f"assumed: {each}" for each in assumed]
    return "\n".join(lines)
