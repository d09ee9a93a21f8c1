"""The repository's Python files as syntax trees, for the tests that hold the rules of the house."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src"


def python_files(folder: Path) -> list[Path]:
    """Return every Python file below `folder`, in the order of their names. An empty answer would prove nothing."""
    files = sorted(folder.rglob("*.py"))
    assert files, f"no Python files in {folder}"
    return files


def parse(file: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


def imports(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield the full name of every module imported anywhere in `tree`, inside functions too, with its line.

    `from package import name` counts as package.name, which may be a module. A relative import begins with a dot.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from ((f"{module}.{alias.name}", node.lineno) for alias in node.names)
