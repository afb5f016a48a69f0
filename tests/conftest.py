"""What every test needs: no network, a cache of its own, one torch thread per test process."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

# Before torch and huggingface_hub are imported anywhere: they read these once.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
for name in ("HF_TOKEN", "HF_ENDPOINT", "RANK", "WORLD_SIZE", "LOCAL_RANK"):
    os.environ.pop(name, None)
# A hundred processes are started in here: they need not all compile the same files.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

from tests.support.hubserver import HubServer  # noqa: E402

# Tests on real data in a folder next to the repository; without that folder they are not collected.
collect_ignore = [] if (Path(__file__).parents[2] / "shared").is_dir() else ["shared"]

# No test may fail because the machine is busy, and a failure must come back when it is run again.
settings.register_profile("alignfreeze", deadline=None, derandomize=True)
settings.load_profile("alignfreeze")


def pytest_collection_finish() -> None:
    """What importing and collecting has made lasts as long as the tests, so the garbage collector passes over it.

    Steps collect what the steps before them left (collector.py), which takes half a second where torch, transformers
    and thousands of tests are looked at each time.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is read from or left in the user's caches."""
    monkeypatch.setenv("ALIGNFREEZE_CACHE", str(tmp_path_factory.getbasetemp() / "alignfreeze-cache"))


@pytest.fixture
def hub() -> Iterator[HubServer]:
    """A Hub on loopback; a process that is to use it gets `env=hub.environment(folder_for_caches)`."""
    with HubServer() as server:
        yield server
