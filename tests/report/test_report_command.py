"""`alignfreeze report` on real runs of a tiny world, and as every command behaves."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from alignfreeze_cli.artifacts import read_record, verify
from alignfreeze_cli.tasks.registry import TASKS
from tests.cli.world import alignfreeze
from tests.runs import world


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of the baseline, of front and of the control."""
    folder = tmp_path_factory.mktemp("report")
    recipe = world.recipe(folder, world.make(folder / "data"))
    done = alignfreeze("run", recipe, "--output", folder / "runs", "-q")
    assert done.exit_code == 0, done.stderr
    (folder / "runs" / "distances.json").write_text(
        json.dumps({"source": "en", "title": "made up", "distances": {"xx": 0.1, "yy": 0.9}})
    )
    return folder / "runs"


@pytest.fixture(scope="module")
def made(runs: Path) -> Path:
    output = runs.parent / "report"
    done = alignfreeze("report", runs, "--output", output, "--resamples", "200")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.endswith(f"{output}\n")
    assert "mean of targets" in done.stdout
    return output


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_folder_holds_every_form(made: Path) -> None:
    names = {path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file()}
    tables = {"overview.tex", "tiny-pos.tex", "tiny-pos-gains.tex", "scores.csv", "summary.csv", "seeds.csv"}
    assert {"alignfreeze.json", "report.md", "report.html", *(f"tables/{name}" for name in tables)} <= names
    plots = {name for name in names if name.startswith("plots/")}
    assert {Path(name).suffix for name in plots} == {".svg", ".png"}
    linked = set(re.findall(r"!\[[^\]]*\]\((plots/[^)]*)\)", (made / "report.md").read_text(encoding="utf-8")))
    assert linked == {name for name in plots if name.endswith(".svg")}
    record = read_record(made)
    assert record is not None
    assert record.kind == "report"
    verify(made, record)
    assert str(made.parent) not in (made / "alignfreeze.json").read_text(encoding="utf-8")


def test_scores_are_those_of_the_runs(runs: Path, made: Path) -> None:
    single = {(r["strategy"], r["seed"], r["language"]): float(r["score"]) for r in rows(made / "tables" / "seeds.csv")}
    assert len(single) == 3 * 2 * 3
    for (strategy, seed, language), score in single.items():
        scores = json.loads((runs / f"tiny-{strategy}-s{seed}" / "pos-scores" / "scores.json").read_text())
        assert score == 100 * scores["languages"][language]["value"]
    gain = {r["strategy"]: r for r in rows(made / "tables" / "summary.csv")}
    assert {name: row["control"] for name, row in gain.items()} == {"front": "0", "shuffled-links": "1"}
    by_hand = [
        sum(single["front", seed, code] - single["baseline", seed, code] for code in ("xx", "yy")) / 2
        for seed in ("0", "1")
    ]
    assert float(gain["front"]["gain"]) == pytest.approx(sum(by_hand) / 2)
    assert float(gain["front"]["low"]) <= float(gain["front"]["gain"]) <= float(gain["front"]["high"])
    # Student's t over two seeds: half the distance of the two differences times t(0.975; 1) = 12.7062.
    half = 12.7062 * abs(by_hand[0] - by_hand[1]) / 2
    assert float(gain["front"]["seeds_high"]) - float(gain["front"]["gain"]) == pytest.approx(half, rel=1e-4)
    (line,) = (each for each in (made / "report.md").read_text().splitlines() if "95 % interval over seeds" in each)
    assert f"{float(gain['front']['seeds_high']):+.2f}".replace("-", "−") in line


def test_predictions_give_the_scores_beside_them(runs: Path) -> None:
    checked = 0
    for path in sorted(runs.glob("*/pos-scores/predictions/*.parquet")):
        tallies = TASKS["pos"].tallies(pq.read_table(path).to_pydict())
        scores = json.loads((path.parents[1] / "scores.json").read_text(encoding="utf-8"))
        value = scores["languages"][path.stem]["value"]
        assert float(TASKS["pos"].metrics(tallies.sum(axis=0))["accuracy"]) == pytest.approx(value, abs=1e-12)
        checked += 1
    assert checked == 18


def test_the_text_tells_halves_controls_and_method(made: Path) -> None:
    text = (made / "report.md").read_text(encoding="utf-8")
    assert "shuffled-links (control)" in text
    assert "- Close: xx." in text
    assert "Distance: made up." in text
    assert "200 resamples" in text
    assert "exceeds the sum of both standard deviations" in text


