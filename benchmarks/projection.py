"""What large work would take, on paper: the paper's whole grid, and pairs of a hundred languages, from measured rates.

The published runs say how many steps each of them took (alignfreeze_cli/published); what a step takes is measured here
on encoders of the paper's shapes with random weights. Nothing is known of the machine but what these measurements say.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from alignfreeze_cli.published import rows
from benchmarks import generated
from benchmarks.align import write_long
from benchmarks.finetune import BATCH, finetuned
from benchmarks.inputs import Inputs
from benchmarks.peers.tagging import TRAIN_LENGTH
from benchmarks.processes import Ended, recorded_rate, run_module
from benchmarks.table import Report, markdown

SHAPES = {
    "xlm-roberta-base": {"num_hidden_layers": 12, "vocab_size": 250_002},
    "bert-base-multilingual-cased": {"num_hidden_layers": 12, "vocab_size": 119_547},
    "distilbert-base-multilingual-cased": {"num_hidden_layers": 6, "vocab_size": 119_547},
}
WIDTH = {"hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072}
PLANS = {"full": "none", "front": "front", "back": "back"}
STEPS = 6

SUBWORDS = {"pos": 23.5, "ner": 14.2, "nli": 43.1, "qa": 165.0}
"""Of a training example, with XLM-R's vocabulary: means over beginnings of EWT, WikiANN, MultiNLI and TyDi QA."""

SCORED = {"pos": 1_000, "ner": 10_000, "nli": 5_010, "qa": 1_190}
"""Test examples of a language. XNLI and XQuAD have so many in each, WikiANN in most; of Universal Dependencies, a
thousand is the order of magnitude."""

LANGUAGES, LINES = 100, 10_000_000
MEASURED_LINES = (20_000, 220_000)
HOUR = 3_600.0


@dataclass(frozen=True)
class Rates:
    """What was measured of one encoder, in fp32 or bf16."""

    realign: dict[str, float]  # by plan, seconds per step of 16 pairs
    finetune: float  # subwords per second
    evaluate: float  # subwords per second


def run(inputs: Inputs) -> Report:
    """Measure, multiply; the report."""
    rates = {model: _measure(inputs, model) for model in SHAPES}
    return Report(text=f"{grid(rates)}\n\n{_languages(inputs)}")


def grid(rates: dict[str, Rates]) -> str:
    """All published runs: hours by model, for realignment, fine-tuning and evaluation."""
    hours: defaultdict[tuple[str, str], float] = defaultdict(float)
    shared: defaultdict[str, float] = defaultdict(float)
    longest: dict[tuple[object, ...], float] = {}
    for row in rows():
        model, task, strategy = row["model"], row["task"], row["strategy"]
        rate = rates[model]
        during, languages = strategy.startswith("during_"), len(row["scores"]) + 1
        steps = row["realignment_steps"]
        realign = steps * rate.realign[PLANS[strategy.removeprefix("during_")]] if steps else 0.0
        hours[model, "realign"] += realign / HOUR
        hours[model, "finetune"] += row["finetuning_steps"] * BATCH * SUBWORDS[task] / rate.finetune / HOUR
        hours[model, "evaluate"] += languages * SCORED[task] * SUBWORDS[task] / rate.evaluate / HOUR
        if during:  # realigns within fine-tuning, so nothing can be shared
            shared[model] += realign / HOUR
        else:  # one run of the longest serves all tasks of a seed
            key = (model, strategy, row["aligner"], row["seed"])
            longest[key] = max(longest.get(key, 0.0), realign)
    for (model, *_), seconds in longest.items():
        shared[str(model)] += seconds / HOUR

    parts = ("realign", "finetune", "evaluate")
    cells = []
    for model in rates:
        runs = sum(row["model"] == model for row in rows())
        own = [hours[model, part] for part in parts]
        cells.append([model, runs, *own, sum(own), shared[model] + own[1] + own[2]])
    cells.append(["all", *(sum(row[column] for row in cells) for column in range(1, 7))])
    columns = ("encoder", "runs", "`realign`, hours", "`finetune`", "`evaluate`", "together", "realignments shared")
    return markdown(columns, [[row[0], row[1], *(f"{value:,.0f}" for value in row[2:])] for row in cells])


