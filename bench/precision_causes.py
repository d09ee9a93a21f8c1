"""Where the packed engine's error comes from: each of its roundings alone, emulated in float64.

    python bench/precision_causes.py [--lanes 52 25 56 27] [--attention 64 27] [the options of bench/precision.py]

A column is the root mean square of the logits' error with one rounding switched on and all others off, as a multiple of
the whole error of transformers in float32: w the weights of a kind of layer, x its vectors; the queries, keys, values
and the pattern of attention. "all" has every rounding. Squares of independent errors add up, unless the
model amplifies one of them.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import torch
import transformers
from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from bench.precision import by_transformers, parser, rms, write_table  # noqa: E402
from starchart import GPT2  # noqa: E402
from starchart.engines.layout import linear_layers  # noqa: E402
from starport.engines.torch_engine import TorchEngine  # noqa: E402
from starport.verify.rounding_engine import Width, rounded_vector, rounded_weight, width_for  # noqa: E402

LAYERS = {
    "c_attn": "c_attn",
    "attn.c_proj": "c_proj",
    "c_fc": "c_fc",
    "mlp.c_proj": "m.proj",
    "lm_head": "head",
}  # the end of a layer's name -> its column
ROUNDINGS = [*((layer, part) for layer in LAYERS for part in "wx"), *(("attention", part) for part in "qkvp")]


class SomeRoundings(TorchEngine):
    """PyTorch in float64 with some of the packed engine's roundings."""

    def __init__(self, lanes: Sequence[Width], attention: tuple[int, int], on: list[tuple[str, str]]) -> None:
        super().__init__("cpu", "float64")
        self._lanes, self._attention, self._on = lanes, attention, on

    def prepare(self, weights, config):
        """Return the weights as tensors, and store the name of each layer."""
        prepared = super().prepare(weights, config)
        self._names = {id(layer.weight): name for name, layer in linear_layers(prepared)}
        return prepared

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Return x W + bias."""
        return self._product(x, weight, self._names[id(weight)]) + bias

    def output_projection(self, x: Tensor, table: Tensor, last_only: bool) -> Tensor:  # noqa: ARG002
        """Return the logits."""
        return self._product(x, table.t(), "lm_head")

    def _product(self, x: Tensor, weight: Tensor, name: str) -> Tensor:
        layer = next(end for end in LAYERS if name.endswith(end))
        lane, bits = width_for(weight, self._lanes)
        rounded, bound = rounded_weight(weight, bits)
        x = rounded_vector(x, bound, lane) if (layer, "x") in self._on else x
        return x @ (rounded if (layer, "w") in self._on else weight)

    def _fused(self, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
        width, bits = self._attention
        unit = by_largest(v, bits)  # of a value; the pattern carries it
        q = by_sum(q, width - 1 - bits) if ("attention", "q") in self._on else q
        k = rounded_by(k, by_largest(k, bits)) if ("attention", "k") in self._on else k
        v = rounded_by(v, unit) if ("attention", "v") in self._on else v
        ahead = torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool).triu(1)
        pattern = (scale * q @ k.transpose(-2, -1)).masked_fill(ahead, float("-inf")).softmax(-1)
        if ("attention", "p") in self._on:
            row = unit.transpose(-2, -1)
            pattern = by_sum(pattern * row, width - 1 - bits) / row
        return pattern @ v


def by_largest(x: Tensor, bits: int) -> Tensor:  # [...][D] -> [...][1]
    """Return the scale of a key or a value."""
    largest = x.abs().amax(-1, keepdim=True)
    return torch.where(largest > 0, largest, 1.0) / ((1 << (bits - 1)) - 1)


def rounded_by(x: Tensor, unit: Tensor) -> Tensor:
    """Return x in whole units."""
    return (x / unit).round() * unit


def by_sum(x: Tensor, bits: int) -> Tensor:  # [...][n] -> [...][n]
    """Return a query or a pattern, rounded to 2^-e: the sum of the whole numbers is at most 2^bits, each below 2^30."""
    room = (2.0**bits - (x != 0).sum(-1, keepdim=True) / 2) / x.abs().sum(-1, keepdim=True)
    most = torch.minimum(room, (2.0**30 - 1) / x.abs().amax(-1, keepdim=True))
    return rounded_by(x, 2.0 ** (1 - torch.frexp(most).exponent))


def rows(
    lanes: Sequence[Width], attention: tuple[int, int], name: str, folder: Path, ids: list[list[int]], _: int
) -> Iterator[str]:
    """Yield the row of the table for one model."""
    truth = by_transformers(folder, torch.float64, ids)
    unit = rms(by_transformers(folder, torch.float32, ids), truth)
    shares = []
    for on in (ROUNDINGS, *([rounding] for rounding in ROUNDINGS)):
        with GPT2.from_pretrained(folder, SomeRoundings(lanes, attention, on)) as gpt2, torch.no_grad():
            logits = torch.tensor([gpt2.logits(own) for own in ids], dtype=torch.float64)
        shares.append(rms(logits, truth) / unit)
    yield f"{name:15} {unit:8.1e} " + " ".join(f"{share:8.3f}" for share in shares)


def main() -> int:
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    options: argparse.ArgumentParser = parser(__doc__.splitlines()[0])
    options.add_argument(
        "--lanes", nargs="+", type=int, default=[52, 25, 56, 27], metavar="L B", help="one or two pairs"
    )
    options.add_argument("--attention", nargs=2, type=int, default=[64, 27], metavar=("L", "B"))
    chosen = options.parse_args()
    names = ["all", *(f"{LAYERS.get(layer, '')} {part}".strip() for layer, part in ROUNDINGS)]
    head = f"lanes of {chosen.lanes}, attention {chosen.attention}\n{'':15} {'float32':>8} "
    lanes = list(zip(chosen.lanes[::2], chosen.lanes[1::2], strict=True))
    table = partial(rows, lanes, tuple(chosen.attention))
    write_table(chosen, head + " ".join(f"{name:>8}" for name in names), table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
