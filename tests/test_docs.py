"""The documentation names files, functions, options and pages that exist."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest
import typer

from alignfreeze_cli.cli.app import app

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "benchmarks" / "README.md"])
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """The names by which GitHub links to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", page.read_text(encoding="utf-8")):
        other = (page.parent / target) if target else page
        assert other.exists(), f"{page.name} links to {target}"
        assert not anchor or anchor in anchors(other), f"{page.name} links to {target}#{anchor}"


@pytest.mark.parametrize(("file", "names"), re.findall(r"`([\w/]+/[\w/]+\.py)(?:: ([\w.]+))?`", ARCHITECTURE))
def test_the_architecture_names_what_is_there(file: str, names: str) -> None:
    path = ROOT / (file if file.startswith("tests/") else f"alignfreeze_cli/{file}")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assert set(filter(None, names.split("."))) <= defined


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_take_the_options_that_pages_give_them(page: Path) -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in re.findall(r"^[ $]*(?:\w+=\$\()?alignfreeze (.+)$", text, re.M):
        name, *arguments = shlex.split(line.split("  ")[0].rstrip(")").split(" #")[0])
        known = {
            option for parameter in commands[name].params for option in (*parameter.opts, *parameter.secondary_opts)
        }
        given = {argument.split("=")[0] for argument in arguments if re.match(r"--?[a-z]", argument)}
        if not hasattr(commands[name], "commands"):
            assert given <= known, f"{page.name}: alignfreeze {line}"