def test_it_is_done_already_also_from_elsewhere(runs: Path, made: Path, tmp_path: Path) -> None:
    again = alignfreeze("report", runs, "--output", made, "--resamples", "200")
    assert again.exit_code == 0
    assert again.stdout.endswith("(already done: same settings, same inputs)\n")
    moved = tmp_path / "moved"
    shutil.copytree(runs, moved, symlinks=True)
    again = alignfreeze("report", moved, "--output", made, "--resamples", "200")
    assert again.exit_code == 0, again.stderr
    assert "already done" in again.stdout


def test_what_changes_it_is_noticed(runs: Path, made: Path, tmp_path: Path) -> None:
    copied = tmp_path / "report"
    shutil.copytree(made, copied)
    other = alignfreeze("report", runs, "--output", copied, "--resamples", "300")
    assert other.exit_code == 2
    assert "resamples was 200, now 300" in other.stderr
    fewer = alignfreeze("report", runs / "tiny-front-s0", "--output", copied, "--resamples", "200")
    assert fewer.exit_code == 2
    renewed = alignfreeze("report", runs, "--output", copied, "--no-plots", "--overwrite", "-q")
    assert (renewed.exit_code, renewed.stdout) == (0, f"{copied}\n")
    assert not (copied / "plots").exists()
    assert "![" not in (copied / "report.md").read_text(encoding="utf-8")


def test_the_same_runs_give_the_same_bytes(runs: Path, made: Path, tmp_path: Path) -> None:
    assert alignfreeze("report", runs, "--output", tmp_path / "again", "--resamples", "200").exit_code == 0
    first, second = read_record(made), read_record(tmp_path / "again")
    assert first is not None
    assert second is not None
    assert first.files == second.files


def test_a_dry_run_says_what_it_would_report(runs: Path, tmp_path: Path) -> None:
    planned = alignfreeze("report", runs, "--output", tmp_path / "planned", "--dry-run")
    assert planned.exit_code == 0, planned.stderr
    assert planned.stdout.startswith("Would do (dry run):")
    assert "strategies: baseline, front, shuffled-links" in planned.stdout
    assert not (tmp_path / "planned").exists()


def test_json_has_the_gist(made: Path, runs: Path) -> None:
    shown = json.loads(alignfreeze("report", runs, "--output", made, "--resamples", "200", "--format", "json").stdout)
    (section,) = shown["details"]["sections"]
    assert (section["model"], section["task"], section["baseline"]) == ("tiny", "pos", "baseline")
    front = next(each for each in section["strategies"] if each["strategy"] == "front")
    assert {"mean", "deviation", "gain", "p", "interval", "improved", "degraded"} <= front.keys()


def test_damaged_scores_are_refused(runs: Path, tmp_path: Path) -> None:
    copied = tmp_path / "runs"
    shutil.copytree(runs, copied, symlinks=True)
    scores = copied / "tiny-front-s1" / "pos-scores" / "scores.json"
    scores.write_text(scores.read_text(encoding="utf-8").replace("0.", "0.1", 1), encoding="utf-8")
    refused = alignfreeze("report", copied, "--output", tmp_path / "report")
    assert refused.exit_code == 3
    assert "scores.json: differs from its digest" in refused.stderr
    (copied / "tiny-front-s1" / "run.json").write_text("{}", encoding="utf-8")
    refused = alignfreeze("report", copied, "--output", tmp_path / "report")
    assert refused.exit_code == 3
    assert "run.json: lacks model" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        ([], 2, "DIR is missing"),
        (["runs", "--published-only"], 2, "--published-only takes no run folders"),
        (["nowhere"], 2, "nowhere: no such folder"),
        (["."], 3, "holds no run"),
        (["--published-only", "--resamples", "9"], 2, "--resamples must be at least 100"),
        (["--published-only", "--yardstick", "baselin"], 2, "did you mean 'baseline'"),
        (["--published-only", "--distances", "nowhere.json"], 2, "no such file"),
    ],
    ids=["nothing", "both", "no folder", "no run", "few resamples", "yardstick", "distances"],
)
def test_wrong_usage_is_one_sentence(
    arguments: list[str], code: int, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = alignfreeze("report", *arguments)
    assert refused.exit_code == code
    assert complaint in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert not (tmp_path / "report").exists()


def test_the_published_runs_alone(tmp_path: Path) -> None:
    done = alignfreeze("report", "--published-only", "--no-plots", "--output", tmp_path / "paper")
    assert done.exit_code == 0, done.stderr
    for shown in ("73.94 ± 0.21", "73.21 ± 0.18", "73.57 ± 0.17", "72.95 ± 0.29"):
        assert shown in done.stdout
    record = read_record(tmp_path / "paper")
    assert record is not None
    assert [each["name"] for each in record.inputs] == ["distances", "published runs"]
