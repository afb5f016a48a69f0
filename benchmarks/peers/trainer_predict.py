"""Tagging treebanks with `transformers.Trainer.predict`, 32 sentences at a time.

`--sort` puts sentences of similar length together, which Trainer does not do by itself. `--precision bf16` casts the
model's weights (`bf16_full_eval`), which is faster than autocast (`--precision autocast`).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

BATCH = 32


def main(arguments: Sequence[str] | None = None) -> None:
    """Tag the treebanks and print, for each, its words and the share of them that is tagged rightly."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--sort", action="store_true")
    parser.add_argument("--precision", choices=("fp32", "bf16", "autocast"), default="fp32")
    parser.add_argument("treebanks", nargs="+", type=Path)
    given = parser.parse_args(arguments)

    import numpy as np
    import torch
    from transformers import (
        AutoModelForTokenClassification,
        AutoTokenizer,
        DataCollatorForTokenClassification,
        Trainer,
        TrainingArguments,
    )

    from benchmarks.peers.tagging import IGNORED, TEST_LENGTH, encoded_treebank

    tokenizer = AutoTokenizer.from_pretrained(given.model)
    model = AutoModelForTokenClassification.from_pretrained(given.model, dtype=torch.float32)
    labels = [model.config.id2label[number] for number in range(model.config.num_labels)]

    def best(logits: Any, _labels: Any) -> Any:
        return logits.argmax(-1)

    settings = TrainingArguments(
        per_device_eval_batch_size=BATCH,
        bf16_full_eval=given.precision == "bf16",
        bf16=given.precision == "autocast",
        use_cpu=not torch.cuda.is_available(),
        report_to="none",
        disable_tqdm=True,
    )
    trainer = Trainer(
        model,
        settings,
        data_collator=DataCollatorForTokenClassification(tokenizer),
        processing_class=tokenizer,
        preprocess_logits_for_metrics=best,
    )
    scores = {}
    for path in given.treebanks:
        windows, words = encoded_treebank(path, tokenizer, labels, TEST_LENGTH)
        if given.sort:
            windows = windows.select(np.argsort([-len(ids) for ids in windows["input_ids"]], kind="stable"))
        predicted = trainer.predict(windows)
        right = (predicted.predictions == predicted.label_ids) & (predicted.label_ids != IGNORED)
        scores[str(path)] = {"words": words, "accuracy": int(right.sum()) / words}
    print(json.dumps(scores))


if __name__ == "__main__":
    main()
