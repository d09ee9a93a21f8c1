"""Files that NumPy wrote: every number in every order, logits equal to those of the same model, and damage."""

import io
import os
import pickle
import random
import struct
import tracemalloc

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from starchart import GPT2
from starchart.checkpoints.checkpoint import load_checkpoint
from starchart.checkpoints.model_files import format_of
from starchart.checkpoints.npz.reader import open_npz
from starchart.checkpoints.stored_tensor import read_rows, read_vector
from starchart.errors import CheckpointError
from tests.checkpoints.npz.samples import arrays, open_and_read, samples
from tests.checkpoints.refusals import refusals_of_damage
from tests.files.zip.raw_zip import DEFLATED, STORED, Member, raw_zip
from tests.tiny_model import write_tiny_model

SAVE = {"stored": np.savez, "deflated": np.savez_compressed}
NAMES = {np.float16: "F16", np.float32: "F32", np.float64: "F64", np.bool_: "BOOL"}
IDS = [72, 260, 5, 5, 131, 0, 9]


def message_of(read, *arguments):
    with pytest.raises(CheckpointError) as caught:
        read(*arguments)
    assert str(caught.value).isprintable()
    return str(caught.value)


@pytest.mark.parametrize("save", SAVE.values(), ids=SAVE)
def test_every_number(save, tmp_path):
    path = tmp_path / "model.npz"
    save(path, **arrays())
    tensors = open_npz(path)
    assert tensors.keys() == arrays().keys()
    for name, array in arrays().items():
        tensor = tensors[name]
        assert (tensor.shape, tensor.dtype) == (array.shape, NAMES[array.dtype.type])
        if array.ndim in (1, 2):
            read = read_vector if array.ndim == 1 else read_rows
            assert np.array_equal(np.array([*map(np.array, read(tensor))]), array), name


@pytest.mark.parametrize("save", SAVE.values(), ids=SAVE)
@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("shape", [(103, 1001), (1, 40_009), (40_009, 1), (0, 5), (5, 0)])
def test_some_rows(save, order, shape, tmp_path):
    array = np.arange(shape[0] * shape[1], dtype=np.float32).reshape(shape) % 4093
    path = tmp_path / "model.npz"
    save(path, matrix=np.array(array, order=order), other=np.arange(5.0))
    tensor = open_npz(path)["matrix"]
    middle = shape[0] // 2
    for start, stop in ((0, middle), (middle, shape[0]), (0, shape[0]), (0, min(1, middle))):
        rows = read_rows(tensor, start, stop)
        assert [row.tolist() for row in rows] == array[start:stop].tolist()
    assert pickle.loads(pickle.dumps(tensor)) == tensor


def write_npz(folder, save, **extra):
    """Replace the weights of a model folder."""
    state = load_file(folder / "model.safetensors") | extra
    (folder / "model.safetensors").unlink()
    save(folder / "weights.npz", **state)


@pytest.mark.parametrize("save", SAVE.values(), ids=SAVE)
@pytest.mark.parametrize("dtype", ["F32", "F64"])
@pytest.mark.parametrize("prefix", ["", "transformer."])
def test_logits_are_those_of_the_same_model_in_safetensors(save, dtype, prefix, tmp_path):
    for name in ("same", "other"):
        write_tiny_model(tmp_path / name, seed=5, dtype=dtype, prefix=prefix)
    masks = {f"{prefix}h.{block}.attn.bias": np.tril(np.ones((1, 1, 16, 16), bool)) for block in range(2)}
    write_npz(tmp_path / "other", save, **masks)
    with GPT2.from_pretrained(tmp_path / "same") as same, GPT2.from_pretrained(tmp_path / "other") as gpt2:
        assert gpt2.logits(IDS, last_only=False) == same.logits(IDS, last_only=False)


@pytest.mark.parametrize("save", SAVE.values(), ids=SAVE)
def test_logits_of_a_state_dict_of_torch_with_its_head(save, tmp_path):
    write_tiny_model(tmp_path, vocab_size=2500)
    with GPT2.from_pretrained(tmp_path) as same:
        expected = same.logits(IDS)
    wte = load_file(tmp_path / "model.safetensors")["transformer.wte.weight"]
    write_npz(tmp_path, save, **{"lm_head.weight": wte})
    assert load_checkpoint(tmp_path)[1].lm_head is None
    with GPT2.from_pretrained(tmp_path) as gpt2:
        assert gpt2.logits(IDS) == expected


@pytest.mark.parametrize("save", SAVE.values(), ids=SAVE)
def test_the_packed_engine_reads_it_in_its_processes(save, tmp_path):
    for name in ("same", "other"):
        write_tiny_model(tmp_path / name, seed=6)
    write_npz(tmp_path / "other", save)
    logits = []
    for name in ("same", "other"):
        with GPT2.from_pretrained(tmp_path / name, engine="packed", workers=2) as gpt2:
            logits.append(gpt2.logits(IDS, last_only=False))
    assert logits[0] == logits[1]


def test_what_numpy_writes_to_a_stream(tmp_path):
    class Pipe(io.RawIOBase):
        data = b""

        def write(self, data):
            Pipe.data += bytes(data)
            return len(data)

        def writable(self):
            return True

    np.savez_compressed(Pipe(), a=np.arange(7.0))
    (tmp_path / "a.npz").write_bytes(Pipe.data)
    assert read_vector(open_npz(tmp_path / "a.npz")["a"]).tolist() == [*range(7)]


