"""Completion as shells ask for it: what is offered for values, and nothing else on stdout or stderr."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from alignfreeze_cli.cli.app import app
from alignfreeze_cli.cli.completion import mend_bash_words
from alignfreeze_cli.tasks.registry import TASKS

COMMAND = Path(sys.executable).with_name("alignfreeze")


def in_bash(line: str) -> dict[str, str]:
    """What bash sets to have the last word of a line completed; it cuts lines at = and : as well."""
    words = line.replace("=", " = ").replace("::", " :: ").split(" ")
    return {
        "_ALIGNFREEZE_COMPLETE": "complete_bash",
        "COMP_WORDS": "\n".join(words),
        "COMP_CWORD": str(len(words) - 1),
    }


def offered(line: str) -> list[str]:
    """What is offered for the last word of a line, in this process."""
    environment = in_bash(f"alignfreeze {line}")
    mend_bash_words(environment)
    result = CliRunner().invoke(app, env=environment)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("finetune --task ", list(TASKS)),
        ("finetune -t n", ["ner", "nli"]),
        ("finetune --precision ", ["fp32", "bf16", "auto"]),
        ("realign --model x --format ", ["text", "json"]),
        ("realign --freeze f", ["full", "front"]),
        ("realign --freeze=f", ["full", "front"]),
        ("realign --freeze=", ["none", "full", "front", "back", "even", "odd", "embeddings"]),
        ("realign --freeze front,e", ["front,even", "front,embeddings"]),
        ("realign --freeze front,n", []),  # none can't stand beside another
        ("realign --device cuda:1 --block l", ["last-but-one", "last"]),
        ("realign --block last,m", []),  # one block only
        ("realign --tracker tensorboard,", ["tensorboard,wandb"]),
        ("align-pairs --aligner e", ["encoder", "eflomal"]),
        ("align-pairs --extract ", ["argmax", "itermax", "match", "softmax"]),
        ("align-pairs --symmetrise grow-diag-f", ["grow-diag-final", "grow-diag-final-and"]),
        ("align-pairs --filter duplicates,l", ["duplicates,length-ratio", "duplicates,language"]),
        ("align-pairs --target de,f", ["de,fa", "de,fi", "de,fr"]),
        ("align-pairs --target de,de", []),
        ("align-pairs --target de --target f", ["fa", "fi", "fr"]),
        ("align-pairs --corpus a.en::b.de --source e", ["en", "es", "el"]),
        ("evaluate --languages de,u", ["de,uk"]),
        ("advise h", ["hi", "he", "hu"]),
        ("advise hi --task q", ["qa"]),
        ("search paper-", ["paper-xlm-roberta"]),
        ("search --task p", ["pos"]),
        ("run demo", ["demo", "demo-from-qek", "demo-rivals"]),
        ("run demo-rivals demo --strategies baseline,blend-2", ["baseline,blend-25"]),
        ("run demo --tasks pos,n", ["pos,ner", "pos,nli"]),
        ("demo --tasks a", ["all"]),
        ("recipes sh", ["show"]),
        ("recipes show def", ["default"]),
        ("recipes settings re", ["realign"]),
        ("report --yardstick ", None),
        ("realign --pairs ", []),  # files, which are the shell's part
        ("realign --steps ", []),
        ("--version reci", ["recipes"]),  # a line is read to complete it, not obeyed
    ],
)
def test_values_are_offered(line: str, expected: list[str] | None) -> None:
    found = offered(line)
    if expected is None:
        assert found
    else:
        assert sorted(found) == sorted(expected)


def test_every_choice_of_every_option_is_offered() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    silent = [
        f"{name} {parameter.opts[0]}"
        for name, command in commands.items()
        for parameter in command.params
        if parameter.metavar
        and (("|" in parameter.metavar and parameter.metavar.islower()) or parameter.metavar == "CHOICE")
        if not offered(f"{name} {parameter.opts[0]} ")
    ]
    assert silent == []


def test_recipes_of_this_folder_are_offered_with_what_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "democracy.yaml").write_text("# yaml-language-server: $schema=x\n# Of my own.\nextends: demo\n")
    (tmp_path / "democratic.yaml").mkdir()
    (tmp_path / "unreadable.yaml").symlink_to(tmp_path / "nowhere")
    (tmp_path / "demo.bin").write_bytes(b"\xff")
    assert set(offered("run democ")) == {"democracy.yaml"}
    asked = {"_ALIGNFREEZE_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "alignfreeze recipes validate democ"}
    assert CliRunner().invoke(app, env=asked).stdout == '_arguments \'*: :(("democracy.yaml":"Of my own."))\'\n'
    assert offered("run nowhere.yaml --strategies ") == []


def test_shells_that_ask_get_an_answer_and_nothing_else() -> None:
    """The command itself, in the three forms in which shells call it."""
    fish = {"_ALIGNFREEZE_COMPLETE": "complete_fish", "_TYPER_COMPLETE_ARGS": "alignfreeze finetune --task pos,n"}
    zsh = {"_ALIGNFREEZE_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "alignfreeze run demo --tasks pos,n"}
    for environment, answer, code in (
        (in_bash("alignfreeze realign --freeze=fr"), "front\n", 0),
        (zsh, '_arguments \'*: :(("pos,ner"\n"pos,nli"))\'\n', 0),
        ({**fish, "_TYPER_COMPLETE_FISH_ACTION": "is-args"}, "", 1),  # one task only: nothing to offer
    ):
        ran = subprocess.run([COMMAND], env={**os.environ, **environment}, capture_output=True, text=True)
        assert (ran.stdout, ran.stderr, ran.returncode) == (answer, "", code)


def test_bash_completes_by_the_script_that_is_installed() -> None:
    script = f"""
    PATH={COMMAND.parent}:$PATH
    eval "$(_ALIGNFREEZE_COMPLETE=source_bash alignfreeze)"
    COMP_WORDS=(alignfreeze align-pairs --target = de,f --source en) COMP_CWORD=4
    _alignfreeze_completion alignfreeze
    echo "${{COMPREPLY[@]}}"
    """
    ran = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, text=True)
    assert (ran.stdout, ran.stderr) == ("de,fa de,fi de,fr\n", "")


def test_completing_imports_nothing_heavy() -> None:
    code = (
        "import os, sys; sys.argv = ['alignfreeze']; from alignfreeze_cli.cli.app import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = ('torch', 'transformers', 'datasets', 'pyarrow', 'numpy', 'pandas', 'matplotlib', 'huggingface_hub')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    environment = {**os.environ, **in_bash("alignfreeze run xlm-roberta-base-granular --strategies block-1")}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert ran.stdout.splitlines()[-1] == "[]"
    assert len(ran.stdout.splitlines()) > 1


def test_a_short_name_means_the_same_everywhere() -> None:
    group = typer.main.get_command(app)
    commands = {**group.commands, **group.commands["recipes"].commands}  # type: ignore[attr-defined]
    meanings: dict[str, set[str]] = {}
    without = []
    for name, command in commands.items():
        for parameter in command.params:
            long, short = ([each for each in parameter.opts if (len(each) == 2) == is_short] for is_short in (0, 1))
            for each in short:
                meanings.setdefault(each, set()).update(long)
            if not short and {"--model", "--task", "--output"} & set(long):
                without.append(f"{name} {long[0]}")
    assert without == []
    assert {short: names for short, names in meanings.items() if len(names) > 1} == {}
    assert meanings.keys() >= {"-m", "-t", "-o", "-q"}
