"""What the benchmarks compare must be the same thing: the straightforward implementations against ours, small."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest
import torch

from alignfreeze_cli.encoder.batches import make_batch
from alignfreeze_cli.encoder.blocks import architecture
from alignfreeze_cli.encoder.loss import contrastive_loss, realignment_loss
from alignfreeze_cli.encoder.tokenizers import load_tokenizer
from alignfreeze_cli.progress import Console
from alignfreeze_cli.steps.evaluate import evaluate
from alignfreeze_cli.steps.finetune import finetune
from alignfreeze_cli.tasks.registry import TASKS
from alignfreeze_cli.tasks.settings import EvaluateSettings, FinetuneSettings
from benchmarks import align, aligners, contrastive, encode, realign
from benchmarks import finetune as finetuning
from benchmarks.clock import Laps
from benchmarks.inputs import Inputs, Options
from benchmarks.peers import contrastive as contrastive_peer
from benchmarks.peers import pipeline_predict, trainer_finetune, trainer_predict
from benchmarks.peers.tagging import IGNORED, TRAIN_LENGTH, encoded_treebank
from benchmarks.plain import align as plain_align
from benchmarks.plain import evaluate as plain_evaluate
from benchmarks.plain import realign as plain_realign
from benchmarks.plain.realign import batch_loss, read_pair
from benchmarks.processes import run_module
from benchmarks.table import Row, comparison
from tests.support.lexical import save_lexical

LABELS = TASKS["pos"].labels(TASKS["pos"].defaults)


@pytest.fixture(scope="module")
def tagger(inputs: Inputs) -> Path:
    """A task model that has seen a few sentences."""
    settings = FinetuneSettings(
        model=str(inputs.encoder),
        task="pos",
        train=str(inputs.train_treebank),
        steps=2,
        output=inputs.folder / "tagger",
        device="cpu",
    )
    return finetune(settings, Console()).path


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """Made-up text of two languages and a tiny random encoder."""
    options = Options(shape="tiny", targets=("aa", "bb"), batch_size=6, lines=300, rounds=1, steps=5)
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


def test_the_trainer_has_our_loss(inputs: Inputs) -> None:
    train = inputs.folder / "train.conllu"
    tokens = inputs.write_training(train, 40, TRAIN_LENGTH)
    tokenizer = load_tokenizer(inputs.encoder)
    windows, words = encoded_treebank(train, tokenizer, LABELS, TRAIN_LENGTH)
    assert sum(map(len, windows["input_ids"])) == tokens
    assert sum(label != IGNORED for row in windows["labels"] for label in row) == words
    short, _ = encoded_treebank(train, tokenizer, LABELS, 12)
    assert len(short) > len(windows)
    assert max(map(len, short["input_ids"])) == 12
    assert sum(label != IGNORED for row in short["labels"] for label in row) == words
    finetuning.same_loss(inputs, train)


@pytest.mark.parametrize("more", [[], ["--group-by-length"]])
def test_the_trainer_learns_from_every_sentence_once(
    more: list[str], inputs: Inputs, capsys: pytest.CaptureFixture[str]
) -> None:
    train, output = inputs.folder / "once.conllu", inputs.folder / "trainer"
    tokens = inputs.write_training(train, 64, TRAIN_LENGTH)
    trainer_finetune.main(["--model", str(inputs.encoder), "--train", str(train), "--output", str(output), *more])
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (answer["steps"], answer["tokens"]) == (2, tokens)
    assert (output / "model.safetensors").exists()


def test_less_usual_peers_are_measured_where_they_are_named() -> None:
    for peers, usual, unusual in (("", True, False), (".", True, True), ("sorted", False, False), ("Tr", True, False)):
        options = Options(peers=peers, precisions=("fp32",))
        assert options.wants("`Trainer.predict`", "fp32") is usual
        assert options.wants("`pipeline`", "fp32", common=False) is unusual
        assert not options.wants("`Trainer.predict`", "bf16")


def test_a_process_that_fails_says_why() -> None:
    with pytest.raises(RuntimeError, match=r"ended with 2:\n(?s:.*)the following arguments are required: --model"):
        run_module("benchmarks.peers.trainer_predict", ())


@pytest.mark.parametrize("program", [plain_evaluate, trainer_predict, pipeline_predict])
def test_peers_score_a_tagger_as_ours_does(
    program: ModuleType, inputs: Inputs, tagger: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bank = inputs.treebanks[0]
    settings = EvaluateSettings(
        model=str(tagger), languages=("aa",), data=str(bank), output=inputs.folder / "scores", device="cpu"
    )
    score = json.loads((evaluate(settings, Console()).path / "scores.json").read_text())["languages"]["aa"]
    more = ["--sort"] if program is trainer_predict else []
    program.main(["--model", str(tagger), *more, str(bank)])
    found = json.loads(capsys.readouterr().out.splitlines()[-1])[str(bank)]
    assert found["words"] == score["scored"]
    assert found["accuracy"] == pytest.approx(score["value"], abs=2 / score["scored"])


def test_both_encoders_of_pairs_and_treebanks_agree(inputs: Inputs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode, "SENTENCES", 100)
    report = encode.run(inputs)  # asserts that words, subwords, pairs and links agree
    assert len(report.rows) == 2
    assert all(len(row.ratios) == inputs.options.rounds for row in report.rows)


def test_sentence_transformers_trains_on_our_pairs(inputs: Inputs, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sentence_transformers")
    tokens = contrastive.write_drawn(inputs, inputs.folder / "drawn.tsv")
    given = ["--model", str(inputs.encoder), "--pairs", str(inputs.folder / "drawn.tsv"), "--batch-size", "6"]
    contrastive_peer.main([*given, "--output", str(inputs.folder / "contrastive")])
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert answer["steps"] == inputs.options.steps
    assert answer["tokens"] == tokens


def test_the_table_shows_medians_and_spreads() -> None:
    theirs, ours = Laps("peer", wall=[3.0, 6.0, 4.0], cpu=[8.0, 6.0, 7.0]), Laps("alignfreeze", wall=[2.0, 2.5, 1.0])
    row = Row("work", theirs, ours)
    assert row.cells() == ["work", "peer", "4.00 (3.00–6.00)", "2.00 (1.00–2.50)", "**2.40** (1.50–4.00)", "", ""]
    ours.cpu, theirs.peak, ours.peak = [2.0, 2.0, 5.0], [2_000_000_000, 1], [500_000_000]
    assert row.cells()[5:] == ["3.50", "2.00 GB, ours 0.50 GB"]
    assert comparison([row]).count("\n") == 2


def test_a_long_sentence_is_cut_between_words() -> None:
    def tokenizer(words: list[str], is_split_into_words: bool) -> dict[str, list[int]]:
        return {"input_ids": [0, *(0 for word in words for _ in word), 0]}

    parts = plain_evaluate.cut(["aaa", "bb", "c", "dddd"], ["A", "B", "C", "D"], tokenizer, 8)
    assert parts == [(["aaa", "bb", "c"], ["A", "B", "C"]), (["dddd"], ["D"])]


def test_aligners_are_scored_on_the_gold_that_is_there(tmp_path: Path) -> None:
    words = {"house": "dum", "red": "cerveny", "old": "stary", "cat": "kocka"}
    encoder = save_lexical(tmp_path / "bert", {each: en for en, cs in words.items() for each in (en, cs)})
    (tmp_path / "gold" / "binaryalign").mkdir(parents=True)
    entry = {"src_words": [*words], "tgt_words": [*words.values()], "alignment": [[0, 0], [1, 1], [2, 2], [3, 2]]}
    path = tmp_path / "gold" / aligners.GOLD["en-cs"].links
    path.write_text(f"{json.dumps(entry)}\n" * 3, encoding="utf-8")
    report = aligners.run(Inputs(Options(gold=tmp_path / "gold", encoder=encoder, aligners="argmax"), tmp_path))
    rows = [line for line in report.text.splitlines() if line.startswith("| encoder, argmax")]
    assert [row.split(" | ")[1].rstrip(" |") for row in rows[:3]] == ["25.0", "75.0 / 75.0 / 75.0", "4.0 → 4.0 @ 75.0"]
