"""The sentences and lines of code on a card, from the facts of a record."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from alignfreeze_cli.artifacts.record import Record
from alignfreeze_cli.hub import facts
from alignfreeze_cli.hub.citations import ALIGNFREEZE, DATA
from alignfreeze_cli.hub.phrases import count, either, language, ranges, some
from alignfreeze_cli.tasks.registry import TASKS

PAPER = "[AlignFreeze](https://arxiv.org/abs/2502.12959)"
HERE = "path/to/this/folder"
"""Stands in the code of a card until the folder has a name on the Hub."""

_USE = {
    "encoder": """from transformers import AutoModel, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained("{name}")
model = AutoModel.from_pretrained("{name}")
vectors = model(**tokenizer("She reads a book.", return_tensors="pt")).last_hidden_state
print(vectors.shape)  # (sentences, subwords, hidden size)""",
    "pairs": """from datasets import load_dataset
pairs = load_dataset("{name}", "{configuration}", split="train")
row = pairs[0]
for i, j in row["links"]:
    print(row["source"][i], "=", row["target"][j])""",
    "AutoModelForTokenClassification": """from transformers import pipeline
tag = pipeline("token-classification", model="{name}")
for piece in tag("She reads a book."):
    print(piece["word"], piece["entity"])""",
    "AutoModelForSequenceClassification": """from transformers import pipeline
infer = pipeline("text-classification", model="{name}")
print(infer({{"text": "She reads a book.", "text_pair": "Somebody reads."}}))""",
    "AutoModelForQuestionAnswering": """from transformers import AutoModelForQuestionAnswering, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained("{name}")
model = AutoModelForQuestionAnswering.from_pretrained("{name}")
read = tokenizer("What does she read?", "She reads a book.", return_tensors="pt")
scores = model(**read)
first, last = scores.start_logits.argmax(), scores.end_logits.argmax()
print(tokenizer.decode(read["input_ids"][0, first : last + 1]))""",
}
_USE_ANY = """from transformers import AutoTokenizer, {auto_class}
tokenizer = AutoTokenizer.from_pretrained("{name}")
model = {auto_class}.from_pretrained("{name}")
outputs = model(**tokenizer("She reads a book.", return_tensors="pt"))
print(outputs)"""


def title(record: Record) -> str:
    """What the folder is, as a heading."""
    if record.kind == "pairs":
        source, targets = record.settings["source"], facts.realigned_languages(record)
        return f"Word-aligned sentence pairs: {source} with {some(targets)}"
    realigned = facts.last_realignment(record)
    made = f"{_base_name(record)}, not realigned"
    if realigned is not None:
        when = ", during fine-tuning" if during(realigned) else ""
        made = f"{_base_name(record)}, realigned ({_plan(realigned)}{when})"
    return made if record.kind == "encoder" else f"{made}, for {TASKS[record.details['task']].title}"


def summary(record: Record) -> str:
    """What was done, in two or three sentences."""
    if record.kind == "pairs":
        kept = sum(each["kept"] for each in record.details["languages"].values())
        aligner = record.settings["aligner"]
        return (
            f"{kept:,} sentence pairs in {count(len(facts.realigned_languages(record)), 'language pair')}, split into "
            f"words, with links between words that translate each other (aligner: {aligner}). They are what {PAPER} "
            "trains on when it realigns a multilingual encoder."
        )
    realigned = facts.last_realignment(record)
    sentences = []
    if realigned is not None:
        languages, sources = facts.realigned_languages(record), facts.source_languages(record)
        sentences.append(
            f"{_base_link(record)}, realigned with {PAPER}: a contrastive loss pulled the vectors of words that "
            f"translate each other together, between {either(sources)} and {count(len(languages), 'language')} "
            f"({some(languages)}), while {_frozen(realigned)}."
        )
        steps, pairs = count(realigned["details"]["steps"], "step"), _pairs_per_step(realigned)
        if during(realigned):
            weight = realigned["details"]["weight"]
            sentences.append(
                f"This was done during fine-tuning: {pairs} in each of {steps}, with the weight {weight:g}."
            )
        else:
            sentences.append(f"It took {steps} of {pairs}.")
            sentences += _by_lora(realigned)
    if record.kind == "task-model":
        details = record.details
        task = TASKS[details["task"]]
        start = f"{_base_link(record)}, not realigned (the baseline of {PAPER}),"
        if realigned is not None:
            start = "It was" if during(realigned) else "It was then"
        sentences.append(
            f"{start} fine-tuned on {details['examples']:,} {language(details['language'])} examples for {task.title}, "
            "to be used in other languages without training in them (zero-shot)."
        )
        sentences += _by_lora(record.as_parent())
    return " ".join(sentences)


def picture_title(record: Record) -> str:
    """What the picture shows, also for those who can't see it."""
    realigned = facts.last_realignment(record)
    if realigned is None:
        return "All blocks were fine-tuned, none realigned"
    return f"Freeze plan {_plan(realigned)}: {_frozen(realigned)}" + ("" if during(realigned) else " while realigning")


