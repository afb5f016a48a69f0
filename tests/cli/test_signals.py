"""Ctrl-C and SIGTERM while a model is loaded: one sentence, exit code 130, and nothing left behind."""

from __future__ import annotations

import itertools
import json
import signal
from pathlib import Path

from tests.support.processes import run_python

# The signal comes in the middle of each command: when transformers begins to read the weights. All commands run in one
# process, as importing takes longest.
SCRIPT = """
import json, os, signal, sys
from alignfreeze_cli.cli.app import app
from alignfreeze_cli.steps import STEPS
STEPS["realign"].load()
from transformers import PreTrainedModel
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
real = PreTrainedModel.from_pretrained.__func__
def interrupted(cls, *args, **kwargs):
    os.kill(os.getpid(), number)
    return real(cls, *args, **kwargs)
PreTrainedModel.from_pretrained = classmethod(interrupted)
for number, arguments in json.loads(sys.argv[1]):
    try:
        app(arguments)
    except SystemExit as end:
        print(number, arguments[0], end.code)
        print("---", file=sys.stderr)
"""


def test_interrupted_while_loading_weights(world: Path, tmp_path: Path) -> None:
    options = {
        "realign": ["--model", world / "encoder", "--pairs", world / "pairs", "--steps", "2"],
        "finetune": ["--task", "pos", "--model", world / "encoder", "--train", world / "treebanks/en-train.conllu"],
        "evaluate": ["--model", world / "front-pos", "--languages", "en", "--data",
                     world / "treebanks" / "{language}-test.conllu"],
    }  # fmt: skip
    cases = [
        (int(number), [command, *map(str, given), "--output", str(tmp_path / f"{command}-{int(number)}")])
        for (command, given), number in itertools.product(options.items(), (signal.SIGINT, signal.SIGTERM))
    ]
    output, errors = run_python("-c", SCRIPT, json.dumps(cases))
    assert output.splitlines() == [f"{number} {arguments[0]} 130" for number, arguments in cases]
    *said, rest = errors.split("---\n")
    assert [each.strip().splitlines()[-1] for each in said] == [
        "alignfreeze: Interrupted; no output was changed."
    ] * len(cases)
    assert rest == ""
    assert list(tmp_path.iterdir()) == []
