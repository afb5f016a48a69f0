"""A report's numbers as CSV files, one observation per row; docs/report.md lists the columns.

Scores are in percent and differences in points, unrounded; an empty field means that there is no such number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from alignfreeze_cli.report.comparison import Comparison, Gain, Report, Section
from alignfreeze_cli.report.score_table import MEAN, Cell, by_other_metrics

CLOSE, DISTANT = "close languages", "distant languages"
_RUN = ("runs", "model", "task", "metric", "source", "strategy", "control")
_GAIN = (
    *("gain", "gain_sd", "gain_seeds", "p", "p_corrected", "seeds_low", "seeds_high"),
    *("low", "high", "interval_p", "interval_p_corrected"),
)
SCORES = (*_RUN, "language", "scope", "distance", "half", "mean", "sd", "population_sd", "seeds", *_GAIN, "beyond")
SUMMARY = (
    *(*_RUN, "baseline", "gain", "gain_sd", "gain_seeds", "p", "seeds_low", "seeds_high"),
    *("low", "high", "interval_p", "improved", "degraded"),
    *("languages_improved", "languages_degraded", "close_gain", "distant_gain", "rho", "rho_p"),
)
SEEDS = (*_RUN, "seed", "language", "scope", "score")


def csv_files(report: Report) -> dict[str, str]:
    """File name → CSV text: `scores.csv`, `summary.csv` and `seeds.csv`, all by the main metric of each task, and
    `other-metrics.csv`, if the runs were scored by more.
    """
    sections = list(_sections(report))
    seeds = pd.concat([_seeds(kind, section, section.scores) for kind, section in sections])
    others = pd.concat([_seeds(kind, section, by_other_metrics(section.scores)) for kind, section in sections])
    files = {
        "scores.csv": _text(SCORES, [row for kind, section in sections for row in _scores(kind, section)]),
        "summary.csv": _text(SUMMARY, [row for kind, section in sections for row in _summary(kind, section)]),
        "seeds.csv": seeds.to_csv(columns=SEEDS, index=False, lineterminator="\n"),
    }
    if not others.empty:
        files["other-metrics.csv"] = others.to_csv(columns=SEEDS, index=False, lineterminator="\n")
    return files


def _text(columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> str:
    # As objects: a column of counts with empty fields stays one of whole numbers.
    plain = [{name: _cell_text(value) for name, value in row.items()} for row in rows]
    return pd.DataFrame(plain, columns=columns, dtype=object).to_csv(index=False, lineterminator="\n")


def _cell_text(value: Any) -> Any:
    """A name that a spreadsheet would take for a formula gets an apostrophe in front; numbers are left alone."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@")) else value


def _sections(report: Report) -> Iterator[tuple[str, Section]]:
    for section in report.sections:
        yield ("published" if report.of_published else "ours"), section
        if section.published:
            yield "published", section.published


def _seeds(kind: str, section: Section, scores: pd.DataFrame) -> pd.DataFrame:
    names = {name: scores[name].map(_cell_text) for name in ("model", "task", "metric", "source", "strategy")}
    return scores.assign(
        **names,
        runs=kind,
        control=scores["control"].astype(int),
        scope=[_scope(language, section) for language in scores["language"]],
        language=scores["language"].map(_cell_text),
        score=100 * scores["value"],
    )


def _scores(kind: str, section: Section) -> Iterator[dict[str, Any]]:
    for row in section.table.rows:
        run = _run(kind, section, row.strategy, row.control)
        compared = section.comparison(row.strategy)
        for language, cell in zip(section.table.columns, row.cells, strict=True):
            half = "close" if language in section.close else "distant" if language in section.distant else None
            place = {"language": language, "scope": _scope(language, section), "half": half}
            distance = {"distance": section.distances.get(language)}
            yield run | place | distance | _cell(cell) | _gain(_gain_in(compared, language, section))
        for name, gain in ((CLOSE, compared and compared.close), (DISTANT, compared and compared.distant)):
            if gain:
                yield run | {"language": name, "scope": "mean"} | _gain(gain)


def _summary(kind: str, section: Section) -> Iterator[dict[str, Any]]:
    for each in section.comparisons:
        correlation = each.correlation
        yield (
            _run(kind, section, each.strategy, each.control)
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


def _run(kind: str, section: Section, strategy: str, control: bool) -> dict[str, Any]:
    table = section.table
    names = {"runs": kind, "model": table.model, "task": table.task, "metric": table.metric, "source": table.source}
    return names | {"strategy": strategy, "control": int(control)}


def _scope(language: str, section: Section) -> str:
    return "source" if language == section.table.source else "mean" if language == MEAN else "target"


def _gain_in(compared: Comparison | None, language: str, section: Section) -> Gain | None:
    if compared is None:
        return None
    if language == MEAN:
        return compared.average
    return compared.source if language == section.table.source else compared.gains.get(language)


def _cell(cell: Cell | None) -> dict[str, Any]:
    if cell is None:
        return {"seeds": 0}
    return {"mean": cell.mean, "sd": cell.deviation, "population_sd": cell.population, "seeds": cell.seeds}


def _gain(gain: Gain | None) -> dict[str, Any]:
    if gain is None:
        return {}
    low, high = gain.interval or (None, None)
    seeds_low, seeds_high = gain.seeds_interval or (None, None)
    numbers = (gain.mean, gain.deviation, gain.seeds, gain.p, gain.p_corrected, seeds_low, seeds_high, low, high)
    return dict(zip(_GAIN, (*numbers, gain.interval_p, gain.interval_p_corrected), strict=True)) | {
        "beyond": gain.beyond
    }
