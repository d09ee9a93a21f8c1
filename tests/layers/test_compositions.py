"""Feed-forward, attention and the block against torch.nn modules and functions that share no code with us."""

import pytest
import torch
from torch.nn import functional

from starchart.engines import reference
from starchart.layers.feed_forward import FeedForwardWeights, feed_forward
from starchart.layers.linear_layer import LinearWeights
from starchart.layers.multi_head_attention import AttentionWeights, multi_head_attention
from starchart.layers.transformer_block import TransformerBlockSettings, TransformerBlockWeights, transformer_block
from starchart.tap import no_tap
from starchart.utils.layer_norm import LayerNormWeights

TOLERANCE = 1e-12  # a few hundred float64 roundings of values of about 10

T, C, F, H = 6, 10, 17, 5
random = torch.Generator().manual_seed(2)


def normal(*shape):
    return torch.randn(*shape, generator=random, dtype=torch.float64)


def linear(inputs, outputs):
    weight, bias = normal(inputs, outputs), normal(outputs)
    return (weight, bias), LinearWeights(weight.tolist(), bias.tolist())


def attention_by_torch(x, c_attn, c_proj, scale):
    q, k, v = (x @ c_attn[0] + c_attn[1]).view(len(x), 3, H, C // H).permute(1, 2, 0, 3)
    z = functional.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale)
    return z.transpose(0, 1).reshape(len(x), C) @ c_proj[0] + c_proj[1]


def feed_forward_by_torch(x, c_fc, c_proj):
    return functional.gelu(x @ c_fc[0] + c_fc[1], approximate="tanh") @ c_proj[0] + c_proj[1]


@pytest.mark.parametrize("t", [1, T])
def test_multi_head_attention(t):
    (a, ours_a), (p, ours_p), x = linear(C, 3 * C), linear(C, C), normal(t, C)
    cache = reference.new_cache(H)
    out, _ = multi_head_attention(x.tolist(), AttentionWeights(ours_a, ours_p), cache, H, 0.6, reference, no_tap)
    torch.testing.assert_close(
        torch.tensor(out, dtype=torch.float64), attention_by_torch(x, a, p, 0.6), rtol=0, atol=TOLERANCE
    )


def test_feed_forward():
    (f, ours_f), (p, ours_p), x = linear(C, F), linear(F, C), normal(T, C)
    out = feed_forward(x.tolist(), FeedForwardWeights(ours_f, ours_p), "gelu_new", reference, no_tap)
    torch.testing.assert_close(
        torch.tensor(out, dtype=torch.float64), feed_forward_by_torch(x, f, p), rtol=0, atol=TOLERANCE
    )


def test_transformer_block():
    (a, ours_a), (p, ours_p), (f, ours_f), (q, ours_q) = linear(C, 3 * C), linear(C, C), linear(C, F), linear(F, C)
    g1, b1, g2, b2, x = normal(C), normal(C), normal(C), normal(C), normal(T, C)
    weights = TransformerBlockWeights(
        LayerNormWeights(g1.tolist(), b1.tolist()),
        AttentionWeights(ours_a, ours_p),
        LayerNormWeights(g2.tolist(), b2.tolist()),
        FeedForwardWeights(ours_f, ours_q),
    )
    settings = TransformerBlockSettings(n_head=H, attention_scale=0.4, activation="gelu_new", layer_norm_epsilon=0.01)
    out, _ = transformer_block(x.tolist(), weights, reference.new_cache(H), settings, reference, no_tap)
    middle = x + attention_by_torch(functional.layer_norm(x, (C,), g1, b1, 0.01), a, p, 0.4)
    expected = middle + feed_forward_by_torch(functional.layer_norm(middle, (C,), g2, b2, 0.01), f, q)
    torch.testing.assert_close(torch.tensor(out, dtype=torch.float64), expected, rtol=0, atol=TOLERANCE * 10)
