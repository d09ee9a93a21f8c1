"""Arithmetic that is the same on every machine and Python: only correctly rounded or exact operations below src/."""

import ast

import pytest

from tests.house.source_tree import ROOT, SRC, python_files

# The functions of math that IEEE-754 or integers make exact or correctly rounded. exp, log, tanh, erf, log1p, pow and
# the others come from the platform's C library and differ in the last bit; sum() of floats changed in Python 3.12.
SAME_EVERYWHERE = {
    *("ceil", "comb", "copysign", "fabs", "factorial", "floor", "frexp", "fsum", "gcd", "inf", "isfinite", "isinf"),
    *("isnan", "isqrt", "ldexp", "lcm", "modf", "nan", "nextafter", "prod", "sqrt", "trunc", "ulp"),
}
OTHER_ARITHMETIC = {"cmath", "decimal", "fractions", "statistics"}

# (file below src/starchart, expression): where sum() and ** see integers only.
INTEGERS = {
    ("engines/packed/arithmetic/attention_cache.py", "sum(a)"),
    ("engines/packed/arithmetic/attention_cache.py", "sum(map(abs, a))"),
    ("engines/packed/arithmetic/attention_cache.py", "sum(map(mul, rows, a), excess)"),
    ("engines/packed/exchange.py", "sum(map(len, pieces))"),
    ("engines/packed/exchange.py", "sum(self._written)"),
    (
        "engines/packed/filling.py",
        "sum(layer_tile_size(part, layer, lanes[layer.name]) for layer in layers for part in parts)",
    ),
    ("engines/packed/filling.py", "sum(tile_size(tokens, config.n_embd, own) for own in widths)"),
    ("engines/packed/pack_cache.py", "sum(map(_size, folders))"),
    ("engines/packed/pack_cache.py", "sum(path.stat().st_size for path in folder.iterdir())"),
    ("engines/packed/arithmetic/packed_product.py", "map(sum, own)"),
    ("engines/packed/arithmetic/packed_product.py", "sum(factors)"),
    ("engines/packed/arithmetic/packed_product.py", "sum(map(mul, group.rows, vector[number]), group.start)"),
    ("engines/packed/arithmetic/packed_product.py", "sum(map(mul, rows, factors), start)"),
    ("engines/packed/arithmetic/packed_product.py", "sum(map(sum, own))"),
    ("engines/packed/arithmetic/packed_matrix.py", "sum(part)"),
    ("engines/packed/arithmetic/quantised_vectors.py", "sum(map(mul, v, v))"),
    ("engines/packed/arithmetic/quantised_vectors.py", "sum(v)"),
    ("engines/packed/arithmetic/candidate_pruning.py", "(norm + 5) ** 2"),
    ("engines/packed/arithmetic/candidate_pruning.py", "sum(a)"),
    ("engines/packed/arithmetic/candidate_pruning.py", "sum(b * (words[place] - half) for place, b in large)"),
    ("engines/packed/arithmetic/candidate_pruning.py", "sum(map(abs, map(sub, vector.numbers, repeat(lanes.offset))))"),
    ("engines/packed/arithmetic/candidate_pruning.py", "sum(map(abs, numbers))"),
    (
        "engines/packed/arithmetic/candidate_pruning.py",
        "sum(sum(map(abs, numbers)) for _, _, numbers in vector.large.groups)",
    ),
    ("engines/packed/arithmetic/candidate_pruning.py", "sum(map(mul, a, words))"),
    ("engines/packed/shard_filling.py", "sum(sizes)"),
    ("engines/packed/tiles.py", "sum(map(len, ranges))"),
}


def offences(source: str) -> list[tuple[str, int]]:
    """Return the expressions of `source` whose bits could depend on the platform, with their lines."""
    bad = [node for node in ast.walk(ast.parse(source)) if _offends(node)]
    return [(ast.get_source_segment(source, node) or "", node.lineno) for node in bad]


def _offends(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(value=ast.Name(id="math"), attr=name):
            return name not in SAME_EVERYWHERE
        case ast.ImportFrom(module="math", names=names):
            return any(alias.name not in SAME_EVERYWHERE for alias in names)
        case ast.Import(names=names):
            # `import math as m` would hide the attribute from this check.
            return any(alias.name in OTHER_ARITHMETIC or (alias.name == "math" and alias.asname) for alias in names)
        case ast.ImportFrom(module=module, names=names):
            return module in OTHER_ARITHMETIC or (module == "operator" and any(alias.name == "pow" for alias in names))
        case ast.BinOp(op=ast.Pow(), left=left, right=right):
            return not (_is_integer(left) and _is_integer(right))
        case ast.AugAssign(op=ast.Pow()):
            return True
        case ast.Call(func=function, args=arguments):
            return any(_is_builtin(part) for part in (function, *arguments))
        case ast.Assign(value=value):
            return _is_builtin(value)
    return False


def _is_builtin(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in ("pow", "sum")


def _is_integer(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int)


@pytest.mark.parametrize("file", python_files(SRC), ids=lambda file: str(file.relative_to(ROOT)))
def test_same_bits_everywhere(file):
    name = file.relative_to(SRC / "starchart").as_posix()
    assert [
        (text, line) for text, line in offences(file.read_text(encoding="utf-8")) if (name, text) not in INTEGERS
    ] == []


def test_no_exemption_is_left_over():
    found = {
        (file.relative_to(SRC / "starchart").as_posix(), text)
        for file in python_files(SRC)
        for text, _ in offences(file.read_text(encoding="utf-8"))
    }
    assert found >= INTEGERS


@pytest.mark.parametrize(
    "source",
    [
        "math.exp(x)",
        "math.log(x)",
        "math.log1p(x)",
        "math.tanh(x)",
        "math.erf(x)",
        "math.pow(x, 2)",
        "math.sumprod(a, b)",
        "math.hypot(x, y)",
        "f = math.exp",
        "from math import exp",
        "from math import fsum, exp as e",
        "import math as m",
        "import cmath",
        "from statistics import fmean",
        "from operator import pow",
        "x ** 2",
        "2 ** x",
        "x ** 0.5",
        "2.0 ** 3",
        "x **= 2",
        "pow(x, 2)",
        "map(pow, a, b)",
        "sum(values)",
        "sum(x for x in values)",
        "map(sum, rows)",
        "add_up = sum",
    ],
)
def test_the_check_catches(source):
    assert offences(source)


@pytest.mark.parametrize(
    "source", ["math.fsum(x)", "from math import fsum, sqrt", "import math", "2**64", "x * x", "fsum(x)"]
)
def test_the_check_lets_pass(source):
    assert offences(source) == []
