"""The shell script of the README, line by line as it stands there, ends in a card with the scores."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from tests.cli.world import alignfreeze
from tests.hub.hubworld import NOUNS, VERBS, WORDS, sentences
from tests.support.models import save_bert
from tests.tasks.worlds import conllu

ROOT = Path(__file__).resolve().parents[2]
SHORT = {"realign": ("--steps", "2", "--probe-pairs", "2"), "finetune": ("--steps", "2")}
"""What is added to the script's commands, as the real ones take hours."""


def said_in(language: str, word: str) -> str:
    known = {"en": word, "de": WORDS[word][0], "fr": WORDS[word][1], "fi": f"{word}i"}
    return known[language]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the script names, a tiny encoder in place of XLM-R among them."""
    monkeypatch.chdir(tmp_path)
    save_bert(Path("xlm-roberta-base"), [said_in(code, word) for code in ("en", "de", "fr", "fi") for word in WORDS])
    tags = {**dict.fromkeys(NOUNS, "NOUN"), **dict.fromkeys(VERBS, "VERB"), "the": "DET"}
    Path("text").mkdir()
    Path("muse").mkdir()
    for code in ("en", "de", "fr", "fi"):
        tagged = [[(said_in(code, word), tags[word]) for word in each] for each in sentences(12, seed=2)]
        Path(f"{code}-test.conllu").write_text(conllu(tagged))
        if code == "en":
            Path("en-train.conllu").write_text(conllu(tagged))
            continue
        lines = [" ".join(each) + "\t" + " ".join(said_in(code, word) for word in each) for each in sentences(30, 1)]
        Path("text", f"en-{code}.tsv").write_text("\n".join(lines) + "\n")
        Path("muse", f"en-{code}.txt").write_text("".join(f"{word} {said_in(code, word)}\n" for word in WORDS))
        Path("muse", f"{code}-en.txt").write_text("".join(f"{said_in(code, word)} {word}\n" for word in WORDS))
    return tmp_path


def test_the_script_of_the_readme_publishes_with_scores(place: Path) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"```bash\nset -e\n(.*?)```", text, re.DOTALL)
    variables: dict[str, str] = {}
    for line in script.replace("\\\n", " ").splitlines():
        (name, command) = re.fullmatch(r"(?:(\w+)=\$\()?alignfreeze (.+?)\)?", line).groups()  # type: ignore[union-attr]
        command = re.sub(r"\$(\w+)", lambda match: shlex.quote(variables[match[1]]), command)
        step, *arguments = shlex.split(command, comments=True)
        done = alignfreeze(step, *arguments, *SHORT.get(step, ()))
        assert done.exit_code == 0, done.stderr
        if name:
            variables[name] = done.stdout.strip()
    assert "scores/scores.json" in done.stderr, "the last command shows what would be pushed"
    card = ModelCard.load(place / "front-pos" / "README.md")
    assert [result.dataset_config for result in card.data.eval_results] == ["en", "de", "fr", "fi"]
    assert "| Finnish |" in card.text
