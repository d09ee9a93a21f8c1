"""The progress bar of a download."""

import os
import subprocess
import sys
import time

import pytest

from tests.starport.hub.runs import PROGRAM, SETTINGS
from tests.starport.terminal import run_on_terminal, screen


@pytest.mark.skipif(os.name != "posix", reason="Windows has no pseudo-terminals")
def test_the_bar_is_gone_when_the_text_begins(runs, hub, tmp_path, stories):
    def slowly(request):
        content = request.content()
        request.send_response(200)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        for start in range(0, len(content), 1 + len(content) // 5):
            request.wfile.write(content[start:][: 1 + len(content) // 5])
            request.wfile.flush()
            time.sleep(0.15)  # the bar is drawn ten times a second
        return True

    hub.faults["storage"] = slowly
    command = [sys.executable, PROGRAM, "Hello", *SETTINGS, "--model", "org/tiny"]
    written, output = run_on_terminal(command, stdout=subprocess.PIPE, env=runs.environment())
    assert output.decode() == stories[0]
    bars = [part for part in written.split("\r") if part.startswith("model.safetensors: ")]
    assert len(bars) > 2
    assert all("B/s" in bar for bar in bars)
    rows = [row for row in screen(written) if row]
    assert "model.safetensors" not in "".join(rows)
    assert rows[0].startswith("downloading org/tiny from")
    assert rows[-1].endswith("packed engine; seed 3")
    runs.home.rename(tmp_path / "other")
    written, _ = run_on_terminal(
        command, stdout=subprocess.PIPE, env=runs.environment(HF_HUB_DISABLE_PROGRESS_BARS="1")
    )
    assert "model.safetensors: " not in written


def test_where_nobody_looks_there_is_no_bar(runs):
    assert len(runs.run("--model", "org/tiny")[2]) == 2
