"""What is written: the CSV read back, LaTeX, Markdown."""

from __future__ import annotations

import csv
import html
import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from alignfreeze_cli.phrases import escaped as escaped_markdown
from alignfreeze_cli.phrases import escaped_line, signed
from alignfreeze_cli.report.comparison import Report
from alignfreeze_cli.report.csv_files import csv_files
from alignfreeze_cli.report.findings import p_equals, p_value
from alignfreeze_cli.report.latex import latex_escaped, latex_files
from alignfreeze_cli.report.markdown import markdown, markdown_table
from alignfreeze_cli.report.scores import FoundScores, collect, published_scores
from alignfreeze_cli.report.settings import ReportSettings
from alignfreeze_cli.report.text_tables import TextTable
from alignfreeze_cli.steps.report import compare_runs
from tests.report.runs import write


@pytest.fixture(scope="module")
def report() -> Report:
    return compare_runs(ReportSettings(published_only=True), FoundScores(published_scores()))


@pytest.fixture
def odd(tmp_path: Path) -> Report:
    """Names that Markdown and LaTeX would trip over, and a control."""
    for seed, more in ((0, 0), (1, 1)):
        right = {"en": [9, 9], "xx": [5, 5 + more], "yy": [3 + more, 3]}
        write(tmp_path, "baseline", seed, right, model="my_model|50%")
        write(tmp_path, "a&b_{c}", seed, {**right, "xx": [7, 8]}, model="my_model|50%")
        write(tmp_path, "shuffled", seed, right, model="my_model|50%", control=True)
    settings = ReportSettings(runs=(str(tmp_path),), resamples=200)
    return compare_runs(settings, collect(settings.runs))


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_scores_come_back_from_csv_to_the_last_digit(report: Report) -> None:
    found = rows(csv_files(report)["scores.csv"])
    by_place = {(r["model"], r["task"], r["strategy"], r["language"]): r for r in found}
    assert len(by_place) == len(found)
    for section in report.sections:
        for row in section.table.rows:
            for column, cell in zip(section.table.columns, row.cells, strict=True):
                assert cell is not None
                read = by_place[section.table.model, section.table.task, row.strategy, column]
                assert (float(read["mean"]), float(read["sd"])) == (cell.mean, cell.deviation)
                assert int(read["seeds"]) == 5
        for each in section.comparisons:
            for code, gain in each.gains.items():
                read = by_place[section.table.model, section.table.task, each.strategy, code]
                assert (float(read["gain"]), int(read["beyond"])) == (gain.mean, gain.beyond)
                assert float(read["p_corrected"]) == gain.p_corrected
                assert (read["low"], read["interval_p"]) == ("", "")
                assert read["half"] == ("close" if code in section.close else "distant")


def test_seeds_of_the_csv_make_its_means(report: Report) -> None:
    made = csv_files(report)
    single: dict[tuple[str, ...], list[float]] = {}
    for row in rows(made["seeds.csv"]):
        key = (row["model"], row["task"], row["strategy"], row["language"])
        single.setdefault(key, []).append(float(row["score"]))
    means = {(r["model"], r["task"], r["strategy"], r["language"]): r for r in rows(made["scores.csv"])}
    for key, values in single.items():
        assert sum(values) / len(values) == pytest.approx(float(means[key]["mean"]))
    assert len(rows(made["seeds.csv"])) == sum(len(section.scores) for section in report.sections)


def test_the_summary_counts_languages(report: Report) -> None:
    found = rows(csv_files(report)["summary.csv"])
    (front,) = (r for r in found if (r["model"], r["task"], r["strategy"]) == ("xlm-roberta-base", "pos", "front"))
    assert (front["improved"], front["degraded"], front["languages_degraded"]) == ("12", "0", "")
    assert len(front["languages_improved"].split()) == 12
    assert float(front["gain"]) == pytest.approx(0.788, abs=0.001)


