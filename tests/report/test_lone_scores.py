"""Scores of single commands, outside of any run: found under any name, sorted by what their record says."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from alignfreeze_cli.artifacts import read_record
from alignfreeze_cli.errors import ArtifactError
from alignfreeze_cli.hub.scores import recipe_of
from alignfreeze_cli.report.lone_scores import runs_of_scores, strategy_of
from alignfreeze_cli.report.scores import collect
from tests.cli import world as worlds
from tests.cli.world import alignfreeze


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two chains in one folder: `front` with the names of the README, and a baseline with names of its own."""
    folder = worlds.make(tmp_path_factory.mktemp("chain") / "world")
    for done in (
        worlds.finetune(folder, folder / "encoder", folder / "tagger"),
        worlds.evaluate(folder, folder / "tagger", folder / "what came out"),
    ):
        assert done.exit_code == 0, done.stderr
    return folder


def test_a_chain_of_commands_is_reported_under_any_names(chain: Path, tmp_path: Path) -> None:
    done = alignfreeze(
        "report", chain / "front-scores", chain / "what came out", "--no-plots", "--resamples", "100",
        "--output", tmp_path / "report",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    (section,) = json.loads((tmp_path / "report" / "alignfreeze.json").read_text())["details"]["sections"]
    assert [each["strategy"] for each in section["strategies"]] == ["baseline", "front"]
    assert section["model"] == "encoder"
    assert "gain" in section["strategies"][1]
    assert set(collect([chain]).scores["strategy"]) == {"baseline", "front"}, "found below a folder as well"


def test_one_model_scored_in_parts_is_one_row(chain: Path, tmp_path: Path) -> None:
    """Put together where the parts were scored alike and in different languages; else the note says which counts."""
    test = chain / "treebanks" / "{language}-test.conllu"
    shutil.copy(chain / "treebanks" / "yy-test.conllu", tmp_path / "yy.conllu")

    def part(languages: str, name: str, data: Path = test, *more: str) -> Path:
        done = alignfreeze(
            "evaluate", "--model", chain / "front-pos", "--languages", languages, "--data", data,
            "--output", tmp_path / name, *more,
        )  # fmt: skip
        assert done.exit_code == 0, done.stderr
        return tmp_path / name

    whole = collect([chain / "front-scores"]).scores
    columns = ["model", "strategy", "seed", "task", "language", "value", "data"]
    two, yy = part("en,xx", "two"), part("yy", "yy")
    together = collect([two, yy])
    assert (together.scores[columns].equals(whole[columns]), together.notes) == (True, ())
    single = [part(code, code, Path(str(test).format(language=code))) for code in ("en", "xx")]
    single.append(part("yy", "own", tmp_path / "yy.conllu"))
    assert collect(single).scores[columns].equals(whole[columns])
    of_releases = []
    for code, release in (("xx", "ud-2.10"), ("yy", "ud-2.15")):
        name = f"{code}_made-ud-test.conllu"
        treebank = tmp_path / release / f"UD_{code}-Made"
        treebank.mkdir(parents=True)
        shutil.copy(str(test).format(language=code), treebank / name)
        of_releases.append(part(code, f"of-{code}", tmp_path / release))
    for pair, expected in ((of_releases, ["xx"]), ([single[0], of_releases[1]], ["en"])):
        assert list(collect(pair).scores["language"]) == expected, "folders may hold other data of the other language"
    of_file = part("yy", "of-file", tmp_path / "ud-2.15" / "*" / "yy*.conllu")
    assert list(collect([single[0], of_file]).scores["language"]) == ["en", "yy"]

    overlapping = part("xx,yy", "overlapping")
    (note,) = collect([overlapping, single[1]]).notes
    assert "found twice, the same in xx, which both have" in note
    assert note.endswith("/xx is left out."), "and no language with it"
    changed = Path(shutil.copytree(overlapping, tmp_path / "changed"))
    content = json.loads((changed / "scores.json").read_text())
    content["languages"]["xx"]["value"] = 0.999
    (changed / "scores.json").write_text(json.dumps(content))
    for other, how in (
        (overlapping, "the same in xx, which both have"),
        (changed, "with other scores"),
        (
            part("yy", "short", test, "--max-length", "8"),
            "in other languages, but not scored alike or not of the same weights",
        ),
        (single[2], "in other languages, but not scored alike or not of the same weights"),
    ):
        found = collect([two, other])
        assert list(found.scores["language"]) == ["en", "xx"]
        (note,) = found.notes
        said = f"seed 31 was found twice, {how}: {tmp_path.name}/two counts, {tmp_path.name}/{other.name} is left out "
        said += "and with it yy."
        assert note.endswith(said)


def test_models_that_differ_in_more_than_seed_and_plan_keep_apart(chain: Path, tmp_path: Path) -> None:
    """The same plan with other steps; without a record that says so nothing is guessed."""
    first, second = (Path(shutil.copytree(chain / "front-scores", tmp_path / name)) for name in ("short", "long"))
    path = second / "alignfreeze.json"
    record = json.loads(path.read_text())
    for step in record["lineage"]:
        if step["kind"] == "encoder":
            step["settings"]["steps"] = 999
    path.write_text(json.dumps(record))
    assert [run["strategy"] for run in runs_of_scores([first, second]).values()] == ["front (short)", "front (long)"]
    assert [run["strategy"] for run in runs_of_scores([second]).values()] == ["front"]
    ran = {"model": "encoder", "strategy": "front", "seed": 7, "control": False, "tasks": {"pos": "pos-scores"}}
    assert [run["strategy"] for run in runs_of_scores([second], [ran]).values()] == ["front (long)"], "not its seeds"
    alike = [Path(shutil.copytree(each, tmp_path / each.name / "x" / "scores")) for each in (first, second)]
    assert [run["strategy"] for run in runs_of_scores(alike).values()] == [
        "front (short-x-scores)",
        "front (long-x-scores)",
    ]
    record["lineage"] = []
    path.write_text(json.dumps(record))
    with pytest.raises(ArtifactError, match="does not say how its model was made"):
        runs_of_scores([second])
    record["kind"] = record["identity"]["kind"] = "report"
    path.write_text(json.dumps(record))
    with pytest.raises(ArtifactError, match="its record is of kind report"):
        runs_of_scores([second])


def test_baselines_of_different_kinds_are_no_baseline(chain: Path, tmp_path: Path) -> None:
    folders = [Path(shutil.copytree(chain / "what came out", tmp_path / name)) for name in ("slow", "quick")]
    path = folders[1] / "alignfreeze.json"
    record = json.loads(path.read_text())
    for step in record["lineage"]:
        if step["kind"] == "task-model":
            step["settings"]["learning-rate"] = 0.5
    path.write_text(json.dumps(record))
    found = collect([*folders, chain / "front-scores"])
    assert set(found.scores["strategy"]) == {"baseline (slow)", "baseline (quick)", "front"}
    assert any(
        "no gains, as baseline (slow) and baseline (quick) differ in more than their seed" in n for n in found.notes
    )


def test_a_lineage_that_goes_round_in_a_circle_ends(chain: Path) -> None:
    record = read_record(chain / "front-scores")
    assert record is not None
    *before, tagger = record.lineage
    inputs = [{**each, "digest": tagger["digest"]} if each["name"] == "model" else each for each in tagger["inputs"]]
    circle = {**tagger, "inputs": inputs}
    recipe = recipe_of(circle, replace(record, lineage=[circle, *before]))
    assert [step[0] for step in recipe] == ["task-model"]


def test_what_was_done_besides_is_in_the_name(chain: Path) -> None:
    record = read_record(chain / "front-scores")
    assert record is not None
    assert strategy_of(record) == "front"
    *before, tagger = record.lineage
    adapted = {**tagger, "details": {**tagger["details"], "lora": {"rank": 2}}}
    assert strategy_of(replace(record, lineage=[*before, adapted])) == "lora-front"
    realigned = before[-1]["details"] | {"schedule": "during", "realign": {**before[-1]["details"], "batch-size": 4}}
    during = {
        **tagger,
        "details": {**tagger["details"], **realigned},
        "settings": {**tagger["settings"], "freeze": "5"},
    }
    assert strategy_of(replace(record, lineage=[*before, during])) == "during-5"
