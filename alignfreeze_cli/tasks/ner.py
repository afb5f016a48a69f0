"""Named-entity recognition on WikiANN (PAN-X): which words make up the name of a person, organisation or place.

Data: files with a word and its tag per line (iob.py), or the Parquet files of the Hub's WikiANN. Scored are whole
entities, as seqeval and before it the script of CoNLL-2000 counts them: an entity is found if its type, its first and
its last word are right.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from alignfreeze_cli.errors import DataError, SettingsError
from alignfreeze_cli.settings import nearest, setting
from alignfreeze_cli.tasks.base import HubFiles, Options, Scored, Windows, share
from alignfreeze_cli.tasks.iob import OUTSIDE, as_iob2, read_iob
from alignfreeze_cli.tasks.parquet import label_names, read_columns
from alignfreeze_cli.tasks.pos import PosTask
from alignfreeze_cli.tasks.tagging import Tagged, TaggingOptions, TaggingTask

if TYPE_CHECKING:
    import numpy as np

ENTITY_TYPES = ("PER", "ORG", "LOC")
"""Those of WikiANN, in the order of the Hub's data set."""


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
        help="Types of entities in the data; each has the tags B- and I-. A tag of another type is refused. "
        "[default: PER,ORG,LOC; in evaluate as the model was trained]",
        check=types_complaint,
        metavar="TYPE,…",
    )
    ner_repair: str | None = setting(
        None,
        choices=("none", "published"),
        help="What is done to predicted tags that form no proper entity before they are scored. none: nothing, seqeval "
        "reads them as they are. published: the paper's repair, which may also change the type of an entity that "
        "stands directly before another one. [default: none; in evaluate as the model was trained]",
    )


class NerTask(TaggingTask):
    """Named-entity recognition; the metric is the F1 score of entities, over all types together (micro)."""

    name = "ner"
    title = "named-entity recognition"
    metric = "f1"
    unit = "entities"  # those of the data, found or not
    languages = PosTask.languages  # the same in the same order
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

    def hub_files(self, language: str, split: str) -> HubFiles:
        # WikiANN has 176 languages, some with codes of Wikipedia's own; what it lacks is told when it is looked for.
        if not re.fullmatch(r"[a-z]{2,}(-[a-z]+)*", language):
            raise SettingsError(f"WikiANN has no language {language!r}; its codes are like de or zh-yue.")
        return HubFiles("unimelb-nlp/wikiann", f"{language}/{split}-*.parquet")

    def read(self, paths: Sequence[Path], language: str, options: Options) -> list[Tagged]:
        tags = self.labels(options)
        sentences: list[Tagged] = []
        for path in paths:
            if path.suffix == ".parquet":
                sentences += _read_parquet(path, tags)
            else:
                sentences += [Tagged(each.identifier, each.words, each.tags) for each in read_iob(path, tags)]
        if all(tag == OUTSIDE for sentence in sentences for tag in sentence.labels):
            raise DataError("no word belongs to an entity (the tag is O throughout); labelled data is needed", paths[0])
        return sentences

    def labels(self, options: Options) -> tuple[str, ...]:
        return tags_of(options["entity_types"])

    def finish(self, predicted: list[str | None], options: Options) -> list[str | None]:
        return repaired(predicted) if options["ner_repair"] == "published" else predicted

    def score(
        self,
        examples: Sequence[Tagged],
        windows: Windows,
        answers: Sequence[tuple[np.ndarray, Any]],
        labels: Sequence[str],
        options: Options,
    ) -> Scored:
        """As of every tagging task; where predictions are repaired, `unrepaired` keeps what the model said."""
        scored = super().score(examples, windows, answers, labels, options)
        if options["ner_repair"] != "none":
            plain = super().score(examples, windows, answers, labels, {**options, "ner_repair": "none"})
            scored.table["unrepaired"] = plain.table["predicted"]
        return scored

    def measure(self, gold: list[list[str]], predicted: list[list[str | None]]) -> tuple[dict[str, float], int]:
        """Entity F1, precision and recall, and the share of words with the right tag; counted are gold entities.

        A word without answer counts as outside of all entities.
        """
        from seqeval.metrics import accuracy_score
        from seqeval.metrics.sequence_labeling import precision_recall_fscore_support

        if not any(gold):
            return dict.fromkeys(("f1", "precision", "recall", "accuracy"), 0.0), 0
        answers = [[tag or OUTSIDE for tag in tags] for tags in predicted]
        precision, recall, f1, count = precision_recall_fscore_support(gold, answers, average="micro", zero_division=0)
        metrics = {"f1": f1, "precision": precision, "recall": recall, "accuracy": accuracy_score(gold, answers)}
        return {name: float(value) for name, value in metrics.items()}, int(count)

    def tally(self, gold: list[list[str]], predicted: list[list[str | None]]) -> np.ndarray:
        """Entities found rightly, entities predicted, entities there are."""
        import numpy as np

        types = {tag[2:] for tag in chain(chain.from_iterable(gold), chain.from_iterable(predicted)) if tag}
        numbers = {name: number for number, name in enumerate(sorted({"", *types}))}  # "" is that of O
        sequence = np.repeat(np.arange(len(gold)), [len(tags) for tags in gold])
        there, said = (_entities(tags, sequence, numbers) for tags in (gold, predicted))
        parts = (there != 0) & (there == said), said != 0, there != 0
        return np.stack([np.bincount(sequence[part], minlength=len(gold)) for part in parts], axis=1)

    def from_tallies(self, sums: np.ndarray) -> np.ndarray:
        return share(2 * sums[..., 0], sums[..., 1] + sums[..., 2])


