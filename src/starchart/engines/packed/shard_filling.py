"""Filling a shard: its matrices are packed from a checkpoint, or read from the pack cache.

A packed model on disk has one file for every slice. The file holds the slice's tiles in the order of packing: layer
after layer, then the slice's part of the output projection, then the same part in the narrower lanes for pruning.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

from starchart.engines.packed.arithmetic.lanes import Lanes
from starchart.engines.packed.arithmetic.packed_matrix import PackedMatrix, group_sizes, pack_matrix
from starchart.engines.packed.arithmetic.quantised_weights import LaneRows
from starchart.engines.packed.slices import OUTPUT_PROJECTION, Layer, SliceRange, linear_layers
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
from starchart.files.regular_file import open_regular_file
from starchart.utils.matrix import Vector

TileChecksums = Mapping[int, Sequence[int]]  # slice -> the CRC-32 of each of its tiles


@dataclass(frozen=True)
class PackingResult:
    """The bound on the columns' norms, and the checksums of the tiles that were written."""

    bound: int  # K^2
    checksums: TileChecksums
    error: str = ""  # why the tiles could not be written


class ShardFiller:
    """Fills the matrices of some slices, one by one, in the same order when it packs and when it reads."""

    def __init__(self, slices: SliceRange, pruning: Lanes | None) -> None:
        self.lanes: dict[str, Lanes] = {}  # of every matrix, by name
        self.matrices: dict[str, PackedMatrix] = {}  # of the linear layers
        self.vocabulary: dict[int, PackedMatrix] = {}  # slice -> its part of the output projection
        self.pruning: dict[int, PackedMatrix] = {}  # the same in narrower lanes
        self.biases: dict[str, Vector] = {}  # of the columns of these slices
        self._slices = slices
        self._pruning = pruning
        self._layers = linear_layers(slices.config.n_layer)
        self._offsets: dict[int, int] = {}  # of the next tile in a slice's file

    def choose(self, lanes: Mapping[str, Lanes]) -> None:
        """Set the lanes of every matrix, before any is packed or read."""
        self.lanes.update(lanes)

    def pack_layer(self, name: str, matrix: Any, bias: Vector, folder: Path | None) -> PackingResult:
        """Pack a layer; append its tiles to the files in `folder`, if there is one."""
        layer = self._layers[name]
        lanes = self.lanes[name]
        packed, bound = pack_linear_layer(self._slices, layer, matrix, lanes)
        self._take_layer(layer, packed, bias)
        if folder is None:
            return PackingResult(bound, {})
        tiles = cut_layer(packed, self._slices, layer, lanes)
        return self._write(
            {part.first: [tile] for part, tile in zip(self._slices.single(), tiles, strict=True)}, bound, folder
        )

    def pack_output_projection(self, part: int, table: Any, folder: Path | None) -> PackingResult:
        """Pack the output projection for the vocabulary of slice number `part` of these; nothing if there is none."""
        slice_ = self._slices.first + part
        if slice_ >= self._slices.last:
            return PackingResult(0, {})
        parts, bound = pack_vocabulary(self._slices.tokens(slice_), table, self._of_vocabulary(), self._pruning)
        self._take_vocabulary(slice_, parts)
        tiles = [tile_bytes(packed) for packed in parts] if folder else []
        return self._write({slice_: tiles}, bound, folder)

    def read_layer(self, name: str, bias: Vector, folder: Path, checksums: TileChecksums) -> bool:
        """Read a layer from the pack cache; return whether its tiles are undamaged."""
        layer = self._layers[name]
        tiles: list[bytes] = []
        for part in self._slices.single():
            sizes = [layer_tile_size(part, layer, self.lanes[name])]
            tiles += self._read(part.first, sizes, folder, checksums)
        if len(tiles) < len(self._slices.single()):
            return False
        self._take_layer(layer, join_layer(tiles, self._slices, layer, self.lanes[name]), bias)
        return True

    def read_output_projection(self, part: int, folder: Path, checksums: TileChecksums) -> bool:
        """Read a part of the output projection from the pack cache; return whether its tiles are undamaged."""
        slice_ = self._slices.first + part
        if slice_ >= self._slices.last:
            return True
        tokens, channels = len(self._slices.tokens(slice_)), self._slices.config.n_embd
        count = tokens + tokens % 2
        widths = [lanes for lanes in (self._of_vocabulary(), self._pruning) if lanes]
        tiles = self._read(slice_, [tile_size(count, channels, lanes) for lanes in widths], folder, checksums)
        if not tiles:
            return False
        self._take_vocabulary(
            slice_, [tile_rows(tile, count, lanes) for tile, lanes in zip(tiles, widths, strict=True)]
        )
        return True

    def _of_vocabulary(self) -> Lanes:
        return self.lanes[OUTPUT_PROJECTION.name]

    def _take_layer(self, layer: Layer, packed: LaneRows, bias: Vector) -> None:
        sizes = self._slices.group_sizes(layer)
        self.matrices[layer.name] = pack_matrix(packed.rows, packed.scales, sizes, self.lanes[layer.name])
        self.biases[layer.name] = own_columns(bias, self._slices.columns(layer)).tolist()

    def _take_vocabulary(self, slice_: int, parts: Sequence[LaneRows]) -> None:
        sizes = group_sizes(self._slices.config.n_embd)
        places = (self.vocabulary, self.pruning)
        for place, lanes, packed in zip(places, (self._of_vocabulary(), self._pruning), parts, strict=False):
            if lanes and packed.scales:
                place[slice_] = pack_matrix(packed.rows, packed.scales, sizes, lanes)

    def _write(self, tiles: Mapping[int, Sequence[bytes]], bound: int, folder: Path | None) -> PackingResult:
        if folder is None:
            return PackingResult(bound, {})
        try:
            for slice_, own in tiles.items():
                with slice_file(folder, slice_).open("ab") as file:
                    file.writelines(own)
        except OSError as error:
            return PackingResult(bound, {}, error.strerror or str(error))
        return PackingResult(bound, {slice_: list(map(crc32, own)) for slice_, own in tiles.items()})

    def _read(self, slice_: int, sizes: Sequence[int], folder: Path, checksums: TileChecksums) -> list[bytes]:
        """Return the next tiles of a slice, or none of them if one has another checksum than when it was written."""
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
