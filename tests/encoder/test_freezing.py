"""Freeze plans: what they name, what they refuse, and that frozen means bit-identical in every family."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from alignfreeze_cli.encoder.batches import encode, pack
from alignfreeze_cli.encoder.blocks import FAMILIES, architecture
from alignfreeze_cli.encoder.freezing import FreezePlan, apply_plan, default_read_block, resolve_plan
from alignfreeze_cli.errors import SettingsError
from tests.support.models import N_BLOCKS, realign_steps, sentences, tiny

block_counts = st.integers(1, 40)


def frozen(text: str, n_blocks: int) -> tuple[int, ...]:
    return FreezePlan.parse(text).resolve(n_blocks).frozen


@pytest.mark.parametrize(
    ("text", "n_blocks", "expected"),
    [
        ("none", 12, ()),
        ("full", 12, ()),
        ("front", 12, (0, 1, 2, 3, 4, 5)),
        ("back", 12, (6, 7, 8, 9, 10, 11)),
        ("front", 6, (0, 1, 2)),
        ("back", 6, (3, 4, 5)),
        ("front", 7, (0, 1, 2)),
        ("back", 7, (4, 5, 6)),
        ("front", 24, tuple(range(12))),
        ("even", 5, (0, 2, 4)),
        ("odd", 5, (1, 3)),
        ("0,2,4", 12, (0, 2, 4)),
        ("0-5", 12, (0, 1, 2, 3, 4, 5)),
        ("all-but:11", 12, tuple(range(11))),
        ("all-but:0-2,11", 12, tuple(range(3, 11))),
        ("0, all-but:0-10", 12, (0, 11)),
        (" Front , Embeddings ", 12, (0, 1, 2, 3, 4, 5)),
        ("embeddings", 12, ()),
    ],
)
def test_plans_freeze_what_they_name(text: str, n_blocks: int, expected: tuple[int, ...]) -> None:
    assert frozen(text, n_blocks) == expected


def test_embeddings_train_unless_they_are_named() -> None:
    plans = {text: FreezePlan.parse(text).resolve(12) for text in ("front", "back", "all-but:3", "front,embeddings")}
    assert [plan.embeddings_frozen for plan in plans.values()] == [False, False, False, True]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("frnt", "'frnt'.*did you mean 'front'?"),
        ("", "empty"),
        ("5-0", "write 0-5"),
        ("none,front", "nothing can stand beside"),
        ("-3", "cannot read '-3'"),
        ("all-but:", "cannot read ''"),
        ("0..5", "cannot read '0..5'"),
        ("²", "cannot read"),
    ],
)
def test_an_unreadable_plan_is_refused_with_the_part_at_fault(text: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        FreezePlan.parse(text)


@pytest.mark.parametrize("text", ["12", "0-12", "all-but:12", "front,40"])
def test_a_block_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"names block (12|40), but the encoder has 12 blocks, 0 to 11"):
        FreezePlan.parse(text).resolve(12)


@pytest.mark.parametrize("text", ["0-11,embeddings", "0-10,embeddings", "all-but:11,embeddings", "even,odd,embeddings"])
def test_a_plan_that_leaves_nothing_to_train_is_refused(text: str) -> None:
    plan = FreezePlan.parse(text)
    with pytest.raises(SettingsError, match="leaves nothing to train: the loss reads block 10"):
        plan.resolve(12)


def test_reading_a_higher_block_leaves_something_to_train() -> None:
    assert FreezePlan.parse("0-10,embeddings").resolve(12, read_block=11).trained == (11,)


@pytest.mark.parametrize("read_block", [-1, 12])
def test_a_read_block_that_does_not_exist_is_refused(read_block: int) -> None:
    with pytest.raises(SettingsError, match=f"no block {read_block}"):
        FreezePlan.parse("front").resolve(12, read_block)


@given(block_counts)
def test_front_and_back_are_the_halves_of_the_blocks(n_blocks: int) -> None:
    front, back = set(frozen("front", n_blocks)), set(frozen("back", n_blocks))
    assert len(front) == len(back) == n_blocks // 2
    assert not front & back
    assert len(set(range(n_blocks)) - front - back) == n_blocks % 2
    assert all(low < high for low in front for high in back)


@given(block_counts)
def test_even_and_odd_together_are_all_blocks(n_blocks: int) -> None:
    assert sorted(frozen("even", n_blocks) + frozen("odd", n_blocks)) == list(range(n_blocks))


@given(st.data(), block_counts)
def test_lists_ranges_and_complements_agree(data: st.DataObject, n_blocks: int) -> None:
    first = data.draw(st.integers(0, n_blocks - 1))
    last = data.draw(st.integers(first, n_blocks - 1))
    inside = frozen(f"{first}-{last}", n_blocks)
    numbers = data.draw(st.permutations(range(first, last + 1)))
    assert frozen(",".join(map(str, [*numbers, first])), n_blocks) == inside == tuple(range(first, last + 1))
    assert sorted(inside + frozen(f"all-but:{first}-{last}", n_blocks)) == list(range(n_blocks))


parts = st.sampled_from(["front", "back", "even", "odd", "embeddings", "0", "1-3", "2"])


@given(st.lists(parts, min_size=1, max_size=4), st.integers(4, 30), st.data())
def test_a_resolved_plan_is_consistent(names: list[str], n_blocks: int, data: st.DataObject) -> None:
    read_block = data.draw(st.integers(0, n_blocks - 1))
    plan = FreezePlan.parse(",".join(names))
    assert FreezePlan.parse(plan.text) == plan
    backwards = FreezePlan.parse(",".join(reversed(names)))
    assert backwards.resolve(40, with_head=True).frozen == plan.resolve(40, with_head=True).frozen
    try:
        resolved = plan.resolve(n_blocks, read_block)
    except SettingsError:
        assert set(range(read_block + 1)) <= set(frozen(",".join({*names} - {"embeddings"}) or "none", n_blocks))
        return
    assert not set(resolved.frozen) & set(resolved.trained)
    assert set(resolved.frozen) | set(resolved.trained) >= set(range(read_block + 1))
    assert all(block <= read_block for block in resolved.trained)
    drawn = resolved.diagram()
    assert drawn.count("■") - 1 == len(resolved.trained) + (not resolved.embeddings_frozen)


@given(st.data(), st.integers(2, 40))
def test_in_a_decoder_front_and_back_are_the_halves_of_what_the_loss_reaches(
    data: st.DataObject, n_blocks: int
) -> None:
    read_block = data.draw(st.integers(1, n_blocks - 1))
    front, back = (FreezePlan.parse(text).resolve(n_blocks, read_block, causal=True) for text in ("front", "back"))
    half = (read_block + 1) // 2
    assert (front.frozen, back.frozen) == (
        tuple(range(half)),
        tuple(range(read_block + 1 - half, read_block + 1)),
    )
    assert front.trained
    assert back.trained


def test_the_middle_block_of_a_decoder() -> None:
    plans = [resolve_plan("front", n_blocks, "middle", causal=True) for n_blocks in (32, 24, 5)]
    assert [plan.read_block for plan in plans] == [15, 11, 2]
    assert [plan.trained for plan in plans] == [tuple(range(8, 16)), tuple(range(6, 12)), (1, 2)]
    assert "front and back are the halves of the 16 blocks that the loss reaches" in plans[0].diagram()
    assert resolve_plan("front", 5, "2", causal=True).trained == (1, 2)
    assert resolve_plan("front", 32, "last", causal=True).frozen == resolve_plan("front", 32, "last").frozen


@pytest.mark.parametrize(
    ("text", "block", "causal", "sentence"),
    [
        ("front", "middle", False, "'front' leaves no block to train: the loss reads block 5.*name the blocks: 0-5"),
        ("front,back", "3", False, "leaves no block to train: the loss reads block 3"),
        ("back", "0", True, "back is half of the blocks up to block 0, .* a single one"),
        ("front,even", "1", True, None),
        ("0-5", "middle", False, None),
        ("front", "6", False, None),
    ],
)
def test_halves_that_leave_no_block_are_refused(text: str, block: str, causal: bool, sentence: str | None) -> None:
    """Blocks that are named one by one may be all that there are: then the embeddings alone are trained."""
    if sentence is None:
        resolve_plan(text, 12, block, causal=causal)
    else:
        with pytest.raises(SettingsError, match=sentence):
            resolve_plan(text, 12, block, causal=causal)


def test_the_strip_shows_a_plan() -> None:
    assert FreezePlan.parse("front").resolve(6).diagram().splitlines() == [
        "freeze plan front",
        "  emb  0  1  2  3  4  5",
        "   ■   □  □  □  ■  ■  ·",
        "  ■ trained   □ frozen   · not reached by the loss",
        "  the loss reads block 4: block 5 above it is neither computed nor trained",
    ]


def test_the_strip_of_a_plan_whose_loss_reads_a_low_block() -> None:
    strip = FreezePlan.parse("even").resolve(6, read_block=2).diagram()
    assert "blocks 3-5 above it are neither computed nor trained" in strip


def test_the_strip_of_an_odd_number_of_blocks_says_which_half_is_larger() -> None:
    strip = FreezePlan.parse("back,embeddings").resolve(7, read_block=6).diagram()
    assert strip.splitlines()[1:3] == ["  emb  0  1  2  3  4  5  6", "   □   ■  ■  ■  ■  □  □  □"]
    assert "freeze 3 each, so the half that trains is the larger one; block 3, in the middle, trains in both" in strip
    assert "not reached by the loss" not in strip


def test_the_strip_of_a_deep_encoder_is_broken_into_lines() -> None:
    strip = FreezePlan.parse("front").resolve(48).diagram()
    assert all(len(line) <= 100 for line in strip.splitlines())
    assert strip.count("□") - 1 == 24


def test_plans_need_no_torch() -> None:
    code = "import sys, alignfreeze_cli.encoder.freezing; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("text", ["front", "back", "front,embeddings", "none", "even"])
@pytest.mark.parametrize("family", FAMILIES)
def test_frozen_parts_stay_bit_identical_and_the_others_change(family: str, text: str) -> None:
    model = tiny(family, dtype=torch.float32)
    arch = architecture(model)
    read_block = default_read_block(N_BLOCKS)
    plan = FreezePlan.parse(text).resolve(arch.n_blocks)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    apply_plan(model, plan)
    realign_steps(model, read_block)
    after = model.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}

    path = FAMILIES[family].blocks
    touched_blocks = {int(name.removeprefix(f"{path}.").split(".")[0]) for name in changed if name.startswith(path)}
    assert touched_blocks == set(plan.trained)
    for block in plan.trained:  # every weight of it, except key biases, which no softmax can feel
        names = {name for name in before if name.startswith(f"{path}.{block}.")}
        assert {name for name in names - changed if "key" not in name} == set()
    touched_embeddings = {name for name, _ in arch.embedding_parameters(model)} & changed
    assert (not touched_embeddings) == ("embeddings" in text)
    if "embeddings" not in text:
        assert model.get_input_embeddings().weight.requires_grad
        assert any("embed" in name for name in touched_embeddings)
    after_blocks = {name for name in before if name.startswith(FAMILIES[family].after or ("-",))}
    assert not after_blocks & changed


@pytest.mark.parametrize("family", FAMILIES)
def test_no_graph_is_built_where_everything_below_is_frozen(family: str) -> None:
    model = tiny(family)
    arch = architecture(model)
    apply_plan(model, FreezePlan.parse("front,embeddings").resolve(N_BLOCKS))
    ids, starts, lengths = sentences()
    states: list[torch.Tensor] = []
    for block in arch.blocks(model):
        block.register_forward_pre_hook(lambda _, args: states.append(args[0]))
    encode(model, pack(ids, starts, lengths, arch), N_BLOCKS - 2)
    assert [state.requires_grad for state in states] == [False, False, False, True]


def test_a_plan_for_another_encoder_is_refused() -> None:
    with pytest.raises(SettingsError, match="for 12 blocks, the encoder has 5"):
        apply_plan(tiny("bert"), FreezePlan.parse("front").resolve(12))


def test_a_plan_can_be_applied_again() -> None:
    model = tiny("bert")
    for text in ("front,embeddings", "none"):
        apply_plan(model, FreezePlan.parse(text).resolve(N_BLOCKS))
    assert model.encoder.layer[0].output.dense.weight.requires_grad
    assert model.embeddings.word_embeddings.weight.requires_grad
    assert not model.encoder.layer[N_BLOCKS - 1].output.dense.weight.requires_grad
    assert not model.pooler.dense.weight.requires_grad
