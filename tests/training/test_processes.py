"""Several processes that train together: nothing of their group is left when the training has ended."""

import subprocess
import sys

import pytest

from tests.children import started
from tests.training.runs import TORCHRUN, VARIABLES

# A thread that outlives the group may free a tensor while Python ends, and that aborts the process.
PROGRAM = """
import os, sys
import torch
from starport.training.processes import joined_processes

def train(processes, fails):
    model = processes.wrapped(torch.nn.Linear(3, 2))
    model(torch.ones(1, 3)).sum().backward()
    assert processes.mean(torch.tensor(float(processes.rank))) == 0.5
    if fails:
        raise ArithmeticError("a training that goes wrong")

def threads():
    return sorted(open(f"/proc/self/task/{task}/comm").read().strip() for task in os.listdir("/proc/self/task"))

try:
    with joined_processes("cpu", "float32") as processes:
        train(processes, sys.argv[1] == "fails")
except ArithmeticError:
    assert sys.argv[1] == "fails"
left = [name for name in threads() if "gloo" in name]
assert not left, left
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the names of threads as files")
@pytest.mark.parametrize("end", ["ends", "fails"])
def test_no_thread_of_the_group_outlives_it(end, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    with started([*TORCHRUN, program, end], env=VARIABLES, stderr=subprocess.PIPE) as process:
        said = process.communicate(timeout=100)[1].decode()
    assert process.returncode == 0, said
