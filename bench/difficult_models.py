"""GPT-2s that are hard to compute exactly: each property of the real one that costs bits, alone, and all together.

    python bench/difficult_models.py DIR [--size small|wide|124M] [--only NAME...]

transformers draws the weights and writes the files: the same seed gives the same model. Real GPT-2 has layer-norm gains
that differ by a factor of 100, position embeddings with two huge channels, three channels of the residual stream of 100
to 3000, an activation of 3000 at position 0, attention matrices with a few large columns, and weights with a kurtosis
far above a normal distribution's. The last layer norm is scaled so that the distributions have half the entropy of
uniform ones, as those of a trained model have about: the logits differ by some 3 (standard deviation), and the KL
divergence is meaningful.
"""

import argparse
import sys
from collections.abc import Callable
from math import log, tau
from pathlib import Path

import torch
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel

SIZES = {
    "small": {"n_embd": 256, "n_head": 4, "n_layer": 3, "vocab_size": 2000, "n_positions": 128},
    "wide": {"n_embd": 768, "n_head": 12, "n_layer": 3, "vocab_size": 2000, "n_positions": 128},
    "124M": {},
}
ENTROPY = 0.5  # of the distributions, as a part of ln V
_OUTLIERS = (0.58, 0.18, 0.49)  # channels 447, 138, 378 of 768
_MATRICES = ("c_attn", "c_proj", "c_fc")
_LAYER_NORMS = ("ln_1", "ln_2", "ln_f")

Change = Callable[[GPT2LMHeadModel], None]


def gains(model: GPT2LMHeadModel) -> None:
    """Make every layer norm's gains differ by a factor of 100."""
    for norm in _modules(model, *_LAYER_NORMS):
        drawn = (log(100) * torch.rand_like(norm.weight)).exp()
        norm.weight.copy_(drawn / drawn.pow(2).mean().sqrt())


def positions(model: GPT2LMHeadModel) -> None:
    """Give the position embeddings two channels that are 50 times larger than the others: waves, as in real GPT-2."""
    table = model.transformer.wpe.weight
    angles = tau * torch.arange(len(table)) / len(table)
    for channel, wave in zip(_channels(model)[1:], (angles.cos(), angles.sin()), strict=True):
        table[:, channel] = 50 * table.std() * wave


def outliers(size: float, trained: bool = False) -> Change:
    """Give the residual stream three channels of about `size` at all positions.

    `trained`: the gains of the layer norms compensate, as in a trained model, so that the other channels still matter.
    """

    def change(model: GPT2LMHeadModel) -> None:
        channels, table = _channels(model), model.transformer.wpe.weight
        sizes = size * torch.tensor([1.0, -0.6, 0.3])
        table[:, channels] = sizes * (1 + 0.1 * torch.randn(len(table), 3))
        for norm in _modules(model, *_LAYER_NORMS) if trained else ():
            own = norm.weight[channels].clone()
            norm.weight *= size * model.config.n_embd**-0.5
            norm.weight[channels] = own / (10 if norm is model.transformer.ln_f else 1)

    return change


def sink(model: GPT2LMHeadModel) -> None:
    """Give position 0 two activations of 3000 and -1000."""
    model.transformer.wpe.weight[0, _channels(model)[:2]] = torch.tensor([3000.0, -1000.0])


def columns(model: GPT2LMHeadModel) -> None:
    """Make a few columns of every c_attn 10 times larger."""
    for layer in _modules(model, "c_attn"):
        layer.weight[:, torch.randperm(layer.weight.shape[1])[:8]] *= 10


def heavy_tails(sigma: float) -> Change:
    """Multiply every weight by exp(N(0, sigma)); a matrix keeps its standard deviation."""

    def change(model: GPT2LMHeadModel) -> None:
        for table in _tables(model):
            _replace(table, table * (sigma * torch.randn_like(table)).exp())

    return change


def kurtosis(model: GPT2LMHeadModel, *names: str) -> None:
    """Draw every weight, or those of some layers, from Student's distribution with 3 degrees of freedom."""
    for table in [layer.weight for layer in _modules(model, *names)] if names else _tables(model):
        _replace(table, torch.distributions.StudentT(3.0).sample(table.shape))


