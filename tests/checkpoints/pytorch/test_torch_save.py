"""Files that torch.save writes, in both formats: every tensor as torch has it, bit for bit."""

import json
import struct
import warnings
from collections import OrderedDict

import pytest
import torch
from huggingface_hub import save_torch_state_dict
from safetensors.torch import load_file, save
from transformers import GPT2LMHeadModel

from starchart.checkpoints.formats import PYTORCH
from starchart.checkpoints.model_files import format_of
from starchart.checkpoints.pytorch.reader import open_pytorch
from starchart.checkpoints.shards import open_shards
from starchart.checkpoints.stored_tensor import read_rows, read_vector
from starchart.errors import CheckpointError
from starchart.gpt2 import GPT2
from tests.checkpoints.pytorch.samples import open_and_read, samples, saved
from tests.checkpoints.raw_file import write
from tests.random_gpt2 import SIZES, write_random_gpt2

FORMATS = {
    "zip": {},
    "zip, protocol 4": {"pickle_protocol": 4},
    "zip, protocol 5": {"pickle_protocol": 5},
    "older": {"_use_new_zipfile_serialization": False},
    "older, protocol 5": {"_use_new_zipfile_serialization": False, "pickle_protocol": 5},
}
FLOATS = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "F64": torch.float64}
OTHERS = {
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "U16": torch.uint16,
    "U32": torch.uint32,
    "U64": torch.uint64,
    "BOOL": torch.bool,
    "C64": torch.complex64,
    "C128": torch.complex128,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E4M3FNUZ": torch.float8_e4m3fnuz,
    "F8_E5M2": torch.float8_e5m2,
    "F8_E5M2FNUZ": torch.float8_e5m2fnuz,
    "F8_E8M0": torch.float8_e8m0fnu,
}
every_format = pytest.mark.parametrize("options", FORMATS.values(), ids=FORMATS)


def opened(folder, value, **options):
    """Return what our reader returns for a value that torch saves."""
    return open_pytorch(write(folder, saved(value, **options), "pytorch_model.bin"))


def numbers(tensor):
    """Return the numbers of a StoredTensor as torch's, in float64."""
    values = read_vector(tensor) if len(tensor.shape) == 1 else [list(row) for row in read_rows(tensor)]
    return torch.tensor(values if isinstance(values, list) else list(values), dtype=torch.float64)


def assert_same(tensors, state):
    assert list(tensors) == list(state)
    for name, tensor in state.items():
        assert tensors[name].shape == tuple(tensor.shape)
        assert torch.equal(numbers(tensors[name]), tensor.detach().double()), name


@every_format
def test_matrices_and_vectors(options, tmp_path):
    torch.manual_seed(2)
    shapes = [(3, 5), (1, 7), (7, 1), (1, 1), (9,), (1,)]
    state = {f"tensor {n}": torch.randn(shape) for n, shape in enumerate(shapes)}
    tensors = opened(tmp_path, state, **options)
    assert_same(tensors, state)
    assert not any(tensor.transposed for tensor in tensors.values())


@every_format
@pytest.mark.parametrize("dtype", FLOATS)
def test_floats(dtype, options, tmp_path):
    torch.manual_seed(3)
    state = {"m": torch.randn(4, 3).to(FLOATS[dtype]), "v": torch.randn(5).to(FLOATS[dtype])}
    tensors = opened(tmp_path, state, **options)
    assert {tensor.dtype for tensor in tensors.values()} == {dtype}
    assert_same(tensors, state)


@every_format
@pytest.mark.parametrize("dtype", OTHERS)
def test_dtypes_that_are_no_weights_are_known_and_left_alone(dtype, options, tmp_path):
    state = {"mask": torch.ones(1, 1, 2, 2).to(OTHERS[dtype]), "v": torch.tensor([1.5, -2.5])}
    tensors = opened(tmp_path, state, **options)
    assert (tensors["mask"].dtype, tensors["mask"].shape) == (dtype, (1, 1, 2, 2))
    assert numbers(tensors["v"]).tolist() == [1.5, -2.5]


