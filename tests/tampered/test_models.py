"""Model folders from anywhere: weights, configuration, tokenizer."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from alignfreeze_cli.artifacts.files import file_digest
from alignfreeze_cli.encoder.settings import RealignSettings
from alignfreeze_cli.progress import Console
from alignfreeze_cli.steps.realign import realign
from tests.tampered import spoiling
from tests.tampered.spoiling import HARMLESS, Case

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
BLOCK = "encoder.layer.1.attention.self.query.weight"
WORDS = "embeddings.word_embeddings.weight"


def tensors(change: Any) -> Any:
    """Write the weights anew after a change of their mapping name → array."""

    def spoil(path: Path) -> None:
        values = load_file(path)
        save_file(change(values) or values, path, metadata={"format": "pt"})

    return spoil


def index(content: Any) -> Any:
    """An index in the place of the weights, which become its only shard."""

    def spoil(path: Path) -> None:
        path.rename(path.with_name("model-00001-of-00001.safetensors"))
        text = content if isinstance(content, str) else json.dumps(content)
        path.with_name(INDEX).write_text(text)

    return spoil


def pickled(path: Path) -> None:
    path.rename(path.with_name("pytorch_model.bin"))


def entry(**values: Any) -> Any:
    return spoiling.header(lambda names: names[BLOCK].update(values))


def spread(path: Path) -> None:
    """Two shards with a right index."""
    values = load_file(path)
    names = sorted(values)
    for number, part in enumerate((names[::2], names[1::2])):
        save_file(
            {name: values[name] for name in part}, path.with_name(f"model-{number}.safetensors"), {"format": "pt"}
        )
    where = {name: f"model-{number % 2}.safetensors" for number, name in enumerate(names)}
    path.with_name(INDEX).write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": where}))
    path.unlink()


WEIGHT_CASES = [
    Case("empty", spoiling.written("")),
    Case("seven bytes", spoiling.written(b"\0" * 7)),
    Case("a header of no length", spoiling.written(struct.pack("<Q", 0))),
    Case("a header of 2^63 bytes", spoiling.written(struct.pack("<Q", 1 << 63) + b"{}")),
    Case("a header longer than the file", spoiling.written(struct.pack("<Q", 1000) + b"{}")),
    Case("a header that is no JSON", spoiling.header(lambda names: b"weights")),
    Case("a header that is a list", spoiling.header(lambda names: [1])),
    Case("a header that is a text", spoiling.header(lambda names: "text")),
    Case("a header nested deep", spoiling.header(lambda names: b'{"a":' * 100_000)),
    Case("a header that is no UTF-8", spoiling.header(lambda names: b'{"\xff": 1}')),
    Case("an empty header", spoiling.header(lambda names: {})),
    Case("an entry that is a number", spoiling.header(lambda names: names.update({BLOCK: 7}))),
    Case("an entry that is a list", spoiling.header(lambda names: names.update({BLOCK: []}))),
    Case("an entry without a shape", spoiling.header(lambda names: names[BLOCK].pop("shape") and None)),
    Case("an entry without a type", spoiling.header(lambda names: names[BLOCK].pop("dtype") and None)),
    Case("an entry without a place", spoiling.header(lambda names: names[BLOCK].pop("data_offsets") and None)),
    Case("a shape of texts", entry(shape=["x", "y"])),
    Case("a negative shape", entry(shape=[-16, -16])),
    Case("a shape of one side", entry(shape=[256])),
    Case(
        "a shape that is turned around",
        spoiling.header(lambda n: n["encoder.layer.0.intermediate.dense.weight"].update(shape=[16, 32])),
    ),
    Case("a shape of 2^40 numbers", entry(shape=[1 << 20, 1 << 20])),
    Case("a shape that overflows", entry(shape=[1 << 62, 1 << 62])),
    Case("a shape that is an object", entry(shape={"a": 1})),
    Case("an unknown type", entry(dtype="F99")),
    Case("a type that is a number", entry(dtype=32)),
    Case("places the wrong way round", entry(data_offsets=[64, 0])),
    Case("places that overlap", spoiling.header(lambda n: n[BLOCK].update(data_offsets=n[WORDS]["data_offsets"]))),
    Case("places beyond the end", entry(data_offsets=[0, 1 << 40])),
    Case("three places", entry(data_offsets=[0, 1, 2])),
    Case("negative places", entry(data_offsets=[-1024, 0])),
    Case("no places", entry(data_offsets=[])),
    Case("metadata that are no texts", spoiling.header(lambda names: names.update(__metadata__={"a": [1]}))),
    Case("half", spoiling.cut),
    Case("longer than its header says", spoiling.longer),
    Case("a pointer of git-lfs", spoiling.pointer),
    Case("a page of HTML", spoiling.written("<!doctype html><title>404</title>" * 50)),
    Case("a zip archive", spoiling.written(b"PK\x03\x04" + b"\0" * 500)),
    Case("a pipe", spoiling.fifo),
    Case("a folder", spoiling.folder),
    Case("a link to itself", spoiling.loop),
    Case("gone", lambda path: path.unlink()),
    Case("a pickle", pickled),
    Case("one tensor gone", tensors(lambda values: values.pop(BLOCK) is None or None)),
    Case("a block gone", tensors(lambda values: {k: v for k, v in values.items() if ".layer.1." not in k})),
    Case("the last block gone", tensors(lambda values: {k: v for k, v in values.items() if ".layer.3." not in k})),
    Case("a block more", tensors(lambda v: {**v, **{k.replace(".3.", ".4."): x for k, x in v.items() if ".3." in k}})),
    Case("other names", tensors(lambda values: {f"x.{name}": tensor for name, tensor in values.items()})),
    Case("whole numbers", tensors(lambda values: {**values, BLOCK: values[BLOCK].astype(np.int64)})),
    Case("no numbers", tensors(lambda values: {**values, BLOCK: np.full_like(values[BLOCK], np.nan)}), 1, "is nan"),
    Case(
        "infinite numbers", tensors(lambda values: {**values, WORDS: np.full_like(values[WORDS], np.inf)}), 1, "is nan"
    ),
    Case("an index that is no JSON", index("weights")),
    Case("an index that is a list", index("[]")),
    Case("an index that is nested deep", index('{"weight_map":' * 100_000)),
    Case("an index without a map", index({"metadata": {}})),
    Case("an index whose map is a list", index({"weight_map": ["a"]})),
    Case("an index whose map holds numbers", index({"weight_map": {WORDS: 7}})),
    Case("an index of shards that are not there", index({"weight_map": {WORDS: "model-00002-of-00002.safetensors"}})),
    Case("an index of nothing", index({"weight_map": {}})),
    Case("an index that leads out", index({"weight_map": {WORDS: "../../etc/passwd"}})),
    Case(
        "an index of a part",
        index({"metadata": {"total_size": 1}, "weight_map": {WORDS: "model-00001-of-00001.safetensors"}}),
        HARMLESS,
    ),
    Case("shards", spread, HARMLESS),
    Case("a tensor that belongs to nothing", tensors(lambda v: {**v, "cls.x": np.zeros(3, np.float32)}), HARMLESS),
    Case("a fixed time", lambda path: os.utime(path, (0, 0)), HARMLESS),
]

HUGE = 1 << 40
SIZES = (0, -1, HUGE, "16", 1.5, None, [4], True)
CONFIG_CASES = [
    *spoiling.any_json(),
    Case("no type", spoiling.without("model_type")),
    Case("an unknown type", spoiling.put("model_type", "nobert"), 3),
    Case("another type", spoiling.put("model_type", "gpt2"), 2),
    Case("a type that is a number", spoiling.put("model_type", 7)),
    Case("a type that is a list", spoiling.put("model_type", ["bert"])),
    *spoiling.each("hidden_size", *SIZES),
    *spoiling.each("num_hidden_layers", *SIZES),
    *spoiling.each("vocab_size", *SIZES),
    *spoiling.each("num_attention_heads", 0, -2, 3, 32, HUGE, "2", None),
    *spoiling.each("intermediate_size", 0, -1, 33, HUGE, "x", None),
    *spoiling.each("max_position_embeddings", -1, 0, 2, HUGE, "128", None),
    *spoiling.each("type_vocab_size", 0, -1, 3, HUGE, "x", None),
    *spoiling.each("pad_token_id", -1, 1000, HUGE, "x", [0]),
    *spoiling.each("hidden_act", "nothing", 7, None, ["gelu"]),
    *spoiling.each("layer_norm_eps", "x", None, [1]),
    *spoiling.each("hidden_dropout_prob", 2.0, -1, "x", None),
    *spoiling.each("attention_probs_dropout_prob", 2.0, "x"),
    *spoiling.each("initializer_range", -1, "x", None),
    *spoiling.each("dtype", "float99", 7, ["float32"]),
    Case("is_decoder", spoiling.put("is_decoder", True)),
    Case("code of its own",
         spoiling.put("auto_map", {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"}), HARMLESS),
    Case("quantised", spoiling.put("quantization_config", {"quant_method": "bitsandbytes", "load_in_4bit": True})),
    Case("id2label that is a list", spoiling.put("id2label", ["a"])),
    Case("an unknown key", spoiling.put("colour", "blue"), HARMLESS),
    Case("a version that is none", spoiling.put("transformers_version", "none"), HARMLESS),
]  # fmt: skip

TOKENIZER_CASES = [
    *spoiling.any_json(),
    Case("gone", lambda path: path.unlink()),
    Case("no model", spoiling.without("model")),
    Case("a model that is null", spoiling.put("model", None)),
    Case("an unknown model", spoiling.put("model", "type", "Nothing")),
    Case("a vocabulary that is a list", spoiling.put("model", "vocab", ["a"])),
    Case("an empty vocabulary", spoiling.put("model", "vocab", {})),
    Case("ids that are texts", spoiling.put("model", "vocab", "cat", "7")),
    Case("a negative id", spoiling.put("model", "vocab", "cat", -7)),
    Case("an id of 2^32", spoiling.put("model", "vocab", "cat", 1 << 32)),
    Case("an id beyond the matrix", spoiling.put("model", "vocab", "cat", 100_000)),
    Case("added tokens that are an object", spoiling.put("added_tokens", {}), HARMLESS),
    Case("an added token without content", spoiling.put("added_tokens", [{"id": 0}]), HARMLESS),
    Case("an added token beyond the matrix",
         spoiling.put("added_tokens", [{"id": 5000, "content": "[X]", "single_word": False,
         "lstrip": False, "rstrip": False, "normalized": False, "special": False}])),
    Case("an unknown normaliser", spoiling.put("normalizer", {"type": "Nothing"})),
    Case("an expression without end", spoiling.put("pre_tokenizer", {"type": "Split", "pattern": {"Regex": "("},
         "behavior": "Isolated", "invert": False})),
    Case("a post-processor of texts", spoiling.put("post_processor", "x")),
    Case("truncation that is a text", spoiling.put("truncation", "x")),
]  # fmt: skip

TOKENIZER_CONFIG_CASES = [
    Case("a list", spoiling.written("[1]")),
    Case("nested 100,000 deep", spoiling.written('{"a":' * 100_000)),
    Case("binary", spoiling.written(bytes(range(256)))),
    Case("half", spoiling.cut),
    Case("a pipe", spoiling.fifo, HARMLESS),
    Case("an unknown class", spoiling.put("tokenizer_class", "NoTokenizer"), HARMLESS),
    Case("a class that is a number", spoiling.put("tokenizer_class", 7)),
    Case("code of its own", spoiling.put("auto_map", {"AutoTokenizer": ["evil.Slow", "evil.Fast"]}), HARMLESS),
    Case("a padding token that is a number", spoiling.put("pad_token", 7)),
    Case("a padding token that is nowhere", spoiling.put("pad_token", "<|none|>")),
    Case("a padding token that is null", spoiling.put("pad_token", None)),
    Case("an unknown token that is a list", spoiling.put("unk_token", ["a"])),
    Case("lengths that are texts", spoiling.put("model_max_length", "x")),
    Case("added tokens that are a list", spoiling.put("added_tokens_decoder", [1])),
    Case("added tokens with a text as id", spoiling.put("added_tokens_decoder", {"x": {"content": "[PAD]"}})),
    Case("added tokens without content", spoiling.put("added_tokens_decoder", {"0": {}}), HARMLESS),
]

FILES = {
    WEIGHTS: WEIGHT_CASES,
    "config.json": CONFIG_CASES,
    "tokenizer.json": TOKENIZER_CASES,
    "tokenizer_config.json": TOKENIZER_CONFIG_CASES,
}


def run(world: Path, model: Path, output: Path) -> str:
    """Realign a step; the digest of the weights that come of it."""
    settings = RealignSettings(
        model=str(model), pairs=(str(world / "pairs"),), steps=1, batch_size=4, probe_pairs=0, projection=8,
        vocabulary="full", device="cpu", output=output,
    )  # fmt: skip
    return file_digest(realign(settings, Console()).path / WEIGHTS)


@pytest.fixture(scope="module")
def untampered(world: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return run(world, world / "encoder", tmp_path_factory.mktemp("untampered") / "out")


@pytest.mark.parametrize(("file", "case"), [(file, case) for file, cases in FILES.items() for case in cases], ids=str)
def test_a_tampered_model(world: Path, tmp_path: Path, untampered: str, file: str, case: Case) -> None:
    model = spoiling.copied(world / "encoder", tmp_path / "model")
    case.spoil(model / file)
    found = spoiling.ending(lambda: run(world, model, tmp_path / "out"))
    spoiling.check(case, found)
    if case.code == HARMLESS:
        assert found.result == untampered
    else:
        assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]
