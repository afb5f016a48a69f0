"""What a run draws from: the same pairs at the same steps, however long it is and however little is encoded."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alignfreeze_cli.encoder import dataset
from alignfreeze_cli.encoder.dataset import RealignDataset, build_dataset, language_sources, resolve_pairs
from alignfreeze_cli.encoder.settings import SAMPLINGS, RealignSettings
from alignfreeze_cli.encoder.tokenizers import load_tokenizer
from alignfreeze_cli.pairs.folder import Pair
from alignfreeze_cli.progress import Console
from tests.support.console import RecordingConsole
from tests.support.realign_world import make_encoder, make_pairs, sentence_pairs

UNUSABLE = Pair(["en1"] * 40, ["de1"], [(39, 0)])  # cut to 32 subwords it has no link


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """de in two folders, three quarters of one of them unusable; fr large, ta small."""
    folder = tmp_path_factory.mktemp("world")
    make_encoder(folder / "encoder")
    good = sentence_pairs("de", 130)
    make_pairs(folder / "one", {"de": good[:120] + [UNUSABLE] * 380, "fr": 400, "ta": 12})
    make_pairs(folder / "two", {"de": good[120:]})
    return folder


@pytest.fixture(autouse=True)
def small_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `sample_size`, for corpora of hundreds instead of millions."""

    def sample_size(needed: int, rows: int) -> int:
        enough = 1 << max(4, (needed * 5 // 4 - 1).bit_length())
        return rows if rows <= 2 * enough else enough

    monkeypatch.setattr(dataset, "sample_size", sample_size)


def gathered(world: Path, steps: int | None, **changes: Any) -> RealignDataset:
    folders = [str(world / "one"), str(world / "two")]
    values: dict[str, Any] = {"batch_size": 6, "max_length": 32, "probe_pairs": 2, "steps": steps, **changes}
    settings = RealignSettings(model=str(world / "encoder"), pairs=tuple(folders), **values)
    sources = language_sources(resolve_pairs(folders), settings.targets)
    return build_dataset(settings, sources, load_tokenizer(world / "encoder"), 1, Console())


def content(some: RealignDataset, number: int, row: int) -> list[Any]:
    """A pair by its language, its row in the file and its subwords, whatever its number among the encoded ones."""
    pairs = some.pairs[number]
    sides = [side.ids[side.ids_at[row] : side.ids_at[row + 1]].tolist() for side in (pairs.source, pairs.target)]
    return [pairs.language, int(pairs.row[row]), *sides]


def drawn(some: RealignDataset, steps: int) -> list[list[list[Any]]]:
    """Per step what is drawn: source and target sentence."""
    number = {id(pairs): place for place, pairs in enumerate(some.pairs)}
    return [
        [[content(some, number[id(d.pairs)], row) for row in (d.source, d.target)] for d in some.drawn(step)]
        for step in range(steps)
    ]


def held_out(some: RealignDataset) -> list[list[Any]]:
    return [content(some, number, row) for number, held in enumerate(some.held_out) for row in held.tolist()]


@pytest.mark.parametrize("links", ["given", "shuffled"])
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_a_longer_run_begins_as_a_shorter_one(world: Path, sampling: str, links: str) -> None:
    runs = {steps: gathered(world, steps, sampling=sampling, links=links) for steps in (1, 3, 10, 60)}
    runs[90] = gathered(world, None, epochs=10.0 if sampling == "published" else 2.0, sampling=sampling, links=links)
    read = [sum(pairs.read for pairs in some.pairs) for some in runs.values()]
    assert read[0] < read[3] <= read[-1] == 922  # the short ones do without most of the pairs
    for (steps, short), (_, long) in pairwise(runs.items()):
        assert drawn(short, steps) == drawn(long, steps)
        assert held_out(short) == held_out(long)
        assert [use.drawn for use in short.draws.usage()] == [use.drawn for use in long.first(steps).draws.usage()]


def test_more_is_read_where_pairs_cannot_be_used(world: Path) -> None:
    """A quarter of what is read of de can be used; no pair comes a second time before all have come once."""
    some = gathered(world, 8)
    de = some.pairs[0]
    assert (de.language, de.rows) == ("de", 510)
    assert len(de) >= 16 + 2
    assert de.read < 510
    seen = [pair[0][1] for step in drawn(some, 8) for pair in step if pair[0][0] == "de"]
    assert len(seen) == len(set(seen)) == 16


def test_pairs_come_in_a_random_order_of_the_whole_language(world: Path) -> None:
    rows = {}
    for seed in (1, 2):
        some = gathered(world, 9, seed=seed, targets=("fr",))
        rows[seed] = [pair[0][1] for step in drawn(some, 9) for pair in step]
    assert rows[1] != rows[2]
    assert len(set(rows[1])) == 54
    assert np.std(rows[1]) > 70  # from the whole file, not from its beginning: 115 if they were spread evenly


def test_a_second_pass_begins_when_all_pairs_of_the_language_were_drawn(world: Path) -> None:
    some = gathered(world, 30)
    ta = [pair[0][1] for step in drawn(some, 30) for pair in step if pair[0][0] == "ta"]
    first, second = ta[:11], ta[11:22]
    assert sorted(first) == sorted(second)
    assert len(set(first)) == 11
    assert first != second


@pytest.mark.parametrize("links", ["given", "shuffled"])
def test_shuffled_links_give_every_sentence_the_target_of_another_batch(world: Path, links: str) -> None:
    for batch in drawn(gathered(world, 9, links=links, targets=("fr",)), 9):
        sources, targets = ([pair[side][1] for pair in batch] for side in (0, 1))
        assert set(sources) & set(targets) == (set(sources) if links == "given" else set())


def test_at_most_a_tenth_is_held_out_however_little_is_encoded(world: Path) -> None:
    short, long = (gathered(world, steps, probe_pairs=30) for steps in (1, 60))
    assert [len(held) for held in short.held_out] == [13, 30, 1]
    assert held_out(short) == held_out(long)


@pytest.fixture(scope="module")
def doubled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 pairs of de ten times over, in two folders; ta has a single pair, many times."""
    folder = tmp_path_factory.mktemp("doubled")
    make_encoder(folder / "encoder")
    good = sentence_pairs("de", 60)
    make_pairs(folder / "one", {"de": good * 5, "fr": 40, "ta": sentence_pairs("ta", 1) * 30})
    make_pairs(folder / "two", {"de": good * 5})
    words = [f"de{n}" for n in range(6)]
    turned = [Pair(["en1"], words[n:] + words[:n], [(0, 0)]) for n in range(6)]
    make_pairs(folder / "turned", {"de": turned * 5})
    return folder


class TestDuplicates:
    """A pair that is held out is not trained on under another number."""

    @pytest.mark.parametrize("links", ["given", "shuffled"])
    def test_held_out_pairs_are_not_drawn(self, doubled: Path, links: str) -> None:
        runs = {steps: gathered(doubled, steps, probe_pairs=6, links=links) for steps in (2, 40, 150)}
        for steps, some in runs.items():
            held = {tuple(map(tuple, pair[2:])) for pair in held_out(some) if pair[0] != "ta"}
            for step in drawn(some, steps):
                for source, target in step:
                    assert source[0] == "ta" or not {tuple(map(tuple, each[2:])) for each in (source, target)} & held
        assert len(runs[150].held_out[0]) == 6
        assert runs[2].pairs[0].read < 600
        for (steps, short), (_, long) in pairwise(runs.items()):
            assert drawn(short, steps) == drawn(long, steps)
            assert held_out(short) == held_out(long)

    def test_where_all_pairs_are_equal_none_is_held_out(self, doubled: Path) -> None:
        some = gathered(doubled, 5, targets=("ta",))
        assert held_out(some) == []
        assert len(some.training[0]) == 30

    def test_pairs_with_equal_lengths_and_sums_are_not_equal(self, doubled: Path) -> None:
        """The order of the words decides."""
        sources = language_sources(resolve_pairs([str(doubled / "turned")]), ())
        settings = RealignSettings(model="x", pairs=("x",), batch_size=2, max_length=32, probe_pairs=2, epochs=1.0)
        some = build_dataset(settings, sources, load_tokenizer(doubled / "encoder"), 1, Console())
        held = {tuple(pair[3]) for pair in held_out(some)}
        assert len(held) in (1, 2)
        assert len(some.training[0]) == 5 * (6 - len(held))


def test_a_curve_that_was_asked_for_and_cannot_be_is_warned_about(world: Path, tmp_path: Path) -> None:
    make_pairs(tmp_path / "small", {"de": 9, "fr": 9})
    folders = [str(tmp_path / "small")]
    for every, warned in (2, True), (0, False):
        settings = RealignSettings(
            model=str(world / "encoder"), pairs=tuple(folders), steps=4, batch_size=2, probe_every=every
        )
        sources, console = language_sources(resolve_pairs(folders), settings.targets), RecordingConsole()
        some = build_dataset(settings, sources, load_tokenizer(world / "encoder"), 1, console)
        assert held_out(some) == []
        assert any(each.startswith("--probe-every: no language has") for each in console.warned) is warned