@every_format
def test_views(options, tmp_path):
    torch.manual_seed(4)
    base = torch.randn(40)
    stack = torch.randn(3, 4, 5)
    state = {
        "a part": base[4:10].view(2, 3),
        "the end": base[37:],
        "one of a stack": stack[1],
        "the last of a stack": stack[2, 3],
        "rows": stack[0][1:3],
        "of one row, with any stride": torch.randn(4, 3)[2:3],
        "of one column, cut from none": torch.randn(4, 1).as_strided((4, 1), (1, 9)),
    }
    tensors = opened(tmp_path, state, **options)
    assert_same(tensors, state)
    assert tensors["a part"].path == tensors["rows"].path


@every_format
@pytest.mark.parametrize("dtype", FLOATS)
def test_transposes(dtype, options, tmp_path):
    torch.manual_seed(5)
    linear = torch.randn(3, 5).to(FLOATS[dtype])
    pair = torch.randn(2, 4, 3).to(FLOATS[dtype])
    state = {"weight": linear.t(), "second of two": pair[1].t(), "square": torch.randn(4, 4).to(FLOATS[dtype]).t()}
    tensors = opened(tmp_path, state, **options)
    assert all(tensor.transposed for tensor in tensors.values())
    assert_same(tensors, state)


@every_format
def test_a_shared_storage_is_there_once(options, tmp_path):
    table = torch.randn(6, 4)
    tensors = opened(tmp_path, {"wte.weight": table, "lm_head.weight": table}, **options)
    assert tensors["wte.weight"].start == tensors["lm_head.weight"].start
    assert_same(tensors, {"wte.weight": table, "lm_head.weight": table})


@every_format
def test_parameters_and_modules(options, tmp_path):
    torch.manual_seed(6)
    linear = torch.nn.Linear(3, 2)
    linear.register_buffer("count", torch.tensor(3))
    linear.weight.note = "an attribute"  # it is saved with the parameter
    for state in (linear.state_dict(), OrderedDict(linear.named_parameters()), dict(linear.named_parameters())):
        tensors = opened(tmp_path, state, **options)
        assert numbers(tensors["weight"]).equal(linear.weight.detach().double())
        assert numbers(tensors["bias"]).equal(linear.bias.detach().double())
        assert ("count" not in state) or (tensors["count"].dtype, tensors["count"].shape) == ("I64", ())


@every_format
@pytest.mark.parametrize("key", ["model", "state_dict", "model_state_dict"])
def test_a_checkpoint_of_a_training(key, options, tmp_path):
    torch.manual_seed(7)
    linear = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(linear.parameters())
    linear(torch.randn(4, 3)).sum().backward()
    optimizer.step()
    rest = {
        "optimizer": optimizer.state_dict(),
        "step": 10**12,
        "epoch": -1,
        "best": float("inf"),
        "loss": torch.tensor(2.5),
        "name": "κόσμος",
        "done": None,
        "config": {"betas": (0.9, 0.95), "tied": True, "layers": [1, 2, 300, 70_000], "empty": ((), [], {})},
    }
    assert_same(opened(tmp_path, {key: linear.state_dict(), **rest}, **options), linear.state_dict())


@every_format
def test_what_is_no_tensor_is_left_out(options, tmp_path):
    state = {"a": torch.tensor([1.0]), "epoch": 3, "name": "gpt2", "model": "gpt2", "sizes": [1, 2], 7: None}
    assert list(opened(tmp_path, state, **options)) == ["a"]


@every_format
def test_many_tensors(options, tmp_path):
    state = {f"h.{n}.weight": torch.full((2,), float(n)) for n in range(700)}  # the memo needs numbers of two sizes
    assert_same(opened(tmp_path, state, **options), state)


@every_format
@pytest.mark.parametrize("dtype", FLOATS)
def test_logits_are_those_of_the_safetensors_file(dtype, options, tmp_path):
    ids = [5, 60, 0, 33, 33, 7]
    write_random_gpt2(tmp_path, seed=8, dtype=FLOATS[dtype], n_inner=7)
    with GPT2.from_pretrained(tmp_path) as gpt2:
        expected = gpt2.logits(ids)
    model = GPT2LMHeadModel.from_pretrained(tmp_path, dtype=FLOATS[dtype])
    (tmp_path / "model.safetensors").unlink()
    assert "lm_head.weight" in model.state_dict()
    write(tmp_path, saved(model.state_dict(), **options), "pytorch_model.bin")
    with GPT2.from_pretrained(tmp_path) as gpt2:
        assert gpt2.logits(ids) == expected
    (tmp_path / "pytorch_model.bin").rename(tmp_path / "any.name")
    with GPT2.from_pretrained(tmp_path / "any.name") as gpt2:
        assert gpt2.logits(ids) == expected


