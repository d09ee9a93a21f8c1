"""NumPy reads what we write, without pickles."""

import zipfile

import numpy as np
import pytest

from starchart.checkpoints.npz.writer import DESCRIPTIONS, write_npz
from tests.checkpoints.written_models import TORCH, random_model


def written(path, config, tensors, dtype):
    with path.open("wb") as file:
        write_npz(file, config, tensors, dtype)
    return path


@pytest.mark.parametrize("dtype", DESCRIPTIONS)
def test_every_number_is_torchs(dtype, tmp_path):
    config, tensors, state = random_model(tmp_path, n_inner=17, tie_word_embeddings=False)
    with np.load(written(tmp_path / "a.npz", config, tensors, dtype), allow_pickle=False) as archive:
        arrays = {name.removeprefix("transformer."): archive[name] for name in archive.files}
    assert list(arrays) == list(tensors)
    for name, numbers in arrays.items():
        expected = state[name].to(TORCH[dtype]).numpy()
        assert numbers.dtype == expected.dtype
        assert numbers.flags.c_contiguous
        assert np.array_equal(numbers, expected), name


def test_the_names_are_those_of_transformers(tmp_path):
    config, tensors, _ = random_model(tmp_path, tie_word_embeddings=False)
    with np.load(written(tmp_path / "a.npz", config, tensors, "F32")) as archive:
        assert archive.files[0] == "transformer.wte.weight"
        assert archive.files[-1] == "lm_head.weight"


def without_spaces(member):
    """Return the header of an array, without its length and the spaces that fill it up, and the numbers."""
    length = int.from_bytes(member[8:10], "little")
    assert (10 + length) % 64 == 0
    header = member[10 : 10 + length]
    return member[:8], header.rstrip(b" \n"), header[-1:], member[10 + length :]


def test_the_members_are_as_numpy_writes_them(tmp_path):
    config, tensors, state = random_model(tmp_path)
    path = written(tmp_path / "ours.npz", config, tensors, "F32")
    arrays = {name: state[name.removeprefix("transformer.")].numpy() for name in np.load(path).files}
    np.savez(tmp_path / "theirs.npz", **arrays)
    with zipfile.ZipFile(path) as ours, zipfile.ZipFile(tmp_path / "theirs.npz") as theirs:
        assert ours.testzip() is None
        assert ours.namelist() == theirs.namelist()
        for name in ours.namelist():
            assert without_spaces(ours.read(name)) == without_spaces(theirs.read(name))
            assert ours.getinfo(name).compress_type == zipfile.ZIP_STORED


def test_the_same_model_is_the_same_file(tmp_path):
    config, tensors, _ = random_model(tmp_path)
    first = written(tmp_path / "a.npz", config, tensors, "F16").read_bytes()
    assert written(tmp_path / "b.npz", config, tensors, "F16").read_bytes() == first
