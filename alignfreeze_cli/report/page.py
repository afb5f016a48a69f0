"""The report as one HTML page that needs nothing else: no network, plots inside, light and dark.

The template escapes every text. The plots are the only markup that is let through; `inline_svg` takes them apart and
puts them together again. The page's own script sorts, folds and searches the tables; browsers run it by its digest in
the page's policy, and no other.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from xml.etree import ElementTree

import jinja2
from markupsafe import Markup

import alignfreeze_cli
from alignfreeze_cli.phrases import signed
from alignfreeze_cli.published import language_names
from alignfreeze_cli.report import findings, style
from alignfreeze_cli.report.comparison import Comparison, Report, Section
from alignfreeze_cli.report.plots import Plot
from alignfreeze_cli.report.score_table import MEAN, Cell, Row
from alignfreeze_cli.report.sources import source_tables
from alignfreeze_cli.report.text_tables import other_metrics

_LIGHT = {
    "ink": style.INK,
    "muted": style.MUTED,
    "grid": style.GRID,
    "band": style.BAND,
    "paper": style.PAPER,
    "blue": style.BLUE,
}
"""The colours of plots that differ on a dark screen, by their names in the page's style sheet, `--plot-<name>`."""
_DARK = {
    "ink": "#e6edf3",
    "muted": "#9aa4af",
    "grid": "#3a424c",
    "band": "#1c222a",
    "paper": "#12161b",
    "blue": "#4aa8e0",
}
_SVG, _LINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_REFERENCE = re.compile(r"url\(#([^)]+)\)")


@dataclass(frozen=True)
class OursAndPublished:
    """One strategy's mean of targets and gain, here and in the published runs."""

    strategy: str
    ours: Cell | None
    published: Cell | None
    gain: Comparison | None
    published_gain: Comparison | None


def page(report: Report, plots: Sequence[Plot]) -> str:
    """The whole page as text; the same report and plots give the same text."""
    script = (resources.files("alignfreeze_cli.report") / "templates" / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        _environment()
        .get_template("page.html")
        .render(
            report=report,
            plots=plots,
            names=language_names(),
            source_tables=source_tables(report),
            light=_LIGHT,
            dark=_DARK,
            version=alignfreeze_cli.__version__,
            script=Markup(script),
            script_hash=f"sha256-{digest}",
        )
    )


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("alignfreeze_cli.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        MEAN=MEAN,
        findings=findings,
        signed=signed,
        inline_plot=_inline_plot,
        share=_share,
        best=_best,
        language_groups=_language_groups,
        ours_and_published=_ours_and_published,
        strategies=_strategies,
        overview_cell=_overview_cell,
        other_metrics=other_metrics,
    )
    return environment


def _strategies(sections: Sequence[Section]) -> list[tuple[str, bool]]:
    """All strategies of a model's sections with whether they are controls, controls last."""
    found = dict.fromkeys((row.strategy, row.control) for section in sections for row in section.table.rows)
    return sorted(found, key=lambda each: each[1])


def _overview_cell(section: Section, strategy: str) -> Cell | None:
    """The mean of targets, or the score in the source language where there are no targets."""
    return section.cell(strategy, MEAN if section.targets else section.table.source)


def _best(section: Section, column: str) -> Row | None:
    """The strategy with the highest mean in a column, controls left out; None if there is only one."""
    means = [
        (cell.mean, row)
        for row in section.table.rows
        if not row.control and (cell := section.cell(row.strategy, column)) is not None
    ]
    return max(means, key=lambda each: each[0])[1] if len(means) > 1 else None


def _language_groups(section: Section) -> list[tuple[str, list[str]]]:
    """The targets by growing distance, in groups with headings: close, distant, unknown."""
    ordered = section.targets_by_distance
    if not section.close:
        return [("", ordered)]
    known = {*section.close, *section.distant}
    groups = [
        ("close", [code for code in ordered if code in section.close]),
        ("distant", [code for code in ordered if code in section.distant]),
        ("distance unknown", [code for code in ordered if code not in known]),
    ]
    return [(title, codes) for title, codes in groups if codes]


def _ours_and_published(section: Section) -> list[OursAndPublished]:
    """Every strategy that was both run here and published."""
    other = section.published
    if other is None:
        return []
    return [
        OursAndPublished(
            row.strategy,
            section.cell(row.strategy, MEAN),
            other.cell(name, MEAN),
            section.comparison(row.strategy),
            other.comparison(name),
        )
        for row in section.table.rows
        if (name := section.published_as(row.strategy)) is not None
    ]


def _share(plot: Plot) -> float:
    """The plot's width as a share of that of the widest."""
    return plot.width / style.WIDTH


def _inline_plot(plot: Plot) -> Markup:
    return Markup(inline_svg(plot.svg, plot.name, plot.alt, _share(plot)))


def inline_svg(svg: str, name: str, alt: str, share: float = 1.0) -> str:
    """A plot's `<svg>` element as part of the page: no style sheet, no metadata, colours that follow the page.

    Every id begins with `name`, so that the plots' ids do not clash; `alt` is what a screen reader says. `share` is the
    plot's width as a share of that of the widest.
    """
    root = ElementTree.fromstring(svg)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.removeprefix(f"{{{_SVG}}}")
        for key, value in list(element.attrib.items()):
            del element.attrib[key]
            element.set("href" if key == f"{{{_LINK}}}href" else key, _attribute(key, value, name))
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.set("style", f"--share: {share:.3g}")
    root.set("role", "img")
    root.set("aria-label", alt)
    root.set("stroke-linejoin", "round")
    return ElementTree.tostring(root, encoding="unicode")


def _attribute(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    if key.endswith("href"):
        return f"#{name}-{value.removeprefix('#')}"
    value = _REFERENCE.sub(rf"url(#{name}-\1)", value)
    if key == "style":
        for variable, colour in _LIGHT.items():
            value = value.replace(colour, f"var(--plot-{variable})")
    return value
