"""Ctrl-C while the modules are still loading: exit code 130 and no output, for every way of starting the program."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from starport.terminal.signals import interrupts_held_back

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = "import sys; from starport.cli import main; sys.exit(main(['generate', 'Hi']))"  # as pip writes `starchart`
DOORS = {
    "starchart": ["-c", SCRIPT],
    "python -m starport": ["-m", "starport", "generate", "Hi"],
    "run_gpt2.py": [str(ROOT / "run_gpt2.py"), "Hi"],
    "compare.py": [str(ROOT / "compare.py")],
}
# Runs before the program: sends SIGINT to this very process when the module of that name is about to be loaded.
HOOK = """
import _signal as signal, os, sys

signal.signal(signal.SIGINT, signal.default_int_handler)

class Interrupting:
    def find_spec(self, name, *_):
        if name == os.environ["INTERRUPT_AT"]:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
"""
MODULES = [
    "starport.terminal.signals",
    "signal",
    "starport.commands.command_line",
    "argparse",
    "logging",
    "starchart",
    "starchart.gpt2",
    "starport.commands.engine_options",
]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Ctrl-C cannot be sent to one process on Windows")


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("door", DOORS)
def test_while_a_module_is_loaded(door, module, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(HOOK)
    paths = os.pathsep.join([str(tmp_path), str(ROOT / "src"), str(ROOT)])
    variables = {**os.environ, "PYTHONPATH": paths, "INTERRUPT_AT": module}
    done = subprocess.run(
        [sys.executable, *DOORS[door]],
        env=variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


@pytest.fixture
def python_handles_it():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_what_is_loaded_is_loaded_whole(python_handles_it):
    loaded = []

    def load():
        with interrupts_held_back():
            os.kill(os.getpid(), signal.SIGINT)
            loaded.append("a module")

    with pytest.raises(KeyboardInterrupt):
        load()
    assert loaded
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with interrupts_held_back():
        pass


def test_an_interrupt_that_is_ignored_stays_so(python_handles_it):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interrupts_held_back():
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
