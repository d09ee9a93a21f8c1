"""`starchart inspect`: its numbers are NumPy's, and a wrong model is shown too."""

import errno
import hashlib
import json
import os
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from starchart import GPT2
from starchart.checkpoints.checkpoint import load_checkpoint
from starchart.engines.packed.arithmetic.lanes import FAST, FULL
from starchart.engines.packed.limits import packed_memory
from starchart.errors import CheckpointError, VocabularyError
from starport.cli import main
from starport.commands.open_model import choose_model
from starport.inspection.inspect import inspect
from tests.checkpoints.damage import damage
from tests.checkpoints.gguf.raw_gguf import entry, gguf_file
from tests.hanging import needs_pipes, no_hang, put_pipe
from tests.random_gpt2 import write_random_gpt2
from tests.tiny_model import write_tiny_model, write_vocabulary

WPE = "transformer.wpe.weight"


@pytest.fixture
def model(tmp_path):
    return write_tiny_model(tmp_path / "model", n_inner=17)


def change(model: Path, changed: dict[str, torch.Tensor | None]) -> Path:
    """Replace tensors of a model, or take them away."""
    state = load_file(model / "model.safetensors") | changed
    save_file({name: tensor for name, tensor in state.items() if tensor is not None}, model / "model.safetensors")
    return model


def report(capsys, model, *options, code=0):
    capsys.readouterr()  # what transformers told
    assert main(["inspect", str(model), "--json", *options]) == code
    told = capsys.readouterr()
    found = json.loads(told.out)
    assert [f"starchart: {fault}" for fault in found["faults"]] == told.err.splitlines()
    assert all(fault.isprintable() for fault in found["faults"])
    return found


def by_name(found):
    return {tensor["name"]: tensor for tensor in found["tensors"]}


def loaders_words(model):
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(model)
    return str(caught.value)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_the_numbers_are_numpys(dtype, tmp_path, capsys):
    write_random_gpt2(tmp_path, dtype=dtype, vocab_size=3001)  # wte is read in two parts
    tensors = by_name(report(capsys, tmp_path))
    state = load_file(tmp_path / "model.safetensors")
    assert list(tensors) == sorted(state, key=list(tensors).index)
    for name, tensor in state.items():
        numbers, found = tensor.double().numpy(), tensors[name]
        assert (found["shape"], found["parameters"]) == (list(tensor.shape), tensor.numel())
        values = found["values"]
        assert (values["count"], values["nans"], values["infinities"]) == (tensor.numel(), 0, 0)
        assert (values["smallest"], values["largest"]) == (numbers.min(), numbers.max())
        assert values["mean"] == pytest.approx(numbers.mean(), rel=1e-13, abs=1e-15)
        assert values["deviation"] == pytest.approx(numbers.std(), rel=1e-12)


def test_nothing_cancels_where_the_mean_is_large(model, capsys):
    # 33000 numbers take two parts. A sum of squares less a square of the mean would have lost all of it.
    numbers = torch.tensor(np.random.default_rng(0).normal(1e9, 1e-3, (2750, 12)))
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"n_positions": 2750}))
    values = by_name(report(capsys, change(model, {WPE: numbers})))[WPE]["values"]
    assert values["mean"] == pytest.approx(numbers.numpy().mean(), rel=1e-15)
    assert values["deviation"] == pytest.approx((numbers.numpy() - 1e9).std(), rel=1e-3)


def test_a_constant_does_not_deviate(model, capsys):
    values = by_name(report(capsys, change(model, {WPE: torch.full((16, 12), 0.1)})))[WPE]["values"]
    assert values["deviation"] < 1e-17
    assert values["smallest"] == values["largest"] == float(np.float32(0.1))