def parts_of_gpt2(*others: Change) -> Change:
    """Make attention, layer norms and positions like those of real GPT-2, then change more; the rest is random."""

    def change(model: GPT2LMHeadModel) -> None:
        kurtosis(model, "attn.c_attn", "attn.c_proj")
        for other in (columns, gains, positions, *others):
            other(model)

    return change


def together(model: GPT2LMHeadModel) -> None:
    """Make every change of real GPT-2 at once."""
    for change in (heavy_tails(1.0), columns, gains, positions, outliers(300, trained=True), sink):
        change(model)


def nothing(model: GPT2LMHeadModel) -> None:
    """Leave the model as it was drawn."""


CHANGES: dict[str, Change] = {
    "random": nothing,
    "gains": gains,
    "positions": positions,
    **{f"outliers {size}": outliers(size) for size in (100, 300, 1000, 3000)},
    "outliers trained": outliers(1000, trained=True),
    "sink": sink,
    "columns": columns,
    "kurtosis": kurtosis,
    "heavy tails 1": heavy_tails(1.0),
    "heavy tails 1.5": heavy_tails(1.5),
    "heavy tails 2": heavy_tails(2.0),
    "attention": parts_of_gpt2(),
    "attention sink": parts_of_gpt2(sink),
    **{f"attention {size}": parts_of_gpt2(outliers(size)) for size in (300, 1000, 3000)},
    "together": together,
}


def write_model(folder: Path, name: str, size: str, seed: int = 0) -> Path:
    """Write the model with one of CHANGES, and return its folder."""
    config = GPT2Config(**SIZES[size])
    config.initializer_range = config.n_embd**-0.5  # so that attention is not uniform
    return write_changed(folder, config, CHANGES[name], ENTROPY, seed)


def write_plain(folder: Path, seed: int = 0) -> Path:
    """Write random weights of GPT-2 124M, as transformers draws them."""
    return write_changed(folder, GPT2Config(), nothing, None, seed)


def write_narrow(folder: Path, seed: int = 0) -> Path:
    """Write random weights of 64 channels with a standard deviation of 0.2, and no other change."""
    shape = {"n_embd": 64, "n_head": 4, "n_layer": 4, "vocab_size": 2000, "n_positions": 128}
    return write_changed(folder, GPT2Config(**shape, initializer_range=0.2), nothing, None, seed)


@torch.no_grad()
def write_changed(folder: Path, config: GPT2Config, change: Change, entropy: float | None, seed: int) -> Path:
    """Write random weights with one change; scale the last layer norm to get that mean entropy."""
    torch.manual_seed(seed)
    model = GPT2LMHeadModel(config).eval()
    change(model)
    if entropy is not None:
        factor = _factor(model.double()(text(config.vocab_size, 1, 48)).logits[0], entropy)
        for part in (model.transformer.ln_f.weight, model.transformer.ln_f.bias):
            part *= factor
    model.float().save_pretrained(folder)
    return folder


def text(vocab_size: int, count: int, length: int) -> Tensor:  # -> [B][T]
    """Return random texts to measure with."""
    return torch.randint(vocab_size, (count, length), generator=torch.Generator().manual_seed(1))


def _factor(logits: Tensor, entropy: float) -> float:  # [T][V]
    """Return what to multiply logits by for a mean entropy of this part of ln V."""
    low, high = 1e-6, 1e6
    for _ in range(60):
        middle = (low * high) ** 0.5
        mean = torch.distributions.Categorical(logits=middle * logits).entropy().mean()
        low, high = (middle, high) if mean > entropy * log(logits.shape[-1]) else (low, middle)
    return low


def _channels(model: GPT2LMHeadModel) -> list[int]:
    return [int(part * model.config.n_embd) for part in _OUTLIERS]


def _modules(model: GPT2LMHeadModel, *names: str) -> list[torch.nn.Module]:
    return [module for name, module in model.named_modules() if name.endswith(names)]


def _tables(model: GPT2LMHeadModel) -> list[Tensor]:
    return [layer.weight for layer in _modules(model, *_MATRICES, "wte", "wpe")]


def _replace(table: Tensor, values: Tensor) -> None:
    table.copy_(values * (table.std() / values.std()))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="each model gets a folder in it")
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--only", nargs="+", choices=CHANGES, metavar="NAME", default=list(CHANGES))
    options = parser.parse_args()
    for name in options.only:
        print(write_model(options.folder / name.replace(" ", "-"), name, options.size))
    return 0


if __name__ == "__main__":
    sys.exit(main())
