"""From run folders to comparisons: what is compared with what, and the notes where something is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from alignfreeze_cli.errors import ArtifactError, DataError, SettingsError
from alignfreeze_cli.published import published
from alignfreeze_cli.report.comparison import Report, Section
from alignfreeze_cli.report.latex import latex_files
from alignfreeze_cli.report.markdown import markdown
from alignfreeze_cli.report.page import page
from alignfreeze_cli.report.scores import FoundScores, collect, find_runs, published_scores, split_aligner
from alignfreeze_cli.report.settings import ReportSettings
from alignfreeze_cli.report.sources import source_tables
from alignfreeze_cli.steps.report import compare_runs
from tests.report.runs import write

# Right words of ten in four sentences; by seed.
BASELINE = {0: {"en": [9, 9, 9, 9], "xx": [5, 5, 5, 5], "yy": [3, 3, 3, 3]}}
BASELINE[1] = {"en": [9, 9, 9, 9], "xx": [6, 5, 5, 5], "yy": [3, 3, 3, 4]}
BASELINE[2] = {"en": [9, 9, 9, 9], "xx": [5, 5, 5, 6], "yy": [3, 4, 3, 4]}
FRONT = {0: {"en": [9, 9, 9, 9], "xx": [7, 7, 7, 7], "yy": [3, 3, 3, 3]}}
FRONT[1] = {"en": [9, 9, 9, 8], "xx": [7, 7, 7, 8], "yy": [3, 3, 3, 3]}
FRONT[2] = {"en": [9, 9, 9, 9], "xx": [8, 7, 7, 9], "yy": [4, 3, 3, 3]}


def world(root: Path, **wishes: object) -> Path:
    for seed in BASELINE:
        write(root, "baseline", seed, BASELINE[seed], **wishes)  # type: ignore[arg-type]
        write(root, "front", seed, FRONT[seed], **wishes)  # type: ignore[arg-type]
    return root


def made(*folders: Path, **wishes: object) -> Report:
    settings = ReportSettings(runs=tuple(map(str, folders)), **{"resamples": 500, **wishes})  # type: ignore[arg-type]
    return compare_runs(settings, collect(settings.runs))


def only(report: Report) -> Section:
    (section,) = report.sections
    return section


def said(report: Report, *parts: str) -> bool:
    return any(all(part in note for part in parts) for note in report.notes)


def test_means_gains_and_tests_over_seeds(tmp_path: Path) -> None:
    section = only(made(world(tmp_path)))
    assert section.baseline == "baseline"
    assert section.targets == ("xx", "yy")
    cell = section.cell("baseline", "xx")
    assert cell
    # 50, 52.5, 52.5 percent: mean 51.67, deviations from it -1.67, .83, .83: sqrt(4.1667 / 2).
    assert (cell.mean, cell.deviation) == (pytest.approx(155 / 3), pytest.approx(1.4433757))
    assert cell.population == pytest.approx(1.1785113)
    front = section.comparison("front")
    assert front
    assert front.source
    gain = front.gains["xx"]
    # Differences 20, 20, 25: mean 21.67, deviation 2.887, t = 21.67 / (2.887 / sqrt 3) = 13, p = 1 - 13 / sqrt 171.
    assert gain.mean == pytest.approx(65 / 3)
    assert gain.deviation == pytest.approx(2.8867513)
    assert gain.p == pytest.approx(1 - 13 / 171**0.5)
    assert gain.p_corrected == pytest.approx(2 * (1 - 13 / 171**0.5))
    # The 97.5 % quantile of t with 2 degrees of freedom is 4.302653.
    assert gain.seeds_interval == pytest.approx((65 / 3 - 4.302653 * 5 / 3, 65 / 3 + 4.302653 * 5 / 3))
    assert gain.beyond == 1
    assert front.gains["yy"].beyond == 0
    assert front.improved == ("xx",)
    assert front.average.mean == pytest.approx((gain.mean + front.gains["yy"].mean) / 2)
    assert front.source.mean == pytest.approx(-2.5 / 3)


def test_the_bootstrap_pairs_examples_and_holds_the_seeds(tmp_path: Path) -> None:
    section = only(made(world(tmp_path)))
    front = section.comparison("front")
    assert front
    gain = front.gains["xx"]
    assert gain.interval
    assert gain.interval_p
    assert gain.interval_p_corrected
    low, high = gain.interval
    # No resample can gain less than the worst sentence or more than the best.
    by_sentence = [
        10 * sum(FRONT[s]["xx"][n] - BASELINE[s]["xx"][n] for s in BASELINE) / len(BASELINE) for n in range(4)
    ]
    assert [min(by_sentence), gain.mean, max(by_sentence)] == pytest.approx([20.0, 65 / 3, 80 / 3])
    assert low == pytest.approx(20.0)
    assert gain.mean < high < 80 / 3 + 1e-9
    assert gain.interval_p == pytest.approx(2 / 501)
    assert gain.interval_p_corrected == pytest.approx(4 / 501)
    yy = front.gains["yy"]
    assert yy.interval
    assert yy.interval[0] < 0 <= yy.interval[1]
    average = front.average
    assert average.interval
    assert average.interval[0] < average.mean < average.interval[1]


def test_the_same_runs_give_the_same_report(tmp_path: Path) -> None:
    world(tmp_path)
    assert markdown(made(tmp_path)) == markdown(made(tmp_path))
    assert markdown(made(tmp_path)) != markdown(made(tmp_path, seed=1))


def test_seeds_need_not_be_read_in_order(tmp_path: Path) -> None:
    for seed in (10, 2):
        write(tmp_path, "baseline", seed, BASELINE[0])
    section = only(made(tmp_path))
    assert list(section.scores["seed"].unique()) == [2, 10]


def test_runs_are_found_by_their_file_each_once(tmp_path: Path) -> None:
    runs = world(tmp_path / "out" / "runs")
    (tmp_path / "out" / ".hidden").mkdir()
    (tmp_path / "out" / ".hidden" / "run.json").write_text("{}")
    first = runs / "enc-baseline-s0"
    assert len(find_runs([tmp_path / "out"])) == 6
    assert find_runs([first]) == [first]
    assert find_runs([first, runs])[0] == first
    assert len(find_runs([first, runs, tmp_path / "out"])) == 6


def test_folders_without_runs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such folder"):
        find_runs([tmp_path / "nowhere"])
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="file: not a folder"):
        find_runs([tmp_path / "file"])
    with pytest.raises(DataError, match=r"holds no run \(no run\.json"):
        find_runs([tmp_path])
    run = write(tmp_path, "baseline", 0, BASELINE[0])
    (run / "pos-scores" / "scores.json").unlink()
    with pytest.raises(DataError, match="no run has scores yet"):
        collect([tmp_path])


def test_runs_without_scores_are_named(tmp_path: Path) -> None:
    world(tmp_path)
    (tmp_path / "enc-front-s2" / "pos-scores" / "scores.json").unlink()
    report = made(tmp_path)
    assert said(report, "No scores yet for pos in enc-front-s2")
    assert said(report, "front lacks the seed 2")
    front = only(report).comparison("front")
    assert front
    assert front.average.seeds == 2
    assert "front (2 of 3 seeds)" in markdown(report)


def test_tasks_that_nobody_ran_are_not_spoken_of(tmp_path: Path) -> None:
    world(tmp_path)
    for path in tmp_path.glob("*/run.json"):
        run = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(run | {"tasks": run["tasks"] | {"nli": "nli-scores"}}), encoding="utf-8")
    assert not said(made(tmp_path), "nli")


def test_only_seeds_of_both_sides_are_compared(tmp_path: Path) -> None:
    write(tmp_path, "baseline", 0, BASELINE[0])
    write(tmp_path, "baseline", 1, BASELINE[1])
    write(tmp_path, "front", 1, FRONT[1])
    write(tmp_path, "front", 2, FRONT[2])
    report = made(tmp_path)
    front = only(report).comparison("front")
    assert front
    assert front.gains["xx"].seeds == 1
    assert front.gains["xx"].mean == pytest.approx(72.5 - 52.5)
    assert front.gains["xx"].interval is not None
    assert said(report, "baseline lacks the seed 2")
    assert said(report, "front lacks the seed 0")


def test_without_a_common_seed_nothing_is_compared(tmp_path: Path) -> None:
    write(tmp_path, "baseline", 0, BASELINE[0])
    write(tmp_path, "front", 1, FRONT[1])
    report = made(tmp_path)
    assert only(report).comparisons == ()
    assert said(report, "front and baseline have no seed with all their common languages")
    assert "front" in markdown(report)


def test_without_a_baseline_there_are_scores_alone(tmp_path: Path) -> None:
    write(tmp_path, "front", 0, FRONT[0])
    write(tmp_path, "back", 0, FRONT[1])
    report = made(tmp_path)
    assert only(report).baseline is None
    assert said(report, "no run of 'baseline'")
    other = made(tmp_path, baseline="back")
    assert [each.strategy for each in only(other).comparisons] == ["front"]
    with pytest.raises(SettingsError, match="no run has the strategy 'bakc', only front, back; did you mean 'back'?"):
        made(tmp_path, baseline="bakc")


def test_one_seed_has_no_deviation_and_no_test_over_seeds(tmp_path: Path) -> None:
    write(tmp_path, "baseline", 0, BASELINE[0])
    write(tmp_path, "front", 0, FRONT[0])
    report = made(tmp_path)
    front = only(report).comparison("front")
    assert front
    gain = front.gains["xx"]
    assert (gain.deviation, gain.p, gain.p_corrected, gain.beyond) == (None, None, None, 0)
    assert gain.interval == pytest.approx((20.0, 20.0))  # every sentence gains the same
    assert said(report, "one seed: no standard deviation")


def test_equal_differences_have_no_test_and_this_is_said(tmp_path: Path) -> None:
    for seed in (0, 1):
        write(tmp_path, "baseline", seed, BASELINE[0])
        write(tmp_path, "front", seed, FRONT[0])
    report = made(tmp_path)
    front = only(report).comparison("front")
    assert front
    assert (front.gains["xx"].p, front.gains["xx"].deviation, front.gains["xx"].beyond) == (None, 0.0, 1)
    assert front.gains["xx"].seeds_interval is None
    assert (front.gains["yy"].p, front.gains["yy"].mean, front.gains["yy"].beyond) == (None, 0.0, 0)
    assert front.gains["yy"].interval_p == 1.0
    assert said(report, "the same amount in all seeds in xx and yy")


def test_languages_that_some_runs_lack(tmp_path: Path) -> None:
    world(tmp_path)
    write(tmp_path, "back", 0, {"en": [9] * 4, "xx": [6] * 4})
    write(tmp_path, "back", 1, {"en": [9] * 4, "xx": [6, 6, 6, 7]})
    write(tmp_path, "full", 0, FRONT[0])
    write(tmp_path, "full", 1, {code: FRONT[1][code] for code in ("en", "yy")})
    report = made(tmp_path)
    section = only(report)
    back, full = section.comparison("back"), section.comparison("full")
    assert back
    assert full
    assert list(back.gains) == ["xx"]
    assert back.average.mean == pytest.approx(back.gains["xx"].mean)
    assert said(report, "the mean gain of back is over 1 of 2 targets")
    assert said(report, "back has no score in yy")
    assert said(report, "full, seed 1, has no score in xx")
    assert (full.gains["xx"].seeds, full.gains["yy"].seeds, full.average.seeds) == (1, 2, 1)
    assert section.cell("back", "mean of targets") is None
    assert "–" in markdown(report)


def test_other_data_and_other_scoring_are_noticed(tmp_path: Path) -> None:
    write(tmp_path, "baseline", 0, BASELINE[0], scoring={"max-length": 128})
    write(tmp_path, "front", 0, FRONT[0], data="other", scoring={"max-length": 96})
    report = made(tmp_path)
    assert said(report, "not all runs were scored on the same data (en, xx and yy)", "front s0")
    assert said(report, "not all runs were scored with the same max-length: 128 in baseline s0; 96 in front s0")
    assert said(report, "no bootstrap for en, xx and yy: the runs were scored on different data")
    front = only(report).comparison("front")
    assert front
    assert front.gains["xx"].interval is None


def test_without_predictions_there_is_no_interval(tmp_path: Path) -> None:
    world(tmp_path, predictions=False)
    report = made(tmp_path)
    assert said(report, "no bootstrap for en, xx and yy: not all runs have predictions")
    front = only(report).comparison("front")
    assert front
    assert front.average.interval is None
    assert front.average.p is not None
    assert not any("bootstrap over" in sentence for sentence in report.method)


def test_the_bootstrap_can_be_left_out(tmp_path: Path) -> None:
    report = made(world(tmp_path), resamples=0)
    front = only(report).comparison("front")
    assert front
    assert front.average.interval is None
    assert not said(report, "no bootstrap")


def test_predictions_must_belong_to_their_scores(tmp_path: Path) -> None:
    world(tmp_path)
    ours = tmp_path / "enc-front-s0" / "pos-scores" / "predictions"
    (ours / "xx.parquet").write_bytes((ours / "yy.parquet").read_bytes())
    with pytest.raises(ArtifactError, match=r"xx\.parquet: gives 30\.0000 where scores\.json has 70\.0000"):
        made(tmp_path)
    (ours / "xx.parquet").write_bytes(b"PAR1")
    with pytest.raises(ArtifactError, match=r"xx\.parquet: is no table of pos predictions"):
        made(tmp_path)


def test_a_run_found_twice_counts_once(tmp_path: Path) -> None:
    world(tmp_path / "runs")
    write(tmp_path / "old", "front", 0, BASELINE[0])
    report = made(tmp_path / "runs", tmp_path / "old")
    assert said(report, "front, seed 0 was found twice, with other scores: runs/enc-front-s0 counts, old/enc-front-s0")
    assert len(only(report).scores) == 6 * 3


def test_other_source_languages_get_tables_of_their_own(tmp_path: Path) -> None:
    world(tmp_path)
    write(tmp_path, "front", 0, FRONT[0], source="xx", name="from-xx")
    report = made(tmp_path)
    assert [section.table.source for section in report.sections] == ["en", "xx"]
    assert said(report, "trained in different source languages", "2 tables")
    assert markdown(report)


def test_controls_stand_apart_and_count_for_no_contrast(tmp_path: Path) -> None:
    world(tmp_path)
    for seed in BASELINE:
        write(tmp_path, "again", seed, BASELINE[seed])
        write(tmp_path, "shuffled", seed, BASELINE[seed], control=True)
    report = made(tmp_path)
    section = only(report)
    assert [row.strategy for row in section.table.rows] == ["baseline", "front", "again", "shuffled"]
    assert [each.control for each in section.comparisons] == [False, False, True]
    text = markdown(report)
    assert "shuffled (control)" in text
    assert "not by again" in text
    assert "not by shuffled" not in text


def test_only_the_source_language(tmp_path: Path) -> None:
    write(tmp_path, "baseline", 0, {"en": [9]})
    write(tmp_path, "front", 0, {"en": [8]})
    report = made(tmp_path)
    assert said(report, "scored in the source language alone")
    assert markdown(report)


def test_distances_beside_the_runs(tmp_path: Path) -> None:
    world(tmp_path)
    (tmp_path / "distances.json").write_text(
        json.dumps({"source": "en", "title": "share of other words", "distances": {"xx": 0.2, "yy": 0.7, "zz": 0.9}})
    )
    report = made(tmp_path)
    section = only(report)
    assert section.distances == {"xx": 0.2, "yy": 0.7}
    assert (section.close, section.distant) == (("xx",), ("yy",))
    front = section.comparison("front")
    assert front
    assert front.close
    assert front.distant
    assert front.close.mean == pytest.approx(front.gains["xx"].mean)
    assert front.correlation is None  # two languages
    assert "share of other words" in " ".join(report.method)


def test_distances_of_another_source_are_not_used(tmp_path: Path) -> None:
    world(tmp_path)
    (tmp_path / "distances.json").write_text(json.dumps({"source": "qq", "distances": {"xx": 0.2, "yy": 0.7}}))
    report = made(tmp_path)
    assert only(report).distances == {}
    assert said(report, "no distances from en are known")


def test_distances_from_a_table(tmp_path: Path) -> None:
    world(tmp_path / "runs")
    (tmp_path / "far.csv").write_text("language,distance\nyy,0.5\n")
    report = made(tmp_path / "runs", distances=str(tmp_path / "far.csv"))
    assert only(report).distances == {"yy": 0.5}
    assert said(report, "no distance is known for xx")
    for text, complaint in (
        ("language,far\nyy,1\n", "holds no distances"),
        ("language,distance\nyy,far\n", "holds no distances"),
        ("language,distance\nyy,-1\n", "the distance of yy is -1.0"),
        ("language,distance\nyy,nan\n", "must be a number of at least 0"),
    ):
        (tmp_path / "far.csv").write_text(text)
        with pytest.raises(DataError, match=complaint):
            made(tmp_path / "runs", distances=str(tmp_path / "far.csv"))
    (tmp_path / "far.json").write_text("[1, 2]")
    with pytest.raises(DataError, match="holds no distances"):
        made(tmp_path / "runs", distances=str(tmp_path / "far.json"))
    with pytest.raises(SettingsError, match="no kind of distance; did you mean 'syntactic'"):
        made(tmp_path / "runs", distances="syntacti")


def test_published_numbers_stand_beside_ours(tmp_path: Path) -> None:
    for strategy in ("baseline", "front", "mine"):
        for seed in (31, 42):
            right = {"en": [9] * 4, "de": [8 + (seed == 42)] * 4, "ar": [6] * 4}
            write(tmp_path, strategy, seed, right, model="xlm-roberta-base")
    report = made(tmp_path, published=True)
    section = only(report)
    published = section.published
    assert published
    assert [row.strategy for row in published.table.rows] == ["baseline", "front"]
    front = published.comparison("front")
    assert front
    assert f"{front.gains['ar'].mean:.2f}" == "3.75"
    text = markdown(report)
    assert "front, published" in text
    assert published.table.columns == ("en", "de", "ar", "mean of targets")
    mean, single = published.cell("front", "mean of targets"), [published.cell("front", code) for code in ("de", "ar")]
    assert mean
    assert mean.mean == pytest.approx(sum(cell.mean for cell in single if cell) / 2)
    assert said(report, "of the published runs only the 3 languages scored here are shown, of 35")
    assert "mine, published" not in text
    assert "66.96 ±" in text  # the published front in Arabic
    assert "the authors' own runs" in text


@pytest.mark.parametrize(("baseline", "published_too"), [("full", True), ("during-full", True), ("mine", False)])
def test_published_gains_are_over_the_same_strategy_as_ours(baseline: str, published_too: bool, tmp_path: Path) -> None:
    for strategy in ("front", baseline):
        for seed in (31, 42):
            write(tmp_path, strategy, seed, {"en": [9] * 4, "ar": [6] * 4}, model="bert-base-multilingual-cased")
    report = made(tmp_path, published=True, baseline=baseline)
    published = only(report).published
    assert published
    assert published.baseline == (baseline.replace("-", "_") if published_too else None)
    assert bool(published.comparisons) is published_too
    assert said(report, "no published runs of mine, so there are no published gains over it") is not published_too


def test_published_runs_may_be_compared_with_another_of_them() -> None:
    settings = ReportSettings(published_only=True, baseline="full")
    report = compare_runs(settings, FoundScores(published_scores()))
    assert {section.baseline for section in report.sections} == {"full"}


def test_strategies_of_both_schedules_stand_beside_the_published_on_the_page(tmp_path: Path) -> None:
    for strategy in ("baseline", "during-front"):
        write(tmp_path, strategy, 31, {"en": [9] * 4, "ar": [6] * 4}, model="bert-base-multilingual-cased")
    report = made(tmp_path, published=True)
    assert "during-front, published" in markdown(report)
    compared = page(report, []).partition("compared with the published runs")[2]
    assert '<th scope="row">during-front</th>' in compared


def test_strategies_that_name_their_aligner_stand_beside_its_published_runs(tmp_path: Path) -> None:
    strategies = ("baseline", "full", "front", "front-awesome", "front-fastalign", "during-full-awesome")
    for strategy in strategies:
        write(tmp_path, strategy, 31, {"en": [9] * 4, "ar": [6] * 4}, model="xlm-roberta-base")
    section = only(made(tmp_path, published=True))
    assert section.published
    # Next to the same strategy with other aligners, in the order of the paper's strategies.
    assert [row.strategy for row in section.table.rows] == list(strategies)
    assert [row.strategy for row in section.published.table.rows] == [each.replace("-", "_") for each in strategies]
    for row in section.published.table.rows:
        strategy, aligner = split_aligner(row.strategy)
        expected = published("xlm-roberta-base", "pos", strategy, aligner or "dictionary")
        cell = section.published.cell(row.strategy, "ar")
        assert cell is not None
        assert expected is not None
        assert cell.mean == pytest.approx(100 * expected.values["ar"])
    # Names without an aligner are those of `--aligner`.
    other = only(made(tmp_path, published=True, aligner="fastalign")).published
    assert other is not None
    assert (
        other.cell("front", "ar")
        == other.cell("front_fastalign", "ar")
        == section.published.cell("front_fastalign", "ar")
    )


def test_a_model_that_was_not_published_is_named(tmp_path: Path) -> None:
    report = made(world(tmp_path), published=True)
    assert only(report).published is None
    assert said(report, "no published runs of this model and task")


def test_strategies_stand_in_the_order_of_the_paper(tmp_path: Path) -> None:
    for strategy in ("block-10", "back", "block-2", "during-front", "front", "full", "baseline"):
        write(tmp_path, strategy, 0, FRONT[0])
    section = only(made(tmp_path))
    names = [row.strategy for row in section.table.rows]
    assert names == ["baseline", "full", "front", "back", "during-front", "block-2", "block-10"]


def test_links_to_runs_are_followed(tmp_path: Path) -> None:
    world(tmp_path / "elsewhere")
    (tmp_path / "runs").mkdir()
    for run in (tmp_path / "elsewhere").iterdir():
        (tmp_path / "runs" / run.name).symlink_to(run)
    assert len(find_runs([tmp_path / "runs"])) == 6
    assert len(find_runs([tmp_path / "runs", tmp_path / "elsewhere"])) == 6


def test_tasks_of_other_versions_are_reported_without_a_bootstrap(tmp_path: Path) -> None:
    for run in world(tmp_path).iterdir():
        described = json.loads((run / "run.json").read_text())
        (run / "run.json").write_text(json.dumps({**described, "tasks": {"parsing": "pos-scores"}}))
    report = made(tmp_path)
    assert said(report, "enc, parsing: no bootstrap", "does not know the task 'parsing'")
    front = only(report).comparison("front")
    assert front
    assert front.average.p is not None


def test_sources_side_by_side_with_the_distances_of_each(tmp_path: Path) -> None:
    targets = {"en": ("aa", "bb", "xx", "yy"), "xx": ("aa", "bb", "en", "yy")}
    for source, others in targets.items():
        for seed in (1, 2, 3):
            for strategy, more in (("baseline", 0), ("front", 1)):
                right = {code: [5 + more * n, 5 + seed] for n, code in enumerate((source, *others))}
                write(tmp_path, strategy, seed, right, source=source, name=f"from-{source}-{strategy}-s{seed}")
    far = [
        {
            "source": source,
            "title": f"far from {source}",
            "distances": dict(zip(others, (0.4, 0.3, 0.2, 0.1), strict=True)),
        }
        for source, others in targets.items()
    ]
    (tmp_path / "distances.json").write_text(json.dumps(far), encoding="utf-8")
    report = made(tmp_path)
    assert [section.close for section in report.sections] == [("yy", "xx"), ("yy", "en")]
    (table,) = source_tables(report)
    assert table.header[-1] == "mean of 3 common targets"
    # front gains 5, 10, 15, 20 points in the four targets, by their place; aa, bb and yy are common.
    assert [(row[:3], row[-1]) for row in table.rows] == [
        (("front", "en", "+12.50 ± 0.00 ↑"), "+11.67"),
        (("front", "xx", "+12.50 ± 0.00 ↑"), "+11.67"),
    ]
    assert table.caption in markdown(report)
    assert "Source languages side by side" in page(report, ())
    assert "sources-1" in latex_files(report)["overview.tex"]


@pytest.mark.parametrize("sources", [["en", "en"], ["en", None], []])
def test_a_list_of_distances_needs_a_source_in_each(tmp_path: Path, sources: list[str | None]) -> None:
    world(tmp_path / "runs")
    far = [{"source": source, "distances": {"xx": 0.5}} for source in sources]
    (tmp_path / "far.json").write_text(json.dumps(far), encoding="utf-8")
    with pytest.raises(DataError, match="needs a source of its own"):
        made(tmp_path / "runs", distances=str(tmp_path / "far.json"))
