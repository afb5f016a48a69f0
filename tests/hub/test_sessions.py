"""What is typed in docs/sessions/*.sh prints what docs/sessions/*.txt keeps.

`ALIGNFREEZE_KEEP_SESSIONS=1 pytest tests/hub/test_sessions.py` writes the kept texts anew.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from alignfreeze_cli.demo.settings import DemoWorldSettings
from alignfreeze_cli.demo.world import make_world
from alignfreeze_cli.progress import Console
from alignfreeze_cli.tasks.pos import HUB_LABELS
from tests.hub.hubworld import Made
from tests.support.terminal import prompted, terminal, typed

pytestmark = pytest.mark.slow

SESSIONS = Path(__file__).resolve().parents[2] / "docs" / "sessions"

# What every run changes is written as on the right in the kept text.
VARYING = (
    (r"[0-9a-f]{40,64}|\b[0-9a-f]{12}\b", "DIGEST"),
    (r"\d{4}-\d\d-\d\d", "DATE"),
    (r"\b\d+ min( \d+ s)?\b|\b[\d.]+ s\b", "TIME"),
    (r"[\d,.]+ ([kMG]?B|[a-z]+)/s\b", r"RATE \1/s"),
    (r"(?<=Going on after step )\d+", "STEP"),
)
UNDER_WAY = re.compile(r": (?P<done>[\d,]+) of (?!(?P=done) )[\d,]+ \w+, ")
"""How far something is: said every 20 seconds, so how often depends on the machine."""


def kept(text: str, folder: Path, hub: str) -> str:
    """The text without what varies from run to run."""
    text = text.replace(str(folder), "~").replace(hub, "https://huggingface.co")
    for varying, name in VARYING:
        text = re.sub(varying, name, text)
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines() if not UNDER_WAY.search(line))


ROUNDED = (
    (r"[\d,.]+ [kMG]?B\b", "SIZE"),
    (r"[+−-]?\d[\d,]*\.\d+( [↑↓*†]+)?", "NUMBER"),
    (r"-{3,}", "---"),  # below the heads of tables, as wide as their columns
    (rf"\b({'|'.join(tag for tag in HUB_LABELS if tag.isalpha())})\b", "TAG"),
)
"""What follows from numbers that processors round in different ways, and is not compared."""


def compared(text: str) -> list[list[str]]:
    """The words of the lines, without what differs between machines."""
    for different, name in ROUNDED:
        text = re.sub(different, name, text)
    return [line.split() for line in text.splitlines()]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's, smaller."""
    sizes = {"languages": 2, "sentences": 300, "pairs": 200, "train": 200, "test": 30, "steps": 100, "batch_size": 32}
    folder = tmp_path_factory.mktemp("sessions") / "world"
    return make_world(DemoWorldSettings(output=folder, **sizes), Console()).path


@pytest.fixture(scope="module")
def program(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """A folder for the PATH with `alignfreeze` in it, and the environment, the Hub on loopback in it."""
    folder = tmp_path_factory.mktemp("terminal")
    environment = {**made.hub.environment(folder / "home"), "TOKENIZERS_PARALLELISM": "false"}
    with terminal(folder / "bin", environment) as path:
        yield path, environment


@pytest.mark.parametrize("name", sorted(path.stem for path in SESSIONS.glob("*.sh")))
def test_a_session(name: str, world: Path, made: Made, program: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    path, environment = program
    environment = {**environment, "ALIGNFREEZE_CACHE": str(tmp_path / "cache")}  # encoded pairs of others are not seen
    place = tmp_path / "work"
    shutil.copytree(world, place / "demo" / "world")
    if name == "publisher":
        shutil.copytree(made.run(), place / "runs" / "front-s31")
    made.hub.faults.clear()
    printed = kept(typed(SESSIONS / f"{name}.sh", place, path, environment), tmp_path, made.hub.url)
    expected = SESSIONS / f"{name}.txt"
    if os.environ.get("ALIGNFREEZE_KEEP_SESSIONS"):
        expected.write_text(printed, encoding="utf-8")
    assert compared(printed) == compared(expected.read_text(encoding="utf-8"))


def test_lines_of_a_script_get_a_prompt_what_it_prints_does_not() -> None:
    script = "# why\n\ncat <<'END'\n# text\nEND\necho \\\n  word\n"
    output = "# why\n\ncat <<'END'\n# text\nEND\n# text\necho \\\n  word\nword\n"
    assert prompted(output, script) == "# why\n\n$ cat <<'END'\n> # text\n> END\n# text\n$ echo \\\n>   word\nword\n"
