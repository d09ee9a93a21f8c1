"""What is written, parsed by NumPy as llm.c's train_gpt2.c lays it out: a header, sixteen tensors of all blocks."""

import numpy as np
import pytest
import torch

from starchart.checkpoints.llm_c.writer import VERSIONS, refuse_for_llm_c, write_llm_c
from starchart.errors import CheckpointError
from tests.checkpoints.written_models import TORCH, random_model, transposed


def written(path, config, tensors, dtype):
    with path.open("wb") as file:
        write_llm_c(file, config, tensors, dtype)
    return path


def parsed(path):
    """Return header and tensors as llm.c has them: each with all blocks, matrices [out][in], wte with its padding."""
    raw = path.read_bytes()
    header = np.frombuffer(raw[:1024], "<i4")
    _, version, positions, vocabulary, layers, _, channels, rows = header[:8]
    assert not header[8:].any()
    assert rows % 128 == 0
    assert 0 <= rows - vocabulary < 128
    c, blocks = channels, layers
    shapes = {
        "wte": (rows, c), "wpe": (positions, c), "ln1w": (blocks, c), "ln1b": (blocks, c),
        "qkvw": (blocks, 3 * c, c), "qkvb": (blocks, 3 * c), "attprojw": (blocks, c, c), "attprojb": (blocks, c),
        "ln2w": (blocks, c), "ln2b": (blocks, c), "fcw": (blocks, 4 * c, c), "fcb": (blocks, 4 * c),
        "fcprojw": (blocks, c, 4 * c), "fcprojb": (blocks, c), "lnfw": (c,), "lnfb": (c,),
    }  # fmt: skip
    words = np.frombuffer(raw[1024:], "<u4" if version == 3 else "<u2").astype(np.uint32)
    numbers = (words if version == 3 else words << 16).view(np.float32)
    tensors, start = {}, 0
    for name, shape in shapes.items():
        end = start + int(np.prod(shape))
        tensors[name], start = torch.from_numpy(numbers[start:end].reshape(shape).copy()), end
    assert start == len(numbers)
    return header, tensors


def stacked(state, name, layers):
    return torch.stack([state[f"h.{layer}.{name}"] for layer in range(layers)])


@pytest.mark.parametrize("dtype", VERSIONS)
@pytest.mark.parametrize("vocabulary", [61, 128, 129])
def test_every_number_is_in_its_place(dtype, vocabulary, tmp_path):
    config, tensors, state = random_model(tmp_path, n_layer=3, vocab_size=vocabulary)
    header, ours = parsed(written(tmp_path / "model.bin", config, tensors, dtype))
    assert header[:8].tolist() == [
        20240326,
        VERSIONS[dtype],
        23,
        vocabulary,
        3,
        3,
        12,
        256 if vocabulary == 129 else 128,
    ]
    state = {name: tensor.to(TORCH[dtype]).float() for name, tensor in state.items()}
    assert torch.equal(ours["wte"][:vocabulary], state["wte.weight"])
    assert not ours["wte"][vocabulary:].any()
    assert torch.equal(ours["wpe"], state["wpe.weight"])
    assert torch.equal(ours["lnfw"], state["ln_f.weight"])
    assert torch.equal(ours["lnfb"], state["ln_f.bias"])
    layers = {
        "ln1": "ln_1", "qkv": "attn.c_attn", "attproj": "attn.c_proj", "ln2": "ln_2",
        "fc": "mlp.c_fc", "fcproj": "mlp.c_proj",
    }  # fmt: skip
    for theirs, name in layers.items():
        weight = stacked(state, f"{name}.weight", 3)
        assert torch.equal(ours[f"{theirs}w"], weight if theirs.startswith("ln") else weight.transpose(1, 2)), name
        assert torch.equal(ours[f"{theirs}b"], stacked(state, f"{name}.bias", 3)), name


def test_a_source_that_is_transposed(tmp_path):
    config, tensors, _ = random_model(tmp_path)
    plain = written(tmp_path / "a", config, tensors, "BF16").read_bytes()
    assert written(tmp_path / "b", config, transposed(tensors, tmp_path), "BF16").read_bytes() == plain


@pytest.mark.parametrize(
    "option",
    [
        {"activation_function": "gelu"},
        {"layer_norm_epsilon": 1e-6},
        {"scale_attn_weights": False},
        {"scale_attn_by_inverse_layer_idx": True},
        {"n_inner": 17},
    ],
    ids=str,
)
def test_a_model_that_llm_c_would_take_for_another_one(option, tmp_path):
    config, tensors, _ = random_model(tmp_path, **option)
    (name,) = option
    with pytest.raises(CheckpointError, match="feed_forward_width 17.* 48" if name == "n_inner" else name) as caught:
        written(tmp_path / "model.bin", config, tensors, "F32")
    assert "write safetensors" in str(caught.value)


def test_a_head_of_its_own_is_refused(tmp_path):
    config, tensors, _ = random_model(tmp_path, tie_word_embeddings=False)
    with pytest.raises(CheckpointError, match="no place for a head that is not wte"):
        refuse_for_llm_c(config, tensors)


def test_options_that_change_nothing_are_taken(tmp_path):
    config, tensors, _ = random_model(tmp_path, reorder_and_upcast_attn=True, n_inner=48)
    refuse_for_llm_c(config, tensors)
