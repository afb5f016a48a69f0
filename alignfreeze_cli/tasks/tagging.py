"""Tasks that label every word: cutting sentences into windows, loss, and answers per word.

The first subword of a word carries its label, or, in decoder-only models, the last one, which alone has seen the whole
word (`--label-subword`). A sentence longer than the limit becomes several windows. By default
(`--windows whole-words`) windows end between words, so every word is read, learned and scored exactly once; a word to
which the tokenizer gives no subword (a zero-width space, for example) counts as wrongly labelled. SentencePiece gives
some words a first subword that is only the mark of a word's beginning, `▁`: it is read, and the subword after it
carries the label.

The published code differs (token_classification.py, label_alignment.py). `--windows published`: windows end anywhere, a
word cut by a border is labelled and scored in both windows, and a word without subwords is not scored.
`--lone-pieces delete`: a subword that is only `▁` is removed from the input.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from alignfreeze_cli.encoder.tokenizers import encode_words, lone_piece_id, special_tokens, words_need_blanks
from alignfreeze_cli.errors import DataError
from alignfreeze_cli.settings import nearest, setting
from alignfreeze_cli.tasks.base import Options, RawText, RowSharingWindows, Task, Windows
from alignfreeze_cli.tasks.subwords import inputs_for, padded_inputs

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from torch import Tensor, nn

    from alignfreeze_cli.encoder.batches import Packing
    from alignfreeze_cli.encoder.blocks import Architecture


@dataclass(frozen=True, kw_only=True)
class TaggingOptions:
    """Settings of all tasks that label words."""

    windows: str | None = setting(
        None,
        choices=("whole-words", "published"),
        panel="For pos and ner",
        help="Where sentences longer than --max-length are cut. whole-words: between words, so that every word is "
        "scored exactly once. published: anywhere; a word that is cut is scored twice, one without subwords not at "
        "all. [default: whole-words; in evaluate as the model was trained]",
    )
    lone_pieces: str | None = setting(
        None,
        choices=("keep", "delete"),
        panel="For pos and ner",
        help="What is done with the mark of a word's beginning where it is a subword of its own (XLM-R). keep: it is "
        "read, and the subword after it carries the label. delete: it is removed, as in the published code. "
        "[default: keep; in evaluate as the model was trained]",
    )
    label_subword: str | None = setting(
        None,
        choices=("first", "last"),
        panel="For pos and ner",
        help="Which subword of a word carries its label. [default: first; last for decoder-only models; in evaluate as "
        "the model was trained]",
    )


@dataclass(frozen=True)
class TaggedSentence:
    """A sentence with one label per word."""

    identifier: str
    words: list[str]
    labels: list[str]


LONGEST_RULE = 2
"""Words that a sentence of real text may have if all of them are underscores: lines drawn with `_____`."""


def with_words(sentences: Iterable[TaggedSentence], path: Path) -> Iterator[TaggedSentence]:
    """The same sentences; raises DataError if their words were taken out, which leaves underscores for each of them.

    So are treebanks published whose text may not be passed on, and the files made from them.
    """
    some = False
    for sentence in sentences:
        blank = all(set(word) == {"_"} for word in sentence.words)
        if blank and len(sentence.words) > LONGEST_RULE:
            raise DataError(_WORDS_TAKEN_OUT.format(f"every word of sentence {sentence.identifier}"), path)
        some = some or not blank
        yield sentence
    if not some:
        raise DataError(_WORDS_TAKEN_OUT.format("every word"), path)


_WORDS_TAKEN_OUT = "{} is _: the text was taken out of this file; its publisher says how to put it back"


class TaggedWindows(RowSharingWindows):
    """Sentences as windows of subwords. A slot is a position in a window at which a word is labelled.

    All arrays are flat over the whole data set. Window w has the subwords `tokens[starts[w]:starts[w + 1]]` and the
    slots from `slot_starts[w]` up to `slot_starts[w + 1]`. A slot has a `position` in its window and the number of its
    `word`, counted over all words of all sentences; `gold` has the label id of every word.
    """

    def __init__(
        self,
        tokens: np.ndarray,  # (subwords,)
        starts: np.ndarray,  # (windows + 1,)
        position: np.ndarray,  # (slots,)
        word: np.ndarray,  # (slots,)
        slot_starts: np.ndarray,  # (windows + 1,)
        gold: np.ndarray,  # (words,)
        padding_id: int,
    ) -> None:
        import numpy as np

        self.tokens, self.starts, self.padding_id = tokens, starts, padding_id
        self.position, self.word, self.slot_starts, self.gold = position, word, slot_starts, gold
        self.lengths = np.diff(starts)
        self.weights = np.diff(slot_starts)

    def collate(self, indices: np.ndarray) -> dict[str, Any]:
        """`inputs` for the model, (windows, positions); `slots`, (slots, 2): row and position; `gold`, (slots,)."""
        import numpy as np
        import torch

        slots = self.slots_of(indices)
        rows = np.repeat(np.arange(len(indices)), self.weights[indices])
        windows = [self.tokens[self.starts[w] : self.starts[w + 1]] for w in indices]
        return {
            "inputs": padded_inputs(windows, self.padding_id),
            "slots": torch.from_numpy(np.stack([rows, self.position[slots].astype(np.int64)], axis=1)),
            "gold": self._gold_of(slots),
        }

    def pack(self, indices: np.ndarray, arch: Architecture, packing: Packing) -> tuple[dict[str, Any], int]:
        """`rows` in place of `inputs`, for `model_inputs`; `slots` and `gold` as `collate` gives them."""
        import numpy as np
        import torch

        from alignfreeze_cli.encoder.batches import pack

        layout = pack(self.tokens, self.starts[indices], self.lengths[indices], arch, self.padding_id, packing)
        (rows,) = layout.groups
        slots = self.slots_of(indices)
        at = np.repeat(layout.starts, self.weights[indices]) + self.position[slots]  # (slots,) in the flat layout
        batch = {
            "rows": rows,
            "slots": torch.from_numpy(np.stack(np.divmod(at, rows.input_ids.shape[1]), axis=1)),
            "gold": self._gold_of(slots),
        }
        return batch, layout.positions

    def _gold_of(self, slots: np.ndarray) -> Tensor:
        import torch

        return torch.from_numpy(self.gold[self.word[slots]].astype("int64"))

    def token_ids(self) -> np.ndarray:
        import numpy as np

        return np.append(self.tokens, self.padding_id)

    def slots_of(self, indices: np.ndarray) -> np.ndarray:
        """The numbers of the slots of some windows, in the order in which `collate` puts them."""
        import numpy as np

        return np.concatenate([np.arange(self.slot_starts[w], self.slot_starts[w + 1]) for w in indices])


class TaggingTask(Task):
    """A task that labels every word of a sentence. Subclasses bring the data and what is measured."""

    auto_class = "AutoModelForTokenClassification"
    pipeline_tag = "token-classification"
    evaluation_length = 128
    reads_words = True
    answer_columns = ("words", "predicted")
    options: ClassVar[tuple[type, ...]] = (TaggingOptions,)
    defaults: ClassVar[dict[str, Any]] = {"windows": "whole-words", "lone_pieces": "keep", "label_subword": "first"}
    causal_defaults: ClassVar[dict[str, Any]] = {"label_subword": "last"}

    @abstractmethod
    def tally(self, gold: list[list[str]], predicted: list[list[str | None]]) -> np.ndarray:
        """The tallies of each sequence of labels, (sequences, k). A prediction of None is a word without an answer."""

    def chosen_options(self, settings: Any, trained_with: Options | None = None) -> dict[str, Any]:
        """As for every task; of the subword that carries the label nothing is said where it is the first.

        So the records of encoders are those that were written before there was a choice.
        """
        chosen = super().chosen_options(settings, trained_with)
        return {name: value for name, value in chosen.items() if (name, value) != ("label_subword", "first")}

    def unlabelled(self, texts: Sequence[RawText], labels: Sequence[str]) -> list[TaggedSentence]:
        return [TaggedSentence(str(each.identifier), each.words, [labels[0]] * len(each.words)) for each in texts]

    def reading(self, tokenizer: Any) -> dict[str, Any]:
        """Whether words need a blank before them, and whether there are lone `▁`.

        Both are always said: a record without them is of an earlier version, and tells nothing of it.
        """
        return {"word-blanks": words_need_blanks(tokenizer), "lone-pieces": lone_piece_id(tokenizer) >= 0}

    def postprocess(self, predicted: list[str | None], options: Options) -> list[str | None]:
        """The labels to score, given the model's labels of a sequence; most tasks leave them as they are."""
        return predicted

    def encode(
        self,
        examples: Sequence[TaggedSentence],
        tokenizer: Any,
        labels: Sequence[str],
        max_length: int,
        options: Options,
    ) -> TaggedWindows:
        import numpy as np

        anywhere, delete = options["windows"] == "published", options["lone_pieces"] == "delete"
        at_end = options.get("label_subword") == "last"
        ids = {label: number for number, label in enumerate(labels)}
        gold = np.array([_label_id(label, ids, e) for e in examples for label in e.labels], dtype=np.int32)
        before, after = special_tokens(tokenizer)
        budget = max_length - len(before) - len(after)
        lone = lone_piece_id(tokenizer)
        encodings = encode_words(tokenizer, [e.words for e in examples], add_special_tokens=False)

        tokens: list[int] = []
        starts, slot_starts = [0], [0]
        positions: list[int] = []
        words: list[int] = []
        first_word = 0
        for example, encoding in zip(examples, encodings, strict=True):
            pieces, owners = encoding.ids, encoding.word_ids
            if delete and lone in pieces:
                kept = [i for i, piece in enumerate(pieces) if piece != lone]
                pieces, owners = [pieces[i] for i in kept], [owners[i] for i in kept]
            for begin, end in _window_borders(owners, budget, anywhere):
                last = None
                for at in range(begin, end):
                    if owners[at] != last:
                        last = owners[at]
                        # A lone piece says nothing about its word; it is labelled only if the word has no other.
                        after_lone = pieces[at] == lone and at + 1 < end and owners[at + 1] == last
                        positions.append(at - begin + len(before) + after_lone)
                        words.append(first_word + last)
                    elif at_end:
                        positions[-1] = at - begin + len(before)
                tokens += before
                tokens += pieces[begin:end]
                tokens += after
                starts.append(len(tokens))
                slot_starts.append(len(positions))
            first_word += len(example.words)
        return TaggedWindows(
            np.array(tokens, dtype=np.int32),
            np.array(starts),
            np.array(positions, dtype=np.int32),
            np.array(words, dtype=np.int32),
            np.array(slot_starts),
            gold,
            tokenizer.pad_token_id,
        )

    def loss(self, model: nn.Module, batch: dict[str, Any]) -> Tensor:
        """Cross-entropy, summed over the slots of the batch."""
        from torch.nn import functional as F

        from alignfreeze_cli.encoder.batches import model_inputs

        inputs = model_inputs(model, batch["rows"]) if "rows" in batch else inputs_for(model, batch["inputs"])
        logits = model(**inputs).logits  # (rows, positions, labels)
        rows, positions = batch["slots"].unbind(1)
        return F.cross_entropy(logits[rows, positions].float(), batch["gold"], reduction="sum")

    def answer(self, model: nn.Module, batch: dict[str, Any]) -> np.ndarray:
        """The most probable label id of every slot, (slots,)."""
        from alignfreeze_cli.encoder.blocks import logits_at

        best = logits_at(model, inputs_for(model, batch["inputs"]), *batch["slots"].unbind(1)).argmax(-1)
        answers: np.ndarray = best.cpu().numpy()
        return answers

    def predictions(
        self,
        examples: Sequence[TaggedSentence],
        windows: Windows,
        answers: Sequence[tuple[np.ndarray, Any]],
        labels: Sequence[str],
        options: Options,
    ) -> dict[str, list[Any]]:
        """A row per sentence; the column `predicted` has one answer per word, that of the window in which it begins.

        Published windows add what is scored in each: `window_words`, the numbers of its words in the sentence, and
        `window_predicted`.
        """
        import numpy as np

        assert isinstance(windows, TaggedWindows)
        of_slot = np.full(len(windows.word), -1)
        for indices, best in answers:
            of_slot[windows.slots_of(indices)] = best
        of_word = np.full(len(windows.gold), -1)
        of_word[windows.word[::-1]] = of_slot[::-1]  # a word with two slots keeps the answer of the first

        names = np.array([*labels, None], dtype=object)  # -1 picks None
        ends = np.cumsum([len(e.words) for e in examples])
        gold, predicted = (_split_at(names[ids], ends) for ids in (windows.gold, of_word))
        table: dict[str, list[Any]] = {
            "id": [e.identifier for e in examples],
            "words": [e.words for e in examples],
            "gold": gold,
            "predicted": [self.postprocess(labels, options) for labels in predicted],
        }
        if options["windows"] == "published":
            by_window = _split_at(names[of_slot], windows.slot_starts[1:])
            table |= _window_columns(windows, [self.postprocess(labels, options) for labels in by_window], ends)
        return table

    def schema(self, options: Options) -> pa.Schema:
        import pyarrow as pa

        text, texts = pa.string(), pa.list_(pa.string())
        columns = {"id": text, "words": texts, "gold": texts, "predicted": texts}
        if options["windows"] == "published":
            columns |= {"window_words": pa.list_(pa.list_(pa.int64())), "window_predicted": pa.list_(texts)}
        return pa.schema(columns)

    def tallies(self, table: Mapping[str, Sequence[Any]]) -> np.ndarray:
        """Over sentences; with published windows, over windows as if they were sentences."""
        import numpy as np

        gold, predicted, sentences = _scored_sequences(table)
        rows = self.tally(gold, predicted)
        sums = np.zeros((len(table["gold"]), rows.shape[1]), dtype=np.int64)
        np.add.at(sums, sentences, rows)
        return sums


