"""The JSON Schema of recipes says what `recipes validate` says, as far as a schema can."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from alignfreeze_cli.runs.recipe_files import MODELINE, SCHEMA, copied, read_yaml, recipes_folder, shipped
from alignfreeze_cli.runs.recipes import RecipeError, load
from alignfreeze_cli.runs.schema import recipe_schema, schema_text
from alignfreeze_cli.runs.sections import SECTIONS, SHORTCUTS, TOP
from alignfreeze_cli.settings import Declaration, declarations, plain, problems_of

MADE = recipe_schema()
RECIPE = Draft7Validator(MADE)
SETTINGS = [
    pytest.param(section.name, each, id=f"{section.name}.{each.key}")
    for section in SECTIONS.values()
    for each in declarations(section.settings)
    if each.key in section.keys
]
VALUES = [None, True, False, 0, 1, -1, 31, 2.5, 1e-5, -0.5, 1e9, "", "x", "31", "20_000", "1e-5", "none", "a,b", [],
          ["x"], ["a", 1], [None], [True], {"a": 1}, "yes", "front", "pos", "words", "de"]  # fmt: skip


def test_the_shipped_schema_is_the_one_that_the_settings_make() -> None:
    Draft7Validator.check_schema(MADE)
    shipped_text = (recipes_folder() / SCHEMA).read_text(encoding="utf-8")
    assert shipped_text == schema_text(), f"run: alignfreeze recipes schema > recipes/{SCHEMA}"


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_recipe_is_valid_and_names_the_schema(name: str) -> None:
    document = read_yaml(shipped()[name])
    assert [error.message for error in RECIPE.iter_errors(document.values)] == []
    text = document.path.read_text(encoding="utf-8")
    assert text.startswith(f"{MODELINE}{SCHEMA}\n# {document.header.splitlines()[0]}\n")


def test_every_key_is_there_with_its_help() -> None:
    assert MADE["properties"].keys() == {*TOP, *SHORTCUTS, *SECTIONS}
    for name, section in SECTIONS.items():
        assert tuple(MADE["definitions"][name]["properties"]) == section.keys
    freeze = MADE["definitions"]["realign"]["properties"]["freeze"]
    assert freeze["default"] == "front"
    assert "lower half" in freeze["description"]
    assert "embeddings" in freeze["examples"]
    assert MADE["definitions"]["realign"]["properties"]["sampling"]["enum"][0] == "round-robin"


@pytest.mark.parametrize(("step", "setting"), SETTINGS)
def test_a_value_is_valid_where_the_setting_takes_it(step: str, setting: Declaration) -> None:
    own = Draft7Validator(MADE["definitions"][step]["properties"][setting.key])
    choices = setting.metadata["choices"] or ()
    default = [] if setting.required else [plain(setting.default)]
    for value in [*VALUES, *choices, *setting.metadata["suggested"], *default]:
        taken = not problems_of(SECTIONS[step].settings, {setting.key: value})
        if setting.type is bool and value in (0, 1) and not isinstance(value, bool):
            continue  # the one spelling that editors complain of
        valid = own.is_valid(value)
        assert valid or not taken, f"{value!r} is taken, but not valid"
        checked = setting.metadata["check"] is not None or (isinstance(value, str) and setting.type in (int, float))
        assert taken or not valid or checked, f"{value!r} is valid, but not taken"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("realign: {stepss: 3}", "realign"),
        ("realign: {steps: 0}", "realign/steps"),
        ("realign: {steps: many}", "realign/steps"),
        ("realign: {temperature: 0}", "realign/temperature"),
        ("realign: {sampling: roundrobin}", "realign/sampling"),
        ("realign: {eager: 3}", "realign/eager"),
        ("realign: {model: a/b}", "realign"),
        ("realign: {output: here}", "realign"),
        ("blend: true", "blend"),
        ("align-pairs: {filter: [duplicates, lenght]}", "align-pairs/filter/1"),
        ("align-pairs: {filter: 'duplicates,lenght'}", "align-pairs/filter"),
        ("align-pairs: [de]", "align-pairs"),
        ("finetune: {multiword-tokens: keep}", "finetune/multiword-tokens"),
        ("seeds: [1, x]", "seeds/1"),
        ("seeds: []", "seeds"),
        ("tasks: [pos, parsing]", "tasks/1"),
        ("tasks: 'pos,parsing'", "tasks"),
        ("threads: 0", "threads"),
        ("schedule: after", "schedule"),
        ("strategies: {'a b': {}}", "strategies"),
        ("strategies: {one: {seeds: [1]}}", "strategies/one"),
        ("strategies: {one: {per-task: {pos: {realign: {steps: 0}}}}}", "strategies/one/per-task/pos/realign/steps"),
        ("per-task: {parsing: {}}", "per-task"),
        ("aligners: {one: {freezee: front}}", "aligners/one"),
        ("foo: 1", ""),
    ],
)
def test_a_known_mistake_is_invalid_where_it_stands(text: str, where: str, tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(f"{text}\n", encoding="utf-8")
    errors = list(RECIPE.iter_errors(read_yaml(path).values))
    assert ["/".join(map(str, error.absolute_path)) for error in errors] == [where]
    with pytest.raises(RecipeError):
        load(path)


@pytest.mark.parametrize(
    "values",
    [
        {"extends": None, "model": "a/b", "seeds": "1,2", "tasks": "pos, ner", "targets": "de,fr", "freeze": None},
        {"realign": False, "blend": False, "evaluate": None, "strategies": {"gone": None, "here": {}}},
        {"realign": {"batch_size": 4, "save_at": "5,10", "steps": None}, "aligner": ["a", "b"], "controls": "front"},
    ],
)
def test_shorter_ways_of_writing_are_valid(values: dict[str, Any]) -> None:
    assert [error.message for error in RECIPE.iter_errors(values)] == []


def test_a_copy_names_the_installed_schema() -> None:
    text = copied(shipped()["demo"]).decode()
    (address,) = re.findall(r"\$schema=file://(\S+)\n", text)
    assert json.loads(Path(address).read_text(encoding="utf-8")) == MADE
    assert text.split("\n", 1)[1] == shipped()["demo"].read_text(encoding="utf-8").split("\n", 1)[1]
