"""The realign step from folder to folder, on tiny random encoders."""

from __future__ import annotations

import json
import logging
import resource
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoTokenizer

from alignfreeze_cli.artifacts import Result
from alignfreeze_cli.artifacts.files import file_digest
from alignfreeze_cli.encoder.blocks import FAMILIES
from alignfreeze_cli.encoder.settings import RealignSettings
from alignfreeze_cli.errors import ArtifactError, DataError, SettingsError
from alignfreeze_cli.pairs.folder import Pair
from alignfreeze_cli.progress import Console
from alignfreeze_cli.steps.realign import realign
from tests.support.console import RecordingConsole
from tests.support.models import ENCODERS
from tests.support.realign_world import make_encoder, make_pairs, sentence_pairs, vocabulary

BLOCK = "encoder.layer."


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    make_encoder(folder / "encoder")
    make_pairs(folder / "pairs")
    return folder


def run(world: Path, output: Path, console: Console | None = None, **changes: Any) -> Result:
    values: dict[str, Any] = {
        "model": str(world / "encoder"),
        "pairs": (str(world / "pairs"),),
        "steps": 6,
        "batch_size": 6,
        "max_length": 32,
        "learning_rate": 1e-3,
        "probe_pairs": 4,
        "device": "cpu",
        "output": output,
    }
    return realign(RealignSettings(**{**values, **changes}), *([console] if console else []))


@pytest.fixture(scope="module")
def plain(world: Path) -> Result:
    """One run with the settings of `run`."""
    return run(world, world / "plain")


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def changed(before: Path, after: Path) -> set[str]:
    old, new = weights(before), weights(after)
    assert old.keys() == new.keys()
    return {name for name in old if not torch.equal(old[name], new[name])}


def parts(names: set[str]) -> set[str]:
    """What these parameters belong to: block numbers, `embeddings`, or the name itself."""
    return {name.removeprefix(BLOCK).split(".")[0] if name.startswith(BLOCK) else name.split(".")[0] for name in names}