@pytest.mark.parametrize("bad", [[torch.nan], [torch.inf], [-torch.inf, torch.inf], [torch.nan, torch.inf, -torch.inf]])
def test_numbers_that_are_not_finite_are_counted_and_left_out(bad, model, capsys):
    wpe = load_file(model / "model.safetensors")[WPE]
    finite = wpe.flatten()[len(bad) :].double().numpy()
    wpe.flatten()[: len(bad)] = torch.tensor(bad)
    found = report(capsys, change(model, {WPE: wpe}), code=2)
    values = by_name(found)[WPE]["values"]
    nans = sum(map(np.isnan, bad))
    assert (values["nans"], values["infinities"], values["count"]) == (nans, len(bad) - nans, len(finite))
    assert (values["smallest"], values["largest"]) == (finite.min(), finite.max())
    assert values["mean"] == pytest.approx(finite.mean(), rel=1e-12)
    assert values["deviation"] == pytest.approx(finite.std(), rel=1e-12)
    assert found["faults"] == [f"{model / 'model.safetensors'}: tensor '{WPE}': holds {bad[0]} at [0][0]; weights must be finite numbers"]  # fmt: skip  # noqa: E501
    assert report(capsys, model, "--no-values")["faults"] == []


@pytest.mark.parametrize(("shape", "place"), [((), ""), ((1, 16, 12), "[0][3][5]"), ((2, 8, 3, 4), "[0][3][2][1]")])
def test_a_nan_in_a_tensor_of_the_wrong_number_of_axes(shape, place, model, capsys):
    numbers = torch.zeros(shape)
    numbers[tuple(map(int, place[1:-1].split("]["))) if place else ()] = torch.nan
    found = report(capsys, change(model, {WPE: numbers}), code=2)
    assert any(f"tensor '{WPE}': holds nan at {place or 'its only place'};" in fault for fault in found["faults"])


def test_not_one_number_is_finite(model, capsys):
    found = report(capsys, change(model, {WPE: torch.full((16, 12), torch.nan)}), code=2)
    values = by_name(found)[WPE]["values"]
    assert (values["nans"], values["smallest"], values["mean"], values["deviation"]) == (192, None, None, None)


def test_parameters_and_memory(tmp_path, capsys):
    for tied in (True, False):
        model = write_tiny_model(tmp_path / str(tied), tie_word_embeddings=tied)
        found = report(capsys, model)
        state = load_file(model / "model.safetensors")
        assert found["parameters"] == sum(tensor.numel() for tensor in state.values())
        config, _ = load_checkpoint(model)
        assert found["memory"]["packed, full precision"] == packed_memory(config, FULL, 1, 1 if tied else 2)
        assert found["memory"]["packed, fast precision"] == packed_memory(config, FAST, 1, 1 if tied else 2)
        assert found["memory"]["reference"] > 4 * found["parameters"]
        assert found["vocabulary"] == "261 tokens"
        assert (found["format"], found["config"]["n_embd"]) == ("safetensors", 12)


def test_lanes_are_those_of_the_engine(tmp_path, monkeypatch, capsys):
    """Full precision chooses from the weights; what fast precision chose is in the pack."""
    monkeypatch.setenv("STARCHART_CACHE", str(tmp_path / "cache"))
    model = write_tiny_model(tmp_path / "model", seed=8, n_inner=600)
    precisions = ["packed, full precision", "packed, fast precision"]
    lanes = report(capsys, model)["lanes"]
    assert list(lanes) == precisions
    assert lanes[precisions[1]] is None
    assert {name for name, width in lanes[precisions[0]].items() if width == 52} == {"h.0.mlp.c_proj", "h.1.mlp.c_proj"}
    for precision, name in zip(("full", "fast"), precisions, strict=True):
        with GPT2.from_pretrained(model, "packed", precision=precision) as gpt2:
            chosen = {layer: own.width for layer, own in gpt2._engine._packed.filled.lanes.items()}
        assert report(capsys, model)["lanes"][name] == chosen
    (width,) = set(chosen.values())
    assert main(["inspect", str(model)]) == 0
    told = capsys.readouterr().out
    assert "lanes, packed, full precision: 52 bits (2 matrices), 56 bits (7 matrices)\n" in told
    assert f"lanes, packed, fast precision: {width} bits (9 matrices)\n" in told


