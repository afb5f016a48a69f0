"""Reading and encoding: text on the disk to numbers in memory, ours beside `datasets.map` with a fast tokenizer."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from alignfreeze_cli.encoder.dataset import language_sources, resolve_pairs
from alignfreeze_cli.encoder.encoding import encode_pairs, tokenizer_digest
from alignfreeze_cli.encoder.tokenizers import load_tokenizer
from alignfreeze_cli.tasks.registry import TASKS
from benchmarks.clock import Laps
from benchmarks.inputs import Inputs
from benchmarks.peers.map_pairs import encoded_pairs
from benchmarks.peers.tagging import TEST_LENGTH, TRAIN_LENGTH, encoded_treebank
from benchmarks.table import Report, Row

PEER = "`datasets.map`, fast tokenizer"
SENTENCES = 8_000


def run(inputs: Inputs) -> Report:
    """A treebank, then pairs; both in turn, once per round and once before to warm up; the report."""
    return Report([_treebank(inputs), _pairs(inputs)])


@contextmanager
def _as_users_have_it() -> Iterator[None]:
    """A fast tokenizer that uses all cores, as it does unless told not to (our commands tell it); no bars."""
    from datasets import disable_progress_bars, enable_progress_bars

    disable_progress_bars()
    with environment("TOKENIZERS_PARALLELISM", "true"):
        yield
    enable_progress_bars()


@contextmanager
def environment(name: str, value: str) -> Iterator[None]:
    """Inside, the variable has this value."""
    before = os.environ.get(name)
    os.environ[name] = value
    yield
    if before is None:
        del os.environ[name]
    else:
        os.environ[name] = before


def _treebank(inputs: Inputs) -> Row:
    task = TASKS["pos"]
    labels = task.labels(task.defaults)
    path = inputs.folder / "encode.conllu"
    blocks = [block for each in inputs.treebanks for block in each.read_text(encoding="utf-8").strip().split("\n\n")]
    repeated = (blocks * (SENTENCES // len(blocks) + 1))[:SENTENCES]
    path.write_text("\n\n".join(repeated) + "\n\n", encoding="utf-8")
    tokenizer = load_tokenizer(inputs.encoder)

    theirs, ours = Laps(PEER), Laps("alignfreeze")
    for number in range(inputs.options.rounds + 1):
        with _as_users_have_it(), theirs.lap(SENTENCES):
            expected, words = encoded_treebank(path, tokenizer, labels, TEST_LENGTH)
        with ours.lap(SENTENCES):
            examples = list(task.read([path], "", task.defaults))
            windows = task.encode(examples, tokenizer, labels, TEST_LENGTH, task.defaults)
        if not number:
            assert int(windows.weights.sum()) == words, f"{windows.weights.sum()} and {words} words"
            tokens = sum(map(len, expected["input_ids"]))
            # Where a sentence is cut differs, and so do the special subwords around the parts.
            assert abs(int(windows.lengths.sum()) - tokens) <= 0.01 * tokens, f"{windows.lengths.sum()} and {tokens}"
    return _row(f"reading and encoding {SENTENCES:,} tagged sentences", theirs, ours)


def _pairs(inputs: Inputs) -> Row:
    tokenizer = load_tokenizer(inputs.encoder)
    key = tokenizer_digest(tokenizer)
    sources = [source for some in language_sources(resolve_pairs([str(inputs.pairs)]), ()).values() for source in some]
    rows = sum(source.file.rows for source in sources)
    their_cache, our_cache = inputs.folder / "encode-theirs", inputs.folder / "encode-ours"

    theirs, ours = Laps(PEER), Laps("alignfreeze")
    for number in range(inputs.options.rounds + 1):
        for cache in (their_cache, our_cache):  # else the second round would find what the first one made
            shutil.rmtree(cache, ignore_errors=True)
        with _as_users_have_it(), theirs.lap(rows):
            paths = [source.file.path for source in sources]
            expected = encoded_pairs(paths, tokenizer, TRAIN_LENGTH, their_cache)
        with environment("ALIGNFREEZE_CACHE", str(our_cache)), ours.lap(rows):
            found = [
                encode_pairs(source.folder, source.file, source.digest, tokenizer, key, TRAIN_LENGTH)
                for source in sources
            ]
        if not number:
            links = sum(len(pairs.links) for pairs in found)
            assert sum(map(len, found)) == len(expected), f"{sum(map(len, found))} and {len(expected)} pairs"
            assert links == sum(map(len, expected["links"])), "not the same number of links"
            tokens = sum(len(pairs.source.ids) + len(pairs.target.ids) for pairs in found)
            their_tokens = sum(len(ids) for side in ("source_ids", "target_ids") for ids in expected[side])
            assert tokens == their_tokens, f"{tokens} and {their_tokens} subwords"
    return _row(f"encoding {rows:,} pairs", theirs, ours)


def _row(work: str, theirs: Laps, ours: Laps) -> Row:
    """A row without the first lap of both."""
    for laps in (theirs, ours):
        for values in (laps.wall, laps.cpu, laps.units):
            del values[0]
    return Row(work, theirs, ours)
