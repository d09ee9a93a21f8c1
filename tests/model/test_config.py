"""A configuration that cannot be a GPT-2's is refused, and the message names what is wrong."""

import pytest

from starchart.errors import ConfigError
from starchart.model.config import GPT2Config


def test_defaults_are_the_smallest_gpt2():
    config = GPT2Config.from_json({})
    assert (config.n_embd, config.n_layer, config.n_head, config.n_positions, config.vocab_size) == (
        768,
        12,
        12,
        1024,
        50257,
    )
    assert (config.feed_forward_width, config.layer_norm_epsilon, config.activation_function) == (
        3072,
        1e-5,
        "gelu_new",
    )


def test_other_names_of_transformers():
    others = {"hidden_size": 20, "num_attention_heads": 5, "num_hidden_layers": 3, "max_position_embeddings": 9}
    config = GPT2Config.from_json({**others, "n_inner": 7})
    assert (config.n_embd, config.n_head, config.n_layer, config.n_positions) == (20, 5, 3, 9)
    assert config.feed_forward_width == 7


@pytest.mark.parametrize(
    ("scaled", "by_layer", "layer", "scale"),
    [(True, False, 4, 1 / 8), (True, True, 4, 1 / 40), (False, True, 1, 1 / 2), (False, False, 7, 1.0)],
)
def test_attention_scale_by_hand(scaled, by_layer, layer, scale):  # D = 64
    config = GPT2Config(scale_attn_weights=scaled, scale_attn_by_inverse_layer_idx=by_layer)
    assert config.attention_scale(layer) == scale


@pytest.mark.parametrize(("given", "ids"), [(None, ()), (7, (7,)), ([7, 9], (7, 9))])
def test_end_of_text(given, ids):
    assert GPT2Config.from_json({"eos_token_id": given}).eos_token_ids == ids


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"model_type": "llama"}, "llama"),
        ({"hidden_size": 20, "n_embd": 24}, "hidden_size is 20 and n_embd, its other name, 24"),
        ({"architectures": ["GPT2ForSequenceClassification"]}, "GPT2ForSequenceClassification"),
        ({"architectures": "GPT2LMHeadModel"}, "architecture"),
        ({"architectures": [["GPT2LMHeadModel"]]}, "architecture"),
        ({"add_cross_attention": True}, "add_cross_attention"),
        ({"quantization_config": {"bits": 4}}, "quantization_config"),
        ({"activation_function": "gelu_nu"}, r"'gelu_nu' is not known; known are gelu_new, gelu, .*tanh$"),
        ({"activation_function": ["gelu"]}, "gelu"),
        ({"n_embd": 10, "n_head": 3}, "n_embd 10"),
        ({"n_embd": 0}, "n_embd"),
        ({"n_embd": -(10**4200)}, "n_embd"),
        ({"n_layer": -1}, "n_layer"),
        ({"n_head": True}, "n_head"),
        ({"n_positions": 10.0}, "n_positions"),
        ({"vocab_size": "many"}, "vocab_size"),
        ({"n_inner": 0}, "n_inner"),
        ({"layer_norm_epsilon": 0.0}, "layer_norm_epsilon"),
        ({"layer_norm_epsilon": float("nan")}, "layer_norm_epsilon"),
        ({"layer_norm_epsilon": "1e-5"}, "layer_norm_epsilon"),
        ({"scale_attn_weights": 1}, "scale_attn_weights"),
        ({"tie_word_embeddings": None}, "tie_word_embeddings"),
        ({"eos_token_id": "end"}, "eos_token_id"),
        ({"eos_token_id": [1, True]}, "eos_token_id"),
    ],
    ids=str,
)
def test_refused(values, words):
    with pytest.raises(ConfigError, match=words) as refusal:
        GPT2Config.from_json(values)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 300


def test_only_files_names_are_read():
    assert GPT2Config.from_json({"eos_token_ids": "no key of a config.json", "eos_token_id": 3}).eos_token_ids == (3,)
