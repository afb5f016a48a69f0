"""What a report's numbers say, in sentences: findings on top of the page, captions and alternative texts of plots."""

from __future__ import annotations

from collections.abc import Sequence

from alignfreeze_cli.phrases import counted, listed, metric_title, signed
from alignfreeze_cli.report.comparison import Comparison, Gain, Section

LEVEL = 0.05
"""A p-value below this is called significant."""

_BARS = {
    "deviation": "bars are the sample standard deviation of the gain over seeds",
    "interval": "bars are 95 % bootstrap intervals over test examples",
}


def p_value(p: float | None) -> str:
    """For a table: `0.042`, `< 0.001`, a dash where there is none."""
    return "–" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def p_equals(p: float) -> str:
    """For a sentence: `p = 0.042`, `p < 0.001`."""
    return f"p {p_value(p)}" if p < 0.001 else f"p = {p_value(p)}"


def error_bars(section: Section) -> str | None:
    """Which error bars the section's gains have: "deviation", else "interval", else None."""
    gains = [gain for comparison in section.comparisons for gain in (*comparison.gains.values(), comparison.average)]
    if any(gain.deviation is not None for gain in gains):
        return "deviation"
    return "interval" if any(gain.interval is not None for gain in gains) else None


def metric(section: Section) -> str:
    return metric_title(section.table.metric)


def finding(comparison: Comparison) -> str:
    """What a strategy did to the languages, without its name: mean gain, its tests, and the counts."""
    average = comparison.average
    text = f"{_points(average)} on average"
    tests = []
    if average.p is not None and average.seeds_interval is not None:
        low, high = average.seeds_interval
        tests.append(f"95 % interval over seeds {signed(low, 2)} to {signed(high, 2)}, {p_equals(average.p)}")
    if average.interval is not None:
        low, high = average.interval
        tests.append(f"95 % interval over test examples {signed(low, 2)} to {signed(high, 2)}")
    if tests:
        text += f" ({'; '.join(tests)})"
    if average.seeds > 1:
        languages = counted(len(comparison.gains), "language")
        text += f"; of {languages} {_changed(comparison)} by more than one standard deviation"
    return f"{text}; {_significant_languages(comparison)}."


def headline(section: Section) -> str:
    """The section in one sentence or two; says so where nothing is significant."""
    compared = [each for each in section.comparisons if not each.control]
    if section.baseline is None:
        return "There is no run of the baseline, so there are no gains over it."
    if not compared:
        return "Only the baseline was run, so there are no gains over it."
    best = max(compared, key=lambda each: each.average.mean)
    gain = _points(best.average) + _tests_in_brackets(best.average)
    if best.average.mean > 0:
        text = f"{best.strategy} has the largest mean gain over {section.baseline}: {gain}"
    else:
        text = f"No strategy gains over {section.baseline} on average; nearest is {best.strategy} with {gain}"
    text += f"; languages: {_changed(best)}." if best.average.seeds > 1 else "."
    gains = [gain for each in compared for gain in each.gains.values()]
    if not any(map(_was_tested, gains)):
        return f"{text} There are too few runs for a test."
    if not any(any(_is_significant(gain)) for gain in gains):
        text += " After correction no strategy differs significantly from it in any single language."
    return text


def _points(gain: Gain) -> str:
    return signed(gain.mean, 2) + ("" if gain.deviation is None else f" ± {gain.deviation:.2f}") + " points"


def _tests_in_brackets(gain: Gain) -> str:
    """The tests of a mean gain. Which of several strategies gains most is not a conclusion where they find nothing."""
    tests = [(gain.p, "over seeds")] if gain.p is not None else [(gain.interval_p, "over test examples")]
    parts = [f"{p_equals(p)} {what}{'' if p < LEVEL else ', not significant'}" for p, what in tests if p is not None]
    return f" ({', '.join(parts)})" if parts else ""


