"""Distances between any two languages, by the library that has URIEL's data; and their way into a report."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("urielplus")

from alignfreeze_cli.report import distances, uriel
from tests.cli.world import alignfreeze
from tests.report.runs import write


@pytest.fixture(scope="module")
def from_french() -> dict[str, float]:
    return uriel.distances("syntactic", "fr", ["es", "de", "ja", "ar", "fa", "zh", "no", "xx", "fr"])


def test_near_languages_are_nearer(from_french: dict[str, float]) -> None:
    assert from_french["es"] < from_french["de"] < from_french["ja"]
    assert all(0 <= value <= 1 for value in from_french.values())


def test_codes_of_macrolanguages_are_found_and_made_up_ones_left_out(from_french: dict[str, float]) -> None:
    assert set(from_french) == {"es", "de", "ja", "ar", "fa", "zh", "no"}


def test_it_is_the_angle_over_the_features_known_of_both(from_french: dict[str, float]) -> None:
    """Worked out from the library's arrays, features one by one."""
    from urielplus.urielplus import URIELPlus

    names, data, languages, _ = URIELPlus().get_typological_arrays()
    one, other = (data[list(languages).index(code)] for code in ("fra", "jpn"))
    pairs = []
    for name, here, there in zip(names, one, other, strict=True):
        known = [[value for value in side if value != -1] for side in (here, there)]
        if name.startswith("S_") and all(known):
            pairs.append([max(side) for side in known])
    u, v = np.array(pairs).T
    cosine = float(u @ v / np.sqrt((u @ u) * (v @ v)))
    assert from_french["ja"] == pytest.approx(2 * np.arccos(cosine) / np.pi, abs=1e-4)


def test_the_library_leaves_logging_as_it_was() -> None:
    root = logging.getLogger()
    before = list(root.handlers), root.level, logging.root.manager.disable
    uriel.distances("geographic", "de", ["fr"])
    assert (list(root.handlers), root.level, logging.root.manager.disable) == before


def test_the_table_in_the_package_serves_english_as_long_as_it_has_all_languages() -> None:
    english = distances.of_kind("syntactic", {"en": ["de", "fr", "xx"]})
    assert [each.source for each in english] == ["en"]
    assert "lang2vec" in english[0].title
    more = distances.of_kind("syntactic", {"en": ["de", "sw"]})
    assert "urielplus" in more[0].title
    assert set(more[0].values) == {"de", "sw"}


def test_a_report_with_two_sources_splits_the_languages_of_each(tmp_path: Path) -> None:
    for source, targets in (("en", ("de", "fr", "tr", "ja")), ("fr", ("en", "de", "tr", "ja"))):
        for seed in (1, 2):
            for strategy, more in (("baseline", 0), ("front", 1)):
                right = {code: [5 + more * n, 6 + seed] for n, code in enumerate((source, *targets))}
                write(tmp_path / "runs", strategy, seed, right, source=source, name=f"{source}-{strategy}-s{seed}")
    made = alignfreeze("report", tmp_path / "runs", "--no-plots", "--resamples", "0", "--output", tmp_path / "report")
    assert made.exit_code == 0, made.stderr
    text = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert "enc, pos: gains by source language in points" in text
    assert "mean of 3 common targets" in text
    assert "syntactic distance from fr (URIEL, angle over features known of both; urielplus" in text
    assert "CC BY-SA 4.0" in text
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "Source languages side by side" in page
