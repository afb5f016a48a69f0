"""Part-of-speech tagging on Universal Dependencies: every word gets one of the 17 universal tags (UPOS).

Data: CoNLL-U files, or the Hub's Parquet conversion of UD 2.7, the version that the paper used (arXiv 2502.12959;
published code, xtreme_udpos.py). The metric is accuracy over words.
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
from alignfreeze_cli.tasks.conllu import ConlluLine, read_conllu
from alignfreeze_cli.tasks.data import label_names, read_columns
from alignfreeze_cli.tasks.tagging import TaggedSentence, TaggingOptions, TaggingTask

if TYPE_CHECKING:
    import numpy as np

NO_TAG = "_"
HUB_LABELS = (
    *("NOUN", "PUNCT", "ADP", "NUM", "SYM", "SCONJ", "ADJ", "PART", "DET", "CCONJ", "PROPN", "PRON", "X", NO_TAG),
    *("ADV", "INTJ", "VERB", "AUX"),
)
"""The labels of the Hub's data set in its order, which is that of the published models; `_` means "no tag"."""

TREEBANKS = {
    treebank.split("_")[0]: treebank
    for treebank in (
        *("en_ewt", "bg_btb", "cs_pdt", "de_gsd", "es_gsd", "lv_lvtb", "af_afribooms", "ar_padt", "ca_ancora"),
        *("da_ddt", "el_gdt", "fa_perdt", "fi_pud", "fr_gsd", "he_htb", "hi_hdtb", "hu_szeged", "it_isdt", "ja_gsd"),
        *("ko_gsd", "lt_alksnis", "no_bokmaal", "pl_pdb", "pt_gsd", "ro_rrt", "ru_gsd", "sk_snk", "sl_ssj", "sv_pud"),
        *("ta_ttb", "th_pud", "tr_pud", "uk_iu", "vi_vtb", "zh_gsd"),
    )
}
"""The paper's treebank of each language, English first, then the 34 target languages in the published order."""


@dataclass(frozen=True, kw_only=True)
class PosOptions:
    """Settings that only this task reads."""

    multiword_tokens: str | None = setting(
        None,
        choices=("exclude", "published"),
        help="What is done with lines of a treebank that are not words: multi-word tokens (du = de + le) and empty "
        "nodes. exclude: they are left out, as is usual. published: they are kept among the words, multi-word tokens "
        "with the label _, as for the paper's results. [default: exclude; in evaluate as the model was trained]",
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
        # The repository itself holds only a loading script, so the Hub's conversion of it to Parquet is read.
        return HubFiles(
            "universal-dependencies/universal_dependencies",
            f"{TREEBANKS[language]}/{split}/*.parquet",
            "refs/convert/parquet",
        )

    def read(self, paths: Sequence[Path], language: str, options: Options) -> list[TaggedSentence]:
        all_lines = options["multiword_tokens"] == "published"
        sentences = (
            _read_hub_treebank(path, all_lines) if path.suffix == ".parquet" else _read_treebank(path, all_lines)
            for path in paths
        )
        return list(chain.from_iterable(sentences))

    def labels(self, options: Options) -> tuple[str, ...]:
        """The 17 tags in the order of the Hub's data set; published: 18, with `_` in its place."""
        return tuple(tag for tag in HUB_LABELS if tag != NO_TAG or options["multiword_tokens"] == "published")

    def measure(self, gold: list[list[str]], predicted: list[list[str | None]]) -> tuple[dict[str, float], int]:
        right, words = self.tally(gold, predicted).sum(0).tolist()
        return {"accuracy": right / words if words else 0.0}, words

    def tally(self, gold: list[list[str]], predicted: list[list[str | None]]) -> np.ndarray:
        """Words with the right tag, and all words, of each sequence: (sequences, 2)."""
        import numpy as np

        rows = [(sum(map(eq, *pair)), len(pair[0])) for pair in zip(gold, predicted, strict=True)]
        return np.array(rows, dtype=np.int64).reshape(-1, 2)

    def from_tallies(self, sums: np.ndarray) -> np.ndarray:
        return share(sums[..., 0], sums[..., 1])


def _read_treebank(path: Path, all_lines: bool) -> Iterable[TaggedSentence]:
    """The sentences of a CoNLL-U file: its words, or all its lines, multi-word tokens and empty nodes too."""
    sentences = list(read_conllu(path))
    words = [line for sentence in sentences for line in sentence.lines if line.kind == "word"]
    if all(line.upos == NO_TAG for line in words):
        raise DataError(f"no word has a tag (column UPOS is {NO_TAG} throughout); this treebank can't be scored", path)
    for sentence in sentences:
        lines = [line for line in sentence.lines if all_lines or line.kind == "word"]
        if lines:
            tags = [_tag(line, path) for line in lines]
            yield TaggedSentence(sentence.identifier, [line.form for line in lines], tags)


def _tag(line: ConlluLine, path: Path) -> str:
    if line.kind == "multi-word":
        return NO_TAG
    if line.upos == NO_TAG and line.kind == "word":
        raise DataError(f"the word {line.form!r} has no tag (column UPOS is {NO_TAG})", path, line.number)
    if line.upos not in HUB_LABELS:
        raise DataError(f"{line.upos!r} is not a universal tag" + nearest(line.upos, HUB_LABELS), path, line.number)
    return line.upos


def _read_hub_treebank(path: Path, all_lines: bool) -> Iterable[TaggedSentence]:
    """The Hub's Parquet conversion: lists `tokens`, `upos` (label ids) and `head` per sentence.

    It lacks the word ids. What is not a word can be told by its missing head: every word has one (the root has 0).
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
            if is_word or all_lines:
                words.append(form)
                tags.append(label)
        if words:
            yield TaggedSentence(str(row["idx"]), words, tags)
