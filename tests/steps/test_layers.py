"""The command `layers`, from an encoder and its base to the folder beside it, its card and what is printed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from alignfreeze_cli.artifacts import read_record
from tests.cli.world import alignfreeze
from tests.support.models import save_decoder
from tests.support.realign_world import make_encoder, make_pairs

BLOCKS = ["0", "1", "2", "3", "4"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base, pairs, and an encoder with frozen blocks 0 and 1, whose loss reads block 3, with its layers measured."""
    folder = tmp_path_factory.mktemp("layers")
    make_encoder(folder / "base")
    make_pairs(folder / "pairs", {"de": 300, "fr": 300, "ta": 30})
    ran = alignfreeze(
        "realign", "--model", folder / "base", "--pairs", folder / "pairs", "--freeze", "0-1", "--steps", "4",
        "--learning-rate", "0.01", "--probe-pairs", "0", "--max-length", "64", "--output", folder / "run" / "encoder",
    )  # fmt: skip
    assert ran.exit_code == 0, ran.stderr
    ran = measure(folder)
    assert ran.exit_code == 0, ran.stderr
    (folder / "stdout").write_text(ran.stdout)
    (folder / "stderr").write_text(ran.stderr)
    return folder


def measure(folder: Path, *more: str | Path, encoder: Path | None = None, base: Path | None = None) -> Any:
    return alignfreeze(
        "layers", encoder or folder / "run" / "encoder", "--base", base or folder / "base", "--pairs",
        folder / "pairs", "--words", "1000", "--halves", "50", "--max-length", "64", *more,
    )  # fmt: skip


def test_what_changed_is_kept_beside_the_encoder(made: Path) -> None:
    content = json.loads((made / "run" / "encoder-layers" / "layers.json").read_text())
    assert content["layers"] == ["embeddings", *BLOCKS]
    assert list(content["languages"]) == ["de", "fr"]
    assert all(each["words"] >= 1000 > each["types"] for each in content["languages"].values())
    weights = content["weights"]
    assert [weights[block] > 0 for block in BLOCKS] == [False, False, True, True, False]
    mean = content["mean"]
    assert [mean["own-change"][block]["value"] > 0 for block in BLOCKS] == [False, False, True, True, False]
    for measure_, layers in mean.items():
        assert list(layers) == (BLOCKS if measure_ == "own-change" else content["layers"])
        for found in layers.values():
            assert found["low"] - 0.02 <= found["value"] <= found["high"] + 0.02
    of_languages = [each["cka"]["4"]["value"] for each in content["languages"].values()]
    assert mean["cka"]["4"]["value"] == pytest.approx(sum(of_languages) / 2, abs=2e-6)
    assert (content["lower-blocks"]["lower"], content["lower-blocks"]["upper"]) == ([2], [3])
    assert content["source"]["words-of"] == "de"
    assert content["trained-on-these-pairs"] is True
    record = read_record(made / "run" / "encoder-layers")
    assert record is not None
    assert (record.kind, record.settings["words"], list(record.files)) == (
        "layers", 1000, ["layers.json", "layers.png", "layers.svg"],
    )  # fmt: skip


def test_what_is_printed(made: Path) -> None:
    text = (made / "stdout").read_text()
    rows = [line for line in text.splitlines() if line.startswith("│")]
    assert [row.split("│")[1].strip() for row in rows] == ["embeddings", *BLOCKS]
    content = json.loads((made / "run" / "encoder-layers" / "layers.json").read_text())
    assert content["lower-blocks"]["sentence"] in text
    assert "translations it has seen" in text
    assert "Left out: fewer than 1,000 linked words in ta (" in (made / "stderr").read_text()


def test_the_card_has_the_table_and_the_heat_map(made: Path, tmp_path: Path) -> None:
    card = (made / "run" / "encoder" / "README.md").read_text()
    content = json.loads((made / "run" / "encoder-layers" / "layers.json").read_text())
    assert "## What realignment changed, block by block" in card
    assert content["lower-blocks"]["sentence"].split(". ")[0] in card
    assert (made / "run" / "encoder" / "layers.png").read_bytes() == (
        made / "run" / "encoder-layers" / "layers.png"
    ).read_bytes()
    # Of another encoder they are not taken.
    shutil.copytree(made / "run", tmp_path / "run")
    path = tmp_path / "run" / "encoder-layers" / "alignfreeze.json"
    record = json.loads(path.read_text())
    record["inputs"][0]["digest"] = "0" * 64
    path.write_text(json.dumps(record))
    assert alignfreeze("card", tmp_path / "run" / "encoder").exit_code == 0
    assert "block by block" not in (tmp_path / "run" / "encoder" / "README.md").read_text()


