"""Named-entity recognition on WikiANN (PAN-X): which words make up the name of a person, organisation or place.

Data: files with a word and its tag per line (iob.py), or the Parquet files of the Hub's WikiANN.

Scores are over whole entities, as in seqeval's default mode, which follows the script of the CoNLL-2000 shared task
(Tjong Kim Sang and Buchholz 2000): an entity is found if its type, its first and its last word are right. F1 is
micro-averaged, as in the paper (arXiv 2502.12959; published code, wikiann_ner.py). All are computed from numbers that
can be added up over sentences; the tests compare them with what nervaluate makes of all sentences at once, and with
values by seqeval.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from alignfreeze_cli.errors import DataError, SettingsError
from alignfreeze_cli.settings import setting
from alignfreeze_cli.tasks.base import HubFiles, Options, Warn, Windows, log_warning, share
from alignfreeze_cli.tasks.data import label_names, named_label, read_rows, row_lists, schema_of
from alignfreeze_cli.tasks.iob import OUTSIDE, as_iob2, conversion_note, read_iob, scheme_of, tag_complaint
from alignfreeze_cli.tasks.pos import PosTask
from alignfreeze_cli.tasks.tagging import TaggedSentence, TaggingOptions, TaggingTask, with_words

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

ENTITY_TYPES = ("PER", "ORG", "LOC")
"""The entity types of WikiANN, in the order of the Hub's data set."""


def types_complaint(types: Sequence[str]) -> str | None:
    """What is wrong with a list of entity types, or None."""
    if not types:
        return "needs at least one type"
    if len(set(types)) < len(types):
        return f"names a type twice: {', '.join(types)}"
    spaced = [name for name in types if re.search(r"\s", name)]
    return f"must be names without spaces, not {spaced[0]!r}" if spaced else None


@dataclass(frozen=True, kw_only=True)
class NerOptions:
    """Settings that only this task reads."""

    entity_types: tuple[str, ...] | None = setting(
        None,
        panel="For ner",
        help="Types of entities in the data; each has the tags B- and I-. A tag of another type is refused. "
        "[default: PER,ORG,LOC; in evaluate as the model was trained]",
        check=types_complaint,
        metavar="TYPE,…",
    )
    ner_repair: str | None = setting(
        None,
        choices=("none", "published"),
        panel="For ner",
        help="What is done before scoring to predicted tags that do not form a well-formed entity. none: nothing, "
        "seqeval reads them as they are. published: the published code's repair, which may also change the type of an "
        "entity directly before another one. [default: none; in evaluate as the model was trained]",
    )


