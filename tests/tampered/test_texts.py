"""Corpora, dictionaries, links and labelled data that are something else: torn, binary, without end, nested."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import resource
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alignfreeze_cli.aligners.settings import AlignPairsSettings
from alignfreeze_cli.artifacts.files import file_digest
from alignfreeze_cli.progress import Console
from alignfreeze_cli.steps.align_pairs import align_pairs
from alignfreeze_cli.steps.finetune import finetune
from alignfreeze_cli.tasks.settings import FinetuneSettings
from tests.tampered.spoiling import (
    HARMLESS,
    Case,
    check,
    cut,
    ending,
    fifo,
    folder,
    loop,
    pointer,
    written,
)

ENDLESS = 200_000_000  # bytes of a line that is packed to some hundred thousand


def endless(byte: bytes) -> bytes:
    """A gzip of one line that would not fit into memory if there were more of it."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    block = byte * 1_000_000
    return b"".join(packer.compress(block) for _ in range(ENDLESS // len(block))) + packer.flush()


def packed(pack: Callable[[bytes], bytes]) -> Any:
    """The same content in a packed file of the same name: it is recognised by its first bytes."""
    return lambda path: path.write_bytes(pack(path.read_bytes()))


def torn(path: Path) -> None:
    content = gzip.compress(path.read_bytes() * 50)
    path.write_bytes(content[: len(content) // 2])


NO_TEXT = [
    Case("empty", written("")),
    Case("blanks", written(" \n\n \n")),
    Case("binary", written(bytes(range(256)) * 100)),
    Case("zeros", written(b"\0" * 10_000)),
    Case("a zip archive", written(b"PK\x03\x04" + b"\0" * 500)),
    Case("a gzip of nothing", written(gzip.compress(b""))),
    Case("half a gzip", torn),
    Case("a gzip with a wrong sum", lambda path: path.write_bytes(gzip.compress(path.read_bytes())[:-8] + b"\0" * 8)),
    Case("a line without end, packed", written(endless(b"x"))),
    Case("a line of NULs without end, packed", written(endless(b"\0"))),
    Case("a pointer of git-lfs", pointer),
    Case("a page of HTML", written("<!doctype html>\n<title>404</title>\n" * 5)),
    Case("a folder", folder),
    Case("a link to itself", loop),
    Case("gone", lambda path: path.unlink()),
]
CORPUS = [
    *NO_TEXT,
    Case("UTF-16 without a mark", lambda path: path.write_bytes(path.read_text().encode("utf-16-le"))),
    Case("latin-1", lambda path: path.write_bytes(path.read_text().replace("a", "é").encode("latin-1"))),
    Case("no tabs", lambda path: path.write_text(path.read_text().replace("\t", " "))),
    Case("three columns", lambda path: path.write_text(path.read_text().replace(" ", "\t", 3))),
    Case("gzip", packed(gzip.compress), HARMLESS),
    Case("bzip2", packed(bz2.compress), HARMLESS),
    Case("xz", packed(lzma.compress), HARMLESS),
]
DICTIONARY = [
    *NO_TEXT,
    Case("a pipe", fifo),
    Case("lines in lines", written("a;b\rc;d\n" * 5)),
    Case("a word of 100,000 letters", written("a," + "b" * 100_000 + "\n" + "c,d\n" * 5)),
    Case("one column", lambda path: path.write_text("\n".join(path.read_text().split()[::2]))),
    Case("another language", written("uno eins\ndue zwei\n" * 5)),
]
LINKS = [
    *NO_TEXT,
    Case("a pipe", fifo),
    Case("too few lines", lambda path: path.write_text("0-0\n" * 3)),
    Case("too many lines", lambda path: path.write_text("0-0\n" * 100)),
    Case("no links", written("a-b\n" * 60)),
    Case("negative links", written("-1-0\n" * 60)),
    Case("huge links", written("0-99999999999999999999\n" * 60)),
]
CONLLU = [
    *NO_TEXT,
    Case("a pipe", fifo),
    Case("cut off in a line", lambda path: path.write_text(path.read_text()[:-20])),
    Case("ids without end", written("9" * 5_000 + "\ta\t_\tNOUN" + "\t_" * 6 + "\n")),
    Case("two columns", written("1\ta\n")),
    Case("unknown tags", lambda path: path.write_text(path.read_text().replace("NOUN", "NAME"))),
]
DEEP_LISTS = "[" * 100_000
SQUAD = [
    *NO_TEXT,
    Case("a pipe", fifo),
    Case("half", cut),
    Case("nested lists", written(DEEP_LISTS)),
    Case("nested objects", written('{"data":' * 100_000)),
    Case("a list", written("[]")),
    Case("data that are a text", written('{"data": "x"}')),
    Case("paragraphs that are numbers", written('{"data": [{"paragraphs": [7]}]}')),
    Case("a huge start", written(json.dumps({"data": [{"paragraphs": [{"context": "a b", "qas": [
        {"id": "1", "question": "c?", "answers": [{"text": "b", "answer_start": 10**30}]}]}]}]}))),
    Case("half a character", written('{"data": [{"paragraphs": [{"context": "\\ud800", "qas": []}]}]}')),
]  # fmt: skip
NLI = [
    *NO_TEXT,
    Case("a pipe", fifo),
    Case("nested lists", written(DEEP_LISTS + "\n")),
    Case("lists", written("[1]\n" * 5)),
    Case("numbers as texts", written('{"premise": 1, "hypothesis": 2, "label": 0}\n')),
    Case("a label of 5,000 digits", written('{"premise": "a", "hypothesis": "b", "label": "' + "9" * 5_000 + '"}\n')),
    Case("an unknown label", written('{"premise": "a", "hypothesis": "b", "label": 9}\n')),
    Case("half a character", written('{"premise": "\\ud800", "hypothesis": "b", "label": 0}\n')),
]


@pytest.fixture(autouse=True)
def bounded_memory() -> Any:
    """What a case may take: less than the line without end."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    assert grown < ENDLESS, f"{grown:,} bytes"


def aligned(world: Path, corpus: str, dictionary: str, links: str | None, output: Path) -> str:
    with_links: dict[str, Any] = {"aligner": "pharaoh", "links": links} if links else {"dictionary": dictionary}
    settings = AlignPairsSettings(target=("xx",), corpus=(corpus,), output=output, **with_links)
    return file_digest(align_pairs(settings, Console()).path / "data" / "en-xx.parquet")


@pytest.fixture(scope="module")
def untampered(world: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    output = tmp_path_factory.mktemp("untampered") / "pairs"
    words = world / "dictionaries" / "{source}-{target}.txt"
    return aligned(world, str(world / "text" / "en-xx.tsv"), str(words), None, output)


@pytest.mark.parametrize("name", ["en-xx.csv", "en-xx.jsonl", "en-xx.tmx", "en-xx.txt"])
def test_a_line_without_end_in_any_format(world: Path, tmp_path: Path, name: str) -> None:
    starts = {"csv": b"en,xx\n", "jsonl": b'{"en": "a', "tmx": b"<?xml version='1.0'?><tmx><body><tu><tuv><seg>"}
    start = gzip.compress(starts.get(name.rpartition(".")[2], b"a ||| b\n"))
    (tmp_path / name).write_bytes(start + endless(b"x"))
    words = str(world / "dictionaries" / "{source}-{target}.txt")
    found = ending(lambda: aligned(world, str(tmp_path / name), words, None, tmp_path / "out"))
    check(Case(name, str), found)


FILES = {"corpus": CORPUS, "dictionary": DICTIONARY, "links": LINKS}


@pytest.mark.parametrize(("kind", "case"), [(kind, case) for kind, cases in FILES.items() for case in cases], ids=str)
def test_a_tampered_text(world: Path, tmp_path: Path, untampered: str, kind: str, case: Case) -> None:
    paths = {name: tmp_path / f"en-xx.{name}" for name in FILES}
    paths["corpus"] = tmp_path / "en-xx.tsv"
    paths["corpus"].write_bytes((world / "text" / "en-xx.tsv").read_bytes())
    paths["dictionary"].write_bytes((world / "dictionaries" / "en-xx.txt").read_bytes())
    paths["links"].write_text("0-0\n" * 60)
    case.spoil(paths[kind])
    links = str(paths["links"]) if kind == "links" else None
    found = ending(lambda: aligned(world, str(paths["corpus"]), str(paths["dictionary"]), links, tmp_path / "out"))
    check(case, found)
    assert found.result in (None, untampered)
    assert case.code == HARMLESS or not (tmp_path / "out").exists()


LABELLED = {
    "pos": ("train.conllu", CONLLU),
    "qa": ("train.json", SQUAD),
    "nli": ("train.jsonl", NLI),
}


@pytest.mark.parametrize(
    ("task", "case"), [(task, case) for task, (_, cases) in LABELLED.items() for case in cases], ids=str
)
def test_tampered_labelled_data(world: Path, tmp_path: Path, task: str, case: Case) -> None:
    path = tmp_path / LABELLED[task][0]
    path.write_bytes((world / "treebanks" / "en-train.conllu").read_bytes())
    if task == "qa":
        path.write_text('{"data": [{"paragraphs": []}]}' * 2)
    case.spoil(path)
    settings = FinetuneSettings(
        task=task, model=str(world / "encoder"), train=str(path), dry_run=True, output=tmp_path / "out"
    )
    check(case, ending(lambda: finetune(settings, Console())))
