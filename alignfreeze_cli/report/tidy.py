"""A report's numbers as CSV files, one observation per row; docs/report.md lists the columns.

Scores are in percent and differences in points, unrounded; an empty field means that there is no such number.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from alignfreeze_cli.report.facts import Comparison, Gain, Report, Section
from alignfreeze_cli.report.table import MEAN, Cell

CLOSE, DISTANT = "close languages", "distant languages"
_KEY = ("runs", "model", "task", "metric", "source", "strategy", "control")
_GAIN = ("gain", "gain_sd", "gain_seeds", "p", "p_corrected", "low", "high", "interval_p", "interval_p_corrected")
SCORES = (*_KEY, "language", "scope", "distance", "half", "mean", "sd", "population_sd", "seeds", *_GAIN, "beyond")
SUMMARY = (
    *(*_KEY, "baseline", "gain", "gain_sd", "gain_seeds", "p", "low", "high", "interval_p", "improved", "degraded"),
    *("languages_improved", "languages_degraded", "close_gain", "distant_gain", "rho", "rho_p"),
)
SEEDS = (*_KEY, "seed", "language", "scope", "score")


def files(report: Report) -> dict[str, str]:
    """File name → CSV text: `scores.csv`, `summary.csv`, `seeds.csv`."""
    return {
        "scores.csv": _text(SCORES, [row for kind, each in _sections(report) for row in _scores(kind, each)]),
        "summary.csv": _text(SUMMARY, [row for kind, each in _sections(report) for row in _summary(kind, each)]),
        "seeds.csv": _text(SEEDS, [row for kind, each in _sections(report) for row in _seeds(kind, each)]),
    }


def _sections(report: Report) -> Iterator[tuple[str, Section]]:
    for section in report.sections:
        yield ("published" if report.of_published else "ours"), section
        if section.published:
            yield "published", section.published


def _scores(kind: str, section: Section) -> Iterator[dict[str, Any]]:
    table = section.table
    for row in table.rows:
        key = _key(kind, section, row.strategy, row.control)
        compared = section.comparison(row.strategy)
        for column, cell in zip(table.columns, row.cells, strict=True):
            half = "close" if column in section.close else "distant" if column in section.distant else None
            place: dict[str, Any] = {"language": column, "scope": _scope(column, table.source), "half": half}
            place["distance"] = section.distances.get(column)
            yield key | place | _cell(cell) | _gain(_gain_in(compared, column, table.source))
        for name, gain in ((CLOSE, compared and compared.close), (DISTANT, compared and compared.distant)):
            if gain:
                yield key | {"language": name, "scope": "mean"} | _gain(gain)


def _summary(kind: str, section: Section) -> Iterator[dict[str, Any]]:
    for each in section.comparisons:
        correlation = each.correlation
        yield (
            _key(kind, section, each.strategy, each.control)
            | _gain(each.average)
            | {
                "baseline": section.baseline,
                "improved": len(each.improved),
                "degraded": len(each.degraded),
                "languages_improved": " ".join(each.improved),
                "languages_degraded": " ".join(each.degraded),
                "close_gain": each.close.mean if each.close else None,
                "distant_gain": each.distant.mean if each.distant else None,
                "rho": correlation.rho if correlation else None,
                "rho_p": correlation.p if correlation else None,
            }
        )


def _seeds(kind: str, section: Section) -> Iterator[dict[str, Any]]:
    for score in section.scores:
        key = _key(kind, section, score.strategy, score.control) | {"seed": score.seed}
        for language, value in score.values.items():
            scope = _scope(language, section.table.source)
            yield key | {"language": language, "scope": scope, "score": 100 * value}


def _key(kind: str, section: Section, strategy: str, control: bool) -> dict[str, Any]:
    table = section.table
    return {
        "runs": kind,
        "model": table.model,
        "task": table.task,
        "metric": table.metric,
        "source": table.source,
        "strategy": strategy,
        "control": int(control),
    }


def _scope(column: str, source: str) -> str:
    return "source" if column == source else "mean" if column == MEAN else "target"


def _gain_in(compared: Comparison | None, column: str, source: str) -> Gain | None:
    if compared is None:
        return None
    return compared.average if column == MEAN else compared.source if column == source else compared.gains.get(column)


def _cell(cell: Cell | None) -> dict[str, Any]:
    if cell is None:
        return {"seeds": 0}
    return {"mean": cell.mean, "sd": cell.deviation, "population_sd": cell.population, "seeds": cell.seeds}


def _gain(gain: Gain | None) -> dict[str, Any]:
    if gain is None:
        return {}
    low, high = gain.interval or (None, None)
    numbers = (gain.mean, gain.deviation, gain.seeds, gain.p, gain.p_corrected, low, high)
    return dict(zip(_GAIN, (*numbers, gain.interval_p, gain.interval_p_corrected), strict=True)) | {
        "beyond": gain.beyond
    }


def _text(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