class NerTask(TaggingTask):
    """Named-entity recognition; the metric is the F1 score of entities, over all types together (micro)."""

    name = "ner"
    title = "named-entity recognition"
    metric = "f1"
    unit = "entities"  # in the data, found or not
    languages = PosTask.languages
    epochs = 5
    data = "WikiANN (PAN-X)"
    licence = "none stated by its publishers; the text is Wikipedia's (CC BY-SA)"
    citation = """@inproceedings{pan-etal-2017-cross,
  title = {Cross-lingual Name Tagging and Linking for 282 Languages},
  author = {Pan, Xiaoman and Zhang, Boliang and May, Jonathan and Nothman, Joel and Knight, Kevin and Ji, Heng},
  booktitle = {Proceedings of the 55th Annual Meeting of the Association for Computational Linguistics},
  year = {2017},
  pages = {1946--1958},
  doi = {10.18653/v1/P17-1178}
}

@inproceedings{rahimi-etal-2019-massively,
  title = {Massively Multilingual Transfer for {NER}},
  author = {Rahimi, Afshin and Li, Yuan and Cohn, Trevor},
  booktitle = {Proceedings of the 57th Annual Meeting of the Association for Computational Linguistics},
  year = {2019},
  pages = {151--164},
  doi = {10.18653/v1/P19-1015}
}"""
    options = (NerOptions, TaggingOptions)
    defaults: ClassVar[dict[str, Any]] = {**TaggingTask.defaults, "entity_types": ENTITY_TYPES, "ner_repair": "none"}

    def hub_files(self, language: str, split: str) -> tuple[HubFiles, ...]:
        # WikiANN has 176 languages, some with codes of Wikipedia's own; one that it lacks is noticed at the download.
        if not re.fullmatch(r"[a-z]{2,}(-[a-z]+)*", language):
            raise SettingsError(f"WikiANN has no language {language!r}; its codes are like de or zh-yue.")
        return (HubFiles("unimelb-nlp/wikiann", f"{language}/{split}-*.parquet"),)

    def read(
        self, paths: Sequence[Path], language: str, options: Options, warn: Warn = log_warning
    ) -> Iterator[TaggedSentence]:
        tags = self.labels(options)
        some = False
        for path in paths:
            read = _read_hub_wikiann if path.suffix == ".parquet" else read_iob
            for sentence in with_words(read(path, tags, warn), path):
                some = some or any(tag != OUTSIDE for tag in sentence.labels)
                yield sentence
        if not some:
            raise DataError("no word belongs to an entity (the tag is O throughout); labelled data is needed", paths[0])

    def labels(self, options: Options) -> tuple[str, ...]:
        return tags_of(options["entity_types"])

    def postprocess(self, predicted: list[str | None], options: Options) -> list[str | None]:
        return repaired(predicted) if options["ner_repair"] == "published" else predicted

    def predictions(
        self,
        examples: Sequence[TaggedSentence],
        windows: Windows,
        answers: Sequence[tuple[np.ndarray, Any]],
        labels: Sequence[str],
        options: Options,
    ) -> dict[str, list[Any]]:
        """As in every tagging task; if tags are repaired, the column `unrepaired` holds those of the model itself."""
        table = super().predictions(examples, windows, answers, labels, options)
        if options["ner_repair"] != "none":
            plain = super().predictions(examples, windows, answers, labels, {**options, "ner_repair": "none"})
            table["unrepaired"] = plain["predicted"]
        return table

    def schema(self, options: Options) -> pa.Schema:
        schema = super().schema(options)
        if options["ner_repair"] != "none":
            schema = schema.append(schema.field("predicted").with_name("unrepaired"))
        return schema

    def tally(self, gold: list[list[str]], predicted: list[list[str | None]]) -> np.ndarray:
        """Right words, all words, and entities found, predicted, and in the data, of each sequence: (sequences, 5).

        A word without an answer counts as O.
        """
        import numpy as np

        types = {tag[2:] for tag in chain(chain.from_iterable(gold), chain.from_iterable(predicted)) if tag}
        numbers = {name: number for number, name in enumerate(sorted({"", *types}))}  # O has the type "", number 0
        sequence = np.repeat(np.arange(len(gold)), [len(tags) for tags in gold])
        right, found = (_entity_codes(tags, sequence, numbers) for tags in (gold, predicted))
        pairs = zip(chain.from_iterable(gold), chain.from_iterable(predicted), strict=True)
        same = np.fromiter((tag == (answer or OUTSIDE) for tag, answer in pairs), dtype=bool, count=len(sequence))
        parts = same, np.full(len(sequence), True), (right != 0) & (right == found), found != 0, right != 0
        return np.stack([np.bincount(sequence[part], minlength=len(gold)) for part in parts], axis=1)

    def metrics(self, sums: np.ndarray) -> dict[str, np.ndarray]:
        """Micro F1, precision and recall of entities, and accuracy over words."""
        import numpy as np

        same, words, found, predicted, there = np.moveaxis(sums, -1, 0)
        precision, recall = share(found, predicted), share(found, there)
        return {
            "f1": share(2 * precision * recall, precision + recall),
            "precision": precision,
            "recall": recall,
            "accuracy": share(same, words),
        }


def tags_of(types: Sequence[str]) -> tuple[str, ...]:
    """O, then B and I of each type; for WikiANN's types these are the labels of the Hub's data set in its order."""
    return (OUTSIDE, *(f"{begin}-{name}" for name in types for begin in "BI"))


