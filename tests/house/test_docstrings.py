"""Every string statement is a docstring: nobody reads a second one, or one in another place."""

import ast

import pytest

from tests.house.source_tree import ROOT, parse, python_files

FILES = [*python_files(ROOT / "src"), *python_files(ROOT / "starport")]


def stray_strings(tree: ast.AST) -> list[int]:
    """Return the lines of the string statements of `tree` that are not the docstring of anything."""
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    docstrings = {id(node.body[0]) for node in ast.walk(tree) if isinstance(node, documented) and node.body}
    return [node.lineno for node in ast.walk(tree) if _is_string_statement(node) and id(node) not in docstrings]


def _is_string_statement(node: ast.AST) -> bool:
    match node:
        case ast.Expr(value=ast.Constant(value=str() | bytes()) | ast.JoinedStr()):
            return True
    return False


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_stray_strings(file):
    assert stray_strings(parse(file)) == []


@pytest.mark.parametrize(
    "source",
    [
        'def f():\n    """One."""\n    """Two."""\n',
        'class A:\n    """One."""\n\n    """Two."""\n\n    x: int\n',
        '"""One."""\nimport ast\n"""Two."""\n',
        'x = 1\n"""What x is."""\n',
        'def f():\n    """One."""\n    f"{f}"\n',
        'def f():\n    if f:\n        """Why."""\n',
    ],
)
def test_the_check_catches(source):
    assert len(stray_strings(ast.parse(source))) == 1


def test_the_check_lets_pass():
    source = '"""One."""\nclass A:\n    """Two."""\n    def f(self):\n        """Three."""\n        return """four"""\n'
    assert stray_strings(ast.parse(source)) == []
