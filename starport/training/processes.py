"""One training on several processes: PyTorch's DistributedDataParallel, where torchrun started it.

Source: Li et al. 2020, "PyTorch Distributed". Every process reads its share of each batch; gradients are averaged.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from starport.engines.tensors import checked_device, default_device


@dataclass(frozen=True)
class Processes:
    """Which of how many processes this one is, and the device that it computes on."""

    rank: int
    count: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Return whether this process writes files and speaks to the user."""
        return self.rank == 0

    def shared(self, model: nn.Module) -> nn.Module:
        """Return `model` so that the gradients of all processes are averaged."""
        return DistributedDataParallel(model) if self.count > 1 else model

    def gradients_kept(self, model: nn.Module) -> AbstractContextManager[None]:
        """Return what keeps gradients from being averaged yet: more of them are to be added in this step."""
        return model.no_sync() if isinstance(model, DistributedDataParallel) else nullcontext()

    def mean(self, value: Tensor) -> float:
        """Return the mean of a number over all processes."""
        if self.count > 1:
            distributed.all_reduce(value)
        return value.item() / self.count

    def wait(self) -> None:
        """Wait until every process is here."""
        if self.count > 1:
            distributed.barrier()


@contextmanager
def joined_processes(device: str) -> Iterator[Processes]:
    """Give the processes of this training: those that torchrun started, else this one alone.

    `device` is a name, or "auto": a GPU if there is one. Raises EngineError for a device that is not here.
    """
    if device == "auto":
        device = default_device()
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        yield Processes(0, 1, checked_device(device))
        return
    own = checked_device(f"cuda:{os.environ['LOCAL_RANK']}" if device == "cuda" else device)
    distributed.init_process_group("nccl" if own.type == "cuda" else "gloo")
    try:
        if own.type == "cuda":
            torch.cuda.set_device(own)
        yield Processes(distributed.get_rank(), distributed.get_world_size(), own)
    finally:
        distributed.destroy_process_group()
