"""A stand-in for Google Drive on this machine, with TLS and all, which gdown reaches through a proxy."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import stand_in_tls
from stand_in_tls import cut as cut

HOSTS = ("drive.google.com", "drive.usercontent.google.com", "docs.google.com")


@dataclass
class State(stand_in_tls.State):
    """`files` are by id."""

    folders: dict[str, dict[str, str]] = field(default_factory=dict)  # by id: name -> id of file
    warns: bool = False  # of files too large to be scanned, on a page of its own
    disposition: str = 'attachment; filename="netG.pth"'
    ranges: bool = True


class Handler(stand_in_tls.Handler):
    state: State

    def respond(self):
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        if url.path == "/embeddedfolderview" and query.get("id") in self.state.folders:
            self.folder(self.state.folders[query["id"]])
        elif url.path in ("/uc", "/download") and query.get("id") in self.state.files:
            if self.state.warns and "confirm" not in query:
                self.page(_WARNING.format(id=query["id"]))
            else:
                self.file(self.state.files[query["id"]])
        else:
            self.page("<html><title>404</title>not found</html>", 404)

    def folder(self, listed: dict[str, str]):
        links = [f'<a href="https://drive.google.com/file/d/{i}/view">{name}</a>' for name, i in listed.items()]
        self.page(f"<html><title>folder</title><body>{''.join(links)}</body></html>")

    def send(self, body: bytes, upto: int | None = None, **headers: str):
        """Send the body or the range asked for; see `send_from`."""
        stated = {"Content-Type": "application/octet-stream", "Content-Disposition": self.state.disposition}
        self.send_from(self.start if self.state.ranges else 0, body, upto, stated | headers)

    def page(self, text: str, status: int = 200, **headers: str):
        self.answer(status, text.encode(), Content_Type="text/html; charset=utf-8", **headers)


_WARNING = """<html><title>Google Drive - Virus scan warning</title><body>
<form id="download-form" action="https://drive.usercontent.google.com/download" method="get">\
<input type="hidden" name="id" value="{id}"><input type="hidden" name="export" value="download">\
<input type="hidden" name="confirm" value="t"></form></body></html>"""


def status(code: int, **headers: str) -> Callable[[Handler, bytes], None]:
    return lambda handler, _: handler.page(f"<html><title>{code}</title></html>", code, **headers)


def quota(handler: Handler, _: bytes) -> None:
    handler.page('<html><p class="uc-error-subcaption">Too many users have viewed this file recently.</p></html>')


def drive(folder: Path) -> AbstractContextManager[tuple[dict[str, str], State]]:
    """(environment for clients, state) of a running stand-in; `folder` is for its certificate."""
    return stand_in_tls.running(folder, Handler, State(), HOSTS)
