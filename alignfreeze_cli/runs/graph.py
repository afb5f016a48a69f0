"""The graph of recipes: every step that has to be run, once, with what it needs and the folder it writes.

    <output>/pairs                              shared by all runs with the same settings of align-pairs
    <output>/pairs-<aligner>                    by an aligner other than the recipe's usual one
    <output>/pairs-<strategy>                   of a strategy with pairs of its own
    <output>/pairs-<model>                      linked by the model that is realigned
    <output>/<model>-<strategy>-s<seed>/        one run (artifacts/run_folder.py)
        pairs                                   linked by the realigned encoder of another strategy, if it says so
        encoder/steps-N                         its encoder after N steps, for a task that is realigned for fewer
        realigned                               what a blend is made of, if no other strategy realigns alike

Names follow from the whole recipe, not from the part of it that is run, so that running the rest later finds the
folders.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alignfreeze_cli.artifacts.run_folder import RunFolder
from alignfreeze_cli.errors import SettingsError
from alignfreeze_cli.runs.recipes import Recipe, Variant
from alignfreeze_cli.runs.sections import published_behaviours
from alignfreeze_cli.settings import StepSettings, nearest


@dataclass(frozen=True)
class Node:
    """One step to run. `name` is its output below the root, `needs` are the nodes whose outputs it reads."""

    name: str
    step: str
    settings: StepSettings
    needs: tuple[str, ...] = ()
    recipe: str = ""

    @property
    def output(self) -> Path:
        assert self.settings.output is not None  # the graph names every output
        return self.settings.output


@dataclass(frozen=True)
class Graph:
    """Nodes in an order in which they can be run, and the runs they make up.

    `notes` say what may surprise in a graph that is only a part of its recipes.
    """

    root: Path
    nodes: dict[str, Node]
    runs: tuple[RunFolder, ...]
    threads: int | None = None
    notes: tuple[str, ...] = ()

    def published_behaviours(self) -> tuple[str, ...]:
        """`step.setting` of every setting that has the published code's value where the default is another one."""
        return published_behaviours((node.step, node.settings.recorded()) for node in self.nodes.values())


def expand(
    recipes: Sequence[Recipe],
    root: Path,
    strategies: Sequence[str] = (),
    tasks: Sequence[str] = (),
) -> Graph:
    """The graph of recipes x strategies x seeds x tasks; `strategies` (`Recipe.meant_by`) and `tasks` choose a part.

    Raises SettingsError for an unknown strategy or task, a recipe without a model, and for two recipes that would write
    different things to one folder.
    """
    meant = [{each for name in strategies for each in recipe.meant_by(name)} for recipe in recipes]
    unknown = [name for name in strategies if not any(recipe.meant_by(name) for recipe in recipes)]
    _choose("--strategies", unknown, [name for recipe in recipes for name in recipe.strategies])
    _choose("--tasks", tasks, [name for recipe in recipes for name in recipe.tasks])
    builder = _Builder(root)
    for recipe, chosen in zip(recipes, meant, strict=True):
        if recipe.model is None:
            raise SettingsError(
                f"The recipe {recipe.name} names no model, so it is only for others to extend; write `model:` into it, "
                "or give --set model=org/name."
            )
        names = _Names(recipe)
        # Seeds outside: after the first one, every strategy has a number to show.
        for seed in recipe.seeds:
            for strategy in recipe.strategies:
                if not strategies or strategy in chosen:
                    builder.add_run(names, strategy, seed, tasks)
    threads = {recipe.threads for recipe in recipes if recipe.threads is not None}
    if len(threads) > 1:
        raise SettingsError("The recipes set different numbers of threads; give --threads.")
    return Graph(root, builder.nodes, tuple(builder.runs.values()), next(iter(threads), None), builder.notes())


