"""The encoder aligner: its links are those of a slow version, whatever is batched and in how many threads."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoTokenizer

from alignfreeze_cli.aligners.base import SentencePairs
from alignfreeze_cli.aligners.encoder import EncoderAligner, default_block
from alignfreeze_cli.aligners.extraction import Extraction, word_links
from alignfreeze_cli.aligners.settings import AlignPairsSettings
from alignfreeze_cli.errors import ArtifactError, DataError, SettingsError
from alignfreeze_cli.pairs.folder import open_pairs
from alignfreeze_cli.pairs.links import Links
from alignfreeze_cli.pairs.words import Words
from alignfreeze_cli.progress import Console
from alignfreeze_cli.steps.align_pairs import align_pairs
from tests.support.console import RecordingConsole
from tests.support.lexical import save_lexical
from tests.support.models import save_bert

PIECES = ["ba", "##be", "##bi", "da", "##de", "##di", "ga", "##ge", "##gi", "."]


def prepared(encoder: Path, **values: Any) -> EncoderAligner:
    settings = AlignPairsSettings(
        target=("xx",),
        aligner="encoder",
        encoder=str(encoder),
        corpus=("a-{target}.tsv",),
        **{"precision": "fp32"} | values,
    )
    return EncoderAligner.prepare(settings, "xx", Console())[0]


def some_words(seed: int, sentences: int) -> list[list[str]]:
    """Sentences of up to eight words, some of none, a word of one to three pieces."""
    random = np.random.default_rng(seed)

    def word() -> str:
        return random.choice(["ba", "da", "ga"]) + "".join(random.choice(["be", "di", "gi"], random.integers(3)))

    return [[word() for _ in range(random.integers(9))] for _ in range(sentences)]


def batch(seed: int = 0, sentences: int = 60) -> SentencePairs:
    return SentencePairs(*(Words.from_lists(some_words(seed + side, sentences)) for side in (1, 2)))


def slowly(
    encoder: Path, pairs: SentencePairs, block: int, extraction: Extraction
) -> list[dict[tuple[int, int], float]]:
    """Every sentence by itself through the whole model."""
    model, tokenizer = AutoModel.from_pretrained(encoder).eval(), AutoTokenizer.from_pretrained(encoder)
    found = []
    for texts in zip(pairs.source.to_lists(), pairs.target.to_lists(), strict=True):
        if not all(texts):
            found.append({})
            continue
        sides = []
        for words in texts:
            encoded = tokenizer(words, is_split_into_words=True, return_tensors="pt")
            with torch.no_grad():
                hidden = model(**encoded, output_hidden_states=True).hidden_states[block + 1][0].numpy()
            numbers = encoded.word_ids()
            own = [n for n, word in enumerate(numbers) if word is not None]
            sides.append((hidden[own], np.array([numbers[n] for n in own])))
        links, scores = extraction(sides[0][0], sides[1][0])
        joined, best = word_links(links, scores, sides[0][1], sides[1][1])
        found.append({(i, j): float(score) for (i, j), score in zip(joined.tolist(), best, strict=True)})
    return found


def as_dicts(links: Links, pairs: int) -> list[dict[tuple[int, int], float]]:
    assert links.scores is not None
    found: list[dict[tuple[int, int], float]] = [{} for _ in range(pairs)]
    for pair, i, j, score in zip(links.pair, links.source, links.target, links.scores, strict=True):
        found[pair][int(i), int(j)] = float(score)
    return found


@pytest.fixture(scope="module")
def random_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_bert(tmp_path_factory.mktemp("encoder") / "bert", PIECES, initializer_range=0.2, hidden_size=32)


@pytest.mark.parametrize("extract", ["argmax", "itermax", "match", "softmax"])
@pytest.mark.parametrize("block", [None, 3])
def test_links_are_those_of_a_slow_version(
    random_bert: Path, monkeypatch: pytest.MonkeyPatch, extract: str, block: int | None
) -> None:
    monkeypatch.setattr("alignfreeze_cli.aligners.encoder.CPU_BATCH_TOKENS", 80)
    monkeypatch.setattr("alignfreeze_cli.aligners.encoder.PAIRS_AT_ONCE", 25)
    aligner = prepared(random_bert, extract=extract, align_block=block)
    assert aligner.block == (1 if block is None else block)
    pairs = batch()
    ours = as_dicts(aligner.align(pairs), len(pairs))
    theirs = slowly(random_bert, pairs, aligner.block, Extraction(extract))
    assert sum(map(len, theirs)) > 80
    for one, other in zip(ours, theirs, strict=True):
        assert list(one) == list(other)
        assert list(one.values()) == pytest.approx(list(other.values()), abs=1e-4)


def test_the_number_of_threads_changes_nothing(random_bert: Path) -> None:
    aligner, found = prepared(random_bert), []
    threads = torch.get_num_threads()
    try:
        for number in (1, 3):
            torch.set_num_threads(number)
            links = aligner.align(batch())
            assert torch.get_num_threads() == number
            found.append([each.tobytes() for each in (links.pair, links.source, links.target, links.scores)])
    finally:
        torch.set_num_threads(threads)
    assert found[0] == found[1]


def test_blocks_above_the_one_that_is_compared_are_not_computed(random_bert: Path, tmp_path: Path) -> None:
    shutil.copytree(random_bert, tmp_path / "bert")
    weights = load_file(random_bert / "model.safetensors")
    for name in weights:
        if "layer.2." in name:
            weights[name] = torch.full_like(weights[name], torch.nan)
    save_file(weights, tmp_path / "bert" / "model.safetensors", {"format": "pt"})
    pairs = batch()
    expected = prepared(random_bert).align(pairs)
    found = prepared(tmp_path / "bert").align(pairs)
    assert (found.source.tolist(), found.target.tolist()) == (expected.source.tolist(), expected.target.tolist())
    with pytest.raises(ArtifactError, match="vectors that are not numbers; try --precision fp32"):
        prepared(tmp_path / "bert", align_block=2).align(pairs)


def test_the_default_block() -> None:
    assert [default_block(blocks) for blocks in (1, 2, 4, 6, 12, 24)] == [0, 0, 1, 3, 6, 13]


def test_bf16_gives_nearly_the_same(random_bert: Path) -> None:
    pairs = batch()
    links, rough = (
        {
            (p, i, j)
            for p, one in enumerate(prepared(random_bert, precision=name).align(pairs).to_lists(len(pairs)))
            for i, j in one
        }
        for name in ("fp32", "bf16")
    )
    assert len(links & rough) > 0.8 * len(links)


def test_pairs_that_are_too_long_get_no_links_and_are_counted(random_bert: Path) -> None:
    fits = ["ba"] * 126  # and two special tokens
    texts = [
        (["ba"], ["da"]),
        (fits, fits),
        ([*fits, "ba"], ["da"]),
        (["da"], ["ba"] * 5_000),
        (["da"], ["ba", "x" * 9_000]),
    ]
    pairs = SentencePairs(*(Words.from_lists([text[side] for text in texts]) for side in (0, 1)))
    links = prepared(random_bert).align(pairs)
    assert pairs.too_long == [2, 3]
    assert [count > 0 for count in links.counts(5)] == [True, True, False, False, True]


@pytest.mark.parametrize(
    "words",
    [
        ["\u200b"],
        ["\u200b", "ba"],
        ["[SEP]", "ba"],
        ["[PAD]"],
        ["[CLS]", "[CLS]"],
        ["\ufffd"],
        ["ba\u0301"],
        ["🏳️‍🌈", "."],
    ],
)
def test_odd_words(random_bert: Path, words: list[str]) -> None:
    texts = [words, ["ba", "da"], []]
    pairs = SentencePairs(Words.from_lists(texts), Words.from_lists([["ba", "."], words, words]))
    links = prepared(random_bert).align(pairs)
    assert (links.source < np.array([len(text) for text in texts])[links.pair]).all()
    assert links.counts(3)[2] == 0
    assert prepared(random_bert).align(SentencePairs(Words.from_lists([[], []]), Words.from_lists([[], ["a"]]))).counts(
        2
    ).tolist() == [0, 0]
    assert len(prepared(random_bert).align(SentencePairs(Words.from_lists([]), Words.from_lists([])))) == 0


def test_words_are_read_as_they_are_seen(tmp_path: Path) -> None:
    encoder = save_lexical(tmp_path / "bert", {"café": "coffee", "Kaffee": "coffee", "tea": "tea", "Tee": "tea"})
    plain, odd = ["tea", "café"], ["tea", "cafe\u0301"]
    for source in (plain, odd, ["te\u00ada\u200e", "\u2067café"]):
        pairs = SentencePairs(Words.from_lists([source]), Words.from_lists([["Kaffee", "Tee"]]))
        assert prepared(encoder).align(pairs).to_lists(1) == [[(0, 1), (1, 0)]]
    pairs = SentencePairs(Words.from_lists([odd]), Words.from_lists([["Kaffee", "Tee"]]))
    scores = prepared(encoder, normalise="none", extract="match").align(pairs).scores
    assert scores is not None
    assert scores.min() < 0.9  # a word that it does not know


ENGLISH = ["the", "old", "cat", "dog", "house", "river", "sees", "finds", "likes"]


def other(word: str) -> str:
    return word[::-1] + "x"


@pytest.fixture(scope="module")
def lexical(tmp_path_factory: pytest.TempPathFactory) -> Path:
    meanings = {word: word for word in ENGLISH} | {other(word): word for word in ENGLISH}
    return save_lexical(tmp_path_factory.mktemp("lexical") / "bert", meanings)


def write_corpus(folder: Path, sentences: int, missing: int | None = None) -> None:
    """Two files: the words of a sentence, and their translations in the opposite order; perhaps a line is missing."""
    random = np.random.default_rng(0)
    lines = [random.permutation(ENGLISH)[: random.integers(2, 9)].tolist() for _ in range(sentences)]
    translated = [" ".join(other(word) for word in reversed(line)) for line in lines]
    if missing is not None:
        translated = [*translated[:missing], *translated[missing + 1 :], "xeht"]
    (folder / "a.en").write_text("".join(" ".join(line) + "\n" for line in lines))
    (folder / "a.xx").write_text("".join(line + "\n" for line in translated))


def test_through_the_whole_step(lexical: Path, tmp_path: Path) -> None:
    write_corpus(tmp_path, 200)
    settings = AlignPairsSettings(
        target=("xx",), corpus=(f"{tmp_path}/a.{{language}}",), aligner="encoder", encoder=str(lexical),
        output=tmp_path / "pairs", pharaoh=tmp_path / "links",
    )  # fmt: skip
    result = align_pairs(settings, Console())
    rows = list(open_pairs(result.path).read("xx"))
    assert len(rows) == 200
    for row in rows:
        assert row.links == [(i, len(row.source) - 1 - i) for i in range(len(row.source))]
    scores = [score for row in pq.read_table(result.path / "data/en-xx.parquet")["scores"].to_pylist() for score in row]
    assert min(scores) > 0.99
    statistics = open_pairs(result.path).statistics["languages"]["xx"]
    assert statistics["aligner"] == {
        "encoder": f"…/{'/'.join(lexical.parts[-2:])}",
        "block": 1,
        "blocks": 4,
        "extract": "argmax",
    }
    assert [each["name"] for each in result.record.inputs] == ["corpus xx", "encoder"]  # type: ignore[union-attr]
    assert align_pairs(settings, Console()).status == "already done"


def test_words_without_subwords_are_warned_of(lexical: Path) -> None:
    known, foreign = Words.from_lists([["old", "cat"]] * 3), Words.from_lists([["猫", "old"]] * 3)
    aligner = prepared(lexical)
    assert aligner.check(SentencePairs(known, known)) == []
    (warning,) = aligner.check(SentencePairs(known, foreign))
    assert "no subwords for 1 of the first 2 different words of the target side" in warning


def test_a_missing_line_is_found_by_the_scores(lexical: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alignfreeze_cli.aligners.linking.refuse_shifted_lengths", lambda *_: None)  # which comes first
    write_corpus(tmp_path, 400, missing=150)
    settings = AlignPairsSettings(
        target=("xx",), corpus=(f"{tmp_path}/a.{{language}}",), aligner="encoder", encoder=str(lexical),
        output=tmp_path / "pairs",
    )  # fmt: skip
    with pytest.raises(
        DataError, match=r"the two files are shifted: 12\d lines from here on have links with a mean score"
    ):
        align_pairs(settings, RecordingConsole())


def test_an_encoder_that_was_replaced_is_read_again(lexical: Path, random_bert: Path, tmp_path: Path) -> None:
    shutil.copytree(lexical, tmp_path / "bert")
    before = prepared(tmp_path / "bert")
    before.align(batch())
    shutil.rmtree(tmp_path / "bert")
    shutil.copytree(random_bert, tmp_path / "bert")
    after = prepared(tmp_path / "bert")
    assert before.digest != after.digest
    expected, found = prepared(random_bert).align(batch()), after.align(batch())
    assert found.target.tolist() == expected.target.tolist()


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"aligner": "encoder"}, "needs --encoder"),
        ({"aligner": "encoder", "encoder": "x", "workers": 2}, "--workers goes with other aligners"),
        (
            {"aligner": "encoder", "encoder": "x", "softmax_threshold": 0.1},
            "--softmax-threshold goes with --extract softmax",
        ),
        ({"aligner": "encoder", "encoder": "x", "fold_case": True}, "--fold-case goes with --aligner dictionary"),
        ({"encoder": "x"}, "--encoder goes with --aligner encoder"),
        ({"extract": "match"}, "--extract goes with --aligner encoder"),
        ({"aligner": "encoder", "encoder": "x", "softmax_temperature": 0.0}, "--softmax-temperature must be above 0"),
    ],
)
def test_settings_that_do_not_go_together(values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(SettingsError) as raised:
        AlignPairsSettings(target=("xx",), corpus=("a.tsv",), **values)
    assert complaint in str(raised.value)


def test_a_block_that_is_not_there(random_bert: Path) -> None:
    with pytest.raises(SettingsError, match="--align-block 4: the encoder has 4 blocks, counted from 0"):
        prepared(random_bert, align_block=4)
