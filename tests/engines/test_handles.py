"""Deferred results of the packed engine are right, however late, how often and in which order they are used."""

import random

import pytest

from starchart.checkpoints.checkpoint import load_checkpoint
from starchart.engines import reference
from starchart.engines.packed.packed_engine import PackedEngine
from starchart.errors import ConsumedCacheError, EngineError
from starchart.model.cache import new_cache
from starchart.model.gpt_model import gpt_model
from starchart.tap import no_tap
from tests.tiny_model import write_tiny_model

SIZES = {"n_embd": 12, "n_head": 3, "n_layer": 2, "n_positions": 64}


class Prepared:
    """An engine with a model, and every weight of that model by what it takes and gives."""

    def __init__(self, folder, engine):
        self.engine = engine
        self.config, weights = load_checkpoint(folder)
        self.weights = engine.prepare(weights, self.config)
        self.layers = {}
        for n, block in enumerate(self.weights.h):
            attn, mlp = block.attn, block.mlp
            kinds = {"qkv": attn.c_attn, "mix": attn.c_proj, "up": mlp.c_fc, "down": mlp.c_proj}
            self.layers |= {(n, kind): layer for kind, layer in kinds.items()}
        self.head = (self.weights.lm_head or self.weights.wte).weight


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_tiny_model(tmp_path_factory.mktemp("model"), seed=12, **SIZES)


@pytest.fixture
def prepared(folder):
    engines = []

    def prepare(workers):
        engines.append(PackedEngine(workers=workers))
        return Prepared(folder, engines[-1])

    yield prepare
    for engine in engines:
        engine.close()


def rows(seed, count, width=12):
    rng = random.Random(seed)
    return [[rng.gauss(0, 1) for _ in range(width)] for _ in range(count)]


def linear(model, x, layer):
    weights = model.layers[layer]
    return model.engine.linear(x, weights.weight, weights.bias)


def feed(model, seed):
    return model.engine.activation(linear(model, rows(seed, 2), (0, "up")), "gelu_new")


def heads(model, seed):
    qkv = linear(model, rows(seed, 2), (0, "qkv"))
    return model.engine.attend(qkv, model.engine.new_cache(3), 3, 0.5, no_tap)[0]


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize(("make", "following"), [(feed, "down"), (heads, "mix")])
def test_the_first_of_two_results_is_still_the_first(prepared, workers, make, following):
    model = prepared(workers)
    alone = [linear(model, make(model, seed), (1, following)) for seed in (1, 2)]
    alone_lists = [model.engine.to_lists(make(model, seed)) for seed in (1, 2)]
    first, second = make(model, 1), make(model, 2)
    assert linear(model, first, (1, following)) == alone[0] != alone[1]
    assert model.engine.to_lists(first) == alone_lists[0] != alone_lists[1]
    assert linear(model, second, (1, following)) == alone[1]
    assert linear(model, first, (1, following)) == alone[0]


def test_what_nobody_has_is_forgotten_by_every_shard(prepared):
    model = prepared(1)
    handles = [feed(model, seed) for seed in range(5)]
    shard = model.engine._group.shard
    assert len(shard._kept) == 5
    del handles[1:]
    kept = feed(model, 9)
    assert len(shard._kept) == 2
    expected = model.engine.to_lists(feed(model, 0))
    assert model.engine.to_lists(handles[0]) == expected
    del kept, handles
    gpt_model([1, 2], model.weights, new_cache(model.config, model.engine), model.config, model.engine)
    assert len(shard._kept) <= 1
    assert len(model.engine._group.handles._references) <= 4  # two caches, and at most one result


def close_to(a, b):
    if isinstance(a, list):
        return len(a) == len(b) and all(map(close_to, a, b))
    return abs(a - b) <= 2e-5 * max(1.0, abs(b))


