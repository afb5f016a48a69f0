"""What a report's numbers say, in sentences: captions and alternative texts of plots, findings on top of the page."""

from __future__ import annotations

from collections.abc import Sequence

from alignfreeze_cli.report.facts import Comparison, Gain, Section
from alignfreeze_cli.report.table import MEAN

LEVEL = 0.05
"""Corrected p-values below this are called significant."""

_BARS = {
    "deviation": "bars are the sample standard deviation of the gain over seeds",
    "interval": "bars are 95 % bootstrap intervals over test examples",
}


def number(value: float, places: int = 1) -> str:
    """Signed, with a real minus sign; what rounds to zero has no sign."""
    shown = f"{value:+.{places}f}"
    return f"{0:.{places}f}" if float(shown) == 0 else shown.replace("-", "−")


def spread(mean: float, deviation: float | None, places: int = 1) -> str:
    return number(mean, places) + ("" if deviation is None else f" ± {deviation:.{places}f}")


def p_value(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def count(amount: int, one: str) -> str:
    return f"{amount} {one}{'' if amount == 1 else 's'}"


def listed(names: Sequence[str], most: int = 8) -> str:
    shown = [*names[:most], *([f"{len(names) - most} more"] if len(names) > most else [])]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def by_distance(section: Section) -> list[str]:
    """The targets from the nearest to the farthest; those of unknown distance last, in the table's order."""
    targets = [column for column in section.table.columns if column not in (section.table.source, MEAN)]
    return sorted(targets, key=lambda name: section.distances.get(name, float("inf")))


def bars(section: Section) -> str | None:
    """Which error bars the section's gains have: "deviation", else "interval", else None."""
    shown = [gain for comparison in section.comparisons for gain in (*comparison.gains.values(), comparison.average)]
    if any(gain.deviation is not None for gain in shown):
        return "deviation"
    return "interval" if any(gain.interval is not None for gain in shown) else None


def metric(section: Section) -> str:
    return "F1" if section.table.metric == "f1" else section.table.metric


def significant(gain: Gain) -> tuple[bool, bool]:
    """Whether a language's gain is significant after correction: over seeds, and over test examples."""
    over_seeds, over_examples = gain.p_corrected, gain.interval_p_corrected
    return over_seeds is not None and over_seeds < LEVEL, over_examples is not None and over_examples < LEVEL


def changed(comparison: Comparison) -> str:
    """How many languages improved and degraded, and which if they are few."""
    parts = []
    for names, what in ((comparison.improved, "improved"), (comparison.degraded, "degraded")):
        which = f" ({listed(names)})" if 0 < len(names) <= 3 else ""
        parts.append(f"{len(names) or 'none'} {what}{which}")
    return ", ".join(parts)


def finding(comparison: Comparison) -> str:
    """What a strategy did to the languages, without its name: mean gain, its tests, and the counts."""
    average = comparison.average
    tests = [p_value(average.p) + " over seeds"] if average.p is not None else []
    if average.interval is not None:
        low, high = average.interval
        tests.append(f"95 % interval over test examples {number(low, 2)} to {number(high, 2)}")
    tested = f" ({', '.join(tests)})" if tests else ""
    told = f"{spread(average.mean, average.deviation, 2)} points on average{tested}"
    if average.seeds > 1:
        told += f"; of {count(len(comparison.gains), 'language')} {changed(comparison)} beyond the yardstick"
    return told + f"; {_significance(comparison)}."


def headline(section: Section) -> str:
    """The section in one sentence or two, honest where nothing is significant."""
    shown = [each for each in section.comparisons if not each.control]
    if section.baseline is None:
        return "There is no run of the baseline, so no gains can be told."
    if not shown:
        return "Nothing but the baseline was run, so there are no gains to tell."
    best = max(shown, key=lambda each: each.average.mean)
    gain = f"{spread(best.average.mean, best.average.deviation, 2)} points"
    if best.average.p is not None:
        gain += f" ({p_value(best.average.p)} over seeds)"
    if best.average.mean > 0:
        told = f"{best.strategy} has the largest mean gain over {section.baseline}: {gain}"
    else:
        told = f"No strategy gains over {section.baseline} on average; nearest is {best.strategy} with {gain}"
    told += f"; languages: {changed(best)}." if best.average.seeds > 1 else "."
    tested = [gain for each in shown for gain in each.gains.values() if _tested(gain)]
    if not tested:
        return told + " There are too few runs for a test."
    if not any(any(significant(gain)) for gain in tested):
        told += " After correction no strategy differs significantly from it in any single language."
    return told


def gains_caption(section: Section) -> str:
    kind = bars(section)
    ordered = f"by growing distance from {section.table.source}" if section.distances else "in the order of evaluation"
    told = f"{section.name}: gain over {section.baseline} in percentage points, languages {ordered}"
    return f"{told}; {_BARS[kind] if kind else 'no error bars: one seed'}; last, the mean of the targets."


def gains_alt(section: Section) -> str:
    shown = [f"{each.strategy}: {number(each.average.mean, 2)}, {changed(each)}." for each in section.comparisons]
    each_gain = [
        (gain.mean, each.strategy, name)
        for each in section.comparisons
        if not each.control
        for name, gain in each.gains.items()
    ]
    if each_gain:
        high, low = max(each_gain), min(each_gain)
        shown.append(
            f"Highest is {high[1]} in {high[2]} with {number(high[0])}, "
            f"lowest {low[1]} in {low[2]} with {number(low[0])}."
        )
    return " ".join([headline(section), *shown])


def distance_caption(section: Section) -> str:
    kind = f" ({section.distance_title})" if section.distance_title else ""
    return (
        f"{section.name}: mean gain over {section.baseline} in percentage points against the distance from "
        f"{section.table.source}{kind}, one point per language; ρ is Spearman's rank correlation, horizontal bars are "
        "the mean gains of the closer and the farther half."
    )


def distance_alt(section: Section) -> str:
    return " ".join(f"{each.strategy}: {correlated(each)}." for each in section.comparisons)


def correlated(comparison: Comparison) -> str:
    """Whether gain goes with distance, and the mean gains of both halves."""
    found, parts = comparison.correlation, []
    if found is None:
        parts.append("no rank correlation could be computed")
    elif found.p >= LEVEL:
        parts.append(
            f"no significant rank correlation of gain and distance (ρ = {number(found.rho, 2)}, {p_value(found.p)})"
        )
    else:
        which = "more" if found.rho > 0 else "less"
        parts.append(f"distant languages gain {which} (ρ = {number(found.rho, 2)}, {p_value(found.p)})")
    if comparison.close is not None and comparison.distant is not None:
        parts.append(
            f"closer half {number(comparison.close.mean)} points, farther half {number(comparison.distant.mean)}"
        )
    return "; ".join(parts)


def tasks_caption(model: str, sections: Sequence[Section]) -> str:
    return (
        f"{model}: mean over the target languages in percent for every strategy and task; bars are the sample standard "
        "deviation over seeds, the dashed line is the baseline. The axes do not begin at zero."
    )


def tasks_alt(sections: Sequence[Section]) -> str:
    return " ".join(f"{section.table.task}: {headline(section)}" for section in sections)


def _tested(gain: Gain) -> bool:
    return gain.p_corrected is not None or gain.interval_p_corrected is not None


def _significance(comparison: Comparison) -> str:
    gains = comparison.gains.values()
    if not any(map(_tested, gains)):
        return "no language could be tested"
    kinds = [
        (sum(each[kind] for each in map(significant, gains)), told)
        for kind, told in enumerate(("over seeds", "over test examples"))
        if any((gain.p_corrected, gain.interval_p_corrected)[kind] is not None for gain in gains)
    ]
    if not any(amount for amount, _ in kinds):
        return "no single language differs significantly after correction"
    return "after correction significant in " + " and ".join(f"{amount} {told}" for amount, told in kinds)
