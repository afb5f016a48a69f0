"""The card of a folder: its README.md and the picture of its blocks, from its record, lineage and scores.

    record + scores → facts (facts.py, scores.py) → words (wording.py) → template (model_cards/templates) → README.md

Nothing is guessed and nothing is fetched. What a person wrote into the card stays (merging.py).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import alignfreeze_cli
from alignfreeze_cli.artifacts import RECORD_NAME, Record, Result, read_record
from alignfreeze_cli.errors import AlignFreezeError, ArtifactError, DataError
from alignfreeze_cli.hub import facts, tables, wording
from alignfreeze_cli.hub.commands import commands
from alignfreeze_cli.hub.iso639 import metadata_codes
from alignfreeze_cli.hub.merging import merge_metadata, merge_text
from alignfreeze_cli.hub.picture import Drawing, draw, to_png, to_svg
from alignfreeze_cli.hub.scores import Measured, baseline_scores, evaluation_results, scores_beside, scores_of_model
from alignfreeze_cli.progress import Console
from alignfreeze_cli.published import Published, published
from alignfreeze_cli.tasks.registry import TASKS

CARD = "README.md"
PICTURES = ("blocks.svg", "blocks.png")
KINDS_WITH_CARDS = ("pairs", "encoder", "task-model")
ARXIV = "2502.12959"
PUBLISHED_SOURCE = "en"
"""What every published run was realigned with and fine-tuned in."""


def write_card(
    folder: Path, scores: Sequence[Path] = (), baseline: Sequence[Path] = (), repo_id: str | None = None
) -> Path:
    """Write or renew the card of a folder, and the picture beside it; gives the card's path. See `make_card`."""
    save_card(folder, make_card(folder, scores, baseline, repo_id))
    return folder / CARD


def make_card(
    folder: Path, scores: Sequence[Path] = (), baseline: Sequence[Path] = (), repo_id: str | None = None
) -> dict[str, bytes]:
    """The files of a folder's card, by name.

    `scores` are scores folders of this very model, or of it and its other seeds; without any, `<folder>-scores` is
    taken if it fits. `baseline` are scores folders to compare with. `repo_id` is the name under which the folder is
    published, for the lines that show how to use it. Raises ArtifactError, SettingsError, DataError.
    """
    record = read_record(folder)
    if record is None or record.kind not in KINDS_WITH_CARDS:
        held = f"holds {record.kind}, which has no card of its own" if record else f"has no {RECORD_NAME}"
        raise ArtifactError(f"{held}; cards are made for pairs, encoder and task-model folders", folder)
    measured = compared = None
    if record.kind == "task-model":
        found = list(scores) or scores_beside(folder, record)
        measured = scores_of_model(found, record, folder) if found else None
        compared = baseline_scores(baseline, measured) if baseline and measured else None
    elif scores or baseline:
        raise ArtifactError(f"holds {record.kind}, which has no scores; give --scores with a task model", folder)
    text = render(folder, record, measured, compared, repo_id)
    return {CARD: (text.rstrip("\n") + "\n").encode(), **_pictures(record, _blocks(folder, record))}


