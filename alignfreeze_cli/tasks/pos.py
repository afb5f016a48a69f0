"""Part-of-speech tagging on Universal Dependencies: every word gets one of the 17 universal tags (UPOS).

Data: CoNLL-U files, or Parquet files of the Hub. The paper used UD 2.7 (arXiv 2502.12959; published code,
xtreme_udpos.py), which the Hub has as its own conversion of a data set with a loading script. Should that be gone, a
repackaged later version is read. The metric is accuracy over words.
"""

from __future__ import annotations

import glob
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import eq
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from alignfreeze_cli.errors import DataError, SettingsError
from alignfreeze_cli.phrases import listed
from alignfreeze_cli.settings import nearest, setting
from alignfreeze_cli.tasks.base import HubFiles, Options, Warn, log_warning, share
from alignfreeze_cli.tasks.conllu import ConlluLine, read_conllu
from alignfreeze_cli.tasks.data import label_names, named_label, read_rows, row_lists, schema_of
from alignfreeze_cli.tasks.tagging import TaggedSentence, TaggingOptions, TaggingTask, with_words
from alignfreeze_cli.tasks.treebanks import Wanted, find_unpacked

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

RENAMED = {"cs_pdt": "cs_pdtc"}
"""Treebanks that have another name in later versions of UD."""

CONVERTED = "universal-dependencies/universal_dependencies"
"""UD 2.7 as a loading script; the Hub's own conversion to Parquet lies on a branch that the Hub keeps, or not."""

REPACKAGED = "commul/universal_dependencies"
REPACKAGED_VERSION = "2.17"
"""A later version of UD, one revision per version."""


RELEASE = "ud-treebanks-v2.7"
"""The release of the published numbers, as its archive is called."""


def treebank_names(language: str) -> tuple[str, ...]:
    """Names of the paper's treebank of a language in any version of UD; of a language without one a pattern."""
    usual = TREEBANKS.get(language)
    return tuple(dict.fromkeys([usual, RENAMED.get(usual, usual)])) if usual else (f"{glob.escape(language)}_*",)