def test_bootstrap_columns_are_filled_where_there_are_predictions(odd: Report) -> None:
    found = rows(csv_files(odd)["scores.csv"])
    (row,) = (r for r in found if (r["strategy"], r["language"]) == ("a&b_{c}", "xx"))
    assert float(row["low"]) <= float(row["gain"]) <= float(row["high"])
    assert float(row["seeds_low"]) < float(row["gain"]) < float(row["seeds_high"])
    assert 0 < float(row["interval_p"]) <= float(row["interval_p_corrected"]) <= 1
    assert {r["control"] for r in found if r["strategy"] == "shuffled"} == {"1"}
    assert {r["scope"] for r in found} == {"source", "target", "mean"}


def test_latex_is_escaped_and_balanced(odd: Report) -> None:
    made = latex_files(odd)
    assert sorted(made) == ["my-model-50-pos-gains.tex", "my-model-50-pos.tex", "overview.tex"]
    text = made["my-model-50-pos.tex"]
    assert r"a\&b\_\{c\}" in text
    assert r"my\_model$|$50\%" in text
    for name, content in made.items():
        assert content.count(r"\begin{") == content.count(r"\end{")
        assert content.isascii(), name
        for inside in re.findall(r"\\begin\{tabular\}\{(l+r*)\}(.*?)\\end\{tabular\}", content, re.DOTALL):
            columns, body = inside
            lines = [line for line in body.splitlines() if line and not line.startswith("\\")]
            assert {len(re.findall(r"(?<!\\)&", line)) for line in lines} == {len(columns) - 1}
            assert all(line.endswith(r" \\") for line in lines)
        assert [content.count(rule) for rule in (r"\toprule", r"\bottomrule")] == [content.count(r"\begin{table}")] * 2
        assert content.count(r"\label{") == content.count(r"\begin{table}")


def test_published_tables_are_ascii_latex(report: Report) -> None:
    assert all(text.isascii() for text in latex_files(report).values())
    assert "81.69 $\\pm$ 0.14 ($+$0.79)" not in latex_files(report)["overview.tex"]  # a plus needs no mathematics
    assert r"81.69 $\pm$ 0.14 (+0.79)" in latex_files(report)["overview.tex"]
    assert r"58.12 $\pm$" in latex_files(report)["bert-base-multilingual-cased-pos.tex"]


@given(st.text("\\&%$#_{}~^<>|ab −±–", max_size=30))
def test_escaping_leaves_nothing_that_latex_would_read(text: str) -> None:
    made = latex_escaped(text)
    bare = re.sub(r"\\text(backslash|asciitilde|asciicircum)\{\}|\\[&%$#_{}]|\$(?:<|>|\||\\pm|-)\$", "", made)
    assert not set(bare) & set("\\&%$#_{}~^<>|±−–")


def test_markdown_tables_are_whole(odd: Report, report: Report) -> None:
    for made in (odd, report):
        text = markdown(made)
        for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1
        for section in made.sections:
            assert f"\n## {escaped_markdown(section.name)}" in text


ODD_NAMES = (
    "a|b", "`rm`", "[x](http://y)", "<img src=x>", "_a_", "*b*", "# c", "1. d", "> e", "- f", "=g", "+h", "&lt;",
    "~~i~~", "a\\", "a\\|b", "www.x.org", "$x$", "snake_case", "![j](k)", "<!-- l -->", "===", "@SUM(1)", "c #", "-2+3",
    "a * b*",
)  # fmt: skip


def as_html(text: str) -> str:
    return str(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text))


@pytest.mark.parametrize("name", ODD_NAMES)
def test_markdown_shows_a_name_as_it_is(name: str) -> None:
    """In a paragraph, an item, a heading, a cell: no markup of Markdown or HTML, and the same letters."""
    shown = html.escape(name, quote=False).replace('"', "&quot;")
    assert as_html(escaped_line(name)) == f"<p>{shown}</p>\n"
    assert as_html(f"- {escaped_line(name)}\n") == f"<ul>\n<li>{shown}</li>\n</ul>\n"
    assert as_html(f"## {escaped_line(name)}\n") == f"<h2>{shown}</h2>\n"
    cells = as_html(markdown_table(TextTable("", ("", name), (((name, "1"), ("", name)),))))
    assert cells.count(f">{shown}</th>") + cells.count(f">{shown}</td>") == 3


