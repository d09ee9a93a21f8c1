"""Tiles: the part of one matrix that one slice has, packed, as a sequence of bytes. The pack cache stores tiles.

scales    a double for every lane
rows      q_ij + 2^(b-1) in lanes, row after row
"""

import sys
from array import array
from collections.abc import Iterable, Sequence
from itertools import accumulate

from starchart.checkpoints.stored_tensor import rows_of
from starchart.engines.packed.arithmetic.lanes import Lanes, pair_bytes
from starchart.engines.packed.arithmetic.packed_matrix import group_sizes
from starchart.engines.packed.arithmetic.quantised_weights import (
    LaneRows,
    column_scales,
    fewer_bits,
    norm_bound,
    pack_rows,
    quantise_rows,
    transpose_rows,
)
from starchart.engines.packed.slices import OUTPUT_PROJECTION, Axis, Layer, SliceRange
from starchart.utils.matrix import Matrix, Vector


def pack_linear_layer(slices: SliceRange, layer: Layer, matrix: Matrix, lanes: Lanes) -> tuple[LaneRows, int]:
    """Return the rows and columns of a linear layer that some slices own, in lanes, and the bound K^2 on their norms.

    `matrix` may be a StoredTensor. Raises CheckpointError for numbers that cannot be weights.
    """
    columns = slices.columns(layer)
    own = [own_columns(row, columns) for row in rows_of(matrix)]
    scales = column_scales(own, lanes.weight_bits, layer.name)
    owned = slices.rows(layer)
    words = quantise_rows(own[owned.start : owned.stop], scales, lanes.weight_bits)
    bound = norm_bound(words, slices.group_sizes(layer), lanes.weight_bits)
    return pack_rows(words, scales, lanes.width, lanes.weight_bits), bound


def pack_vocabulary(
    tokens: range, table: Matrix, lanes: Lanes, pruning: Lanes | None
) -> tuple[list[LaneRows], int]:  # [V][C], in memory or a StoredTensor
    """Return the output projection for a part of the vocabulary, [C][tokens], in lanes, and the bound K^2.

    With `pruning` there is a second one, with the highest bits of the same weights in those narrower lanes.
    """
    columns = transpose_rows(rows_of(table, tokens.start, tokens.stop)) if tokens else []
    if len(tokens) % 2:
        for column in columns:
            column.append(0.0)
    scales = column_scales(columns, lanes.weight_bits, OUTPUT_PROJECTION.name)
    words = quantise_rows(columns, scales, lanes.weight_bits)
    bound = norm_bound(words, group_sizes(len(columns)), lanes.weight_bits)
    packed = pack_rows(words, scales, lanes.width, lanes.weight_bits)
    if pruning is None:
        return [packed], bound
    dropped = lanes.weight_bits - pruning.weight_bits
    coarse = array("d", [scale * (1 << dropped) for scale in scales])
    narrow = fewer_bits(words, pruning.weight_bits, dropped)
    return [packed, pack_rows(narrow, coarse, pruning.width, pruning.weight_bits + 1)], bound


def own_columns(row: Vector, columns: Sequence[Sequence[range]]) -> "array[float]":
    """Return some columns of a row, in the order of their lanes; each list is padded with a 0 to an even length."""
    own: array[float] = array(row.typecode if isinstance(row, array) else "d")
    for ranges in columns:
        for part in ranges:
            own.extend(array(own.typecode, row[part.start : part.stop]))
        if len(own) % 2:
            own.append(0.0)
    return own


def cut_layer(packed: LaneRows, slices: SliceRange, layer: Layer, lanes: Lanes) -> list[bytes]:
    """Return the tiles of a layer, one for each of these slices."""
    if layer.cut is Axis.ROWS:
        counts = [len(part.rows(layer)) for part in slices.single()]
        ends = list(accumulate(counts))
        return [
            tile_bytes(LaneRows(packed.scales, packed.rows[end - count : end]))
            for count, end in zip(counts, ends, strict=True)
        ]
    pair = pair_bytes(lanes.width)
    counts = _lane_counts(slices, layer)
    tiles, first = [], 0
    for count in counts:
        rows = [row[first * pair // 2 : (first + count) * pair // 2] for row in packed.rows]
        tiles.append(tile_bytes(LaneRows(packed.scales[first : first + count], rows)))
        first += count
    return tiles


def join_layer(tiles: Sequence[bytes], slices: SliceRange, layer: Layer, lanes: Lanes) -> LaneRows:
    """Return the layer whose tiles are given, one for each of these slices."""
    if layer.cut is Axis.ROWS:
        count = _lane_counts(slices, layer)[0]
        parts = [tile_rows(tile, count, lanes) for tile in tiles]
        return LaneRows(parts[0].scales, [row for part in parts for row in part.rows])
    counts = _lane_counts(slices, layer)
    parts = [tile_rows(tile, count, lanes) for tile, count in zip(tiles, counts, strict=True) if count]
    scales = array("d", [scale for part in parts for scale in part.scales])
    return LaneRows(scales, [b"".join(row) for row in zip(*(part.rows for part in parts), strict=True)])


def layer_tile_size(part: SliceRange, layer: Layer, lanes: Lanes) -> int:
    """Return the bytes of the tile that a single slice has of a layer."""
    return tile_size(_lane_counts(part, layer)[0], len(part.rows(layer)), lanes)


def tile_size(lane_count: int, rows: int, lanes: Lanes) -> int:
    """Return the bytes of a tile."""
    return lane_count * 8 + rows * (lane_count // 2 * pair_bytes(lanes.width))


def tile_bytes(packed: LaneRows) -> bytes:
    """Return the bytes of a tile."""
    scales = array("d", packed.scales)
    if sys.byteorder == "big":
        scales.byteswap()
    return b"".join([scales.tobytes(), *packed.rows])


def tile_rows(tile: bytes, lane_count: int, lanes: Lanes) -> LaneRows:
    """Return the rows in a tile whose rows have `lane_count` lanes."""
    scales = array("d", tile[: 8 * lane_count])
    if sys.byteorder == "big":
        scales.byteswap()
    size = lane_count // 2 * pair_bytes(lanes.width)
    starts: Iterable[int] = range(8 * lane_count, len(tile), size) if size else ()
    return LaneRows(scales, [tile[start : start + size] for start in starts])


def _lane_counts(slices: SliceRange, layer: Layer) -> list[int]:
    sizes = [sum(map(len, ranges)) for ranges in slices.columns(layer)]
    return [size + size % 2 for size in sizes]
