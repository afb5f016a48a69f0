"""Prints the lowest versions that pyproject.toml allows, as constraints for pip; torch is that of constraints.txt."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = ("segmenters", "sentencepiece", "aligners", "filters", "distances")


def lowest(pyproject: str, constraints: str) -> list[str]:
    """`name==version` for every dependency and those of the extras; ValueError for one without a lower bound."""
    project = tomllib.loads(pyproject)["project"]
    wanted = [*project["dependencies"], *(each for extra in EXTRAS for each in project["optional-dependencies"][extra])]
    found = []
    for requirement in wanted:
        match = re.match(r"([\w.-]+)>=([\d.]+)", requirement)
        if match is None:
            raise ValueError(f"{requirement} has no lower bound")
        found.append(f"{match[1]}=={match[2]}")
    # Other builds of torch are gigabytes, and come from elsewhere.
    torch = re.search(r"^torch==.*$", constraints, re.M)
    if torch is None:
        raise ValueError("constraints.txt has no torch")
    return [torch.group() if each.startswith("torch==") else each for each in found]


if __name__ == "__main__":
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in ("pyproject.toml", "constraints.txt")]
    print("\n".join(lowest(*texts)))
