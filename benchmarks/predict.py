"""How well a gain can be known before the runs are made: the tables of docs/advice.md, from the published runs.

    python -m benchmarks predict

Every prediction is of gains that were held out, those of a language, of a branch of languages, of a model or of a task,
and made from the others alone. It takes seconds and needs no data but what comes with the package.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from alignfreeze_cli.advice import conformal, ridge
from alignfreeze_cli.advice.gains import STRATEGIES, Gain, by_cell, means, published_gains
from alignfreeze_cli.advice.pilot import pilot
from alignfreeze_cli.advice.ridge import Ridge
from alignfreeze_cli.published import distances
from benchmarks.inputs import Inputs
from benchmarks.table import Report, markdown

TASKS = ("pos", "ner", "nli", "qa")
RESAMPLES = 2000  # bootstrap over languages
BRANCHES = {
    "Germanic": "af da de no sv",
    "Romance": "ca es fr it pt ro",
    "Slavic": "bg cs pl ru sk sl uk",
    "Baltic": "lt lv",
    "Greek": "el",
    "Indo-Iranian": "fa hi",
    "Uralic": "fi hu",
    "Semitic": "ar he",
    "Turkic": "tr",
    "Japonic": "ja",
    "Koreanic": "ko",
    "Dravidian": "ta",
    "Kra-Dai": "th",
    "Austroasiatic": "vi",
    "Sinitic": "zh",
}
"""The 34 languages by family, the Indo-European ones by branch."""


class Data:
    """The published gains as arrays, one entry for each task, model, strategy and language: 819."""

    def __init__(self, gains: Sequence[Gain]) -> None:
        branch = {code: name for name, codes in BRANCHES.items() for code in codes.split()}
        self.task = np.array([gain.cell.task for gain in gains])
        self.model = np.array([gain.cell.model for gain in gains])
        self.strategy = np.array([gain.cell.strategy for gain in gains])
        self.language = np.array([gain.language for gain in gains])
        self.branch = np.array([branch[gain.language] for gain in gains])
        self.gain = np.array([gain.mean for gain in gains])  # points, mean over the seeds
        self.by_seed = np.array([gain.by_seed for gain in gains])  # (819, 5)
        self.baseline = np.array([[gain.baseline] for gain in gains])  # (819, 1), percent
        far = distances("computed")
        typology = np.array([list((far[gain.language] or {}).values()) for gain in gains], dtype=float)
        self.typology = np.where(np.isnan(typology), np.nanmean(typology, axis=0), typology)  # (819, kinds)

    def key(self, *fields: str) -> np.ndarray:
        """Several fields as one, (819,)."""
        return np.array([" ".join(parts) for parts in zip(*(getattr(self, name) for name in fields), strict=True)])

    def one_hot(self, *fields: str) -> np.ndarray:
        """(819, values)."""
        key = self.key(*fields)
        return (key[:, None] == np.unique(key)).astype(float)


Predictor = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Indices of known gains, indices of others → predictions for the others."""


def held_out(groups: np.ndarray, predictor: Predictor) -> np.ndarray:
    """Predictions for every gain, (819,), from the gains of all other groups."""
    found = np.empty(len(groups))
    for group in np.unique(groups):
        found[groups == group] = predictor(np.flatnonzero(groups != group), np.flatnonzero(groups == group))
    return found


def mean_of(data: Data, *fields: str) -> Predictor:
    """The mean of the known gains that agree in these fields."""
    key = data.key(*fields)

    def predictor(known: np.ndarray, others: np.ndarray) -> np.ndarray:
        return np.array([data.gain[known[key[known] == wanted]].mean() for wanted in key[others]])

    return predictor


def ridge_on(data: Data, *blocks: np.ndarray) -> Predictor:
    """Ridge regression on blocks of features, each (819, k)."""
    features = np.concatenate(blocks, axis=1)

    def predictor(known: np.ndarray, others: np.ndarray) -> np.ndarray:
        return Ridge.fit(features[known], data.gain[known]).predict(features[others])

    return predictor


