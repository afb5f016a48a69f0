"""What comes from elsewhere (records, data, answers of a server) cannot steer the terminal."""

from __future__ import annotations

import io
import json
import logging
from pathlib import Path

import pytest
from rich.console import Console as RichConsole
from typer.testing import CliRunner

from alignfreeze_cli.cli.app import app
from alignfreeze_cli.cli.console import ConsoleLog, TerminalConsole, print_json, print_result

HOSTILE = "\x1b]0;title\x07\x1b[2J\x9b31m\r\x7f\u202egnp.exe\ud800"
ESCAPED = r"\x1b]0;title\x07\x1b[2J\x9b31m\r\x7f\u202egnp.exe\ud800"


def test_control_characters_are_shown_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    console = TerminalConsole()
    console.info(f"one {HOSTILE}\ntwo")
    console.warn(HOSTILE)
    ConsoleLog(console).handle(logging.makeLogRecord({"msg": HOSTILE, "levelno": logging.WARNING}))
    with console.progress(HOSTILE):
        pass
    print_result(f"{HOSTILE}\nעברית, ไทย\t한국어")
    shown = capsys.readouterr()
    assert shown.out == f"{ESCAPED}\nעברית, ไทย\t한국어\n"
    assert shown.err.startswith(f"one {ESCAPED}\ntwo\nwarning: {ESCAPED}\nwarning: {ESCAPED}\n{ESCAPED}: 0")
    assert not set(HOSTILE[:1] + "\x9b\x7f\r") & set(shown.out + shown.err)


def test_a_bar_shows_its_title_as_it_is() -> None:
    console = TerminalConsole()
    console.stderr = RichConsole(file=io.StringIO(), force_terminal=True, width=150)
    with console.progress(f"[red]{HOSTILE}", total=1) as bar:
        bar.advance(note="[link=x]\x1b[2J")
    drawn = console.stderr.file.getvalue()
    assert f"[red]{ESCAPED}" in drawn
    assert r"[link=x]\x1b[2J" in drawn
    assert "\x1b[2J" not in drawn


def test_json_stays_what_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"name": HOSTILE, "schön": 1})
    out = capsys.readouterr().out
    assert json.loads(out) == {"name": HOSTILE, "schön": 1}
    assert not set("\x1b\x9b\x7f\u202e") & set(out)


def test_a_foreign_record_cannot_steer_the_terminal(tmp_path: Path) -> None:
    record = {"schema": 1, "kind": HOSTILE[:-1], "settings": {}, "inputs": [], "lineage": []}
    record |= {
        "identity": {"kind": HOSTILE[:-1], "settings": {}, "inputs": {}},
        "seed": None,
        "details": {},
        "files": {},
    }
    (tmp_path / "alignfreeze.json").write_text(json.dumps(record))
    done = CliRunner().invoke(app, ["card", str(tmp_path)])
    assert done.exit_code == 3
    assert f"holds {ESCAPED.removesuffix(chr(92) + 'ud800')}, which has no card" in done.stderr
    assert "\x1b" not in done.stderr


def test_slow_work_is_told_as_the_time_of_one_and_the_rest_in_minutes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    with TerminalConsole().progress("steps", 10, "steps") as bar:
        clock[0] += 250
        bar.advance(2)
        clock[0] += 1
        bar.advance(8)
    first, last = capsys.readouterr().err.splitlines()
    assert first == "steps: 2 of 10 steps, 2.1 min/step, 16.7 min left"
    assert last == "steps: 10 of 10 steps, 25.1 s/step"
