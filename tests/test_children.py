"""Programs that a test starts end with it, and obey Ctrl-C even if the test suite ignores it."""

import signal
import subprocess
import sys

import pytest

from tests.children import heed_interrupts, started
from tests.engines.processes import gone_within

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and process groups are those of POSIX")
# A program that starts another one; neither ends by itself.
TWO = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(10_000)"])
print(child.pid, flush=True)
child.wait()
"""


def test_a_program_and_what_it_started_end_when_a_wait_does():
    with pytest.raises(subprocess.TimeoutExpired):  # noqa: PT012, SIM117
        with started([sys.executable, "-c", TWO], stdout=subprocess.PIPE) as process:
            grandchild = int(process.stdout.readline())
            process.communicate(timeout=0.1)
    assert process.returncode == -signal.SIGKILL
    assert gone_within(grandchild, 60)


def test_programs_heed_ctrl_c_where_the_suite_was_started_without():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        heed_interrupts()
        with started(
            [sys.executable, "-c", "print(1, flush=True); input()"], stdin=-1, stdout=-1, stderr=-1
        ) as process:
            process.stdout.readline()
            process.send_signal(signal.SIGINT)
            assert b"KeyboardInterrupt" in process.communicate(timeout=60)[1]
    finally:
        signal.signal(signal.SIGINT, before)
    assert process.returncode == -signal.SIGINT
