"""finetune: what the result holds, what decides it, and what is refused."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForTokenClassification, AutoTokenizer

from alignfreeze_cli.encoder.batches import Packing, Rows
from alignfreeze_cli.encoder.blocks import architecture
from alignfreeze_cli.encoder.models import families_with
from alignfreeze_cli.errors import AlignFreezeError, ArtifactError, DataError, SettingsError
from alignfreeze_cli.tasks.finetuning import batches, summed_loss
from alignfreeze_cli.tasks.registry import TASKS
from alignfreeze_cli.tasks.settings import FinetuneSettings
from alignfreeze_cli.tasks.tagging import TaggedSentence, TaggedWindows
from tests.support.models import save_bert, tiny
from tests.tasks.test_tagging import LABELS, encode
from tests.tasks.worlds import LEXICON, conllu, make_world, score, sentences, train

POS = TASKS["pos"]
ARCH = architecture(tiny("bert"))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_world(tmp_path_factory.mktemp("world"))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def test_the_result_is_a_plain_transformers_folder(world: Path) -> None:
    result = train(world)
    assert (result.status, result.path) == ("made", world / "pos")
    model = AutoModelForTokenClassification.from_pretrained(world / "pos")
    assert tuple(model.config.id2label.values()) == POS.labels(POS.defaults)
    assert (
        len(AutoTokenizer.from_pretrained(world / "pos")(["the", "catx"], is_split_into_words=True)["input_ids"]) == 5
    )
    rows = [json.loads(line) for line in (world / "pos" / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == 4
    assert result.record is not None
    assert result.record.details["task"] == "pos"
    assert result.record.details["max-length"] == 24
    assert result.record.details["learning-rate"] == 1e-2
    assert not (world / "pos" / "checkpoints").exists()
    assert train(world).status == "already done"


def test_the_seed_alone_decides(world: Path) -> None:
    first, again, other = (train(world, name, seed=seed) for name, seed in (("a", 5), ("b", 5), ("c", 6)))
    one = (first.path / "model.safetensors").read_bytes()
    assert one == (again.path / "model.safetensors").read_bytes()
    assert one != (other.path / "model.safetensors").read_bytes()


def test_frozen_blocks_stay_and_everything_else_learns(world: Path) -> None:
    train(world, "frozen", freeze="front,embeddings")
    before, after = weights(world / "encoder"), weights(world / "frozen")
    for name, tensor in before.items():
        if name.startswith("pooler."):
            continue
        still = name.startswith(("embeddings.", "encoder.layer.0.", "encoder.layer.1."))
        assert torch.equal(tensor, after[f"bert.{name}"]) is still, name


def test_epochs_count_windows(world: Path) -> None:
    details = train(world, "epochs", steps=None, epochs=2.0).details
    # 41 sentences of at most 24 subwords, 8 to a batch: 6 steps a pass, the last one with a single sentence.
    assert (details["windows"], details["steps"]) == (41, 12)


def test_a_dry_run_tells_the_steps_and_makes_nothing(world: Path) -> None:
    result = train(world, "dry", steps=None, dry_run=True)
    assert result.status == "planned"
    assert (result.details["windows"], result.details["steps"]) == (41, 30)
    assert result.details["learning-rate"] == 1e-2
    assert not result.path.exists()


def test_parts_of_a_pass_are_rounded_up_to_a_step(world: Path) -> None:
    (world / "fifty.conllu").write_text(conllu(sentences(50, 8)), encoding="utf-8")
    part: dict[str, Any] = {"train": str(world / "fifty.conllu"), "steps": None, "batch_size": 1, "dry_run": True}
    # As floats, 1.1 * 50 is a little more than 55.
    found = [train(world, "part", epochs=epochs, **part).details["steps"] for epochs in (1.1, 1.11, 1e-12)]
    assert found == [55, 56, 1]


@pytest.mark.parametrize(("model_type", "rate"), [("bert", 2e-5), ("xlm-roberta", 7.5e-6), ("roberta", 7.5e-6)])
def test_the_rate_is_the_papers_unless_given(world: Path, model_type: str, rate: float, tmp_path: Path) -> None:
    shutil.copytree(world / "encoder", tmp_path / "encoder")
    config = json.loads((tmp_path / "encoder" / "config.json").read_text())
    (tmp_path / "encoder" / "config.json").write_text(json.dumps({**config, "model_type": model_type}))
    planned = train(world, "rate", model=str(tmp_path / "encoder"), learning_rate=None, dry_run=True)
    assert planned.details["learning-rate"] == rate


def test_sentences_without_subwords_teach_nothing(world: Path) -> None:
    spoken, silent = sentences(5, 8), [("\u200b", "X")]
    (world / "spoken.conllu").write_text(conllu(spoken), encoding="utf-8")
    (world / "mixed.conllu").write_text(conllu([silent, *spoken[:2], silent, *spoken[2:]]), encoding="utf-8")
    (world / "silent.conllu").write_text(conllu([silent] * 3), encoding="utf-8")
    each: dict[str, Any] = {"steps": None, "epochs": 2.0, "batch_size": 1}
    one, other = (train(world, name, train=str(world / f"{name}.conllu"), **each) for name in ("spoken", "mixed"))
    assert (other.details["examples"], other.details["windows"], other.details["steps"]) == (7, 5, 10)
    assert all(torch.equal(tensor, weights(other.path)[name]) for name, tensor in weights(one.path).items())
    with pytest.raises(DataError, match="holds no words to learn from"):
        train(world, "nothing", train=str(world / "silent.conllu"))


def settings(**changes: object) -> FinetuneSettings:
    return FinetuneSettings(**{"model": "m", "task": "pos", "batch_size": 5, "seed": 3, **changes})  # type: ignore[arg-type]


def test_every_pass_sees_every_window_once_in_an_order_of_its_own() -> None:
    windows = encode([TaggedSentence(str(n), ["a" * (n % 7 + 1)], ["X"]) for n in range(12)], 20)
    seen = []
    for step in range(6):
        of_step = batches(windows, settings(), ARCH, Packing(20))(step)
        again = batches(windows, settings(), ARCH, Packing(20))(step)
        assert [m.tokens for m in of_step] == [m.tokens for m in again]
        assert len(of_step) == (2 if step % 3 < 2 else 1)
        seen.append([sentence for m in of_step for sentence in _sentences(m.inputs[0]["rows"])])
    passes = [[sentence for step in seen[p : p + 3] for sentence in step] for p in (0, 3)]
    assert sorted(passes[0]) == sorted(passes[1]) == sorted(_texts(windows))
    assert passes[0] != passes[1]


@pytest.mark.parametrize("processes", [1, 2, 3])
@pytest.mark.parametrize("budget", [4, 20, 1000])
def test_the_loss_of_a_step_depends_on_neither_micro_batches_nor_processes(budget: int, processes: int) -> None:
    from transformers import BertConfig, BertForTokenClassification, set_seed

    set_seed(0)
    config = BertConfig(vocab_size=60, hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=8)
    config.num_labels = len(LABELS)
    model = BertForTokenClassification(config).eval().double()
    windows = encode(
        [TaggedSentence(str(n), ["a" * (n % 5 + 1)] * (n % 3 + 1), ["X"] * (n % 3 + 1)) for n in range(11)], 30
    )
    for step in (0, 2):  # the third batch has a single window, fewer than there are processes
        whole = windows.collate(_windows_of(step, len(windows.lengths)))
        expected = POS.loss(model, whole) / len(whole["gold"])
        by_process = [
            batches(windows, settings(), ARCH, Packing(budget), process=p, processes=processes)(step)
            for p in range(processes)
        ]
        assert all(by_process)
        parts = [micro_batch for some in by_process for micro_batch in some]
        weight = sum(m.weight for m in parts if isinstance(m.weight, float))
        loss = sum(summed_loss(POS)(model, m.inputs) for m in parts) / weight
        torch.testing.assert_close(loss, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("family", families_with(POS.auto_class))
def test_windows_that_share_rows_learn_what_they_learn_alone(family: str) -> None:
    """Loss and gradients are those of one padded batch, whatever the family can share, with dropout off."""
    model = tiny(family, AutoModelForTokenClassification, num_labels=len(LABELS))
    arch = architecture(model)
    lengths = [(n * 5) % 11 + 1 for n in range(12)]
    windows = encode([TaggedSentence(str(n), ["a" * (n % 4 + 1)] * n, ["X"] * n) for n in lengths], 30)
    windows.tokens, windows.padding_id = windows.tokens % 40 + 2, model.config.pad_token_id
    count = len(windows.lengths)
    POS.loss(model, windows.collate(np.arange(count))).backward()
    expected = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    of_step = batches(windows, settings(batch_size=count), arch, Packing(120))(0)
    assert arch.can_pack_with_head == (family not in ("deberta-v2", "bloom"))
    if arch.can_pack_with_head:
        assert all(len(m.inputs[0]["rows"].input_ids) < 5 for m in of_step)
        assert sum(m.tokens for m in of_step) / sum(m.computed for m in of_step) > 0.9
    for micro_batch in of_step:
        summed_loss(POS)(model, micro_batch.inputs).backward()
    for name, parameter in model.named_parameters():
        if name in expected:
            # The loss itself is computed in single precision.
            torch.testing.assert_close(parameter.grad, expected[name], rtol=1e-5, atol=1e-5)


def _sentences(rows: Rows) -> list[list[int]]:
    """The token ids of every sentence in some rows."""
    ids, sentences = rows.input_ids.flatten(), rows.sentences.flatten()
    return [ids[sentences == number].tolist() for number in range(int(sentences.max()) + 1)]


def _texts(windows: TaggedWindows) -> list[list[int]]:
    return [windows.tokens[a:b].tolist() for a, b in pairwise(windows.starts)]


def _windows_of(step: int, count: int) -> np.ndarray:
    return np.random.default_rng([3, 0]).permutation(count)[step * 5 : step * 5 + 5]


@pytest.mark.parametrize(
    ("changes", "error", "sentence"),
    [
        (
            {"model": "pos"},
            ArtifactError,
            "holds a task-model, made by `alignfreeze finetune`, but an encoder is needed",
        ),
        ({"train": "missing.conllu"}, DataError, "no such file for the language 'en' (--train)"),
        ({"freeze": "4"}, SettingsError, "names block 4, but the encoder has 4 blocks, 0 to 3"),
        ({"max_length": 65}, SettingsError, "--max-length 65 is more than the 64 subwords"),
    ],
)
def test_what_does_not_fit_is_refused(
    world: Path, changes: dict[str, Any], error: type[AlignFreezeError], sentence: str
) -> None:
    train(world)
    if "model" in changes:
        changes = {"model": str(world / "pos")}
    with pytest.raises(error) as caught:
        train(world, "refused", **changes)
    assert sentence in str(caught.value)
    assert not (world / "refused").exists()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"steps": 1, "epochs": 1.0}, "--steps and --epochs cannot both be given"),
        ({"task": "poss"}, f"--task must be one of {', '.join(TASKS)}, not 'poss'; did you mean 'pos'?"),
        ({"freeze": "fornt"}, "did you mean 'front'?"),
        ({"windows": "half"}, "--windows must be one of whole-words, published"),
    ],
)
def test_settings_complain(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings(**changes)
    assert sentence in str(caught.value)


def test_options_that_nobody_set_are_not_recorded() -> None:
    assert "windows" not in settings().recorded()
    assert settings(windows="published").identity()["windows"] == "published"


def test_an_encoder_that_lacks_weights_is_refused(world: Path, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    shutil.copytree(world / "encoder", tmp_path / "encoder")
    kept = {name: t for name, t in weights(world / "encoder").items() if "layer.2.attention" not in name}
    save_file(kept, tmp_path / "encoder" / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ArtifactError, match="lacks .* of the model's weights, bert.encoder.layer.2.attention"):
        train(world, "lacking", model=str(tmp_path / "encoder"))


def test_the_published_labels_travel_with_the_model(world: Path) -> None:
    train(world, "published", multiword_tokens="published", windows="published", lone_pieces="delete")
    model = AutoModelForTokenClassification.from_pretrained(world / "published")
    assert model.config.id2label[13] == "_"
    result = score(world, "published-scores", model=str(world / "published"))
    assert result.details["scoring"] == {
        "max-length": 24,
        "multiword-tokens": "published",
        "windows": "published",
        "lone-pieces": "delete",
    }


@pytest.mark.parametrize("changes", [{}, {"lora": 2}, {"freeze": "front,embeddings"}])
def test_training_only_the_embeddings_that_occur_gives_the_same_bytes(world: Path, changes: dict[str, Any]) -> None:
    save_bert(world / "wide", [*LEXICON, *(f"other{n}" for n in range(200))], hidden_size=16, intermediate_size=24)
    active, full = (
        train(world, f"{rows}-rows", model=str(world / "wide"), vocabulary=rows, overwrite=True, **changes)
        for rows in ("active", "full")
    )
    one, other = (result.path / "model.safetensors" for result in (active, full))
    assert weights(active.path)["bert.embeddings.word_embeddings.weight"].shape == (5 + len(LEXICON) + 200, 16)
    assert one.read_bytes() == other.read_bytes()
