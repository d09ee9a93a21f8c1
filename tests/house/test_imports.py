"""Only the standard library below src/, and no hidden way to import anything else."""

import ast
import sys

import pytest

from tests.house.source_tree import ROOT, SRC, imports, parse, python_files

# ctypes and cffi could reach a BLAS; the others could import under a name that nobody reads, or start another program.
BACK_DOORS = {"_ctypes", "builtins", "ctypes", "imp", "importlib", "pkgutil", "runpy", "subprocess", "zipimport"}
BACK_DOOR_NAMES = {"__import__", "__builtins__", "__loader__", "compile", "eval", "exec"}
# The packed engine's workers are this same Python, which runs this same code and finds no packages: see the test below.
STARTS_WORKERS = SRC / "starchart" / "engines" / "packed" / "process_group.py"


def offences(tree: ast.AST) -> list[str]:
    """Return what `tree` imports or calls beyond the standard library and starchart, a line each."""
    found = []
    for name, line in imports(tree):
        top = name.partition(".")[0]
        if top in BACK_DOORS or (top != "starchart" and top not in sys.stdlib_module_names):
            found.append(f"{line}: imports {name}")
    for node in ast.walk(tree):
        used = {ast.Name: "id", ast.Attribute: "attr", ast.Constant: "value"}.get(type(node))
        name = getattr(node, used) if used else None
        # re.compile is an attribute and harmless; as an attribute or in a string only the unmistakable names count.
        if name in BACK_DOOR_NAMES and (isinstance(node, ast.Name) or str(name).startswith("__")):
            found.append(f"{node.lineno}: uses {name}")
    return found


@pytest.mark.parametrize("file", python_files(SRC), ids=lambda file: str(file.relative_to(ROOT)))
def test_only_the_standard_library(file):
    found = [offence.partition(": ")[2] for offence in offences(parse(file))]
    assert found == (["imports subprocess"] if file == STARTS_WORKERS else [])


def test_workers_are_this_same_python_without_packages():
    tree = parse(STARTS_WORKERS)
    used = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and is_name(node.value, "subprocess")]
    assert {node.attr for node in used} == {"Popen", "PIPE", "DEVNULL"}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.func in used]
    assert [ast.unparse(call.args[0]) for call in calls] == [
        "[sys.executable, '-I', '-S', '-c', _PROGRAM, str(package)]"
    ]
    assert not {keyword.arg for call in calls for keyword in call.keywords} & {"executable", "shell", "env", "cwd"}
    programs = [
        node.value for node in tree.body if isinstance(node, ast.Assign) and is_name(node.targets[0], "_PROGRAM")
    ]
    imported = [name for program in programs for name, _ in imports(ast.parse(ast.literal_eval(program)))]
    assert imported == ["sys", "starchart.engines.packed.process_group.serve"]


def is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


@pytest.mark.parametrize(
    "source",
    [
        "import numpy",
        "import numpy as math",
        "from numpy import dot",
        "import json, numpy.linalg",
        "def f():\n    import torch",
        "try:\n    import numba\nexcept ImportError:\n    pass",
        "from . import exp",
        "from .exp import exp",
        "import starport",
        "from starport.cli import main",
        "import starchart_extras",
        "import ctypes",
        "from ctypes import CDLL",
        "import _ctypes",
        "import importlib.util",
        "from importlib import import_module",
        "import builtins",
        "import runpy",
        "import subprocess",
        "__import__('numpy')",
        "load = __import__",
        "getattr(x, '__import__')('numpy')",
        "x.__import__('numpy')",
        "__builtins__['eval']('1')",
        "exec('import numpy')",
        "eval('1')",
        "compile('1', '', 'eval')",
    ],
)
def test_the_check_catches(source):
    assert offences(ast.parse(source))


@pytest.mark.parametrize(
    "source",
    [
        "import math",
        "from array import array",
        "import os.path",
        "from starchart.utils.elementary.exp import exp",
        "re.compile('a')",
    ],
)
def test_the_check_lets_pass(source):
    assert offences(ast.parse(source)) == []
