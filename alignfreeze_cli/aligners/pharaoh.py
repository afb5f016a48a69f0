"""Links made by another tool, in Pharaoh format: line k of the file belongs to line k of the corpus."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from alignfreeze_cli.aligners.base import SentencePairs
from alignfreeze_cli.aligners.settings import AlignPairsSettings
from alignfreeze_cli.artifacts import Input, resolve_files
from alignfreeze_cli.pairs.links import Links, parse_pharaoh
from alignfreeze_cli.pairs.settings import fill
from alignfreeze_cli.progress import Console


@dataclass(frozen=True)
class PharaohAligner:
    """A file of links. It must count words as `--words` cuts them."""

    companion: Path | None

    @classmethod
    def prepare(cls, settings: AlignPairsSettings, target: str, console: Console) -> tuple[Self, list[Input]]:
        """Find the file; raises DataError if there is none."""
        template = settings.links or ""
        path = Path(fill(template, settings.source, target)).expanduser()
        return cls(path), [resolve_files(f"links {target}", template, [path])]

    def check(self, batch: SentencePairs) -> None:
        """Nothing to check in advance: `align` checks every line."""

    def align(self, batch: SentencePairs) -> Links:
        """Parse the lines; one that is malformed or names a word that is not there is reported and gives no link."""
        assert batch.companion_lines is not None
        source, target = batch.source.lengths.tolist(), batch.target.lengths.tolist()
        found: list[list[tuple[int, int]]] = []
        for number, line in enumerate(batch.companion_lines):
            links: list[tuple[int, int]] = []
            try:
                links = parse_pharaoh(line)
                for i, j in links:
                    if i >= source[number] or j >= target[number]:
                        raise ValueError(f"{i}-{j} is outside a pair of {source[number]} and {target[number]} words")
            except ValueError as error:
                batch.malformed.append((number, str(error)))
                links = []
            found.append(links)
        return Links.from_lists(found)

    def statistics(self) -> dict[str, Any]:
        return {}