def metrics(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_the_result_is_a_plain_encoder(plain: Result) -> None:
    assert plain.status == "made"
    model, info = AutoModel.from_pretrained(plain.path, output_loading_info=True)
    assert not any(info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert model.dtype == torch.float32
    assert AutoTokenizer.from_pretrained(plain.path).get_vocab() == vocabulary()
    names = {path.name for path in (plain.path).iterdir()}
    assert {"config.json", "model.safetensors", "metrics.jsonl", "tokenizer.json", "alignfreeze.json"} <= names
    assert not names & {"checkpoints", "partial.json"}


@pytest.mark.parametrize(
    ("freeze", "expected"),
    [
        ("none", {"embeddings", "0", "1", "2", "3"}),
        ("front", {"embeddings", "2", "3"}),
        ("back", {"embeddings", "0", "1", "2"}),
        ("front,embeddings", {"2", "3"}),
        ("all-but:1", {"embeddings", "1"}),
    ],
)
def test_a_plan_changes_what_it_trains_and_nothing_else(
    world: Path, tmp_path: Path, freeze: str, expected: set[str]
) -> None:
    """Bit for bit; block 4 is above the block that the loss reads."""
    run(world, tmp_path / "out", freeze=freeze)
    assert parts(changed(world / "encoder", tmp_path / "out")) == expected


@pytest.mark.parametrize("family", [*ENCODERS, "gemma3_text", "bloom", "xglm"])
def test_front_in_every_family(world: Path, tmp_path: Path, family: str) -> None:
    make_encoder(tmp_path / "encoder", family)
    for freeze in ("front", "front,embeddings"):
        run(world, tmp_path / freeze, model=str(tmp_path / "encoder"), freeze=freeze, steps=2)
        names = changed(tmp_path / "encoder", tmp_path / freeze)
        blocks = {
            int(next(p for p in name.split(".") if p.isdecimal()))
            for name in names
            if any(part in name for part in (".layer.", "layers.", "h."))
        }
        assert blocks == {2, 3}
        assert any("embed" in name for name in names) == (freeze == "front")
        after = FAMILIES[family].after or ("pooler",)
        assert not any(name.startswith(after) for name in names)


def test_in_a_decoder_a_word_is_read_at_its_last_subword_unless_told_otherwise(
    world: Path, plain: Result, tmp_path: Path
) -> None:
    make_encoder(tmp_path / "llama", "llama")
    made = {
        name: run(world, tmp_path / name, model=str(tmp_path / "llama"), steps=2, block="middle", **changes)
        for name, changes in (("unsaid", {}), ("last", {"pooling": "last"}), ("first", {"pooling": "first"}))
    }
    digests = {name: file_digest(result.path / "model.safetensors") for name, result in made.items()}
    assert digests["unsaid"] == digests["last"] != digests["first"]
    records = [result.record for result in (made["unsaid"], plain)]
    assert [record.settings["pooling"] for record in records if record] == ["last", "first"]
    details = made["unsaid"].details
    assert (details["read-block"], details["frozen-blocks"], details["trained-blocks"]) == (2, [0], [1, 2])
    again = run(world, tmp_path / "unsaid", model=str(tmp_path / "llama"), steps=2, block="middle", pooling="last")
    assert again.status != "made"


def test_the_last_block_is_trained_when_the_loss_reads_it(world: Path, tmp_path: Path) -> None:
    run(world, tmp_path / "last", block="last")
    run(world, tmp_path / "two", block="2")
    assert parts(changed(world / "encoder", tmp_path / "last")) == {"embeddings", "2", "3", "4"}
    assert parts(changed(world / "encoder", tmp_path / "two")) == {"embeddings", "2"}


def test_the_same_run_gives_the_same_bytes_and_another_seed_does_not(
    world: Path, plain: Result, tmp_path: Path
) -> None:
    digests = [file_digest(plain.path / "model.safetensors")]
    for seed in (31, 42):
        run(world, tmp_path / str(seed), seed=seed)
        digests.append(file_digest(tmp_path / str(seed) / "model.safetensors"))
    assert digests[0] == digests[1] != digests[2]


def test_training_the_active_vocabulary_equals_training_all_of_it(tmp_path: Path, world: Path) -> None:
    """Through the whole step and on a vocabulary of which most does not occur in the pairs."""
    make_encoder(tmp_path / "encoder", vocab_size=1000)
    for vocabulary_setting in ("active", "full"):
        run(world, tmp_path / vocabulary_setting, model=str(tmp_path / "encoder"), vocabulary=vocabulary_setting)
    digests = {file_digest(tmp_path / name / "model.safetensors") for name in ("active", "full")}
    assert len(digests) == 1


def test_half_precision_weights_are_trained_and_written_in_single(world: Path, tmp_path: Path) -> None:
    shutil.copytree(world / "encoder", tmp_path / "half")
    AutoModel.from_pretrained(world / "encoder", dtype=torch.float16).save_pretrained(tmp_path / "half")
    assert {w.dtype for w in weights(tmp_path / "half").values()} == {torch.float16}
    run(world, tmp_path / "out", model=str(tmp_path / "half"))
    assert {w.dtype for w in weights(tmp_path / "out").values()} == {torch.float32}
    assert json.loads((tmp_path / "out" / "config.json").read_text())["dtype"] == "float32"


def test_words_move_to_their_translations_and_not_under_shuffled_links(world: Path, tmp_path: Path) -> None:
    """The control has the same words, links and steps, but no sentence is paired with its translation."""
    last = {}
    for links in ("given", "shuffled"):
        many = {"freeze": "none", "steps": 60, "learning_rate": 3e-3, "batch_size": 12}
        details = run(world, tmp_path / links, links=links, **many).details
        probes = [row for row in metrics(tmp_path / links) if "probe" in row]
        assert [(row["probe"], row["language"]) for row in probes] == [
            (when, language) for when in ("before", "after") for language in ("de", "fr", "ta")
        ]
        before, after = (
            next(row for row in probes if (row["probe"], row["language"]) == (when, "de"))
            for when in ("before", "after")
        )
        assert before["words"] == after["words"]
        assert before["chance"] == round(1 / before["words"], 6)
        last[links] = (details["last-loss"], after["accuracy"]["3"] / after["chance"])
    assert last["given"][0] < last["shuffled"][0] - 0.7
    assert last["given"][1] > 3.5 > 2 > last["shuffled"][1]  # as multiples of chance


@pytest.mark.parametrize("changes", [{}, {"lora": 2}, {"vocabulary": "full"}], ids=["plain", "lora", "full"])
def test_a_probe_during_training_reads_the_encoder_of_that_step_and_changes_nothing(
    world: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    probed = run(world, tmp_path / "probed", probe_every=2, **changes)
    without = run(world, tmp_path / "without", **changes)
    short = run(world, tmp_path / "short", steps=4, **changes)
    assert file_digest(probed.path / "model.safetensors") == file_digest(without.path / "model.safetensors")
    assert probed.details["probe"] == without.details["probe"]
    rows = [row for row in metrics(probed.path) if "probe" in row]
    assert [(row["step"], row["probe"]) for row in rows[::3]] == [
        (0, "before"), (2, "during"), (4, "during"), (6, "after")
    ]  # fmt: skip
    after_four = [row | {"probe": "during"} for row in metrics(short.path) if row.get("probe") == "after"]
    assert rows[6:9] == after_four
    if not changes.get("lora"):  # adapters begin at zero: after four steps no nearest neighbour is another yet
        assert after_four != [row | {"probe": "during", "step": 4} for row in rows[:3]]
    curve = probed.details["retrieval-curve"]
    assert (curve["steps"], list(curve["words"])) == ([0, 2, 4, 6], ["de", "fr", "ta"])
    assert curve["accuracy"]["fr"] == [row["accuracy"]["3"] for row in rows if row["language"] == "fr"]
    assert "retrieval-curve" not in without.details
    assert read_settings(probed) - read_settings(without) == {"probe-every"}


def read_settings(result: Result) -> set[str]:
    assert result.record is not None
    return set(result.record.settings)


def test_a_probe_during_training_needs_pairs_and_steps(world: Path, tmp_path: Path) -> None:
    for changes, sentence in (
        (
            {"probe_every": 3, "probe_pairs": 0},
            "--probe-every needs held-out pairs, of which --probe-pairs 0 leaves none",
        ),
        ({"probe_every": 6}, "--probe-every 6 must be below the 6 steps of the run"),
        ({"probe_every": 99, "steps": None, "epochs": 0.5}, "--probe-every 99 must be below the 9 steps of the run"),
        ({"probe_every": -1}, "--probe-every must be at least 0"),
    ):
        with pytest.raises(SettingsError) as caught:
            run(world, tmp_path / "out", **changes)
        assert sentence in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"projection": 0},
        {"pooling": "mean"},
        {"negatives": "other-language"},
        {"sampling": "published"},
        {"sampling": "proportional"},
        {"temperature": 0.5},
        {"precision": "bf16"},
        {"max_length": 6},
        {"links": "shuffled"},
    ],
    ids=lambda change: "-".join(map(str, *change.items())),
)
def test_every_setting_changes_the_result(world: Path, plain: Result, tmp_path: Path, change: dict[str, Any]) -> None:
    other = run(world, tmp_path / "other", **change)
    assert changed(plain.path, other.path)
    assert plain.details["last-loss"] != other.details["last-loss"]


