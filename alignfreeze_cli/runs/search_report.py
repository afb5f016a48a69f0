"""What a search leaves in its folder besides the runs: `search.md`, `search.json`, and a picture of the plans."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

from alignfreeze_cli.artifacts.files import atomic_write, json_bytes
from alignfreeze_cli.encoder.freezing import ResolvedPlan
from alignfreeze_cli.phrases import counted, listed, number_ranges
from alignfreeze_cli.runs.candidates import FULL
from alignfreeze_cli.runs.ranking import Difference, Place
from alignfreeze_cli.runs.search import Found, Search

JSON, MARKDOWN = "search.json", "search.md"


def write_search(found: Found) -> None:
    """Write the files of a finished search. The same scores give the same bytes."""
    from alignfreeze_cli.report.strips import HeatStrip, draw_strips

    folder = found.search.output
    atomic_write(folder / MARKDOWN, (search_text(found) + "\n").encode())
    atomic_write(folder / JSON, json_bytes(to_dict(found)))
    against = _against_full(found)
    plans = _plans(found.search)
    strips = [
        HeatStrip(
            place.name,
            None if (plan := plans[place.name]) is None else plan.frozen,
            plan is not None and plan.embeddings_frozen,
            against[place.name],
        )
        for place in found.ranking.places
    ]
    some = _any_plan(found.search)
    caption = "Points against full in rung 1. Colour: frozen; white: trained; grey: not reached."
    draw_strips(strips, some.n_blocks, some.read_block, caption, folder)


def search_text(found: Found) -> str:
    """The ranked table and what can be said of it, as Markdown."""
    ranking, search = found.ranking, found.search
    header = ("", "plan", "frozen", "rung", "runs", "selecting", "reporting", "against the first")
    rows = [_row(number, place, _plans(search)) for number, place in enumerate(ranking.places, 1)]
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]

    def line(cells: tuple[str, ...]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"

    table = [line(header), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(line, rows)]
    return "\n".join(
        [
            *table,
            "",
            *ranking.sentences(),
            "",
            f"Selected by the mean over {listed(ranking.selecting, 20)}; differences, in points with 95 % intervals "
            f"over seeds, are of the mean over {listed(ranking.reporting, 20)}. Both columns of scores are of the last "
            "rung that a plan took part in, so only those of one rung can be compared.",
        ]
    )


def plan_text(search: Search) -> str:
    """What a search would do."""
    plans = _plans(search)
    lines = [f"Would search (dry run): {counted(search.runs, 'run')} on {search.task}"]
    for number, rung in enumerate(search.rungs, 1):
        how = "blocks of one realignment put back" if rung.blended else "realigned by its plan"
        seeds = ", ".join(map(str, search.seeds(number - 1)))
        lines.append(f"  rung {number}: {counted(rung.candidates, 'candidate')}, {how}; seeds {seeds}")
    lines += [f"  {each.name:14} frozen: {_frozen(plans[each.name])}" for each in search.candidates]
    return "\n".join(lines)


def to_dict(found: Found) -> dict[str, Any]:
    """The search as JSON holds it. Scores and differences are in percent and points."""
    ranking, search = found.ranking, found.search
    plans, against = _plans(search), _against_full(found)
    return {
        "schema": 1,
        "task": search.task,
        "seed": search.seed,
        "winner": ranking.winner.name,
        "resolved": ranking.resolved,
        "unresolved": list(ranking.unresolved),
        "says": ranking.sentences(),
        "spread": round(ranking.spread, 4),
        "languages": {"selecting": list(ranking.selecting), "reporting": list(ranking.reporting)},
        "rungs": [
            {"candidates": list(scores), "seeds": search.seeds(number), "blended": rung.blended}
            for number, (rung, scores) in enumerate(zip(search.rungs, found.scores, strict=True))
        ],
        "ranking": [
            {
                "name": place.name,
                "plan": None if (plan := plans[place.name]) is None else plan.text,
                "rung": place.rung,
                "runs": place.runs,
                "selecting": round(place.selecting, 4),
                "reporting": round(place.reporting, 4),
                "against-first": None if place.behind is None else _difference(place.behind),
                "against-full-in-rung-1": round(against[place.name], 4),
            }
            for place in ranking.places
        ],
    }


def _difference(difference: Difference) -> dict[str, Any]:
    interval = None if difference.interval is None else [round(each, 4) for each in difference.interval]
    return {"mean": round(difference.mean, 4), "interval": interval, "seeds": difference.seeds}


def _row(number: int, place: Place, plans: Mapping[str, ResolvedPlan | None]) -> tuple[str, ...]:
    scores = (f"{place.selecting:.1f}", f"{place.reporting:.1f}")
    behind = "" if place.behind is None else place.behind.text()
    return (str(number), place.name, _frozen(plans[place.name]), str(place.rung), str(place.runs), *scores, behind)


def _frozen(plan: ResolvedPlan | None) -> str:
    if plan is None:
        return "all"
    return ", ".join([*(["embeddings"] if plan.embeddings_frozen else []), *filter(None, [number_ranges(plan.frozen)])])


def _plans(search: Search) -> dict[str, ResolvedPlan | None]:
    return {each.name: each.plan for each in search.candidates}


def _any_plan(search: Search) -> ResolvedPlan:
    return next(each.plan for each in search.candidates if each.plan is not None)


def _against_full(found: Found) -> dict[str, float]:
    """Candidate → its difference from `full`, in points, in the reporting languages of the first rung."""
    means = {
        name: statistics.fmean(run[language] for run in runs.values() for language in found.ranking.reporting)
        for name, runs in found.scores[0].items()
    }
    return {name: 100 * (mean - means[FULL]) for name, mean in means.items()}
