"""How far two evaluations of one model agree, language by language: `python -m benchmarks.agreement SCORES OTHERS`.

For example one in fp32 and one in bf16. Both are folders that `alignfreeze evaluate` wrote, for a task that labels.
"""

from __future__ import annotations

import json
import sys
from itertools import chain
from pathlib import Path

import pyarrow.parquet as pq


def agreement(one: Path, other: Path) -> str:
    """A Markdown table: answers, the share of equal ones, both scores and their difference in points."""
    scores = [json.loads((folder / "scores.json").read_text(encoding="utf-8")) for folder in (one, other)]
    precisions = [
        json.loads((folder / "alignfreeze.json").read_text())["settings"]["precision"] for folder in (one, other)
    ]
    lines = [
        f"| language | answers | equal | {precisions[0]} | {precisions[1]} | points |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    all_equal = all_answers = 0
    for language in scores[0]["languages"]:
        answers = [_answers(folder / "predictions" / f"{language}.parquet") for folder in (one, other)]
        equal = sum(mine == theirs for mine, theirs in zip(*answers, strict=True))
        values = [100 * each["languages"][language]["value"] for each in scores]
        lines.append(_row(language, len(answers[0]), equal, values))
        all_equal, all_answers = all_equal + equal, all_answers + len(answers[0])
    lines.append(_row("average", all_answers, all_equal, [100 * each["average"] for each in scores]))
    return "\n".join(lines)


def _row(name: str, answers: int, equal: int, values: list[float]) -> str:
    first, second = values
    return (
        f"| {name} | {answers:,} | {100 * equal / answers:.2f} % | {first:.2f} | {second:.2f} | {second - first:+.3f} |"
    )


def _answers(path: Path) -> list[str]:
    """The predicted labels of a file, one after the other."""
    predicted = pq.read_table(path, columns=["predicted"]).column("predicted").to_pylist()
    nested = predicted and isinstance(predicted[0], list)
    return list(chain.from_iterable(predicted)) if nested else predicted


if __name__ == "__main__":
    print(agreement(Path(sys.argv[1]), Path(sys.argv[2])))
