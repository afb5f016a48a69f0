"""The encoder aligner: words are linked whose vectors are alike in the hidden states of a multilingual encoder.

From top to bottom: the aligner; a stretch of sentence pairs as subwords; batches of them through the encoder, and from
the vectors to links (extraction.py). Each sentence is encoded by itself, all its subwords are compared, and words are
linked if any of their subwords are.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from alignfreeze_cli.aligners.base import SentencePairs
from alignfreeze_cli.aligners.extraction import Extraction, word_links
from alignfreeze_cli.aligners.settings import AlignPairsSettings
from alignfreeze_cli.artifacts import Input, resolve_encoder
from alignfreeze_cli.artifacts.record import portable
from alignfreeze_cli.encoder.batches import batches_by_length, model_inputs, pack, packing_for
from alignfreeze_cli.encoder.blocks import Architecture, architecture, cut_above, last_hidden_states
from alignfreeze_cli.encoder.models import load_encoder, prepare_for_bf16, skeleton
from alignfreeze_cli.encoder.tokenizers import encode_words, load_tokenizer
from alignfreeze_cli.errors import ArtifactError, SettingsError
from alignfreeze_cli.pairs.links import Links
from alignfreeze_cli.pairs.words import Words
from alignfreeze_cli.progress import Console
from alignfreeze_cli.training.devices import arithmetic, batch_threads, pick_device, pick_precision

PAIRS_AT_ONCE = 1_024
"""Sentence pairs that are held as subwords, sorted by length and batched."""

_LOADED: weakref.WeakValueDictionary[tuple[Path, str, str, str], _Encoder] = weakref.WeakValueDictionary()
"""Encoders that some aligner holds, so that those of several languages share one."""

CPU_BATCH_TOKENS = 1_024
GPU_BATCH_TOKENS = 32_768
"""Subwords of both sides that are encoded at once."""


MOST_UNKNOWN = 0.1
"""Share of different words that an encoder may have no subwords for without a warning."""


def default_block(n_blocks: int) -> int:
    """The block that is compared, counted from 0: round(7n/12) - 1, the seventh of twelve.

    There argmax is best with multilingual-e5-small (docs/aligners.md), as Jalili Sabet et al. (2020) found the eighth
    of mBERT and XLM-R.
    """
    return max(0, round(7 * n_blocks / 12) - 1)


@dataclass(frozen=True)
class EncoderAligner:
    """Links words by their vectors after block number `block`; `digest` is that of the model in `folder`."""

    scored: ClassVar[bool] = True

    name: str
    folder: Path
    digest: str
    block: int
    n_blocks: int
    extraction: Extraction
    normalise: str = "nfc"
    device: str = "auto"
    precision: str = "auto"
    encoder: _Encoder | None = field(default=None, compare=False, repr=False)  # once it is loaded
    companion: Path | None = None  # it reads nothing but the corpus

    @classmethod
    def prepare(cls, settings: AlignPairsSettings, target: str, console: Console) -> tuple[Self, list[Input]]:
        """Find the encoder. Raises SettingsError for a block that it does not have, ArtifactError, HubError."""
        assert settings.encoder is not None
        found = _resolved(settings.encoder, _stamp(settings.encoder))
        n_blocks = architecture(skeleton(found.path)).n_blocks
        block = default_block(n_blocks) if settings.align_block is None else settings.align_block
        if block >= n_blocks:
            raise SettingsError(
                f"--align-block {block}: the encoder has {n_blocks} blocks, counted from 0, so the last one is "
                f"{n_blocks - 1}."
            )
        extraction = Extraction(settings.extract, settings.softmax_threshold, settings.softmax_temperature)
        pick_device(settings.device)  # raises SettingsError if it is not there
        place, how = portable(settings.encoder), (settings.normalise, settings.device, settings.precision)
        return cls(place, found.path, found.digest, block, n_blocks, extraction, *how), [found]

    def fit(self, batches: Iterator[SentencePairs], folder: Path, console: Console) -> Self:
        """Nothing to learn: what is known is in the encoder, which is loaded. Raises ArtifactError if it can't be."""
        return replace(self, encoder=self._load())

    def _load(self) -> _Encoder:
        key = (self.folder, self.digest, self.device, self.precision)
        encoder = self.encoder or _LOADED.get(key)
        if encoder is None:
            encoder = _LOADED[key] = _load(self.folder, self.device, self.precision)
        return encoder

    def check(self, batch: SentencePairs) -> list[str]:
        """Warn of a side with many words that the encoder's vocabulary lacks: they all have the same vector."""
        tokenizer = self._load().tokenizer
        if tokenizer.unk_token_id is None:
            return []
        warnings = []
        for side, words in (("source", batch.source), ("target", batch.target)):
            values = words.values.unique().to_pylist()
            encodings = encode_words(tokenizer, [[word] for word in values], add_special_tokens=False)
            unknown = sum(tokenizer.unk_token_id in each.ids for each in encodings)
            if unknown > MOST_UNKNOWN * len(values):
                warnings.append(
                    f"{self.name} has no subwords for {unknown:,} of the first {len(values):,} different words of the "
                    f"{side} side; their links mean nothing. Does it know the language?"
                )
        return warnings

    def align(self, batch: SentencePairs) -> Links:
        """The links of a batch in ascending order, with scores.

        A pair with a sentence of more subwords than the encoder has positions for gets none, and is among `too_long`.
        """
        encoder = self._load()
        budget = CPU_BATCH_TOKENS if encoder.device.type == "cpu" else GPU_BATCH_TOKENS
        found: list[_Found] = [_NOTHING] * len(batch)
        there = np.flatnonzero((batch.source.lengths > 0) & (batch.target.lengths > 0))
        with cut_above(encoder.model, self.block), batch_threads(encoder.device) as pool:
            for first in range(0, len(there), PAIRS_AT_ONCE):
                numbers = there[first : first + PAIRS_AT_ONCE]
                subwords = encoder.subwords(batch, numbers, self.normalise)
                batch.too_long.extend(numbers[subwords.too_long].tolist())
                links_of = functools.partial(_link_batch, encoder, subwords, self.extraction)
                for linked in pool.map(links_of, subwords.batches(budget)):
                    for number, its_links in linked:
                        found[numbers[number]] = its_links
        pair = np.repeat(np.arange(len(found)), [len(each.links) for each in found])
        links = np.concatenate([each.links for each in (_NOTHING, *found)])
        return Links(pair, links[:, 0], links[:, 1], np.concatenate([each.scores for each in (_NOTHING, *found)]))

    def statistics(self) -> dict[str, Any]:
        softmax = {"threshold": self.extraction.threshold, "temperature": self.extraction.temperature}
        return {
            "encoder": self.name,
            "block": self.block,
            "blocks": self.n_blocks,
            "extract": self.extraction.rule,
            **(softmax if self.extraction.rule == "softmax" else {}),
        }


