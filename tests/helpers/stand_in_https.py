"""A stand-in for servers of files over HTTPS, with ranges, validators, redirects, and their faults."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import stand_in_tls
from stand_in_tls import cut as cut

HOST, OTHER_HOST = "download.openmmlab.com", "mirror.example.org"


@dataclass
class State(stand_in_tls.State):
    """`files` are by path."""

    validators: bool = True  # it sends an ETag, and heeds If-Range


class Handler(stand_in_tls.Handler):
    state: State

    def respond(self):
        body = self.state.files.get(self.path)
        if body is None:
            self.answer(404, b"<html>not found</html>")
        else:
            self.file(body)

    def send(self, body: bytes, upto: int | None = None, **headers: str):
        """Send the body or the range asked for; see `send_from`."""
        etag = f'"{hashlib.md5(body).hexdigest()}"'
        start = self.start if self.headers.get("If-Range", etag) == etag else 0
        if start >= len(body):
            self.answer(416, Content_Range=f"bytes */{len(body)}")
            return
        stated = {"Content-Disposition": 'attachment; filename="../../../evil.pth"'}
        if self.state.validators:
            stated["ETag"] = etag
        self.send_from(start, body, upto, stated | {name.replace("_", "-"): value for name, value in headers.items()})


def status(code: int, **headers: str) -> Callable[[Handler, bytes], None]:
    return lambda handler, _: handler.answer(code, **headers)


def redirect(location: str) -> Callable[[Handler, bytes], None]:
    return status(302, Location=location)


def server(folder: Path) -> AbstractContextManager[tuple[dict[str, str], State]]:
    """(environment for clients, state) of a running stand-in; `folder` is for its certificate."""
    return stand_in_tls.running(folder, Handler, State(), (HOST, OTHER_HOST))
