"""A card for every shipped recipe: what it makes, and what the paper's authors got with it.

They lie in `model_cards/`, beside the templates of the cards for folders. `python -m alignfreeze_cli.hub.recipe_cards
model_cards` makes them anew; a test compares. Their numbers are published ones and say so, and `model-index`, which is
for measured ones, stays away.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alignfreeze_cli.aligners.settings import MUSE
from alignfreeze_cli.encoder.freezing import FreezePlan
from alignfreeze_cli.hub.cards import ARXIV, save_card, template_folder
from alignfreeze_cli.hub.citations import ALIGNFREEZE, DATA
from alignfreeze_cli.hub.facts import BASE_LICENCES, KNOWN_DATA, Data
from alignfreeze_cli.hub.iso639 import metadata_codes
from alignfreeze_cli.hub.phrases import count, language, percent, points, some, table
from alignfreeze_cli.hub.picture import Row, State, draw, to_svg
from alignfreeze_cli.hub.wording import PAPER
from alignfreeze_cli.pairs.settings import OPUS_100
from alignfreeze_cli.published import Published, published
from alignfreeze_cli.runs.recipes import Recipe, load, shipped
from alignfreeze_cli.runs.steps import STEPS
from alignfreeze_cli.tasks.registry import TASKS

BLOCKS = {
    "FacebookAI/xlm-roberta-base": 12,
    "google-bert/bert-base-multilingual-cased": 12,
    "distilbert/distilbert-base-multilingual-cased": 6,
}
"""Blocks of the encoders that the shipped recipes name."""


def recipe_cards() -> dict[str, bytes]:
    """File name → content of the cards of all shipped recipes that name a model."""
    files: dict[str, bytes] = {}
    for name in shipped():
        recipe = load(name)
        if recipe.model is not None:
            files |= recipe_card(recipe)
    return files


def recipe_card(recipe: Recipe) -> dict[str, bytes]:
    """The card of one recipe and, where the number of blocks is known, its picture."""
    from huggingface_hub import ModelCard, ModelCardData

    blocks = BLOCKS.get(recipe.model or "")
    rows = [_row(recipe, strategy, blocks) for strategy in recipe.strategies] if blocks else []
    words: dict[str, Any] = {
        "title": f"Recipe {recipe.name}",
        "summary": _summary(recipe),
        "picture": f"{recipe.name}.svg" if rows else "",
        "picture_text": _picture_text(recipe),
        "use": f"alignfreeze run {recipe.name}\nalignfreeze recipes show {recipe.name} --resolved  # every setting",
        "scores": "\n\n".join(filter(None, (_published(recipe, task) for task in recipe.tasks))),
        "data": _data(recipe),
        "making": _settings(recipe),
        "citation": "\n\n".join([ALIGNFREEZE, *_citations(recipe)]),
    }
    card = ModelCard.from_template(
        ModelCardData(**_metadata(recipe)), template_path=str(template_folder() / "recipe.md.j2"), **words
    )
    files = {f"{recipe.name}.md": (str(card).rstrip("\n") + "\n").encode()}
    return files | ({f"{recipe.name}.svg": to_svg(draw(_picture_text(recipe), rows)).encode()} if rows else {})


def _row(recipe: Recipe, strategy: str, blocks: int) -> Row:
    variant = recipe.variant(strategy, recipe.tasks[0])
    if not variant.realigned:
        return Row(strategy, "untouched", tuple("untouched" for _ in range(blocks)))
    plan = FreezePlan.parse(str(variant.sections["realign"]["freeze"])).resolve(blocks)
    states: list[State] = [
        "trained" if block in plan.trained else "frozen" if block <= plan.read_block else "untouched"
        for block in range(blocks)
    ]
    return Row(strategy, "frozen" if plan.embeddings_frozen else "trained", tuple(states), plan.read_block)


def _summary(recipe: Recipe) -> str:
    targets = some(_targets(recipe), 40)
    realigned = f" Realignment sees {targets};" if _realigned(recipe) else ""
    scored = "these languages" if realigned else targets
    scored += ", as far as each task's data has them" if len(recipe.tasks) > 1 else ""
    tasks = some([TASKS[name].title for name in recipe.tasks])
    model = f"{'the' if realigned else 'The'} model is fine-tuned in {language(recipe.source)}"
    what_it_is = f"A recipe of {PAPER}: this page says what it does, it is no trained model."
    return f"{recipe.about}{realigned} {model} for {tasks} and scored in {scored}. {what_it_is}"


def _realigned(recipe: Recipe) -> bool:
    return any(recipe.variant(strategy, recipe.tasks[0]).realigned for strategy in recipe.strategies)


def _picture_text(recipe: Recipe) -> str:
    return f"What realignment trains in {recipe.model_name}"


def _metadata(recipe: Recipe) -> dict[str, Any]:
    base = recipe.model if recipe.model in BLOCKS else None
    values = {
        "language": metadata_codes([recipe.source, *_targets(recipe)]),
        "library_name": "transformers",
        "base_model": base,
        "base_model_relation": "finetune" if base else None,
        "license": BASE_LICENCES.get(base or ""),
        "tags": ["alignfreeze", "cross-lingual", f"arxiv:{ARXIV}", *recipe.strategies, *recipe.tasks],
    }
    return {key: value for key, value in values.items() if value}


def _targets(recipe: Recipe) -> list[str]:
    return list(recipe.variant(None, recipe.tasks[0]).sections["align-pairs"].get("target") or [])


def _published(recipe: Recipe, task: str) -> str:
    """The authors' numbers for this recipe, beside their baseline."""
    (strategy, *others) = recipe.strategies
    cell = published(recipe.model or "", task, strategy) if not others else None
    if cell is None:
        return ""
    base = published(cell.model, task, "baseline") if strategy != "baseline" else None
    header = ["language", f"published ({strategy})"] + (["published (baseline)", "difference"] if base else [])
    rows = [
        ["English", percent(cell.source, None)]
        + ([percent(base.source, None), points(cell.source - base.source)] if base else [])
    ]
    for code, value in cell.values.items():
        row = [language(code), percent(value, cell.spread[code])]
        rows.append(
            row + ([percent(base.values[code], base.spread[code]), points(value - base.values[code])] if base else [])
        )
    mean = ["**mean without source**", f"**{percent(cell.average, cell.average_spread)}**"]
    mean += [percent(base.average, base.average_spread), points(cell.average - base.average)] if base else []
    told = (
        f"{TASKS[task].title.capitalize()}, {cell.metric} in percent, mean and standard deviation (ddof 0) over the "
        f"seeds {', '.join(map(str, cell.seeds))}. **These are the paper's numbers**, from the authors' own runs with "
        f"their code ({_lengths(cell)}); they were not measured with this toolkit."
    )
    return told + "\n\n" + table(header, [*rows, mean])


