"""`card`: folders → their README.md and the picture of their blocks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from alignfreeze_cli.hub.cards import CARD, make_card, save_card


def write_cards(
    folders: Sequence[Path], scores: Sequence[Path] = (), baseline: Sequence[Path] = (), repo_id: str | None = None
) -> list[Path]:
    """Make the cards of all folders, then write them; gives the paths of the cards.

    Nothing is written if one of them can't be made. Raises ArtifactError, SettingsError, DataError as `make_card` does.
    """
    cards = [make_card(folder, scores, baseline, repo_id) for folder in folders]
    for folder, files in zip(folders, cards, strict=True):
        save_card(folder, files)
    return [folder / CARD for folder in folders]
