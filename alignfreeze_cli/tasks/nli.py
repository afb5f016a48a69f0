"""Natural language inference on XNLI: does a premise entail a hypothesis, contradict it, or neither?

Data: TSV, JSON lines, or the Parquet files of the Hub's XNLI (xnli.py). Both texts are read together, joined as the
tokenizer joins a pair; what is too long is cut at the end, the longer text first. Pairs whose annotators did not agree
on a label are left out, and counted. The metric is accuracy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alignfreeze_cli.errors import ArtifactError, DataError, SettingsError
from alignfreeze_cli.phrases import listed
from alignfreeze_cli.settings import nearest
from alignfreeze_cli.tasks.base import HubFiles, Options, RawText, Warn, Windows, log_warning, share
from alignfreeze_cli.tasks.sequences import SequenceTask, SequenceWindows, chosen_ids
from alignfreeze_cli.tasks.subwords import TEXTS_AT_ONCE
from alignfreeze_cli.tasks.xnli import LABELS, NliPair, read_xnli

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

XNLI = ("ar", "bg", "de", "el", "en", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh")
"""The languages of XNLI."""


class NliTask(SequenceTask):
    """Natural language inference; the metric is the share of pairs with the right label."""

    name = "nli"
    title = "natural language inference"
    metric = "accuracy"
    unit = "pairs"
    languages = ("ar", "bg", "de", "el", "es", "fr", "hi", "ru", "th", "tr", "vi", "zh")
    evaluation_length = 256
    raw_texts = ("premise", "hypothesis")
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

    def hub_files(self, language: str, split: str) -> tuple[HubFiles, ...]:
        if language not in XNLI:
            raise SettingsError(f"XNLI has no {language!r}" + nearest(language, XNLI) + "; name a file.")
        return (HubFiles("facebook/xnli", f"{language}/{split}-*.parquet"),)

    def read(
        self, paths: Sequence[Path], language: str, options: Options, warn: Warn = log_warning
    ) -> Iterator[NliPair]:
        some = False
        for path in paths:
            for pair in read_xnli(path, language):
                some = some or pair.label is not None
                yield pair
        if not some:
            raise DataError("no pair has a label (they are - or -1 throughout); labelled data is needed", paths[0])

    def unlabelled(self, texts: Sequence[RawText], labels: Sequence[str]) -> list[NliPair]:
        return [
            NliPair(str(each.identifier), each.texts["premise"], each.texts["hypothesis"], labels[0]) for each in texts
        ]

    def labels(self, options: Options) -> tuple[str, ...]:
        return LABELS

    def encode(
        self,
        examples: Sequence[NliPair],
        tokenizer: Any,
        labels: Sequence[str],
        max_length: int,
        options: Options,
    ) -> SequenceWindows:
        import numpy as np

        from alignfreeze_cli.encoder.tokenizers import nothing_between

        if nothing_between(tokenizer):
            raise ArtifactError(
                f"the tokenizer {type(tokenizer).__name__} puts no token between the two texts of a pair, so premise "
                "and hypothesis would read as one text; its post_processor in tokenizer.json must put one there"
            )
        ids = {label: number for number, label in enumerate(labels)}
        unknown = {pair.label for pair in examples if pair.label is not None} - ids.keys()
        if unknown:
            raise DataError(f"the data has the label {min(unknown)!r}, the model knows only {listed(labels)}")
        labelled = [number for number, pair in enumerate(examples) if pair.label is not None]
        tokens, types, lengths = [np.zeros(0, np.int32)], [np.zeros(0, np.int8)], [0]  # perhaps none has a label
        for begin in range(0, len(labelled), TEXTS_AT_ONCE):
            pairs = [examples[number] for number in labelled[begin : begin + TEXTS_AT_ONCE]]
            encoded = tokenizer(
                [pair.premise for pair in pairs],
                [pair.hypothesis for pair in pairs],
                truncation="longest_first",
                max_length=max_length,
                return_attention_mask=False,
                return_token_type_ids=True,
            )
            tokens.append(np.fromiter(chain.from_iterable(encoded["input_ids"]), dtype=np.int32))
            types.append(np.fromiter(chain.from_iterable(encoded["token_type_ids"]), dtype=np.int8))
            lengths += map(len, encoded["input_ids"])
        return SequenceWindows(
            np.concatenate(tokens),
            np.concatenate(types),
            np.cumsum(lengths),
            np.array([ids[examples[number].label or ""] for number in labelled], dtype=np.int32),
            np.array(labelled, dtype=np.int64),
            tokenizer.pad_token_id,
            {"pairs without a label that the annotators agree on, left out": len(examples) - len(labelled)},
        )

    def predictions(
        self,
        examples: Sequence[NliPair],
        windows: Windows,
        answers: Sequence[tuple[np.ndarray, Any]],
        labels: Sequence[str],
        options: Options,
    ) -> dict[str, list[Any]]:
        """A pair without a label has a row too, without a prediction."""
        import numpy as np

        assert isinstance(windows, SequenceWindows)
        names = np.array([*labels, None], dtype=object)  # -1 picks None
        return {
            "id": [pair.identifier for pair in examples],
            "premise": [pair.premise for pair in examples],
            "hypothesis": [pair.hypothesis for pair in examples],
            "gold": [pair.label for pair in examples],
            "predicted": names[chosen_ids(windows, answers, len(examples))].tolist(),
        }

    def schema(self, options: Options) -> pa.Schema:
        import pyarrow as pa

        return pa.schema(dict.fromkeys(("id", "premise", "hypothesis", "gold", "predicted"), pa.string()))

    def tallies(self, table: Mapping[str, Sequence[Any]]) -> np.ndarray:
        """Whether the label is right, and whether there is one: (pairs, 2) of 0 and 1."""
        import numpy as np

        rows = [
            (gold is not None and gold == predicted, gold is not None)
            for gold, predicted in zip(table["gold"], table["predicted"], strict=True)
        ]
        return np.array(rows, dtype=np.int64).reshape(-1, 2)

    def metrics(self, sums: np.ndarray) -> dict[str, np.ndarray]:
        """Accuracy over the pairs with a label."""
        return {"accuracy": share(sums[..., 0], sums[..., 1])}
