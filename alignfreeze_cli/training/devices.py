"""Where a step computes and in which arithmetic: what `--device` and `--precision` mean on this machine."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

import torch

from alignfreeze_cli.errors import SettingsError

KEPT_KERNELS = 32
"""How many kernels oneDNN, which multiplies matrices in bf16 on a CPU, keeps (`pick_device`)."""

Chosen = TypeVar("Chosen", bound=Any)  # settings with `device` and `precision`


def pick_device(name: str) -> torch.device:
    """The device that `--device` names; `auto` is the accelerator if there is one. A CUDA device has its number.

    It also sets, for this process, what suits batches that are all of another size: for a CPU how many kernels oneDNN
    keeps, for CUDA that attention is not left to cuDNN. Raises SettingsError for a device that is not there.
    """
    if name == "auto":
        usable = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
        name = next((each for each, there in usable.items() if there), "cpu")
    device = torch.device(name)
    if device.type == "cpu":
        # oneDNN generates code for every number of rows that it meets and by default keeps 1,024 of these kernels: a
        # gigabyte after a hundred steps, whose batches are all of another size. It reads the first variable, torch's
        # layer above it the second, both at the first product.
        for variable in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
            os.environ.setdefault(variable, str(KEPT_KERNELS))
    if device.type == "cuda":
        count = torch.cuda.device_count()
        if (device.index or 0) >= count:
            there = f"there are {count}, counted from 0" if count else "no CUDA device is available here"
            raise SettingsError(f"--device {name}: {there}; use --device cpu or auto.")
        # In bf16 torch takes cuDNN's attention first on Hopper and newer, which builds a plan for every shape that it
        # meets, while every batch has its own number of rows (docs/performance.md); torch's other kernels need none.
        torch.backends.cuda.enable_cudnn_sdp(False)
        # With its number, since every thread has a current device of its own.
        return torch.device("cuda", torch.cuda.current_device() if device.index is None else device.index)
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise SettingsError("--device mps: no Apple GPU is available here; use --device cpu or auto.")
    return device


def pick_precision(name: str, device: torch.device) -> str:
    """`fp32` or `bf16`: what `--precision` means on a device. `auto` is bf16 where the hardware multiplies it.

    That are CUDA devices from Ampere on, and processors with AMX or AVX512-BF16; a torch too old to tell what the
    processor has counts as one that has neither.
    """
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)() if device.type == "cpu" else {}
    return "bf16" if capabilities.get("amx_bf16") or capabilities.get("avx512_bf16") else "fp32"


def with_precision(settings: Chosen) -> Chosen:
    """The settings of a step, their `precision` the one that it will compute in, never `auto`.

    Steps call this before they look for a finished output, so records and identities do not hold `auto` either.
    Raises SettingsError if the answer depends on a device that is not there.
    """
    if settings.precision != "auto":
        return settings
    precision = pick_precision(settings.precision, pick_device(settings.device))
    return dataclasses.replace(settings, precision=precision)


def arithmetic(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Inside, matrix products and attention are computed in `precision`; weights stay as they are."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


@contextmanager
def batch_threads(device: torch.device) -> Iterator[ThreadPoolExecutor]:
    """Threads that compute batches. On a CPU each takes whole batches for itself, elsewhere there is one thread.

    Threads that share a batch wait for each other after every operation, which costs more than half of the time as soon
    as anything else runs on the machine. So a batch's result does not depend on their number either.
    """
    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(threads if device.type == "cpu" else 1, thread_name_prefix="batches")
    torch.set_num_threads(1 if device.type == "cpu" else threads)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)
