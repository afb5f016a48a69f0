"""The house: imports run downwards, and the way from the command to the loss is short."""

from __future__ import annotations

import shutil
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from alignfreeze_cli.cli.app import app
from tests.cli import world as worlds

ROOT = Path(__file__).resolve().parents[1]
LINT = Path(sys.executable).with_name("lint-imports")
MOST_FRAMES = 8


@pytest.mark.parametrize("planted", [None, ("encoder/loss.py", "from alignfreeze_cli.steps.realign import realign")])
def test_an_import_that_runs_upwards_is_found(tmp_path: Path, planted: tuple[str, str] | None) -> None:
    shutil.copytree(
        ROOT / "alignfreeze_cli", tmp_path / "alignfreeze_cli", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    if planted is not None:
        path = tmp_path / "alignfreeze_cli" / planted[0]
        path.write_text(path.read_text(encoding="utf-8") + f"\n\n{planted[1]}\n", encoding="utf-8")
    ran = subprocess.run([str(LINT), "--no-cache", "--no-logo"], cwd=tmp_path, capture_output=True, text=True)
    assert (ran.returncode == 0) is (planted is None), ran.stdout
    if planted is not None:
        assert "alignfreeze_cli.encoder.loss -> alignfreeze_cli.steps.realign" in ran.stdout


def test_few_frames_lie_between_the_command_and_the_loss(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from alignfreeze_cli.encoder import loss

    ways: list[list[str]] = []
    real = loss.contrastive_loss

    def watched(*args: Any, **kwargs: Any) -> Any:
        frames = traceback.extract_stack()[:-1]
        ways.append([frame.name for frame in frames if "alignfreeze_cli" in frame.filename])
        return real(*args, **kwargs)

    world = worlds.make(tmp_path_factory.mktemp("structure") / "world")
    monkeypatch.setattr(loss, "contrastive_loss", watched)
    arguments = ["--model", world / "encoder", "--pairs", world / "pairs", "--steps", "1", "--output", world / "new"]
    ran = CliRunner().invoke(app, ["realign", *map(str, arguments)])
    assert ran.exit_code == 0, ran.output
    main_and_loss = 2
    assert len(ways[0]) + main_and_loss <= MOST_FRAMES, ways[0]
