"""The page of `explore`, measured in a real Chromium: loading, traces, clicks, memory; as a static site and served.

    python bench/explore.py [--repeats 3] [--without-124m]

The static site with a copy of Pyodide is served by `python -m http.server` on this machine, and opened in Chromium with
a new profile each time: seconds until the page shows its prompt traced. Then, in the page: a prompt of 12 tokens from
Enter until it is shown; clicks on numbers until their story is shown, and on plates until they are shown; how long the
page could not have taken a key while the reference engine read a prompt; and the memory of the tab (the proportional
set size of its process, page and Python together). The same is measured with the server, on towel; and a trace on a
124M checkpoint with seeded random weights, which transformers writes. Nothing else should run on the machine.

Needs Chromium, Playwright and `npm ci --prefix .ci/npm`; torch and transformers for 124M. For Linux.
"""

import argparse
import contextlib
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from starport.page.pyodide import VERSION  # noqa: E402
from starport.page.static_site import write_site  # noqa: E402
from tests.page.browser import launched, npm_file  # noqa: E402
from tests.page.served import explored, plainly_served  # noqa: E402
from tests.page.windows import READY, change_by  # noqa: E402
from tests.tokenizer.gpt2_vocabulary import write_gpt2_vocabulary  # noqa: E402

TWELVE = "Once upon a time there was a king who had three sons"
VIEWS = ("tokens", "map", "attention", "mlp", "lens", "contributions", "next", "change")
CLICK = """async (selector) => {
  const wanted = document.querySelector(selector);
  const key = `${wanted.dataset.name} ${wanted.dataset.index}`;
  const shown = () => document.body.dataset.state === "ready" && document.getElementById("story").dataset.shown === key;
  const began = performance.now();
  wanted.click();
  while (!shown()) await new Promise((resolve) => setTimeout(resolve, 1));
  return performance.now() - began;
}"""
# The longest time between two turns of the event loop while a prompt is read: so long a key had to wait.
HELD_UP = """async (hash) => {
  let last = performance.now(), longest = 0, isOver = false;
  const turn = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    if (!isOver) setTimeout(turn, 0);
  };
  turn();
  document.body.dataset.state = "old";
  location.hash = hash;
  while (document.body.dataset.state !== "ready") await new Promise((resolve) => setTimeout(resolve, 5));
  isOver = true;
  return longest;
}"""
WRITE = """
import sys, torch, transformers
from transformers import GPT2Config, GPT2LMHeadModel
transformers.logging.disable_progress_bar()
torch.manual_seed(0)
GPT2LMHeadModel(GPT2Config()).save_pretrained(sys.argv[1])
"""


def processor():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def opened(context, address):
    """Open the page in a new window; return it, and the seconds until it shows its prompt."""
    page = context.new_page()
    page.set_default_timeout(300_000)
    began = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.wait_for_selector(READY)
    return page, time.perf_counter() - began


def traced(page, prompt):
    """Return the seconds from Enter until a prompt is shown."""
    page.fill("#prompt", prompt)
    began = time.perf_counter()
    change_by(page, lambda: page.press("#prompt", "Enter"))
    return time.perf_counter() - began


