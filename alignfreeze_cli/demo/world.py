"""The demo world: a folder with everything the pipeline needs, made from a seed without a network.

    encoder/                             a tiny BERT that has read text of all languages, and its tokenizer
    text/{language}.txt                  what it has read
    parallel/{source}-{target}.tsv       sentence pairs, and in links/{source}-{target}.pharaoh their true word links
    dictionaries/{source}-{target}.txt   MUSE format, and the reverse direction
    pos/  ner/  nli/  qa/                {source}-train and {language}-test of each task
    distances.json                       how far each language is from the source, for `report`

Its README.md says what the languages are like. It is for seeing the whole thing work and for tests, and claims nothing
about real languages.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from alignfreeze_cli.artifacts import OutputFolder, Result
from alignfreeze_cli.demo import tasks, texts
from alignfreeze_cli.demo.language import Language, make_languages
from alignfreeze_cli.demo.meaning import Imagination, inference, passage
from alignfreeze_cli.demo.readme import readme, shared_words
from alignfreeze_cli.demo.settings import DemoWorldSettings
from alignfreeze_cli.progress import Console

DISTANCES = "distances.json"


def make_world(settings: DemoWorldSettings, console: Console) -> Result:
    """Make the world's folder, or say that it is there already.

    The same settings give the same bytes, the encoder's weights included, on one kind of machine.
    """
    output = OutputFolder("world", settings, [], default="world", seed=settings.seed)
    if done := output.finished():
        return done
    languages = make_languages(settings.seed, settings.languages)
    if settings.dry_run:
        return output.planned({"languages": [language.code for language in languages]})
    with output.open(console) as work:
        text = []
        with console.progress("writing texts", len(languages), "languages") as bar:
            for language in languages:
                text += _write_texts(settings, languages[0], language, work.path)
                bar.advance()
        _write_tasks(settings, languages, work.path)
        loss = _make_encoder(settings, languages, text, work.path / "encoder", console)
        _write(work.path / "README.md", readme(languages, settings))
        _write(work.path / DISTANCES, _distances(languages))
        work.details = {
            "source": languages[0].code,
            "languages": {language.code: language.name for language in languages},
            "masked-word-loss": round(loss, 4),
        }
    return output.result


def _distances(languages: Sequence[Language]) -> str:
    """The share of words that a language does not have in common with the source; grammars differ with it."""
    content = {
        "source": languages[0].code,
        "title": "share of words that the demo world's language does not have in common with the source",
        "distances": {language.code: round(1 - shared_words(languages[0], language), 4) for language in languages[1:]},
    }
    return json.dumps(content, indent=2) + "\n"


def _rng(settings: DemoWorldSettings, *purpose: str) -> random.Random:
    """Random numbers of their own for every text, so that one text does not depend on the length of another."""
    return random.Random(" ".join([str(settings.seed), *purpose]))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def _lines(lines: Sequence[str]) -> str:
    return "".join(line + "\n" for line in lines)


def _write_texts(settings: DemoWorldSettings, source: Language, language: Language, folder: Path) -> list[str]:
    """Everything but task data; gives the monolingual text."""
    code = language.code
    text = texts.monolingual(language, _rng(settings, "text", code), settings.sentences)
    _write(folder / "text" / f"{code}.txt", _lines(text))
    if language is not source:
        pair, reverse = f"{source.code}-{code}", f"{code}-{source.code}"
        lines, links = texts.parallel(source, language, _rng(settings, "parallel", code), settings.pairs)
        entries = texts.dictionary(source, language, _rng(settings, "dictionary", code), settings.known)
        _write(folder / "parallel" / f"{pair}.tsv", _lines(lines))
        _write(folder / "links" / f"{pair}.pharaoh", _lines(links))
        _write(folder / "dictionaries" / f"{pair}.txt", _lines(entries))
        _write(folder / "dictionaries" / f"{reverse}.txt", _lines(texts.turned(entries)))
    return text


def _write_tasks(settings: DemoWorldSettings, languages: Sequence[Language], folder: Path) -> None:
    def draw(task: str, split: str, make: Callable[[Imagination], Any], names: float = 0.2) -> list[Any]:
        imagine = Imagination(_rng(settings, task, split), names)
        return [make(imagine) for _ in range(settings.train if split == "train" else settings.test)]

    for split, speakers in (("train", languages[:1]), ("test", languages)):
        sentences = draw("pos", split, Imagination.sentence)
        named = draw("ner", split, Imagination.sentence, names=0.5)
        inferences, passages = draw("nli", split, inference), draw("qa", split, passage)
        for language in speakers:
            name = f"{language.code}-{split}"
            _write(folder / "pos" / f"{name}.conllu", tasks.conllu(language, sentences, name))
            _write(folder / "ner" / f"{name}.tsv", tasks.ner(language, named))
            _write(folder / "nli" / f"{name}.tsv", tasks.nli(language, inferences))
            _write(folder / "qa" / f"{name}.json", tasks.squad(language, passages, name))


def _make_encoder(
    settings: DemoWorldSettings, languages: Sequence[Language], text: Sequence[str], folder: Path, console: Console
) -> float:
    """Pre-train the encoder; gives the mean loss of the last tenth of the steps."""
    from alignfreeze_cli.demo.pretrain import make_tokenizer, pretrain, save

    tokenizer = make_tokenizer(languages)
    model, losses = pretrain(
        tokenizer,
        text,
        settings.steps,
        settings.batch_size,
        settings.learning_rate,
        settings.seed,
        settings.threads,
        console,
    )
    save(model, tokenizer, folder)
    last = losses[-max(1, len(losses) // 10) :]
    return sum(last) / len(last)