@given(st.text("\\`*_[]()<>|#!&;~$-+=.:/ab1 w", min_size=1, max_size=30))
def test_nothing_is_left_that_markdown_would_read(text: str) -> None:
    shown = html.escape(" ".join(text.split()), quote=False)
    assert " ".join(as_html(escaped_line(text)).split()) == (f"<p>{shown}</p>" if shown else "<p></p>") or not shown


@pytest.fixture
def foreign(tmp_path: Path) -> Report:
    """Strategies, a model and a language named to be read as something else."""
    for seed in (0, 1):
        right = {"en": [9, 9], "=1+1": [5, 5 + seed], "@x": [3 + seed, 3]}
        write(tmp_path, "baseline", seed, right, model="=cmd|'/c calc'!A0", name=f"b{seed}")
        for number, strategy in enumerate(("-2+3", "+1", "[a](b)", "<b>c</b>", "*d")):
            worse = {**right, "@x": [2, 1]}
            write(tmp_path, strategy, seed, worse, model="=cmd|'/c calc'!A0", name=f"r{number}-{seed}")
    settings = ReportSettings(runs=(str(tmp_path),), resamples=0)
    return compare_runs(settings, collect(settings.runs))


def test_no_cell_of_the_csv_is_a_formula_and_numbers_stay_numbers(foreign: Report) -> None:
    numbers = 0
    for text in csv_files(foreign).values():
        for row in rows(text):
            for key, cell in row.items():
                if key in ("model", "strategy", "language", "languages_improved", "languages_degraded"):
                    assert not cell.startswith(("=", "+", "-", "@"))
                elif cell.startswith("-"):
                    numbers += 1
                    float(cell)
        assert "'=cmd|'/c calc'!A0" in text
    assert numbers


def test_the_markdown_of_foreign_runs_has_only_our_markup(foreign: Report) -> None:
    html_text = as_html(markdown(foreign))
    assert "<a " not in html_text
    assert "<b>" not in html_text
    assert "<em>" not in html_text
    assert "<th>&lt;b&gt;c&lt;/b&gt;</th>" in re.sub(r' style="[^"]*"', "", html_text)


def test_a_row_of_latex_does_not_begin_with_an_argument_of_the_one_before(foreign: Report) -> None:
    lines = [line for text in latex_files(foreign).values() for line in text.splitlines() if line.endswith(r"\\")]
    assert any(line.startswith("{}[a](b)") for line in lines)
    assert any(line.startswith("{}*d") for line in lines)
    assert not any(line.startswith(("[", "*")) for line in lines)


def test_equal_names_get_different_files(tmp_path: Path) -> None:
    for model in ("a_b", "a-b"):
        write(tmp_path, "baseline", 0, {"en": [9], "xx": [5]}, model=model)
    settings = ReportSettings(runs=(str(tmp_path),))
    made = latex_files(compare_runs(settings, collect(settings.runs)))
    assert sorted(made) == ["a-b-pos-2.tex", "a-b-pos.tex", "overview.tex"]


def test_numbers_have_their_sign_and_zero_has_none() -> None:
    assert [signed(value, 2) for value in (1.234, -1.236, 0.004, -0.004)] == ["+1.23", "−1.24", "0.00", "0.00"]
    assert [p_value(p) for p in (None, 0.0001, 0.0416, 1.0)] == ["–", "< 0.001", "0.042", "1.000"]
    assert [p_equals(p) for p in (0.0001, 0.0416)] == ["p < 0.001", "p = 0.042"]
