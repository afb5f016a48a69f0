"""Filters that every aligner's links go through before training, as in the paper's code (reference: section 3, RT).

1. one to one: every link whose source word or target word has more than one link goes, counted once over all links
2. equal words: links between equal strings go (case counts): names and numbers need no pulling together
3. pairs without links left are skipped
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from alignfreeze_cli.pairs.arrays import int32_array, int32_values
from alignfreeze_cli.pairs.links import Links
from alignfreeze_cli.pairs.words import Words


@dataclass(frozen=True)
class Filtered:
    """Links that are left, and how many each filter took."""

    links: Links
    not_one_to_one: int
    equal_words: int


def filter_links(source: Words, target: Words, links: Links) -> Filtered:
    """Apply the filters to the links of a list of sentence pairs."""
    # Positions in the flat word arrays, so that one count serves all pairs.
    source_words = source.offsets[links.pair] + links.source
    target_words = target.offsets[links.pair] + links.target
    single = (np.bincount(source_words, minlength=1)[source_words] == 1) & (
        np.bincount(target_words, minlength=1)[target_words] == 1
    )
    source_words, target_words = source_words[single], target_words[single]
    equal = pc.equal(source.values.take(int32_array(source_words)), target.values.take(int32_array(target_words)))
    left = links.select(single).select(int32_values(pc.cast(equal, "int32")) == 0)
    return Filtered(left, len(links) - int(single.sum()), int(single.sum()) - len(left))
