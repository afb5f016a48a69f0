"""Runs, scores, predictions, recipes and checkpoints that were tampered with."""

from __future__ import annotations

import contextlib
import json
import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as testing
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from alignfreeze_cli.artifacts.files import file_digest
from alignfreeze_cli.encoder.settings import RealignSettings
from alignfreeze_cli.errors import AlignFreezeError, SettingsError
from alignfreeze_cli.progress import Console, ProgressBar
from alignfreeze_cli.report.settings import ReportSettings
from alignfreeze_cli.runs.graph import expand
from alignfreeze_cli.runs.recipes import load
from alignfreeze_cli.steps.realign import realign
from alignfreeze_cli.steps.report import make_report
from tests.report.runs import write
from tests.runs.world import RECIPE
from tests.tampered import spoiling
from tests.tampered.spoiling import HARMLESS, Case

RUN = [
    *spoiling.any_json(),
    *[Case(f"no {key}", spoiling.without(key)) for key in ("model", "strategy", "seed", "control", "tasks")],
    *spoiling.each("model", 7, "", "a\x1b", None, []),
    *spoiling.each("strategy", 7, "", "a\nb", None, []),
    *spoiling.each("seed", "0", True, 0.5, None, [0]),
    *spoiling.each("control", "no", 1, None),
    *spoiling.each("tasks", 7, ["pos"], {"pos": 7}, {"pos": "../x"}, {"a\n": "b"}),
    Case("an unknown key", spoiling.put("colour", "blue"), HARMLESS),
    Case("a newer schema", spoiling.put("schema", 1), HARMLESS),
]  # fmt: skip

VALUE = ("languages", "xx", "value")
SCORES = [
    *spoiling.any_json(),
    *[Case(f"no {key}", spoiling.without(key)) for key in ("metric", "source-language", "languages")],
    *spoiling.each("metric", 7, None, ["accuracy"], "a\x9b"),
    *spoiling.each("languages", 7, ["en"], {"en": 5}, {"en": {}}, {"/": {}}),
    *spoiling.each("scoring", 7, [], {"a": "b\x1b"}, {"": 1}),
    *[Case(f"value {value!r}", spoiling.put(*VALUE, value))
      for value in ("0.5", None, True, -0.1, 55, math.nan, 10**400, [1])],
    Case("another value than the predictions give", spoiling.put(*VALUE, 0.123), says="gives"),
    Case("data that are a text", spoiling.put("languages", "xx", "data", "x")),
    Case("an unknown key", spoiling.put("colour", "blue"), HARMLESS),
]  # fmt: skip


def predictions(change: Any) -> Any:
    return lambda path: pq.write_table(change(pq.read_table(path)), path)


def replaced(name: str, values: Any, kind: pa.DataType | None = None) -> Any:
    def change(table: pa.Table) -> pa.Table:
        made = pa.array([values] * len(table), kind)
        return table.set_column(table.schema.get_field_index(name), name, made)

    return predictions(change)


PREDICTIONS = [
    Case("empty", spoiling.written("")),
    Case("text", spoiling.written("id\twords\n")),
    Case("half", spoiling.cut),
    Case("longer", spoiling.longer),
    Case("a pointer of git-lfs", spoiling.pointer),
    Case("no column of answers", predictions(lambda table: table.drop_columns(["predicted"]))),
    Case("no rows", predictions(lambda table: table.slice(0, 0))),
    Case("rows twice", predictions(lambda table: pa.concat_tables([table, table.slice(0, 1)])), HARMLESS),
    Case("answers that are numbers", replaced("predicted", [1] * 10)),
    Case("answers that are a text", replaced("predicted", "NOUN")),
    Case("answers that are null", replaced("predicted", None, pa.list_(pa.string()))),
    Case("fewer answers than words", replaced("predicted", ["NOUN"])),
    Case("gold that is a number", replaced("gold", 7)),
    Case("gold that is null", replaced("gold", None, pa.list_(pa.string()))),
    Case("other answers", replaced("predicted", ["VERB"] * 10), says="gives"),
    Case("gone", lambda path: path.unlink(), HARMLESS),  # a note says that there is no bootstrap
    Case("a pipe", spoiling.fifo, HARMLESS),
    Case("a folder", spoiling.folder, HARMLESS),
]
FILES = {"run.json": RUN, "pos-scores/scores.json": SCORES, "pos-scores/predictions/xx.parquet": PREDICTIONS}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    for strategy, right in (("baseline", [5, 6]), ("front", [6, 6])):
        write(root / "runs", strategy, 0, {"en": [9, 9], "xx": right})
    return root / "runs"


