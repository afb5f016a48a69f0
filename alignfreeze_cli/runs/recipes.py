"""Recipes: the settings of all steps in one YAML file, most of it inherited.

    extends: default                      # another recipe, by name or path; this file changes it
    model: FacebookAI/xlm-roberta-base    # what is realigned and fine-tuned
    freeze: front                         # short for realign.freeze
    realign: {temperature: 0.2}           # sections are named after the steps, keys are the steps' settings

`docs/recipes.md` lists every key. A file wins over the one it extends, wherever the setting is given there. Within one
file `per-task` wins over the sections; then come the strategies, then `--set`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alignfreeze_cli.aligners.settings import ONLY_WITH, AlignPairsSettings
from alignfreeze_cli.artifacts.run_folder import BASELINE
from alignfreeze_cli.encoder.blend_settings import AUTO
from alignfreeze_cli.encoder.settings import DEFAULT_STEPS, RealignSettings
from alignfreeze_cli.errors import SettingsError
from alignfreeze_cli.phrases import listed
from alignfreeze_cli.runs.recipe_files import Document, find, parse_overrides, read_yaml
from alignfreeze_cli.runs.sections import SECTIONS, fill_data
from alignfreeze_cli.runs.validation import problems_in
from alignfreeze_cli.settings import StepSettings, as_list, declarations, from_mapping, nearest
from alignfreeze_cli.tasks.registry import TASKS
from alignfreeze_cli.tasks.settings import SHARED_WITH_REALIGN

DEFAULT_SEEDS = (31, 42, 66, 23, 17)
"""The first five of the published list, the ones behind every published result (multilingual_eval/seeds.py)."""

DEFAULT_ALIGNER = next(each.default for each in declarations(AlignPairsSettings) if each.name == "aligner")
DEFAULT_PLAN = next(each.default for each in declarations(RealignSettings) if each.name == "freeze")


class RecipeError(SettingsError):
    """A recipe has mistakes; `problems` holds each as `file:line: section.key: complaint`."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        lines = [f"The recipe has {len(problems)} mistakes:", *(f"  {problem}" for problem in problems)]
        super().__init__(problems[0] if len(problems) == 1 else "\n".join(lines))


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
    has_data = isinstance(recipe.top("data"), str)
    problems = [problem for document in (*files, override) for problem in problems_in(document, has_data)]
    problems = problems or recipe.check()
    if problems:
        raise RecipeError(problems)
    return recipe


