"""Recipes: the settings of all steps in one YAML file, most of it inherited.

    extends: paper                        # another recipe, by name or path; this file changes it
    model: FacebookAI/xlm-roberta-base    # what is realigned and fine-tuned
    family: xlm-roberta                   # which of the sections under per-family applies
    freeze: front                         # short for realign.freeze
    realign: {temperature: 0.2}           # sections are named after the steps, keys are the steps' settings

`docs/recipes.md` lists every key. A later file wins over the one it extends, whatever the place there: within one file
`per-family` wins over the sections, `per-task` over that, `per-task` of a family over that; then come the strategies,
then `--set`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alignfreeze_cli.artifacts.run_folder import BASELINE
from alignfreeze_cli.errors import SettingsError
from alignfreeze_cli.runs.checking import NOT_FROM_OUTSIDE, Known, problems_in
from alignfreeze_cli.runs.merging import DEFAULT_PLAN, Merged, Variant, fill_data
from alignfreeze_cli.runs.steps import STEPS
from alignfreeze_cli.runs.yaml_text import Document, read_yaml
from alignfreeze_cli.settings import as_list, nearest

DEFAULT_SEEDS = (31, 42, 66, 23, 17)
"""The first five of the published list, the ones behind every published result (multilingual_eval/seeds.py)."""


class RecipeError(SettingsError):
    """A recipe has mistakes; `problems` holds each as `file:line: section.key: complaint`."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        lines = [f"The recipe has {len(problems)} mistakes:", *(f"  {problem}" for problem in problems)]
        super().__init__(problems[0] if len(problems) == 1 else "\n".join(lines))


@dataclass(frozen=True)
class Recipe:
    """A recipe with all it extends: `files` with the root first, then `override`, what `--set` said."""

    name: str
    files: tuple[Document, ...]
    override: Document

    @property
    def about(self) -> str:
        """The first line of the comment at the top."""
        return self.files[-1].header.partition("\n")[0]

    def top(self, key: str, default: Any = None) -> Any:
        """The value of a top-level key in the last file that has it."""
        for document in (self.override, *reversed(self.files)):
            if document.values.get(key) is not None:
                return document.values[key]
        return default

    @property
    def model(self) -> str | None:
        model = self.top("model")
        return None if model is None else fill_data(str(model), self.data)

    @property
    def data(self) -> str | None:
        data = self.top("data")
        return None if data is None else str(data)

    @property
    def model_name(self) -> str:
        """The model's part of the names of run folders."""
        return str(self.top("name") or slug((self.model or "model").rstrip("/").rpartition("/")[2].partition("@")[0]))

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(int(seed) for seed in as_list(self.top("seeds", DEFAULT_SEEDS)))

    @property
    def tasks(self) -> tuple[str, ...]:
        return tuple(str(task) for task in as_list(self.top("tasks", ("pos",))))

    @property
    def threads(self) -> int | None:
        threads = self.top("threads")
        return None if threads is None else int(threads)

    @property
    def controls(self) -> tuple[str, ...]:
        """Strategies that the table sets apart: they show what realignment cannot or could do."""
        return tuple(as_list(self.top("controls", ())))

    @property
    def strategies(self) -> tuple[str, ...]:
        """The strategies of `strategies:`, or the single one, named by `strategy:` or after its freeze plan."""
        named: dict[str, bool] = {}
        for document in self.files:
            for name, overlay in (document.values.get("strategies") or {}).items():
                named[name] = overlay is not None
        kept = tuple(name for name, wanted in named.items() if wanted)
        if kept:
            return kept
        variant = self.variant(None, self.tasks[0])
        if not variant.realigned:
            return (str(self.top("strategy", BASELINE)),)
        plan = str(variant.sections["realign"].get("freeze", DEFAULT_PLAN))
        name = slug("full" if plan == "none" else plan)
        return (str(self.top("strategy", f"during-{name}" if variant.during else name)),)

    @property
    def source(self) -> str:
        """The language of training."""
        return str(self.variant(None, self.tasks[0]).sections["finetune"].get("language", "en"))

    @property
    def family(self) -> str | None:
        """What `per-family` goes by: the type a local model's config names, or what `family:` says."""
        config = Path(self.model or "") / "config.json"
        if self.model and config.is_file():
            try:
                return str(json.loads(config.read_text(encoding="utf-8"))["model_type"])
            except (ValueError, KeyError, TypeError):
                return None  # realign and finetune say what is wrong with the folder
        family = self.top("family")
        return None if family is None else str(family)

    def variant(self, strategy: str | None, task: str) -> Variant:
        """Merge everything for one strategy (None: what all strategies have in common) and task."""
        merged = Merged()
        for document in self.files:
            family = (document.values.get("per-family") or {}).get(self.family) or {}
            for overlay in (document.values, family):
                merged.apply(overlay)
            for overlay in (document.values, family):
                merged.apply((overlay.get("per-task") or {}).get(task) or {})
        for document in self.files:
            overlay = (document.values.get("strategies") or {}).get(strategy) or {}
            merged.apply(overlay)
            merged.apply((overlay.get("per-task") or {}).get(task) or {})
        merged.apply(self.override.values, from_outside=True)
        return merged.variant(strategy or "", task, self.model or "", self.data)

    def check(self) -> list[str]:
        """Mistakes that only show when everything is merged: settings that do not go together, and the like."""
        where = str(self.files[-1].path)
        found = []
        strategies = self.strategies
        families = sorted({f for d in self.files for f in d.values.get("per-family") or {}})
        if families and self.model and self.family is None:
            found.append(f"{where}: family: needed to choose from per-family; one of {', '.join(families)}")
        stated = self.top("family")
        if families and stated is not None and stated not in families:
            found.append(f"{where}: family: there is no per-family.{stated}" + nearest(stated, families))
        found += [
            f"{where}: controls: there is no strategy {name!r}" + nearest(name, strategies)
            for name in self.controls
            if name not in strategies
        ]
        for task in self.tasks:
            for strategy in strategies:
                variant = self.variant(strategy, task)
                with_pairs = "pairs" if variant.during else ()
                wired = {"model": "model", "task": task, "pairs": "pairs", "seed": 0, "realign-with": with_pairs}
                for name in variant.steps:
                    try:
                        variant.settings(name, "", **{key: wired[key] for key in STEPS[name].wired})
                    except SettingsError as error:
                        complaint = str(error).removeprefix(": ").removeprefix(f"{name}: ").removesuffix(".")
                        problem = f"{where}: {name} of strategy {strategy} (task {task}): {complaint}"
                        found.append(problem)
        return list(dict.fromkeys(found))


