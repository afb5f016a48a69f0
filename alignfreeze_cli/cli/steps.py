"""The commands that are one step each: their options come from the step's settings, here are help and closing words."""

from __future__ import annotations

import statistics
from collections.abc import Mapping

import typer

from alignfreeze_cli.artifacts import Result
from alignfreeze_cli.cli.options import add_step
from alignfreeze_cli.hub.curve import recorded_curve

ALIGN_PAIRS = """Find word pairs in parallel text and write a pairs folder.

    alignfreeze align-pairs --target de,fr --corpus 'text/en-{target}.tsv' --dictionary 'muse/{source}-{target}.txt'

    alignfreeze align-pairs --target de --corpus 'text/en-{target}.tsv' --aligner encoder --encoder xlm-roberta-base

Without options: OPUS-100 from the Hub, the paper's 34 languages, MUSE dictionaries.
"""

REALIGN = """Realign an encoder on word pairs, with part of its blocks frozen.

    alignfreeze realign --model xlm-roberta-base --freeze front

    alignfreeze realign --model xlm-roberta-base --pairs pairs --freeze front --steps 300 --output front
"""

BLEND = """Weights between an encoder and what was realigned from it, and blocks put back as they were.

    alignfreeze blend xlm-roberta-base full --alpha 0.75 --output blend

    alignfreeze blend xlm-roberta-base full --restore front --output full-front-put-back

    alignfreeze blend xlm-roberta-base full --alpha auto --pairs pairs

No training: one realignment gives encoders all the way from the base to the realigned one, and of every freeze plan
something like it.
"""

FINETUNE = """Fine-tune an encoder on a task in the source language; all of its blocks train unless --freeze is given.

    alignfreeze finetune --task pos --model encoder --train ud/en_ewt-ud-train.conllu

    alignfreeze finetune --task pos --model xlm-roberta-base --realign-with pairs --freeze front
"""

EVALUATE = """Score a task model in every language, zero-shot, in one call; predictions are kept.

    alignfreeze evaluate --model pos --languages en,de,tr --data 'ud/{language}_*-test.conllu'
"""

REPORT = """What realignment did: means over seeds, gains over the baseline with tests, per language and together.

    alignfreeze report runs --published

DIR is a run folder or holds some, as `run` makes them. The report comes as one HTML page, Markdown, CSV, LaTeX and
plots. `--published-only` gives the tables of the paper from its published runs.
"""


def add(app: typer.Typer) -> None:
    add_step(app, "align-pairs", ALIGN_PAIRS, _pairs_made)
    add_step(app, "realign", REALIGN, _realigned)
    add_step(app, "blend", BLEND, _blended)
    add_step(app, "finetune", FINETUNE, _finetuned)
    add_step(app, "evaluate", EVALUATE, _scored)


def add_report(app: typer.Typer) -> None:
    add_step(app, "report", REPORT, lambda result: str(result.details["overview"]))


def _pairs_made(result: Result) -> str:
    rows = [f"{'language':10}{'lines':>12}{'pairs':>12}{'links':>12}{'source words linked':>21}{'target':>9}"]
    for language, found in result.details["languages"].items():
        share = found["share of words linked"]
        rows.append(
            f"{language:10}{found['lines']:12,}{found['kept']:12,}{found['links']:12,}"
            f"{share['source']:21.1%}{share['target']:9.1%}"
        )
    return "\n".join(rows)


def _realigned(result: Result) -> str:
    details = result.details
    rows = [
        f"{details['steps']:,} steps, loss {details['first-loss']:.3f} → {details['last-loss']:.3f} "
        f"(means of the first and the last 10), {details['tokens-per-second']:,.0f} tokens/s"
    ]
    if details["probe"]:
        read = str(details["read-block"])
        rows.append(f"words that find their translation, in % (held-out pairs, block {read}):")
        rows.append(f"{'language':10}{'before':>9}{'after':>9}{'chance':>9}")
        before = {row["language"]: row for row in details["probe"] if row["probe"] == "before"}
        after = {row["language"]: row for row in details["probe"] if row["probe"] == "after"}
        rows += [
            f"{language:10}{100 * before[language]['accuracy'][read]:9.1f}{100 * row['accuracy'][read]:9.1f}"
            f"{100 * row['chance']:9.1f}"
            for language, row in after.items()
        ]
    if curve := recorded_curve(details):
        rows.append("their mean over languages, by steps:")
        rows += [f"{point.steps:<10,}{100 * point.mean:9.1f}" for point in curve.shown]
    return "\n".join(rows)


def _blended(result: Result) -> str:
    details = result.details
    rows = [f"alpha {details['blend']['alpha']:g}"]
    if details.get("probe"):
        read = str(details["read-block"])
        rows.append(f"words that find their translation, in % (held-out pairs, block {read}), by alpha:")
        alphas = list(dict.fromkeys(row["alpha"] for row in details["probe"]))
        rows.append(f"{'language':10}" + "".join(f"{alpha:9g}" for alpha in alphas))
        found = {(row["language"], row["alpha"]): 100 * row["accuracy"][read] for row in details["probe"]}
        languages = dict.fromkeys(code for code, _ in found)
        rows += [f"{code:10}" + "".join(f"{found[code, alpha]:9.1f}" for alpha in alphas) for code in languages]
        means = [statistics.fmean(found[code, alpha] for code in languages) for alpha in alphas]
        rows.append(f"{'mean':10}" + "".join(f"{mean:9.1f}" for mean in means))
    return "\n".join(rows)


def _finetuned(result: Result) -> str:
    details = result.details
    with_realignment = ""
    if realigned := details.get("realign"):
        losses = f"{realigned['first-loss']:.3f} → {realigned['last-loss']:.3f}"
        with_realignment = f", of it {realigned['weight']:g} x realignment {losses}"
    return (
        f"{details['steps']:,} steps ({details['epochs']:g} epochs of {details['windows']:,} windows), "
        f"loss {details['first-loss']:.3f} → {details['last-loss']:.3f}{with_realignment} "
        f"(means of the first and the last 10), {details['tokens-per-second']:,.0f} tokens/s"
    )


def _scored(result: Result) -> str:
    """A line per language with every metric, the main one first, and the mean over the languages that were not seen."""
    details, source = result.details, result.details["source-language"]
    scores = {
        code: {details["metric"]: entry["value"], **entry.get("metrics", {})}
        for code, entry in details["languages"].items()
    }
    widths = {name: max(10, len(name) + 2) for name in next(iter(scores.values()))}
    titles = "".join(f"{name:>{width}}" for name, width in widths.items())
    rows = [f"{'language':12}{titles}{'scored':>10}{'examples':>10}"]

    def values(of: Mapping[str, float]) -> str:
        return "".join(f"{100 * of[name]:{width}.2f}" for name, width in widths.items())

    for code, entry in details["languages"].items():
        name = code + (" (source)" if code == source else "")
        rows.append(f"{name:12}{values(scores[code])}{entry['scored']:10,}{entry['examples']:10,}")
    if targets := [scores[code] for code in scores if code != source]:
        means = {name: statistics.fmean(each[name] for each in targets) for name in widths}
        rows.append(f"{'mean':12}{values(means)}  (languages other than the source)")
    return "\n".join(rows)