@dataclass(frozen=True)
class Recipe:
    """A recipe with all it extends: `files`, the most basic one first, then `override`, what `--set` gave."""

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
        return str(self.top("name") or _slug((self.model or "model").rstrip("/").rpartition("/")[2].partition("@")[0]))

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
        """Strategies that the table lists apart: they show what realignment can't or could do."""
        return tuple(as_list(self.top("controls", ())))

    @property
    def strategies(self) -> tuple[str, ...]:
        """Every strategy with every aligner of `aligner:`; those without pairs to align once."""
        return tuple(self._crossed)

    @functools.cached_property
    def _crossed(self) -> dict[str, tuple[str, str | None]]:
        """Strategy -> its name without an aligner, and the aligner. One with nothing different adds nothing to it."""
        aligners = [str(name) for name in as_list(self.top("aligner", ()))]
        found: dict[str, tuple[str, str | None]] = {}
        for strategy in self._without_aligners:
            aligns = "align-pairs" in self._merge(strategy, None, self.tasks[0]).steps
            for aligner in aligners if aligns and aligners else [None]:
                name = f"{strategy}-{aligner}" if any(self._overlays("aligners", aligner)) else strategy
                found[name] = (strategy, aligner)
        return found

    @property
    def _without_aligners(self) -> tuple[str, ...]:
        """The strategies of `strategies:`, or the single one, named by `strategy:` or after its freeze plan."""
        if kept := self._named("strategies"):
            return kept
        variant = self.variant(None, self.tasks[0])
        if not variant.realigned:
            return (str(self.top("strategy", BASELINE)),)
        plan = str(variant.sections["realign"].get("freeze", DEFAULT_PLAN))
        name = _slug("full" if plan == "none" else plan)
        name = f"during-{name}" if variant.during else f"blend-{name}" if variant.blended else name
        return (str(self.top("strategy", name)),)

    def _named(self, key: str) -> tuple[str, ...]:
        """The names below a key, in the order of the files; those that a file takes back are left out."""
        named: dict[str, Any] = {}
        for document in self.files:
            named |= document.values.get(key) or {}
        return tuple(name for name, overlay in named.items() if overlay is not None)

    def _overlays(self, key: str, name: str | None) -> list[Mapping[str, Any]]:
        """What the files say below a key and a name, the most basic one first."""
        return [(document.values.get(key) or {}).get(name) or {} for document in self.files]

    def aligner_of(self, strategy: str) -> tuple[str, str | None]:
        """A strategy's name without its aligner, and the aligner, if `aligner:` gave it one."""
        return self._crossed.get(strategy, (strategy, None))

    def meant_by(self, name: str) -> list[str]:
        """The strategies that a name chooses: that of the name, or else the one so named, with each of its aligners."""
        return [name] if name in self._crossed else [each for each, (bare, _) in self._crossed.items() if bare == name]

    @property
    def source(self) -> str:
        """The language of training."""
        return str(self.variant(None, self.tasks[0]).sections["finetune"].get("language", "en"))

    def variant(self, strategy: str | None, task: str) -> Variant:
        """Merge everything for one strategy (None: what all strategies have in common) and task."""
        bare, aligner = (None, None) if strategy is None else self.aligner_of(strategy)
        return replace(self._merge(bare, aligner, task), strategy=strategy or "")

    def common(self, aligner: str | None, task: str) -> Variant:
        """What all strategies with an aligner have in common."""
        return self._merge(None, aligner, task)

    def _merge(self, strategy: str | None, aligner: str | None, task: str) -> Variant:
        merged = _Merged()
        for document in self.files:
            merged.apply(document.values)
            merged.apply((document.values.get("per-task") or {}).get(task) or {})
        for overlay in self._overlays("aligners", aligner):
            merged.apply(overlay)
        for overlay in self._overlays("strategies", strategy):
            merged.apply(overlay)
            merged.apply((overlay.get("per-task") or {}).get(task) or {})
        merged.apply(self.override.values, is_override=True)
        if self.top("aligner") is not None:
            merged.forget_foreign()  # settings of `--set` that are for other aligners
        return merged.variant(strategy or "", task, self.model or "", self.data)

    def realigned_alike(self, variant: Variant) -> list[Variant]:
        """Of each task of the variant's strategy that is realigned in the same way, if perhaps for longer, the variant.

        One step serves all of them: the rate is constant, so a shorter run is the beginning of a longer one, and kept
        in the midst of it. A length in passes over the pairs is never shared with another one.
        """
        all_tasks = (self.variant(variant.strategy, task) for task in self.tasks)
        return [each for each in all_tasks if "realign" in each.steps and each.realigned_by == variant.realigned_by]

    def longest_realigned(self, variant: Variant) -> Variant:
        """The variant with the settings of the step that realigns for it and for all that are `realigned_alike`."""
        alike = self.realigned_alike(variant)
        lengths = sorted({each.realign_steps for each in alike if each.realign_steps is not None})
        section = variant.sections["realign"]
        save_at = {*lengths[:-1], *(int(step) for step in as_list(section.get("save-at") or ()))}
        if not lengths or not save_at:
            return variant
        section = {**section, "steps": lengths[-1], "save-at": sorted(save_at)}
        return replace(variant, sections={**variant.sections, "realign": section})

    def variants(self) -> list[Variant]:
        """One for each strategy and task."""
        return [self.variant(strategy, task) for strategy in self.strategies for task in self.tasks]

    def check(self) -> list[str]:
        """Mistakes that only show when everything is merged, such as settings that do not go together."""
        where = str(self.files[-1].path)
        found = [
            f"{where}: controls: there is no strategy {name!r}" + nearest(name, self._without_aligners)
            for name in self.controls
            if name not in self._without_aligners
        ]
        known = self._named("aligners")
        unknown = [name for name in as_list(self.top("aligner", ())) if name not in known]
        if unknown:
            among = f"among {', '.join(known)} of `aligners`" if known else "since the recipe has no `aligners`"
            return [*found, f"{where}: aligner: there is no {unknown[0]!r} {among}" + nearest(unknown[0], known)]
        found += self._unread_overrides()
        variants = self.variants()
        if "blend" in self.override.values and not any(variant.blended for variant in variants):
            found.append("--set: blend: none of the strategies blends; add one with a `blend` section to the recipe")
        for variant in variants:
            if variant.during and variant.sections["blend"]:
                found.append(f"{where}: blend of strategy {variant.strategy}: needs an encoder realigned before")
            if complaint := self._links_from_complaint(variant):
                found.append(f"{where}: links-from of strategy {variant.strategy}: {complaint}")
            found += [f"{where}: {complaint}" for complaint in _without_data(variant)]
            for name in variant.steps:
                try:
                    # What does not fit a short run may fit the long one that it is the beginning of.
                    (self.longest_realigned(variant) if name == "realign" else variant).preview(name)
                except SettingsError as error:
                    complaint = str(error).removeprefix(": ").removeprefix(f"{name}: ").removesuffix(".")
                    found.append(f"{where}: {name} of strategy {variant.strategy} (task {variant.task}): {complaint}")
        return list(dict.fromkeys(found))

    def _unread_overrides(self) -> list[str]:
        """Settings of `--set` that none of the aligners of `aligner:` reads."""
        given = self.override.values.get("align-pairs") if self.top("aligner") is not None else None
        sections = [each.sections["align-pairs"] for each in self.variants() if "align-pairs" in each.steps]
        used = {section.get("aligner", DEFAULT_ALIGNER) for section in sections}
        readers = {name.replace("_", "-"): aligners for name, aligners in ONLY_WITH.items()}
        return [
            f"--set: align-pairs.{key}: goes with the aligner {' or '.join(readers[key])}"
            for key in (given if isinstance(given, Mapping) else ())
            if key in readers and used and not used & {*readers[key]}
        ]

    def _links_from_complaint(self, variant: Variant) -> str | None:
        """What is wrong with where the links of a variant come from, or None."""
        seen = [variant.strategy]
        while variant.links_from is not None:
            name = variant.links_from
            if name not in self.strategies:
                return f"there is no strategy {name!r}" + nearest(name, self.strategies)
            if name in seen:
                return f"goes round in a circle, back to {name}"
            if "align-pairs" not in variant.steps or not variant.links_itself:
                return "needs align-pairs.aligner: encoder, and neither align-pairs.encoder nor pairs"
            seen.append(name)
            variant = self.variant(name, variant.task)
            if "realign" not in variant.steps:
                return f"{name} realigns no encoder before fine-tuning"
        return None