def test_a_zip_of_pytorch_is_another_format(tmp_path):
    torch.save({"a": torch.ones(3)}, tmp_path / "a.npz")
    found = format_of(tmp_path / "a.npz")
    assert found is None or found.name != "npz"


def npy(array):
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(array), allow_pickle=True)
    return file.getvalue()


REFUSED = {
    "big-endian": (np.arange(3, dtype=">f4"), "is big-endian ('>f4'); save it as little-endian"),
    "Python objects": (np.array([{}, print], dtype=object), "holds Python objects (a pickle), which are not read"),
    "records": (np.zeros(2, dtype=[("x", "<f4"), ("y", "<f4")]), "holds records and not numbers"),
    "texts": (np.array(["a", "bc"]), "is of type '<U2'; save weights as float32, float16 or float64"),
    "bytes": (np.array([b"a"]), "is of type '|S1'"),
    "two raw bytes, as bfloat16 is saved": (np.zeros(2, dtype="V2"), "is of type '|V2'; save weights as float32"),
    "complex numbers": (np.zeros(2, dtype=np.complex64), "is of type '<c8'"),
    "long doubles": (np.zeros(2, dtype=np.longdouble), "is of type '<f16'"),
    "dates": (np.zeros(2, dtype="M8[s]"), "is of type '<M8[s]'"),
    "nine axes": (np.zeros((1,) * 9), "its shape must be a tuple of at most 8 numbers"),
}


@pytest.mark.parametrize("save", SAVE.values(), ids=SAVE)
@pytest.mark.parametrize(("array", "words"), REFUSED.values(), ids=REFUSED)
def test_arrays_of_numpy_that_are_no_weights(save, array, words, tmp_path):
    path = tmp_path / "model.npz"
    save(path, **{"wte.weight": array})
    assert message_of(open_npz, path).startswith(f"{path}: member 'wte.weight.npy': {words}")


def test_a_dtype_that_is_no_weight_is_refused_when_it_is_read(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.arange(3))
    assert "'a': is of dtype I64; weights must be" in message_of(read_vector, open_npz(tmp_path / "a.npz")["a"])


def test_a_member_that_is_no_array(tmp_path):
    path = tmp_path / "model.npz"
    path.write_bytes(raw_zip([Member(b"a.npy", npy([1.0])), Member(b"readme.txt", b"hello")]))
    assert message_of(open_npz, path) == (
        f"{path}: member 'readme.txt': is no .npy array, which all members of an .npz are"
    )


@pytest.mark.parametrize("method", [STORED, DEFLATED])
@pytest.mark.parametrize("place", [0, 1, 500, 1999])
def test_a_number_that_is_not_finite_is_refused_with_its_place(method, place, tmp_path):
    numbers = np.zeros((2, 1000), np.float32)
    numbers.flat[place] = np.nan
    path = tmp_path / "model.npz"
    path.write_bytes(raw_zip([Member(b"a.npy", npy(numbers), method)]))
    message = message_of(read_rows, open_npz(path)["a"])
    assert (
        message == f"{path}: tensor 'a': holds nan at [{place // 1000}][{place % 1000}]; weights must be finite numbers"
    )


def test_a_deflated_member_is_damaged_inside(tmp_path):
    path = tmp_path / "model.npz"
    rng = random.Random(1)
    array = np.array([rng.gauss(0, 1) for _ in range(40_000)], np.float32).reshape(200, 200)
    member = Member(b"a.npy", npy(array), DEFLATED)
    packed = bytearray(member.packed())
    packed[len(packed) // 2] ^= 1
    path.write_bytes(raw_zip([Member(b"a.npy", member.data, DEFLATED, {"raw": bytes(packed)})]))
    tensor = open_npz(path)["a"]
    assert np.array_equal(np.array(read_rows(tensor, 0, 20)), array[:20])
    message = message_of(read_rows, tensor)
    assert message.startswith(f"{path}: tensor 'a': ")
    assert "fetch" in message or "damaged" in message or "finite" in message


def test_another_file_in_its_place_is_noticed(tmp_path):
    path = tmp_path / "model.npz"
    np.savez_compressed(path, a=np.arange(9.0))
    tensor = open_npz(path)["a"]
    np.savez_compressed(path, a=np.arange(9.0))
    os.utime(path, ns=(tensor.stamp[1], tensor.stamp[1]))
    assert message_of(read_vector, tensor) == f"{path}: has changed since it was opened; open the model again"


def test_opening_unpacks_headers_only(tmp_path):
    path = tmp_path / "model.npz"
    rng = np.random.default_rng(1)
    np.savez_compressed(path, a=rng.normal(size=(1000, 500)), b=rng.normal(size=(1000, 500)))
    tracemalloc.start()
    try:
        tensors = open_npz(path)
        _, opened = tracemalloc.get_traced_memory()
        read_rows(tensors["a"], 990, 1000)
        _, read = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert opened < 1_000_000
    assert read < 2_000_000  # 4 MB lie before these rows


def test_a_shape_that_lies_allocates_nothing(tmp_path):
    path = tmp_path / "model.npz"
    text = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000000), }\n"
    data = b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + bytes(12)
    for method in (STORED, DEFLATED):
        path.write_bytes(raw_zip([Member(b"a.npy", data, method)]))
        assert message_of(open_npz, path) == (
            f"{path}: member 'a.npy': shape [1000000, 1000000] of F32 does not fill its 12 bytes"
        )


def test_damage_at_random(tmp_path):
    messages = refusals_of_damage(tmp_path / "model.npz", samples(), open_and_read, cases=1000, seed="damage to an npz")
    assert len(messages) > 600