class Walk:
    """A random walk over the operations: late and in any order on `lazy`, each at once on `eager` and the reference.

    Every value is a pair: what `lazy` handed on, and the lists that `eager` made of the same operation.
    """

    def __init__(self, lazy, eager, plain, seed):
        self.channels, self.hidden = lazy.config.n_embd, lazy.config.feed_forward_width
        self.lazy, self.eager, self.plain = lazy, eager, plain
        self.rng = random.Random(seed)
        self.values = []  # (handle, lists)
        self.caches = []  # (lazy, eager, plain)

    def step(self):
        steps = [self.embed, self.add, self.norm, self.linear, self.linear, self.linear, self.activation, self.attend]
        self.rng.choice([*steps, self.activation, self.attend, self.logits, self.look, self.drop])()
        self.values = self.values[-25:]

    def take(self, width):
        """Return a value, mostly an old one: no larger than 20, so that no rounding is blown up."""
        known = [value for value in self.values if len(value[1][0]) == width and largest(value[1]) < 20]
        if not known:
            value = rows(self.rng.random(), self.rng.choice([1, 2, 5]), width)
            self.values.append((self.lazy.engine.from_lists(value), value))
            known = self.values[-1:]
        return self.rng.choice(known)

    def both(self, operation, pairs, *others):
        """Do an operation on all three engines; the arguments of the plain one are what `eager` has."""
        handle = operation(self.lazy, *(pair[0] for pair in pairs), *others)
        lists = self.eager.engine.to_lists(operation(self.eager, *(pair[1] for pair in pairs), *others))
        assert close_to(lists, operation(self.plain, *(pair[1] for pair in pairs), *others))
        self.values.append((handle, lists))

    def embed(self):
        ids = [self.rng.randrange(261) for _ in range(self.rng.choice([1, 2, 5]))]
        self.both(lambda model: model.engine.embed(ids, model.weights.wte.weight), [])

    def add(self):
        a = self.take(self.rng.choice([self.channels, 3 * self.channels, self.hidden]))
        like = [b for b in self.values if (len(b[1]), len(b[1][0])) == (len(a[1]), len(a[1][0]))]
        self.both(lambda model, a, b: model.engine.add(a, b), [a, self.rng.choice(like)])

    def norm(self):
        def norm(model, x):
            return model.engine.layer_norm(x, model.weights.ln_f.weight, model.weights.ln_f.bias, 1e-5)

        self.both(norm, [self.take(self.channels)])

    def linear(self):
        layer = (self.rng.randrange(2), self.rng.choice(["qkv", "mix", "up", "down"]))
        width = self.hidden if layer[1] == "down" else self.channels
        self.both(lambda model, x: linear(model, x, layer), [self.take(width)])

    def activation(self):
        name = self.rng.choice(["gelu_new", "relu"])
        width = self.rng.choice([self.hidden, self.hidden, 3 * self.channels, self.channels])
        self.both(lambda model, x: model.engine.activation(x, name), [self.take(width)])

    def attend(self):
        if not self.caches or self.rng.random() < 0.3:
            self.caches.append(tuple(model.engine.new_cache(3) for model in (self.lazy, self.eager, self.plain)))
        caches = self.caches.pop(self.rng.randrange(len(self.caches)))
        models = (self.lazy, self.eager, self.plain)
        if self.rng.random() < 0.5:
            self.caches.append(tuple(model.engine.fork(cache) for model, cache in zip(models, caches, strict=True)))
        handle, lists = self.take(3 * self.channels)
        inputs = (handle, lists, lists)
        tap = self.rng.choice([no_tap, lambda name, value: value])
        found, after = zip(
            *(
                model.engine.attend(x, cache, 3, 0.5, tap)
                for model, x, cache in zip(models, inputs, caches, strict=True)
            ),
            strict=True,
        )
        self.values.append((found[0], self.eager.engine.to_lists(found[1])))
        assert close_to(self.values[-1][1], found[2])
        self.caches = [*self.caches, after][-4:]

    def logits(self):
        last_only = self.rng.random() < 0.5
        handle, lists = self.take(self.channels)
        ours, theirs = (
            model.engine.output_projection(x, model.head, last_only)
            for model, x in ((self.lazy, handle), (self.eager, lists))
        )
        other = self.take(self.channels)[0]  # another operation comes between
        linear(self.lazy, other, (0, "mix"))
        assert self.lazy.engine.top_logits(ours, 5) == self.eager.engine.top_logits(theirs, 5)
        assert self.lazy.engine.to_lists(ours) == self.eager.engine.to_lists(theirs)
        plain = self.plain.engine.output_projection(lists, self.plain.head, last_only)
        assert close_to(self.eager.engine.to_lists(theirs), plain)
        ids = [self.rng.randrange(261) for _ in plain]
        assert close_to(self.lazy.engine.log_probabilities(ours, ids), reference.log_probabilities(plain, ids))

    def look(self):
        if self.values:
            handle, lists = self.rng.choice(self.values)
            assert self.lazy.engine.to_lists(handle) == lists

    def drop(self):
        if self.values:
            del self.values[self.rng.randrange(len(self.values))]


