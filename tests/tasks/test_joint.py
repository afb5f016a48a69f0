"""finetune --realign-with: one loss of two parts, the gradients of one of them confined to the plan's blocks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification
from typer.testing import CliRunner

from alignfreeze_cli.aligners.settings import AlignPairsSettings
from alignfreeze_cli.artifacts import read_record, resolve_encoder
from alignfreeze_cli.cli.app import app
from alignfreeze_cli.encoder.batches import Packing, make_batch
from alignfreeze_cli.encoder.blocks import architecture
from alignfreeze_cli.encoder.freezing import FreezePlan
from alignfreeze_cli.encoder.loss import contrastive_loss
from alignfreeze_cli.encoder.settings import RealignSettings
from alignfreeze_cli.errors import ArtifactError, SettingsError
from alignfreeze_cli.progress import Console
from alignfreeze_cli.steps.align_pairs import align_pairs
from alignfreeze_cli.steps.finetune import finetune
from alignfreeze_cli.tasks.finetuning import batches, summed_loss
from alignfreeze_cli.tasks.joint import Joint
from alignfreeze_cli.training import checkpoints
from alignfreeze_cli.training.loop import open_accelerator
from tests.support.killing import kill_and_resume
from tests.support.models import ENCODERS, tiny
from tests.support.processes import torchrun
from tests.tasks import joint_worker
from tests.tasks.joint_worker import POS, WEIGHT, joint_of, model_of, settings, windows_of
from tests.tasks.worlds import LEXICON, make_world, train


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The world of the task's tests, and English pairs with two languages that are English words with a suffix."""
    folder = make_world(tmp_path_factory.mktemp("joint") / "inputs")
    chance = torch.Generator().manual_seed(7)
    for suffix in "xy":
        lines = []
        for _ in range(14):
            words = [list(LEXICON)[n] for n in torch.randperm(len(LEXICON), generator=chance)[:5].tolist()]
            lines.append(f"{' '.join(words)}\t{' '.join(word + suffix for word in reversed(words))}\n")
        (folder / f"{suffix * 2}.tsv").write_text("".join(lines))
        (folder / f"{suffix * 2}.links").write_text("0-4 1-3 2-2 3-1\n" * 14)
    wanted = AlignPairsSettings(
        target=("xx", "yy"),
        corpus=(str(folder / "{target}.tsv"),),
        words="blank",
        aligner="pharaoh",
        links=str(folder / "{target}.links"),
        output=folder / "pairs",
    )
    align_pairs(wanted, Console())
    return folder


def gradients(folder: Path) -> dict[str, Tensor]:
    """The gradients of a first step: Adam's first moment is a tenth of them."""
    checkpoint = checkpoints.latest(folder / "checkpoints")[0]
    assert checkpoint is not None
    moments = checkpoint.optimizer().items()
    return {name.removesuffix(":exp_avg"): 10 * tensor for name, tensor in moments if name.endswith(":exp_avg")}


def by_hand(inputs: Path, **changes: Any) -> tuple[Any, dict[str, Tensor], Tensor, Tensor]:
    """The model, its gradients and both losses of the first step, written down sentence by sentence.

    Realignment gets the whole of its loss through autograd, and what the plan freezes is taken out of the sum.
    """
    joint, task_model = joint_of(inputs, **changes), model_of(inputs)
    both = joint.model(task_model).double()
    windows = windows_of(inputs)
    (whole,) = batches(windows, settings(inputs), architecture(task_model), Packing(1000))(0)
    assert isinstance(whole.weight, float)
    task = summed_loss(POS)(task_model, whole.inputs) / whole.weight

    accelerator = open_accelerator(inputs / "hand", "cpu")
    material = joint.dataset(Console(), resolve_encoder(str(inputs / "encoder")), 1, 1, accelerator)
    sides: tuple[list[Tensor], list[Tensor]] = ([], [])
    links = []
    for drawn in material.drawn(0):
        before = [sum(len(words) for words in side) for side in sides]
        for side, encoded in zip(sides, (drawn.pairs.source, drawn.pairs.target), strict=True):
            ids = torch.from_numpy(encoded.ids[encoded.ids_at[drawn.source] : encoded.ids_at[drawn.source + 1]].copy())
            spans = encoded.words[encoded.words_at[drawn.source] : encoded.words_at[drawn.source + 1]]
            states = task_model.bert(ids[None].long(), output_hidden_states=True).hidden_states
            side.append(both["projection"](states[joint.plan.read_block + 1][0, spans[:, 0].tolist()]))
        own = drawn.pairs.links[drawn.pairs.links_at[drawn.source] : drawn.pairs.links_at[drawn.source + 1]]
        links += [[before[0] + int(i), before[1] + int(j)] for i, j in own]
    realign = contrastive_loss(torch.cat(sides[0]), torch.cat(sides[1]), torch.tensor(links))

    names, parameters = zip(*both.named_parameters(), strict=True)
    of_task = torch.autograd.grad(task, parameters, allow_unused=True)
    of_realign = torch.autograd.grad(realign, parameters, allow_unused=True)
    frozen = tuple(f"encoder.bert.encoder.layer.{block}." for block in joint.plan.frozen)
    frozen += ("encoder.bert.embeddings.",) if joint.plan.embeddings_frozen else ()
    found = {}
    for name, one, other in zip(names, of_task, of_realign, strict=True):
        parts = [one] if one is not None else []
        parts += [WEIGHT * other] if other is not None and not name.startswith(frozen) else []
        if parts:
            found[name] = sum(parts[1:], parts[0])
    return both, found, task, realign


