"""`starchart explore`: a page on which every number of a run can be seen, and where it came from."""

import argparse
import threading
import webbrowser
from contextlib import ExitStack, closing

from starchart.errors import StarchartError
from starport.commands.engine_options import add_engine_options
from starport.commands.open_model import choose_model, open_model
from starport.explorer.explorer import Explorer
from starport.page.questions import Questions
from starport.page.server import PageServer
from starport.page.static_site import write_site
from starport.terminal.console import tell
from starport.terminal.given_text import argument_text
from starport.terminal.signals import cleaning_up_when_terminated

SUMMARY = "Look at every number of a run, in the browser."
OPENING = "Once upon a time"
PORT = 8017


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of this command."""
    add = parser.add_argument
    add("prompt", nargs="?", metavar="PROMPT", help=f"text that the page opens with (default: {OPENING!r})")
    add_engine_options(parser)
    add("--host", default="127.0.0.1", metavar="H", help="address to serve on (default: 127.0.0.1, this machine only)")
    add(
        "--port", type=int, metavar="P",
        help=f"port to serve on; 0: a free one (default: {PORT}, or a free one if that is taken)",
    )  # fmt: skip
    add("--no-browser", action="store_true", help="only print the address; do not open it")
    add("--out", metavar="DIR", help="write a static site into this folder instead, for any web host; it has towel")
    add(
        "--pyodide", metavar="DIR|URL",
        help="with --out: where the site gets Pyodide; a folder is copied into it (default: its usual address)",
    )  # fmt: skip


def run(options: argparse.Namespace) -> None:
    """Serve the page until Ctrl-C, or write the static site. Raises StarchartError for bad input."""
    prompt = OPENING if options.prompt is None else argument_text(options.prompt, "the prompt")
    if options.out is None:
        if options.pyodide is not None:
            raise StarchartError("--pyodide is for a static site; add --out DIR")
        with cleaning_up_when_terminated():
            _serve(options, prompt)
        return
    if options.model not in (None, "towel") or options.revision:
        raise StarchartError("--out: the static site has towel; leave --model out, or serve the page without --out")
    size = write_site(options.out, prompt, options.pyodide)
    tell(f"{options.out}: {size / 1e6:.1f} MB; to look at it: python -m http.server --directory {options.out}")


def _serve(options: argparse.Namespace, prompt: str) -> None:
    if options.engine not in ("packed", "reference"):
        raise StarchartError(f"--engine {options.engine}: the page has packed and reference")
    chosen = choose_model(options.model, options.revision)
    questions = Questions()
    with ExitStack() as ends:
        server = ends.enter_context(closing(_server(options, questions, prompt)))
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True).start()
        ends.callback(server.shutdown)
        tell(f"{chosen.introduction()}; open {server.address} in a browser; Ctrl-C ends it")
        if not options.no_browser:
            threading.Thread(target=webbrowser.open, args=[server.address], daemon=True).start()
