"""Export to Snakemake: a graph as a Snakefile, one rule per step, each the ordinary command with what it needs.

Snakemake removes the outputs of a job before it runs it again and after it failed. It must not remove the folders of
steps: each is complete as soon as it has its name, and a command finds out by itself whether its work is done. So the
output that a rule names is an empty file in the step's folder, which Snakemake makes when the command has ended well.
If that file is lost, the command runs again and finds its work done; if the folder is lost, so is the file.
"""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from alignfreeze_cli.aligners.settings import AlignPairsSettings
from alignfreeze_cli.errors import SettingsError
from alignfreeze_cli.runs.graph import Graph, Node
from alignfreeze_cli.runs.worklist import THREAD_VARIABLES
from alignfreeze_cli.settings import to_options

if TYPE_CHECKING:
    from alignfreeze_cli.steps.estimates import Estimate

DONE = ".snakemake-done"
REPORT = "report"
THREADS = 4
"""Threads of a step where neither recipe nor command line say how many, unless Snakemake is told otherwise."""

_HEAVY = ("realign", "finetune", "evaluate")
_RESUMED = ("realign", "finetune")
_MEMORY_MARGIN = 1.5  # times the estimate; a job that is killed for want of memory gets as much again
_TIME_MARGIN = 2  # times the measured time, as nodes differ
_START = 10  # minutes: the import of torch over a network, and what is read before the first step


def snakefile(
    graph: Graph, threads: int | None, overwrite: bool = False, needs: Mapping[str, Estimate] | None = None
) -> str:
    """The text of a Snakefile that makes the graph and, of all its runs, a report in `<root>/report`.

    `threads` of every step, None for those that Snakemake gives it, on the machine where it runs. `needs`: what steps
    take, by name; where it is not known, Snakemake's defaults hold. Paths stay as they are, so it has to be run where
    the graph was made. Raises SettingsError for a setting that a command line can't hold, and for a folder that
    Snakemake would take for a pattern.
    """
    if set("{}") & set(str(graph.root)):
        raise SettingsError(f"{graph.root}: Snakemake takes braces for wildcards; give an --output without them.")
    # The number keeps those nodes apart that differ in signs only.
    rules = {
        name: f"step_{number}_" + re.sub(r"\W", "_", name, flags=re.ASCII) for number, name in enumerate(graph.nodes, 1)
    }
    runs = [str(run.folder) for run in graph.runs]
    report = graph.root / REPORT
    parts = [_head(threads, report)]
    for node in graph.nodes.values():
        inputs = [_done(graph.nodes[name].output) for name in node.needs]
        command = command_line(node, overwrite)
        taken = _resources(node, (needs or {}).get(node.name))
        message = f"{node.name}: {node.step}"
        parts.append(_rule(rules[node.name], message, inputs, _done(node.output), _threads(node), taken, command))
    last = [_done(node.output) for node in graph.nodes.values() if node.step == "evaluate"]
    made = ["alignfreeze", "report", *runs, "--output", str(report), "--overwrite"]  # of all runs there are
    parts.append(_rule("report", f"{report}: report", last, _done(report), "1", [], made))
    return "\n\n\n".join(parts) + "\n"


def command_line(node: Node, overwrite: bool = False) -> list[str]:
    """The command of a step: every setting that is not the default, by name."""
    arguments = ["alignfreeze", node.step, *to_options(node.settings)]
    # An interrupted step is resumed; with --overwrite it starts anew, as in `alignfreeze run`.
    if overwrite:
        return [*arguments, "--overwrite"]
    return [*arguments, "--resume"] if node.step in _RESUMED else arguments


def _done(folder: Path) -> str:
    return str(folder / DONE)


