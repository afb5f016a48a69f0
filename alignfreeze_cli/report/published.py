"""The published runs as scores, so that they go through the same code as ours."""

from __future__ import annotations

from collections.abc import Container

from alignfreeze_cli.published import STRATEGIES, TASKS, bare_id, rows
from alignfreeze_cli.report.table import Score

BASELINE = "baseline"


def published_scores(
    aligner: str = "dictionary",
    model: str | None = None,
    task: str | None = None,
    strategies: Container[str] = STRATEGIES,
) -> list[Score]:
    """The published runs with one aligner, of one model and task or of all; the baseline has no aligner.

    `strategies` are named as published or as in recipes (`during-front`); the baseline is always among them.
    """
    found = [
        Score(
            model=row["model"],
            strategy=row["strategy"],
            seed=row["seed"],
            control=False,
            task=row["task"],
            metric=row["metric"],
            source="en",
            values={"en": row["source_score"], **row["scores"]},
        )
        for row in rows()
        if row["aligner"] in (None, aligner)
        and (model is None or row["model"] == bare_id(model))
        and (task is None or row["task"] == task)
        and (row["strategy"] == BASELINE or any(name in strategies for name in _names(row["strategy"])))
    ]
    return sorted(found, key=lambda score: (TASKS.index(score.task), score.model, place(score.strategy), score.seed))


def place(strategy: str) -> int:
    """Where a strategy stands among those of the paper; after them if it is none of them."""
    name = published_name(strategy)
    return STRATEGIES.index(name) if name in STRATEGIES else len(STRATEGIES)


def published_name(strategy: str) -> str:
    """A strategy as the published runs would call it: recipes write during-front, those during_front."""
    return strategy.replace("-", "_")


def _names(strategy: str) -> tuple[str, str]:
    return strategy, strategy.replace("_", "-")
