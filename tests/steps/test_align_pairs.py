"""The step align-pairs: formats, statistics, what is skipped, what is refused."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from alignfreeze_cli.aligners.settings import AlignPairsSettings
from alignfreeze_cli.artifacts import Result
from alignfreeze_cli.errors import AlignFreezeError, DataError, SettingsError
from alignfreeze_cli.pairs.folder import Pair, open_pairs
from alignfreeze_cli.progress import Console
from alignfreeze_cli.steps.align_pairs import align_pairs
from tests.support.console import RecordingConsole

DICTIONARY = "the le\nthe la\ncat chat\ndog chien\nhouse maison\nblack noir\n2 deux\n"
SENTENCES = [("the cat", "le chat"), ("a black dog", "un chien noir"), ("zebra", "zèbre"), ("2 houses", "2 maisons")]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with dictionaries, in which the command is run."""
    monkeypatch.chdir(tmp_path)
    Path("en-fr.txt").write_text(DICTIONARY, encoding="utf-8")
    return tmp_path


def tsv(pairs: list[tuple[str, str]] = SENTENCES) -> str:
    return "".join(f"{source}\t{target}\n" for source, target in pairs)


def run(console: Console | None = None, **settings: object) -> Result:
    values = {"target": ("fr",), "dictionary": "{source}-{target}.txt", "output": Path("pairs")} | settings
    if isinstance(values.get("corpus"), str):
        values["corpus"] = (values["corpus"],)
    return align_pairs(AlignPairsSettings(**values), console or Console())


def pairs_of(result: Result, target: str = "fr") -> list[Pair]:
    return list(open_pairs(result.path).read(target))


EXPECTED = [
    Pair(["the", "cat"], ["le", "chat"], [(0, 0), (1, 1)]),
    Pair(["a", "black", "dog"], ["un", "chien", "noir"], [(1, 2), (2, 1)]),
]


class TestFormats:
    """The same sentences, however they are stored."""

    def test_tsv(self, folder: Path) -> None:
        Path("en-fr.tsv").write_text("\ufeff" + tsv().replace("\n", "\r\n"), encoding="utf-8")
        assert pairs_of(run(corpus="{source}-{target}.tsv")) == EXPECTED

    def test_bars(self, folder: Path) -> None:
        Path("en-fr.txt.train").write_text("".join(f"{s} ||| {t}\n" for s, t in SENTENCES), encoding="utf-8")
        assert pairs_of(run(corpus="en-fr.txt.train")) == EXPECTED

    @pytest.mark.parametrize("name", ["news.{pair}.{language}", "news.en-fr.en::news.en-fr.fr"])
    def test_two_files(self, name: str, folder: Path) -> None:
        for side, code in enumerate(("en", "fr")):
            Path(f"news.en-fr.{code}").write_text("\n".join(pair[side] for pair in SENTENCES), encoding="utf-8")
        assert pairs_of(run(corpus=name)) == EXPECTED

    def test_gzipped(self, folder: Path) -> None:
        Path("a.tsv.gz").write_bytes(gzip.compress(tsv().encode()))
        assert pairs_of(run(corpus="a.tsv.gz")) == EXPECTED

    @pytest.mark.parametrize("columns", ["translation", "codes", "names"])
    def test_parquet(self, columns: str, folder: Path) -> None:
        source, target = [s for s, _ in SENTENCES], [t for _, t in SENTENCES]
        tables = {
            "translation": {"translation": [{"en": s, "fr": t} for s, t in SENTENCES]},
            "codes": {"id": [0, 1, 2, 3], "fr": target, "en": source},
            "names": {"source": pa.array(source, pa.large_string()), "target": target},
        }
        pq.write_table(pa.table(tables[columns]), "a.parquet")
        assert pairs_of(run(corpus="a.parquet")) == EXPECTED

    def test_several_one_after_another_and_wildcards(self, folder: Path) -> None:
        Path("a.tsv").write_text(tsv(SENTENCES[:1]), encoding="utf-8")
        Path("b1.tsv").write_text(tsv(SENTENCES[1:2]), encoding="utf-8")
        Path("b2.tsv").write_text(tsv(SENTENCES[:1]), encoding="utf-8")
        assert pairs_of(run(corpus=("a.tsv", "b*.tsv"))) == [*EXPECTED, EXPECTED[0]]

    def test_max_lines_counts_for_each_corpus(self, folder: Path) -> None:
        Path("a.tsv").write_text(tsv(), encoding="utf-8")
        pq.write_table(pa.table({"en": [s for s, _ in SENTENCES], "fr": [t for _, t in SENTENCES]}), "a.parquet")
        result = run(corpus=("a.tsv", "a.parquet"), max_lines=1)
        assert pairs_of(result) == [EXPECTED[0]] * 2
        assert result.details["languages"]["fr"]["lines"] == 2

    def test_text_with_line_ends_inside_stays_one_sentence(self, folder: Path) -> None:
        pq.write_table(pa.table({"en": ["the\ncat\tsat"], "fr": ["le\u2028chat"]}), "a.parquet")
        assert pairs_of(run(corpus="a.parquet"))[0].source == ["the", "cat", "sat"]


