"""The repr of a model, its parts and a recording: one informative line."""

import pytest

from starchart import GPT2, Tokenizer
from starchart.engines.packed.arithmetic.lanes import FAST
from starchart.engines.packed.packed_engine import PackedEngine
from starchart.tap import Recording
from starport.engines.torch_engine import TorchEngine
from tests.tiny_model import write_tiny_model

SIZES = "2 layers, 3 heads, 12 channels, 16 positions, 261 tokens"


@pytest.fixture
def folder(tmp_path):
    return write_tiny_model(tmp_path, seed=4)


@pytest.mark.parametrize(
    ("engine", "settings", "shown"),
    [
        ("reference", {}, "reference engine"),
        ("packed", {"workers": 2}, "PackedEngine(full, 2 workers)"),
        ("packed", {"workers": 1, "precision": "fast"}, "PackedEngine(fast, 1 worker)"),
        (TorchEngine(dtype="float64"), {}, "TorchEngine('cpu', 'float64')"),
    ],
    ids=str,
)
def test_a_model(engine, settings, shown, folder):
    with GPT2.from_pretrained(folder, engine, **settings) as gpt2:
        assert repr(gpt2) == f"GPT2({SIZES}; {shown})"


def test_an_engine_without_a_model():
    assert repr(PackedEngine(FAST, workers=2)) == "PackedEngine(fast)"


def test_a_tokenizer(folder):
    assert repr(Tokenizer.from_pretrained(folder)) == "Tokenizer(261 tokens, end of text: 260)"


def test_a_recording_says_what_it_holds_and_not_the_numbers(folder):
    recording = Recording()
    assert repr(recording) == "Recording(0 values)"
    GPT2.from_pretrained(folder).logits([5, 6, 7], tap=recording)
    assert repr(recording) == (
        "Recording(36 values: wte [3, 12], wpe [3, 12], h.0.resid_pre [3, 12], h.0.ln_1 [3, 12], ..., logits [3, 261])"
    )
    recording = Recording("h.*.attn.z")
    GPT2.from_pretrained(folder).logits([5, 6, 7], tap=recording)
    assert repr(recording) == "Recording(2 values: h.0.attn.z [3, 3, 4], h.1.attn.z [3, 3, 4])"
