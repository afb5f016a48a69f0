"""Treebanks out of a release's archive: only what is wanted, nothing outside of the folder, and read by steps."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from alignfreeze_cli.errors import DataError
from alignfreeze_cli.progress import Console
from alignfreeze_cli.tasks.data import find_data
from alignfreeze_cli.tasks.pos import treebank_names
from alignfreeze_cli.tasks.registry import TASKS
from alignfreeze_cli.tasks.treebanks import Wanted, find_unpacked, unpack
from tests.cli.world import alignfreeze
from tests.tasks.worlds import conllu

POS = TASKS["pos"]
ROOT = "ud-treebanks-v2.7"


class Talk(Console):
    def __init__(self) -> None:
        self.said: list[str] = []

    def info(self, text: str) -> None:
        self.said.append(text)

    def warn(self, text: str) -> None:
        self.said.append(f"warning: {text}")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ALIGNFREEZE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def wanted(*languages: str, split: str = "test") -> list[Wanted]:
    return [Wanted(language, split, treebank_names(language)) for language in languages]


def treebank(words: int) -> bytes:
    return conllu([[("a", "DET")]] * words).encode()


FILES = {
    f"{ROOT}/UD_German-GSD/de_gsd-ud-test.conllu": treebank(1),
    f"{ROOT}/UD_German-GSD/de_gsd-ud-train.conllu": treebank(2),
    f"{ROOT}/UD_German-HDT/de_hdt-ud-test.conllu": treebank(3),
    f"{ROOT}/UD_Czech-PDT/cs_pdt-ud-train-c.conllu": treebank(4),
    f"{ROOT}/UD_Czech-PDT/cs_pdt-ud-train-l.conllu": treebank(5),
    f"{ROOT}/UD_Wolof-WTF/wo_wtf-ud-test.conllu": treebank(6),
    f"{ROOT}/UD_English-EWT/en_ewt-ud-test.conllu": treebank(7),
    f"{ROOT}/UD_English-EWT/en_ewt-ud-train.conllu": treebank(8),
    f"{ROOT}/README.txt": b"about",
}


def archive(folder: Path, files: Mapping[str, bytes] = FILES, name: str = f"{ROOT}.tgz") -> Path:
    """An archive of these files, compressed as its name says."""
    kind = {".tgz": "w:gz", ".xz": "w:xz"}.get(Path(name).suffix, "w")
    with tarfile.open(folder / name, kind) as made:  # type: ignore[call-overload]
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
    return folder / name


def unpacked(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_only_the_wanted_treebanks_are_unpacked_and_found_again(cache: Path, tmp_path: Path) -> None:
    folder = unpack(archive(tmp_path), [*wanted("de", "wo"), *wanted("cs", split="train")], Console())
    assert folder == cache / "treebanks" / ROOT
    assert unpacked(folder) == [
        "UD_Czech-PDT/cs_pdt-ud-train-c.conllu",
        "UD_Czech-PDT/cs_pdt-ud-train-l.conllu",
        "UD_German-GSD/de_gsd-ud-test.conllu",
        "UD_Wolof-WTF/wo_wtf-ud-test.conllu",
    ]
    assert [find_unpacked(each) for each in wanted("de", "wo")] == [
        (ROOT, [folder / "UD_German-GSD" / "de_gsd-ud-test.conllu"]),
        (ROOT, [folder / "UD_Wolof-WTF" / "wo_wtf-ud-test.conllu"]),
    ]
    assert find_unpacked(wanted("de", split="train")[0]) is None

    unpack(archive(tmp_path), wanted("en"), Console())
    assert find_unpacked(wanted("en")[0]) is not None
    assert find_unpacked(wanted("de")[0]) is not None, "what was unpacked of the release before stays"
    (czech,) = find_data(POS, ["cs"], None, "train", "--train", Console())
    assert [path.name for path in czech.paths] == ["cs_pdt-ud-train-c.conllu", "cs_pdt-ud-train-l.conllu"]
    by_folder = find_data(POS, ["de"], str(folder), "test", "--data", Console())
    assert by_folder[0].paths == (folder / "UD_German-GSD" / "de_gsd-ud-test.conllu",)


def test_steps_read_the_release_that_was_unpacked_and_say_so(cache: Path, tmp_path: Path) -> None:
    unpack(archive(tmp_path), wanted("de", "en"), Console())
    talk = Talk()
    german, english = find_data(POS, ["de", "en"], None, "test", "--data", talk)
    assert german.to_dict()["source"] == f"{ROOT}/de_gsd-ud-test.conllu"
    assert talk.said == [f"Universal Dependencies is read from {ROOT}, which `alignfreeze fetch` has unpacked."]
    assert len(list(POS.read(english.paths, "en", POS.defaults))) == 7

    later = {name.replace("v2.7", "v2.16"): content for name, content in FILES.items()}
    unpack(archive(tmp_path, later, "ud-treebanks-v2.16.tar.xz"), wanted("de"), Console())
    find_data(POS, ["de"], None, "test", "--data", talk)
    assert talk.said[1:] == [
        "warning: Universal Dependencies is read from ud-treebanks-v2.16, which `alignfreeze fetch` has unpacked; the "
        "published numbers are for ud-treebanks-v2.7."
    ]
    assert find_unpacked(wanted("en")[0]) is None, "the last release is in use, and has no English unpacked"


def test_nothing_leads_out_of_the_folder(cache: Path, tmp_path: Path) -> None:
    evil = {
        "../../UD_German-GSD/de_gsd-ud-test.conllu": treebank(1),
        "/UD_English-EWT/../en_ewt-ud-test.conllu": b"out",
        "UD_..-GSD/de_gsd-ud-test.conllu": b"out",
        f"{ROOT}/UD_German-GSD/../de_gsd-ud-test.conllu": b"out",
    }
    made = archive(tmp_path, evil, "evil.tar")
    (tmp_path / "secret").write_bytes(treebank(1))
    with tarfile.open(made, "a") as more:
        link = tarfile.TarInfo(f"{ROOT}/UD_English-EWT/en_ewt-ud-test.conllu")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "secret")
        more.addfile(link)
    before = unpacked(tmp_path)
    with pytest.raises(DataError, match="holds no en_ewt-ud-test; the others are unpacked"):
        unpack(made, wanted("de", "en"), Console())
    added = [f"cache/treebanks/{name}" for name in ("evil/UD_German-GSD/de_gsd-ud-test.conllu", "unpacked.json")]
    assert unpacked(tmp_path) == sorted([*before, *added])


def test_what_is_no_archive_is_told(cache: Path, tmp_path: Path) -> None:
    whole = archive(tmp_path).read_bytes()
    cases = {
        "cut.tgz": (whole[:-20], "cannot be unpacked"),
        "half.tgz": (whole[: len(whole) // 2], "cannot be unpacked|is cut off"),
        "text.tgz": (b"hello" * 1000, "is no archive of treebanks"),
        "empty.tgz": (b"", "is no archive of treebanks|holds none"),
    }
    for name, (content, sentence) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=sentence):
            unpack(tmp_path / name, wanted("de"), Console())
        assert find_unpacked(wanted("de")[0]) is None
    with pytest.raises(DataError, match=r"ud-treebank-v2.7.tgz: no such corpus file; did you mean"):
        unpack(tmp_path / "ud-treebank-v2.7.tgz", wanted("de"), Console())
    with pytest.raises(DataError, match="holds none of the treebanks ja_gsd-ud-test"):
        unpack(archive(tmp_path), wanted("ja"), Console())


def test_the_command_takes_them_without_a_network(cache: Path, tmp_path: Path) -> None:
    archive(tmp_path)
    done = alignfreeze("fetch", "pos", "--languages", "de,wo", "--treebanks", tmp_path / f"{ROOT}.tgz")
    assert done.exit_code == 0, done.stderr
    assert unpacked(cache / "treebanks" / ROOT)[:2] == [
        "UD_English-EWT/en_ewt-ud-train.conllu",
        "UD_German-GSD/de_gsd-ud-test.conllu",
    ]
    assert "0 B fetched" in done.stdout
    missing = alignfreeze("fetch", "pos", "--languages", "fr", "--treebanks", tmp_path / f"{ROOT}.tgz")
    assert missing.exit_code == 3
    assert "holds no fr_gsd-ud-test; the others are unpacked" in missing.stderr
