"""The step align-pairs: pairs that are left out as a whole (`--filter`, `--keep-best`)."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from alignfreeze_cli.aligners.selection import select
from alignfreeze_cli.aligners.settings import AlignPairsSettings
from alignfreeze_cli.artifacts import Result
from alignfreeze_cli.errors import ArtifactError, DataError, SettingsError
from alignfreeze_cli.pairs.chunks import Chunk, Layout
from alignfreeze_cli.progress import Console
from tests.steps.test_align_pairs import DICTIONARY, SENTENCES, pairs_of, run, tsv
from tests.support.console import RecordingConsole
from tests.support.models import SPECIAL, save_bert


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a dictionary, in which the command is run."""
    monkeypatch.chdir(tmp_path)
    Path("en-fr.txt").write_text(DICTIONARY, encoding="utf-8")
    return tmp_path


class TestDuplicates:
    """`--filter duplicates`."""

    def run(self, **settings: object) -> tuple[Result, list[str], dict]:
        console = RecordingConsole()
        result = run(console, filter=("duplicates",), **settings)
        return result, console.said, json.loads((result.path / "statistics.json").read_text())["languages"]["fr"]

    def test_the_first_of_equal_pairs_is_kept(self, folder: Path) -> None:
        """Equal in the words of both sides, in one corpus or two."""
        other = [("the cat", "le chat noir"), ("the  cat ", " le chat"), ("a black dog", "un chien noir")]
        Path("a.tsv").write_text(tsv([*SENTENCES, *other]), encoding="utf-8")
        Path("b.tsv").write_text(tsv([("the dog", "le chien"), *SENTENCES]), encoding="utf-8")
        result, said, counted = self.run(corpus=("a.tsv", "b.tsv"), pharaoh=Path("links"))
        assert [" ".join(pair.source + pair.target) for pair in pairs_of(result)] == [
            "the cat le chat",
            "a black dog un chien noir",
            "the cat le chat noir",
            "the dog le chien",
        ]
        assert said[-1] == "en-fr: pairs left out: 4 by duplicates."
        assert counted["kept"] == 4
        assert counted["dropped"]["duplicate pair"] == 4
        assert sum(counted["dropped"].values()) + counted["kept"] == counted["lines"]
        assert counted["links"]["kept"] == sum(len(pair.links) for pair in pairs_of(result))
        assert counted["links"]["found"] == counted["links"]["kept"] + counted["links"]["dropped"]["duplicate pair"]
        assert [file["kept"] for file in counted["files"].values()] == [3, 1]
        assert len(Path("links/en-fr.pharaoh").read_text().split("\n")) == 12 + 1  # the links of all lines

    def test_workers_and_chunks_change_nothing(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        Path("a.tsv").write_text(tsv([(f"the cat {n % 97}", f"le chat {n % 53}") for n in range(20_000)]))
        monkeypatch.setattr("alignfreeze_cli.pairs.text_files.CHUNK", 1_234)
        small, _, _ = self.run(corpus="a.tsv", workers=2)
        monkeypatch.undo()
        monkeypatch.chdir(folder)
        large, _, counted = self.run(corpus="a.tsv", output=Path("large"))
        assert small.record is not None
        assert large.record is not None
        assert small.record.digest == large.record.digest
        assert counted["kept"] == 97 * 53
        assert counted["dropped"]["duplicate pair"] == 20_000 - 97 * 53


class TestTextFilters:
    """`--filter length-ratio` and `--filter language`."""

    PAIRS = (
        ("the cat sleeps on the old sofa", "le chat dort sur le vieux canapé"),
        ("the dog", "le chien dort toujours dans la grande maison noire"),  # 2 words and 9
        ("the dog eats the white bread", "chien the dog eats the white bread"),
        ("the house is black and the cat is too", "das Haus ist schwarz und die Katze ist es auch, chat"),
        ("the cat", "le chat"),  # short, but no other language is likely
        ("black", "noir 2 2 2"),
    )

    def run(self, *filters: str, **settings: object) -> tuple[Result, list[str], dict]:
        Path("a.tsv").write_text(tsv([*self.PAIRS]), encoding="utf-8")
        console = RecordingConsole()
        result = run(console, corpus="a.tsv", filter=filters, **settings)
        return result, console.said, json.loads((result.path / "statistics.json").read_text())["languages"]["fr"]

    def kept(self, result: Result) -> set[int]:
        return {[source.split() for source, _ in self.PAIRS].index(pair.source) for pair in pairs_of(result)}

    def test_what_each_leaves_out_is_counted_and_said(self, folder: Path) -> None:
        result, said, counted = self.run("length-ratio", "language", pharaoh=Path("links"))
        assert self.kept(result) == {0, 4}
        assert said[-1] == "en-fr: pairs left out: 2 by length-ratio and 2 by language."
        assert counted["dropped"]["unequal lengths"] == 2
        assert counted["dropped"]["another language"] == 2
        assert sum(counted["dropped"].values()) + counted["kept"] == counted["lines"] == len(self.PAIRS)
        assert counted["words"]["source"] == 7 + 2  # of the sentences that were aligned
        links = Path("links/en-fr.pharaoh").read_text().split("\n")
        assert [bool(line) for line in links] == [True, False, False, False, True, False, False]
        assert result.details["languages"]["fr"]["left out"] == {"length-ratio": 2, "language": 2}
        card = (result.path / "README.md").read_text()
        assert re.search(r"\| French \| 2 \| 2 \|", card)

    def test_the_ratio_may_be_another(self, folder: Path) -> None:
        assert self.kept(self.run("length-ratio")[0]) == {0, 2, 3, 4}
        assert self.kept(self.run("length-ratio", max_length_ratio=4.5, output=Path("b"))[0]) == {0, 1, 2, 3, 4, 5}
        assert self.kept(self.run("length-ratio", max_length_ratio=1.0, output=Path("c"))[0]) == {0, 4}

    def test_workers_change_nothing(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("alignfreeze_cli.pairs.text_files.CHUNK", 2)
        one, two = (self.run("language", workers=n, output=Path(f"w{n}"))[0].record for n in (1, 2))
        assert one is not None
        assert two is not None
        assert one.digest == two.digest

    def test_links_of_what_is_left_out_are_not_malformed(self, folder: Path) -> None:
        Path("links.txt").write_text("0-0\n0-8\n" + "0-0\n" * 4)
        result, _, counted = self.run("length-ratio", aligner="pharaoh", links="links.txt")
        assert self.kept(result) == {0, 2, 3, 4}
        assert counted["dropped"]["malformed links"] == 0
        assert counted["dropped"]["unequal lengths"] == 2

    def test_without_a_filter_the_record_is_as_before(self, folder: Path) -> None:
        without, with_filter = self.run()[0].record, self.run("length-ratio", output=Path("b"))[0].record
        assert without is not None
        assert with_filter is not None
        assert "max-length-ratio" not in without.settings
        assert with_filter.settings["max-length-ratio"] == 3.0


class TestKeepBest:
    """`--keep-best` by a column of scores."""

    ROWS = (
        ("the cat", "le chat", 0.9),
        ("the dog", "le chien", -1.5),
        ("a cat", "un chat", 0.25),
        ("", "la", None),
        ("black dog", "chien noir", 0.25),
        ("the black cat", "le chat noir", 1e-3),
        ("zebra", "zèbre", 5),
    )

    def write(self, form: str) -> dict[str, object]:
        """The rows in a file, and the settings that read it."""
        texts = [[source, target, "" if score is None else str(score)] for source, target, score in self.ROWS]
        Path("a.tsv").write_text("".join("\t".join(row) + "\n" for row in texts), encoding="utf-8")
        Path("a.bars").write_text("".join(" ||| ".join(row) + "\n" for row in texts), encoding="utf-8")
        Path("named.tsv").write_text("qe\tfr\ten\n" + "".join("\t".join(row[::-1]) + "\n" for row in texts))
        Path("a.csv").write_text("en,fr,qe\n" + "".join(",".join(row) + "\n" for row in texts), encoding="utf-8")
        Path("numbers.csv").write_text("".join(",".join(row) + "\n" for row in texts), encoding="utf-8")
        objects = [{"translation": {"en": s, "fr": t}, "qe": {"da": score}} for s, t, score in self.ROWS]
        Path("a.jsonl").write_text("".join(json.dumps(each) + "\n" for each in objects), encoding="utf-8")
        source, target, scores = zip(*self.ROWS, strict=True)
        pq.write_table(pa.table({"en": source, "fr": target, "qe": pa.array(scores, pa.float64())}), "a.parquet")
        pq.write_table(pa.table({"en": source, "fr": target, "qe": [str(each) for each in scores]}), "text.parquet")
        column = {"tsv": "3", "bars": "3", "numbers.csv": "3", "jsonl": "qe.da"}.get(form, "qe")
        columns = {"tsv": ("1", "2"), "bars": ("1", "2"), "numbers.csv": ("1", "2"), "named.tsv": ("en", "fr")}
        name = form if "." in form else f"a.{form}"
        return {"corpus": name, "score_column": column, "columns": columns.get(form, ())}

    @pytest.mark.parametrize(
        "form", ["tsv", "bars", "named.tsv", "csv", "numbers.csv", "jsonl", "parquet", "text.parquet"]
    )
    def test_every_format_with_columns(self, form: str, folder: Path) -> None:
        console = RecordingConsole()
        # Of six pairs with a score half is three, but the third and the fourth are equal.
        result = run(console, keep_best=0.5, **self.write(form))
        assert [" ".join(pair.source) for pair in pairs_of(result)] == ["the cat", "a cat", "black dog"]
        counted = json.loads((result.path / "statistics.json").read_text())["languages"]["fr"]
        assert counted["dropped"]["not among the best"] == 2
        assert counted["dropped"]["empty side"] == 1
        assert counted["dropped"]["no link found"] == 1  # the zebra
        assert counted["least scores"] == {"keep-best": 0.25}
        assert console.said[-1] == "en-fr: pairs left out: 2 by keep-best."
        assert "| French | 2 |" in (result.path / "README.md").read_text()

    @given(st.lists(st.integers(0, 5), min_size=1, max_size=20), st.floats(0, 1, exclude_min=True), st.integers(1, 7))
    def test_the_share_is_reached_with_as_few_as_can_be(self, scores: list[int], share: float, size: int) -> None:
        text = "".join(f"a\tb\t{score}\n" for score in scores).encode()
        lines = text.splitlines(keepends=True)
        parts = [lines[first : first + size] for first in range(0, len(lines), size)]
        chunks = [Chunk("", 1, len(part), "tsv", (b"".join(part),), Layout(0, 1, 3, 2)) for part in parts]
        settings = AlignPairsSettings(target=("fr",), keep_best=share, score_column="3")
        found = select(chunks, settings, "en-fr", None, Console())
        kept = sorted((score for score, out in zip(scores, found.left_out, strict=True) if not out), reverse=True)
        assert kept == sorted(scores, reverse=True)[: len(kept)]
        assert len(kept) >= share * (len(scores) - 1)
        assert sum(score > kept[-1] for score in kept) < share * (len(scores) - 1) + 1

    def test_what_is_no_score_makes_a_line_malformed(self, folder: Path) -> None:
        bad = ["high", "", "nan", "inf"]
        lines = [f"the cat\tle chat\t{score}\n" for score in [*bad, *["0.5"] * 500]]
        Path("a.tsv").write_text("".join(lines))
        console = RecordingConsole()
        result = run(console, corpus="a.tsv", columns=("1", "2"), score_column="3", keep_best=1.0)
        assert result.details["languages"]["fr"]["kept"] == 500
        assert "line 1 (the score 'high' is no number), line 2 (the score '' is no number)" in console.warned[-1]

    def test_each_language_has_its_own_best_and_workers_change_nothing(self, folder: Path) -> None:
        Path("en-de.txt").write_text("cat Katze\n")
        Path("en-fr.tsv").write_text("".join(f"the cat {n}\tle chat {n}\t{n}\n" for n in range(9_000)))
        Path("en-de.tsv").write_text("".join(f"the cat {n}\tdie Katze {n}\t{-n}\n" for n in range(9_000)))
        settings = {"target": ("fr", "de"), "corpus": "en-{target}.tsv", "columns": ("1", "2"), "score_column": "3"}
        one, two = (run(keep_best=0.25, workers=n, output=Path(f"w{n}"), **settings) for n in (1, 2))
        assert one.record is not None
        assert two.record is not None
        assert one.record.digest == two.record.digest
        assert pairs_of(one, "fr")[0].source[-1] == "6750"
        assert pairs_of(one, "de")[-1].source[-1] == "2249"

    @pytest.mark.parametrize(
        ("name", "settings", "complaint"),
        [
            ("a.tsv", {}, "has only 2 columns, so none with scores"),
            ("a.tsv", {"columns": ("1", "2")}, "has only 2 columns, so none 3"),
            ("b.tsv", {}, "has 3 columns; say which two hold source and target"),
            ("b.tsv", {"columns": ("the cat", "le chat")}, r"has no column '3' in its first line"),
            ("a.csv", {}, r"has no column of scores '3'; it has en, fr"),
            ("a.jsonl", {}, r"has no column of scores '3'; it has en, fr"),
            ("a.parquet", {}, r"has no column of scores '3'; it has en, fr"),
            ("a.tmx", {}, "is a translation memory, which has no column of scores"),
        ],
    )
    def test_scores_that_are_not_there(
        self, name: str, settings: dict[str, object], complaint: str, folder: Path
    ) -> None:
        Path("a.tsv").write_text("the cat\tle chat\n")
        Path("b.tsv").write_text("the cat\tle chat\t0.5\n")
        Path("a.csv").write_text("en,fr\nthe cat,le chat\n")
        Path("a.jsonl").write_text('{"en": "the cat", "fr": "le chat"}\n')
        pq.write_table(pa.table({"en": ["the cat"], "fr": ["le chat"]}), "a.parquet")
        Path("a.tmx").write_text("<tmx/>")
        with pytest.raises(DataError, match=rf"{name}.*: {complaint}"):
            run(corpus=name, score_column="3", keep_best=0.5, **settings)

    def test_scores_beside_two_files(self, folder: Path) -> None:
        for code in ("en", "fr"):
            Path(f"a.{code}").write_text("cat\n")
        with pytest.raises(SettingsError, match="--score-column is for files that hold both"):
            run(corpus="a.{language}", score_column="3", keep_best=1.0)


NUMBERS = ("one un", "two deux", "three trois", "four quatre", "five cinq", "six six6", "seven sept", "nine neuf")


class TestSimilarity:
    """`--filter similarity` and `--keep-best` by an encoder that has one vector for a word and its translation."""

    @pytest.fixture
    def text(self, folder: Path) -> list[tuple[str, str]]:
        """400 pairs; in every fourth one the sides have nothing in common but the linked word."""
        random = np.random.default_rng(0)
        words = [each.split() for each in NUMBERS]
        Path("en-fr.txt").write_text("cat chat\n")
        vocabulary = ["cat", "chat", *(word for pair in words for word in pair)]
        save_bert(Path("bert"), vocabulary)
        weights = load_file("bert/model.safetensors")
        table = weights["embeddings.word_embeddings.weight"]
        for first in range(len(SPECIAL), len(table), 2):
            table[first + 1] = table[first]
        save_file(weights, "bert/model.safetensors", {"format": "pt"})
        orders = random.permutation([*itertools.permutations(range(len(words)), 4)])[:400].tolist()
        pairs = []
        for number, order in enumerate(orders):
            other = [each for each in range(len(words)) if each not in order] if number % 4 == 0 else order
            source, target = ([words[each][side] for each in chosen] for side, chosen in ((0, order), (1, other)))
            pairs.append((" ".join(["cat", *source]), " ".join(["chat", *target])))
        Path("a.tsv").write_text(tsv(pairs))
        return pairs

    def run(self, text: list[tuple[str, str]], **settings: object) -> tuple[set[int], Result]:
        """Numbers of the pairs that were kept, and the result."""
        result = run(corpus="a.tsv", filter_encoder="bert", **settings)
        numbers = {pair: number for number, pair in enumerate(text)}
        return {numbers[" ".join(pair.source), " ".join(pair.target)] for pair in pairs_of(result)}, result

    def test_what_is_no_more_alike_than_unrelated_sentences(self, text: list[tuple[str, str]]) -> None:
        kept, result = self.run(text, filter=("similarity",))
        right = {number for number in range(400) if number % 4}
        assert right <= kept
        assert len(kept - right) < 15  # of 100
        counted = json.loads((result.path / "statistics.json").read_text())["languages"]["fr"]
        assert counted["dropped"]["sides not alike"] == 400 - len(kept)
        card = (result.path / "README.md").read_text()
        assert f"| French | {400 - len(kept)} |" in card
        assert "measured with the encoder `bert`" in card
        assert "--filter-encoder bert" in card
        assert "| filter-encoder" not in card  # a model is no data
        least = counted["least scores"]["similarity"]
        again, _ = self.run(text, filter=("similarity",), min_similarity=least, output=Path("b"))
        assert again == kept
        assert self.run(text, filter=("similarity",), min_similarity=-1.0, output=Path("c"))[0] == {*range(400)}

    def test_the_best_are_those_most_alike(self, text: list[tuple[str, str]]) -> None:
        kept, _ = self.run(text, keep_best=0.75)
        assert kept == {number for number in range(400) if number % 4}
        more = {"filter": ("similarity",), "workers": 2, "device": "cpu"}
        both, _ = self.run(text, keep_best=0.9, output=Path("b"), **more)
        assert kept <= both
        assert len(both) <= 360

    def test_too_few_lines_to_know_unrelated_sentences(self, text: list[tuple[str, str]]) -> None:
        Path("a.tsv").write_text(tsv(text[:90]))
        with pytest.raises(DataError, match="en-fr: has only 90 pairs by which to tell how alike"):
            self.run(text, filter=("similarity",))
        Path("a.tsv").write_text(tsv([text[1]] * 200))
        with pytest.raises(DataError, match="has only 0 pairs"):
            self.run(text, filter=("similarity",))


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"score_column": "3"}, "--score-column goes with --keep-best"),
        ({"keep_best": 0.5}, "--keep-best without --score-column needs --filter-encoder"),
        ({"filter": ("similarity",)}, "--filter similarity needs --filter-encoder"),
        ({"filter_encoder": "m"}, "--filter-encoder goes with --filter similarity, or with --keep-best without"),
        (
            {"filter_encoder": "m", "keep_best": 0.5, "score_column": "3"},
            "--filter-encoder goes with --filter similarity",
        ),
        ({"min_similarity": 0.5}, "--min-similarity goes with --filter similarity"),
        ({"device": "cpu"}, "--device goes with --aligner encoder"),
        ({"device": "cuda:x", "filter": ("similarity",), "filter_encoder": "m"}, "--device must be"),
        ({"max_length_ratio": 2.0}, "--max-length-ratio goes with --filter length-ratio"),
        ({"keep_best": 0.0}, "--keep-best must be above 0"),
        ({"keep_best": 1.5}, "--keep-best must be at most 1"),
    ],
)
def test_settings_that_do_not_go_together(settings: dict[str, object], complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        AlignPairsSettings(target=("fr",), corpus=("a.tsv",), **settings)


def test_an_encoder_that_is_none(folder: Path) -> None:
    Path("a.tsv").write_text(tsv())
    Path("empty").mkdir()
    with pytest.raises(ArtifactError, match=r"empty: is no model folder"):
        run(corpus="a.tsv", filter=("similarity",), filter_encoder="empty")
