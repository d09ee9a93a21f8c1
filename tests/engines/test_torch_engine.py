"""PyTorch as an engine: the numbers of the reference engine, in batches, in other widths, and with gradients."""

import random
from dataclasses import fields, is_dataclass, replace

import pytest
import torch

from starchart.checkpoints.checkpoint import load_checkpoint
from starchart.errors import EngineError
from starchart.gpt2 import GPT2
from starchart.model.cache import new_cache
from starchart.model.gpt_model import gpt_model
from starchart.tap import Recording
from starchart.utils.activations import ACTIVATIONS
from starchart.utils.elementary.exp import exp
from starchart.utils.exact_sum import exact_sum
from starport.engines.tensors import map_leaves, named_leaves, to_tensor
from starport.engines.torch_engine import TorchEngine
from tests.read_matrices import read_matrices
from tests.tiny_model import write_tiny_model

IDS = [random.Random(5).randrange(257) for _ in range(13)]
FLOAT64 = TorchEngine(dtype="float64")
TOLERANCE = 1e-12  # some hundred roundings of values of about 1 to 10


def differences(ours, theirs):
    return (torch.tensor(ours, dtype=torch.float64) - torch.tensor(theirs, dtype=torch.float64)).abs().max().item()


@pytest.fixture
def folder(tmp_path):
    return write_tiny_model(tmp_path, seed=3, n_embd=15, n_head=5, n_layer=3)


@pytest.mark.parametrize("cuts", [[1], [12], [5, 6], list(range(1, 13))], ids=str)
def test_a_text_read_in_parts(folder, cuts):
    gpt2, rows, cache = GPT2.from_pretrained(folder, engine=FLOAT64), [], None
    for start, end in zip([0, *cuts], [*cuts, 13], strict=True):
        part, cache = gpt2.read(IDS[start:end], cache, last_only=False)
        rows += part
    assert differences(rows, GPT2.from_pretrained(folder).logits(IDS)) <= TOLERANCE


def test_one_past_has_two_futures(folder):
    gpt2 = GPT2.from_pretrained(folder, engine=FLOAT64)
    _, cache = gpt2.read(IDS[:4])
    other = gpt2.fork(cache)
    for token, past in ((1, cache), (2, other)):
        ours, _ = gpt2.read([token, 9], past)
        assert differences(ours, gpt2.logits([*IDS[:4], token, 9], last_only=True)) <= TOLERANCE


def test_generation(folder):
    greedy = [
        list(GPT2.from_pretrained(folder, engine=engine).generate(IDS[:3], max_new_tokens=9, temperature=0))
        for engine in ("reference", FLOAT64)
    ]
    assert greedy[0] == greedy[1]
    drawn = [
        list(GPT2.from_pretrained(folder, engine=engine).generate(IDS[:3], max_new_tokens=9, top_k=30, seed=4))
        for engine in ("reference", FLOAT64)
    ]
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("length", [1, 13])
def test_a_batch_is_its_texts_one_by_one(folder, length):
    rng = random.Random(2)
    texts = [[rng.randrange(257) for _ in range(length)] for _ in range(4)]
    config, weights = load_checkpoint(folder)
    weights = FLOAT64.prepare(weights, config)
    logits, _ = gpt_model(torch.tensor(texts).t(), weights, new_cache(config, FLOAT64), config, FLOAT64)
    assert logits.shape == (4, length, 261)
    for text, ours in zip(texts, logits.tolist(), strict=True):
        assert differences(ours, GPT2.from_pretrained(folder).logits(text)) <= TOLERANCE


def test_a_batch_goes_on_from_its_cache(folder):
    rng = random.Random(3)
    texts = torch.tensor([[rng.randrange(257) for _ in range(9)] for _ in range(2)])
    config, weights = load_checkpoint(folder)
    weights = FLOAT64.prepare(weights, config)
    whole, _ = gpt_model(texts.t(), weights, new_cache(config, FLOAT64), config, FLOAT64)
    _, cache = gpt_model(texts.t()[:5], weights, new_cache(config, FLOAT64), config, FLOAT64)
    last, _ = gpt_model(texts.t()[5:], weights, cache, config, FLOAT64, last_only=True)
    assert last.shape == (2, 1, 261)
    assert (last - whole[:, -1:]).abs().max().item() <= TOLERANCE