def repaired(predicted: Sequence[str | None]) -> list[str | None]:
    """The predicted tags of a sequence as the published code repairs them before scoring; None counts as O.

    From the left: an I-X at the beginning or after O becomes B-X. From the right: an I-X opens the type X if none is
    open; while it is open, tags of other types are changed to it and keep their B or I; O closes it, and so does a B
    that was changed. A B that already has the open type does not close it, so an entity directly before one of several
    words is changed to its type (docs/tasks.md has an example).
    """
    plain = [tag or OUTSIDE for tag in predicted]
    begun = [
        f"B-{tag[2:]}" if tag.startswith("I-") and before == OUTSIDE else tag
        for before, tag in zip([OUTSIDE, *plain], plain, strict=False)
    ]
    found = []
    opened = None  # the type that is open
    for tag in reversed(begun):
        kind, name = tag[:2], tag[2:]
        if tag == OUTSIDE:
            opened = None
        elif opened is None:
            opened = name if kind == "I-" else None
        elif name != opened:
            tag = kind + opened
            opened = opened if kind == "I-" else None
        found.append(tag)
    return [None if was is None else tag for was, tag in zip(predicted, reversed(found), strict=True)]


def _entity_codes(tags: Sequence[Sequence[str | None]], sequence: np.ndarray, types: Mapping[str, int]) -> np.ndarray:
    """One number per word, (words,): type and length of the entity that begins there as a single number, elsewhere 0.

    Two sequences of tags have an entity in common where their numbers are equal and not 0. An entity begins at a B, and
    at an I at the beginning of its sequence, after O, or after another type. `sequence` is the number of each word's
    sequence.
    """
    import numpy as np

    flat = [tag or OUTSIDE for tag in chain.from_iterable(tags)]
    known = {tag: number for number, tag in enumerate(dict.fromkeys(flat))}
    begins_always = np.array([tag.startswith("B-") for tag in known], dtype=np.bool_)
    type_of = np.array([types[tag[2:]] for tag in known], dtype=np.int64)
    number = np.array([known[tag] for tag in flat], dtype=np.int64)  # (words,)
    kind = type_of[number]  # (words,), 0 outside of entities
    continues = np.zeros(len(flat), dtype=bool)
    continues[1:] = (kind[1:] == kind[:-1]) & (sequence[1:] == sequence[:-1])
    begins = (kind != 0) & (begins_always[number] | ~continues)
    entity = np.cumsum(begins) - 1  # (words,) the number of the entity that began last
    length = np.bincount(entity[kind != 0], minlength=int(begins.sum()))  # (entities,)
    codes = np.zeros(len(flat), dtype=np.int64)
    codes[begins] = length * len(types) + kind[begins]
    return codes


def _read_hub_wikiann(path: Path, tags: Sequence[str], warn: Warn) -> Iterator[TaggedSentence]:
    """The Hub's Parquet files: lists `tokens` and `ner_tags` (label ids, or the tags themselves) per sentence."""
    scheme = scheme_of(chain.from_iterable(found for _, _, found in _hub_rows(path)), tags)
    if scheme:
        warn(conversion_note(path, scheme))
    for number, words, found in _hub_rows(path):
        read = as_iob2(found, scheme)
        unknown = [tag for tag in read if tag not in tags]
        if unknown:
            raise DataError(f"row {number}: {tag_complaint(unknown[0], tags)}", path)
        if words:
            yield TaggedSentence(str(number), words, read)


def _hub_rows(path: Path) -> Iterator[tuple[int, list[str], list[str]]]:
    """Number, words and tags of each sentence, the tags as they are in the file."""
    columns = ["tokens", "ner_tags"]
    names = label_names(schema_of(path, columns), "ner_tags", tags_of(ENTITY_TYPES))
    for number, row in read_rows(path, columns, "sentence"):
        words, labels = row_lists(row, columns, path, number)
        found = [named_label(label, names, word, path, number) for word, label in zip(words, labels, strict=True)]
        yield number, words, found
