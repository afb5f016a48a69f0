"""The Snakefile: its commands say exactly what the graph says, and Snakemake itself ends where a run ends."""

from __future__ import annotations

import ast
import functools
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from alignfreeze_cli.artifacts import Result
from alignfreeze_cli.cli.app import app
from alignfreeze_cli.cli.options import add_step
from alignfreeze_cli.errors import SettingsError
from alignfreeze_cli.progress import Console
from alignfreeze_cli.report.settings import ReportSettings
from alignfreeze_cli.runs.graph import Graph, expand
from alignfreeze_cli.runs.recipe_files import shipped
from alignfreeze_cli.runs.recipes import load
from alignfreeze_cli.runs.runner import run
from alignfreeze_cli.runs.snakefile import command_line, snakefile
from alignfreeze_cli.settings import StepSettings, to_options
from alignfreeze_cli.steps import STEPS, Step
from alignfreeze_cli.steps.estimates import Estimate
from alignfreeze_cli.steps.report import make_report
from alignfreeze_cli.tasks.settings import FinetuneSettings
from tests.runs import world

NAMED = [name for name in shipped() if load(name).model is not None]


@dataclass(frozen=True)
class Noted(Step):
    """A step that keeps the settings it is called with, and does nothing."""

    given: list[StepSettings] = field(default_factory=list)

    def load(self) -> Callable[[StepSettings, Console], Result]:
        def keep(settings: StepSettings, console: Console) -> Result:
            self.given.append(settings)
            return Result(Path("x"), "planned")

        return keep


@functools.cache
def noting(step: str) -> tuple[typer.Typer, Noted]:
    """An app with the command of one step, and the step that it calls."""
    noted = Noted(STEPS[step].settings, "")
    app = typer.Typer()
    app.callback()(lambda: None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(STEPS, step, noted)
        add_step(app, step, "help", lambda result: "")
    return app, noted


def understood(step: str, arguments: list[str]) -> StepSettings:
    """The settings that the command of a step makes of its arguments."""
    app, noted = noting(step)
    noted.given.clear()
    ran = CliRunner().invoke(app, [step, *arguments])
    assert ran.exit_code == 0, ran.output
    return noted.given[0]


@pytest.mark.parametrize("name", NAMED)
def test_every_command_of_every_shipped_recipe_says_what_the_graph_says(name: str) -> None:
    graph = expand([load(name, ["seeds=31"])], Path("runs"))
    for node in graph.nodes.values():
        program, step, *arguments = command_line(node)
        assert (program, step) == ("alignfreeze", node.step)
        heard = understood(step, [argument for argument in arguments if argument != "--resume"])
        assert heard == node.settings


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
@given(st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="{},"), min_size=1))
def test_any_value_survives_the_shell(text: str) -> None:
    value = text.strip() or "x"
    wanted = FinetuneSettings(
        model="--" + value, task="ner", train=value, output=Path("out"), entity_types=(value[:1],)
    )
    arguments = to_options(wanted)
    assert understood("finetune", shlex.split(shlex.join(arguments))) == wanted


def test_what_a_command_line_cannot_say_is_refused() -> None:
    from alignfreeze_cli.settings import setting

    @dataclass(frozen=True, kw_only=True)
    class Listed(StepSettings):
        names: tuple[str, ...] = setting(("a",), help="names")

    with pytest.raises(SettingsError, match="--names can't be taken back on a command line"):
        to_options(Listed(names=()))
    with pytest.raises(SettingsError, match="--names: a command line takes the comma"):
        to_options(Listed(names=("a,b",)))


def test_a_folder_that_snakemake_takes_for_a_pattern_is_refused(tmp_path: Path) -> None:
    recipe = load("xlm-roberta-base-baseline", ["seeds=31", "tasks=pos"])
    with pytest.raises(SettingsError, match=r"runs\{a\}: Snakemake takes braces for wildcards"):
        snakefile(expand([recipe], tmp_path / "runs{a}"), 1)


def rules(text: str) -> dict[str, list[str]]:
    """Rule → its command as the shell takes it apart."""
    found = {}
    for block in text.split("\n\n\n"):
        if "    shell:\n" in block:
            pieces = block.partition("    shell:\n        EXPORT +\n")[2].split("\n")
            whole = "".join(ast.literal_eval(piece.strip()) for piece in pieces if piece.strip())
            found[block.partition(":")[0].removeprefix("rule ")] = shlex.split(whole.format())
    return found


def test_rules_are_the_graph_s_commands_and_the_report(tmp_path: Path) -> None:
    graph = expand([load(world.recipe(tmp_path, Path("it's here")), ["seeds=0"])], Path("runs"))
    found = rules(snakefile(graph, 1))
    *steps, last = found.values()
    assert steps == [command_line(node) for node in graph.nodes.values()]
    assert last[:2] == ["alignfreeze", "report"]
    assert [run.folder.name in " ".join(last) for run in graph.runs] == [True] * 3


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return world.make(tmp_path_factory.mktemp("world"))


