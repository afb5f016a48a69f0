"""The life of an output folder, with a step small enough to read."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from alignfreeze_cli.artifacts import (
    Input,
    OutputFolder,
    Result,
    Workspace,
    read_record,
    resolve_artifact,
    resolve_files,
    verify,
)
from alignfreeze_cli.errors import AlignFreezeError, ArtifactError, DataError, OutputExistsError, SettingsError
from alignfreeze_cli.progress import Console
from alignfreeze_cli.settings import StepSettings, setting


@dataclass(frozen=True, kw_only=True)
class CopySettings(StepSettings):
    times: int = setting(1, help="How often the text is written.", minimum=1)
    workers: int = setting(1, help="Does not change the result.", result=False)


def copy(settings: CopySettings, source: Path, kind: str = "pairs", build: Any = None) -> Result:
    """A step small enough to read."""
    given = resolve_files("text", str(source), [source])
    output = OutputFolder(kind, settings, [given], default="copy", seed=31)
    if done := output.finished():
        return done
    if settings.dry_run:
        return output.planned({"times": settings.times})
    with output.open(Console()) as work:
        if build:
            work.details = dict(build(work))
        else:
            (work.path / "data").mkdir()
            (work.path / "data" / "copy.txt").write_text(source.read_text() * settings.times)
            work.details = {"bytes": source.stat().st_size * settings.times}
    return output.result


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.txt"
    path.write_text("cat chat\n")
    return path


def test_output_is_complete_and_recorded(tmp_path: Path, source: Path) -> None:
    result = copy(CopySettings(output=tmp_path / "out", times=3, workers=2), source)
    record = read_record(tmp_path / "out")
    assert result.status == "made"
    assert record is not None
    assert record.kind == "pairs"
    assert record.settings == {"times": 3, "workers": 2}
    assert list(record.files) == ["data/copy.txt"]
    assert record.seed == 31
    assert record.details == {"bytes": 27}
    assert record.inputs[0]["name"] == "text"
    verify(tmp_path / "out", record)
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_same_settings_and_inputs_are_done_already(tmp_path: Path, source: Path) -> None:
    copy(CopySettings(output=tmp_path / "out"), source)
    before = (tmp_path / "out" / "alignfreeze.json").read_bytes()
    again = copy(CopySettings(output=tmp_path / "out", workers=8), source)
    assert again.status == "already done"
    assert (tmp_path / "out" / "alignfreeze.json").read_bytes() == before


@pytest.mark.parametrize("change", ["settings", "input"])
def test_an_output_of_other_settings_or_inputs_is_refused_and_kept(tmp_path: Path, source: Path, change: str) -> None:
    copy(CopySettings(output=tmp_path / "out"), source)
    before = (tmp_path / "out" / "data" / "copy.txt").read_bytes()
    if change == "input":
        source.write_text("dog chien\n")
    settings = CopySettings(output=tmp_path / "out", times=1 if change == "input" else 2)
    with pytest.raises(
        OutputExistsError, match="input text has changed" if change == "input" else "times was 1, now 2"
    ):
        copy(settings, source)
    assert (tmp_path / "out" / "data" / "copy.txt").read_bytes() == before


def test_overwrite_replaces(tmp_path: Path, source: Path) -> None:
    copy(CopySettings(output=tmp_path / "out"), source)
    result = copy(CopySettings(output=tmp_path / "out", times=2, overwrite=True), source)
    assert result.status == "made"
    assert (tmp_path / "out" / "data" / "copy.txt").read_text() == "cat chat\n" * 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "source.txt"]


def test_a_folder_not_made_by_alignfreeze_is_never_touched(tmp_path: Path, source: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("three years")
    with pytest.raises(OutputExistsError, match="not made by alignfreeze"):
        copy(CopySettings(output=tmp_path / "out", overwrite=True), source)
    assert (tmp_path / "out" / "thesis.txt").read_text() == "three years"


def test_a_failing_step_leaves_no_output(tmp_path: Path, source: Path) -> None:
    def fail(work: Workspace) -> Mapping[str, Any]:
        (work.path / "half.txt").write_text("half")
        raise DataError("bad", "corpus.tsv", 7)

    with pytest.raises(DataError, match=r"corpus\.tsv, line 7: bad"):
        copy(CopySettings(output=tmp_path / "out"), source, build=fail)
    assert not (tmp_path / "out").exists()
    assert copy(CopySettings(output=tmp_path / "out"), source).status == "made"
    assert not (tmp_path / "out" / "half.txt").exists()


def test_a_dry_run_shows_the_plan_and_writes_nothing(tmp_path: Path, source: Path) -> None:
    result = copy(CopySettings(output=tmp_path / "out", dry_run=True), source)
    assert result.status == "planned"
    assert result.details["times"] == 1
    assert result.details["output"] == str(tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["source.txt"]


def test_a_checkpoint_is_kept_unless_overwrite_is_given(tmp_path: Path, source: Path) -> None:
    seen = []

    def stop(work: Workspace) -> Mapping[str, Any]:
        seen.append(sorted(p.name for p in work.path.rglob("*")))
        work.checkpoints.mkdir(exist_ok=True)
        (work.checkpoints / "step").write_text("120")
        raise KeyboardInterrupt

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        copy(CopySettings(output=out), source, build=stop)
    with pytest.raises(SettingsError, match="--resume"):
        copy(CopySettings(output=out), source)
    with pytest.raises(SettingsError, match="other settings or inputs"):
        copy(CopySettings(output=out, times=2, resume=True), source)
    with pytest.raises(KeyboardInterrupt):
        copy(CopySettings(output=out, resume=True), source, build=stop)
    assert seen == [["partial.json"], ["checkpoints", "partial.json", "step"]]
    assert copy(CopySettings(output=out, overwrite=True), source).status == "made"


def test_two_processes_never_write_the_same_output(tmp_path: Path, source: Path) -> None:
    def start_another(work: Workspace) -> Mapping[str, Any]:
        copy(CopySettings(output=tmp_path / "out"), source)
        return {}

    with pytest.raises(AlignFreezeError, match="Another process is writing"):
        copy(CopySettings(output=tmp_path / "out"), source, build=start_another)


def _killed_at(call: int, settings: CopySettings, source: Path) -> bool:
    """Run the step in a child that kills itself at its `call`-th rename or fsync; True if it got that far."""
    child = os.fork()
    if child == 0:
        count = 0

        def deadly(function: Any) -> Any:
            def wrapped(*args: Any, **kwargs: Any) -> Any:
                nonlocal count
                count += 1
                if count == call:
                    os.kill(os.getpid(), signal.SIGKILL)
                return function(*args, **kwargs)

            return wrapped

        os.rename, os.fsync = deadly(os.rename), deadly(os.fsync)
        copy(settings, source)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def test_killed_at_any_moment_of_an_overwrite_the_output_is_old_or_new(tmp_path: Path, source: Path) -> None:
    moments, killed = 0, True
    while killed:
        moments += 1
        out = tmp_path / str(moments) / "out"
        copy(CopySettings(output=out), source)
        killed = _killed_at(moments, CopySettings(output=out, times=2, overwrite=True), source)
        # The next run finds a complete folder, the old or the new one.
        with contextlib.suppress(OutputExistsError):
            copy(CopySettings(output=out, times=1), source)
        record = read_record(out)
        assert record is not None
        assert record.settings["times"] in (1, 2)
        verify(out, record)
        again = copy(CopySettings(output=out, times=2, overwrite=True), source)
        assert again.record is not None
        assert again.record.settings["times"] == 2
        assert not list(out.parent.glob(".*"))
    assert moments >= 7


def test_a_folder_that_came_up_meanwhile_is_kept_and_so_is_the_work(tmp_path: Path, source: Path) -> None:
    out = tmp_path / "out"

    def meanwhile(work: Workspace) -> Mapping[str, Any]:
        out.mkdir()
        (out / "theirs.txt").write_text("precious")
        (work.path / "ours.txt").write_text("work of hours")
        return {}

    with pytest.raises(OutputExistsError, match=r"made by something else .* kept in .*\.out\.partial; move"):
        copy(CopySettings(output=out), source, build=meanwhile)
    assert (out / "theirs.txt").read_text() == "precious"
    out.rename(tmp_path / "aside")
    assert copy(CopySettings(output=out), source, build=_never).status == "already done"
    assert (out / "ours.txt").read_text() == "work of hours"
    record = read_record(out)
    assert record is not None
    assert list(record.files) == ["ours.txt"]
    verify(out, record)
    assert not list(tmp_path.glob(".*"))


def test_overwriting_replaces_what_was_there_and_nothing_newer(tmp_path: Path, source: Path) -> None:
    out = tmp_path / "out"
    copy(CopySettings(output=out), source)

    def meanwhile(work: Workspace) -> Mapping[str, Any]:
        out.rename(tmp_path / "moved")
        out.mkdir()
        (out / "theirs.txt").write_text("precious")
        return {}

    with pytest.raises(OutputExistsError, match="made by something else"):
        copy(CopySettings(output=out, times=2, overwrite=True), source, build=meanwhile)
    assert (out / "theirs.txt").read_text() == "precious"


def test_links_and_the_working_folder_can_be_outputs(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real").mkdir()
    for name, leads_to in (("link", tmp_path / "real"), ("dangling", tmp_path / "made" / "later")):
        (tmp_path / name).symlink_to(leads_to)
        assert copy(CopySettings(output=tmp_path / name), source).status == "made"
        assert (tmp_path / name).is_symlink()
        assert (leads_to / "data" / "copy.txt").is_file()
        assert copy(CopySettings(output=tmp_path / name), source).status == "already done"
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert copy(CopySettings(output=Path(".")), source).status == "made"
    assert (tmp_path / "here" / "data" / "copy.txt").is_file()
    assert Path("alignfreeze.json").is_file()
    assert copy(CopySettings(output=Path(".")), source).status == "already done"


def _never(work: Workspace) -> Mapping[str, Any]:
    raise AssertionError("made again")


def test_lineage_holds_every_ancestor_once(tmp_path: Path, source: Path) -> None:
    copy(CopySettings(output=tmp_path / "a"), source)
    parent = resolve_artifact(str(tmp_path / "a"), "pairs")

    def child(name: str, inputs: list[Input], times: int) -> Input:
        output = OutputFolder("scores", CopySettings(output=tmp_path / name, times=times), inputs, default="")
        with output.open(Console()) as work:
            (work.path / "scores.json").write_text(name)
        return resolve_artifact(str(tmp_path / name), "scores", name=name)

    b = child("b", [parent], 2)
    c = child("c", [parent, b], 3)
    assert c.record is not None
    assert b.record is not None
    assert [ancestor["digest"] for ancestor in c.record.lineage] == [parent.digest, b.digest]
    assert c.record.lineage[0]["settings"] == {"times": 1, "workers": 1}


def test_the_digest_depends_on_the_content_only(tmp_path: Path, source: Path) -> None:
    first = copy(CopySettings(output=tmp_path / "a"), source).record
    second = copy(CopySettings(output=tmp_path / "b", workers=4), source).record
    third = copy(CopySettings(output=tmp_path / "c", times=2), source).record
    assert first is not None
    assert second is not None
    assert third is not None
    assert first.digest == second.digest != third.digest


def test_no_path_of_the_machine_is_recorded(tmp_path: Path, source: Path) -> None:
    copy(CopySettings(output=tmp_path / "out"), source)
    assert str(tmp_path) not in (tmp_path / "out" / "alignfreeze.json").read_text()


def test_a_damaged_file_and_a_wrong_kind_are_reported(tmp_path: Path, source: Path) -> None:
    copy(CopySettings(output=tmp_path / "out"), source)
    with pytest.raises(ArtifactError, match="holds pairs, made by `alignfreeze align-pairs`, but a task-model"):
        resolve_artifact(str(tmp_path / "out"), "task-model")
    (tmp_path / "out" / "data" / "copy.txt").write_text("cat chien\n")
    with pytest.raises(ArtifactError, match=r"copy\.txt: differs from its digest"):
        resolve_artifact(str(tmp_path / "out"), "pairs")
    (tmp_path / "out" / "data" / "copy.txt").unlink()
    with pytest.raises(ArtifactError, match="is missing"):
        resolve_artifact(str(tmp_path / "out"), "pairs")


def test_a_record_of_a_newer_version_is_refused(tmp_path: Path, source: Path) -> None:
    copy(CopySettings(output=tmp_path / "out"), source)
    path = tmp_path / "out" / "alignfreeze.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": 99}))
    with pytest.raises(ArtifactError, match="newer alignfreeze"):
        resolve_artifact(str(tmp_path / "out"), "pairs")


def test_a_folder_of_older_behaviour_is_refused_with_the_change_named(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = CopySettings(output=tmp_path / "out")
    record = copy(out, source).record
    assert record is not None
    assert "behaviour" not in record.identity
    monkeypatch.setattr(CopySettings, "changes", ("words are cut otherwise", "marks stay"))
    with pytest.raises(OutputExistsError, match="by an older version; since then words are cut otherwise; marks stay"):
        copy(out, source)
    again = copy(CopySettings(output=tmp_path / "out", overwrite=True), source)
    assert again.record is not None
    assert again.record.identity["behaviour"] == 3
    assert copy(out, source).status == "already done"
    monkeypatch.setattr(CopySettings, "changes", ("words are cut otherwise",))
    with pytest.raises(OutputExistsError, match="by a newer version"):
        copy(out, source)
