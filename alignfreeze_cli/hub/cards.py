"""The card of a folder: its README.md and the picture of its blocks, from its record, lineage and scores.

    record → facts (facts.py) ┐
    scores → rows (scores.py) ┴→ template (model_cards/templates) → README.md, merged with the one that is there

Nothing is guessed and nothing is fetched. A card made anew keeps what a person wrote: only the text between the
markers is replaced.

    <!-- alignfreeze:use -->      generated, replaced
    <!-- /alignfreeze:use -->     all other text is the person's
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from huggingface_hub import DatasetCard, DatasetCardData, ModelCard, ModelCardData
from markupsafe import Markup, escape

import alignfreeze_cli
from alignfreeze_cli.artifacts import RECORD_NAME, Record, Result, read_record
from alignfreeze_cli.artifacts.files import atomic_write, read_json
from alignfreeze_cli.artifacts.hub_client import is_repository_id
from alignfreeze_cli.errors import AlignFreezeError, ArtifactError, DataError, SettingsError
from alignfreeze_cli.hub import facts
from alignfreeze_cli.hub.changes import CHANGES, HEAT_MAP, LAYERS, changes_of
from alignfreeze_cli.hub.commands import commands
from alignfreeze_cli.hub.metadata import merge_metadata, metadata
from alignfreeze_cli.hub.picture import draw_blocks
from alignfreeze_cli.hub.results import TaskScores, task_scores
from alignfreeze_cli.hub.scores import Mean
from alignfreeze_cli.phrases import (
    counted,
    escaped,
    escaped_line,
    listed,
    metric_title,
    number_ranges,
    printable,
    signed,
)
from alignfreeze_cli.progress import Console
from alignfreeze_cli.published import language_names
from alignfreeze_cli.tasks.registry import TASKS

CARD = "README.md"
PICTURES = ("blocks.svg", "blocks.png")
KINDS_WITH_CARDS = ("pairs", "encoder", "task-model")
PLACEHOLDER = "path/to/this/folder"
"""In the code of a card until the folder has a name on the Hub."""

_WRONG_RECORD = (
    *(LookupError, TypeError, ValueError, AttributeError, ArithmeticError, StopIteration),
    jinja2.UndefinedError,
)
"""What comes of reading a record that lacks what a card shows, or holds it in another form."""
_LONGEST_CAPTION = 200  # characters
_MOST_BLOCKS = 1000
_FIRST_POSITIONS = 2  # that models built like RoBERTa do not use
_SECTION = re.compile(r"<!-- alignfreeze:(?P<name>[a-z]+) -->\n.*?<!-- /alignfreeze:(?P=name) -->", re.DOTALL)


def write_card(
    folder: Path, scores: Sequence[Path] = (), baseline: Sequence[Path] = (), repo_id: str | None = None
) -> Path:
    """Write or renew the card of a folder with its picture; gives the card's path. See `make_card`."""
    save_card(folder, make_card(folder, scores, baseline, repo_id))
    return folder / CARD


