"""The same bits on every machine and every Python: exact results stored here, and the same from other interpreters.

The other tests in this folder check that the values are right. If only this test fails, the
arithmetic is not that of IEEE 754: extended precision, a fused multiply-add, subnormals flushed to zero.
"""

import subprocess
from pathlib import Path

import pytest

from tests.interpreters import every_python
from tests.utils.many_results import FUNCTIONS, digest

ROOT = Path(__file__).parents[2]
DIGEST = "8faeed3dacee90bac0dc80a8e4aa8b1963049b09b0802a17d072a8d1676354db"
GOLDEN = [
    ("exp", "0x1.0000000000000p+0", "0x1.5bf0a8b145769p+1"),
    ("exp", "-0x1.999999999999ap-4", "0x1.cf46d99d52b3ap-1"),
    ("exp", "-0x1.774f01fb82c2cp+4", "0x1.1dd423dea762ap-34"),
    ("exp", "0x1.5e20000000000p+9", "0x1.2fd8e4cbfa413p+1010"),
    ("exp", "-0x1.7240000000000p+9", "0x0.0000000000033p-1022"),
    ("exp", "-0x1.6232bdd7abcd2p+9", "0x1.000000000007cp-1022"),
    ("exp", "0x1.62d999999999ap+9", "0x1.d75ae7a50ee14p+1023"),
    ("log", "0x1.4000000000000p+3", "0x1.26bb1bbb55516p+1"),
    ("log", "0x1.999999999999ap-4", "-0x1.26bb1bbb55515p+1"),
    ("log", "0x1.0000000000001p+0", "0x1.fffffffffffffp-53"),
    ("log", "0x1.ff80000000000p-1", "-0x1.0020055655889p-10"),
    ("log", "0x0.0000000000001p-1022", "-0x1.74385446d71c3p+9"),
    ("log", "0x1.e42d130773b76p+1023", "0x1.62dd08fdc6f88p+9"),
    ("log1p", "0x1.4f8b588e368f1p-17", "0x1.4f8aea9ae7317p-17"),
    ("log1p", "-0x1.0000000000000p-1", "-0x1.62e42fefa39efp-1"),
    ("log1p", "0x1.59e05f1e2674dp-53", "0x1.59e05f1e2674dp-53"),
    ("log1p", "-0x1.fffffffffffffp-1", "-0x1.25e4f7b2737fap+5"),
    ("log1p", "0x1.7e43c8800759cp+996", "0x1.5963447f87fb5p+9"),
    ("tanh", "0x1.999999999999ap-4", "0x1.983d7795f413ap-4"),
    ("tanh", "0x1.0000000000000p-3", "0x1.fd5992bc4b836p-4"),
    ("tanh", "-0x1.6666666666666p-1", "-0x1.356fb17af2e91p-1"),
    ("tanh", "0x1.ffbe76c8b4396p+0", "0x1.ed8bc0f25ab1cp-1"),
    ("tanh", "0x1.a666666666666p+1", "0x1.fe9bdf44f7c03p-1"),
    ("tanh", "-0x0.0000000000001p-1022", "-0x0.0000000000001p-1022"),
    ("erf", "0x1.999999999999ap-4", "0x1.cca5ea24fb334p-4"),
    ("erf", "0x1.0000000000000p-2", "0x1.1af54e232d608p-2"),
    ("erf", "-0x1.ccccccccccccdp-1", "-0x1.98045a6c8a2e6p-1"),
    ("erf", "0x1.4000000000000p+1", "0x1.ffcaa8f4c9beap-1"),
    ("erf", "0x1.799999999999ap+2", "0x1.fffffffffffffp-1"),
    ("erfc", "-0x1.4000000000000p+0", "0x1.ec432ecc55f00p+0"),
    ("erfc", "0x1.3333333333333p-2", "0x1.57be3bbf10af8p-1"),
    ("erfc", "0x1.8000000000000p-1", "0x1.27c6d14c5e341p-2"),
    ("erfc", "0x1.a666666666666p+1", "0x1.9a661bcdec4aep-19"),
    ("erfc", "0x1.799999999999ap+2", "0x1.4b99601a343cap-54"),
    ("erfc", "0x1.ae66666666666p+4", "0x0.000000163dc09p-1022"),
    ("normal_cdf", "0x1.3333333333333p-2", "0x1.3c5ee2cc40b79p-1"),
    ("normal_cdf", "-0x1.0000000000000p+0", "0x1.44ed0bb7cb20ap-3"),
    ("normal_cdf", "0x1.feb851eb851ecp+1", "0x1.fffbab795b93ep-1"),
    ("normal_cdf", "-0x1.0000000000000p+2", "0x1.09ad7954affefp-15"),
    ("normal_cdf", "-0x1.419999999999ap+4", "0x1.e10659f764762p-298"),
    ("normal_cdf", "-0x1.3000000000000p+5", "0x0.00000037b23b8p-1022"),
    ("gelu", "0x1.0000000000000p-1", "0x1.62075e232ac77p-2"),
    ("gelu", "-0x1.0000000000000p-1", "-0x1.3bf143b9aa712p-3"),
    ("gelu", "0x1.8000000000000p+0", "0x1.665895bb1e942p+0"),
    ("gelu", "-0x1.a666666666666p+2", "-0x1.2a5e36c053a7dp-33"),
    ("gelu_new", "0x1.0000000000000p-1", "0x1.6202da77df3f9p-2"),
    ("gelu_new", "-0x1.0000000000000p-1", "-0x1.3bfa4b104180fp-3"),
    ("gelu_new", "0x1.8000000000000p+0", "0x1.664a52a78a8f2p+0"),
    ("gelu_new", "-0x1.a666666666666p+2", "-0x1.e877fcba5caccp-43"),
    ("gelu_fast", "0x1.0000000000000p-1", "0x1.6202da77dde39p-2"),
    ("gelu_fast", "-0x1.8000000000000p+1", "-0x1.dcc2a011927b1p-9"),
    ("silu", "0x1.0000000000000p-1", "0x1.3eb2fd4d34391p-2"),
    ("silu", "-0x1.2000000000000p+3", "-0x1.231fd40fa60cfp-10"),
    ("silu", "-0x1.5e00000000000p+9", "-0x1.7aa3cdf7f304ep-1001"),
]


@pytest.mark.parametrize(("name", "x", "expected"), GOLDEN)
def test_exact_bits(name, x, expected):
    assert FUNCTIONS[name](float.fromhex(x)).hex() == expected


def test_digest_of_many_results():
    assert digest() == DIGEST


@pytest.mark.parametrize("python", every_python())
def test_other_interpreters_give_the_same_bits(python):
    code = f"import sys; sys.path[:0] = {[str(ROOT / 'src'), str(ROOT)]}"
    code += "; from tests.utils.many_results import digest; print(digest())"
    run = subprocess.run([python, "-I", "-S", "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.strip() == DIGEST
