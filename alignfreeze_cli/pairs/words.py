"""What a word is: rules for cutting sentences into words, whole chunks of sentences at a time.

    unicode    letters, digits and `_` with the marks on them; the other characters between blanks
    published  the rule of the paper's code, `\\w+|[^\\w\\s]+`: a mark is no letter, so Indic words are cut to pieces
    blank      the text is split already: a word is what is between two blanks (spaces or tabs, no others)

Under the first two, Chinese, Japanese and Thai are cut by a segmenter, as in the paper's runs, and other languages
written without blanks are refused.

A rule is a table that gives every code point a class; a word is a run of code points of one class. So a chunk of text
is cut by a few operations on arrays, with no Python object per word.
"""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from alignfreeze_cli.errors import SettingsError
from alignfreeze_cli.pairs.arrays import Bytes, Ints, as_strings, int32_array, int32_values, string_array, string_parts

BLANK, WORD, OTHER, MARK, FORMAT = range(5)
"""Classes of code points. MARK and FORMAT belong to what they follow; they occur in the rule `unicode` only."""

MIXED, INSIDE = 5, 6
"""Further values for bytes: a first byte that does not decide the class of its character; a byte inside a character."""

_CODE_POINTS = 0x110000
_ZERO_WIDTH_SPACE = 0x200B
_MAY_ATTACH = (range(0x20000), range(0xE0000, 0xE1000))
"""Where marks and format characters are: other planes hold ideographs and private characters, or are unassigned."""

Segmenter = Callable[[str], list[str]]
Texts: TypeAlias = "Sequence[str] | pa.StringArray"


@dataclass(frozen=True)
class Words:
    """The words of a list of sentences: sentence k holds `values[offsets[k]:offsets[k + 1]]`.

    `values` is one Arrow string array over all sentences, `offsets` has one entry more than there are sentences.
    """

    values: pa.StringArray
    offsets: Ints

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @classmethod
    def from_lists(cls, sentences: Sequence[Sequence[str]]) -> Words:
        offsets = np.zeros(len(sentences) + 1, np.int32)
        np.cumsum([len(sentence) for sentence in sentences], out=offsets[1:])
        return cls(pa.array([word for sentence in sentences for word in sentence], pa.string()), offsets)

    def select(self, sentences: npt.NDArray[np.int64]) -> Words:
        """The words of some of the sentences, in the order of their numbers."""
        lengths = self.lengths[sentences]
        offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
        words = np.arange(offsets[-1]) + np.repeat(self.offsets[sentences] - offsets[:-1], lengths)
        return Words(self.values.take(int32_array(words)), offsets)

    def without(self, sentences: npt.NDArray[np.bool_]) -> Words:
        """The words with those sentences empty for which the mask, (sentences,), is true."""
        offsets = np.concatenate(([0], np.cumsum(np.where(sentences, 0, self.lengths)))).astype(np.int32)
        return Words(self.values.filter(pa.array(~np.repeat(sentences, self.lengths))), offsets)

    @property
    def lengths(self) -> Ints:
        """Number of words of each sentence."""
        return np.diff(self.offsets)

    @property
    def column(self) -> pa.ListArray:
        """As a column of the pairs folder: one list of strings per sentence."""
        return pa.ListArray.from_arrays(int32_array(self.offsets), self.values)

    def to_lists(self) -> list[list[str]]:
        lists: list[list[str]] = self.column.to_pylist()
        return lists


def splitter(rule: str, language: str) -> Callable[[Texts], Words]:
    """The function that cuts sentences of a language into words by a rule (`unicode`, `published`, `blank`).

    Raises SettingsError if the language needs a segmenter that is not installed or does not exist.
    """
    segmenter = None if rule == "blank" else segmenter_for(language)
    if segmenter is None:
        return functools.partial(_split_by_class, rule=rule)
    return functools.partial(_split_by_segmenter, segmenter=segmenter)


@functools.cache
def class_table(rule: str) -> npt.NDArray[np.uint8]:
    """Class of every code point under a rule, shape (0x110000,)."""
    points = np.arange(_CODE_POINTS, dtype="<u4")
    points[0xD800:0xE000] = ord(" ")  # surrogates occur in no UTF-8 text and cannot be searched
    everything = points.tobytes().decode("utf-32-le")
    if rule == "blank":
        table = np.full(_CODE_POINTS, WORD, np.uint8)
    else:
        table = np.full(_CODE_POINTS, OTHER, np.uint8)
        for run in re.finditer(r"\w+", everything):
            table[run.start() : run.end()] = WORD
    # A no-break space is no separator in text that is split already: `10 000` with one is a single word there.
    for run in re.finditer("[ \\t\\n\\r]+" if rule == "blank" else r"\s+", everything):
        table[run.start() : run.end()] = BLANK
    if rule == "unicode":
        # Unicode Standard Annex 29, rule WB4: a word is not broken before Extend, Format or ZWJ. The zero-width
        # non-joiner of Persian words is among the format characters (Cf); the zero-width space does separate words.
        for point in itertools.chain(*_MAY_ATTACH):
            category = unicodedata.category(chr(point))
            if category[0] == "M":
                table[point] = MARK
            elif category == "Cf":
                table[point] = FORMAT
        table[_ZERO_WIDTH_SPACE] = BLANK
    table.setflags(write=False)
    return table


