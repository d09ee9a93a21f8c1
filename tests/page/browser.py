"""A real Chromium for the tests of the page, driven by Playwright.

Where there is none, or no Playwright, the tests that need one are skipped and say so; in CI that is a failure.
"""

import contextlib
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ELSEWHERE = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
)
# No window, no processor of pictures, and nothing that asks the network by itself.
OPTIONS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
OPTIONS += ["--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"]
NPM = Path(__file__).resolve().parents[2] / ".ci" / "npm" / "node_modules"
PATIENCE = 120_000  # milliseconds; a busy machine is slow
_started: list[Any] = []  # Playwright, once for each browser that is open


def missing(what: str) -> None:
    """Skip the test that needs `what`; in CI fail it."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing; .ci/run installs it")
    pytest.skip(f"{what} is not here")


def chromium() -> str:
    """Return the path of a Chromium or Chrome; without one the test is skipped."""
    found = [path for name in NAMES if (path := shutil.which(name))]
    found += [path for path in ELSEWHERE if os.path.exists(path)]
    if not found:
        missing("Chromium")
    return found[0]


def npm_file(name: str) -> Path:
    """Return a file of an npm package, such as axe-core/axe.min.js; without it the test is skipped."""
    if not (NPM / name).exists():
        missing(f"{name} (npm ci --prefix .ci/npm)")
    return NPM / name


@contextlib.contextmanager
def launched(folder: Path, **options: Any) -> Iterator[Any]:
    """Yield a browser context of Playwright with the folder as its own profile. It ends with the block."""
    path = chromium()
    with _interrupts_kept(), _playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            str(folder), executable_path=path, headless=True, args=OPTIONS, timeout=PATIENCE, **options
        )
        context.set_default_timeout(PATIENCE)
        try:
            yield context
        finally:
            context.close()


@contextlib.contextmanager
def _playwright() -> Iterator[Any]:
    """Yield the Playwright of this process: a second one cannot be started beside it."""
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415
    except ModuleNotFoundError:
        missing("Playwright (pip install -r requirements.txt)")
    _started.append(_started[0] if _started else sync_playwright().start())
    try:
        yield _started[0]
    finally:
        last = _started.pop()
        if not _started:
            last.stop()


@contextlib.contextmanager
def _interrupts_kept() -> Iterator[None]:
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
