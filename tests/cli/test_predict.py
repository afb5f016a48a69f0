"""predict on the command line: forms of output, pipes, files that are never damaged."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from alignfreeze_cli.cli.app import app
from alignfreeze_cli.tasks.conllu import read_conllu

COMMAND = Path(sys.executable).with_name("alignfreeze")
TEXT = "the old cat sees a dog\n\na red house\n"


def predict(model: Path, *arguments: str | Path, text: str = TEXT) -> Result:
    return CliRunner().invoke(app, ["predict", str(model), *map(str, arguments)], input=text)


def test_a_tagger_writes_conllu_into_a_pipe(world: Path, tmp_path: Path) -> None:
    ran = predict(world / "front-pos", "-")
    assert ran.exit_code == 0, ran.stderr
    (tmp_path / "x.conllu").write_text(ran.stdout, encoding="utf-8")
    found = list(read_conllu(tmp_path / "x.conllu"))
    assert [sentence.identifier for sentence in found] == ["1", "3"]
    assert [[line.form for line in sentence.lines] for sentence in found] == [
        ["the", "old", "cat", "sees", "a", "dog"],
        ["a", "red", "house"],
    ]


def test_tags_are_those_that_evaluate_kept(world: Path, tmp_path: Path) -> None:
    table = pq.read_table(world / "front-scores" / "predictions" / "xx.parquet").to_pydict()
    (tmp_path / "xx.txt").write_text("\n".join(map(" ".join, table["words"])), encoding="utf-8")
    ran = predict(world / "front-pos", tmp_path / "xx.txt", "--format", "jsonl", text="")
    assert ran.exit_code == 0, ran.stderr
    rows = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [(row["words"], row["predicted"]) for row in rows] == list(
        zip(table["words"], table["predicted"], strict=True)
    )


def test_lines_to_read_have_the_tag_behind_the_word(world: Path) -> None:
    ran = predict(world / "front-pos", "--format", "text", text="the cat\n")
    assert ran.exit_code == 0, ran.stderr
    first, second = ran.stdout.removesuffix("\n").split(" ")
    assert first.startswith("the/")
    assert second.startswith("cat/")


def test_a_file_appears_whole_and_is_not_replaced_unasked(world: Path, tmp_path: Path) -> None:
    output = tmp_path / "made" / "x.jsonl"
    ran = predict(world / "front-pos", "--output", output)
    assert (ran.exit_code, ran.stdout) == (0, ""), ran.stderr
    before = output.read_text(encoding="utf-8")
    assert [json.loads(line)["id"] for line in before.splitlines()] == [1, 3]

    refused = predict(world / "front-pos", "--output", output)
    assert refused.exit_code == 2
    assert "x.jsonl exists; choose another --output, or give --overwrite to replace it." in refused.stderr
    failed = predict(world / "front-pos", "--output", output, "--overwrite", text="a cat\na\tb\n")
    assert failed.exit_code == 3
    assert "standard input, line 2: the line has 2 columns" in failed.stderr
    assert output.read_text(encoding="utf-8") == before
    assert list(output.parent.iterdir()) == [output]

    again = predict(world / "front-pos", "--output", output, "--overwrite", text="a cat\n")
    assert again.exit_code == 0, again.stderr
    assert len(output.read_text(encoding="utf-8").splitlines()) == 1
    folder = predict(world / "front-pos", "--output", output.parent)
    assert (folder.exit_code, "is a folder; name a file" in folder.stderr) == (2, True)
    device = predict(world / "front-pos", "--output", os.devnull, "--overwrite")
    assert (device.exit_code, "is no file, but a device or a pipe" in device.stderr) == (2, True)
    itself = predict(world / "front-pos", output, "--output", output, "--overwrite")
    assert (itself.exit_code, "holds the texts that are read" in itself.stderr) == (2, True)
    link = output.with_name("link.jsonl")
    link.symlink_to("nowhere")
    refused = predict(world / "front-pos", "--output", link)
    assert (refused.exit_code, "link.jsonl exists; choose" in refused.stderr) == (2, True)
    table = output.with_name("x.csv")
    table.write_text("text,label\n", encoding="utf-8")
    refused = predict(world / "front-pos", table)
    assert (refused.exit_code, "x.csv: is a CSV file" in refused.stderr) == (3, True)


@pytest.mark.parametrize(
    ("name", "said"),
    [("x.tsv", "the suffix .tsv names no format"), ("tagged", "a name without suffix names no format")],
)
def test_a_suffix_that_names_no_format_is_refused(world: Path, tmp_path: Path, name: str, said: str) -> None:
    ran = predict(world / "front-pos", "--output", tmp_path / name)
    assert ran.exit_code == 2
    assert f"{name}: {said}; end it with .conllu, .jsonl, .json or .txt, or say --format" in ran.stderr
    assert list(tmp_path.iterdir()) == []
    ran = predict(world / "front-pos", "--output", tmp_path / name, "--format", "jsonl")
    assert ran.exit_code == 0, ran.stderr
    assert json.loads((tmp_path / name).read_text(encoding="utf-8").splitlines()[0])["id"] == 1


def test_standard_input_is_asked_for_only_where_it_is_read(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text(TEXT, encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", None)
    for given, code in ([str(texts)], 0), ([], 2):
        with pytest.raises(SystemExit) as ended:
            app(["predict", str(world / "front-pos"), *given, "--output", str(tmp_path / "x.jsonl"), "--overwrite"])
        said = capsys.readouterr().err
        assert ended.value.code == code, said
    assert "no standard input to read texts from; name a file" in said


class Meanwhile(io.BytesIO):
    """Texts; when they are read, somebody else makes a file."""

    path: Path

    def __next__(self) -> bytes:
        self.path.write_text("theirs", encoding="utf-8")
        return super().__next__()


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_others_write_meanwhile_is_left_alone(
    world: Path,
    tmp_path: Path,
    overwrite: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    texts = Meanwhile(TEXT.encode())
    texts.path = tmp_path / "x.jsonl"
    arguments = ["predict", str(world / "front-pos"), "--output", str(texts.path), *["--overwrite"] * overwrite]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(texts))
    with pytest.raises(SystemExit) as ended:
        app(arguments)
    said = capsys.readouterr().err
    assert ended.value.code == (0 if overwrite else 2), said
    assert (texts.path.read_text(encoding="utf-8") == "theirs") is not overwrite
    assert overwrite or "x.jsonl exists by now, made by another process; it was left as it is." in said
    assert list(tmp_path.iterdir()) == [texts.path]


@pytest.mark.slow
def test_a_reader_that_goes_away_ends_it_quietly(world: Path) -> None:
    # More than a pipe holds, so that it is written to after `head` has gone.
    script = f"yes 'the old cat sees a dog' | head -n 3000 | {COMMAND} predict {world / 'front-pos'} -q | head -n 1"
    ran = subprocess.run(["bash", "-c", f"set -o pipefail; {script}"], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, "# sent_id = 1\n", "")
