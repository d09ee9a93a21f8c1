"""The programs in bench and tools: --help does nothing else, and bad input is refused in one line."""

import subprocess
import sys

import pytest

from tests.house.source_tree import ROOT


def run(*command):
    return subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("tool", ["draw_architecture", "make_zipapp", "write_fingerprints"])
def test_help_writes_nothing(tool):
    written = {path: path.stat().st_mtime_ns for path in (ROOT / "docs").iterdir()}
    done = run("-m", f"tools.{tool}", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "usage:" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in (ROOT / "docs").iterdir()} == written


def test_a_mutant_that_is_not_there():
    done = run("bench/mutants.py", "--only", "exp", "--only", "nosuchthing")
    line = "mutants: --only nosuchthing: no such mutant; bench/mutant_list.py has them all\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", line)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["bench/mutants.py", "--only", "layers"], "`pip install "),
        (["bench/fuzz_readers.py", "--cases", "1", "--only", "PyTorch"], "`pip install torch`"),
    ],
)
def test_what_is_not_installed_is_one_line(command, words, tmp_path):
    done = run("-S", *command)  # -S: nothing but the standard library
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert words in done.stderr
