"""One of two processes of `test_two_processes_make_the_loss_and_gradient_of_one`: its share, and the whole on rank 0.

Arguments: rank, shares ("source words,target words,links" of each process, joined by ;), folder for the results.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn

from alignfreeze_cli.encoder.loss import Projection, contrastive_loss, gather_words


def share(seed: int, n_source: int, n_target: int, n_links: int) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs of the words of one process and its links."""
    torch.manual_seed(seed)
    pairs = [torch.randint(max(n, 1), (n_links, 1)) for n in (n_source, n_target)]
    return torch.randn(n_source, 6).double(), torch.randn(n_target, 6).double(), torch.cat(pairs, 1)


def network() -> nn.Module:
    """A stand-in for the encoder, and the projection: the same in both processes."""
    torch.manual_seed(5)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), Projection(8, 4, initializer_range=0.5)).double()


def save(path: Path, net: nn.Module, loss: Tensor) -> None:
    """Write the loss and the gradient of each parameter."""
    loss.backward()
    gradients = {name: p.grad for name, p in net.named_parameters()}
    torch.save({"loss": loss.detach(), "gradients": gradients}, path)


def main() -> None:
    """Compute this process's result, and on rank 0 also that of one process with the whole batch."""
    rank, folder = int(sys.argv[1]), Path(sys.argv[3])
    shares = [share(seed, *map(int, part.split(","))) for seed, part in enumerate(sys.argv[2].split(";"))]
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    net, (source, target, links) = network(), shares[rank]
    save(folder / f"{rank}.pt", net, contrastive_loss(*gather_words(net(source), net(target), links)))
    dist.destroy_process_group()
    if rank == 0:
        net = network()
        before = torch.tensor([[0, 0], [len(shares[0][0]), len(shares[0][1])]])
        links = torch.cat([own + shift for (_, _, own), shift in zip(shares, before, strict=True)])
        sources, targets = (torch.cat([part[i] for part in shares]) for i in (0, 1))
        save(folder / "whole.pt", net, contrastive_loss(net(sources), net(targets), links))


if __name__ == "__main__":
    main()
