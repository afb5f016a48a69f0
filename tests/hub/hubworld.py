"""A small pipeline run once against a Hub on loopback: encoder, parallel text, dictionaries and treebanks from there.

The encoder is a tiny BERT under mBERT's name, so that cards find published numbers to show.
"""

from __future__ import annotations

import io
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from tests.support.hubserver import HubServer
from tests.support.models import save_bert

NOUNS = {"dog": ("Hund", "chien"), "cat": ("Katze", "chat"), "tree": ("Baum", "arbre"), "house": ("Haus", "maison")}
VERBS = {"sees": ("sieht", "voit"), "likes": ("mag", "aime"), "finds": ("findet", "trouve")}
WORDS = {**NOUNS, **VERBS, "the": ("das", "le")}
LANGUAGES = ("de", "fr")
BASE = "google-bert/bert-base-multilingual-cased"

PIPELINE = """
import json, sys
from pathlib import Path
from typing import NamedTuple
from alignfreeze_cli.progress import Console
from alignfreeze_cli.aligners.settings import AlignPairsSettings
from alignfreeze_cli.steps.align_pairs import align_pairs
from alignfreeze_cli.encoder.settings import RealignSettings
from alignfreeze_cli.steps.realign import realign
from alignfreeze_cli.tasks.settings import EvaluateSettings, FinetuneSettings
from alignfreeze_cli.steps.finetune import finetune
from alignfreeze_cli.steps.evaluate import evaluate

root, base = Path(sys.argv[1]), sys.argv[2]
console = Console()
pairs = align_pairs(AlignPairsSettings(
    target=("de", "fr"), corpus=("opus-100",), output=root / "pairs"), console).path

def run(name, seed, **plan):
    model = base
    if plan:
        model = str(realign(RealignSettings(model=base, pairs=(str(pairs),), steps=2, batch_size=4, probe_pairs=2,
            max_length=32, seed=seed, output=root / name / "encoder", **plan), console).path)
    tagger = finetune(FinetuneSettings(model=model, task="pos", steps=2, batch_size=4, seed=seed, max_length=32,
        output=root / name / "pos"), console).path
    evaluate(EvaluateSettings(model=str(tagger), languages=("en", "de", "fr"), max_length=32,
        output=root / name / "pos-scores"), console)

run("front-s31", 31, freeze="front")
run("front-s42", 42, freeze="front")
run("baseline-s31", 31)
"""


@dataclass(frozen=True)
class Made:
    """What the pipeline made, and the Hub that it came from."""

    root: Path
    hub: HubServer
    home: Path

    @property
    def pairs(self) -> Path:
        return self.root / "pairs"

    def run(self, strategy: str = "front", seed: int = 31) -> Path:
        return self.root / f"{strategy}-s{seed}"


def parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def sentences(count: int, seed: int) -> list[list[str]]:
    """English sentences of the form `the dog sees the cat`."""
    draw = random.Random(seed)
    return [
        ["the", draw.choice(list(NOUNS)), draw.choice(list(VERBS)), "the", draw.choice(list(NOUNS))]
        for _ in range(count)
    ]


def translated(words: list[str], language: str) -> list[str]:
    return words if language == "en" else [WORDS[word][LANGUAGES.index(language)] for word in words]


def fill(hub: HubServer, encoder: Path) -> None:
    """Put everything the pipeline needs on the Hub, and the dictionaries on their own server."""
    hub.add(BASE, encoder)
    hub.store.renamed["model", BASE.split("/")[1]] = BASE
    files: dict[str, str | bytes] = {}
    configurations = []
    for language in LANGUAGES:
        name = "-".join(sorted(("en", language)))
        rows = [{"en": " ".join(s), language: " ".join(translated(s, language))} for s in sentences(60, seed=1)]
        files[f"{name}/train-00000-of-00001.parquet"] = parquet(pa.table({"translation": rows}))
        configurations.append(f"- config_name: {name}\n  data_files:\n  - split: train\n    path: {name}/train-*\n")
        for source, target in (("en", language), (language, "en")):
            lines = [f"{translated([w], source)[0]} {translated([w], target)[0]}" for w in WORDS]
            hub.serve(f"dictionaries/{source}-{target}.txt", "\n".join(lines) + "\n")
    files["README.md"] = f"---\nconfigs:\n{''.join(configurations)}---\n"
    hub.add("Helsinki-NLP/opus-100", files, kind="dataset")
    hub.add("universal-dependencies/universal_dependencies", treebanks(), "dataset", "refs/convert/parquet")


