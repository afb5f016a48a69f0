"""The plots of a report: what is in them, that they come out the same, and odd names."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from alignfreeze_cli.report.comparison import Report
from alignfreeze_cli.report.plots import Plot, draw
from alignfreeze_cli.report.style import readable, strategy_styles
from tests.report.samples import HEADLINE, published_report, small_report


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Plot], Path]:
    folder = tmp_path_factory.mktemp("published")
    return draw(published_report(tasks=("pos",)), folder), folder


def test_one_plot_of_all_tasks_and_two_per_section_each_as_svg_and_png(published: tuple[list[Plot], Path]) -> None:
    plots, folder = published
    names = ["xlm-roberta-base-tasks", "xlm-roberta-base-pos-gains", "xlm-roberta-base-pos-distance"]
    assert [(plot.name, plot.section) for plot in plots] == list(zip(names, (None, 0, 0), strict=True))
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        f"{n}.{end}" for n in names for end in ("svg", "png")
    )
    for plot in plots:
        assert (folder / f"{plot.name}.svg").read_text(encoding="utf-8") == plot.svg
        assert ElementTree.fromstring(plot.svg).tag.endswith("svg")
        with Image.open(folder / f"{plot.name}.png") as image:
            assert min(image.size) > 200
            assert not set(image.info) & {"Software", "Creation Time", "date:create"}


def test_captions_name_the_bars_and_alternative_texts_the_finding(published: tuple[list[Plot], Path]) -> None:
    tasks, gains, distance = published[0]
    assert "bars are the sample standard deviation of the gain over seeds" in gains.caption
    assert "by growing distance from en" in gains.caption
    assert gains.alt.startswith(HEADLINE)
    assert "front: +0.79, 12 improved, none degraded." in gains.alt
    assert "full: +0.45, 6 improved, 1 degraded (fa)." in gains.alt
    assert "Spearman" in distance.caption
    assert "front: no significant rank correlation of gain and distance (ρ = +0.30, p = 0.084)" in distance.alt
    assert tasks.alt.startswith("pos: front")


def test_the_same_report_gives_the_same_bytes(tmp_path: Path) -> None:
    report = small_report(tasks=("pos",))
    for name in ("one", "two"):
        draw(report, tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
        assert str(tmp_path).encode() not in path.read_bytes()


def test_names_of_any_script_and_signs_are_drawn_and_escaped(tmp_path: Path) -> None:
    names = {"full": "<script>alert(1)</script>", "front": "$x$ 対照 \n", "back": "عربي-\\alpha"}
    plots = draw(small_report(tasks=("pos",), model="模型/<b>", **names), tmp_path)
    assert len({plot.name for plot in plots}) == len(plots) == 3
    for plot in plots:
        assert re.fullmatch("[a-z0-9-]+", plot.name)
        assert "<script" not in plot.svg
        ElementTree.fromstring(plot.svg)


def test_letters_that_the_font_lacks_are_shown_as_code_points() -> None:
    assert readable("front é я") == "front é я"
    assert readable("対\n") == "\\u5bfe\\u000a"
    assert readable("a" * 40) == "a" * 23 + "…"


def test_one_seed_has_intervals_or_no_bars(tmp_path: Path) -> None:
    report = small_report(tasks=("pos",), seeds=1)
    assert "95 % bootstrap intervals over test examples" in draw(report, tmp_path)[1].caption
    bare = without_intervals(report)
    gains = draw(bare, tmp_path)[1]
    assert "no error bars" in gains.caption
    assert "too few runs for a test" in gains.alt


def without_intervals(report: Report) -> Report:
    (section,) = report.sections
    comparisons = tuple(
        dataclasses.replace(
            each,
            average=dataclasses.replace(each.average, interval=None),
            gains={
                name: dataclasses.replace(gain, interval=None, interval_p=None, interval_p_corrected=None)
                for name, gain in each.gains.items()
            },
        )
        for each in section.comparisons
    )
    return dataclasses.replace(report, sections=(dataclasses.replace(section, comparisons=comparisons),))


def test_without_baseline_or_distances_only_what_can_be_drawn_is_drawn(tmp_path: Path) -> None:
    report = small_report(tasks=("pos",))
    (section,) = report.sections
    alone = dataclasses.replace(section, baseline=None, comparisons=())
    unplaced = dataclasses.replace(section, distances={}, close=(), distant=())
    plots = draw(dataclasses.replace(report, sections=(alone, unplaced)), tmp_path)
    assert [(plot.name, plot.section) for plot in plots] == [
        ("world-encoder-tasks", None),
        ("world-encoder-pos-gains", 1),
    ]
    assert "in the order of evaluation" in plots[1].caption


def test_strategies_differ_by_marker_within_kinds_and_controls_are_hollow() -> None:
    names = [("full", False), ("front", False), ("back", False), *((f"s{n}", False) for n in range(6)), ("c", True)]
    styles = strategy_styles(names, ["baseline"])
    assert len({(style.colour, style.marker) for style in styles.values()}) == len(styles)
    assert len({style.marker for name, style in styles.items() if name != "c"}) == len(styles) - 1
    assert styles["c"].fill == "#ffffff"
    assert styles["front"] == strategy_styles([("front", False)], [])["front"]
