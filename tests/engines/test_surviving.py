"""Processes that are killed or interrupted: one clear line, nobody left behind, never wrong text, never a hang."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.engines.processes import gone_within, is_running, wait_for_worker
from tests.tiny_model import write_tiny_model

RUN_GPT2 = Path(__file__).resolve().parents[2] / "run_gpt2.py"
ENDED = "starchart: a process of the packed engine ended"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and ps are those of Linux and macOS")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_tiny_model(tmp_path_factory.mktemp("model"), seed=1, n_positions=2000, n_embd=24)


def start(model, *options, workers=2):
    # A text so long that it never ends by itself; slide goes on where the model is full.
    arguments = ["the one", "--model", model, "--workers", workers, "--temperature", "0", "--on-full", "slide"]
    command = [sys.executable, "-u", RUN_GPT2, *arguments, "--max-new-tokens", "100000", *options]
    return subprocess.Popen(
        list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


@pytest.fixture(scope="module")
def right_text(model):
    """What one process tells in some seconds, more than two tell in one."""
    process = start(model, workers=1)
    time.sleep(6)
    process.send_signal(signal.SIGINT)
    return process.communicate(timeout=20)[0].rstrip(b"\n")


@pytest.mark.parametrize("part", range(10))
def test_a_worker_killed_at_random_moments(model, right_text, part):
    # Ten moments a test, a hundred in all: while it starts, while the model is packed, in the prompt, in the text.
    moments = random.Random(part)
    for _ in range(10):
        process = start(model, "--no-pack-cache")
        worker = wait_for_worker(process)
        time.sleep(moments.choice([0.05, 0.2, 0.6]) * moments.random())
        os.kill(worker, signal.SIGKILL)
        killed = time.monotonic()
        text, said = process.communicate(timeout=20)
        assert time.monotonic() - killed < 2
        assert process.returncode == 2
        assert [line for line in said.decode().splitlines() if "; packed engine" not in line] == [
            f"{ENDED}: it was killed, perhaps for want of memory; start again (--workers 1 needs no other process)"
        ]
        assert right_text.startswith(text.rstrip(b"\n"))


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.5, 1.0])
def test_a_killed_parent_leaves_no_worker(model, delay):
    process = start(model, "--no-pack-cache")
    worker = wait_for_worker(process)
    time.sleep(delay)
    process.kill()
    process.communicate(timeout=20)
    assert gone_within(worker, 2)


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.3, 1.0])
def test_ctrl_c_leaves_no_process(model, delay):
    process = start(model, "--no-pack-cache")
    worker = wait_for_worker(process)
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"Traceback" not in said
    assert gone_within(worker, 2)


def test_ctrl_c_on_a_terminal_does_not_reach_the_worker(model):
    # A terminal interrupts a whole group of processes; a worker is in one of its own.
    process = start(model)
    worker = wait_for_worker(process)
    end = time.monotonic() + 5
    while os.getpgid(worker) == os.getpgid(process.pid) and time.monotonic() < end:
        time.sleep(0.01)  # it has only just been forked
    assert os.getpgid(worker) != os.getpgid(process.pid)
    process.kill()
    process.communicate(timeout=20)


def test_a_reader_who_leaves_ends_the_worker(model):
    process = start(model)
    worker = wait_for_worker(process)
    assert process.stdout.read(5)
    process.stdout.close()
    assert process.wait(timeout=20) == 0
    assert not is_running(worker)
    process.stderr.close()
