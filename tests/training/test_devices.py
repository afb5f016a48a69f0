"""--device and --precision: what they mean here, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from alignfreeze_cli.errors import SettingsError
from alignfreeze_cli.tasks.settings import EvaluateSettings
from alignfreeze_cli.training.devices import arithmetic, pick_device, pick_precision, with_precision


def settings(**changes: Any) -> EvaluateSettings:
    return EvaluateSettings(model="m", **changes)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("cuda", "--device cuda: no CUDA device is available here; use --device cpu or auto."),
        ("cuda:1", "--device cuda:1: no CUDA device is available here; use --device cpu or auto."),
        ("mps", "--device mps: no Apple GPU is available here; use --device cpu or auto."),
    ],
)
@pytest.mark.skipif(pick_device("auto").type != "cpu", reason="there is an accelerator")
def test_a_device_that_is_not_there_is_a_wrong_setting(name: str, sentence: str) -> None:
    assert with_precision(settings(device=name)).precision == "fp32"  # nothing depends on the device yet
    for ask in (lambda: pick_device(name), lambda: with_precision(settings(device=name, precision="auto"))):
        with pytest.raises(SettingsError) as caught:
            ask()
        assert str(caught.value) == sentence


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:0", ""])
def test_what_names_no_device_is_refused_at_once(name: str) -> None:
    with pytest.raises(SettingsError, match="--device must be auto, cpu, cuda, cuda:NUMBER or mps, not"):
        settings(device=name)


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [
        ({"avx512_bf16": True, "amx_bf16": False}, "bf16"),
        ({"amx_bf16": True}, "bf16"),
        ({"avx512_f": True, "avx512_bf16": False}, "fp32"),
        ({}, "fp32"),
    ],
)
def test_auto_is_bf16_where_the_processor_multiplies_it(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], precision: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    chosen = with_precision(settings(precision="auto", device="cpu"))
    assert chosen.precision == precision
    assert chosen.recorded()["precision"] == precision
    assert pick_precision("bf16", torch.device("cpu")) == "bf16"  # what is asked for is done, fast or not


def test_products_are_computed_in_the_wanted_precision() -> None:
    numbers = torch.randn(4, 4)
    for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        with arithmetic(precision, torch.device("cpu")):
            assert (numbers @ numbers).dtype == dtype


def test_attention_on_a_gpu_is_not_left_to_cudnn(monkeypatch: pytest.MonkeyPatch) -> None:
    """It builds a plan for every shape, and every batch has another one."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    asked: list[bool] = []
    monkeypatch.setattr(torch.backends.cuda, "enable_cudnn_sdp", asked.append)
    assert pick_device("cuda:1") == torch.device("cuda", 1)
    assert asked == [False]