def treebanks() -> dict[str, str | bytes]:
    from alignfreeze_cli.tasks.pos import HUB_LABELS, TREEBANKS

    tags = {word: "NOUN" if word in NOUNS else "VERB" if word in VERBS else "DET" for word in WORDS}
    files: dict[str, str | bytes] = {}
    for language, split in (("en", "train"), ("en", "test"), ("de", "test"), ("fr", "test")):
        chosen = sentences(24, seed=2)
        table = {
            "idx": [str(number) for number in range(len(chosen))],
            "tokens": [translated(sentence, language) for sentence in chosen],
            "upos": [[HUB_LABELS.index(tags[word]) for word in sentence] for sentence in chosen],
            "head": [["0"] * len(sentence) for sentence in chosen],
        }
        files[f"{TREEBANKS[language]}/{split}/0000.parquet"] = parquet(pa.table(table))
    return files


@contextmanager
def pipeline(folder: Path) -> Iterator[Made]:
    """Run the pipeline in a process of its own; everything lies below `folder`, the Hub stays up."""
    root, home = folder / "made", folder / "home"
    root.mkdir()
    with HubServer() as hub:
        fill(hub, save_bert(folder / "encoder", [*WORDS, *(word for pair in WORDS.values() for word in pair)]))
        command = [sys.executable, "-c", PIPELINE, str(root), BASE.split("/")[1]]
        done = subprocess.run(command, env=hub.environment(home), capture_output=True, text=True, cwd=root)
        assert done.returncode == 0, done.stderr
        yield Made(root, hub, home)


def run_cli(hub: HubServer, home: Path, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`alignfreeze …` in a fresh process that takes `hub` for the Hub, with its caches below `home`."""
    command = [sys.executable, "-m", "alignfreeze_cli.cli.app", *map(str, arguments)]
    return subprocess.run(command, env=hub.environment(home, **environment), capture_output=True, text=True)


class Cli:
    """`alignfreeze` in another process, which takes `hub` for the Hub; started once, as importing takes longest."""

    SERVE = """
import json, os, sys
from typer.testing import CliRunner
from alignfreeze_cli.cli.app import app
own = dict(os.environ)
for line in sys.stdin:
    arguments, environment = json.loads(line)
    os.environ.clear()
    os.environ.update({**own, **environment})
    done = CliRunner().invoke(app, arguments)
    print(json.dumps([done.exit_code, done.stdout, done.stderr]), flush=True)
"""

    def __init__(self, hub: HubServer, home: Path) -> None:
        self.home = home
        command = [sys.executable, "-c", self.SERVE]
        self.process = subprocess.Popen(
            command, env=hub.environment(home), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self, *arguments: str | Path, **environment: str) -> None:
        """Begin a command; `done` waits for its end."""
        self.process.stdin.write(json.dumps([list(map(str, arguments)), environment]) + "\n")
        self.process.stdin.flush()

    def done(self) -> Done:
        return Done(*json.loads(self.process.stdout.readline()))

    def __call__(self, *arguments: str | Path, **environment: str) -> Done:
        self.start(*arguments, **environment)
        return self.done()

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class Done(NamedTuple):
    code: int
    stdout: str
    stderr: str


def record_of(folder: Path) -> dict:
    return json.loads((folder / "alignfreeze.json").read_text(encoding="utf-8"))
