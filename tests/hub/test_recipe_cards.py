"""The cards of the shipped recipes: fresh, valid, and honest about whose numbers they show."""

from __future__ import annotations

from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from alignfreeze_cli.hub.cards import template_folder
from alignfreeze_cli.hub.lint import metadata_problems
from alignfreeze_cli.published import published
from alignfreeze_cli.runs.recipe_cards import recipe_cards
from alignfreeze_cli.runs.recipe_files import shipped
from alignfreeze_cli.runs.recipes import load
from tests.support.hubserver.writing import metadata_errors


@pytest.fixture(scope="module")
def cards() -> dict[str, bytes]:
    return recipe_cards()


def test_the_cards_in_the_repository_are_fresh(cards: dict[str, bytes]) -> None:
    folder = template_folder().parent
    there = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    stale = sorted(name for name in there.keys() | cards.keys() if there.get(name) != cards.get(name))
    assert not stale, "make them anew with: python -m alignfreeze_cli.runs.recipe_cards model_cards"


def test_every_recipe_with_a_model_has_a_valid_card_without_measured_numbers(cards: dict[str, bytes]) -> None:
    named = {name for name in shipped() if load(name).model is not None}
    assert {Path(name).stem for name in cards if name.endswith(".md")} == named
    for name in named:
        text = cards[f"{name}.md"].decode()
        assert list(metadata_problems(text)) == list(metadata_errors(text)) == []
        card = ModelCard(text)
        assert card.data.eval_results is None
        assert "model-index" not in text
        single = len(load(name).strategies) == 1  # of several the card would hold too many tables
        assert ("**These are the paper's numbers**" in text) == single


def test_every_published_cell_of_the_three_models_has_its_recipe(cards: dict[str, bytes]) -> None:
    for model in ("xlm-roberta-base", "bert-base-multilingual-cased", "distilbert-base-multilingual-cased"):
        for strategy in ("baseline", "full", "front", "back"):
            recipe = load(f"{model}-{strategy}")
            assert recipe.strategies == (strategy,)
            for task in recipe.tasks:
                cell = published(recipe.model or "", task, strategy)
                assert cell is not None
                assert (
                    f"**{100 * cell.average:.1f} ± {100 * cell.average_spread:.1f}**"
                    in cards[f"{model}-{strategy}.md"].decode()
                )


def test_only_the_demo_world_is_said_to_be_made_by_the_demo(cards: dict[str, bytes]) -> None:
    assert "made by `alignfreeze demo`" in cards["demo.md"].decode()
    files = cards["multilingual-e5-small-files.md"].decode()
    assert "| data/ud/{language}\\_\\*-ud-train.conllu | that of your files |" in files
    assert "alignfreeze demo" not in files
