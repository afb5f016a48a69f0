"""Reports on runs that anybody may have made: odd files are refused, other behaviours are said."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from alignfreeze_cli.artifacts.run_folder import read_run
from alignfreeze_cli.cli.console import print_json, print_result
from alignfreeze_cli.errors import ArtifactError, DataError
from alignfreeze_cli.phrases import printable
from alignfreeze_cli.report import notes
from alignfreeze_cli.report.distances import read
from alignfreeze_cli.report.scores import collect
from alignfreeze_cli.report.settings import ReportSettings
from alignfreeze_cli.steps.report import compare_runs
from tests.cli.world import alignfreeze
from tests.report.runs import write

RIGHT = {"en": [9, 9], "xx": [5, 6]}


def changed(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    values = json.loads(path.read_text(encoding="utf-8"))
    change(values)
    path.write_text(json.dumps(values), encoding="utf-8")


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("model", 7, "model is no name"),
        ("model", "", "model is no name"),
        ("model", "a\x1b[2Jb", "model is no name"),
        ("model", "a\nb", "model is no name"),
        ("model", "m" * 300, "model is no name"),
        ("strategy", "front\u202e", "strategy is no name"),
        ("strategy", "\ud800", "strategy is no name"),
        ("strategy", None, "strategy is no name"),
        ("seed", "0", "seed is no whole number"),
        ("seed", True, "seed is no whole number"),
        ("control", 1, "control is no true or false"),
        ("tasks", ["pos"], "tasks is no mapping"),
        ("tasks", {"pos": None}, "tasks must name the folders of scores"),
        ("tasks", {"pos": "../other/pos-scores"}, "tasks must name the folders of scores"),
        ("tasks", {"pos": "/etc"}, "tasks must name the folders of scores"),
        ("tasks", {"p\x07os": "pos-scores"}, "tasks must name the folders of scores"),
    ],
)
def test_an_odd_run_json_is_refused(tmp_path: Path, key: str, value: Any, said: str) -> None:
    folder = write(tmp_path, "front", 0, RIGHT)
    changed(folder / "run.json", lambda run: run.update({key: value}))
    with pytest.raises(ArtifactError, match=said):
        read_run(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.update(metric=["accuracy"]), "is no name"),
        (lambda s: s.update(metric="acc\x1b[31m"), "is no name"),
        (lambda s: s.pop("source-language"), "'source-language' is missing"),
        (lambda s: s.update(languages=["en"]), "has no attribute"),
        (lambda s: s["languages"].update({"../../x": s["languages"]["en"]}), "is no name"),
        (lambda s: s["languages"]["xx"].update(value="0.5"), "is no score"),
        (lambda s: s["languages"]["xx"].update(value=True), "is no score"),
        (lambda s: s["languages"]["xx"].update(value=float("nan")), "is no score"),
        (lambda s: s["languages"]["xx"].update(value=81.5), "is no score"),
        (lambda s: s.update(scoring=[]), "scoring is no mapping"),
        (lambda s: s.update(scoring={"windows": "a\x1b]0;b\x07"}), "scoring is no mapping"),
    ],
)
def test_odd_scores_are_refused(tmp_path: Path, change: Callable[[dict[str, Any]], Any], said: str) -> None:
    folder = write(tmp_path, "front", 0, RIGHT)
    changed(folder / "pos-scores" / "scores.json", change)
    with pytest.raises(ArtifactError, match=f"scores.json: is no file of scores .*{said}.*; evaluate again"):
        collect([tmp_path])


@pytest.mark.parametrize(
    "content",
    [
        '{"title": 5, "distances": {"de": 1}}',
        '{"source": ["en"], "distances": {"de": 1}}',
        '{"d\\u001be": 1}',
        "[" * 100_000,
        '{"distances": 7}',
    ],
)
def test_odd_distances_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "d.json").write_text(content)
    with pytest.raises(DataError, match="holds no distances"):
        read(tmp_path / "d.json")


def recorded(scores: Path, behaviours: Mapping[str, int], **settings: str) -> None:
    """A record of scores whose ancestors, by kind, and which itself are of these behaviours and settings."""
    common: dict[str, Any] = {"settings": settings, "inputs": [], "seed": None, "details": {}}
    details = {"task": "pos", "options": {}, "language": "en"}

    def numbered(kind: str) -> dict[str, int]:
        return {"behaviour": behaviours[kind]} if behaviours[kind] > 1 else {}

    record = {
        **common,
        "kind": "scores",
        "identity": {"kind": "scores", "settings": {}, "inputs": {}, **numbered("scores")},
        "lineage": [
            {**common, "kind": kind, "digest": kind, "details": details, **numbered(kind)}
            for kind in behaviours
            if kind != "scores"
        ],
        "files": {},
        "schema": 1,
    }
    (scores / "alignfreeze.json").write_text(json.dumps(record))


def test_arms_of_other_behaviours_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pairs of one strategy are of an older version, and the model of one seed; a baseline has no pairs."""
    monkeypatch.setitem(notes._CHANGES, "pairs", ("words carry their blank", "texts are compared in NFC"))
    for seed in (0, 1):
        model = {"task-model": 1 + seed, "scores": 1}
        for strategy, pairs in (("baseline", {}), ("full", {"pairs": 1}), ("front", {"pairs": 3})):
            folder = write(tmp_path, strategy, seed, RIGHT)
            recorded(folder / "pos-scores", {**pairs, **model})
    settings = ReportSettings(runs=(str(tmp_path),), resamples=0)
    said = [note for note in compare_runs(settings, collect(settings.runs)).notes if "behaviour" in note]
    assert said == [
        "enc, pos: not all runs were made by the same behaviour of `finetune`: 1 in baseline s0, full s0 and front s0; "
        "2 in baseline s1, full s1 and front s1" + said[0].partition("front s1")[2],
        "enc, pos: not all runs were made by the same behaviour of `align-pairs`: 1 in full s0 and full s1; "
        "3 in front s0 and front s1 (what changed: words carry their blank, then texts are compared in NFC); make the "
        "older ones again to compare them.",
    ]


