"""`card`: folders → their README.md and the picture of their blocks."""

from __future__ import annotations

from pathlib import Path

from alignfreeze_cli.hub.cards import CARD, make_card, save_card
from alignfreeze_cli.hub.settings import CardSettings, stated


def write_cards(settings: CardSettings) -> list[Path]:
    """Make the cards of all folders, then write them; gives the paths of the cards.

    Nothing is written if one of them can't be made. Raises ArtifactError, SettingsError, DataError as `make_card` does.
    """
    cards = [
        make_card(each, settings.scores, settings.baseline, settings.repo_id, stated=stated(settings))
        for each in settings.folders
    ]
    for folder, files in zip(settings.folders, cards, strict=True):
        save_card(folder, files)
    return [folder / CARD for folder in settings.folders]