def test_files_and_their_fingerprints(model, capsys):
    found = report(capsys, model, "--no-values")
    files = {Path(file["file"]).name: file for file in found["files"]}
    assert list(files) == ["model.safetensors", "config.json", "vocab.json", "merges.txt"]
    for name, file in files.items():
        raw = (model / name).read_bytes()
        assert (file["bytes"], file["sha256"]) == (len(raw), hashlib.sha256(raw).hexdigest())
    assert {tensor["values"] for tensor in found["tensors"]} == {None}


def test_masks_and_a_head_that_is_wte_are_marked(model, capsys):
    wte = load_file(model / "model.safetensors")["transformer.wte.weight"]
    before = report(capsys, model)["parameters"]
    masks = {"transformer.h.0.attn.bias": torch.ones(1, 1, 16, 16, dtype=torch.bool)}
    masks["transformer.h.1.attn.masked_bias"] = torch.tensor(-1e4)
    found = report(capsys, change(model, {"lm_head.weight": wte.clone(), **masks}))
    tensors = by_name(found)
    assert found["parameters"] == before
    assert {name: tensor["use"] for name, tensor in tensors.items() if tensor["use"] != "weight"} == {
        "lm_head.weight": "tied",
        **dict.fromkeys(masks, "mask"),
    }
    assert tensors["transformer.h.0.attn.bias"]["values"] is None  # no numbers
    assert tensors["transformer.h.1.attn.masked_bias"]["values"]["mean"] == -1e4


@pytest.mark.parametrize(
    "changed",
    [
        {"transformer.h.1.ln_2.bias": None, "stranger": torch.ones(2)},
        {WPE: torch.ones(16, 13)},
        {"wpe.weight": torch.ones(16, 12)},
        {WPE: torch.ones(16, 12, dtype=torch.int32)},
    ],
)
def test_a_wrong_model_is_shown_and_then_what_is_wrong(changed, model, capsys):
    change(model, changed)
    found = report(capsys, model, code=2)
    tensors = by_name(found)
    assert set(tensors) == set(load_file(model / "model.safetensors"))
    assert tensors.get("stranger", {"use": "stranger", "our_name": None})["use"] == "stranger"
    assert tensors["transformer.ln_f.weight"]["values"]["count"] == 12
    if changed.get(WPE, torch.ones(1)).dtype == torch.int32:  # said when it is read
        assert "is of dtype I32; weights must be of one of these" in found["faults"][0]
    else:
        assert found["faults"] == [loaders_words(model)]


def test_without_a_configuration(model, capsys):
    (model / "config.json").unlink()
    found = report(capsys, model, code=2)
    assert len(found["tensors"]) == 28
    assert (found["config"], found["memory"]) == (None, {})
    assert found["faults"] == [loaders_words(model)]
    assert found["parameters"] > 0