class TestSame:
    """What must not change the result."""

    def corpus(self, lines: int) -> str:
        sentences = [(f"the cat {n} black", f"le noir {n % 7} chat") for n in range(lines)]
        Path("long.tsv").write_text(tsv(sentences), encoding="utf-8")
        return "long.tsv"

    def test_workers_and_chunks(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        corpus = self.corpus(30_000)
        digests = set()
        for name, workers in (("one", 1), ("two", 2)):
            result = run(corpus=corpus, output=Path(name), workers=workers, pharaoh=Path(f"links-{name}"))
            assert result.record is not None
            links = hashlib.sha256(Path(f"links-{name}/en-fr.pharaoh").read_bytes()).hexdigest()
            digests.add((result.record.digest, links))
        monkeypatch.setattr("alignfreeze_cli.pairs.text_files.CHUNK", 1_234)
        result = run(corpus=corpus, output=Path("small"), pharaoh=Path("links-small"))
        assert result.record is not None
        digests.add((result.record.digest, hashlib.sha256(Path("links-small/en-fr.pharaoh").read_bytes()).hexdigest()))
        assert len(digests) == 1

    def test_workers_are_kept_from_language_to_language(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Many small chunks: here they are done long before the other process has started."""
        for target in ("fr", "de"):
            Path(f"en-{target}.tsv").write_text(tsv(SENTENCES * 700), encoding="utf-8")
            Path(f"dict.en-{target}.txt").write_text(Path("en-fr.txt").read_text(encoding="utf-8"), encoding="utf-8")
        monkeypatch.setattr("alignfreeze_cli.pairs.text_files.CHUNK", 50)
        results = [
            run(target=("fr", "de"), corpus="en-{target}.tsv", dictionary="dict.en-{target}.txt", **given)
            for given in ({"output": Path("one")}, {"output": Path("two"), "workers": 2})
        ]
        records = [result.record for result in results]
        assert records[0] is not None
        assert records[1] is not None
        assert records[0].digest == records[1].digest
        assert results[0].details == results[1].details
        assert {language["lines"] for language in results[1].details["languages"].values()} == {700 * len(SENTENCES)}

    def test_languages_have_one_progress_since_the_next_is_aligned_while_one_is_written(self, folder: Path) -> None:
        """A bar of its own began when a small language was aligned already, and told millions of lines a second."""
        for target, times in (("fr", 2), ("de", 3)):
            Path(f"en-{target}.tsv").write_text(tsv() * times, encoding="utf-8")
            Path(f"dict.en-{target}.txt").write_text(DICTIONARY, encoding="utf-8")
        told = RecordingConsole()
        given = {"corpus": "en-{target}.tsv", "dictionary": "dict.en-{target}.txt", "console": told}
        run(target=("fr", "de"), **given)  # type: ignore[arg-type]
        run(target=("de",), output=Path("one"), **given)  # type: ignore[arg-type]
        assert [(bar.title, bar.done, bar.note) for bar in told.bars] == [
            ("aligning 2 languages", 4 * 5, "up to en-de, 10 kept"),
            ("aligning en-de", 4 * 3, "6 kept"),
        ]

    def test_a_second_run_is_done_already_but_writes_links_that_are_asked_for(self, folder: Path) -> None:
        Path("a.tsv").write_text(tsv(), encoding="utf-8")
        assert run(corpus="a.tsv").status == "made"
        assert run(corpus="a.tsv", workers=2).status == "already done"
        assert run(corpus="a.tsv", pharaoh=Path("links"), dry_run=True).status == "already done"
        assert not Path("links").exists()
        assert run(corpus="a.tsv", pharaoh=Path("links")).status == "already done"
        assert Path("links/en-fr.pharaoh").read_text() == "0-0 1-1\n1-2 2-1\n\n\n"

    def test_a_changed_corpus_is_noticed(self, folder: Path) -> None:
        Path("a.tsv").write_text(tsv(), encoding="utf-8")
        run(corpus="a.tsv")
        Path("a.tsv").write_text(tsv(SENTENCES[:2]), encoding="utf-8")
        with pytest.raises(SettingsError, match="input corpus fr has changed"):
            run(corpus="a.tsv")


class TestStatistics:
    """What became of every line."""

    def test_every_line_is_accounted_for(self, folder: Path) -> None:
        Path("a.tsv").write_text(tsv([*SENTENCES, ("the cat", ""), ("", ""), ("noir", "noir")]))
        result = run(corpus="a.tsv")
        counted = json.loads((result.path / "statistics.json").read_text())["languages"]["fr"]
        assert counted["lines"] == 7
        assert counted["kept"] == 2
        assert counted["dropped"] == {
            "malformed line": 0,
            "malformed links": 0,
            "empty side": 2,
            "no link found": 3,
            "no link left by the filters": 0,
        }
        assert counted["links"]["kept"] == 4
        assert counted["words"] == {"source": 11, "target": 9}
        assert counted["links per pair"] == {"found": 0.8, "kept": 0.8}  # of the five with words on both sides
        assert counted["share of words linked"] == {"source": 0.3636, "target": 0.4444}
        assert counted["files"] == {
            "a.tsv": {
                "lines": 7,
                "malformed": 0,
                "kept": 2,
                "links": 4,
                "links per pair": {"found": 0.8, "kept": 0.8},
                "share of words linked before the filters": {"source": 0.3636, "target": 0.4444},
                "share of words linked": {"source": 0.3636, "target": 0.4444},
            }
        }
        assert counted["aligner"]["entries"] == {"en-fr.txt": 7}
        assert result.details["languages"]["fr"]["kept"] == 2

    def test_what_was_linked_before_the_filters(self, folder: Path) -> None:
        Path("a.tsv").write_text("a b c\tx y c\na\tx\n\tx\n")
        Path("a.links").write_text("0-0 0-1 1-1 2-2\n0-0\n\n")
        result = run(aligner="pharaoh", links="a.links", corpus="a.tsv")
        counted = json.loads((result.path / "statistics.json").read_text())["languages"]["fr"]
        assert counted["links"] == {
            "found": 5,
            "kept": 1,
            "dropped": {"word linked more than once": 3, "equal words": 1},
        }
        assert counted["links per pair"] == {"found": 2.5, "kept": 0.5}
        assert counted["share of words linked before the filters"] == {"source": 1.0, "target": 0.8}
        assert counted["share of words linked"] == {"source": 0.25, "target": 0.2}

    def test_malformed_lines_are_counted_named_and_skipped(self, folder: Path) -> None:
        lines = [b"the cat\tle chat\n"] * 400
        lines[6] = b"the cat le chat\n"
        lines[9] = b"the\tcat\tle chat\n"
        lines[11] = b"the cat\tle ch\xffat\n"
        Path("a.tsv").write_bytes(b"".join(lines))
        console = RecordingConsole()
        result = run(console, corpus="a.tsv", pharaoh=Path("links"))
        counted = json.loads((result.path / "statistics.json").read_text())["languages"]["fr"]
        assert counted["dropped"]["malformed line"] == 3
        assert counted["kept"] == 397
        assert counted["files"]["a.tsv"]["first malformed"] == [
            {"line": 7, "why": "1 columns instead of 2"},
            {"line": 10, "why": "3 columns instead of 2"},
            {"line": 12, "why": "not UTF-8 (byte 0xff at column 14)"},
        ]
        assert "a.tsv: 3 of 400 lines are malformed and skipped: line 7 (1 columns" in console.warned[0]
        links = Path("links/en-fr.pharaoh").read_text().split("\n")
        assert (len(links), links[5], links[6], links[7]) == (401, "0-0 1-1", "", "0-0 1-1")

    def test_bars_inside_the_text_make_a_line_malformed(self, folder: Path) -> None:
        lines = ["the cat ||| le chat\n"] * 200 + ["the ||| cat ||| le chat\n"]
        Path("a.bars").write_text("".join(lines))
        counted = json.loads((run(corpus="a.bars").path / "statistics.json").read_text())["languages"]["fr"]
        assert counted["files"]["a.bars"]["first malformed"] == [{"line": 201, "why": "3 parts on '|||' instead of 2"}]

    def test_missing_text_in_parquet_is_an_empty_side(self, folder: Path) -> None:
        pq.write_table(pa.table({"en": ["the cat"] * 200, "fr": ["le chat"] * 199 + [None]}), "a.parquet")
        counted = json.loads((run(corpus="a.parquet").path / "statistics.json").read_text())["languages"]["fr"]
        assert (counted["dropped"]["empty side"], counted["dropped"]["malformed line"]) == (1, 0)

    def test_each_file_has_its_own(self, folder: Path) -> None:
        Path("a.tsv").write_text(tsv(), encoding="utf-8")
        Path("b.tsv").write_text(tsv(SENTENCES[:1] * 3), encoding="utf-8")
        Path("c.tsv").write_text("\n")
        console = RecordingConsole()
        result = run(console, corpus=("a.tsv", "b.tsv", "c.tsv"))
        counted = json.loads((result.path / "statistics.json").read_text())["languages"]["fr"]
        files = counted["files"]
        assert {name: (file["lines"], file["kept"], file["links"]) for name, file in files.items()} == {
            "a.tsv": (4, 2, 4),
            "b.tsv": (3, 3, 6),
        }
        assert files["b.tsv"]["share of words linked"] == {"source": 1.0, "target": 1.0}
        assert console.warned == ["en-fr: c.tsv is empty."]

    def test_a_language_with_few_usable_pairs_is_warned_about(self, folder: Path) -> None:
        for code, translation in (("fr", "chat"), ("de", "Katze"), ("ta", "பூனை")):
            Path(f"en-{code}.txt").write_text(f"cat {translation}\n", encoding="utf-8")
            Path(f"en-{code}.tsv").write_text(f"a cat\t{translation} .\n" * 50, encoding="utf-8")
        console = RecordingConsole()
        settings = {"target": ("fr", "de", "ta"), "corpus": "en-{target}.tsv"}
        run(console, words="published", output=Path("published"), **settings)
        assert len(console.warned) == 1
        assert console.warned[0].startswith("ta has no usable pair in 50 lines; the median language has 50")
        assert "--words unicode keeps them whole" in console.warned[0]
        console = RecordingConsole()
        result = run(console, output=Path("unicode"), **settings)
        assert console.warned == []
        assert {code: found["kept"] for code, found in result.details["languages"].items()} == dict.fromkeys(
            ("fr", "de", "ta"), 50
        )

    def test_a_dictionary_of_which_much_is_skipped_is_warned_of(self, folder: Path) -> None:
        Path("a.tsv").write_text(tsv(), encoding="utf-8")
        Path("en-fr.txt").write_text(DICTIONARY + "hot dog chien chaud\nParis Paris\n", encoding="utf-8")
        console = RecordingConsole()
        result = run(console, corpus="a.tsv")
        assert console.warned == result.details["warnings"]
        assert len(console.warned) == 1
        assert "en-fr.txt: 1 of 9 lines are skipped; the first is line 8, 'hot dog chien chaud'" in console.warned[0]
        Path("en-fr.txt").write_text(DICTIONARY * 2 + "hot dog chien chaud\nParis Paris\n", encoding="utf-8")
        assert run(corpus="a.tsv", output=Path("less")).details["warnings"] == []

    def test_a_dictionary_in_other_capitals_is_warned_of(self, folder: Path) -> None:
        Path("a.tsv").write_text(tsv(), encoding="utf-8")
        Path("en-fr.txt").write_text("THE LE\nCAT CHAT\nDOG CHIEN\n2 deux\nblack noir\n", encoding="utf-8")
        console = RecordingConsole()
        run(console, corpus="a.tsv")
        assert len(console.warned) == 1
        assert "9 words of the first lines are in it if case is ignored, but only 3 as they are" in console.warned[0]
        console = RecordingConsole()
        run(console, corpus="a.tsv", fold_case=True, output=Path("folded"))
        assert console.warned == []

    def test_a_dictionary_in_another_form_and_the_way_it_was_read_are_in_the_statistics(self, folder: Path) -> None:
        Path("a.tsv").write_text(tsv(), encoding="utf-8")
        Path("en-fr.txt").write_text("the,le,la\ncat,chat\ndog,chien\nblack,noir\n", encoding="utf-8")
        result = run(corpus="a.tsv")
        assert pairs_of(result) == EXPECTED
        counted = json.loads((result.path / "statistics.json").read_text())["languages"]["fr"]["aligner"]
        assert counted["read as"] == {"en-fr.txt": "columns separated by commas, several translations in a line"}

    def test_text_that_is_not_cut_is_warned_of(self, folder: Path) -> None:
        Path("a.tsv").write_text(tsv([("we should go to sleep", "我该去睡觉了。")] * 9 + [("cat", "chat")]))
        console = RecordingConsole()
        result = run(console, corpus="a.tsv")
        assert console.warned == result.details["warnings"]
        assert "a.tsv: the fr side seems not to be cut into words: 9 of the first 10 lines" in console.warned[0]

    @pytest.mark.parametrize("normalise", ["nfc", "none"])
    def test_text_stays_as_it_is_whatever_is_looked_up(self, normalise: str, folder: Path) -> None:
        sentences = [("the cat", "le chat"), ("sleep\u00ading dog", "chie\u0301n dormant")]
        Path("a.tsv").write_text(tsv(sentences), encoding="utf-8")
        Path("en-fr.txt").write_text("the le\nsleeping dormant\ndog chién\n", encoding="utf-8")
        found = pairs_of(run(corpus="a.tsv", normalise=normalise))
        looked_up = [Pair(["sleep\u00ading", "dog"], ["chie\u0301n", "dormant"], [(0, 1), (1, 0)])]
        assert found == [Pair(["the", "cat"], ["le", "chat"], [(0, 0)])] + (looked_up if normalise == "nfc" else [])

    def test_dry_run_names_the_inputs_and_writes_nothing(self, folder: Path) -> None:
        Path("a.tsv").write_text(tsv(), encoding="utf-8")
        result = run(corpus="a.tsv", dry_run=True, pharaoh=Path("links"))
        assert result.status == "planned"
        assert result.details["corpora"] == {"en-fr": ["a.tsv"]}
        assert result.details["pharaoh"] == ["links/en-fr.pharaoh"]
        assert sorted(path.name for path in folder.iterdir()) == ["a.tsv", "en-fr.txt"]


class TestPharaohAligner:
    """Links made elsewhere."""

    @pytest.fixture(autouse=True)
    def corpus(self, folder: Path) -> None:
        Path("a.tsv").write_text(tsv(SENTENCES * 100), encoding="utf-8")

    def run(self, lines: list[str], console: Console | None = None, **settings: object) -> Result:
        Path("en-fr.links").write_text("".join(f"{line}\n" for line in lines))
        return run(console, aligner="pharaoh", links="{source}-{target}.links", corpus="a.tsv", **settings)

    def test_line_k_belongs_to_line_k_of_the_corpus(self) -> None:
        result = self.run(["0-0 1-1", "1-2", "0-0", "0-0"] * 100, max_lines=4)
        assert [(pair.source[0], pair.links) for pair in pairs_of(result)] == [
            ("the", [(0, 0), (1, 1)]),
            ("a", [(1, 2)]),
            ("zebra", [(0, 0)]),
        ]

    def test_bad_links_are_counted_and_skipped(self) -> None:
        lines = ["0-0 1-1", "1-2", "0-0", "1-1"] * 100
        lines[0], lines[5] = "0-0 9-9", "1_2"
        console = RecordingConsole()
        counted = json.loads((self.run(lines, console).path / "statistics.json").read_text())["languages"]["fr"]
        assert counted["dropped"]["malformed links"] == 2
        assert counted["kept"] == 398
        assert counted["files"]["en-fr.links"]["first malformed"] == [
            {"line": 1, "why": "9-9 is outside a pair of 2 and 2 words, as --words blank cuts them"},
            {"line": 6, "why": "'1_2' is no link like 3-4"},
        ]
        assert "en-fr.links: 2 of 400 lines" in console.warned[0]

    @pytest.mark.parametrize(
        ("lines", "complaint"),
        [
            (["0-0"] * 399, "en-fr.links: has 399 lines, fewer than the corpus"),
            (["0-0"] * 401, "en-fr.links: goes on after line 400"),
            (["0-0"] * 390 + ["x"] * 10, r"en-fr.links, line 391: 10 of 400 lines are malformed, more than 1%"),
        ],
    )
    def test_a_file_that_does_not_fit_is_refused(self, lines: list[str], complaint: str) -> None:
        with pytest.raises(DataError, match=complaint):
            self.run(lines)

    def test_links_written_by_one_run_are_read_by_the_next_under_the_same_word_rule(self) -> None:
        Path("a.tsv").write_text(tsv([("the cat's dog.", "le chien, chat"), ("the cat", "le chat")] * 50))
        first = run(corpus="a.tsv", pharaoh=Path("links"))
        links = {"aligner": "pharaoh", "links": "links/{source}-{target}.pharaoh", "corpus": "a.tsv"}
        console = RecordingConsole()
        second = run(console, **links, words="unicode", output=Path("again"))
        assert pairs_of(first) == pairs_of(second)
        assert console.warned == []  # they name words that blanks do not find
        with pytest.raises(DataError, match=r"is outside a pair of 3 and 3 words, as --words blank cuts them"):
            run(**links, output=Path("other"))

    def test_ready_links_count_what_is_between_blanks_unless_told_otherwise(self) -> None:
        Path("a.tsv").write_text(tsv([("the U.S. cat ' s", "le chat de\u00a0là")] * 3 + [("the cat", "le chat")] * 2))
        lines = ["0-0 2-1"] * 3 + ["0-0 1-1"] * 2
        result = self.run(lines)
        assert pairs_of(result)[0] == Pair(
            ["the", "U.S.", "cat", "'", "s"], ["le", "chat", "de\u00a0là"], [(0, 0), (2, 1)]
        )
        assert result.record is not None
        assert result.record.settings["words"] == "blank"
        console = RecordingConsole()
        said = self.run(lines, console, words="unicode", output=Path("unicode")).details["warnings"]
        assert said == console.warned
        assert "fr: --words unicode finds another number of words than there are between blanks in 3 of 5 li" in said[0]

    @pytest.mark.parametrize("workers", [1, 2])
    def test_links_that_count_from_1_are_refused_and_the_guess_is_named(self, workers: int) -> None:
        lines = ["", "1-2 3-1", "1-1", "2-2"] * 100
        complaint = r"en-fr\.links, line 2: its links seem to count words from 1.* 3-1 names the word after the last"
        with pytest.raises(DataError, match=complaint):
            self.run(lines, workers=workers)
        assert not Path("pairs").exists()

    def test_links_that_may_count_from_0_are_not_taken_for_others(self) -> None:
        assert self.run(["1-1", "1-2", "", "1-1"] * 100).status == "made"  # no word 0, but none after the last either
        lines = ["0-0 1-1", "1-2", "0-0", "1-1"] * 100
        lines[0] = "0-0 2-2"  # the word after the last, but there is a word 0: a mistake in the line
        console = RecordingConsole()
        assert self.run(lines, console, output=Path("mistake")).status == "made"
        assert "1 of 400 lines are malformed and skipped: line 1 (2-2 is outside" in console.warned[0]

    def test_gzipped_links_with_scores_and_possible_links(self) -> None:
        expected = pairs_of(self.run(["0-0 1-1", "1-2", "0-0", "1-1"] * 100))
        content = "0-0:0.5 1p1\r\n1-2:1\r\n0-0\r\n1-1:0\r\n" * 100
        Path("en-fr.links.gz").write_bytes(gzip.compress(content.encode()))
        result = run(aligner="pharaoh", links="en-fr.links.gz", corpus="a.tsv", output=Path("packed"))
        assert pairs_of(result) == expected
        Path("en-fr.links.gz").write_bytes(gzip.compress(content.encode())[:-9])
        with pytest.raises(DataError, match=r"en-fr\.links\.gz: cannot be unpacked"):
            run(aligner="pharaoh", links="en-fr.links.gz", corpus="a.tsv", output=Path("damaged"))


class TestShiftedFiles:
    """Two files of which one lacks a line."""

    NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    NOMBRES = ("nul", "un", "deux", "trois", "quatre", "cinq", "six_", "sept", "huit", "neuf")

    @pytest.fixture
    def sides(self, folder: Path) -> tuple[list[str], list[str]]:
        """Every line begins alike and ends in words of its own."""
        entries = zip(("the", *self.NUMBERS), ("le", *self.NOMBRES), strict=True)
        Path("en-fr.txt").write_text("".join(f"{s} {t}\n" for s, t in entries))
        digits = [[int(d) for d in f"{n * 7919 % 1000:03d}"] for n in range(20_000)]
        english = [" ".join(["the", *(self.NUMBERS[d] for d in line)]) for line in digits]
        return english, [" ".join(["le", *(self.NOMBRES[d] for d in line)]) for line in digits]

    def write(self, english: list[str], french: list[str]) -> None:
        for code, lines in (("en", english), ("fr", french)):
            Path(f"a.{code}").write_text("\n".join(lines))

    @pytest.mark.parametrize("workers", [1, 2])
    @pytest.mark.parametrize(("start", "end"), [(0, 20_000), (10_300, 10_700), (19_500, 20_000)])
    @pytest.mark.parametrize("shift", [1, -2])
    def test_are_refused(
        self, sides: tuple[list[str], list[str]], workers: int, start: int, end: int, shift: int
    ) -> None:
        english, french = sides
        if shift > 0:
            french = french[:start] + french[start + shift : end] + ["nul"] * shift + french[end:]
        else:
            french = french[:start] + ["nul"] * -shift + french[start : end + shift] + french[end:]
        self.write(english, french)
        with pytest.raises(
            DataError, match=r"a\.en and a\.fr, line \d+: the two files are shifted: 12\d lines"
        ) as caught:
            run(corpus="a.{language}", workers=workers)
        here, there = (int(number) for number in re.findall(r"line (\d+)", str(caught.value)))
        assert here - there == shift
        assert start - 128 < here <= end

    def test_right_ones_are_not(self, sides: tuple[list[str], list[str]]) -> None:
        self.write(*sides)
        assert run(corpus="a.{language}").details["languages"]["fr"]["kept"] == 20_000
        self.write(["the cat"] * 500, ["le chat"] * 500)
        assert run(corpus="a.{language}", output=Path("equal")).status == "made"
        self.write(["the one", "the two"], ["le deux", "le un"])
        assert run(corpus="a.{language}", output=Path("short")).status == "made"


class TestRefused:
    """Bad input: the sentence, the place and the exit code."""

    def refuse(self, code: int, complaint: str, **settings: object) -> None:
        with pytest.raises(AlignFreezeError, match=complaint) as caught:
            run(**settings)
        assert caught.value.exit_code == code
        assert not Path("pairs").exists()

    @pytest.mark.parametrize("content", ["", "\n\n \n"])
    def test_an_empty_corpus(self, content: str, folder: Path) -> None:
        Path("a.tsv").write_text(content)
        self.refuse(3, r"a\.tsv: is empty", corpus="a.tsv")

    @pytest.mark.parametrize(
        ("content", "kind"),
        [
            (bytes(range(256)) * 10, "a binary file"),
            ("a\tb\n".encode("utf-16-le"), "a binary file"),
            (b"PK\x03\x04" + b"a\tb\n" * 9, "a zip archive"),
        ],
    )
    def test_a_binary_file(self, content: bytes, kind: str, folder: Path) -> None:
        Path("a.tsv").write_bytes(content)
        self.refuse(3, rf"a\.tsv: is {kind}", corpus="a.tsv")

    def test_text_in_another_encoding(self, folder: Path) -> None:
        Path("a.tsv").write_bytes("été\tété\n".encode("latin-1") * 20)
        self.refuse(3, r"a\.tsv, line 1: 20 of 20 lines are malformed.*not UTF-8", corpus="a.tsv")

    def test_more_than_one_percent_malformed(self, folder: Path) -> None:
        Path("a.tsv").write_text("the cat\tle chat\n" * 98 + "no tab\n" * 1 + "the cat\tle chat\n")
        assert run(corpus="a.tsv", output=Path("fine")).status == "made"
        Path("b.tsv").write_text("the cat\tle chat\n" * 98 + "no tab\n" * 2)
        self.refuse(3, r"b\.tsv, line 99: 2 of 100 lines are malformed, more than 1%", corpus=("a.tsv", "b.tsv"))

    def test_a_dictionary_in_the_wrong_direction(self, folder: Path) -> None:
        Path("a.tsv").write_text(tsv(), encoding="utf-8")
        Path("en-fr.txt").write_text("chat cat\nchien dog\nle the\n", encoding="utf-8")
        self.refuse(3, r"en-fr\.txt: looks like the fr-en dictionary, but the en-fr one is needed", corpus="a.tsv")
        Path("en-fr.txt").write_text(DICTIONARY, encoding="utf-8")
        Path("fr-en.txt").write_text("cat chat\ndog chien\n", encoding="utf-8")
        self.refuse(3, r"fr-en\.txt: looks like the en-fr dictionary", corpus="a.tsv")

    def test_the_published_copy_under_the_reverse_name_is_accepted(self, folder: Path) -> None:
        Path("a.tsv").write_text(tsv(), encoding="utf-8")
        Path("fr-en.txt").write_text(DICTIONARY, encoding="utf-8")
        console = RecordingConsole()
        assert pairs_of(run(console, corpus="a.tsv")) == EXPECTED
        assert console.said == ["en-fr: the reverse dictionary is a copy of en-fr.txt, as in the paper's runs"]

    def test_the_published_reverse_dictionary_is_the_forward_file_even_if_there_is_another(self, folder: Path) -> None:
        # The published download script fetched the forward file under both names; read the other way round, its words
        # of the target language count as words of the source, so an untranslated word can link to what translates it.
        Path("a.tsv").write_text("the chat sleeps\tle cat dort\n", encoding="utf-8")
        Path("en-fr.txt").write_text("cat chat\nthe le\n", encoding="utf-8")
        Path("fr-en.txt").write_text("chien dog\nle the\n", encoding="utf-8")
        own = pairs_of(run(corpus="a.tsv", output=Path("own")))
        published = pairs_of(run(corpus="a.tsv", output=Path("published"), reverse_dictionary="published"))
        Path("fr-en.txt").write_bytes(Path("en-fr.txt").read_bytes())
        assert published == pairs_of(run(corpus="a.tsv", output=Path("copied"))) != own

    def test_no_usable_pair_at_all(self, folder: Path) -> None:
        Path("a.tsv").write_text("zebra\tzèbre\n", encoding="utf-8")
        self.refuse(3, "No usable pair in 1 lines", corpus="a.tsv")

    def test_only_empty_corpora(self, folder: Path) -> None:
        Path("a.tsv").write_text("\n")
        pq.write_table(pa.table({"en": pa.array([], pa.string()), "fr": pa.array([], pa.string())}), "b.parquet")
        self.refuse(3, r"a\.tsv and b\.parquet: is empty", corpus=("a.tsv", "b.parquet"))

    @pytest.mark.parametrize("aligner", ["dictionary", "pharaoh"])
    @pytest.mark.parametrize("enough", [True, False])
    def test_a_second_corpus_with_its_sides_swapped(self, aligner: str, enough: bool, folder: Path) -> None:
        pairs = SENTENCES[: None if enough else 1]
        Path("a.tsv").write_text(tsv(pairs), encoding="utf-8")
        Path("b.tsv").write_text(tsv([(t, s) for s, t in SENTENCES]), encoding="utf-8")
        Path("c.links").write_text("0-0\n" * (len(pairs) + len(SENTENCES)))
        settings = {} if aligner == "dictionary" else {"aligner": "pharaoh", "links": "c.links"}
        if enough:
            self.refuse(
                3, r"b\.tsv: seems to have fr on the side of en: \d+ words", corpus=("a.tsv", "b.tsv"), **settings
            )
        elif aligner == "dictionary":
            self.refuse(3, r"en-fr\.txt: looks like the fr-en dictionary", corpus=("a.tsv", "b.tsv"))

    def test_two_files_of_different_length(self, folder: Path) -> None:
        Path("a.en").write_text("the cat\nthe dog\n")
        Path("a.fr").write_text("le chat\n")
        self.refuse(3, r"a\.fr: has only 1 lines, but a\.en goes on", corpus="a.{language}")

    def test_files_of_other_kinds(self, folder: Path) -> None:
        Path("a.txt").write_text("no separator\n")
        self.refuse(3, r"a\.txt: is neither TSV .* nor lines of", corpus="a.txt")
        Path("a.parquet").write_text("PAR1")
        self.refuse(3, r"a\.parquet: cannot be read as Parquet", corpus="a.parquet")
        pq.write_table(pa.table({"text": ["the cat"]}), "b.parquet")
        self.refuse(3, r"b\.parquet: has the columns text; needed are", corpus="b.parquet")
        pq.write_table(pa.table({"translation": [{"en": "the cat", "de": "x"}]}), "c.parquet")
        self.refuse(3, r"c\.parquet: its column translation holds en, de, not en and fr", corpus="c.parquet")
        self.refuse(3, r"d\.tsv: no such corpus file", corpus="d.tsv")
        Path("e.tsv.gz").write_bytes(gzip.compress(b"the cat\tle chat" * 99, mtime=0)[:-9])
        self.refuse(3, r"e\.tsv\.gz: cannot be unpacked", corpus="e.tsv.gz")

    @pytest.mark.parametrize(
        ("settings", "complaint"),
        [
            ({"target": ("en", "de")}, "--target holds the source language en"),
            ({"target": ("de", "de")}, "--target names de twice"),
            ({"target": ("german",)}, "must hold language codes"),
            ({"target": ("de", "fr"), "corpus": ("a.tsv",)}, r"a\.tsv is the same for 2 languages"),
            ({"corpus": ("{lang}.tsv",)}, r"has an unknown \{lang\}"),
            ({"aligner": "pharaoh"}, "needs --links"),
            ({"links": "x"}, "goes with --aligner pharaoh"),
            ({"aligner": "pharao"}, "did you mean 'pharaoh'"),
            ({"normalise": "none", "aligner": "pharaoh", "links": "x"}, "--normalise goes with --aligner dictionary"),
            ({"words": "indic"}, "must be one of unicode, published, blank"),
            ({"workers": 0}, "must be at least 1"),
        ],
    )
    def test_settings_that_make_no_sense_are_refused(self, settings: dict[str, object], complaint: str) -> None:
        with pytest.raises(SettingsError, match=complaint):
            AlignPairsSettings(**settings)  # type: ignore[arg-type]

    def test_a_language_without_blanks_and_without_a_segmenter(self, folder: Path) -> None:
        Path("a.tsv").write_text(tsv(), encoding="utf-8")
        self.refuse(2, "km is written without blanks.*--words blank", corpus="a.tsv", target=("km",))


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ({}, "unicode"),
        ({"words": "blank"}, "blank"),
        ({"aligner": "pharaoh", "links": "{target}"}, "blank"),
        ({"aligner": "pharaoh", "links": "{target}", "words": "unicode"}, "unicode"),
    ],
)
def test_records_name_the_word_rule_that_was_used(given: dict[str, str], used: str) -> None:
    settings = AlignPairsSettings(**given)  # type: ignore[arg-type]
    assert settings.recorded()["words"] == settings.identity()["words"] == settings.word_rule == used
