"""Tiny random models: one of each supported family with random sentences for it, and a BERT folder for whole steps."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoConfig, AutoModel, BertConfig, BertModel, BertTokenizer, set_seed

from alignfreeze_cli.encoder.batches import PackedBatch, encode, pack, pool_words
from alignfreeze_cli.encoder.blocks import FAMILIES, architecture
from alignfreeze_cli.encoder.loss import Projection, contrastive_loss
from tests.support.tokenizers import tokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
VOCABULARY = 61
N_BLOCKS = 5  # odd, and enough for front, back, the middle one and one above the block that is read
SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 24,
    "num_hidden_layers": N_BLOCKS,
    "num_attention_heads": 3,
    "intermediate_size": 40,
    "max_position_embeddings": 64,
}
NO_DROPOUT = {
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
DEBERTA = {
    "relative_attention": True,
    "position_buckets": 8,
    "max_relative_positions": -1,
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "pos_att_type": ["p2c", "c2p"],
    "position_biased_input": False,
    "type_vocab_size": 0,
}
# All heads share one for keys and values; some families have windows of four positions in some blocks or in all.
LLAMA = {"num_key_value_heads": 1, "head_dim": 8, "classifier_dropout": 0.0}
LLAMA |= {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
# What a family's configuration has besides; without it these would not look like the models that people realign.
OWN: dict[str, dict[str, Any]] = {
    "distilbert": {"dropout": 0.0, "attention_dropout": 0.0, "hidden_dim": 40},
    "deberta-v2": DEBERTA,
    "modernbert": {"local_attention": 6, "global_attn_every_n_layers": 3, "bos_token_id": 1, "eos_token_id": 2}
    | {"pad_token_id": 0, "cls_token_id": 1, "sep_token_id": 2},
    "electra": {"embedding_size": 16},
    "roberta": {"type_vocab_size": 1},
    "xlm-roberta": {"type_vocab_size": 1},
    "llama": LLAMA,
    "mistral": LLAMA | {"sliding_window": 4},
    "qwen2": LLAMA | {"use_sliding_window": True, "sliding_window": 4, "max_window_layers": 2},
    "qwen3": LLAMA,
    "gemma": LLAMA,
    "gemma2": LLAMA | {"sliding_window": 4, "query_pre_attn_scalar": 8},
    "gemma3_text": LLAMA | {"sliding_window": 4, "query_pre_attn_scalar": 8, "sliding_window_pattern": 2},
    "bloom": {"hidden_dropout": 0.0, "attention_dropout": 0.0, "pad_token_id": 0},
    "xglm": {"dropout": 0.0, "attention_dropout": 0.0, "ffn_dim": 40},
}
assert set(OWN) <= set(FAMILIES)
ENCODERS, DECODERS = ([name for name, each in FAMILIES.items() if each.causal is causal] for causal in (False, True))
PACKABLE = [name for name, each in FAMILIES.items() if not each.alibi]


SINGLE_PRECISION = ("gemma2", "xglm")
"""In double precision XGLM's attention does not run, and Gemma 2's has no number for padding."""


def exactness(family: str) -> float:
    """How well two computations of the same agree in `tiny`; the norms of decoders are in single precision."""
    return 1e-5 if FAMILIES[family].causal else 1e-9


def tiny(family: str, auto: Any = AutoModel, seed: int = 0, dtype: torch.dtype | None = None, **changes: Any) -> Any:
    """A random model without dropout, in training mode, with spread weights so that differences show.

    In double precision unless another `dtype` is given or it cannot be.
    """
    dtype = dtype or (torch.float32 if family in SINGLE_PRECISION else torch.float64)
    set_seed(seed)
    config = AutoConfig.for_model(family, **{**SIZES, **NO_DROPOUT, **OWN.get(family, {}), **changes})
    model = auto.from_config(config, attn_implementation=changes.get("attn_implementation")).to(dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.train()


def save_bert(folder: Path, words: Iterable[str], **changes: Any) -> Path:
    """A folder with a random BERT of 4 blocks, with dropout, and a WordPiece tokenizer that knows these words."""
    vocabulary = {token: number for number, token in enumerate([*SPECIAL, *dict.fromkeys(words)])}
    sizes = {"hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 32}
    set_seed(0)
    config = BertConfig(**{"vocab_size": len(vocabulary), "max_position_embeddings": 128, **sizes, **changes})
    BertModel(config).save_pretrained(folder)
    BertTokenizer(vocab=vocabulary, do_lower_case=False).save_pretrained(folder)
    return folder


def save_decoder(folder: Path, family: str, kind: str = "qwen2", **changes: Any) -> Path:
    """A random decoder of 5 blocks with a real tokenizer, saved in single precision."""
    read = tokenizer(kind)
    model = tiny(family, dtype=torch.float32, **{"vocab_size": len(read), "max_position_embeddings": 128, **changes})
    model.save_pretrained(folder)
    read.save_pretrained(folder)
    return folder


@cache
def sentences(seed: int = 0, count: int = 9, longest: int = 20) -> tuple[Any, Any, Any]:
    """Random token ids without special ones: flat (tokens,), starts and lengths (sentences,)."""
    random = np.random.default_rng(seed)
    lengths = random.integers(2, longest + 1, count)
    starts = np.cumsum(lengths) - lengths
    return random.integers(5, VOCABULARY, int(lengths.sum())), starts, lengths


def token_places(batch: PackedBatch, lengths: Any) -> torch.Tensor:
    """Where `packing.encode` puts each token of the flat ids, (tokens,)."""
    within = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return torch.as_tensor(np.repeat(batch.starts, lengths) + within)


def realign_steps(model: Any, read_block: int, steps: int = 3, seed: int = 0) -> None:
    """A few steps of realignment with Adam on random sentences and links: the parts put together as training does."""
    torch.manual_seed(seed)
    arch = architecture(model)
    head = Projection(arch.hidden_size, 16).to(model.dtype)
    trained = [p for p in [*model.parameters(), *head.parameters()] if p.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=0.01, fused=True)
    for step in range(steps):
        ids, starts, lengths = sentences(seed + step, count=6)
        batch = pack(ids, starts, lengths, arch)
        places = token_places(batch, lengths)  # every token is a word here; the first three sentences are the source
        words = head(pool_words(encode(model, batch, read_block), places, places + 1))
        n_source = int(lengths[:3].sum())
        links = torch.stack([torch.arange(4), torch.arange(4).flip(0)], 1)
        optimizer.zero_grad()
        contrastive_loss(words[:n_source], words[n_source:], links).backward()
        optimizer.step()
