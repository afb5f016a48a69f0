"""What tasks and strategies share: one realignment of several lengths, pairs for realignment during fine-tuning."""

from __future__ import annotations

from pathlib import Path

import pytest

from alignfreeze_cli.artifacts.run_folder import read_run
from alignfreeze_cli.errors import SettingsError
from alignfreeze_cli.runs.graph import Graph, expand
from alignfreeze_cli.runs.recipes import RecipeError, load
from alignfreeze_cli.runs.reference import resolved

BASE = """
model: org/enc
seeds: [0]
tasks: [pos, ner, nli, qa]
targets: [de, fi, th]
align-pairs: {corpus: 'text/{source}-{target}.tsv'}
realign: {steps: 10}
per-task: {nli: {realign: {steps: 30}}, qa: {realign: {steps: 20}}}
"""
ENCODER = "enc-front-s0/encoder"


def graph(folder: Path, text: str = BASE, *overrides: str, **part: tuple[str, ...]) -> Graph:
    path = folder / "own.yaml"
    path.write_text(text, encoding="utf-8")
    return expand([load(path, overrides)], Path("runs"), **part)


def models(made: Graph, folder: str = "enc-front-s0") -> dict[str, str]:
    """Task → the encoder that it is fine-tuned from, below its run's folder."""
    return {
        node.name.rpartition("/")[2]: str(node.settings.recorded()["model"]).removeprefix(f"runs/{folder}/")
        for node in made.nodes.values()
        if node.step == "finetune"
    }


def test_tasks_that_differ_in_length_only_share_one_realignment(tmp_path: Path) -> None:
    made = graph(tmp_path)
    assert [node.name for node in made.nodes.values() if node.step == "realign"] == [ENCODER]
    recorded = made.nodes[ENCODER].settings.recorded()
    assert (recorded["steps"], recorded["save-at"]) == (30, ["10", "20"])
    assert models(made) == {
        "pos": "encoder/steps-10",
        "ner": "encoder/steps-10",
        "nli": "encoder",
        "qa": "encoder/steps-20",
    }
    assert {made.nodes[f"enc-front-s0/{task}"].needs for task in ("pos", "ner", "nli", "qa")} == {(ENCODER,)}
    assert made.notes == ()


def test_what_is_between_the_steps_of_the_shared_one_need_not_fit_the_shorter_tasks(tmp_path: Path) -> None:
    """The probes of 30 steps are refused of 10 that are realigned for themselves, not of those that begin the 30."""
    realign = "realign: {steps: 10, probe-every: 15, save-at: [25]}"
    recorded = graph(tmp_path, BASE.replace("realign: {steps: 10}", realign)).nodes[ENCODER].settings.recorded()
    assert (recorded["steps"], recorded["probe-every"], recorded["save-at"]) == (30, 15, ["10", "20", "25"])
    for alone in ("tasks=pos,ner", "realign.steps=10"):
        with pytest.raises(RecipeError, match=r"probe-every 15 must be below the 10 steps of the run"):
            graph(tmp_path, BASE.replace("realign: {steps: 10}", realign), alone)
    with pytest.raises(RecipeError, match=r"task nli\): --probe-every 40 must be below the 30 steps"):
        graph(tmp_path, BASE, "realign.probe-every=40")


@pytest.mark.parametrize("tasks", [("pos",), ("qa", "nli"), ("nli",), ("ner", "pos")])
def test_a_part_of_the_tasks_makes_what_all_of_them_need(tasks: tuple[str, ...], tmp_path: Path) -> None:
    whole, part = graph(tmp_path), graph(tmp_path, tasks=tasks)
    assert all(whole.nodes[name] == node for name, node in part.nodes.items())
    assert set(models(part)) == set(tasks)
    assert bool(part.notes) == ("nli" not in tasks)  # longer than these tasks want: that is said
    if part.notes:
        assert "--set tasks=" in part.notes[0]


def test_a_recipe_with_fewer_tasks_realigns_only_for_them(tmp_path: Path) -> None:
    made = graph(tmp_path, BASE, "tasks=pos")
    recorded = made.nodes[ENCODER].settings.recorded()
    assert (recorded["steps"], recorded.get("save-at")) == (10, None)
    assert models(made) == {"pos": "encoder"}


def test_tasks_that_differ_in_more_get_realignments_of_their_own(tmp_path: Path) -> None:
    text = BASE.replace("qa: {realign: {steps: 20}}", "qa: {realign: {steps: 20, temperature: 0.2}}")
    made = graph(tmp_path, text)
    assert [node.name for node in made.nodes.values() if node.step == "realign"] == [ENCODER, f"{ENCODER}-qa"]
    assert made.nodes[ENCODER].settings.recorded()["save-at"] == ["10"]
    assert models(made)["qa"] == "encoder-qa"
    two = graph(tmp_path, text.replace("nli: {realign: {steps: 30}}", "nli: {realign: {steps: 30, temperature: 0.2}}"))
    assert models(two) == {"pos": "encoder", "ner": "encoder", "nli": "encoder-nli", "qa": "encoder-nli/steps-20"}


def test_a_length_in_passes_is_shared_only_with_the_same_one(tmp_path: Path) -> None:
    text = BASE.replace("qa: {realign: {steps: 20}}", "qa: {realign: {epochs: 2}}, ner: {realign: {epochs: 2}}")
    made = graph(tmp_path, text)
    assert models(made) == {
        "pos": "encoder/steps-10",
        "ner": "encoder-ner",
        "nli": "encoder",
        "qa": "encoder-ner",
    }
    assert made.nodes["enc-front-s0/encoder-ner"].settings.recorded()["epochs"] == 2


