"""The training loop on a small network: the same steps however they are split, stopped or resumed."""

from __future__ import annotations

import json
import math
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from alignfreeze_cli.errors import AlignFreezeError, Interrupted, SettingsError
from alignfreeze_cli.progress import Console
from alignfreeze_cli.training import checkpoints
from alignfreeze_cli.training.loop import LoopSettings, MicroBatch, Training, open_accelerator, train
from alignfreeze_cli.training.metrics import FILE_NAME, Metrics
from tests.support.console import RecordingConsole

PAIRS = 12


def network(dropout: float = 0.2, dtype: torch.dtype = torch.float32) -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(6, 10), nn.Dropout(dropout), nn.Tanh(), nn.Linear(10, 1)).to(dtype)


def squares(model: nn.Module, inputs: dict[str, Tensor]) -> Tensor:
    return ((model(inputs["x"]).squeeze(1) - inputs["y"]) ** 2).sum()


def batches(sizes: tuple[int, ...] = (PAIRS,), dtype: torch.dtype = torch.float32) -> Callable[[int], list[MicroBatch]]:
    """The same rows at a step, however they are cut."""

    def at(step: int) -> list[MicroBatch]:
        generator = torch.Generator().manual_seed(step)
        x = torch.randn(PAIRS, 6, generator=generator, dtype=torch.float64).to(dtype)
        cut = zip(x.split(list(sizes)), x.sum(1).split(list(sizes)), strict=True)
        return [MicroBatch({"x": a, "y": b}, len(a), 2 * len(a), 3 * len(a)) for a, b in cut]

    return at


def run(
    folder: Path,
    *,
    steps: int = 25,
    model: nn.Module | None = None,
    objective: Callable[[nn.Module, Any], Tensor] = squares,
    data: Callable[[int], list[MicroBatch]] | None = None,
    console: Console | None = None,
    device: str = "cpu",
    precision: str = "fp32",
    trackers: tuple[str, ...] = (),
    **settings: Any,
) -> tuple[nn.Module, Training]:
    folder.mkdir(exist_ok=True)
    model = model or network()
    loop = LoopSettings(**{"steps": steps, "learning_rate": 0.01, "checkpoint_every": 4, **settings})
    accelerator = open_accelerator(folder / "test", device, precision, trackers)
    metrics = Metrics(folder / FILE_NAME, accelerator)
    store = folder / "checkpoints"
    done = train(model, objective, data or batches(), loop, store, console or Console(), metrics, accelerator)
    return model, done


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / FILE_NAME).read_text().splitlines()]


