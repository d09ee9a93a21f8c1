"""One training on several processes, started by torchrun, with PyTorch's DistributedDataParallel.

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
    """This process: its rank, the number of processes, its device, and the dtype of its matrix products."""

    rank: int
    count: int
    device: torch.device
    products: str  # "bfloat16" or "float32"

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes files and messages."""
        return self.rank == 0

    def wrapped(self, model: nn.Module) -> nn.Module:
        """Return `model` wrapped, so that gradients are averaged over all processes."""
        return DistributedDataParallel(model) if self.count > 1 else model

    def no_sync(self, model: nn.Module) -> AbstractContextManager[None]:
        """Return a context without averaging of gradients, for all but the last batch of a step."""
        return model.no_sync() if isinstance(model, DistributedDataParallel) else nullcontext()

    def autocast(self) -> AbstractContextManager[None]:
        """Return a context in which matrix products have the dtype `products`."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.products == "bfloat16")

    def mean(self, value: Tensor) -> float:
        """Return the mean of a scalar over all processes."""
        if self.count > 1:
            distributed.all_reduce(value)
        return value.item() / self.count

    def wait(self) -> None:
        """Wait until all processes have called this."""
        if self.count > 1:
            distributed.barrier()


@contextmanager
def joined_processes(device: str, precision: str) -> Iterator[Processes]:
    """Join the process group that torchrun started, and yield this process in it; without torchrun it is alone.

    `device` is a name, or "auto": a GPU if there is one. `precision` is "float32", "bfloat16", or "auto": bfloat16 if
    the hardware supports it. Raises EngineError for a device that does not exist.

    At the end all threads of the group must be gone: a thread that frees a tensor while Python exits would abort the
    process. They end with the last reference to the group. DistributedDataParallel holds a reference until it is
    garbage-collected. It also imports torch.distributed.nn, whose functions take the current group as a default
    argument. So that module is imported above, before there is a group.
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
