"""Records of every kind, as the next step reads them, as their own step finds them, and as cards are made of them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as testing
from hypothesis import strategies as st

from alignfreeze_cli.artifacts import RECORD_NAME, OutputFolder
from alignfreeze_cli.demo.settings import DemoWorldSettings
from alignfreeze_cli.encoder.settings import RealignSettings
from alignfreeze_cli.errors import AlignFreezeError
from alignfreeze_cli.hub.cards import make_card
from alignfreeze_cli.progress import Console
from alignfreeze_cli.report.settings import ReportSettings
from alignfreeze_cli.steps.evaluate import evaluate
from alignfreeze_cli.steps.finetune import finetune
from alignfreeze_cli.steps.realign import realign
from alignfreeze_cli.steps.report import make_report
from alignfreeze_cli.tasks.settings import EvaluateSettings, FinetuneSettings
from tests.cli import world as worlds
from tests.report.runs import write
from tests.tampered.spoiling import HARMLESS, Case, any_json, check, copied, ending, put, replace_a_part, without

RECORD_CASES = [
    *any_json(),
    Case("no kind", without("kind")),
    Case("a kind that is a number", put("kind", 7)),
    Case("an unknown kind", put("kind", "soup")),
    Case("the schema of a newer version", put("schema", 99), says="newer alignfreeze"),
    Case("a schema that is a text", put("schema", "1")),
    Case("settings that are a list", put("settings", [])),
    Case("no identity", without("identity")),
    Case("an empty identity", put("identity", {})),
    Case("an identity of another kind", put("identity", "kind", "soup")),
    Case("identity.settings that are a list", put("identity", "settings", [])),
    Case("identity.inputs that are null", put("identity", "inputs", None)),
    Case("identity.behaviour that is a text", put("identity", "behaviour", "two")),
    Case("inputs that are an object", put("inputs", {})),
    Case("inputs that are numbers", put("inputs", [7])),
    Case("inputs without a digest", put("inputs", [{"name": "a", "source": "b"}])),
    Case("a lineage that is an object", put("lineage", {})),
    Case("a lineage of lists", put("lineage", [[]])),
    Case("a lineage without digests", put("lineage", [{"kind": "pairs", "settings": {}, "inputs": [], "details": {}}])),
    Case("a seed that is a text", put("seed", "x")),
    Case("details that are a list", put("details", [])),
    Case("files that are a list", put("files", [])),
    Case("a digest that is a number", put("files", {"config.json": 7})),
    Case("a file outside", put("files", {"../outside": "0" * 64})),
    Case("seconds that are a text", put("seconds", "long")),
    Case("an unknown field", put("colour", "blue"), HARMLESS),
]  # fmt: skip

FOLDERS = {"pairs": "pairs", "encoder": "front", "task-model": "front-pos", "scores": "runs/enc-full-s0/pos-scores",
           "report": "report", "world": "demo"}  # fmt: skip


@pytest.fixture(scope="module")
def full(world: Path) -> Path:
    """The world, two runs for a report, a report, and what stands for a demo world."""
    for strategy, right in (("baseline", 5), ("full", 6)):
        run = write(world / "runs", strategy, 0, {"en": [9, 9], "xx": [right, 6]})
        record = json.loads((world / "front-scores" / RECORD_NAME).read_text())
        (run / "pos-scores" / RECORD_NAME).write_text(json.dumps({**record, "files": {}}))
    make_report(_report(world / "runs", world / "report"), Console())
    output = OutputFolder("world", DemoWorldSettings(output=world / "demo"), [], default="demo")
    with output.open(Console()) as work:
        (work.path / "README.md").write_text("A world.")
    return world


def _report(runs: Path, output: Path) -> ReportSettings:
    return ReportSettings(runs=(str(runs),), output=output, plots=False, resamples=0)


def next_step(kind: str, world: Path, folder: Path) -> Any:
    """The step that reads a folder of this kind, up to where it would begin to work."""
    if kind == "pairs":
        return realign(RealignSettings(model=str(world / "encoder"), pairs=(str(folder),), dry_run=True), Console())
    if kind == "encoder":
        train = str(world / "treebanks" / "en-train.conllu")
        return finetune(FinetuneSettings(task="pos", model=str(folder), train=train, dry_run=True), Console())
    if kind == "task-model":
        data = str(world / "treebanks" / "{language}-test.conllu")
        settings = EvaluateSettings(model=str(folder), languages=("en", "xx"), data=data, dry_run=True)
        return evaluate(settings, Console())
    return make_report(ReportSettings(runs=(str(folder.parents[1]),), dry_run=True), Console())


def own_step(kind: str, world: Path, folder: Path) -> Any:
    """The step that made the folder, which finds it at its output."""
    if kind == "report":
        return make_report(_report(world / "runs", folder), Console())
    if kind == "world":
        return OutputFolder("world", DemoWorldSettings(output=folder), [], default="demo").finished()
    return {
        "pairs": lambda: worlds.align(world, folder),
        "encoder": lambda: worlds.realign(world, world / "pairs", folder, "--freeze", "front"),
        "task-model": lambda: worlds.finetune(world, world / "front", folder),
        "scores": lambda: worlds.evaluate(world, world / "front-pos", folder),
    }[kind]()


def place_of(kind: str, full: Path, tmp_path: Path) -> Path:
    """A copy of the folder of a kind; scores lie in a run."""
    if kind == "scores":
        return copied(full / "runs" / "enc-full-s0", tmp_path / "runs" / "enc-full-s0") / "pos-scores"
    return copied(full / FOLDERS[kind], tmp_path / "folder")


@pytest.mark.parametrize("case", RECORD_CASES, ids=str)
@pytest.mark.parametrize("kind", ["pairs", "encoder", "task-model", "scores"])
def test_a_tampered_record_is_not_read(full: Path, tmp_path: Path, kind: str, case: Case) -> None:
    folder = place_of(kind, full, tmp_path)
    case.spoil(folder / RECORD_NAME)
    check(case, ending(lambda: next_step(kind, full, folder)))


@pytest.mark.parametrize("case", RECORD_CASES, ids=str)
@pytest.mark.parametrize("kind", ["report", "world"])
def test_a_tampered_record_is_not_taken_for_a_finished_output(
    full: Path, tmp_path: Path, kind: str, case: Case
) -> None:
    folder = place_of(kind, full, tmp_path)
    case.spoil(folder / RECORD_NAME)
    before = {path: path.lstat().st_mtime_ns for path in folder.iterdir()}
    found = ending(lambda: own_step(kind, full, folder))
    check(case, found)
    assert case.code != HARMLESS or found.result.status == "already done"
    assert {path: path.lstat().st_mtime_ns for path in folder.iterdir()} == before


DETAILS = [
    {}, {"languages": 7}, {"languages": {"xx": 5}}, {"languages": {"xx": {}}}, {"steps": 3}, {"probe": [7]},
    {"probe": [{"probe": "before"}], "read-block": "x", "steps": 1, "first-loss": None},
    {"task": "pos", "options": {}, "language": "en"},
    {"metric": "accuracy", "languages": {"xx": {"value": "x"}}, "source-language": "en", "average": "x"},
]  # fmt: skip


@pytest.mark.parametrize("details", DETAILS, ids=str)
@pytest.mark.parametrize("kind", ["pairs", "encoder", "task-model", "scores"])
def test_a_finished_output_with_odd_details(full: Path, tmp_path: Path, kind: str, details: dict[str, Any]) -> None:
    """Its own command says that it is there already, or refuses it; whatever the record says came out."""
    source = full / ("front-scores" if kind == "scores" else FOLDERS[kind])
    folder = copied(source, tmp_path / "folder")
    put("details", details)(folder / RECORD_NAME)
    ran = own_step(kind, full, folder)
    assert "Unexpected" not in ran.stderr
    assert ran.exit_code in (0, 3), ran.stderr
    assert ran.exit_code or "already done" in ran.stdout
    if kind != "scores":
        found = ending(lambda: make_card(folder))
        assert "Unexpected" not in found.sentence, found.sentence
        assert found.code in (0, 3)


@given(st.data())
@testing(max_examples=100, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow])
def test_any_record_is_read_or_refused_by_every_step(full: Path, tmp_path_factory: Any, data: st.DataObject) -> None:
    """One part of a record replaced by anything JSON can hold."""
    kind = data.draw(st.sampled_from(["pairs", "encoder", "task-model", "scores", "report", "world"]))
    folder = place_of(kind, full, tmp_path_factory.mktemp("any"))
    path = folder / RECORD_NAME
    values = json.loads(path.read_text())
    replace_a_part(values, data)
    path.write_text(json.dumps(values))
    calls: list[Callable[[], Any]] = [lambda: own_step(kind, full, folder)] if kind in ("report", "world") else []
    if kind in ("pairs", "encoder", "task-model", "scores"):
        calls.append(lambda: next_step(kind, full, folder))
    if kind in ("pairs", "encoder", "task-model"):
        calls.append(lambda: make_card(folder))
    for call in calls:
        with contextlib.suppress(AlignFreezeError):
            call()
