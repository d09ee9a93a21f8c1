"""Processes that are killed or interrupted: one clear line, no process left, never a wrong text or a hang."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.children import started
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
    return started(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.fixture(scope="module")
def right_text(model):
    """The beginning of the text, as one process tells it."""
    with start(model, "--max-new-tokens", 200, workers=1) as process:
        return process.communicate(timeout=100)[0].rstrip(b"\n")


@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.slow) for part in range(1, 10))])
def test_a_worker_killed_at_random_moments(model, right_text, part):
    # Ten moments a test, a hundred in all: while it starts, while the model is packed, in the prompt, in the text.
    moments = random.Random(part)
    for _ in range(10):
        with start(model, "--no-pack-cache") as process:
            worker = wait_for_worker(process)
            time.sleep(moments.choice([0.05, 0.2, 0.6]) * moments.random())
            os.kill(worker, signal.SIGKILL)
            text, said = process.communicate(timeout=60)
        assert process.returncode == 2
        assert [line for line in said.decode().splitlines() if "; packed engine" not in line] == [
            f"{ENDED}: it was killed, perhaps because memory ran out; start again (--workers 1 needs no other process)"
        ]
        text = text.rstrip(b"\n")
        assert text[: len(right_text)] == right_text[: len(text)]


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.5, 1.0])
def test_a_killed_parent_leaves_no_worker(model, delay):
    with start(model, "--no-pack-cache") as process:
        worker = wait_for_worker(process)
        time.sleep(delay)
        process.kill()
    assert gone_within(worker, 60)


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.3, 1.0])
def test_ctrl_c_leaves_no_process(model, delay):
    with start(model, "--no-pack-cache") as process:
        worker = wait_for_worker(process)
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 130
        assert b"Traceback" not in said
        assert gone_within(worker, 60)


def test_ctrl_c_on_a_terminal_does_not_reach_the_worker(model):
    # A terminal interrupts a whole group of processes; a worker is in one of its own.
    with start(model) as process:
        worker = wait_for_worker(process)
        end = time.monotonic() + 60
        while os.getpgid(worker) == os.getpgid(process.pid) and time.monotonic() < end:
            time.sleep(0.01)  # it has only just been forked
        assert os.getpgid(worker) != os.getpgid(process.pid)


def test_a_reader_who_leaves_ends_the_worker(model):
    with start(model) as process:
        worker = wait_for_worker(process)
        assert process.stdout.read(5)
        process.stdout.close()
        assert process.wait(timeout=60) == 0
        assert not is_running(worker)
