"""Encoding of pairs: subwords, words, links, and the cache."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import BertTokenizer, PreTrainedTokenizerFast

from alignfreeze_cli.artifacts.files import cache_folder, file_digest
from alignfreeze_cli.encoder.encoding import EncodedPairs, Side, encode_pairs, join, sample_size
from alignfreeze_cli.encoder.encoding import tokenizer_digest as key_of
from alignfreeze_cli.errors import SettingsError
from alignfreeze_cli.pairs.folder import Pair, open_pairs
from tests.support.realign_world import make_pairs, sentence_pairs, vocabulary

NOBODY = 65534


def word_pieces() -> Any:
    return BertTokenizer(vocab=vocabulary())


def sentence_pieces() -> Any:
    """As XLM-R's: a word begins with ▁, which is a subword of its own before what the vocabulary has without it."""
    pieces = {"<s>": 0.0, "<pad>": 0.0, "</s>": 0.0, "<unk>": 0.0, "▁": -2.0, "▁cat": -3.0, "猫": -3.0, "s": -4.0}
    tokenizer = Tokenizer(models.Unigram(list(pieces.items()), unk_id=3))
    metaspace = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), metaspace])
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )


def encode(folder: Path, pairs: list[Pair], tokenizer: Any = None, max_length: int = 16, **more: Any) -> EncodedPairs:
    return encode_folder(make_pairs(folder, {"de": pairs}), tokenizer, max_length, **more)


def encode_folder(folder: Path, tokenizer: Any = None, max_length: int = 16, **more: Any) -> EncodedPairs:
    opened = open_pairs(folder)
    tokenizer = tokenizer or word_pieces()
    (language,) = opened.files
    digest = file_digest(language.path)
    return encode_pairs(opened, language, digest, tokenizer, key_of(tokenizer), max_length, **more)


def subwords(side: Side, tokenizer: Any) -> list[list[str]]:
    return [
        tokenizer.convert_ids_to_tokens(side.ids[begin:end].tolist())
        for begin, end in zip(side.ids_at[:-1], side.ids_at[1:], strict=True)
    ]


def words(side: Side, tokenizer: Any) -> list[list[list[str]]]:
    """Per sentence and word its subwords."""
    found = []
    for sentence, pieces in enumerate(subwords(side, tokenizer)):
        spans = side.words[side.words_at[sentence] : side.words_at[sentence + 1]]
        found.append([pieces[begin:end] for begin, end in spans.tolist()])
    return found


def links(pairs: EncodedPairs) -> list[list[list[int]]]:
    return [pairs.links[begin:end].tolist() for begin, end in zip(pairs.links_at[:-1], pairs.links_at[1:], strict=True)]


def test_words_and_links_of_a_pair(tmp_path: Path) -> None:
    encoded = encode(tmp_path / "p", [Pair(["en1", "en2"], ["de2ab", "de1"], [(0, 1), (1, 0)])])
    tokenizer = word_pieces()
    assert subwords(encoded.source, tokenizer) == [["[CLS]", "en1", "en2", "[SEP]"]]
    assert words(encoded.source, tokenizer) == [[["en1"], ["en2"]]]
    assert words(encoded.target, tokenizer) == [[["de2", "##a", "##b"], ["de1"]]]
    assert links(encoded) == [[[0, 1], [1, 0]]]


def test_links_of_words_cut_off_are_dropped_and_so_are_pairs_without_links(tmp_path: Path) -> None:
    """Five subwords: the special ones and three of text, so the target keeps de1ab's first word and no more."""
    pairs = [
        Pair(["en1", "en2"], ["de1ab", "de2"], [(0, 0), (1, 1)]),
        Pair(["en3"], ["de1ab", "de3"], [(0, 1)]),
        Pair(["en4"], ["de4"], [(0, 0)]),
    ]
    encoded = encode(tmp_path / "p", pairs, max_length=5)
    assert len(encoded) == 2
    assert (encoded.rows, encoded.read) == (3, 3)
    assert words(encoded.target, word_pieces()) == [[["de1", "##a", "##b"]], [["de4"]]]
    assert words(encoded.source, word_pieces()) == [[["en1"], ["en2"]], [["en4"]]]
    assert links(encoded) == [[[0, 0]], [[0, 0]]]


def test_a_word_without_subwords_is_dropped_and_the_links_are_renumbered(tmp_path: Path) -> None:
    pairs = [Pair(["en1", "\u200b", "en2"], ["de1", "de2"], [(0, 0), (1, 0), (2, 1)])]
    encoded = encode(tmp_path / "p", pairs)
    assert words(encoded.source, word_pieces()) == [[["en1"], ["en2"]]]
    assert links(encoded) == [[[0, 0], [1, 1]]]


def test_a_lone_boundary_stays_but_the_word_is_read_after_it(tmp_path: Path) -> None:
    pairs = [Pair(["cat", "▁", "猫s"], ["猫"], [(0, 0), (1, 0), (2, 0)])]
    tokenizer = sentence_pieces()
    kept = encode(tmp_path / "p", pairs, tokenizer, lone_pieces="keep")
    assert subwords(kept.source, tokenizer) == [["<s>", "▁cat", "▁", "▁", "猫", "s", "</s>"]]
    assert words(kept.source, tokenizer) == [[["▁cat"], ["▁"], ["猫", "s"]]]
    assert words(kept.target, tokenizer) == [[["猫"]]]
    assert links(kept) == [[[0, 0], [1, 0], [2, 0]]]


