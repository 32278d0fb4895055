"""A stand-in for the Hugging Face Hub on this machine: enough of its protocol for the real client, and its faults."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

MAIN = "a" * 40  # the commit that a repository begins with


@dataclass
class Repository:
    files: dict[str, bytes]
    commit: str = MAIN
    token: str | None = None  # who may read it
    gated: bool = False


@dataclass
class Fault:
    """What happens instead, to requests that fit, a number of times."""

    act: Callable[[Handler, bytes], None]
    method: str = "GET"
    path: str = r".*\.safetensors"
    times: int = 1


@dataclass
class State:
    repositories: dict[str, Repository] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)  # method, path, range
    sent: list[str] = field(default_factory=list)  # paths of bodies that went out whole
    uploads: dict[str, bytes] = field(default_factory=dict)  # by sha256
    pace: float = 0.0  # seconds a block of 64 KB
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fault(self, method: str, path: str) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if fault.times and fault.method == method and re.fullmatch(fault.path, path):
                    fault.times -= 1
                    return fault
        return None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ThreadingHTTPServer
    state: State  # of the server's own subclass

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def answer(self):
        path = unquote(urlsplit(self.path).path)
        self.state.requests.append((self.command, path, self.headers.get("Range")))
        try:
            if match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
                self.resolve(*match.groups())
            elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+?)(?:/revision/([^/]+))?", path):
                self.info(*match.groups(), "blobs=" in self.path)
            else:
                self.refuse(404, "EntryNotFound")
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    # -------------------------------------------------------------------------------------------------- downloading

    def repository(self, repo_id: str, revision: str | None) -> Repository | None:
        repository = self.state.repositories.get(repo_id)
        asked = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if repository is None:
            self.refuse(401 if not asked else 404, "RepoNotFound")
        elif repository.gated and asked != repository.token:
            self.refuse(403 if asked else 401, "GatedRepo")
        elif repository.token and asked != repository.token:
            self.refuse(401, "RepoNotFound")
        elif revision not in (None, "main", repository.commit):
            self.refuse(404, "RevisionNotFound")
        else:
            return repository
        return None

    def resolve(self, repo_id: str, revision: str, name: str):
        if (repository := self.repository(repo_id, revision)) is None:
            return
        if (body := repository.files.get(name)) is None:
            self.refuse(404, "EntryNotFound", repository.commit)
            return
        fault = self.state.fault(self.command, name)
        if fault:
            fault.act(self, body)
        else:
            self.send(body, repository.commit, name)

    def send(self, body: bytes, commit: str = MAIN, name: str = "", etag: str | None = None, length: int | None = None):
        """All of a body, or the range asked for; `length` is what the headers say of it."""
        start = int(re.fullmatch(r"bytes=(\d+)-", self.headers["Range"])[1]) if "Range" in self.headers else 0
        part = body[start:]
        self.send_response(206 if start else 200)
        self.send_header("X-Repo-Commit", commit)
        self.send_header("ETag", f'"{etag or hashlib.sha256(body).hexdigest()}"')
        self.send_header("Content-Length", str(len(part) if length is None else length))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.end_headers()
        if self.command == "HEAD":
            return
        for i in range(0, len(part), 1 << 16):
            self.wfile.write(part[i : i + (1 << 16)])
            time.sleep(self.state.pace)
        self.state.sent.append(name)

    def refuse(self, status: int, code: str | None = None, commit: str | None = None, **headers: str):
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        if commit:
            self.send_header("X-Repo-Commit", commit)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def info(self, repo_id: str, revision: str | None, with_facts: bool = False):
        if (repository := self.repository(repo_id, revision)) is not None:
            siblings = [{"rfilename": name} for name in repository.files]
            if with_facts:
                for sibling, body in zip(siblings, repository.files.values(), strict=True):
                    sha256 = hashlib.sha256(body).hexdigest()
                    sibling |= {"size": len(body), "lfs": {"size": len(body), "sha256": sha256, "pointerSize": 133}}
            self.send_json({"id": repo_id, "sha": repository.commit, "siblings": siblings})

    def send_json(self, data: dict):
        body = json.dumps(data).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    # ---------------------------------------------------------------------------------------------------- uploading

    def do_POST(self):
        path = unquote(urlsplit(self.path).path)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.state.requests.append((self.command, path, None))
        if self.headers.get("Authorization") != "Bearer writer":
            self.refuse(401)
        elif path == "/api/validate-yaml":
            self.send_json({"errors": [], "warnings": []})
        elif path == "/api/repos/create":
            asked = json.loads(body)
            repo_id = f"{asked['organization']}/{asked['name']}"
            self.state.repositories.setdefault(repo_id, Repository({}, "0" * 40))
            self.send_json({"url": f"http://{self.headers['Host']}/{repo_id}"})
        elif "/preupload/" in path:
            files = [
                {"path": f["path"], "uploadMode": "lfs" if f["path"].endswith("safetensors") else "regular"}
                for f in json.loads(body)["files"]
            ]
            self.send_json({"files": [{**f, "shouldIgnore": False, "oid": None} for f in files]})
        elif path.endswith(".git/info/lfs/objects/batch"):
            actions = {"upload": {"href": f"http://{self.headers['Host']}/lfs"}}
            objects = [{"oid": o["oid"], "size": o["size"], "actions": actions} for o in json.loads(body)["objects"]]
            self.send_json({"transfer": "basic", "objects": objects})
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/.+", path):
            self.commit(match[1], [json.loads(line) for line in body.splitlines()])
        else:
            self.refuse(404)

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.state.uploads[hashlib.sha256(body).hexdigest()] = body
        self.send_json({})

    def commit(self, repo_id: str, lines: list[dict]):
        repository = self.state.repositories[repo_id]
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                repository.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                repository.files[value["path"]] = self.state.uploads[value["oid"]]
        repository.commit = "b" * 40
        url = f"http://{self.headers['Host']}/{repo_id}/commit/{repository.commit}"
        self.send_json({"commitUrl": url, "commitOid": repository.commit, "hookOutput": "", "success": True})


# ------------------------------------------------------------------------------------------------------------- faults


def status(code: int, **headers: str) -> Callable[[Handler, bytes], None]:
    return lambda handler, _: handler.refuse(code, None, MAIN, **headers)


def cut(after: int) -> Callable[[Handler, bytes], None]:
    """The connection ends after some bytes of the body."""

    def act(handler: Handler, body: bytes):
        start = int(re.fullmatch(r"bytes=(\d+)-", handler.headers["Range"])[1]) if "Range" in handler.headers else 0
        handler.send(body[: start + after], length=len(body) - start, name="cut")
        handler.wfile.flush()
        handler.close_connection = True

    return act


def other_length(handler: Handler, body: bytes) -> None:
    """The body is shorter than the metadata said, and says so."""
    handler.send(body[:-1000], etag=hashlib.sha256(body).hexdigest())


def other_bytes(handler: Handler, body: bytes) -> None:
    """As many bytes, under the same name, but others."""
    handler.send(bytes(reversed(body)), etag=hashlib.sha256(body).hexdigest())


@contextmanager
def hub():
    """(address, state) of a running stand-in."""
    state = State()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("HandlerOfThis", (Handler,), {"state": state}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
