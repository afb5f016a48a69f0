"""The small pipeline of hubworld.py, run once for all tests here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hub.hubworld import Cli, Made, pipeline


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    with pipeline(tmp_path_factory.mktemp("hub")) as ready:
        yield ready


@pytest.fixture(scope="session")
def cli(made: Made) -> Iterator[Cli]:
    process = Cli(made.hub, made.home)
    yield process
    process.close()
