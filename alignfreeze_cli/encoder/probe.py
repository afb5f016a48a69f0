"""The retrieval probe: do words find their translations among the words of held-out pairs, block by block?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import torch
import torch.nn.functional as F
from accelerate.utils import send_to_device
from torch import Tensor

from alignfreeze_cli.encoder.batches import Drawn, make_batch
from alignfreeze_cli.encoder.blocks import architecture
from alignfreeze_cli.encoder.dataset import RealignDataset
from alignfreeze_cli.encoder.encoding import EncodedPairs
from alignfreeze_cli.encoder.linked_words import PAIRS_AT_ONCE, linked_states, states_of
from alignfreeze_cli.progress import Console
from alignfreeze_cli.training.metrics import Metrics

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@torch.no_grad()
def retrieval(
    model: PreTrainedModel, pairs: EncodedPairs, held_out: Sequence[int], pad_id: int, pooling: str = "first"
) -> dict[str, Any]:
    """Word retrieval over some pairs of one language, without dropout, at every block, as `metrics.jsonl` holds it.

    For every link the source word's nearest neighbour by cosine among the linked target words of all these pairs must
    be its own partner, in its own sentence, and the other way round; the accuracy is the mean of both directions. A
    word that occurs often has as many rivals, so values stay well below 1 even for perfect translations.

    `words`: linked words per side, which are also the candidates; `chance`: what picking at random would reach;
    `accuracy`: by the number of the block whose output is read, `embeddings` for the input of block 0.
    """
    arch, device = architecture(model), next(model.parameters()).device
    was_training = model.training
    model.eval()
    sources: list[list[Tensor]] = [[] for _ in range(arch.n_blocks + 1)]
    targets: list[list[Tensor]] = [[] for _ in range(arch.n_blocks + 1)]
    for at in range(0, len(held_out), PAIRS_AT_ONCE):
        drawn = [Drawn(pairs, number, number) for number in held_out[at : at + PAIRS_AT_ONCE]]
        batch = send_to_device(make_batch(drawn, arch, pad_id), device)
        for number, (source, target) in enumerate(linked_states(states_of(model, batch), batch, pooling)):
            sources[number].append(source)
            targets[number].append(target)
    model.train(was_training)
    blocks = ["embeddings", *map(str, range(arch.n_blocks))]
    accuracy = {
        block: round(_accuracy(torch.cat(source), torch.cat(target)), 6)
        for block, source, target in zip(blocks, sources, targets, strict=True)
    }
    count = sum(len(source) for source in sources[0])
    chance = round(1 / count, 6) if count else 0.0
    return {"language": pairs.language, "words": count, "chance": chance, "accuracy": accuracy}


def log_retrieval(
    model: PreTrainedModel,
    dataset: RealignDataset,
    pooling: str,
    metrics: Metrics,
    step: int,
    when: Literal["before", "during", "after"],
    console: Console,
) -> None:
    """Log the retrieval of every language, unless an earlier part of a resumed run has done so.

    For the main process alone. Model and random state stay as they are, so it may be called in the midst of training.
    """
    done = {row["language"] for row in metrics.rows() if row.get("probe") == when and row["step"] == step}
    held_out = zip(dataset.pairs, dataset.held_out, strict=True)
    wanted = [(pairs, held.tolist()) for pairs, held in held_out if len(held) and pairs.language not in done]
    if not wanted:
        return
    title = f"probing at step {step}" if when == "during" else f"probing {when}"
    with console.progress(title, sum(len(held) for _, held in wanted), "pairs") as bar:
        for pairs, held in wanted:
            metrics.log(step, probe=when, **retrieval(model, pairs, held, dataset.pad_id, pooling))
            bar.advance(len(held))


def accuracy_over_steps(rows: Sequence[Mapping[str, Any]], block: int) -> dict[str, Any]:
    """The accuracy in one block over the steps of training, from rows that `log_retrieval` wrote.

    `steps`: when it was measured; `words`: by language, linked words per side; `accuracy`: by language, one for each
    of the steps.
    """
    steps = sorted({row["step"] for row in rows})
    languages = dict.fromkeys(row["language"] for row in rows)
    found = {(row["language"], row["step"]): row["accuracy"][str(block)] for row in rows}
    return {
        "steps": steps,
        "words": {row["language"]: row["words"] for row in rows},
        "accuracy": {language: [found[language, step] for step in steps] for language in languages},
    }


def _accuracy(source: Tensor, target: Tensor) -> float:
    """Row i of both belongs together; (links, hidden) each. Mean of both directions."""
    similarity = F.normalize(source.float(), dim=1) @ F.normalize(target.float(), dim=1).T  # (links, links)
    own = torch.arange(len(similarity), device=similarity.device)
    hits = (similarity.argmax(1) == own).float().mean() + (similarity.argmax(0) == own).float().mean()
    return float(hits / 2)
