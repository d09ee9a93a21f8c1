"""Each layer alone, against 40 digits of mpmath, with NumPy and PyTorch beside it. No weight is 0 or 1.

The true values come from the independent NumPy program, run on mpmath numbers. The peers read all tokens at once; ours
reads the past tokens first and has them in its cache.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any

import mpmath  # type: ignore[import-untyped]
import numpy as np
import torch

from starchart.engines import reference
from starchart.layers.feed_forward import FeedForwardWeights, feed_forward
from starchart.layers.linear_layer import LinearWeights, linear_layer
from starchart.layers.multi_head_attention import AttentionWeights, multi_head_attention
from starchart.layers.scaled_dot_product_attention import scaled_dot_product_attention
from starchart.layers.transformer_block import TransformerBlockSettings, TransformerBlockWeights, transformer_block
from starchart.tap import Recording
from starchart.utils.layer_norm import LayerNormWeights
from starport.verify import numpy_gpt2, torch_gpt2
from starport.verify.check import Check, Measure, attempt, short
from starport.verify.distance import BAR, OF_LARGEST, distance, peers, worst_by_peer

DIGITS = 40
EPSILON = 1e-5


@dataclass(frozen=True)
class Case:
    """A test case: T new tokens after `past` others, H heads of D channels, F feed-forward channels."""

    t: int
    past: int
    h: int
    d: int
    f: int

    @property
    def c(self) -> int:
        """C, the number of channels."""
        return self.h * self.d

    def weights(self) -> dict[str, Any]:
        """Return random weights of a block, gammas, betas and biases included, and its input x."""
        draw = np.random.Generator(np.random.PCG64([self.t, self.past, self.h, self.d]))
        sizes = {"attn.c_attn": (self.c, 3 * self.c), "attn.c_proj": (self.c, self.c)}
        sizes |= {"mlp.c_fc": (self.c, self.f), "mlp.c_proj": (self.f, self.c)}
        w = {f"{name}.weight": draw.standard_normal(size) / sqrt(size[0]) for name, size in sizes.items()}
        w |= {f"{name}.bias": draw.standard_normal(size[1]) for name, size in sizes.items()}
        for norm in ("ln_1", "ln_2"):
            w |= {f"{norm}.weight": 1 + draw.standard_normal(self.c), f"{norm}.bias": draw.standard_normal(self.c)}
        return w | {"x": 2 * draw.standard_normal((self.past + self.t, self.c)) + 0.5}


CASES = {
    "one token, one head": Case(1, 0, 1, 5, 9),
    "odd sizes": Case(5, 0, 3, 7, 45),
    "one token after 17": Case(1, 17, 3, 3, 20),
    "4 tokens after 9, one channel a head": Case(4, 9, 5, 1, 7),
}
SCALE = 0.37  # of the scores: not 1 / sqrt(D) for any D above

Runs = Callable[[Case, Any, Any], Any]  # a case, its weights, numpy_gpt2 or torch_gpt2 -> the value, all tokens


def checks(model: Path) -> Iterator[Check]:  # noqa: ARG001  these checks use no model
    """Yield a check for every layer."""
    yield _check("linear_layer", _linear, lambda _, w, peer: peer.linear(w["x"], w, "mlp.c_fc"))
    yield _check(
        "scaled_dot_product_attention", _attention, lambda _, w, peer: peer.attention(*_qkv(w), SCALE)["attn.z"]
    )
    yield _check(
        "multi_head_attention",
        _multi_head,
        lambda case, w, peer: peer.multi_head_attention(w["x"], w, case.h, SCALE)["attn.c_proj"],
    )
    yield _check(
        "feed_forward", _feed_forward, lambda _, w, peer: peer.feed_forward(w["x"], w, "gelu_new")["mlp.c_proj"]
    )
    yield _check(
        "transformer_block",
        _block,
        lambda case, w, peer: peer.block(w["x"], w, case.h, SCALE, "gelu_new", EPSILON)["resid_post"],
    )


def _check(name: str, ours: Callable[[Case, Mapping[str, Any]], Any], theirs: Runs) -> Check:
    return attempt("layers", name, _compare, name, ours, theirs)


def _compare(name: str, ours: Callable[[Case, Mapping[str, Any]], Any], theirs: Runs) -> Check:
    """Compare one layer in all cases: its last T rows, of [H][T][D] those of each head."""
    found: dict[str, dict[str, float]] = {}
    for title, case in CASES.items():
        w = case.weights() | _random_qkv(case)
        with mpmath.workdps(DIGITS):
            exact = {key: np.frompyfunc(mpmath.mpf, 1, 1)(array) for key, array in w.items()}
            truth = theirs(case, exact, numpy_gpt2)[..., -case.t :, :]
            runs = {"ours": np.array(ours(case, w)), "NumPy": theirs(case, w, numpy_gpt2)}
            for width, dtype in (("PyTorch", torch.float64), ("float32", torch.float32)):
                tensors = {key: torch.tensor(array).to(dtype) for key, array in w.items()}
                runs[width] = theirs(case, tensors, torch_gpt2).double().numpy()
            found[title] = {
                peer: distance(value[..., -case.t :, :], truth) if value.ndim > 1 else float("inf")
                for peer, value in runs.items()
            }
    worst = worst_by_peer(found.values())
    own = worst.pop("ours")
    place = max(found, key=lambda title: found[title]["ours"])
    measure = Measure(own, BAR, OF_LARGEST, worst, place)
    finding = f"worst of {len(CASES)} cases"
    if own > BAR:
        title = next(title for title, case in found.items() if case["ours"] > BAR)
        finding = f"{short(found[title]['ours'])} from the true value with {title}; {peers(worst)}"
    return Check("layers", name, own <= BAR, finding, {"cases": found}, measure)


def _random_qkv(case: Case) -> dict[str, Any]:
    """Return queries [H][T][D] of the new tokens, and keys and values [H][S][D] of all."""
    draw = np.random.Generator(np.random.PCG64([case.t, case.past, 7]))
    lengths = {"q": case.t, "k": case.past + case.t, "v": case.past + case.t}
    return {name: draw.standard_normal((case.h, length, case.d)) for name, length in lengths.items()}


def _qkv(w: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    return w["q"], w["k"], w["v"]


def _linear(_: Case, w: Mapping[str, Any]) -> Any:
    x, weight, bias = w["x"], w["mlp.c_fc.weight"], w["mlp.c_fc.bias"]
    return linear_layer(x.tolist(), weight.tolist(), bias.tolist())


def _attention(_: Case, w: Mapping[str, Any]) -> Any:
    q, k, v = _qkv(w)
    return scaled_dot_product_attention(q.tolist(), k.tolist(), v.tolist(), SCALE, Recording())


def _multi_head(case: Case, w: Mapping[str, Any]) -> Any:
    def read(x: Any, cache: Any) -> Any:
        return multi_head_attention(x, _block_weights(w).attn, cache, case.h, SCALE, reference, Recording())

    return _after_the_past(case, w["x"].tolist(), read)


def _feed_forward(_: Case, w: Mapping[str, Any]) -> Any:
    return feed_forward(w["x"].tolist(), _block_weights(w).mlp, "gelu_new", reference, Recording())


def _block(case: Case, w: Mapping[str, Any]) -> Any:
    settings = TransformerBlockSettings(case.h, SCALE, "gelu_new", EPSILON)

    def read(x: Any, cache: Any) -> Any:
        return transformer_block(x, _block_weights(w), cache, settings, reference, Recording())

    return _after_the_past(case, w["x"].tolist(), read)


def _after_the_past(case: Case, x: Any, read: Callable[[Any, Any], tuple[Any, Any]]) -> Any:
    """Return the output of `read` for the new tokens, with the past tokens in the cache."""
    cache = reference.new_cache(case.h)
    if case.past:
        _, cache = read(x[: case.past], cache)
    return read(x[case.past :], cache)[0]


def _block_weights(w: Mapping[str, Any]) -> TransformerBlockWeights:
    def linear(name: str) -> LinearWeights:
        return LinearWeights(w[f"{name}.weight"].tolist(), w[f"{name}.bias"].tolist())

    norms = (LayerNormWeights(w[f"{name}.weight"].tolist(), w[f"{name}.bias"].tolist()) for name in ("ln_1", "ln_2"))
    ln_1, ln_2 = norms
    attn = AttentionWeights(linear("attn.c_attn"), linear("attn.c_proj"))
    return TransformerBlockWeights(ln_1, attn, ln_2, FeedForwardWeights(linear("mlp.c_fc"), linear("mlp.c_proj")))