def _split_by_class(sentences: Texts, rule: str) -> Words:
    """A word is a run of characters of one class other than BLANK. All positions are of bytes."""
    data, borders = string_parts(as_strings(sentences))
    if len(data) == 0:
        return Words(string_array(data, np.zeros(1, np.int32)), np.zeros(len(borders), np.int32))
    kinds = _attach_marks(_byte_classes(data, rule), borders)
    changes = np.empty(len(data) + 1, bool)
    changes[1:-1] = kinds[1:] != kinds[:-1]
    changes[borders] = True  # no word crosses from one sentence to the next
    edges = np.flatnonzero(changes)
    # `compress` picks what indexing with booleans does, in a third of the time.
    in_word = kinds[edges[:-1]] != BLANK
    starts, ends = edges[:-1].compress(in_word), edges[1:].compress(in_word)
    values = string_array(data.compress(kinds != BLANK), np.concatenate(([0], np.cumsum(ends - starts))))
    return Words(values, np.searchsorted(starts, borders).astype(np.int32))


@functools.cache
def _first_byte_classes(rule: str) -> bytes:
    """For `bytes.translate`: the class of a character as far as its first byte decides it.

    Many first bytes begin only letters (all of Cyrillic's but one, for example), so most characters are done with
    that; the other first bytes get MIXED, and the bytes inside characters INSIDE.
    """
    table = class_table(rule)
    found = [*table[:0x80], *[INSIDE] * 0x40]
    for byte in range(0xC0, 0x100):
        # Two bytes: 110xxxxx 10xxxxxx; three: 1110xxxx and two more; four: 11110xxx and three more.
        bits, more = (0x1F, 6) if byte < 0xE0 else (0x0F, 12) if byte < 0xF0 else (0x07, 18)
        block = table[(byte & bits) << more : ((byte & bits) + 1) << more]
        found.append(int(block[0]) if len(block) and (block == block[0]).all() else MIXED)
    return bytes(found)


def _byte_classes(data: Bytes, rule: str) -> npt.NDArray[np.uint8]:
    """The class of every byte of UTF-8 text, which is the class of the character it belongs to."""
    # `translate` is faster than NumPy's indexing, which makes an eight-byte index of every byte.
    kinds = np.frombuffer(bytearray(data.tobytes().translate(_first_byte_classes(rule))), np.uint8)
    first = np.flatnonzero(kinds == MIXED)
    lead = data[first].astype(np.int32)
    points = ((lead & 0x1F) << 6) | (data[first + 1] & 0x3F)
    longer = np.flatnonzero(lead >= 0xE0)
    points[longer] = ((points[longer] & 0x3FF) << 6) | (data[first[longer] + 2] & 0x3F)
    longest = np.flatnonzero(lead >= 0xF0)
    points[longest] = ((points[longest] & 0x7FFF) << 6) | (data[first[longest] + 3] & 0x3F)
    kinds[first] = class_table(rule)[points]
    while (inside := kinds == INSIDE).any():  # at most three times: a character has at most four bytes
        np.copyto(kinds[1:], kinds[:-1].copy(), where=inside[1:])
    return kinds


def _attach_marks(kinds: npt.NDArray[np.uint8], borders: Ints) -> npt.NDArray[np.uint8]:
    """Give marks and format characters the class of the character that they follow in their sentence."""
    attached = kinds >= MARK
    if not attached.any():
        return kinds
    base = np.where(attached, 0, np.arange(len(kinds), dtype=np.int32))
    first = borders[:-1][borders[:-1] < len(kinds)]
    base[first] = first
    np.maximum.accumulate(base, out=base)
    found = kinds[base]
    # A mark that follows a blank or begins a sentence is a word of its own; a format character there is invisible.
    alone = attached & ((found == BLANK) | (found >= MARK))
    return np.where(alone, np.where(kinds == MARK, WORD, BLANK), found).astype(np.uint8)


def _split_by_segmenter(sentences: Texts, segmenter: Segmenter) -> Words:
    """Sentence by sentence; blanks that a segmenter hands back are dropped."""
    texts = as_strings(sentences).to_pylist()
    return Words.from_lists([[w for word in segmenter(text) if (w := word.strip())] for text in texts])


