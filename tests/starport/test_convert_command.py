"""`starchart convert`: its files load in other programs and here; refusals; no partial file stays."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, GPT2LMHeadModel

from starchart import GPT2, Tokenizer
from starchart.checkpoints.checkpoint import read_config
from starchart.checkpoints.formats import WRITERS
from starchart.checkpoints.model_files import format_of
from starchart.errors import CheckpointError
from starchart.tokenizer.vocabulary_files import read_vocabulary
from starport.cli import main
from starport.conversion import destination
from starport.conversion.convert import Conversion
from tests.checkpoints.gguf.write_gguf import TRANSPOSED, write_gguf
from tests.children import started
from tests.hanging import needs_pipes, no_hang, put_pipe
from tests.random_gpt2 import write_random_gpt2
from tests.tiny_model import END_OF_TEXT, MERGES, write_tiny_model, write_vocabulary

ROOT = Path(__file__).resolve().parents[2]
VOCABULARY = {"vocab.json", "merges.txt"}
CONFIG = {"config.json", "generation_config.json"}
FILES = {
    "safetensors": {"model.safetensors", *CONFIG, *VOCABULARY},
    "gguf": {"model.gguf"},
    "llm.c": {"model.bin", *CONFIG, *VOCABULARY},
    "npz": {"model.npz", *CONFIG, *VOCABULARY},
}


@pytest.fixture
def model(tmp_path):
    return write_tiny_model(tmp_path / "source")


def convert(source, target, *options):
    return main(["convert", str(source), str(target), *map(str, options)])


def names(folder):
    return {path.name for path in Path(folder).iterdir()}


def refused(capsys, source, target, *options):
    """Return the one line with which a conversion is refused. Nothing may be left of it."""
    before = sorted(target.parent.rglob("*"))
    assert convert(source, target, *options) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert told.err.startswith("starchart: ")
    assert sorted(target.parent.rglob("*")) == before
    return told.err


@pytest.mark.parametrize("kind", WRITERS)
def test_the_files_of_a_folder(kind, model, tmp_path, capsys):
    assert convert(model, tmp_path / "a" / "b", "--format", kind) == 0
    assert names(tmp_path / "a" / "b") == FILES[kind]
    assert names(tmp_path) == {"a", "source"}
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"{tmp_path / 'a' / 'b'}{os.sep}model")
    assert len({path.stat().st_mode for path in (tmp_path / "a" / "b").iterdir()}) == 1


@pytest.mark.parametrize("kind", WRITERS)
def test_a_file_and_what_it_needs_beside_it(kind, model, tmp_path):
    suffix = WRITERS[kind].suffix
    assert convert(model, tmp_path / "new" / f"tiny{suffix}", "--format", kind) == 0
    assert names(tmp_path / "new") == {f"tiny{suffix}", *FILES[kind]} - {WRITERS[kind].file_name}


def test_a_name_with_the_ending_of_another_format_is_refused(model, tmp_path, capsys):
    for name, kind in (("x.gguf", "gguf"), ("x.BIN", "llm.c")):
        line = refused(capsys, model, tmp_path / name, "--format", "npz")
        assert line.endswith(f"{name}: has the suffix of {kind}; end it in .npz, or choose --format {kind}\n")
    (tmp_path / "old.gguf").mkdir()
    assert convert(model, tmp_path / "old.gguf", "--format", "npz") == 0  # a folder that is there is a folder
    assert names(tmp_path / "old.gguf") == FILES["npz"]


def test_an_ending_in_upper_case_counts(model, tmp_path):
    assert convert(model, tmp_path / "TINY.GGUF", "--format", "gguf") == 0
    assert (tmp_path / "TINY.GGUF").is_file()


OPTIONS = {"tie_word_embeddings": False, "n_inner": 17, "layer_norm_epsilon": 1e-6}


@pytest.mark.parametrize(
    ("kind", "options"),
    [(kind, {}) for kind in WRITERS] + [(kind, OPTIONS) for kind in WRITERS if kind != "llm.c"],  # which has none
)
@pytest.mark.parametrize("as_file", [False, True])
def test_the_model_is_the_same_here(kind, as_file, options, tmp_path):
    model = write_tiny_model(tmp_path / "source", **options)
    target = tmp_path / "new" / WRITERS[kind].file_name if as_file else tmp_path / "new"
    assert convert(model, target, "--format", kind) == 0
    assert format_of(tmp_path / "new" / WRITERS[kind].file_name)
    ids = Tokenizer.from_pretrained(model).encode("on the song")
    assert Tokenizer.from_pretrained(target).encode("on the song") == ids
    with GPT2.from_pretrained(model) as before, GPT2.from_pretrained(target) as after:
        assert after.config.eos_token_ids == before.config.eos_token_ids
        assert after.logits(ids) == before.logits(ids)


def test_once_around_through_every_format(model, tmp_path):
    source = model
    for step, kind in enumerate(["safetensors", "llm.c", "npz", "gguf", "llm.c", "gguf", "npz", "safetensors"]):
        target = tmp_path / f"{step}"
        assert convert(source, target, "--format", kind) == 0
        source = target
    first, last = tmp_path / "0", tmp_path / "7"
    for name in ("model.safetensors", "generation_config.json"):
        assert (last / name).read_bytes() == (first / name).read_bytes()
    assert read_vocabulary(last) == read_vocabulary(model)
    assert read_config(last).feed_forward_width == read_config(first).feed_forward_width


def test_a_padded_model_once_around_through_gguf(tmp_path):
    model = write_tiny_model(tmp_path / "source", vocab_size=270)
    assert convert(model, tmp_path / "middle.gguf", "--format", "gguf") == 0
    assert convert(tmp_path / "middle.gguf", tmp_path / "new", "--format", "safetensors") == 0
    assert json.loads((tmp_path / "new" / "vocab.json").read_text()) == json.loads((model / "vocab.json").read_text())
    assert read_vocabulary(tmp_path / "new") == read_vocabulary(model)
    with GPT2.from_pretrained(model) as before, GPT2.from_pretrained(tmp_path / "new") as after:
        assert after.logits([5, 1, 260]) == before.logits([5, 1, 260])


def test_a_vocabulary_that_has_a_pad_of_its_own(tmp_path):
    model = write_tiny_model(tmp_path / "source", vocab_size=270)
    ids = json.loads((model / "vocab.json").read_text())
    own = {"[PAD265]": 261, "[[PAD265]]": 262}
    (model / "vocab.json").write_text(json.dumps(ids | own))
    assert convert(model, tmp_path / "middle.gguf", "--format", "gguf") == 0
    tokens = gguf.GGUFReader(tmp_path / "middle.gguf").fields["tokenizer.ggml.tokens"].contents()
    assert len(set(tokens)) == len(tokens) == 270
    assert tokens[261:266] == [*own, "[PAD263]", "[PAD264]", "[[[PAD265]]]"]
    assert read_vocabulary(tmp_path / "middle.gguf") == read_vocabulary(model)


@pytest.mark.parametrize("kind", ["safetensors", "gguf"])
def test_openais_checkpoint_as_the_source(kind, tmp_path):
    source = ROOT / "tests" / "checkpoints" / "tensorflow" / "fixtures" / "openai"  # TensorFlow wrote it
    assert convert(source, tmp_path / "new", "--format", kind) == 0
    assert names(tmp_path / "new") == FILES[kind]
    assert read_vocabulary(tmp_path / "new") == read_vocabulary(source)
    with GPT2.from_pretrained(source) as before, GPT2.from_pretrained(tmp_path / "new") as after:
        assert after.logits([5, 1, 260]) == before.logits([5, 1, 260])


@pytest.mark.parametrize("kind", ["F32", "F16", "BF16", "Q8_0", "Q4_0"])
def test_a_gguf_as_the_source(kind, tmp_path, capsys):
    model = write_tiny_model(tmp_path / "source", n_embd=64, n_head=2, n_inner=96, tie_word_embeddings=False)
    source = write_gguf(tmp_path / "in.gguf", model, kind)
    assert convert(source, tmp_path / "new", "--format", "safetensors") == 0
    told = capsys.readouterr().err
    assert ("written as F32" in told) == (kind != "F32")  # its vectors are F32
    assert kind == "F32" or f"({' and '.join(sorted(['F32', kind]))} in the source)" in told
    ours = load_file(tmp_path / "new" / "model.safetensors")
    theirs = {
        tensor.name: gguf.dequantize(tensor.data, tensor.tensor_type) for tensor in gguf.GGUFReader(source).tensors
    }
    names_of_theirs = gguf.get_tensor_name_map(gguf.MODEL_ARCH.GPT2, 2)
    assert len(ours) == len(theirs) == 29
    for name, tensor in ours.items():
        numbers = theirs[names_of_theirs.get_name(name, (".weight", ".bias"))]
        assert np.array_equal(tensor.numpy(), numbers.T if name.endswith(TRANSPOSED) else numbers), name
    new, old = Tokenizer.from_pretrained(tmp_path / "new"), Tokenizer.from_pretrained(model)
    assert new.special_tokens == {END_OF_TEXT: 260}
    assert new.encode("on the song") == old.encode("on the song")


def test_a_pytorch_file_as_the_source(model, tmp_path):
    state = load_file(model / "model.safetensors")
    (model / "model.safetensors").unlink()
    torch.save(
        {name.removeprefix("transformer."): tensor for name, tensor in state.items()}, model / "pytorch_model.bin"
    )
    assert convert(model, tmp_path / "new", "--format", "safetensors") == 0
    ours = load_file(tmp_path / "new" / "model.safetensors")
    assert set(ours) == set(state)
    assert all(torch.equal(ours[name], state[name]) for name in state)


@pytest.mark.parametrize("options", [{}, {"tie_word_embeddings": False, "activation_function": "gelu", "n_inner": 17}])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_model_is_the_same_in_transformers(options, dtype, tmp_path):
    write_random_gpt2(tmp_path / "source", dtype=dtype, vocab_size=261, eos_token_id=260, bos_token_id=260, **options)
    write_vocabulary(tmp_path / "source")
    assert convert(tmp_path / "source", tmp_path / "new", "--format", "safetensors") == 0
    ids = torch.tensor([[5, 5, 60, 12, 1]])
    with torch.no_grad():
        before, after = [GPT2LMHeadModel.from_pretrained(tmp_path / name).eval() for name in ("source", "new")]
        assert after.dtype == dtype
        assert torch.equal(after(ids).logits, before(ids).logits)
    assert after.generation_config.eos_token_id == 260
    assert AutoTokenizer.from_pretrained(tmp_path / "new")("the song").input_ids == Tokenizer.from_pretrained(
        tmp_path / "source"
    ).encode("the song")


def test_a_head_that_the_configuration_does_not_mention(tmp_path):
    model = write_tiny_model(tmp_path / "source", tie_word_embeddings=False)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": True}))
    assert convert(model, tmp_path / "new", "--format", "safetensors") == 0
    assert json.loads((tmp_path / "new" / "config.json").read_text())["tie_word_embeddings"] is False
    assert "lm_head.weight" in load_file(tmp_path / "new" / "model.safetensors")


def test_a_head_that_is_wte_once_more_is_not_written(tmp_path):
    model = write_tiny_model(tmp_path / "source")
    state = load_file(model / "model.safetensors")
    save_file(state | {"lm_head.weight": state["transformer.wte.weight"].clone()}, model / "model.safetensors")
    assert convert(model, tmp_path / "new", "--format", "safetensors") == 0
    assert "lm_head.weight" not in load_file(tmp_path / "new" / "model.safetensors")
    assert json.loads((tmp_path / "new" / "config.json").read_text())["tie_word_embeddings"] is True


@pytest.mark.parametrize(
    ("source", "kind", "asked", "written", "note"),
    [
        ("F32", "safetensors", None, "F32", ""),
        ("F64", "safetensors", None, "F64", ""),
        ("F64", "npz", None, "F64", ""),
        ("F64", "gguf", None, "F32", "written as F32 (F64 in the source)"),
        ("F64", "llm.c", None, "F32", "written as F32 (F64 in the source)"),
        ("F16", "npz", None, "F16", ""),
        ("F16", "gguf", None, "F16", ""),
        ("F16", "llm.c", None, "F32", "written as F32 (F16 in the source)"),
        ("BF16", "npz", None, "F32", "written as F32 (BF16 in the source)"),
        ("BF16", "llm.c", None, "BF16", ""),
        ("F32", "safetensors", "bf16", "BF16", ""),
        ("F64", "npz", "f16", "F16", ""),
        ("F16", "gguf", "f32", "F32", ""),
    ],
)  # fmt: skip
def test_the_type_of_the_numbers(source, kind, asked, written, note, tmp_path, capsys):
    dtypes = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
    write_random_gpt2(tmp_path / "source", dtype=dtypes[source], vocab_size=261)
    write_vocabulary(tmp_path / "source")
    assert convert(tmp_path / "source", tmp_path / "new", "--format", kind, *(["--dtype", asked] if asked else [])) == 0
    told = capsys.readouterr().err
    assert f": {written}, " in told
    assert note in told
    assert ("written as" in told) == bool(note)
    path = tmp_path / "new" / WRITERS[kind].file_name
    if kind == "safetensors":
        assert {tensor.dtype for tensor in load_file(path).values()} == {dtypes[written]}
        told_to_others = json.loads((tmp_path / "new" / "config.json").read_text())["dtype"]
        assert told_to_others == str(dtypes[written]).removeprefix("torch.")
    if kind == "npz":
        assert np.load(path)["transformer.wte.weight"].dtype == {"F16": "<f2", "F32": "<f4", "F64": "<f8"}[written]
    if kind == "gguf":
        types = {tensor.name: tensor.tensor_type.name for tensor in gguf.GGUFReader(path).tensors}
        assert (types["token_embd.weight"], types["output_norm.bias"]) == (written, "F32")


def test_mixed_types_become_float32(model, tmp_path, capsys):
    state = load_file(model / "model.safetensors")
    half = {name: tensor.half() if "mlp" in name else tensor for name, tensor in state.items()}
    save_file(half, model / "model.safetensors")
    assert convert(model, tmp_path / "new", "--format", "safetensors") == 0
    assert "written as F32 (F16 and F32 in the source)" in capsys.readouterr().err
    for name, tensor in load_file(tmp_path / "new" / "model.safetensors").items():
        assert torch.equal(tensor, half[name].float())


def test_vectors_of_float32_do_not_count_where_the_format_has_them_so(model, tmp_path, capsys):
    state = load_file(model / "model.safetensors")
    own = {n: t.half() if t.dim() == 2 and "wpe" not in n else t for n, t in state.items()}
    save_file(own, model / "model.safetensors")
    assert convert(model, tmp_path / "new", "--format", "gguf") == 0
    assert ": F16, " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "dtype", "others"), [("npz", "bf16", "f32 and f16"), ("llm.c", "f16", "f32 and bf16")]
)
def test_a_type_that_the_format_does_not_have(kind, dtype, others, model, tmp_path, capsys):
    assert f"--dtype {dtype}: this format has {others}\n" in refused(
        capsys, model, tmp_path / "new", "--format", kind, "--dtype", dtype
    )


@pytest.mark.parametrize("kind", ["gguf", "llm.c"])
def test_an_option_that_the_format_does_not_have(kind, tmp_path, capsys):
    model = write_tiny_model(tmp_path / "source", activation_function="gelu")
    line = refused(capsys, model, tmp_path / "new", "--format", kind)
    assert "activation_function 'gelu'" in line
    assert "write safetensors" in line


def test_numbers_that_are_too_large(tmp_path, capsys):
    model = write_tiny_model(tmp_path / "source", scale=1e6)
    line = refused(capsys, model, tmp_path / "new", "--format", "safetensors", "--dtype", "f16")
    assert "tensor 'transformer.wte.weight': holds" in line
    assert "too large for F16" in line


def test_numbers_that_are_none(model, tmp_path, capsys):
    state = load_file(model / "model.safetensors")
    state["transformer.h.1.mlp.c_fc.weight"][3, 4] = torch.nan
    save_file(state, model / "model.safetensors")
    assert "c_fc.weight': holds nan at [3][4]" in refused(capsys, model, tmp_path / "new", "--format", "npz")


@pytest.mark.parametrize("kind", WRITERS)
def test_files_are_replaced_only_when_asked(kind, model, tmp_path, capsys):
    target = tmp_path / "new"
    assert convert(model, target, "--format", kind) == 0
    before = {path: path.read_bytes() for path in target.iterdir()}
    capsys.readouterr()
    assert "exists already; choose another place, or add --overwrite" in refused(
        capsys, model, target, "--format", kind
    )
    for path in target.iterdir():
        path.write_bytes(before[path][:100])
    assert convert(model, target, "--format", kind, "--overwrite") == 0
    assert {path: path.read_bytes() for path in target.iterdir()} == before


def test_any_file_in_the_way_counts(model, tmp_path, capsys):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "merges.txt").write_text("precious")
    assert "merges.txt: exists already" in refused(capsys, model, tmp_path / "new", "--format", "npz")
    assert (tmp_path / "new" / "merges.txt").read_text() == "precious"


@pytest.mark.parametrize("options", [[], ["--overwrite"]])
@pytest.mark.parametrize("target", ["source", "source/model.safetensors", "source/other.safetensors", "link"])
def test_the_source_is_never_written_to(options, target, model, tmp_path, capsys):
    (tmp_path / "link").symlink_to(model)
    before = {path: path.read_bytes() for path in model.iterdir()}
    line = refused(capsys, model, tmp_path / target, "--format", "safetensors", *options)
    assert "is a file of the source model; choose another folder" in line
    assert {path: path.read_bytes() for path in model.iterdir()} == before


def test_a_gguf_may_lie_beside_its_source(model):
    assert convert(model, model / "tiny.gguf", "--format", "gguf") == 0
    assert (model / "tiny.gguf").is_file()


@pytest.mark.parametrize("options", [[], ["--overwrite"]])
def test_a_folder_with_other_weights_is_refused(options, model, tmp_path, capsys):
    write_tiny_model(tmp_path / "other", seed=1)
    line = refused(capsys, model, tmp_path / "other", "--format", "gguf", *options)
    assert "contains other weights, model.safetensors" in line


def test_a_folder_in_the_way(model, tmp_path, capsys):
    (tmp_path / "new" / "model.npz").mkdir(parents=True)
    line = refused(capsys, model, tmp_path / "new", "--format", "npz", "--overwrite")
    assert "model.npz: is a folder" in line


def test_a_file_in_the_way(model, tmp_path, capsys):
    (tmp_path / "new").write_text("precious")
    line = refused(capsys, model, tmp_path / "new", "--format", "npz")
    assert "cannot be written" in line


def test_no_name(model, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert convert(model, "", "--format", "npz") == 2
    assert "DEST is empty" in capsys.readouterr().err


def test_no_model(tmp_path, capsys):
    none = tmp_path / "none"
    told = f"starchart: no such file or folder: {none}\n"
    assert refused(capsys, none, tmp_path / "new", "--format", "npz") == told
    assert refused(capsys, "", tmp_path / "new", "--format", "npz") == "starchart: no such file or folder: ''\n"
    line = refused(capsys, "my-gpt2", tmp_path / "new", "--format", "npz")
    assert line.startswith("starchart: no model 'my-gpt2': there is no such folder")
    assert "--model" not in line


def test_too_little_room(model, tmp_path, capsys, monkeypatch):
    usage = type("usage", (), {"free": 1_000_000})
    monkeypatch.setattr(destination.shutil, "disk_usage", lambda path: usage)
    line = refused(capsys, model, tmp_path / "new", "--format", "safetensors")
    assert "0.00 GB are free on that disk; make room" in line


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_the_disk_is_full(model, tmp_path, capsys, monkeypatch):
    def write_to_nowhere(file, *_):
        with open("/dev/full", "wb") as full:
            full.write(bytes(100_000))

    monkeypatch.setitem(WRITERS, "npz", replace(WRITERS["npz"], write=write_to_nowhere))
    line = refused(capsys, model, tmp_path / "new", "--format", "npz")
    assert "cannot be written: No space left on device; choose another place" in line


def test_ctrl_c_leaves_nothing(model, tmp_path, monkeypatch):
    def interrupted(file, *_):
        file.write(bytes(1000))
        raise KeyboardInterrupt

    monkeypatch.setitem(WRITERS, "npz", replace(WRITERS["npz"], write=interrupted))
    assert convert(model, tmp_path / "a" / "b", "--format", "npz") == 130
    assert names(tmp_path) == {"source"}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM that could be answered")
def test_a_program_that_is_told_to_end_leaves_nothing(tmp_path):
    model = tmp_path / "source"
    write_random_gpt2(model, n_layer=4, n_embd=512, n_head=4)  # large enough that writing it takes its time
    command = [
        sys.executable,
        "-m",
        "starport",
        "convert",
        model,
        tmp_path / "new",
        "--format",
        "npz",
        "--dtype",
        "f16",
    ]
    paths = {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    with started(command, env={**os.environ, **paths}, stderr=subprocess.PIPE) as process:
        while process.poll() is None and not list(tmp_path.glob(".model.npz.*/model.npz")):
            time.sleep(0.002)
        process.send_signal(signal.SIGTERM)
        _, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (143, b"")
    assert names(tmp_path) == {"source"}


def test_sigterm_means_afterwards_what_it_meant_before(model, tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    assert convert(model, tmp_path / "new", "--format", "npz") == 0
    assert signal.getsignal(signal.SIGTERM) is before


def test_without_a_vocabulary(model, tmp_path, capsys):
    for name in VOCABULARY:
        (model / name).unlink()
    assert convert(model, tmp_path / "new", "--format", "safetensors") == 0
    assert "the model has no vocabulary, and none is written" in capsys.readouterr().err
    assert names(tmp_path / "new") == {"model.safetensors", *CONFIG}
    assert "has no vocabulary, and a file of this format holds one" in refused(
        capsys, model, tmp_path / "tiny.gguf", "--format", "gguf"
    )


def test_a_damaged_vocabulary(model, tmp_path, capsys):
    (model / "merges.txt").write_bytes(b"#version: 0.2\nt h\nnonsense\n")
    assert "merges.txt" in refused(capsys, model, tmp_path / "new", "--format", "safetensors")


def test_a_vocabulary_of_another_model(model, tmp_path, capsys):
    config = {"n_embd": 12, "vocab_size": 61}
    other = write_tiny_model(tmp_path / "other", **config)
    assert "they do not belong together" in refused(capsys, other, tmp_path / "new", "--format", "safetensors")


@pytest.mark.parametrize("name", ["tokenizer.json", "added_tokens.json"])
def test_no_file_of_the_source_is_copied(name, model, tmp_path):
    # vocab.json and merges.txt come first, so tokenizer.json is not read: it could be a link to any secret.
    secret = tmp_path / "id_rsa"
    secret.write_text('{"secret": 999}' if name == "tokenizer.json" else "{ }")
    (model / name).symlink_to(secret)
    assert convert(model, tmp_path / "new", "--format", "npz") == 0
    assert names(tmp_path / "new") == FILES["npz"]


def test_tokenizer_json_becomes_vocab_json_and_merges_txt(model, tmp_path):
    AutoTokenizer.from_pretrained(model).backend_tokenizer.save(str(model / "tokenizer.json"))
    for name in VOCABULARY:
        (model / name).unlink()
    assert convert(model, tmp_path / "new", "--format", "npz") == 0
    assert names(tmp_path / "new") == FILES["npz"]
    assert read_vocabulary(tmp_path / "new") == read_vocabulary(model)


def test_a_special_token_that_a_merge_makes(model, tmp_path, capsys):
    tokenizer = AutoTokenizer.from_pretrained(model).backend_tokenizer
    tokenizer.add_special_tokens(["on"])
    tokenizer.save(str(model / "tokenizer.json"))
    (model / "vocab.json").unlink()
    line = refused(capsys, model, tmp_path / "new", "--format", "npz")
    assert "the special token 'on' is made by a merge too, which vocab.json cannot represent" in line


def test_added_tokens_are_written_into_the_vocabulary(model, tmp_path):
    (model / "added_tokens.json").write_text(json.dumps({"<|more|>": 261}))
    tensors = load_file(model / "model.safetensors")
    tensors["transformer.wte.weight"] = torch.cat([tensors["transformer.wte.weight"], torch.ones(3, 12)])
    save_file(tensors, model / "model.safetensors")
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"vocab_size": 264}))
    assert convert(model, tmp_path / "new", "--format", "npz") == 0
    assert names(tmp_path / "new") == FILES["npz"]
    assert read_vocabulary(tmp_path / "new") == read_vocabulary(model)
    assert read_vocabulary(tmp_path / "new").special_tokens == {END_OF_TEXT: 260, "<|more|>": 261}
    assert convert(model, tmp_path / "tiny.gguf", "--format", "gguf") == 0
    fields = gguf.GGUFReader(tmp_path / "tiny.gguf").fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    assert tokens[258:] == ["Ġthe", "on", "<|endoftext|>", "<|more|>", "[PAD262]", "[PAD263]"]
    assert fields["tokenizer.ggml.token_type"].contents()[258:] == [1, 1, 3, 3, 5, 5]


def test_the_vocabulary_of_a_gguf_is_that_of_the_gguf_package(model, tmp_path):
    assert convert(model, tmp_path / "tiny.gguf", "--format", "gguf") == 0
    fields = {name: field.contents() for name, field in gguf.GGUFReader(tmp_path / "tiny.gguf").fields.items()}
    theirs = gguf.SpecialVocab(model, load_merges=True)
    assert fields["tokenizer.ggml.merges"] == theirs.merges == MERGES
    ids = json.loads((model / "vocab.json").read_text(encoding="utf-8"))
    assert fields["tokenizer.ggml.tokens"] == list(ids)
    assert fields["tokenizer.ggml.eos_token_id"] == fields["tokenizer.ggml.bos_token_id"] == ids[END_OF_TEXT]


@pytest.mark.parametrize(("ends", "count"), [([260, 7], 2), (None, 0)])
def test_other_than_one_end_of_text_is_told(ends, count, model, tmp_path, capsys):
    (model / "generation_config.json").write_text(json.dumps({"eos_token_id": ends}))
    assert convert(model, tmp_path / "tiny.gguf", "--format", "gguf") == 0
    assert f"one token that ends a text, this model {count}" in capsys.readouterr().err
    assert gguf.GGUFReader(tmp_path / "tiny.gguf").fields["tokenizer.ggml.eos_token_id"].contents() == 260
    assert convert(model, tmp_path / "new", "--format", "npz") == 0
    assert json.loads((tmp_path / "new" / "generation_config.json").read_text())["eos_token_id"] == ends


def test_a_model_of_the_box_and_a_single_file(tmp_path, model):
    assert convert("towel", tmp_path / "towel", "--format", "safetensors") == 0
    assert convert(model / "model.safetensors", tmp_path / "new", "--format", "npz") == 0
    assert names(tmp_path / "new") == FILES["npz"]


@needs_pipes
@pytest.mark.parametrize("kind", WRITERS)
def test_a_pipe_that_comes_in_the_place_of_the_source_is_refused_and_nothing_written(kind, model, tmp_path):
    conversion = Conversion.prepared(model, str(tmp_path / "new"), kind, None, overwrite=False)
    pipe = put_pipe(model / "model.safetensors")
    with no_hang(), pytest.raises(CheckpointError) as caught:
        conversion.run(lambda done, total: None)
    assert str(caught.value) == f"{pipe}: cannot be read: it is a pipe, not a regular file"
    assert not (tmp_path / "new").exists()
