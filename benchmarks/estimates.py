"""What `realign --dry-run` says beside what a run then took: memory and time, for `--model` or a random encoder.

Every command is a process of its own. The dry run without `--measure` estimates memory; with it, memory and time come
from ten steps of training.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from alignfreeze_cli.encoder.models import skeleton
from benchmarks.inputs import Inputs, describe
from benchmarks.processes import run_module
from benchmarks.table import Report, markdown

COLUMNS = (
    "encoder",
    "precision",
    "memory, estimated",
    "of ten steps",
    "taken",
    "estimated ÷ taken",
    "ten steps ÷ taken",
    "time, measured",
    "taken",
    "measured ÷ taken",
)


def run(inputs: Inputs) -> Report:
    """A row of the table for each precision."""
    options, report = inputs.options, Report()
    rows = [_row(inputs, precision) for precision in options.precisions]
    how = f"realign, {options.steps} steps, freeze {options.freeze}, batch {options.batch_size}"
    report.text = f"{how}; memory in GB, time in seconds:\n\n{markdown(COLUMNS, rows)}"
    return report


def _row(inputs: Inputs, precision: str) -> list[str]:
    options = inputs.options
    given: list[object] = ["--model", inputs.encoder, "--pairs", inputs.pairs, "--steps", options.steps]
    given += ["--freeze", options.freeze, "--batch-size", options.batch_size, "--vocabulary", options.vocabulary]
    given += ["--precision", precision, "--device", options.device, "--output", inputs.folder / f"out-{precision}"]
    estimated, measured = (_needs(["realign", *given, "--dry-run", *more]) for more in ([], ["--measure"]))
    ended = run_module("benchmarks.estimates", ["realign", *given, "--quiet"])
    peak = ended.answer()["peak"]
    gigabytes = [f"{each / 1e9:.2f}" for each in (estimated["memory-bytes"], measured["memory-bytes"], peak)]
    shares = [f"{each['memory-bytes'] / peak:.2f}" for each in (estimated, measured)]
    seconds = [f"{measured['seconds']:.1f}", f"{ended.wall:.1f}", f"{measured['seconds'] / ended.wall:.2f}"]
    row = [describe(skeleton(inputs.encoder)), precision, *gigabytes, *shares, *seconds]
    print(" | ".join(row), file=sys.stderr, flush=True)
    return row


def _needs(arguments: list[object]) -> dict[str, Any]:
    """What a dry run says that a step needs."""
    needs: dict[str, Any] = run_module("alignfreeze_cli", (*arguments, "--format", "json")).answer()["details"]["needs"]
    return needs


def _watched(arguments: list[str]) -> int:
    """Run a command in this process, which has done nothing else, and print its peak of memory as JSON."""
    from alignfreeze_cli.cli.app import main
    from alignfreeze_cli.steps.measuring import peak_memory

    sys.argv[1:] = arguments
    try:
        main()
    except SystemExit as ended:
        if ended.code:
            raise
    print(json.dumps({"peak": peak_memory()}))
    return 0


if __name__ == "__main__":
    sys.exit(_watched(sys.argv[1:]))
