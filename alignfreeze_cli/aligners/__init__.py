"""Aligners find the links between the words of sentence pairs: one file per aligner, one line in `ALIGNERS`.

A new aligner is a class with the methods of `Aligner` (aligners/base.py) and a line in the table; see CONTRIBUTING.md.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alignfreeze_cli.aligners.base import Aligner

ALIGNERS = {
    "dictionary": "alignfreeze_cli.aligners.dictionary:DictionaryAligner",
    "encoder": "alignfreeze_cli.aligners.encoder:EncoderAligner",
    "pharaoh": "alignfreeze_cli.aligners.pharaoh:PharaohAligner",
    "fast-align": "alignfreeze_cli.aligners.statistical:StatisticalAligner",
    "eflomal": "alignfreeze_cli.aligners.statistical:StatisticalAligner",
    "hmm": "alignfreeze_cli.aligners.statistical:StatisticalAligner",
}
"""Name on the command line -> module and class, imported when it is used."""


def aligner_class(name: str) -> type[Aligner]:
    """The class of an aligner by its name in `ALIGNERS`."""
    module, _, attribute = ALIGNERS[name].partition(":")
    found: type[Aligner] = getattr(importlib.import_module(module), attribute)
    return found
