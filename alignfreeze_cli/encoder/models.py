"""Models in folders: encoders and task models, read for training, written so that the plain Auto classes read them."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from alignfreeze_cli.artifacts.inputs import TOKENIZER_FILES, weight_files, weight_shapes
from alignfreeze_cli.collector import lasting_objects
from alignfreeze_cli.encoder.blocks import FAMILIES, find_family
from alignfreeze_cli.errors import ArtifactError, SettingsError
from alignfreeze_cli.training.checkpoints import disk_errors

if TYPE_CHECKING:
    from torch import Tensor

_EQUAL_ROWS = 64
_WORD_EMBEDDINGS = re.compile(
    r"(?:(?:^|\.)embeddings\.(?:word_embeddings|tok_embeddings)|(?:^|\.)embed_tokens|^(?:transformer\.)?word_embeddings)"
    r"\.weight$"
)


def skeleton(folder: Path, weights: bool = True) -> Any:
    """The encoder without its weights (on torch's meta device), enough to check settings against it, in no time.

    `weights`: whether they must be in the folder; else its `config.json` will do. Raises SettingsError for a family
    that is not supported, ArtifactError for a `config.json` that cannot be read, that describes no encoder, or another
    one than the weights are of. Nothing of the folder is run.
    """
    import torch
    from transformers import AutoConfig, AutoModel

    path = folder / "config.json"
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # whatever an odd file makes of the library, it is the file's fault
        raise ArtifactError(f"cannot be read ({_first_line(error)})", path) from error
    family = find_family(config.model_type)
    if getattr(config, "is_decoder", False) and not family.causal:
        raise ArtifactError("sets is_decoder, so its attention sees no later word; an encoder is needed", path)
    both_ways = {"is_causal": False, "use_bidirectional_attention": True}
    for name, value in both_ways.items() if family.causal else ():
        if getattr(config, name, None) is value:
            raise ArtifactError(
                f"sets {name} to {str(value).lower()}, so its attention sees later words; of {config.model_type} only "
                "decoders are supported",
                path,
            )
    if family.positions_after_padding and config.pad_token_id is None:
        raise ArtifactError(f"has no pad_token_id, after which {config.model_type} counts its positions", path)
    _demand_usable_numbers(config, path)
    if weights:
        _demand_same_sizes(folder, config)
    try:
        with torch.device("meta"), lasting_objects():  # imports the module of the model
            model = AutoModel.from_config(config, trust_remote_code=False)
    except Exception as error:
        raise ArtifactError(f"describes no model that can be built ({_first_line(error)})", path) from error
    if weights:
        _demand_same_shapes(folder, model)
    return model


def _demand_usable_numbers(config: Any, path: Path) -> None:
    """What torch would take without complaint, or complain of only in the midst of training."""
    heads, pad = config.num_attention_heads, config.pad_token_id
    if type(heads) is not int or heads < 1:
        raise ArtifactError(f"says {heads!r} attention heads", path)
    if pad is not None and (type(pad) is not int or not 0 <= pad < config.vocab_size):
        raise ArtifactError(f"has {pad!r} as pad_token_id, which is no row of the word embeddings", path)


def _demand_same_sizes(folder: Path, config: Any) -> None:
    """The configuration and the weights must have as many blocks, and the same matrix of word embeddings.

    Looked up in the header of the weights, before anything is allocated. A model whose blocks are not found by name is
    refused when it is loaded.
    """
    shapes = weight_shapes(folder)
    pattern = re.compile(rf"(?:^|\.){re.escape(FAMILIES[config.model_type].blocks)}\.(\d+)\.")
    blocks = len({match[1] for match in map(pattern.search, shapes) if match})
    claimed = config.num_hidden_layers
    if blocks and blocks != claimed:
        raise ArtifactError(f"says {claimed:,} blocks, but the weights have {blocks}", folder / "config.json")
    table = next((shape for name, shape in shapes.items() if _WORD_EMBEDDINGS.search(name)), None)
    size = getattr(config, "embedding_size", None) or config.hidden_size
    if table is not None and table != [config.vocab_size, size]:
        raise ArtifactError(
            f"says {config.vocab_size:,} x {size} word embeddings, but the weights have {' x '.join(map(str, table))}",
            folder / "config.json",
        )


def _demand_same_shapes(folder: Path, model: Any) -> None:
    """Every tensor of the weights that the model knows by name must have the shape that the configuration gives it."""
    found = weight_shapes(folder)
    for name, tensor in model.state_dict().items():
        shape = found.get(name, found.get(f"{model.base_model_prefix}.{name}"))
        if shape is not None and shape != list(tensor.shape):
            says, have = (" x ".join(map(str, sides)) or "one number" for sides in (tensor.shape, shape))
            raise ArtifactError(f"says {says} for {name}, but the weights have {have}", folder / "config.json")


def load_encoder(folder: Path) -> tuple[Any, list[str]]:
    """The bare encoder, and the names of the parameters that the folder lacks.

    What may be lacking is the pooler, which many encoders are published without: transformers then makes a random one,
    and `save_model` leaves it out again. Raises ArtifactError for pickled or unreadable weights, and if weights of
    blocks or embeddings are missing.
    """
    model, missing = _load(folder, "AutoModel")
    _demand_whole(folder, [name for name in missing if not name.startswith("pooler.")])
    return model, missing


def new_task_model(folder: Path, auto_class: str, labels: Sequence[str]) -> Any:
    """An encoder with a new head for a task; the head comes from torch's current random state.

    `auto_class` is the class of transformers, `labels` go into its configuration. Everything outside the encoder is
    new, also where the folder holds a head: one that was trained on other labels, or with another seed, would make two
    runs unequal from the start. Raises ArtifactError if weights of the encoder are missing; a pooler may be, heads that
    use one train it. SettingsError if transformers has no such head (`demand_head`).
    """
    # Without labels a head has two outputs, first and last position, whatever the encoder was published for.
    head: dict[str, Any] = {"num_labels": 2}
    if labels:
        numbers = {label: number for number, label in enumerate(labels)}
        head = {"id2label": dict(enumerate(labels)), "label2id": numbers}
    model, missing = _load(folder, auto_class, without_head=True, **head)
    encoder = f"{model.base_model_prefix}."
    of_encoder = [name for name in missing if name.startswith(encoder)]
    _demand_whole(folder, [name for name in of_encoder if not name.startswith(f"{encoder}pooler.")])
    return model


def families_with(auto_class: str) -> list[str]:
    """The supported families for which transformers has a model of this Auto class."""
    import transformers

    models = getattr(transformers, auto_class)._model_mapping
    return [family for family in FAMILIES if transformers.CONFIG_MAPPING[family] in models]


def demand_head(family: str, auto_class: str, title: str) -> None:
    """SettingsError, naming the families that have one, if transformers has no head for a task (`title`) here."""
    having = families_with(auto_class)
    if family not in having:
        raise SettingsError(
            f"transformers has no head for {title} ({auto_class}) for models of type {family!r}; it has one for "
            f"{', '.join(having)}."
        )


def load_task_model(folder: Path, auto_class: str) -> tuple[Any, tuple[str, ...]]:
    """A task model and its labels in the order of their ids. Raises ArtifactError if weights are missing."""
    model, missing = _load(folder, auto_class)
    _demand_whole(folder, missing)
    return model, tuple(model.config.id2label[number] for number in range(model.config.num_labels))


def load_language_model(folder: Path, auto_class: str) -> tuple[Any, bool]:
    """A model with a language-modelling head, and whether the head is the folder's own.

    Many encoders are published without one: then it is new, from torch's current random state. Raises ArtifactError if
    weights of the encoder are missing, or transformers knows no such head for its family.
    """
    model, missing = _load(folder, auto_class)
    encoder = f"{model.base_model_prefix}."
    of_encoder = [name for name in missing if name.startswith(encoder)]
    _demand_whole(folder, [name for name in of_encoder if not name.startswith(f"{encoder}pooler.")])
    return model, len(of_encoder) == len(missing)


def word_embeddings(folder: Path) -> Callable[[], Tensor] | None:
    """A function that reads the matrix of word embeddings from a model folder, (rows, size), in single precision.

    The file is held open, so that one which is moved, deleted or replaced meanwhile is still read; the function raises
    ArtifactError if it was written to. It is not mapped: what is read of a mapped file counts as this process's memory.
    None if the matrix is not found by its name.
    """
    for path in weight_files(folder):
        with path.open("rb") as file:
            start = 8 + int.from_bytes(file.read(8), "little")
            header: dict[str, Any] = json.loads(file.read(start - 8))
        name = next((name for name in header if _WORD_EMBEDDINGS.search(name)), None)
        if name is not None and header[name]["dtype"] in _DTYPES:
            return partial(_read_tensor, path.open("rb"), path, start, header[name], path.stat().st_mtime_ns)
    return None


_DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
"""Numbers as safetensors and as torch call them."""


def _read_tensor(file: BinaryIO, path: Path, start: int, entry: dict[str, Any], written: int) -> Tensor:
    import torch

    if os.fstat(file.fileno()).st_mtime_ns != written:
        raise ArtifactError("was changed while the encoder was trained; its word embeddings are needed again", path)
    begin, end = entry["data_offsets"]
    data = bytearray(end - begin)
    file.seek(start + begin)
    file.readinto(data)  # type: ignore[attr-defined]
    numbers = torch.frombuffer(data, dtype=getattr(torch, _DTYPES[entry["dtype"]])).view(entry["shape"])
    return numbers.to(torch.float32)


def prepare_for_bf16(model: Any) -> None:
    """Make a task model ready to be used, not trained or saved, under autocast to bf16.

    The weights of the encoder's matrix products are kept in bf16, which autocast would otherwise make of them at every
    pass. The head computes in single precision: of two labels that are nearly as likely, bf16 would make a tie.
    """
    import torch

    encoder = set(model.base_model.modules())
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            if module in encoder:
                module.to(torch.bfloat16)
                module.forward = partial(_in_equal_numbers, module)  # type: ignore[method-assign]
            else:
                module.forward = partial(_in_single_precision, module.forward)  # type: ignore[method-assign]


def _in_equal_numbers(linear: Any, states: Tensor) -> Tensor:
    """A linear map in bf16 of states (…, width); on a CPU of a multiple of 64 of them, the last ones zeros.

    oneDNN makes and keeps code for every number of rows that it meets: most of a gigabyte for a few hundred batches.
    """
    import torch

    rows = states.reshape(-1, states.shape[-1]).to(torch.bfloat16)
    number = len(rows)
    if states.device.type == "cpu":
        rows = torch.nn.functional.pad(rows, (0, 0, 0, -number % _EQUAL_ROWS))
    mapped = torch.nn.functional.linear(rows, linear.weight, linear.bias)
    return mapped[:number].view(*states.shape[:-1], mapped.shape[-1])  # there may be no row at all


def _in_single_precision(forward: Callable[[Tensor], Tensor], states: Tensor) -> Tensor:
    import torch

    with torch.autocast(states.device.type, enabled=False):
        return forward(states.float())


def save_model(model: Any, source: Path, folder: Path, without: Sequence[str] = ()) -> None:
    """Write the weights (`save_weights`), and copy the tokenizer's files from `source` byte for byte.

    Writing the tokenizer anew would store the changes that tasks on words make to it. Raises OSError (disk full).
    """
    save_weights(model, folder, without)
    for path in sorted({path for pattern in TOKENIZER_FILES for path in source.glob(pattern)}):
        if path.is_file():
            shutil.copyfile(path, folder / path.name)


def save_weights(model: Any, folder: Path, without: Sequence[str] = ()) -> None:
    """Write `config.json` and `model.safetensors`; the same weights give the same bytes. Raises OSError (disk full).

    `without`: names of parameters to leave out.
    """
    state = {name: value.detach().cpu() for name, value in model.state_dict().items() if name not in without}
    with disk_errors(folder / "model.safetensors"), without_progress_bars():
        model.save_pretrained(folder, state_dict=state, max_shard_size="50GB")
    # safetensors makes files that only their owner may read.
    shutil.copymode(folder / "config.json", folder / "model.safetensors")


def _load(folder: Path, auto_class: str, without_head: bool = False, **config: Any) -> tuple[Any, list[str]]:
    """The model in single precision, whatever it was saved in, and the names of the parameters the folder lacks."""
    import torch
    import transformers

    # A checkpoint saved in half precision would otherwise train in it.
    wanted: dict[str, Any] = {"dtype": torch.float32, "output_loading_info": True}
    try:
        with without_progress_bars():
            auto = getattr(transformers, auto_class)
            if without_head:
                adjusted = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False, **config)
                model_class = auto._model_mapping[type(adjusted)]
                bare = transformers.AutoModel._model_mapping[type(adjusted)]
                state = _encoder_state(folder, bare.base_model_prefix, model_class.base_model_prefix)
                model, info = model_class.from_pretrained(None, config=adjusted, state_dict=state, **wanted)
            else:
                wanted |= {"use_safetensors": True, "local_files_only": True, "trust_remote_code": False}
                model, info = auto.from_pretrained(folder, **wanted)
    except Exception as error:  # whatever an odd file makes of the library, it is the file's fault
        what = "an encoder" if auto_class == "AutoModel" else f"a model for {auto_class}"
        raise ArtifactError(f"holds no weights of {what} that can be read ({_first_line(error)})", folder) from error
    return model, sorted(info["missing_keys"])


def _encoder_state(folder: Path, prefix: str, wanted: str) -> dict[str, Any]:
    """The weights of the bare encoder in a folder, whether or not it was saved with a head around it.

    `prefix` is what a head puts before their names, `wanted` what the model that they are for does: question answering
    on Llama and its kin calls the encoder by another name than all of their other heads.
    """
    from safetensors.torch import load_file

    state: dict[str, Any] = {}
    for path in weight_files(folder):
        state |= load_file(path)
    for around in dict.fromkeys((f"{prefix}.", f"{wanted}.")):
        if any(name.startswith(around) for name in state):
            inside = {name.removeprefix(around): each for name, each in state.items() if name.startswith(around)}
            return {f"{wanted}.{name}": tensor for name, tensor in inside.items()}
    return state


def _demand_whole(folder: Path, missing: Sequence[str]) -> None:
    if missing:
        raise ArtifactError(
            f"lacks {len(missing)} of the model's weights, {missing[0]} among them; they are the weights of something "
            "else",
            folder,
        )


@contextmanager
def without_progress_bars() -> Iterator[None]:
    """Silence transformers' own progress bars: only the console reports progress."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    first = " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
    return " ".join(first.split()).removesuffix(".")
