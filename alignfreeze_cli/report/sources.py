"""One task learned in several source languages, side by side: does it help close and distant languages alike?"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from alignfreeze_cli.phrases import listed, signed
from alignfreeze_cli.report.comparison import Comparison, Report, Section
from alignfreeze_cli.report.text_tables import NONE, Line, TextTable, correlation, gain

HEADER = ("strategy", "source", "mean of targets", "close", "distant", "ρ of distance and gain (p)")


def source_tables(report: Report) -> list[TextTable]:
    """A table for each model, task and metric with runs from more than one source; below a strategy its sources.

    Sources have different targets, so there is also the mean over those that all of them have.
    """
    groups: dict[tuple[str, str, str], list[Section]] = {}
    for section in report.sections:
        table = section.table
        groups.setdefault((table.model, table.task, table.metric), []).append(section)
    return [_table(sections) for sections in groups.values() if len(sections) > 1]


def _table(sections: Sequence[Section]) -> TextTable:
    common = [code for code in sections[0].targets if all(code in section.targets for section in sections)]
    names = dict.fromkeys((each.strategy, each.control) for section in sections for each in section.comparisons)
    blocks = tuple(
        tuple(
            _line(f"{name} (control)" if control else name, section, compared, common)
            for section in sections
            if (compared := section.comparison(name)) is not None
        )
        for name, control in sorted(names, key=lambda each: each[1])
    )
    table = sections[0].table
    caption = (
        f"{table.model}, {table.task}: gains by source language in points; close and distant are halves of each "
        f"source's own targets, the last column is the mean over {listed(common, most=40) if common else 'none'}"
    )
    return TextTable(caption, (*HEADER, f"mean of {len(common)} common targets"), blocks)


def _line(title: str, section: Section, compared: Comparison, common: Sequence[str]) -> Line:
    shared = [compared.gains[code].mean for code in common if code in compared.gains]
    return (
        title,
        section.table.source,
        *(gain(each) for each in (compared.average, compared.close, compared.distant)),
        correlation(compared),
        signed(statistics.fmean(shared), 2) if common and len(shared) == len(common) else NONE,
    )
