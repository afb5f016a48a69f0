"""The tables of a report as text, made once for Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from alignfreeze_cli.phrases import signed
from alignfreeze_cli.report.comparison import Comparison, Gain, Report, Section
from alignfreeze_cli.report.findings import LEVEL, p_value
from alignfreeze_cli.report.score_table import MEAN, Cell, Row, ScoreTable

NONE = "–"
MARKS = (
    "↑ improved, ↓ degraded by more than one standard deviation; * p < 0.05 in the t-test over seeds, † in the "
    "bootstrap over examples; at single target languages both are corrected for their number"
)

Line = tuple[str, ...]


@dataclass(frozen=True)
class TextTable:
    """`blocks` are groups of rows, which LaTeX sets apart by a rule."""

    caption: str
    header: Line
    blocks: tuple[tuple[Line, ...], ...]

    @property
    def rows(self) -> tuple[Line, ...]:
        return tuple(row for block in self.blocks for row in block)


@dataclass(frozen=True)
class _Column:
    """A strategy as the head of a column: ours, or the published one next to it."""

    title: str
    section: Section
    strategy: str

    def score(self, language: str) -> str:
        return score(self.section.cell(self.strategy, language))

    @property
    def comparison(self) -> Comparison | None:
        return self.section.comparison(self.strategy)


def by_strategy(table: ScoreTable) -> TextTable:
    """Strategies down, languages across, controls below the others: the table that `alignfreeze run` prints."""
    header = ("strategy", *(f"{name} (source)" if name == table.source else name for name in table.columns))
    rows = [(_title(row, table), *(score(cell, 1) for cell in row.cells)) for row in table.rows]
    first_control = sum(not row.control for row in table.rows)
    if first_control < len(rows):
        rows.insert(first_control, ("controls:", *[""] * len(table.columns)))
    return TextTable(table.caption, header, (tuple(rows),))


def other_metrics(table: ScoreTable) -> TextTable | None:
    """Strategies down, across the further metrics in source language and mean of targets; None without any.

    A mean over fewer seeds than the strategy has says over how many: some may have been scored by the main one alone.
    """
    if not table.others:
        return None
    columns = [
        (
            f"{each.metric}, {column}{' (source)' if column == each.source else ''}",
            {row.strategy: row.cells[n] for row in each.rows},
        )
        for each in table.narrow().others
        for n, column in enumerate(each.columns)
    ]
    lines = tuple(
        (_title(row, table), *(_of_seeds(cells.get(row.strategy), row.seeds) for _, cells in columns))
        for row in table.rows
    )
    return TextTable(table.captioned("other metrics"), ("strategy", *(title for title, _ in columns)), (lines,))


def overview_tables(report: Report) -> list[TextTable]:
    """One table per model: strategies down, tasks across, the mean of targets in each."""
    tables = []
    for model, numbered in report.models.items():
        sections = [section for _, section in numbered]
        # A model may be fine-tuned in several languages: then the task alone does not name a column.
        several = len({section.table.task for section in sections}) < len(sections)
        heads = [
            f"{each.table.task} ({each.table.metric}{f', from {each.table.source}' if several else ''})"
            for each in sections
        ]
        names = dict.fromkeys((row.strategy, row.control) for each in sections for row in each.table.rows)
        blocks = [
            tuple(
                line
                for name, is_control in names
                if is_control is control
                for line in _overview_lines(name, control, sections, report.of_published)
            )
            for control in (False, True)
        ]
        which = "population standard deviation (ddof 0, as in the paper's tables)"
        spread = which if report.of_published else "sample standard deviation"
        caption = f"{model}: mean of targets in percent, mean over seeds ± {spread}; in brackets the gain"
        tables.append(TextTable(caption, ("strategy", *heads), tuple(block for block in blocks if block)))
    return tables


def _overview_lines(name: str, control: bool, sections: Sequence[Section], population: bool) -> list[Line]:
    """A strategy's line of the overview, and that of the published runs if there are any."""
    lines = [(f"{name} (control)" if control else name, *(_mean(each, name, population) for each in sections))]
    published = [(each.published, each.published_as(name)) for each in sections]
    if any(theirs for _, theirs in published):
        means = [_mean(section, theirs, False) if section and theirs else NONE for section, theirs in published]
        lines.append((f"{name}, published", *means))
    return lines


def _mean(section: Section, strategy: str, population: bool) -> str:
    cell = section.cell(strategy, MEAN)
    if cell is None:
        return NONE
    deviation = cell.population if population else cell.deviation
    compared = section.comparison(strategy)
    return _plus_minus(f"{cell.mean:.2f}", deviation) + (f" ({signed(compared.average.mean, 2)})" if compared else "")


def scores_table(section: Section) -> TextTable:
    """Languages down, strategies across; the published ones next to ours."""
    columns = _columns(section)
    source = section.table.source

    def line(language: str, first: Line) -> Line:
        return (*first, *(column.score(language) for column in columns))

    blocks = (
        (line(source, _first_cells(section, f"{source} (source)")),) if source in section.table.columns else (),
        tuple(line(code, _language_cells(section, code)) for code in section.targets),
        (line(MEAN, _first_cells(section, MEAN)),) if section.targets else (),
    )
    header = (*_first_header(section), *(column.title for column in columns))
    return TextTable(section.table.caption, header, tuple(block for block in blocks if block))


