"""Dictionary alignment: `align-pairs`, with one worker and with two, against plain/align.py."""

from __future__ import annotations

import json
import shutil
from itertools import cycle, islice
from pathlib import Path

from alignfreeze_cli.aligners.dictionary_files import find_dictionary
from alignfreeze_cli.aligners.settings import AlignPairsSettings
from alignfreeze_cli.pairs.folder import open_pairs
from alignfreeze_cli.progress import Console
from alignfreeze_cli.steps.align_pairs import align_pairs
from benchmarks.clock import Laps, details
from benchmarks.inputs import Inputs
from benchmarks.plain import align as plain
from benchmarks.table import Report, Row

WORKERS = (1, 2)


def run(inputs: Inputs) -> Report:
    """All implementations in turn over the same files, repeated up to `--lines` lines in all; the report."""
    options = inputs.options
    folder = inputs.folder / "aligning"
    folder.mkdir(exist_ok=True)
    lines = options.lines // len(options.targets)
    for target in options.targets:
        write_long(inputs.corpus_files(target), lines, folder / f"en-{target}.tsv")
    total = lines * len(options.targets)
    dictionary = inputs.text[1]

    theirs = Laps("plain/align.py")
    ours = {workers: Laps(f"alignfreeze, {workers} worker{'s' * (workers > 1)}") for workers in WORKERS}
    for number in range(options.rounds):
        with theirs.lap(total):
            for target in options.targets:
                found = find_dictionary(dictionary, "en", target)
                assert found.forward is not None
                plain.align_to_file(
                    folder / f"en-{target}.tsv", found.forward, found.reverse, folder / f"en-{target}.jsonl"
                )
        for workers, laps in ours.items():
            settings = AlignPairsSettings(
                target=options.targets,
                corpus=(str(folder / "en-{target}.tsv"),),
                dictionary=dictionary,
                words="published",
                workers=workers,
                output=folder / f"pairs-{workers}",
            )
            shutil.rmtree(folder / f"pairs-{workers}", ignore_errors=True)  # else the next round finds it done
            with laps.lap(total):
                align_pairs(settings, Console())
            if number == 0:
                for target in options.targets:
                    same_links(folder / f"pairs-{workers}", target, folder / f"en-{target}.jsonl")
    work = f"`align-pairs`, {total:,} lines of {len(options.targets)} languages"
    rows = [Row(f"{work}, {workers} worker{'s' * (workers > 1)}", theirs, laps) for workers, laps in ours.items()]
    return Report(rows, "\n".join(details(laps, "lines") for laps in (theirs, *ours.values())))


def same_links(pairs: Path, target: str, expected: Path) -> None:
    """Both must have found the same pairs and links; AssertionError if they haven't."""
    with expected.open(encoding="utf-8") as file:
        for number, (pair, line) in enumerate(zip(open_pairs(pairs).read(target), file, strict=True)):
            row = json.loads(line)
            links = [(i, j) for i, j in row["links"]]
            assert (pair.source, pair.target, pair.links) == (row["source"], row["target"], links), f"row {number}"


def write_long(paths: list[Path], lines: int, output: Path) -> None:
    """Write the lines of some files, over and over, until there are enough."""
    text = [line for path in paths for line in path.read_text(encoding="utf-8").removesuffix("\n").split("\n")]
    with output.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in islice(cycle(text), lines))