def segmenter_for(language: str) -> Segmenter | None:
    """The segmenter of a language whose script has no blanks between words; None for all other languages.

    `language` is a code of ISO 639-1 or 639-3, perhaps with a script: `zh`, `cmn`, `zho_Hans`, `zh-Latn`. Raises
    SettingsError if there is no segmenter for it, or if it is not installed: cutting such text by character classes
    would make whole clauses words.
    """
    tags = re.split("[-_]", language.lower())
    code = next((tag for tag in tags[1:] if tag in _WITHOUT_BLANKS and len(tag) == 3), tags[0])  # zh-yue is yue
    code = _SAME_LANGUAGE.get(code, code)
    script = next((tag for tag in tags[1:] if len(tag) == 4 and tag.isalpha()), None)
    if not (script in _SCRIPTS_WITHOUT_BLANKS if script else code in SEGMENTERS or code in _WITHOUT_BLANKS):
        return None
    if code not in SEGMENTERS:
        raise SettingsError(
            f"{language} is written without blanks between words, and there is no segmenter for it here: give text "
            "whose words are separated by blanks already, with --words blank, or leave the language out of --target."
        )
    try:
        return SEGMENTERS[code]()
    except ImportError as error:
        raise SettingsError(
            f"{language} is written without blanks between words and needs a segmenter, but {error.name} is not "
            "installed: pip install 'alignfreeze[segmenters]', or leave the language out of --target, or give text "
            "that is split already with --words blank."
        ) from error


@functools.cache
def _chinese() -> Segmenter:
    """rjieba: jieba's dictionary and model in Rust; jieba itself has had no release since 2020."""
    import rjieba

    cut: Segmenter = rjieba.cut
    return cut


@functools.cache
def _japanese() -> Segmenter:
    """MeCab with the small UniDic that installs without a download of its own."""
    import fugashi
    import unidic_lite

    tagger = fugashi.Tagger(f'-Owakati -d "{unidic_lite.DICDIR}"')
    return lambda sentence: [word.surface for word in tagger(sentence)]


@functools.cache
def _thai() -> Segmenter:
    """PyThaiNLP's default engine (newmm), as in the paper's code."""
    from pythainlp import word_tokenize

    cut: Segmenter = word_tokenize
    return cut


SEGMENTERS = {"zh": _chinese, "ja": _japanese, "th": _thai}
"""Language → function that makes its segmenter."""

_SAME_LANGUAGE = {"cmn": "zh", "zho": "zh", "chi": "zh", "jpn": "ja", "tha": "th"}
"""Codes of ISO 639-3 and 639-2/B → the code in `SEGMENTERS`."""

_CODES = "km khm lo lao my mya bur bo bod tib dz dzo yue wuu gan hsn lzh shn mnw rki nod tts sou khb tdd adx khg"
_WITHOUT_BLANKS = frozenset(_CODES.split(" "))
"""Other languages usually written without blanks between words: Khmer, Lao, Burmese, Tibetan, Dzongkha, Chinese
languages other than Mandarin, Shan, Mon, Rakhine, Northern, Northeastern and Southern Thai, Tai Lü, Tai Nüa."""

_SCRIPTS = "hans hant hani jpan hira kana hrkt bopo thai laoo khmr mymr tibt tale talu lana tavt java bali"
_SCRIPTS_WITHOUT_BLANKS = frozenset(_SCRIPTS.split(" "))
"""ISO 15924 codes of such scripts; a script in the language code decides, so `zh-Latn` has blanks."""


def without_blanks(text: str) -> bool:
    """Whether most letters of a text are of scripts that are written without blanks between words."""
    return 2 * len(_LETTERS_WITHOUT_BLANKS.findall(text)) > len(_LETTERS.findall(text))


_LETTERS = re.compile(r"\w")
_LETTERS_WITHOUT_BLANKS = re.compile(
    "[\u0e01-\u0eff\u0f00-\u109f\u1780-\u17ff"  # Thai, Lao; Tibetan, Burmese; Khmer
    "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"  # kana, Han
)


def unbroken_warning(language: str, words: Words, other: Words) -> str | None:
    """A sentence if most lines of one side seem not to be cut into words, judged by the other side; otherwise None.

    Lines with at least four words on the other side are judged: one is not cut if this side has at most a fourth of
    that number, as a clause without blanks is one long word. With English that is so for 70 to 98 of 100 lines in
    Chinese that was not segmented, and for at most 3 in eleven languages with blanks.
    """
    here, there = _lettered(words), _lettered(other)
    judged = (there >= 4) & (here > 0)
    uncut = int((judged & (4 * here <= there)).sum())
    if uncut <= judged.sum() / 4:
        return None
    return (
        f"the {language} side seems not to be cut into words: {uncut:,} of the first {len(words):,} lines are one long "
        f"word or few; if {language} is written without blanks between words, give text that is cut already, with "
        "--words blank, or the code of a language that is segmented (zh, ja, th)."
    )


def _lettered(words: Words) -> npt.NDArray[np.int64]:
    """Number of words of each sentence that hold a letter or digit."""
    found = pc.match_substring_regex(words.values, r"[\pL\pN]")
    total = np.concatenate(([0], np.cumsum(int32_values(pc.cast(found, "int32")))))
    counts: npt.NDArray[np.int64] = np.diff(total[words.offsets])
    return counts
