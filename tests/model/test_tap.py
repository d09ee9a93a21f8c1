"""Taps see every named value and can change it; a name that never ran is an error."""

import pytest

from starchart.engines import reference
from starchart.errors import TapError
from starchart.gpt2 import GPT2
from starchart.tap import Changes, Recording, no_tap, under
from starport.engines.torch_engine import TorchEngine
from tests.numpy_engine import NumpyEngine
from tests.tiny_model import write_tiny_model

IDS = [72, 101, 108, 108, 111]


@pytest.fixture
def folder(tmp_path):
    write_tiny_model(tmp_path, seed=8)
    return tmp_path


def test_a_recording_changes_no_bit(folder):
    gpt2 = GPT2.from_pretrained(folder)
    recording = Recording()
    assert gpt2.logits(IDS, tap=recording) == gpt2.logits(IDS) == recording["logits"]
    assert recording["h.1.resid_pre"] == recording["h.0.resid_post"]


@pytest.mark.parametrize("engine", [NumpyEngine(), TorchEngine(dtype="float64")], ids=["numpy", "torch"])
def test_engines_show_the_same_values_as_lists(folder, engine):
    ours, theirs = Recording(), Recording()
    GPT2.from_pretrained(folder).logits(IDS, tap=ours)
    GPT2.from_pretrained(folder, engine=engine).logits(IDS, tap=theirs)
    assert list(ours) == list(theirs)
    for name in ours:
        for a, b in zip(flat(ours[name]), flat(theirs[name]), strict=True):
            assert a == pytest.approx(b, abs=1e-12)  # some hundred roundings of values of about 1 to 10


def flat(value):
    return [number for part in value for number in flat(part)] if isinstance(value, list) else [value]


@pytest.mark.parametrize(
    "engine", [reference, NumpyEngine(), TorchEngine(dtype="float64")], ids=["reference", "numpy", "torch"]
)
@pytest.mark.parametrize(
    "name",
    ["wte", "wpe", "h.0.ln_1", "h.0.attn.q", "h.1.attn.scores", "h.1.attn.z", "h.0.mlp.act", "h.1.resid_mid", "ln_f"],
)
def test_a_change_is_felt(folder, name, engine):
    gpt2 = GPT2.from_pretrained(folder, engine=engine)
    with Changes({name: halved}) as tap:
        assert gpt2.logits(IDS, tap=tap) != gpt2.logits(IDS)


def halved(value):
    return [halved(part) for part in value] if isinstance(value, list) else value / 2


def test_no_value_passes_through_a_silenced_head(folder):
    gpt2 = GPT2.from_pretrained(folder)
    recording = Recording()

    def silence(z):  # [H][T][D]
        return [[[0.0] * len(row) for row in z[0]], *z[1:]]

    with Changes({"h.0.attn.z": silence}) as tap:
        gpt2.logits(IDS, tap=lambda name, value: recording(name, tap(name, value)))
    weight = GPT2.from_pretrained(folder)._weights.h[0].attn.c_proj  # [out][in] as prepared
    head = len(recording["h.0.attn.z"][0][0])
    for t, row in enumerate(recording["h.0.attn.c_proj"]):
        joined = [value for part in recording["h.0.attn.z"][1:] for value in part[t]]
        for c, value in enumerate(row):
            by_hand = sum(w * x for w, x in zip(weight.weight[c][head:], joined, strict=True)) + weight.bias[c]
            assert value == pytest.approx(by_hand, abs=1e-12)  # a dozen roundings of numbers of about 1


def test_a_name_that_never_ran_is_an_error(folder):
    gpt2 = GPT2.from_pretrained(folder)
    with pytest.raises(TapError, match=r"h\.9\.attn\.z"), Changes({"h.9.attn.z": halved}) as tap:
        gpt2.logits(IDS, tap=tap)


@pytest.mark.parametrize(
    "wrong", [None, 0.0, [[0.0]], "five", [[0.0] * 12] * 4, [[0.0] * 12] * 4 + [[0.0] * 11]], ids=str
)
def test_a_value_of_another_shape_is_refused_by_name(folder, wrong):
    gpt2 = GPT2.from_pretrained(folder)
    with pytest.raises(TapError, match=r"h\.1\.ln_2.*\[5, 12\]"), Changes({"h.1.ln_2": lambda value: wrong}) as tap:
        gpt2.logits(IDS, tap=tap)


def test_another_error_is_not_hidden_by_unused_names():
    with pytest.raises(ZeroDivisionError), Changes({"nothing": halved}):
        raise ZeroDivisionError


def test_no_tap_stays_no_tap():
    assert under(no_tap, "h.0.") is no_tap
