"""The settings of report."""

from __future__ import annotations

from dataclasses import dataclass

from alignfreeze_cli.deviations import YARDSTICKS
from alignfreeze_cli.published import ALIGNERS
from alignfreeze_cli.settings import StepSettings, setting


@dataclass(frozen=True, kw_only=True)
class ReportSettings(StepSettings):
    """What to report on, what to compare with, and how."""

    changes = (
        "names from runs are escaped in Markdown, CSV and LaTeX",
        "scores of single languages are one row only where they are of files or of the same folder",
    )

    runs: tuple[str, ...] = setting(
        (),
        help="Run folders, folders of scores, or folders that hold them (runs/).",
        input=True,
        metavar="DIR",
        argument=True,
    )
    baseline: str = setting("baseline", help="Strategy that the others are compared with.", metavar="STRATEGY")
    distances: str | None = setting(
        None,
        help="Distances of the languages from the source: a FILE (JSON or CSV), or one of syntactic, genetic, "
        "geographic, phonological, inventory, featural (those from English come with alignfreeze; others are URIEL's, "
        "by the extra `distances`). [default: distances.json in the folder of the runs, otherwise syntactic]",
        metavar="KIND|FILE",
    )
    yardstick: str = setting(
        "bars-apart",
        help="When a language counts as improved or degraded by more than one standard deviation.",
        choices=tuple(YARDSTICKS),
    )
    resamples: int = setting(
        10_000, help="Bootstrap samples of the test examples; 0 leaves the bootstrap out.", minimum=0
    )
    seed: int = setting(0, help="Seed of the bootstrap.", minimum=0)
    published: bool = setting(False, help="Add the published numbers of the same model, task and strategy.")
    published_only: bool = setting(False, help="Report only the published runs: the tables of the paper.")
    plots: bool = setting(True, help="Draw plots, which takes longer than everything else.")
    aligner: str = setting(
        "dictionary",
        help="Aligner of the published runs, for strategies whose names do not end with one (front-fastalign).",
        choices=ALIGNERS,
    )

    def conflicts(self) -> list[str]:
        complaints = []
        if self.published_only and self.runs:
            complaints.append("--published-only takes no run folders; --published adds the published numbers to yours")
        if not self.published_only and not self.runs:
            complaints.append("DIR is missing: name a run folder or a folder of runs, or give --published-only")
        if 0 < self.resamples < 100:
            complaints.append(f"--resamples must be at least 100, or 0 for none, not {self.resamples}")
        return complaints