def _split_at(labels: np.ndarray, ends: np.ndarray) -> list[list[Any]]:
    """Flat labels cut at the ends of sentences or windows."""
    import numpy as np

    return [part.tolist() for part in np.split(labels, ends[:-1])] if len(ends) else []


def _window_columns(windows: TaggedWindows, labels: list[list[Any]], ends: np.ndarray) -> dict[str, list[Any]]:
    """The table's columns for published windows, a list of windows per sentence.

    `labels` are those of each window; `ends` has, for each sentence, the number of words up to its end.
    """
    import numpy as np

    table: dict[str, list[Any]] = {"window_words": [[] for _ in ends], "window_predicted": [[] for _ in ends]}
    for begin, end, answers in zip(windows.slot_starts, windows.slot_starts[1:], labels, strict=False):
        if begin < end:
            sentence = int(np.searchsorted(ends, windows.word[begin], side="right"))
            first = ends[sentence - 1] if sentence else 0
            table["window_words"][sentence].append((windows.word[begin:end] - first).tolist())
            table["window_predicted"][sentence].append(answers)
    return table


def _scored_sequences(table: Mapping[str, Sequence[Any]]) -> tuple[list[list[str]], list[list[str | None]], list[int]]:
    """What a table of predictions says is scored: gold and predicted labels by sequence, and each sequence's sentence.

    Sequences are the windows where the table has them, else the sentences.
    """
    gold, predicted = table["gold"], table["predicted"]
    if "window_words" not in table:
        return list(gold), list(predicted), list(range(len(gold)))
    sentences = [number for number, windows in enumerate(table["window_words"]) for _ in windows]
    words = chain.from_iterable(table["window_words"])
    by_window = [[gold[sentence][word] for word in window] for sentence, window in zip(sentences, words, strict=True)]
    return by_window, list(chain.from_iterable(table["window_predicted"])), sentences


def _label_id(label: str, ids: dict[str, int], example: TaggedSentence) -> int:
    if label not in ids:
        raise DataError(
            f"sentence {example.identifier} has the label {label!r}, which the model does not know"
            + nearest(label, ids)
        )
    return ids[label]


def _window_borders(owners: list[int], budget: int, anywhere: bool) -> list[tuple[int, int]]:
    """The windows of a sentence as (begin, end) of its pieces, at most `budget` pieces each.

    `owners` has the number of each piece's word. Unless `anywhere`, windows end where a word ends; a single word longer
    than a whole window loses its last pieces.
    """
    if len(owners) <= budget:
        return [(0, len(owners))]
    if anywhere:
        return [(begin, min(begin + budget, len(owners))) for begin in range(0, len(owners), budget)]
    ends = [at + 1 for at in range(len(owners)) if at + 1 == len(owners) or owners[at + 1] != owners[at]]
    cuts, begin, reached = [], 0, 0
    for word_begin, word_end in zip(chain([0], ends), ends, strict=False):
        if word_end - begin > budget:
            if reached > begin:
                cuts.append((begin, reached))
            begin = word_begin
        reached = min(word_end, begin + budget)
    cuts.append((begin, reached))
    return cuts
