"""Vectors of whole sentences: how alike two sentences are in meaning, as far as a multilingual encoder knows.

In the order of the data's way: subwords → batches → hidden states after the last block → one vector per sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from alignfreeze_cli.artifacts.files import parse_json, read_json
from alignfreeze_cli.encoder.batches import Rows, batches_by_length, model_inputs, pack
from alignfreeze_cli.encoder.blocks import Architecture, architecture, last_hidden_states
from alignfreeze_cli.encoder.models import load_encoder
from alignfreeze_cli.encoder.tokenizers import load_tokenizer
from alignfreeze_cli.errors import ArtifactError
from alignfreeze_cli.training.devices import batch_threads, pick_device

LONGEST = 128
"""Subwords, special tokens included, that a sentence is judged by; few sentences have more."""

CPU_BATCH_TOKENS = 1_024
GPU_BATCH_TOKENS = 32_768
"""Subwords that are encoded at once."""

_ACTIVATIONS: dict[str, type[nn.Module]] = {"Tanh": nn.Tanh, "Identity": nn.Identity}
_REREAD = "fetch the model again"

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SentenceEncoder:
    """An encoder in evaluation mode, and how a sentence's vector comes from the hidden states of its subwords."""

    folder: Path
    model: Any
    tokenizer: Any
    arch: Architecture
    device: torch.device
    pooling: str  # "mean" or "first", of all subwords, special tokens included, as in sentence-transformers
    after: nn.Module  # what follows the pooling

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """One vector of length 1 for each text, (texts, width). Raises ArtifactError if they are no numbers.

        They do not depend on the number of threads, but in their last bits on the other texts.
        """
        if not texts:
            return np.zeros((0, self.arch.hidden_size), np.float32)
        from accelerate.utils import send_to_device

        limit = min(LONGEST, self.arch.max_length)
        ids = self.tokenizer(list(texts), truncation=True, max_length=limit)["input_ids"]
        lengths = np.array([len(each) for each in ids])
        flat, starts = np.concatenate([np.array(each, np.int64) for each in ids]), np.cumsum(lengths) - lengths

        def encode(batch: npt.NDArray[np.int64]) -> Vectors:
            layout = pack(flat, starts[batch], lengths[batch], self.arch, self.tokenizer.pad_token_id)
            with torch.inference_mode():
                groups = send_to_device(layout.groups, self.device)
                pooled = [self._pool(rows, len(batch)) for rows in groups]
                found = self.after(torch.stack(pooled).sum(0))
                unit: Vectors = nn.functional.normalize(found, dim=1).cpu().numpy()
            return unit

        budget = CPU_BATCH_TOKENS if self.device.type == "cpu" else GPU_BATCH_TOKENS
        batches = batches_by_length(lengths, budget)
        with batch_threads(self.device) as pool:
            encoded = np.concatenate(list(pool.map(encode, batches)))
        if not np.isfinite(encoded).all():
            raise ArtifactError("gives vectors that are not numbers", self.folder)
        found = np.empty_like(encoded)
        found[np.concatenate(batches)] = encoded
        return found

    def _pool(self, rows: Rows, sentences: int) -> Tensor:
        """The pooled hidden states of the sentences that are in these rows, zero for others: (sentences, hidden)."""
        hidden = last_hidden_states(self.model, model_inputs(self.model, rows)).flatten(0, 1)  # (positions, hidden)
        sentence = rows.sentences.flatten()  # (positions,), -1 at padding
        if self.pooling == "first":
            taken = (sentence >= 0) & (rows.position_ids.flatten() == self.arch.first_position)
        else:
            taken = sentence >= 0
        total = hidden.new_zeros(sentences, hidden.shape[1]).index_add(0, sentence[taken], hidden[taken])
        count = torch.bincount(sentence[taken], minlength=sentences).clamp(min=1)
        return total / count.unsqueeze(1)


def load_sentence_encoder(folder: Path, device_name: str = "auto") -> SentenceEncoder:
    """The encoder of a folder. Pooling is as its `modules.json` (sentence-transformers) says, the mean without one.

    Raises SettingsError for a device that is not there, ArtifactError for files that cannot be read, and for steps
    between pooling and vector that are not known.
    """
    device = pick_device(device_name)
    pooling, after = _modules(folder)
    model, _ = load_encoder(folder)
    model.to(device).eval()
    arch = architecture(model)
    tokenizer = load_tokenizer(folder, arch.vocabulary_size, arch.causal)
    return SentenceEncoder(folder, model, tokenizer, arch, device, pooling, after.to(device).eval())


def _modules(folder: Path) -> tuple[str, nn.Module]:
    """How hidden states become a vector: the pooling, and what follows it."""
    path = folder / "modules.json"
    pooling, after = "mean", list[nn.Module]()
    try:
        modules: Any = parse_json(path.read_bytes()) if path.is_file() else []
        for module in modules:
            kind, place = str(module["type"]).rpartition(".")[2], folder / Path(str(module["path"])).name
            if kind == "Pooling":
                pooling = _pooling(place / "config.json")
            elif kind == "Dense":
                after.append(_dense(place))
            elif kind not in ("Transformer", "Normalize"):  # vectors are made of length 1 in any case
                raise ArtifactError(f"names a step of the kind {kind}, which is not known here", path)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ArtifactError(f"is no list of a model's steps; {_REREAD}", path) from error
    return pooling, nn.Sequential(*after)


def _pooling(path: Path) -> str:
    config = read_json(path, _REREAD)
    modes = {key.removeprefix("pooling_mode_") for key, value in config.items() if value is True}
    known = {"mean_tokens": "mean", "cls_token": "first"}
    if len(modes & {*known}) != 1 or any("token" in mode for mode in modes - {*known}):
        raise ArtifactError("asks for another pooling than mean_tokens or cls_token, which is not known here", path)
    return known[(modes & {*known}).pop()]


def _dense(folder: Path) -> nn.Module:
    """A linear map and its activation, such as LaBSE has after the pooling."""
    config = read_json(folder / "config.json", _REREAD)
    activation = _ACTIVATIONS.get(str(config.get("activation_function")).rpartition(".")[2])
    if activation is None:
        raise ArtifactError("asks for an activation other than Tanh or Identity, which is not known", folder)
    try:
        state = load_file(folder / "model.safetensors")
        width, height = state["linear.weight"].shape
        linear = nn.Linear(height, width, bias="linear.bias" in state)
        linear.load_state_dict({name.removeprefix("linear."): each.float() for name, each in state.items()})
    except Exception as error:  # whatever an odd file makes of the library, it is the file's fault
        raise ArtifactError("has no weights in safetensors that can be read", folder) from error
    return nn.Sequential(linear, activation())
