"""The server of the page: who may read it, and what it survives."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from starport.page.questions import Questions
from starport.page.server import MOST_BYTES, HostError, PageServer, PortTakenError
from tests.page.served import PATIENCE, ROOT, explored, waited_for

JSON = {"Content-Type": "application/json"}


def echo(request, progress):
    progress(1, 2, "half of it")
    return {"asked": request}


@contextmanager
def serving(answer=echo, host="127.0.0.1"):
    """Yield a server that runs here; its questions are answered by a function."""
    questions = Questions()
    server = PageServer(host, 0, questions, {"prompt": "hello"})
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    threading.Thread(target=questions.answer_all, args=[answer], daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def test_a_question_that_fails_ends_no_other(capfd):
    def answer(request, progress):
        if request["ask"] == "bad":
            raise ZeroDivisionError("a mistake")
        return echo(request, progress)

    with serving(answer) as server:
        questions = server.questions
        *_, failed = questions.ask({"ask": "bad"})
        *_, answered = questions.ask({"ask": "good"})
    assert failed == {"answer": {"error": "this question failed: ZeroDivisionError"}}
    assert answered == {"answer": {"asked": {"ask": "good"}}}
    assert "a mistake" in capfd.readouterr().err


@pytest.fixture(scope="module")
def server():
    with serving() as running:
        yield running


def request(server, path=None, method="GET", body=None, headers=()):
    """Return status, headers and body of an answer; `path` follows the token, or begins with a slash."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=PATIENCE)
    full = path if path and path.startswith("/") else f"/{server.token}/{path or ''}"
    connection.request(method, full, body, dict(headers))
    response = connection.getresponse()
    try:
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def ask(server, question, headers=JSON):
    return request(server, "ask", "POST", json.dumps(question), headers)


def test_the_page_and_its_files(server):
    for path, kind, words in [
        ("", "text/html", b"<!doctype html>"),
        ("index.html", "text/html", b"<!doctype html>"),
        ("js/main.js", "text/javascript", b"import"),
        ("css/page.css", "text/css", b"--paper"),
        ("site.json", "application/json", b'"hello"'),
    ]:
        status, headers, body = request(server, path)
        assert (status, headers.get_content_type()) == (200, kind)
        assert words in body
        assert int(headers["Content-Length"]) == len(body)
    assert request(server, "js/main.js", "HEAD")[2] == b""


def test_an_answer_comes_in_lines(server):
    status, headers, body = ask(server, {"ask": "what", "text": "\u2028<script>"})
    assert (status, headers.get_content_type()) == (200, "application/x-ndjson")
    assert [json.loads(line) for line in body.split(b"\n")[:-1]] == [
        {"progress": [1, 2, "half of it"]},
        {"answer": {"asked": {"ask": "what", "text": "\u2028<script>"}}},
    ]


def test_nothing_is_shared_with_other_sites(server):
    for path in ("", "site.json", "nothing"):
        headers = request(server, path, headers={"Origin": "http://evil.example"})[1]
        assert not [name for name in headers if name.lower().startswith("access-control")]
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy


@pytest.mark.parametrize("path", ["/", "/ask", "/index.html", "/wrong/index.html", "/%00/", "/é/", "//", "/ /"])
def test_without_the_token(server, path):
    sent = path.encode().decode("latin-1")
    connection = socket.create_connection(("127.0.0.1", server.server_port), timeout=PATIENCE)
    with connection:
        head = f"GET {sent} HTTP/1.0\r\nHost: 127.0.0.1:{server.server_port}\r\n\r\n"
        connection.sendall(head.encode("latin-1"))
        answer = connection.makefile("rb").read()
    assert answer.split(b" ")[1] in (b"403", b"400")
    assert server.token.encode() not in answer


def test_a_question_without_the_token(server):
    assert request(server, "/wrong/ask", "POST", "{}", JSON)[0] == 403
    assert request(server, f"/{server.token}", "POST", "{}", JSON)[0] == 403


def test_every_run_has_its_own_token(server):
    with serving() as other:
        assert other.token != server.token
        assert len(other.token) >= 32


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:PORT", "127.0.0.1", "localhost:1", "", "127.0.0.1.evil.example:PORT"]
)
def test_another_host(server, host):
    headers = {"Host": host.replace("PORT", str(server.server_port))}
    assert request(server, "", headers=headers)[0] == 421
    assert ask(server, {}, {**JSON, **headers})[0] == 421


@pytest.mark.parametrize(
    "host", ["127.0.0.1:PORT", "localhost:PORT", "LOCALHOST:PORT", "[::1]:PORT", "192.168.0.7:PORT"]
)
def test_its_own_hosts(server, host):
    assert request(server, "", headers={"Host": host.replace("PORT", str(server.server_port))})[0] == 200


def test_a_question_from_another_site(server):
    assert ask(server, {}, {**JSON, "Origin": "http://evil.example"})[0] == 403
    assert ask(server, {}, {**JSON, "Origin": "null"})[0] == 403
    assert ask(server, {}, {**JSON, "Origin": f"http://127.0.0.1:{server.server_port}"})[0] == 200
    assert ask(server, {}, {"Content-Type": "text/plain"})[0] == 415  # what a form can send


@pytest.mark.parametrize("body", ["", "[]", "nonsense", "1", '"text"', "[" * 100_000, "{}garbage", "NaN"])
def test_what_is_not_a_question(server, body):
    assert request(server, "ask", "POST", body.encode(), JSON)[0] == 400