def clicks(page):
    """Return the milliseconds of clicks on numbers of every plate, and those of the plates, first and second time."""
    stories, plates = [], {}
    for view in VIEWS:
        times = []
        for _ in range(2):
            change_by(page, lambda: page.click("#plates a[data-view=guide]"))
            began = time.perf_counter()
            change_by(page, lambda view=view: page.click(f"#plates a[data-view={view}]"))
            times.append(1000 * (time.perf_counter() - began))
        plates[view] = times
        count = page.locator("#plate button[data-name]").count()
        chosen = sorted({count * part // 6 for part in range(6)}) if count else []
        for number in chosen:
            page.evaluate("n => document.querySelectorAll('#plate button[data-name]')[n].id = 'clicked'", number)
            stories.append(page.evaluate(CLICK, "#clicked"))
            change_by(page, lambda: page.click("#close-story"))
    return stories, plates


def memory(context):
    """Return the megabytes of the largest renderer: the window that is open."""
    session = (
        context.browser.new_browser_cdp_session() if context.browser else context.new_cdp_session(context.pages[-1])
    )
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    sizes = []
    for process in processes:
        if process["type"] == "renderer":
            text = Path(f"/proc/{process['id']}/smaps_rollup").read_text()
            sizes.append(int(re.search(r"^Pss: +(\d+)", text, re.MULTILINE)[1]) / 1000)
    return max(sizes)


def row(what, value, limit, unit="s"):
    verdict = "" if limit is None else f"   (at most {limit:g} {unit}: {'reached' if value <= limit else 'MISSED'})"
    print(f"  {what:58} {value:8.2f} {unit}{verdict}", flush=True)


def measured(context, address, limit):
    """Measure what both ways of serving have in common, on a page that is loaded."""
    page, _ = opened(context, address)
    times = [traced(page, f"{TWELVE}{mark}") for mark in ("", "?", "!")]
    row("12 tokens, until shown (median of 3 prompts)", statistics.median(times), limit)
    stories, plates = clicks(page)
    row(f"a click on a number, {len(stories)} of them, median", statistics.median(stories), 200, "ms")
    row("a click on a number, slowest", max(stories), 200, "ms")
    for view, (first, second) in plates.items():
        row(f"the plate {view}: first time", first, None, "ms")
        row(f"the plate {view}: again", second, 200, "ms")
    held = page.evaluate(HELD_UP, "#view=map&engine=reference&prompt=The%20old%20fox%20went%20home")
    row("longest wait of a key while the reference engine reads", held, 200, "ms")
    row("memory of the tab after all that", memory(context), 600, "MB")
    page.close()


@contextlib.contextmanager
def browser():
    with tempfile.TemporaryDirectory() as folder, launched(Path(folder), viewport={"width": 1280, "height": 900}) as it:
        yield it


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3, help="how often the static site is loaded (default 3)")
    parser.add_argument("--without-124m", action="store_true", help="leave the 124M checkpoint out")
    options = parser.parse_args()
    with browser() as context:
        chromium = context.browser.version if context.browser else ""
    print(f"{date.today()}, {processor()}, {os.cpu_count()} cores, {platform.platform(terse=True)}")
    print(f"CPython {platform.python_version()}, Pyodide {VERSION}, Chromium {chromium}")
    print(f"load of the machine before: {os.getloadavg()[0]:.1f}")
    print("\nstatic site, towel, packed engine, full precision, in the browser")
    with tempfile.TemporaryDirectory() as folder:
        write_site(f"{folder}/site", "Once upon a time", str(npm_file("pyodide/pyodide.mjs").parent))
        with plainly_served(Path(folder, "site")) as address:
            loads = []
            for _ in range(options.repeats):
                with browser() as context:
                    loads.append(opened(context, address)[1])
            row(f"cold load until the prompt is traced, slowest of {options.repeats}", max(loads), 10)
            with browser() as context:
                measured(context, address, 3)
    print("\nserved by explore, towel, packed engine, full precision, native")
    with explored("Once upon a time", "--model", "towel") as (address, _), browser() as context:
        measured(context, address, 1)
    if not options.without_124m:
        print("\nserved by explore, a 124M checkpoint, packed engine, full precision, native")
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, "-c", WRITE, folder], check=True)
            write_gpt2_vocabulary(Path(folder))
            measure_124m(folder)
    return 0


def measure_124m(folder):
    with explored("Once upon a time", "--model", folder) as (address, _), browser() as context:
        page, seconds = opened(context, address)
        row("until the first prompt is shown (packing included)", seconds, None)
        row("12 tokens, until shown", traced(page, TWELVE), 8)
        page.close()


if __name__ == "__main__":
    sys.exit(main())
