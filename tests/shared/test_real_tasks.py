"""The readers on excerpts of the real data sets, and the number of words that the published code scored."""

from __future__ import annotations

from pathlib import Path

import pytest

from alignfreeze_cli.encoder.tokenizers import load_tokenizer
from alignfreeze_cli.errors import DataError
from alignfreeze_cli.tasks.registry import TASKS
from alignfreeze_cli.tasks.squad import read_squad

SHARED = Path(__file__).parents[3] / "shared"
NER, NLI, POS = TASKS["ner"], TASKS["nli"], TASKS["pos"]


def test_wikiann_and_universal_ner() -> None:
    data = SHARED / "data/ner"
    options = dict(NER.defaults)
    chinese = list(NER.read([data / "panx/dev-zh.tsv"], "zh", options))
    assert (len(chinese), sum(word.startswith("#") for each in chinese for word in each.words)) == (400, 341)
    german = list(NER.read([data / "uner/de_pud-ud-test.iob2"], "de", options))
    assert (len(german), german[0].identifier, german[0].words[:3]) == (300, "n01001-0001", ["„", "Ein", "Großteil"])
    with pytest.raises(DataError, match="line 1: there is a word without a tag"):
        list(NER.read([data / "panx/unlabelled/test-de.tsv"], "de", options))


def test_xnli() -> None:
    data = SHARED / "data/xnli"
    english = list(NLI.read([data / "train-en.tsv"], "en", {}))
    assert len(english) == 4000
    assert sum(pair.premise.startswith('"') or pair.hypothesis.startswith('"') for pair in english) == 15
    assert len(list(NLI.read([data / "with-header/test-en.genre.tsv"], "en", {}))) == 300
    with pytest.raises(DataError, match="line 1: the line has no label"):
        list(NLI.read([data / "unlabelled/test-de.tsv"], "de", {}))


def test_xquad_and_tydi_qa() -> None:
    data = SHARED / "data/qa"
    tydi = list(read_squad(data / "tydiqa.goldp.en.train.json", "en"))
    assert (len(tydi), len({question.identifier for question in tydi})) == (300, 32)
    for language in ("en", "zh", "th"):
        assert len(list(read_squad(data / f"xquad.{language}.json", language))) == 177
    with pytest.raises(DataError, match="has no answer to any question"):
        list(read_squad(data / "unlabelled/tydiqa.goldp.fi.dev.json", "fi"))


def test_counts_of_scored_words_are_the_published_ones_for_tamil() -> None:
    """2,185 with mBERT's vocabulary: 1,989 words, 194 multi-word tokens, two words that were cut and counted twice."""
    tokenizer = load_tokenizer(SHARED / "tokenizers/mbert")
    path = SHARED / "data/ud/ta_ttb-ud-test.conllu"
    options = {"multiword_tokens": "published", "windows": "published", "lone_pieces": "delete"}
    examples = list(POS.read([path], "ta", options))
    windows = POS.encode(examples, tokenizer, POS.labels(options), 128, options)
    assert len(windows.word) == 2185
    for multiword, count in (("published", 1989 + 194), ("exclude", 1989)):
        options = {**POS.defaults, "multiword_tokens": multiword}
        examples = list(POS.read([path], "ta", options))
        assert len(POS.encode(examples, tokenizer, POS.labels(options), 128, options).word) == count