@dataclass(frozen=True)
class Variant:
    """The settings of one strategy and task, merged: one mapping of keys per section.

    `pairs` are existing pairs folders, used instead of the align-pairs step. `realigned` is False for a baseline;
    `during` is True if realignment is part of fine-tuning, so that there is no realign step. `links_from` is another
    strategy, whose encoder links the words of this one's pairs.
    """

    strategy: str
    task: str
    model: str
    realigned: bool
    during: bool
    pairs: tuple[str, ...]
    sections: Mapping[str, Mapping[str, Any]]
    links_from: str | None = None

    @property
    def links_itself(self) -> bool:
        """Whether the model that is realigned links the words, too: the recipe names the aligner, but no encoder."""
        section = self.sections["align-pairs"]
        return section.get("aligner") == "encoder" and section.get("encoder") is None

    @property
    def blended(self) -> bool:
        """Whether the task starts from a blend of the realigned encoder and the one before."""
        return self.realigned and not self.during and bool(self.sections["blend"])

    @property
    def chooses_alpha(self) -> bool:
        """Whether the alpha of its blend is chosen with the pairs."""
        return self.blended and self.sections["blend"].get("alpha") == AUTO

    @property
    def realign_steps(self) -> int | None:
        """Steps of realignment, None where they are counted in passes over the pairs."""
        section = self.sections["realign"]
        return None if section.get("epochs") is not None else int(section.get("steps") or DEFAULT_STEPS)

    @property
    def realigned_by(self) -> tuple[Any, ...]:
        """All that decides what the encoder becomes by realignment, except the number of steps."""
        section = {key: value for key, value in self.sections["realign"].items() if key != "steps"}
        return self.pairs, self.sections["align-pairs"], section

    @property
    def steps(self) -> tuple[str, ...]:
        """The steps that have to be run, in the order of the work."""
        left_out = {
            "align-pairs": not self.realigned or bool(self.pairs),
            "realign": not self.realigned or self.during,
            "blend": not self.blended,
        }
        return tuple(name for name in SECTIONS if not left_out.get(name, False))

    def settings(self, step: str, where: str, **filled: Any) -> StepSettings:
        """The settings of a step; `filled` is what follows from the graph. SettingsError lists what does not fit."""
        values = {key: value for key, value in self.sections[step].items() if key not in SECTIONS[step].filled_in}
        if step == "align-pairs" and self.links_itself:
            values["encoder"] = f"encoder of {self.links_from}" if self.links_from else self.model or "?"
        return from_mapping(SECTIONS[step].settings, {**values, **filled}, f"{where}: {step}")

    def preview(self, step: str, seed: int = 0) -> StepSettings:
        """The same before there is a graph: what follows from it is `?` where the recipe does not say it."""
        pairs = list(self.pairs) or "?"
        known = {"model": self.model or "?", "task": self.task, "pairs": pairs, "seed": seed}
        known |= {"base": self.model or "?", "realign-with": pairs if self.during else []}
        if step == "blend" and not self.chooses_alpha:
            known["pairs"] = []
        return self.settings(step, "", **{key: known[key] for key in SECTIONS[step].filled_in})


_LATE = ("pairs", "targets", "schedule", "links-from")
"""Shortcuts that are read when everything is merged."""


