"""The source of a function, from the package that runs: its file, its line, its text.

The text comes from the loader of the module, so it is there in a zip file and in a browser too.
"""

import ast
import sys
from collections.abc import Callable
from functools import cache
from pathlib import PurePath
from typing import Any


@cache
def source_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Return {"function", "module", "file", "line", "lines"}; `lines` is empty where only bytecode is there."""
    module, code = function.__module__, function.__code__
    text = _text_of(module)
    first = code.co_firstlineno
    last = next(
        (
            node.end_lineno or first
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.FunctionDef) and node.name == function.__name__ and node.lineno == first
        ),
        first,
    )
    parts = (*module.split(".")[:-1], PurePath(code.co_filename).name)
    return {
        "function": function.__name__,
        "module": module,
        "file": "/".join(("src", *parts) if parts[0] == "starchart" else parts),
        "line": first,
        "lines": text.splitlines()[first - 1 : last],
    }


@cache
def _text_of(module: str) -> str:
    spec = sys.modules[module].__spec__
    get_source = getattr(spec.loader if spec else None, "get_source", None)
    return (get_source(module) if get_source else None) or ""
