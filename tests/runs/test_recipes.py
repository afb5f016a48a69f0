"""Recipes: what the shipped ones say, how files are merged, and how mistakes are told."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alignfreeze_cli.errors import SettingsError
from alignfreeze_cli.runs.graph import expand
from alignfreeze_cli.runs.recipe_files import find, read_yaml, recipes_folder, shipped
from alignfreeze_cli.runs.recipes import Recipe, RecipeError, load
from alignfreeze_cli.runs.sections import SECTIONS
from alignfreeze_cli.settings import declarations
from alignfreeze_cli.tasks.registry import TASKS
from alignfreeze_cli.training.loop import default_rate

MODELS = ("xlm-roberta-base", "bert-base-multilingual-cased", "distilbert-base-multilingual-cased")


def write(folder: Path, text: str, name: str = "own.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def problems(path: Path, *overrides: str) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        load(path, overrides)
    return [problem.replace(f"{path.parent}/", "") for problem in caught.value.problems]


def sections(recipe: Recipe, strategy: str | None = None, task: str = "pos") -> dict[str, dict[str, Any]]:
    return {name: dict(values) for name, values in recipe.variant(strategy, task).sections.items()}


# --- the shipped ones ---


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_recipe_validates_and_says_what_it_is(name: str) -> None:
    recipe = load(name)
    assert len(recipe.about) > 20
    if recipe.model:
        assert f"alignfreeze {'demo' if name == 'demo' else f'run {name}'}" in recipe.files[-1].header
        assert "Needs:" in recipe.files[-1].header
        assert "Change first:" in recipe.files[-1].header


@pytest.mark.parametrize("model", MODELS)
def test_there_is_a_recipe_of_each_strategy_for_each_model_of_the_paper(model: str, tmp_path: Path) -> None:
    for strategy in ("baseline", "full", "front", "back"):
        recipe = load(f"{model}-{strategy}")
        assert recipe.strategies == (strategy,)
        graph = expand([recipe], tmp_path)
        steps = [
            node.step for node in graph.nodes.values() if node.name.startswith((f"{model}-{strategy}-s31", "pairs"))
        ]
        tasks = ["finetune", "evaluate"] * 4
        assert steps == (tasks if strategy == "baseline" else ["align-pairs", "realign", *tasks])


PUBLISHED_STEPS = {  # the lengths behind the published results
    "xlm-roberta-base": {"pos": 1970, "ner": 3130, "nli": 24544, "qa": 20228},
    "bert-base-multilingual-cased": {"pos": 1965, "ner": 3130, "nli": 24544, "qa": 18010},
    "distilbert-base-multilingual-cased": {"pos": 1965, "ner": 3130, "nli": 24544, "qa": 18010},
}
PUBLISHED_RATES = {"xlm-roberta": 7.5e-6, "bert": 2e-5, "distilbert": 2e-5}  # by family, of the models above


def test_the_paper_s_settings_reach_the_steps(tmp_path: Path) -> None:
    graph = expand([load(f"{model}-front") for model in MODELS], tmp_path)
    for (model, lengths), (family, rate) in zip(PUBLISHED_STEPS.items(), PUBLISHED_RATES.items(), strict=True):
        realign = graph.nodes[f"{model}-front-s31/encoder"].settings.recorded()
        assert realign["learning-rate"] is None
        assert default_rate(family) == rate
        assert (realign["steps"], realign["sampling"], realign["batch-size"]) == (24544, "published", 16)
        assert realign["save-at"] == [str(steps) for steps in sorted(lengths.values())[:-1]]
        assert (realign["temperature"], realign["seed"], realign["lone-pieces"]) == (0.1, 31, "delete")
        for task, steps in lengths.items():
            finetune = graph.nodes[f"{model}-front-s31/{task}"].settings.recorded()
            assert finetune["epochs"] == {"pos": 5, "ner": 5, "nli": 2, "qa": 2}[task]
            assert (finetune["learning-rate"], finetune["batch-size"]) == (None, 32)
            assert finetune["max-length"] == 96
            part = "" if task == "nli" else f"/steps-{steps}"
            assert finetune["model"] == f"{tmp_path}/{model}-front-s31/encoder{part}"
    assert [node.name for node in graph.nodes.values() if node.step == "align-pairs"] == ["pairs"]
    assert graph.nodes["pairs"].settings.recorded()["words"] == "published"
    assert load("xlm-roberta-base-front").seeds == (31, 42, 66, 23, 17)


PUBLISHED = ("pos", "ner", "nli", "qa")


def test_every_task_is_trained_and_scored_as_published(tmp_path: Path) -> None:
    graph = expand([load("xlm-roberta-base-full")], tmp_path)
    trained, scored = (
        {task: graph.nodes[f"xlm-roberta-base-full-s31/{task}{end}"].settings.recorded() for task in PUBLISHED}
        for end in ("", "-scores")
    )
    assert {task: values["max-length"] for task, values in scored.items()} == {
        "pos": 128,
        "ner": 128,
        "nli": 256,
        "qa": 384,
    }
    assert trained["pos"]["multiword-tokens"] == "published"
    assert trained["ner"]["ner-repair"] == "published"
    assert {trained[task]["windows"] for task in ("pos", "ner")} == {"published"}
    assert (trained["qa"]["qa-scoring"], trained["qa"]["max-answer-length"]) == ("published", 15)
    assert (trained["qa"]["qa-stride"], scored["qa"]["qa-stride"]) == (32, 128)
    assert (trained["qa"]["answer-borders"], trained["qa"]["empty-windows"]) == ("words", "keep")
    for task, values in scored.items():
        assert values["languages"][0] == "en"
        assert sorted(values["languages"][1:]) == sorted(TASKS[task].languages)
    assert scored["pos"]["languages"][:3] == ["en", "bg", "cs"]
    assert "no" in scored["ner"]["languages"]
    assert [len(values["languages"]) for values in scored.values()] == [35, 35, 13, 12]


@pytest.mark.parametrize(("model", "reached"), [(MODELS[0], 11), (MODELS[1], 11), (MODELS[2], 5)])
def test_granular_recipes_freeze_every_part_that_realignment_reaches(model: str, reached: int, tmp_path: Path) -> None:
    recipe = load(f"{model}-granular")
    graph = expand([recipe], tmp_path)
    plans = {
        strategy: graph.nodes[f"{model}-{strategy}-s31/encoder"].settings.recorded()["freeze"]
        for strategy in recipe.strategies
    }
    single = {f"block-{number}": str(number) for number in range(reached)}
    assert plans == {"embeddings": "embeddings", "even": "even", "odd": "odd", **single}


@pytest.mark.parametrize("model", MODELS)
def test_recipes_that_realign_during_fine_tuning_hand_it_the_pairs_and_the_plan(model: str, tmp_path: Path) -> None:
    graph = expand([load(f"{model}-during")], tmp_path)
    assert not any(node.step == "realign" for node in graph.nodes.values())
    for strategy, plan in (("during-full", "none"), ("during-front", "front"), ("during-back", "back")):
        node = graph.nodes[f"{model}-{strategy}-s31/pos"]
        recorded = node.settings.recorded()
        assert node.needs == ("pairs",)
        assert (recorded["freeze"], recorded["realign-with"]) == (plan, [str(tmp_path / "pairs")])
        assert recorded["model"] == load(f"{model}-during").model
        shared = [recorded[f"realign-{key}"] for key in ("batch-size", "sampling", "lone-pieces", "temperature")]
        assert shared == [16, "published", "delete", 0.1]


def test_a_thin_recipe_repeats_nothing() -> None:
    for model in MODELS:
        for strategy in ("baseline", "full", "front", "back"):
            values = read_yaml(shipped()[f"{model}-{strategy}"]).values
            assert set(values) <= {"extends", "model", "freeze", "realign"}


def test_recipes_that_only_others_extend_ask_for_a_model(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="paper names no model"):
        expand([load("paper")], tmp_path)
    graph = expand([load("paper", ["model=org/enc", "freeze=0-5"])], tmp_path)
    assert "enc-0-5-s31/encoder" in graph.nodes


def test_default_has_no_published_behaviour_and_nothing_that_is_a_default_of_the_settings(tmp_path: Path) -> None:
    graph = expand([load("default", ["model=org/enc"])], tmp_path)
    assert graph.published_behaviours() == ()
    document = read_yaml(shipped()["default"])
    assert set(document.values) == {"seeds", "tasks", "per-task"}
    for overlay in document.values["per-task"].values():
        for name, section in overlay.items():
            defaults = {declaration.key: declaration.default for declaration in declarations(SECTIONS[name].settings)}
            assert [key for key, value in section.items() if defaults[key] == value] == []


def test_published_behaviours_are_named(tmp_path: Path) -> None:
    pairs = ("align-pairs.words", "align-pairs.normalise", "align-pairs.reverse-dictionary")
    tagging = ("finetune.multiword-tokens", "finetune.windows", "finetune.lone-pieces")
    for name, tasks, named in (
        ("front", "pos", (*pairs, "realign.sampling", "realign.lone-pieces", *tagging)),
        ("baseline", "pos", tagging),
        ("baseline", "nli", ()),
        ("baseline", "qa", ("finetune.qa-scoring", "finetune.max-answer-length", "finetune.answer-borders")),
        ("during", "pos", (*pairs, "finetune.realign-sampling", "finetune.realign-lone-pieces", *tagging)),
    ):
        graph = expand([load(f"xlm-roberta-base-{name}", [f"tasks={tasks}"])], tmp_path)
        assert sorted(graph.published_behaviours()) == sorted(named)


# --- finding ---


def test_a_name_nearly_right_is_answered_with_the_right_one() -> None:
    with pytest.raises(SettingsError, match="did you mean 'xlm-roberta-base-front'"):
        find("xlm-roberta-base-frnt")
    with pytest.raises(SettingsError, match="recipes list"):
        find("zzzz")


def test_a_path_is_a_path_and_a_name_is_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = write(tmp_path, "extends: paper\nmodel: org/enc\n", "paper2.yaml")
    monkeypatch.chdir(tmp_path)
    assert find("paper2.yaml").samefile(own)
    assert find("paper") == recipes_folder() / "paper.yaml"
    with pytest.raises(SettingsError, match=r"recipe file 'nowhere/paper2.yaml'"):
        find("nowhere/paper2.yaml")


# --- merging ---


def test_what_a_file_says_wins_over_all_that_the_extended_one_says(tmp_path: Path) -> None:
    path = write(tmp_path, "extends: xlm-roberta-base-front\nrealign: {steps: 7, temperature: 0.2}\n")
    realign = sections(load(path))["realign"]
    assert realign["steps"] == 7  # though the files below give them per task
    assert realign["temperature"] == 0.2
    assert realign["sampling"] == "published"
    assert realign["freeze"] == "front"


def test_within_a_file_the_more_special_place_wins(tmp_path: Path) -> None:
    text = """