def save_card(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the files of a card, each whole or not at all; one that does not change is not touched."""
    for name, content in files.items():
        path = folder / name
        if not path.is_file() or path.read_bytes() != content:
            atomic_write(path, content)


def card_after(result: Result, console: Console, dry_run: bool = False, model: Path | None = None) -> Result:
    """The card at the end of a step: of the folder it made or, after `evaluate`, of the model that was scored.

    Also of what was there already, if it lacks one: the step may have been killed before its card. `model` is the
    folder of the scored model; it gets the scores if they lie beside it. A card that can't be made never spoils the
    step: it is warned about. Gives the result back.
    """
    if result.record is None or dry_run:
        return result
    folder = result.path.resolve()
    try:
        if result.record.kind == "scores":
            if model is None or model.resolve().parent != folder.parent:
                return result
            folder = model.resolve()
            if _is_a_persons(folder / CARD):
                return result
            complete = _has_section(folder / CARD, "scores")  # perhaps what `card` made of more scores than these
        elif result.record.kind in CHANGES:
            folder = folder.with_name(folder.name.removesuffix(f"-{result.record.kind}"))
            if folder == result.path.resolve() or not folder.is_dir() or not changes_of(folder, result.record.kind):
                return result
            complete = _has_section(folder / CARD, result.record.kind)
        elif result.record.kind in KINDS_WITH_CARDS:
            complete = (folder / CARD).is_file()
        else:
            return result
        if result.status == "made" or not complete:
            write_card(folder, [result.path] if result.record.kind == "scores" else ())
    except (AlignFreezeError, OSError) as error:
        console.warn(f"No card for {folder}: {error}")
    return result


def _is_a_persons(card: Path) -> bool:
    """Whether there is a card without any generated section; only `card` adds some to it."""
    return card.is_file() and not sections(card.read_text(encoding="utf-8", errors="replace"))


def _has_section(card: Path, name: str) -> bool:
    """Whether a card has a section already."""
    return card.is_file() and f"<!-- alignfreeze:{name} -->" in card.read_text(encoding="utf-8", errors="replace")


def make_card(
    folder: Path,
    scores: Sequence[Path] = (),
    baseline: Sequence[Path] = (),
    repo_id: str | None = None,
    look_beside: bool = True,
    stated: Mapping[str, str] | None = None,
) -> dict[str, bytes]:
    """The files of a folder's card, by name.

    `scores` are scores folders of this very model, or of it and its other seeds, and for an encoder of what was
    fine-tuned from it; without any, those that lie beside it are found, if `look_beside`. `baseline` are scores folders
    to compare with. `repo_id` is the name under which the folder is published, for the lines that show how to use it;
    `stated` is metadata by its publisher's word (`license`, `base_model`).

    Raises ArtifactError, SettingsError, DataError.
    """
    record = read_record(folder)
    if record is None or record.kind not in KINDS_WITH_CARDS:
        held = f"holds {record.kind}, which has no card of its own" if record else f"has no {RECORD_NAME}"
        raise ArtifactError(f"{held}; cards are made for pairs, encoder and task-model folders", folder)
    try:
        check_stated(stated or {}, record, folder)
        results = task_scores(folder, record, scores, baseline, look_beside)
        return _card_files(folder, record, results, repo_id, stated or {})
    except _WRONG_RECORD as error:
        reason = str(error) or type(error).__name__
        raise ArtifactError(f"has a record from which no card can be made ({printable(reason)})", folder) from error


def _card_files(
    folder: Path, record: Record, results: Sequence[TaskScores], repo_id: str | None, stated: Mapping[str, str]
) -> dict[str, bytes]:
    old = (folder / CARD).read_text(encoding="utf-8") if (folder / CARD).is_file() else None
    name = repo_id or (repository_in(old) if old else None) or PLACEHOLDER
    kept = _metadata_of(old, folder / CARD) if old else {}
    base = stated.get("base_model") or kept.get("base_model")  # a person may have written it there
    base = base if isinstance(base, str) and is_repository_id(base) and not _recorded_base(record) else None
    known = facts.card_facts(record, base)
    known |= {"name": name, "commands": commands(record), "results": results}
    files: dict[str, bytes] = {}
    if record.kind != "pairs":
        caption = phrase("picture_text", known)[:_LONGEST_CAPTION]
        picture = draw_blocks(caption, facts.strips(record, _blocks(folder, record)))
        files = dict(zip(PICTURES, (picture.svg, picture.png), strict=True))
        known |= {"picture_text": caption, "picture_width": picture.width}
        moved = {kind: changes_of(folder, kind) if record.kind == "encoder" else None for kind in CHANGES}
        known |= {kind: each.content if each else None for kind, each in moved.items()}
        if layers := moved[LAYERS]:
            files[HEAT_MAP] = (layers.folder / HEAT_MAP).read_bytes()
    if record.kind == "task-model":
        known |= {"window": _window(folder, record)}

    title = phrase("title", known)
    card, data = (DatasetCard, DatasetCardData) if record.kind == "pairs" else (ModelCard, ModelCardData)
    described = data(**metadata(record, title, results) | dict(stated) | _relation(stated)).to_yaml()
    template = "pairs.md.j2" if record.kind == "pairs" else "model.md.j2"
    new = card(fill_template(template, known | {"card_data": described}))
    if old is not None:  # the heading is the person's, unless it is the one that we gave it
        old = old.replace(f"\n# {title_of(record)}\n", f"\n# {title}\n", 1)
    text = str(new if old is None else _merged(old, new, folder / CARD))
    return files | {CARD: (text.rstrip("\n") + "\n").encode()}


def fill_template(template: str, known: Mapping[str, Any]) -> str:
    """The text of a template of `template_folder` with these facts."""
    return _environment().get_template(template).render(known)


def phrase(macro: str, known: Mapping[str, Any]) -> str:
    """The text of one macro of `_macros.md.j2`, for use outside a card's Markdown."""
    module: Any = _environment(markdown=False).get_template("_macros.md.j2").make_module(dict(known))
    return str(getattr(module, macro)())


def title_of(record: Record) -> str:
    """What a folder is, as the heading of its card says it."""
    return phrase("title", facts.card_facts(record))


def template_folder() -> Path:
    """Where the templates are: in the wheel's data, or in the repository of an editable install."""
    package = Path(alignfreeze_cli.__file__).parent
    inside = package / "_data" / "model_cards" / "templates"
    return inside if inside.is_dir() else package.parent / "model_cards" / "templates"


@functools.cache
def _environment(markdown: bool = True) -> jinja2.Environment:
    """The templates, giving Markdown, or plain text for other places than a card.

    A record may come from anywhere: its text is shown as it is, not taken for Markdown or HTML. Left alone is only what
    is marked as Markup: Markdown of our own, and text that a filter has made safe for another place.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template_folder()),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
        autoescape=markdown,
        finalize=_as_text if markdown else lambda value: printable(value) if isinstance(value, str) else value,
    )
    environment.filters |= {
        "paragraph": lambda text: type(text)(" ".join(text.split())),
        "text": _as_text,
        "line": lambda text: _as_text(text, begins=True),
        "code": _as_code,
        "script": lambda text: Markup(printable(text)),
        "python": lambda text: Markup(json.dumps(printable(text), ensure_ascii=False)),
        "attribute": lambda text: escape(printable(text)),
        "language": lambda code: language_names().get(code) or _as_code(code),
        "counted": counted,
        "listed": _listed if markdown else listed,
        "number_ranges": number_ranges,
        "thousands": "{:,}".format,
        "percent": _percent,
        "metric": metric_title,
        "estimate": _estimate,
        "signed_estimate": lambda found: _estimate(found, sign=True),
        "points": lambda value: "–" if value is None else signed(100 * value),
        "duration": _duration,
        "setting": lambda value: ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value),
    }
    return environment


def _as_text(value: Any, begins: bool = False) -> Any:
    """A value in running text or in a cell of a table: Markdown shows it as it is, in one line.

    `begins`: whether it stands where a paragraph begins.
    """
    if isinstance(value, Markup | int | float | None):
        return value
    text = re.sub(r"\s+", " ", printable(str(value)))
    return Markup(escaped_line(text) if begins else escaped(text))


def _as_code(value: Any) -> Markup:
    """A value as inline code, or as text if it holds what could end the code or the cell of a table."""
    text = re.sub(r"\s+", " ", printable(str(value)))
    return Markup(f"`{text}`") if text.strip() and not re.search(r"[`|]", text) else Markup(escaped(text.strip()))


def _listed(items: Iterable[Any], most: int = 8, last: str = "and") -> Markup:
    return Markup(listed(map(_as_text, items), most, last))


def _percent(mean: Mean | None) -> str:
    if mean is None:
        return "–"
    value, spread = mean
    return f"{100 * value:.1f}" + (f" ± {100 * spread:.1f}" if spread is not None else "")


def _estimate(found: Mapping[str, Any] | None, places: int = 3, sign: bool = False) -> str:
    """A value with its interval, as result files hold it."""
    if found is None:
        return "–"
    numbers = [float(found[name]) for name in ("value", "low", "high")]
    value, low, high = (signed(each, places) if sign else f"{each:.{places}f}" for each in numbers)
    return f"{value} [{low}, {high}]"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _blocks(folder: Path, record: Record) -> int:
    """Blocks of the encoder: as recorded, or, for one that was never realigned, as its configuration says."""
    realigned = facts.last_realignment(record)
    if realigned is not None:
        blocks = int(realigned["details"]["blocks"])
    else:
        config = read_json(folder / "config.json", "make the folder again")
        names = ("num_hidden_layers", "n_layers", "n_layer")  # DistilBERT and BLOOM have names of their own
        blocks = int(next(config[name] for name in names if name in config))
    if blocks > _MOST_BLOCKS:
        raise ValueError(f"{blocks:,} blocks")
    return blocks


def _window(folder: Path, record: Record) -> int:
    """How many subwords of a text the lines of use read: as many as `evaluate` in one window, special tokens included.

    Where the model may have positions for fewer, as many as in training.
    """
    usual = TASKS[record.details["task"]].evaluation_length
    positions = read_json(folder / "config.json", "make the folder again").get("max_position_embeddings")
    if positions is None or usual <= int(positions) - _FIRST_POSITIONS:
        return usual
    return min(usual, int(record.details["max-length"]))


def repository_in(card: str) -> str | None:
    """The repository that the lines of code on a card name, if it is one."""
    found = re.search(r'(?:from_pretrained\(|load_dataset\(|model=)"([^"]+)"', card)
    return found[1] if found and found[1] != PLACEHOLDER else None


def name_repository(card: str, repo_id: str) -> str:
    """A card whose lines of code name this repository; nothing else is changed."""
    use = sections(card).get("use", "")
    return card.replace(use, use.replace(f'"{repository_in(use) or PLACEHOLDER}"', f'"{repo_id}"'))


def sections(text: str) -> dict[str, str]:
    """Name → text of every generated section of a card, markers included, in their order."""
    return {match["name"]: match[0] for match in _SECTION.finditer(text)}


def with_metadata(card: str, stated: Mapping[str, str], path: Path) -> str:
    """The card at `path` with this metadata in the place of its own; nothing else is changed."""
    changed = _read_card(card, path)
    changed.data = ModelCardData(**_metadata_of(card, path) | dict(stated) | _relation(stated))
    return str(changed)


def check_stated(stated: Mapping[str, str], record: Record, folder: Path) -> None:
    """SettingsError if the record of a folder contradicts what its publisher states."""
    if (name := stated.get("base_model")) is None:
        return
    if record.kind == "pairs":
        raise SettingsError(f"--base-model {name}: {folder} holds pairs, which were not made from an encoder.")
    if (recorded := _recorded_base(record)) is not None:
        raise SettingsError(f"--base-model {name}: by its record {folder} was made from {recorded}.")


def _recorded_base(record: Record) -> str | None:
    return next((base.id for base in facts.bases_of(record) if base.id), None)


def _relation(stated: Mapping[str, str]) -> dict[str, str]:
    return {"base_model_relation": "finetune"} if "base_model" in stated else {}


def _metadata_of(card: str, path: Path) -> dict[str, Any]:
    return dict(_read_card(card, path).data.to_dict())


def _read_card(text: str, path: Path, kind: type[ModelCard] | type[DatasetCard] = ModelCard) -> Any:
    try:
        return kind(text, ignore_metadata_errors=True)
    except ValueError as error:
        raise DataError(f"has metadata that can't be read ({error}); correct it, or remove the file", path) from error


def _merged(old: str, new: Any, path: Path) -> Any:
    """The card at `path` brought up to date: its generated sections and metadata are those of the new one."""
    card = _read_card(old, path, type(new))
    card.text = merge_text(card.text, new.text)
    card.data = type(new.data)(**merge_metadata(card.data.to_dict(), new.data.to_dict()))
    return card


def merge_text(old: str, new: str) -> str:
    """The old body with its generated sections replaced by the new ones.

    A section that the old body does not have yet comes after its predecessor, or to the end; one that is no longer
    generated is removed. Raises DataError if a marker of the old body has no other half, as the generated text then has
    no known end.
    """
    if alone := re.search(r"<!-- /?alignfreeze:[a-z]+ -->", _SECTION.sub("", old)):
        raise DataError(f"README.md: the marker {alone[0]} has no other half; put it back or remove this one")
    fresh, present = sections(new), sections(old)
    text = _SECTION.sub(lambda match: fresh.get(match["name"], ""), old)
    previous = None
    for name, section in fresh.items():
        if name not in present:
            if previous is None:
                text = f"{text.rstrip()}\n\n{section}\n"
            else:
                end = f"<!-- /alignfreeze:{previous} -->"
                text = text.replace(end, f"{end}\n\n{section}", 1)
        previous = name
    return re.sub(r"\n{3,}", "\n\n", text)
