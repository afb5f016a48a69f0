"""The README as a package index shows it (hatch_build.py), and the page on what the package depends on."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
HOME = "https://example.org/owner/project"


@pytest.fixture(scope="module")
def hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_links_and_pictures_lead_to_the_files_of_the_tag(hook: ModuleType) -> None:
    text = "[a](docs/a.md#b), ![p](docs/p.svg), [x](https://x.org/y), [up](#top), [a [b] c](d.md)"
    assert hook.readme(text, HOME, "1.2") == (
        f"[a]({HOME}/blob/v1.2/docs/a.md#b), ![p]({HOME}/raw/v1.2/docs/p.svg), [x](https://x.org/y), [up](#top), "
        f"[a [b] c]({HOME}/blob/v1.2/d.md)"
    )
    assert hook.readme(text, "", "1.2") == "a, p, [x](https://x.org/y), up, a [b] c"


def test_no_link_of_the_readme_stays_relative(hook: ModuleType) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for home in (HOME, ""):
        targets = re.findall(r"\]\(([^)]*)\)", hook.readme(text, home, "1.2"))
        assert targets
        assert all(target.startswith("https://") for target in targets)


@pytest.mark.parametrize("home", ["example.org/project", "https://example.org", "see README"])
def test_what_is_no_address_is_refused(hook: ModuleType, home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROJECT_URL", home)
    with pytest.raises(ValueError, match="PROJECT_URL must be an address"):
        hook.ProjectPages(str(ROOT), {}).update({"version": "1.2"})


def test_the_metadata_names_pages_only_where_the_project_has_a_home(
    hook: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    for given, named in (("", {}), (f"{HOME}/", {"Homepage": HOME, "Issues": f"{HOME}/issues"})):
        monkeypatch.setenv("PROJECT_URL", given)
        metadata = {"version": "1.2"}
        hook.ProjectPages(str(ROOT), {}).update(metadata)
        assert metadata["urls"].items() >= named.items()
        assert bool(metadata["urls"]) == bool(given)
        assert metadata["readme"]["content-type"] == "text/markdown"


def test_the_page_on_dependencies_has_all_of_them_and_their_bounds() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    allowed = dict(re.findall(r"^\| ([\w-]+) \|.*\| (≥.*) \|$", page, re.M))
    bounds = dict(re.findall(r"([\w-]+)(.*)", each)[0] for each in project["dependencies"])
    assert {name: text.replace("≥ ", ">=").replace(", < ", ",<") for name, text in allowed.items()} == bounds
    extras = {name: each for name, each in project["optional-dependencies"].items() if name != "dev"}
    for name, requirements in extras.items():
        (start,) = re.findall(rf"^\| `{name}` \|", page, re.M)
        rows = page[page.index(start) :]
        assert all(re.match(r"[\w-]+", each)[0] in rows for each in requirements)  # type: ignore[index]
