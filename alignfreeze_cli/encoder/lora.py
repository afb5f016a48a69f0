"""LoRA (arXiv 2106.09685): low-rank adapters in the blocks that train, everything else of the encoder frozen.

The adapters sit on every linear layer of a block, those of its attention and those of its feed-forward network, which
are found by structure, so that no table of names has to know a family. A weight W becomes W + (alpha / rank) B A, with
A drawn at random and B zero at first. Alpha is twice the rank: so the learning rate need not change with the rank.

When the model is written the adapters are merged into the weights, and what has none is bit for bit as it was.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from alignfreeze_cli.artifacts.inputs import Input
from alignfreeze_cli.encoder.blocks import Architecture, architecture
from alignfreeze_cli.training.checkpoints import write_tensors

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_NAME = "default"  # peft's, for a model with one set of adapters


@dataclass
class Adapters:
    """The adapters of one model. `layers` go by name within `holder`, the model's list of blocks."""

    model: PreTrainedModel
    rank: int
    blocks: tuple[int, ...]
    holder: nn.ModuleList
    layers: dict[str, Any]  # peft's modules, each around the linear layer in whose place it stands

    @classmethod
    def attach(cls, model: PreTrainedModel, blocks: Sequence[int], rank: int) -> Adapters:
        """Put adapters into these blocks, and take everything else of the blocks and the embeddings out of training.

        What stands above the blocks (a head, a pooler) is left as it is. A comes from torch's random state.
        """
        from peft import LoraConfig, inject_adapter_in_model

        arch = architecture(model)
        for _, parameter in arch.embedding_parameters(model):
            parameter.requires_grad_(False)
        holder = arch.blocks(model)
        names = [
            f"{block}.{name}"
            for block in blocks
            for name, module in holder[block].named_modules()
            if isinstance(module, nn.Linear)
        ]
        # Into the list of blocks rather than the model: peft freezes what has no adapter in what it is given.
        inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=names), holder, _NAME)
        layers = {name: holder.get_submodule(name) for name in names}
        return cls(model, rank, tuple(blocks), holder, layers)

    @contextmanager
    def merged(self) -> Iterator[None]:
        """Inside, the adapters are merged into plain linear layers; afterwards they train on as if nothing had been."""
        before = {name: layer.get_base_layer().weight for name, layer in self.layers.items()}
        self.merge()
        try:
            yield
        finally:
            for name, layer in self.layers.items():
                layer.get_base_layer().weight = before[name]
                self.holder.set_submodule(name, layer)

    @torch.no_grad()
    def merge(self) -> None:
        """Put plain linear layers with the adapters merged into them back into the model."""
        for name, layer in self.layers.items():
            plain = layer.get_base_layer()
            plain.weight = nn.Parameter(plain.weight + layer.get_delta_weight(_NAME), requires_grad=False)
            self.holder.set_submodule(name, plain)

    def save(self, folder: Path, base: Input, heads: Sequence[str] = ()) -> None:
        """Write the adapters as `peft.PeftModel.from_pretrained(base model, folder)` reads them.

        `heads`: modules beside the blocks that were trained in full; they are written along. The base model is named
        as on the Hub, with its commit, or by the name of its folder. The same weights give the same bytes. Raises
        OSError (disk full).
        """
        from peft import LoraConfig

        name = base.source.partition("@")[0] if base.commit else base.path.resolve().name
        config = LoraConfig(
            r=self.rank,
            lora_alpha=2 * self.rank,
            target_modules=self.targets,
            modules_to_save=list(heads) or None,
            base_model_name_or_path=name,
            revision=base.commit,
            inference_mode=True,
        )
        tensors: dict[str, Tensor] = {}
        for target, layer in zip(self.targets, self.layers.values(), strict=True):
            tensors[f"{target}.lora_A.weight"] = layer.lora_A[_NAME].weight
            tensors[f"{target}.lora_B.weight"] = layer.lora_B[_NAME].weight
        for head in heads:
            state = self.model.get_submodule(head).state_dict()
            tensors |= {f"{head}.{part}": tensor for part, tensor in state.items()}
        folder.mkdir(exist_ok=True)  # a killed run may have got this far
        write_tensors({f"base_model.model.{n}": t for n, t in tensors.items()}, folder / "adapter_model.safetensors")
        values = {key: sorted(v) if isinstance(v, set | list) else v for key, v in config.to_dict().items()}
        text = json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False)
        (folder / "adapter_config.json").write_text(text + "\n", encoding="utf-8")

    @property
    def targets(self) -> list[str]:
        """The full names of the layers with adapters."""
        prefix = _path_of(self.holder, self.model)
        return [f"{prefix}.{name}" for name in self.layers]

    def to_dict(self, kept: bool) -> dict[str, Any]:
        """As it stands in the record; the targets without the block's number, each once."""
        targets = dict.fromkeys(name.partition(".")[2] for name in self.layers)
        blocks, alpha = list(self.blocks), 2 * self.rank
        return {"rank": self.rank, "alpha": alpha, "blocks": blocks, "targets": list(targets), "kept": kept}

    def summary(self) -> str:
        """A line for the user."""
        trained = sum(p.numel() for layer in self.layers.values() for p in layer.parameters() if p.requires_grad)
        blocks = ", ".join(map(str, self.blocks))
        return f"LoRA of rank {self.rank}: {trained:,} parameters train in adapters, in blocks {blocks}."


def heads_of(model: PreTrainedModel, arch: Architecture) -> list[str]:
    """Names of the modules of a task model that stand above its blocks and have parameters: head, pooler, last norm."""
    encoder = model.base_model
    blocks = f"{_path_of(arch.blocks(model), model)}."
    below = {id(parameter) for _, parameter in arch.embedding_parameters(model)}
    found: list[str] = []
    for name, module in model.named_modules():
        parameters = list(module.parameters())
        inside = name.startswith((blocks, *(f"{head}." for head in found)))
        around = module is encoder or f"{name}.".startswith(blocks) or blocks.startswith(f"{name}.") or not name
        if parameters and not inside and not around and id(parameters[0]) not in below:
            found.append(name)
    return found


def _path_of(module: nn.Module, model: nn.Module) -> str:
    return next(name for name, each in model.named_modules() if each is module)
