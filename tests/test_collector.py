"""Garbage collection as the package leaves it."""

from __future__ import annotations

import gc

from alignfreeze_cli.collector import lasting_objects
from alignfreeze_cli.steps import STEPS


def test_nothing_is_collected_inside_and_it_goes_on_after() -> None:
    with lasting_objects():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        with lasting_objects():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_loading_a_step_keeps_no_garbage_for_good() -> None:
    import transformers.modeling_utils  # noqa: F401

    before = gc.get_freeze_count()
    STEPS["realign"].load()
    assert gc.get_freeze_count() == before
    assert gc.isenabled()