def test_the_record_holds_how_it_was_made(world: Path, tmp_path: Path) -> None:
    console = RecordingConsole()
    details = run(world, tmp_path / "out", console, steps=20).details
    assert (details["family"], details["blocks"], details["read-block"], details["steps"]) == ("bert", 5, 3, 20)
    assert (details["frozen-blocks"], details["trained-blocks"]) == ([0, 1], [2, 3])
    assert details["learning-rate"] == 1e-3
    assert details["languages"]["ta"] == {
        "pairs": 12,
        "encoded": 12,
        "usable": 12,
        "held-out": 1,
        "drawn": 40,
        "distinct": 11,
        "passes": 3.636,
    }
    assert 0 <= details["padding"] < 0.3
    assert details["tokens-per-second"] > 0
    assert any(text.startswith("freeze plan front") for text in console.said)
    assert console.warned == [
        "Few pairs, so they repeat often: ta (3.6 passes); fewer --steps or more text would help."
    ]
    assert [row["step"] for row in metrics(tmp_path / "out") if "loss" in row] == [10, 20]


def test_published_sampling_warns_where_the_stream_ends(world: Path, tmp_path: Path) -> None:
    console = RecordingConsole()
    run(world, tmp_path / "out", console, steps=12, sampling="published")
    # ta is asked for its 12th pair after 11 rounds of three and de and fr once more.
    assert console.warned == [
        "The published stream ends when ta runs out (11 pairs): 35 distinct pairs are seen, each 2.0 times."
    ]


def test_targets_choose_and_order_the_languages(world: Path, tmp_path: Path) -> None:
    details = run(world, tmp_path / "out", targets=("fr", "de")).details
    assert list(details["languages"]) == ["fr", "de"]
    with pytest.raises(SettingsError, match="no pairs for xx; there are for de, fr, ta"):
        run(world, tmp_path / "no", targets=("xx",))


def test_several_pairs_folders_are_joined(world: Path, tmp_path: Path) -> None:
    make_pairs(tmp_path / "more", {"de": 30, "fi": 20})
    details = run(world, tmp_path / "out", pairs=(str(world / "pairs"), str(tmp_path / "more"))).details
    assert {name: row["pairs"] for name, row in details["languages"].items()} == {
        "de": 90,
        "fr": 40,
        "ta": 12,
        "fi": 20,
    }