def largest(lists):
    return max(abs(value) for row in lists for value in row)


# Where F is C, the outputs of heads may go into mlp.c_proj, whose rows are cut into 6, 6 and 3, not into 5, 5 and 5.
@pytest.mark.parametrize("sizes", [{}, {"n_embd": 15, "n_inner": 15}], ids=["12", "15"])
@pytest.mark.parametrize("walks", [4, pytest.param(40, marks=pytest.mark.slow)])
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_random_sequences_of_operations_agree_with_the_reference(tmp_path, workers, walks, sizes):
    model = write_tiny_model(tmp_path, seed=13, **SIZES | sizes)
    engines = [PackedEngine(workers=workers), PackedEngine(), reference]
    lazy, eager, plain = (Prepared(model, engine) for engine in engines)
    for seed in range(walks):
        walk = Walk(lazy, eager, plain, repr((workers, seed)))
        for _ in range(80):
            walk.step()
        for handle, lists in walk.values:
            assert lazy.engine.to_lists(handle) == lists
    lazy.engine.close()


def foreign(model, other):
    """Give every operation with something that another engine made: its name, and a call."""
    engine, theirs = model.engine, other.engine
    up = linear(other, rows(1, 2), (0, "up"))
    qkv = linear(other, rows(1, 2), (0, "qkv"))
    yield "linear", lambda: linear(model, feed(other, 1), (0, "down"))
    yield "linear", lambda: engine.linear(rows(1, 2), other.layers[0, "qkv"].weight, other.layers[0, "qkv"].bias)
    yield "linear", lambda: engine.linear(rows(1, 2), [[1.0] * 36] * 12, [0.0] * 36)
    yield "activation", lambda: engine.activation(up, "gelu_new")
    yield "attend", lambda: engine.attend(qkv, engine.new_cache(3), 3, 0.5, no_tap)
    yield "attend", lambda: engine.attend(linear(model, rows(1, 2), (0, "qkv")), theirs.new_cache(3), 3, 0.5, no_tap)
    yield "fork", lambda: engine.fork(theirs.new_cache(3))
    yield "output_projection", lambda: engine.output_projection(rows(1, 2), other.head, True)
    yield "top_logits", lambda: engine.top_logits(theirs.output_projection(rows(1, 2), other.head, True), 3)
    yield "to_lists", lambda: engine.to_lists(feed(other, 1))
    yield "to_lists", lambda: engine.to_lists(up)


def test_what_another_engine_made_is_refused_by_name(prepared):
    model, other = prepared(1), prepared(1)
    for operation, call in foreign(model, other):
        with pytest.raises(EngineError, match=rf"^{operation}: its \w+ was not made by this engine; "):
            call()


def test_a_refused_input_leaves_the_cache_as_it_was(prepared):
    model, other = prepared(1), prepared(1)
    cache = model.engine.new_cache(3)
    for layer in ("qkv", "up"):
        with pytest.raises(EngineError, match="was not made by this engine"):
            model.engine.attend(linear(other, rows(1, 2), (0, layer)), cache, 3, 0.5, no_tap)
    _, after = model.engine.attend(linear(model, rows(1, 2), (0, "qkv")), cache, 3, 0.5, no_tap)
    for use in (lambda: model.engine.fork(cache), cache.take):
        with pytest.raises(ConsumedCacheError):
            use()
    after.take()
