"""The commands that measure what realignment changed: `layers`, block by block, and `forgetting`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
from rich.table import Table

from alignfreeze_cli.artifacts import Result
from alignfreeze_cli.artifacts.files import read_json
from alignfreeze_cli.cli.console import print_json, print_result, print_table
from alignfreeze_cli.cli.options import add_command, print_outcome
from alignfreeze_cli.encoder.study_settings import ForgettingSettings, LayersSettings
from alignfreeze_cli.phrases import printable, signed
from alignfreeze_cli.progress import Console

LAYERS = """Where in the encoder realignment changed something: block by block and language by language.

    alignfreeze layers runs/mbert-full-s31/encoder --base bert-base-multilingual-cased --pairs runs/pairs

Compares the same words before and after: likeness (debiased CKA), drift, how often they find their translations, and
what accumulation hides, each block's own change and that of its weights. Every number has an interval. The results are
kept beside the encoder (ENCODER-layers), with a heat map; its card and `report` show them.
"""

FORGETTING = """How far realignment took an encoder from what its base's language-modelling head reads, by language.

    alignfreeze forgetting runs/mbert-full-s31/encoder --base bert-base-multilingual-cased --text 'text/{language}.txt'

The base's head is asked for the same masked words before and after (in a decoder-only model for the next ones). A rise
says that vectors moved, not that something was lost: wrong word links move them as far. So probes of parts of speech,
trained and tested within each language, stand beside it where treebanks are given, and a control on shuffled links
belongs beside it.
"""


def add(app: typer.Typer) -> None:
    add_command(app, "layers", LAYERS, LayersSettings, _layers, hidden=("resume", "measure"))
    add_command(app, "forgetting", FORGETTING, ForgettingSettings, _forgetting, hidden=("resume", "measure"))


def _layers(settings: LayersSettings, console: Console, quiet: bool, format: str) -> None:
    from alignfreeze_cli.steps.layers import layers

    _show(layers(settings, console), settings.encoders, "layers", _print_layers, quiet, format)


def _forgetting(settings: ForgettingSettings, console: Console, quiet: bool, format: str) -> None:
    from alignfreeze_cli.steps.forgetting import forgetting

    _show(forgetting(settings, console), settings.encoders, "forgetting", _print_forgetting, quiet, format)


def _show(
    results: Sequence[Result],
    encoders: Sequence[str],
    kind: str,
    show: Callable[[str, Mapping[str, Any]], None],
    quiet: bool,
    format: str,
) -> None:
    """Every encoder's results: their content as one JSON object, the paths alone, or `show` for each."""
    contents = [_content(result, kind) for result in results]
    if format == "json":
        shown = [
            {"encoder": name, "path": str(made.path), "status": made.status, **content}
            for name, made, content in zip(encoders, results, contents, strict=True)
        ]
        print_json({kind: shown})
        return
    for name, result, content in zip(encoders, results, contents, strict=True):
        if content and not quiet:
            show(name, content)
        print_outcome(result, lambda _: "", quiet, format)


def _content(result: Result, kind: str) -> Mapping[str, Any]:
    if result.status == "planned":
        return dict(result.details)
    return read_json(Path(result.path) / f"{kind}.json", f"run `alignfreeze {kind}` again with --overwrite")


def _print_layers(name: str, content: Mapping[str, Any]) -> None:
    """A row per layer, means over the languages; then what the halves of the blocks say."""
    if "layers" not in content:  # a dry run
        return
    table = Table(title=printable(name), title_justify="left")
    table.add_column("layer")
    headings = ("weights", "own change", "CKA", "drift", "centred", "translations found, %", "correlation (ANC)")
    for heading in headings:
        table.add_column(heading, justify="right")
    mean = content["mean"]
    for layer in content["layers"]:
        found, corr = (_before_after(mean, kind, layer) for kind in ("retrieval", "anc"))
        table.add_row(
            layer,
            f"{content['weights'][layer]:.3f}",
            _interval(mean["own-change"].get(layer)),
            _interval(mean["cka"].get(layer)),
            *(_value(mean[measure].get(layer)) for measure in ("drift", "centred-drift")),
            f"{100 * found[0]:.1f} → {100 * found[1]:.1f} ({signed(100 * found[2])})",
            f"{corr[0]:.2f} → {corr[1]:.2f} ({signed(corr[2], 2)})",
        )
    print_table(table)
    languages = content["languages"]
    words, types = (min(each[name] for each in languages.values()) for name in ("words", "types"))
    lines = [
        f"Means over {', '.join(languages)}, of {words:,} linked words each or more; translations are found among "
        f"{types:,} different words or more. In brackets: 95 % intervals over sentences."
    ]
    if content["lower-blocks"]:
        lines.append(content["lower-blocks"]["sentence"])
    if content["trained-on-these-pairs"]:
        lines.append("The encoder was realigned on these pairs, so translations it has seen are among those it found.")
    print_result("\n".join(lines))


def _print_forgetting(name: str, content: Mapping[str, Any]) -> None:
    """A row per language, the mean last; then the probes."""
    if "layers" not in content:  # a dry run
        return
    table = Table(title=printable(name), title_justify="left")
    table.add_column("language")
    for heading in (f"{content['guessed']} subwords", "loss of the base", "change, tied", "change, untied"):
        table.add_column(heading, justify="right")
    for code, each in [*content["languages"].items(), ("mean", content["mean"])]:
        count = f"{each['guesses']:,}" if "guesses" in each else ""
        table.add_row(code, count, f"{each['base']['value']:.3f}", *(_moved(each[kind]) for kind in ("tied", "untied")))
    print_table(table)
    lines = [
        f"Loss in nats per {content['guessed']} subword, with "
        + ("the base's own head" if content["head"]["of-base"] else "a head that was trained on the base")
        + "; tied: its output matrix is the realigned embeddings, untied: the base's. "
        + ("" if content["embeddings-changed"] else "The embeddings did not change, so both are the same. ")
        + "This is how far the vectors moved from the head, not how much was lost: compare it with that of a control "
        "on shuffled links."
    ]
    if content["probe"]:
        mean = content["probe"]["mean"]
        cells = [
            f"{layer} {100 * mean['base'][layer]['value']:.1f} ({signed(100 * mean['change'][layer]['value'])})"
            for layer in content["layers"]
        ]
        lines.append(f"Parts of speech that a probe of the same language reads, in % by layer: {', '.join(cells)}.")
    print_result("\n".join(lines))


def _moved(found: Mapping[str, float]) -> str:
    return f"{signed(found['value'], 3)} [{signed(found['low'], 3)}, {signed(found['high'], 3)}]"


def _before_after(mean: Mapping[str, Any], measure: str, layer: str) -> tuple[float, ...]:
    return tuple(mean[f"{measure}-{when}"][layer]["value"] for when in ("before", "after", "change"))


def _value(found: Mapping[str, float] | None) -> str:
    return "–" if found is None else f"{found['value']:.3f}"


def _interval(found: Mapping[str, float] | None) -> str:
    return "–" if found is None else f"{found['value']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"
