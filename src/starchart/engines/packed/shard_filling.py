"""Filling a shard: its matrices are packed from a checkpoint, or read from the pack cache.

The pack cache is a folder with a file for every slice. A slice's tiles stand in it in the order in which the matrices
are packed: layer after layer, then the slice's part of the head, then the same in the lanes of the screen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

from starchart.engines.packed.packed_matrix import Lanes, PackedMatrix, group_sizes, pack_matrix
from starchart.engines.packed.packing import PackedRows
from starchart.engines.packed.slices import HEAD, SCREEN, SliceRange
from starchart.engines.packed.tiles import (
    cut_layer,
    join_layer,
    layer_tile_size,
    own_columns,
    pack_head,
    pack_layer,
    tile_bytes,
    tile_rows,
    tile_size,
)
from starchart.files.regular_file import open_regular_file
from starchart.utils.matrix import Vector

TileChecksums = Mapping[int, Sequence[int]]  # slice -> of its tiles


@dataclass(frozen=True)
class Packed:
    """What packing found: a bound on the columns' norms, and the checksums of the tiles that were written."""

    bound: int
    checksums: TileChecksums
    error: str = ""  # why they could not be written


class ShardFiller:
    """Fills the matrices of some slices, one by one, in the same order when it packs and when it reads."""

    def __init__(self, slices: SliceRange, lanes: Lanes, screen: Lanes | None) -> None:
        self.matrices: dict[str, PackedMatrix] = {}
        self.biases: dict[str, Vector] = {}  # of the columns that are owned
        self._slices = slices
        self._lanes = lanes
        self._screen = screen
        self._offsets: dict[int, int] = {}  # of the next tile in a slice's file

    def pack_layer(self, name: str, matrix: Any, bias: Vector, folder: Path | None) -> Packed:
        """Pack a layer; append its tiles to the files in `folder`, if there is one."""
        packed, bound = pack_layer(self._slices, name, matrix, self._lanes)
        self._take_layer(name, packed, bias)
        if folder is None:
            return Packed(bound, {})
        tiles = cut_layer(packed, self._slices, name, self._lanes)
        return self._write(
            {part.first: [tile] for part, tile in zip(self._slices.single(), tiles, strict=True)}, bound, folder
        )

    def pack_head(self, part: int, table: Any, folder: Path | None) -> Packed:
        """Pack the head for part number `part` of these slices' vocabulary, if there are so many."""
        slice_ = self._slices.first + part
        if slice_ >= self._slices.last:
            return Packed(0, {})
        parts, bound = pack_head(self._slices.tokens(slice_), table, self._lanes, self._screen)
        self._take_head(slice_, parts)
        tiles = [tile_bytes(packed) for packed in parts] if folder else []
        return self._write({slice_: tiles}, bound, folder)

    def read_layer(self, name: str, bias: Vector, folder: Path, checksums: TileChecksums) -> bool:
        """Take a layer from the pack cache; return whether its tiles are whole."""
        tiles = []
        for part in self._slices.single():
            sizes = [layer_tile_size(part, name, self._lanes)]
            tiles += self._read(part.first, sizes, folder, checksums)
        if len(tiles) < len(self._slices.single()):
            return False
        self._take_layer(name, join_layer(tiles, self._slices, name, self._lanes), bias)
        return True

    def read_head(self, part: int, folder: Path, checksums: TileChecksums) -> bool:
        """Take a part of the head from the pack cache; return whether its tiles are whole."""
        slice_ = self._slices.first + part
        if slice_ >= self._slices.last:
            return True
        tokens, channels = len(self._slices.tokens(slice_)), self._slices.config.n_embd
        count = tokens + tokens % 2
        kinds = [self._lanes, *([self._screen] if self._screen else [])]
        tiles = self._read(slice_, [tile_size(count, channels, lanes) for lanes in kinds], folder, checksums)
        if not tiles:
            return False
        self._take_head(slice_, [tile_rows(tile, count, lanes) for tile, lanes in zip(tiles, kinds, strict=True)])
        return True

    def _take_layer(self, name: str, packed: PackedRows, bias: Vector) -> None:
        self.matrices[name] = pack_matrix(packed.rows, packed.scales, self._slices.sizes(name), self._lanes)
        self.biases[name] = own_columns(bias, self._slices.columns(name)).tolist()

    def _take_head(self, slice_: int, parts: Sequence[PackedRows]) -> None:
        sizes = group_sizes(self._slices.config.n_embd)
        for kind, lanes, packed in zip((HEAD, SCREEN), (self._lanes, self._screen), parts, strict=False):
            if lanes and packed.scales:
                self.matrices[f"{kind}.{slice_}"] = pack_matrix(packed.rows, packed.scales, sizes, lanes)

    def _write(self, tiles: Mapping[int, Sequence[bytes]], bound: int, folder: Path | None) -> Packed:
        if folder is None:
            return Packed(bound, {})
        try:
            for slice_, own in tiles.items():
                with slice_file(folder, slice_).open("ab") as file:
                    file.writelines(own)
        except OSError as error:
            return Packed(bound, {}, error.strerror or str(error))
        return Packed(bound, {slice_: list(map(crc32, own)) for slice_, own in tiles.items()})

    def _read(self, slice_: int, sizes: Sequence[int], folder: Path, checksums: TileChecksums) -> list[bytes]:
        """Return the next tiles of a slice, or none if one is not what was written."""
        offset = self._offsets.get(slice_, 0)
        self._offsets[slice_] = offset + sum(sizes)
        try:
            with open_regular_file(slice_file(folder, slice_)) as file:
                file.seek(offset)
                tiles = [file.read(size) for size in sizes]
        except OSError:
            return []
        return tiles if list(map(crc32, tiles)) == list(checksums.get(slice_, ())) else []


def slice_file(folder: Path, slice_: int) -> Path:
    """Return the path of a slice's file."""
    return folder / f"slice-{slice_:03}.bin"
