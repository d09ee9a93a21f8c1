"""`starchart golden`: what other libraries read in its files is what a run has, to the bit."""

import gc
import hashlib
import json
import tracemalloc
from math import fsum, prod

import numpy as np
import pytest
from safetensors.numpy import load_file

from starchart import GPT2
from starchart.model.config import GPT2Config
from starchart.tap import Recording
from starport.cli import main
from starport.porting.golden import Golden
from tests.tiny_model import write_tiny_model

IDS, STEPS = [5, 260, 31, 5, 200], 3
MODELS = {
    "plain": {},
    "one head, untied": {"n_head": 1, "tie_word_embeddings": False, "n_layer": 1, "n_inner": 17},
    "every layer scaled": {"scale_attn_by_inverse_layer_idx": True, "n_layer": 3, "activation_function": "gelu"},
}
NAMES = {"f64": "<f8", "f32": "<f4"}  # by NumPy
SPECIAL = {"NaN": np.nan, "Infinity": np.inf, "-Infinity": -np.inf}


@pytest.fixture(scope="module", params=MODELS)
def model(request, tmp_path_factory):
    return write_tiny_model(tmp_path_factory.mktemp("model"), seed=7, **MODELS[request.param])


def golden(model, out, *options, ids=IDS):
    """Run the command and return the index."""
    listed = ",".join(map(str, ids))
    assert main(["golden", str(model), "--ids", listed, "--out", str(out), *map(str, options)]) == 0
    return json.loads((out / "index.json").read_text(encoding="utf-8"))


def numbers(lists):
    """Return nested lists of JSON as an array, with the NaN and infinities that stand there as strings."""
    if isinstance(lists, list):
        return np.array([numbers(part) for part in lists])
    return SPECIAL[lists] if isinstance(lists, str) else lists


def read_values(out, index):
    """Return the arrays of a folder by name, as the library of its format reads them."""
    dtype = NAMES[index["dtype"].lower()]
    if index["format"] == "safetensors":
        return load_file(out / index["file"])
    if index["format"] == "npz":
        with np.load(out / index["file"]) as archive:
            return dict(archive)
    if index["format"] == "npy":
        assert index["file"] == "NAME.npy"
        return {name: np.load(out / f"{name}.npy") for name in index["values"]}
    lists = json.loads((out / index["file"]).read_text(encoding="utf-8"))
    return {name: numbers(value).astype(dtype) for name, value in lists.items()}


def recorded(model, ids=IDS, steps=STEPS, engine="reference"):
    """Return the tokens of `generate`, and the recordings of the prompt's pass and of each step with the cache."""
    with GPT2.from_pretrained(model, engine, **({"pack_cache": False} if engine == "packed" else {})) as gpt2:
        tokens = list(gpt2.generate(ids, max_new_tokens=steps, temperature=0)) if steps else []
        first = Recording()
        _, cache = gpt2.read(ids, last_only=False, tap=first)
        values = dict(first)
        for step, token in enumerate(tokens, 1):
            recording = Recording()
            _, cache = gpt2.read([token], cache, tap=recording)
            values |= {f"step.{step}/{name}": value for name, value in recording.items()}
        return tokens, {name: np.array(value) for name, value in values.items()}


@pytest.mark.parametrize("dtype", NAMES)
@pytest.mark.parametrize("form", ["safetensors", "npz", "npy", "json"])
def test_the_values_of_a_run(model, form, dtype, tmp_path):
    index = golden(model, tmp_path / "out", "--new", STEPS, "--format", form, "--dtype", dtype)
    tokens, expected = recorded(model)
    assert (index["ids"], index["generated_ids"]) == (IDS, tokens)
    found = read_values(tmp_path / "out", index)
    assert found.keys() == expected.keys()
    assert list(index["values"]) == list(expected)
    for name, value in expected.items():
        rounded = value.astype(NAMES[dtype])  # once, to nearest: IEEE 754-2019, section 4.3.1
        assert found[name].dtype == NAMES[dtype]
        assert found[name].shape == value.shape, name
        assert found[name].tobytes() == rounded.tobytes(), name


@pytest.mark.parametrize("dtype", NAMES)
def test_the_index(model, dtype, tmp_path):
    index = golden(model, tmp_path / "out", "--new", 1, "--dtype", dtype)
    with GPT2.from_pretrained(model) as gpt2:
        assert GPT2Config.from_json(index["config"]) == gpt2.config
    assert (index["model"], index["engine"], index["prompt"]) == (str(model), "reference", None)
    assert index["versions"].keys() == {"starchart", "python"}
    for name, array in read_values(tmp_path / "out", index).items():
        entry = index["values"][name]
        assert entry["shape"] == list(array.shape)
        assert entry["dtype"] == dtype.upper()
        assert entry["sha256"] == hashlib.sha256(array.tobytes()).hexdigest()
        assert entry["sum"] == fsum(map(float, array.flat))
        assert (entry["minimum"], entry["maximum"]) == (float(array.min()), float(array.max()))
        assert entry["first"] == [float(number) for number in array.flat[:8]]


def test_one_token_and_nothing_after_it(model, tmp_path):
    index = golden(model, tmp_path / "out", ids=[17])
    _, expected = recorded(model, [17], 0)
    found = read_values(tmp_path / "out", index)
    assert {name: array.tobytes() for name, array in found.items()} == {n: a.tobytes() for n, a in expected.items()}
    heads = GPT2Config.from_json(index["config"]).n_head
    assert index["values"]["h.0.attn.scores"]["shape"] == [heads, 1, 1]
    assert index["generated_ids"] == []


