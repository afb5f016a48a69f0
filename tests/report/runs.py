"""Run folders made by hand: what `run` and `evaluate` leave, from numbers of right words per sentence."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

LENGTH = 10
"""Words in every sentence."""


def table(right: Sequence[int]) -> dict[str, list[Any]]:
    """Predictions of PoS: so many right words in each sentence, the first ones."""
    predicted = [["NOUN"] * n + ["VERB"] * (LENGTH - n) for n in right]
    return {
        "id": [f"s{n}" for n in range(len(right))],
        "words": [["w"] * LENGTH for _ in right],
        "gold": [["NOUN"] * LENGTH for _ in right],
        "predicted": predicted,
    }


def write(
    root: Path,
    strategy: str,
    seed: int,
    right: Mapping[str, Sequence[int]],
    *,
    control: bool = False,
    model: str = "enc",
    source: str = "en",
    data: str = "d",
    predictions: bool = True,
    scoring: Mapping[str, Any] | None = None,
    name: str | None = None,
) -> Path:
    """One run folder with the task pos; `right` maps a language to the right words of each sentence."""
    folder = root / (name or f"{model}-{strategy}-s{seed}")
    scores = folder / "pos-scores"
    (scores / "predictions").mkdir(parents=True)
    run = {"schema": 1, "model": model, "strategy": strategy, "seed": seed, "source": source, "control": control}
    (folder / "run.json").write_text(json.dumps({**run, "tasks": {"pos": "pos-scores"}}), encoding="utf-8")
    languages = {}
    for code, words in right.items():
        value = sum(words) / (LENGTH * len(words))
        languages[code] = {"value": value, "data": {"source": code, "digest": f"{data}-{code}"}}
        if predictions:
            pq.write_table(pa.table(table(words)), scores / "predictions" / f"{code}.parquet")
    content = {"metric": "accuracy", "source-language": source, "languages": languages, "scoring": dict(scoring or {})}
    (scores / "scores.json").write_text(json.dumps(content), encoding="utf-8")
    return folder