def test_a_file_that_is_no_checkpoint(model, capsys):
    (model / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n")
    found = report(capsys, model, code=2)
    assert found["tensors"] == []
    assert "Git LFS pointer" in found["faults"][0]
    assert Path(found["files"][0]["file"]).name == "model.safetensors"


def test_a_folder_without_weights(model, capsys):
    (model / "model.safetensors").rename(model / "weights.safetensors.part")
    found = report(capsys, model, code=2)
    assert (found["files"], found["tensors"], found["parameters"]) == ([], [], 0)
    assert "holds no weights" in found["faults"][0]


def test_a_folder_that_has_no_model_is_one_line(tmp_path, capsys):
    for number in range(20):
        (tmp_path / f"photo-{number}").write_bytes(b"no model")
    assert main(["inspect", str(tmp_path)]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert [line[: len(str(tmp_path)) + 30] for line in told.err.splitlines()] == [
        f"starchart: {tmp_path}: holds no weights;"
    ]


def test_no_such_model(tmp_path, capsys):
    assert main(["inspect", str(tmp_path / "none")]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == f"starchart: no such file or folder: {tmp_path / 'none'}\n"


def test_shards(tmp_path, capsys):
    write_random_gpt2(tmp_path / "whole")
    state = load_file(tmp_path / "whole" / "model.safetensors")
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "config.json").write_bytes((tmp_path / "whole" / "config.json").read_bytes())
    parts = {"model-00001-of-00002.safetensors": {}, "model-00002-of-00002.safetensors": {}}
    index = {}
    for number, (name, tensor) in enumerate(state.items()):
        file = list(parts)[number % 2]
        parts[file][name], index[name] = tensor, file
    for file, tensors in parts.items():
        save_file(tensors, tmp_path / "shards" / file)
    (tmp_path / "shards" / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    found = report(capsys, tmp_path / "shards")
    files = {Path(file["file"]).name for file in found["files"]}
    assert files == {"model.safetensors.index.json", *parts, "config.json"}
    assert {tensor["name"]: Path(tensor["file"]).name for tensor in found["tensors"]} == index


def test_a_vocabulary_that_does_not_fit(tmp_path, capsys):
    write_random_gpt2(tmp_path)
    assert report(capsys, tmp_path)["vocabulary"] == "no vocabulary"
    assert main(["inspect", str(tmp_path)]) == 0
    assert "vocabulary  none; the model has 61 tokens" in capsys.readouterr().out.splitlines()[:5]
    write_vocabulary(tmp_path)
    found = report(capsys, tmp_path, code=2)
    assert found["vocabulary"] == "none that fits"
    assert "the vocabulary has 261 tokens and the model 61: they do not belong together" in found["faults"][0]


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("vocab.json", None, "no vocab.json; needed are"),
        ("merges.txt", None, "no merges.txt; needed are"),
        ("vocab.json", '{"a": 0, ', "vocab.json: "),
        ("merges.txt", "a b c", "merges.txt: line 1"),
    ],
)
def test_half_a_vocabulary_or_a_damaged_one_is_a_fault(file, text, words, model, capsys):
    if text is None:
        (model / file).unlink()
    else:
        (model / file).write_text(text)
    (fault,) = report(capsys, model, code=2)["faults"]
    assert words in fault
    with pytest.raises(VocabularyError) as caught:
        choose_model(str(model))
    assert str(caught.value) == fault


def test_nan_and_infinite_are_counted_apart_and_columns_without_values_are_left_out(model, capsys):
    wpe = load_file(model / "model.safetensors")[WPE]
    wpe.flatten()[:3] = torch.tensor([torch.nan, torch.inf, -torch.inf])
    assert main(["inspect", str(change(model, {WPE: wpe}))]) == 2
    (row,) = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith(WPE)]
    assert row[-2:] == ["1", "2"]
    assert main(["inspect", "--no-values", str(model)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[6].split() == ["tensor", "dtype", "shape", "parameters"]
    assert [WPE, "F32", "16x12", "192"] in [line.split() for line in lines]


def test_names_that_do_not_print(model, capsys):
    change(model, {"a\n\x1b[2Jb": torch.ones(1), "x" * 500: torch.ones(1)})
    assert main(["inspect", str(model)]) == 2
    told = capsys.readouterr()
    assert all(line.isprintable() for line in [*told.out.splitlines(), *told.err.splitlines()])
    assert max(map(len, told.out.splitlines())) < 400
    assert r"'a\n\x1b[2Jb'" in told.out


def test_the_table(model, capsys):
    change(model, {"transformer.h.0.attn.bias": torch.ones(1, 1, 16, 16, dtype=torch.uint8)})
    assert main(["inspect", str(model)]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    lines = told.out.splitlines()
    assert lines[:6] == [
        "kind        GPT-2",
        "size        2 layers, 3 heads, 12 channels, 16 positions",
        "vocabulary  261 tokens",
        f"parameters  {report(capsys, model)['parameters']:,}",
        "format      safetensors, F32",
        "",
    ]
    assert lines[6].split() == ["tensor", "dtype", "shape", "parameters", "min", "mean", "max", "std", "nan", "inf"]
    rows = {line.split()[0]: line.split()[1:] for line in lines[7:36]}
    numbers = load_file(model / "model.safetensors")["transformer.h.1.mlp.c_fc.weight"].numpy()
    shown = [f"{x:.4g}" for x in (numbers.min(), numbers.mean(), numbers.max(), numbers.std())]
    assert rows["transformer.h.1.mlp.c_fc.weight"] == ["F32", "12x17", "204", *shown]
    assert rows["transformer.h.0.attn.bias"] == ["U8", "1x1x16x16", "256", "mask"]
    assert any(line.startswith("memory, packed, full precision: ") for line in lines)
    assert lines[-1].startswith("on disk: ")


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "is empty; fetch it again"), (5, "is cut off after 5 bytes; fetch it again"), (8, "is cut off after 8 bytes")],
)
def test_weights_that_are_empty_or_cut_within_the_first_bytes(size, words, model, capsys):
    path = model / "model.safetensors"
    path.write_bytes(path.read_bytes()[:size])
    assert f"{path}: {words}" in report(capsys, model, code=2)["faults"][0]


