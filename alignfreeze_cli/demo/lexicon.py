"""What can be talked about in the demo world: concepts, by topic, each with its part of speech.

A concept is named by an English gloss; every language of the world has its own made-up word for it. Nouns, verbs and
adjectives belong to topics, so that the words of a sentence can be guessed from each other: that is what an encoder
learns when it is trained to fill in masked words.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Topic:
    """The concepts of one topic; `opposites` are two adjectives that exclude each other."""

    people: tuple[str, ...]
    things: tuple[str, ...]
    places: tuple[str, ...]
    actions: tuple[str, ...]
    opposites: tuple[str, str]


def _topic(people: str, things: str, places: str, actions: str, opposites: str) -> Topic:
    first, second = opposites.split()
    return Topic(
        tuple(people.split()), tuple(things.split()), tuple(places.split()), tuple(actions.split()), (first, second)
    )


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
JOINING = ("and", "or")
LINKING = ("because", "while")
QUESTION_WORDS = {"subject": "who", "object": "what", "place": "where"}
NOT = "not"

# Names. Some family names are also names of places, as real ones are, so that only the context tells which it is.
GIVEN = ("Given1", "Given2", "Given3", "Given4", "Given5", "Given6")
BOTH = ("Both1", "Both2", "Both3")
FAMILY = ("Family1", "Family2", "Family3", *BOTH)
PLACES = ("Place1", "Place2", "Place3", *BOTH)
TOWNS = ("Newtown", "Oldtown")
COMPANIES = ("Company", "Guild", "Bank")

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
    table |= dict.fromkeys(JOINING, "CCONJ")
    table |= dict.fromkeys(LINKING, "SCONJ")
    table |= dict.fromkeys(GIVEN + FAMILY + PLACES + TOWNS + COMPANIES, "PROPN")
    table |= dict.fromkeys(PUNCTUATION, "PUNCT")
    table[NOT] = "PART"
    return table


UPOS: dict[str, str] = _parts_of_speech()
"""Concept -> universal part-of-speech tag."""

INFLECTED = ("NOUN", "VERB", "ADJ")
"""Parts of speech that take endings."""

CONTENT = ("NOUN", "VERB", "ADJ", "ADV", "PROPN")
"""Parts of speech whose words are long."""
