"""What a folder's record and lineage say, as cards need it. Nothing is guessed: what is not recorded is None or absent.

A step is a mapping as it stands in the lineage: kind, settings, inputs, seed, details, created, versions, hardware,
and the digest of the folder it made. The templates read steps as they are (`card_facts`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from alignfreeze_cli.aligners.settings import MUSE
from alignfreeze_cli.artifacts.hub_client import is_repository_id, split_reference
from alignfreeze_cli.artifacts.record import Record, made_by
from alignfreeze_cli.hub.curve import recorded_curve
from alignfreeze_cli.hub.picture import BlockState, Strip
from alignfreeze_cli.pairs.settings import OPUS_100
from alignfreeze_cli.published import full_id
from alignfreeze_cli.tasks.pos import REPACKAGED, REPACKAGED_VERSION, PosTask
from alignfreeze_cli.tasks.registry import TASKS

Step = Mapping[str, Any]

MODEL_INPUTS = ("model", "base", "encoder", "filter-encoder")
"""Names of the inputs of steps that are models, not data."""

BASE_LICENCES = {
    "FacebookAI/xlm-roberta-base": "mit",
    "FacebookAI/xlm-roberta-large": "mit",
    "google-bert/bert-base-multilingual-cased": "apache-2.0",
    "distilbert/distilbert-base-multilingual-cased": "apache-2.0",
    "microsoft/mdeberta-v3-base": "mit",
    "sentence-transformers/all-MiniLM-L6-v2": "apache-2.0",
}
"""Licences that the Hub states for encoders one may start from."""


@dataclass(frozen=True)
class Base:
    """What a model was made from. `id` and `commit` are None if it was a folder that no record explains."""

    id: str | None
    commit: str | None
    source: str
    digest: str

    @property
    def licence(self) -> str | None:
        return BASE_LICENCES.get(full_id(self.id)) if self.id else None

    @property
    def name(self) -> str:
        """The last part of its id or path."""
        return (self.id or self.source).rstrip("/").rpartition("/")[2]


@dataclass(frozen=True)
class Data:
    """Data that went into a folder. `dataset` is its Hub id, `commercial` False if its licence forbids such use.

    `citation` is BibTeX, empty where it is not known which publication the data is from.
    """

    what: str
    source: str
    licence: str
    dataset: str | None = None
    commit: str | None = None
    digest: str = ""
    commercial: bool = True
    citation: str = ""

    @property
    def part(self) -> str:
        """Where in the data set the files lie, if that says more than its name; of files from elsewhere the source."""
        return "" if self.source == OPUS_100 else self.source.removeprefix(self.dataset or "").lstrip("/")


_THOT = "of sil-thot, a library under the LGPL-3.0 that is no part of what is published here"
STATISTICAL_ALIGNERS = {
    "fast-align": f"fast_align (Dyer et al. 2013) {_THOT}",
    "eflomal": f"eflomal (Östling and Tiedemann 2016) {_THOT}",
    "hmm": f"the HMM aligner (Vogel et al. 1996) {_THOT}",
}
"""Aligner → what made the links; dictionaries and files of links are among the data."""

KNOWN_DATA = {
    OPUS_100: Data(
        "OPUS-100 (Zhang et al. 2020)",
        "",
        "none stated for the collection; OPUS gives those of its parts",
        "Helsinki-NLP/opus-100",
        citation="""@inproceedings{zhang-etal-2020-improving,
  title = {Improving Massively Multilingual Neural Machine Translation and Zero-Shot Translation},
  author = {Zhang, Biao and Williams, Philip and Titov, Ivan and Sennrich, Rico},
  booktitle = {Proceedings of the 58th Annual Meeting of the Association for Computational Linguistics},
  year = {2020},
  pages = {1628--1639},
  doi = {10.18653/v1/2020.acl-main.148}
}""",
    ),
    MUSE: Data(
        "MUSE bilingual dictionaries (Conneau et al. 2018)",
        "",
        "CC BY-NC 4.0: **not for commercial use**",
        commercial=False,
        citation="""@inproceedings{conneau2018word,
  title = {Word Translation Without Parallel Data},
  author = {Conneau, Alexis and Lample, Guillaume and Ranzato, Marc'Aurelio and Denoyer, Ludovic and
            J{\\'e}gou, Herv{\\'e}},
  booktitle = {International Conference on Learning Representations},
  year = {2018}
}""",
    ),
    # Read where UD 2.7 is gone from the Hub.
    REPACKAGED: Data(
        f"Universal Dependencies {REPACKAGED_VERSION}",
        "",
        PosTask.licence,
        REPACKAGED,
        citation="""@misc{11234/1-6036,
  title = {Universal Dependencies 2.17},
  author = {Zeman, Daniel and Nivre, Joakim and others},
  url = {http://hdl.handle.net/11234/1-6036},
  note = {{LINDAT}/{CLARIAH}-{CZ} digital library at the Institute of Formal and Applied Linguistics ({{\\'U}FAL}),
          Faculty of Mathematics and Physics, Charles University},
  year = {2025}
}""",
    ),
}


def steps_of(record: Record) -> list[Step]:
    """All steps that led to a folder, oldest first, its own last."""
    return [*record.lineage, record.as_parent()]


def models_of(record: Record) -> list[Step]:
    """The models from the base to this folder, oldest first: what each was made from is followed by digest."""
    by_digest: dict[str, Step] = {}
    for each in steps_of(record):  # a blend may have the digest of what it was made from, which comes before it
        by_digest.setdefault(each["digest"], each)
    step: Step | None = record.as_parent()
    chain: list[Step] = []
    seen: list[Step] = []  # a record may come from anywhere, and go round in a circle
    while step is not None and all(step is not each for each in seen):
        seen.append(step)
        if step["kind"] in ("encoder", "task-model"):
            chain.insert(0, step)
        parent = model_input(step)
        step = by_digest.get(parent["digest"]) if parent else None
    return chain


def model_input(step: Step) -> Mapping[str, Any] | None:
    """The input of a step that is a model."""
    return next((each for each in step["inputs"] if each["name"] == "model"), None)


def bases_of(record: Record) -> list[Base]:
    """What the model was made from, nearest first: every ancestor that came from the Hub, then the first of all."""
    found = []
    for number, step in enumerate(reversed(chain := models_of(record))):
        source = model_input(step)
        if source is None:
            continue
        if source.get("commit"):
            parts = split_reference(source["source"])
            name = full_id(parts[0]) if parts else None
            found.append(Base(name, source["commit"], source["source"], source["digest"]))
        elif number == len(chain) - 1:
            found.append(Base(None, None, source["source"], source["digest"]))
    return found


def pairs_steps(record: Record) -> list[Step]:
    """The align-pairs steps behind the last realignment (or the folder itself, if it holds pairs)."""
    if record.kind == "pairs":
        return [record.as_parent()]
    realigned = last_realignment(record)
    used = {each["digest"] for each in realigned["inputs"]} if realigned else set()
    return [step for step in steps_of(record) if step["kind"] == "pairs" and step["digest"] in used]


def published_aligner(step: Step) -> str | None:
    """What the published runs call the aligner of an align-pairs step; None for one that they did not use."""
    settings = step["settings"]
    if settings.get("aligner") == "dictionary":
        return "dictionary"
    if settings.get("aligner") == "fast-align":
        return "fastalign" if settings["symmetrise"] == "grow-diag-final-and" else None
    by_awesome = {"extract": "softmax", "softmax-threshold": 0.001, "softmax-temperature": None, "align-block": 7}
    if settings.get("aligner") == "encoder" and all(settings.get(key) == value for key, value in by_awesome.items()):
        return "awesome" if str(settings["encoder"]).rstrip("/").endswith("model_without_co") else None
    return None


def linked_by(record: Record) -> list[str]:
    """What linked the words of the pairs, with its licence, where that is neither a dictionary nor a file of links."""
    found = []
    for step in pairs_steps(record):
        encoder = next((each for each in step["inputs"] if each["name"] == "encoder"), None)
        if encoder is not None:
            parts = split_reference(encoder["source"]) if encoder.get("commit") else None
            licence = BASE_LICENCES.get(full_id(parts[0])) if parts else None
            known = licence or ("see its page" if parts else "not recorded: a folder of whoever made this")
            found.append(f"the encoder {encoder['source']} (licence: {known})")
        elif (aligner := step["settings"].get("aligner")) in STATISTICAL_ALIGNERS:
            found.append(STATISTICAL_ALIGNERS[aligner])
    return list(dict.fromkeys(found))


def last_realignment(record: Record) -> Step | None:
    """The last realign step on the way to this model, or the realignment that ran within finetune; None if there is
    none.
    """
    return next(filter(None, map(_realignment, reversed(models_of(record)))), None)


def blends_of(record: Record) -> list[Step]:
    """The blend steps on the way to this model, oldest first."""
    return [step for step in models_of(record) if made_by(step) == "blend"]


def _realignment(step: Step) -> Step | None:
    """A step as far as it realigned, in the form of a realign step; None if it did not.

    `details.schedule` is "during" where it realigned while fine-tuning.
    """
    if step["kind"] == "encoder":
        return None if made_by(step) == "blend" else step
    if (schedule := step["details"].get("schedule")) is None:
        return None
    details = {**step["details"]["realign"], "schedule": schedule}
    return {**step, "settings": {**step["settings"], "batch-size": details["batch-size"]}, "details": details}


def realigned_languages(record: Record) -> tuple[str, ...]:
    """Target languages of the last realignment, or of the pairs, in their order; empty for a baseline."""
    step = record.as_parent() if record.kind == "pairs" else last_realignment(record)
    return tuple(step["details"].get("languages", {})) if step else ()


def source_languages(record: Record) -> tuple[str, ...]:
    """The languages that the others are aligned with: one, unless pairs folders differ in it; empty for a baseline."""
    return tuple(dict.fromkeys(str(step["settings"]["source"]) for step in pairs_steps(record)))


def task_language(record: Record) -> str | None:
    """The language of the fine-tuning data; None for what is no task model."""
    return str(record.details["language"]) if record.kind == "task-model" else None


def strategy(record: Record) -> str | None:
    """The published name of what was done (baseline, full, front, back).

    None for another plan or several, for a blend, and where less was trained than in the published runs: by adapters,
    or with blocks frozen in fine-tuning.
    """
    models = models_of(record)
    partly = (step["kind"] == "task-model" and step["details"]["freeze"] not in ("none", "full") for step in models)
    if any("lora" in step["details"] for step in models) or any(partly) or blends_of(record):
        return None
    realignments = [step for step in map(_realignment, models) if step is not None]
    if not realignments:
        return "baseline"
    plan = realignments[-1]["settings"]["freeze"]
    known = {"none": "full", "full": "full", "front": "front", "back": "back"}
    during = "schedule" in realignments[-1]["details"]
    return known.get(plan) if len(realignments) == 1 and not during else None


def training_data(record: Record) -> list[Data]:
    """All data behind a folder, each once: corpora, dictionaries, labelled data."""
    found: dict[tuple[str, str], Data] = {}
    for step in steps_of(record):
        if step["kind"] == "scores":
            continue
        for each in step["inputs"]:
            if each["name"] not in MODEL_INPUTS and "kind" not in each:
                data = _data(step, each)
                found.setdefault((data.what, data.source), data)
    return list(found.values())


def _data(step: Step, given: Mapping[str, Any]) -> Data:
    """What is known of an input that is neither a model nor pairs."""
    source, commit, digest = given["source"], given.get("commit"), given["digest"]
    dataset = "/".join(source.partition("@")[0].split("/")[:2]) if commit else None
    dataset = dataset if dataset is not None and is_repository_id(dataset) else None
    for key, known in KNOWN_DATA.items():
        if source == key or (dataset is not None and dataset in (key, known.dataset)):
            return replace(known, source=source, commit=commit, digest=digest)
    if step["kind"] == "task-model" and commit:
        task = TASKS[step["details"]["task"]]
        commercial = "BY-NC" not in task.licence
        return Data(task.data, source, task.licence, dataset, commit, digest, commercial, task.citation)
    role = {"corpus": "parallel text", "train": "labelled data"}.get(given["name"].split()[0], given["name"].split()[0])
    licence = "see its page" if commit else "not recorded: a file of whoever made this"
    return Data(role, source, licence, dataset, commit, digest)


def strips(record: Record, blocks: int) -> list[Strip]:
    """What the picture shows: realignment and, for a task model, fine-tuning, of an encoder of so many blocks."""
    found = []
    for step in models_of(record):
        if (realigned := _realignment(step)) is not None:
            details = realigned["details"]
            read = details["read-block"]
            states = [
                "unreached" if block > read else _state(block in details["frozen-blocks"]) for block in range(blocks)
            ]
            found.append(Strip("realignment", _state(details["embeddings-frozen"]), tuple(states), read))
        if made_by(step) == "blend":
            details = step["details"]["blend"]
            states = [_blended(block in details["restored-blocks"]) for block in range(blocks)]
            found.append(Strip("blend", _blended(details["embeddings-restored"]), tuple(states)))
        if step["kind"] == "task-model":
            details = step["details"]
            states = [_state(block in details["frozen-blocks"]) for block in range(blocks)]
            without_embeddings = "lora" in details or "embeddings" in details["freeze"].split(",")
            found.append(Strip("fine-tuning", _state(without_embeddings), tuple(states)))
    return found


def _state(frozen: bool) -> BlockState:
    return "frozen" if frozen else "trained"


def _blended(restored: bool) -> BlockState:
    return "restored" if restored else "blended"


def card_facts(record: Record, stated_base: str | None = None) -> dict[str, Any]:
    """What the templates `pairs.md.j2` and `model.md.j2` are filled with, as far as the record says it.

    `stated_base`: what a person says the first encoder is on the Hub.
    """
    bases, realigned = bases_of(record), last_realignment(record)
    return {
        "record": record,
        "steps": steps_of(record),
        "first_base": bases[-1] if bases else None,
        "stated_base": stated_base,
        "hub_base": next((base for base in bases if base.id), None),
        "realigned": realigned,
        "during": realigned is not None and realigned["details"].get("schedule") == "during",
        "blends": [step["details"]["blend"] for step in blends_of(record)],
        "retrieval": _retrieval(realigned),
        "curve": recorded_curve(realigned["details"]) if realigned else None,
        "sources": source_languages(record),
        "languages": realigned_languages(record),
        "filters": [*(["keep-best"] if "keep-best" in record.settings else []), *record.settings.get("filter", ())],
        "task": TASKS[record.details["task"]] if record.kind == "task-model" else None,
        "data": training_data(record),
        "linked_by": linked_by(record),
    }


def _retrieval(realigned: Step | None) -> dict[str, tuple[float, float]]:
    """Language → accuracy of the probe before and after realignment in the block the loss reads; empty if not probed.

    Fractions of 1.
    """
    if realigned is None:
        return {}
    block = str(realigned["details"]["read-block"])
    rows = {(row["language"], row["probe"]): row["accuracy"][block] for row in realigned["details"].get("probe", [])}
    return {code: (rows[code, "before"], rows[code, "after"]) for code, _ in rows}
