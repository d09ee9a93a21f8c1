"""Valid files of torch.save, and a function that reads all of them."""

import io
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch

from starchart.checkpoints.pytorch.reader import open_pytorch
from tests.checkpoints.read_tensors import read_tensors


def saved(value: Any, **options: Any) -> bytes:
    """Return what torch.save writes."""
    file = io.BytesIO()
    torch.save(value, file, **options)
    return file.getvalue()


def samples() -> list[bytes]:
    """Return small files: both formats, several protocols; views, a shared storage, a parameter, a mask, a training."""
    torch.manual_seed(1)
    matrix = torch.randn(3, 5)
    state = OrderedDict(
        {
            "wte.weight": matrix,
            "lm_head.weight": matrix,
            "c_fc.weight": torch.randn(5, 2).t(),
            "view": torch.randn(9)[2:8].view(2, 3),
            "bias": torch.nn.Parameter(torch.randn(3).to(torch.bfloat16)),
            "half": torch.randn(2, 2).half(),
            "double": torch.randn(2).double(),
            "attn.bias": torch.ones(1, 1, 2, 2, dtype=torch.bool),
        }
    )
    linear = torch.nn.Linear(2, 1)
    training = {
        "model": linear.state_dict(),
        "optimizer": torch.optim.AdamW(linear.parameters()).state_dict(),
        "step": 7,
    }
    return [
        saved(state),
        saved(state, _use_new_zipfile_serialization=False),
        saved(training, pickle_protocol=4),
        saved(training, pickle_protocol=5, _use_new_zipfile_serialization=False),
    ]


def open_and_read(path: Path) -> None:
    """Open a file and read every tensor that a model could ask for. Raises CheckpointError."""
    read_tensors(open_pytorch(path))