def test_published_deletes_every_lone_boundary(tmp_path: Path) -> None:
    pairs = [Pair(["cat", "▁", "猫s"], ["猫"], [(0, 0), (1, 0), (2, 0)])]
    tokenizer = sentence_pieces()
    deleted = encode(tmp_path / "p", pairs, tokenizer, lone_pieces="delete")
    assert subwords(deleted.source, tokenizer) == [["<s>", "▁cat", "猫", "s", "</s>"]]
    assert words(deleted.source, tokenizer) == [[["▁cat"], ["猫", "s"]]]
    assert links(deleted) == [[[0, 0], [1, 0]]]


def test_encoding_is_that_of_the_rules_written_out(tmp_path: Path) -> None:
    """Two thousand pairs in several chunks, some of them cut, against one sentence at a time."""
    pairs = sentence_pairs("de", 2300)
    tokenizer = word_pieces()
    encoded = encode(tmp_path / "p", pairs, max_length=12)
    number = 0
    for pair in pairs:
        spans, renumber = [], []
        for side in (pair.source, pair.target):
            encoding = tokenizer(side, is_split_into_words=True, truncation=True, max_length=12)
            ids = encoding.word_ids()
            left = [word for word in range(len(side)) if word in ids]
            spans.append([[ids.index(word), ids.index(word) + ids.count(word)] for word in left])
            renumber.append({word: place for place, word in enumerate(left)})
        kept = [[renumber[0][i], renumber[1][j]] for i, j in pair.links if i in renumber[0] and j in renumber[1]]
        if not kept:
            continue
        for side, expected in ((encoded.source, spans[0]), (encoded.target, spans[1])):
            assert side.words[side.words_at[number] : side.words_at[number + 1]].tolist() == expected
        assert encoded.links[encoded.links_at[number] : encoded.links_at[number + 1]].tolist() == kept
        number += 1
    assert number == len(encoded)


def test_the_second_time_pairs_come_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALIGNFREEZE_CACHE", str(tmp_path / "cache"))
    first = encode(tmp_path / "p", sentence_pairs("de", 30))
    (entry,) = (tmp_path / "cache" / "encoded").iterdir()
    before = {path.name: path.stat().st_mtime_ns for path in entry.iterdir()}
    again = encode(tmp_path / "p", sentence_pairs("de", 30))
    assert {path.name: path.stat().st_mtime_ns for path in entry.iterdir()} == before
    assert np.array_equal(first.target.ids, again.target.ids)
    assert isinstance(again.target.ids.base, np.memmap)


@pytest.mark.parametrize("change", [{"max_length": 9}, {"lone_pieces": "delete"}, {"rows": np.arange(8)}])
def test_other_settings_have_their_own_cache_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    monkeypatch.setenv("ALIGNFREEZE_CACHE", str(tmp_path / "cache"))
    encode(tmp_path / "p", sentence_pairs("de", 30))
    encode(tmp_path / "p", sentence_pairs("de", 30), **change)
    assert len(list((tmp_path / "cache" / "encoded").iterdir())) == 2


def test_only_the_rows_that_are_asked_for_are_encoded(tmp_path: Path) -> None:
    """Of the five rows one is cut so that it has no link left."""
    pairs = sentence_pairs("de", 200)
    pairs[70] = Pair(["en1"] * 20, ["de1"], [(19, 0)])
    whole = encode(tmp_path / "p", pairs)
    some = encode(tmp_path / "p", pairs, rows=np.array([3, 5, 70, 71, 199]))
    assert (len(some), some.rows, some.read) == (4, 200, 5)
    assert some.row.tolist() == [3, 5, 71, 199]
    for place, row in enumerate(some.row):
        (number,) = np.flatnonzero(whole.row == row)
        ids = [
            side.ids[side.ids_at[n] : side.ids_at[n + 1]] for side, n in ((some.target, place), (whole.target, number))
        ]
        assert np.array_equal(*ids)


def test_only_a_small_part_of_a_large_corpus_is_encoded() -> None:
    assert sample_size(1000, 1_000_000) == 4096
    assert sample_size(7000, 1_000_000) == 16_384
    assert sample_size(7000, 30_000) == 30_000
    assert sample_size(1000, 500) == 500


def test_joined_folders_are_read_one_after_the_other(tmp_path: Path) -> None:
    pairs = sentence_pairs("de", 50)
    whole = encode(tmp_path / "whole", pairs)
    parts = [encode(tmp_path / "a", pairs[:20]), encode(tmp_path / "b", pairs[20:])]
    joined = join(parts)
    assert (joined.rows, len(joined)) == (50, len(whole))
    assert np.array_equal(joined.row, whole.row)
    for name in ("links", "links_at"):
        assert np.array_equal(getattr(joined, name), getattr(whole, name))
    for name in ("ids", "ids_at", "words", "words_at"):
        assert np.array_equal(getattr(joined.target, name), getattr(whole.target, name))


def test_no_usable_pair_gives_an_empty_result(tmp_path: Path) -> None:
    encoded = encode(tmp_path / "p", [Pair(["en1"], ["de1ab", "de2"], [(0, 1)])], max_length=4)
    assert (len(encoded), encoded.rows) == (0, 1)


@contextmanager
def not_as_root() -> Iterator[None]:
    """Root may write anywhere, so tests that run as root become `nobody` for a while."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)


def test_a_cache_that_cannot_be_written_names_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o755)
    monkeypatch.chdir(tmp_path)  # the folders above it may be closed to `nobody`
    Path("closed").mkdir(mode=0o555)
    monkeypatch.setenv("ALIGNFREEZE_CACHE", "closed")
    make_pairs(Path("p"), {"de": 3})
    with not_as_root(), pytest.raises(SettingsError, match="ALIGNFREEZE_CACHE"):
        encode_folder(Path("p"))


def test_the_cache_is_in_the_home_folder_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ALIGNFREEZE_CACHE")
    assert cache_folder() == Path.home() / ".cache" / "alignfreeze"
