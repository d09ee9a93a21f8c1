"""Threads that share one packed model get the same results as alone."""

import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Thread

import pytest

from starchart import GPT2
from starchart.engines.packed.packed_engine import PackedEngine
from starchart.errors import ConsumedCacheError, EngineError
from starchart.tap import Recording
from tests.engines.interrupts import interrupted
from tests.tiny_model import write_tiny_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_tiny_model(tmp_path_factory.mktemp("model"), seed=8, n_positions=60, n_embd=24)


@pytest.fixture(autouse=True)
def quick_switches():
    """Let threads change places a hundred times more often than usual."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(5e-5)
    yield
    sys.setswitchinterval(before)


def told(gpt2, seed):
    prompt = [random.Random(seed).randrange(261) for _ in range(3 + seed)]
    return list(gpt2.generate(prompt, max_new_tokens=12, temperature=1.1, top_k=20 * (seed % 2), seed=seed))


def in_threads(count, function):
    """Return what a function returns for each number below `count`, called all at once; no hang outlives a minute."""
    start, results = Barrier(count), {}

    def one(number):
        start.wait(timeout=60)
        results[number] = function(number)

    threads = [Thread(target=one, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 60
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    assert sorted(results) == list(range(count)), "a thread raised something, or waits for ever"
    return [results[number] for number in range(count)]


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_threads_get_their_own_tokens(folder, workers):
    with GPT2.from_pretrained(folder, PackedEngine(workers=workers)) as gpt2:
        alone = [[told(gpt2, seed) for _ in range(2)] for seed in range(4)]
        assert len({str(tokens) for tokens in alone}) == 4
        assert in_threads(4, lambda seed: [told(gpt2, seed) for _ in range(2)]) == alone


@pytest.mark.parametrize("workers", [1, 2])
def test_threads_go_on_from_one_past_and_look_inside(folder, workers):
    with GPT2.from_pretrained(folder, PackedEngine(workers=workers)) as gpt2:
        _, past = gpt2.read([5, 6, 7])

        def future(number):
            if number == 3:
                return gpt2.logits([9, 8, 7], tap=Recording())
            return [gpt2.read([number, turn], gpt2.fork(past), last_only=False)[0] for turn in range(5)]

        assert in_threads(4, future) == [future(number) for number in range(4)]


@pytest.mark.parametrize("workers", [1, 2])
def test_one_cache_goes_to_one_thread(folder, workers):
    with GPT2.from_pretrained(folder, PackedEngine(workers=workers)) as gpt2:
        expected = gpt2.read([1], gpt2.read([5, 6, 7])[1])[0]
        for _ in range(20):
            _, cache = gpt2.read([5, 6, 7])

            def use(number, cache=cache):
                try:
                    return gpt2.read([1], gpt2.fork(cache) if number == 2 else cache)[0]
                except ConsumedCacheError:
                    return None

            results = [row for row in in_threads(3, use) if row]
            assert results
            assert all(row == expected for row in results)


@pytest.mark.skipif(sys.platform == "win32", reason="timers are those of Linux and macOS")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_thread_goes_on_while_another_is_interrupted(folder, workers):
    moments = random.Random(workers)
    with GPT2.from_pretrained(folder, PackedEngine(workers=workers)) as gpt2, ThreadPoolExecutor(1) as pool:
        alone = [told(gpt2, 1), told(gpt2, 2)]
        other = pool.submit(lambda: [told(gpt2, 1) for _ in range(10)])
        for _ in range(20):
            interrupted(lambda: told(gpt2, 2), moments.random() * 0.03)
        assert told(gpt2, 2) == alone[1]
        assert other.result() == [alone[0]] * 10


def test_closing_while_a_thread_reads_is_told_in_one_line(folder):
    gpt2 = GPT2.from_pretrained(folder, PackedEngine(workers=2))
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(lambda: [told(gpt2, 1) for _ in range(10_000)])
        told(gpt2, 2)
        gpt2.close()
        with pytest.raises(EngineError, match=r"^the packed engine was closed; open the model again$"):
            other.result()
