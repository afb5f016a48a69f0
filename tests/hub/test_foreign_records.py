"""Cards of records that come from elsewhere: no text of theirs becomes Markdown, HTML, code or metadata of the card."""

from __future__ import annotations

import copy
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard
from huggingface_hub.repocard import REGEX_YAML_BLOCK
from markdown_it import MarkdownIt

from alignfreeze_cli.errors import AlignFreezeError
from alignfreeze_cli.hub import cards
from alignfreeze_cli.hub.cards import make_card
from tests.hub.hubworld import Made

HOSTILE = (
    "</details><script>evil()</script> [evil](http://evil.example) ![evil](http://evil.example/e.png) *evil* `|` | x |"
    '\n\n# evil\n\n```\nevil\n---\nevil: true\n---\n<!-- /alignfreeze:use -->"); evil("\'$(evil)\x1b[2J\u202e'
)
MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])

Place = tuple[Any, ...]


def strings(value: Any, place: Place = ()) -> Iterator[tuple[Place, bool]]:
    """Where the texts in JSON stand; True for those that are keys."""
    if isinstance(value, str):
        yield place, False
    elif isinstance(value, dict):
        for key, item in value.items():
            yield (*place, key), True
            yield from strings(item, (*place, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from strings(item, (*place, number))


def planted(value: Any, place: Place, key: bool, text: str) -> Any:
    """A copy of JSON with `text` at a place."""
    value = copy.deepcopy(value)
    holder = value
    for part in place[:-1]:
        holder = holder[part]
    if key:
        items = [(text if name == place[-1] else name, item) for name, item in holder.items()]
        holder.clear()
        holder.update(items)
    else:
        holder[place[-1]] = text
    return value


def kinds_of_places(value: Any) -> list[tuple[Place, bool]]:
    """One place of each kind: entries of a list are alike, and so are those by language."""
    found = {}
    for place, key in strings(value):
        alike = tuple("*" if isinstance(part, int) or re.fullmatch("[a-z]{2}", str(part)) else part for part in place)
        if place[0] not in ("files", "identity"):
            found.setdefault((alike, key), (place, key))
    return list(found.values())


def shape(card: str) -> list[str]:
    """What Markdown makes of a card's body, without its text; code blocks with their language."""
    tokens = MARKDOWN.parse(REGEX_YAML_BLOCK.sub("", card, count=1))
    found = []
    for token in tokens:
        for each in token.children or [token]:
            if each.type in ("html_block", "html_inline", "image", "link_open", "fence", "heading_open", "td_open"):
                found.append(f"{each.type} {each.info} {each.attrs.get('href', '')}{each.attrs.get('src', '')}")
            if each.type.startswith("html"):
                found[-1] += re.sub(r'alt="[^"<>]*"|width="\d+"', "", each.content)
    return found


@pytest.fixture
def folder(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """A copy of a folder with its scores; pictures that were drawn once are kept, as they take longest."""
    draw = cache(cards.draw_blocks)
    monkeypatch.setattr(cards, "draw_blocks", lambda caption, strips: draw(caption, tuple(strips)))

    def copied(name: str) -> Path:
        source = made.pairs if name == "pairs" else made.run() / name
        for each in (source, source.with_name(f"{name}-scores")):
            if each.is_dir():
                shutil.copytree(each, tmp_path / each.name)
        (tmp_path / name / "README.md").unlink()
        return tmp_path / name

    return copied


def with_scores(folder: Path, scores: Any) -> None:
    """Change the scores of a model together with their digest."""
    place = folder.with_name("pos-scores")
    (place / "scores.json").write_text(json.dumps(scores))
    record = json.loads((place / "alignfreeze.json").read_text())
    record["files"]["scores.json"] = hashlib.sha256((place / "scores.json").read_bytes()).hexdigest()
    (place / "alignfreeze.json").write_text(json.dumps(record))


@pytest.mark.parametrize("name", ["pos", "encoder", "pairs", "scores"])
def test_no_text_of_a_record_is_taken_for_anything_else(folder: Callable[[str], Path], name: str) -> None:
    there = folder("pos" if name == "scores" else name)
    path = there.with_name("pos-scores") / "scores.json" if name == "scores" else there / "alignfreeze.json"
    right = json.loads(path.read_text())
    usual = shape(make_card(there)["README.md"].decode())
    assert len(usual) > 20
    made = 0
    for place, key in kinds_of_places(right):
        changed = planted(right, place, key, HOSTILE)
        if name == "scores":
            with_scores(there, changed)
        else:
            path.write_text(json.dumps(changed))
        try:
            card = make_card(there)["README.md"].decode()
        except AlignFreezeError:
            continue  # refused in a sentence
        made += 1
        where = f"{place} {'key' if key else ''}"
        extra = [each for each in shape(card) if each not in usual]
        assert not extra, f"{where}: {extra}"
        assert shape(card).count("heading_open  ") <= usual.count("heading_open  "), where
        assert not {"\x1b", "\u202e"} & set(card), where
        assert "evil" not in ModelCard(card).data.to_dict(), where
        for code in re.findall(r"```python\n(.*?)\n```", card, re.DOTALL):
            assert "evil" not in {part for node in [compile(code, "card", "exec")] for part in node.co_names}, where
    assert made > (5 if name == "scores" else 40), "most are shown"


def test_a_card_needs_what_it_shows(folder: Callable[[str], Path]) -> None:
    path = folder("pos") / "alignfreeze.json"
    right = json.loads(path.read_text())
    refused = 0
    for place, key in kinds_of_places(right):
        if key:
            path.write_text(json.dumps(planted(right, place, False, "no number, no list")))
            try:
                make_card(path.parent)
            except AlignFreezeError:
                refused += 1
    assert refused > 20
    enormous = copy.deepcopy(right)
    enormous["lineage"][-1]["details"]["blocks"] = 10**9
    path.write_text(json.dumps(enormous))
    with pytest.raises(AlignFreezeError, match="no card can be made"):
        make_card(path.parent)
