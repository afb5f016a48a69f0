"""Killed with SIGKILL at seeded moments, a step run again makes the same bytes, and leaves nothing behind.

python -m tests.steps.test_killed_steps 100     so many kills over all steps, and a table of them
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pytest

from alignfreeze_cli.aligners.settings import AlignPairsSettings
from alignfreeze_cli.progress import Console
from alignfreeze_cli.steps.align_pairs import align_pairs
from alignfreeze_cli.steps.finetune import finetune
from alignfreeze_cli.tasks.settings import FinetuneSettings
from tests.runs import world
from tests.support.killing import kill_and_resume
from tests.support.realign_world import make_encoder, make_pairs
from tests.tasks.worlds import make_world

HERE = Path(__file__).parent
TASKS = HERE.parent / "tasks"


def make_inputs(folder: Path) -> Path:
    """The small world, with pairs and a tagger."""
    inputs = world.make(folder / "inputs")
    align_pairs(
        AlignPairsSettings(
            target=world.TARGETS,
            corpus=(str(inputs / "text" / "{source}-{target}.tsv"),),
            dictionary=str(inputs / "dictionaries" / "{source}-{target}.txt"),
            output=inputs / "pairs",
        ),
        Console(),
    )
    train = str(inputs / "treebanks" / "en-train.conllu")
    finetune(
        FinetuneSettings(task="pos", model=str(inputs / "encoder"), train=train, steps=3, output=inputs / "pos"),
        Console(),
    )
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("worker", "complete"),
    [("lora", "model.safetensors"), ("evaluate", "scores.json"), ("align_pairs", "statistics.json")],
)
def test_killed_and_run_again_it_makes_the_same_bytes(tmp_path: Path, worker: str, complete: str) -> None:
    make_inputs(tmp_path)
    kill_and_resume(HERE / f"{worker}_worker.py", tmp_path, 8, 31, {"alignfreeze.json", complete})


def main(kills: int) -> None:
    """Kill every step `kills / 6` times or more, and print what was killed when."""
    steps = {
        "align-pairs, 2 processes": HERE / "align_pairs_worker.py",
        "realign, --save-at": HERE / "realign_worker.py",
        "realign, --lora": HERE / "lora_worker.py",
        "finetune": TASKS / "finetune_worker.py",
        "finetune, --realign-with": TASKS / "joint_worker.py",
        "evaluate": HERE / "evaluate_worker.py",
    }
    each = max(8, -(-kills // len(steps)))
    total = 0
    for step, worker in steps.items():
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            if worker.stem == "realign_worker":
                make_encoder(folder / "inputs" / "encoder")
                make_pairs(folder / "inputs" / "pairs", {"de": 60, "ta": 12})
            elif worker.parent == TASKS:
                make_world(folder / "inputs")
                pairs = make_pairs(folder / "made", {"xx": 30, "yy": 20})
                pairs.rename(folder / "inputs" / "pairs")
            else:
                make_inputs(folder)
            moments = kill_and_resume(worker, folder, each, 7, {"alignfreeze.json"})
        total += len(moments)
        kinds = sorted({moment.rpartition(" ")[0] for moment in moments})
        sys.stdout.write(f"{step:26} {len(moments):3} kills, all made the same bytes ({', '.join(kinds)})\n")
    sys.stdout.write(
        f"{total} kills: every record verifies, every card is there, no process and no hidden folder left\n"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
