"""Bad input, each with its exit code and its sentence; no output appears and none is damaged."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import Result

from tests.cli import world as worlds
from tests.cli.world import alignfreeze


def refused(result: Result, code: int, *said: str) -> None:
    assert result.exit_code == code, (result.exit_code, result.stderr)
    sentence = result.stderr.strip().splitlines()[-1]
    assert sentence.startswith("alignfreeze: ")
    assert "Traceback" not in result.stderr
    for part in said:
        assert part in sentence
    assert result.stdout == ""


@pytest.fixture
def spoilt(world: Path, tmp_path: Path) -> Path:
    return worlds.copy(world, tmp_path / "world")


def test_empty_corpus(spoilt: Path, tmp_path: Path) -> None:
    (spoilt / "text" / "en-xx.tsv").write_text("")
    refused(worlds.align(spoilt, tmp_path / "out"), 3, "en-xx.tsv", "empty")
    assert not (tmp_path / "out").exists()


def test_binary_file_as_corpus(spoilt: Path, tmp_path: Path) -> None:
    shutil.copy(sys.executable, spoilt / "text" / "en-xx.tsv")
    refused(worlds.align(spoilt, tmp_path / "out"), 3, "en-xx.tsv", "binary")


def test_dictionary_in_the_wrong_direction(spoilt: Path, tmp_path: Path) -> None:
    folder = spoilt / "dictionaries"
    (folder / "en-xx.txt").write_bytes((folder / "xx-en.txt").read_bytes())
    (folder / "xx-en.txt").unlink()
    refused(worlds.align(spoilt, tmp_path / "out"), 3, "en-xx.txt", "other way round")


def test_treebank_with_tags_missing(spoilt: Path, tmp_path: Path) -> None:
    path = spoilt / "treebanks" / "xx-test.conllu"
    lines = path.read_text().splitlines(keepends=True)
    lines[4] = "\t".join([*lines[4].split("\t")[:3], "_", *lines[4].split("\t")[4:]])
    path.write_text("".join(lines))
    refused(worlds.evaluate(spoilt, spoilt / "front-pos", tmp_path / "out"), 3, "xx-test.conllu, line 5: ")


def test_truncated_weights(spoilt: Path, tmp_path: Path) -> None:
    path = spoilt / "encoder" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    refused(worlds.realign(spoilt, spoilt / "pairs", tmp_path / "out"), 3, "model.safetensors", "truncated")


def test_pickled_weights(spoilt: Path, tmp_path: Path) -> None:
    (spoilt / "encoder" / "model.safetensors").rename(spoilt / "encoder" / "pytorch_model.bin")
    refused(worlds.realign(spoilt, spoilt / "pairs", tmp_path / "out"), 3, "pickle (pytorch_model.bin)")


def test_unknown_recipe_key(spoilt: Path, tmp_path: Path) -> None:
    from tests.runs import world as small

    text = small.RECIPE.replace("realign: {steps: 3", "realign: {step: 3").replace("seeds:", "seed:")
    path = small.recipe(spoilt, spoilt, text)
    result = alignfreeze("run", path, "--output", tmp_path / "runs")
    assert result.exit_code == 2
    assert "did you mean 'steps'?" in result.stderr.replace("`", "'")
    assert "seeds" in result.stderr
    assert not (tmp_path / "runs").exists()


def test_an_unknown_recipe_name_suggests_the_nearest(tmp_path: Path) -> None:
    result = alignfreeze("run", "xlm-roberta-base-frnt", "--output", tmp_path / "runs")
    assert result.exit_code == 2
    assert "xlm-roberta-base-front" in result.stderr


def test_a_plan_that_names_a_block_too_many(world: Path, tmp_path: Path) -> None:
    result = worlds.realign(world, world / "pairs", tmp_path / "out", "--freeze", "4")
    refused(result, 2, "names block 4, but the encoder has 4 blocks, 0 to 3")


def test_a_plan_that_leaves_nothing_to_train(world: Path, tmp_path: Path) -> None:
    result = worlds.realign(world, world / "pairs", tmp_path / "out", "--freeze", "0-2,embeddings")
    refused(result, 2, "leaves nothing to train")


def test_a_task_model_given_as_pairs(world: Path, tmp_path: Path) -> None:
    result = worlds.realign(world, world / "front-pos", tmp_path / "out")
    refused(result, 3, "holds a task-model", "but pairs", "align-pairs")


def test_pairs_given_as_a_model(world: Path, tmp_path: Path) -> None:
    refused(worlds.evaluate(world, world / "pairs", tmp_path / "out"), 3, "holds pairs", "task-model")
    refused(worlds.finetune(world, world / "pairs", tmp_path / "out"), 3, "holds pairs", "encoder")


def test_a_damaged_artifact(spoilt: Path, tmp_path: Path) -> None:
    path = spoilt / "pairs" / "data" / "en-xx.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    refused(worlds.realign(spoilt, spoilt / "pairs", tmp_path / "out"), 3, "en-xx.parquet", "digest")


@pytest.mark.slow
def test_no_network(world: Path, tmp_path: Path) -> None:
    arguments = ("realign", "--model", "xlm-roberta-base", "--pairs", world / "pairs", "--output", tmp_path / "out")
    refused(alignfreeze(*arguments), 4, "xlm-roberta-base is not in the local cache", "offline")
    # Online, but the connection is refused: a closed port on this machine.
    code = "import sys; from alignfreeze_cli.cli.app import app; app(sys.argv[1:])"
    env = {**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path / "hf")}
    ran = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], env=env, capture_output=True, text=True)
    assert ran.returncode == 4
    assert "is not in the local cache, and the connection to the Hub broke" in ran.stderr.splitlines()[-1]
    assert "Traceback" not in ran.stderr


def _can_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode == 0


@pytest.mark.skipif(not _can_mount(), reason="needs a mount of its own (Linux user namespaces)")
@pytest.mark.parametrize("step", ["align-pairs", "realign"])
def test_a_full_disk(world: Path, tmp_path: Path, step: str) -> None:
    disk, code = tmp_path / "disk", "import sys; from alignfreeze_cli.cli.app import app; app(sys.argv[1:])"
    disk.mkdir()
    arguments = {
        "align-pairs": [
            "--target", "xx,yy", "--corpus", world / "text" / "{source}-{target}.tsv",
            "--dictionary", world / "dictionaries" / "{source}-{target}.txt",
        ],
        "realign": ["--model", world / "encoder", "--pairs", world / "pairs", "--steps", "1", "--batch-size", "4"],
    }[step]  # fmt: skip
    script = (
        'mount -t tmpfs -o size=12k none "$0" && "$@"; code=$?; ls -A "$0"; '
        'test -e "$0/out" && echo "an output appeared"; exit $code'
    )
    command = ["sh", "-c", script, disk, sys.executable, "-c", code, step, *arguments, "--output", disk / "out"]
    ran = subprocess.run(["unshare", "-rm", *map(str, command)], capture_output=True, text=True)
    assert ran.returncode == 1, ran.stderr
    assert "alignfreeze: The disk is full" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert "an output appeared" not in ran.stdout
