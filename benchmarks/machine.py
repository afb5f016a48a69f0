"""The machine in a sentence, so that printed figures say where they are from."""

from __future__ import annotations

import os
import re
from importlib.metadata import version
from pathlib import Path

FEATURES = {"amx_bf16": "AMX", "avx512_bf16": "AVX512-BF16", "avx512f": "AVX512", "avx2": "AVX2"}  # the best ones first
PACKAGES = ("torch", "transformers")


def machine() -> str:
    """Cores and their matrix instructions, the GPU if there is one, versions, and how busy the machine is already."""
    import torch

    flags = set(_line("flags").split())
    found = [name for flag, name in FEATURES.items() if flag in flags][:2]
    processor = f"{os.cpu_count()} cores" + (f" with {' and '.join(found)}" if found else "")
    cards = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    packages = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    parts = [processor, f"{torch.get_num_threads()} threads", *cards, packages]
    return f"{', '.join(parts)}; load when this began: {os.getloadavg()[0]:.1f}."


def _line(name: str) -> str:
    """The first line of that name that Linux says of its processors; nothing elsewhere."""
    path = Path("/proc/cpuinfo")
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    line = re.search(rf"^{name}\s*:(.*)$", text, re.MULTILINE)
    return line[1] if line else ""
