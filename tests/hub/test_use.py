"""The lines of code on cards, run as they stand, give what `evaluate` gives: every task and kind of tokenizer."""

from __future__ import annotations

import functools
import importlib.util
import json
import math
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from alignfreeze_cli.demo.settings import DemoWorldSettings
from alignfreeze_cli.demo.world import make_world
from alignfreeze_cli.encoder.blocks import all_hidden_states
from alignfreeze_cli.encoder.models import load_encoder
from alignfreeze_cli.encoder.settings import RealignSettings
from alignfreeze_cli.hub.cards import write_card
from alignfreeze_cli.progress import Console
from alignfreeze_cli.steps.evaluate import evaluate
from alignfreeze_cli.steps.finetune import finetune
from alignfreeze_cli.steps.realign import realign
from alignfreeze_cli.tasks.prediction import Predictor, load_predictor
from alignfreeze_cli.tasks.registry import TASKS
from alignfreeze_cli.tasks.settings import EvaluateSettings, FinetuneSettings
from alignfreeze_cli.tasks.xnli import NliPair
from tests.support.models import save_decoder
from tests.support.realign_world import make_encoder, make_pairs
from tests.tasks.worlds import conllu

FILES = {"pos": "conllu", "ner": "tsv", "nli": "tsv", "qa": "json"}
INPUTS = {"pos": ("words",), "ner": ("words",), "nli": ("premise", "hypothesis"), "qa": ("question", "passage")}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    small = {"languages": 1, "sentences": 60, "pairs": 10, "train": 40, "test": 12, "steps": 10, "batch_size": 16}
    folder = tmp_path_factory.mktemp("demo") / "world"
    return make_world(DemoWorldSettings(output=folder, threads=1, **small), Console()).path  # type: ignore[arg-type]


def blocks_of_code(folder: Path) -> list[str]:
    """The Python on the card of a folder, which stands for its repository."""
    card = write_card(folder, repo_id=str(folder))
    return re.findall(r"```python\n(.*?)```", card.read_text(encoding="utf-8"), re.DOTALL)


def runner(code: str, names: Sequence[str]) -> Callable[..., Any]:
    """A function that gives what the code prints when other values stand in the line that sets `names`."""
    lines = code.splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith(", ".join(names) + " = "))
    printed: list[Any] = []
    space: dict[str, Any] = {"print": printed.append}
    exec("\n".join(lines[:at]), space)

    def run(*values: Any) -> Any:
        space.update(zip(names, values, strict=True))
        exec("\n".join(lines[at + 1 :]), space)
        return printed.pop()

    return run


def rows(scores: Path) -> Iterator[dict[str, Any]]:
    for path in sorted((scores / "predictions").iterdir()):
        yield from pq.read_table(path).to_pylist()


def tune(folder: Path, task: str, train: Path, **changes: Any) -> Path:
    """A model that has learned next to nothing, so that its answers differ from word to word."""
    given = {"model": str(folder / "encoder"), "task": task, "train": str(train), "steps": 1, "batch_size": 8}
    given |= {"learning_rate": 1e-4, "max_length": 64, "device": "cpu", "output": folder / task}
    return finetune(FinetuneSettings(**{**given, **changes}), Console()).path  # type: ignore[arg-type]


def score(model: Path, languages: tuple[str, ...], data: str) -> Path:
    output = model.with_name(f"{model.name}-scores")
    given = {"model": str(model), "languages": languages, "data": data, "device": "cpu", "output": output}
    return evaluate(EvaluateSettings(**given), Console()).path  # type: ignore[arg-type]


def passages(path: Path) -> dict[str, str]:
    """Question id → its passage, in a file in the format of SQuAD."""
    paragraphs = [each for article in json.loads(path.read_text())["data"] for each in article["paragraphs"]]
    return {asked["id"]: each["context"] for each in paragraphs for asked in each["qas"]}


@functools.cache
def loaded(model: Path) -> Predictor:
    return load_predictor(model, TASKS["nli"], EvaluateSettings(model=str(model), device="cpu"))


