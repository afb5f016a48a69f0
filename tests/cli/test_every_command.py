"""What all commands have in common: results on stdout, messages on stderr, already done, dry run, JSON, help."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from alignfreeze_cli.artifacts import read_record
from alignfreeze_cli.settings import declarations
from alignfreeze_cli.tasks.settings import EvaluateSettings, FinetuneSettings
from tests.cli import world as worlds
from tests.cli.world import alignfreeze

COMMAND = Path(sys.executable).with_name("alignfreeze")


@pytest.mark.slow
def test_each_step_takes_the_output_of_the_one_before_in_a_shell_script(world: Path, tmp_path: Path) -> None:
    script = f"""
    set -e
    pairs=$({COMMAND} align-pairs --target xx,yy --corpus "$WORLD/text/en-{{target}}.tsv" \\
        --dictionary "$WORLD/dictionaries/{{source}}-{{target}}.txt" --output pairs -q)
    encoder=$({COMMAND} realign --model $WORLD/encoder --pairs $pairs --freeze front --steps 2 --batch-size 4 \\
        --output front -q)
    tagger=$({COMMAND} finetune --task pos --model $encoder --train $WORLD/treebanks/en-train.conllu --steps 2 \\
        --output front-pos -q)
    {COMMAND} evaluate --model $tagger --languages en,xx,yy --data "$WORLD/treebanks/{{language}}-test.conllu" -q
    """
    ran = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env={**os.environ, "WORLD": str(world)}, capture_output=True, text=True
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "pos-scores\n", "")
    scores = json.loads((tmp_path / "pos-scores" / "scores.json").read_text())
    assert list(scores["languages"]) == ["en", "xx", "yy"]
    record = read_record(tmp_path / "pos-scores")
    assert record is not None
    assert [ancestor["kind"] for ancestor in record.lineage] == ["pairs", "encoder", "task-model"]


@pytest.mark.parametrize(
    ("run", "arguments", "output"),
    [
        (worlds.align, (), "pairs"),
        (worlds.realign, ("pairs",), "front"),
        (worlds.finetune, ("front",), "front-pos"),
        (worlds.evaluate, ("front-pos",), "front-scores"),
    ],
)
def test_each_step(world: Path, tmp_path: Path, run, arguments, output: str) -> None:  # type: ignore[no-untyped-def]
    given = [world / name for name in arguments]
    more = ["--freeze", "front"] if output == "front" else []

    done = run(world, *given, world / output, *more)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.endswith(f"{world / output} (already done: same settings, same inputs)\n")

    planned = run(world, *given, tmp_path / "planned", *more, "--dry-run")
    assert planned.exit_code == 0, planned.stderr
    assert planned.stdout.startswith("Would do (dry run):\n  inputs:\n")
    assert not (tmp_path / "planned").exists()

    described = run(world, *given, world / output, *more, "--format", "json")
    shown = json.loads(described.stdout)
    record = read_record(world / output)
    assert record is not None
    assert shown["path"] == str(world / output)
    assert shown["digest"] == record.digest
    assert shown["details"] == record.details

    other = ["--max-lines", "9"] if output == "pairs" else ["--max-length", "50"]
    refused = run(world, *given, world / output, *more, *other)
    assert refused.exit_code == 2
    assert "exists and was made otherwise" in refused.stderr
    assert read_record(world / output) == record


def test_results_are_printed_on_stdout(world: Path, tmp_path: Path) -> None:
    result = worlds.evaluate(world, world / "front-pos", tmp_path / "scores")
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["language", "en", "xx", "yy", "mean", *[
        str(tmp_path / "scores")
    ]]  # fmt: skip
    result = worlds.realign(world, world / "pairs", tmp_path / "front", "--freeze", "front")
    assert "freeze plan front" in result.stderr
    assert "loss" in result.stdout


def test_help_of_every_command_shows_every_setting() -> None:
    listed = alignfreeze("--help").stdout
    for name in ("align-pairs", "realign", "finetune", "evaluate", "run", "recipes", "demo"):
        assert name in listed
        assert alignfreeze(name, "--help").exit_code == 0
    for name, settings in (("finetune", FinetuneSettings), ("evaluate", EvaluateSettings)):
        text = alignfreeze(name, "--help").stdout
        missing = {d.key for d in declarations(settings) if f"--{d.key}" not in text}
        trains = name == "finetune"
        assert missing == (set() if trains else {"resume", "measure"}), "what has no steps has none to resume or time"


@pytest.mark.parametrize("name", ["align-pairs", "realign", "finetune", "evaluate"])
def test_long_help_has_headings_those_of_single_choices_last(name: str) -> None:
    text = alignfreeze(name, "--help").stdout
    headings = [line.strip("╭╮─ ") for line in text.splitlines() if line.startswith("╭─ ")]
    assert "Settings" not in headings
    conditional = [heading.startswith(("With ", "For ")) for heading in headings[:-1]]
    assert conditional == sorted(conditional)
    assert headings[-1] == "Output and common options"


def test_help_does_not_import_torch_or_its_like() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from alignfreeze_cli.cli.app import app;"
        "r = CliRunner().invoke(app, ['realign', '--help']); assert r.exit_code == 0;"
        "heavy = ('torch', 'transformers', 'datasets', 'pyarrow', 'numpy', 'pandas', 'matplotlib');"
        "print([m for m in heavy if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_usage_errors_exit_with_2() -> None:
    assert alignfreeze("realign").exit_code == 2
    assert alignfreeze("realign", "--modle", "x").exit_code == 2
    assert alignfreeze("nonsense").exit_code == 2
    wrong = alignfreeze("finetune", "--model", "x", "--task", "poss")
    assert wrong.exit_code == 2
    assert "did you mean 'pos'?" in wrong.stderr


def test_a_step_killed_before_its_card_gets_it_on_the_next_run(world: Path, tmp_path: Path) -> None:
    copied = worlds.copy(world, tmp_path / "world")
    (copied / "front" / "README.md").unlink()
    (copied / "front-pos" / "README.md").unlink()
    dry = worlds.realign(copied, copied / "pairs", copied / "front", "--freeze", "front", "--dry-run")
    assert dry.exit_code == 0, dry.stderr
    assert not (copied / "front" / "README.md").exists()
    for run, arguments, output in (
        (worlds.realign, (copied / "pairs", copied / "front", "--freeze", "front"), "front"),
        (worlds.evaluate, (copied / "front-pos", copied / "front-pos-scores"), "front-pos"),
    ):
        done = run(copied, *arguments)
        assert done.exit_code == 0, done.stderr
        assert (copied / output / "README.md").is_file()


TWICE = """
import sys
from alignfreeze_cli.cli.app import main
given = sys.argv[1:]
for more in ([], ["--format", "json"]):
    sys.argv[1:] = [*given, *more]
    try:
        main()
    except SystemExit as end:
        assert not end.code
    print(end="\\f")
"""
"""Makes something and is asked for it again, in one process, as importing takes longest."""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_any_encoding_of_the_terminal_will_do(world: Path, tmp_path: Path, encoding: str) -> None:
    command = [sys.executable, "-c", TWICE, "realign", "--model", world / "encoder", "--pairs", world / "pairs",
               "--steps", "2", "--batch-size", "4", "--probe-pairs", "0",
               "--output", tmp_path / "rückwärts"]  # fmt: skip
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    ran = subprocess.run([*map(str, command)], env=environment, capture_output=True)
    assert ran.returncode == 0, ran.stderr
    text, described, rest = ran.stdout.split(b"\f")
    assert b"steps, loss" in text
    assert rest == b""
    assert json.loads(described.decode(encoding))["path"] == str(tmp_path / "rückwärts")
