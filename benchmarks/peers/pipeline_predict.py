"""Tagging treebanks with transformers' `pipeline("token-classification")`, 32 sentences at a time."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

BATCH = 32


def main(arguments: Sequence[str] | None = None) -> None:
    """Tag the treebanks and print, for each, its words and the share of them that is tagged rightly."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("treebanks", nargs="+", type=Path)
    given = parser.parse_args(arguments)

    import torch
    from transformers import pipeline

    from benchmarks.plain.evaluate import read_treebank

    tagger = pipeline(
        "token-classification",
        model=given.model,
        dtype=torch.bfloat16 if given.precision == "bf16" else torch.float32,
        batch_size=BATCH,
        ignore_labels=[],
    )
    scores = {}
    for path in given.treebanks:
        sentences = read_treebank(path)
        right = total = 0
        answers = tagger([words for words, _ in sentences], is_split_into_words=True)
        for (words, tags), pieces in zip(sentences, answers, strict=True):
            tag_at: dict[int, str] = {}
            for piece in pieces:  # the first piece of a word that is more than the mark of its beginning
                if piece["word"] != "▁":
                    tag_at.setdefault(piece["start"], piece["entity"])
            begin = 0
            for word, tag in zip(words, tags, strict=True):
                right += tag_at.get(begin) == tag
                begin += len(word) + 1
            total += len(words)
        scores[str(path)] = {"words": total, "accuracy": right / total}
    print(json.dumps(scores))


if __name__ == "__main__":
    main()
