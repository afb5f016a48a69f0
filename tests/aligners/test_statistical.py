"""Statistical aligners: what they link, that it does not depend on processes, and odd text."""

from __future__ import annotations

import contextlib
import json
import random
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from alignfreeze_cli.aligners import thot_process
from alignfreeze_cli.aligners.settings import STATISTICAL, AlignPairsSettings
from alignfreeze_cli.artifacts import Result
from alignfreeze_cli.artifacts.files import file_digest
from alignfreeze_cli.artifacts.record import read_record, verify
from alignfreeze_cli.errors import AlignFreezeError, ArtifactError, DataError, SettingsError
from alignfreeze_cli.progress import Console
from alignfreeze_cli.steps.align_pairs import align_pairs
from tests.support.console import RecordingConsole

pytest.importorskip("thot", reason="sil-thot is not installed")

WORDS = {f"w{n}": f"x{n}" for n in range(40)}


def sentences(count: int, seed: int = 0) -> list[tuple[list[str], list[str]]]:
    """Made-up sentences: each word has one translation, and two neighbours often change places."""
    rng = random.Random(seed)
    found = []
    for _ in range(count):
        source = rng.sample(sorted(WORDS), rng.randint(3, 8))
        target = [WORDS[word] for word in source]
        place = rng.randrange(len(target) - 1)
        if rng.random() < 0.5:
            target[place], target[place + 1] = target[place + 1], target[place]
        found.append((source, target))
    return found


def tsv(pairs: list[tuple[list[str], list[str]]]) -> str:
    return "".join(f"{' '.join(source)}\t{' '.join(target)}\n" for source, target in pairs)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("a.tsv").write_text(tsv(sentences(200)), encoding="utf-8")
    return tmp_path


def run(console: Console | None = None, **settings: Any) -> Result:
    values = {"target": ("xx",), "corpus": ("a.tsv",), "output": Path("out"), "words": "blank"} | settings
    return align_pairs(AlignPairsSettings(**values), console or Console())


def rows(result: Result) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(result.path / "data" / "en-xx.parquet").to_pylist()
    return found


