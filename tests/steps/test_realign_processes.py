"""Two processes (torchrun, gloo) at the same total batch make the loss and the gradients of one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from alignfreeze_cli.training import checkpoints
from tests.steps import processes_worker
from tests.support.processes import torchrun
from tests.support.realign_world import make_encoder, make_pairs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("processes")
    make_encoder(folder / "inputs" / "encoder")
    make_pairs(folder / "inputs" / "pairs", {"de": 20})
    torchrun(processes_worker.__file__, folder / "two")
    processes_worker.main(folder / "one")
    return folder / "one", folder / "two"


@pytest.mark.parametrize("objective", ["generic", "realignment"])
def test_two_processes_compute_what_one_does(results: tuple[Path, Path], objective: str) -> None:
    (one, two), losses = (checkpoints.latest(folder / objective / "checkpoints")[0] for folder in results), []
    assert one is not None
    assert two is not None
    for folder in results:
        (row,) = (json.loads(line) for line in (folder / objective / "metrics.jsonl").read_text().splitlines())
        losses.append(row["loss"])
    assert losses[1] == pytest.approx(losses[0], abs=1e-9)
    # After one step Adam's first moment is a tenth of the gradient.
    gradients = [
        {name: 10 * tensor for name, tensor in checkpoint.optimizer().items() if name.endswith(":exp_avg")}
        for checkpoint in (one, two)
    ]
    assert gradients[0].keys() == gradients[1].keys()
    assert max(float(gradient.abs().max()) for gradient in gradients[0].values()) > 1e-3
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, rtol=0, atol=1e-9)


def test_the_whole_step_runs_in_two_processes_and_one_of_them_writes(results: tuple[Path, Path]) -> None:
    from transformers import AutoModel

    from alignfreeze_cli.artifacts import read_record, verify

    for folder, processes in zip(results, (None, 2), strict=True):
        record = read_record(folder / "encoder")
        assert record is not None
        verify(folder / "encoder", record)
        assert record.hardware.get("processes") == processes
        assert record.details["languages"]["de"]["drawn"] == 20
        AutoModel.from_pretrained(folder / "encoder")
        rows = [json.loads(line) for line in (folder / "encoder" / "metrics.jsonl").read_text().splitlines()]
        assert [(row["step"], row.get("probe", "loss")) for row in rows] == [
            (0, "before"),
            (2, "loss"),
            (2, "during"),
            (3, "loss"),
            (4, "loss"),
            (4, "after"),
        ]
        inner = read_record(folder / "encoder" / "steps-3")
        assert inner is not None
        verify(folder / "encoder" / "steps-3", inner)
        assert (inner.details["steps"], inner.details["languages"]["de"]["drawn"]) == (3, 15)
