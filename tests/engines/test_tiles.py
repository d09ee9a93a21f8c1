"""Tiles: a layer is cut into one run of bytes a slice, and made of them again."""

import struct
from array import array

import pytest

from starchart.engines.packed import tiles as tiles_module
from starchart.engines.packed.arithmetic.packed_matrix import pack_matrix
from starchart.engines.packed.arithmetic.quantised_weights import LaneRows
from starchart.engines.packed.slices import linear_layers, share
from starchart.engines.packed.tiles import (
    cut_layer,
    join_layer,
    layer_tile_size,
    own_columns,
    pack_linear_layer,
    pack_vocabulary,
    tile_bytes,
    tile_rows,
    tile_size,
)
from starchart.errors import CheckpointError
from tests.engines.big_endian import pretend_big_endian
from tests.engines.packed_numbers import LANES, exact_sums, gaussian, lane_numbers, seeded
from tests.engines.test_slices import CONFIGS

WEIGHTS = pytest.mark.parametrize("lanes", [LANES["full"], LANES["fast"]], ids=str)
EVERY = pytest.mark.parametrize("config", CONFIGS, ids=lambda config: str(config.n_embd))
LAYERS = linear_layers(1)
NAMES = ["h.0.attn.c_attn", "h.0.attn.c_proj", "h.0.mlp.c_fc", "h.0.mlp.c_proj"]


def layer(config, name):
    """Return a random matrix [in][out] of a layer's shape."""
    c, f = config.n_embd, config.feed_forward_width
    shape = dict(zip(NAMES, [(c, 3 * c), (c, c), (c, f), (f, c)], strict=True))[name]
    return gaussian(seeded(name, shape), *shape)


def number_in(row, lane, lanes):
    """Return q_ij, from a row's bytes."""
    u = int.from_bytes(row, "little") >> (lanes.width * lane) & ((1 << lanes.weight_bits) - 1)
    return u - (1 << (lanes.weight_bits - 1))


@WEIGHTS
@EVERY
def test_cut_and_joined_again(config, lanes):
    for ranks in {1, 2, config.n_head} & set(range(1, config.n_head + 1)):
        for rank in range(ranks):
            own = share(config, rank, ranks)
            for name in NAMES:
                packed, _ = pack_linear_layer(own, LAYERS[name], layer(config, name), lanes)
                tiles = cut_layer(packed, own, LAYERS[name], lanes)
                assert [len(tile) for tile in tiles] == [
                    layer_tile_size(part, LAYERS[name], lanes) for part in own.single()
                ]
                joined = join_layer(tiles, own, LAYERS[name], lanes)
                assert joined.scales == packed.scales
                # Without columns there are rows of nothing, or none.
                assert list(joined.rows) == list(packed.rows) or not packed.scales


@WEIGHTS
@EVERY
def test_tiles_do_not_depend_on_the_number_of_processes(config, lanes):
    for name in NAMES:
        weight, found = layer(config, name), []
        for ranks in {1, config.n_head}:
            owned = [share(config, rank, ranks) for rank in range(ranks)]
            parts = [(own, pack_linear_layer(own, LAYERS[name], weight, lanes)[0]) for own in owned]
            found.append([tile for own, packed in parts for tile in cut_layer(packed, own, LAYERS[name], lanes)])
        assert found[0] == found[-1]


@WEIGHTS
@EVERY
def test_a_packed_layer_holds_the_columns_and_rows_of_its_slices(config, lanes):
    largest = (1 << (lanes.weight_bits - 1)) - 1
    for name in NAMES:
        weight = layer(config, name)
        for rank in range(min(2, config.n_head)):
            own = share(config, rank, min(2, config.n_head))
            packed, _ = pack_linear_layer(own, LAYERS[name], weight, lanes)
            columns = []
            for ranges in own.columns(LAYERS[name]):
                columns += [column for part in ranges for column in part]
                columns += [None] * (len(columns) % 2)
            rows = [weight[n] for n in own.rows(LAYERS[name])]
            assert (len(packed.scales), len(packed.rows)) == (len(columns), len(rows))
            for lane, column in enumerate(columns):
                # The scale is that of the whole column, also where a slice has only some of its rows.
                magnitude = max(abs(row[column]) for row in weight) if column is not None else 0.0
                assert packed.scales[lane] == pytest.approx(magnitude / largest, rel=1e-15, abs=1e-300)
                for row, raw in zip(rows, packed.rows, strict=True):
                    value = row[column] if column is not None else 0.0
                    # Half a step, and the rounding of floats.
                    assert abs(number_in(raw, lane, lanes) - value / packed.scales[lane]) <= 0.5 + 1e-8