def test_again_it_is_done_already_and_elsewhere_it_makes_the_same_bytes(made: Path, tmp_path: Path) -> None:
    again = measure(made)
    assert again.exit_code == 0, again.stderr
    assert again.stdout.endswith("encoder-layers (already done: same settings, same inputs)\n")
    assert alignfreeze("layers", made / "run" / "encoder", "--base", made / "base", "--pairs", made / "pairs",
                       "--words", "1100", "--halves", "50", "--max-length", "64").exit_code == 2  # fmt: skip
    elsewhere = measure(made, "--output", tmp_path / "new", "--format", "json")
    assert elsewhere.exit_code == 0, elsewhere.stderr
    (shown,) = json.loads(elsewhere.stdout)["layers"]
    content = json.loads((tmp_path / "new" / "layers.json").read_text())
    assert shown == {
        "encoder": str(made / "run" / "encoder"),
        "path": str(tmp_path / "new"),
        "status": "made",
        **content,
    }
    for name in ("layers.json", "layers.svg", "layers.png"):
        assert (tmp_path / "new" / name).read_bytes() == (made / "run" / "encoder-layers" / name).read_bytes()


def test_a_dry_run_makes_nothing(made: Path, tmp_path: Path) -> None:
    planned = measure(made, "--output", tmp_path / "new", "--dry-run")
    assert planned.exit_code == 0, planned.stderr
    assert planned.stdout.startswith("Would do (dry run):\n")
    assert "ta: 30" in planned.stdout
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ({"hidden_size": 12}, 3, "is a bert of 5 blocks, 24 wide"),
        ({"family": "electra"}, 3, "is a bert of 5 blocks"),
    ],
)
def test_an_encoder_of_another_make_is_refused(
    made: Path, tmp_path: Path, change: dict[str, Any], code: int, said: str
) -> None:
    refused = measure(made, base=make_encoder(tmp_path / "base", **change))
    assert refused.exit_code == code
    assert said in refused.stderr


def test_another_tokenizer_is_refused(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "base", tmp_path / "base")
    path = tmp_path / "base" / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary["en0"], vocabulary["en1"] = vocabulary["en1"], vocabulary["en0"]
    path.write_text(json.dumps(tokenizer))
    refused = measure(made, base=tmp_path / "base")
    assert refused.exit_code == 3
    assert "has another tokenizer" in refused.stderr


def test_too_few_words_and_wrong_usage_are_refused(made: Path, tmp_path: Path) -> None:
    few = measure(made, "--targets", "ta", "--output", tmp_path / "new")
    assert few.exit_code == 3
    assert "fewer than 1,000 linked words in ta (" in few.stderr
    encoder, base = made / "run" / "encoder", ("--base", made / "base", "--pairs", made / "pairs", "--max-length", "64")
    for arguments, said in (
        ((encoder, "--words", "500"), "--words must be at least 1000"),
        ((encoder, encoder), "is named twice"),
        ((), "name at least one encoder"),
        ((encoder, made / "base", "--output", "x"), "--output goes with one encoder"),
        ((encoder, "--targets", "xx"), "there are no pairs for xx"),
    ):
        refused = alignfreeze("layers", *arguments, *base)
        assert refused.exit_code == 2
        assert said in refused.stderr.replace("\n", " ")


def test_a_decoder_whose_tokenizer_has_no_padding_token(made: Path, tmp_path: Path) -> None:
    """As Llama's; what `realign` takes is measured, too."""
    base = save_decoder(tmp_path / "base", "llama", "llama 3", pad_token_id=None)
    shutil.copytree(base, tmp_path / "encoder")
    ran = measure(made, "--targets", "de", base=base, encoder=tmp_path / "encoder")
    assert ran.exit_code == 0, ran.stderr
    content = json.loads((tmp_path / "encoder-layers" / "layers.json").read_text())
    assert content["mean"]["drift"]["4"]["value"] == pytest.approx(0, abs=1e-6)
