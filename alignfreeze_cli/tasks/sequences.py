"""Tasks that give a text, or a pair of texts, one label: windows, loss, and answers per example.

Every example is one window; what is too long is cut. The head is that of `AutoModelForSequenceClassification`. That of
a decoder-only model reads the last subword that is not the padding token, as it does in transformers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from alignfreeze_cli.tasks.base import Task, Windows
from alignfreeze_cli.tasks.subwords import inputs_for, padded, padded_inputs

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn


class SequenceWindows(Windows):
    """The examples with a label, one window each.

    The subwords are flat over the whole data set: window w has `tokens[starts[w]:starts[w + 1]]`. `types` are their
    token types: to which text of a pair each belongs, 0 or 1, if the tokenizer has types. `example` is the number of a
    window's example among all examples, `gold` its label id.
    """

    def __init__(
        self,
        tokens: np.ndarray,  # (subwords,)
        types: np.ndarray,  # (subwords,)
        starts: np.ndarray,  # (windows + 1,)
        gold: np.ndarray,  # (windows,)
        example: np.ndarray,  # (windows,)
        padding_id: int,
        notes: Mapping[str, int],
    ) -> None:
        import numpy as np

        self.tokens, self.types, self.starts, self.padding_id = tokens, types, starts, padding_id
        self.gold, self.example = gold, example
        self.lengths = np.diff(starts)
        self.weights = np.ones(len(gold), dtype=np.int64)
        self.notes = {note: count for note, count in notes.items() if count}

    def collate(self, indices: np.ndarray) -> dict[str, Any]:
        """`inputs`, (windows, positions) each, the token types among them (see `inputs_for`); `gold`, (windows,).

        `last`, (windows,): the position of the last subword that is not the padding token (0 if there is none).
        """
        import numpy as np
        import torch

        windows = [slice(self.starts[w], self.starts[w + 1]) for w in indices]
        last = [np.flatnonzero(self.tokens[window] != self.padding_id) for window in windows]
        return {
            "inputs": {
                **padded_inputs([self.tokens[window] for window in windows], self.padding_id),
                "token_type_ids": padded([self.types[window] for window in windows], 0),
            },
            "last": torch.tensor([int(places[-1]) if len(places) else 0 for places in last]),
            "gold": torch.from_numpy(self.gold[indices].astype("int64")),
        }

    def token_ids(self) -> np.ndarray:
        import numpy as np

        return np.append(self.tokens, self.padding_id)


class SequenceTask(Task):
    """A task that gives every example one label. Subclasses bring the data, the windows and what is measured."""

    auto_class = "AutoModelForSequenceClassification"
    pipeline_tag = "text-classification"

    def loss(self, model: nn.Module, batch: dict[str, Any]) -> Tensor:
        """Cross-entropy, summed over the examples of the batch."""
        from torch.nn import functional as F

        logits = _logits(model, batch)
        return F.cross_entropy(logits.float(), batch["gold"], reduction="sum")

    def answer(self, model: nn.Module, batch: dict[str, Any]) -> np.ndarray:
        """The most probable label id of every example, (windows,)."""
        answers: np.ndarray = _logits(model, batch).argmax(-1).cpu().numpy()
        return answers


def chosen_ids(windows: SequenceWindows, answers: Sequence[tuple[np.ndarray, Any]], examples: int) -> np.ndarray:
    """The label id that every example got, (examples,); -1 for those without a window."""
    import numpy as np

    best = np.full(examples, -1)
    for indices, chosen in answers:
        best[windows.example[indices]] = chosen
    return best


def _logits(model: Any, batch: dict[str, Any]) -> Tensor:
    """The logits of every example, (windows, labels).

    The head of a decoder-only model would look for the padding token among ids that may have been renumbered
    (encoder/vocabulary.py), so it is given the position that was found before.
    """
    import torch

    from alignfreeze_cli.encoder.blocks import architecture, last_hidden_states

    inputs = inputs_for(model, batch["inputs"])
    if not architecture(model).causal:
        logits: Tensor = model(**inputs).logits
        return logits
    hidden = last_hidden_states(model, inputs)  # (windows, positions, hidden)
    last = batch["last"]
    read: Tensor = model.score(hidden[torch.arange(len(last), device=last.device), last])
    return read