def blocks_note(record: Record) -> str:
    """What is easily missed about the picture."""
    realigned = facts.last_realignment(record)
    if realigned is None:
        return "No block was realigned: this is what realigned models are compared with."
    details = realigned["details"]
    read, top = details["read-block"], details["blocks"] - 1
    note = f"Blocks are counted from 0. The loss reads the output of block {read}"
    if read < top:
        above = f"block {top}" if read == top - 1 else f"blocks {read + 1} to {top}"
        note += f", so {above} above it {'was' if read == top - 1 else 'were'} not touched by realignment"
    if record.kind == "encoder":
        note += f"; the realigned vectors are `hidden_states[{read + 1}]` with `output_hidden_states=True`"
    return note + "."


def use(record: Record, repo_id: str | None) -> str:
    """A few lines of Python that run."""
    name = repo_id or HERE
    if record.kind == "task-model":
        auto_class = TASKS[record.details["task"]].auto_class
        return _USE.get(auto_class, _USE_ANY).format(name=name, auto_class=auto_class)
    configuration = f"{record.settings.get('source')}-{next(iter(facts.realigned_languages(record)), '')}"
    shorter = [
        f'# after {steps} steps: AutoModel.from_pretrained("{name}", subfolder="steps-{steps}")'
        for steps in record.settings.get("save-at", ())
    ]
    return "\n".join([_USE[record.kind].format(name=name, configuration=configuration), *shorter])


def repository_in(card: str) -> str | None:
    """The repository that the lines of code on a card name, if it is one."""
    found = re.search(r'(?:from_pretrained\(|load_dataset\(|model=)"([^"]+)"', card)
    return found[1] if found and found[1] != HERE else None


def limits(record: Record) -> str:
    """What not to expect, as far as the record tells."""
    if record.kind == "pairs":
        return (
            "Links were found automatically and were not checked by people. Sentences without links are left out, so "
            "this is no parallel corpus for training translation."
        )
    lines = []
    languages = facts.realigned_languages(record)
    if languages:
        lines.append(
            f"Realigned for {count(len(languages), 'language')} ({some(languages, 40)}); what it does to others "
            "was not measured here."
        )
    if record.kind == "encoder":
        lines.append(
            "An encoder: it has no head and is meant to be fine-tuned, as usual, on a task in "
            f"{either(facts.source_languages(record))}."
        )
    else:
        lines.append(
            f"Fine-tuned in {language(facts.task_language(record) or '')} only: to other languages it transfers, as a "
            "rule the worse the farther they are."
        )
    lines.append("Whatever biases the base model has, this one has too; nothing was done about them.")
    return "\n".join(f"- {line}" for line in lines)


def citation(record: Record) -> str:
    """BibTeX of the method, and of the data that is known."""
    entries = [ALIGNFREEZE]
    for each in facts.training_data(record):
        entries += [text for key, text in DATA.items() if key == each.dataset or each.what.startswith(key)]
    if record.kind == "task-model" and any(each.commit for each in facts.training_data(record)):
        entries.append(TASKS[record.details["task"]].citation)
    return "\n\n".join(dict.fromkeys(entries))


def _base_name(record: Record) -> str:
    bases = facts.bases_of(record)
    if not bases:
        return "An encoder"
    return (bases[-1].id or bases[-1].source).rstrip("/").rpartition("/")[2]


def _base_link(record: Record) -> str:
    bases = facts.bases_of(record)
    known = next((base for base in bases if base.id), None)
    if known is None:
        source = f"`{bases[-1].source}`, sha256 {bases[-1].digest[:12]}…" if bases else "unknown"
        return f"An encoder from a local folder ({source})"
    return f"[{known.id}](https://huggingface.co/{known.id})"


def _plan(step: Mapping[str, Any]) -> str:
    plan = str(step["settings"]["freeze"])
    return {"none": "nothing frozen", "full": "nothing frozen"}.get(plan, plan)


def during(step: Mapping[str, Any]) -> bool:
    """Whether a step realigned beside fine-tuning."""
    return step["details"].get("schedule") == "during"


def _frozen(step: Mapping[str, Any]) -> str:
    details = step["details"]
    still, count = details["frozen-blocks"], details["blocks"]
    parts = (
        [f"blocks {ranges(still)} of {count}" if len(still) > 1 else f"block {still[0]} of {count}"] if still else []
    )
    parts += ["the embeddings"] if details["embeddings-frozen"] else []
    if during(step):
        # The task trains them all the same.
        return f"realignment left {' and '.join(parts) or 'no block'} alone"
    return f"{' and '.join(parts)} stood still" if parts else "no block stood still"


def _by_lora(step: Mapping[str, Any]) -> list[str]:
    """A sentence on the adapters of a step, if it had any."""
    lora = step["details"].get("lora")
    head = " and the head" if step["kind"] == "task-model" else ""
    merged = "the adapters are merged into the weights"
    return [f"Only adapters of rank {lora['rank']}{head} were trained (LoRA); {merged}."] if lora else []


def _pairs_per_step(step: Mapping[str, Any]) -> str:
    return count(step["settings"]["batch-size"], "sentence pair")
