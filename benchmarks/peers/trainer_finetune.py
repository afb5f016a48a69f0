"""Fine-tuning a tagger with `transformers.Trainer`: one pass over a treebank, the learning rate as in ours.

Padding to the longest sentence of a batch and fused Adam, which are Trainer's defaults; gradients are not clipped, as
in ours. `--group-by-length` has Trainer put sentences of similar length into a batch.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, save the model, and print what it took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--group-by-length", action="store_true")
    parser.add_argument("--output", required=True)
    given = parser.parse_args(arguments)

    import torch
    from transformers import (
        AutoModelForTokenClassification,
        AutoTokenizer,
        DataCollatorForTokenClassification,
        Trainer,
        TrainingArguments,
    )

    from benchmarks.peers.tagging import TRAIN_LENGTH, encoded_treebank
    from benchmarks.plain.evaluate import read_treebank

    tokenizer = AutoTokenizer.from_pretrained(given.model)
    labels = sorted({tag for _, tags in read_treebank(given.train) for tag in tags})
    windows, _ = encoded_treebank(given.train, tokenizer, labels, TRAIN_LENGTH)
    model = AutoModelForTokenClassification.from_pretrained(
        given.model,
        id2label=dict(enumerate(labels)),
        label2id={label: number for number, label in enumerate(labels)},
        dtype=torch.float32,
    )
    settings = TrainingArguments(
        given.output,
        per_device_train_batch_size=given.batch_size,
        num_train_epochs=1,
        learning_rate=5e-5,
        warmup_steps=0.1,
        max_grad_norm=0.0,
        bf16=given.precision == "bf16",
        use_cpu=not torch.cuda.is_available(),
        train_sampling_strategy="group_by_length" if given.group_by_length else "random",
        save_strategy="no",
        logging_steps=10,
        report_to="none",
        disable_tqdm=True,
    )
    trainer = Trainer(
        model,
        settings,
        train_dataset=windows,
        data_collator=DataCollatorForTokenClassification(tokenizer),
        processing_class=tokenizer,
    )
    trained = trainer.train()
    trainer.save_model()
    tokens = sum(map(len, windows["input_ids"]))
    print(json.dumps({"steps": trained.global_step, "seconds": trained.metrics["train_runtime"], "tokens": tokens}))


if __name__ == "__main__":
    main()
