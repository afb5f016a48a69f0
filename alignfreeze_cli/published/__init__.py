"""The authors' published results and typological distances, as data that ships with the package.

`results.json`: 435 runs of the authors' public code (MIT; its own `source` field says where from). `distances.json`:
distances from English to the 34 languages, from lang2vec and URIEL (CC BY-SA 4.0; its `licence` and `readme` say what
is whose). Values are fractions of 1. Nothing here is ours; cards and reports label these numbers as published.
"""

from __future__ import annotations

import functools
import json
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

STRATEGIES = ("baseline", "full", "front", "back", "during_full", "during_front", "during_back")

ALIGNERS = ("dictionary", "fastalign", "awesome")

_OWNERS = {
    "xlm-roberta-base": "FacebookAI",
    "bert-base-multilingual-cased": "google-bert",
    "distilbert-base-multilingual-cased": "distilbert",
}
"""The three published models, and the namespaces in which the Hub keeps them now."""


@dataclass(frozen=True)
class Published:
    """One cell of the published tables: the runs of one model, task, strategy and aligner over the seeds.

    `values` and `spread` hold mean and population standard deviation per target language, `source` is the mean in
    English, `average` the mean over targets and seeds and `average_spread` its deviation over the seeds (ddof 0, as in
    the authors' tables). `by_seed` and `averages` hold what these are of: one number per seed.
    """

    model: str
    task: str
    strategy: str
    aligner: str | None
    metric: str
    seeds: tuple[int, ...]
    values: Mapping[str, float]
    spread: Mapping[str, float]
    source: float
    average: float
    average_spread: float
    by_seed: Mapping[str, tuple[float, ...]]
    averages: tuple[float, ...]
    finetuning_steps: int
    realignment_steps: int


def published(model: str, task: str, strategy: str, aligner: str | None = "dictionary") -> Published | None:
    """The published cell, or None if there is none; `model` is a Hub id, with or without its namespace."""
    aligner = None if strategy == "baseline" else aligner
    found = [
        row
        for row in rows()
        if (row["model"], row["task"], row["strategy"], row["aligner"]) == (bare_id(model), task, strategy, aligner)
    ]
    if not found:
        return None
    languages = list(found[0]["scores"])
    averages = tuple(statistics.fmean(row["scores"].values()) for row in found)
    by_seed = {code: tuple(row["scores"][code] for row in found) for code in languages}
    return Published(
        model=found[0]["model"],
        task=task,
        strategy=strategy,
        aligner=aligner,
        metric=found[0]["metric"],
        seeds=tuple(row["seed"] for row in found),
        values={code: statistics.fmean(scores) for code, scores in by_seed.items()},
        spread={code: statistics.pstdev(scores) for code, scores in by_seed.items()},
        source=statistics.fmean(row["source_score"] for row in found),
        average=statistics.fmean(averages),
        average_spread=statistics.pstdev(averages),
        by_seed=by_seed,
        averages=averages,
        finetuning_steps=found[0]["finetuning_steps"],
        realignment_steps=found[0]["realignment_steps"],
    )


def rows() -> list[dict[str, Any]]:
    """Every published run as it stands in `results.json`."""
    found: list[dict[str, Any]] = _read("results.json")["rows"]
    return found


def distances(kind: str = "computed") -> dict[str, Mapping[str, float | None] | None]:
    """Language code → distances from English by kind (syntactic, genetic, …); None where there are none.

    `kind`: "precomputed" (URIEL's own, gaps and all) or "computed" (from its vectors); the two must not be mixed.
    """
    return {code: language[kind] for code, language in _read("distances.json")["languages"].items()}


def language_names() -> dict[str, str]:
    """English names of the 34 languages and English, by code."""
    return {"en": "English"} | {code: each["name"] for code, each in _read("distances.json")["languages"].items()}


def bare_id(model: str) -> str:
    """`FacebookAI/xlm-roberta-base` → `xlm-roberta-base`; other ids stay as they are."""
    namespace, _, name = model.rpartition("/")
    return name if _OWNERS.get(name) == namespace else model


def full_id(model: str) -> str:
    """`xlm-roberta-base` → `FacebookAI/xlm-roberta-base`, where the Hub redirects to; other ids stay as they are."""
    return f"{_OWNERS[model]}/{model}" if model in _OWNERS else model


@functools.cache
def _read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(resources.files(__name__).joinpath(name).read_text(encoding="utf-8"))
    return content
