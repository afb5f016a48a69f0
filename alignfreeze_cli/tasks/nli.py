"""Natural language inference on XNLI: does a premise entail a hypothesis, contradict it, or neither?

Data: TSV or JSON lines (nli_files.py), or the Parquet files of the Hub's XNLI. Both texts are read together, as the
tokenizer joins a pair; what is too long loses its end, the longer text first. Pairs whose annotators did not agree on a
label are left out, and counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alignfreeze_cli.errors import DataError, SettingsError
from alignfreeze_cli.settings import nearest
from alignfreeze_cli.tasks.base import HubFiles, Options, Scored, Task, Windows, share
from alignfreeze_cli.tasks.nli_files import LABELS, Pair, read_pairs
from alignfreeze_cli.tasks.subwords import CHUNK

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

XNLI = ("ar", "bg", "de", "el", "en", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh")
"""The languages of XNLI."""


class PairWindows(Windows):
    """Pairs as rows of subwords, those without a label left out.

    The subwords are flat over the whole data set, `tokens[starts[w]:starts[w + 1]]` are those of window w; `kinds` says
    of each to which text it belongs, 0 or 1, where the tokenizer tells. `example` is the number of the pair a window
    was made of, `gold` its label id.
    """

    def __init__(
        self,
        tokens: np.ndarray,  # (subwords,)
        kinds: np.ndarray,  # (subwords,)
        starts: np.ndarray,  # (windows + 1,)
        gold: np.ndarray,  # (windows,)
        example: np.ndarray,  # (windows,)
        padding_id: int,
        left_out: int,
    ) -> None:
        import numpy as np

        self.tokens, self.kinds, self.starts, self.padding_id = tokens, kinds, starts, padding_id
        self.gold, self.example = gold, example
        self.lengths = np.diff(starts)
        self.weights = np.ones(len(gold), dtype=np.int64)
        self.notes = {"pairs without a label that the annotators agree on, left out": left_out} if left_out else {}

    def collate(self, indices: np.ndarray) -> dict[str, Any]:
        """`inputs` for every model and `kinds` for those that know them, (windows, positions); `gold`, (windows,)."""
        import numpy as np
        import torch

        lengths = self.lengths[indices]
        filled = np.arange(lengths.max(initial=0)) < lengths[:, None]  # (windows, positions)
        ids = np.full(filled.shape, self.padding_id, dtype=np.int64)
        kinds = np.zeros(filled.shape, dtype=np.int64)
        spans = [slice(self.starts[w], self.starts[w + 1]) for w in indices]
        ids[filled] = np.concatenate([self.tokens[span] for span in spans])
        kinds[filled] = np.concatenate([self.kinds[span] for span in spans])
        return {
            "inputs": {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(filled.astype(np.int64))},
            "kinds": torch.from_numpy(kinds),
            "gold": torch.from_numpy(self.gold[indices].astype(np.int64)),
        }


class NliTask(Task):
    """Natural language inference; the metric is the share of pairs with the right label."""

    name = "nli"
    title = "natural language inference"
    auto_class = "AutoModelForSequenceClassification"
    pipeline_tag = "text-classification"
    metric = "accuracy"
    unit = "pairs"
    languages = ("ar", "bg", "de", "el", "es", "fr", "hi", "ru", "th", "tr", "vi", "zh")
    evaluation_length = 256
    epochs = 2
    data = "XNLI"
    licence = "CC BY-NC 4.0; its English training data are MultiNLI's, mostly under the terms of the OANC"
    citation = """@inproceedings{conneau-etal-2018-xnli,
  title = {{XNLI}: Evaluating Cross-lingual Sentence Representations},
  author = {Conneau, Alexis and Rinott, Ruty and Lample, Guillaume and Williams, Adina and Bowman, Samuel and
            Schwenk, Holger and Stoyanov, Veselin},
  booktitle = {Proceedings of the 2018 Conference on Empirical Methods in Natural Language Processing},
  year = {2018},
  pages = {2475--2485},
  doi = {10.18653/v1/D18-1269}
}

