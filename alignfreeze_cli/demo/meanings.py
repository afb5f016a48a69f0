"""What can be said in the demo world: concepts by topic, and clauses made of them, drawn at random.

A concept is named by an English word; every language of the world has its own made-up word for it. Nouns, verbs and
adjectives belong to topics, and a clause stays within one, so that the words of a sentence can be guessed from each
other: that is what an encoder learns when it is trained to fill in masked words.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Topic:
    """The concepts of one topic; `opposites` are two adjectives that exclude each other."""

    people: tuple[str, ...]
    things: tuple[str, ...]
    places: tuple[str, ...]
    actions: tuple[str, ...]
    opposites: tuple[str, ...]


def _topic(*words: str) -> Topic:
    return Topic(*(tuple(text.split()) for text in words))


TOPICS: dict[str, Topic] = {
    "kitchen": _topic("baker cook guest", "bread soup spoon cake", "kitchen cellar", "bake eat taste", "warm cold"),
    "farm": _topic("farmer shepherd miller", "goat wheat plough fence", "field barn", "feed harvest sell", "old young"),
    "sea": _topic("sailor fisher pilot", "boat net oar sail", "harbour island", "steer pull mend", "wet dry"),
    "school": _topic(
        "teacher pupil scribe", "book letter lesson map", "school library", "read write copy", "long short"
    ),
    "music": _topic("singer drummer dancer", "song flute drum bell", "stage tower", "play hear praise", "loud quiet"),
    "forest": _topic("hunter woodcutter ranger", "bear tree axe trail", "forest hut", "follow cut watch", "tall small"),
    "trade": _topic("merchant tailor smith", "coin coat ring scale", "market shop", "buy weigh make", "cheap dear"),
}

ARTICLES = ("the", "a")
DETERMINERS = ("this", "every")
NUMERALS = ("two", "three", "five")
PRONOUNS = ("she", "he", "they")
ADVERBS = ("often", "slowly", "today", "gladly")
ADPOSITIONS = ("in", "near", "behind", "before")
AUXILIARIES = ("will", "can")
CONJUNCTIONS = ("and", "or")
SUBORDINATORS = ("because", "while")
QUESTION_WORDS = {"subject": "who", "object": "what", "place": "where"}
NOT = "not"

# Names. Some family names are also names of places, as real ones are, so that only the context decides which it is.
GIVEN_NAMES = ("Given1", "Given2", "Given3", "Given4", "Given5", "Given6")
FAMILY_AND_PLACE_NAMES = ("Both1", "Both2", "Both3")
FAMILY_NAMES = ("Family1", "Family2", "Family3", *FAMILY_AND_PLACE_NAMES)
PLACE_NAMES = ("Place1", "Place2", "Place3", *FAMILY_AND_PLACE_NAMES)
PLACE_PREFIXES = ("Newtown", "Oldtown")
COMPANY_WORDS = ("Company", "Guild", "Bank")

PUNCTUATION = {"stop": ".", "mark": "?", "comma": ","}


def _parts_of_speech() -> dict[str, str]:
    table: dict[str, str] = {}
    for topic in TOPICS.values():
        table |= dict.fromkeys(topic.people + topic.things + topic.places, "NOUN")
        table |= dict.fromkeys(topic.actions, "VERB")
        table |= dict.fromkeys(topic.opposites, "ADJ")
    table |= dict.fromkeys(ARTICLES + DETERMINERS, "DET")
    table |= dict.fromkeys(NUMERALS, "NUM")
    table |= dict.fromkeys((*PRONOUNS, "who", "what"), "PRON")
    table |= dict.fromkeys((*ADVERBS, "where"), "ADV")
    table |= dict.fromkeys(ADPOSITIONS, "ADP")
    table |= dict.fromkeys(AUXILIARIES, "AUX")
    table |= dict.fromkeys(CONJUNCTIONS, "CCONJ")
    table |= dict.fromkeys(SUBORDINATORS, "SCONJ")
    table |= dict.fromkeys(GIVEN_NAMES + FAMILY_NAMES + PLACE_NAMES + PLACE_PREFIXES + COMPANY_WORDS, "PROPN")
    table |= dict.fromkeys(PUNCTUATION, "PUNCT")
    table[NOT] = "PART"
    return table


UPOS: dict[str, str] = _parts_of_speech()
"""Concept -> universal part-of-speech tag."""

INFLECTED = ("NOUN", "VERB", "ADJ")
"""Parts of speech that take endings."""

CONTENT = ("NOUN", "VERB", "ADJ", "ADV", "PROPN")
"""Parts of speech whose words are long."""


@dataclass(frozen=True)
class Phrase:
    """A noun phrase: a person, a thing or a place. `names` holds the parts of a proper name, whose kind is `entity`."""

    noun: str = ""
    names: tuple[str, ...] = ()
    entity: str = ""
    determiner: str = ""
    numeral: str = ""
    adjective: str = ""
    plural: bool = False
    joined: Phrase | None = None  # "the cook" in "the baker and the cook"
    conjunction: str = "and"


@dataclass(frozen=True)
class Clause:
    """Who does what to whom, where and how. In a question, `asks` names the part that is asked for."""

    topic: str
    subject: Phrase
    verb: str
    object: Phrase
    adposition: str = ""
    place: Phrase | None = None
    adverb: str = ""
    auxiliary: str = ""
    past: bool = False
    negated: bool = False
    asks: str = ""
    subordinator: str = ""  # "because" or "while", before `subordinate`
    subordinate: Clause | None = None


class ClauseSampler:
    """Draws clauses at random. `names` is the probability that a phrase is a proper name instead of a common noun."""

    def __init__(self, rng: random.Random, names: float = 0.2) -> None:
        self.rng, self.names = rng, names

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def topic(self) -> str:
        return self.rng.choice(list(TOPICS))

    def sentence(self) -> Clause:
        """A clause, sometimes with a subordinate one about the same topic."""
        clause = self.clause(self.topic())
        if self.chance(0.15):
            subordinator = self.rng.choice(SUBORDINATORS)
            clause = replace(clause, subordinator=subordinator, subordinate=self.clause(clause.topic))
        return clause

    def clause(self, topic: str, place: float = 0.5) -> Clause:
        """A clause about a topic; `place` is the probability that it says where."""
        words, pick = TOPICS[topic], self.rng.choice
        auxiliary = pick(AUXILIARIES) if self.chance(0.3) else ""
        return Clause(
            topic=topic,
            subject=self.actor(words),
            verb=pick(words.actions),
            object=self.noun_phrase(words, words.things),
            adposition=pick(ADPOSITIONS),
            place=self.location(words) if self.chance(place) else None,
            adverb=pick(ADVERBS) if self.chance(0.3) else "",
            auxiliary=auxiliary,
            past=not auxiliary and self.chance(0.5),
            negated=self.chance(0.15),
        )

    def actor(self, topic: Topic) -> Phrase:
        """Who does it: a person or company by name, a pronoun, or one of the topic's people."""
        pick = self.rng.choice
        if self.chance(self.names):
            if self.chance(0.35):
                return Phrase(names=(pick(PLACE_NAMES), pick(COMPANY_WORDS)), entity="ORG")
            return Phrase(names=(pick(GIVEN_NAMES), pick(FAMILY_NAMES)), entity="PER")
        if self.chance(0.15):
            return Phrase(noun=pick(PRONOUNS))
        phrase = self.noun_phrase(topic, topic.people)
        if self.chance(0.12):
            other = self.noun_phrase(topic, tuple(p for p in topic.people if p != phrase.noun))
            phrase = replace(phrase, joined=other, conjunction=pick(CONJUNCTIONS))
        return phrase

    def location(self, topic: Topic) -> Phrase:
        """Where it happens: a place by name, or one of the topic's places."""
        if self.chance(self.names):
            prefix = (self.rng.choice(PLACE_PREFIXES),) if self.chance(0.3) else ()
            return Phrase(names=(*prefix, self.rng.choice(PLACE_NAMES)), entity="LOC")
        return self.noun_phrase(topic, topic.places, described=0.15)

    def noun_phrase(self, topic: Topic, nouns: tuple[str, ...], described: float = 0.35) -> Phrase:
        """A phrase with one of the nouns; `described` is the probability that it has an adjective."""
        pick = self.rng.choice
        numeral = pick(NUMERALS) if self.chance(0.12) else ""
        plural = bool(numeral) or self.chance(0.25)
        determiner = "the"
        if numeral or (plural and self.chance(0.4)):
            determiner = ""
        elif not plural:
            determiner = pick(("the", "the", "a", "a", *DETERMINERS))
        adjective = pick(topic.opposites) if self.chance(described) else ""
        return Phrase(noun=pick(nouns), determiner=determiner, numeral=numeral, adjective=adjective, plural=plural)


