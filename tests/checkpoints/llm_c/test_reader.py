"""Files of llm.c: every number, the configuration, the same logits as the model, and every false header refused."""

import os
import struct
import tracemalloc

import pytest
import torch

from starchart import GPT2
from starchart.checkpoints.checkpoint import load_checkpoint, read_config
from starchart.checkpoints.llm_c.reader import is_llm_c, open_llm_c
from starchart.checkpoints.stored_tensor import read_rows, read_vector
from starchart.errors import CheckpointError, ConfigError
from tests.checkpoints.llm_c.samples import TINY, VERSIONS, llm_c_file, open_and_read, samples, state_dict
from tests.checkpoints.refusals import refusals_of_damage
from tests.tiny_model import write_tiny_model, write_vocabulary

SIZES = {"vocab_size": 261, "n_positions": 7, "n_embd": 12, "n_head": 3, "n_layer": 3}


def values(tensor):
    rows = read_rows(tensor) if len(tensor.shape) == 2 else read_vector(tensor)
    return torch.tensor([list(row) for row in rows] if len(tensor.shape) == 2 else list(rows), dtype=torch.float64)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("sizes", [SIZES, TINY], ids=["three blocks", "one head"])
def test_every_number(version, sizes, tmp_path):
    path = tmp_path / "gpt2.bin"
    state = state_dict(sizes, seed=version)
    path.write_bytes(llm_c_file(state, sizes, version, padding=float("nan")))  # the padding is not read
    tensors = open_llm_c(path)
    assert tensors.keys() == state.keys()
    for name, expected in state.items():
        assert tensors[name].shape == expected.shape
        assert torch.equal(values(tensors[name]), expected.to(VERSIONS[version]).double()), name


def test_logits_are_those_of_the_same_model_in_safetensors(tmp_path):
    write_tiny_model(tmp_path / "same", seed=4, **SIZES)
    (tmp_path / "gpt2_124M.bin").write_bytes(llm_c_file(state_dict(SIZES, seed=4), SIZES))
    write_vocabulary(tmp_path)
    ids = [72, 260, 5, 5, 131, 0, 9]
    with GPT2.from_pretrained(tmp_path / "same") as same, GPT2.from_pretrained(tmp_path) as gpt2:
        assert gpt2.logits(ids, last_only=False) == same.logits(ids, last_only=False)
        assert gpt2.logits([8]) == same.logits([8])


def test_configuration(tmp_path):
    path = tmp_path / "model.bin"
    path.write_bytes(llm_c_file(state_dict(SIZES), SIZES))
    for model in (path, tmp_path):
        config = read_config(model)
        assert {key: getattr(config, key) for key in SIZES} == SIZES
        assert (config.eos_token_ids, config.n_inner, config.activation_function) == ((260,), None, "gelu_new")
    (tmp_path / "config.json").write_text("not read")
    assert load_checkpoint(tmp_path)[0] == config


def test_no_padding_and_a_context_of_123(tmp_path):
    # 123 is "{", which stands where a header of safetensors begins.
    sizes = SIZES | {"n_positions": 123}
    (tmp_path / "model.bin").write_bytes(llm_c_file(state_dict(sizes), sizes, multiple=1))
    assert load_checkpoint(tmp_path)[0].n_positions == 123


def test_a_header_of_safetensors_of_20240326_bytes_is_none_of_llm_c():
    assert is_llm_c(TRUE[:1000])
    assert not is_llm_c((20240326).to_bytes(8, "little") + b'{"wte.weight": {')


def changed(**slots):
    """Return a valid file with other numbers in its header."""
    data = bytearray(llm_c_file(state_dict(TINY), TINY))
    names = ("magic", "version", "positions", "vocabulary", "layers", "heads", "channels", "padded")
    for name, value in slots.items():
        struct.pack_into("<i", data, 4 * names.index(name), value)
    return bytes(data)


TRUE = changed()
LIES = {
    "no version": (changed(version=0), "is of llm.c's version 0; 3 and 5 are read"),
    "an older version": (changed(version=1), "is of llm.c's version 1; 3 and 5 are read: write it again with llm.c"),
    "half a header": (TRUE[:1023], "ends inside its header, after 1023 bytes"),
    "a byte too few": (TRUE[:-1], f"is {len(TRUE) - 1} bytes long, but the sizes in its header make {len(TRUE)}"),
    "a byte too many": (TRUE + b"\0", f"is {len(TRUE) + 1} bytes long, but the sizes in its header make {len(TRUE)}"),
    "the other version": (changed(version=5), "but the sizes in its header make"),
    "another width": (changed(channels=4), "but the sizes in its header make"),
    "a block more": (changed(layers=2), "but the sizes in its header make"),
    "too many blocks": (changed(layers=834), "says it has 834 blocks; the limit is 833"),
    "a padding that is none": (changed(padded=8), "says it has 9 tokens, and 8 with padding, which are fewer"),
    "a padding below 0": (changed(padded=-128), "says it has 9 tokens, and -128 with padding"),
    "huge sizes": (
        changed(positions=2**31 - 1, vocabulary=2**31 - 1, padded=2**31 - 1, channels=2**31 - 1),
        "but the sizes in its header make",
    ),
}
BAD_CONFIGS = {
    "no positions": (changed(positions=0), "n_positions must be a positive whole number, not 0"),
    "minus one token": (changed(vocabulary=-1), "vocab_size must be a positive whole number, not -1"),
    "no blocks": (changed(layers=0), "n_layer must be a positive"),
    "minus three channels": (changed(channels=-3), "n_embd must be a positive"),
    "no heads": (changed(heads=0), "n_head must be a positive"),
    "heads that do not divide": (changed(heads=2), "n_embd 3 does not divide into n_head 2 heads"),
}


@pytest.mark.parametrize(("data", "words"), (LIES | BAD_CONFIGS).values(), ids=LIES | BAD_CONFIGS)
def test_a_lie_is_one_line_that_names_the_file(data, words, tmp_path):
    path = tmp_path / "model.bin"
    path.write_bytes(data)
    with pytest.raises(CheckpointError) as caught:
        open_llm_c(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert words in message
    assert message.isprintable()
    assert isinstance(caught.value, ConfigError) == (data in [bad for bad, _ in BAD_CONFIGS.values()])


@pytest.mark.skipif(os.name == "nt", reason="a file with holes")
def test_a_long_file_that_holds_nothing_takes_no_memory(tmp_path):
    path = tmp_path / "model.bin"
    sizes = {"channels": 1, "heads": 1, "vocabulary": 2**30, "padded": 2**30}
    path.write_bytes(changed(**sizes)[:1024])
    os.truncate(path, 1024 + 4 * (2**30 + 5 + 25 + 2))
    tracemalloc.start()
    try:
        assert open_llm_c(path)["wte.weight"].shape == (2**30, 1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 200_000


def test_damage_at_random(tmp_path):
    messages = refusals_of_damage(
        tmp_path / "model.bin", samples(), open_and_read, cases=1000, seed="damage to a file of llm.c"
    )
    assert len(messages) > 500
