"""One finished run for all tests of tampered inputs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli import world as worlds


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return worlds.make(tmp_path_factory.mktemp("tampered") / "world")
