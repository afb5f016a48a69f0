"""The dictionary aligner: its rule, its files, and where they are found."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignfreeze_cli.aligners.base import SentencePairs
from alignfreeze_cli.aligners.dictionary import Dictionary, DictionaryAligner, compared_forms
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
    assert align([("is", "iş"), ("good", "iyi")], "Good IS", "İyi İş", fold_case=True) == [(0, 0), (1, 1)]
    assert align([("good", "iyi")], "good", "I\u0307yi", fold_case=True) == [(0, 0)]  # İ in two characters


FA, FA_JOINED = "می\u200cگوید", "میگوید"


@pytest.mark.parametrize(
    ("entry", "source", "target"),
    [
        (("beautiful", "schön"), "beautiful", "scho\u0308n"),  # the mark by itself
        (("beautiful", "scho\u0308n"), "beautiful", "schön"),
        (("says", FA), "says", FA_JOINED),  # a zero-width non-joiner, or none: the same word
        (("says", FA_JOINED), "says", FA),
        (("sleeping", "schlafend"), "sleep\u00ading", "schla\u00adfend"),  # soft hyphens
        (("peace", "שלום"), "peace", "\u200fשלום\u200e"),  # directional marks
    ],
)
def test_words_are_looked_up_in_form_c_without_format_characters(
    entry: tuple[str, str], source: str, target: str
) -> None:
    words = [Words.from_lists([[side]]) for side in (source, target)]
    assert Dictionary([entry], normalise="nfc").align(*words).to_lists(1) == [[(0, 0)]]
    assert Dictionary([entry], normalise="none").align(*words).to_lists(1) == [[]]


def test_two_spellings_of_a_word_are_no_translation_and_visible_signs_stay() -> None:
    words = Words.from_lists([["cafe\u0301"]]), Words.from_lists([["café"]])
    assert Dictionary([("cafe\u0301", "café")], normalise="nfc").align(*words).to_lists(1) == [[]]
    assert compared_forms(["\u06dd", "\u200f", "a\nb\u00ad"], "nfc", False) == ["\u06dd", "", "a\nb"]


@given(st.lists(st.text(st.sampled_from("aéİıI\u0301\u0307\u200c\u00ad\nß"), max_size=5), max_size=5), st.booleans())
def test_words_are_compared_alike_whatever_stands_around_them(words: list[str], fold_case: bool) -> None:
    for normalise in ("nfc", "none"):
        found = compared_forms(words, normalise, fold_case)
        assert found == [form for word in words for form in compared_forms([word], normalise, fold_case)]


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


FORMS = {
    "tab": "cat\tchat\ncat\tminou\ndog\tchien\n",
    "bars": "cat ||| chat\ncat ||| minou\ndog ||| chien\n",
    "colons": "cat :: chat\ncat :: minou\ndog :: chien\n",
    "comma": "cat,chat\ncat,minou\ndog,chien\n",
    "comma and quotes": '"cat","chat"\n"cat", "minou"\n"dog","chien"\n',
    "semicolon": "cat;chat\r\ncat;minou\r\ndog;chien\r\n",
    "list": "cat\tchat,minou\ndog\tchien\n",
    "list with blanks": "cat chat, minou\ndog chien\n",
    "list behind a semicolon": "cat;chat, minou\ndog;chien\n",
    "quoted list": 'cat,"chat, minou"\ndog,chien\n',
    "columns": "cat\tchat\tminou\ndog\tchien\n",
    "comma columns": "cat,chat,minou\ndog,chien\n",
    "scores": "cat\tchat\t0.9\ncat\tminou\t.07\ndog\tchien\t1e-3\n",
    "scores with blanks": "cat chat 0.9\ncat minou 12 %\ndog chien 1,5\n".replace(" %", "%"),
    "trailing tab": "cat\tchat\t\ncat\tminou\t\ndog\tchien\n",
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("packed", [False, True])
def test_forms_whose_meaning_is_plain(form: str, packed: bool, tmp_path: Path) -> None:
    path = tmp_path / "en-fr.txt"
    content = FORMS[form].encode()
    path.write_bytes(gzip.compress(content) if packed else content)
    found = read_dictionary(path)
    assert found.entries == [("cat", "chat"), ("cat", "minou"), ("dog", "chien")]
    assert found.skipped == 0


def test_the_way_a_file_was_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "en-fr.txt"
    for form, name in (
        ("tab", ""),
        ("list behind a semicolon", "columns separated by semicolons, several translations in a line"),
        ("scores", "numbers after the translation left out"),
    ):
        path.write_text(FORMS[form], encoding="utf-8")
        assert read_dictionary(path).form == name


def test_a_comma_at_a_word_s_end_or_in_a_number_makes_no_list(tmp_path: Path) -> None:
    path = tmp_path / "fr-en.txt"
    entries = [("cependant", "however,"), ("1,5", "1.5"), (",", "،")] + [(f"s{n}", f"t{n}") for n in range(20)]
    path.write_text("".join(f"{s} {t}\n" for s, t in entries), encoding="utf-8")
    assert read_dictionary(path).entries == entries


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("die {n}\tthe\tnoun\nHaus {n}\thouse\tnoun\n" * 3, r"line 1: the third column is neither numbers nor"),
        ("Haus\thouse\tnoun\nfein\tfine\nHof\tyard\tnoun\nEi\tegg\tnoun\n", r"line 1: the third column is neither"),
        ("to go,gehen\nto run,laufen\n", r"line 1: the line 'to go,gehen' can be read in two ways"),
        ("1 Haus house\n2 Hof yard\n", r"line 1: is no dictionary: the line is '1 Haus house'"),
        ("guten Tag\thello\n", r"line 1: is no dictionary: the line is 'guten Tag\\thello'"),
    ],
)
def test_what_could_be_read_otherwise_is_refused_with_its_line_and_the_form_wanted(
    content: str, complaint: str, tmp_path: Path
) -> None:
    path = tmp_path / "de-en.txt"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=rf"de-en\.txt, {complaint}.*wanted is a word and its translation on each line"):
        read_dictionary(path)


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

    @pytest.mark.parametrize("refused", [False, True])
    def test_a_server_that_refuses_everything_is_told_from_one_that_lacks_a_dictionary(
        self, refused: bool, hub: HubServer, tmp_path: Path
    ) -> None:
        hub.plain["dictionaries/en-es.txt"] = b"cat gato\n"
        if refused:
            hub.fail("GET", "dictionaries/", times=9, status=403)
        code = """
from alignfreeze_cli.aligners.dictionary_files import find_dictionary
from alignfreeze_cli.aligners.settings import MUSE
find_dictionary(MUSE, "en", "zu")
"""
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, env=hub.environment(tmp_path), capture_output=True, text=True)
        said = done.stderr.strip().splitlines()[-1]
        if refused:
            assert "HubError: The server of the MUSE dictionaries refuses to give any" in said
            assert "arrival/dictionaries.tar.gz" in said
            assert "--dictionary 'dictionaries/{source}-{target}.txt'" in said
        else:
            assert "DataError" in said
            assert "no such dictionary for en-zu" in said

    def test_without_network_the_error_names_the_url_and_the_setting(self) -> None:
        with pytest.raises(HubError, match=r"http://127.0.0.1:9/en-fr.txt is not in the local cache.*HF_HUB_OFFLINE"):
            find_dictionary("http://127.0.0.1:9/{source}-{target}.txt", "en", "fr")
