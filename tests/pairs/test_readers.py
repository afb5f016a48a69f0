"""Readers: the same sentences from files of every kind, and what is malformed or refused."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from alignfreeze_cli.errors import DataError, SettingsError
from alignfreeze_cli.pairs.chunks import parse_chunk
from alignfreeze_cli.pairs.readers import find_corpora
from alignfreeze_cli.pairs.settings import CorpusSettings

PAIRS = [("The cat, it sleeps", "Le chat dort"), ("“Yes”", "« Oui »"), ("", "rien"), ("Ünïcode 字", "🙂 é")]
TSV = "".join(f"{source}\t{target}\n" for source, target in PAIRS)


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(
    *corpus: str, target: str = "fr", limit: int | None = None, **settings: object
) -> tuple[list[tuple[str, str]], dict[int, str]]:
    """The pairs of corpora and their malformed lines, number → reason."""
    pairs, malformed = [], {}
    corpora, _ = find_corpora(CorpusSettings(target=(target,), corpus=corpus, **settings), target)  # type: ignore[arg-type]
    for each in corpora:
        for chunk in each.chunks(limit):
            parsed = parse_chunk(chunk)
            assert len(parsed.source) == len(parsed.target) == chunk.count
            pairs += list(zip(parsed.source.to_pylist(), parsed.target.to_pylist(), strict=True))
            malformed |= {line.line: line.reason for line in parsed.malformed}
    return pairs, malformed


def refused(complaint: str, *corpus: str, **settings: object) -> None:
    with pytest.raises(DataError, match=complaint):
        read(*corpus, **settings)  # type: ignore[arg-type]


def zstd(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    compressed: bytes = sink.getvalue().to_pybytes()
    return compressed


PACKERS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": zstd}


class TestText:
    """Bytes on the disk → lines of UTF-8."""

    @pytest.mark.parametrize("kind", PACKERS)
    def test_compressed_text_whatever_its_name(self, kind: str) -> None:
        packed = PACKERS[kind](TSV.encode())
        for name in (f"a.tsv.{kind}", "b.tsv"):
            Path(name).write_bytes(packed)
            assert read(name) == (PAIRS, {})
        Path("twice.tsv").write_bytes(packed * 2)  # as `cat` joins them
        assert read("twice.tsv") == (PAIRS * 2, {})

    @pytest.mark.parametrize("kind", PACKERS)
    def test_damaged_archives(self, kind: str) -> None:
        packed = PACKERS[kind]((TSV * 50).encode())
        Path("a.tsv").write_bytes(packed[:-9])
        refused(r"^a\.tsv: cannot be unpacked: ", "a.tsv")

    def test_plain_text_that_begins_as_an_archive_might(self) -> None:
        Path("a.tsv").write_text("BZh is no word\tni ici\n")
        assert read("a.tsv")[0] == [("BZh is no word", "ni ici")]

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_text_with_a_byte_order_mark(self, encoding: str, end: str) -> None:
        Path("a.tsv").write_bytes(TSV.replace("\n", end).encode(encoding))
        assert read("a.tsv") == (PAIRS, {})

    def test_big_endian_and_bad_utf_16(self) -> None:
        half = "\ud83d".encode("utf-16-be", "surrogatepass")
        text = [line.encode("utf-16-be") for line in ("\ufeffa\tb\n", "c\td", "\n")]
        Path("a.tsv").write_bytes(text[0] + text[1] + half + text[2])
        assert read("a.tsv") == ([("a", "b"), ("", "")], {2: "not UTF-8 (byte 0xed at column 4)"})
        Path("b.tsv").write_bytes(text[0] + b"\0")
        refused(r"^b\.tsv: cannot be read as UTF-16: truncated data", "b.tsv")

    def test_utf_16_without_a_mark_and_archives_of_several_files(self) -> None:
        Path("a.tsv").write_bytes(TSV.encode("utf-16-le"))
        refused(r"^a\.tsv: is a binary file, or UTF-16 without a byte-order mark", "a.tsv")
        Path("b.tsv").write_bytes(b"PK\x03\x04" + b"x" * 99)
        refused(r"^b\.tsv: is a zip archive", "b.tsv")

    @pytest.mark.parametrize("line", [3, 9_000, 20_000])
    def test_nul_and_bad_utf_8_make_a_line_malformed_wherever_it_is(self, line: int) -> None:
        lines = [b"the cat\tle chat\n"] * 20_001
        lines[line - 1] = b"the \0cat\tle chat\n"
        lines[line] = b"the cat\tle ch\xe2t\n"
        Path("a.tsv").write_bytes(b"".join(lines))
        pairs, malformed = read("a.tsv")
        assert malformed == {
            line: "a NUL character at column 5",
            line + 1: "not UTF-8 (byte 0xe2 at column 14)",
        }
        assert pairs.count(("the cat", "le chat")) == 19_999

    @pytest.mark.parametrize("name", ["a.tsv", "a.tsv.gz"])
    def test_a_line_without_end_is_not_read_into_memory(self, name: str) -> None:
        content = b"the cat\tle chat\n" + b"x" * (3 << 20)
        Path(name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
        refused(r", line 2: is longer than 1 MiB", name)

    @pytest.mark.parametrize("content", [TSV.encode(), PACKERS["xz"](TSV.encode())])
    def test_a_pipe_is_the_same_input_as_a_file(self, content: bytes) -> None:
        Path("file.tsv").write_bytes(content)
        os.mkfifo("pipe")
        threading.Thread(target=lambda: Path("pipe").write_bytes(content), daemon=True).start()
        settings = CorpusSettings(target=("fr",), corpus=("pipe",))
        (corpus,), piped = find_corpora(settings, "fr")
        assert corpus.place == "pipe"
        assert [parse_chunk(chunk).target.to_pylist() for chunk in corpus.chunks(None)] == [[t for _, t in PAIRS]]
        assert piped.digest == find_corpora(CorpusSettings(target=("fr",), corpus=("file.tsv",)), "fr")[1].digest

    def test_two_pipes_are_both_sides(self) -> None:
        for side, code in enumerate(("en", "fr")):
            os.mkfifo(code)
            text = "".join(f"{pair[side]}\n" for pair in PAIRS)
            threading.Thread(target=Path(code).write_text, args=(text, "utf-8"), daemon=True).start()
        assert read("en::fr") == (PAIRS, {})

    def test_what_is_neither_file_nor_pipe(self) -> None:
        Path("folder.tsv").mkdir()
        refused(r"^folder\.tsv: is neither a file nor a pipe", "folder.tsv")
        refused(r"^/dev/zero: is neither", "/dev/zero")


class TestColumns:
    """More columns than two, or columns with other names."""

    def test_wide_tsv_needs_columns(self) -> None:
        Path("a.tsv").write_text("".join(f"7\t{s}\t{t}\tCC-BY\n" for s, t in PAIRS), encoding="utf-8")
        refused(r"^a\.tsv, line 1: has 4 columns; say which two .* with --columns", "a.tsv")
        assert read("a.tsv", columns=("2", "3")) == (PAIRS, {})
        assert read("a.tsv", columns=("3", "2"))[0] == [(t, s) for s, t in PAIRS]
        refused(r"^a\.tsv, line 1: has only 4 columns, so none 5", "a.tsv", columns=("2", "5"))

    def test_names_in_the_first_line(self) -> None:
        Path("a.tsv").write_text("id\tEnglish\tfrançais\n" + "".join(f"7\t{s}\t{t}\n" for s, t in PAIRS), "utf-8")
        assert read("a.tsv", columns=("English", "français")) == (PAIRS, {})
        assert read("a.tsv", columns=("English", "français"), limit=1) == (PAIRS[:1], {})
        refused(
            "has no column 'French' in its first line, only id, English, français", "a.tsv", columns=("id", "French")
        )

    def test_lines_with_another_number_of_columns_are_malformed(self) -> None:
        Path("a.tsv").write_text("1\ta\tb\n2\tc\n3\te\tf\tg\n\n4\th\ti\n")
        pairs, malformed = read("a.tsv", columns=("2", "3"))
        assert pairs == [("a", "b"), ("", ""), ("", ""), ("", ""), ("h", "i")]
        assert malformed == {2: "2 columns instead of 3", 3: "4 columns instead of 3"}

    def test_a_tab_at_the_end_begins_no_column(self) -> None:
        Path("a.tsv").write_text("a\tb\t\nc\td\t \r\ne\tf\n\tg\t\nh\ti\tj\n")
        pairs, malformed = read("a.tsv")
        assert pairs == [("a", "b"), ("c", "d"), ("e", "f"), ("", "g"), ("", "")]
        assert malformed == {5: "3 columns instead of 2"}

    def test_bars(self) -> None:
        Path("a.txt").write_text("0.9 ||| a ||| b\n0.8 ||| c ||| d\n")
        assert read("a.txt", columns=("2", "3"))[0] == [(" a ", " b"), (" c ", " d")]

    def test_columns_of_two_files(self) -> None:
        with pytest.raises(SettingsError, match="--columns is for files that hold both sides"):
            read("a::b", columns=("1", "2"))

    @pytest.mark.parametrize("columns", [("1",), ("1", "2", "3"), ("a", "a"), ("0", "1")])
    def test_what_columns_can_be(self, columns: tuple[str, ...]) -> None:
        with pytest.raises(SettingsError, match="--columns"):
            CorpusSettings(columns=columns)


class TestCsv:
    """Quotes, separators, names."""

    def write(self, text: str, name: str = "a.csv") -> None:
        Path(name).write_text(text, encoding="utf-8", newline="")

    @pytest.mark.parametrize("separator", [",", ";", "\t"])
    @pytest.mark.parametrize("names", [("en", "fr"), ("fr_FR", "en-US"), ("target", "source"), ("id", "en", "fra")])
    def test_names_say_which_side_is_where(self, separator: str, names: tuple[str, ...]) -> None:
        columns = {"en": 0, "en-US": 0, "source": 0, "fr": 1, "fr_FR": 1, "fra": 1, "target": 1, "id": None}
        rows = [["x" if columns[name] is None else pair[columns[name]] for name in names] for pair in PAIRS]  # type: ignore[index]
        lines = [separator.join(f'"{text}"' for text in row) for row in [list(names), *rows]]
        self.write("\r\n".join(lines))
        assert read("a.csv") == (PAIRS, {})

    def test_quotes_may_hold_quotes_separators_and_line_ends(self) -> None:
        self.write('en,fr\n"She said ""no"", twice","Elle a dit\nnon"\n\nyes,oui\n')
        assert read("a.csv")[0] == [('She said "no", twice', "Elle a dit\nnon"), ("", ""), ("yes", "oui")]

    def test_without_names(self) -> None:
        self.write("1,yes,oui\n2,no,non\n", "a.data")
        refused(r"^a\.data: has the columns 1, yes, oui; .*--columns", "a.data", corpus_format="csv")
        assert read("a.data", corpus_format="csv", columns=("2", "3"))[0] == [("yes", "oui"), ("no", "non")]
        refused("has only 3 columns, so none 4", "a.data", corpus_format="csv", columns=("2", "4"))

    def test_malformed_rows(self) -> None:
        Path("a.csv").write_bytes(b'en,fr\nyes,oui\nno\n"no"x,non\nb\xe9,b\n"a\0",b\nyes,oui\n')
        pairs, malformed = read("a.csv")
        assert pairs == [("yes", "oui"), *[("", "")] * 4, ("yes", "oui")]
        assert malformed == {
            3: "1 columns instead of 2",
            4: "no CSV (',' expected after '\"')",
            5: "not UTF-8 (byte 0xe9 at column 2)",
            6: "a NUL character at column 2",
        }

    def test_a_quote_that_does_not_end_swallows_no_lines(self) -> None:
        self.write('en,fr\nyes,oui\n"no,non\n' + "yes,oui\n" * 30_000)
        refused(r"^a\.csv, line 3: a text in quotes begins here that does not end", "a.csv")
        self.write('en,fr\nyes,oui\n"no,non')
        refused(r"^a\.csv, line 3: a text in quotes", "a.csv")


class TestJsonl:
    """Objects, one a line."""

    def write(self, *rows: object, name: str = "a.jsonl") -> None:
        Path(name).write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")

    @pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.ndjson", "a.txt"])
    @pytest.mark.parametrize("keys", [("en", "fr"), ("eng", "fr-FR"), ("source", "target")])
    @pytest.mark.parametrize("nested", [False, True])
    def test_plain_and_nested(self, name: str, keys: tuple[str, str], nested: bool) -> None:
        rows = [dict(zip(keys, pair, strict=True)) for pair in PAIRS]
        if nested and keys[0] == "source":
            return
        self.write(*({"id": "7", "translation": row} if nested else row | {"id": 7} for row in rows), name=name)
        assert read(name) == (PAIRS, {})

    def test_other_keys(self) -> None:
        self.write(*({"text": {"a": source}, "b.c": target} for source, target in PAIRS))
        refused(r"^a\.jsonl: has the columns text\.a, b\.c; needed are", "a.jsonl")
        assert read("a.jsonl", columns=("text.a", "b.c")) == (PAIRS, {})
        refused(r"has no column of text 'text'; it has text\.a, b\.c", "a.jsonl", columns=("text", "b.c"))

    def test_malformed_lines(self) -> None:
        good = b'{"en": "yes", "fr": "oui"}\n'
        bad = [
            b'{"en": "yes", "fr": "oui"\n',
            b'{"en": "yes"}\n',
            b'{"en": "yes", "fr": 7}\n',
            b'{"en": "yes", "fr": "\\u0000"}\n',
            b'{"en": "yes", "fr": "\\ud83d"}\n',
            b'{"en": "yes", "fr": "\xe9"}\n',
            b"[" * 100_000 + b"\n",
            b"7\n",
            b'{"en": "yes", "fr": null}\n',
            b"\n",
        ]
        Path("a.jsonl").write_bytes(good + b"".join(bad) + good)
        pairs, malformed = read("a.jsonl")
        assert pairs == [("yes", "oui"), *[("", "")] * 8, ("yes", ""), ("", ""), ("yes", "oui")]
        assert list(malformed) == [2, 3, 4, 5, 6, 7, 8, 9]
        assert [malformed[line] for line in (3, 4, 5, 6, 8, 9)] == [
            "has no `fr`",
            "`fr` is no text",
            "a NUL character at column 1",
            "not UTF-8 (byte 0xed at column 1)",
            "too many brackets inside each other",
            "has no `en`",
        ]

    def test_one_list_is_no_jsonl(self) -> None:
        self.write([{"en": "yes", "fr": "oui"}], name="a.json")
        refused(r"^a\.json: is one JSON list; needed is an object on each line", "a.json")


TMX = """<?xml version="1.0" encoding="{encoding}"?>
<!DOCTYPE tmx SYSTEM "tmx14.dtd">
<tmx version="1.4"><header/><body>
{units}
</body></tmx>
"""


def unit(**texts: str) -> str:
    variants = "".join(
        f'<tuv xml:lang="{code.replace("_", "-")}"><seg>{text}</seg></tuv>' for code, text in texts.items()
    )
    return f"<tu>{variants}</tu>"


class TestTmx:
    """Translation memories."""

    def write(self, *units: str, encoding: str = "UTF-8") -> None:
        Path("a.tmx").write_bytes(TMX.format(encoding=encoding, units="\n".join(units)).encode(encoding))

    @pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16"])
    @pytest.mark.parametrize(("source", "target"), [("en", "fr"), ("en_US", "FR"), ("eng", "fr_CA")])
    def test_units_in_both_languages(self, encoding: str, source: str, target: str) -> None:
        units = [unit(**{target: t, "de": "x", source: s}) for s, t in PAIRS]
        self.write(unit(en="alone"), *units, unit(de="x", fr="y"), encoding=encoding)
        assert read("a.tmx") == (PAIRS, {})
        assert read("a.tmx", limit=2) == (PAIRS[:2], {})

    def test_many(self) -> None:
        self.write(*(unit(en=f"a{n}", fr=f"b{n}") for n in range(20_000)))
        assert read("a.tmx")[0] == [(f"a{n}", f"b{n}") for n in range(20_000)]

    def test_codes_in_a_segment_are_no_text(self) -> None:
        self.write(
            unit(en='<bpt i="1">&lt;b&gt;</bpt>fat<ept i="1">&lt;/b&gt;</ept> <hi>cat</hi> &amp; dog', fr="chat")
        )
        assert read("a.tmx")[0] == [("fat cat & dog", "chat")]

    def test_other_languages(self) -> None:
        self.write(unit(en="yes", de="ja"), unit(en="no", it="no"))
        refused(r"^a\.tmx: has no unit in both en and fr, only in de, en, it; .*--columns", "a.tmx")
        assert read("a.tmx", columns=("de", "en"))[0] == [("ja", "yes")]
        self.write(unit(en="yes", fr_FR="oui", fr_CA="ouais"))
        refused(r"^a\.tmx: holds fr-FR and fr-CA, which are both fr", "a.tmx")

    def test_entities_are_refused_before_they_grow(self) -> None:
        entities = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(20))
        text = TMX.format(encoding="UTF-8", units=unit(en="&e20;", fr="x"))
        Path("a.tmx").write_text(text.replace('"tmx14.dtd">', f'"tmx14.dtd" [<!ENTITY e0 "ha">{entities}]>'))
        refused(r"^a\.tmx, line 2: declares an entity, e0, which is not read", "a.tmx")

    def test_what_is_no_xml(self) -> None:
        self.write(unit(en="a\0b", fr="x"))
        refused(r"^a\.tmx, line 4: is no XML \(not well-formed", "a.tmx")
        self.write("<tu><tuv>")
        refused(r"^a\.tmx, line 5: is no XML \(mismatched tag", "a.tmx")
        Path("a.tmx").write_text("<tmx><body>" + unit(en="yes", fr="oui"))
        refused(r"^a\.tmx, line 1: is no XML \(no element found", "a.tmx")
        self.write(unit(en="x" * (2 << 20), fr="y"))
        refused(r"^a\.tmx, line 4: has a segment without end", "a.tmx")


class TestParquet:
    """Columns of every type that holds text."""

    def write(self, source: pa.Array, target: pa.Array, names: tuple[str, str] = ("en", "fr")) -> None:
        pq.write_table(pa.table([source, target], names=list(names)), "a.parquet")

    @pytest.mark.parametrize(
        "kind",
        [
            pa.string(),
            pa.large_string(),
            pa.string_view(),
            pa.dictionary(pa.int8(), pa.string()),
            pa.dictionary(pa.uint32(), pa.large_string()),
        ],
        ids=str,
    )
    @pytest.mark.parametrize("nested", [False, True])
    def test_types(self, kind: pa.DataType, nested: bool) -> None:
        sides = [pa.array([pair[side] for pair in PAIRS]).cast(kind) for side in (0, 1)]
        if nested:
            pq.write_table(pa.table({"translation": pa.StructArray.from_arrays(sides, ["en", "fr"])}), "a.parquet")
        else:
            self.write(*sides)
        assert read("a.parquet") == (PAIRS, {})

    def test_no_text_is_an_empty_side(self) -> None:
        self.write(pa.array(["yes", None, "no"]), pa.array([None, "oui", "non"]).dictionary_encode())
        assert read("a.parquet") == ([("yes", ""), ("", "oui"), ("no", "non")], {})
        rows = [{"en": "yes", "fr": "oui"}, None, {"en": "no", "fr": None}]
        pq.write_table(pa.table({"translation": rows}), "a.parquet")
        assert read("a.parquet") == ([("yes", "oui"), ("", ""), ("no", "")], {})
        self.write(pa.array(["yes"]), pa.nulls(1))
        assert read("a.parquet") == ([("yes", "")], {})

    def test_bad_text_is_malformed_by_its_row(self) -> None:
        # Put end to end, the halves of a letter in the rows 2 and 3 would be one.
        texts = [b"oui", "é".encode()[:1], "é".encode()[1:], b"no\0n", b"oui"]
        self.write(pa.array(["yes"] * 5), pa.array(texts).view(pa.string()))
        pairs, malformed = read("a.parquet")
        assert pairs == [("yes", "oui"), *[("", "")] * 3, ("yes", "oui")]
        assert malformed == {
            2: "not UTF-8 (byte 0xc3 at column 1)",
            3: "not UTF-8 (byte 0xa9 at column 1)",
            4: "a NUL character at column 3",
        }

    @pytest.mark.parametrize(
        ("target", "name"),
        [
            ("zh", "zh_CN"),
            ("zh", "cmn"),
            ("zh", "zho_Hans"),
            ("zh_CN", "zh"),
            ("he", "iw"),
            ("iw", "he"),
            ("pt_BR", "pt-br"),
        ],
    )
    def test_other_codes_of_the_language(self, target: str, name: str) -> None:
        row = {"ja": "x", "en": "yes", name: "there"}
        pq.write_table(pa.table({"translation": [row]}), "a.parquet")
        assert read("a.parquet", target=target)[0] == [("yes", "there")]
        self.write(pa.array(["yes"]), pa.array(["there"]), ("en", name))
        assert read("a.parquet", target=target)[0] == [("yes", "there")]

    def test_codes_of_others(self) -> None:
        pq.write_table(pa.table({"translation": [{"en": "yes", "zh_CN": "a", "zh_TW": "b"}]}), "a.parquet")
        assert read("a.parquet", target="zh_TW")[0] == [("yes", "b")]
        refused(r"^a\.parquet: holds zh_CN and zh_TW, which are both zh", "a.parquet", target="zh")
        refused(r"its column translation holds en, zh_CN, zh_TW, not en and zh_HK", "a.parquet", target="zh_HK")

    def test_columns_by_name(self) -> None:
        self.write(pa.array(["yes"]), pa.array(["oui"]), ("src", "tgt"))
        refused(r"has the columns src, tgt; needed are .* others can be named with --columns", "a.parquet")
        assert read("a.parquet", columns=("src", "tgt"))[0] == [("yes", "oui")]
        pq.write_table(pa.table({"text": [{"a": "yes", "b": "oui"}], "n": [1]}), "a.parquet")
        assert read("a.parquet", columns=("text.a", "text.b"))[0] == [("yes", "oui")]
        refused(r"has no column of text 'n'; it has text\.a, text\.b", "a.parquet", columns=("n", "text.b"))

    def test_from_a_pipe_without_a_name(self) -> None:
        self.write(pa.array(["yes"]), pa.array(["oui"]))
        content = Path("a.parquet").read_bytes()
        os.mkfifo("pipe")
        threading.Thread(target=lambda: Path("pipe").write_bytes(content), daemon=True).start()
        assert read("pipe") == ([("yes", "oui")], {})