def test_progress_is_told(model):
    seen = []
    inspect(model, True, lambda what, done, total: seen.append((done, total)))
    assert seen == [(number, 28) for number in range(28)]


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "vocab.json"])
def test_damaged_files_are_shown_or_refused(name, tmp_path, capsys):
    model = write_tiny_model(tmp_path, n_embd=4, n_head=2, n_layer=1)
    data = (model / name).read_bytes()
    rng = random.Random(f"inspect {name}")
    faults = 0
    for _ in range(150):
        (model / name).write_bytes(damage([data], rng))
        code = main(["inspect", str(model)])
        told = capsys.readouterr()
        assert code == (2 if told.err else 0)
        assert all(line.isprintable() for line in [*told.out.splitlines(), *told.err.splitlines()])
        faults += code == 2
    assert faults > 50 or name == "vocab.json"


@pytest.mark.skipif(os.name == "nt", reason="no such names there")
def test_names_of_files_do_not_speak_to_the_terminal(tmp_path, capsys):
    name = "a\x1b]0;pwned\x07\nx.bin"
    (tmp_path / name).write_bytes(b"nothing")
    assert main(["inspect", str(tmp_path)]) == 2
    assert main(["inspect", str(tmp_path / name)]) == 2
    told = capsys.readouterr()
    assert "a?]0;pwned??x.bin" in told.out
    assert all(line.isprintable() for line in (told.out + told.err).split("\n"))
    assert main(["inspect", str(tmp_path / name), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["files"][0]["file"].endswith(name)


def test_a_file_that_cannot_be_read_is_named(model, monkeypatch, capsys):
    def broken(file, kind):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("starport.inspection.inspect.file_digest", broken)
    assert main(["inspect", str(model)]) == 2
    assert f"starchart: {model / 'model.safetensors'}: cannot be read: Input/output error" in capsys.readouterr().err


def test_what_cannot_be_loaded_begins_with_what_is_known(model, capsys):
    (model / "config.json").unlink()
    assert main(["inspect", "--no-values", str(model)]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["kind        not a GPT-2 that can be loaded", "vocabulary  261 tokens"]
    assert [line.split()[0] for line in lines[2:5] if line] == ["parameters", "format"]


@pytest.mark.parametrize("damaged", ["version", "metadata"])
@pytest.mark.parametrize("as_file", [True, False])
def test_a_damaged_gguf_file_is_one_fault_though_two_readers_see_it(damaged, as_file, tmp_path, capsys):
    data = gguf_file(version=0) if damaged == "version" else gguf_file([entry("a", 13, b"")])
    (tmp_path / "model.gguf").write_bytes(data)
    assert main(["inspect", str(tmp_path / "model.gguf" if as_file else tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"starchart: {tmp_path / 'model.gguf'}: ")


@needs_pipes
def test_a_pipe_that_comes_in_the_place_of_the_weights(model, capsys):
    def replace(what, done, total):
        if not done:
            put_pipe(model / "model.safetensors")

    with no_hang(), pytest.raises(CheckpointError, match="it is a pipe, not a regular file"):
        inspect(model, True, replace)


@needs_pipes
def test_a_pipe_beside_the_weights_is_told_once(model, capsys):
    put_pipe(model / "generation_config.json")
    with no_hang():
        assert main(["inspect", "--no-values", str(model)]) == 0
    fault = "is ignored: it is a pipe, not a regular file"
    assert capsys.readouterr().err == f"starchart: {model / 'generation_config.json'}: {fault}\n"