def same(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def at_call(number: int, act: Callable[[], None]) -> Callable[[nn.Module, Any], Tensor]:
    """The objective, which at its n-th call (from 1) also calls `act`."""
    calls = 0

    def objective(model: nn.Module, inputs: Any) -> Tensor:
        nonlocal calls
        calls += 1
        if calls == number:
            act()
        return squares(model, inputs)

    return objective


def signal_self(number: signal.Signals) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


def test_training_lowers_the_loss_and_returns_what_it_did(tmp_path: Path) -> None:
    _, done = run(tmp_path, steps=60)
    logged = rows(tmp_path)
    assert [row["step"] for row in logged] == [10, 20, 30, 40, 50, 60]
    assert done.first_loss == logged[0]["loss"]
    assert done.last_loss == logged[-1]["loss"] < done.first_loss / 2
    assert done.padding == pytest.approx(1 / 3)
    assert done.tokens_per_second > 0
    assert {row["learning_rate"] for row in logged} == {0.01}


def test_the_same_seed_gives_the_same_weights_and_another_one_does_not(tmp_path: Path) -> None:
    first, again, other = (run(tmp_path / name, seed=seed)[0] for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert same(first, again)
    assert not same(first, other)


def test_only_what_requires_gradients_is_trained(tmp_path: Path) -> None:
    model = network()
    model[0].requires_grad_(False)  # type: ignore[index]
    run(tmp_path, model=model)
    assert torch.equal(model[0].weight, network()[0].weight)  # type: ignore[index]
    assert not torch.equal(model[3].weight, network()[3].weight)  # type: ignore[index]


@pytest.mark.parametrize("sizes", [(6, 6), (1, 11), (3, 4, 5)])
def test_micro_batches_do_not_change_the_result(tmp_path: Path, sizes: tuple[int, ...]) -> None:
    """Weighed over the whole optimizer batch: also where the micro-batches differ in size."""
    exact = torch.float64
    whole, one = run(tmp_path / "whole", model=network(0.0, exact), data=batches(dtype=exact), steps=8)
    parts, many = run(tmp_path / "parts", model=network(0.0, exact), data=batches(sizes, exact), steps=8)
    assert many.last_loss == pytest.approx(one.last_loss, abs=1e-12)
    for a, b in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-9)


def test_the_step_is_that_of_adam(tmp_path: Path) -> None:
    """Against torch's plain Adam with the mean over the batch, the published optimizer."""
    exact = torch.float64
    ours, _ = run(tmp_path, model=network(0.0, exact), data=batches(dtype=exact), steps=8)
    theirs = network(0.0, exact)
    optimizer = torch.optim.Adam(theirs.parameters(), lr=0.01)
    for step in range(8):
        (micro,) = batches(dtype=exact)(step)
        optimizer.zero_grad()
        (squares(theirs, micro.inputs) / PAIRS).backward()
        optimizer.step()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_the_step_and_saves_and_the_run_resumes_to_the_same_result(
    tmp_path: Path, number: signal.Signals
) -> None:
    undisturbed, whole = run(tmp_path / "whole")
    handlers = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(Interrupted, match="after step 14 of 25"):
        run(tmp_path / "cut", objective=at_call(14, signal_self(number)))
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == handlers
    console = RecordingConsole()
    resumed, rest = run(tmp_path / "cut", console=console)
    assert console.said == ["Going on after step 14 of 25."]
    assert same(undisturbed, resumed)
    assert rest.resumed_from == 14
    assert (rest.first_loss, rest.last_loss) == (whole.first_loss, whole.last_loss)
    losses = [[row["loss"] for row in rows(tmp_path / name)] for name in ("whole", "cut")]
    assert losses[0] == losses[1]


def test_a_second_interrupt_stops_at_once(tmp_path: Path) -> None:
    def twice() -> None:
        signal_self(signal.SIGINT)()
        signal_self(signal.SIGINT)()

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, objective=at_call(6, twice))
    found, _ = checkpoints.latest(tmp_path / "checkpoints")
    assert found is not None
    assert found.step == 4


def test_an_incomplete_checkpoint_is_reported_and_the_one_before_it_is_used(tmp_path: Path) -> None:
    undisturbed, _ = run(tmp_path / "whole")
    with pytest.raises(Interrupted):
        run(tmp_path / "cut", objective=at_call(6, signal_self(signal.SIGTERM)))
    store = tmp_path / "cut" / "checkpoints"
    torn = store / "step-00000020"
    torn.mkdir()
    (torn / "weights.safetensors").write_bytes(b"torn")
    console = RecordingConsole()
    resumed, rest = run(tmp_path / "cut", console=console)
    assert rest.resumed_from == 6
    assert console.warned[0] == f"{torn} is not a complete checkpoint and is not used."
    assert same(undisturbed, resumed)


def test_metrics_rows_written_after_the_checkpoint_are_replaced(tmp_path: Path) -> None:
    undisturbed, _ = run(tmp_path / "whole")
    with pytest.raises(ZeroDivisionError):
        run(tmp_path / "cut", objective=at_call(23, lambda: 1 / 0), checkpoint_every=17)  # type: ignore[arg-type,return-value]
    with (tmp_path / "cut" / FILE_NAME).open("a") as stream:
        stream.write('{"step": 2')  # torn by a kill
    assert [row["step"] for row in rows(tmp_path / "whole")] == [10, 20, 25]
    resumed, rest = run(tmp_path / "cut")
    assert rest.resumed_from == 17
    assert same(undisturbed, resumed)
    assert [row["step"] for row in rows(tmp_path / "cut")] == [10, 20, 25]
    assert [r["loss"] for r in rows(tmp_path / "cut")] == [r["loss"] for r in rows(tmp_path / "whole")]