def statistics(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((result.path / "statistics.json").read_text())["languages"]["xx"]
    return found


@pytest.mark.parametrize("aligner", STATISTICAL)
def test_words_that_translate_each_other_are_linked(folder: Path, aligner: str) -> None:
    found = rows(run(aligner=aligner))
    assert len(found) == 200
    links = [(row["source"][i], row["target"][j]) for row in found for i, j in row["links"]]
    assert len(links) > 0.95 * sum(len(row["source"]) for row in found)
    assert sum(WORDS[source] == target for source, target in links) > 0.95 * len(links)
    scores = [score for row in found for score in row["scores"]]
    assert len(scores) == len(links)
    assert 0 < min(scores) <= max(scores) < 1
    wrong = [s for row in found for (i, j), s in zip(row["links"], row["scores"], strict=True)
             if WORDS[row["source"][i]] != row["target"][j]]  # fmt: skip
    assert max(wrong, default=0.0) < sum(scores) / len(scores)


@pytest.mark.parametrize("aligner", STATISTICAL)
def test_links_do_not_depend_on_processes_or_chunks(
    folder: Path, aligner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = run(aligner=aligner, output=Path("one"))
    monkeypatch.setattr("alignfreeze_cli.pairs.text_files.CHUNK", 37)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    two = run(aligner=aligner, output=Path("two"), workers=2)
    assert one.record is not None
    assert two.record is not None
    assert one.record.digest == two.record.digest


def test_another_seed_samples_otherwise(folder: Path) -> None:
    Path("a.tsv").write_text(tsv(noisy(60)))
    found = [rows(run(aligner="eflomal", seed=seed, output=Path(str(seed)))) for seed in (0, 1)]
    assert found[0] != found[1]
    with pytest.raises(SettingsError, match="--seed goes with --aligner eflomal"):
        run(aligner="fast-align", seed=1)


def test_case_and_composed_forms_make_no_other_word_and_links_refer_to_the_text(folder: Path) -> None:
    pairs = sentences(100)
    shouted = [([word.upper() for word in source], target) for source, target in pairs]
    Path("a.tsv").write_text(tsv([*pairs, *shouted]), encoding="utf-8")
    found = rows(run(aligner="fast-align"))
    assert [row["links"] for row in found[:100]] == [row["links"] for row in found[100:]]
    assert [row["source"] for row in found[100:]] == [source for source, _ in shouted]


def noisy(count: int) -> list[tuple[list[str], list[str]]]:
    """Sentences whose words are out of order: nothing is sure, and nothing the same in both directions."""
    rng = random.Random(count)
    return [(source, rng.sample(target, len(target))) for source, target in sentences(count)]


def test_symmetrising_changes_the_links(folder: Path) -> None:
    Path("a.tsv").write_text(tsv(noisy(50)))
    counts = {
        rule: statistics(run(aligner="fast-align", symmetrise=rule, output=Path(rule)))["links"]["found"]
        for rule in ("intersection", "grow-diag-final-and", "union")
    }
    assert counts["intersection"] <= counts["grow-diag-final-and"] <= counts["union"]
    assert counts["intersection"] < counts["union"]


ODD = ["NULL", "UNUSED_WORD", "<UNUSED_WORD>", "__NULL__", "%", "%20;", "_", "|||", "\u200b", "\u00a0", "a\u00a0b",
       "\u2028", "\x0b", "\x85", "<s>", "0", "-1", "{##", "e\u0301", "é", "🙂", "w" * 5_000]  # fmt: skip


@pytest.mark.parametrize("aligner", STATISTICAL)
def test_odd_words_are_words_like_others(folder: Path, aligner: str) -> None:
    odd = [[word, "w1", word] for word in ODD]
    lines = [f"{' '.join(side)}\t{' '.join(reversed(side))}\n" for side in odd]
    Path("a.tsv").write_text(
        tsv(sentences(60)) + "".join(lines) * 3 + "w1\t\n\tx1\n\t\n", encoding="utf-8", newline="\n"
    )
    counted = statistics(run(aligner=aligner))
    assert counted["dropped"]["empty side"] == 3
    assert counted["kept"] >= 60


@pytest.mark.parametrize(("aligner", "limit"), [("fast-align", 1024), ("eflomal", 1024), ("hmm", 200)])
def test_sentences_that_are_too_long_are_counted_and_said(folder: Path, aligner: str, limit: int) -> None:
    assert thot_process.longest(aligner) == limit
    fits, too_long = (" ".join(f"w{n % 40}" for n in range(count)) for count in (limit, limit + 1))
    Path("a.tsv").write_text(tsv(sentences(60)) + f"{fits}\tx1 x2\n{too_long}\tx1 x2\nw1 w2\t{too_long}\n")
    console = RecordingConsole()
    result = run(console, aligner=aligner, pharaoh=Path("links"))
    assert statistics(result)["dropped"]["too long for the aligner"] == 2
    said = f"2 pairs of 63 are longer than --aligner {aligner} can take, and have no links"
    assert any(said in warning for warning in console.warned)
    assert result.record is not None
    assert any(said in warning for warning in result.record.details["warnings"])
    lines = Path("links/en-xx.pharaoh").read_text().splitlines()
    assert lines[60] != ""
    assert lines[61:] == ["", ""]


@pytest.mark.parametrize("text", ["w1\t\n" * 3, " \t \nw1\t\n"])
def test_text_without_a_usable_pair(folder: Path, text: str) -> None:
    Path("a.tsv").write_text(text)
    with pytest.raises(DataError, match="No usable pair"):
        run(aligner="fast-align")
    assert not Path("out").exists()


def test_little_text_is_warned_of(folder: Path) -> None:
    console = RecordingConsole()
    run(console, aligner="fast-align")
    assert any("only 200 usable pairs to learn from" in warning for warning in console.warned)


def test_without_the_library_a_sentence_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "thot", None)
    with pytest.raises(SettingsError, match=r"sil-thot: pip install 'alignfreeze\[aligners\]'"):
        run(aligner="eflomal")


def test_a_process_that_fails_says_why_and_nothing_is_left(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Path("broken")
    (broken / "thot").mkdir(parents=True)
    (broken / "thot" / "__init__.py").write_text("raise MemoryError('no room')")
    monkeypatch.setenv("PYTHONPATH", str(broken.resolve()))
    with pytest.raises(AlignFreezeError, match="The process that ran fast-align failed: MemoryError: no room"):
        run(aligner="fast-align")
    assert sorted(path.name for path in folder.iterdir()) == ["a.tsv", "broken"]


class TestSaved:
    """What was learned, kept as an artifact and applied again."""

    @pytest.mark.parametrize("aligner", STATISTICAL)
    def test_the_text_it_was_fitted_on_gets_the_same_links(self, folder: Path, aligner: str) -> None:
        Path("a.tsv").write_text(tsv(noisy(150) + noisy(20)), encoding="utf-8")  # some pairs twice
        fitted = run(aligner=aligner, save_aligner=Path("kept"), symmetrise="union")
        record = read_record(Path("kept"))
        assert record is not None
        assert record.kind == "aligner"
        verify(Path("kept"), record)
        loaded = run(aligner=aligner, load_aligner="kept", symmetrise="union", output=Path("again"), workers=2)
        assert rows(loaded) == rows(fitted)
        assert loaded.record is not None
        assert [each["kind"] for each in loaded.record.lineage] == ["aligner"]

    @pytest.mark.parametrize("aligner", STATISTICAL)
    def test_new_text_is_linked_with_what_was_learned(self, folder: Path, aligner: str) -> None:
        run(aligner=aligner, save_aligner=Path("kept"))
        Path("a.tsv").write_text(tsv(sentences(5, seed=1)) + "w1 zebra w2\tx2 zebra x1\n", encoding="utf-8")
        console = RecordingConsole()
        found = rows(run(console, aligner=aligner, load_aligner="kept", output=Path("new")))
        links = [(row["source"][i], row["target"][j]) for row in found for i, j in row["links"]]
        assert sum(WORDS.get(source) == target for source, target in links) > 0.9 * len(links) > 20
        assert not any("to learn from" in warning for warning in console.warned)

    def test_it_holds_none_of_the_text(self, folder: Path) -> None:
        Path("a.tsv").write_text(tsv(sentences(50)) + "secret w1 w2\tgeheim x1 x2\n", encoding="utf-8")
        for aligner in STATISTICAL:
            run(aligner=aligner, save_aligner=Path(aligner), output=Path(f"out-{aligner}"))
            for path in Path(aligner).rglob("*"):
                assert not path.is_file() or b"secret _w1" not in path.read_bytes()

    def test_pairs_that_are_there_are_not_written_again_for_its_sake(self, folder: Path) -> None:
        run(aligner="fast-align")
        before = Path("out/data/en-xx.parquet").stat().st_ino
        again = run(aligner="fast-align", save_aligner=Path("kept"))
        assert again.status == "already done"
        assert Path("out/data/en-xx.parquet").stat().st_ino == before
        assert read_record(Path("kept")) is not None
        inode = Path("kept").stat().st_ino
        assert run(aligner="fast-align", save_aligner=Path("kept"), output=Path("other")).status == "made"
        assert Path("kept").stat().st_ino == inode

    def test_what_does_not_fit_is_refused(self, folder: Path) -> None:
        run(aligner="fast-align", save_aligner=Path("kept"))
        for settings, sentence in (
            ({"aligner": "hmm"}, "was fitted with --aligner fast-align, but --aligner is hmm here"),
            ({"words": "unicode"}, "was fitted with --words blank, but --words is unicode here"),
            ({"source": "fr"}, "was fitted with --source en, but --source is fr here"),
            ({"target": ("yy",)}, "was not fitted to yy, only to xx"),
            ({"load_aligner": "out"}, "holds pairs, made by `alignfreeze align-pairs`, but an aligner is needed here"),
        ):
            with pytest.raises(AlignFreezeError, match=re.escape(sentence)):
                run(**{"aligner": "fast-align", "load_aligner": "kept", "output": Path("new"), **settings})
        swapped = [(target, source) for source, target in sentences(50)]
        Path("a.tsv").write_text(tsv(swapped), encoding="utf-8")
        with pytest.raises(DataError, match="seems to have xx on the side of en"):
            run(aligner="fast-align", load_aligner="kept", output=Path("new"))
        assert not Path("new").exists()

    @pytest.mark.parametrize("name", ["known.npz", "pair_keys.npy", "forward.yml", "reverse.tvcb"])
    def test_a_damaged_file_is_named(self, folder: Path, name: str) -> None:
        run(aligner="eflomal", save_aligner=Path("kept"))
        path = Path("kept/en-xx") / name
        path.write_bytes(path.read_bytes()[:-1] + b"?")
        with pytest.raises(ArtifactError, match=f"{name}: differs from its digest"):
            run(aligner="eflomal", load_aligner="kept", output=Path("new"))

    @pytest.mark.parametrize(
        "name", ["known.npz", "pair_keys.npy", "forward.efl_lexnd.0", "forward.yml", "forward.tvcb"]
    )
    @pytest.mark.parametrize("content", [b"", b"nothing of the kind", b"PK\x03\x04" + bytes(100), b"\xff" * 1_000])
    def test_a_file_of_something_else_with_the_right_digest(self, folder: Path, name: str, content: bytes) -> None:
        """Such a file can only be made on purpose; it must not crash this process or hang."""
        run(aligner="eflomal", save_aligner=Path("kept"))
        Path("kept/en-xx", name).write_bytes(content)
        record = read_record(Path("kept"))
        assert record is not None
        record.files[f"en-xx/{name}"] = file_digest(Path("kept/en-xx") / name)
        record.write(Path("kept"))
        with contextlib.suppress(AlignFreezeError):
            run(aligner="eflomal", load_aligner="kept", output=Path("new"))


@pytest.mark.parametrize("missing", [200, 0])
def test_shifted_files_are_refused(folder: Path, missing: int) -> None:
    sides = [[" ".join(pair[side]) for pair in sentences(400)] for side in (0, 1)]
    for name, lines in (("right", sides), ("wrong", [sides[0][:-1], sides[1][:missing] + sides[1][missing + 1 :]])):
        for side, language in zip(lines, ("en", "xx"), strict=True):
            Path(f"{name}.{language}").write_text("\n".join(side) + "\n")
    assert run(aligner="fast-align", corpus=("right.{language}",)).status == "made"
    with pytest.raises(DataError, match="the two files are shifted"):
        run(aligner="fast-align", corpus=("wrong.{language}",), output=Path("wrong"))
