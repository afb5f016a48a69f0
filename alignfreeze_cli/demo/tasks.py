"""Data for the four tasks of the demo world, in the formats of the tools that usually read them.

The test sets hold the same meanings in every language, as PUD, XNLI and XQuAD do.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from alignfreeze_cli.demo.grammar import Word, say, written
from alignfreeze_cli.demo.language import Language
from alignfreeze_cli.demo.meaning import Clause, answer

Sentence = Sequence[Word]

_FEATURES = {
    "plural": "Number=Plur",
    "agreement": "Number=Plur",
    "past": "Tense=Past",
    "definite": "Definite=Def",
    "object": "Case=Acc",
}


def conllu(language: Language, meanings: Iterable[Clause], name: str) -> str:
    """Part-of-speech tags: a CoNLL-U treebank without trees, fused words as ranges."""
    blocks = [f"# newdoc id = {name}\n"]
    for number, meaning in enumerate(meanings, 1):
        sentence = say(language, meaning)
        blocks.append(f"# sent_id = {name}-{number}\n# text = {written(sentence)}\n")
        blocks.append("".join("\t".join(columns) + "\n" for columns in _rows(language, sentence)) + "\n")
    return "".join(blocks)


def _rows(language: Language, sentence: Sentence) -> Iterator[list[str]]:
    """The ten columns of each line; heads and relations stay empty."""
    number = 0
    for word, following in zip(sentence, [*sentence[1:], None], strict=True):
        space = "SpaceAfter=No" if following is not None and following.upos == "PUNCT" else "_"
        if word.parts:
            yield [f"{number + 1}-{number + len(word.parts)}", word.form, *"_______", space]
        for part in word.parts or (word,):
            number += 1
            features = "|".join(sorted(_FEATURES[f] for f in part.features)) or "_"
            misc = "_" if word.parts else space
            yield [str(number), part.form, language.words[part.concept], part.upos, "_", features, *"___", misc]


def ner(language: Language, meanings: Iterable[Clause]) -> str:
    """Named entities: IOB2 in two columns, `word TAB tag`, a blank line after each sentence."""
    sentences = (say(language, meaning) for meaning in meanings)
    return "".join("".join(f"{word.form}\t{word.entity}\n" for word in sentence) + "\n" for sentence in sentences)


def nli(language: Language, items: Iterable[tuple[Clause, Clause, str]]) -> str:
    """Inference: `premise TAB hypothesis TAB label` lines without a header, as XTREME's files of XNLI."""
    return "".join(f"{written(say(language, p))}\t{written(say(language, h))}\t{label}\n" for p, h, label in items)


def squad(language: Language, items: Iterable[tuple[list[Clause], Clause]], name: str) -> str:
    """Questions on passages: SQuAD 1.1 JSON; `answer_start` counts characters."""
    paragraphs = [_paragraph(language, *item, f"{name}-{i}") for i, item in enumerate(items, 1)]
    whole = {"version": "1.1", "data": [{"title": name, "paragraphs": paragraphs}]}
    return json.dumps(whole, ensure_ascii=False, indent=1) + "\n"


def _paragraph(language: Language, clauses: list[Clause], question: Clause, name: str) -> dict[str, Any]:
    """A passage, the question and its answer: the words of the part that is asked for."""
    context = ""
    found: dict[str, Any] = {}
    for clause in clauses:
        sentence = say(language, clause)
        if clause is answer(clauses, question):
            inside = [i for i, word in enumerate(sentence) if _answers(question.asks, word)]
            before = written(sentence[: inside[0]])
            text = written(sentence[inside[0] : inside[-1] + 1])
            found = {"answer_start": len(context) + len(before) + bool(before), "text": text}
        context += written(sentence) + " "
    qas = [{"id": name, "question": written(say(language, question)), "answers": [found]}]
    return {"context": context.rstrip(), "qas": qas}


def _answers(asked: str, word: Word) -> bool:
    """Whether the word belongs to the part asked for; "where" is answered with the adposition."""
    return word.place[0] == asked or (asked == "place" and word.place[0] == "adposition")
