"""README.md agrees with the code: its block is the code, and its command prints the text below it."""

import ast
import os
import re
import shlex
import subprocess
import sys
from textwrap import dedent, indent

from starport.commands.command_line import COMMANDS
from tests.house.source_tree import ROOT, SRC

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = SRC / "starchart" / "layers" / "transformer_block.py"


def fenced(kind: str = "") -> list[str]:
    """Return the code blocks of a language; without one, those that name none."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def test_the_transformer_block_is_the_one_that_runs():
    source = BLOCK.read_text(encoding="utf-8")
    (function,) = (
        node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef) and node.name == BLOCK.stem
    )
    after_docstring = source.splitlines()[function.body[1].lineno - 1 : function.end_lineno]
    (shown,) = fenced("python")
    assert shown.splitlines() == dedent("\n".join(after_docstring)).splitlines()
    assert indent(shown.rstrip(), "    ") in source


def test_the_first_command_prints_what_stands_below_it(tmp_path):
    command, printed = fenced()[:2]
    python, *arguments = shlex.split(command)
    assert python == "python"
    # -S hides huggingface_hub, and the empty folders hide the user's caches: as a bare clone on a new machine.
    variables = {**os.environ, "HOME": str(tmp_path), "HF_HOME": str(tmp_path), "STARCHART_CACHE": str(tmp_path / "c")}
    done = subprocess.run(
        [sys.executable, "-S", *arguments],
        cwd=ROOT, env={name: value for name, value in variables.items() if name != "HF_HUB_OFFLINE"},
        capture_output=True, check=True, timeout=120,
    )  # fmt: skip
    assert (done.stderr + done.stdout).decode() == printed


def test_pages_show_commands_as_a_bare_clone_runs_them():
    names = "|".join(COMMANDS)
    shown = {
        file.relative_to(ROOT).as_posix(): re.findall(rf"(?:^|`)starchart (?:{names})\b", file.read_text("utf-8"), re.M)
        for pattern in ("*.md", "docs/**/*.md", "bench/*.md", "src/**/*.md", "starport/**/*.md")
        for file in ROOT.glob(pattern)
        if file.name != "LOG.md"
    }
    assert {file: lines for file, lines in shown.items() if lines} == {}