def test_rules_say_what_their_steps_need(tmp_path: Path) -> None:
    overrides = ["seeds=0", "align-pairs.workers=3"]
    graph = expand([load(world.recipe(tmp_path, Path("data")), overrides)], Path("runs"), ["front"])
    needs = {
        "tiny-front-s0/encoder": Estimate(memory_bytes=2**31, disk_bytes=0, seconds=90.0),
        "tiny-front-s0/pos": Estimate(memory_bytes=10**9, disk_bytes=0),
    }
    pairs, encoder, tagger, scores, report = snakefile(graph, None, needs=needs).split("\n\n\n")[2:]
    assert "threads: 3\n    message" in pairs  # words are linked by processes, which need no memory that is known here
    memory = "    resources:\n        mem_mb=lambda wildcards, attempt: attempt * {},\n"
    assert f"threads: THREADS\n{memory.format(3072)}        runtime=13,\n        gpu=GPU,\n" in encoder
    assert f"threads: THREADS\n{memory.format(1431)}        gpu=GPU,\n" in tagger
    assert "threads: THREADS\n    resources:\n        gpu=GPU,\n" in scores
    assert "threads: 1\n    message" in report


def test_threads_are_those_of_the_recipe_or_of_the_node(tmp_path: Path) -> None:
    graph = expand([load(world.recipe(tmp_path, Path("data")), ["seeds=0"])], Path("runs"))
    given, open_ = (snakefile(graph, threads).partition("rule all")[0] for threads in (7, None))
    assert "\nTHREADS = 7 " in given
    assert 'EXPORT = "export OMP_NUM_THREADS=7 ' in given
    assert '\nTHREADS = int(config.get("threads", 4))' in open_
    assert 'EXPORT = "export OMP_NUM_THREADS={threads} ' in open_


def small(folder: Path, data: Path) -> Graph:
    """One strategy and seed, from the folder itself as people do it."""
    recipe = load(world.recipe(folder, data), ["seeds=0", "realign.checkpoint-every=1"])
    return expand([recipe], Path("runs"), ["front"])


KILLED_ONCE = """\
#!{python}
# `alignfreeze`, whose first realignment is killed as soon as its first checkpoint is there.
import os, signal, sys
from pathlib import Path
from alignfreeze_cli.cli.app import app
def save_and_die(*arguments):
    save(*arguments)
    Path("killed").touch()
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[1] == "realign" and Path("killed").exists():
    print("checkpoints:", *os.listdir("runs/tiny-front-s0/.encoder.partial/checkpoints"), file=sys.stderr)
elif sys.argv[1] == "realign":
    from alignfreeze_cli.training import checkpoints
    save, checkpoints.save = checkpoints.save, save_and_die
app()
"""


def results(folder: Path) -> dict[str, bytes]:
    """The bytes that must not depend on who has run the steps."""
    kept = ("model.safetensors", "scores.json", "*.parquet", "report.md", "*.csv", "*.tex", "run.json")
    return {str(path.relative_to(folder)): path.read_bytes() for name in kept for path in sorted(folder.rglob(name))}


@pytest.mark.slow
def test_snakemake_with_its_profile_ends_where_a_run_ends_though_a_job_is_killed(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("snakemake")
    here, there = tmp_path / "here", tmp_path / "there it's"
    for folder in (here, there):
        folder.mkdir()
    monkeypatch.chdir(there)
    graph = small(there, data)
    wanted = ["--strategies", "front", "--set", "seeds=0", "--set", "realign.checkpoint-every=1"]
    exported = CliRunner().invoke(app, ["run", "tiny.yaml", *wanted, "--snakefile", "Snakefile"])
    assert exported.exit_code == 0, exported.output
    (there / "bin").mkdir()
    program = there / "bin" / "alignfreeze"
    program.write_text(KILLED_ONCE.format(python=sys.executable), encoding="utf-8")
    program.chmod(0o755)
    paths = [str(program.parent), str(Path(sys.executable).parent), os.environ["PATH"]]
    monkeypatch.setenv("PATH", os.pathsep.join(paths))
    made = [shutil.which("snakemake") or "", "-s", "Snakefile", "--workflow-profile", "profiles/slurm"]
    local = ["--executor", "local", "--cores", "1", "--latency-wait", "0", "--quiet"]
    told = subprocess.run([*made, *local], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "checkpoints: step-00000001" in told.stderr
    again = run(graph, Console())
    assert {outcome.status for outcome in again} == {"already done"}

    monkeypatch.chdir(here)
    assert {outcome.status for outcome in run(small(here, data), Console(), threads=1)} == {"made"}
    folders = tuple(str(entry.folder) for entry in graph.runs)
    make_report(ReportSettings(runs=folders, output=Path("runs/report")), Console())
    assert results(there / "runs") == results(here / "runs")
    assert os.readlink(there / "runs" / "tiny-front-s0" / "pairs") == "../pairs"
