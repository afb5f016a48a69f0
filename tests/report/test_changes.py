"""What `layers` and `forgetting` have left beside the runs' encoders, in a report."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from alignfreeze_cli.artifacts.files import file_digest, write_json
from alignfreeze_cli.artifacts.record import Record, read_record
from tests.cli.world import alignfreeze
from tests.report import runs

LAYERS = ["embeddings", "0", "1", "2"]


def record(folder: Path, kind: str, files: list[str], inputs: list[dict[str, str]]) -> None:
    identity = {"kind": kind, "settings": {}, "inputs": {}}
    digests = {name: file_digest(folder / name) for name in files}
    Record(kind, {}, identity, inputs, [], None, {}, digests).write(folder)


def estimate(value: float, spread: float = 0.01) -> dict[str, float]:
    return {"value": value, "low": value - spread, "high": value + spread}


def add_changes(run: Path, own: tuple[float, float], loss: float, spread: float = 0.01) -> None:
    """An encoder of three blocks, the lower two of them trained, and both results."""
    encoder = run / "encoder"
    encoder.mkdir()
    (encoder / "config.json").write_text(json.dumps({"of": run.name}))
    record(encoder, "encoder", ["config.json"], [])
    digest = read_record(encoder).digest  # type: ignore[union-attr]
    halves = {
        "own-change": {
            "lower": estimate(own[0]), "upper": estimate(own[1]), "difference": estimate(own[0] - own[1], spread)
        }
    }  # fmt: skip
    layers = {
        "layers": LAYERS,
        "weights": {"embeddings": 0.5, "0": 0.2, "1": 0.4, "2": 0.0},
        "mean": {
            "cka": {layer: estimate(0.9 - 0.1 * place) for place, layer in enumerate(LAYERS)},
            "retrieval-change": {layer: estimate(0.1 * place) for place, layer in enumerate(LAYERS)},
        },
        "lower-blocks": halves,
    }
    forgetting = {
        "layers": LAYERS,
        "mean": {"tied": estimate(loss), "untied": estimate(loss - 0.1)},
        "probe": {"mean": {"change": {layer: estimate(-0.004) for layer in LAYERS}}},
    }
    for kind, content in (("layers", layers), ("forgetting", forgetting)):
        folder = run / f"encoder-{kind}"
        folder.mkdir()
        write_json(folder / f"{kind}.json", content)
        given = {"name": "encoder", "source": "encoder", "digest": digest}
        record(folder, kind, [f"{kind}.json"], [given])


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    for seed in (1, 2):
        for strategy, right, control in (("baseline", 4, False), ("full", 6, False), ("shuffled", 3, True)):
            run = runs.write(tmp_path / "runs", strategy, seed, {"en": [9, 9], "de": [right, right]}, control=control)
            if strategy == "full":
                add_changes(run, (0.8, 0.5 + 0.1 * seed), loss=2.0 + seed, spread=0.15)
            if strategy == "shuffled" and seed == 1:
                add_changes(run, (0.3, 0.6), loss=2.5)
    return tmp_path / "runs"


def report(folder: Path, *more: str) -> Any:
    return alignfreeze("report", folder, "--output", folder.parent / "report", "--resamples", "0", "--no-plots", *more)


def test_a_table_over_seeds_and_which_half_changed_more(measured: Path) -> None:
    made = report(measured)
    assert made.exit_code == 0, made.stderr
    text = (measured.parent / "report" / "report.md").read_text(encoding="utf-8")
    table = text.partition("## What realignment changed in the encoders")[2].partition("##")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("| ")]
    assert rows == [
        ["strategy", "seeds", "weights", "own change, lower", "upper", "CKA, top", "found, points", "loss, tied",
         "untied", "probe, points"],
        ["full", "2", "0.30 ± 0.00", "0.80 ± 0.00", "0.65 ± 0.07", "0.60 ± 0.00", "+20.0 ± 0.0", "+3.50 ± 0.71",
         "+3.40 ± 0.71", "−0.4 ± 0.0"],
        ["shuffled (control)", "1", "0.30", "0.30", "0.60", "0.60", "+20.0", "+2.50", "+2.40", "−0.4"],
    ]  # fmt: skip
    assert (
        "enc, full: by their own change, lower blocks changed more in 1 and upper ones in 0 of 2 seeds, the others "
        in table
    )
    assert "enc, shuffled: by their own change, lower blocks changed more in 0 and upper ones in 1 of 1 seed." in table
    page = (measured.parent / "report" / "report.html").read_text(encoding="utf-8")
    assert re.search(r'id="changes".*<th scope="row">full</th><td>2</td><td>0.30 ± 0.00</td>', page, re.DOTALL)


def test_new_results_make_a_report_out_of_date(measured: Path) -> None:
    assert report(measured).exit_code == 0
    assert "already done" in report(measured).stdout
    add_changes(measured / "enc-shuffled-s2", (0.5, 0.5), loss=1.0)
    later = report(measured)
    assert later.exit_code == 2
    assert "input changes has changed" in later.stderr


def test_results_that_cant_be_read_are_named(measured: Path) -> None:
    folder = measured / "enc-full-s1" / "encoder-layers"
    content = json.loads((folder / "layers.json").read_text())
    content["mean"]["cka"]["2"]["value"] = "much"
    write_json(folder / "layers.json", content)
    changed = report(measured)
    assert changed.exit_code == 3
    assert "layers.json: differs from its digest" in changed.stderr
    record(folder, "layers", ["layers.json"], read_record(folder).inputs)  # type: ignore[union-attr]
    odd = report(measured)
    assert odd.exit_code == 3
    assert "layers.json: is no result of `alignfreeze layers`" in odd.stderr


def test_without_results_there_is_no_section(measured: Path) -> None:
    for run in measured.iterdir():
        for kind in ("layers", "forgetting"):
            if (run / f"encoder-{kind}").is_dir():
                (run / f"encoder-{kind}" / f"{kind}.json").unlink()
                (run / f"encoder-{kind}" / "alignfreeze.json").unlink()
    assert report(measured).exit_code == 0
    assert "in the encoders" not in (measured.parent / "report" / "report.md").read_text(encoding="utf-8")
