"""Files and functions stay short enough to be read in one go."""

import ast

import pytest

from tests.house.source_tree import ROOT, parse, python_files

LONGEST_FILE = 250
LONGEST_FUNCTION = 50
GENERATED = {"src/starchart/tokenizer/characters.py"}  # tables that a script writes and nobody reads by line

FILES = [*python_files(ROOT / "src"), *python_files(ROOT / "starport")]


def long_functions(tree: ast.AST) -> list[str]:
    """Return the functions of `tree` that have too many lines, docstring and all."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [f.name for f in functions if (f.end_lineno or 0) - f.lineno + 1 > LONGEST_FUNCTION]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_short(file):
    assert long_functions(parse(file)) == []
    if file.relative_to(ROOT).as_posix() not in GENERATED:
        assert len(file.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE


def test_the_check_catches():
    body = "    x = 1\n" * LONGEST_FUNCTION
    assert long_functions(ast.parse("class A:\n  def f():\n" + body)) == ["f"]
    assert long_functions(ast.parse("def f():\n" + body.removesuffix("    x = 1\n"))) == []
