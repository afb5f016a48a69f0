"""The tables of a report as LaTeX, each a `table` to be included with `\\input`; needs the package booktabs."""

from __future__ import annotations

import re

from alignfreeze_cli.report import grids
from alignfreeze_cli.report.facts import Report, Section
from alignfreeze_cli.report.grids import Grid

_CHARACTERS = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "|": r"$|$",
    "<": r"$<$",
    ">": r"$>$",
    "±": r"$\pm$",
    "−": "$-$",
    "–": "--",
    "ρ": r"$\rho$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "†": r"$\dagger$",
}


def escaped(text: str) -> str:
    """Text that LaTeX prints as it stands, on pdfLaTeX too."""
    return "".join(_CHARACTERS.get(character, character) for character in text)


def tables(report: Report) -> dict[str, str]:
    """File name → LaTeX: the overview, and for each section its scores and its gains."""
    made = {"overview.tex": "\n".join(table(each, f"overview-{n}") for n, each in enumerate(grids.overview(report), 1))}
    for section, name in zip(report.sections, names(report), strict=True):
        made[f"{name}.tex"] = table(grids.scores(section), name)
        gains = grids.gains(section)
        if gains:
            made[f"{name}-gains.tex"] = table(gains, f"{name}-gains", f" {grids.MARKS}.")
    return made


def table(shown: Grid, label: str, more: str = "") -> str:
    """One `table` environment; the blocks of the grid are set apart by rules."""
    blocks = ["\n".join(_row(row) for row in block) for block in shown.blocks]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{escaped(f'{shown.caption}.{more}')}}}",
            rf"\label{{tab:{label}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(shown.header) - 1)}}}",
            r"\toprule",
            _row(shown.header),
            r"\midrule",
            "\n\\midrule\n".join(blocks),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def names(report: Report) -> list[str]:
    """A name for each section that files and labels can bear; no two alike."""
    found: list[str] = []
    for section in report.sections:
        name = _slug(section)
        while name in found:
            name += "-2"
        found.append(name)
    return found


def _slug(section: Section) -> str:
    parts = [section.table.model, section.table.task] + [section.table.source] * (section.table.source != "en")
    return re.sub(r"[^A-Za-z0-9.]+", "-", "-".join(parts)).strip("-.").replace(".", "-")


def _row(cells: tuple[str, ...]) -> str:
    return " & ".join(map(escaped, cells)) + r" \\"
