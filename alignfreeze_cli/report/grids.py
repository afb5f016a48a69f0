"""The tables of a report as grids of text, made once for Markdown and LaTeX: what stands where, and how."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from alignfreeze_cli.report.facts import Comparison, Gain, Report, Section
from alignfreeze_cli.report.published import published_name
from alignfreeze_cli.report.table import MEAN, Cell, Row
from alignfreeze_cli.report.words import LEVEL
from alignfreeze_cli.report.words import number as signed

NONE = "–"
MARKS = (
    "↑ improved, ↓ degraded by more than one standard deviation; * p < 0.05 in the t-test over seeds, † in the "
    "bootstrap over examples; at single target languages both are corrected for their number"
)

Line = tuple[str, ...]


@dataclass(frozen=True)
class Grid:
    """A table: `blocks` are groups of rows, which a form may set apart from each other."""

    caption: str
    header: Line
    blocks: tuple[tuple[Line, ...], ...]

    @property
    def rows(self) -> tuple[Line, ...]:
        return tuple(row for block in self.blocks for row in block)


@dataclass(frozen=True)
class _Column:
    """A strategy as it heads a column: ours, or the published one beside it."""

    title: str
    section: Section
    strategy: str

    def cell(self, language: str) -> str:
        return score(self.section.cell(self.strategy, language))

    @property
    def comparison(self) -> Comparison | None:
        return self.section.comparison(self.strategy)


def overview(report: Report) -> list[Grid]:
    """One grid per model: strategies down, tasks across, the mean of targets in each."""
    grids = []
    for model in dict.fromkeys(section.table.model for section in report.sections):
        sections = [section for section in report.sections if section.table.model == model]
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
                for line in _strategy(name, control, sections, report.of_published)
            )
            for control in (False, True)
        ]
        which = "population standard deviation (ddof 0, as in the paper's tables)"
        spread = which if report.of_published else "sample standard deviation"
        caption = f"{model}: mean of targets in percent, mean over seeds ± {spread}; in brackets the gain"
        grids.append(Grid(caption, ("strategy", *heads), tuple(block for block in blocks if block)))
    return grids


def _strategy(name: str, control: bool, sections: Sequence[Section], population: bool) -> list[Line]:
    """A strategy's line of the overview, and that of the published runs if there are any."""
    lines = [(f"{name} (control)" if control else name, *(_mean(each, name, population) for each in sections))]
    if any(like(each.published, name) for each in sections):
        lines.append((f"{name}, published", *(_published(each, name) for each in sections)))
    return lines


def scores(section: Section) -> Grid:
    """Languages down, strategies across; the published ones beside ours."""
    columns = _columns(section)
    lead = _lead(section)
    source = section.table.source
    means = [(MEAN, *([""] * (len(lead) - 1)), *(column.cell(MEAN) for column in columns))] if section.targets else []
    blocks = (
        ((f"{source} (source)", *([""] * (len(lead) - 1)), *(column.cell(source) for column in columns)),)
        if source in section.table.columns
        else (),
        tuple((*_led(section, code), *(column.cell(code) for column in columns)) for code in section.targets),
        tuple(means),
    )
    header = (*lead, *(column.title for column in columns))
    return Grid(section.table.caption, header, tuple(block for block in blocks if block))


def gains(section: Section) -> Grid | None:
    """Languages down, strategies across, gains in points; below, what is to be said of all languages together."""
    columns = [column for column in _columns(section) if column.comparison]
    if not columns:
        return None
    lead = _lead(section)
    compared = [(column, column.comparison) for column in columns if column.comparison]

    def line(title: str, tell: Callable[[Comparison], str]) -> Line:
        return (title, *([""] * (len(lead) - 1)), *(tell(each) for _, each in compared))

    languages = [
        (*_led(section, code), *(gain(each.gains.get(code)) for _, each in compared)) for code in section.targets
    ]
    together = [
        line(f"{section.table.source} (source)", lambda each: gain(each.source)),
        line(MEAN, lambda each: gain(each.average)),
    ]
    if section.close:
        together += [
            line(f"close ({len(section.close)})", lambda each: gain(each.close)),
            line(f"distant ({len(section.distant)})", lambda each: gain(each.distant)),
        ]
    tests = [line("p, t-test over seeds", lambda each: p_value(each.average.p))]
    if any(each.average.interval for _, each in compared):
        tests += [
            line("95 % interval", lambda each: interval(each.average)),
            line("p, bootstrap", lambda each: p_value(each.average.interval_p)),
        ]
    tests += [
        line("languages improved", lambda each: str(len(each.improved))),
        line("languages degraded", lambda each: str(len(each.degraded))),
    ]
    if any(each.correlation for _, each in compared):
        tests.append(line("ρ of distance and gain (p)", _correlation))
    caption = f"{section.name}: gains over {section.baseline} in points, mean ± sample standard deviation over seeds"
    header = (*lead, *(column.title for column in columns))
    return Grid(caption, header, (tuple(languages), tuple(together), tuple(tests)))


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


def contrasts(section: Section) -> Grid | None:
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
    return Grid(caption, ("improved by", *(f"not by {each.strategy}" for each in compared)), (rows,))


def like(section: Section | None, strategy: str) -> str | None:
    """What the published runs in this section call a strategy; None if it is not among them."""
    known = {row.strategy for row in section.table.rows} if section else set()
    return name if (name := published_name(strategy)) in known else None


def score(cell: Cell | None, places: int = 2) -> str:
    if cell is None:
        return NONE
    return f"{cell.mean:.{places}f}" + ("" if cell.deviation is None else f" ± {cell.deviation:.{places}f}")


def gain(found: Gain | None, places: int = 2) -> str:
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
    spread = "" if found.deviation is None else f" ± {found.deviation:.{places}f}"
    return f"{signed(found.mean, places)}{spread} {''.join(marks)}".rstrip()


def p_value(p: float | None) -> str:
    return NONE if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def interval(found: Gain) -> str:
    return NONE if found.interval is None else " to ".join(signed(end, 2) for end in found.interval)


def _columns(section: Section) -> list[_Column]:
    columns = []
    for row in section.table.rows:
        columns.append(_Column(_title(row, section), section, row.strategy))
        named = like(section.published, row.strategy)
        if section.published and named:
            columns.append(_Column(f"{row.strategy}, published", section.published, named))
    return columns


def _title(row: Row, section: Section) -> str:
    seeds = section.table.seeds
    parts = ["control"] * row.control + [f"{row.seeds} of {seeds} seeds"] * (row.seeds < seeds)
    return f"{row.strategy} ({', '.join(parts)})" if parts else row.strategy


def _lead(section: Section) -> Line:
    return ("language", "distance") if section.distances else ("language",)


def _led(section: Section, code: str) -> Line:
    if not section.distances:
        return (code,)
    return (code, f"{section.distances[code]:.3f}" if code in section.distances else NONE)


def _mean(section: Section, strategy: str, population: bool) -> str:
    cell = section.cell(strategy, MEAN)
    if cell is None:
        return NONE
    deviation = cell.population if population else cell.deviation
    compared = section.comparison(strategy)
    spread = "" if deviation is None else f" ± {deviation:.2f}"
    return f"{cell.mean:.2f}{spread}" + (f" ({signed(compared.average.mean, 2)})" if compared else "")


def _published(section: Section, strategy: str) -> str:
    named = like(section.published, strategy)
    return _mean(section.published, named, False) if section.published and named else NONE


def _correlation(each: Comparison) -> str:
    found = each.correlation
    return f"{signed(found.rho, 2)} ({p_value(found.p)})" if found else NONE
