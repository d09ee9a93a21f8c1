"""The fuzzer of bench/fuzz_readers.py: a short run over every reader, and tests that it detects what it must."""

import subprocess
import sys

import pytest

from tests.house.source_tree import ROOT

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the fuzzer limits memory as POSIX systems do")


@pytest.mark.parametrize("cases", [1400, pytest.param(14_000, marks=pytest.mark.slow)])
def test_a_short_run(cases):
    command = [sys.executable, "bench/fuzz_readers.py", "--cases", str(cases), "--seed", "7"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=400)
    assert (run.returncode, run.stderr) == (0, ""), run.stdout + run.stderr


EVIL = {
    "runs code": ("eval('1 + 1')", "did compile"),
    "starts a program": ("os.system('true')", "did os.system"),
    "opens a file outside": ("open('/etc/hostname').close()", "did open '/etc/hostname'"),
    "unpickles": ("pickle.loads(pickle.dumps(Path))", "did pickle.find_class"),
    "writes": ("(path.parent / 'new').write_bytes(b'')", "did open "),
    "writes with flags": ("os.open(path, os.O_WRONLY)", "did open "),
    "opens a file outside with flags": (
        "open(os.open('/etc/hostname', os.O_RDONLY)).close()",
        "did open '/etc/hostname'",
    ),
    "removes a file": ("path.unlink()", "did os.remove"),
    "takes memory": ("bytearray(300_000_000)", "MemoryError"),
    "hangs": ("while True: pass", "took longer than 2 s"),
    "crashes": ("{}['x']", "KeyError"),
    "says two lines": ("raise StarchartError('two\\nlines')", "more than one line"),
    "is well": ("path.read_bytes()", "read"),
    "refuses": ("raise StarchartError('damaged')", "refused"),
}
PROGRAM = """
import os, pickle, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from bench import fuzz_readers
from starchart.errors import StarchartError

def read(path):
    {code}

signal.signal(signal.SIGPROF, fuzz_readers.too_long)
fuzz_readers.limit_memory()
print(fuzz_readers.read_case(fuzz_readers.Target("file", list, read), b"data", Path(sys.argv[2])))
"""


@pytest.mark.parametrize(("code", "seen"), EVIL.values(), ids=EVIL)
def test_what_a_reader_must_not_do_is_seen(code, seen, tmp_path):
    # In a process of its own: an audit hook cannot be removed.
    command = [sys.executable, "-c", PROGRAM.format(code=code), str(ROOT), str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert run.stdout.startswith(seen), run.stdout + run.stderr
