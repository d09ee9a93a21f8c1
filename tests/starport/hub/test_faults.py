"""Errors between here and the hub: one line each, and no partial file that a later run takes for a complete one."""

import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.starport.hub.hub_server import LARGE, checksum
from tests.starport.hub.runs import NEEDED

WEIGHTS = "model.safetensors"
CREDENTIALS = "Invalid credentials in Authorization header"
PAGE = b"<!DOCTYPE html><html><body>Please log in to the network</body></html>"


def sends(status, body=b"", **headers):
    """Return a fault: this answer to every request."""
    return lambda request: request.send(status, body, **headers) or True


def once(fault):
    """Return a fault that happens the first time only."""
    left = [fault]
    return lambda request: left.pop()(request) if left else False


def half(request):
    """Send half of a file and hang up."""
    content = request.content()
    request.break_off(content[: len(content) // 2], len(content))
    return True


LISTS = {
    "401": (sends(401, b"{}", X_Error_Message=CREDENTIALS), "does not accept your token (401); check HF_TOKEN"),
    "401, no such model": (sends(401, X_Error_Code="RepoNotFound"), "has no model org/tiny that you may read; check"),
    "403": (sends(403), "refuses access (403); check the rights of your HF_TOKEN"),
    "403, gated": (sends(403, X_Error_Code="GatedRepo"), "is gated: its authors must give you access; ask for access"),
    "404": (sends(404, X_Error_Code="RepoNotFound"), "has no model org/tiny that you may read; check the name"),
    "404, revision": (sends(404, X_Error_Code="RevisionNotFound"), "org/tiny has no branch, tag or commit main (--rev"),
    "404, bare": (sends(404), "answers with 404; check HF_ENDPOINT"),
    "429": (sends(429), "has received too many requests from you (429); try again in some minutes"),
    "429, wait": (sends(429, Retry_After="120"), "(429); try again in 120 seconds, or set HF_TOKEN"),
    "429, limit": (sends(429, RateLimit='"api";r=0;t=55'), "(429); try again in 55 seconds, or set HF_TOKEN"),
    "500": (sends(500, b"Internal\nError \x1b[31m"), "has an internal error (500); try again later: the bytes"),
    "503": (sends(503), "has an internal error (503)"),
    "a web page": (sends(200, PAGE, Content_Type="text/html"), "is not the Hugging Face Hub; check HF_ENDPOINT"),
    "other JSON": (sends(200, b"[1]", Content_Type="application/json"), "is not the Hugging Face Hub"),
    "siblings of no kind": (sends(200, b'{"sha": "a", "siblings": [{}]}'), "is not the Hugging Face Hub"),
    "no commit": (sends(200, b'{"id": "org/tiny", "siblings": []}'), "names no commit of org/tiny; check HF_ENDPOINT"),
    "a commit that leads elsewhere": (sends(200, b'{"id": "org/tiny", "sha": "../../../../x", "siblings": []}'),
                                      "names no commit of org/tiny"),
    "nothing": (sends(200, b'{"id": "org/tiny", "sha": "%s"}' % (b"a" * 40)), "org/tiny holds no weights"),
    "hangs up": (lambda request: setattr(request, "close_connection", True) or True, "cannot be reached (Server"),
    "in circles": (lambda request: request.send(307, Location=request.path), "cannot be reached (Exceeded maximum"),
}  # fmt: skip


@pytest.mark.parametrize("fault", LISTS)
def test_what_the_hub_says_of_the_model(fault, runs, hub):
    hub.faults["list"], words = LISTS[fault]
    assert words in runs.complaint("--model", "org/tiny")
    assert hub.files_asked_for() == []
    assert runs.files() == {}


FILES = {
    "401": (sends(401, X_Error_Code="GatedRepo"), "is gated: its authors must give you access; ask for access"),
    "404": (sends(404), "answers with 404"),
    "429": (sends(429), "too many requests from you (429)"),
    "500": (sends(500), "has an internal error (500); try again later: the bytes"),
    "a web page": (sends(200, PAGE, Content_Type="text/html; charset=utf-8"), "a web page came instead of model"),
    "too short": (sends(200, b"short"), "model.safetensors does not have the "),
    "empty": (sends(200), "model.safetensors does not have the "),
    "too long": (sends(200, bytes(10**6)), "model.safetensors does not have the "),
    "too short, of no stated length": (lambda request: stream(request, request.content()[:-1]), "does not have the "),
    "too long, of no stated length": (lambda request: stream(request, request.content() + b"x"), "does not have the "),
    "one bit": (lambda request: changed(request, bit=1), "model.safetensors has another checksum than http://"),
    "in circles": (lambda request: request.send(302, Location=request.path), "cannot be reached (Exceeded maximum"),
}  # fmt: skip


def stream(request, content):
    """Send bytes and hang up, without saying how many there will be."""
    request.send_response(200)
    request.send_header("Connection", "close")
    request.end_headers()
    request.wfile.write(content)
    request.close_connection = True
    return True


def changed(request, bit):
    """Send the file with one bit turned over, in the middle."""
    content = bytearray(request.content())
    content[len(content) // 2] ^= bit
    request.send_content(bytes(content))
    return True


@pytest.mark.parametrize("fault", FILES)
def test_what_comes_instead_of_the_weights(fault, runs, hub, stories):
    hub.faults["storage"], words = FILES[fault]
    assert words in runs.complaint("--model", "org/tiny")
    assert set(runs.files()) == {*NEEDED} - {WEIGHTS}
    assert not any(partial.stat().st_size for partial in runs.incomplete())
    assert fault == "in circles" or [request.server for request in hub.requests].count("storage") == 1
    hub.faults.clear()
    assert runs.story("--model", "org/tiny") == stories[0]


@pytest.mark.parametrize("name", ["config.json", "vocab.json"])
def test_a_small_file_that_was_exchanged(name, runs, hub, tiny):
    """Its checksum is that of git."""

    def exchanged(request):
        if not request.path.endswith(name):
            return False
        request.send_content(tiny[name].replace(b"a", b"b", 1), Content_Type="text/plain")
        return True

    hub.faults["file"] = exchanged
    assert f"{name} has another checksum" in runs.complaint("--model", "org/tiny")
    assert WEIGHTS not in hub.files_asked_for()
    assert runs.incomplete() == []


def test_a_connection_that_breaks_is_taken_up_again(runs, hub, tiny, stories):
    hub.faults["storage"] = once(half)
    assert runs.story("--model", "org/tiny") == stories[0]
    first, second = [request for request in hub.requests if request.server == "storage"]
    assert "Range" not in first.headers
    assert second.headers["Range"] == f"bytes={len(tiny[WEIGHTS]) // 2}-"


def test_a_connection_that_breaks_every_time(runs, hub, tiny, stories):
    hub.faults["storage"] = half
    line = runs.complaint("--model", "org/tiny")
    assert "cannot be reached (peer closed connection" in line
    (partial,) = runs.incomplete()
    assert tiny[WEIGHTS].startswith(partial.read_bytes())
    assert WEIGHTS not in runs.files()


def partial_path(runs, tiny):
    return runs.cache / "models--org--tiny" / "blobs" / f"{checksum(WEIGHTS, tiny[WEIGHTS])}.incomplete"


def half_and_wait(request):
    """Send half of a file, then wait until the client closes the connection."""
    content = request.content()
    request.send_response(200)
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    request.wfile.write(content[: len(content) // 2])
    request.wfile.flush()
    request.connection.recv(1)
    request.close_connection = True
    return True


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C cannot be sent to one process on Windows")
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_broken_off_is_gone_on_with(end, runs, hub, tiny, stories):
    hub.faults["storage"] = half_and_wait
    middle = len(tiny[WEIGHTS]) // 2
    partial = partial_path(runs, tiny)
    with runs.start("--model", "org/tiny", HF_HUB_DOWNLOAD_TIMEOUT="100") as process:
        while not (partial.exists() and partial.stat().st_size):
            assert process.poll() is None, process.communicate(timeout=60)
            time.sleep(0.02)
        time.sleep(0.1)
        process.send_signal(end)
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (130 if end == signal.SIGINT else -end, b"")
    assert errors.startswith(b"downloading")
    assert len(errors.splitlines()) == 1
    assert runs.incomplete() == [partial]
    kept = partial.stat().st_size
    assert 0 < kept <= middle
    assert set(runs.files()) == {*NEEDED} - {WEIGHTS}
    hub.faults.clear()
    hub.requests.clear()
    assert runs.story("--model", "org/tiny") == stories[0]
    (request,) = [request for request in hub.requests if request.server == "storage"]
    assert request.headers["Range"] == f"bytes={kept}-"
    assert runs.incomplete() == []


def test_a_server_that_falls_silent_is_asked_again(runs, hub, stories):
    hub.faults["storage"] = once(half_and_wait)
    assert runs.story("--model", "org/tiny", HF_HUB_DOWNLOAD_TIMEOUT="1") == stories[0]


def test_a_slow_server_is_waited_for(runs, hub, stories):
    def drop_by_drop(request):
        content = request.content()
        request.send_response(200)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        for start in range(0, len(content), 1 + len(content) // 20):
            request.wfile.write(content[start:][: 1 + len(content) // 20])
            request.wfile.flush()
            time.sleep(0.1)  # two seconds in all, and no pause as long as the limit
        return True

    hub.faults["storage"] = drop_by_drop
    assert runs.story("--model", "org/tiny", HF_HUB_DOWNLOAD_TIMEOUT="1") == stories[0]


def put_partial(runs, tiny, content):
    """Put what an earlier run left of the weights into the cache."""
    partial = partial_path(runs, tiny)
    partial.parent.mkdir(parents=True)
    partial.write_bytes(content)
    return partial


def test_a_server_that_knows_no_ranges_sends_all_of_it_again(runs, hub, tiny, stories):
    put_partial(runs, tiny, tiny[WEIGHTS][:1000])
    hub.faults["storage"] = lambda request: request.send(200, request.content()) or True
    assert runs.story("--model", "org/tiny") == stories[0]
    assert [request.server for request in hub.requests].count("storage") == 1


def test_a_server_that_refuses_the_range(runs, hub, tiny, stories):
    put_partial(runs, tiny, tiny[WEIGHTS][:1000])
    hub.faults["storage"] = lambda request: "Range" in request.headers and (request.send(416) or True)
    assert runs.story("--model", "org/tiny") == stories[0]


def test_a_server_that_goes_on_elsewhere(runs, hub, tiny):
    partial = put_partial(runs, tiny, tiny[WEIGHTS][:1000])
    hub.faults["storage"] = sends(206, tiny[WEIGHTS][1000:], Content_Range="bytes 900-999/1000")
    assert "is not sent from byte 1000 on, as requested" in runs.complaint("--model", "org/tiny")
    assert partial.read_bytes() == tiny[WEIGHTS][:1000]


def test_a_web_page_does_not_take_the_place_of_what_has_come(runs, hub, tiny):
    partial = put_partial(runs, tiny, tiny[WEIGHTS][:1000])
    hub.faults["storage"] = sends(200, PAGE, Content_Type="text/html")
    assert "a web page came instead of" in runs.complaint("--model", "org/tiny")
    assert partial.read_bytes() == tiny[WEIGHTS][:1000]


@pytest.mark.parametrize("kept", ["other bytes", "as many other bytes", "too many bytes"])
def test_what_was_kept_is_not_believed(kept, runs, hub, tiny, stories):
    size = {"other bytes": 1000, "as many other bytes": len(tiny[WEIGHTS]), "too many bytes": 10**6}[kept]
    put_partial(runs, tiny, random.Random(1).randbytes(size))
    assert runs.story("--model", "org/tiny") == stories[0]


def test_a_blob_that_was_cut_is_fetched_again(runs, tiny, stories):
    runs.story("--model", "org/tiny")
    (link,) = runs.cache.glob(f"models--*/snapshots/*/{WEIGHTS}")
    link.resolve().write_bytes(tiny[WEIGHTS][:1000])
    link.unlink()
    assert runs.story("--model", "org/tiny") == stories[0]


def test_a_disk_that_is_too_small(runs, hub, tiny):
    """The hub says beforehand how much there is to come."""
    usual = dict(hub.models["org/tiny"]["main"])

    hub.models["org/tiny"]["main"] = usual | {WEIGHTS: Huge(b"x")}
    line = runs.complaint("--model", "org/tiny")
    assert "cannot be downloaded: it needs 1000000.00 GB, and the disk of " in line
    assert "free; make room, or set HF_HOME to a folder on another one" in line
    assert WEIGHTS not in hub.files_asked_for()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_disk_that_is_full(runs, hub, tiny, stories):
    partial = put_partial(runs, tiny, b"")
    partial.unlink()
    partial.symlink_to("/dev/full")
    line = runs.complaint("--model", "org/tiny")
    assert f"the disk of {runs.cache} is full; make room, or set HF_HOME to a folder on another one" in line
    assert WEIGHTS not in runs.files()
    partial.unlink()
    assert runs.story("--model", "org/tiny") == stories[0]


def test_a_cache_that_cannot_be_written(runs, hub, tmp_path):
    (tmp_path / "file").write_text("")
    line = runs.complaint("--model", "org/tiny", HF_HOME=str(tmp_path / "file"))
    assert "Not a directory; set HF_HOME to a folder that can be written to" in line


@pytest.mark.parametrize("fault", ["no network", "no such host", "no address", "bad name", "bad token"])
def test_before_anything_is_asked(fault, runs, hub):
    variables, words = {
        "no network": ({"HF_ENDPOINT": "http://127.0.0.1:9"}, "http://127.0.0.1:9 cannot be reached ([Errno"),
        "no such host": ({"HF_ENDPOINT": "http://nowhere.invalid"}, "http://nowhere.invalid "),
        "no address": ({"HF_ENDPOINT": "huggingface.co"}, "cannot be reached (Request URL is missing an"),
        "bad name": ({}, "is not a valid name of a model of the hub; check it"),
        "bad token": ({"HF_TOKEN": "hf_\u00e9geheim"}, "with this token; check HF_TOKEN"),
    }[fault]
    line = runs.complaint("--model", "org/a--b" if fault == "bad name" else "org/tiny", **variables)
    assert words in line
    assert "geheim" not in line
    assert hub.requests == []


def test_without_the_library(runs, hub):
    line = runs.complaint("--model", "org/tiny", python=("-S",))
    assert "cannot be downloaded: huggingface_hub is not installed; `pip install huggingface_hub`; or put" in line
    assert hub.requests == []


@pytest.mark.parametrize("content", ["", "__version__ = '0.36.2'\nHfApi = constants = hf_hub_url = None"])
def test_a_library_that_is_too_old(content, runs, tmp_path):
    package = tmp_path / "huggingface_hub"
    package.mkdir()
    (package / "__init__.py").write_text(content)
    (package / "utils.py").write_text("build_hf_headers = get_session = hf_raise_for_status = None")
    line = runs.complaint("--model", "org/tiny", PYTHONPATH=str(tmp_path))
    assert "the installed huggingface_hub is too old; `pip install --upgrade huggingface_hub`" in line


def silent(request):
    request.connection.recv(1)  # until the other side hangs up
    return True


DEFAULTS = {
    "offline": ({"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE is set"),
    "no library": ({"python": ("-S",)}, "huggingface_hub is not installed"),
    "no network": ({"HF_ENDPOINT": "http://127.0.0.1:9"}, "http://127.0.0.1:9 cannot be reached ([Errno"),
    "no answer": ({}, "does not answer within 3 seconds"),
    "no such model": ({}, "has no model openai-community/gpt2 that you may read"),
    "broken": ({}, "has an internal error (500)"),
    "no GPT-2": ({}, "openai-community/gpt2: "),
}


@pytest.mark.parametrize("fault", DEFAULTS)
def test_the_default_is_the_model_in_the_box_where_gpt2_cannot_be_had(fault, runs, hub, tiny):
    options, words = DEFAULTS[fault]
    if fault != "no such model":
        hub.models["openai-community/gpt2"] = {"main": tiny}
    if fault == "no answer":
        hub.faults["list"] = silent
    if fault == "broken":
        hub.faults["storage"] = sends(500)
    if fault == "no GPT-2":
        hub.models["openai-community/gpt2"] = {"main": tiny | {"config.json": b'{"model_type": "bert"}'}}
    code, output, errors = runs.run(**options)
    assert (code, output[:5]) == (0, "Hello")
    assert len(errors) == (2 if fault == "broken" else 1), errors
    reason = "gpt2 is not in the Hugging Face cache and cannot be downloaded: "
    assert errors[-1].startswith(f"model towel from the box, as {reason}"), errors
    assert words in errors[-1]


def test_what_is_no_gpt2_is_refused_before_its_weights_come(runs, hub, tiny):
    hub.models["org/tiny"]["main"] = tiny | {"config.json": b'{"model_type": "llama"}'}
    code, _, errors = runs.run("--model", "org/tiny")
    assert code == 2
    assert len(errors) == 1
    assert "org/tiny: " in errors[0]
    assert "llama" in errors[0]
    assert not any(LARGE.fullmatch(name) for name in hub.files_asked_for())


class Huge(bytes):
    """What the hub says is larger than any disk."""

    def __len__(self):
        return 10**15


@pytest.mark.parametrize("name", ["config.json", "vocab.json", "merges.txt"])
def test_a_small_file_that_is_not_small(name, runs, hub, tiny):
    hub.models["org/tiny"]["main"] = tiny | {name: Huge(b"x")}
    assert f"{name} is 1000000.00 GB long, the limit is 16.0 MB" in runs.complaint("--model", "org/tiny")
    assert hub.files_asked_for() == []


def test_an_index_that_is_not_small(runs, hub, tiny):
    files = {name: body for name, body in tiny.items() if name != WEIGHTS}
    hub.models["org/tiny"]["main"] = files | {"model.safetensors.index.json": Huge(b"x")}
    assert "index.json is 1000000.00 GB long" in runs.complaint("--model", "org/tiny")
    assert hub.files_asked_for() == []


def test_the_data_of_tensorflow_is_announced(runs, hub):
    data = "model.ckpt.data-00000-of-00001"
    names = ["model.ckpt.index", "hparams.json", "encoder.json", "vocab.bpe"]
    hub.models["org/tiny"]["main"] = dict.fromkeys(names, b"{}") | {data: Huge(b"x")}
    assert "cannot be downloaded: it needs 1000000.00 GB" in runs.complaint("--model", "org/tiny")
    assert data not in hub.files_asked_for()