def report(runs: Path, output: Path) -> str:
    settings = ReportSettings(runs=(str(runs),), output=output, resamples=100, plots=False)
    return (make_report(settings, Console()).path / "tables" / "seeds.csv").read_text()


@pytest.mark.parametrize(("file", "case"), [(file, case) for file, cases in FILES.items() for case in cases], ids=str)
def test_a_tampered_run(runs: Path, tmp_path: Path, file: str, case: Case) -> None:
    tampered = spoiling.copied(runs, tmp_path / "runs")
    case.spoil(tampered / "enc-front-s0" / file)
    found = spoiling.ending(lambda: report(tampered, tmp_path / "out"))
    if case.code and not (tampered / "enc-front-s0" / file).is_file():
        case = Case(case.name, case.spoil, HARMLESS)  # it is as if there were no run, or no scores yet; a note says so
    spoiling.check(case, found)
    assert found.code or "baseline" in found.result


@given(st.data())
@testing(phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_run_is_reported_or_refused(
    runs: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    tampered = spoiling.copied(runs, tmp_path_factory.mktemp("any") / "runs")
    path = tampered / "enc-front-s0" / data.draw(st.sampled_from(["run.json", "pos-scores/scores.json"]))
    values = json.loads(path.read_text())
    spoiling.replace_a_part(values, data)
    path.write_text(json.dumps(values))
    with contextlib.suppress(AlignFreezeError):
        report(tampered, tampered.parent / "out")


# Recipes


def recipe(old: str, new: str) -> Any:
    def spoil(path: Path) -> None:
        assert old in RECIPE
        path.write_text(path.read_text().replace(old, new))

    return spoil


LAUGHS = "a0: &a0 [x, x, x]\n" + "".join(f"a{n}: &a{n} [" + ", ".join([f"*a{n - 1}"] * 9) + "]\n" for n in range(1, 12))
RECIPES = [
    Case("empty", spoiling.written(""), 2),
    Case("binary", spoiling.written(bytes(range(256))), 2),
    Case("UTF-16", lambda path: path.write_bytes(path.read_text().encode("utf-16")), 2),
    Case("a text", spoiling.written("a recipe"), 2),
    Case("a list", spoiling.written("[1, 2]"), 2),
    Case("a number", spoiling.written("7"), 2),
    Case("two documents", spoiling.written("a: 1\n---\nb: 2\n"), 2),
    Case("nested 10,000 deep", spoiling.written("[" * 10_000), 2),
    Case("mappings nested 10,000 deep", spoiling.written("{a: " * 10_000), 2),
    Case("aliases of aliases", spoiling.written(LAUGHS), 2, "too large"),
    Case("an alias of itself", spoiling.written("a: &a [*a]\n"), 2),
    Case("an alias of nothing", spoiling.written("model: *nothing\n"), 2),
    Case("a list of 100,000", spoiling.written("seeds: [" + "1, " * 100_000 + "1]\n"), 2, "too large"),
    Case("a megabyte of blanks", spoiling.written(" " * 2_000_000), 2, "too large"),
    Case("a tag of Python", spoiling.written("model: !!python/object/apply:os.system ['true']\n"), 2),
    Case("a number of 10,000 digits", spoiling.written("model: x\nseeds: [" + "9" * 10_000 + "]\n"), 2),
    Case("a tab", spoiling.written("model:\tx\n\tdata: y\n"), 2),
    Case("a key that is a list", spoiling.written("[a]: 1\n"), 2),
    Case("a NUL", spoiling.written("model: a\0b\n"), 2),
    Case("a pipe", spoiling.fifo, 2),
    Case("a folder", spoiling.folder, 2),
    Case("a link to itself", spoiling.loop, 2),
    Case("gone", lambda path: path.unlink(), 2),
    *[Case(f"{old} as {new}", recipe(old, new), 2) for old, new in (
        ("seeds: [0, 1]", "seeds: {a: 1}"), ("seeds: [0, 1]", "seeds: [-1]"), ("seeds: [0, 1]", "seeds: [[0]]"),
        ("seeds: [0, 1]", "seeds: [1.5]"), ("seeds: [0, 1]", "seeds: [.nan]"), ("seeds: [0, 1]", "seeds: [0, 0]"),
        ("threads: 1", "threads: many"), ("threads: 1", "threads: [1]"), ("threads: 1", "threads: 1e400"),
        ("targets: [xx, yy]", "targets: {a: b}"), ("targets: [xx, yy]", "targets: [[xx]]"),
        ("targets: [xx, yy]", "targets: [../x]"), ("source: en", "source: [en, de]"), ("source: en", "source: 7"),
        ("model: '{data}/encoder'", "model: [a]"), ("model: '{data}/encoder'", "model: {a: b}"),
        ("name: tiny", "name: '../tiny'"), ("name: tiny", "name: [tiny]"), ("data: DATA", "data: [a]"),
        ("steps: 3, batch-size: 4", "steps: three, batch-size: 4"), ("steps: 3, batch-size: 4", "steps: [3]"),
        ("steps: 3, batch-size: 4", "steps: .inf"), ("steps: 3, batch-size: 4", "steps: {a: 1}"),
        ("controls: [shuffled-links]", "controls: {a: b}"), ("controls: [shuffled-links]", "controls: [none]"),
        ("strategies:\n", "strategies: [a]\nextra:\n"), ("baseline: {realign: false}", "baseline: 7"),
        ("baseline: {realign: false}", "'a/b': {realign: false}"), ("front: {freeze: front}", "front: {freeze: [1]}"),
        ("front: {freeze: front}", "front: {freeze: {a: b}}"), ("name: tiny", "extends: [a]"),
        ("name: tiny", "extends: tiny.yaml"), ("name: tiny", "extends: {a: b}"), ("name: tiny", "tasks: [[pos]]"),
        ("name: tiny", "tasks: {pos: 1}"), ("name: tiny", "per-task: [pos]"), ("name: tiny", "schedule: [before]"),
    )],
]  # fmt: skip


@pytest.mark.parametrize("case", RECIPES, ids=str)
def test_a_tampered_recipe(tmp_path: Path, case: Case) -> None:
    path = tmp_path / "tiny.yaml"
    path.write_text(RECIPE)
    case.spoil(path)
    spoiling.check(case, spoiling.ending(lambda: expand([load(path)], tmp_path / "runs", (), ())), lines=20)


YAML_LINES = st.lists(
    st.sampled_from([*RECIPE.splitlines(), "a: &a [*a]", "b: *a", "? x", "- y", "{", "}", "[", "realign:", "  steps: 3",
                     "pairs: p", "tasks: [pos, ner]", "seeds: 1,2", "!!int x", "'", "|", "&x", "%TAG", "---", "..."]),
    max_size=12,
)  # fmt: skip


@given(YAML_LINES | st.text(":-[]{}&*!?|>'\"\\%@ \n\tab1", max_size=40).map(lambda text: [text]))
@testing(max_examples=300, phases=[Phase.generate])
def test_any_recipe_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text("\n".join(lines))
    with contextlib.suppress(SettingsError):
        load(path)


# Checkpoints


class Stops(Console):
    """Interrupts training after two steps."""

    @contextmanager
    def progress(self, title: str, total: int | None = None, unit: str = "items") -> Iterator[ProgressBar]:
        yield _Bar(total) if title == "training" else ProgressBar(total)


class _Bar(ProgressBar):
    def advance(self, amount: int = 1, note: str = "") -> None:
        super().advance(amount, note)
        if self.done > 2:
            raise KeyboardInterrupt


def training(world: Path, output: Path, **more: Any) -> RealignSettings:
    return RealignSettings(
        model=str(world / "encoder"), pairs=(str(world / "pairs"),), steps=4, batch_size=4, probe_pairs=0,
        projection=8, device="cpu", checkpoint_every=1, output=output, **more,
    )  # fmt: skip


@pytest.fixture(scope="module")
def interrupted(world: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A partial folder with the checkpoint of step 2, and the weights that a run of four steps gives."""
    root = tmp_path_factory.mktemp("interrupted")
    with pytest.raises(KeyboardInterrupt):
        realign(training(world, root / "out"), Stops())
    whole = file_digest(realign(training(world, root / "whole"), Console()).path / "model.safetensors")
    return root / ".out.partial", whole


def resealed(change: Any) -> Any:
    """Change the tensors of a checkpoint, and its marker to fit."""

    def spoil(path: Path) -> None:
        values = load_file(path)
        save_file(change(values), path, metadata={"format": "pt"})
        marker = path.with_name("checkpoint.json")
        content = json.loads(marker.read_text())
        content["files"][path.name] = file_digest(path)
        marker.write_text(json.dumps(content))

    return spoil


def renamed(values: dict[str, Any]) -> dict[str, Any]:
    return {f"x.{name}": value for name, value in values.items()}


def turned(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value.T.copy() for name, value in values.items()}


ANEW = (1, "start anew with --overwrite")
MARKER = [  # what is no marker makes a checkpoint that is not complete, so that training begins anew
    *spoiling.any_json(HARMLESS),
    Case("gone", lambda path: path.unlink(), HARMLESS),
    Case("no files", spoiling.put("files", {}), HARMLESS),
    Case("files that are a list", spoiling.put("files", []), HARMLESS),
    Case("digests that are numbers", spoiling.put("files", {"weights.safetensors": 7}), HARMLESS),
    Case("another step", spoiling.put("step", 3), HARMLESS),
    Case("a step that is a text", spoiling.put("step", "2"), HARMLESS),
    Case("a step that is true", spoiling.put("step", True), HARMLESS),
    *[Case(f"progress {value!r}", spoiling.put("progress", value), HARMLESS) for value in (None, 7, [], "x")],
    Case("no progress", spoiling.put("progress", {}), *ANEW),
    Case("an unknown part of progress", spoiling.put("progress", "colour", 1), *ANEW),
    *[Case(f"first {value!r}", spoiling.put("progress", "first", value), *ANEW)
      for value in (7, [7], [["x"]], [[]], [[1.0, 2.0]])],
    *[Case(f"recent {value!r}", spoiling.put("progress", "recent", value), *ANEW)
      for value in (None, {}, [{}], [[None]])],
    *[Case(f"{key} {value!r}", spoiling.put("progress", key, value), *ANEW)
      for key in ("since_log", "tokens", "computed") for value in ("x", None, -1, 0.5)],
]  # fmt: skip
CHECKPOINTS = {
    "checkpoint.json": MARKER,
    "../../metrics.jsonl": [  # of what happened until then; the weights do not depend on it
        Case("gone", lambda path: path.unlink(), HARMLESS),
        Case("half", spoiling.cut, HARMLESS),
        Case("numbers", spoiling.written("7\n8\n"), HARMLESS),
        Case("lists", spoiling.written("[1]\n"), HARMLESS),
        Case("rows without a step", spoiling.written('{"loss": 1}\n'), HARMLESS),
        Case("a step that is a text", spoiling.written('{"step": "1"}\n'), HARMLESS),
        Case("nested deep", spoiling.written("[" * 100_000 + "\n"), HARMLESS),
    ],
    "weights.safetensors": [
        Case("half", spoiling.cut, HARMLESS),
        Case("longer", spoiling.longer, HARMLESS),
        Case("empty", spoiling.written(""), HARMLESS),
        Case("gone", lambda path: path.unlink(), HARMLESS),
        Case("a folder", spoiling.folder, HARMLESS),
        Case("a pipe", spoiling.fifo, HARMLESS),
        Case("other tensors", resealed(renamed), *ANEW),
        Case("other shapes", resealed(turned), *ANEW),
        Case("no tensors", resealed(lambda values: {}), *ANEW),
        Case("one tensor less", resealed(lambda values: dict(list(values.items())[1:])), *ANEW),
    ],
    "optimizer.safetensors": [
        Case("half", spoiling.cut, HARMLESS),
        Case("gone", lambda path: path.unlink(), HARMLESS),
        Case("other tensors", resealed(renamed), *ANEW),
        Case("other shapes", resealed(turned), *ANEW),
        Case(
            "names without a colon",
            resealed(lambda v: {n.replace(":", "-"): x for n, x in v.items()}),
            1,
            "--overwrite",
        ),
        Case("no tensors", resealed(lambda values: {}), *ANEW),
        Case("one tensor less", resealed(lambda values: dict(list(values.items())[1:])), *ANEW),
    ],
}


@pytest.mark.parametrize(
    ("file", "case"), [(file, case) for file, cases in CHECKPOINTS.items() for case in cases], ids=str
)
def test_a_tampered_checkpoint(
    world: Path, tmp_path: Path, interrupted: tuple[Path, str], file: str, case: Case
) -> None:
    """Resuming gives the weights of a run that was never interrupted, or ends in a sentence that says what to do."""
    partial, whole = interrupted
    shutil.copytree(partial, tmp_path / ".out.partial")
    (checkpoint,) = (tmp_path / ".out.partial" / "checkpoints").iterdir()
    case.spoil(checkpoint / file)
    settings = training(world, tmp_path / "out", resume=True)
    found = spoiling.ending(lambda: file_digest(realign(settings, Console()).path / "model.safetensors"))
    spoiling.check(case, found)
    assert found.result in (None, whole)
