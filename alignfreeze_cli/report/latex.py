"""The tables of a report as LaTeX, each a `table` to be included with `\\input`; needs the package booktabs."""

from __future__ import annotations

import re

from alignfreeze_cli.report import text_tables
from alignfreeze_cli.report.comparison import Report, Section
from alignfreeze_cli.report.sources import source_tables
from alignfreeze_cli.report.text_tables import MARKS, TextTable

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


def latex_escaped(text: str) -> str:
    """Text that LaTeX prints unchanged, pdfLaTeX too."""
    return "".join(_CHARACTERS.get(character, character) for character in text)


def latex_files(report: Report) -> dict[str, str]:
    """File name → LaTeX.

    `overview.tex` has the overview and the sources side by side; each section has a file of its scores, and where there
    are any, one of its other metrics (`…-other-metrics.tex`) and one of its gains (`…-gains.tex`).
    """
    overview = [latex_table(each, f"overview-{n}") for n, each in enumerate(text_tables.overview_tables(report), 1)]
    overview += [latex_table(each, f"sources-{n}", f" {MARKS}.") for n, each in enumerate(source_tables(report), 1)]
    files = {"overview.tex": "\n".join(overview)}
    for section, name in zip(report.sections, _names(report), strict=True):
        files[f"{name}.tex"] = latex_table(text_tables.scores_table(section), name)
        if others := text_tables.other_metrics(section.table):
            files[f"{name}-other-metrics.tex"] = latex_table(others, f"{name}-other-metrics")
        gains = text_tables.gains_table(section)
        if gains:
            files[f"{name}-gains.tex"] = latex_table(gains, f"{name}-gains", f" {MARKS}.")
    return files


def latex_table(table: TextTable, label: str, more: str = "") -> str:
    """One `table` environment; the blocks of the table are set apart by rules, `more` is added to its caption."""
    blocks = ["\n".join(_row(row) for row in block) for block in table.blocks]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{latex_escaped(f'{table.caption}.{more}')}}}",
            rf"\label{{tab:{label}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(table.header) - 1)}}}",
            r"\toprule",
            _row(table.header),
            r"\midrule",
            "\n\\midrule\n".join(blocks),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _names(report: Report) -> list[str]:
    """A file name without suffix for every section, each different."""
    found: list[str] = []
    for section in report.sections:
        name = _slug(section)
        while name in found:
            name += "-2"
        found.append(name)
    return found


def _slug(section: Section) -> str:
    parts = [section.table.model, section.table.task] + [section.table.source] * (section.table.source != "en")
    return re.sub(r"[^A-Za-z0-9.]+", "-", "-".join(parts)).strip("-.").replace(".", "-")[:100]


def _row(cells: tuple[str, ...]) -> str:
    first = "{}" if cells[0].startswith(("[", "*")) else ""  # after \\ these would be its arguments
    return first + " & ".join(map(latex_escaped, cells)) + r" \\"
