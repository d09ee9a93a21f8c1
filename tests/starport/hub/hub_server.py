"""A small Hugging Face Hub on this machine, with a second server that stands for the storage of its large files.

It answers what huggingface_hub asks: the list of files of a model at a revision, the tree of a commit, and files, with
the headers, redirects, ranges and error codes of the real one. `faults` are functions that answer wrongly on purpose.
"""

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

LARGE = re.compile(r".+\.(safetensors|bin|gguf|npz|h5|msgpack)")
_API = re.compile(r"/api/models/(?P<id>[^/]+/[^/]+)(/(?P<kind>revision|tree)/(?P<revision>[^/]+))?")
_FILE = re.compile(r"/(?P<id>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<name>.+)")


def git_sha1(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def checksum(name: str, content: bytes) -> str:
    """Return the checksum under which the cache keeps a file."""
    return hashlib.sha256(content).hexdigest() if LARGE.fullmatch(name) else git_sha1(content)


@dataclass(frozen=True)
class Request:
    """What a server was asked for. `server` is "hub" or "storage"."""

    server: str
    method: str
    path: str
    headers: Mapping[str, str]

    @property
    def file(self) -> str | None:
        """The name of the file asked for at the hub."""
        match = _FILE.fullmatch(self.path)
        return match["name"] if match else None


@dataclass
class HubServer:
    """`models`: files by name, by revision, by name of the model. `faults`: what answers instead, by kind of request.

    The kinds are "list", "file" and "storage"; a fault returns False to let the server answer as always.
    """

    models: dict[str, dict[str, dict[str, bytes]]]
    requests: list[Request] = field(default_factory=list)
    faults: dict[str, Callable[["Handler"], object]] = field(default_factory=dict)
    endpoint: str = ""
    storage: str = ""

    def files_asked_for(self) -> list[str]:
        return [request.file for request in self.requests if request.file]

    def commit(self, model: str, revision: str) -> str | None:
        """Return the hash of the commit that a revision is, or None if there is none."""
        commits = {name: commit_of(files) for name, files in self.models[model].items()}
        return revision if revision in commits.values() else commits.get(revision)

    def files(self, model: str, commit: str) -> dict[str, bytes]:
        return next(files for files in self.models[model].values() if commit_of(files) == commit)


def commit_of(files: Mapping[str, bytes]) -> str:
    return git_sha1("".join(f"{name} {git_sha1(content)}\n" for name, content in files.items()).encode())


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: HubServer
    kind: str

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        path = urlsplit(self.path).path
        self.hub.requests.append(Request(self.kind, self.command, unquote(path), dict(self.headers)))
        if self.kind == "storage":
            self.with_fault("storage", lambda: self.stored(path))
        elif match := _API.fullmatch(path):
            self.with_fault(
                "list", lambda: self.listed(match["id"], unquote(match["revision"] or "main"), match["kind"])
            )
        elif match := _FILE.fullmatch(path):
            self.with_fault("file", lambda: self.resolved(match["id"], unquote(match["revision"]), match["name"]))
        else:
            self.send(404)

    def with_fault(self, kind: str, usual: Callable[[], None]) -> None:
        fault = self.hub.faults.get(kind)
        if fault is None or fault(self) is False:
            usual()

    def send(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Send an answer; underscores in the names of headers stand for dashes."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def commit(self, model: str, revision: str) -> str | None:
        """Return the commit, or None after an error has been sent."""
        if model not in self.hub.models:
            self.send(401, b'{"error":"Invalid username or password."}', X_Error_Code="RepoNotFound")
            return None
        commit = self.hub.commit(model, revision)
        if commit is None:
            self.send(404, X_Error_Code="RevisionNotFound", X_Error_Message=f"Invalid rev id: {revision}")
        return commit

    def listed(self, model: str, revision: str, kind: str) -> None:
        commit = self.commit(model, revision)
        if commit is None:
            return
        files = self.hub.files(model, commit)
        if kind == "tree":
            self.send_json([{"type": "file", "path": name, **entry(name, body)} for name, body in files.items()])
            return
        siblings = [{"rfilename": name, **entry(name, body)} for name, body in files.items()]
        self.send_json({"id": model, "modelId": model, "sha": commit, "siblings": siblings, "tags": []})

    def send_json(self, value: object) -> None:
        self.send(200, json.dumps(value).encode(), Content_Type="application/json; charset=utf-8")

    def resolved(self, model: str, revision: str, name: str) -> None:
        commit = self.commit(model, revision)
        if commit is None:
            return
        body = self.hub.files(model, commit).get(name)
        if body is None:
            self.send(404, X_Error_Code="EntryNotFound", X_Repo_Commit=commit)
            return
        tag = f'"{checksum(name, body)}"'
        if LARGE.fullmatch(name):
            location = f"{self.hub.storage}/{model}/{commit}/{name}?signature=abc"
            headers = {"X_Linked_Etag": tag, "X_Linked_Size": str(len(body)), "X_Repo_Commit": commit}
            self.send(302, b"Found", Location=location, ETag=f'"{git_sha1(body)}"', **headers)
        else:
            self.send_content(body, ETag=tag, X_Repo_Commit=commit, Content_Type="text/plain; charset=utf-8")

    def stored(self, path: str) -> None:
        if "Authorization" in self.headers:  # as the real ones do where the signature is in the address
            self.send(400, b"Only one auth mechanism allowed")
            return
        self.send_content(self.content(), Content_Type="binary/octet-stream")

    def content(self) -> bytes:
        """Return the file that the storage is asked for."""
        organisation, name, commit, file = urlsplit(self.path).path.strip("/").split("/")
        return self.hub.files(f"{organisation}/{name}", commit)[unquote(file)]

    def send_content(self, body: bytes, **headers: str) -> None:
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(wanted[1]) if wanted else 0
        if start >= len(body) > 0:
            self.send(416, Content_Range=f"bytes */{len(body)}")
        elif wanted:
            span = f"bytes {start}-{len(body) - 1}/{len(body)}"
            self.send(206, body[start:], Content_Range=span, Accept_Ranges="bytes", **headers)
        else:
            self.send(200, body, Accept_Ranges="bytes", **headers)

    def break_off(self, body: bytes, total: int) -> None:
        """Announce `total` bytes, send `body`, and close the connection."""
        self.send_response(200)
        self.send_header("Content-Length", str(total))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
        self.close_connection = True


def entry(name: str, body: bytes) -> dict[str, object]:
    """Return the entry of a file, in the form of the hub's list of siblings and of its tree."""
    sizes: dict[str, object] = {"size": len(body), "blobId": git_sha1(body), "oid": git_sha1(body)}
    if LARGE.fullmatch(name):
        digest = hashlib.sha256(body).hexdigest()
        sizes["lfs"] = {"sha256": digest, "oid": digest, "size": len(body), "pointerSize": 130}
    return sizes


@contextmanager
def running(models: dict[str, dict[str, dict[str, bytes]]]) -> Iterator[HubServer]:
    """Run both servers while the block runs."""
    hub = HubServer(models)
    servers = []
    for kind in ("hub", "storage"):
        handler = type("OneHandler", (Handler,), {"hub": hub, "kind": kind})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        servers.append(server)
    hub.endpoint, hub.storage = (f"http://127.0.0.1:{server.server_address[1]}" for server in servers)
    try:
        yield hub
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
