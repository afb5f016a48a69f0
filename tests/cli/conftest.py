"""One finished run for all tests of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli import world as worlds


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return worlds.make(tmp_path_factory.mktemp("cli") / "world")