@inproceedings{williams-etal-2018-broad,
  title = {A Broad-Coverage Challenge Corpus for Sentence Understanding through Inference},
  author = {Williams, Adina and Nangia, Nikita and Bowman, Samuel},
  booktitle = {Proceedings of the 2018 Conference of the North American Chapter of the Association for Computational
               Linguistics: Human Language Technologies},
  year = {2018},
  pages = {1112--1122},
  doi = {10.18653/v1/N18-1101}
}"""

    def hub_files(self, language: str, split: str) -> HubFiles:
        if language not in XNLI:
            raise SettingsError(f"XNLI has no {language!r}" + nearest(language, XNLI) + "; name a file.")
        return HubFiles("facebook/xnli", f"{language}/{split}-*.parquet")

    def read(self, paths: Sequence[Path], language: str, options: Options) -> list[Pair]:
        pairs = list(chain.from_iterable(read_pairs(path, language) for path in paths))
        if all(pair.label is None for pair in pairs):
            raise DataError("no pair has a label (they are - or -1 throughout); labelled data is needed", paths[0])
        return pairs

    def labels(self, options: Options) -> tuple[str, ...]:
        return LABELS

    def encode(
        self, examples: Sequence[Pair], tokenizer: Any, labels: Sequence[str], max_length: int, options: Options
    ) -> PairWindows:
        import numpy as np

        ids = {label: number for number, label in enumerate(labels)}
        unknown = {pair.label for pair in examples if pair.label is not None} - ids.keys()
        if unknown:
            raise DataError(f"the data has the label {min(unknown)!r}, the model knows only {', '.join(labels)}")
        labelled = [number for number, pair in enumerate(examples) if pair.label is not None]
        tokens, kinds, lengths = [], [], [0]
        for begin in range(0, len(labelled), CHUNK):
            pairs = [examples[number] for number in labelled[begin : begin + CHUNK]]
            read = tokenizer(
                [pair.premise for pair in pairs],
                [pair.hypothesis for pair in pairs],
                truncation="longest_first",
                max_length=max_length,
                return_attention_mask=False,
                return_token_type_ids=True,
            )
            tokens.append(np.fromiter(chain.from_iterable(read["input_ids"]), dtype=np.int32))
            kinds.append(np.fromiter(chain.from_iterable(read["token_type_ids"]), dtype=np.int8))
            lengths += map(len, read["input_ids"])
        return PairWindows(
            np.concatenate(tokens),
            np.concatenate(kinds),
            np.cumsum(lengths),
            np.array([ids[examples[number].label or ""] for number in labelled], dtype=np.int32),
            np.array(labelled),
            tokenizer.pad_token_id,
            len(examples) - len(labelled),
        )

    def loss(self, model: nn.Module, batch: dict[str, Any]) -> Tensor:
        """Cross-entropy, summed over the pairs of the batch."""
        from torch.nn import functional as F

        return F.cross_entropy(_logits(model, batch).float(), batch["gold"], reduction="sum")

    def answer(self, model: nn.Module, batch: dict[str, Any]) -> np.ndarray:
        """The best label id of every pair, (windows,)."""
        answers: np.ndarray = _logits(model, batch).argmax(-1).cpu().numpy()
        return answers

    def score(
        self,
        examples: Sequence[Pair],
        windows: Windows,
        answers: Sequence[tuple[np.ndarray, Any]],
        labels: Sequence[str],
        options: Options,
    ) -> Scored:
        """Accuracy over the pairs with a label; the others have a row in the table too, without an answer."""
        import numpy as np

        assert isinstance(windows, PairWindows)
        best = np.full(len(examples), -1)
        for indices, chosen in answers:
            best[windows.example[indices]] = chosen
        names = np.array([*labels, None], dtype=object)  # -1 picks None
        table: dict[str, list[Any]] = {
            "id": [pair.identifier for pair in examples],
            "premise": [pair.premise for pair in examples],
            "hypothesis": [pair.hypothesis for pair in examples],
            "gold": [pair.label for pair in examples],
            "predicted": names[best].tolist(),
        }
        right, count = self.tallies(table).sum(0).tolist()
        return Scored({"accuracy": right / count if count else 0.0}, count, table)

    def tallies(self, table: Mapping[str, Sequence[Any]]) -> np.ndarray:
        """Right pairs, pairs with a label."""
        import numpy as np

        rows = [
            (gold is not None and gold == predicted, gold is not None)
            for gold, predicted in zip(table["gold"], table["predicted"], strict=True)
        ]
        return np.array(rows, dtype=np.int64).reshape(-1, 2)

    def from_tallies(self, sums: np.ndarray) -> np.ndarray:
        return share(sums[..., 0], sums[..., 1])


def _logits(model: nn.Module, batch: dict[str, Any]) -> Tensor:
    """Scores of the labels, (windows, labels)."""
    inputs = batch["inputs"]
    # RoBERTa and its kin have one kind only, whatever their tokenizers say; DistilBERT and ModernBERT have none.
    if getattr(model.config, "type_vocab_size", 0) > 1:
        inputs = {**inputs, "token_type_ids": batch["kinds"]}
    logits: Tensor = model(**inputs).logits
    return logits