def tags_of(types: Sequence[str]) -> tuple[str, ...]:
    """O, then B and I of each type; of WikiANN's types the seven labels of the Hub's data set in its order."""
    return (OUTSIDE, *(f"{begin}-{name}" for name in types for begin in "BI"))


def repaired(predicted: Sequence[str | None]) -> list[str | None]:
    """The predicted tags of a sequence as the published code scores them; a word without answer counts as O.

    From the left: an I-X at the beginning or after O becomes B-X. From the right: an I-X opens the type X if none is
    open; while it is open, tags of other types take it and keep their B or I; O closes it, and so does a B that was
    changed. A B that has the open type already does not close it, so an entity directly before another one of several
    words takes its type: a quirk (decision 13 of docs/published-and-right.md).
    """
    plain = [tag or OUTSIDE for tag in predicted]
    begun = [
        f"B-{tag[2:]}" if tag.startswith("I-") and before == OUTSIDE else tag
        for before, tag in zip([OUTSIDE, *plain], plain, strict=False)
    ]
    found = []
    opened = None  # a type
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


def _entities(tags: Sequence[Sequence[str | None]], sequence: np.ndarray, types: Mapping[str, int]) -> np.ndarray:
    """A number per word, flat: at the first word of an entity one that stands for its type and length, elsewhere 0.

    An entity begins at a B, and at an I at the beginning of its sequence, after O, or after another type.
    """
    import numpy as np

    flat = [tag or OUTSIDE for tag in chain.from_iterable(tags)]
    known = {tag: number for number, tag in enumerate(dict.fromkeys(flat))}
    always = np.array([tag.startswith("B-") for tag in known], dtype=np.bool_)
    type_of = np.array([types[tag[2:]] for tag in known], dtype=np.int64)
    number = np.array([known[tag] for tag in flat], dtype=np.int64)  # (words,)
    kind = type_of[number]  # 0 outside of entities
    goes_on = np.zeros(len(flat), dtype=bool)
    goes_on[1:] = (kind[1:] == kind[:-1]) & (sequence[1:] == sequence[:-1])
    begins = (kind != 0) & (always[number] | ~goes_on)
    entity = np.cumsum(begins) - 1
    length = np.bincount(entity[kind != 0], minlength=int(begins.sum()))
    found = np.zeros(len(flat), dtype=np.int64)
    found[begins] = length * len(types) + kind[begins]
    return found


def _read_parquet(path: Path, tags: Sequence[str]) -> list[Tagged]:
    """The Hub's data set: lists `tokens` and `ner_tags` (label ids, or the tags themselves) per sentence."""
    table = read_columns(path, ["tokens", "ner_tags"], "sentence")
    names = label_names(table, "ner_tags", tags_of(ENTITY_TYPES))
    sentences = []
    for number, row in enumerate(table.to_pylist(), start=1):
        words, labels = row["tokens"] or [], row["ner_tags"] or []
        if len(words) != len(labels):
            raise DataError(f"row {number} has {len(words)} tokens but {len(labels)} tags", path)
        if not all(isinstance(word, str) for word in words):
            raise DataError(f"row {number} has a token that is no text", path)
        found = []
        for label in labels:
            tag = names[label] if isinstance(label, int) and 0 <= label < len(names) else str(label)
            if tag not in tags:
                raise DataError(
                    f"row {number} has the tag {tag!r}, known are only {', '.join(tags)} (--entity-types says which)"
                    + nearest(tag, tags),
                    path,
                )
            found.append(tag)
        if words:
            sentences.append(Tagged(str(number), words, as_iob2(found)))
    return sentences
