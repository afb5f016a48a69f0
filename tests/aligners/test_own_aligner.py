"""An aligner as a reader of CONTRIBUTING.md would write it, and one that learns from the text and scores its links."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import pyarrow.parquet as pq
import pytest

from alignfreeze_cli import aligners
from alignfreeze_cli.aligners.base import SentencePairs
from alignfreeze_cli.aligners.settings import AlignPairsSettings
from alignfreeze_cli.artifacts import Input
from alignfreeze_cli.errors import SettingsError
from alignfreeze_cli.pairs.folder import open_pairs
from alignfreeze_cli.pairs.links import Links
from alignfreeze_cli.progress import Console
from alignfreeze_cli.steps.align_pairs import align_pairs
from tests.support.console import RecordingConsole

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class FrequencyAligner:
    """Links the words in a row, as surely as the source word is rare in the text; takes up to four words."""

    scored: ClassVar[bool] = True

    counts: Path | None = None
    companion: Path | None = None

    @classmethod
    def prepare(cls, settings: AlignPairsSettings, target: str, console: Console) -> tuple[Self, list[Input]]:
        return cls(), []

    def fit(self, batches: Iterator[SentencePairs], folder: Path, console: Console) -> Self:
        words = Counter(word for batch in batches for word in batch.source.values.to_pylist())
        path = folder / "counts"
        path.write_text(" ".join(f"{word} {count}" for word, count in words.items()))
        return replace(self, counts=path)

    def check(self, batch: SentencePairs) -> list[str]:
        return []

    def align(self, batch: SentencePairs) -> Links:
        assert self.counts is not None
        fields = self.counts.read_text().split()
        rare = {word: 1 / int(count) for word, count in zip(fields[::2], fields[1::2], strict=True)}
        batch.too_long.extend(n for n, length in enumerate(batch.source.lengths) if length > 4)
        links, scores = [], []
        for n, (source, target) in enumerate(zip(batch.source.to_lists(), batch.target.to_lists(), strict=True)):
            count = 0 if n in batch.too_long else min(len(source), len(target))
            links.append([(i, i) for i in range(count)])
            scores.append([rare[source[i]] for i in range(count)])
        return Links.from_lists(links, scores)

    def statistics(self) -> dict[str, Any]:
        return {}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("a.tsv").write_text("a b\tx y\na c\tz w v\nd d d d d\tu\nTom\ttom\n")
    return tmp_path


def add(monkeypatch: pytest.MonkeyPatch, found: type) -> None:
    """As if the class were in the table under the name of the dictionary aligner, which settings know."""
    monkeypatch.setattr("tests.aligners.test_own_aligner.Added", found, raising=False)
    monkeypatch.setitem(aligners.ALIGNERS, "dictionary", f"{__name__}:Added")


def settings(**values: Any) -> AlignPairsSettings:
    return AlignPairsSettings(target=("xx",), corpus=("a.tsv",), output=Path("out"), **values)


def test_the_aligner_of_contributing_works(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(@dataclass.*?CognateAligner.*?)```", page, re.S)
    assert code is not None
    exec(code[1], globals())
    add(monkeypatch, globals()["CognateAligner"])
    result = align_pairs(settings(), Console())
    assert [(pair.source, pair.links) for pair in open_pairs(result.path).read("xx")] == [(["Tom"], [(0, 0)])]


def test_an_aligner_learns_from_the_whole_text_and_scores_its_links(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(monkeypatch, FrequencyAligner)
    console = RecordingConsole()
    result = align_pairs(settings(), console)
    rows = pq.read_table(result.path / "data" / "en-xx.parquet").to_pylist()
    assert [(row["links"], row["scores"]) for row in rows] == [
        ([[0, 0], [1, 1]], [0.5, 1.0]),
        ([[0, 0], [1, 1]], [0.5, 1.0]),
        ([[0, 0]], [1.0]),
    ]
    counted = open_pairs(result.path).statistics["languages"]["xx"]
    assert counted["dropped"]["too long for the aligner"] == 1
    assert any("1 pair of 4 is longer than --aligner dictionary can take" in warning for warning in console.warned)
    assert sorted(path.name for path in result.path.iterdir()) == [
        "README.md",
        "alignfreeze.json",
        "data",
        "statistics.json",
    ]


def test_min_score_drops_links(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch, FrequencyAligner)
    result = align_pairs(settings(min_score=0.6), Console())
    assert [pair.links for pair in open_pairs(result.path).read("xx")] == [[(1, 1)], [(1, 1)], [(0, 0)]]
    counted = open_pairs(result.path).statistics["languages"]["xx"]
    assert counted["links"] == {
        "found": 5,
        "kept": 3,
        "dropped": {"score too low": 2, "word linked more than once": 0, "equal words": 0},
    }


def test_min_score_without_scores_is_refused(folder: Path) -> None:
    with pytest.raises(SettingsError, match="--min-score needs links that have scores, and --aligner dictionary"):
        align_pairs(settings(min_score=0.5), Console())