@dataclass(frozen=True)
class Outcome:
    """How well predictions hold. R² is against a reference, with its 95 % interval by a bootstrap over languages."""

    error: float  # mean absolute, points
    sign: float  # share of gains whose sign is right
    r2: float
    low: float
    high: float

    @property
    def cells(self) -> list[str]:
        return [f"{self.error:.2f}", f"{self.sign:.2f}", _signed(f"{self.r2:.2f} [{self.low:.2f}, {self.high:.2f}]")]


def outcome(data: Data, predicted: np.ndarray, reference: np.ndarray) -> Outcome:
    """Predictions, (819,), against the gains: R² = 1 - Σ (predicted - gain)² / Σ (reference - gain)²."""
    _, number = np.unique(data.language, return_inverse=True)
    ours, theirs = (np.bincount(number, (each - data.gain) ** 2) for each in (predicted, reference))  # (languages,)
    count = len(ours)
    drawn = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), RESAMPLES)
    low, high = np.quantile(1 - (drawn @ ours) / (drawn @ theirs), [0.025, 0.975])
    sign = (np.sign(predicted) == np.sign(data.gain)).mean()
    error = np.abs(predicted - data.gain).mean()
    return Outcome(float(error), float(sign), float(1 - ours.sum() / theirs.sum()), float(low), float(high))


def outcomes(gains: Sequence[Gain]) -> Iterator[tuple[str, str, Outcome]]:
    """What was held out, what predicts, how well; the first row of each that is held out is the reference."""
    data = Data(gains)
    cell = ("task", "model", "strategy")
    of_model, of_task = ("task", "strategy"), ("model", "strategy")
    cells, by_task, by_strategy = data.one_hot(*cell), data.one_hot("task"), data.one_hot("strategy")
    errors = np.array(ridge.errors(gains))
    rows: dict[str, tuple[np.ndarray, tuple[str, ...], dict[str, Predictor | np.ndarray]]] = {
        "language": (data.language, cell, {
            "typology": ridge_on(data, cells, data.typology),
            "baseline score": ridge_on(data, cells, data.baseline),
            "both": ridge_on(data, cells, data.baseline, data.typology),
        }),
        "branch": (data.branch, cell, {
            "typology": ridge_on(data, cells, data.typology),
            "baseline score": ridge_on(data, cells, data.baseline),
        }),
        "model": (data.model, of_model, {
            "typology": ridge_on(data, by_task, by_strategy, data.typology),
            "baseline score in each task": ridge_on(data, data.baseline * by_task, by_task, by_strategy),
            "baseline score in each task, and language (`advise`)": data.gain - errors,
            "baseline score in each task, and language in each task":
                ridge_on(data, data.baseline * by_task, by_strategy, data.one_hot("task", "language")),
        }),
        "task": (data.task, of_task, {
            "typology": ridge_on(data, data.one_hot(*of_task), data.typology),
            "baseline score": ridge_on(data, data.one_hot(*of_task), data.baseline),
        }),
    }  # fmt: skip
    for name, (groups, fields, predictors) in rows.items():
        reference = held_out(groups, mean_of(data, *fields))
        yield name, f"mean of the same {', '.join(fields)}", outcome(data, reference, reference)
        for title, predictor in predictors.items():
            predicted = predictor if isinstance(predictor, np.ndarray) else held_out(groups, predictor)
            yield name, f"ridge: {title}", outcome(data, predicted, reference)


def ceiling(data: Data) -> float:
    """The R² against the mean of other languages that the seeds allow: what is left is the error of a mean of five."""
    reference = held_out(data.language, mean_of(data, "task", "model", "strategy"))
    noise = data.by_seed.var(axis=1, ddof=1) / data.by_seed.shape[1]
    return float(1 - noise.sum() / ((data.gain - reference) ** 2).sum())


