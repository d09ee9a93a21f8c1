"""The gguf package reads what we write: metadata, vocabulary, tensors."""

import numpy as np
import pytest
import torch
from gguf import GGUFReader, TokenType, dequantize

from starchart.checkpoints.gguf.writer import FILE_TYPES, GGUFVocabulary, refuse_for_gguf, write_gguf
from starchart.errors import CheckpointError
from tests.checkpoints.written_models import TORCH, random_model, transposed

TOKENS = ["<|endoftext|>", "a", None, "Ġ", "Ġa"]
VOCABULARY = GGUFVocabulary(TOKENS, {"<|endoftext|>": 0}, ["Ġ a"], 0)
NAMES = {
    "wte.weight": "token_embd.weight", "wpe.weight": "position_embd.weight", "lm_head.weight": "output.weight",
    "ln_f.weight": "output_norm.weight", "ln_f.bias": "output_norm.bias",
}  # fmt: skip
LAYERS = {
    "ln_1": "attn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output",
    "ln_2": "ffn_norm", "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down",
}  # fmt: skip


def name_in_gguf(name):
    if name in NAMES:
        return NAMES[name]
    _, block, layer = name.split(".", 2)
    layer, kind = layer.rsplit(".", 1)
    return f"blk.{block}.{LAYERS[layer]}.{kind}"


def written(path, config, tensors, dtype, vocabulary=VOCABULARY):
    with path.open("wb") as file:
        write_gguf(file, config, tensors, dtype, vocabulary)
    return path


def values(reader):
    return {name: field.contents() for name, field in reader.fields.items() if not name.startswith("GGUF.")}


def test_the_configuration(tmp_path):
    config, tensors, _ = random_model(tmp_path, n_inner=17, layer_norm_epsilon=1e-6)
    found = values(GGUFReader(written(tmp_path / "model.gguf", config, tensors, "F16")))
    ours = {name: value for name, value in found.items() if not name.startswith("tokenizer.")}
    assert ours == {
        "general.architecture": "gpt2",
        "general.alignment": 32,
        "general.file_type": 1,
        "gpt2.context_length": 23,
        "gpt2.embedding_length": 12,
        "gpt2.feed_forward_length": 17,
        "gpt2.block_count": 2,
        "gpt2.attention.head_count": 3,
        "gpt2.attention.layer_norm_epsilon": pytest.approx(1e-6, rel=1e-7),
    }


def test_the_vocabulary_has_as_many_tokens_as_the_table_has_rows(tmp_path):
    config, tensors, _ = random_model(tmp_path)
    found = values(GGUFReader(written(tmp_path / "model.gguf", config, tensors, "F32")))
    ours = {name.removeprefix("tokenizer.ggml."): value for name, value in found.items() if "tokenizer" in name}
    tokens, types = ours.pop("tokens"), ours.pop("token_type")
    assert tokens == ["<|endoftext|>", "a", "[PAD2]", "Ġ", "Ġa", *(f"[PAD{i}]" for i in range(5, 61))]
    unused = int(TokenType.UNUSED)
    assert types == [int(TokenType.CONTROL), int(TokenType.NORMAL), unused, 1, 1, *[unused] * 56]
    ids = {"bos_token_id": 0, "eos_token_id": 0, "unknown_token_id": 0}
    assert ours == {"model": "gpt2", "pre": "gpt-2", "merges": ["Ġ a"], "add_bos_token": False, **ids}


def test_without_an_end_of_text_none_is_named(tmp_path):
    config, tensors, _ = random_model(tmp_path)
    vocabulary = GGUFVocabulary(TOKENS[1:], {}, [], None)
    found = values(GGUFReader(written(tmp_path / "model.gguf", config, tensors, "F32", vocabulary)))
    assert not [name for name in found if name.endswith("token_id")]


@pytest.mark.parametrize("dtype", FILE_TYPES)
@pytest.mark.parametrize("tied", [True, False])
def test_every_number_is_torchs(dtype, tied, tmp_path):
    config, tensors, state = random_model(tmp_path, n_inner=17, tie_word_embeddings=tied)
    reader = GGUFReader(written(tmp_path / "model.gguf", config, tensors, dtype))
    assert values(reader)["general.file_type"] == {"F32": 0, "F16": 1, "BF16": 32}[dtype]
    found = {tensor.name: tensor for tensor in reader.tensors}
    assert set(found) == {name_in_gguf(name) for name in state}
    for name, expected in state.items():
        tensor = found[name_in_gguf(name)]
        kind = "F32" if expected.dim() == 1 or name == "wpe.weight" else dtype
        assert tensor.tensor_type.name == kind
        assert tensor.data_offset % 32 == 0
        numbers = torch.from_numpy(np.array(dequantize(tensor.data, tensor.tensor_type)))
        if expected.dim() == 2 and name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight")):
            expected = expected.T
        assert tensor.shape.tolist() == list(expected.shape)[::-1]
        assert torch.equal(numbers, expected.to(TORCH[kind]).float()), name


def test_the_file_ends_with_its_last_number(tmp_path):
    config, tensors, _ = random_model(tmp_path)
    path = written(tmp_path / "model.gguf", config, tensors, "F16")
    last = max(GGUFReader(path).tensors, key=lambda tensor: tensor.data_offset)
    end = last.data_offset + last.n_bytes
    assert path.stat().st_size == end + -end % 32  # filled up, as the gguf package fills it


def test_a_source_that_is_transposed(tmp_path):
    config, tensors, _ = random_model(tmp_path)
    plain = written(tmp_path / "a", config, tensors, "F16").read_bytes()
    assert written(tmp_path / "b", config, transposed(tensors, tmp_path), "F16").read_bytes() == plain


@pytest.mark.parametrize(
    "option",
    [{"activation_function": "gelu"}, {"scale_attn_weights": False}, {"scale_attn_by_inverse_layer_idx": True}],
    ids=str,
)
def test_a_model_that_llama_cpp_would_take_for_another_one(option, tmp_path):
    config, tensors, _ = random_model(tmp_path, **option)
    with pytest.raises(CheckpointError, match=f"{next(iter(option))}.*write safetensors"):
        written(tmp_path / "model.gguf", config, tensors, "F32")


def test_an_epsilon_that_would_be_nothing(tmp_path):
    config, _, _ = random_model(tmp_path, layer_norm_epsilon=1e-300)
    with pytest.raises(CheckpointError, match="layer_norm_epsilon is 1e-300, which a GGUF file rounds to 0"):
        refuse_for_gguf(config)


def test_options_that_change_nothing_are_taken(tmp_path):
    config, _, _ = random_model(tmp_path, reorder_and_upcast_attn=True)
    refuse_for_gguf(config)