def _lengths(cell: Published) -> str:
    realigned = f"{count(cell.realignment_steps, 'step')} of realignment, " if cell.realignment_steps else ""
    return f"{realigned}{count(cell.finetuning_steps, 'step')} of fine-tuning"


def _sources(recipe: Recipe) -> list[Data]:
    """Data that a recipe fetches from known places."""
    found: list[Data] = []
    for strategy in recipe.strategies:
        variant = recipe.variant(strategy, recipe.tasks[0])
        section = variant.sections["align-pairs"]
        if variant.realigned and OPUS_100 in str(section.get("corpus")):
            found.append(KNOWN_DATA[OPUS_100])
        if variant.realigned and section.get("dictionary", MUSE) == MUSE and section.get("aligner") == "dictionary":
            found.append(KNOWN_DATA[MUSE])
    return list(dict.fromkeys(found))


def _data(recipe: Recipe) -> str:
    rows = [[each.what, each.licence] for each in _sources(recipe)]
    for name in recipe.tasks:
        section = recipe.variant(recipe.strategies[0], name).sections["finetune"]
        local = section.get("train")
        rows.append([f"`{local}`", "made by `alignfreeze demo`"] if local else [TASKS[name].data, TASKS[name].licence])
    return table(["data", "licence"], rows)


def _settings(recipe: Recipe) -> str:
    """What the recipe sets, by step; what it leaves to the defaults is not listed."""
    found: dict[tuple[str, str], dict[str, list[str]]] = {}
    for task in recipe.tasks:
        variant = recipe.variant(recipe.strategies[0] if len(recipe.strategies) == 1 else None, task)
        for step in STEPS:
            if step in ("align-pairs", "realign") and not _realigned(recipe):
                continue
            for key, value in variant.sections[step].items():
                shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
                found.setdefault((step, key), {}).setdefault(shown, []).append(task)
    rows = [[step, f"`{key}`", _by_task(values, recipe.tasks)] for (step, key), values in found.items()]
    seeds = ", ".join(map(str, recipe.seeds))
    return f"Seeds: {seeds}.\n\n" + table(["step", "setting", "value"], rows)


def _by_task(values: dict[str, list[str]], tasks: Sequence[str]) -> str:
    """The value, or each value with the tasks that it is for."""
    return "; ".join(
        f"`{value}`" if len(holders) == len(tasks) else f"`{value}` ({', '.join(holders)})"
        for value, holders in values.items()
    )


def _citations(recipe: Recipe) -> list[str]:
    found = [
        text
        for key, text in DATA.items()
        for each in _sources(recipe)
        if each.dataset == key or each.what.startswith(key)
    ]
    fetched = [n for n in recipe.tasks if not recipe.variant(None, n).sections["finetune"].get("train")]
    return list(dict.fromkeys([*found, *(TASKS[name].citation for name in fetched)]))


if __name__ == "__main__":
    save_card(Path(sys.argv[1]), recipe_cards())
