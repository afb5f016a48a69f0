"""The files of the demo world as text: monolingual and parallel text, dictionaries, and data for the four tasks.

Task data is in the formats of the tools that usually read them. Test sets hold the same meanings in every language, as
those of PUD, XNLI and XQuAD do.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from alignfreeze_cli.demo.languages import Language, Word, make_sentence, text_in, to_text, true_links
from alignfreeze_cli.demo.meanings import (
    INFLECTED,
    UPOS,
    Clause,
    ClauseSampler,
    find_answer,
    make_question,
    sample_inference,
    sample_passage,
)


def monolingual_lines(language: Language, rng: random.Random, count: int) -> list[str]:
    """`count` lines of text of one language: sentences, questions, and a few longer lines.

    In one line of ten, sentences belong together: a passage with a question about it and its answer, or the two
    sentences of an inference. There a masked word can be found in another sentence, which question answering and
    inference need.
    """
    sampler = ClauseSampler(rng)
    lines = []
    for _ in range(count):
        kind = rng.random()
        if kind < 0.05:
            clauses, question = sample_passage(sampler)
            meanings = [*clauses, question, find_answer(clauses, question)]
        elif kind < 0.1:
            meanings = list(sample_inference(sampler)[:2])
        else:
            meaning = sampler.sentence()
            meanings = [make_question(meaning, rng) if kind < 0.2 else meaning]
        lines.append(" ".join(text_in(language, meaning) for meaning in meanings))
    return lines


def parallel_lines(source: Language, target: Language, rng: random.Random, count: int) -> tuple[list[str], list[str]]:
    """`count` lines of parallel text, `source TAB target`, and the true links between its words, `0-0 1-2` (Pharaoh).

    Words without a counterpart (articles, where the other language has none) have no link. Positions count words and
    punctuation marks, as `align-pairs --words unicode` cuts them.
    """
    sampler = ClauseSampler(rng)
    lines, pharaoh = [], []
    for _ in range(count):
        meaning = sampler.sentence()
        ours, theirs = make_sentence(source, meaning), make_sentence(target, meaning)
        lines.append(f"{to_text(ours)}\t{to_text(theirs)}")
        pharaoh.append(" ".join(f"{i}-{j}" for i, j in true_links(ours, theirs)))
    return lines, pharaoh


def dictionary_lines(source: Language, target: Language, rng: random.Random, known: float) -> list[str]:
    """Entries in MUSE's format, `word translation`, with all forms of a share `known` of the concepts; no names."""
    concepts = [concept for concept, upos in UPOS.items() if upos not in ("PUNCT", "PROPN")]
    chosen = set(rng.sample(concepts, round(known * len(concepts))))
    entries = (
        f"{source.form(concept, features)} {target.form(concept, features)}"
        for concept in concepts
        if concept in chosen
        for features in _feature_sets(concept)
    )
    return list(dict.fromkeys(entries))


_MARKED = {"NOUN": ("plural", "definite", "object"), "VERB": ("past",), "ADJ": ("agreement",)}


def _feature_sets(concept: str) -> Iterator[tuple[str, ...]]:
    """Every combination of features that the endings of a word can mark."""
    marks = _MARKED[UPOS[concept]] if UPOS[concept] in INFLECTED else ()
    for count in range(len(marks) + 1):
        yield from itertools.combinations(marks, count)


_UD_FEATURES = {
    "plural": "Number=Plur",
    "agreement": "Number=Plur",
    "past": "Tense=Past",
    "definite": "Definite=Def",
    "object": "Case=Acc",
}


def conllu_file(language: Language, meanings: Iterable[Clause], name: str) -> str:
    """Part-of-speech tags: a CoNLL-U treebank without trees, contractions as ranges."""
    blocks = [f"# newdoc id = {name}\n"]
    for number, meaning in enumerate(meanings, 1):
        sentence = make_sentence(language, meaning)
        blocks.append(f"# sent_id = {name}-{number}\n# text = {to_text(sentence)}\n")
        blocks.append("".join("\t".join(columns) + "\n" for columns in _conllu_rows(language, sentence)) + "\n")
    return "".join(blocks)


def _conllu_rows(language: Language, sentence: Sequence[Word]) -> Iterator[list[str]]:
    """The ten columns of each line; heads and relations stay empty."""
    number = 0
    for word, following in zip(sentence, [*sentence[1:], None], strict=True):
        space = "SpaceAfter=No" if following is not None and following.upos == "PUNCT" else "_"
        if word.parts:
            yield [f"{number + 1}-{number + len(word.parts)}", word.form, *"_______", space]
        for part in word.parts or (word,):
            number += 1
            features = "|".join(sorted(_UD_FEATURES[f] for f in part.features)) or "_"
            misc = "_" if word.parts else space
            yield [str(number), part.form, language.words[part.concept], part.upos, "_", features, *"___", misc]


def iob_file(language: Language, meanings: Iterable[Clause]) -> str:
    """Named entities: IOB2 in two columns, `word TAB tag`, a blank line after each sentence."""
    sentences = (make_sentence(language, meaning) for meaning in meanings)
    return "".join("".join(f"{word.form}\t{word.entity}\n" for word in sentence) + "\n" for sentence in sentences)


def nli_file(language: Language, items: Iterable[tuple[Clause, Clause, str]]) -> str:
    """Inference: `premise TAB hypothesis TAB label` lines without a header, as XTREME's files of XNLI."""
    return "".join(f"{text_in(language, p)}\t{text_in(language, h)}\t{label}\n" for p, h, label in items)


def squad_file(language: Language, items: Iterable[tuple[list[Clause], Clause]], name: str) -> str:
    """Questions on passages: SQuAD 1.1 JSON; `answer_start` counts characters."""
    paragraphs = [_paragraph(language, *item, f"{name}-{i}") for i, item in enumerate(items, 1)]
    content = {"version": "1.1", "data": [{"title": name, "paragraphs": paragraphs}]}
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def _paragraph(language: Language, clauses: list[Clause], question: Clause, name: str) -> dict[str, Any]:
    """A passage, the question and its answer: the words of the part that is asked for."""
    context = ""
    found: dict[str, Any] = {}
    for clause in clauses:
        sentence = make_sentence(language, clause)
        if clause is find_answer(clauses, question):
            inside = [i for i, word in enumerate(sentence) if _answers(question.asks, word)]
            before = to_text(sentence[: inside[0]])
            text = to_text(sentence[inside[0] : inside[-1] + 1])
            found = {"answer_start": len(context) + len(before) + bool(before), "text": text}
        context += to_text(sentence) + " "
    qas = [{"id": name, "question": text_in(language, question), "answers": [found]}]
    return {"context": context.rstrip(), "qas": qas}


def _answers(asked: str, word: Word) -> bool:
    """Whether the word belongs to the part asked for; a place includes its adposition."""
    return word.place[0] == asked or (asked == "place" and word.place[0] == "adposition")