def recipes_folder() -> Path:
    """Where the shipped recipes lie: in the wheel's data, or in the repository of an editable install."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "_data" / "recipes"
    return inside if inside.is_dir() else package.parent / "recipes"


def shipped() -> dict[str, Path]:
    """Name -> file of every shipped recipe, sorted."""
    return {path.stem: path for path in sorted(recipes_folder().glob("*.yaml"))}


def find(reference: str, beside: Path | None = None) -> Path:
    """The file a user means: a path (relative to `beside`, or to here), or a shipped name. SettingsError if none."""
    known = shipped()
    name = reference.removesuffix(".yaml").removesuffix(".yml")
    is_path = name != reference or "/" in reference
    path = (beside or Path()) / Path(reference).expanduser()
    if is_path and path.is_file():
        return path
    if reference in known:
        return known[reference]
    if is_path and path.exists():
        raise SettingsError(f"{path}: is a folder; a recipe is a YAML file.")
    kind = "recipe file" if is_path else "shipped recipe"
    hint = nearest(name.rpartition("/")[2], known) or "; `alignfreeze recipes list` lists them."
    raise SettingsError(f"There is no {kind} {reference!r}{hint}")


def load(reference: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe with all it extends, and check it; `overrides` are `section.key=value` texts.

    Raises RecipeError with every mistake of every file at once, SettingsError for a file that can't be found or read.
    """
    path = find(str(reference))
    files = [read_yaml(path)]
    while files[0].values.get("extends") is not None:
        document = files[0]
        try:
            parent = find(str(document.values["extends"]), document.path.parent)
        except SettingsError as error:
            raise SettingsError(f"{document.place(('extends',))}: {error}") from None
        if any(parent.samefile(other.path) for other in files):
            raise SettingsError(f"{document.place(('extends',))}: goes round in a circle, back to {parent}.")
        files.insert(0, read_yaml(parent))
    override = parse_overrides(overrides)
    recipe = Recipe(path.stem, tuple(files), override)
    known = Known(data=recipe.data if isinstance(recipe.top("data"), str) else None)
    problems = [problem for document in (*files, override) for problem in problems_in(document, known)]
    problems = problems or recipe.check()
    if problems:
        raise RecipeError(problems)
    return recipe


def parse_overrides(overrides: Sequence[str]) -> Document:
    """`section.key=value` or `key=value` texts as a layer above all files; lists are comma separated."""
    values: dict[str, Any] = {}
    problems = []
    for text in overrides:
        name, equals, value = text.partition("=")
        section, dot, key = name.strip().partition(".")
        if not equals or not section or (dot and not key):
            problems.append(f"--set {text}: must look like section.key=value, for example realign.steps=100")
        elif section in NOT_FROM_OUTSIDE:
            problems.append(
                f"--set {text}: {section} can't be set here; make a recipe of your own that extends this one"
            )
        elif not dot:
            switched = {"true": True, "false": False}.get(value, value)
            values[section] = switched if section in STEPS else value
        elif isinstance(values.setdefault(section, {}), dict):
            values[section][key] = value
        else:
            problems.append(f"--set {text}: {section} was set to {values[section]} before")
    return Document(Path("--set"), values, "", {}, tuple(problems))


def slug(text: str) -> str:
    """Text as part of a folder's name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.") or "x"
