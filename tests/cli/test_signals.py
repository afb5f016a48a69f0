"""Ctrl-C and SIGTERM while a model is loaded: one sentence, exit code 130, and nothing left behind."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.support.processes import run_python

# The signal comes in the middle of the command: when transformers begins to read the weights.
SCRIPT = """
import os, signal, sys
from transformers import PreTrainedModel
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
real = PreTrainedModel.from_pretrained.__func__
def interrupted(cls, *args, **kwargs):
    os.kill(os.getpid(), int(sys.argv[1]))
    return real(cls, *args, **kwargs)
PreTrainedModel.from_pretrained = classmethod(interrupted)
from alignfreeze_cli.cli.app import app
try:
    app(sys.argv[2:])
except SystemExit as end:
    print("exit", end.code)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", ["realign", "finetune", "evaluate"])
def test_interrupted_while_loading_weights(world: Path, tmp_path: Path, command: str, number: signal.Signals) -> None:
    options = {
        "realign": ["--model", world / "encoder", "--pairs", world / "pairs", "--steps", "2"],
        "finetune": ["--task", "pos", "--model", world / "encoder", "--train", world / "treebanks/en-train.conllu"],
        "evaluate": ["--model", world / "front-pos", "--languages", "en", "--data",
                     world / "treebanks" / "{language}-test.conllu"],
    }[command]  # fmt: skip
    arguments = [command, *map(str, options), "--output", tmp_path / "out"]
    output, errors = run_python("-c", SCRIPT, str(int(number)), *arguments)
    assert output.strip() == "exit 130"
    assert errors.strip().splitlines()[-1] == "alignfreeze: Interrupted; no output was changed."
    assert list(tmp_path.iterdir()) == []
