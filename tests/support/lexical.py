"""An encoder that knows translations and nothing else: a word's vector is that of its meaning, wherever it stands."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import BertConfig, BertModel, BertTokenizer

from tests.support.models import SPECIAL


def save_lexical(folder: Path, meanings: Mapping[str, str], **changes: Any) -> Path:
    """A BERT of 4 blocks without attention between words. `meanings` maps words to meanings.

    Words of one meaning have the same vector, others nearly orthogonal ones.
    """
    vocabulary = {token: number for number, token in enumerate([*SPECIAL, *meanings])}
    sizes = {"hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 32}
    torch.manual_seed(0)
    config = BertConfig(**{"vocab_size": len(vocabulary), "max_position_embeddings": 128, **sizes, **changes})
    model = BertModel(config)
    of_meaning = {meaning: torch.randn(config.hidden_size) for meaning in dict.fromkeys(meanings.values())}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            # What attention and the dense layers add is nothing, so every block hands on its input, normalised.
            if (
                name.endswith(("output.dense.weight", "output.dense.bias"))
                or "position" in name
                or "token_type" in name
            ):
                parameter.zero_()
        for word, meaning in meanings.items():
            model.embeddings.word_embeddings.weight[vocabulary[word]] = of_meaning[meaning]
    model.save_pretrained(folder)
    BertTokenizer(vocab=vocabulary, do_lower_case=False).save_pretrained(folder)
    return folder
