"""Files that NumPy wrote, for the fuzzer."""

import io
from pathlib import Path

import numpy as np

from starchart.checkpoints.npz.reader import open_npz
from tests.checkpoints.read_tensors import read_tensors
from tests.tiny_model import DEFAULTS, tiny_tensors

TINY = {"vocab_size": 9, "n_positions": 5, "n_embd": 3, "n_head": 1, "n_layer": 1}


def arrays() -> dict[str, np.ndarray]:
    """Return a few tensors of every type, order and number of axes."""
    tensors = tiny_tensors(DEFAULTS | TINY, 0)
    numbers = {name: np.array(values, np.float32).reshape(shape) for name, (shape, values) in tensors.items()}
    return {
        "wte.weight": numbers["transformer.wte.weight"],
        "h.0.attn.c_attn.weight": np.asfortranarray(numbers["transformer.h.0.attn.c_attn.weight"]).astype(np.float16),
        "h.0.mlp.c_fc.bias": numbers["transformer.h.0.mlp.c_fc.bias"].astype(np.float64),
        "h.0.attn.bias": np.tril(np.ones((1, 1, 5, 5), bool)),
        "h.0.attn.masked_bias": np.array(-1e4, np.float32),
    }


def samples() -> list[bytes]:
    """Return a stored and a deflated file, and a stored one of arrays that do not pack."""
    found = []
    for save, contents in ((np.savez, arrays()), (np.savez_compressed, arrays()), (np.savez, {"a": np.arange(3.0)})):
        file = io.BytesIO()
        save(file, **contents)
        found.append(file.getvalue())
    return found


def open_and_read(path: Path) -> None:
    """Open a file and read its tensors of one or two axes."""
    read_tensors(open_npz(path))
