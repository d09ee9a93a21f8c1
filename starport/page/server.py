"""The server of the page, for this machine alone, from the standard library.

Whoever reads an answer must know the token in the address, which is new in every run. A page of another site does not
know it; and even with it, it could not read: nothing is shared across origins, a Host header with a foreign name is
refused (DNS rebinding), and a question must be JSON, which a form of another site cannot send.
"""

import errno
import ipaddress
import json
import secrets
import socket
import sys
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from starchart.errors import StarchartError
from starport.page.questions import Questions
from starport.page.web_files import CONTENT_TYPES, web_files

MOST_BYTES = 1 << 20  # of a question
_SECONDS = 30  # to send a request
_MOST_DISCARDED = 128 << 20  # bytes of a refused request; a browser reads the refusal only after it has sent its body
_NO_SUCH_HOST = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class HostError(StarchartError):
    """There is no such address on this machine."""


class PortTakenError(StarchartError):
    """The port cannot be had."""


class PageServer(ThreadingHTTPServer):
    """Serves the page, and hands its questions to `questions`. `address` opens it."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    allow_reuse_address = sys.platform != "win32"  # there it would let two servers share a port

    def __init__(self, host: str, port: int, questions: Questions, start: Mapping[str, Any]) -> None:
        """Bind the port; 0 takes a free one. `start` says what the page shows first.

        Raises HostError or PortTakenError where that fails.
        """
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.questions, self.token = questions, secrets.token_urlsafe(24)
        self.files = {**web_files(), "site.json": json.dumps(start).encode()}
        try:
            super().__init__((host, port), _Handler)
        except (OSError, OverflowError, UnicodeError) as error:
            fault = getattr(error, "strerror", None) or str(error)
            if isinstance(error, socket.gaierror | UnicodeError) or getattr(error, "errno", None) in _NO_SUCH_HOST:
                raise HostError(
                    f"--host {host}: this is not an address of this machine ({fault}); leave --host out for 127.0.0.1"
                ) from None
            raise PortTakenError(
                f"cannot serve on {host} port {port}: {fault}; choose another --port (0: a free one)"
            ) from None
        self.names = {"localhost", host.lower()}

    @property
    def address(self) -> str:
        """The address of the page."""
        host, port = self.server_address[:2]
        shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(str(host), str(host))
        return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/{self.token}/"

    def server_bind(self) -> None:
        """Bind, without the search for this machine's name that HTTPServer adds: it may take seconds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(self.allow_reuse_address))
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def is_ours(self, host: str) -> bool:
        """Return whether a Host header names this server: by an address, or by a name that we were told.

        Only a name can be turned from one address to another behind the browser's back, so any address is allowed.
        """
        name, port = _split(host.lower())
        return port == str(self.server_port) and (name in self.names or _is_address(name))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a window was closed while it was being answered."""


def _split(host: str) -> tuple[str, str]:
    """Return the name and the port of a Host header."""
    name, colon, port = host.rpartition(":")
    return (name.strip("[]"), port) if colon and not port.endswith("]") else (host.strip("[]"), "80")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class _Handler(BaseHTTPRequestHandler):
    """Answers one request, then closes the connection."""

    server: PageServer
    server_version = "starchart"
    sys_version = ""
    timeout = _SECONDS

    def do_GET(self) -> None:
        """Send a file of the page."""
        path = self._path_after_token()
        if path is None:
            return
        name = path.partition("?")[0] or "index.html"
        if name not in self.server.files:
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such file")
            return
        data = self.server.files[name]
        self._start(HTTPStatus.OK, CONTENT_TYPES[name.rpartition(".")[2]], len(data))
        if self.command == "GET":
            self.wfile.write(data)

    def do_HEAD(self) -> None:
        """Send what is said of a file of the page, without the file."""
        self.do_GET()

    def do_POST(self) -> None:
        """Answer a question: lines of JSON."""
        path = self._path_after_token()
        if path is None:
            return
        origin = self.headers.get("Origin")
        size = self.headers.get("Content-Length", "")
        if path != "ask":
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such question")
        elif origin is not None and not self.server.is_ours(origin.partition("://")[2]):
            self._refuse(HTTPStatus.FORBIDDEN, "a question from another site")
        elif self.headers.get_content_type() != "application/json":
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a question is JSON")
        elif not (size.isascii() and size.isdigit()):
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "a question has a Content-Length")
        elif len(size) > 9 or int(size) > MOST_BYTES:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a question has at most {MOST_BYTES} bytes")
            self._discard()
        else:
            self._answer(self.rfile.read(int(size)), int(size))

    def _answer(self, body: bytes, size: int) -> None:
        try:
            request = json.loads(body) if len(body) == size else None
        except (ValueError, RecursionError):
            request = None
        if not isinstance(request, dict):
            self._refuse(HTTPStatus.BAD_REQUEST, "a question is a JSON object")
            return
        self._start(HTTPStatus.OK, "application/x-ndjson")
        for message in self.server.questions.ask(request):
            self.wfile.write(json.dumps(message, allow_nan=False).encode() + b"\n")

    def _path_after_token(self) -> str | None:
        """Return what follows the token in the path; None after a refusal."""
        if not self.server.is_ours(self.headers.get("Host", "")):
            self._refuse(HTTPStatus.MISDIRECTED_REQUEST, "this server has another name")
            return None
        token, slash, rest = self.path.removeprefix("/").partition("/")
        if not secrets.compare_digest(token.encode("utf-8", "replace"), self.server.token.encode()) or not slash:
            self._refuse(HTTPStatus.FORBIDDEN, "open the address that `starchart explore` has printed")
            return None
        return rest

    def _refuse(self, status: HTTPStatus, line: str) -> None:
        data = f"{line}\n".encode()
        self._start(status, "text/plain; charset=utf-8", len(data))
        if self.command != "HEAD":
            self.wfile.write(data)

    def _discard(self) -> None:
        """Read what is still sent, up to a limit."""
        self.connection.shutdown(socket.SHUT_WR)
        left = _MOST_DISCARDED
        while left > 0 and (data := self.rfile.read1(1 << 16)):
            left -= len(data)

    def _start(self, status: HTTPStatus, content_type: str, size: int | None = None) -> None:
        self.send_response(status)
        for name, value in {**_HEADERS, "Content-Type": content_type, "Connection": "close"}.items():
            self.send_header(name, value)
        if size is not None:
            self.send_header("Content-Length", str(size))
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name in the base class
        """Log nothing: an address with its token belongs in no log."""
