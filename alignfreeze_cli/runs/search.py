"""`alignfreeze search`: which freeze plan is best for a model, by a series of recipes worked off by the runner.

    1. every candidate once: one realignment of everything, its blocks put back as the plan says (`blend --restore`)
    2. the best √(2 n) of the n, realigned as the plan says, with new seeds
    3. the best two, with new seeds

One half of the languages decides who goes on; the differences that are reported are those of the other half. All is in
ordinary run folders, so what is finished is found again, and what was interrupted resumes, by the runner's own means.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alignfreeze_cli.artifacts import resolve_encoder
from alignfreeze_cli.errors import AlignFreezeError, SettingsError
from alignfreeze_cli.phrases import counted
from alignfreeze_cli.progress import Console
from alignfreeze_cli.runs import runner
from alignfreeze_cli.runs.candidates import FULL, Candidate, Rung, candidates, halves, rungs
from alignfreeze_cli.runs.graph import Graph, expand
from alignfreeze_cli.runs.ranking import Ranking, Scores, keep, rank
from alignfreeze_cli.runs.recipe_files import Document
from alignfreeze_cli.runs.recipes import Recipe, RecipeError
from alignfreeze_cli.runs.worklist import Outcome
from alignfreeze_cli.settings import nearest
from alignfreeze_cli.tasks.registry import TASKS

RUNS = "runs"
BLENDED = "put-back"
"""What the names of strategies of the first rung begin with."""

_OWN = ("strategies", "strategy", "controls", "seeds", "tasks")
"""Keys of a recipe that the search fills in itself."""


class RungFailedError(AlignFreezeError):
    """A step of a rung failed, so the search can't go on."""

    def __init__(self, rung: int, failed: Sequence[Outcome], of: int) -> None:
        error = failed[0].error
        reasons = "; ".join(f"{each.node.name} ({each.node.step}): {each.error}" for each in failed[:3])
        super().__init__(
            f"{len(failed)} of {counted(of, 'step')} of rung {rung} failed: {reasons.rstrip('.')}. Finished steps are "
            "kept; run the same command again once the cause is removed."
        )
        self.exit_code = error.exit_code if isinstance(error, AlignFreezeError) else AlignFreezeError.exit_code


@dataclass(frozen=True)
class Search:
    """A search that is to be made: a recipe without strategies, what is chosen from, and the rungs."""

    recipe: Recipe
    task: str
    candidates: tuple[Candidate, ...]
    rungs: tuple[Rung, ...]
    seed: int
    output: Path

    @classmethod
    def plan(cls, recipe: Recipe, task: str | None, budget: int, seed: int, output: Path) -> Search:
        """Look at the recipe's model, and divide the budget.

        Raises SettingsError for a recipe that does not leave the plan open and for a budget that is too small,
        ArtifactError or HubError for a model that can't be read.
        """
        from alignfreeze_cli.encoder.blocks import architecture
        from alignfreeze_cli.encoder.models import skeleton

        if given := [key for key in _OWN if key in recipe.override.values]:
            raise SettingsError(f"--set {given[0]}: is chosen by the search itself.")
        if recipe.model is None:
            raise SettingsError(f"The recipe {recipe.name} names no model; give --model.")
        task = task or recipe.tasks[0]
        if task not in TASKS:
            raise SettingsError(f"--task {task}: there is no such task, only {', '.join(TASKS)}{nearest(task, TASKS)}")
        files = tuple(
            replace(each, values={key: value for key, value in each.values.items() if key not in _OWN})
            for each in recipe.files
        )
        bare = replace(recipe, files=files)
        section = bare.variant(None, task).sections["realign"]
        arch = architecture(skeleton(resolve_encoder(recipe.model).path))
        lora = section.get("lora")
        found = candidates(arch.n_blocks, section.get("block"), None if lora is None else int(lora), arch.causal)
        search = cls(bare, task, found, rungs(budget, len(found)), seed, output)
        search.graph(0, [candidate.name for candidate in found])  # mistakes of the recipe show before anything runs
        search.graph(1, [candidate.name for candidate in found])
        return search

    @property
    def source(self) -> str:
        """The language of fine-tuning."""
        return str(self.recipe.variant(None, self.task).sections["finetune"].get("language", "en"))

    @property
    def runs(self) -> int:
        """How many task models are fine-tuned and scored."""
        return sum(rung.runs for rung in self.rungs)

    def seeds(self, rung: int) -> list[int]:
        """The seeds of a rung, counted from 0. A larger budget begins with the same seeds."""
        draw = random.Random(f"seeds of rung {rung}, search {self.seed}")
        found: dict[int, None] = {}
        while len(found) < self.rungs[rung].seeds:
            found[rung + len(self.rungs) * draw.randrange(1, 30_000)] = None  # no two rungs share a seed
        return list(found)

    def coin(self) -> Iterator[bool]:
        """Decides which languages select."""
        draw = random.Random(f"languages, search {self.seed}")
        while True:
            yield draw.random() < 0.5

    def strategies(self, rung: int, names: Sequence[str]) -> dict[str, str]:
        """Candidate → the strategy that runs it in a rung. What needs no blend is the same in all rungs."""
        by_name = {each.name: each for each in self.candidates}
        return {
            name: f"{BLENDED}-{name}" if self.rungs[rung].blended and _is_blended(by_name[name]) else name
            for name in names
        }

    def graph(self, rung: int, names: Sequence[str]) -> Graph:
        """The steps of a rung for some of the candidates."""
        by_name = {each.name: each for each in self.candidates}
        overlays: dict[str, dict[str, Any]] = {}
        for name, strategy in self.strategies(rung, names).items():
            plan = by_name[name].plan
            if plan is None:
                overlays[strategy] = {"realign": False, "blend": False}
            elif strategy == name:
                overlays[strategy] = {"realign": {"freeze": plan.text}, "blend": False}
            else:
                overlays[strategy] = {"realign": {"freeze": "none"}, "blend": {"restore": plan.text}}
        own = {"strategies": overlays, "seeds": self.seeds(rung), "tasks": [self.task]}
        recipe = replace(self.recipe, files=(*self.recipe.files, Document(Path("search"), own, "")))
        self._demand_open(recipe, overlays)
        if problems := recipe.check():
            raise RecipeError(problems)
        return expand([recipe], self.output / RUNS)

    def _demand_open(self, recipe: Recipe, overlays: Mapping[str, Mapping[str, Any]]) -> None:
        """Every strategy must be what the search means by it, whatever else the recipe or `--set` says."""
        for name, overlay in overlays.items():
            if name not in recipe.strategies:
                raise SettingsError(f"search takes no recipe that crosses strategies with aligners ({recipe.name}).")
            variant = recipe.variant(name, self.task)
            said, meant = variant.sections["realign"].get("freeze"), overlay["realign"]
            if (
                variant.during
                or variant.realigned != bool(meant)
                or (variant.realigned and said != meant["freeze"])
                or variant.sections["blend"] != (overlay["blend"] or {})
            ):
                raise SettingsError(
                    "search varies the freeze plan and blends encoders realigned before fine-tuning; take freeze, "
                    f"blend and schedule out of --set and of {recipe.name}."
                )


