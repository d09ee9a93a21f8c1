"""Taps see every named value and can change it; a name that never ran is an error."""

import gc
import weakref

import numpy as np
import pytest
import torch

from starchart.engines import reference
from starchart.engines.packed.packed_engine import PackedEngine
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
    layer = GPT2.from_pretrained(folder)._weights.h[0].attn.c_proj
    head = len(recording["h.0.attn.z"][0][0])
    for t, row in enumerate(recording["h.0.attn.c_proj"]):
        joined = [value for part in recording["h.0.attn.z"][1:] for value in part[t]]
        for c, value in enumerate(row):
            by_hand = sum(w[c] * x for w, x in zip(layer.weight[head:], joined, strict=True)) + layer.bias[c]
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


def silenced(z):  # [H][T][D]
    return [[[0.0] * len(row) for row in z[0]], *z[1:]]


@pytest.mark.parametrize("name", ["reference", "packed", "torch"])
@pytest.mark.parametrize(
    "change",
    [
        lambda z: np.array(z) * [[[0.0]], [[1.0]], [[1.0]]],
        lambda z: torch.tensor(z, dtype=torch.float64, requires_grad=True) * torch.tensor([0, 1, 1]).view(3, 1, 1),
        lambda z: [np.array(head) * (h > 0) for h, head in enumerate(z)],
        lambda z: tuple(tuple(tuple(x * np.float64(h > 0) for x in row) for row in head) for h, head in enumerate(z)),
    ],
    ids=["numpy", "torch", "list of arrays", "tuples of scalars"],
)
def test_what_has_tolist_is_taken_back_as_lists(change, name, folder):
    engine = {"reference": reference, "packed": PackedEngine(), "torch": TorchEngine(dtype="float64")}[name]
    expected, seen = Recording(), Recording()
    with GPT2.from_pretrained(folder, engine) as gpt2:
        with Changes({"h.1.attn.z": silenced}) as tap:
            rows = gpt2.logits(IDS, tap=lambda name, value: expected(name, tap(name, value)))
        with Changes({"h.1.attn.z": change}) as tap:
            assert gpt2.logits(IDS, tap=lambda name, value: seen(name, tap(name, value))) == rows
    assert seen["h.1.attn.c_proj"] == expected["h.1.attn.c_proj"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (None, "the tap returned None for h.1.ln_2; it must have the shape [5, 12]"),
        (np.zeros((5, 11)), "the tap returned a value of shape [5, 11] for h.1.ln_2; it must have the shape [5, 12]"),
        (np.float32(3.0), "the tap returned a value of shape [] for h.1.ln_2; it must have the shape [5, 12]"),
        (torch.zeros(1, 5, 12), "a value of shape [1, 5, 12] for h.1.ln_2; it must have the shape [5, 12]"),
        (np.array([["a"] * 12] * 5), "lists that are not numbers in rows of equal length for h.1.ln_2; it must"),
        ([np.zeros(12)] * 4 + [np.zeros(11)], "lists that are not numbers in rows of equal length for h.1.ln_2; it"),
        ({1: 2}, "the tap returned a value of type dict for h.1.ln_2; it must have the shape [5, 12]"),
    ],
    ids=lambda value: value[:45] if isinstance(value, str) else type(value).__name__,
)
def test_what_is_said_of_a_wrong_shape(wrong, said, folder):
    with pytest.raises(TapError) as caught, Changes({"h.1.ln_2": lambda value: wrong}) as tap:
        GPT2.from_pretrained(folder).logits(IDS, tap=tap)
    assert said in str(caught.value)


def test_a_recording_of_some_names_is_that_part_of_the_whole(folder):
    gpt2 = GPT2.from_pretrained(folder)
    everything = Recording()
    rows = gpt2.logits(IDS, tap=everything)
    with Recording("h.*.attn.pattern", "ln_f", "h.1.mlp.*") as some:
        assert gpt2.logits(IDS, tap=some) == rows
    names = ["h.0.attn.pattern", "h.1.attn.pattern", "h.1.mlp.c_fc", "h.1.mlp.act", "h.1.mlp.c_proj", "ln_f"]
    assert [*some] == names
    assert some == {name: everything[name] for name in names}


def test_what_is_not_recorded_is_not_kept_in_memory(folder):
    class Value(list):
        pass

    recording = Recording("h.*.attn.pattern")
    kept, lost = Value([[[1.0]]]), Value([[1.0]])
    references = weakref.ref(kept), weakref.ref(lost)
    recording("h.3.attn.pattern", kept)
    recording("h.3.mlp.act", lost)
    del kept, lost
    gc.collect()
    assert [reference() is not None for reference in references] == [True, False]


@pytest.mark.parametrize("patterns", [["h.*.attn.patern"], ["ln_f", "h.2.*"], ["LN_F"]], ids=str)
def test_a_pattern_that_matches_nothing_is_an_error(patterns, folder):
    gpt2 = GPT2.from_pretrained(folder)
    with pytest.raises(TapError) as caught, Recording(*patterns) as recording:
        gpt2.logits(IDS, tap=recording)
    lost = patterns[-1]
    assert str(caught.value) == f"no value in this block is called {lost}; docs/NAMES.md lists the names"


def test_another_error_is_not_hidden_by_unused_patterns():
    with pytest.raises(ZeroDivisionError), Recording("nothing"):
        raise ZeroDivisionError


def test_a_value_that_was_not_recorded(folder):
    gpt2 = GPT2.from_pretrained(folder)
    some, everything = Recording("ln_f", "wte"), Recording()
    for recording in (some, everything):
        gpt2.logits(IDS, tap=recording)
    with pytest.raises(KeyError, match=r"no value called wpe was recorded; only names that match ln_f or wte are"):
        some["wpe"]
    with pytest.raises(KeyError, match=r"no value called h\.2\.ln_1 was recorded; docs/NAMES\.md lists the names"):
        everything["h.2.ln_1"]
    assert some.get("wpe") is None


def test_patterns_are_strings():
    with pytest.raises(TapError, match="patterns are strings"):
        Recording(["ln_f"])