@pytest.mark.parametrize("freeze", ["none", "front", "back", "front,embeddings"])
def test_a_step_is_the_loss_written_by_hand(inputs: Path, tmp_path: Path, freeze: str) -> None:
    joint_worker.one_step(tmp_path, inputs, freeze=freeze)
    _, expected, task, realign = by_hand(inputs, freeze=freeze)
    (row,) = (json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines())
    assert row["task_loss"] == pytest.approx(task.item(), abs=1e-6)
    assert row["realign_loss"] == pytest.approx(realign.item(), abs=1e-6)
    assert row["loss"] == pytest.approx(task.item() + WEIGHT * realign.item(), abs=1e-6)
    found = gradients(tmp_path)
    assert found.keys() == expected.keys()
    assert {"projection.inner.weight", "encoder.classifier.weight"} <= found.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=0, atol=1e-6, msg=name)


def test_what_is_frozen_gets_the_tasks_gradient_and_no_other(inputs: Path) -> None:
    joint, model = joint_of(inputs, freeze="front"), model_of(inputs)
    both = joint.model(model).double()
    accelerator = open_accelerator(inputs / "exact", "cpu")
    material = joint.dataset(Console(), resolve_encoder(str(inputs / "encoder")), 1, 1, accelerator)
    of_task = batches(windows_of(inputs), settings(inputs), architecture(model_of(inputs)), Packing(1000))
    (micro_batch,) = joint.batches(of_task, material, architecture(model), Packing())(0)
    task_alone = summed_loss(POS)(model, micro_batch.inputs[0])
    parts = joint.loss(summed_loss(POS), 1)(both, micro_batch.inputs)
    assert all(parameter.requires_grad for parameter in both.parameters())
    model.zero_grad()
    task_alone.backward()
    alone = {name: p.grad.clone() for name, p in both.named_parameters() if p.grad is not None}
    both.zero_grad()
    parts.sum().backward()
    frozen = ("encoder.bert.encoder.layer.0.", "encoder.bert.encoder.layer.1.")
    above = ("encoder.bert.encoder.layer.3.", "encoder.classifier.")  # the loss of realignment reads block 2
    for name, parameter in both.named_parameters():
        assert parameter.grad is not None, name
        same = name in alone and torch.equal(parameter.grad, alone[name])
        assert same is name.startswith(frozen + above), name