def _is_blended(candidate: Candidate) -> bool:
    return candidate.plan is not None and candidate.name != FULL


@dataclass(frozen=True)
class Found:
    """A finished search: the ranking, and the scores of every rung."""

    search: Search
    ranking: Ranking
    scores: tuple[Scores, ...]


def run_search(
    search: Search, console: Console, *, jobs: int = 1, threads: int | None = None, overwrite: bool = False
) -> Found:
    """Run the rungs one after the other. Raises RungFailedError, Interrupted, SettingsError for too few languages."""
    names = [candidate.name for candidate in search.candidates]
    by_rung: list[Scores] = []
    selecting: tuple[str, ...] = ()
    reporting: tuple[str, ...] = ()
    for number, rung in enumerate(search.rungs):
        kept = names if not by_rung else keep(by_rung[-1], selecting, rung.candidates)
        console.info(f"Rung {number + 1} of {len(search.rungs)}: {', '.join(kept)}; {counted(rung.seeds, 'seed')}.")
        graph = search.graph(number, kept)
        outcomes = runner.run(graph, console, jobs=jobs, threads=threads, overwrite=overwrite)
        if failed := [outcome for outcome in outcomes if outcome.status == "failed"]:
            raise RungFailedError(number + 1, failed, len(outcomes))
        by_rung.append(_read(search, number, kept, graph))
        if not selecting:
            languages = list(next(iter(by_rung[0][kept[0]].values())))
            selecting, reporting = halves([each for each in languages if each != search.source], search.coin())
    return Found(search, rank(by_rung, selecting, reporting), tuple(by_rung))


def _read(search: Search, rung: int, names: Sequence[str], graph: Graph) -> Scores:
    """The scores of a rung, by candidate, seed and language."""
    from alignfreeze_cli.report.scores import read_scores

    rows = read_scores([run.folder for run in graph.runs])
    rows = rows[rows["task"] == search.task]
    found: dict[str, dict[int, dict[str, float]]] = {}
    for name, strategy in search.strategies(rung, names).items():
        own = rows[rows["strategy"] == strategy]
        found[name] = {
            seed: dict(zip(own["language"][own["seed"] == seed], own["value"][own["seed"] == seed], strict=True))
            for seed in search.seeds(rung)
        }
    return found
