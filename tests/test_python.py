"""What can be imported from the package, and the two pages that show it: docs/python.md and docs/quickstart.ipynb."""

from __future__ import annotations

import ast
import contextlib
import importlib
import io
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import nbformat
import pytest

import alignfreeze_cli

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "python.md"
NOTEBOOK = ROOT / "docs" / "quickstart.ipynb"
LIGHT = """
import sys
import alignfreeze_cli
from alignfreeze_cli import RealignSettings, SettingsError
print(*sorted({"torch", "transformers", "datasets", "pandas"} & set(sys.modules)))
"""


def test_every_public_name_is_found_and_type_checkers_read_the_same() -> None:
    tree = ast.parse((ROOT / "alignfreeze_cli" / "__init__.py").read_text(encoding="utf-8"))
    (guarded,) = (node for node in tree.body if isinstance(node, ast.If))
    checked = {
        alias.name: statement.module
        for statement in guarded.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
        if alias.asname == alias.name  # else they hold the name for the package's own
    }
    assert sorted([*checked, "__version__"]) == alignfreeze_cli.__all__
    for name, module in checked.items():
        assert getattr(alignfreeze_cli, name) is getattr(importlib.import_module(str(module)), name)
    assert set(alignfreeze_cli.__all__) <= set(dir(alignfreeze_cli))
    with pytest.raises(AttributeError, match="has no attribute 'relign'"):
        alignfreeze_cli.relign  # type: ignore[attr-defined]  # noqa: B018


def test_the_page_names_all_functions_and_settings() -> None:
    named = set(re.findall(r"`(\w+)(?:\(\))?`", PAGE.read_text(encoding="utf-8")))
    assert set(alignfreeze_cli.__all__) - {"__version__"} <= named


def test_importing_the_package_and_settings_imports_nothing_heavy() -> None:
    ran = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == ""


@dataclass(frozen=True)
class Made:
    """The folder in which the notebook has run, and the names that its cells have defined."""

    folder: Path
    names: dict[str, Any]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The notebook, run cell by cell."""
    folder = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    before = mpl.get_backend()
    mpl.use("agg")
    names: dict[str, Any] = {}
    try:
        with contextlib.chdir(folder):
            for number, cell in enumerate(notebook.cells):
                if cell.cell_type == "code":
                    exec(compile(cell.source, f"{NOTEBOOK.name}, cell {number}", "exec"), names)
    finally:
        mpl.use(before)
    return Made(folder, names)


def test_the_notebook_goes_from_parallel_text_to_a_plot_of_what_it_says(made: Made) -> None:
    retrieval, scores = made.names["retrieval"], made.names["scores"]
    assert retrieval.shape == (5, 3)
    assert (retrieval["full"] > retrieval["baseline"]).all()
    assert (retrieval["front"] > retrieval["baseline"]).all()
    assert scores.shape == (6, 3)
    gains = scores.sub(scores["baseline"], axis=0)[["full", "front"]]
    assert (gains.iloc[-2:].min() > gains.iloc[:-2].max()).all()
    assert (made.folder / "quickstart" / "quickstart.png").read_bytes().startswith(b"\x89PNG")


def test_the_notebook_is_kept_without_outputs() -> None:
    """They would differ from machine to machine, and say what an older version did."""
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells if "outputs" in cell)


def test_the_page_says_what_its_lines_print(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("world").symlink_to(made.folder / "quickstart" / "world")
    blocks = re.findall(r"^```(python|text)\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    names: dict[str, object] = {}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for kind, text in blocks:
            if kind == "python":
                exec(text, names)
    assert printed.getvalue() == "".join(text for kind, text in blocks if kind == "text")
