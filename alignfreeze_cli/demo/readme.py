"""The page in a world's folder that explains it."""

from __future__ import annotations

from collections.abc import Sequence

from alignfreeze_cli.demo.grammar import say, written
from alignfreeze_cli.demo.language import Language
from alignfreeze_cli.demo.lexicon import TOPICS, UPOS
from alignfreeze_cli.demo.meaning import Clause, Phrase
from alignfreeze_cli.demo.settings import DemoWorldSettings

_EXAMPLE = Clause(
    topic="farm",
    subject=Phrase("farmer", determiner="the", adjective="old"),
    verb="feed",
    object=Phrase("goat", numeral="two", plural=True),
    adposition="behind",
    place=Phrase("barn", determiner="the"),
    past=True,
)

_ORDERS = {"S": "subject", "V": "verb", "O": "object", "A": "adverb", "P": "place"}

_PAGE = """\
# A small world

Made up from seed {seed}: related languages that speak about the same {concepts} concepts in {topics} topics, and an
encoder that has read text of all of them. It is for seeing the whole pipeline work without a network, and for tests.
It claims nothing about real languages.

**{source}** is the source: it alone has training data. The others derive from it, by growing distance: fewer shared
words, another order of the parts of a sentence, other endings. The codes lie in the range that ISO 639-3 reserves for
private use (qaa to qtz), so they are no real language's; their alphabetical order is the order of distance.

| code | name | shared words | order | adposition | "the" | endings mark |
| --- | --- | --- | --- | --- | --- | --- |
{table}

"The old farmer fed two goats behind the barn." in each of them:

| code | sentence |
| --- | --- |
{examples}

| file | what |
| --- | --- |
| `encoder/` | BERT, 4 blocks, 64 wide, {steps} steps of guessing masked words in `text/`; loads with `AutoModel` |
| `text/` | {sentences} lines of each language, not translations of each other |
| `parallel/` | {pairs} sentence pairs per language, `{source_code} TAB other` |
| `links/` | their true word links, Pharaoh format; words are cut as `--words unicode` does |
| `dictionaries/` | MUSE format, both directions, all forms of {known:.0%} of the words, drawn for each language |
| `pos/` | CoNLL-U: tags, lemmas and features, fused words as ranges (qbe, qci); no trees |
| `ner/` | `word TAB tag`, IOB2: PER, ORG, LOC; some names are both a person's and a place's |
| `nli/` | `premise TAB hypothesis TAB label` |
| `qa/` | SQuAD 1.1 JSON, one question for each passage |
| `distances.json` | 1 - shared words; `alignfreeze report` reads it beside the runs, or as `--distances` |

Tasks have {train} training examples in {source} and {test} test examples in every language, the same ones in all.
"""


def shared_words(source: Language, other: Language) -> float:
    """The share of words that are the same in both."""
    return sum(other.words[concept] == source.words[concept] for concept in UPOS) / len(UPOS)


def readme(languages: Sequence[Language], settings: DemoWorldSettings) -> str:
    """What is in the folder, what the languages are like, and one sentence in each."""
    source = languages[0]
    table = "\n".join(
        f"| {x.code} | {x.name} | {shared_words(source, x):.0%} | {' '.join(_ORDERS[part] for part in x.clause)} "
        f"| {x.adposition} | {x.article} | {', '.join(x.marks)} |"
        for x in languages
    )
    examples = "\n".join(f"| {x.code} | {written(say(x, _EXAMPLE))} |" for x in languages)
    return _PAGE.format(
        seed=settings.seed,
        concepts=len(UPOS),
        topics=len(TOPICS),
        source=source.name,
        source_code=source.code,
        table=table,
        examples=examples,
        steps=settings.steps,
        sentences=settings.sentences,
        pairs=settings.pairs,
        known=settings.known,
        train=settings.train,
        test=settings.test,
    )