def save_card(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the files of a card, each whole or not at all; one that does not change is not touched."""
    for name, content in files.items():
        path = folder / name
        if path.is_file() and path.read_bytes() == content:
            continue
        partial = path.with_name(f".{name}.partial")
        partial.write_bytes(content)
        os.replace(partial, path)


def card_after(result: Result, console: Console) -> None:
    """The card at the end of a step: of the folder it made or, after `evaluate`, of the model beside the scores.

    A card that can't be made never spoils the step: it is warned about.
    """
    folder = result.path
    if result.status != "made" or result.record is None:
        return
    if result.record.kind == "scores":
        folder = folder.with_name(folder.name.removesuffix("-scores"))
        model = read_record(folder) if folder != result.path and folder.is_dir() else None
        if model is None or not scores_beside(folder, model):
            return
    elif result.record.kind not in KINDS_WITH_CARDS:
        return
    try:
        write_card(folder)
    except (AlignFreezeError, OSError) as error:
        console.warn(f"No card for {folder}: {error}")


def render(
    folder: Path, record: Record, measured: Measured | None, compared: Measured | None, repo_id: str | None
) -> str:
    """The text of a card; what a person wrote into the one that is there is kept."""
    from huggingface_hub import DatasetCard, DatasetCardData, ModelCard, ModelCardData

    old = (folder / CARD).read_text(encoding="utf-8") if (folder / CARD).is_file() else None
    metadata = _metadata(record, measured)
    words = _words(folder, record, measured, compared, repo_id or _known_repository(old))
    if record.kind == "pairs":
        data: Any = DatasetCardData(**metadata)
        new: Any = DatasetCard.from_template(data, template_path=str(template_folder() / "pairs.md.j2"), **words)
    else:
        results = evaluation_results(measured) if measured else None
        data = ModelCardData(**metadata, eval_results=results, model_name=words["title"] if results else None)
        new = ModelCard.from_template(data, template_path=str(template_folder() / "model.md.j2"), **words)
    if old is None:
        return str(new)
    try:
        card = type(new)(old, ignore_metadata_errors=True)
    except ValueError as error:
        raise DataError(
            f"has metadata that can't be read ({error}); mend it, or remove the file", folder / CARD
        ) from error
    card.text = merge_text(card.text, new.text)
    merged = merge_metadata(card.data.to_dict(), new.data.to_dict())
    card.data = type(new.data)(**merged)
    return str(card)


def template_folder() -> Path:
    """Where the templates lie: in the wheel's data, or in the repository of an editable install."""
    package = Path(alignfreeze_cli.__file__).parent
    inside = package / "_data" / "model_cards" / "templates"
    return inside if inside.is_dir() else package.parent / "model_cards" / "templates"


def published_cell(record: Record, task: str) -> Published | None:
    """The published numbers of the same recipe, if this model was made like one of the paper's."""
    bases, plan = facts.bases_of(record), facts.strategy(record)
    aligners = {str(step["settings"]["aligner"]) for step in facts.pairs_steps(record)} or {"dictionary"}
    languages = {facts.task_language(record), *facts.source_languages(record)}
    if not bases or bases[-1].id is None or plan is None or len(aligners) > 1 or languages != {PUBLISHED_SOURCE}:
        return None
    return published(bases[-1].id, task, plan, aligners.pop())


def _metadata(record: Record, measured: Measured | None) -> dict[str, Any]:
    """The front matter, without scores; keys that nothing is known of are left out."""
    languages = list(
        dict.fromkeys(
            filter(
                None, (facts.task_language(record), *facts.source_languages(record), *facts.realigned_languages(record))
            )
        )
    )
    data = facts.training_data(record)
    datasets = list(dict.fromkeys(each.dataset for each in data if each.dataset))
    tags = ["alignfreeze", "cross-lingual", f"arxiv:{ARXIV}"]
    values: dict[str, Any] = {"language": metadata_codes(languages)}
    if record.kind == "pairs":
        source = record.settings["source"]
        configs = [
            {
                "config_name": f"{source}-{code}",
                "data_files": [{"split": "train", "path": f"data/{source}-{code}.parquet"}],
            }
            for code in facts.realigned_languages(record)
        ]
        values |= {"pretty_name": wording.title(record), "task_categories": ["translation"]}
        values |= {"source_datasets": datasets, "tags": ["word-alignment", *tags], "configs": configs}
    else:
        bases = facts.bases_of(record)
        nearest = next((base.id for base in bases if base.id), None)
        plan = facts.last_realignment(record)
        task = TASKS[record.details["task"]] if record.kind == "task-model" else None
        values |= {
            "library_name": "transformers",
            "base_model": nearest,
            "base_model_relation": "finetune" if nearest else None,
            "license": next((base.licence for base in reversed(bases) if base.licence), None),
            "datasets": datasets,
            "metrics": [measured.metric] if measured else None,
            "pipeline_tag": task.pipeline_tag if task else "feature-extraction",
            "tags": [
                *tags,
                f"freeze-{plan['settings']['freeze']}" if plan else "baseline",
                *([task.name] if task else []),
            ],
        }
    return {key: value for key, value in values.items() if value}


def _words(
    folder: Path, record: Record, measured: Measured | None, compared: Measured | None, repo_id: str | None
) -> Mapping[str, Any]:
    """What the template is filled with."""
    words: dict[str, Any] = {
        "title": wording.title(record),
        "summary": wording.summary(record),
        "use": wording.use(record, repo_id),
        "languages": tables.languages(record),
        "data": tables.data(record),
        "limits": wording.limits(record),
        "commands": commands(record),
        "making": tables.making(record),
        "citation": wording.citation(record),
    }
    if record.kind != "pairs":
        cell = published_cell(record, record.details["task"]) if measured else None
        words |= {
            "picture_text": wording.picture_title(record),
            "picture_width": _picture(record, _blocks(folder, record)).width,
            "blocks_note": wording.blocks_note(record),
            "scores": tables.scores(measured, compared, cell) if measured else "",
        }
    return words


def _pictures(record: Record, blocks: int) -> dict[str, bytes]:
    if record.kind == "pairs":
        return {}
    drawing = _picture(record, blocks)
    return {PICTURES[0]: to_svg(drawing).encode(), PICTURES[1]: to_png(drawing)}


def _picture(record: Record, blocks: int) -> Drawing:
    return draw(wording.picture_title(record), facts.block_rows(record, blocks))


def _blocks(folder: Path, record: Record) -> int:
    """Blocks of the encoder: as recorded, or, for one that was never realigned, as its configuration says."""
    realigned = facts.last_realignment(record)
    if record.kind == "pairs":
        return 0
    if realigned is not None:
        return int(realigned["details"]["blocks"])
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return int(config.get("num_hidden_layers") or config["n_layers"])


def _known_repository(card: str | None) -> str | None:
    """The repository that the card of a published folder already names."""
    return wording.repository_in(card) if card else None