def _changed(comparison: Comparison) -> str:
    """How many languages improved and degraded, and which if they are few."""
    parts = []
    for codes, what in ((comparison.improved, "improved"), (comparison.degraded, "degraded")):
        which = f" ({listed(codes)})" if 0 < len(codes) <= 3 else ""
        parts.append(f"{len(codes) or 'none'} {what}{which}")
    return ", ".join(parts)


def _was_tested(gain: Gain) -> bool:
    return gain.p_corrected is not None or gain.interval_p_corrected is not None


def _is_significant(gain: Gain) -> tuple[bool, bool]:
    """Whether a language's gain is significant after correction: over seeds, and over test examples."""
    over_seeds, over_examples = gain.p_corrected, gain.interval_p_corrected
    return over_seeds is not None and over_seeds < LEVEL, over_examples is not None and over_examples < LEVEL


def _significant_languages(comparison: Comparison) -> str:
    gains = comparison.gains.values()
    if not any(map(_was_tested, gains)):
        return "no language could be tested"
    counts = [
        (sum(each[kind] for each in map(_is_significant, gains)), over)
        for kind, over in enumerate(("over seeds", "over test examples"))
        if any((gain.p_corrected, gain.interval_p_corrected)[kind] is not None for gain in gains)
    ]
    if not any(count for count, _ in counts):
        return "no single language differs significantly after correction"
    return "after correction significant in " + " and ".join(f"{count} {over}" for count, over in counts)


def gains_caption(section: Section) -> str:
    bars = error_bars(section)
    order = f"by growing distance from {section.table.source}" if section.distances else "in the order of evaluation"
    return (
        f"{section.name}: gain over {section.baseline} in percentage points, languages {order}; "
        f"{_BARS[bars] if bars else 'no error bars: one seed'}; last, the mean of the targets."
    )


def gains_alt(section: Section) -> str:
    sentences = [headline(section)]
    sentences += [f"{each.strategy}: {signed(each.average.mean, 2)}, {_changed(each)}." for each in section.comparisons]
    gains = [
        (gain.mean, each.strategy, code)
        for each in section.comparisons
        if not each.control
        for code, gain in each.gains.items()
    ]
    if gains:
        high, low = max(gains), min(gains)
        sentences.append(
            f"Highest is {high[1]} in {high[2]} with {signed(high[0])}, lowest {low[1]} in {low[2]} with "
            f"{signed(low[0])}."
        )
    return " ".join(sentences)


def distance_caption(section: Section) -> str:
    kind = f" ({section.distance_title})" if section.distance_title else ""
    return (
        f"{section.name}: mean gain over {section.baseline} in percentage points against the distance from "
        f"{section.table.source}{kind}, one point per language; ρ is Spearman's rank correlation, horizontal bars are "
        "the mean gains of the closer and the farther half."
    )


def distance_alt(section: Section) -> str:
    return " ".join(f"{each.strategy}: {_with_distance(each)}." for each in section.comparisons)


def _with_distance(comparison: Comparison) -> str:
    """Whether gain goes with distance, and the mean gains of both halves."""
    found, parts = comparison.correlation, []
    if found is None:
        parts.append("no rank correlation could be computed")
    else:
        numbers = f"ρ = {signed(found.rho, 2)}, {p_equals(found.p)}"
        if found.p >= LEVEL:
            parts.append(f"no significant rank correlation of gain and distance ({numbers})")
        else:
            parts.append(f"distant languages gain {'more' if found.rho > 0 else 'less'} ({numbers})")
    if comparison.close is not None and comparison.distant is not None:
        parts.append(
            f"closer half {signed(comparison.close.mean)} points, farther half {signed(comparison.distant.mean)}"
        )
    return "; ".join(parts)


def tasks_caption(model: str) -> str:
    return (
        f"{model}: mean over the target languages in percent for every strategy and task; bars are the sample standard "
        "deviation over seeds, the dashed line is the baseline. The axes do not begin at zero."
    )


def tasks_alt(sections: Sequence[Section]) -> str:
    return " ".join(f"{section.task}: {headline(section)}" for section in sections)
