"""The layout of llm.c's .bin files: a header of 256 int32, then the tensors, with nothing between them.

    0  magic, 20240326      2  P      4  L      6  C
    1  version              3  V      5  H      7  rows of wte, V and padding      8-255  zero

    wte [rows][C], wpe [P][C]
    each for all blocks: ln_1 weight, bias; c_attn weight [3C][C], bias; attn.c_proj weight [C][C], bias;
                         ln_2 weight, bias; c_fc weight [4C][C], bias; mlp.c_proj weight [C][4C], bias
    ln_f weight, bias

Everything is little-endian. The matrix of a layer is [out][in]. Version 3 is all F32, version 5 all BF16. Source:
karpathy/llm.c, train_gpt2.py (write_model, write_tensors) and train_gpt2.c (ParameterTensors).
"""

import struct
from collections.abc import Iterator

from starchart.model.config import GPT2Config

HEADER = struct.Struct("<8i")
HEADER_BYTES = 1024
MAGIC = 20240326
VERSIONS = {"F32": 3, "BF16": 5}


def tensors_in_file(config: GPT2Config) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Give name and shape of every tensor, as the model sees it, in the order of the file."""
    c = config.n_embd
    yield "wte.weight", (config.vocab_size, c)
    yield "wpe.weight", (config.n_positions, c)
    attention = {"ln_1": (c,), "attn.c_attn": (c, 3 * c), "attn.c_proj": (c, c)}
    feed_forward = {"ln_2": (c,), "mlp.c_fc": (c, 4 * c), "mlp.c_proj": (4 * c, c)}
    for layer, shape in (attention | feed_forward).items():
        for kind, own in (("weight", shape), ("bias", shape[-1:])):
            yield from ((f"h.{block}.{layer}.{kind}", own) for block in range(config.n_layer))
    yield from ((f"ln_f.{kind}", (c,)) for kind in ("weight", "bias"))


def number_count(config: GPT2Config, rows: int) -> int:
    """Return how many numbers the file holds, whose wte has so many rows; nothing is counted up to n_layer."""
    c = config.n_embd
    return (rows + config.n_positions) * c + config.n_layer * (12 * c * c + 13 * c) + 2 * c
