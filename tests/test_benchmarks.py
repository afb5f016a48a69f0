"""What the benchmarks compare must be the same thing: the straightforward implementations against ours, small."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from alignfreeze_cli.encoder.batches import make_batch
from alignfreeze_cli.encoder.blocks import architecture
from alignfreeze_cli.encoder.loss import contrastive_loss, realignment_loss
from benchmarks import align, realign
from benchmarks import evaluate as evaluating
from benchmarks.inputs import Inputs, Options
from benchmarks.plain import align as plain_align
from benchmarks.plain import evaluate as plain_evaluate
from benchmarks.plain import realign as plain_realign
from benchmarks.plain.realign import batch_loss, read_pair


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """Made-up text of two languages and a tiny random encoder."""
    options = Options(shape="tiny", targets=("aa", "bb"), batch_size=6, lines=300, rounds=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("benchmarks.inputs.MADE_UP_LINES", 150)
        patch.setattr("benchmarks.inputs.MADE_UP_SENTENCES", 60)
        made = Inputs(options, tmp_path_factory.mktemp("benchmarks"))
        _ = made.text, made.treebanks
    return made


def test_the_straightforward_step_has_our_loss_and_gradients(inputs: Inputs) -> None:
    dataset = inputs.dataset(inputs.realign_settings(3))
    plain, _ = realign.plain_realigner(inputs, dataset)
    both = torch.nn.ModuleDict({"encoder": plain.encoder, "projection": plain.projection}).eval().double()
    arch = architecture(plain.encoder)
    for step in range(3):
        batch = make_batch(dataset.drawn(step), arch, dataset.pad_id)
        ours = realignment_loss(both, batch, block=plain.block)
        # The lowest parameters there are, and the last ones: the gradient comes by everything in between.
        trained = [plain.encoder.get_input_embeddings().weight, *plain.projection.parameters()]
        gradients = torch.autograd.grad(ours, trained)
        pairs = [read_pair(drawn) for drawn in dataset.drawn(step)]
        theirs = batch_loss(plain.encoder, plain.projection, pairs, plain.block, dataset.pad_id)
        expected = torch.autograd.grad(theirs, trained)
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=0)
        torch.testing.assert_close(gradients, expected, rtol=1e-7, atol=1e-9)


def test_the_straightforward_loss_is_ours() -> None:
    torch.manual_seed(0)
    source, target = torch.randn(5, 8), torch.randn(7, 8)
    links = torch.tensor([[0, 3], [2, 2], [4, 6]])
    ours = contrastive_loss(source, target, links, 0.1)
    theirs = plain_realign.realignment_loss(torch.cat([source, target]), [(i, 5 + j) for i, j in links.tolist()], 0.1)
    torch.testing.assert_close(ours, theirs)


def test_the_dictionary_rule_finds_our_links(inputs: Inputs) -> None:
    for target in inputs.options.targets:
        (corpus,) = inputs.corpus_files(target)
        written = inputs.folder / f"{target}.jsonl"
        dictionaries = [Path(inputs.text[1].format(target=target)), corpus.parent / f"dictionary-{target}-en.txt"]
        count = plain_align.align_to_file(corpus, dictionaries[0], dictionaries[1], written)
        assert count > 50
        align.same_links(inputs.pairs, target, written)


def test_both_evaluations_count_the_same_words(inputs: Inputs) -> None:
    report = evaluating.run(inputs)  # asserts that accuracy and number of words agree
    assert "times as fast" in report


def test_a_long_sentence_is_cut_between_words() -> None:
    def tokenizer(words: list[str], is_split_into_words: bool) -> dict[str, list[int]]:
        return {"input_ids": [0, *(0 for word in words for _ in word), 0]}

    parts = plain_evaluate.cut(["aaa", "bb", "c", "dddd"], ["A", "B", "C", "D"], tokenizer, 8)
    assert parts == [(["aaa", "bb", "c"], ["A", "B", "C"]), (["dddd"], ["D"])]