model: org/enc
realign: {steps: 1, batch-size: 1, projection: 1}
per-task: {pos: {realign: {batch-size: 2, projection: 2}}}
strategies: {a: {realign: {projection: 3, max-length: 50}}, b: null, c: {per-task: {pos: {realign: {steps: 9}}}}}
"""
    recipe = load(write(tmp_path, text), ["realign.max-length=60"])
    assert recipe.strategies == ("a", "c")
    wanted = {"steps": 1, "batch-size": 2, "projection": 3, "max-length": "60"}
    assert sections(recipe, "a")["realign"] == wanted
    assert sections(recipe, "c")["realign"]["steps"] == 9


VALUES = st.dictionaries(
    st.sampled_from(["steps", "batch-size", "projection", "max-length", "probe-pairs"]), st.integers(4, 99), max_size=5
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
@given(layers=st.lists(VALUES, min_size=1, max_size=4))
def test_a_chain_of_files_is_read_key_by_key_from_the_end(layers: list[dict[str, int]], tmp_path: Path) -> None:
    for number, values in enumerate(layers):
        head = {"extends": f"{number - 1}.yaml"} if number else {"model": "org/enc"}
        write(tmp_path, json.dumps({**head, "realign": values}), f"{number}.yaml")
    wanted: dict[str, int] = {}
    for values in layers:
        wanted |= values
    assert sections(load(tmp_path / f"{len(layers) - 1}.yaml"))["realign"] == wanted


def test_steps_undo_the_epochs_of_the_recipe_below(tmp_path: Path) -> None:
    path = write(tmp_path, "extends: xlm-roberta-base-front\nfinetune: {steps: 20}\n")
    assert "epochs" not in sections(load(path))["finetune"]
    assert "epochs" not in sections(load("xlm-roberta-base-front", ["finetune.steps=20"]))["finetune"]


def test_a_baseline_stays_one_under_settings_from_outside_but_not_under_a_file_that_realigns(tmp_path: Path) -> None:
    assert not load("xlm-roberta-base-baseline", ["realign.steps=5"]).variant("baseline", "pos").realigned
    own = load(write(tmp_path, "extends: xlm-roberta-base-baseline\nrealign: {steps: 5}\n"))
    assert own.variant(None, "pos").realigned


def test_shortcuts_go_to_the_settings_they_stand_for(tmp_path: Path) -> None:
    text = "model: org/enc\nsource: de\ntargets: [fr, no]\nfreeze: back\nseeds: 3\n"
    recipe = load(write(tmp_path, text))
    merged = sections(recipe)
    assert merged["align-pairs"] == {"source": "de", "target": ["fr", "no"]}
    assert merged["finetune"] == {"language": "de"}
    assert merged["evaluate"] == {"languages": ["de", "fr", "no"]}
    assert merged["realign"] == {"freeze": "back"}
    assert (recipe.seeds, recipe.strategies, recipe.source) == ((3,), ("back",), "de")
    narrowed = load(write(tmp_path, text), ["targets=it", "seeds=1,2"])
    assert sections(narrowed)["evaluate"]["languages"] == ["de", "it"]
    assert narrowed.seeds == (1, 2)


def test_data_stands_for_a_folder_in_paths(tmp_path: Path) -> None:
    text = "model: '{data}/enc'\ndata: here\nalign-pairs: {corpus: ['{data}/{source}-{target}.tsv'], target: de}\n"
    path = write(tmp_path, text)
    assert sections(load(path))["align-pairs"]["corpus"] == ["here/{source}-{target}.tsv"]
    assert load(path, ["data=/there"]).model == "/there/enc"


# --- YAML ---


def test_yaml_is_read_as_people_write_it(tmp_path: Path) -> None:
    path = write(
        tmp_path, "# head\n# more\na: [no, on, off, yes, y]\nb: [1e-5, 7.5e-6, 010, 1:30, 2026-01-01]\nc: [true, ~]\n"
    )
    document = read_yaml(path)
    assert document.values["a"] == ["no", "on", "off", "yes", "y"]
    assert document.values["b"] == [1e-5, 7.5e-6, 10, "1:30", "2026-01-01"]
    assert document.values["c"] == [True, None]
    assert document.header == "head\nmore"
    assert document.lines[("b",)] == 4


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: [1, 2", r"own.yaml:1: is no YAML"),
        ("a: !!int x\n", "own.yaml:1: 'x' is no int that can be read"),
        ("a: !!bool maybe\n", "own.yaml:1: 'maybe' is no bool that can be read"),
        (f"a: {'9' * 5000}\n", "own.yaml:1: '99999999999999999999' is no int that can be read"),
        ("- a\n- b\n", "must hold `key: value` lines, not a list"),
        ("a: &x {b: !!python/object:os.system c}\n", "own.yaml:1: is no YAML"),
        ("extends: own\n", "There is no shipped recipe 'own'"),
        ("extends: own.yaml\n", "own.yaml:1: extends: goes round in a circle"),
        (
            "extends: papr\nmodel: org/enc\n",
            "own.yaml:1: extends: There is no shipped recipe 'papr'; did you mean 'paper'",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_its_line(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        load(write(tmp_path, text))


def test_what_a_file_holds_is_bounded_also_through_aliases(tmp_path: Path) -> None:
    levels = "".join(f"l{n}: &l{n} [{', '.join(['*l' + str(n - 1) if n else 'x'] * 9)}]\n" for n in range(9))
    for name, text, line in (
        ("aliases", levels + "seeds: *l8\n", ":"),  # 9 to the power of 9 values in ten lines
        ("itself", "seeds: &a [*a]\n", ":1: "),
        ("deep", f"seeds: {'[' * 5000}{']' * 5000}\n", ":1: "),
        ("mappings", "".join(" " * n + "a:\n" for n in range(500)), ":"),
        ("long", "seeds: [" + "1, " * 200_000 + "]\n", ":1: "),
        ("bytes", "# " + "x" * 2_000_000 + "\n", ": "),
    ):
        path = write(tmp_path, text, f"{name}.yaml")
        began = time.process_time()
        with pytest.raises(SettingsError) as caught:
            read_yaml(path)
        assert str(caught.value).startswith(f"{path}{line}"), name
        assert str(caught.value).count("too large for a recipe") == 1, name
        assert time.process_time() - began < 10, name


def test_aliases_and_anchors_of_ordinary_size_are_read(tmp_path: Path) -> None:
    document = read_yaml(write(tmp_path, "a: &x {b: [1, 2]}\nc: *x\n"))
    assert document.values == {"a": {"b": [1, 2]}, "c": {"b": [1, 2]}}


def test_a_binary_file_is_no_recipe(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_bytes(b"\x89PNG\xff\x00")
    with pytest.raises(SettingsError, match="is no text file in UTF-8"):
        load(path)


# --- mistakes ---


def test_all_mistakes_of_all_files_come_at_once_each_with_its_place(tmp_path: Path) -> None:
    write(tmp_path, "model: org/enc\nfinetune:\n  warm-up: 0.2\n", "below.yaml")
    path = write(
        tmp_path,
        """extends: below.yaml
