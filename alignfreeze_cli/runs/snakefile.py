"""Export to Snakemake: a graph as a Snakefile, one rule per step, each the ordinary command.

Snakemake removes the outputs of a job before it runs it again and after it failed. It must not remove the folders of
steps: each is complete as soon as it has its name, and a command finds out by itself whether its work is done. So the
output that a rule names is an empty file in the step's folder, which Snakemake makes when the command has ended well.
If that file is lost, the command runs again and finds its work done; if the folder is lost, so is the file.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from alignfreeze_cli.errors import SettingsError
from alignfreeze_cli.runs.graph import Graph, Node
from alignfreeze_cli.runs.worklist import THREAD_VARIABLES
from alignfreeze_cli.settings import to_options

DONE = ".snakemake-done"
REPORT = "report"
_HEAVY = ("realign", "finetune", "evaluate")
_RESUMED = ("realign", "finetune")


def snakefile(graph: Graph, threads: int, overwrite: bool = False) -> str:
    """The text of a Snakefile that makes the graph and, of all its runs, a report in `<root>/report`.

    Paths stay as they are, so it has to be run where the graph was made. Raises SettingsError for a setting that a
    command line can't hold, and for a folder that Snakemake would take for a pattern.
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
        gpu = node.step in _HEAVY or getattr(node.settings, "aligner", None) == "encoder"
        message = f"{node.name}: {node.step}"
        parts.append(_rule(rules[node.name], message, inputs, _done(node.output), threads, gpu, command))
    last = [_done(node.output) for node in graph.nodes.values() if node.step == "evaluate"]
    made = ["alignfreeze", "report", *runs, "--output", str(report), "--overwrite"]  # of all runs there are
    parts.append(_rule("report", f"{report}: report", last, _done(report), threads, False, made))
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


def _head(threads: int, report: Path) -> str:
    variables = " ".join(f"{name}={threads}" for name in THREAD_VARIABLES)
    lines = [
        "# Written by `alignfreeze run --snakefile`; the recipe is where to change things.",
        "#",
        "# Run it where `alignfreeze run` was run, for the paths below are relative to that folder:",
        "#   snakemake -s THIS_FILE --cores 2 --keep-going",
        "# `--resources gpu=1` lets only one step at a time have the GPU.",
        "",
        "# Scores repeat bit for bit only at the same number of threads.",
        f"shell.prefix({f'export {variables}; '!r})",
        "",
        "",
        "rule all:",
        "    default_target: True",
        f"    input: {_escaped(_done(report))}",
    ]
    return "\n".join(lines)


def _rule(rule: str, message: str, inputs: list[str], output: str, threads: int, gpu: bool, command: list[str]) -> str:
    lines = [f"rule {rule}:"]
    if inputs:
        lines += ["    input:", *(f"        {_escaped(path)}," for path in inputs)]
    lines += [f"    output: touch({_escaped(output)})", f"    threads: {threads}"]
    if gpu:
        lines.append("    resources: gpu=1")
    lines += [f"    message: {_escaped(message)}", "    shell:"]
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
