"""Encoders in folders: read for training, written so that plain `AutoModel.from_pretrained` reads them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alignfreeze_cli.encoder.blocks import FAMILIES
from alignfreeze_cli.errors import ArtifactError, SettingsError
from alignfreeze_cli.training.checkpoints import disk_errors

TOKENIZER_FILES = (
    "tokenizer*",
    "vocab*",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "*.model",
    "spm*",
)


def skeleton(folder: Path) -> Any:
    """The encoder without its weights (on torch's meta device), enough to hold settings against it, in no time.

    Raises SettingsError for a family that is not supported, ArtifactError for a `config.json` that cannot be read.
    """
    import torch
    from transformers import AutoConfig, AutoModel

    try:
        config = AutoConfig.from_pretrained(folder)
    except (OSError, ValueError, KeyError) as error:
        raise ArtifactError(f"cannot be read ({_first_line(error)})", folder / "config.json") from error
    if config.model_type not in FAMILIES:
        raise SettingsError(
            f"models of type {config.model_type!r} are not supported: the supported ones are {', '.join(FAMILIES)}."
        )
    with torch.device("meta"):
        return AutoModel.from_config(config)


def load_encoder(folder: Path) -> tuple[Any, list[str]]:
    """The encoder in single precision, whatever precision it was saved in, and the names of what it lacked.

    What may be lacking is the pooler, which many encoders are published without: transformers then makes a random one,
    and `save_encoder` leaves it out again. Raises ArtifactError for pickled or unreadable weights, and if weights of
    blocks or embeddings are missing.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModel

    try:
        with no_bars():
            model, info = AutoModel.from_pretrained(
                folder, dtype=torch.float32, use_safetensors=True, local_files_only=True, output_loading_info=True
            )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise ArtifactError(
            f"holds no encoder that can be read from safetensors ({_first_line(error)})", folder
        ) from error
    missing = sorted(info["missing_keys"])
    lost = [name for name in missing if not name.startswith("pooler.")]
    if lost:
        raise ArtifactError(
            f"lacks {len(lost)} of the encoder's weights, {lost[0]} among them; it is the weights of something else",
            folder,
        )
    return model, missing


def save_encoder(model: Any, without: list[str], source: Path, folder: Path) -> None:
    """Write `config.json`, `model.safetensors` and the tokenizer's files, which are copied from `source` as they are.

    `without`: names of parameters to leave out. The same weights give the same bytes. Raises OSError (disk full).
    """
    state = {name: value.detach().cpu() for name, value in model.state_dict().items() if name not in without}
    with disk_errors(folder / "model.safetensors"), no_bars():
        model.save_pretrained(folder, state_dict=state, max_shard_size="50GB")
    # safetensors makes files that only their owner may read.
    shutil.copymode(folder / "config.json", folder / "model.safetensors")
    copy_tokenizer(source, folder)


def copy_tokenizer(source: Path, folder: Path) -> None:
    """Copy a tokenizer's files, byte for byte: writing it anew would store the changes that word tasks make to it."""
    for path in sorted({path for pattern in TOKENIZER_FILES for path in source.glob(pattern)}):
        if path.is_file():
            shutil.copyfile(path, folder / path.name)


@contextmanager
def no_bars() -> Iterator[None]:
    """Without transformers' own progress bars: only the console talks."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0].removesuffix(".") if str(error).strip() else type(error).__name__
