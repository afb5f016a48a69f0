"""Fitted statistical aligners as artifacts: `--save-aligner` makes one, `--load-aligner` takes it.

The folder holds, for each language pair, a folder of its name with

    forward.*, reverse.*                    both directions' models, in files of sil-thot, without the text
    pair_keys.npy, pair_counts.npy, …       how often words were linked (`link_table.py`)
    known.npz                               eflomal only: the links of the text that it was fitted on

eflomal finds better links for that text while it is fitted than its model finds afterwards. With `known.npz` a loaded
aligner links a sentence pair of that text as it was linked then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from alignfreeze_cli.aligners.settings import AlignPairsSettings
from alignfreeze_cli.artifacts import Input, OutputFolder, resolve_artifact
from alignfreeze_cli.errors import ArtifactError, SettingsError

KNOWN = "known.npz"


def saved_aligner(settings: AlignPairsSettings, inputs: Sequence[Input]) -> OutputFolder | None:
    """The folder that `--save-aligner` asks for, None if it doesn't; with the identity of what is learned."""
    if settings.save_aligner is None:
        return None
    learned = replace(settings, output=settings.save_aligner, save_aligner=None, pharaoh=None, min_score=None)
    return OutputFolder("aligner", learned, inputs, default="aligner")


def find_saved(settings: AlignPairsSettings, target: str) -> tuple[Path, Input] | None:
    """The folder of a language pair's aligner that `--load-aligner` names, None if it was not given.

    Raises ArtifactError if there is none, or it is damaged; SettingsError if it was fitted otherwise; HubError.
    """
    if settings.load_aligner is None:
        return None
    found = resolve_artifact(settings.load_aligner, "aligner", f"aligner {target}")
    assert found.record is not None
    made = found.record.settings
    for key, wanted in (("aligner", settings.aligner), ("source", settings.source), ("words", settings.word_rule)):
        if made.get(key) != wanted:
            raise SettingsError(
                f"--load-aligner {settings.load_aligner} was fitted with --{key} {made.get(key)}, but --{key} is "
                f"{wanted} here; give the same."
            )
    folder = found.path / f"{settings.source}-{target}"
    if not folder.is_dir():
        known = ", ".join(sorted(found.record.details.get("languages", {})))
        raise ArtifactError(f"was not fitted to {target}, only to {known}", found.path)
    return folder, found