class _Found(NamedTuple):
    """The links of one sentence pair, (links, 2), and their scores, (links,)."""

    links: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]


_NOTHING = _Found(np.zeros((0, 2), np.int64), np.zeros(0, np.float32))


@dataclass(frozen=True)
class _Subwords:
    """Some sentence pairs as subwords: pair p has the sentences p (source) and pairs + p (target).

    Sentence s has the ids `ids[ids_at[s]:ids_at[s + 1]]`, special tokens included; `words` says of which word a subword
    is, -1 for special tokens.
    """

    ids: npt.NDArray[np.int64]  # (tokens,)
    words: npt.NDArray[np.int64]  # (tokens,)
    ids_at: npt.NDArray[np.int64]  # (2 x pairs + 1,)
    too_long: npt.NDArray[np.int64]  # numbers of pairs

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Subwords of every sentence, (2 x pairs,)."""
        return np.diff(self.ids_at)

    def batches(self, budget: int) -> list[npt.NDArray[np.int64]]:
        """Numbers of the pairs that are not too long, in batches of at most `budget` subwords or one pair."""
        of_pairs = self.lengths.reshape(2, -1).sum(axis=0)
        fitting = np.setdiff1d(np.arange(len(of_pairs)), self.too_long)
        return [fitting[batch] for batch in batches_by_length(of_pairs[fitting], budget)]


@dataclass(frozen=True)
class _Encoder:
    """A model in evaluation mode, and what goes with it."""

    folder: Path
    model: Any
    tokenizer: Any
    arch: Architecture
    device: Any
    precision: str

    def subwords(self, batch: SentencePairs, numbers: npt.NDArray[np.int64], normalise: str) -> _Subwords:
        """The subwords of some pairs of a batch, none of which has an empty side."""
        sides = [side.select(numbers) for side in (batch.source, batch.target)]
        if normalise == "nfc":
            sides = [Words(_as_in_text(side.values), side.offsets) for side in sides]
        texts = [*sides[0].to_lists(), *sides[1].to_lists()]
        limit = self.arch.max_length
        encodings = encode_words(self.tokenizer, texts, truncation=True, max_length=limit + 1)
        lengths = np.array([len(each.ids) for each in encodings])
        words = [-1 if word is None else word for each in encodings for word in each.word_ids]
        return _Subwords(
            np.array([token for each in encodings for token in each.ids], np.int64),
            np.array(words, np.int64),
            np.concatenate(([0], np.cumsum(lengths))),
            np.flatnonzero((lengths > limit).reshape(2, -1).any(axis=0)),
        )


def _as_in_text(words: pa.StringArray) -> pa.StringArray:
    """Words in Unicode's form C, without soft hyphens, marks of direction and the like, as tokenizers have seen them.

    Joiners stay: they belong to the spelling of Persian words and of emoji. A word that is nothing else stays, too.
    """
    composed = pc.utf8_normalize(words, "NFC")
    visible = pc.replace_substring_regex(composed, _INVISIBLE, "")
    return pc.if_else(pc.equal(visible, ""), composed, visible)


_INVISIBLE = r"[\x{ad}\x{61c}\x{200b}\x{200e}\x{200f}\x{202a}-\x{202e}\x{2060}-\x{206f}\x{feff}]"


def _link_batch(
    encoder: _Encoder, subwords: _Subwords, extraction: Extraction, pairs: npt.NDArray[np.int64]
) -> list[tuple[int, _Found]]:
    """The links of some pairs, given by their numbers."""
    import torch
    from accelerate.utils import send_to_device

    sentences = np.concatenate([pairs, pairs + len(subwords.lengths) // 2])
    starts, lengths = subwords.ids_at[sentences], subwords.lengths[sentences]
    packing = packing_for(encoder.device)
    layout = pack(subwords.ids, starts, lengths, encoder.arch, encoder.tokenizer.pad_token_id, packing)
    with torch.inference_mode(), arithmetic(encoder.precision, encoder.device):
        groups = send_to_device(layout.groups, encoder.device)
        hidden = [last_hidden_states(encoder.model, model_inputs(encoder.model, rows)) for rows in groups]
        vectors = torch.cat([each.flatten(0, 1) for each in hidden]).float().cpu().numpy()  # (positions, width)
    sides = []
    for start, length, at in zip(starts, lengths, layout.starts, strict=True):
        words = subwords.words[start : start + length]
        sides.append((vectors[at : at + length][words >= 0], words[words >= 0]))
    return [
        (int(number), _link_pair(encoder, extraction, source, target))
        for number, source, target in zip(pairs, sides[: len(pairs)], sides[len(pairs) :], strict=True)
    ]


_Side = tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]


def _link_pair(encoder: _Encoder, extraction: Extraction, source: _Side, target: _Side) -> _Found:
    """The links of one pair; a side is the vectors of its subwords, (n, width), and the word that each is of, (n,)."""
    (source_vectors, source_words), (target_vectors, target_words) = source, target
    if not len(source_words) or not len(target_words):  # a tokenizer may leave nothing of a word
        return _NOTHING
    if not (np.isfinite(source_vectors).all() and np.isfinite(target_vectors).all()):
        raise ArtifactError("gives vectors that are not numbers; try --precision fp32", encoder.folder)
    links, scores = extraction(source_vectors, target_vectors)
    return _Found(*word_links(links, scores, source_words, target_words))


def _load(folder: Path, device_name: str, precision: str) -> _Encoder:
    device = pick_device(device_name)
    precision = pick_precision(precision, device)
    model, _ = load_encoder(folder)
    model.to(device).eval()
    if precision == "bf16":
        prepare_for_bf16(model)
    arch = architecture(model)
    tokenizer = load_tokenizer(folder, arch.vocabulary_size, arch.causal)
    return _Encoder(folder, model, tokenizer, arch, device, precision)


def _stamp(reference: str) -> Sequence[tuple[str, int, int]]:
    """Names, sizes and times of a folder's files; nothing for a reference to the Hub."""
    folder = Path(reference).expanduser()
    if not folder.is_dir():
        return ()
    files = [(each.name, each.stat()) for each in sorted(folder.iterdir()) if each.is_file()]
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in files)


@functools.lru_cache(maxsize=1)
def _resolved(reference: str, stamp: Sequence[tuple[str, int, int]]) -> Input:
    """The encoder, digested once for all languages; `stamp` changes when its files do."""
    return resolve_encoder(reference, "encoder")
