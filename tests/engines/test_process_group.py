"""Workers: they start from any program, their errors are raised here, and an ended worker is reported."""

import copy
import json
import operator
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from starchart import GPT2
from starchart.engines.packed.limits import number_of_workers
from starchart.engines.packed.packed_engine import PackedEngine
from starchart.engines.packed.process_group import ProcessGroup
from starchart.errors import EngineError, GenerationError
from starchart.model.config import GPT2Config
from starchart.token_ids import checked_ids
from tests.engines.processes import children, gone_within
from tests.tiny_model import write_tiny_model

SRC = Path(__file__).resolve().parents[2] / "src"
PROGRAM = f"""
import json, sys
sys.path.insert(0, {str(SRC)!r})
from starchart import GPT2
with GPT2.from_pretrained(sys.argv[1] if len(sys.argv) > 1 else FOLDER, "packed", workers=2) as gpt2:
    print(json.dumps(gpt2.logits([1, 2, 3])[-1]))

"""


def shards(count):
    """Return things with methods that a worker has too: those of the standard library and of starchart."""
    return [SimpleNamespace(same=copy.copy, pid=os.getpid, check=checked_ids, times=operator.mul) for _ in range(count)]


@pytest.fixture
def model(tmp_path):
    return write_tiny_model(tmp_path / "model", seed=6)


def test_results_come_by_rank_and_from_processes():
    group = ProcessGroup(shards(3))
    assert group.call_each("same", [("a",), ("b",), ("c",)]) == ["a", "b", "c"]
    own, *others = group.call("pid")
    assert own == os.getpid()
    assert sorted(others) == sorted(children(os.getpid()))
    assert len(others) == 2
    group.close()
    assert not children(os.getpid())


def test_errors_of_a_shard_are_raised_and_the_group_goes_on():
    group = ProcessGroup(shards(2))
    for rank in range(2):
        ids = [[1], [1]]
        ids[rank] = []
        with pytest.raises(GenerationError, match="no tokens"):
            group.call_each("check", [(own, 9) for own in ids])
        factors = [2, 2]
        factors[rank] = 1 << 62
        with pytest.raises(MemoryError):
            group.call_each("times", [(b"x", factor) for factor in factors])
    assert group.call("same", 7) == [7, 7]
    group.close()


@pytest.mark.skipif(sys.platform == "win32", reason="no signals")
def test_a_group_whose_worker_was_killed():
    group = ProcessGroup(shards(2))
    os.kill(group.call("pid")[1], signal.SIGKILL)
    for _ in range(2):
        with pytest.raises(EngineError, match="a process of the packed engine ended"):
            group.call("same", 0)
    group.close()
    with pytest.raises(EngineError, match="was closed; open the model again"):
        group.call("same", 0)


def test_a_group_interrupted_in_a_call_goes_on_with_the_next(monkeypatch):
    group = ProcessGroup(shards(3))
    with monkeypatch.context() as patched:
        patched.setattr(group.shard, "same", signal.default_int_handler)
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                group.call_each("same", [(2, None), (0,), (1,)])
    assert group.call_each("same", [("a",), ("b",), ("c",)]) == ["a", "b", "c"]
    group.close()


def test_a_group_that_nobody_closes_leaves_no_process():
    group = ProcessGroup(shards(2))
    worker = group.call("pid")[1]
    del group
    assert gone_within(worker, 60)


@pytest.mark.parametrize("way", ["script", "-c", "stdin", "REPL"])
def test_workers_start_from_anywhere(model, tmp_path, way):
    script = tmp_path / "a script.py"
    script.write_text(PROGRAM)
    told = PROGRAM.replace("sys.argv[1] if len(sys.argv) > 1 else FOLDER", repr(str(model)))
    arguments, given = {
        "script": ([script, model], ""),
        "-c": (["-c", PROGRAM, model], ""),
        "stdin": (["-", model], PROGRAM),
        "REPL": (["-i"], told),
    }[way]
    command = [sys.executable, *arguments]
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    with GPT2.from_pretrained(model, PackedEngine()) as gpt2:
        assert json.loads(done.stdout) == gpt2.logits([1, 2, 3])[-1]


def test_how_many_workers(monkeypatch):
    module = "starchart.engines.packed.limits"
    monkeypatch.setattr(f"{module}.available_processors", lambda: 5)
    large = GPT2Config(vocab_size=50257, n_positions=1024, n_embd=768, n_layer=12, n_head=12)
    small = GPT2Config(vocab_size=4096, n_positions=512, n_embd=64, n_layer=2, n_head=4)
    assert [number_of_workers(large, wanted) for wanted in (None, 1, 3, 99)] == [5, 1, 3, 12]
    assert [number_of_workers(small, wanted) for wanted in (None, 2, 99)] == [1, 2, 4]
    with pytest.raises(EngineError, match="at least 1, not 0"):
        number_of_workers(large, 0)
    monkeypatch.setattr(sys, "executable", "")
    assert number_of_workers(large, 4) == 1