def make_question(clause: Clause, rng: random.Random) -> Clause:
    """Ask for the subject, the object or, if there is one, the place of a clause."""
    asks = rng.choice(["subject", "object", *(["place"] if clause.place else [])])
    return replace(clause, asks=asks, subordinator="", subordinate=None)


def sample_passage(sampler: ClauseSampler) -> tuple[list[Clause], Clause]:
    """Two clauses about different topics, and a question that one of them answers."""
    topics = sampler.rng.sample(list(TOPICS), 2)
    clauses = [replace(sampler.clause(topic, place=0.9), negated=False) for topic in topics]
    return clauses, make_question(sampler.rng.choice(clauses), sampler.rng)


def find_answer(clauses: Sequence[Clause], question: Clause) -> Clause:
    """The clause of a passage that answers the question about it."""
    return next(clause for clause in clauses if clause.topic == question.topic)


def sample_inference(sampler: ClauseSampler) -> tuple[Clause, Clause, str]:
    """A premise, a hypothesis, and whether the one entails the other, contradicts it, or neither (neutral).

    A clause with more details entails the same with fewer: "she bakes bread today" entails "she bakes bread". Under
    negation it is the other way round. With "not" in one of the two they contradict each other.
    """
    rng = sampler.rng
    more = replace(sampler.clause(sampler.topic(), place=0.8), negated=False)
    while not _details(more):
        more = replace(sampler.clause(sampler.topic(), place=0.8), negated=False)
    less = _drop_details(more, rng)
    label = rng.choice(("entailment", "neutral", "contradiction"))
    if label == "contradiction":
        premise, hypothesis = (more, _negate(less)) if rng.random() < 0.5 else (_negate(less), more)
    elif label == "neutral" and rng.random() < 0.5:
        other_verbs = [verb for verb in TOPICS[more.topic].actions if verb != more.verb]
        premise, hypothesis = more, replace(less, verb=rng.choice(other_verbs))
    else:
        strong, weak = (more, less) if rng.random() < 0.8 else (_negate(less), _negate(more))
        premise, hypothesis = (strong, weak) if label == "entailment" else (weak, strong)
    return premise, hypothesis, label


def _details(clause: Clause) -> list[str]:
    """The parts that can be left out of a clause."""
    described = clause.object.adjective and clause.object.determiner != "every"
    present = {"place": clause.place is not None, "adverb": clause.adverb, "object": described}
    return [name for name, is_present in present.items() if is_present]


def _drop_details(clause: Clause, rng: random.Random) -> Clause:
    details = _details(clause)
    without: dict[str, Any] = {"place": None, "adverb": "", "object": replace(clause.object, adjective="")}
    dropped = rng.sample(details, rng.randint(1, len(details)))
    return replace(clause, **{name: without[name] for name in dropped})


def _negate(clause: Clause) -> Clause:
    return replace(clause, negated=True)