class _Builder:
    """Collects the nodes and runs of a graph."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.nodes: dict[str, Node] = {}
        self.runs: dict[Path, RunFolder] = {}
        self.read: dict[str, set[str]] = {}  # the parts of each encoder that tasks read

    def add_run(self, names: _Names, strategy: str, seed: int, tasks: Sequence[str]) -> None:
        recipe = names.recipe
        folder = names.run(strategy, seed)
        links: dict[str, str] = {}
        for task in recipe.tasks:
            if tasks and task not in tasks:
                continue
            variant = recipe.variant(strategy, task)
            filled: dict[str, Any] = {"model": variant.model, "task": task, "seed": seed}
            needs: tuple[str, ...] = ()
            if variant.during:
                pairs, needs = self._pairs(names, variant, folder, seed, links)
                filled["realign-with"] = list(pairs)
            elif variant.realigned:
                encoder, part = self._encoder(names, variant, folder, seed, links)
                filled["model"], needs = str(encoder.output / part), (encoder.name,)
            tagger = self._add(recipe, variant, "finetune", f"{folder}/{task}", needs, filled)
            filled = {"model": str(tagger.output), "task": task}
            self._add(recipe, variant, "evaluate", f"{folder}/{task}-scores", (tagger.name,), filled)
        scores = {task: f"{task}-scores" for task in recipe.tasks}
        control = recipe.aligner_of(strategy)[0] in recipe.controls
        run = RunFolder(self.root / folder, recipe.model_name, strategy, seed, recipe.source, control, scores, links)
        if other := self.runs.get(run.folder):  # two recipes with a strategy in common and tasks of their own: one run
            run = replace(run, tasks=other.tasks | scores, links=other.links | links)
        self.runs[run.folder] = run

    def _pairs(
        self, names: _Names, variant: Variant, folder: str, seed: int, links: dict[str, str]
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The pairs folders that a variant is realigned on, and the nodes that make them."""
        if variant.pairs:
            return variant.pairs, ()
        if variant.links_from is not None:
            other = names.recipe.variant(variant.links_from, variant.task)
            encoder, _ = self._encoder(names, other, names.run(other.strategy, seed), seed, {})
            self.read.setdefault(encoder.name, set()).add("")  # the whole of it, whatever the task takes
            name = re.sub(
                "^(encoder|realigned)", "pairs", encoder.name.rpartition("/")[2]
            )  # its tasks' encoder, their pairs
            filled = {"encoder": str(encoder.output)}
            node = self._add(names.recipe, variant, "align-pairs", f"{folder}/{name}", (encoder.name,), filled)
            return (str(node.output),), (node.name,)
        node = self._add(names.recipe, variant, "align-pairs", names.pairs(variant), (), {})
        links[names.link(variant)] = f"../{node.name}"
        return (str(node.output),), (node.name,)

    def _encoder(
        self, names: _Names, variant: Variant, folder: str, seed: int, links: dict[str, str]
    ) -> tuple[Node, str]:
        """The node that makes this variant's encoder, and the part of its output that it uses ("" for the whole)."""
        if not variant.blended:
            return self._realigned(names, variant, folder, seed, links)
        alike = names.recipe.variant(names.realigning(variant.strategy), variant.task)
        place = names.run(alike.strategy, seed)
        realigned, part = self._realigned(names, alike, place, seed, links)
        filled: dict[str, Any] = {"base": variant.model, "model": str(realigned.output / part)}
        needs: tuple[str, ...] = (realigned.name,)
        if variant.chooses_alpha:
            pairs, makers = self._pairs(names, alike, place, seed, links)
            filled["pairs"], needs = list(pairs), (*needs, *makers)
        return self._add(names.recipe, variant, "blend", f"{folder}/{names.blend(variant)}", needs, filled), ""

    def _realigned(
        self, names: _Names, variant: Variant, folder: str, seed: int, links: dict[str, str]
    ) -> tuple[Node, str]:
        """The node that realigns for this variant, and the part of its output that it uses."""
        pairs, needs = self._pairs(names, variant, folder, seed, links)
        name, shared = names.realignment(variant)
        filled = {"model": variant.model, "pairs": list(pairs), "seed": seed}
        node = self._add(names.recipe, shared, "realign", f"{folder}/{name}", needs, filled)
        part = "" if variant.realign_steps == shared.realign_steps else f"steps-{variant.realign_steps}"
        self.read.setdefault(node.name, set()).add(part)
        return node, part

    def notes(self) -> tuple[str, ...]:
        """A sentence on encoders that are realigned for longer than the chosen tasks need."""
        whole = [name for name, parts in self.read.items() if "" not in parts]
        if not whole:
            return ()
        tasks = list(
            dict.fromkeys(node.name.rpartition("/")[2] for node in self.nodes.values() if node.step == "finetune")
        )
        return (
            f"{whole[0]} is realigned for as many steps as the recipe's longest task needs, though {', '.join(tasks)} "
            f"only need {', '.join(sorted(self.read[whole[0]]))}, so that the other tasks can be added later. To stop "
            f"there, give --set tasks={','.join(tasks)} instead of --tasks (and an --output of its own).",
        )

    def _add(
        self,
        recipe: Recipe,
        variant: Variant,
        step: str,
        name: str,
        needs: tuple[str, ...],
        filled: dict[str, Any],
    ) -> Node:
        """The node of that name; `filled` are the settings that follow from the graph."""
        where = f"{recipe.name}, strategy {variant.strategy}, task {variant.task}"
        settings = variant.settings(step, where, output=str(self.root / name), **filled)
        node = Node(name, step, settings, needs, recipe.name)
        known = self.nodes.setdefault(name, node)
        if known.settings != settings or known.needs != needs:
            raise SettingsError(
                f"{known.recipe} and {recipe.name} would both write {settings.output}, with different settings; run "
                "them with an --output each."
            )
        return known


