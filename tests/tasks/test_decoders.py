"""Decoder-only models under tasks: labels on the last subword, texts kept apart, and the subword that a head reads."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft import PeftModel
from safetensors.torch import load_file
from tokenizers import processors
from torch.nn import functional as F
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from alignfreeze_cli.artifacts import Result
from alignfreeze_cli.encoder.models import families_with, load_task_model, new_task_model, save_model
from alignfreeze_cli.encoder.tokenizers import load_tokenizer
from alignfreeze_cli.encoder.vocabulary import ActiveVocabulary
from alignfreeze_cli.errors import ArtifactError, SettingsError
from alignfreeze_cli.progress import Console
from alignfreeze_cli.steps.evaluate import evaluate
from alignfreeze_cli.steps.finetune import finetune
from alignfreeze_cli.tasks.base import Windows
from alignfreeze_cli.tasks.labelled_texts import LabelledText
from alignfreeze_cli.tasks.qa_windows import PairTemplate
from alignfreeze_cli.tasks.registry import TASKS
from alignfreeze_cli.tasks.settings import EvaluateSettings, FinetuneSettings
from alignfreeze_cli.tasks.squad import Answer, Question
from alignfreeze_cli.tasks.tagging import TaggedSentence, TaggedWindows
from alignfreeze_cli.tasks.xnli import LABELS, NliPair
from tests.support.models import DECODERS, save_decoder
from tests.support.tokenizers import tokenizer
from tests.tasks.test_tagging import encode, tagged, wordpiece
from tests.tasks.worlds import conllu, sentences

POS, NLI, QA = TASKS["pos"], TASKS["nli"], TASKS["qa"]
TAGS = ("DET", "NOUN")
CASES = [(family, task) for task in TASKS for family in families_with(TASKS[task].auto_class) if family in DECODERS]
# The head and the windows of ner are those of pos, the head of classify is that of nli.
CASES = [case for case in CASES if case[1] not in ("ner", "classify") or case[0] == "qwen3"]


def windows_of(task: str, read: Any) -> Windows:
    """Four examples of different lengths."""
    words = ["the", "cat", "sat", "on", "the", "mat"]
    texts = [" ".join(words[: n + 1]) for n in range(4)]
    if task == "nli":
        pairs = [NliPair(str(n), text, texts[3 - n][:9], LABELS[n % 3]) for n, text in enumerate(texts)]
        return NLI.encode(pairs, read, LABELS, 32, {})
    if task == "classify":
        labelled = [LabelledText(str(n), text, LABELS[n % 3], f"line {n}") for n, text in enumerate(texts)]
        return TASKS[task].encode(labelled, read, LABELS, 32, {})
    if task == "qa":
        asked = [Question(str(n), "who sat", text, (Answer(0, "the"),), "en") for n, text in enumerate(texts)]
        return QA.encode(asked, read, (), 32, dict(QA.defaults))
    tagged_ = [TaggedSentence(str(n), words[: n + 1], list(TAGS[:1]) * (n + 1)) for n in range(4)]
    return TASKS[task].encode(tagged_, read, TAGS, 32, {**TASKS[task].defaults, "label_subword": "last"})


@pytest.mark.parametrize(("family", "task"), CASES)
def test_every_decoder_learns_every_task_that_it_has_a_head_for(tmp_path: Path, family: str, task: str) -> None:
    """All of it learns; every window counts the same in any batch; saved and loaded again it says the same."""
    save_decoder(tmp_path / "encoder", family)
    windows = windows_of(task, load_tokenizer(tmp_path / "encoder", causal=True))
    labels = {"nli": LABELS, "classify": LABELS, "qa": ()}.get(task, TAGS)
    model = new_task_model(tmp_path / "encoder", TASKS[task].auto_class, labels)
    model.config.pad_token_id = windows.padding_id
    everything = np.arange(len(windows.lengths))
    TASKS[task].loss(model, windows.collate(everything)).backward()
    still = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert not still
    model.eval()
    with torch.no_grad():
        together = TASKS[task].loss(model, windows.collate(everything))
        apart = sum(TASKS[task].loss(model, windows.collate(everything[[w]])) for w in everything)
        torch.testing.assert_close(together, apart, atol=1e-4, rtol=1e-4)
        save_model(model, tmp_path / "encoder", tmp_path / "task")
        again, _ = load_task_model(tmp_path / "task", TASKS[task].auto_class)
        torch.testing.assert_close(TASKS[task].loss(again.eval(), windows.collate(everything)), together)
        active = ActiveVocabulary(model, windows.token_ids())  # renumbers the padding token, too
        batch = windows.collate(everything)
        batch["inputs"]["input_ids"] = torch.from_numpy(active.remap(batch["inputs"]["input_ids"].numpy()))
        torch.testing.assert_close(TASKS[task].loss(model, batch), together)


@pytest.mark.parametrize("family", ["qwen2", "gemma3_text", "bloom"])
def test_the_head_reads_the_subword_that_it_reads_in_transformers(tmp_path: Path, family: str) -> None:
    save_decoder(tmp_path, family)
    read = load_tokenizer(tmp_path, causal=True)
    assert read.pad_token == read.eos_token == read.sep_token  # which also stands in the midst of the pair
    windows = windows_of("nli", read)
    model = new_task_model(tmp_path, NLI.auto_class, LABELS).eval()
    model.config.pad_token_id = windows.padding_id
    batch = windows.collate(np.arange(4))
    theirs = model(
        input_ids=batch["inputs"]["input_ids"], attention_mask=batch["inputs"]["attention_mask"], use_cache=False
    ).logits
    expected = F.cross_entropy(theirs, batch["gold"], reduction="sum")
    torch.testing.assert_close(NLI.loss(model, batch), expected)


def test_what_stands_between_two_texts_stands_before_them_in_question_answering(tmp_path: Path) -> None:
    for kind, template in (("qwen2", "<|endoftext|> <|endoftext|> "), ("llama 3", "<s> <s> ")):
        folder = save_decoder(tmp_path / kind, "llama", kind)
        read = load_tokenizer(folder, causal=True)
        found = PairTemplate.of(read)
        assert " ".join(read.convert_ids_to_tokens([*found.before, *found.middle])) + " " == template
        assert found.after == []


@pytest.mark.parametrize("causal", [False, True])
def test_texts_that_nothing_keeps_apart_are_refused(tmp_path: Path, causal: bool) -> None:
    """A token in front of the first text alone does not tell where the second begins."""
    read = copy.deepcopy(tokenizer("llama 3"))
    begin = ("<s>", read.bos_token_id)
    read.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B:1", special_tokens=[begin]
    )
    read.pad_token = read.eos_token
    read.save_pretrained(tmp_path)
    for task in ("nli", "qa"):
        with pytest.raises(ArtifactError, match="between"):
            windows_of(task, load_tokenizer(tmp_path, causal=causal))


WORDS = st.lists(st.text("abc", min_size=1, max_size=9) | st.just("\u200b"), min_size=1, max_size=12)


@given(st.lists(WORDS, min_size=1, max_size=4), st.integers(4, 16), st.sampled_from(["whole-words", "published"]))
def test_the_last_subword_of_a_word_in_its_window_carries_the_label(
    texts: list[list[str]], length: int, cut: str
) -> None:
    """A word of n letters has n subwords here, those after the first marked by ##."""
    first, last = (
        encode([tagged(words) for words in texts], length, windows=cut, label_subword=which)
        for which in ("first", "last")
    )
    assert np.array_equal(first.word, last.word)
    assert np.array_equal(first.tokens, last.tokens)
    for begin, end, window, following in _windows(last):
        pieces = wordpiece().convert_ids_to_tokens(last.tokens[window:following].tolist())
        for slot in range(begin, end):
            at, start = last.position[slot], first.position[slot]
            assert all(piece.startswith("##") for piece in pieces[start + 1 : at + 1])
            assert not pieces[at + 1].startswith("##")


