"""Growth: laws are fitted to points, made-up sentences have the length that is asked for, plots are the same bytes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignfreeze_cli.encoder.tokenizers import load_tokenizer
from alignfreeze_cli.published import rows
from benchmarks import generated, projection
from benchmarks.growth.plot import draw
from benchmarks.growth.series import FLAT, LINEAR, Growth, Law, Series
from benchmarks.plain.evaluate import read_treebank
from benchmarks.projection import Rates

SIZES = [10, 100, 1_000]


@given(st.floats(0, 1e3), st.floats(1e-3, 1e3))
def test_a_law_goes_through_points_that_follow_it(fixed: float, factor: float) -> None:
    fitted = LINEAR.fitted(SIZES, [fixed + factor * size for size in SIZES])
    for size in SIZES:
        assert fitted(size) == pytest.approx(fixed + factor * size, rel=1e-6)


def test_a_law_never_falls() -> None:
    fitted = LINEAR.fitted(SIZES, [3.0, 2.0, 1.0])
    assert fitted(1_000) >= fitted(10) > 0


def test_a_factor_that_theory_gives_is_kept() -> None:
    law = Law("16 bytes", lambda size: size, factor=16.0)
    fitted = law.fitted(SIZES, [500 + 20 * size for size in SIZES])
    assert fitted(100) - fitted(10) == pytest.approx(16 * 90)
    assert FLAT.fitted(SIZES, [4.0, 5.0, 6.0])(1e9) == 5.0


def test_a_plot_is_the_same_bytes(tmp_path: Path) -> None:
    series = Series("evaluate", LINEAR, FLAT, SIZES, [1.0, 2.5, 20.0], [10**9, 10**9, 2 * 10**9])
    growth = Growth("lines", "lines", "seconds", [series])
    for name in ("first.svg", "second.svg"):
        draw(growth, tmp_path / name)
    assert (tmp_path / "first.svg").read_bytes() == (tmp_path / "second.svg").read_bytes()
    assert "| evaluate | 1,000 | 20 | 19.2 | 2.00 | 1.00 |" in growth.markdown()


@pytest.mark.parametrize("length", [8, 40])
def test_even_sentences_have_one_length(length: int, tmp_path: Path) -> None:
    generated.write_treebank(tmp_path / "text.conllu", 200, 1)
    text = [" ".join(words) for words, _ in read_treebank(tmp_path / "text.conllu")]
    generated.write_encoder(tmp_path / "encoder", "tiny", text, 1)
    tokenizer = load_tokenizer(tmp_path / "encoder")
    generated.write_even_treebank(tmp_path / "even.conllu", tokenizer, length, 20, 1)
    generated.write_even_corpus(tmp_path, tokenizer, length, 20, 1)
    sides = [line.split("\t") for line in (tmp_path / "en-aa.tsv").read_text(encoding="utf-8").splitlines()]
    sentences = [words for words, _ in read_treebank(tmp_path / "even.conllu")]
    sentences += [side.split() for pair in sides for side in pair]
    assert len(sentences) == 60
    assert {len(tokenizer(words, is_split_into_words=True)["input_ids"]) for words in sentences} == {length}
    assert all(len(set(words)) == len(words) for words in sentences)


def test_the_grid_adds_up_what_the_published_runs_took() -> None:
    rates = dict.fromkeys(projection.SHAPES, Rates({"none": 3600.0, "front": 3600.0, "back": 3600.0}, 1e9, 1e9))
    *_, distilbert, together = (
        [cell.strip().replace(",", "") for cell in line.strip("|").split("|")]
        for line in projection.grid(rates).splitlines()
    )
    assert together[:3] == ["all", "435", str(sum(row["realignment_steps"] for row in rows()))]
    # Three strategies of five seeds: with the dictionary, NLI's run serves all tasks; with the two other aligners there
    # is PoS alone. Three more realign within fine-tuning, with all three aligners.
    assert int(distilbert[6]) == 15 * 24_544 + 2 * 15 * 1_965 + 3 * 15 * 1_965