def checked_score(model: Path, row: dict[str, Any], found: Any) -> float:
    """The score of a pair's label in a pipeline, which must be the probability that our own code has.

    Models this small give every pair the same label, with other probabilities.
    """
    ours, task = loaded(model), TASKS["nli"]
    pair = NliPair("1", row["premise"], row["hypothesis"], row["predicted"])
    window = task.encode([pair], ours.tokenizer, ours.labels, task.evaluation_length, {}).collate(np.arange(1))
    with torch.no_grad():
        probability = math.exp(-task.loss(ours.model, window).item())
    found = found[0] if isinstance(found, list) else found
    assert found["label"] == row["predicted"]
    assert found["score"] == pytest.approx(probability, abs=1e-6)
    return round(found["score"], 5)


@pytest.mark.parametrize("task", FILES)
def test_the_lines_give_our_own_predictions(world: Path, tmp_path: Path, task: str) -> None:
    (tmp_path / "encoder").symlink_to(world / "encoder")
    ending = FILES[task]
    model = tune(tmp_path, task, world / task / f"qav-train.{ending}", language="qav")
    scores = score(model, ("qav", "qbe"), str(world / task / f"{{language}}-test.{ending}"))
    (code,) = blocks_of_code(model)
    run = runner(code, INPUTS[task])
    seen = set()
    asked = passages(world / task / f"qav-test.{ending}") if task == "qa" else {}
    asked |= passages(world / task / f"qbe-test.{ending}") if task == "qa" else {}
    for row in rows(scores):
        if task == "nli":
            seen.add(checked_score(model, row, run(row["premise"], row["hypothesis"])))
        elif task == "qa":
            seen.add(row["prediction"])
            assert run(row["question"], asked[row["id"]]) == row["prediction"]
        else:
            seen |= set(row["predicted"])
            assert run(row["words"]) == list(zip(row["words"], row["predicted"], strict=True))
    assert len(seen) > 1, "always the same answer would show nothing"


TAGGED = [
    [("the", "DET"), ("cat", "NOUN"), ("sat", "VERB"), ("on", "ADP"), ("the", "DET"), ("mat", "NOUN"), (".", "PUNCT")],
    [("don't", "VERB"), ("stop", "VERB"), ("Qx", "PROPN"), ("a.b", "X"), ("猫が", "NOUN"), ("座る", "VERB")],
    [("über", "ADP"), ("die", "DET"), ("Brücke", "NOUN"), ("(", "PUNCT"), ("кошка", "NOUN"), ("сидит", "VERB")],
]


@pytest.mark.parametrize(
    ("family", "kind", "changes"),
    [
        ("xlm-roberta", "xlm-roberta", {}),
        ("xlm-roberta", "xlm-roberta", {"lone_pieces": "delete"}),
        ("roberta", "roberta", {}),
        ("qwen2", "qwen2", {}),
        ("llama", "llama 2", {}),
    ],
    ids=["lone pieces kept", "lone pieces deleted", "byte level", "last piece", "blanks of its own"],
)
def test_words_are_read_as_in_training(tmp_path: Path, family: str, kind: str, changes: dict[str, Any]) -> None:
    save_decoder(tmp_path / "encoder", family, kind)
    (tmp_path / "en.conllu").write_text(conllu(TAGGED), encoding="utf-8")
    model = tune(tmp_path, "pos", tmp_path / "en.conllu", **changes)
    scores = score(model, ("en",), str(tmp_path / "{language}.conllu"))
    (code,) = blocks_of_code(model)
    if kind == "xlm-roberta":
        assert "▁" in AutoTokenizer.from_pretrained(model).tokenize("( 座る")
        assert ("kept" in code) == bool(changes)
    assert ('" " + word' in code) == (kind in ("roberta", "qwen2"))
    run = runner(code, ["words"])
    at = tmp_path / "with@sign"
    at.symlink_to(model)
    tagger = space_model().Tagger.load("one", str(at))
    for row in rows(scores):
        assert run(row["words"]) == list(zip(row["words"], row["predicted"], strict=True))
        tags, vectors = tagger.read(row["words"])
        assert tags == row["predicted"], "the page in examples/space reads words in the same way"
        torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(vectors.shape[:2]))
    assert run(["the"] * 200)[-1] == ("the", None), "longer texts are cut"


