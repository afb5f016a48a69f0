"""A card for every shipped recipe: what it makes, and what the paper's authors got with it.

They lie in `model_cards/`, next to the templates; `python -m alignfreeze_cli.runs.recipe_cards model_cards` makes them
anew, and a test compares. Their numbers are published ones and say so; `model-index`, which is for measured ones, is
left out.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCardData

from alignfreeze_cli.aligners.settings import MUSE
from alignfreeze_cli.hub.cards import fill_template, save_card
from alignfreeze_cli.hub.facts import BASE_LICENCES, KNOWN_DATA, Data
from alignfreeze_cli.hub.lint import metadata_codes
from alignfreeze_cli.hub.metadata import ARXIV
from alignfreeze_cli.hub.scores import ScoreRow
from alignfreeze_cli.pairs.settings import OPUS_100
from alignfreeze_cli.published import Published, published
from alignfreeze_cli.runs.recipe_files import shipped
from alignfreeze_cli.runs.recipes import Recipe, load
from alignfreeze_cli.runs.sections import SECTIONS
from alignfreeze_cli.tasks.registry import TASKS


def recipe_cards() -> dict[str, bytes]:
    """File name → content of the cards of all shipped recipes that name a model."""
    recipes = [recipe for recipe in map(load, shipped()) if recipe.model is not None]
    return {f"{recipe.name}.md": recipe_card(recipe).encode() for recipe in recipes}


def recipe_card(recipe: Recipe) -> str:
    """The card of one recipe."""
    realigned = any(recipe.variant(strategy, recipe.tasks[0]).realigned for strategy in recipe.strategies)
    targets = list(recipe.variant(None, recipe.tasks[0]).sections["align-pairs"].get("target") or [])
    base = recipe.model if recipe.model in BASE_LICENCES else None
    metadata = ModelCardData(
        language=metadata_codes([recipe.source, *targets]) or None,
        library_name="transformers",
        base_model=base,
        base_model_relation="finetune" if base else None,
        license=BASE_LICENCES.get(base or ""),
        tags=["alignfreeze", "cross-lingual", f"arxiv:{ARXIV}", *recipe.strategies, *recipe.tasks],
    )
    known = {
        "card_data": metadata.to_yaml(),
        "recipe": recipe,
        "realigned": realigned,
        "targets": targets,
        "tasks": [TASKS[name] for name in recipe.tasks],
        "tables": [table for task in recipe.tasks if (table := _published_table(recipe, task))],
        "data": [*_pairs_data(recipe), *(_task_data(recipe, task) for task in recipe.tasks)],
        "settings": _settings(recipe, realigned),
    }
    return fill_template("recipe.md.j2", known).rstrip("\n") + "\n"


def _published_table(recipe: Recipe, task: str) -> dict[str, Any] | None:
    """The authors' scores for this recipe next to those of their baseline; None for a recipe of several strategies."""
    (strategy, *others) = recipe.strategies
    cell = published(recipe.model or "", task, strategy) if not others else None
    if cell is None:
        return None
    base = published(cell.model, task, "baseline") if strategy != "baseline" else None
    return {"task": TASKS[task], "cell": cell, "baseline": base, "rows": _rows(cell, base)}


def _rows(cell: Published, base: Published | None) -> list[ScoreRow]:
    rows = [ScoreRow("en", (cell.source, None), (base.source, None) if base else None)]
    for code, value in cell.values.items():
        base_mean = (base.values[code], base.spread[code]) if base else None
        rows.append(ScoreRow(code, (value, cell.spread[code]), base_mean))
    mean = (base.average, base.average_spread) if base else None
    return [*rows, ScoreRow(None, (cell.average, cell.average_spread), mean)]


def _pairs_data(recipe: Recipe) -> list[Data]:
    """Parallel text and dictionaries that a recipe fetches from known places."""
    found: list[Data] = []
    for strategy in recipe.strategies:
        variant = recipe.variant(strategy, recipe.tasks[0])
        section = variant.sections["align-pairs"]
        if variant.realigned and OPUS_100 in str(section.get("corpus", OPUS_100)):
            found.append(KNOWN_DATA[OPUS_100])
        if variant.realigned and section.get("dictionary", MUSE) == MUSE and section.get("aligner") == "dictionary":
            found.append(KNOWN_DATA[MUSE])
    return list(dict.fromkeys(found))


def _task_data(recipe: Recipe, name: str) -> Data:
    """The labelled data that a recipe fine-tunes on."""
    if local := recipe.variant(recipe.strategies[0], name).sections["finetune"].get("train"):
        made_up = str(local).startswith("demo/world/")
        return Data(str(local), str(local), "made by `alignfreeze demo`" if made_up else "that of your files")
    task = TASKS[name]
    return Data(task.data, "", task.licence, citation=task.citation)


def _settings(recipe: Recipe, realigned: bool) -> list[tuple[str, str, dict[str, list[str]]]]:
    """What the recipe sets, defaults left out: (step, key, value → the tasks it is for)."""
    found: dict[tuple[str, str], dict[str, list[str]]] = {}
    for task in recipe.tasks:
        variant = recipe.variant(recipe.strategies[0] if len(recipe.strategies) == 1 else None, task)
        for step in SECTIONS:
            if step in ("align-pairs", "realign") and not realigned:
                continue
            for key, value in variant.sections[step].items():
                text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
                found.setdefault((step, key), {}).setdefault(text, []).append(task)
    return [(step, key, values) for (step, key), values in found.items()]


if __name__ == "__main__":
    save_card(Path(sys.argv[1]), recipe_cards())
