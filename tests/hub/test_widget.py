"""Examples on cards: one in each language of the tasks, in the form that the model's kind of box takes."""

from __future__ import annotations

import unicodedata

from alignfreeze_cli.hub.metadata import merge_metadata
from alignfreeze_cli.hub.widget import EXAMPLES, widget
from alignfreeze_cli.tasks.registry import TASKS


def test_every_language_of_the_tasks_has_an_example() -> None:
    scored = {code for task in TASKS.values() for code in task.scored_languages("en")}
    assert scored <= EXAMPLES.keys()
    texts = [text for example in EXAMPLES.values() for text in example]
    assert all(unicodedata.is_normalized("NFC", text) for text in texts)
    assert len(set(texts)) == len(texts)


def test_each_kind_of_model_is_given_what_it_reads() -> None:
    languages = ["de", "qaa", "de", "fr"]
    (german, _) = widget("token-classification", languages)
    assert german == {"text": "Maria liest in Paris ein Buch.", "example_title": "German"}
    (asked, _) = widget("question-answering", languages)
    assert asked == {"text": "Was liest Maria?", "context": german["text"], "example_title": "German"}


def test_examples_follow_the_card_and_a_persons_stay() -> None:
    own = {"text": "Maria liest.", "example_title": "German"}
    old = {"widget": [*widget("token-classification", ["de", "fr"]), own], "tags": ["mine", "front"]}
    asked = {"widget": widget("question-answering", ["fr"])}
    fresh = widget("token-classification", ["de", "tr"])
    assert merge_metadata(old, {"widget": fresh, "tags": ["front"]}) == {
        "widget": [*fresh, own],
        "tags": ["front", "mine"],
    }
    assert merge_metadata(asked, {"widget": fresh}) == {"widget": fresh}
    assert merge_metadata(asked, {}) == {}
    assert merge_metadata(old, {})["widget"] == [own]