class _Merged:
    """Parts of a recipe laid on each other, each a mapping with sections and shortcuts."""

    def __init__(self) -> None:
        self.sections: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
        self.realigned = True
        self.shortcuts: dict[str, Any] = {}  # those that are read at the end

    def apply(self, overlay: Mapping[str, Any], is_override: bool = False) -> None:
        """Lay a part on top. Settings of `--set` do not make a baseline realign, nor another strategy blend."""
        self.shortcuts |= {key: overlay[key] for key in _LATE if key in overlay}
        if "freeze" in overlay:
            self._section("realign", {"freeze": overlay["freeze"]})
        if "source" in overlay:
            self._section("align-pairs", {"source": overlay["source"]})
            self._section("finetune", {"language": overlay["source"]})
        if "targets" in overlay:
            self._section("align-pairs", {"target": overlay["targets"]})
            self.sections["evaluate"].pop("languages", None)  # an earlier part's; they follow from these again
        for name in SECTIONS:
            section = overlay.get(name)
            if name == "realign" and name in overlay and not (is_override and isinstance(section, Mapping)):
                self.realigned = section is not False
            if name == "blend" and (section is False or (is_override and not self.sections["blend"])):
                self.sections["blend"].clear()
            elif isinstance(section, Mapping):
                self._section(name, section)

    def forget_foreign(self, aligner: str | None = None) -> None:
        """Drop settings of align-pairs that the aligner, by default the one there, doesn't read."""
        section = self.sections["align-pairs"]
        aligner = aligner or section.get("aligner", DEFAULT_ALIGNER)
        for name, readers in ONLY_WITH.items():
            if aligner not in readers:
                section.pop(name.replace("_", "-"), None)

    def _section(self, name: str, values: Mapping[str, Any]) -> None:
        normal = {key.replace("_", "-"): value for key, value in values.items()}
        exclusive = SECTIONS[name].exclusive
        if any(normal.get(key) is not None for key in exclusive):
            for key in exclusive:
                self.sections[name].pop(key, None)
        if name == "align-pairs" and "aligner" in normal:
            self.forget_foreign(normal["aligner"])  # what the part below says for an aligner of its own
        self.sections[name] |= normal

    def variant(self, strategy: str, task: str, model: str, data: str | None) -> Variant:
        sections = {name: dict(values) for name, values in self.sections.items()}
        targets = self.shortcuts.get("targets")
        pairs = as_list(self.shortcuts.get("pairs") or ())
        if targets is not None:
            source = sections["finetune"].get("language", "en")
            languages = [source, *as_list(targets)]
            if sections["evaluate"].get("data") is None:
                languages = [code for code in languages if _on_the_hub(task, code)] or languages
            sections["evaluate"].setdefault("languages", languages)
            if pairs:
                sections["realign"].setdefault("targets", targets)
        during = self.realigned and self.shortcuts.get("schedule") == "during"
        if during:
            sections["finetune"] = _with_realignment(sections["finetune"], sections["realign"])
        filled = {name: {k: fill_data(v, data) for k, v in values.items()} for name, values in sections.items()}
        links_from = self.shortcuts.get("links-from")
        return Variant(strategy, task, model, self.realigned, during, tuple(fill_data(pairs, data)), filled, links_from)


def _without_data(variant: Variant) -> list[str]:
    """What names no data although the task has none on the Hub; steps would find that out only after realignment."""
    finetune, evaluate = variant.sections["finetune"], variant.sections["evaluate"]
    trained = str(finetune.get("language", "en"))
    scored = as_list(evaluate.get("languages") or TASKS[variant.task].scored_languages(trained))
    asked = (
        ("finetune.train", "train", [] if finetune.get("train") else [trained]),
        ("evaluate.data", "test", [] if evaluate.get("data") else scored),
    )
    found = []
    for key, split, languages in asked:
        lacking = [repr(code) for code in languages if not _on_the_hub(variant.task, code, split)]
        if lacking:
            found.append(f"{key}: the task {variant.task} has no data of its own in {listed(lacking)}; name a file")
    return found


def _on_the_hub(task: str, language: str, split: str = "test") -> bool:
    """Whether the task's usual data has the language."""
    try:
        TASKS[task].hub_files(language, split)
    except SettingsError:
        return False
    return True


def _with_realignment(finetune: Mapping[str, Any], realign: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of fine-tuning that realigns: the plan, and what it shares with the realign step, come from there.

    What the section of finetune itself says about realignment (`realign-temperature`, a plan of its own) wins.
    """
    keys = [name.replace("_", "-") for name in SHARED_WITH_REALIGN]
    shared = {f"realign-{key}": realign[key] for key in keys if key in realign}
    own_plan = finetune.get("freeze") not in (None, "none")
    plan = finetune["freeze"] if own_plan else realign.get("freeze", DEFAULT_PLAN)
    return {**shared, **finetune, "freeze": plan}


def _slug(text: str) -> str:
    """Text as part of a folder's name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.") or "x"
