"""The demo world: a folder with everything the pipeline needs, made from a seed without a network.

Its README.md (`_PAGE`) lists the files and says what the languages are like.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from alignfreeze_cli.artifacts import OutputFolder, Result
from alignfreeze_cli.artifacts.files import write_json
from alignfreeze_cli.demo import data
from alignfreeze_cli.demo.languages import ROLES, Language, make_languages, shared_words, text_in
from alignfreeze_cli.demo.meanings import (
    TOPICS,
    UPOS,
    Clause,
    ClauseSampler,
    Phrase,
    sample_inference,
    sample_passage,
)
from alignfreeze_cli.demo.settings import DemoWorldSettings
from alignfreeze_cli.errors import SettingsError
from alignfreeze_cli.progress import WARNINGS, Console
from alignfreeze_cli.settings import nearest

DISTANCES = "distances.json"


def make_world(settings: DemoWorldSettings, console: Console = WARNINGS) -> Result:
    """Make the world's folder, or say that it is there already.

    The same settings give the same bytes, the encoder's weights included, on one kind of machine.
    """
    output = OutputFolder("world", settings, [], default="world", seed=settings.seed)
    if done := output.finished():
        return done
    languages = make_languages(settings.seed, settings.languages)
    sources = _sources(settings, languages)
    if settings.dry_run:
        return output.planned({"languages": [language.code for language in languages]})
    with output.open(console) as work:
        text = []
        with console.progress("writing texts", len(languages), "languages") as bar:
            for language in languages:
                text += _write_texts(settings, sources, language, work.path)
                bar.advance()
        _write_tasks(settings, languages, sources, work.path)
        loss = _make_encoder(settings, languages, text, work.path / "encoder", console)
        _write(work.path / "README.md", _readme(languages, settings))
        distances = [_distances(source, languages) for source in sources]
        write_json(work.path / DISTANCES, distances if len(distances) > 1 else distances[0])
        work.details = {
            "source": languages[0].code,
            "languages": {language.code: language.name for language in languages},
            "masked-word-loss": round(loss, 4),
        }
    return output.result


def _sources(settings: DemoWorldSettings, languages: Sequence[Language]) -> list[Language]:
    """The languages with training data: the first one, and the second source if one is asked for."""
    second = settings.second_source
    if second is None:
        return [languages[0]]
    codes = [language.code for language in languages[1:]]
    if second not in codes:
        raise SettingsError(
            f"--second-source must be one of {', '.join(codes)}, not {second!r}" + nearest(second, codes)
        )
    return [languages[0], languages[1 + codes.index(second)]]


def _write_texts(
    settings: DemoWorldSettings, sources: Sequence[Language], language: Language, folder: Path
) -> list[str]:
    """Write all text of a language but its task data; gives the monolingual text."""
    code = language.code
    text = data.monolingual_lines(language, _rng(settings, "text", code), settings.sentences)
    _write(folder / "text" / f"{code}.txt", _lines(text))
    first, *others = sources
    if language is not first:
        _write_pair(settings, first, language, (code,), folder)
    for source in others:
        if language is not source:
            _write_pair(settings, source, language, (source.code, code), folder, dictionaries=language is not first)
    return text


def _write_pair(
    settings: DemoWorldSettings,
    source: Language,
    language: Language,
    purpose: Sequence[str],
    folder: Path,
    dictionaries: bool = True,
) -> None:
    """Write parallel text, its links and the dictionaries of both directions; `purpose` decides what is drawn."""
    pair, reverse = f"{source.code}-{language.code}", f"{language.code}-{source.code}"
    lines, links = data.parallel_lines(source, language, _rng(settings, "parallel", *purpose), settings.pairs)
    _write(folder / "parallel" / f"{pair}.tsv", _lines(lines))
    _write(folder / "links" / f"{pair}.pharaoh", _lines(links))
    if dictionaries:
        entries = data.dictionary_lines(source, language, _rng(settings, "dictionary", *purpose), settings.known)
        reversed_entries = sorted(" ".join(reversed(entry.split(" "))) for entry in entries)
        _write(folder / "dictionaries" / f"{pair}.txt", _lines(entries))
        _write(folder / "dictionaries" / f"{reverse}.txt", _lines(reversed_entries))


def _write_tasks(
    settings: DemoWorldSettings, languages: Sequence[Language], sources: Sequence[Language], folder: Path
) -> None:
    def draw(task: str, split: str, make: Callable[[ClauseSampler], Any], names: float = 0.2) -> list[Any]:
        sampler = ClauseSampler(_rng(settings, task, split), names)
        return [make(sampler) for _ in range(settings.train if split == "train" else settings.test)]

    for split, with_data in (("train", sources), ("test", languages)):
        sentences = draw("pos", split, ClauseSampler.sentence)
        named = draw("ner", split, ClauseSampler.sentence, names=0.5)
        inferences, passages = draw("nli", split, sample_inference), draw("qa", split, sample_passage)
        for language in with_data:
            name = f"{language.code}-{split}"
            _write(folder / "pos" / f"{name}.conllu", data.conllu_file(language, sentences, name))
            _write(folder / "ner" / f"{name}.tsv", data.iob_file(language, named))
            _write(folder / "nli" / f"{name}.tsv", data.nli_file(language, inferences))
            _write(folder / "qa" / f"{name}.json", data.squad_file(language, passages, name))


def _make_encoder(
    settings: DemoWorldSettings, languages: Sequence[Language], text: Sequence[str], folder: Path, console: Console
) -> float:
    """Pre-train the encoder; gives the mean loss of the last tenth of the steps."""
    from alignfreeze_cli.demo.pretrain import make_tokenizer, pretrain
    from alignfreeze_cli.encoder.models import save_weights

    tokenizer = make_tokenizer(languages)
    encoder, losses = pretrain(tokenizer, text, settings, console)
    save_weights(encoder, folder)
    tokenizer.save_pretrained(folder)
    last = losses[-max(1, len(losses) // 10) :]
    return sum(last) / len(last)


def _rng(settings: DemoWorldSettings, *purpose: str) -> random.Random:
    """Each text has random numbers of its own, so that it does not depend on the length of another."""
    return random.Random(" ".join([str(settings.seed), *purpose]))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def _lines(lines: Sequence[str]) -> str:
    return "".join(line + "\n" for line in lines)


def _distances(source: Language, languages: Sequence[Language]) -> dict[str, Any]:
    """How far each language is from a source, measured by the words they do not share."""
    others = (language for language in languages if language is not source)
    return {
        "source": source.code,
        "title": "share of words that the demo world's language does not have in common with the source",
        "distances": {language.code: round(1 - shared_words(source, language), 4) for language in others},
    }


_EXAMPLE = Clause(
    topic="farm",
    subject=Phrase("farmer", determiner="the", adjective="old"),
    verb="feed",
    object=Phrase("goat", numeral="two", plural=True),
    adposition="behind",
    place=Phrase("barn", determiner="the"),
    past=True,
)

_PAGE = """\
# A small world

