"""One training on several processes: PyTorch's DistributedDataParallel, where torchrun started it.

Every process reads its share of each batch, and gradients are averaged. Source: Li et al. 2020, "PyTorch Distributed".
"""

import gc
import os
import traceback
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed.nn  # before the group is made: see joined_processes
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from starport.engines.tensors import checked_device, default_device

# The first process trains the vocabulary, validates and saves while the others wait for it.
_PATIENCE = timedelta(days=1)


@dataclass(frozen=True)
class Processes:
    """Which of how many processes this one is, and on what device and in which numbers it multiplies."""

    rank: int
    count: int
    device: torch.device
    products: str  # "bfloat16" or "float32"

    @property
    def is_first(self) -> bool:
        """Return whether this process writes files and speaks to the user."""
        return self.rank == 0

    def wrapped(self, model: nn.Module) -> nn.Module:
        """Return `model` so that the gradients of all processes are averaged."""
        return DistributedDataParallel(model) if self.count > 1 else model

    def no_sync(self, model: nn.Module) -> AbstractContextManager[None]:
        """Return what keeps gradients from being averaged yet: more of them are to be added in this step."""
        return model.no_sync() if isinstance(model, DistributedDataParallel) else nullcontext()

    def autocast(self) -> AbstractContextManager[None]:
        """Return what makes products be computed in `products`."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.products == "bfloat16")

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
def joined_processes(device: str, precision: str) -> Iterator[Processes]:
    """Give the processes of this training: those that torchrun started, else this one alone.

    `device` is a name, or "auto": a GPU if there is one; `precision` is "float32", "bfloat16", or "auto": bfloat16
    where the machine has it. Raises EngineError for a device that is not here.

    No thread of the group outlives it: one that still frees a tensor while Python ends aborts the whole process.
    Threads end with the last reference to the group. DistributedDataParallel holds one until it is collected, and
    imports torch.distributed.nn, where the group of that moment becomes the default argument of ten functions: so
    that module is imported above, while there is no group.
    """
    name = default_device() if device == "auto" else device
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        own = checked_device(name)
        yield Processes(0, 1, own, _products(precision, own))
        return
    own = checked_device(f"cuda:{os.environ['LOCAL_RANK']}" if name == "cuda" else name)
    if own.type == "cuda":
        torch.cuda.set_device(own)
    distributed.init_process_group("nccl" if own.type == "cuda" else "gloo", timeout=_PATIENCE)
    try:
        yield Processes(distributed.get_rank(), distributed.get_world_size(), own, _products(precision, own))
    except BaseException as error:
        traceback.clear_frames(error.__traceback__)  # their local variables hold the wrapped model
        raise
    finally:
        distributed.destroy_process_group()
        gc.collect()


def _products(precision: str, device: torch.device) -> str:
    if precision != "auto":
        return precision
    if device.type == "cuda":
        has_bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        capabilities = torch.cpu.get_capabilities()
        has_bfloat16 = capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")
    return "bfloat16" if has_bfloat16 else "float32"
