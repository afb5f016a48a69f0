"""The steps behind recipes, each once: what has to be made, from what, and where it lies.

    <output>/pairs                              shared by all runs that want the same pairs
    <output>/pairs-<strategy>                   of a strategy with pairs of its own
    <output>/<model>-<strategy>-s<seed>/        one run
        run.json                                what this run is
        pairs -> ../pairs
        encoder                                 absent in a baseline and where fine-tuning realigns
        encoder/steps-N                         the same after N steps, for a task that wants fewer than another
        pos, pos-scores                         one task model and its scores per task

Names follow from a recipe alone, not from the part of it that is run, so that running the rest later finds the folders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alignfreeze_cli.artifacts.run_folder import RunFolder
from alignfreeze_cli.errors import SettingsError
from alignfreeze_cli.runs.merging import Variant
from alignfreeze_cli.runs.recipes import Recipe
from alignfreeze_cli.runs.sharing import Names
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
    """Nodes in an order in which they can be worked off, and the runs they make up.

    `notes` say what may surprise in a graph that is only a part of its recipes.
    """

    root: Path
    nodes: dict[str, Node]
    runs: tuple[RunFolder, ...]
    threads: int | None = None
    notes: tuple[str, ...] = ()


def expand(
    recipes: Sequence[Recipe],
    root: Path,
    strategies: Sequence[str] = (),
    tasks: Sequence[str] = (),
) -> Graph:
    """The graph of recipes x strategies x seeds x tasks; `strategies` and `tasks` choose a part of it.

    Raises SettingsError for an unknown strategy or task, a recipe without a model, and for two recipes that would write
    different things to one folder.
    """
    _choose("--strategies", strategies, [name for recipe in recipes for name in recipe.strategies])
    _choose("--tasks", tasks, [name for recipe in recipes for name in recipe.tasks])
    builder = _Builder(root)
    for recipe in recipes:
        if recipe.model is None:
            raise SettingsError(
                f"The recipe {recipe.name} names no model, so it is only for others to extend; write `model:` into it, "
                "or give --set model=org/name."
            )
        names = Names(recipe)
        # Seeds outside: after the first one, every strategy has a number to show.
        for seed in recipe.seeds:
            for strategy in recipe.strategies:
                if not strategies or strategy in strategies:
                    builder.add_run(recipe, names, strategy, seed, tasks)
    threads = {recipe.threads for recipe in recipes if recipe.threads is not None}
    if len(threads) > 1:
        raise SettingsError("The recipes want different numbers of threads; give --threads.")
    return Graph(root, builder.nodes, tuple(builder.runs), next(iter(threads), None), builder.notes())


class _Builder:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.nodes: dict[str, Node] = {}
        self.runs: list[RunFolder] = []
        self.read: dict[str, set[str]] = {}  # the parts of each encoder that tasks read

    def add_run(self, recipe: Recipe, names: Names, strategy: str, seed: int, tasks: Sequence[str]) -> None:
        folder = f"{recipe.model_name}-{strategy}-s{seed}"
        links: dict[str, str] = {}
        for task in recipe.tasks:
            if tasks and task not in tasks:
                continue
            variant = recipe.variant(strategy, task)
            wired: dict[str, Any] = {"model": variant.model}
            needs: tuple[str, ...] = ()
            if variant.during:
                pairs, needs = self._pairs(recipe, names, variant, links)
                wired["realign-with"] = list(pairs)
            elif variant.realigned:
                encoder, part = self._encoder(recipe, names, variant, folder, seed, links)
                wired["model"], needs = str(encoder.output / part), (encoder.name,)
            tagger = self._add(recipe, variant, "finetune", f"{folder}/{task}", needs, task=task, seed=seed, **wired)
            self._add(
                recipe,
                variant,
                "evaluate",
                f"{folder}/{task}-scores",
                (tagger.name,),
                model=str(tagger.output),
                task=task,
            )
        scores = {task: f"{task}-scores" for task in recipe.tasks}
        control = strategy in recipe.controls
        run = RunFolder(self.root / folder, recipe.model_name, strategy, seed, recipe.source, control, scores, links)
        for number, other in enumerate(self.runs):
            if other.folder == run.folder:  # two recipes with a strategy in common and tasks of their own: one run
                self.runs[number] = replace(run, tasks=other.tasks | scores, links=other.links | links)
                return
        self.runs.append(run)

    def _pairs(
        self, recipe: Recipe, names: Names, variant: Variant, links: dict[str, str]
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The pairs folders that a variant is realigned on, and the nodes that make them."""
        if variant.pairs:
            return variant.pairs, ()
        node = self._add(recipe, variant, "align-pairs", names.pairs(variant), ())
        links[names.link(variant)] = f"../{node.name}"
        return (str(node.output),), (node.name,)

    def _encoder(
        self, recipe: Recipe, names: Names, variant: Variant, folder: str, seed: int, links: dict[str, str]
    ) -> tuple[Node, str]:
        """The node that realigns for this variant, and which part of its output is meant ("" for the whole)."""
        pairs, needs = self._pairs(recipe, names, variant, links)
        shared = names.realignment(variant)
        node = self._add(
            recipe,
            shared.applied(variant),
            "realign",
            f"{folder}/{shared.name}",
            needs,
            model=variant.model,
            pairs=list(pairs),
            seed=seed,
        )
        part = shared.part(variant)
        self.read.setdefault(node.name, set()).add(part)
        return node, part

    def notes(self) -> tuple[str, ...]:
        """A word on encoders that are realigned for longer than the tasks at hand want."""
        whole = [name for name, parts in self.read.items() if "" not in parts]
        if not whole:
            return ()
        tasks = list(
            dict.fromkeys(node.name.rpartition("/")[2] for node in self.nodes.values() if node.step == "finetune")
        )
        return (
            f"{whole[0]} is realigned for as long as the recipe's longest task wants, though {', '.join(tasks)} only "
            f"need {', '.join(sorted(self.read[whole[0]]))} of it: the other tasks can then be added. To stop there, "
            f"give --set tasks={','.join(tasks)} instead of --tasks (and an --output of its own).",
        )

    def _add(
        self, recipe: Recipe, variant: Variant, step: str, name: str, needs: tuple[str, ...], **wired: Any
    ) -> Node:
        where = f"{recipe.name}, strategy {variant.strategy}, task {variant.task}"
        settings = variant.settings(step, where, output=str(self.root / name), **wired)
        node = Node(name, step, settings, needs, recipe.name)
        known = self.nodes.setdefault(name, node)
        if known.settings != settings or known.needs != needs:
            raise SettingsError(
                f"{known.recipe} and {recipe.name} would both write {settings.output}, with different settings; run "
                "them with an --output each."
            )
        return known


def _choose(option: str, wanted: Sequence[str], known: Sequence[str]) -> None:
    for name in wanted:
        if name not in known:
            listed = ", ".join(dict.fromkeys(known))
            hint = nearest(name, known)
            raise SettingsError(f"{option}: there is no {name!r}, only {listed}{hint or '.'}")
