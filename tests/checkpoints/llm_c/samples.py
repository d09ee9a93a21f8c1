"""Files of llm.c, written with PyTorch as its train_gpt2.py documents them: valid files for the fuzzer."""

import io
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from starchart.checkpoints.llm_c.reader import open_llm_c, read_llm_c_config
from tests.checkpoints.read_tensors import read_tensors
from tests.tiny_model import DEFAULTS, tiny_tensors

TINY = {"vocab_size": 9, "n_positions": 5, "n_embd": 3, "n_head": 1, "n_layer": 1}
VERSIONS = {3: torch.float32, 5: torch.bfloat16}
LAYERS = ("ln_1", "attn.c_attn", "attn.c_proj", "ln_2", "mlp.c_fc", "mlp.c_proj")


def state_dict(sizes: Mapping[str, int], seed: int = 0) -> dict[str, Tensor]:
    """Return the tensors of a tiny model, a linear layer's [in][out] as Hugging Face has it."""
    tensors = tiny_tensors(DEFAULTS | sizes, seed, prefix="")
    return {name: torch.tensor(numbers).reshape(shape) for name, (shape, numbers) in tensors.items()}


def llm_c_file(
    state: Mapping[str, Tensor], sizes: Mapping[str, int], version: int = 3, multiple: int = 128, padding: float = 0.0
) -> bytes:
    """Return the file: the header of 256 int32, and the parameters, each kind for all blocks, [out][in]."""
    wte = state["wte.weight"]
    padded = -(-len(wte) // multiple) * multiple
    header = torch.zeros(256, dtype=torch.int32)
    names = ("n_positions", "vocab_size", "n_layer", "n_head", "n_embd")
    header[:8] = torch.tensor([20240326, version, *(sizes[name] for name in names), padded])
    rows = torch.full((padded - len(wte), wte.shape[1]), padding)
    parts = [torch.cat([wte, rows]), state["wpe.weight"]]
    for layer in LAYERS:
        for kind in ("weight", "bias"):
            stacked = [state[f"h.{block}.{layer}.{kind}"] for block in range(sizes["n_layer"])]
            parts += [part.T if part.ndim == 2 else part for part in stacked]
    parts += [state["ln_f.weight"], state["ln_f.bias"]]
    file = io.BytesIO()
    file.write(header.numpy().tobytes())
    for part in parts:
        bits = part.to(VERSIONS[version]).contiguous()
        file.write((bits.view(torch.int16) if version == 5 else bits).numpy().tobytes())
    return file.getvalue()


def samples() -> list[bytes]:
    """Return a file of each version, padded a little."""
    return [llm_c_file(state_dict(TINY), TINY, version, multiple=4) for version in VERSIONS]


def open_and_read(path: Path) -> None:
    """Open a file, and read its configuration and all its tensors."""
    read_llm_c_config(path)
    read_tensors(open_llm_c(path))