def test_what_a_recipe_wants_to_keep_besides_is_kept(tmp_path: Path) -> None:
    made = graph(tmp_path, BASE.replace("realign: {steps: 10}", "realign: {steps: 10, save-at: [5]}", 1))
    assert made.nodes[ENCODER].settings.recorded()["save-at"] == ["5", "10", "20"]


# --- realignment during fine-tuning ---

DURING = """
model: org/enc
seeds: [0]
align-pairs: {corpus: 'text/{source}-{target}.tsv', target: de}
realign: {temperature: 0.2, sampling: published, steps: 9}
strategies:
  front: {freeze: front}
  during-front: {freeze: front, schedule: during, finetune: {realign-temperature: 0.3}}
"""


def test_a_strategy_may_realign_during_fine_tuning(tmp_path: Path) -> None:
    made = graph(tmp_path, DURING)
    assert "enc-during-front-s0/encoder" not in made.nodes
    node = made.nodes["enc-during-front-s0/pos"]
    recorded = node.settings.recorded()
    assert node.needs == ("pairs",)
    assert (recorded["model"], recorded["freeze"], recorded["realign-with"]) == ("org/enc", "front", ["runs/pairs"])
    assert (recorded["realign-temperature"], recorded["realign-sampling"]) == (0.3, "published")
    (run,) = (run for run in made.runs if run.strategy == "during-front")
    assert run.links == {"pairs": "../pairs"}
    before = made.nodes["enc-front-s0/pos"].settings.recorded()
    assert before["freeze"] == "none"
    assert "realign-with" not in before


def test_a_recipe_of_one_such_strategy_is_named_after_it(tmp_path: Path) -> None:
    text = "model: org/enc\nseeds: [0]\npairs: [ready]\ntargets: [de]\nschedule: during\nfreeze: none\n"
    made = graph(tmp_path, text)
    assert list(made.nodes) == ["enc-during-full-s0/pos", "enc-during-full-s0/pos-scores"]
    recorded = made.nodes["enc-during-full-s0/pos"].settings.recorded()
    assert (recorded["realign-with"], recorded["realign-targets"]) == (["ready"], ["de"])
    shown = resolved(load(tmp_path / "own.yaml"))["during-full"]["pos"]
    assert list(shown) == ["finetune", "evaluate"]
    assert "realign-temperature" in shown["finetune"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("schedule: sometimes", "schedule: must be before or during, not 'sometimes'"),
        ("finetune: {realign-with: [pairs]}", "is filled in by `alignfreeze run`; write `schedule: during`"),
        ("finetune: {realign-temperature: 0.2}", "--realign-temperature goes with --realign-with"),
    ],
)
def test_mistakes_of_the_schedule_are_told(text: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(f"model: org/enc\n{text}\n", encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        load(tmp_path / "own.yaml")
    assert complaint in str(caught.value)


# --- languages of each task ---


def languages(made: Graph, task: str) -> list[str]:
    found: list[str] = made.nodes[f"enc-front-s0/{task}-scores"].settings.recorded()["languages"]
    return found


def test_each_task_is_scored_in_those_targets_that_its_data_has(tmp_path: Path) -> None:
    made = graph(tmp_path)
    assert {task: languages(made, task) for task in ("pos", "ner", "nli", "qa")} == {
        "pos": ["en", "de", "fi", "th"],
        "ner": ["en", "de", "fi", "th"],
        "nli": ["en", "de", "th"],
        "qa": ["en", "de", "th"],
    }
    assert made.nodes["pairs"].settings.recorded()["target"] == ["de", "fi", "th"]
    own = graph(tmp_path, BASE, "evaluate.data=own/{language}.tsv")
    assert languages(own, "nli") == ["en", "de", "fi", "th"]


def test_later_targets_win_over_earlier_languages_and_languages_over_targets(tmp_path: Path) -> None:
    below = BASE.replace("[pos, ner, nli, qa]", "[pos]") + "evaluate: {languages: [fr]}\n"  # which qa does not have
    (tmp_path / "below.yaml").write_text(below.replace(", qa: {realign: {steps: 20}}", ""), encoding="utf-8")
    assert languages(graph(tmp_path, "extends: below.yaml\n"), "pos") == ["fr"]
    assert languages(graph(tmp_path, "extends: below.yaml\ntargets: [it]\n"), "pos") == ["en", "it"]
    own = "extends: below.yaml\ntargets: [it]\nevaluate: {languages: [it, es]}\n"
    assert languages(graph(tmp_path, own), "pos") == ["it", "es"]


def test_a_run_keeps_the_tasks_that_another_recipe_gave_it(tmp_path: Path) -> None:
    for name in ("pos", "nli"):
        text = BASE.replace("[pos, ner, nli, qa]", f"[{name}]").replace("{steps: 10}", "{steps: 30}")
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    recipes = [load(tmp_path / "pos.yaml"), load(tmp_path / "nli.yaml")]
    both = {"pos": "pos-scores", "nli": "nli-scores"}
    (together,) = expand(recipes, tmp_path / "together").runs  # one run, or its scores would count twice
    assert together.tasks == both
    for recipe in (*recipes, recipes[0]):
        (run,) = expand([recipe], tmp_path / "apart").runs
        run.write()
    assert read_run(run.folder)["tasks"] == both


def test_two_recipes_with_other_tasks_may_not_write_one_encoder(tmp_path: Path) -> None:
    for name, tasks in (("a", "[pos]"), ("b", "[pos, nli]")):
        (tmp_path / f"{name}.yaml").write_text(BASE.replace("[pos, ner, nli, qa]", tasks), encoding="utf-8")
    recipes = [load(tmp_path / "a.yaml"), load(tmp_path / "b.yaml")]
    with pytest.raises(SettingsError, match=r"a and b would both write .*encoder, with different settings"):
        expand(recipes, tmp_path)