def losses(data: Data) -> dict[str, float]:
    """Way of choosing one of baseline, full, front and back → points lost against the best of them, on average."""
    triple = data.key("task", "model", "language")
    order = np.lexsort((data.strategy, triple))  # the strategies of one task, model and language side by side
    shape = (-1, len(STRATEGIES))
    assert (data.strategy[order].reshape(shape) == sorted(STRATEGIES)).all()
    mean = held_out(data.language, mean_of(data, "task", "model", "strategy"))

    def with_baseline(gains: np.ndarray) -> np.ndarray:
        four = gains[order].reshape(shape)
        return np.concatenate([np.zeros((len(four), 1)), four], axis=1)  # (task, model, language; four strategies)

    def lost(chosen: np.ndarray, gains: np.ndarray = data.gain) -> float:
        true = with_baseline(gains)
        return float((true.max(axis=1) - true[np.arange(len(true)), chosen]).mean())

    names = ["baseline", *sorted(STRATEGIES)]
    count = len(order) // len(STRATEGIES)
    found = {f"always {name}": lost(np.full(count, names.index(name))) for name in ("baseline", *STRATEGIES)}
    found["the best mean of other languages"] = lost(with_baseline(mean).argmax(axis=1))
    pilots = [
        lost(with_baseline(data.by_seed[:, seed]).argmax(axis=1), np.delete(data.by_seed, seed, axis=1).mean(axis=1))
        for seed in range(data.by_seed.shape[1])
    ]
    found["the best in a pilot of one seed, with the other seeds"] = float(np.mean(pilots))
    return found


def run(inputs: Inputs) -> Report:
    """Everything, as Markdown."""
    gains = published_gains()
    data = Data(gains)
    predictions = markdown(
        ("held out", "predicted from the others by", "error", "sign right", "R²"),
        [(name, title, *found.cells) for name, title, found in outcomes(gains)],
        left=2,
    )
    pilots = markdown(
        ("pilot of", "all", *TASKS, "80 % within"),
        [(f"{seeds} seed{'s' * (seeds > 1)}", *_pilot_cells(gains, seeds)) for seeds in (1, 2)],
    )
    choice = markdown(("choice", "points lost"), [(title, f"{points:.2f}") for title, points in losses(data).items()])
    below = markdown(
        ("task", "model", *STRATEGIES),
        [
            (task, model, *(_below(data, task, model, strategy) for strategy in STRATEGIES))
            for task in TASKS
            for model in np.unique(data.model)
        ],
        left=2,
    )
    parts = [
        f"Of {len(gains)} gains; the noise of five seeds allows an R² of {ceiling(data):.2f}.",
        predictions, pilots, choice, _covered(gains), below,
    ]  # fmt: skip
    return Report(text="\n\n".join(parts))


def _pilot_cells(gains: Sequence[Gain], seeds: int) -> list[str]:
    every = pilot(gains, seeds)
    of_tasks = [pilot([gain for gain in gains if gain.cell.task == task], seeds) for task in TASKS]
    return [_signed(f"{each.r2:.2f}") for each in (every, *of_tasks)] + [f"±{every.radius:.1f}"]


def _below(data: Data, task: str, model: str, strategy: str) -> str:
    gains = data.gain[(data.task == task) & (data.model == model) & (data.strategy == strategy)]
    return f"{(gains < 0).sum()} of {len(gains)}"


def _covered(gains: Sequence[Gain]) -> str:
    cells = [means(cell) for cell in by_cell(gains).values()]
    found = conformal.coverage(cells)
    inside, of = (sum(each[n] for each in found.values()) for n in (0, 1))
    wide = conformal.radius([error for cell in cells for error in conformal.from_others(list(cell.values()))])
    assert wide is not None
    low = sorted((inside / of, code) for code, (inside, of) in found.items())
    return (
        f"Intervals of {100 * conformal.LEVEL:.0f} %, each language from the others: they hold {inside / of:.2f} of "
        f"the gains, and are {2 * wide:.1f} points wide. Languages with least: "
        + ", ".join(f"{code} {share:.2f}" for share, code in low[:8])
        + "."
    )


def _signed(text: str) -> str:
    return text.replace("-", "−")
