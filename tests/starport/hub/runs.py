"""Runs of `run_gpt2.py` against a hub on this machine, each with a cache and a home of its own."""

import os
import subprocess
import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.children import started
from tests.starport.hub.hub_server import HubServer

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = str(ROOT / "run_gpt2.py")
NEEDED = ["config.json", "vocab.json", "merges.txt", "model.safetensors"]
SETTINGS = ("--max-new-tokens", "5", "--seed", "3")


@dataclass
class Runs:
    """`hub` is the server, `home` is HF_HOME."""

    hub: HubServer
    home: Path

    @property
    def cache(self) -> Path:
        return self.home / "hub"

    def environment(self, **variables: str) -> dict[str, str]:
        """Return the environment: of the hub's variables, only the address and the cache are set."""
        others = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "TRANSFORMERS_"))}
        here = {"HF_HOME": str(self.home), "HF_ENDPOINT": self.hub.endpoint, "NO_PROXY": "127.0.0.1"}
        return {**others, **here, **variables}

    def start(
        self, *arguments: str, python: tuple[str, ...] = (), **variables: str
    ) -> AbstractContextManager["subprocess.Popen[bytes]"]:
        """Start a run, that ends with the block at the latest."""
        command = [sys.executable, *python, PROGRAM, "Hello", *SETTINGS, *arguments]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return started(command, env=self.environment(**variables), **pipes)

    def run(self, *arguments: str, **options: Any) -> tuple[int, str, list[str]]:
        """Return the exit code, standard output, and the lines on standard error."""
        with self.start(*arguments, **options) as process:
            output, errors = process.communicate(timeout=100)
        return process.returncode, output.decode(), errors.decode().splitlines()

    def story(self, *arguments: str, **options: Any) -> str:
        """Return the text of a successful run."""
        code, output, errors = self.run(*arguments, **options)
        assert code == 0, errors
        assert len(errors) <= 2, errors
        return output

    def complaint(self, *arguments: str, **options: Any) -> str:
        """Return the last line of a run that is refused; the one before may say that a download began."""
        code, output, errors = self.run(*arguments, **options)
        assert (code, output) == (2, ""), errors
        assert errors[-1].startswith("starchart: ")
        assert [line.split()[0] for line in errors[:-1]] in ([], ["downloading"]), errors
        assert errors[-1].isprintable()
        return errors[-1]

    def files(self) -> dict[str, bytes]:
        """Return what a later run would take for files of a model, by name."""
        return {path.name: path.read_bytes() for path in self.cache.glob("models--*/snapshots/*/*")}

    def incomplete(self) -> list[Path]:
        return sorted(self.cache.glob("models--*/blobs/*.incomplete"))