@every_format
def test_logits_of_one_head_one_token_an_untied_head_and_masks(options, tmp_path):
    write_random_gpt2(tmp_path, seed=9, n_head=1, n_layer=3, tie_word_embeddings=False)
    with GPT2.from_pretrained(tmp_path) as gpt2:
        expected = gpt2.logits([11])
    state = load_file(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").unlink()
    size = SIZES["n_positions"]
    for block in range(3):
        state[f"transformer.h.{block}.attn.bias"] = torch.ones(size, size).tril().to(torch.uint8).view(1, 1, size, size)
        state[f"transformer.h.{block}.attn.masked_bias"] = torch.tensor(-1e4)
    write(tmp_path, saved(OrderedDict(state), **options), "pytorch_model.bin")
    with GPT2.from_pretrained(tmp_path) as gpt2:
        assert gpt2.logits([11]) == expected


def test_logits_of_shards(tmp_path):
    write_random_gpt2(tmp_path, seed=10)
    with GPT2.from_pretrained(tmp_path) as gpt2:
        expected = gpt2.logits([1, 2, 3])
    state = load_file(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").unlink()
    with warnings.catch_warnings(action="ignore"):
        save_torch_state_dict(state, tmp_path, safe_serialization=False, max_shard_size="6KB")
    index = json.loads((tmp_path / "pytorch_model.bin.index.json").read_text())
    assert len(set(index["weight_map"].values())) > 2
    with GPT2.from_pretrained(tmp_path) as gpt2:
        assert gpt2.logits([1, 2, 3]) == expected


def test_shards_with_masks(tmp_path):
    torch.save({"a": torch.ones(3), "h.0.attn.bias": torch.ones(1).expand(1, 1, 8, 8)}, tmp_path / "1.bin")
    index = tmp_path / "pytorch_model.bin.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "1.bin", "h.0.attn.bias": "1.bin"}}))
    assert list(open_shards(index)) == ["a"]


def test_shards_of_several_formats(tmp_path):
    # What is in a shard is told by its content: the names are the other way round here, and so are two of the formats.
    shards = {"1.bin": saved({"a": torch.ones(2)}), "2.safetensors": saved({"b": torch.ones(2)}, **FORMATS["older"])}
    shards["3.bin"] = save({"c": torch.ones(2)})
    for name, data in shards.items():
        write(tmp_path, data, name)
    index = {"weight_map": dict(zip("abc", shards, strict=True))}
    path = write(tmp_path, json.dumps(index).encode(), "pytorch_model.bin.index.json")
    tensors = open_shards(path)
    assert {name: list(read_vector(tensors[name])) for name in "abc"} == {"a": [1, 1], "b": [1, 1], "c": [1, 1]}
    write(tmp_path, b"neither", "1.bin")
    with pytest.raises(CheckpointError) as caught:
        open_shards(path)
    assert str(caught.value) == f"{tmp_path}/1.bin: is no file of torch.save: of its 7 bytes the first are b'neither'"


def test_more_than_four_gigabytes(tmp_path):
    # Sizes and offsets are then in zip64 fields. On the disk it is 12 KB: torch leaves a hole where the numbers belong.
    path = tmp_path / "pytorch_model.bin"
    with torch.serialization.skip_data():
        torch.save({"table": torch.empty(1_100_000_000), "v": torch.empty(3)}, path)
    assert path.stat().st_size > 2**32
    with path.open("r+b") as file:
        tensors = open_pytorch(path)
        file.seek(tensors["v"].start)
        file.write(struct.pack("<3f", 1, 2, 3))
    assert tensors["table"].shape == (1_100_000_000,)
    assert tensors["v"].start > 2**32
    assert list(read_vector(open_pytorch(path)["v"])) == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("number", range(4))
def test_the_samples_of_the_fuzzer(number, tmp_path):
    path = write(tmp_path, samples()[number], "sample")
    assert format_of(path) == PYTORCH
    open_and_read(path)
