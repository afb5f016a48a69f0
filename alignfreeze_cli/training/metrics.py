"""`metrics.jsonl`: one JSON object per line, what happened at which step; also passed on to the trackers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alignfreeze_cli.artifacts.files import atomic_write, parse_json, sync

if TYPE_CHECKING:
    from accelerate import Accelerator

FILE_NAME = "metrics.jsonl"


class Metrics:
    """Rows written by the main process alone; every row has a `step` (optimizer steps done when it was written)."""

    def __init__(self, path: Path, accelerator: Accelerator) -> None:
        self.path = path
        self._accelerator = accelerator
        if path.exists() and not path.read_bytes().endswith(b"\n"):
            self.truncate(None)  # a kill tore the last line; the next row must not be glued to it

    def copied(self, path: Path) -> Metrics:
        """The same rows in another file, which then goes its own way."""
        shutil.copyfile(self.path, path)
        return Metrics(path, self._accelerator)

    def log(self, step: int, **values: Any) -> None:
        """Append a row, flushed at once so that a killed run keeps what it knew; numbers go to the trackers too."""
        if not self._accelerator.is_main_process:
            return
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"step": step, **values}, ensure_ascii=False) + "\n")
        numbers = {name: value for name, value in values.items() if isinstance(value, int | float)}
        if numbers:
            self._accelerator.log(numbers, step=step)

    def rows(self) -> list[dict[str, Any]]:
        """The rows written so far; a last line torn by a kill is left out."""
        if not self.path.exists():
            return []
        rows = []
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                row = parse_json(line)
            except ValueError:
                break
            if not isinstance(row, dict) or type(row.get("step")) is not int:
                break
            rows.append(row)
        return rows

    def truncate(self, step: int | None) -> None:
        """Forget what was written after `step` (None: only torn lines); a run that resumes there writes it again."""
        if not self._accelerator.is_main_process:
            return
        kept = [row for row in self.rows() if step is None or row["step"] <= step]
        atomic_write(self.path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept))

    def sync(self) -> None:
        """Bring the rows to the disk, before a checkpoint that counts on them."""
        if self._accelerator.is_main_process and self.path.exists():
            sync(self.path)
