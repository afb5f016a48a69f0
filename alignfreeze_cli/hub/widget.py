"""Examples for the box on a model's page in which visitors try it: a short sentence in each of its languages.

The sentences were written for this table and stand in no test data. Each says the same: somebody reads a book in a
city. So a tagger finds a name and a place in it, and the question has an answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from alignfreeze_cli.published import language_names


class Example(NamedTuple):
    """A sentence, and a question that it answers."""

    sentence: str
    question: str


EXAMPLES = {
    "en": Example("Maria is reading a book in Paris.", "What is Maria reading?"),
    "af": Example("Maria lees 'n boek in Parys.", "Wat lees Maria?"),
    "ar": Example("تقرأ ماريا كتابًا في باريس.", "ماذا تقرأ ماريا؟"),
    "bg": Example("Мария чете книга в Париж.", "Какво чете Мария?"),
    "ca": Example("La Maria llegeix un llibre a París.", "Què llegeix la Maria?"),
    "cs": Example("Marie čte v Paříži knihu.", "Co čte Marie?"),
    "da": Example("Maria læser en bog i Paris.", "Hvad læser Maria?"),
    "de": Example("Maria liest in Paris ein Buch.", "Was liest Maria?"),
    "el": Example("Η Μαρία διαβάζει ένα βιβλίο στο Παρίσι.", "Τι διαβάζει η Μαρία;"),
    "es": Example("María lee un libro en París.", "¿Qué lee María?"),
    "fa": Example("ماریا در پاریس کتاب می‌خواند.", "ماریا چه می‌خواند؟"),
    "fi": Example("Maria lukee kirjaa Pariisissa.", "Mitä Maria lukee?"),
    "fr": Example("Marie lit un livre à Paris.", "Que lit Marie ?"),
    "he": Example("מריה קוראת ספר בפריז.", "מה מריה קוראת?"),
    "hi": Example("मारिया पेरिस में एक किताब पढ़ रही है।", "मारिया क्या पढ़ रही है?"),
    "hu": Example("Mária egy könyvet olvas Párizsban.", "Mit olvas Mária?"),
    "it": Example("Maria legge un libro a Parigi.", "Che cosa legge Maria?"),
    "ja": Example("マリアはパリで本を読んでいます。", "マリアは何を読んでいますか。"),
    "ko": Example("마리아는 파리에서 책을 읽고 있다.", "마리아는 무엇을 읽고 있는가?"),
    "lt": Example("Marija skaito knygą Paryžiuje.", "Ką skaito Marija?"),
    "lv": Example("Marija lasa grāmatu Parīzē.", "Ko lasa Marija?"),
    "no": Example("Maria leser en bok i Paris.", "Hva leser Maria?"),
    "pl": Example("Maria czyta książkę w Paryżu.", "Co czyta Maria?"),
    "pt": Example("A Maria lê um livro em Paris.", "O que lê a Maria?"),
    "ro": Example("Maria citește o carte la Paris.", "Ce citește Maria?"),
    "ru": Example("Мария читает книгу в Париже.", "Что читает Мария?"),
    "sk": Example("Mária číta v Paríži knihu.", "Čo číta Mária?"),
    "sl": Example("Marija v Parizu bere knjigo.", "Kaj bere Marija?"),
    "sv": Example("Maria läser en bok i Paris.", "Vad läser Maria?"),
    "sw": Example("Maria anasoma kitabu huko Paris.", "Maria anasoma nini?"),
    "ta": Example("மரியா பாரிஸில் ஒரு புத்தகம் படிக்கிறாள்.", "மரியா என்ன படிக்கிறாள்?"),
    "th": Example("มาเรียอ่านหนังสืออยู่ที่ปารีส", "มาเรียอ่านอะไรอยู่"),
    "tr": Example("Maria Paris'te bir kitap okuyor.", "Maria ne okuyor?"),
    "uk": Example("Марія читає книжку в Парижі.", "Що читає Марія?"),
    "ur": Example("ماریہ پیرس میں ایک کتاب پڑھ رہی ہے۔", "ماریہ کیا پڑھ رہی ہے؟"),
    "vi": Example("Maria đang đọc sách ở Paris.", "Maria đang đọc gì?"),
    "zh": Example("玛丽亚在巴黎看书。", "玛丽亚在看什么？"),
}


def is_generated(example: object) -> bool:
    """Whether an example on a card is one of `widget`, for whichever task and language; none that a person changed."""
    return any(example in widget(pipeline_tag, EXAMPLES) for pipeline_tag in ("question-answering", "other tasks"))


def widget(pipeline_tag: str, languages: Iterable[str]) -> list[dict[str, str]]:
    """The metadata `widget` of a card: an example for each of these languages that the table has."""
    names = language_names()
    found = []
    for code in dict.fromkeys(languages):
        if code in EXAMPLES:
            sentence, question = EXAMPLES[code]
            asked = pipeline_tag == "question-answering"
            texts = {"text": question, "context": sentence} if asked else {"text": sentence}
            found.append({**texts, "example_title": names.get(code, code)})
    return found