Made up from seed {seed}: related languages that speak about the same {concepts} concepts in {topics} topics, and an
encoder that has read text of all of them. It is for seeing the whole pipeline work without a network, and for tests.
It claims nothing about real languages.

**{source}** is the source: {alone} training data. The others derive from it, by growing distance: fewer shared
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

Tasks have {train} training examples in {taught} and {test} test examples in every language, the same ones in all.
"""


def _readme(languages: Sequence[Language], settings: DemoWorldSettings) -> str:
    """README.md: what is in the folder, what the languages are like, and one sentence in each."""
    source = languages[0]
    table = "\n".join(
        f"| {x.code} | {x.name} | {shared_words(source, x):.0%} | {' '.join(ROLES[part] for part in x.clause)} "
        f"| {x.adposition} | {x.article} | {', '.join(x.marks)} |"
        for x in languages
    )
    examples = "\n".join(f"| {x.code} | {text_in(x, _EXAMPLE)} |" for x in languages)
    second = next((language.name for language in languages if language.code == settings.second_source), None)
    return _PAGE.format(
        alone=f"it and {second} alone have" if second else "it alone has",
        taught=f"{source.name} and {second}" if second else source.name,
        source=source.name,
        source_code=source.code,
        concepts=len(UPOS),
        topics=len(TOPICS),
        table=table,
        examples=examples,
        **asdict(settings),
    )