def test_epochs_are_passes_over_the_pairs(world: Path, tmp_path: Path) -> None:
    details = run(world, tmp_path / "out", steps=None, epochs=0.5).details
    usable = sum(row["usable"] - row["held-out"] for row in details["languages"].values())
    assert details["steps"] == -(-usable // 2 // 6) == 9


def test_auto_rate_goes_by_family(world: Path, tmp_path: Path) -> None:
    assert run(world, tmp_path / "bert", learning_rate=None).details["learning-rate"] == 2e-5
    make_encoder(tmp_path / "encoder", "xlm-roberta")
    details = run(world, tmp_path / "xlmr", model=str(tmp_path / "encoder"), learning_rate=None).details
    assert details["learning-rate"] == 7.5e-6


def test_a_dry_run_shows_the_plan_and_does_nothing(world: Path, tmp_path: Path) -> None:
    result = run(world, tmp_path / "out", dry_run=True)
    assert result.status == "planned"
    assert "■ trained" in result.details["plan"]
    assert (result.details["pairs"], result.details["steps"]) == ({"de": 60, "fr": 40, "ta": 12}, 6)
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_without_pooler_gets_none(world: Path, tmp_path: Path) -> None:
    """Many are published so; a random one in the result would look like a trained one."""
    shutil.copytree(world / "encoder", tmp_path / "bare")
    kept = {name: w for name, w in weights(world / "encoder").items() if not name.startswith("pooler")}
    save_file(kept, tmp_path / "bare" / "model.safetensors", metadata={"format": "pt"})
    result = run(world, tmp_path / "out", model=str(tmp_path / "bare"))
    assert weights(tmp_path / "out").keys() == kept.keys()
    assert result.details["left-out"] == ["pooler.dense.bias", "pooler.dense.weight"]


def test_a_realigned_encoder_can_be_realigned_again(world: Path, plain: Result, tmp_path: Path) -> None:
    again = run(world, tmp_path / "two", model=str(plain.path))
    assert again.record is not None
    assert [parent["kind"] for parent in again.record.lineage] == ["pairs", "encoder"]


# What is refused, and how.


def test_a_plan_that_names_block_5_of_5(world: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="names block 5, but the encoder has 5 blocks, 0 to 4"):
        run(world, tmp_path / "out", freeze="5")


def test_a_plan_that_leaves_nothing_to_train(world: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="leaves nothing to train"):
        run(world, tmp_path / "out", freeze="0-3,embeddings")


def test_a_block_that_is_not_there(world: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no block 7 to read"):
        run(world, tmp_path / "out", block="7")


def test_longer_than_the_encoder_takes(world: Path, tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"--max-length 96 is more than the 64 subwords this model has positions for"
    ):
        run(world, tmp_path / "out", max_length=96)


def test_a_family_that_is_not_supported(world: Path, tmp_path: Path) -> None:
    shutil.copytree(world / "encoder", tmp_path / "other")
    config = json.loads((tmp_path / "other" / "config.json").read_text())
    (tmp_path / "other" / "config.json").write_text(json.dumps({**config, "model_type": "gpt2"}))
    with pytest.raises(SettingsError, match="models of type 'gpt2' are not supported"):
        run(world, tmp_path / "out", model=str(tmp_path / "other"))


def test_weights_of_another_model_are_refused(world: Path, tmp_path: Path) -> None:
    shutil.copytree(world / "encoder", tmp_path / "other")
    kept = {name: w for name, w in weights(world / "encoder").items() if ".layer.1.output." not in name}
    save_file(kept, tmp_path / "other" / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ArtifactError, match=r"lacks 4 of the model's weights, encoder\.layer\.1\.output"):
        run(world, tmp_path / "out", model=str(tmp_path / "other"))


def test_pairs_of_which_none_can_be_used(world: Path, tmp_path: Path) -> None:
    make_pairs(tmp_path / "long", {"de": [Pair(["en1"], ["de1ab", "de2"], [(0, 1)])]})
    with pytest.raises(DataError, match="no pair can be used"):
        run(world, tmp_path / "out", pairs=(str(tmp_path / "long"),), max_length=4)


def test_a_language_without_usable_pairs_is_left_out_and_named(
    world: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Also where nobody gives a console."""
    pairs = {"de": sentence_pairs("de", 20), "fi": [Pair(["en1"], ["de1ab", "de2"], [(0, 1)])]}
    make_pairs(tmp_path / "mixed", pairs)
    details = run(world, tmp_path / "out", pairs=(str(tmp_path / "mixed"),), max_length=5).details
    assert list(details["languages"]) == ["de"]
    warned = [each.getMessage() for each in caplog.records if each.name == "alignfreeze"]
    assert warned[0] == "fi: none of the 1 pairs can be used, so the language is left out."


def test_a_full_disk_leaves_no_output(world: Path, plain: Result, tmp_path: Path) -> None:
    """The kernel refuses files of more than 60 kB: the checkpoint does not fit."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, before[1]))
    try:
        with pytest.raises(OSError, match="safetensors"):
            run(world, tmp_path / "out", checkpoint_every=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert not (tmp_path / "out").exists()
    run(world, tmp_path / "out", resume=True)
    assert not changed(plain.path, tmp_path / "out")


def test_nothing_is_printed(world: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    logging.disable(logging.CRITICAL)
    try:
        run(world, tmp_path / "out")
    finally:
        logging.disable(logging.NOTSET)
    assert capfd.readouterr() == ("", "")
