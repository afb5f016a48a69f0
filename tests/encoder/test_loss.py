"""The loss: published golden values, hand-made cases, the formula written out, and several processes."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from alignfreeze_cli.encoder import loss
from alignfreeze_cli.encoder.batches import pool_words
from alignfreeze_cli.encoder.loss import Projection, _summed, contrastive_loss, gather_words
from tests.support.processes import finish, start_python

GOLDEN = Path(__file__).parents[1] / "golden" / "loss_cases.json"
CASES: list[dict[str, Any]] = json.loads(GOLDEN.read_text(encoding="utf-8"))["cases"]


def poolings(case: dict[str, Any]) -> list[str]:
    """Whole words are summed there: their mean has the same cosines, their first subword has not."""
    spans = [span for name in ("source_word_spans", "target_word_spans") for words in case[name] for span in words]
    return ["first", "mean"] if all(end - start == 1 for start, end in spans) else ["mean"]


def side(hidden: Tensor, spans: list[list[list[int]]]) -> tuple[Tensor, Tensor, list[int]]:
    """Starts and ends of all words among the flattened positions of (batch, positions, d); words before a sentence."""
    flat = [(row * hidden.shape[1] + a, row * hidden.shape[1] + b) for row, words in enumerate(spans) for a, b in words]
    before = [sum(len(words) for words in spans[:row]) for row in range(len(spans))]
    return torch.tensor([a for a, _ in flat]), torch.tensor([b for _, b in flat]), before


@pytest.mark.parametrize(
    ("case", "pooling"),
    [pytest.param(case, pooling, id=f"{case['name']}-{pooling}") for case in CASES for pooling in poolings(case)],
)
def test_the_published_loss_and_its_gradients(case: dict[str, Any], pooling: str) -> None:
    head = torch.nn.Identity()
    if case["projection"]:
        inner, outer = (torch.tensor(case["projection"][f"weight_{n}"], dtype=torch.float64) for n in (1, 2))
        head = Projection(inner.shape[0], outer.shape[0]).double()
        head.load_state_dict({"inner.weight": inner, "outer.weight": outer})
    hidden = {
        name: [torch.tensor(layer, dtype=torch.float64, requires_grad=True) for layer in case[f"{name}_hidden"]]
        for name in ("source", "target")
    }
    losses = []
    for source, target in zip(hidden["source"], hidden["target"], strict=True):
        words, befores = [], []
        for layer, name in ((source, "source"), (target, "target")):
            starts, ends, before = side(layer, case[f"{name}_word_spans"])
            words.append(head(pool_words(layer.flatten(0, 1), starts, ends, pooling)))
            befores.append(before)
        links = [
            (befores[0][row] + a, befores[1][row] + b) for row, linked in enumerate(case["links"]) for a, b in linked
        ]
        negatives = "all" if case["strong"] else "other-language"
        losses.append(contrastive_loss(words[0], words[1], torch.tensor(links), case["temperature"], negatives))
    loss = case["coefficient"] * torch.stack(losses).mean()
    loss.backward()

    expected = case["expected"]
    assert loss.item() == pytest.approx(expected["loss"], rel=1e-9, abs=1e-9)
    for name in ("source", "target"):
        ours = torch.stack([layer.grad for layer in hidden[name] if layer.grad is not None])
        torch.testing.assert_close(
            ours, torch.tensor(expected[f"{name}_gradient"], dtype=torch.float64), rtol=0, atol=1e-7
        )
    for number, parameter in enumerate(head.parameters(), start=1):
        theirs = torch.tensor(expected[f"weight_{number}_gradient"], dtype=torch.float64)
        torch.testing.assert_close(parameter.grad, theirs, rtol=0, atol=1e-7)


def test_two_pairs_of_equal_words_computed_on_paper() -> None:
    words = torch.eye(2, dtype=torch.float64)
    links = torch.tensor([[0, 0], [1, 1]])
    # The partner has cosine 1; the others, two for "all" and one for "other-language", have cosine 0.
    everywhere = contrastive_loss(words, words, links, temperature=0.5)
    across = contrastive_loss(words, words, links, temperature=0.5, negatives="other-language")
    assert everywhere.item() == pytest.approx(math.log(1 + 2 * math.exp(-2)))
    assert across.item() == pytest.approx(math.log(1 + math.exp(-2)))


def test_an_unlinked_word_is_a_negative() -> None:
    source = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).double()
    target = torch.tensor([[1.0, 0.0]]).double()
    links = torch.tensor([[0, 0]])
    assert contrastive_loss(source, target, links, 1.0).item() == pytest.approx(math.log(1 + math.exp(-1)))
    assert contrastive_loss(source[:1], target, links, 1.0).item() == 0  # nothing else to be pushed away from


def slow_loss(source: Tensor, target: Tensor, links: list[tuple[int, int]], temperature: float, all_: bool) -> Tensor:
    """The formula of the module, word by word."""
    words = [("s", i, row) for i, row in enumerate(source)] + [("t", i, row) for i, row in enumerate(target)]
    anchors = [(("s", a), ("t", b)) for a, b in links] + [(("t", b), ("s", a)) for a, b in links]
    total = torch.zeros((), dtype=source.dtype)
    for x, y in anchors:
        row = {(language, i): vector for language, i, vector in words}
        scores = {
            (language, i): torch.dot(row[x], vector) / (row[x].norm() * vector.norm()) / temperature
            for language, i, vector in words
            if ((language, i) != x if all_ else language != x[0])
        }
        total = total - torch.log(torch.exp(scores[y]) / torch.stack(list(scores.values())).exp().sum())
    return total / len(anchors)


@given(st.integers(1, 6), st.integers(1, 6), st.sampled_from([0.1, 0.5, 2.0]), st.booleans(), st.data())
def test_the_loss_is_its_formula(n: int, m: int, temperature: float, all_: bool, data: st.DataObject) -> None:
    pairs = st.tuples(st.integers(0, n - 1), st.integers(0, m - 1))
    links = data.draw(st.lists(pairs, min_size=1, max_size=5))  # also repeated ones, and many to one
    torch.manual_seed(n * 10 + m)
    source, target = (torch.randn(size, 4, dtype=torch.float64, requires_grad=True) for size in (n, m))
    negatives = "all" if all_ else "other-language"
    ours = contrastive_loss(source, target, torch.tensor(links), temperature, negatives)
    slow = slow_loss(source, target, links, temperature, all_)
    torch.testing.assert_close(ours, slow, rtol=1e-9, atol=1e-12)
    mine, theirs = (torch.autograd.grad(loss, [source, target], retain_graph=True) for loss in (ours, slow))
    torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-9)


def test_the_length_of_a_vector_does_not_matter() -> None:
    torch.manual_seed(0)
    source, target, links = torch.randn(3, 4).double(), torch.randn(5, 4).double(), torch.tensor([[0, 1], [2, 4]])
    scales = torch.tensor([[0.01], [7.0], [300.0]]).double()
    plain, scaled = contrastive_loss(source, target, links), contrastive_loss(source * scales, target, links)
    torch.testing.assert_close(plain, scaled, rtol=1e-12, atol=0)


@pytest.mark.parametrize("negatives", ["all", "other-language"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_hard_cases_stay_finite(dtype: torch.dtype, negatives: str) -> None:
    same = torch.ones(3, 4, dtype=dtype, requires_grad=True)
    nothing = torch.zeros(3, 4, dtype=dtype, requires_grad=True)  # what a dead ReLU leaves
    for source, target, links in (
        (same, same, [[0, 0]]),
        (nothing, nothing, [[0, 0], [1, 2]]),
        (same[:1], nothing[:1], [[0, 0]]),
        (same, nothing, []),
        (same[:0], nothing, []),
    ):
        linked = torch.tensor(links, dtype=torch.long).view(-1, 2)
        loss = contrastive_loss(source, target, linked, temperature=1e-3, negatives=negatives)
        gradients = torch.autograd.grad(loss, [same, nothing], allow_unused=True)
        assert torch.isfinite(loss)
        assert all(gradient is None or torch.isfinite(gradient).all() for gradient in gradients)
        if not links:
            assert loss.item() == 0
            assert not any(gradient is not None and gradient.any() for gradient in gradients)


def test_half_precision_is_not_used_for_the_loss() -> None:
    torch.manual_seed(0)
    source, target, links = torch.randn(40, 16), torch.randn(40, 16), torch.arange(40).repeat(2, 1).T
    plain = contrastive_loss(source, target, links)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(contrastive_loss(source, target, links), plain)


def test_other_negatives_are_refused() -> None:
    with pytest.raises(ValueError, match="all or other-language"):
        contrastive_loss(torch.ones(1, 1), torch.ones(1, 1), torch.tensor([[0, 0]]), negatives="none")


def test_the_projection_is_initialised_like_a_head_of_the_model() -> None:
    torch.manual_seed(0)
    head = Projection(400, initializer_range=0.05)
    assert [tuple(weight.shape) for weight in head.parameters()] == [(400, 400), (128, 400)]
    assert all(weight.std().item() == pytest.approx(0.05, rel=0.02) for weight in head.parameters())
    assert head(torch.zeros(3, 400)).eq(0).all()  # no bias


def test_one_process_gathers_nothing() -> None:
    words, links = torch.randn(3, 2), torch.tensor([[0, 1]])
    assert gather_words(words, words, links) == (words, words, links)


def test_two_processes_make_the_loss_and_gradient_of_one(tmp_path: Path) -> None:
    worker = Path(__file__).with_name("gather_worker.py")
    for process in [start_python(worker, str(rank), tmp_path) for rank in range(2)]:
        finish(process)
    whole, first, second = (torch.load(tmp_path / f"{name}.pt") for name in ("whole", "0", "1"))
    assert len(whole) == 2
    for one, *two in zip(whole, first, second, strict=True):
        for result in two:
            torch.testing.assert_close(result["loss"], one["loss"], rtol=0, atol=1e-9)
        for name, gradient in one["gradients"].items():
            summed = two[0]["gradients"][name] + two[1]["gradients"][name]
            torch.testing.assert_close(summed, gradient, rtol=0, atol=1e-9)


@pytest.mark.parametrize("negatives", ["all", "other-language"])
@pytest.mark.parametrize("at_once", [1, 60, 250, 10_000])
def test_a_matrix_in_parts_gives_the_same_loss_and_gradient(
    monkeypatch: pytest.MonkeyPatch, negatives: str, at_once: int
) -> None:
    """No more numbers are held than allowed, where a row of the matrix fits into that."""
    torch.manual_seed(0)
    words = [torch.randn(n, 6, dtype=torch.float64, requires_grad=True) for n in (11, 13)]
    links = torch.stack([torch.randint(n, (20,)) for n in (11, 13)], dim=1)
    whole = contrastive_loss(*words, links, negatives=negatives)
    expected = torch.autograd.grad(whole, words)
    largest = []

    def watched(words: Tensor, anchors: Tensor, *rest: Any) -> Tensor:
        largest.append(len(words) * len(anchors))
        return _summed(words, anchors, *rest)

    monkeypatch.setattr(loss, "LARGEST_MATRIX", at_once)
    monkeypatch.setattr(loss, "_summed", watched)
    in_parts = contrastive_loss(*words, links, negatives=negatives)
    torch.testing.assert_close(in_parts, whole, rtol=1e-12, atol=0)
    for found, gradient in zip(torch.autograd.grad(in_parts, words), expected, strict=True):
        torch.testing.assert_close(found, gradient, rtol=0, atol=1e-12)
    assert max(largest) <= max(at_once, 24)
