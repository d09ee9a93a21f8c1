"""The fuzzer's targets: every reader of untrusted files, with valid files of its kind."""

import json
import shutil
import struct
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from types import ModuleType

from starchart import Tokenizer
from starchart.checkpoints.checkpoint import load_checkpoint, read_config
from starchart.checkpoints.safetensors.reader import open_safetensors
from starchart.checkpoints.tensorflow.reader import open_tensorflow
from starport.inspection.inspect import inspect
from tests.checkpoints.raw_file import entry, one_tensor, raw_file
from tests.checkpoints.read_tensors import read_tensors
from tests.checkpoints.tensorflow import samples as tensorflow
from tests.checkpoints.tensorflow.table_file import resealed
from tests.tiny_model import DEFAULTS, MERGES, safetensors_bytes, tiny_tensors, write_tiny_model, write_vocabulary

TINY = {"n_embd": 4, "n_head": 2, "vocab_size": 7, "n_layer": 1, "n_positions": 3}
SHARD, OTHER_SHARD = "model-00001-of-00001.safetensors", "pytorch_model-00001-of-00001.bin"
HPARAMS = {"n_vocab": 261, "n_ctx": 16, "n_embd": 12, "n_head": 3, "n_layer": 2}


@dataclass(frozen=True)
class Target:
    """A reader, the name of the file it reads, valid files of that kind, and the files that must be beside it."""

    file_name: str
    samples: Callable[[], list[bytes]]
    read: Callable[[Path], object]
    prepare: Callable[[Path], object] = lambda folder: None
    mend: Callable[[bytes], bytes] = lambda data: data  # after the damage: repairs that let a reader go on


def _safetensors() -> list[bytes]:
    two = {"a": entry("F16", [2, 3], 0, 12), "b": entry("BF16", [2], 12, 16), "__metadata__": {"format": "pt"}}
    return [
        safetensors_bytes(tiny_tensors(DEFAULTS | TINY, 0)),
        one_tensor("F64", [2, 2], struct.pack("<4d", 1, -2, 3e300, 0)),
        raw_file(two, bytes(range(16))),
    ]


def _names() -> list[str]:
    return list(tiny_tensors(DEFAULTS | TINY, 0))


def _put_model(folder: Path) -> None:
    write_tiny_model(folder, **TINY)


def _put_shard(folder: Path) -> None:
    _put_model(folder)
    shutil.copyfile(folder / "model.safetensors", folder / OTHER_SHARD)
    (folder / "model.safetensors").rename(folder / SHARD)


def _index(file_name: str) -> Callable[[], list[bytes]]:
    names = (file_name, "../" + file_name)
    return _json(*({"metadata": {"total_size": 99}, "weight_map": dict.fromkeys(_names(), name)} for name in names))


def _json(*values: object) -> Callable[[], list[bytes]]:
    return lambda: [json.dumps(value).encode() for value in values]


def _from_vocabulary(name: str) -> Callable[[], list[bytes]]:
    def samples() -> list[bytes]:
        with tempfile.TemporaryDirectory() as folder:
            write_vocabulary(Path(folder))
            return [(Path(folder) / name).read_bytes()]

    return samples


def _tokenizer_json() -> list[bytes]:
    vocab = json.loads(_from_vocabulary("vocab.json")()[0])
    added = [{"id": 260, "content": "<|endoftext|>", "special": True, "normalized": False}]
    model = {"type": "BPE", "vocab": vocab, "merges": MERGES}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    whole = {"version": "1.0", "added_tokens": added, "pre_tokenizer": level, "decoder": level, "model": model}
    pairs = whole | {"model": model | {"merges": [merge.split(" ") for merge in MERGES]}}
    return [json.dumps(value).encode() for value in (whole, pairs)]


def _tokenize(path: Path) -> None:
    tokenizer = Tokenizer.from_pretrained(path.parent)
    ids = tokenizer.encode("Once upon a time, the end.<|endoftext|>", allow_special=True)
    assert tokenizer.decode(ids)


def _put_openais_vocabulary(folder: Path) -> None:
    write_vocabulary(folder)
    (folder / "vocab.json").rename(folder / "encoder.json")
    (folder / "merges.txt").rename(folder / "vocab.bpe")


def _put_tensorflow(folder: Path) -> None:
    tensorflow.lay_data(folder)
    (folder / tensorflow.INDEX).write_bytes(tensorflow.samples()[0])


def _inspect(path: Path) -> None:
    inspect(path.parent, values=True, progress=lambda what, done, total: None)


def _of(room: str, file_name: str) -> Target:
    """Return the target whose samples and reader are in a room's samples.py, which is imported only when it is used."""

    def module() -> ModuleType:
        return import_module(f"tests.checkpoints.{room}.samples")

    return Target(file_name, lambda: list(module().samples()), lambda path: module().open_and_read(path))


def _config_of(path: Path) -> object:
    return read_config(path.parent)


def _model_of(path: Path) -> object:
    return load_checkpoint(path.parent)


TENSORFLOW = Target(
    tensorflow.INDEX, tensorflow.samples, lambda path: read_tensors(open_tensorflow(path)), tensorflow.lay_data
)
TARGETS = {
    "safetensors": Target("model.safetensors", _safetensors, lambda path: read_tensors(open_safetensors(path))),
    "PyTorch": _of("pytorch", "pytorch_model.bin"),
    "GGUF": _of("gguf", "model.gguf"),
    "TensorFlow": TENSORFLOW,
    "TensorFlow, true checksums": replace(TENSORFLOW, mend=resealed),
    "llm.c": _of("llm_c", "model.bin"),
    "npz": _of("npz", "model.npz"),
    "index of shards": Target("model.safetensors.index.json", _index(SHARD), _model_of, _put_shard),
    "index of PyTorch's shards": Target("pytorch_model.bin.index.json", _index(OTHER_SHARD), _model_of, _put_shard),
    "config.json": Target(
        "config.json", _json(DEFAULTS | TINY, DEFAULTS | {"n_inner": 9, "eos_token_id": [1, 2]}), _config_of
    ),
    "generation_config.json": Target(
        "generation_config.json", _json({"eos_token_id": [3, 4]}, {"bos_token_id": 1}), _config_of, _put_model
    ),
    "hparams.json": Target("hparams.json", _json(HPARAMS, HPARAMS | {"n_layer": 9}), _config_of, _put_tensorflow),
    "vocab.json": Target("vocab.json", _from_vocabulary("vocab.json"), _tokenize, write_vocabulary),
    "merges.txt": Target("merges.txt", _from_vocabulary("merges.txt"), _tokenize, write_vocabulary),
    "encoder.json": Target("encoder.json", _from_vocabulary("vocab.json"), _tokenize, _put_openais_vocabulary),
    "vocab.bpe": Target("vocab.bpe", _from_vocabulary("merges.txt"), _tokenize, _put_openais_vocabulary),
    "added_tokens.json": Target(
        "added_tokens.json", _json({"<|user|>": 261, "<|end|>": 262}), _tokenize, write_vocabulary
    ),
    "tokenizer.json": Target("tokenizer.json", _tokenizer_json, _tokenize),
    "starchart inspect": Target("model.safetensors", lambda: _safetensors()[:1], _inspect, _put_model),
}
