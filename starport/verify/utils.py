"""The operations of starchart.utils against true results on named inputs, with NumPy and PyTorch beside them."""

from collections.abc import Iterator
from pathlib import Path

from starport.verify import elementary_functions, products, row_operations
from starport.verify.check import Check


def checks(model: Path) -> Iterator[Check]:  # noqa: ARG001  these checks use no model
    """Yield a check per operation."""
    yield from products.checks()
    yield from elementary_functions.checks()
    yield from row_operations.checks()