def test_runs_of_one_behaviour_need_no_note(tmp_path: Path) -> None:
    for strategy in ("baseline", "full"):
        folder = write(tmp_path, strategy, 0, RIGHT)
        recorded(folder / "pos-scores", {"pairs": 2, "scores": 1})
    settings = ReportSettings(runs=(str(tmp_path),), resamples=0)
    assert not [note for note in compare_runs(settings, collect(settings.runs)).notes if "behaviour" in note]


def test_arms_of_different_precision_are_refused(tmp_path: Path) -> None:
    """A run without a precision in its record is of the time before there was a choice: fp32."""
    runs = []
    for strategy, precision in (("baseline", {}), ("full", {"precision": "fp32"}), ("front", {"precision": "bf16"})):
        runs.append(write(tmp_path, strategy, 0, RIGHT))
        recorded(runs[-1] / "pos-scores", {"task-model": 1, "scores": 1}, **precision)
    assert len(collect(runs[:2]).scores)
    with pytest.raises(DataError) as caught:
        collect([tmp_path])
    assert str(caught.value) == (
        "enc, pos: not all runs computed `finetune` in the same precision (fp32 in baseline (seed 0); "
        "bf16 in front (seed 0)); make those again with the same --precision to compare them"
    )


def test_nothing_printed_controls_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Names of folders are anybody's too: they are shown, with what would control the terminal as escapes."""
    folder = write(tmp_path, "front", 0, RIGHT, name="odd\x1b[2J\x9b31m")
    os.rename(folder / "pos-scores" / "scores.json", folder / "away.json")
    write(tmp_path, "baseline", 0, RIGHT)
    done = alignfreeze("report", tmp_path, "--output", tmp_path / "report\x1b[1m", "--no-plots")
    assert done.exit_code == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert "odd\\x1b[2J\\x9b31m" in done.stdout
    done = alignfreeze("report", folder, "--output", tmp_path / "other")
    assert done.exit_code == 3
    assert "\x1b" not in done.stderr
    print_result("a\x07b\tc\u202ed\udc80")
    print_json({"a": "\x1b\x9b\u202e"})
    assert capsys.readouterr().out == 'a\\x07b\tc\\u202ed\\udc80\n{"a": "\\u001b\\u009b\\u202e"}\n'
    assert printable("naïve – ✓\n") == "naïve – ✓\n"
