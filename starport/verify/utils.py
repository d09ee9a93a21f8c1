"""The operations of starchart.utils: the errors of each on named inputs, with those of NumPy and PyTorch."""

from collections.abc import Iterator
from pathlib import Path

from starport.verify import elementary_functions, products, row_operations
from starport.verify.check import Check


def checks(model: Path) -> Iterator[Check]:  # noqa: ARG001  operations know no model
    """Yield a check for each operation."""
    yield from products.checks()
    yield from elementary_functions.checks()
    yield from row_operations.checks()
