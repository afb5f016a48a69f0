"""predict: the answers of evaluate for texts without labels, in their order; what is read and refused."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from alignfreeze_cli.cli.app import app
from alignfreeze_cli.errors import ArtifactError, DataError, SettingsError
from alignfreeze_cli.pairs.words import without_blanks
from alignfreeze_cli.steps import predict as step
from alignfreeze_cli.tasks import registry
from alignfreeze_cli.tasks.conllu import conllu_block, read_conllu
from alignfreeze_cli.tasks.ner import NerTask
from alignfreeze_cli.tasks.settings import PredictSettings
from tests.support.console import RecordingConsole
from tests.tasks.test_chunks import TASKS, world  # noqa: F401 - a fixture
from tests.tasks.worlds import score, sentences


def predicted(
    model: Path, content: str | bytes, console: RecordingConsole | None = None, **settings: Any
) -> list[dict[str, Any]]:
    """The answers to what is read from standard input."""
    text = io.BytesIO(content.encode() if isinstance(content, str) else content)
    given = PredictSettings(**{"model": str(model), "device": "cpu", "max_length": 24, **settings})
    return list(step.predict(given, console or RecordingConsole(), text).answers)


def json_lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def questions(path: Path) -> list[dict[str, Any]]:
    """The questions of a SQuAD file as objects with an id."""
    paragraphs = json.loads(path.read_text())["data"][0]["paragraphs"]
    return [
        {"id": f"q{number}", "question": each["qas"][0]["question"], "context": each["context"]}
        for number, each in enumerate(paragraphs)
    ]


RAW: dict[str, Callable[[dict[str, Any], Path], str]] = {
    "pos": lambda table, _: "\n\n".join(map(" ".join, table["words"])),
    "ner": lambda table, _: "\n".join(map(" ".join, table["words"])) + "\n",
    "nli": lambda table, _: "".join(map("{}\t{}\r\n".format, table["premise"], table["hypothesis"])),
    "qa": lambda _, folder: json_lines(questions(folder / "qa.txt")),
    "classify": lambda table, _: json_lines([{"text": text, "label": "none"} for text in table["text"]]),
}


@pytest.mark.parametrize("task", TASKS)
def test_answers_are_those_of_evaluate(
    world: Path,  # noqa: F811
    task: str,
) -> None:
    made = score(world, f"{task}-predict", model=str(world / task), languages=("xx",), data=str(world / f"{task}.txt"))
    table = pq.read_table(made.path / "predictions" / "xx.parquet").to_pydict()
    console = RecordingConsole()
    form = "jsonl" if task == "classify" else None
    found = predicted(world / task, RAW[task](table, world), console, input_format=form)
    columns = {"qa": ("prediction", "start"), "nli": ("predicted",), "classify": ("predicted",)}
    for column in columns.get(task, ("words", "predicted")):
        expected = table[column]
        if task == "nli":  # evaluate does not answer where no label is known
            assert all(own == each[column] for own, each in zip(expected, found, strict=True) if own is not None)
        else:
            assert [each[column] for each in found] == expected
    assert task == "nli" or len({str(each[column]) for each in found}) > 1
    if task == "qa":
        assert [each["id"] for each in found] == [f"q{number}" for number in range(41)]
        said = "standard input: questions too long for a window (raise --max-length or lower --qa-stride): 2"
        assert said in console.warned
    else:
        assert [each["id"] for each in found] == list(range(1, 82, 2) if task == "pos" else range(1, 42))


def test_words_are_cut_as_for_pairs_or_are_cut_already(world: Path) -> None:  # noqa: F811
    (cut,) = predicted(world / "pos", "The cat's red-river.\n")
    assert cut["words"] == ["The", "cat", "'", "s", "red", "-", "river", "."]
    (blank,) = predicted(world / "pos", "The cat's red-river.\n", words="blank")
    assert blank["words"] == ["The", "cat's", "red-river."]
    (chinese,) = predicted(world / "pos", "我喜欢红色的房子。\n", language="zh")
    assert chinese["words"] == ["我", "喜欢", "红色", "的", "房子", "。"]
    with pytest.raises(
        DataError, match="standard input, line 2: the text is written without blanks between words; say"
    ):
        predicted(world / "pos", "The cat.\n我喜欢红色的房子。\n")
    console = RecordingConsole()
    assert predicted(world / "pos", "\u200b\nthe cat\n", console)[0]["id"] == 2
    assert console.warned == ["standard input, line 1: the text has no word and is passed over"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("สวัสดี", True), ("赤い家 OK", True), ("Das 红 Haus.", False), ("빨간 집", False), ("12", False), ("!", False)],
)
def test_scripts_without_blanks_are_known(text: str, expected: bool) -> None:
    assert without_blanks(text) is expected


@pytest.mark.parametrize(
    ("task", "content", "form", "sentence"),
    [
        ("pos", "", None, "standard input: holds no text"),
        ("pos", "\n \n", None, "standard input: holds no text"),
        (
            "pos",
            "the cat\n1\tcat\tNOUN\n",
            None,
            "standard input, line 2: the line has 3 columns; one text in each line",
        ),
        (
            "pos",
            "the cat\n{}\n",
            None,
            "standard input, line 2: looks like JSON; say --input-format jsonl, or lines if",
        ),
        (
            "nli",
            "premise\thypothesis\na\tb\n",
            None,
            "line 1: the line names columns; leave it out",
        ),
        ("pos", b"the cat\n\xff\n", None, "standard input, line 2: is not UTF-8 text"),
        ("pos", b"\0", None, "standard input, line 1: is a binary file; text is needed"),
        ("pos", "the cat\n", "jsonl", "standard input, line 1: is not JSON"),
        (
            "nli",
            "a\tb\na\n",
            None,
            "line 2: the line has 1 column; premise and hypothesis are needed, separated by a tab",
        ),
        ("nli", "a\t \n", None, "line 1: the hypothesis is empty"),
        (
            "nli",
            '{"premise": "a", "hypotesis": "b"}',
            "jsonl",
            "line 1: there is no hypothesis, only premise and hypotes",
        ),
        ("nli", "{}", "jsonl", "line 1: there is no premise, the object is empty"),
        ("qa", '{"question": "a", "context": 1}', None, "line 1: the value of 'context' is no text"),
        ("qa", '{"question": "", "context": "a"}', None, "line 1: the question is empty"),
        ("qa", '{"id": [1], "question": "a", "context": "a"}', None, "line 1: the value of 'id' is neither text nor a"),
        (
            "classify",
            '{"text": "a"}\n{"text": "a\\ud83d"}',
            "jsonl",
            "line 2: the value of 'text' holds half of a surro",
        ),
    ],
)
def test_says_which_line_is_wrong(
    world: Path,  # noqa: F811
    task: str,
    content: str | bytes,
    form: str | None,
    sentence: str,
) -> None:
    with pytest.raises(DataError) as caught:
        predicted(world / task, content, input_format=form)
    assert sentence in str(caught.value)


def test_a_line_that_looks_like_json_is_text_if_somebody_says_so(world: Path) -> None:  # noqa: F811
    assert predicted(world / "classify", "{the}\n", input_format="lines")[0]["text"] == "{the}"
    assert predicted(world / "classify", "text\n", input_format="lines")[0]["text"] == "text"


def test_settings_that_do_not_go_with_the_task_are_refused(world: Path, tmp_path: Path) -> None:  # noqa: F811
    for settings, sentence in (
        ({"language": "de"}, "--language says how texts are cut into words, which nli does not do"),
        ({"words": "blank"}, "--words says how"),
        ({"format": "conllu"}, "--format conllu is for words with labels; the model is for nli"),
    ):
        with pytest.raises(SettingsError, match=sentence):
            predicted(world / "nli", "a\tb\n", **settings)
    with pytest.raises(SettingsError, match="km is written without blanks between words, and there is no segmenter"):
        predicted(world / "pos", "the cat\n", language="km")
    with pytest.raises(DataError, match="no.txt: no such file"):
        predicted(world / "pos", "", file=tmp_path / "no.txt")
    with pytest.raises(ArtifactError, match="is no task-model folder"):
        predicted(world / "encoder", "")


def test_a_file_is_read_as_its_suffix_says(world: Path, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "x.jsonl").write_text('{"text": "the\\ncat", "id": "a"}\n', encoding="utf-8")
    (found,) = predicted(world / "pos", "", file=tmp_path / "x.jsonl")
    assert (found["id"], found["words"]) == ("a", ["the", "cat"])


class Typed(io.BytesIO):
    """A terminal that tells how many lines were read when an answer comes."""

    def isatty(self) -> bool:
        return True


def test_a_typed_line_is_answered_before_the_next_is_read(world: Path) -> None:  # noqa: F811
    typed = Typed(b"the cat\nthe red dog\n")
    console = RecordingConsole()
    settings = PredictSettings(model=str(world / "pos"), device="cpu")
    answers = step.predict(settings, console, typed).answers
    assert next(answers)["words"] == ["the", "cat"]
    assert typed.readline() == b"the red dog\n"
    answers.close()
    assert any("Reading text as lines from the terminal; Ctrl-D ends it." in said for said in console.said)


def test_the_first_line_of_a_pipe_is_answered_before_another_is_read(world: Path) -> None:  # noqa: F811
    pipe = io.BytesIO(b"the cat\nthe red dog\n")
    answers = step.predict(PredictSettings(model=str(world / "pos"), device="cpu"), RecordingConsole(), pipe).answers
    assert next(answers)["words"] == ["the", "cat"]
    assert pipe.readline() == b"the red dog\n"
    answers.close()


def command(model: Path, text: str, *arguments: str) -> str:
    ran = CliRunner().invoke(
        app, ["predict", str(model), "--device", "cpu", "--max-length", "24", *arguments], input=text
    )
    assert ran.exit_code == 0, ran.stderr
    return ran.stdout


def entities(words: list[str], labels: list[str | None]) -> list[tuple[str, str]]:
    """(kind, words) of each entity, and ("", word) of every other word, one word after the other."""
    found: list[tuple[str, str]] = []
    for at, (word, label) in enumerate(zip(words, labels, strict=True)):
        kind = "" if label in (None, "O") else str(label)[2:]
        before = labels[at - 1] if at else None
        if kind and str(label)[0] == "I" and before is not None and before[2:] == kind:
            found[-1] = (kind, f"{found[-1][1]} {word}")
        else:
            found.append((kind, word))
    return found


@pytest.fixture
def phrases(
    world: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A model for a task that labels words and that nothing else knows."""

    class Phrases(NerTask):
        name = "phrases"

    monkeypatch.setitem(registry.TASKS, "phrases", Phrases())
    model = Path(shutil.copytree(world / "ner", tmp_path / "model"))
    record = json.loads((model / "alignfreeze.json").read_text())
    record["details"]["task"] = "phrases"
    (model / "alignfreeze.json").write_text(json.dumps(record))
    return model


