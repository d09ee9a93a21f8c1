"""An inspection as tables and as JSON."""

from collections.abc import Sequence
from dataclasses import asdict
from math import isfinite
from typing import Any

from starchart.files.json_file import shown
from starport.inspection.inspect import NO_VOCABULARY, STRANGER, WEIGHT, InspectedTensor, Inspection
from starport.inspection.lanes import lanes_chosen, lanes_text
from starport.inspection.memory import memory_needed
from starport.inspection.statistics import Statistics
from starport.terminal.console import printable

_COLUMNS = ("tensor", "dtype", "shape", "parameters")
_OF_VALUES = ("min", "mean", "max", "std", "nan", "inf")
_LEFT = (0, 1, 2)  # left-aligned columns, as is the last one


def inspection_report(found: Inspection) -> dict[str, Any]:
    """Return an inspection as JSON values; NaN and infinity are null."""
    return {
        "format": found.format,
        "files": [{"file": str(file.path), "bytes": file.size, "sha256": file.sha256} for file in found.files],
        "tensors": [_tensor_report(tensor) for tensor in found.tensors],
        "parameters": found.parameters,
        "config": asdict(found.config) if found.config else None,
        "vocabulary": found.vocabulary,
        "memory": _memory(found),
        "lanes": _lanes(found),
        "faults": found.faults,
    }


def inspection_text(found: Inspection) -> str:
    """Return an inspection as tables: the model, its tensors, its files. "" if there are no files."""
    if not found.files:
        return ""
    lines = [*_summary(found), "", *_tensor_table(found.tensors), ""] if found.tensors else []
    lines += [f"memory, {engine}: {_megabytes(size)}" for engine, size in _memory(found).items()]
    lines += [f"lanes, {precision}: {lanes_text(lanes)}" for precision, lanes in _lanes(found).items()]
    lines += ["", *_table([(file.sha256, f"{file.size:,}", str(file.path)) for file in found.files], (0, 2))]
    lines.append(f"on disk: {sum(file.size for file in found.files):,} bytes")
    return "\n".join(lines).lstrip("\n")


def _summary(found: Inspection) -> list[str]:
    """Return the lines about the model; its sizes are among them only if it can be loaded."""
    config = found.config
    rows = [("kind", "GPT-2" if config else "not a GPT-2 that can be loaded")]
    if config:
        sizes = f"{config.n_layer} layers, {config.n_head} heads, {config.n_embd} channels"
        rows.append(("size", f"{sizes}, {config.n_positions} positions"))
    vocabulary = "none" if found.vocabulary == NO_VOCABULARY else found.vocabulary
    if config and vocabulary != f"{config.vocab_size} tokens":
        vocabulary += f"; the model has {config.vocab_size} tokens"
    rows.append(("vocabulary", vocabulary))
    dtypes = sorted({tensor.stored.dtype for tensor in found.tensors if tensor.use == WEIGHT})
    rows += [("parameters", f"{found.parameters:,}"), ("format", f"{found.format}, {' and '.join(dtypes)}")]
    return _table(rows, (0, 1))


def _memory(found: Inspection) -> dict[str, int]:
    return memory_needed(found.config, found.used) if found.config and found.used else {}


def _lanes(found: Inspection) -> dict[str, dict[str, int] | None]:
    return lanes_chosen(found.config, found.used) if found.config and found.used else {}


def _tensor_report(tensor: InspectedTensor) -> dict[str, Any]:
    values = asdict(tensor.values) if tensor.values else {}
    return {
        "name": tensor.stored.name,
        "our_name": None if tensor.use == STRANGER else tensor.name,
        "file": str(tensor.stored.path),
        "dtype": tensor.stored.dtype,
        "shape": list(tensor.stored.shape),
        "parameters": tensor.stored.count,
        "use": tensor.use,
        "values": {name: value if isfinite(value or 0) else None for name, value in values.items()} or None,
    }


def _tensor_table(tensors: Sequence[InspectedTensor]) -> list[str]:
    """Return a line per tensor. The columns of statistics are left out if no values were read."""
    read = any(tensor.values for tensor in tensors)
    columns = (*_COLUMNS, *(_OF_VALUES if read else ()), "")
    return _table([columns, *(_cells(tensor, read) for tensor in tensors)], (*_LEFT, len(columns) - 1))


def _cells(tensor: InspectedTensor, read: bool) -> tuple[str, ...]:
    stored, values = tensor.stored, tensor.values
    name = stored.name if stored.name.isprintable() and len(stored.name) < 100 else shown(stored.name)
    shape = "x".join(map(str, stored.shape)) if len(stored.shape) < 9 else shown(list(stored.shape))
    return (
        name,
        stored.dtype,
        shape,
        f"{stored.count:,}",
        *(_numbers(values) if values else [""] * len(_OF_VALUES) * read),
        "" if tensor.use == WEIGHT else tensor.use,
    )


def _numbers(values: Statistics) -> list[str]:
    found = (values.smallest, values.mean, values.largest, values.deviation)
    shown_numbers = ["" if number is None else f"{number:.4g}" for number in found]
    return shown_numbers + [f"{bad:,}" if bad else "" for bad in (values.nans, values.infinities)]


def _table(rows: Sequence[Sequence[str]], left: Sequence[int]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows = [[printable(cell) for cell in row] for row in rows]
    cells = [
        [
            cell.ljust(width) if place in left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        for row in rows
    ]
    return ["  ".join(row).rstrip() for row in cells]


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
