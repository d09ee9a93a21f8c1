"""The files that hold golden values: safetensors, npz, npy or JSON. Each value is written as it comes, row by row.

Each function opens the files of one format in a folder and yields `put(name, rows)`. Values must come in the order of
`shapes`: safetensors has the sizes of all of them at its beginning.
"""

import json
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypeAlias
from zipfile import ZIP_STORED, ZipFile

from starchart.checkpoints.npz.writer import new_array, write_array_header
from starchart.checkpoints.numbers.bfloat16 import little_endian
from starchart.checkpoints.safetensors.writer import safetensors_header
from starport.explorer.plain_data import plain_numbers
from starport.porting.pass_names import Shapes

Put: TypeAlias = Callable[[str, Iterable["array[float]"]], None]

SAFETENSORS, NPZ, NPY, JSON = "values.safetensors", "values.npz", "NAME.npy", "values.json"


@contextmanager
def safetensors_file(folder: Path, shapes: Shapes, dtype: str) -> Iterator[Put]:
    """Write one safetensors file."""
    with open(folder / SAFETENSORS, "wb") as file:
        file.write(safetensors_header(shapes, dtype))
        yield lambda _, rows: file.writelines(map(little_endian, rows))


@contextmanager
def npz_file(folder: Path, shapes: Shapes, dtype: str) -> Iterator[Put]:
    """Write one archive of NumPy, without compression."""
    with ZipFile(folder / NPZ, "w", ZIP_STORED) as archive:

        def put(name: str, rows: Iterable["array[float]"]) -> None:
            with new_array(archive, name, shapes[name], dtype) as file:
                file.writelines(map(little_endian, rows))

        yield put


@contextmanager
def npy_files(folder: Path, shapes: Shapes, dtype: str) -> Iterator[Put]:
    """Write one array of NumPy for each value; those of a step stand in a folder of their own, `step.1`."""

    def put(name: str, rows: Iterable["array[float]"]) -> None:
        path = folder / f"{name}.npy"
        path.parent.mkdir(exist_ok=True)
        with open(path, "wb") as file:
            file.write(write_array_header(shapes[name], dtype))
            file.writelines(map(little_endian, rows))

    yield put


@contextmanager
def json_file(folder: Path, shapes: Shapes, _: str) -> Iterator[Put]:
    """Write one JSON object of nested lists, a row of numbers a line. NaN and infinities are strings."""
    with open(folder / JSON, "w", encoding="utf-8") as file:
        first = next(iter(shapes))

        def put(name: str, rows: Iterable["array[float]"]) -> None:
            file.write(f"{'{' if name == first else ','}\n{json.dumps(name)}: ")
            file.writelines(_nested(rows, shapes[name]))

        yield put
        file.write("\n}\n")


def _nested(rows: Iterable["array[float]"], shape: tuple[int, ...]) -> Iterator[str]:
    """Yield the text of nested lists of this shape, from the rows of the last axis."""
    axes = shape[:-1]
    for count, row in enumerate(rows):
        opened = sum(count % lines == 0 for lines in _rows_of(axes))
        closed = sum((count + 1) % lines == 0 for lines in _rows_of(axes))
        between = ",\n" if count else ""
        yield between + "[" * opened + json.dumps(plain_numbers(row)) + "]" * closed


def _rows_of(axes: tuple[int, ...]) -> list[int]:
    """Return how many rows a list has at each depth, the innermost first: [T, H T] of [H][T][n]."""
    lines, found = 1, []
    for size in reversed(axes):
        lines *= size
        found.append(lines)
    return found


# The choices of --format: how values are written, and the file that the index names.
FORMATS: dict[str, tuple[Callable[[Path, Shapes, str], AbstractContextManager[Put]], str]] = {
    "safetensors": (safetensors_file, SAFETENSORS),
    "npz": (npz_file, NPZ),
    "npy": (npy_files, NPY),
    "json": (json_file, JSON),
}
