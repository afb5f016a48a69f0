"""The metadata of a card, which the Hub reads: what it is, where it comes from, scores, examples, configurations."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from huggingface_hub import EvalResult

from alignfreeze_cli.artifacts import Record
from alignfreeze_cli.hub import facts
from alignfreeze_cli.hub.lint import metadata_codes
from alignfreeze_cli.hub.results import TaskScores
from alignfreeze_cli.hub.scores import evaluation_results
from alignfreeze_cli.hub.widget import is_generated, widget
from alignfreeze_cli.phrases import printable
from alignfreeze_cli.tasks.registry import TASKS

ARXIV = "2502.12959"


def metadata(record: Record, title: str, results: Sequence[TaskScores]) -> dict[str, Any]:
    """The card's metadata; keys that nothing is known of are left out."""
    languages = [facts.task_language(record), *facts.source_languages(record), *facts.realigned_languages(record)]
    datasets = list(dict.fromkeys(each.dataset for each in facts.training_data(record) if each.dataset))
    tags = ["alignfreeze", "cross-lingual", f"arxiv:{ARXIV}"]
    values: dict[str, Any] = {"language": metadata_codes(filter(None, languages))}
    if record.kind == "pairs":
        names = [f"{record.settings['source']}-{code}" for code in facts.realigned_languages(record)]
        values |= {
            "pretty_name": title,
            "task_categories": ["translation"],
            "size_categories": [_size_category(record)],
            "source_datasets": datasets,
            "tags": ["word-alignment", *tags],
            "configs": _configurations(names),
        }
    else:
        bases = facts.bases_of(record)
        nearest = next((base.id for base in bases if base.id), None)
        realigned = facts.last_realignment(record)
        task = TASKS[record.details["task"]] if record.kind == "task-model" else None
        pipeline_tag = task.pipeline_tag if task else "feature-extraction"
        shown = metadata_codes([*filter(None, languages), *(code for each in results for code in each.measured.values)])
        pairs_of_texts = task is not None and task.name == "nli"  # the box on a page gives a model a single text
        tags.append(f"freeze-{realigned['settings']['freeze']}" if realigned else "baseline")
        tags += ["blend"] if facts.blends_of(record) else []
        values |= {
            "library_name": "transformers",
            "base_model": nearest,
            "base_model_relation": "finetune" if nearest else None,
            "license": next((base.licence for base in reversed(bases) if base.licence), None),
            "datasets": datasets,
            "metrics": list(dict.fromkeys(name for each in results for name in each.measured.metrics)),
            "pipeline_tag": pipeline_tag,
            "widget": [] if pairs_of_texts else widget(pipeline_tag, shown),
            "tags": [*tags, task.name] if task else tags,
            "eval_results": [
                entry for each in results for entry in evaluation_results(each.measured, fine_tuned=task is None)
            ],
            "model_name": title if results else None,
        }
    return {key: _printable(value) for key, value in values.items() if value}


def _configurations(names: Sequence[str]) -> list[dict[str, Any]]:
    """The configurations of a data set of pairs: `default` has a split for each language pair, and each has its own.

    Splits are named in letters, digits and `_` alone: `en-zh-CN` is `en_zh_CN`.
    """
    paths = {name: f"data/{name}.parquet" for name in names}
    splits = [{"split": re.sub(r"\W", "_", name), "path": path} for name, path in paths.items()]
    own = [{"config_name": name, "data_files": [{"split": "train", "path": path}]} for name, path in paths.items()]
    return [{"config_name": "default", "data_files": splits}, *own]


def _size_category(record: Record) -> str:
    """The Hub's name for the number of sentence pairs: `1K<n<10K`."""
    pairs = sum(int(each["kept"]) for each in record.details["languages"].values())
    borders = {"1K": 1e3, "10K": 1e4, "100K": 1e5, "1M": 1e6, "10M": 1e7, "100M": 1e8, "1B": 1e9}
    above = [name for name, border in borders.items() if pairs >= border]
    below = next((name for name, border in borders.items() if pairs < border), None)
    return f"{above[-1]}<n<{below}" if above and below else f"n<{below}" if below else f"n>{above[-1]}"


def _printable(value: Any) -> Any:
    """A value of the metadata with its texts in one line and without control characters."""
    if isinstance(value, str):
        return " ".join(printable(value).split())
    if isinstance(value, list):
        return [_printable(each) for each in value]
    if isinstance(value, dict):
        return {key: _printable(each) for key, each in value.items()}
    if isinstance(value, EvalResult):
        return EvalResult(**{key: _printable(each) for key, each in vars(value).items()})
    return value


def merge_metadata(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The metadata of both: new values win, old keys that are not generated stay, tags and examples are joined.

    Of the examples only a person's stay: generated ones are those of the languages that the card now has.
    """
    merged = {**old, **new}
    if "model-index" not in new:
        merged.pop("model-index", None)
    for key in ("tags", "widget"):
        fresh = new.get(key, [])
        kept = [
            each for each in old.get(key) or [] if each not in fresh and not (key == "widget" and is_generated(each))
        ]
        merged.pop(key, None)
        if joined := [*fresh, *kept]:
            merged[key] = joined
    return merged
