"""Trackers that follow a run from outside: TensorBoard and Weights & Biases, through accelerate."""

from __future__ import annotations

import importlib.util

from alignfreeze_cli.errors import SettingsError

TRACKERS = ("tensorboard", "wandb")


def open_trackers(names: tuple[str, ...]) -> list[str] | None:
    """The names as accelerate takes them; raises SettingsError for one that is unknown or whose package is missing."""
    for name in names:
        if name not in TRACKERS:
            raise SettingsError(f"--tracker: {name!r} is not known; known are {', '.join(TRACKERS)}.")
        if importlib.util.find_spec(name) is None and not (name == "tensorboard" and _tensorboardx()):
            raise SettingsError(f"--tracker {name}: the package is missing; pip install 'alignfreeze[trackers]'.")
    return list(names) or None


def _tensorboardx() -> bool:
    return importlib.util.find_spec("tensorboardX") is not None