@dataclass(frozen=True, kw_only=True)
class PosOptions:
    """Settings that only this task reads."""

    multiword_tokens: str | None = setting(
        None,
        choices=("exclude", "published"),
        panel="For pos",
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
    release = RELEASE
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
    without_hub = (
        "download a version of Universal Dependencies (2.7 for the published numbers, "
        f"http://hdl.handle.net/11234/1-3424) and give it to `alignfreeze fetch pos --treebanks {RELEASE}.tgz`, or "
        "unpack it, and name its folder with {option}"
    )

    def hub_files(self, language: str, split: str) -> tuple[HubFiles, ...]:
        """The two layouts that the Hub's conversion has had, then the repackaged version."""
        if language not in TREEBANKS:
            raise SettingsError(
                f"There is no default treebank for {language!r}" + nearest(language, TREEBANKS) + "; name a file."
            )
        treebank = TREEBANKS[language]
        branch = "refs/convert/parquet"
        return (
            HubFiles(CONVERTED, f"{treebank}/{split}/*.parquet", branch),
            HubFiles(CONVERTED, f"{treebank}/universal_dependencies-{split}*.parquet", branch),
            HubFiles(
                REPACKAGED,
                f"parquet/{RENAMED.get(treebank, treebank)}/{split}.parquet",
                REPACKAGED_VERSION,
                f"it is UD {REPACKAGED_VERSION}, and the published numbers are for UD 2.7",
            ),
        )

    def unpacked(self, language: str, split: str) -> tuple[str, list[Path]] | None:
        return find_unpacked(Wanted(language, split, treebank_names(language)))

    def files_in(self, folder: Path, language: str, split: str) -> list[Path]:
        """The treebank of a language in an unpacked version of UD: the paper's, else the only one.

        A treebank may lie in several files (`cs_pdt-ud-train-c.conllu`). Raises DataError if there is none, or several.
        """
        names = treebank_names(language)
        for name in names:
            pattern = Path(glob.escape(str(folder)), "**", f"{name}-ud-{split}*.conllu")
            paths = sorted(map(Path, glob.glob(str(pattern), recursive=True)))
            treebanks = sorted({f"{path.parent.name}/{path.name.partition('-ud-')[0]}" for path in paths})
            if len(treebanks) > 1:
                raise DataError(f"holds several treebanks of {language!r} ({listed(treebanks)}); name a file", folder)
            if paths:
                return paths
        raise DataError(f"holds no {listed((f'{name}-ud-{split}.conllu' for name in names), last='or')}", folder)

    def read(
        self, paths: Sequence[Path], language: str, options: Options, warn: Warn = log_warning
    ) -> Iterator[TaggedSentence]:
        all_lines = options["multiword_tokens"] == "published"
        for path in paths:
            read = _read_hub_treebank if path.suffix == ".parquet" else _read_treebank
            yield from with_words(read(path, all_lines), path)

    def labels(self, options: Options) -> tuple[str, ...]:
        """The 17 tags in the order of the Hub's data set; published: 18, with `_` in its place."""
        return tuple(tag for tag in HUB_LABELS if tag != NO_TAG or options["multiword_tokens"] == "published")

    def tally(self, gold: list[list[str]], predicted: list[list[str | None]]) -> np.ndarray:
        """Words with the right tag, and all words, of each sequence: (sequences, 2)."""
        import numpy as np

        rows = [(sum(map(eq, *pair)), len(pair[0])) for pair in zip(gold, predicted, strict=True)]
        return np.array(rows, dtype=np.int64).reshape(-1, 2)

    def metrics(self, sums: np.ndarray) -> dict[str, np.ndarray]:
        return {"accuracy": share(sums[..., 0], sums[..., 1])}


def _read_treebank(path: Path, all_lines: bool) -> Iterator[TaggedSentence]:
    """The sentences of a CoNLL-U file: its words, or all its lines, multi-word tokens and empty nodes too."""
    words = (line for sentence in read_conllu(path) for line in sentence.lines if line.kind == "word")
    if all(line.upos == NO_TAG for line in words):  # reads on only until a word has a tag
        raise DataError(f"no word has a tag (column UPOS is {NO_TAG} throughout); this treebank can't be scored", path)
    for sentence in read_conllu(path):
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
        raise DataError(_unknown_tag(line.upos), path, line.number)
    return line.upos


def _unknown_tag(tag: str) -> str:
    return f"{tag[:40]!r} is not a universal tag" + nearest(tag, HUB_LABELS)


class _Word(NamedTuple):
    """A word of a treebank in Parquet, or, if `is_word` is false, a multi-word token or an empty node."""

    form: str
    tag: str
    is_word: bool


def _read_hub_treebank(path: Path, all_lines: bool) -> Iterator[TaggedSentence]:
    """The sentences of a Parquet file of the Hub, in either form: its words, or all its lines."""
    rows = _repackaged_rows if "mwt" in schema_of(path).names else _converted_rows
    some = False
    for number, identifier, words in rows(path):
        for word in words:
            if word.is_word and word.tag == NO_TAG:
                raise DataError(f"the word {word.form!r} of sentence {identifier} (row {number}) has no tag", path)
            if word.tag not in HUB_LABELS:
                raise DataError(f"row {number}: {_unknown_tag(word.tag)}", path)
        kept = [word for word in words if all_lines or word.is_word]
        some = some or any(word.is_word for word in words)
        if kept:
            yield TaggedSentence(identifier, [word.form for word in kept], [word.tag for word in kept])
    if not some:
        raise DataError("no word has a head (column head), by which words are told from multi-word tokens", path)


def _converted_rows(path: Path) -> Iterator[tuple[int, str, list[_Word]]]:
    """The Hub's own conversion: lists `tokens`, `upos` (label ids) and `head` per sentence.

    It lacks the word ids. What is not a word can be told by its missing head: every word has one (the root has 0).
    """
    columns = ["idx", "tokens", "upos", "head"]
    names = label_names(schema_of(path, columns), "upos", HUB_LABELS)
    for number, row in read_rows(path, columns, "sentence"):
        words = [
            _Word(form, named_label(tag, names, form, path, number), head not in ("None", NO_TAG, "", None))
            for form, tag, head in zip(*row_lists(row, columns[1:], path, number), strict=True)
        ]
        yield number, _identifier(row["idx"], number), words


def _repackaged_rows(path: Path) -> Iterator[tuple[int, str, list[_Word]]]:
    """commul/universal_dependencies: words in `tokens` and `upos` (label ids or tags), the other lines by themselves.

    `mwt` and `empty_nodes` are lists of structs with an `id` as in CoNLL-U (`3-4`, `8.1`) and a `form`; an empty node
    has an `upos` too.
    """
    columns = ["sent_id", "tokens", "upos", "mwt", "empty_nodes"]
    names = label_names(schema_of(path, columns), "upos", HUB_LABELS)
    for number, row in read_rows(path, columns, "sentence"):
        forms, tags = row_lists(row, ["tokens", "upos"], path, number)
        before: Mapping[int, list[_Word]] = defaultdict(list)  # word number to the multi-word tokens that begin there
        after: Mapping[int, list[_Word]] = defaultdict(list)  # word number to the empty nodes that follow
        try:
            for token in row["mwt"] or ():
                before[int(token["id"].split("-")[0])].append(_Word(str(token["form"]), NO_TAG, False))
            for node in row["empty_nodes"] or ():
                after[int(node["id"].split(".")[0])].append(_Word(str(node["form"]), str(node["upos"]), False))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise DataError(f"row {number} has no usable ids in mwt or empty_nodes ({error})", path) from None
        words = [*after[0]]
        for place, (form, tag) in enumerate(zip(forms, tags, strict=True), start=1):
            words += [*before[place], _Word(form, named_label(tag, names, form, path, number), True), *after[place]]
        yield number, _identifier(row["sent_id"], number), words


def _identifier(given: Any, number: int) -> str:
    return str(number if given is None else given)
