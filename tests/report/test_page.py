"""The page of a report: one file, whole in itself, readable by everybody, and harmless whatever things are called."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import itertools
import os
import re
import shutil
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from alignfreeze_cli.report.findings import headline
from alignfreeze_cli.report.page import page
from alignfreeze_cli.report.plots import draw
from tests.report.samples import HEADLINE, published_report, report, score_rows, small_report

if TYPE_CHECKING:
    from playwright.sync_api import Page

EVIL = "<script>alert('x')</script>"
VOID = {"meta", "link", "br", "hr", "img", "input"}


class Reader(HTMLParser):
    """Tags, ids, headings and table parts in order, and whether every tag is closed in turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.text.append(data)

    def said(self) -> str:
        return " ".join(" ".join(self.text).split())


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    report = small_report(tasks=("pos", "ner"), full=EVIL)
    own = report.sections[0]
    report = dataclasses.replace(report, sections=(dataclasses.replace(own, published=own), report.sections[1]))
    return page(report, draw(report, tmp_path_factory.mktemp("small")))


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> str:
    report = published_report(tasks=("pos",))
    return page(report, draw(report, tmp_path_factory.mktemp("published")))


@pytest.mark.parametrize("which", ["small", "published"])
def test_ids_tables_headings_and_references(which: str, request: pytest.FixtureRequest) -> None:
    read = Reader(request.getfixturevalue(which))
    assert not read.open
    ids = Counter(attributes["id"] for _, attributes in read.tags if "id" in attributes)
    assert ids
    assert max(ids.values()) == 1
    tags = [tag for tag, _ in read.tags]
    assert tags.count("table") == tags.count("caption") == tags.count("thead") > 0
    assert not {"iframe", "object", "img"} & set(tags)
    levels = [int(tag[1]) for tag in tags if tag in ("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    for tag, attributes in read.tags:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("href", "src", "xlink:href"):
            target = attributes.get(name)
            assert target is None or target == "data:," or (target.startswith("#") and target[1:] in ids), target
        if tag == "svg":
            assert attributes["role"] == "img"
            assert attributes["aria-label"]
        if tag == "th":
            assert attributes["scope"]


def test_names_are_text(small: str) -> None:
    assert small.count("<script") == 1
    assert EVIL in Reader(small).said()


def test_the_only_script_is_the_one_that_the_policy_names(small: str) -> None:
    scripts = re.findall(r"<script>(.*?)</script>", small, re.DOTALL)
    (allowed,) = re.findall(r"script-src '(.*?)';", small)
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert [allowed] == [f"sha256-{digest}"] * len(scripts)
    assert "default-src 'none'" in small


def test_numbers_that_the_published_runs_are_known_for(published: str) -> None:
    said = Reader(published).said()
    for number in ("80.90", "81.35", "81.69", "80.94"):
        assert number in said
    assert HEADLINE in said
    assert "of 34 languages 12 improved, none degraded by more than one standard deviation" in said
    assert "81.69 ± 0.15 ★ highest" in said


def test_controls_are_named_and_never_best(small: str) -> None:
    said = Reader(small).said()
    assert "true-links (control)" in said
    for line in small.splitlines():
        if "★</span>" in line or "★<span" in line:
            assert 'class="control"><b>' not in line


def test_published_stand_beside_ours(small: str) -> None:
    read = Reader(small).said()
    assert read.count("compared with the published runs") == 1
    assert "gain published" in read


def test_nothing_significant_is_said() -> None:
    report = published_report(tasks=("pos",), languages=3)
    (section,) = report.sections
    unsure = tuple(
        dataclasses.replace(
            each, gains={name: dataclasses.replace(gain, p_corrected=0.05) for name, gain in each.gains.items()}
        )
        for each in section.comparisons
    )
    report = dataclasses.replace(report, sections=(dataclasses.replace(section, comparisons=unsure),))
    said = "After correction no strategy differs significantly from it in any single language."
    assert said in Reader(page(report, [])).said()
    assert said not in Reader(page(published_report(tasks=("pos",)), [])).said()


def test_the_largest_mean_gain_is_no_finding_if_it_is_not_significant() -> None:
    (section,) = published_report(tasks=("pos",)).sections
    front = section.comparison("front")
    assert front
    assert headline(section) == HEADLINE
    unsure = dataclasses.replace(front, average=dataclasses.replace(front.average, p=0.05))
    alone = dataclasses.replace(section, comparisons=(unsure,))
    assert "+0.79 ± 0.25 points (p = 0.050 over seeds, not significant)" in headline(alone)


def test_a_report_without_comparisons_or_notes_has_a_page() -> None:
    report = small_report(tasks=("pos",), seeds=1)
    section = dataclasses.replace(report.sections[0], baseline=None, comparisons=(), distances={}, close=(), distant=())
    bare = dataclasses.replace(report, sections=(section,), notes=())
    text = page(bare, [])
    assert text == page(bare, [])
    read = Reader(text)
    assert not read.open
    assert "There is no run of the baseline" in read.said()


@pytest.mark.slow
def test_a_browser_shows_it_without_errors_requests_or_overflow(small: str, published: str, tmp_path: Path) -> None:
    browsers = filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
    executable = next(browsers, None)
    if executable is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium here; install the package chromium")
        pytest.skip("no Chromium here")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        for name, text in (("small", small), ("published", published)):
            path = tmp_path / f"{name}.html"
            path.write_text(text, encoding="utf-8")
            for scheme in ("light", "dark"):
                for width in (390, 1280):
                    context = browser.new_context(
                        viewport={"width": width, "height": 900},
                        color_scheme=scheme,  # type: ignore[arg-type]
                    )
                    shown = context.new_page()
                    said: list[str] = []
                    asked: list[str] = []
                    shown.on("console", lambda message, said=said: said.append(f"{message.type}: {message.text}"))
                    shown.on("pageerror", lambda error, said=said: said.append(f"error: {error}"))
                    shown.on("request", lambda request, asked=asked: asked.append(request.url))
                    shown.on("dialog", lambda dialog, said=said: said.append(f"dialog: {dialog.message}"))
                    shown.goto(path.as_uri())
                    where = f"{name}, {scheme}, {width}"
                    assert said == [], where
                    assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()], where
                    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
                    assert shown.evaluate(overflow) <= 0, where
                    sizes = shown.evaluate(
                        "[...document.querySelectorAll('figure svg')].map(e => e.getBoundingClientRect())"
                        ".map(r => [r.width, r.height])"
                    )
                    assert len(sizes) >= 3, where
                    assert all(wide > 200 and high > 100 for wide, high in sizes), where
                    ground, ink = shown.evaluate(
                        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
                    )
                    assert (sum(map(int, ground[4:-1].split(","))) < 200) == (scheme == "dark"), where
                    assert ground != ink
                    hints = shown.locator(".hint:visible").count()
                    assert (hints > 0) == (width == 390), where
                    if (name, scheme) == ("published", "light"):
                        use_tables(shown)
                        assert said == [], where
                    context.close()
            reader = browser.new_context(java_script_enabled=False)
            shown = reader.new_page()
            shown.goto(path.as_uri())
            assert shown.locator("tr[data-name]:visible").count() == shown.locator("tr[data-name]").count() > 0
            assert not shown.get_by_role("searchbox").is_visible()
            reader.close()
        fold_strategies(browser.new_page())
        browser.close()


def use_tables(page: Page) -> None:
    """Fold, sort by clicks and by keys, and search, in the page of XLM-R's published runs of pos."""

    def languages(table: str) -> list[str]:
        rows = page.get_by_role("group", name=table).locator("tr[data-name]:visible")
        return [str(name).split()[0] for name in rows.evaluate_all("rows => rows.map(row => row.dataset.name)")]

    scores, gains = (f"xlm-roberta-base, pos, {kind}, table" for kind in ("scores", "gains"))
    report = published_report(tasks=("pos",)).sections[0]
    front, near = report.comparison("front"), report.targets_by_distance
    assert front
    assert languages(scores) == languages(gains) == near[:10]
    page.get_by_role("button", name="Show all 34 languages").nth(1).click()
    assert (languages(scores), languages(gains)) == (near[:10], near)
    assert printed(page, scores) == ["close", *near[:17], "distant", *near[17:]], "folded on the screen alone"

    by_gain = sorted(near, key=lambda code: -front.gains[code].mean)
    head = page.get_by_role("group", name=gains).get_by_role("columnheader", name="front", exact=True)
    head.get_by_role("button").click()
    assert (head.get_attribute("aria-sort"), languages(gains)) == ("descending", by_gain)
    assert printed(page, gains) == by_gain, "no heading over rows that are not its own"
    assert not page.get_by_role("group", name=gains).get_by_text("distant", exact=True).is_visible()
    page.keyboard.press("Enter")
    assert (head.get_attribute("aria-sort"), languages(gains)) == ("ascending", by_gain[::-1])
    page.keyboard.press("Space")
    assert (head.get_attribute("aria-sort"), languages(gains)) == (None, near)
    page.get_by_role("group", name=scores).get_by_role("button", name="language").press("Enter")
    assert languages(scores) == sorted(near)[:10]

    search = page.get_by_role("searchbox", name="Find a language")
    searches = (("FINN", ["fi"], "1 language"), ("zz", [], "0 languages"), ("", sorted(near)[:10], ""))
    for typed, matching, said in searches:
        search.fill(typed)
        assert (languages(scores), page.locator("#found").inner_text()) == (matching, said)
    tasks, gains_plot = (page.locator(f"svg[aria-label^='{start}']").first for start in ("pos:", "front has"))
    narrow, wide = (each.bounding_box() for each in (tasks, gains_plot))
    assert narrow
    assert wide
    assert narrow["width"] == pytest.approx(wide["width"] / 2, rel=0.02)  # one task: half as wide, equal lettering


def fold_strategies(shown: Page) -> None:
    """The overview's button says what its rows are."""
    names = ["baseline", *(f"plan-{n}" for n in range(13))]
    scores = [score_rows("enc", name, 0, False, "pos", "accuracy", "en", {"en": 0.9, "xx": 0.5}) for name in names]
    shown.set_content(page(report(list(itertools.chain(*scores)), {}), []))
    rows = shown.get_by_role("group", name="enc, all tasks, table").locator("tr[data-name]:visible")
    assert rows.count() == 10
    shown.get_by_role("button", name="Show all 14 strategies", exact=True).click()
    assert rows.count() == 14
    assert shown.get_by_role("button", name="Show only 10 strategies", exact=True).is_visible()


def printed(page: Page, table: str) -> list[str]:
    """Languages and headings of a table in print, from top to bottom."""
    page.emulate_media(media="print")
    rows = page.get_by_role("group", name=table).locator("tr[data-name]:visible, tr:has(th.part):visible")
    found = rows.evaluate_all("rows => rows.map(row => row.dataset.name ?? row.innerText)")
    page.emulate_media(media="screen")
    return [str(name).split()[0].lower() for name in found]