@pytest.mark.parametrize("family", [*ENCODERS, "llama", "bloom"])
def test_every_family_is_realigned_under_a_tasks_head(family: str, inputs: Path) -> None:
    model = tiny(family, AutoModelForTokenClassification)
    arch = architecture(model)
    plan = FreezePlan.parse("front").resolve(arch.n_blocks)
    joint = Joint(RealignSettings(model="m", seed=3), WEIGHT, [], {}, plan)
    both = joint.model(model).double()
    accelerator = open_accelerator(inputs / "family", "cpu")
    of_pairs = joint_of(inputs)
    material = of_pairs.dataset(Console(), resolve_encoder(str(inputs / "encoder")), 1, 1, accelerator)
    batch = make_batch(material.drawn(0), arch, material.pad_id)
    before = [parameter.requires_grad for parameter in both.parameters()]
    parts = joint.loss(lambda model, inputs: inputs, 1)(both, (torch.zeros((), dtype=torch.float64), batch))
    assert [parameter.requires_grad for parameter in both.parameters()] == before
    parts[1].backward()
    free = {id(parameter) for _, parameter in arch.embedding_parameters(model)}
    free |= {id(parameter) for block in plan.trained for parameter in arch.blocks(model)[block].parameters()}
    reached = {id(p) for p in model.parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert reached <= free
    assert all(any(id(p) in reached for p in arch.blocks(model)[block].parameters()) for block in plan.trained)
    assert id(model.get_input_embeddings().weight) in reached
    assert all(parameter.grad is not None for parameter in both["projection"].parameters())


@pytest.mark.slow
def test_two_processes_compute_what_one_does(inputs: Path) -> None:
    folder = inputs.parent
    torchrun(joint_worker.__file__, folder / "two")
    joint_worker.main(folder / "one")
    one, two = (gradients(folder / name / "step") for name in ("one", "two"))
    assert one.keys() == two.keys()
    for name, gradient in one.items():
        torch.testing.assert_close(two[name], gradient, rtol=0, atol=1e-6, msg=name)
    for name in ("one", "two"):
        record = read_record(folder / name / "command")
        assert record is not None
        assert record.details["realign"]["languages"]["xx"]["drawn"] == 8
        assert {"loss", "task_loss", "realign_loss"} < json.loads(
            (folder / name / "command" / "metrics.jsonl").read_text().splitlines()[0]
        ).keys()


@pytest.mark.slow
def test_resumes_after_sigkill_to_the_same_bytes(inputs: Path) -> None:
    kill_and_resume(joint_worker.__file__, inputs.parent, 4, 5, {"alignfreeze.json", "model.safetensors"})


def test_the_command_line_says_and_records_what_was_done(inputs: Path, tmp_path: Path) -> None:
    command = ["finetune", "--task", "pos", "--model", str(inputs / "encoder"), "--device", "cpu"]
    command += ["--train", str(inputs / "train.conllu"), "--steps", "2", "--max-length", "24", "--batch-size", "8"]
    command += ["--realign-with", str(inputs / "pairs"), "--freeze", "front", "--realign-batch-size", "6"]
    command += ["--output", str(tmp_path / "pos")]
    planned = CliRunner().invoke(app, [*command, "--dry-run"])
    assert planned.exit_code == 0, planned.stderr
    assert "schedule: during" in planned.stdout
    assert "xx: 14" in planned.stdout
    assert "■   □  □  ■  ·" in planned.stdout
    assert not (tmp_path / "pos").exists()

    made = CliRunner().invoke(app, command)
    assert made.exit_code == 0, made.stderr
    assert ", of it 0.1 x realignment" in made.stdout
    record = read_record(tmp_path / "pos")
    assert record is not None
    assert [(each["name"], each.get("kind")) for each in record.inputs][2:] == [("pairs", "pairs")]
    assert [step["kind"] for step in record.lineage] == ["pairs"]
    details = record.details
    assert (details["schedule"], details["freeze"], details["frozen-blocks"]) == ("during", "none", [])
    realign = details["realign"]
    assert (realign["plan"], realign["weight"], realign["batch-size"]) == ("front", 0.1, 6)
    assert (realign["frozen-blocks"], realign["trained-blocks"], realign["read-block"]) == ([0, 1], [2], 2)
    assert realign["languages"]["yy"]["drawn"] == 6
    assert record.settings["realign-batch-size"] == 6
    assert "realign-temperature" not in record.settings

    model = AutoModelForTokenClassification.from_pretrained(tmp_path / "pos")
    assert not any("projection" in name for name, _ in model.named_parameters())
    again = CliRunner().invoke(app, command)
    assert "already done" in again.stdout
    other = CliRunner().invoke(app, [*command, "--realign-weight", "0.2"])
    assert other.exit_code == 2
    assert "realign-weight was not set, now 0.2" in other.stderr
    card = (tmp_path / "pos" / "README.md").read_text()
    assert "# encoder, realigned (front, during fine-tuning), for part-of-speech tagging" in card
    assert (
        "blocks 0-1 of 4 were frozen for the realignment loss. This was done during fine-tuning: 6 sentence pairs"
        in card
    )
    assert "--realign-with" in card


def test_sentence_pairs_learn_beside_word_pairs(inputs: Path, tmp_path: Path) -> None:
    # Their head reads the pooler, which realignment leaves out of its computation.
    rows = [
        f"the cat sees {word}\tthe dog sees {word}\t{('neutral', 'entailment')[n % 2]}"
        for n, word in enumerate(LEXICON)
    ]
    (tmp_path / "nli.tsv").write_text("\n".join(rows) + "\n")
    asked = settings(inputs, task="nli", train=str(tmp_path / "nli.tsv"), steps=3, output=tmp_path / "nli")
    details = finetune(asked, Console()).details
    assert details["realign"]["languages"]["xx"]["drawn"] == 8
    model, info = AutoModelForSequenceClassification.from_pretrained(tmp_path / "nli", output_loading_info=True)
    assert not any(info[kind] for kind in ("missing_keys", "unexpected_keys"))
    before = load_file(inputs / "encoder" / "model.safetensors")
    learned = {name: tensor for name, tensor in model.bert.state_dict().items() if name.endswith("dense.weight")}
    assert "pooler.dense.weight" in learned
    assert not any(torch.equal(before[name], tensor) for name, tensor in learned.items())


def test_the_published_stream_begins_anew_in_every_epoch(inputs: Path) -> None:
    accelerator = open_accelerator(inputs / "stream", "cpu")
    base = resolve_encoder(str(inputs / "encoder"))
    arch = architecture(model_of(inputs))
    of_task = batches(windows_of(inputs), settings(inputs), arch, Packing(1000))

    def pairs(sampling: str | None) -> list[list[list[int]]]:
        joint = joint_of(inputs, realign_sampling=sampling)
        material = joint.dataset(Console(), base, 12, 6, accelerator)
        step = joint.batches(of_task, material, arch, Packing())
        return [[g.input_ids.tolist() for g in step(n)[-1].inputs[1].layout.groups] for n in range(12)]

    published, own = pairs("published"), pairs(None)
    assert published[:6] == published[6:]
    assert own[:6] != own[6:]
    assert own == pairs("round-robin")


def test_fine_tuning_alone_keeps_its_record(inputs: Path) -> None:
    bare = settings(inputs, realign_with=(), realign_weight=None, realign_batch_size=None)
    assert not any(key.startswith("realign") for key in {**bare.recorded(), **bare.identity()})
    assert settings(inputs).identity()["realign-weight"] == WEIGHT
    assert "realign-with" not in settings(inputs).identity()  # the digests of the pairs stand for it


def test_training_only_the_embeddings_that_occur_gives_the_same_bytes(inputs: Path) -> None:
    one, other = (train(inputs, f"{rows}-rows", vocabulary=rows, steps=3).path for rows in ("active", "full"))
    assert (one / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()


def test_only_the_head_may_learn(inputs: Path) -> None:
    result = train(inputs, "head", freeze="0-3,embeddings")
    before = AutoModelForTokenClassification.from_pretrained(inputs / "encoder").bert.state_dict()
    after = AutoModelForTokenClassification.from_pretrained(result.path).bert.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"realign_with": ()}, "--realign-weight goes with --realign-with, which names the pairs to realign on"),
        ({"realign_weight": 0.0}, "--realign-weight must be above 0, not 0"),
        ({"realign_pooling": "max"}, "--realign-pooling must be one of first, last, mean"),
        ({"freeze": "0-2,embeddings"}, "leaves nothing to train: the loss reads block 2"),
        ({"realign_targets": ("zz",)}, "--realign-targets: there are no pairs for zz; there are for xx, yy"),
        ({"realign_block": "9"}, "there is no block 9 to read"),
    ],
)
def test_what_does_not_fit_is_refused(inputs: Path, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        finetune(settings(inputs, output=inputs / "refused", **changes), Console())
    assert sentence in str(caught.value)
    assert not (inputs / "refused").exists()


def test_pairs_of_another_kind_are_refused(inputs: Path) -> None:
    with pytest.raises(ArtifactError, match="is no pairs folder"):
        finetune(settings(inputs, realign_with=(str(inputs / "encoder"),)), Console())