modle: org/other
realign:
  temprature: 0.2
  steps: many
  seed: 4
  resume: true
  temperature: 0.1
  temperature: 0.3
strategies:
  front: {realign: {pooling: frist}, seeds: [1]}
  "a b": {}
tasks: [pso]
seeds: [1, 1]
freeze: frontt
batch-size: 3
evaluate: false
""",
    )
    assert problems(path) == [
        "below.yaml:3: finetune.warm-up: unknown key; did you mean 'warmup'?",
        "own.yaml:9: realign.temperature: is given twice",
        "own.yaml:2: modle: unknown key; did you mean 'model'?",
        "own.yaml:4: realign.temprature: unknown key; did you mean 'temperature'?",
        "own.yaml:5: realign.steps: must be a whole number, not 'many'",
        "own.yaml:6: realign.seed: is filled in by `alignfreeze run`; write `seeds:` at the top of the recipe",
        "own.yaml:7: realign.resume: belongs on the command line of `alignfreeze run`, not in a recipe",
        next(p for p in problems(path) if p.startswith("own.yaml:15: freeze: is wrong: freeze plan 'frontt'")),
        "own.yaml:16: batch-size: unknown key here; it is a setting of realign and finetune, so write it below "
        "`realign:`",
        "own.yaml:17: evaluate: must hold `key: value` lines, not False",
        "own.yaml:14: seeds: names 1 twice",
        "own.yaml:13: tasks: there is no task 'pso', only pos, ner, nli, qa, classify; did you mean 'pos'?",
        "own.yaml:11: strategies.front.realign.pooling: must be one of first, last, mean, not 'frist'; did you mean "
        "'first'?",
        "own.yaml:11: strategies.front.seeds: belongs at the top of the recipe",
        "own.yaml:12: strategies.a b: a name may hold letters, digits, dots and hyphens only",
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("align-pairs: {corpus: '{data}/x.tsv'}", "align-pairs.corpus: holds {data}, but the recipe has no `data:`"),
        ("finetune: {steps: 3, epochs: 2}", "finetune of strategy front (task pos): --steps and --epochs"),
        ("align-pairs: {target: de, source: de}", "align-pairs of strategy front (task pos)"),
        ("controls: [shufled]\nstrategies: {shuffled: {}}", "there is no strategy 'shufled'; did you mean 'shuffled'?"),
        ("per-task: {poss: {realign: {steps: 3}}}", "per-task.poss: there is no such task, only pos, ner, nli, qa"),
        ("strategies: [front, back]", "strategies: must hold `name: …` lines"),
        ("realign: {temperature: }", "realign.temperature: needs a value"),
        ("realign: {steps: {a: 1}}", "realign.steps: must be a value or a list, not further keys"),
        ("threads: 0", "threads: must be a whole number from 1, not 0"),
        ("seeds: [-1]", "seeds: must be whole numbers from 0, not -1"),
        ("name: a/b", "name: must be a name of letters"),
        ("realign: fast", "must hold `key: value` lines (or false for a baseline), not 'fast'"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path: Path, text: str, complaint: str) -> None:
    found = problems(write(tmp_path, f"model: org/enc\n{text}\n"))
    assert len(found) == 1
    assert complaint in found[0]


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("realign.tempratur=3", "--set: realign.tempratur: unknown key; did you mean 'temperature'?"),
        ("realign.steps", "--set realign.steps: must look like section.key=value"),
        ("strategies=front", "--set strategies=front: strategies can't be set here"),
        ("relign.steps=3", "--set: relign: unknown key; did you mean 'realign'?"),
        ("seeds=a", "--set: seeds: must be whole numbers from 0, not 'a'"),
    ],
)
def test_mistakes_of_set_are_told_the_same_way(override: str, complaint: str, tmp_path: Path) -> None:
    found = problems(write(tmp_path, "model: org/enc\n"), override)
    assert len(found) == 1
    assert found[0].startswith(complaint)
