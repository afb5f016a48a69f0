"""Contrastive training on sentence pairs with sentence-transformers, the usual library for it.

Its loss compares sentences, ours words; what both compute in the encoder is alike. Mean pooling and
MultipleNegativesRankingLoss (the other sentences of the batch are the negatives), with the lower half of the blocks
frozen as in the plan `front`. One pass over the pairs. Needs the package sentence-transformers.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

LENGTH = 96  # subwords of a sentence at most, as in ours


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, save the model, and print what it took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--pairs", type=Path, required=True, help="TSV of two columns")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--output", required=True)
    given = parser.parse_args(arguments)

    import torch
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    encoder = Transformer(given.model, max_seq_length=LENGTH, model_kwargs={"dtype": torch.float32})
    blocks = encoder.auto_model.encoder.layer
    for block in blocks[: len(blocks) // 2]:
        block.requires_grad_(False)
    model = SentenceTransformer(
        modules=[encoder, Pooling(encoder.get_embedding_dimension())],
        device="cuda" if torch.cuda.is_available() else "cpu",
    )
    lines = given.pairs.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    columns = list(zip(*(line.split("\t") for line in lines), strict=True))
    pairs = Dataset.from_dict({"anchor": list(columns[0]), "positive": list(columns[1])})
    settings = SentenceTransformerTrainingArguments(
        given.output,
        per_device_train_batch_size=given.batch_size,
        num_train_epochs=1,
        learning_rate=2e-5,
        max_grad_norm=0.0,
        bf16=given.precision == "bf16",
        use_cpu=not torch.cuda.is_available(),
        save_strategy="no",
        logging_steps=10,
        report_to="none",
        disable_tqdm=True,
    )
    trainer = SentenceTransformerTrainer(model, settings, train_dataset=pairs, loss=MultipleNegativesRankingLoss(model))
    trained = trainer.train()
    model.save_pretrained(given.output, create_model_card=False)
    ids = [model.tokenizer(list(texts), truncation=True, max_length=LENGTH)["input_ids"] for texts in columns]
    tokens = sum(len(row) for rows in ids for row in rows)
    print(json.dumps({"steps": trained.global_step, "seconds": trained.metrics["train_runtime"], "tokens": tokens}))


if __name__ == "__main__":
    main()
