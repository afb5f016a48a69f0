"""One of two processes of `test_two_processes_make_the_loss_and_gradient_of_one`: its share, and the whole on rank 0.

Arguments: rank, folder for the results.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from alignfreeze_cli.encoder.loss import Projection, contrastive_loss, gather_words

# Source words, target words and links of both processes: unequal shares, and one process without words.
CASES = (((3, 5, 2), (6, 2, 4)), ((4, 4, 3), (0, 0, 0)))


def share(seed: int, n_source: int, n_target: int, n_links: int) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs of the words of one process and its links."""
    torch.manual_seed(seed)
    pairs = [torch.randint(max(n, 1), (n_links, 1)) for n in (n_source, n_target)]
    return torch.randn(n_source, 6).double(), torch.randn(n_target, 6).double(), torch.cat(pairs, 1)


def network() -> nn.Module:
    """A stand-in for the encoder, and the projection: the same in both processes."""
    torch.manual_seed(5)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), Projection(8, 4, initializer_range=0.5)).double()


def result(net: nn.Module, loss: Tensor) -> dict[str, Any]:
    """The loss and the gradient of each parameter."""
    loss.backward()
    return {"loss": loss.detach(), "gradients": {name: p.grad for name, p in net.named_parameters()}}


def of_share(net: nn.Module, source: Tensor, target: Tensor, links: Tensor) -> dict[str, Any]:
    """What one of several processes computes."""
    return result(net, contrastive_loss(*gather_words(net(source), net(target), links)))


def of_whole(net: nn.Module, shares: list[tuple[Tensor, Tensor, Tensor]]) -> dict[str, Any]:
    """What a single process computes that has all shares."""
    before = torch.tensor([[0, 0], [len(shares[0][0]), len(shares[0][1])]])
    links = torch.cat([own + shift for (_, _, own), shift in zip(shares, before, strict=True)])
    source, target = (torch.cat([part[i] for part in shares]) for i in (0, 1))
    return result(net, contrastive_loss(net(source), net(target), links))


def main() -> None:
    """Compute this process's results, and on rank 0 also those of one process with the whole batch."""
    rank, folder = int(sys.argv[1]), Path(sys.argv[2])
    cases = [[share(seed, *sizes) for seed, sizes in enumerate(case)] for case in CASES]
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    torch.save([of_share(network(), *shares[rank]) for shares in cases], folder / f"{rank}.pt")
    dist.destroy_process_group()
    if rank == 0:
        torch.save([of_whole(network(), shares) for shares in cases], folder / "whole.pt")


if __name__ == "__main__":
    main()
