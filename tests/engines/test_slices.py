"""Slices: every column, row and token belongs to exactly one, for all sizes and numbers of processes."""

from itertools import chain, product

import pytest

from starchart.engines.packed.slices import Channels, linear_layers, share
from starchart.model.config import GPT2Config

# (C, H, F, V): D odd, F that does not divide, slices without a hidden channel or a token.
SIZES = [
    (12, 3, 17, 261),
    (5, 5, 20, 65),
    (21, 7, 30, 4),
    (8, 4, 10, 20),
    (8, 4, 1, 1),
    (64, 1, 256, 50),
    (65, 5, 260, 65),
    (140, 2, 7, 3),
    (36, 12, 144, 65),
]
CONFIGS = [GPT2Config(n_embd=c, n_head=h, n_inner=f, vocab_size=v) for c, h, f, v in SIZES]
LAYERS = linear_layers(2)
CASES = [(config, ranks) for config in CONFIGS for ranks in range(1, config.n_head + 1)]
EVERY = pytest.mark.parametrize(
    ("config", "ranks"), CASES, ids=lambda case: str(getattr(case, "n_embd", case)) if case else ""
)


def shares(config, ranks):
    return [share(config, rank, ranks) for rank in range(ranks)]


def outputs(config):
    return {"h.0.attn.c_attn": 3 * config.n_embd, "h.0.mlp.c_fc": config.feed_forward_width}


@EVERY
def test_every_slice_has_one_owner(config, ranks):
    owned = [list(range(own.first, own.last)) for own in shares(config, ranks)]
    assert list(chain.from_iterable(owned)) == list(range(config.n_head))
    assert all(owned)
    assert [own.heads for own in shares(config, ranks)] == list(map(len, owned))


@EVERY
def test_every_column_has_one_owner(config, ranks):
    for name, count in outputs(config).items():
        owned = [
            column
            for own in shares(config, ranks)
            for ranges in own.columns(LAYERS[name])
            for part in ranges
            for column in part
        ]
        assert sorted(owned) == list(range(count))
        assert all(own.rows(LAYERS[name]) == range(config.n_embd) for own in shares(config, ranks))


@EVERY
def test_every_row_has_one_owner(config, ranks):
    for name, count in (("h.0.attn.c_proj", config.n_embd), ("h.0.mlp.c_proj", config.feed_forward_width)):
        owned = [row for own in shares(config, ranks) for row in own.rows(LAYERS[name])]
        assert owned == list(range(count))  # in order, so that parts may be put side by side
        assert all(own.columns(LAYERS[name]) == [[range(config.n_embd)]] for own in shares(config, ranks))


@EVERY
def test_every_token_has_one_owner(config, ranks):
    owned = [
        token for own in shares(config, ranks) for slice_ in range(own.first, own.last) for token in own.tokens(slice_)
    ]
    assert owned == list(range(config.vocab_size))


@EVERY
def test_a_head_has_its_own_queries_keys_and_values(config, ranks):
    size = config.n_embd // config.n_head
    for own in shares(config, ranks):
        for head, ranges in zip(range(own.first, own.last), own.columns(LAYERS["h.1.attn.c_attn"]), strict=True):
            starts = [part * config.n_embd + head * size for part in range(3)]
            assert [list(part) for part in ranges] == [list(range(start, start + size)) for start in starts]
        assert list(own.rows(LAYERS["h.1.attn.c_proj"])) == list(range(own.first * size, own.last * size))


@EVERY
def test_what_a_process_finds_is_what_it_needs_next(config, ranks):
    for own in shares(config, ranks):
        columns = [column for ranges in own.columns(LAYERS["h.0.mlp.c_fc"]) for part in ranges for column in part]
        assert columns == list(own.channels(Channels.HIDDEN)) == list(own.rows(LAYERS["h.0.mlp.c_proj"]))


@EVERY
def test_groups_do_not_depend_on_the_number_of_processes(config, ranks):
    """A group lies within one slice, and has at most 64 rows: only then is a vector's scale the same for all."""
    for name in ("h.0.attn.c_proj", "h.0.mlp.c_proj"):
        owned = list(chain.from_iterable(own.group_sizes(LAYERS[name]) for own in shares(config, ranks)))
        assert owned == list(
            chain.from_iterable(own.group_sizes(LAYERS[name]) for own in shares(config, config.n_head))
        )
        assert all(0 < size <= 64 for size in owned)
        for own in shares(config, ranks):
            assert sum(own.group_sizes(LAYERS[name])) == len(own.rows(LAYERS[name]))
    for name in outputs(config):
        assert all(sum(own.group_sizes(LAYERS[name])) == config.n_embd for own in shares(config, ranks))
        assert max(chain.from_iterable(own.group_sizes(LAYERS[name]) for own in shares(config, ranks))) <= 64


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: str(config.n_embd))
def test_by_column(config):
    whole = share(config, 0, 1)
    for name, count in outputs(config).items():
        lanes = []
        for ranges in whole.columns(LAYERS[name]):
            own = [float(column) for part in ranges for column in part]
            lanes += own + [-1.0] * (len(own) % 2)  # padding is never shown
        assert whole.by_column(LAYERS[name], [lanes, lanes]) == [[float(column) for column in range(count)]] * 2


def test_cuts_are_even():
    for config, rank in product(CONFIGS, range(2)):
        starts = [share(config, 0, 1).tokens(slice_).start for slice_ in range(config.n_head)]
        assert all(start % 2 == 0 or start == config.vocab_size for start in starts), rank
