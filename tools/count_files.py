"""Counts the files that a reader opens to follow a prompt to its next tokens: `python -m tools.count_files [--list]`.

A file counts if one of its functions runs: by the Python API between an open model and the text, and by the command
line from its arguments to the text. Both use towel and the reference engine.
"""

import argparse
import contextlib
import io
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from starchart import GPT2, Tokenizer  # noqa: E402
from starport.cli import main as command_line  # noqa: E402

PROMPT = "Once upon a time"


def files_of(action: Callable[[], object]) -> list[str]:
    """Return the files of this repository whose functions run while `action` does."""
    found: set[str] = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and not frame.f_code.co_name.startswith("<"):  # <module>: loading it is not running it
            found.add(frame.f_code.co_filename)

    sys.setprofile(note)
    try:
        action()
    finally:
        sys.setprofile(None)
    return sorted(Path(file).relative_to(ROOT).as_posix() for file in found if file.startswith(str(ROOT)))


def by_the_api() -> list[str]:
    """Return the files between an open model and the text."""
    tokenizer = Tokenizer.from_pretrained("towel")
    with GPT2.from_pretrained("towel") as gpt2:
        settings: dict[str, Any] = {"max_new_tokens": 2, "temperature": 0.8, "top_k": 40, "seed": 1}
        return files_of(lambda: "".join(tokenizer.stream(gpt2.generate(tokenizer.encode(PROMPT), **settings))))


def by_the_command_line() -> list[str]:
    """Return the files between the arguments of a command and the text."""
    arguments = ["generate", PROMPT, "--model", "towel", "--engine", "reference", "--max-new-tokens", "2"]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        command_line(arguments)  # once before, so that every module is loaded
        return files_of(lambda: command_line(arguments))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--list", action="store_true", help="print the files too")
    wanted = parser.parse_args().list
    for way, files in (("the Python API", by_the_api()), ("the command line", by_the_command_line())):
        print(f"{len(files):3} files by {way}")
        if wanted:
            print("".join(f"    {file}\n" for file in files), end="")
