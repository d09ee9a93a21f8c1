"""`starchart explore`: a page on which every number of a run can be seen, and where it came from."""

import argparse
import threading
import webbrowser
from contextlib import ExitStack, closing
from functools import partial

from starchart.errors import StarchartError
from starport.commands.engine_options import PRECISIONS, add_engine_options
from starport.commands.given_prompt import prompt_ids
from starport.commands.open_model import ChosenModel, check_workers, choose_model
from starport.explorer.explorer import Explorer
from starport.explorer.traces import check_length
from starport.page.answers import answer
from starport.page.questions import Questions
from starport.page.server import PageServer, PortTakenError
from starport.page.static_site import write_site
from starport.terminal.console import ProgressLine, tell
from starport.terminal.given_text import argument_text
from starport.terminal.signals import cleaning_up_when_terminated

SUMMARY = "Look at every number of a run, in the browser."
OPENING = "Once upon a time"
HOST, PORT = "127.0.0.1", 8017


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of this command."""
    add = parser.add_argument
    add("prompt", nargs="?", metavar="PROMPT", help=f"text that the page opens with (default: {OPENING!r})")
    add_engine_options(parser)
    add("--host", metavar="H", help=f"address to serve on (default: {HOST}, this machine only)")
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
    for name in ("host", "port", "workers", "precision", "device"):
        if getattr(options, name) is not None:
            raise StarchartError(f"--{name} is for the page that is served; leave it or --out out")
    if options.engine != "packed":
        raise StarchartError(f"--engine {options.engine}: the static site opens with packed; leave it or --out out")
    _check_prompt(choose_model("towel"), prompt)
    size = write_site(options.out, prompt, options.pyodide)
    tell(f"{options.out}: {size / 1e6:.1f} MB; to look at it: python -m http.server --directory {options.out}")


def _serve(options: argparse.Namespace, prompt: str) -> None:
    if options.engine not in ("packed", "reference"):
        raise StarchartError(f"--engine {options.engine}: the page has packed and reference")
    if options.device:
        raise StarchartError(f"--device {options.device}: the {options.engine} engine has none; leave it out")
    options.precision = options.precision or PRECISIONS[options.engine][0]
    if options.precision not in PRECISIONS[options.engine]:
        known = ", ".join(PRECISIONS[options.engine])
        raise StarchartError(f"--precision {options.precision}: the {options.engine} engine has {known}")
    check_workers(options.workers)
    chosen = choose_model(options.model, options.revision)
    _check_prompt(chosen, prompt)
    questions = Questions()
    with ExitStack() as ends:
        server = ends.enter_context(_server(options, questions, prompt))
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True).start()
        ends.callback(server.shutdown)
        tell(f"{chosen.introduction()}; open {server.address} in a browser; Ctrl-C ends it")
        if not options.no_browser:
            threading.Thread(target=webbrowser.open, args=[server.address], daemon=True).start()
        with closing(_explorer(options, chosen)) as explorer:
            _read_first(explorer, prompt, options, questions)
            questions.answer_all(partial(answer, explorer))


def _check_prompt(chosen: ChosenModel, prompt: str) -> None:
    """Raise StarchartError for a prompt that the model cannot read, before anything is served or written."""
    check_length(len(prompt_ids(prompt, chosen.tokenizer, special=False)), chosen.config.n_positions)


def _server(options: argparse.Namespace, questions: Questions, prompt: str) -> PageServer:
    """Return the server on the port asked for; without --port on the usual one, or on a free one if that is taken."""
    host = HOST if options.host is None else options.host
    if not host:
        raise StarchartError("--host '': this is empty; give an address, or leave --host out")
    start = {"prompt": prompt, "engine": {"engine": options.engine, "precision": options.precision}}
    if options.port is not None:
        if not 0 <= options.port < 1 << 16:
            raise StarchartError(f"--port {options.port}: this is not a port; give 0 to 65535 (0: a free one)")
        return PageServer(host, options.port, questions, start)
    try:
        return PageServer(host, PORT, questions, start)
    except PortTakenError:
        return PageServer(host, 0, questions, start)


def _explorer(options: argparse.Namespace, chosen: ChosenModel) -> Explorer:
    return Explorer(
        chosen.folder,
        chosen.name,
        engine=options.engine,
        precision=options.precision,
        workers=options.workers,
        pack_cache=not options.no_pack_cache,
    )


def _read_first(explorer: Explorer, prompt: str, options: argparse.Namespace, questions: Questions) -> None:
    """Open the model and trace the prompt, which the page asks for first. Raises StarchartError if that fails."""
    line = ProgressLine("opening the model")

    def progress(done: int, of: int, text: str) -> None:
        questions.opening(done, of, text)
        line(text, done, max(of, 1))

    request = {"ask": "trace", "prompt": prompt, "engine": options.engine, "precision": options.precision}
    told = explorer.answer(request, progress)
    line.end()
    if "error" in told:
        raise StarchartError(told["error"])
