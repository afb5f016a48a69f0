"""The dictionary aligner: its rule, its files, and where they are found."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignfreeze_cli.aligners.base import SentencePairs
from alignfreeze_cli.aligners.dictionary import Dictionary, DictionaryAligner
from alignfreeze_cli.aligners.dictionary_files import find_dictionary, read_dictionary
from alignfreeze_cli.errors import DataError, HubError
from alignfreeze_cli.pairs.links import Links, filter_links
from alignfreeze_cli.pairs.words import Words
from tests.support.hubserver import HubServer
from tests.support.plain_rules import dictionary_links, filtered

GOLDEN = Path(__file__).parents[1] / "golden" / "dictionary_cases.json"
WORD = st.sampled_from(["a", "b", "c", "d", "A"])
SENTENCE = st.lists(WORD, max_size=7)


def align(entries: list[tuple[str, str]], source: str, target: str, fold_case: bool = False) -> list[tuple[int, int]]:
    words = (Words.from_lists([sentence.split()]) for sentence in (source, target))
    return Dictionary(entries, fold_case).align(*words).to_lists(1)[0]


ENTRIES = [("the", "le"), ("the", "la"), ("cat", "chat"), ("cats", "chat"), ("big", "grand"), ("house", "maison")]


@pytest.mark.parametrize(
    ("source", "target", "links"),
    [
        ("the cat", "le chat", [(0, 0), (1, 1)]),
        ("big cat", "chat grand", [(0, 1), (1, 0)]),
        ("the house", "la le maison", [(1, 2)]),  # two translations of one word: rule 1
        ("cat", "chat chat", []),  # the translation twice: rule 2
        ("cat cat big", "chat grand", [(2, 1)]),  # the word twice: rule 3
        ("cat cats", "chat", []),  # two words with one translation: rule 3
        ("Cat", "chat", []),  # case counts
        ("zebra", "zèbre", []),
        ("", "chat", []),
        ("cat", "", []),
    ],
)
def test_the_rule(source: str, target: str, links: list[tuple[int, int]]) -> None:
    assert align(ENTRIES, source, target) == links


def test_folding_case_finds_sentence_beginnings_and_counts_folded_words() -> None:
    assert align(ENTRIES, "The CAT", "Le Chat", fold_case=True) == [(0, 0), (1, 1)]
    assert align([("street", "straße")], "Street", "STRASSE", fold_case=True) == [(0, 0)]
    assert align(ENTRIES, "Cat cat", "chat", fold_case=True) == []


@given(
    st.lists(st.tuples(WORD, WORD), max_size=12),
    st.lists(st.tuples(SENTENCE, SENTENCE), max_size=6),
)
def test_a_chunk_is_aligned_as_its_sentences_one_by_one(
    entries: list[tuple[str, str]], pairs: list[tuple[list[str], list[str]]]
) -> None:
    source, target = (Words.from_lists([pair[side] for pair in pairs]) for side in (0, 1))
    found = Dictionary(entries).align(source, target).to_lists(len(pairs))
    assert found == [dictionary_links(entries, s, t) for s, t in pairs]


def test_many_sentences_at_once_do_not_disturb_each_other() -> None:
    entries = [(f"s{n}", f"t{n}") for n in range(5000)]
    source = Words.from_lists([[f"s{n}", f"s{n + 1}"] for n in range(3000)])
    target = Words.from_lists([[f"t{n + 1}", f"t{n + 2}"] for n in range(3000)])
    assert Dictionary(entries).align(source, target).to_lists(3000) == [[(1, 0)]] * 3000


def test_golden_cases_of_the_published_code(tmp_path: Path) -> None:
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    for number, case in enumerate(golden["cases"]):
        files = []
        for side in ("forward", "backward"):
            path = tmp_path / f"{number}.{side}"
            path.write_text("\n".join(case[f"{side}_lines"]), encoding="utf-8")
            files.append(path if usable(path) else None)
        batch = SentencePairs(*(Words.from_lists([case[f"{side}_tokens"]]) for side in ("source", "target")))
        found = DictionaryAligner("en", "fr", *files).align(batch) if any(files) else Links.from_lists([[]])
        assert found.to_lists(1)[0] == [tuple(link) for link in case["links"]], case["name"]
    for case in golden["filter_cases"]:
        source, target = case["source_tokens"], case["target_tokens"]
        links = [tuple(link) for link in case["links_in"]]
        found = filter_links(Words.from_lists([source]), Words.from_lists([target]), Links.from_lists([links])).links
        assert found.to_lists(1)[0] == [tuple(link) for link in case["links"]] == filtered(links, source, target)
        assert bool(len(found)) == case["kept"], case["name"]


def usable(path: Path) -> bool:
    try:
        return bool(read_dictionary(path).entries)
    except DataError:
        return False


def test_only_lines_of_two_different_words_count(tmp_path: Path) -> None:
    path = tmp_path / "en-fr.txt"
    path.write_text("\ufeffcat chat\ncat\tminou\nParis Paris\nhot dog chien chaud\n\nalone\n", encoding="utf-8")
    assert read_dictionary(path).entries == [("cat", "chat"), ("cat", "minou")]
    assert read_dictionary(path).skipped == 3


@pytest.mark.parametrize("content", [b"", b"one two three\n", b"\x00\xff\xfe binary"])
def test_a_file_that_is_no_dictionary_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "en-fr.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"en-fr\.txt.*is no dictionary"):
        read_dictionary(path)


class TestFinding:
    """Both directions' files, found from one name."""

    def write(self, folder: Path, name: str, text: str = "cat chat\n") -> None:
        (folder / name).write_text(text, encoding="utf-8")

    @pytest.mark.parametrize("template", ["{source}-{target}.txt", "en-fr.txt"])
    def test_the_dictionary_of_the_other_direction_is_found_in_the_same_folder(
        self, template: str, tmp_path: Path
    ) -> None:
        self.write(tmp_path, "en-fr.txt")
        self.write(tmp_path, "fr-en.txt", "chat cat\n")
        found = find_dictionary(str(tmp_path / template), "en", "fr")
        assert (found.forward, found.reverse, found.note) == (tmp_path / "en-fr.txt", tmp_path / "fr-en.txt", "")

    def test_a_missing_reverse_dictionary_is_accepted_and_reported(self, tmp_path: Path) -> None:
        self.write(tmp_path, "en-fr.txt")
        found = find_dictionary(str(tmp_path / "{source}-{target}.txt"), "en", "fr")
        assert found.reverse is None
        assert found.note == "no dictionary fr-en; en-fr.txt is used for both directions"

    def test_the_reverse_dictionary_alone_is_enough(self, tmp_path: Path) -> None:
        self.write(tmp_path, "fr-en.txt", "chat cat\n")
        found = find_dictionary(str(tmp_path / "{source}-{target}.txt"), "en", "fr")
        assert found.note == "no dictionary en-fr; fr-en.txt is used for both directions"
        batch = SentencePairs(Words.from_lists([["cat"]]), Words.from_lists([["chat"]]))
        assert DictionaryAligner("en", "fr", found.forward, found.reverse).align(batch).to_lists(1) == [[(0, 0)]]

    def test_a_copy_under_the_reverse_name_is_accepted_and_reported(self, tmp_path: Path) -> None:
        self.write(tmp_path, "en-fr.txt")
        self.write(tmp_path, "fr-en.txt")
        assert "is a copy of en-fr.txt" in find_dictionary(str(tmp_path / "{source}-{target}.txt"), "en", "fr").note

    def test_no_dictionary_at_all_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="no such dictionary for en-fr"):
            find_dictionary(str(tmp_path / "{source}-{target}.txt"), "en", "fr")

    def test_a_url_is_downloaded_once_and_again_if_the_copy_is_damaged(self, hub: HubServer, tmp_path: Path) -> None:
        hub.plain["en-fr.txt"] = b"cat chat\n"
        code = f"""
import json
from alignfreeze_cli.aligners.dictionary_files import find_dictionary
found = find_dictionary("{hub.url}/files/{{source}}-{{target}}.txt", "en", "fr")
print(json.dumps([str(found.forward), str(found.reverse), found.note]))
"""
        command = [sys.executable, "-c", code]
        for wanted in (2, 1, 2):  # requests: both directions; the one that is not there; both, as the copy is damaged
            before = len(hub.log)
            done = subprocess.run(command, env=hub.environment(tmp_path), capture_output=True, text=True, check=True)
            forward, reverse, note = json.loads(done.stdout)
            assert Path(forward).read_bytes() == b"cat chat\n"
            assert reverse == "None"
            assert "no dictionary fr-en" in note
            assert len(hub.log) - before == wanted
            if wanted == 1:
                Path(forward).write_bytes(b"cat ch")

    def test_without_network_the_error_names_the_url_and_the_setting(self) -> None:
        with pytest.raises(HubError, match=r"http://127.0.0.1:9/en-fr.txt is not in the local cache.*HF_HUB_OFFLINE"):
            find_dictionary("http://127.0.0.1:9/{source}-{target}.txt", "en", "fr")
