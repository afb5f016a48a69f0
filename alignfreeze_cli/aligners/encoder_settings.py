"""Settings of `align-pairs --aligner encoder`, a part of `AlignPairsSettings`. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, fields

from alignfreeze_cli.encoder.settings import device_setting, precision_setting
from alignfreeze_cli.settings import Settings, setting

EXTRACTIONS = ("argmax", "itermax", "match", "softmax")

THRESHOLD = 0.001
"""Of softmax: AWESOME's, for dot products."""

ENCODER_LINES = 1_024
"""Lines that an encoder links before progress is shown: some ten seconds on two cores."""

_PANEL = "With --aligner encoder"


@dataclass(frozen=True, kw_only=True)
class EncoderAlignerSettings(Settings):
    """How an encoder links words."""

    encoder: str | None = setting(
        None,
        input=True,
        panel=_PANEL,
        help="Encoder whose vectors are compared: a folder, or org/name[@revision] on the Hub. One that `realign` has "
        "made will do, too.",
    )
    extract: str = setting(
        "argmax",
        choices=EXTRACTIONS,
        panel=_PANEL,
        help="From vectors to links. argmax: what is most similar to each other; itermax: the same once more for what "
        "is left; match: the one-to-one assignment of largest similarity; softmax: what has more than a threshold of "
        "both directions' probability, as in AWESOME.",
    )
    align_block: int | None = setting(
        None,
        minimum=0,
        metavar="N",
        panel=_PANEL,
        help="Block whose output is compared, counted from 0; those above are not computed. [default: round(7n/12) - 1 "
        "of n blocks: 6 of 12, where argmax is best]",
    )
    softmax_threshold: float = setting(
        THRESHOLD, minimum=0.0, maximum=1.0, panel=_PANEL, help="Of --extract softmax. 0.001 is for dot products."
    )
    softmax_temperature: float | None = setting(
        None,
        minimum=0.0,
        above=True,
        panel=_PANEL,
        help="Of --extract softmax: over cosines divided by it, which fits encoders of any scale (try 0.01, and a "
        "threshold of 0.1). [default: none, over dot products, as AWESOME]",
    )
    precision: str = precision_setting("the encoder", default="auto", panel=_PANEL)
    device: str = device_setting(_PANEL)

    def encoder_complaints(self, workers: int) -> list[str]:
        """What is wrong with these settings where they are used; `workers` is the number of processes that align."""
        found = []
        if self.encoder is None:
            found.append("--aligner encoder needs --encoder, the model whose vectors are compared")
        if self.extract != "softmax":
            changed = [each for each in fields(EncoderAlignerSettings) if getattr(self, each.name) != each.default]
            found += [
                f"--{each.name.replace('_', '-')} goes with --extract softmax"
                for each in changed
                if each.name.startswith("softmax")
            ]
        if workers > 1:
            found.append("--workers goes with other aligners; an encoder uses all cores in one process")
        return found


ENCODER_OPTIONS = tuple(each.name for each in fields(EncoderAlignerSettings))
"""Names of the settings above."""
