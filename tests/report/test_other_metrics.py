"""Runs that were scored by more than one metric: each number stands under its own."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from alignfreeze_cli.advice.gains import gains_of_runs
from alignfreeze_cli.errors import ArtifactError, DataError
from alignfreeze_cli.report.comparison import Report
from alignfreeze_cli.report.csv_files import csv_files
from alignfreeze_cli.report.latex import latex_files
from alignfreeze_cli.report.markdown import markdown, score_text
from alignfreeze_cli.report.page import page
from alignfreeze_cli.report.scores import collect
from alignfreeze_cli.report.settings import ReportSettings
from alignfreeze_cli.report.text_tables import other_metrics
from alignfreeze_cli.steps.report import compare_runs
from tests.report.runs import write

RIGHT = {"baseline": {"en": [9, 9], "xx": [5, 5], "yy": [3, 3]}, "front": {"en": [9, 9], "xx": [7, 7], "yy": [4, 4]}}


def change(run: Path, **values: Any) -> None:
    """Other values at the top of a run's scores."""
    path = run / "pos-scores" / "scores.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def add_metric(run: Path, name: str, factor: float, but: str = "") -> None:
    """Another metric, so many times the main one, in all languages but one."""
    path = run / "pos-scores" / "scores.json"
    languages = json.loads(path.read_text())["languages"]
    for entry in (languages[code] for code in languages if code != but):
        entry["metrics"] = {"accuracy": entry["value"], name: factor * entry["value"]}
    change(run, languages=languages)


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    return [write(tmp_path, strategy, 0, right) for strategy, right in RIGHT.items()]


def made(folder: Path, **settings: Any) -> Report:
    return compare_runs(ReportSettings(runs=(str(folder),), resamples=100, **settings), collect([folder]))


def test_the_main_metric_keeps_its_tables_and_others_get_their_own(tmp_path: Path, runs: list[Path]) -> None:
    before = made(tmp_path)
    for run in runs:
        add_metric(run, "macro_f1", 0.5)
    report = made(tmp_path)
    plain, files = csv_files(before), csv_files(report)
    assert files | plain == files, "the files of the main metric are as they were"
    assert set(files) - set(plain) == {"other-metrics.csv"}
    rows = list(csv.DictReader(io.StringIO(files["other-metrics.csv"])))
    found = {(row["strategy"], row["language"]): float(row["score"]) for row in rows if row["metric"] == "macro_f1"}
    assert found == pytest.approx(
        {(name, code): 100 * 0.5 * sum(n) / 20 for name, right in RIGHT.items() for code, n in right.items()}
    )
    assert len(rows) == len(found)

    (section,) = report.sections
    (table,) = section.table.others
    assert (table.metric, table.columns) == ("macro_f1", section.table.columns)
    header = "| strategy | macro_f1, en (source) | macro_f1, mean of targets |"
    line = "| front    |                  45.0 |                      27.5 |"
    for text in (markdown(report), score_text(section.table)):
        assert header.replace("_", "\\_") in text or header in text
        assert line in text
    assert r"front & 45.0 & 27.5 \\" in latex_files(report)["enc-pos-other-metrics.tex"]
    assert '<th scope="col">macro_f1, en (source)</th>' in page(report, ())
    (other,) = section.table.to_dict()["other-metrics"]
    assert other["metric"] == "macro_f1"
    assert other["rows"][1]["cells"]["xx"]["mean"] == pytest.approx(35)


def test_a_run_that_lacks_a_metric_has_a_dash(tmp_path: Path, runs: list[Path]) -> None:
    add_metric(runs[1], "macro_f1", 0.5)
    text = markdown(made(tmp_path))
    assert "| baseline |                     – |                         – |" in text
    add_metric(runs[0], "macro_f1", 0.5)
    add_metric(write(runs[0].parent, "back", 0, RIGHT["front"]), "macro_f1", 0.5, but="yy")
    text = markdown(made(tmp_path))
    assert "| back     |                  45.0 |                         – |" in text, "a mean is over all targets"


def test_a_mean_over_fewer_seeds_than_the_strategy_has_says_so(tmp_path: Path, runs: list[Path]) -> None:
    add_metric(runs[0], "macro_f1", 0.5)
    write(tmp_path, "baseline", 1, {"en": [9, 7], "xx": [5, 5], "yy": [3, 3]})
    report = made(tmp_path)
    table = other_metrics(report.sections[0].table)
    assert table
    assert table.rows[0] == ("baseline", "45.0 (1 of 2 seeds)", "20.0 (1 of 2 seeds)")
    assert "<td>45.0 (1 of 2 seeds)</td>" in page(report, ())


def test_one_metric_is_never_compared_with_another(tmp_path: Path, runs: list[Path]) -> None:
    change(runs[1], metric="f1")
    report = made(tmp_path, published=True)
    assert [(each.heading, each.table.metric) for each in report.sections] == [
        ("enc, pos", "accuracy"),
        ("enc, pos, by f1", "f1"),
    ]
    assert not any(each.comparisons for each in report.sections)
    with pytest.raises(DataError, match=r"pos-scores: holds scores of pos by f1, not by accuracy; evaluate again"):
        gains_of_runs([tmp_path])
    change(runs[0], metric="f1")
    report = made(tmp_path)
    assert any("scored by f1, where this version scores pos by accuracy" in note for note in report.notes)
    assert report.sections[0].comparisons[0].average.interval is None


def test_published_scores_of_another_metric_do_not_stand_beside_ours(tmp_path: Path) -> None:
    run = write(tmp_path, "front", 0, {"en": [9], "de": [5]}, model="xlm-roberta-base")
    assert made(tmp_path, published=True).sections[0].published is not None
    change(run, metric="f1")
    report = made(tmp_path, published=True)
    assert report.sections[0].published is None
    assert any("published runs of this model and task were scored by accuracy, these by f1" in n for n in report.notes)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"metric": "f1"}, "one language is scored by f1, another by accuracy"),
        ({"metrics": {"accuracy": 0.5, "f1": 50}}, "is no score"),
        ({"metrics": {"a\x1b[2J": 0.5}}, "is no name"),
        ({"metrics": [0.5]}, "has no attribute"),
    ],
)
def test_odd_metrics_are_refused(tmp_path: Path, runs: list[Path], entry: dict[str, Any], said: str) -> None:
    languages = json.loads((runs[0] / "pos-scores" / "scores.json").read_text())["languages"]
    languages["xx"] |= entry
    change(runs[0], languages=languages)
    with pytest.raises(ArtifactError, match=said):
        collect([tmp_path])