@pytest.mark.parametrize("lanes", LANES.values(), ids=str)
@pytest.mark.parametrize(("count", "rows"), [(0, 3), (2, 1), (2, 0), (8, 5)])
def test_a_tile_is_scales_and_rows(lanes, count, rows):
    rng = seeded(count, rows)
    scales = array("d", [rng.random() for _ in range(count)])
    data = [rng.randbytes(count * lanes.width // 8) for _ in range(rows)]
    tile = tile_bytes(LaneRows(scales, data))
    assert tile == struct.pack(f"<{count}d", *scales) + b"".join(data)
    assert len(tile) == tile_size(count, rows, lanes) == 8 * count + rows * count * lanes.width // 8
    again = tile_rows(tile, count, lanes)
    assert again.scales == scales
    assert list(again.rows) == (data if count else [])


def test_on_a_big_endian_machine(monkeypatch):
    scales, rows = [1.5, -2e-300], [b"thirteen byte"]
    expected = struct.pack("<2d", *scales) + rows[0]
    pretend_big_endian(monkeypatch, tiles_module)
    tile = tile_bytes(LaneRows(scales, rows))
    assert tile == expected
    assert tile_rows(tile, 2, LANES["full"]).scales.tolist() == scales


@WEIGHTS
@pytest.mark.parametrize("tokens", [range(0), range(3, 3), range(1), range(2, 7), range(9)], ids=str)
def test_the_output_projection(tokens, lanes):
    """The narrower lanes have the same weights, rounded to steps that are 2^15 times as large."""
    table = gaussian(seeded(tokens), 9, 70)
    narrow = LANES["pruning"] if lanes == LANES["full"] else None
    parts, _ = pack_vocabulary(tokens, table, lanes, narrow)
    assert len(parts) == (2 if narrow else 1)
    assert all(len(part.scales) == len(tokens) + len(tokens) % 2 for part in parts)
    largest = (1 << (lanes.weight_bits - 1)) - 1
    for lane, token in enumerate(tokens):
        scale = max(map(abs, table[token])) / largest
        assert parts[0].scales[lane] == pytest.approx(scale, rel=1e-15)
        whole = [number_in(row, lane, lanes) for row in parts[0].rows]
        for number, value in zip(whole, table[token], strict=True):
            assert abs(number - value / scale) <= 0.5 + 1e-8
        if narrow:
            assert parts[1].scales[lane] == parts[0].scales[lane] * 2**15
            u = [int.from_bytes(row, "little") >> (24 * lane) & 0xFFFFFF for row in parts[1].rows]
            assert u == [(number + (1 << 14) >> 15) + 512 for number in whole]


def test_a_packed_output_projection_multiplies():
    table = gaussian(seeded(1), 5, 70)
    for packed, lanes in zip(
        pack_vocabulary(range(5), table, LANES["full"], LANES["pruning"])[0],
        (LANES["full"], LANES["pruning"]),
        strict=True,
    ):
        matrix = pack_matrix(packed.rows, packed.scales, [64, 6], lanes)
        a = [(-1) ** n * n for n in range(70)]
        half = 1 << (lanes.weight_bits - 1)
        mask = (1 << lanes.width) - 1
        q = [
            [(int.from_bytes(row, "little") >> (lanes.width * j) & mask) - half for j in range(6)]
            for row in packed.rows
        ]
        assert lane_numbers(a, matrix) == exact_sums(a, q)


def test_own_columns_are_filled_up():
    row = [float(n) for n in range(8)]
    assert own_columns(row, [[range(1, 2), range(4, 6)], [range(2)], []]).tolist() == [1.0, 4.0, 5.0, 0.0, 0.0, 1.0]
    assert own_columns(array("f", row), [[range(1)]]) == array("f", [0.0, 0.0])


def test_weights_that_are_none_are_refused_with_their_names():
    weight = [array("f", [1.0, float("nan")] * 18)] * 12
    with pytest.raises(CheckpointError, match=r"^h\.0\.attn\.c_attn: "):
        pack_linear_layer(share(CONFIGS[0], 0, 1), LAYERS[NAMES[0]], weight, LANES["full"])
    with pytest.raises(CheckpointError, match=r"^lm_head: "):
        pack_vocabulary(range(2), [array("f", [1.0, float("inf")])] * 2, LANES["full"], None)