class _Names:
    """Names of the folders that variants of a recipe may share: pairs among strategies, realignment among tasks.

    What the first task has without any strategy gets the bare name, others the strategy or task that makes them
    different. Strategies with the same pairs share the folder named after the first of them.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        first = recipe.variant(None, recipe.tasks[0]).sections["align-pairs"]
        self._pairs: list[tuple[Mapping[str, Any], str]] = [(first, "pairs")]
        for strategy in recipe.strategies:
            bare, aligner = recipe.aligner_of(strategy)
            for task in recipe.tasks:
                variants = recipe.variant(None, task), recipe.common(aligner, task), recipe.variant(strategy, task)
                common, with_aligner, own = (each.sections["align-pairs"] for each in variants)
                parts = ["pairs"] + [task] * (common != first)
                parts += [str(aligner)] * (with_aligner != common) + [bare] * (own != with_aligner)
                if all(own != section for section, _ in self._pairs):
                    self._pairs.append((own, "-".join(parts)))

    def run(self, strategy: str, seed: int) -> str:
        """The folder of a run."""
        return f"{self.recipe.model_name}-{strategy}-s{seed}"

    def pairs(self, variant: Variant) -> str:
        """The folder of a variant's pairs, shared by all runs; if the model links them, by those of the same model."""
        name = next(name for section, name in self._pairs if section == variant.sections["align-pairs"])
        return name.replace("pairs", f"pairs-{self.recipe.model_name}", 1) if variant.links_itself else name

    def link(self, variant: Variant) -> str:
        """The name of the pairs inside a run's folder; plain unless the run's tasks have different ones."""
        first = self.recipe.variant(variant.strategy, self.recipe.tasks[0])
        return "pairs" if self.pairs(first) == self.pairs(variant) else f"pairs-{variant.task}"

    def realignment(self, variant: Variant) -> tuple[str, Variant]:
        """The folder in a run of the step that makes the variant's encoder, and the variant with that step's settings.

        It is named after the first of the tasks that the step serves.
        """
        first, *_ = self.recipe.realigned_alike(variant)
        name = self._of_task("realigned" if self._blends(variant.strategy) else "encoder", first.task)
        return name, self.recipe.longest_realigned(variant)

    def blend(self, variant: Variant) -> str:
        """The folder in a run of the blend; one step serves all tasks that differ in nothing."""
        alike = [
            task
            for task in self.recipe.tasks
            if (other := self.recipe.variant(variant.strategy, task)).blended
            and (other.sections["blend"], _all_of(other)) == (variant.sections["blend"], _all_of(variant))
        ]
        return self._of_task("encoder", alike[0])

    def realigning(self, strategy: str) -> str:
        """In whose runs a blend's encoder is realigned: of strategies that realign alike the first without a blend."""
        tasks = self.recipe.tasks
        own = [_all_of(self.recipe.variant(strategy, task)) for task in tasks]
        alike = [
            name
            for name in self.recipe.strategies
            if all("realign" in self.recipe.variant(name, task).steps for task in tasks)
            and [_all_of(self.recipe.variant(name, task)) for task in tasks] == own
        ]
        return next((name for name in alike if not self._blends(name)), alike[0])

    def _blends(self, strategy: str) -> bool:
        return any(self.recipe.variant(strategy, task).blended for task in self.recipe.tasks)

    def _of_task(self, name: str, task: str) -> str:
        return name if task == self.recipe.tasks[0] else f"{name}-{task}"


def _all_of(variant: Variant) -> tuple[Any, ...]:
    """All that decides what the encoder of a task becomes by realignment."""
    return variant.realign_steps, variant.links_from, *variant.realigned_by


def _choose(option: str, wanted: Sequence[str], known: Sequence[str]) -> None:
    for name in wanted:
        if name not in known:
            listed = ", ".join(dict.fromkeys(known))
            raise SettingsError(f"{option}: there is no {name!r}, only {listed}{nearest(name, known) or '.'}")