def _measure(inputs: Inputs, model: str) -> Rates:
    folder = inputs.folder / f"projection-{model}"
    generated.vary_encoder(inputs.encoder, folder / "encoder", **WIDTH, **SHAPES[model])
    precision = ("--precision", inputs.options.precision)

    realign = {}
    for plan in PLANS.values():
        given = ("--model", folder / "encoder", "--pairs", inputs.pairs, "--freeze", plan, "--steps", STEPS)
        fixed = ("--batch-size", inputs.options.batch_size, "--probe-pairs", 0, "--quiet")
        output = folder / f"realigned-{plan}"
        run_module("alignfreeze_cli", ("realign", *given, *fixed, *precision, "--output", output))
        subwords = inputs.drawn_subwords(STEPS)
        realign[plan] = subwords / recorded_rate(output) / STEPS
        shutil.rmtree(output)

    train, tagger = folder / "train.conllu", folder / "tagger"
    inputs.write_training(train, STEPS * BATCH, TRAIN_LENGTH)
    finetuned(folder / "encoder", train, tagger, *precision)
    rates = Rates(realign, recorded_rate(tagger), _scoring_rate(inputs, tagger, train, folder))
    shutil.rmtree(folder)
    return rates


def _scoring_rate(inputs: Inputs, tagger: Path, train: Path, folder: Path) -> float:
    """Subwords per second of `evaluate`, without its start-up: four times the sentences against once."""
    blocks = train.read_text(encoding="utf-8")
    walls = []
    for times in (1, 5):
        path = folder / f"score-{times}.conllu"
        path.write_text(blocks * times, encoding="utf-8")
        given = ("--model", tagger, "--languages", "en", "--data", path, "--precision", inputs.options.precision)
        walls.append(
            run_module("alignfreeze_cli", ("evaluate", *given, "--output", folder / path.stem, "--quiet")).wall
        )
    subwords = inputs.write_training(folder / "count.conllu", STEPS * BATCH, TRAIN_LENGTH)
    return 4 * subwords / max(walls[1] - walls[0], 1e-9)


def _languages(inputs: Inputs) -> str:
    """`align-pairs` on a thousand million lines."""
    target = inputs.options.targets[0]
    folder = inputs.folder / "projection-lines"
    folder.mkdir()
    cells = []
    for workers in (1, 2):
        ended: list[Ended] = []
        sizes = []
        for lines in MEASURED_LINES:
            write_long(inputs.corpus_files(target), lines, folder / f"en-{target}.tsv")
            given = ("--target", target, "--corpus", folder / "en-{target}.tsv", "--dictionary", inputs.text[1])
            output = folder / f"pairs-{workers}-{lines}"
            fixed = ("--words", "published", "--workers", workers, "--output", output, "--quiet")
            ended.append(run_module("alignfreeze_cli", ("align-pairs", *given, *fixed)))
            sizes.append(sum(path.stat().st_size for path in (output / "data").iterdir()))
        more = MEASURED_LINES[1] - MEASURED_LINES[0]
        seconds, size = (ended[1].wall - ended[0].wall) / more, (sizes[1] - sizes[0]) / more
        total = LANGUAGES * LINES
        cells.append([workers, f"{1 / seconds:,.0f}", f"{total * seconds / HOUR:,.1f}", f"{total * size / 1e9:,.0f}"])
    return f"{LANGUAGES} languages of {LINES:,} lines:\n\n" + markdown(
        ("workers", "lines per second", "hours", "GB of pairs"), cells, left=0
    )
