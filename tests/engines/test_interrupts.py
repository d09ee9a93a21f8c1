"""A packed model works after an interrupt: the next call is right, and half-done values are refused."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from starchart import GPT2
from starchart.engines.packed.exchange import Exchange
from starchart.engines.packed.packed_engine import PackedEngine
from starchart.errors import ConsumedCacheError
from tests.children import started
from tests.engines.interrupts import interrupted
from tests.tiny_model import write_tiny_model

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="timers and signals are those of Linux and macOS")

PROMPT = [3, 141, 59, 26, 5, 35]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_tiny_model(tmp_path_factory.mktemp("model"), seed=8, n_positions=40, n_embd=24)


def tokens(gpt2):
    return list(gpt2.generate(PROMPT, max_new_tokens=4, temperature=0.9, top_k=5, seed=3))


@pytest.mark.parametrize("count", [25, pytest.param(300, marks=pytest.mark.slow)])
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_interrupts_at_random_moments(folder, workers, count):
    moments = random.Random(workers)
    with GPT2.from_pretrained(folder, PackedEngine(workers=workers)) as gpt2:
        began = time.perf_counter()
        right, rows = tokens(gpt2), gpt2.logits(PROMPT)
        whole = time.perf_counter() - began
        next_row, _ = gpt2.read([7], gpt2.read(PROMPT)[1])
        _, kept = gpt2.read(PROMPT)  # an earlier text, untouched by what happens to others
        times = 0
        while times < count:
            for _ in range(moments.choice([1, 1, 3])):  # and again in the middle of what the first one left over
                times += interrupted(lambda: tokens(gpt2), moments.random() * whole)
            if moments.random() < 0.5:
                assert tokens(gpt2) == right
            else:
                assert gpt2.logits(PROMPT) == rows
                assert gpt2.read([7], gpt2.fork(kept))[0] == next_row
        assert gpt2.read([7], kept)[0] == next_row
        tokens(gpt2)
        assert len(gpt2._engine._group.shard._caches) <= 4  # no interrupted value is kept for ever


@pytest.mark.parametrize("workers", [1, 2])
def test_a_cache_that_was_interrupted_is_refused_or_right(folder, workers):
    moments = random.Random(workers)
    with GPT2.from_pretrained(folder, PackedEngine(workers=workers)) as gpt2:
        right, _ = gpt2.read([7, 8, 9], gpt2.read(PROMPT)[1])
        refused = 0
        while refused < 30:
            _, cache = gpt2.read(PROMPT)
            if not interrupted(lambda cache=cache: gpt2.read([7, 8, 9], cache), moments.random() * 0.01):
                continue
            try:
                assert gpt2.read([7, 8, 9], cache)[0] == right
            except ConsumedCacheError:
                refused += 1


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", ["send", "answer"])
def test_interrupts_between_the_messages_of_one_call(folder, monkeypatch, moment, step):
    # Each exchange of one read is interrupted in turn, so that every message is the one left over.
    whole, calls = getattr(Exchange, step), []

    def interrupting(exchange):
        calls.append(step)
        if moment == "before" and len(calls) == count:
            raise KeyboardInterrupt
        result = whole(exchange)
        if moment == "after" and len(calls) == count:
            raise KeyboardInterrupt
        return result

    with GPT2.from_pretrained(folder, PackedEngine(workers=3)) as gpt2:
        right = gpt2.logits(PROMPT)
        monkeypatch.setattr(Exchange, step, interrupting)
        for number in range(1, 1000):
            count = number
            calls.clear()
            try:
                assert gpt2.logits(PROMPT) == right
                break  # there are no more of them
            except KeyboardInterrupt:
                calls.append("the interrupt")
            assert gpt2.logits(PROMPT) == right
        assert count > 15


def test_ctrl_c_reaches_the_workers_too_and_they_go_on(folder):
    moments = random.Random(0)
    with GPT2.from_pretrained(folder, PackedEngine(workers=3)) as gpt2:
        right = tokens(gpt2)
        for _ in range(20):
            was = interrupted(lambda: [tokens(gpt2) for _ in range(100)], moments.random() * 0.05)
            assert was
            for worker in gpt2._engine._group._workers:
                os.kill(worker.pid, signal.SIGINT)
            assert tokens(gpt2) == right


WORKER = """
import sys
size, answer = int(sys.argv[1]), bytes(range(256)) * 2000
request = bytearray()
while len(request) < size and (part := sys.stdin.buffer.read1(99)):
    request += part
told = len(answer).to_bytes(8, "little") + (answer if request == b"request" * (size // 7) else b"not what was sent")
for start in range(0, len(told), 99):
    sys.stdout.buffer.write(told[start : start + 99])
    sys.stdout.buffer.flush()
"""


def test_long_messages_that_go_slowly_are_finished_too():
    request, moments, times = b"request" * 50_000, random.Random(2), 0
    command = [sys.executable, "-I", "-S", "-c", WORKER, str(len(request))]
    with started(command, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        exchange = Exchange(worker.stdin, worker.stdout, request)
        while interrupted(exchange.answer, moments.random() * 1e-3):
            times += 1
        assert exchange.answer() == exchange.answer() == bytes(range(256)) * 2000
    assert times