def space_model() -> Any:
    """The module of examples/space that reads sentences; its page needs packages that are not here."""
    path = Path(__file__).parents[2] / "examples" / "space" / "model.py"
    spec = importlib.util.spec_from_file_location("space_model", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules.setdefault("space_model", importlib.util.module_from_spec(spec))
    spec.loader.exec_module(module)
    return module


def test_of_an_older_tagger_nothing_is_claimed(tmp_path: Path) -> None:
    save_decoder(tmp_path / "encoder", "roberta", "roberta")
    (tmp_path / "en.conllu").write_text(conllu(TAGGED), encoding="utf-8")
    model = tune(tmp_path, "pos", tmp_path / "en.conllu")
    (code,) = blocks_of_code(model)
    assert "truncation=True, max_length=64" in code
    path = model / "alignfreeze.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    for name in ("word-blanks", "lone-pieces"):
        del record["details"][name]
    path.write_text(json.dumps(record), encoding="utf-8")
    assert blocks_of_code(model) == []
    assert "did not keep how its tokenizer reads words" in (model / "README.md").read_text(encoding="utf-8")
    with pytest.raises(ValueError, match=r"pos: its record does not say how words are read"):
        space_model().Tagger.load("old", str(model))


@pytest.mark.parametrize("task", ["nli", "qa"])
def test_two_texts_are_kept_apart_as_in_training(world: Path, tmp_path: Path, task: str) -> None:
    """Qwen's tokenizer puts nothing between them."""
    save_decoder(tmp_path / "encoder", "qwen2", max_position_embeddings=512)
    train = world / task / f"qav-train.{FILES[task]}"
    model = tune(tmp_path, task, train, language="qav", max_length=192)
    scores = score(model, ("qav",), str(world / task / f"{{language}}-test.{FILES[task]}"))
    (code,) = blocks_of_code(model)
    assert "<|endoftext|>" in code
    run = runner(code, INPUTS[task])
    seen: set[float] = set()
    for row in list(rows(scores))[:4]:
        if task == "nli":
            seen.add(checked_score(model, row, run(row["premise"], row["hypothesis"])))
        else:
            found = run(row["question"], passages(train.with_name("qav-test.json"))[row["id"]])
            assert found == row["prediction"].strip(), "a blank may be a subword"
    assert task == "qa" or len(seen) > 1


# peft asks transformers for an attribute by its old name.
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
@pytest.mark.parametrize("pooler", [True, False], ids=["pooler", "no pooler"])
def test_an_encoders_lines_read_the_realigned_block_and_load_the_adapters(tmp_path: Path, pooler: bool) -> None:
    """Every weight of what they load is of a file: transformers makes none anew, and reports none as missing."""
    make_encoder(tmp_path / "encoder")
    weights = tmp_path / "encoder" / "model.safetensors"
    kept = {name: each for name, each in load_file(weights).items() if pooler or not name.startswith("pooler.")}
    save_file(kept, weights, metadata={"format": "pt"})
    make_pairs(tmp_path / "pairs")
    chosen = {"model": str(tmp_path / "encoder"), "pairs": (str(tmp_path / "pairs"),), "steps": 2, "batch_size": 4}
    chosen |= {"lora": 2, "keep_adapter": True, "probe_pairs": 2, "max_length": 32, "block": "middle", "device": "cpu"}
    made = realign(RealignSettings(**chosen, output=tmp_path / "out"), Console())  # type: ignore[arg-type]
    whole, adapters = blocks_of_code(made.path)
    space: dict[str, Any] = {"print": lambda _: None}
    exec(whole, space)
    assert space["model"].state_dict().keys() == kept.keys()
    assert ("it has no pooler" in whole) is not pooler
    read = space["tokenizer"]("a sentence", return_tensors="pt")
    model, _ = load_encoder(made.path)
    states = all_hidden_states(model.eval(), read)[made.details["read-block"] + 1]
    torch.testing.assert_close(space["vector"]("a sentence"), states[0].mean(0))

    beside: dict[str, Any] = {}
    exec(adapters.replace("path/to/encoder", str(tmp_path / "encoder")), beside)
    assert (beside["base"].pooler is not None) is pooler
    with torch.no_grad():
        adapted = beside["model"].eval()(**read).last_hidden_state
        plain = space["model"].eval()(**read).last_hidden_state
    torch.testing.assert_close(adapted, plain, atol=1e-5, rtol=1e-5)