# Four times what was found: roundings of float32 (2^-24) and bfloat16 (2^-8) of logits of up to 10.
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1.5e-5), ("bfloat16", 0.4)])
def test_narrow_numbers_are_close(folder, dtype, tolerance):
    exact = GPT2.from_pretrained(folder).logits(IDS)
    ours = GPT2.from_pretrained(folder, engine=TorchEngine(dtype=dtype)).logits(IDS)
    assert 0 < differences(ours, exact) <= tolerance


def test_weights_are_what_the_file_holds(folder):
    config, weights = load_checkpoint(folder)
    prepared = dict(named_leaves(FLOAT64.prepare(weights, config)))
    stored = dict(named_leaves(read_matrices(weights)))
    assert list(prepared) == list(stored)
    for name, tensor in prepared.items():
        expected = [list(row) if not isinstance(row, float) else row for row in stored[name]]
        assert tensor.tolist() == expected, name


def test_a_device_that_is_not_here():
    for name in ("cuda:7", "nowhere"):
        with pytest.raises(EngineError, match=f"no device '{name}' here; there is cpu"):
            TorchEngine(name)


def test_taps_have_the_names_of_the_reference_engine(folder):
    ours, theirs = Recording(), Recording()
    GPT2.from_pretrained(folder, engine=FLOAT64).logits(IDS, tap=ours)
    GPT2.from_pretrained(folder).logits(IDS, tap=theirs)
    assert list(ours) == list(theirs)
    assert max(differences(ours[name], theirs[name]) for name in ours) <= TOLERANCE


def mean_loss(folder, change):
    """Return a loss of the reference engine, whose weights `change` has seen: the mean logit, times odd factors."""
    config, weights = load_checkpoint(folder)
    rows = GPT2(config, change(read_matrices(weights))).logits(IDS[:5])
    return exact_sum([(0.3 + (7 * t + j) % 5) * value for t, row in enumerate(rows) for j, value in enumerate(row)])


def test_gradients_are_the_slopes_of_the_reference_engine(tmp_path):
    folder = write_tiny_model(tmp_path, seed=6, n_embd=6, n_head=2, n_layer=2)
    config, weights = load_checkpoint(folder)
    leaves = map_leaves(weights, lambda leaf: to_tensor(leaf).to(torch.float64).requires_grad_())
    logits, _ = gpt_model(IDS[:5], leaves, new_cache(config, FLOAT64), config, FLOAT64)
    factors = torch.tensor([[0.3 + (7 * t + j) % 5 for j in range(261)] for t in range(5)], dtype=torch.float64)
    (factors * logits).sum().backward()
    rng, step = random.Random(1), 1e-4
    for name, tensor in named_leaves(leaves):
        place = tuple(rng.randrange(size) for size in tensor.shape)
        place = ({"wte.weight": IDS[2], "wpe.weight": 3}.get(name, place[0]), *place[1:])  # rows that are read
        above, below = (mean_loss(folder, moved(name, place, sign * step)) for sign in (1, -1))
        slope = (above - below) / (2 * step)
        # The central difference is off by step^2 / 6 third derivatives, here about 1e-8 of a slope of 1 to 100.
        assert tensor.grad[place].item() == pytest.approx(slope, rel=1e-5, abs=1e-6), name


def moved(name, place, by):
    """Return a function that adds `by` to one number of a tree of weights."""

    def change(tree, path=name):
        head, _, rest = path.partition(".")
        if is_dataclass(tree):
            assert head in {field.name for field in fields(tree)}
            return replace(tree, **{head: change(getattr(tree, head), rest)})
        if isinstance(tree, tuple):
            return tuple(change(block, rest) if n == int(head) else block for n, block in enumerate(tree))
        rows = [list(row) for row in tree] if len(place) == 2 else list(tree)
        row = rows[place[0]] if len(place) == 2 else rows
        row[place[-1]] += by
        return rows

    return change


def test_an_activation_that_torch_engine_does_not_list_is_computed_by_ours(monkeypatch):
    monkeypatch.setitem(ACTIVATIONS, "quick", lambda x: x / (1.0 + exp(-1.702 * x)))
    x = torch.tensor([[[-2.5, 0.0, 0.75]]], dtype=torch.float64)
    expected = [[[ACTIVATIONS["quick"](value) for value in x[0][0].tolist()]]]
    engine = TorchEngine("cpu", "float64")
    assert engine.activation(x, "quick").tolist() == expected
    assert x.tolist() == [[[-2.5, 0.0, 0.75]]]
    with pytest.raises(EngineError, match="quick cannot be trained"):
        engine.activation(x.requires_grad_(), "quick")