def test_a_large_body_is_refused_unread(server):
    status, _, body = request(server, "ask", "POST", b"x" * 100_000_000, JSON)
    assert status == 413
    assert str(MOST_BYTES).encode() in body
    assert ask(server, {})[0] == 200


@pytest.mark.parametrize("size", ["-1", "1e3", "", "٣", "99999999999999999999"])
def test_a_size_that_is_none(server, size):
    connection = socket.create_connection(("127.0.0.1", server.server_port), timeout=PATIENCE)
    with connection:
        head = f"POST /{server.token}/ask HTTP/1.0\r\nHost: 127.0.0.1:{server.server_port}\r\n"
        connection.sendall(f"{head}Content-Type: application/json\r\nContent-Length: {size}\r\n\r\n{{}}".encode())
        connection.shutdown(socket.SHUT_WR)
        assert connection.makefile("rb").readline().split()[1] in (b"411", b"413")


def test_paths_lead_nowhere_else(server):
    for path in ("../server.py", "..%2fserver.py", "js/../../server.py", "/etc/passwd", "js/", "js"):
        assert request(server, path)[0] in (403, 404)


def test_ten_windows_at_once():
    most, now, lock = [0], [0], threading.Lock()

    def slow(question, progress):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        progress(0, 1, "thinking")
        with lock:
            now[0] -= 1
        return {"number": question["number"]}

    with serving(slow) as server:
        found = {}

        def one(number):
            body = ask(server, {"number": number})[2]
            found[number] = json.loads(body.split(b"\n")[-2])["answer"]

        threads = [threading.Thread(target=one, args=[number]) for number in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
    assert found == {number: {"number": number} for number in range(10)}
    assert most == [1]  # the engine is asked one question at a time


def test_a_window_that_is_closed_is_not_computed_for():
    began, gone = threading.Event(), threading.Event()

    def endless(question, progress):
        if question == {"ask": "short"}:
            return {}
        try:
            while not gone.wait(timeout=0.01):
                began.set()
                progress(0, 0, "for ever")
        finally:
            gone.set()
        return {}

    with serving(endless) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=PATIENCE)
        connection.request("POST", f"/{server.token}/ask", "{}", JSON)
        assert began.wait(timeout=PATIENCE)
        connection.sock.close()
        assert gone.wait(timeout=PATIENCE)
        assert ask(server, {"ask": "short"})[0] == 200


def test_too_many_windows(monkeypatch):
    monkeypatch.setattr("starport.page.questions.MOST_WAITING", 3)
    questions = Questions()  # which nobody answers
    waiting = [questions.ask({}) for _ in range(3)]
    assert [next(one)["progress"][2] for one in waiting] == ["opening the model"] * 3
    assert "too many" in next(questions.ask({}))["answer"]["error"]


def test_a_port_that_is_taken(server):
    with pytest.raises(PortTakenError, match="choose another --port"):
        PageServer("127.0.0.1", server.server_port, Questions(), {})


def test_a_host_that_does_not_exist():
    with pytest.raises(HostError, match="is not an address of this machine"):
        PageServer("no.such.host.invalid", 0, Questions(), {})


def run(*arguments, **options):
    command = [sys.executable, "-m", "starport", "explore", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=PATIENCE, **options)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "towel", "--port", "70000"], "--port 70000: this is not a port"),
        (["--model", "towel", "--port", "-1"], "--port -1"),
        (["--model", "towel", "--host", "no.such.host.invalid", "--port", "0"], "--host no.such.host.invalid: this is"),
        (["--model", "towel", "--host", "999.1.1.1"], "--host 999.1.1.1: this is not an address of this machine"),
        (["--model", "towel", "--host", "192.0.2.1"], "--host 192.0.2.1: this is not an address of this machine"),
        (["--model", "towel", "--host", ""], "--host '': this is empty"),
        (["--model", "towel", "--workers", "0"], "--workers 0: it must be at least 1"),
        (["a " * 600, "--model", "towel"], "tokens; this model reads at most 512"),
        (["--model", "nothing-of-the-kind"], "nothing-of-the-kind"),
        (["--engine", "torch"], "the page has packed and reference"),
        (["--engine", "reference", "--precision", "fast", "--model", "towel"], "the reference engine has full"),
        (["--pyodide", "x"], "add --out DIR"),
    ],
)
def test_bad_input_is_one_line(arguments, words):
    done = run(*arguments, "--no-browser")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert words in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="no signals of that kind here")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_it(number, code):
    with explored("Once", "--model", "towel") as (address, process):
        place = urlsplit(address)

        def answers():
            connection = http.client.HTTPConnection(place.hostname, place.port, timeout=PATIENCE)
            connection.request("POST", f"{place.path}ask", '{"ask": "model"}', JSON)
            return b'"answer"' in connection.getresponse().read()

        waited_for(answers)
        process.send_signal(number)
        output, errors = process.communicate(timeout=PATIENCE)
        assert (process.returncode, output, errors) == (code, b"", b"")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((place.hostname, place.port), timeout=PATIENCE)


def test_the_address_comes_before_the_model_is_open(tmp_path):
    with explored("Once", "--model", "towel", env={**os.environ, "PYTHONPROFILEIMPORTTIME": ""}) as (address, _):
        place = urlsplit(address)
        connection = http.client.HTTPConnection(place.hostname, place.port, timeout=PATIENCE)
        connection.request("GET", f"{place.path}site.json")
        assert json.loads(connection.getresponse().read())["prompt"] == "Once"
        connection.request("POST", f"{place.path}ask", '{"ask": "model"}', JSON)
        lines = [json.loads(line) for line in connection.getresponse().read().splitlines()]
        assert lines[-1]["answer"]["name"] == "towel"