def _head(threads: int | None, report: Path) -> str:
    exported = "{threads}" if threads is None else threads
    variables = " ".join(f"{name}={exported}" for name in THREAD_VARIABLES)
    if threads is None:
        given = [
            f'THREADS = int(config.get("threads", {THREADS}))  # of the node where a step runs: `--config threads=N`',
            "# Scores repeat bit for bit only at the same number.",
        ]
    else:
        given = [
            f"THREADS = {threads}  # as recipe or --threads says: scores repeat bit for bit only at the same number"
        ]
    lines = [
        "# Written by `alignfreeze run --snakefile`; the recipe is where to change things.",
        "#",
        "# Run it where `alignfreeze run` was run, for the paths below are relative to that folder:",
        "#   snakemake -s THIS_FILE --cores 2 --keep-going",
        "#   snakemake -s THIS_FILE --workflow-profile profiles/slurm",
        "# On one machine, `--resources gpu=1` lets only one step at a time have the GPU.",
        "",
        *given,
        'GPU = int(config.get("gpu", 1))  # GPUs of a step that has use for one: `--config gpu=0` for nodes without',
        f'EXPORT = "export {variables}; "',
        "",
        "",
        "rule all:",
        "    default_target: True",
        f"    input: {_escaped(_done(report))}",
    ]
    return "\n".join(lines)


def _threads(node: Node) -> str:
    """Cores that a step uses, as the rule says it: links are found by so many processes of one thread each."""
    settings = node.settings
    if isinstance(settings, AlignPairsSettings) and settings.aligner != "encoder":
        return str(settings.workers)
    return "THREADS"


def _resources(node: Node, needs: Estimate | None) -> list[str]:
    """The resources of a step, as the rule says them."""
    found = []
    if needs is not None:
        memory = math.ceil(_MEMORY_MARGIN * needs.memory_bytes / 2**20)
        found.append(f"mem_mb=lambda wildcards, attempt: attempt * {memory}")
    if needs is not None and needs.seconds is not None:
        found.append(f"runtime={_START + math.ceil(_TIME_MARGIN * needs.seconds / 60)}")
    if node.step in _HEAVY or getattr(node.settings, "aligner", None) == "encoder":
        found.append("gpu=GPU")
    return found


def _rule(
    rule: str, message: str, inputs: list[str], output: str, threads: str, resources: list[str], command: list[str]
) -> str:
    lines = [f"rule {rule}:"]
    if inputs:
        lines += ["    input:", *(f"        {_escaped(path)}," for path in inputs)]
    lines += [f"    output: touch({_escaped(output)})", f"    threads: {threads}"]
    if resources:
        lines += ["    resources:", *(f"        {each}," for each in resources)]
    lines += [f"    message: {_escaped(message)}", "    shell:", "        EXPORT +"]
    lines += [f"        {_escaped(part)}" for part in _lines(command)]
    return "\n".join(lines)


def _lines(command: list[str]) -> Iterator[str]:
    """The command, quoted for the shell, in pieces that belong on a line each: an option with its value."""
    piece: list[str] = []
    for argument in command:
        if piece and argument.startswith("--"):
            yield shlex.join(piece) + " "
            piece = []
        piece.append(argument)
    yield shlex.join(piece)


def _escaped(text: str) -> str:
    """A Python string in which Snakemake finds nothing to fill in."""
    return repr(text.replace("{", "{{").replace("}", "}}"))


PROFILE = """\
# An example for Slurm, written by `alignfreeze run --snakefile`, which never writes over it: it is yours to change.
#
#   pip install snakemake-executor-plugin-slurm
#   snakemake -s SNAKEFILE --workflow-profile THIS_FOLDER
#
# With `--executor local --cores 2` the same runs on this machine.
executor: slurm
jobs: 100  # at most, in the queue at a time
retries: 3  # a job that was killed comes back, with more memory, and goes on from its last checkpoint
keep-going: true  # a step that fails stops only those that need it
rerun-incomplete: true  # after Snakemake itself was killed
latency-wait: 60  # seconds until files of another node are seen here
default-resources:
  - runtime=720  # minutes, for steps whose rule does not say
  - mem_mb=8000
  # - slurm_account='ACCOUNT'
  # - slurm_partition='PARTITION'
# config:
#   - threads=8  # of a step, unless the recipe says
#   - gpu=0  # for nodes without GPUs
"""
"""The profile beside a Snakefile (docs/cluster.md)."""
