"""What is said, before any language says it: clauses made of phrases, drawn at random within one topic."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from alignfreeze_cli.demo import lexicon
from alignfreeze_cli.demo.lexicon import TOPICS, Topic


@dataclass(frozen=True)
class Phrase:
    """Somebody, something or some place. `names` holds the parts of a proper name, whose kind is `entity`."""

    noun: str = ""
    names: tuple[str, ...] = ()
    entity: str = ""
    determiner: str = ""
    numeral: str = ""
    adjective: str = ""
    plural: bool = False
    joined: Phrase | None = None  # "the baker and the cook"
    joint: str = "and"


@dataclass(frozen=True)
class Clause:
    """Who does what to whom, where and how. `asks` names the part that a question wants to know."""

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
    link: str = ""  # "because" or "while", before `other`
    other: Clause | None = None


class Imagination:
    """Makes up clauses. `names` is the chance that a phrase is a proper name instead of a common noun."""

    def __init__(self, rng: random.Random, names: float = 0.2) -> None:
        self.rng, self.names = rng, names

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def topic(self) -> str:
        return self.rng.choice(list(TOPICS))

    def sentence(self) -> Clause:
        """A clause, sometimes with a second one about the same topic."""
        clause = self.clause(self.topic())
        if self.chance(0.15):
            clause = replace(clause, link=self.rng.choice(lexicon.LINKING), other=self.clause(clause.topic))
        return clause

    def clause(self, topic: str, place: float = 0.5) -> Clause:
        words, pick = TOPICS[topic], self.rng.choice
        auxiliary = pick(lexicon.AUXILIARIES) if self.chance(0.3) else ""
        return Clause(
            topic=topic,
            subject=self.actor(words),
            verb=pick(words.actions),
            object=self.common(words, words.things),
            adposition=pick(lexicon.ADPOSITIONS),
            place=self.location(words) if self.chance(place) else None,
            adverb=pick(lexicon.ADVERBS) if self.chance(0.3) else "",
            auxiliary=auxiliary,
            past=not auxiliary and self.chance(0.5),
            negated=self.chance(0.15),
        )

    def actor(self, topic: Topic) -> Phrase:
        """Who does it: a person or company by name, a pronoun, or one of the topic's people."""
        pick = self.rng.choice
        if self.chance(self.names):
            if self.chance(0.35):
                return Phrase(names=(pick(lexicon.PLACES), pick(lexicon.COMPANIES)), entity="ORG")
            return Phrase(names=(pick(lexicon.GIVEN), pick(lexicon.FAMILY)), entity="PER")
        if self.chance(0.15):
            return Phrase(noun=pick(lexicon.PRONOUNS))
        phrase = self.common(topic, topic.people)
        if self.chance(0.12):
            other = self.common(topic, tuple(p for p in topic.people if p != phrase.noun))
            phrase = replace(phrase, joined=other, joint=pick(lexicon.JOINING))
        return phrase

    def location(self, topic: Topic) -> Phrase:
        if self.chance(self.names):
            town = (self.rng.choice(lexicon.TOWNS),) if self.chance(0.3) else ()
            return Phrase(names=(*town, self.rng.choice(lexicon.PLACES)), entity="LOC")
        return self.common(topic, topic.places, describe=0.15)

    def common(self, topic: Topic, nouns: tuple[str, ...], describe: float = 0.35) -> Phrase:
        """A phrase around one of the nouns."""
        pick = self.rng.choice
        numeral = pick(lexicon.NUMERALS) if self.chance(0.12) else ""
        plural = bool(numeral) or self.chance(0.25)
        determiner = "the"
        if numeral or (plural and self.chance(0.4)):
            determiner = ""
        elif not plural:
            determiner = pick(("the", "the", "a", "a", *lexicon.DETERMINERS))
        adjective = pick(topic.opposites) if self.chance(describe) else ""
        return Phrase(noun=pick(nouns), determiner=determiner, numeral=numeral, adjective=adjective, plural=plural)


def question(clause: Clause, rng: random.Random) -> Clause:
    """Ask for the subject, the object or, if there is one, the place of a clause."""
    asks = rng.choice(["subject", "object", *(["place"] if clause.place else [])])
    return replace(clause, asks=asks, link="", other=None)


def inference(imagine: Imagination) -> tuple[Clause, Clause, str]:
    """A premise, a hypothesis, and whether the one follows from the other, contradicts it, or neither (neutral).

    Who says more entails who says less: "she bakes bread today" entails "she bakes bread". Under negation it is the
    other way round. The same with and without "not" contradict each other.
    """
    rng = imagine.rng
    more = replace(imagine.clause(imagine.topic(), place=0.8), negated=False)
    while not _extras(more):
        more = replace(imagine.clause(imagine.topic(), place=0.8), negated=False)
    less = _without(more, rng)
    label = rng.choice(("entailment", "neutral", "contradiction"))
    if label == "contradiction":
        premise, hypothesis = (more, _denied(less)) if rng.random() < 0.5 else (_denied(less), more)
    elif label == "neutral" and rng.random() < 0.5:
        others = [verb for verb in TOPICS[more.topic].actions if verb != more.verb]
        premise, hypothesis = more, replace(less, verb=rng.choice(others))
    else:
        strong, weak = (more, less) if rng.random() < 0.8 else (_denied(less), _denied(more))
        premise, hypothesis = (strong, weak) if label == "entailment" else (weak, strong)
    return premise, hypothesis, label


def _extras(clause: Clause) -> list[str]:
    """What can be left out of a clause."""
    described = clause.object.adjective and clause.object.determiner != "every"
    there = {"place": clause.place is not None, "adverb": clause.adverb, "object": described}
    return [name for name, is_there in there.items() if is_there]


def _without(clause: Clause, rng: random.Random) -> Clause:
    extras = _extras(clause)
    plain: dict[str, Any] = {"place": None, "adverb": "", "object": replace(clause.object, adjective="")}
    dropped = rng.sample(extras, rng.randint(1, len(extras)))
    return replace(clause, **{name: plain[name] for name in dropped})


def _denied(clause: Clause) -> Clause:
    return replace(clause, negated=True)


def passage(imagine: Imagination) -> tuple[list[Clause], Clause]:
    """Two clauses about different topics, and a question that one of them answers."""
    topics = imagine.rng.sample(list(TOPICS), 2)
    clauses = [replace(imagine.clause(topic, place=0.9), negated=False) for topic in topics]
    return clauses, question(imagine.rng.choice(clauses), imagine.rng)


def answer(clauses: Sequence[Clause], asked: Clause) -> Clause:
    """The clause that answers a question about a passage."""
    return next(clause for clause in clauses if clause.topic == asked.topic)
