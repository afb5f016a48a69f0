"""Real parallel text and real dictionaries are aligned as the published code does, and as its rules are stated.

The data is in a folder next to the repository; a clone without it does not collect these tests (see tests/conftest.py).
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from alignfreeze_cli.aligners.settings import AlignPairsSettings
from alignfreeze_cli.pairs.folder import Pair, open_pairs
from alignfreeze_cli.progress import Console
from alignfreeze_cli.steps.align_pairs import align_pairs
from tests.support.plain_rules import dictionary_links, filtered

SHARED = Path(__file__).parents[3] / "shared"
DATA = SHARED / "data"


def test_links_are_those_of_the_published_code(tmp_path: Path) -> None:
    settings = AlignPairsSettings(
        target=("de", "fr", "tr"),
        corpus=(str(DATA / "parallel/tatoeba/en-{target}.tsv"),),
        words="published",
        normalise="none",
        dictionary=str(DATA / "dictionaries/{source}-{target}.txt"),
        pharaoh=tmp_path / "links",
        output=tmp_path / "pairs",
    )
    assert align_pairs(settings, Console()).status == "made"
    for code in ("de", "fr", "tr"):
        golden = SHARED / f"golden/dictionary/en-{code}.pharaoh"
        assert (tmp_path / f"links/en-{code}.pharaoh").read_bytes() == golden.read_bytes()


@pytest.mark.parametrize("code", ["ru", "hi"])
def test_text_is_aligned_as_the_rules_are_stated(code: str, tmp_path: Path) -> None:
    corpus = DATA / f"parallel/ntrex/en-{code}.tsv"
    entries = set()
    for path, forward in ((f"en-{code}.txt", True), (f"{code}-en.txt", False)):
        for line in (DATA / "dictionaries" / path).read_text(encoding="utf-8").split("\n"):
            first, _, second = line.partition(" ")
            if first != second:
                entries.add((first, second) if forward else (second, first))
    by_word: dict[str, set[tuple[str, str]]] = {}
    for entry in entries:
        by_word.setdefault(entry[0], set()).add(entry)
    expected = []
    for line in corpus.read_text(encoding="utf-8").splitlines()[:300]:
        source, target = (re.findall(r"\w+|[^\w\s]+", side) for side in line.split("\t"))
        near = {entry for word in source for entry in by_word.get(word, ())}
        links = filtered(dictionary_links(near, source, target), source, target)
        expected += [Pair(source, target, links)] if links else []
    settings = AlignPairsSettings(
        target=(code,),
        corpus=(str(corpus),),
        dictionary=str(DATA / "dictionaries/{source}-{target}.txt"),
        words="published",
        normalise="none",
        max_lines=300,
        output=tmp_path / "pairs",
    )
    assert list(open_pairs(align_pairs(settings, Console()).path).read(code)) == expected