def test_the_end_of_a_text_does_not_end_the_steps(tmp_path):
    model = write_tiny_model(tmp_path / "model")
    tokens, _ = recorded(model, steps=1)
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    (model / "config.json").write_text(json.dumps(config | {"eos_token_id": tokens[0]}), encoding="utf-8")
    index = golden(model, tmp_path / "out", "--new", 3)
    assert index["generated_ids"][0] == index["config"]["eos_token_id"]
    assert len(index["generated_ids"]) == 3
    assert "step.3/logits" in index["values"]


def test_the_context_filled_to_its_end(tmp_path):
    model = write_tiny_model(tmp_path / "model", n_positions=7, n_layer=1)
    index = golden(model, tmp_path / "out", "--new", 2)
    assert index["values"]["step.2/h.0.attn.pattern"]["shape"] == [3, 1, 7]


@pytest.mark.parametrize("engine", ["packed", "torch"])
def test_other_engines(engine, tmp_path):
    """Names and shapes are those of every engine; with the packed engine the values are those of its own run."""
    model = write_tiny_model(tmp_path / "model", seed=2, n_head=1, tie_word_embeddings=False)
    if engine == "torch":
        pytest.importorskip("torch")
    index = golden(model, tmp_path / "out", "--new", 2, "--engine", engine, "--no-pack-cache")
    _, expected = recorded(model, steps=2, engine="packed")
    found = read_values(tmp_path / "out", index)
    assert {name: array.shape for name, array in found.items()} == {n: array.shape for n, array in expected.items()}
    assert list(index["values"]) == list(expected)
    assert index["engine"] == engine
    assert ("torch" in index["versions"]) == (engine == "torch")
    if engine == "packed":
        assert {name: array.tobytes() for name, array in found.items()} == {n: a.tobytes() for n, a in expected.items()}


def test_only_what_is_asked_for(tmp_path):
    model = write_tiny_model(tmp_path / "model")
    whole = golden(model, tmp_path / "whole", "--new", 2)
    patterns = ["--only", "h.*.attn.scores", "--only", "step.2/logits"]
    some = golden(model, tmp_path / "some", "--new", 2, *patterns)
    scores = [f"{step}h.{n}.attn.scores" for step in ("", "step.1/", "step.2/") for n in (0, 1)]
    assert list(some["values"]) == [*scores, "step.2/logits"]
    assert some["values"] == {name: whole["values"][name] for name in some["values"]}
    assert read_values(tmp_path / "some", some).keys() == some["values"].keys()


@pytest.mark.parametrize("form", ["safetensors", "npz", "npy", "json"])
@pytest.mark.parametrize("dtype", NAMES)
def test_nan_and_infinity_are_kept(form, dtype, tmp_path):
    model = write_tiny_model(tmp_path / "model", dtype="F64", scale=1e100, n_layer=1)
    index = golden(model, tmp_path / "out", "--format", form, "--dtype", dtype)
    _, expected = recorded(model, steps=0)
    found = read_values(tmp_path / "out", index)
    assert {name for name, value in expected.items() if np.isnan(value).any()}
    assert {name for name, value in expected.items() if np.isinf(value).any()}
    for name, value in expected.items():
        with np.errstate(over="ignore"):
            rounded = value.astype(NAMES[dtype])
        assert np.array_equal(found[name], rounded, equal_nan=True), name
        entry = index["values"][name]
        for key, number in (("minimum", rounded.min()), ("maximum", rounded.max())):
            assert np.array_equal(numbers(entry[key]), float(number), equal_nan=True), name
        if not np.isfinite(rounded).all():
            assert entry["sum"] in SPECIAL
        assert np.array_equal(numbers(entry["first"]), rounded.flat[:8], equal_nan=True)


def test_the_same_run_gives_the_same_bytes(tmp_path):
    model = write_tiny_model(tmp_path / "model")
    for form in ("safetensors", "npz", "json"):
        for out in ("first", "second"):
            golden(model, tmp_path / form / out, "--new", 1, "--format", form)
        files = [sorted((tmp_path / form / out).iterdir()) for out in ("first", "second")]
        assert [file.read_bytes() for file in files[0]] == [file.read_bytes() for file in files[1]]


def peak_of(work):
    """Return the bytes that `work` allocates at once, beyond what was allocated before."""
    gc.collect()
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "form", ["safetensors", *(pytest.param(form, marks=pytest.mark.slow) for form in ("npz", "npy", "json"))]
)
def test_no_more_than_one_value_is_in_memory(form, tmp_path):
    """Writing takes less than one value more than the run itself, and far less than all of them together."""
    model = write_tiny_model(tmp_path / "model", n_layer=24, n_embd=24, n_positions=64)
    ids = [7 * n % 261 for n in range(24)]
    with GPT2.from_pretrained(model) as gpt2:
        plan = Golden.planned(gpt2.config, ids, str(tmp_path / "out"), format_name=form)
        largest, total = max(map(prod, plan.shapes.values())), sum(map(prod, plan.shapes.values()))
        assert total > 50 * largest
        run = peak_of(lambda: gpt2.logits(ids, tap=lambda name, value: value))
        writing = peak_of(lambda: plan.write(gpt2, {}, lambda *_: None))
    float_bytes = 32  # a float in a list: 24 and a pointer of 8
    assert writing - run < float_bytes * largest + 600_000  # what stays: summaries, files' buffers, zip directory
    assert total * float_bytes > 2 * (writing + float_bytes * largest)
