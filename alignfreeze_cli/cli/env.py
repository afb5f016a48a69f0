"""The command `env`: what a bug report should say of this installation and this machine."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

import typer

from alignfreeze_cli import __version__
from alignfreeze_cli.cli.console import print_json, print_result
from alignfreeze_cli.cli.options import Debug, Format, command_errors
from alignfreeze_cli.phrases import counted, printable, size

HELP = """What a bug report should say of this installation: versions, devices, caches, and variables that matter.

    alignfreeze env

    alignfreeze env --format json

Prints Markdown to paste. Of a token it says only whether there is one; your home folder is written as ~.
"""

PACKAGE = "alignfreeze"
NOT_FOR_USERS = ("dev", "benchmarks")
"""Extras that developing needs, not running."""

INSTRUCTIONS = ("avx2", "avx512_f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_int8", "sve", "bf16")
"""Instruction sets of a processor that say how fast it computes, by torch's names."""

VARIABLES = (
    *("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE"),
    *("HF_ENDPOINT", "HF_HOME", "HF_HUB_CACHE", "HF_DATASETS_CACHE", "XDG_CACHE_HOME"),
    *("HF_HUB_DISABLE_XET", "HF_HUB_DISABLE_SYMLINKS", "HF_HUB_DOWNLOAD_TIMEOUT", "HF_HUB_ETAG_TIMEOUT"),
    *("ALIGNFREEZE_CACHE", "ALIGNFREEZE_MUSE"),
    *("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "RANK", "WORLD_SIZE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
)
"""Variables that change what the commands do; none of them holds a token."""


def add(app: typer.Typer) -> None:
    app.command("env", help=HELP)(command)


def command(format: Format = "text", debug: Debug = False) -> None:
    with command_errors(False, format, debug):
        facts = collect()
        if format == "json":
            print_json(facts)
        else:
            print_result(printable(as_markdown(facts)))


def collect() -> dict[str, Any]:
    """All facts, as JSON can hold them. Of the libraries only torch is imported, which knows the devices."""
    return {
        "alignfreeze": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in _needed()},
        "extras": {extra: {name: _version(name) for name in names} for extra, names in _extras().items()},
        "devices": _devices(),
        "caches": _caches(),
        "hub": _hub(),
        "variables": {name: _shown(os.environ[name]) for name in VARIABLES if name in os.environ},
    }


def as_markdown(facts: dict[str, Any]) -> str:
    """The facts as a list, the versions of packages in a table."""
    devices, hub = facts["devices"], facts["hub"]
    lines = [
        f"- alignfreeze {facts['alignfreeze']}, Python {facts['python']}, {facts['platform']}",
        f"- processor: {counted(devices['threads'], 'thread')} for torch, of {counted(devices['cores'], 'core')} that "
        f"this process may use; {', '.join(devices['instructions']) or 'no instruction sets known to torch'}",
        f"- accelerators: {'; '.join(devices['accelerators']) or 'none that torch can use'}",
        f"- `--device auto` is {devices['auto']}, `--precision auto` is {devices['precision']}",
        *(f"- {name}: {each['path']}, {_occupied(each)}" for name, each in facts["caches"].items()),
        f"- Hub: {hub['endpoint']}, {'offline' if hub['offline'] else 'online'}, "
        f"{'a token is set' if hub['token'] else 'no token'}",
        *(f"- extra `{extra}`: {_installed(packages)}" for extra, packages in facts["extras"].items()),
        *(f"- {name}={value}" for name, value in facts["variables"].items()),
    ]
    rows = [f"| {name} | {version or 'missing'} |" for name, version in facts["packages"].items()]
    return "\n".join([*lines, "", "| package | version |", "| --- | --- |", *rows])


def _occupied(cache: dict[str, Any]) -> str:
    return f"{size(cache['bytes'])} in {counted(cache['files'], 'file')}" if cache["exists"] else "not there"


def _installed(packages: dict[str, str | None]) -> str:
    return ", ".join(f"{name} {version}" if version else f"{name} missing" for name, version in packages.items())


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _requirements() -> list[str]:
    """What the package's metadata say it needs; nothing where it is run without being installed."""
    try:
        return metadata.requires(PACKAGE) or []
    except metadata.PackageNotFoundError:
        return []


def _name(requirement: str) -> str:
    match = re.match(r"[\w.-]+", requirement)
    return match[0] if match else requirement


def _needed() -> list[str]:
    """The packages that it can't run without."""
    return [_name(each) for each in _requirements() if "extra ==" not in each]


def _extras() -> dict[str, list[str]]:
    """Extra -> its packages."""
    found: dict[str, list[str]] = {}
    for requirement in _requirements():
        match = re.search(r"extra == ['\"]([\w.-]+)['\"]", requirement)
        if match and match[1] not in NOT_FOR_USERS:
            found.setdefault(match[1], []).append(_name(requirement))
    return found


def _devices() -> dict[str, Any]:
    import torch

    from alignfreeze_cli.training.devices import pick_device, pick_precision

    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    device = pick_device("auto")
    accelerators = []
    for number in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        about = torch.cuda.get_device_properties(number)
        accelerators.append(f"cuda:{number} {about.name}, {size(about.total_memory)}, CUDA {torch.version.cuda}")
    if torch.backends.mps.is_available():
        accelerators.append("mps")
    return {
        "threads": torch.get_num_threads(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "instructions": [name for name in INSTRUCTIONS if capabilities.get(name)],
        "accelerators": accelerators,
        "auto": str(device),
        "precision": pick_precision("auto", device),
    }


def _caches() -> dict[str, Any]:
    from huggingface_hub import constants

    from alignfreeze_cli.artifacts.files import cache_folder

    return {"Hub cache": _measured(Path(constants.HF_HUB_CACHE)), "own cache": _measured(cache_folder())}


def _measured(folder: Path) -> dict[str, Any]:
    """How many files lie below a folder, and their bytes; links are not followed, as files would count twice."""
    sizes = list(_sizes(folder))
    return {"path": _shown(str(folder)), "exists": folder.is_dir(), "files": len(sizes), "bytes": sum(sizes)}


def _sizes(folder: Path) -> Iterable[int]:
    for here, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(here, name)
            if not os.path.islink(path) and os.path.isfile(path):
                yield os.path.getsize(path)


def _hub() -> dict[str, Any]:
    from huggingface_hub import constants, get_token

    return {
        "endpoint": _shown(constants.ENDPOINT),
        "offline": constants.is_offline_mode(),
        "token": get_token() is not None,
    }


def _shown(value: str) -> str:
    """A path or address without the user's home folder, and without a name and password in it."""
    home = os.path.expanduser("~")
    value = value.replace(home, "~") if len(home) > 1 else value
    return re.sub(r"//[^/@\s]*@", "//…@", value)
