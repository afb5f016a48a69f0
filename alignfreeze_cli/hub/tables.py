"""The tables on a card: scores, languages, training data, and how it was made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alignfreeze_cli.artifacts.record import Record
from alignfreeze_cli.hub import facts
from alignfreeze_cli.hub.phrases import duration, language, percent, points, table
from alignfreeze_cli.hub.scores import Measured
from alignfreeze_cli.pairs.settings import OPUS_100
from alignfreeze_cli.published import Published
from alignfreeze_cli.tasks.registry import TASKS


def languages(record: Record) -> str:
    """A table of the languages that pairs or realignment have, with counts."""
    step = record.as_parent() if record.kind == "pairs" else facts.last_realignment(record)
    if step is None:
        return ""
    details = step["details"]["languages"]
    if step["kind"] == "pairs":
        rows = [
            [language(code), f"{each['lines']:,}", f"{each['kept']:,}", f"{each['links']:,}", _shares(each)]
            for code, each in details.items()
        ]
        header = ["language", "sentences read", "pairs kept", "links", "words linked (source, target)"]
        notes = "".join(f"\n\n> {warning}" for warning in step["details"].get("warnings", []))
        return table(header, rows) + notes
    header = ["language", "usable pairs", "pairs drawn", "passes"]
    rows = [
        [language(code), f"{each['usable']:,}", f"{each['drawn']:,}", f"{each['passes']:.2f}"]
        for code, each in details.items()
    ]
    block = str(step["details"]["read-block"])
    probe = {(row["language"], row["probe"]): row["accuracy"][block] for row in step["details"].get("probe", [])}
    if not probe:
        return table(header, rows)
    for row, code in zip(rows, details, strict=True):
        row.append(" → ".join(percent(probe[code, when], None) for when in ("before", "after")))
    told = (
        "\n\nRetrieval: how often, in percent, the nearest word of the translation is the linked one, in held-out "
        f"pairs, by the output of block {block}, before and after realignment. `metrics.jsonl` has it for every block."
    )
    return table([*header, "retrieval"], rows) + told


def scores(measured: Measured, compared: Measured | None, cell: Published | None) -> str:
    """The table of scores: this model's, the baseline's and the published ones, in percent."""
    task = TASKS[measured.task]
    header = ["language", "this model"]
    header += ["baseline", "difference"] if compared else []
    header += [f"published ({cell.strategy})"] if cell else []
    rows = []
    for code in measured.values:
        row = [language(code), percent(measured.mean(code), measured.spread(code))]
        if compared:
            base = compared.mean(code) if code in compared.values else None
            row += (
                ["–", "–"]
                if base is None
                else [percent(base, compared.spread(code)), points(measured.mean(code) - base)]
            )
        if cell:
            known = cell.source if code == measured.source_language else cell.values.get(code)
            row.append("–" if known is None else percent(known, cell.spread.get(code)))
        rows.append(row)
    if measured.targets:
        rows.append(_average(measured, compared, cell))
    told = [
        f"{measured.metric.capitalize()} in percent, per language; the model was fine-tuned in "
        f"{language(measured.source_language)} only."
    ]
    if len(measured.seeds) > 1:
        listed = ", ".join(str(seed) for seed in measured.seeds)
        told.append(f"Means and standard deviations (ddof 0) over the seeds {listed}.")
    if cell:
        told.append(
            f"*Published*: the paper's own runs of the same recipe ({cell.model}, mean of {len(cell.seeds)} seeds), "
            "scored by the authors' code, which may count other words."
        )
    data = next(iter(measured.data.values()))
    told.append(
        f"Test data: {task.data if data.get('commit') else 'local files, known by their digests in the record'}."
    )
    return " ".join(told) + "\n\n" + table(header, rows)


def _average(measured: Measured, compared: Measured | None, cell: Published | None) -> list[str]:
    mean, spread = measured.average()
    row = ["**mean without source**", f"**{percent(mean, spread)}**"]
    if compared:
        if set(compared.targets) == set(measured.targets):
            base, base_spread = compared.average()
            row += [percent(base, base_spread), points(mean - base)]
        else:
            row += ["–", "–"]
    if cell:
        same = set(cell.values) == set(measured.targets)
        row.append(percent(cell.average, cell.average_spread) if same else "–")
    return row


def data(record: Record) -> str:
    """A table of the training data with its licences; a non-commercial one is said first."""
    found = facts.training_data(record)
    rows = []
    for each in found:
        name = f"[{each.what}](https://huggingface.co/datasets/{each.dataset})" if each.dataset else each.what
        part = each.source.removeprefix(each.dataset or "").lstrip("/")
        named = f"{name}, `{part}`" if part and each.source != OPUS_100 else name
        rows.append([named, f"`{each.commit[:12]}`" if each.commit else f"sha256 `{each.digest[:12]}`", each.licence])
    warning = ""
    if not all(each.commercial for each in found):
        names = ", ".join(each.what for each in found if not each.commercial)
        warning = f"**{names}: the licence forbids commercial use.** Ask whether it reaches what was made with it.\n\n"
    return warning + table(["data", "version", "licence"], rows)


def making(record: Record) -> str:
    """Every step with its time, machine and versions, and the settings of the last one."""
    rows = []
    for step in facts.steps_of(record):
        hardware = step["hardware"]
        machine = hardware.get("accelerator") or f"{hardware.get('machine', '?')}, {hardware.get('cores', '?')} cores"
        seed = "–" if step["seed"] is None else str(step["seed"])
        rows.append([step["kind"], seed, step["created"][:10], duration(step.get("seconds")), machine])
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    settings = table(
        ["setting", "value"], [[f"`{key}`", f"`{_setting(value)}`"] for key, value in record.settings.items()]
    )
    return (
        table(["made", "seed", "on", "time", "machine"], rows)
        + f"\n\nVersions: {versions}.\n\n"
        + f"<details><summary>All settings of the last step</summary>\n\n{settings}\n\n</details>\n\n"
        + "`alignfreeze.json` holds all of it: settings, inputs with their digests and commits, the records of every "
        "step before, and the SHA-256 of every file."
    )


def _shares(each: Mapping[str, Any]) -> str:
    share = each["share of words linked"]
    return f"{100 * share['source']:.0f} %, {100 * share['target']:.0f} %"


def _setting(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