def test_a_finished_training_is_not_repeated(tmp_path: Path) -> None:
    trained, _ = run(tmp_path, steps=8)
    again, rest = run(tmp_path, steps=8)
    assert rest.resumed_from == 8
    assert same(trained, again)


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    run(tmp_path, steps=4)
    with pytest.raises(AlignFreezeError, match="other parameters"):
        run(tmp_path, model=nn.Sequential(nn.Linear(6, 1)), steps=8)


def test_a_loss_that_is_no_number_is_reported_with_its_step(tmp_path: Path) -> None:
    calls = 0

    def broken(model: nn.Module, inputs: Any) -> Tensor:
        nonlocal calls
        calls += 1
        return squares(model, inputs) * (math.nan if calls == 7 else 1)

    with pytest.raises(AlignFreezeError, match=r"loss of step 7 is nan; a lower --learning-rate"):
        run(tmp_path, objective=broken, checkpoint_every=0)


def test_bf16_keeps_the_weights_in_single_precision(tmp_path: Path) -> None:
    seen = set()

    def objective(model: nn.Module, inputs: Any) -> Tensor:
        seen.add(model(inputs["x"]).dtype)
        return squares(model, inputs)

    trained, done = run(tmp_path / "bf16", objective=objective, precision="bf16")
    plain, _ = run(tmp_path / "fp32")
    assert seen == {torch.bfloat16}
    assert {p.dtype for p in trained.parameters()} == {torch.float32}
    assert not same(trained, plain)
    assert done.last_loss < done.first_loss


def test_bf16_also_resumes_bit_for_bit(tmp_path: Path) -> None:
    undisturbed, _ = run(tmp_path / "whole", precision="bf16")
    with pytest.raises(Interrupted):
        run(tmp_path / "cut", objective=at_call(9, signal_self(signal.SIGTERM)), precision="bf16")
    resumed, _ = run(tmp_path / "cut", precision="bf16")
    assert same(undisturbed, resumed)


def test_a_tracker_that_is_not_installed_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"pip install 'alignfreeze\[trackers\]'"):
        run(tmp_path, trackers=("tensorboard",))


def test_every_part_of_a_loss_has_its_own_weight_and_coefficient(tmp_path: Path) -> None:
    def two(model: nn.Module, inputs: dict[str, Tensor]) -> Tensor:
        return torch.stack([squares(model, inputs), model(inputs["x"]).abs().sum()])

    def cut(sizes: tuple[int, ...]) -> Callable[[int], list[MicroBatch]]:
        def at(step: int) -> list[MicroBatch]:
            micro_batches = batches(sizes, torch.float64)(step)
            for micro in micro_batches:
                micro.weight = (micro.weight, 1 / len(micro_batches))  # type: ignore[assignment]
            return micro_batches

        return at

    parts = (("squares", 1.0), ("sizes", 0.25))
    settings: dict[str, Any] = {"steps": 1, "objective": two, "parts": parts, "checkpoint_every": 1}
    model = network(dropout=0.0, dtype=torch.float64)
    inputs = batches((PAIRS,), torch.float64)(0)[0].inputs
    mean, size = squares(model, inputs) / PAIRS, model(inputs["x"]).abs().sum()
    (mean + 0.25 * size).backward()
    for name, sizes in (("whole", (PAIRS,)), ("cut", (5, 4, 3))):
        _, done = run(tmp_path / name, model=network(dropout=0.0, dtype=torch.float64), data=cut(sizes), **settings)
        (row,) = rows(tmp_path / name)
        assert row["squares_loss"] == pytest.approx(mean.item(), abs=1e-6)
        assert row["sizes_loss"] == pytest.approx(size.item(), abs=1e-6)
        assert row["loss"] == pytest.approx(mean.item() + size.item() / 4, abs=1e-6)
        assert done.parts["sizes"] == (row["sizes_loss"], row["sizes_loss"])
        assert done.last_loss == row["loss"]
        checkpoint = checkpoints.latest(tmp_path / name / "checkpoints")[0]
        assert checkpoint is not None
        for parameter, tensor in model.named_parameters():
            # After one step Adam's first moment is a tenth of the gradient.
            gradient = 10 * checkpoint.optimizer()[f"{parameter}:exp_avg"]
            torch.testing.assert_close(gradient, tensor.grad, rtol=0, atol=1e-12)
