"""Part-of-speech tagging on Universal Dependencies: every word gets one of the 17 universal tags (UPOS).

Data: CoNLL-U files, or the Parquet files that the Hub made of the treebanks of UD 2.7 which the paper used.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import eq
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from alignfreeze_cli.errors import DataError, SettingsError
from alignfreeze_cli.settings import nearest, setting
from alignfreeze_cli.tasks.base import HubFiles, Options, share
from alignfreeze_cli.tasks.conllu import Row, read_conllu
from alignfreeze_cli.tasks.parquet import label_names, read_columns
from alignfreeze_cli.tasks.tagging import Tagged, TaggingOptions, TaggingTask

if TYPE_CHECKING:
    import numpy as np

NO_TAG = "_"
HUB_LABELS = (
    *("NOUN", "PUNCT", "ADP", "NUM", "SYM", "SCONJ", "ADJ", "PART", "DET", "CCONJ", "PROPN", "PRON", "X", NO_TAG),
    *("ADV", "INTJ", "VERB", "AUX"),
)
"""The labels of the Hub's data set in its order, which the published models share; `_` stands for "no tag"."""

TREEBANKS = {
    treebank.split("_")[0]: treebank
    for treebank in (
        *("en_ewt", "bg_btb", "cs_pdt", "de_gsd", "es_gsd", "lv_lvtb", "af_afribooms", "ar_padt", "ca_ancora"),
        *("da_ddt", "el_gdt", "fa_perdt", "fi_pud", "fr_gsd", "he_htb", "hi_hdtb", "hu_szeged", "it_isdt", "ja_gsd"),
        *("ko_gsd", "lt_alksnis", "no_bokmaal", "pl_pdb", "pt_gsd", "ro_rrt", "ru_gsd", "sk_snk", "sl_ssj", "sv_pud"),
        *("ta_ttb", "th_pud", "tr_pud", "uk_iu", "vi_vtb", "zh_gsd"),
    )
}
"""The paper's treebank of each language; English first, then the 34 targets in the paper's order."""


@dataclass(frozen=True, kw_only=True)
class PosOptions:
    """Settings that only this task reads."""

    multiword_tokens: str | None = setting(
        None,
        choices=("exclude", "published"),
        help="Lines of a treebank that are no words: multi-word tokens (du = de + le) and empty nodes. exclude: left "
        "out, as is usual. published: kept beside the words, multi-word tokens with the label _, as in the paper's "
        "numbers. [default: exclude; in evaluate as the model was trained]",
    )


class PosTask(TaggingTask):
    """Part-of-speech tagging; the metric is the share of words with the right tag."""

    name = "pos"
    title = "part-of-speech tagging"
    metric = "accuracy"
    unit = "words"
    languages = tuple(TREEBANKS)[1:]
    epochs = 5
    data = "Universal Dependencies"
    licence = "differs by treebank, most are CC BY-SA 4.0, some non-commercial: see each treebank's page"
    citation = """@misc{11234/1-3424,
  title = {Universal Dependencies 2.7},
  author = {Zeman, Daniel and Nivre, Joakim and others},
  url = {http://hdl.handle.net/11234/1-3424},
  note = {{LINDAT}/{CLARIAH}-{CZ} digital library at the Institute of Formal and Applied Linguistics ({{\\'U}FAL}),
          Faculty of Mathematics and Physics, Charles University},
  year = {2020}
}"""
    options = (PosOptions, TaggingOptions)
    defaults: ClassVar[dict[str, Any]] = {**TaggingTask.defaults, "multiword_tokens": "exclude"}

    def hub_files(self, language: str, split: str) -> HubFiles:
        if language not in TREEBANKS:
            raise SettingsError(
                f"There is no default treebank for {language!r}" + nearest(language, TREEBANKS) + "; name a file."
            )
        # Only the Hub's own conversion can be read: the repository itself holds a loading script.
        return HubFiles(
            "universal-dependencies/universal_dependencies",
            f"{TREEBANKS[language]}/{split}/*.parquet",
            "refs/convert/parquet",
        )

    def read(self, paths: Sequence[Path], language: str, options: Options) -> list[Tagged]:
        published = options["multiword_tokens"] == "published"
        sentences = chain.from_iterable(
            _read_parquet(path, published) if path.suffix == ".parquet" else _read_treebank(path, published)
            for path in paths
        )
        return list(sentences)

    def labels(self, options: Options) -> tuple[str, ...]:
        """The 17 tags in the order of the Hub's data set; published: 18, with `_` in its place."""
        return tuple(tag for tag in HUB_LABELS if tag != NO_TAG or options["multiword_tokens"] == "published")

    def measure(self, gold: list[list[str]], predicted: list[list[str | None]]) -> tuple[dict[str, float], int]:
        right, words = self.tally(gold, predicted).sum(0).tolist()
        return {"accuracy": right / words if words else 0.0}, words

    def tally(self, gold: list[list[str]], predicted: list[list[str | None]]) -> np.ndarray:
        """Right words, words."""
        import numpy as np

        rows = [(sum(map(eq, *pair)), len(pair[0])) for pair in zip(gold, predicted, strict=True)]
        return np.array(rows, dtype=np.int64).reshape(-1, 2)

    def from_tallies(self, sums: np.ndarray) -> np.ndarray:
        return share(sums[..., 0], sums[..., 1])


def _read_treebank(path: Path, published: bool) -> Iterable[Tagged]:
    sentences = list(read_conllu(path))
    words = [row for sentence in sentences for row in sentence.rows if row.kind == "word"]
    if all(row.upos == NO_TAG for row in words):
        raise DataError(f"no word has a tag (column UPOS is {NO_TAG} throughout); this treebank can't be scored", path)
    for sentence in sentences:
        rows = [row for row in sentence.rows if published or row.kind == "word"]
        if rows:
            yield Tagged(sentence.identifier, [row.form for row in rows], [_tag(row, path) for row in rows])


def _tag(row: Row, path: Path) -> str:
    if row.kind == "multi-word":
        return NO_TAG
    if row.upos == NO_TAG and row.kind == "word":
        raise DataError(f"the word {row.form!r} has no tag (column UPOS is {NO_TAG})", path, row.line)
    if row.upos not in HUB_LABELS:
        raise DataError(f"{row.upos!r} is no universal tag" + nearest(row.upos, HUB_LABELS), path, row.line)
    return row.upos


def _read_parquet(path: Path, published: bool) -> Iterable[Tagged]:
    """The Hub's conversion: lists `tokens`, `upos` (label ids) and `head` per sentence; the word ids are lost in it.

    What is no word is told by its missing head, which a word always has (0 for the root).
    """
    table = read_columns(path, ["idx", "tokens", "upos", "head"], "sentence")
    names = label_names(table, "upos", HUB_LABELS)
    for number, row in enumerate(table.to_pylist(), start=1):
        words, tags = [], []
        for form, tag, head in zip(row["tokens"], row["upos"], row["head"], strict=True):
            is_word = head not in ("None", NO_TAG, None)
            label = tag if isinstance(tag, str) else names[tag]
            if is_word and label == NO_TAG:
                raise DataError(f"the word {form!r} of sentence {row['idx']} (row {number}) has no tag", path)
            if is_word or published:
                words.append(form)
                tags.append(label)
        if words:
            yield Tagged(str(row["idx"]), words, tags)
