"""Tiles: what one slice has of one matrix, packed, as one run of bytes. It is what the pack cache keeps.

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
from starchart.engines.packed.arithmetic.quantisation import (
    PackedRows,
    column_scales,
    narrower,
    norm_bound,
    pack_rows,
    quantise_rows,
    transpose_rows,
)
from starchart.engines.packed.slices import HEAD, SliceRange
from starchart.utils.matrix import Matrix, Vector


def pack_layer(slices: SliceRange, name: str, matrix: Matrix, lanes: Lanes) -> tuple[PackedRows, int]:
    """Return the rows and columns of a linear layer that some slices own, and the bound on their norms.

    `matrix` may be a StoredTensor. Raises CheckpointError for numbers that cannot be weights.
    """
    rows = rows_of(matrix)
    own = [own_columns(row, slices.columns(name)) for row in rows]
    scales = column_scales(own, lanes.weight_bits, name)
    owned = slices.rows(name)
    words = quantise_rows(own[owned.start : owned.stop], scales, lanes.weight_bits)
    bound = norm_bound(words, slices.sizes(name), lanes.weight_bits)
    return pack_rows(words, scales, lanes.width, lanes.weight_bits), bound


def pack_head(
    tokens: range, table: Matrix, lanes: Lanes, screen: Lanes | None
) -> tuple[list[PackedRows], int]:  # [V][C], in memory or a StoredTensor
    """Return the head for a part of the vocabulary, [C][tokens]; and the same in the narrower lanes of a screen."""
    columns = transpose_rows(rows_of(table, tokens.start, tokens.stop)) if tokens else []
    if len(tokens) % 2:
        for column in columns:
            column.append(0.0)
    scales = column_scales(columns, lanes.weight_bits, HEAD)
    words = quantise_rows(columns, scales, lanes.weight_bits)
    bound = norm_bound(words, group_sizes(len(columns)), lanes.weight_bits)
    packed = pack_rows(words, scales, lanes.width, lanes.weight_bits)
    if screen is None:
        return [packed], bound
    dropped = lanes.weight_bits - screen.weight_bits
    coarse = array("d", [scale * (1 << dropped) for scale in scales])
    narrow = narrower(words, screen.weight_bits, dropped)
    return [packed, pack_rows(narrow, coarse, screen.width, screen.weight_bits + 1)], bound


def own_columns(row: Vector, columns: Sequence[Sequence[range]]) -> "array[float]":
    """Return some columns of a row, in the order of their lanes: each list is filled up to an even length with a 0."""
    own: array[float] = array(row.typecode if isinstance(row, array) else "d")
    for ranges in columns:
        for part in ranges:
            own.extend(array(own.typecode, row[part.start : part.stop]))
        if len(own) % 2:
            own.append(0.0)
    return own


def cut_layer(packed: PackedRows, slices: SliceRange, name: str, lanes: Lanes) -> list[bytes]:
    """Return the tiles of a layer, one for each of these slices."""
    if name.endswith("c_proj"):
        counts = [len(part.rows(name)) for part in slices.single()]
        ends = list(accumulate(counts))
        return [
            tile_bytes(PackedRows(packed.scales, packed.rows[end - count : end]))
            for count, end in zip(counts, ends, strict=True)
        ]
    pair = pair_bytes(lanes.width)
    counts = _lane_counts(slices, name)
    tiles, first = [], 0
    for count in counts:
        rows = [row[first * pair // 2 : (first + count) * pair // 2] for row in packed.rows]
        tiles.append(tile_bytes(PackedRows(packed.scales[first : first + count], rows)))
        first += count
    return tiles


def join_layer(tiles: Sequence[bytes], slices: SliceRange, name: str, lanes: Lanes) -> PackedRows:
    """Return a layer made of its tiles, one for each of these slices."""
    if name.endswith("c_proj"):
        count = _lane_counts(slices, name)[0]
        parts = [tile_rows(tile, count, lanes) for tile in tiles]
        return PackedRows(parts[0].scales, [row for part in parts for row in part.rows])
    counts = _lane_counts(slices, name)
    parts = [tile_rows(tile, count, lanes) for tile, count in zip(tiles, counts, strict=True) if count]
    scales = array("d", [scale for part in parts for scale in part.scales])
    return PackedRows(scales, [b"".join(row) for row in zip(*(part.rows for part in parts), strict=True)])


def layer_tile_size(part: SliceRange, name: str, lanes: Lanes) -> int:
    """Return the bytes of the tile that a single slice has of a layer."""
    return tile_size(_lane_counts(part, name)[0], len(part.rows(name)), lanes)


def tile_size(lane_count: int, rows: int, lanes: Lanes) -> int:
    """Return the bytes of a tile."""
    return lane_count * 8 + rows * (lane_count // 2 * pair_bytes(lanes.width))


def tile_bytes(packed: PackedRows) -> bytes:
    """Return the bytes of a tile."""
    scales = array("d", packed.scales)
    if sys.byteorder == "big":
        scales.byteswap()
    return b"".join([scales.tobytes(), *packed.rows])


def tile_rows(tile: bytes, lane_count: int, lanes: Lanes) -> PackedRows:
    """Return what is in a tile of so many lanes."""
    scales = array("d", tile[: 8 * lane_count])
    if sys.byteorder == "big":
        scales.byteswap()
    size = lane_count // 2 * pair_bytes(lanes.width)
    starts: Iterable[int] = range(8 * lane_count, len(tile), size) if size else ()
    return PackedRows(scales, [tile[start : start + size] for start in starts])


def _lane_counts(slices: SliceRange, name: str) -> list[int]:
    sizes = [sum(map(len, ranges)) for ranges in slices.columns(name)]
    return [size + size % 2 for size in sizes]
