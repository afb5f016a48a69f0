"""The bootstrap over test examples: what a gain would be on other examples of the same kind.

Every resample draws as many examples of a language as there are, with replacement, and the same ones for every strategy
and seed. The seeds stay as they are: the gain of a resample is the mean over all seeds that both sides have. So the
interval speaks of the examples alone, as the t-test speaks of the seeds alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from alignfreeze_cli.errors import ArtifactError
from alignfreeze_cli.progress import Console
from alignfreeze_cli.report.statistics import resampled_sums
from alignfreeze_cli.report.table import Score
from alignfreeze_cli.tasks.base import Task
from alignfreeze_cli.tasks.registry import TASKS

_ROUNDING = 1e-9


@dataclass
class Resampled:
    """Bootstrap samples of gains in points: strategy → language → (resamples,). `lost` says why some are missing."""

    gains: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    lost: dict[str, list[str]] = field(default_factory=dict)  # reason → languages

    def lose(self, reason: str, language: str) -> None:
        self.lost.setdefault(reason, []).append(language)


def resample(
    scores: Sequence[Score], baseline: str, resamples: int, seed: int, console: Console | None = None
) -> Resampled:
    """Resample the scores of one table, read from the predictions beside them.

    Raises ArtifactError for predictions that can't be read or don't belong to their scores.
    """
    found = Resampled()
    own = [score for score in scores if score.strategy == baseline]
    others = list(dict.fromkeys(score.strategy for score in scores if score.strategy != baseline))
    if not own or not others or not resamples or all(score.folder is None for score in scores):
        return found
    languages = list(dict.fromkeys(language for score in scores for language in score.values))
    title = f"resampling {scores[0].model}, {scores[0].task}"
    with (console or Console()).progress(title, len(languages), "languages") as progress:
        for language in languages:
            _resample_language(found, [s for s in scores if language in s.values], language, baseline, resamples, seed)
            progress.advance(note=language)
    return found


def _resample_language(
    found: Resampled, scores: Sequence[Score], language: str, baseline: str, resamples: int, seed: int
) -> None:
    """Adds the samples of one language; `scores` are those that have it."""
    own = {score.seed for score in scores if score.strategy == baseline}
    paired = {
        name: sorted(own & {score.seed for score in scores if score.strategy == name})
        for name in dict.fromkeys(score.strategy for score in scores if score.strategy != baseline)
    }
    used = {(name, number) for name, seeds in paired.items() for number in seeds}
    used |= {(baseline, number) for _, number in used}
    runs = [score for score in scores if (score.strategy, score.seed) in used]
    if not runs:
        return
    obstacle = _obstacle(runs, language)
    if obstacle:
        found.lose(obstacle, language)
        return
    task = TASKS[runs[0].task]
    tallies = [_tallies(task, score, language) for score in runs]
    if len({len(each) for each in tallies}) > 1:
        found.lose("the runs have different numbers of examples", language)
        return
    sums = resampled_sums(np.concatenate(tallies, axis=1), resamples, seed)  # (resamples, runs * k)
    metric = 100 * task.from_tallies(sums.reshape(resamples, len(runs), -1))  # (resamples, runs)
    column = {(score.strategy, score.seed): n for n, score in enumerate(runs)}
    for name, seeds in paired.items():
        if seeds:
            differences = [metric[:, column[name, each]] - metric[:, column[baseline, each]] for each in seeds]
            found.gains.setdefault(name, {})[language] = np.mean(differences, axis=0)


def _obstacle(runs: Sequence[Score], language: str) -> str | None:
    """Why the examples of these runs can't be paired."""
    if runs[0].task not in TASKS:
        return f"this version does not know the task {runs[0].task!r}"
    if len({score.data.get(language) for score in runs}) > 1:
        return "the runs were scored on different data"
    if len({str(sorted(score.scoring.items())) for score in runs}) > 1:
        return "the runs were scored with different options"
    if any(not _predictions(score, language).is_file() for score in runs):
        return "not all runs have predictions"
    return None


def _predictions(score: Score, language: str) -> Path:
    return (score.folder or Path()) / "predictions" / f"{language}.parquet"


def _tallies(task: Task, score: Score, language: str) -> np.ndarray:
    """The tallies of one run's predictions, (examples, k), which must give the score that stands beside them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = _predictions(score, language)
    try:
        tallies = task.tallies(pq.read_table(path).to_pydict())
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError) as error:
        raise ArtifactError(f"is no table of {task.name} predictions ({error}); evaluate again", path) from error
    total = float(task.from_tallies(tallies.sum(axis=0)))
    if abs(total - score.values[language]) > _ROUNDING:
        raise ArtifactError(
            f"gives {100 * total:.4f} where scores.json has {100 * score.values[language]:.4f}; evaluate again", path
        )
    return tallies