def test_lines_to_read_say_what_the_json_lines_say(world: Path, phrases: Path) -> None:  # noqa: F811
    texts = {
        "phrases": "\n".join(" ".join(word for word, _ in each) for each in sentences(41, 2)) + "\n",
        "nli": "the  cat sees\tthe dog\n",
        "qa": json.dumps({"question": "the dog sees", "context": "the red cat finds the river ."}) + "\n",
    }
    for task, text in texts.items():
        model = phrases if task == "phrases" else world / task
        answers = [json.loads(line) for line in command(model, text, "--format", "jsonl").splitlines()]
        lines = command(model, text, "--format", "text").splitlines()
        for answer, line in zip(answers, lines, strict=True):
            if task == "phrases":
                shown = re.findall(r"\[(\w+) ([^]]+)\]|(\S+)", line)
                found = [(kind, inside or word) for kind, inside, word in shown]
                assert found == entities(answer["words"], answer["predicted"])
            else:
                label = answer["prediction" if task == "qa" else "predicted"] or "–"
                asked = "the dog sees" if task == "qa" else "the cat sees  the dog"
                assert re.fullmatch(rf"{re.escape(label)} +{asked}", line), line
        assert task != "phrases" or any("[" in line for line in lines)


def test_a_new_task_that_labels_words_needs_nothing_here(phrases: Path) -> None:
    text = "the cat sees the dog .\n"
    (answer,) = [json.loads(line) for line in command(phrases, text).splitlines()]
    block = command(phrases, text, "--format", "conllu")
    misc = [line.split("\t")[9] for line in block.splitlines() if "\t" in line]
    assert misc == [f"phrases={label}" for label in answer["predicted"]]


def test_conllu_says_where_words_are_joined(tmp_path: Path) -> None:
    block = conllu_block("s 1", "The cat's  red.\t", ["The", "cat", "'", "s", "red", "."], {"UPOS": [*"ABCDE", None]})
    assert block.splitlines()[:2] == ["# sent_id = s 1", "# text = The cat's  red."]
    (tmp_path / "x.conllu").write_text(block, encoding="utf-8")
    (sentence,) = read_conllu(tmp_path / "x.conllu")
    assert [line.upos for line in sentence.lines] == [*"ABCDE", "_"]
    rows = [line.split("\t") for line in block.splitlines()[2:] if line]
    assert [row[9] for row in rows] == ["_", "SpaceAfter=No", "SpaceAfter=No", "_", "SpaceAfter=No", "_"]
    named = conllu_block("1", "Ada.", ["Ada", "."], {"ner": ["B-PER", "O"]})
    assert [line.split("\t")[9] for line in named.splitlines()[2:] if line] == ["SpaceAfter=No|ner=B-PER", "ner=O"]
