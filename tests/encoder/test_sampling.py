"""Which pair is drawn when."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignfreeze_cli.encoder.sampling import Schedule, draws_of, pass_length, schedule, steps_for
from alignfreeze_cli.encoder.settings import SAMPLINGS

sizes_of_languages = st.lists(st.integers(1, 30), min_size=1, max_size=5)


def plan(sampling: str, sizes: list[int], steps: int, batch_size: int = 4, seed: int = 31) -> Schedule:
    names = [f"l{number}" for number in range(len(sizes))]
    return schedule(sampling, names, sizes, steps, batch_size, seed)


def draws(planned: Schedule) -> list[tuple[int, int]]:
    return [draw for step in range(planned.steps) for draw in planned.batch(step)]


def of(language: int, all_draws: list[tuple[int, int]]) -> list[int]:
    return [pair for its, pair in all_draws if its == language]


@given(sizes_of_languages, st.integers(1, 20), st.integers(1, 7), st.sampled_from(SAMPLINGS))
def test_every_draw_is_a_pair_that_exists_and_steps_are_as_asked(
    sizes: list[int], steps: int, batch_size: int, sampling: str
) -> None:
    planned = plan(sampling, sizes, steps, batch_size)
    assert planned.steps == steps
    for step in range(steps):
        batch = planned.batch(step)
        assert 1 <= len(batch) <= batch_size
        assert all(0 <= pair < sizes[language] for language, pair in batch)


@given(sizes_of_languages, st.integers(1, 20), st.sampled_from(SAMPLINGS), st.integers(0, 2**32))
def test_a_step_is_the_same_whichever_were_asked_before(sizes: list[int], steps: int, sampling: str, seed: int) -> None:
    forwards, backwards = plan(sampling, sizes, steps, seed=seed), plan(sampling, sizes, steps, seed=seed)
    there = [forwards.batch(step) for step in range(steps)]
    back = [backwards.batch(step) for step in reversed(range(steps))]
    assert there == back[::-1]


@given(sizes_of_languages, st.integers(1, 30))
def test_round_robin_takes_turns_and_uses_every_pair_before_any_again(sizes: list[int], steps: int) -> None:
    drawn = draws(plan("round-robin", sizes, steps))
    assert [language for language, _ in drawn] == [k % len(sizes) for k in range(len(drawn))]
    for language, size in enumerate(sizes):
        own = of(language, drawn)
        for start in range(0, len(own), size):
            one_pass = own[start : start + size]
            assert len(set(one_pass)) == len(one_pass)


def test_round_robin_starts_again_in_a_new_order_and_alone() -> None:
    drawn = draws(plan("round-robin", [40, 8], 20))
    poor = of(1, drawn)
    assert sorted(poor[:8]) == sorted(poor[8:16]) == list(range(8))
    assert poor[:8] != poor[8:16]
    assert len(set(of(0, drawn))) == 40


def test_another_language_does_not_change_the_order_of_the_others() -> None:
    alone = of(0, draws(plan("round-robin", [20], 5)))
    accompanied = of(0, draws(plan("round-robin", [20, 9], 10)))
    assert alone == accompanied


def test_the_seed_decides_the_order_of_every_further_pass() -> None:
    one, other = (draws(plan("round-robin", [50], 25, seed=seed)) for seed in (1, 2))
    assert one[:50] == other[:50] == [(0, pair) for pair in range(50)]
    assert sorted(one[50:]) == sorted(other[50:])
    assert one[50:] != other[50:]


@given(sizes_of_languages, st.integers(1, 20), st.integers(0, 20), st.sampled_from(SAMPLINGS))
def test_the_beginning_of_a_long_run_is_a_short_one(sizes: list[int], steps: int, more: int, sampling: str) -> None:
    short, long = plan(sampling, sizes, steps), plan(sampling, sizes, steps + more)
    assert [short.batch(step) for step in range(steps)] == [long.batch(step) for step in range(steps)]
    assert long.first(steps).usage() == short.usage()


@given(sizes_of_languages, st.integers(1, 20), st.sampled_from(SAMPLINGS), st.lists(st.integers(0, 9), min_size=5))
def test_knowing_only_as_many_pairs_as_are_drawn_changes_no_draw(
    sizes: list[int], steps: int, sampling: str, unknown: list[int]
) -> None:
    """Of a large language only a sample is read: how much more of it there is must not change anything."""
    names = [f"l{number}" for number in range(len(sizes))]
    enough = draws_of(sampling, sizes, steps * 4)
    known = [max(size, drawn) for size, drawn in zip(sizes, enough, strict=True)]
    all_of_them = [size + more * (size >= drawn) for size, drawn, more in zip(known, enough, unknown, strict=False)]
    partly, wholly = (schedule(sampling, names, some, steps, 4, 31, weights=sizes) for some in (known, all_of_them))
    assert draws(partly) == draws(wholly)


def test_published_stream_is_that_of_the_paper() -> None:
    """34 languages, Tamil (number 28) with 581 usable pairs: 19,782 pairs, 31,430 seen in 1965 steps of 16."""
    sizes = [1_000_000] * 34
    sizes[28] = 581
    assert pass_length("published", sizes) == 19_782
    planned = plan("published", sizes, 1965, 16)
    assert len(planned.languages) == 31_430
    assert len(planned.batch(1236)) == 6  # the incomplete one before the restart
    assert planned.usage()[28].distinct == 581
    assert sum(use.distinct for use in planned.usage()) == 19_782


def test_published_repeats_in_the_same_order() -> None:
    planned = plan("published", [10, 3, 10], 12)
    length = pass_length("published", [10, 3, 10])
    assert length == 10  # three rounds of three and the first language once more
    drawn = draws(planned)
    assert drawn[:length] == drawn[length : 2 * length]
    assert [len(planned.batch(step)) for step in range(4)] == [4, 4, 2, 4]


@given(sizes_of_languages, st.integers(1, 40))
def test_proportional_draws_each_language_by_its_share_at_every_moment(sizes: list[int], steps: int) -> None:
    drawn = [language for language, _ in draws(plan("proportional", sizes, steps))]
    for total in range(1, len(drawn) + 1):
        for language, size in enumerate(sizes):
            assert abs(drawn[:total].count(language) - total * size / sum(sizes)) < 1


def test_proportional_goes_by_weights_where_sizes_are_samples() -> None:
    planned = schedule("proportional", ["a", "b"], [50, 50], 25, 4, 1, weights=[900, 100])
    assert [use.drawn for use in planned.usage()] == [90, 10]


@given(sizes_of_languages, st.integers(1, 20), st.sampled_from(SAMPLINGS))
def test_usage_counts_what_is_drawn(sizes: list[int], steps: int, sampling: str) -> None:
    planned = plan(sampling, sizes, steps)
    drawn = draws(planned)
    for language, use in enumerate(planned.usage()):
        own = of(language, drawn)
        assert (use.drawn, use.distinct, use.usable) == (len(own), len(set(own)), sizes[language])
        assert use.passes == pytest.approx(len(own) / sizes[language])


@pytest.mark.parametrize(
    ("sampling", "epochs", "expected"),
    [("round-robin", 1, 6), ("round-robin", 2.5, 15), ("proportional", 1, 6), ("published", 1, 3), ("published", 2, 6)],
)
def test_epochs_become_steps(sampling: str, epochs: float, expected: int) -> None:
    """23 pairs in batches of 4; the published stream of these languages holds 10 and ends its last batch with 2."""
    assert steps_for(sampling, [10, 3, 10], 4, epochs) == expected


def test_one_pass_of_the_published_stream_ends_where_its_steps_do() -> None:
    sizes = [10, 3, 10]
    planned = plan("published", sizes, steps_for("published", sizes, 4, 1))
    assert int(planned.starts[-1]) == pass_length("published", sizes)
    assert np.all(np.diff(planned.starts) > 0)