def _windows(windows: TaggedWindows) -> list[tuple[int, int, int, int]]:
    slots, starts = windows.slot_starts.tolist(), windows.starts.tolist()
    return list(zip(slots, slots[1:], starts, starts[1:], strict=False))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Training data of three tasks, and decoders of three kinds."""
    folder = tmp_path_factory.mktemp("decoders")
    (folder / "pos.txt").write_text(conllu(sentences(20, 1)), encoding="utf-8")
    rows = [f"the cat sat\tthe mat {'sat' * (n % 3)}\t{LABELS[n % 3]}" for n in range(20)]
    (folder / "nli.txt").write_text("\n".join(rows) + "\n", encoding="utf-8")
    answers = [{"text": "cat", "answer_start": 4}]
    asked = [{"id": str(n), "question": "who sat?", "answers": answers} for n in range(8)]
    squad = {"data": [{"paragraphs": [{"context": "the cat sat on the mat", "qas": asked}]}]}
    (folder / "qa.txt").write_text(json.dumps(squad), encoding="utf-8")
    save_decoder(folder / "qwen2", "qwen2")
    save_decoder(folder / "bloom", "bloom", "bloom")
    save_decoder(folder / "gemma2", "gemma2", "gemma")
    save_decoder(folder / "llama", "llama", "llama 3", pad_token_id=None)
    return folder


def run(world: Path, family: str, task: str, output: Path, **changes: Any) -> Result:
    given: dict[str, Any] = {
        "model": str(world / family),
        "task": task,
        "train": str(world / f"{task}.txt"),
        "steps": 3,
        "batch_size": 8,
        "learning_rate": 1e-3,
        "max_length": 40,
        "device": "cpu",
        "output": output,
        **changes,
    }
    return finetune(FinetuneSettings(**given), Console())


def score(world: Path, task: str, model: Path, precision: str) -> Result:
    output = model.with_name(f"{model.name}-{precision}")
    data = str(world / f"{task}.txt")
    given: dict[str, Any] = {"data": data, "languages": ("en",), "max_length": 40, "device": "cpu", "output": output}
    return evaluate(EvaluateSettings(model=str(model), precision=precision, **given), Console())


@pytest.mark.parametrize(
    ("family", "task", "tokens"),
    [
        ("llama", "pos", ("</s>", None)),
        ("gemma2", "pos", ("<pad>", "<eos>")),
        ("qwen2", "nli", ("<|endoftext|>", "<|endoftext|>")),
        ("bloom", "qa", ("<pad>", "</s>")),
    ],
)
def test_fine_tuned_and_scored(
    world: Path, tmp_path: Path, family: str, task: str, tokens: tuple[str, str | None]
) -> None:
    made = run(world, family, task, tmp_path / "model", freeze="front")
    assert (made.details["padding-token"], made.details["separator-token"]) == tokens
    assert made.details["options"].get("label_subword") == ("last" if task == "pos" else None)
    config = json.loads((made.path / "config.json").read_text())
    assert config["pad_token_id"] == AutoTokenizer.from_pretrained(made.path).convert_tokens_to_ids(tokens[0])
    before, after = load_file(world / family / "model.safetensors"), load_file(made.path / "model.safetensors")
    inside = {name.split(".", 1)[1]: tensor for name, tensor in after.items()}
    blocks = {"bloom": "h"}.get(family, "layers")
    same = {name for name in before if torch.equal(before[name], inside[name])}
    assert {name for name in before if name.startswith((f"{blocks}.0.", f"{blocks}.1."))} <= same
    assert not {name for name in same if name.startswith((f"{blocks}.2.", f"{blocks}.4.")) and "norm" not in name}

    scores = [score(world, task, made.path, precision) for precision in ("fp32", "bf16")]
    for result in scores:
        assert result.details["languages"]["en"]["scored"] == {"pos": 130, "nli": 20, "qa": 8}[task]
        assert result.details["scoring"].get("label-subword") == ("last" if task == "pos" else None)
    card = (made.path / "README.md").read_text(encoding="utf-8")
    shown = f'"{tokens[1]}"' in card or f"'{tokens[1]}'" in card
    assert shown == (task != "pos" and tokens[1] is not None)


# peft asks transformers for an attribute by its old name.
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_with_lora_only_the_adapters_and_the_head_are_trained(world: Path, tmp_path: Path) -> None:
    made = run(world, "bloom", "nli", tmp_path / "model", lora=2, keep_adapter=True)
    before, after = load_file(world / "bloom" / "model.safetensors"), load_file(made.path / "model.safetensors")
    changed = {name for name in before if not torch.equal(before[name], after[f"transformer.{name}"])}
    assert {name.split(".", 2)[2] for name in changed if name.startswith("h.")} == {
        "self_attention.query_key_value.weight",
        "self_attention.dense.weight",
        "mlp.dense_h_to_4h.weight",
        "mlp.dense_4h_to_h.weight",
    }
    assert {name for name in changed if not name.startswith("h.")} == {"ln_f.weight", "ln_f.bias"}
    base = AutoModelForSequenceClassification.from_pretrained(world / "bloom", num_labels=3, dtype=torch.float32)
    loaded = PeftModel.from_pretrained(base, str(made.path / "adapter")).eval()
    plain = AutoModelForSequenceClassification.from_pretrained(made.path).eval()
    ids = torch.arange(5, 9).unsqueeze(0)
    torch.testing.assert_close(loaded(input_ids=ids).logits, plain(input_ids=ids).logits, atol=1e-5, rtol=1e-5)


def test_a_label_may_stand_on_the_first_subword(world: Path, tmp_path: Path) -> None:
    made = run(world, "llama", "pos", tmp_path / "model", label_subword="first", dry_run=True)
    assert "label_subword" not in made.details["options"]


def test_a_task_without_a_head_is_refused_before_its_data_is_looked_for(tmp_path: Path) -> None:
    save_decoder(tmp_path / "xglm", "xglm")
    with pytest.raises(
        SettingsError, match=r"no head for part-of-speech tagging .* 'xglm'; it has one for bert, .*bloom"
    ):
        run(tmp_path, "xglm", "pos", tmp_path / "model")