def gains_table(section: Section) -> TextTable | None:
    """Languages down, strategies across, gains in points; below, means, tests and counts over all languages."""
    compared = [(column.title, column.comparison) for column in _columns(section) if column.comparison]
    if not compared:
        return None

    def line(title: str, text_of: Callable[[Comparison], str]) -> Line:
        return (*_first_cells(section, title), *(text_of(each) for _, each in compared if each))

    languages = [
        (*_language_cells(section, code), *(gain(each.gains.get(code)) for _, each in compared if each))
        for code in section.targets
    ]
    means = [
        line(f"{section.table.source} (source)", lambda each: gain(each.source)),
        line(MEAN, lambda each: gain(each.average)),
    ]
    if section.close:
        means += [
            line(f"close ({len(section.close)})", lambda each: gain(each.close)),
            line(f"distant ({len(section.distant)})", lambda each: gain(each.distant)),
        ]
    tests = [
        line("p, t-test over seeds", lambda each: p_value(each.average.p)),
        line("95 % interval over seeds", lambda each: interval(each.average.seeds_interval)),
    ]
    if any(each.average.interval for _, each in compared if each):
        tests += [
            line("95 % interval over test examples", lambda each: interval(each.average.interval)),
            line("p, bootstrap over test examples", lambda each: p_value(each.average.interval_p)),
        ]
    tests += [
        line("languages improved", lambda each: str(len(each.improved))),
        line("languages degraded", lambda each: str(len(each.degraded))),
    ]
    if any(each.correlation for _, each in compared if each):
        tests.append(line("ρ of distance and gain (p)", correlation))
    caption = f"{section.name}: gains over {section.baseline} in points, mean ± sample standard deviation over seeds"
    header = (*_first_header(section), *(title for title, _ in compared))
    return TextTable(caption, header, (tuple(languages), tuple(means), tuple(tests)))


def changes(section: Section) -> list[tuple[str, str]]:
    """Which languages each strategy improved and degraded, as (strategy, text)."""
    found = []
    for column in _columns(section):
        each = column.comparison
        if each:
            parts = [
                f"{what} {len(codes)}" + (f" ({', '.join(codes)})" if codes else "")
                for what, codes in (("improved", each.improved), ("degraded", each.degraded))
            ]
            found.append((column.title, ", ".join(parts)))
    return found


def contrasts(section: Section) -> TextTable | None:
    """Languages that one strategy improves and another does not, each pair both ways; controls are left out."""
    compared = [each for each in section.comparisons if not each.control]
    if len(compared) < 2:
        return None

    def cell(first: Comparison, second: Comparison) -> str:
        if first is second:
            return NONE
        codes = [code for code in first.improved if code not in second.improved]
        return str(len(codes)) + (f": {' '.join(codes)}" if codes and len(compared) <= 4 else "")

    rows = tuple((first.strategy, *(cell(first, second) for second in compared)) for first in compared)
    caption = f"{section.name}: languages improved by the strategy at the left and not by the one above"
    return TextTable(caption, ("improved by", *(f"not by {each.strategy}" for each in compared)), (rows,))


def score(cell: Cell | None, places: int = 2) -> str:
    return NONE if cell is None else _plus_minus(f"{cell.mean:.{places}f}", cell.deviation, places)


def _of_seeds(cell: Cell | None, seeds: int) -> str:
    """A score, and the number of its seeds where it lacks some."""
    text = score(cell, 1)
    return text if cell is None or cell.seeds == seeds else f"{text} ({cell.seeds} of {seeds} seeds)"


def gain(found: Gain | None) -> str:
    """Mean, deviation and marks; the tests of a single language are the corrected ones."""
    if found is None:
        return NONE
    by_seeds = found.p if found.p_corrected is None else found.p_corrected
    by_examples = found.interval_p if found.interval_p_corrected is None else found.interval_p_corrected
    marks = [
        {1: "↑", -1: "↓"}.get(found.beyond, ""),
        "*" if by_seeds is not None and by_seeds < LEVEL else "",
        "†" if by_examples is not None and by_examples < LEVEL else "",
    ]
    return f"{_plus_minus(signed(found.mean, 2), found.deviation)} {''.join(marks)}".rstrip()


def interval(ends: tuple[float, float] | None) -> str:
    return NONE if ends is None else " to ".join(signed(end, 2) for end in ends)


def _plus_minus(mean: str, deviation: float | None, places: int = 2) -> str:
    return mean if deviation is None else f"{mean} ± {deviation:.{places}f}"


def correlation(each: Comparison) -> str:
    """Of distance and gain, with its p in brackets."""
    found = each.correlation
    return f"{signed(found.rho, 2)} ({p_value(found.p)})" if found else NONE


def _columns(section: Section) -> list[_Column]:
    columns = []
    for row in section.table.rows:
        columns.append(_Column(_title(row, section.table, "control" if row.control else ""), section, row.strategy))
        name = section.published_as(row.strategy)
        if section.published and name:
            columns.append(_Column(f"{row.strategy}, published", section.published, name))
    return columns


def _title(row: Row, table: ScoreTable, remark: str = "") -> str:
    missing_seeds = f"{row.seeds} of {table.seeds} seeds" if row.seeds < table.seeds else ""
    remarks = ", ".join(filter(None, [remark, missing_seeds]))
    return f"{row.strategy} ({remarks})" if remarks else row.strategy


def _first_header(section: Section) -> Line:
    return ("language", "distance") if section.distances else ("language",)


def _first_cells(section: Section, title: str, distance: str = "") -> Line:
    return (title, distance) if section.distances else (title,)


def _language_cells(section: Section, code: str) -> Line:
    return _first_cells(section, code, f"{section.distances[code]:.3f}" if code in section.distances else NONE)
