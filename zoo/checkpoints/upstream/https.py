"""Download from a server of files over HTTPS.

An interrupted download goes on where it stopped, if the server says that the file is still the same one. Redirects keep
the scheme. Names and other facts in the headers are not believed.
"""

from __future__ import annotations

import importlib
import importlib.util
import ipaddress
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

from ...common import files, network_settings
from ...common.downloads import (
    CONNECT_TIMEOUT,
    READ_TIMEOUT,
    TEMPORARY,
    WAITS,
    in_short,
    is_transport,
    is_unreachable,
    pause,
)
from ...common.errors import WeightsCorruptedError, WeightsUnavailableError
from ...common.json_files import read_json
from ...common.progress import transfer
from .pickles import MAX_BYTES

_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5
_CLIENTS = ("httpx2", "httpx")  # the one that the Hub's client brings

Update = Callable[[int, int | None], None]


class Source(NamedTuple):
    """A file on a server, and what is known of it."""

    url: str
    size: int | None  # bytes
    limit: int  # bytes
    known: bool  # its sha256, which the caller verifies

    def check(self, total: int | None) -> None:
        if total is not None and self.size not in (None, total):
            raise WeightsCorruptedError(f"{self.url} has {total:,} bytes, expected {self.size:,}; it was not kept")
        if (total or 0) > self.limit:
            raise WeightsUnavailableError(f"{self.url} has {total:,} bytes; at most {self.limit:,} are allowed")


def download(
    url: str,
    folder: Path,
    size: int | None = None,
    known: bool = False,
    filename: str = "original.pth",
    limit: int = MAX_BYTES,
) -> Path:
    """Download a file into the folder of its own; a partial download is continued.

    Args:
        size: of the file in bytes, if known before.
        known: the caller knows its sha256 and verifies it, so that the rest may be requested from a server that
            does not say whether the file is still the same.
        filename: of the download.
        limit: bytes that the file may have.

    Raises:
        WeightsUnavailableError: the download is impossible; the message says why.
        WeightsCorruptedError: the file has another size.
    """
    target = folder / filename
    if target.exists():  # complete, but not converted: the process was killed, or the disk was full
        return target
    source, part = Source(url, size, limit, known), _Part(folder)
    host = urlsplit(url).hostname
    with transfer(str(host)) as update:
        _persistently(source, part, update)
    part.path.replace(target)
    part.note.unlink(missing_ok=True)
    return target


def is_allowed(url: str) -> bool:
    """Return True for an address over HTTPS; over HTTP only if it is of this machine or of a private network."""
    try:
        parts = urlsplit(url)
        host, usable = parts.hostname, parts.port != 0 and not re.search(r"[\s\x00-\x1f\x7f]", url)
    except ValueError:
        return False
    if not host or not usable or parts.username is not None:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_near(host))


def _is_near(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return host == "localhost"


# ------------------------------------------------------------------------------------------------- the partial file


class _Part:
    """The bytes that came, and a note of which file they are the beginning of."""

    def __init__(self, folder: Path):
        self.path, self.note = folder / "download.part", folder / "download.json"

    @property
    def received(self) -> int:
        return self.path.stat().st_size if self.path.is_file() else 0

    def validator(self, known: bool) -> str | None:
        """Return what the server is told to compare; "" if nothing need be told; None: the beginning is of no use."""
        try:
            noted = read_json(self.note)
            validator, whole = noted["validator"], noted["total"]
        except (OSError, ValueError, TypeError, KeyError):
            return None
        if not isinstance(validator, str) or not re.fullmatch(r"[\x20-\x7e]{0,1000}", validator):
            return None
        return validator if validator or (known and whole) else None

    def is_of(self, total: int | None) -> bool:
        try:
            return read_json(self.note)["total"] == total
        except (OSError, ValueError, TypeError, KeyError):
            return False

    def begin(self, validator: str, total: int | None) -> None:
        self.path.write_bytes(b"")
        files.write_atomically(self.note, json.dumps({"validator": validator, "total": total}).encode())

    def forget(self) -> None:
        self.note.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)


# ----------------------------------------------------------------------------------------------------- the requests


def _client(url: str) -> Any:
    for name in _CLIENTS:
        if importlib.util.find_spec(name):
            library = importlib.import_module(name)
            try:
                return library.Client(timeout=library.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT))
            except (
                OSError,
                ValueError,
                library.InvalidURL,
            ) as error:  # proxies and certificates are read before it connects
                raise WeightsUnavailableError(_failure(error, url)) from error
    raise WeightsUnavailableError("files over HTTPS need httpx, which is missing (pip install -U huggingface-hub)")


def _persistently(source: Source, part: _Part, update: Update) -> None:
    """Request the file until it is whole; retried while it makes progress, or while the server asks to wait."""
    waits, restarted = iter(WAITS), False
    with _client(source.url) as client:
        while True:
            received = part.received
            try:
                wait = _attempt(client, source, part, update)
                if wait is None:
                    return
                status, headers = wait
                pauses = next(waits, None)
                if pauses is None:
                    raise WeightsUnavailableError(_refusal(status, source.url))
                time.sleep(pause(headers, pauses))
            except _NoContinuationError:
                if restarted:
                    raise WeightsUnavailableError(f"{source.url} changes while it is read; try again later") from None
                restarted = True
                part.forget()
            except Exception as error:
                if not is_transport(error):
                    raise
                if part.received > received:  # the connection broke; request the rest
                    waits = iter(WAITS)
                    continue
                pauses = None if is_unreachable(error) else next(waits, None)
                if pauses is None:
                    raise WeightsUnavailableError(_failure(error, source.url)) from error
                time.sleep(pauses)


class _NoContinuationError(Exception):
    """What came is no continuation of what was there."""


def _attempt(client: Any, source: Source, part: _Part, update: Update) -> tuple[int, Any] | None:
    """Make one request, redirects included; returns None if the file is whole, else the status that asks to wait."""
    headers, received = {"Accept-Encoding": "identity"}, part.received
    validator = part.validator(source.known) if received else None
    if validator is None:
        part.forget()
        received = 0
    else:
        headers |= {"Range": f"bytes={received}-"} | ({"If-Range": validator} if validator else {})
    url = source.url
    for _ in range(_MOST_REDIRECTS + 1):
        with client.stream("GET", url, headers=headers, follow_redirects=False) as response:
            if response.status_code in _REDIRECTS:
                url = _next(url, response.headers.get("Location", ""))
                continue
            if response.status_code in TEMPORARY:
                return response.status_code, response.headers
            if response.status_code == 416 and received:
                raise _NoContinuationError
            if response.status_code not in (200, 206):
                raise WeightsUnavailableError(_refusal(response.status_code, source.url))
            _receive(response, source, part, received, update)
            return None
    raise WeightsUnavailableError(f"{source.url} leads from address to address ({_MOST_REDIRECTS} redirects)")


def _next(url: str, location: str) -> str:
    try:
        target = urljoin(url, location)
    except ValueError:
        target = ""
    is_worse = url.startswith("https:") and not target.startswith("https:")
    if not location or not is_allowed(target) or is_worse:
        raise WeightsUnavailableError(f"{url} leads to {location[:200]!r}, which is refused: not an address over https")
    return target


def _receive(response: Any, source: Source, part: _Part, received: int, update: Update) -> None:
    headers = response.headers
    if headers.get("Content-Encoding", "identity").lower() != "identity":
        raise WeightsUnavailableError(f"{source.url} comes compressed, which was not asked for; try again later")
    length = _number(headers.get("Content-Length"), source.url)
    if response.status_code == 206:
        start, total = _range(headers.get("Content-Range", ""))
        continues = received > 0 and start == received and part.is_of(total) and length in (None, total - start)
        if not continues:
            raise _NoContinuationError
    else:
        received, total = 0, length
    source.check(total)
    if not received:
        part.begin(_validator(headers), total)
    expected = total if total is not None else source.size
    with part.path.open("ab") as file:
        for block in response.iter_raw():
            received += len(block)
            if received > (source.limit if expected is None else expected):
                part.forget()
                raise WeightsUnavailableError(f"{source.url} sends more than it says; try again later")
            file.write(block)
            update(received, expected)
    source.check(received)


def _number(text: str | None, url: str) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise WeightsUnavailableError(f"{url} states the length {text[:40]!r}, which is no number; try again later")
    return int(text)


def _range(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"bytes ([0-9]{1,15})-([0-9]{1,15})/([0-9]{1,15})", text)
    if not found or int(found[2]) + 1 != int(found[3]):
        raise _NoContinuationError
    return int(found[1]), int(found[3])


def _validator(headers: Any) -> str:
    """Return the strong ETag, else the date, else nothing."""
    etag = headers.get("ETag", "")
    return etag if re.fullmatch(r'"[\x21\x23-\x7e]{1,900}"', etag) else headers.get("Last-Modified", "")


def _refusal(status: int, url: str) -> str:
    if status in (401, 403):
        return f"{url} is restricted (HTTP {status}); open it in a browser"
    if status in (404, 410):
        return f"{url} is no longer there (HTTP {status})"
    if status in TEMPORARY:
        return f"the server is busy or failing (HTTP {status} for {url}); try again later"
    return f"{url} cannot be read (HTTP {status}); open it in a browser"


def _failure(error: Exception, url: str) -> str:
    if wrong := network_settings.fault(network_settings.HTTPX, url, error):
        return wrong
    reason = network_settings.described(in_short(error), network_settings.HTTPX, url)
    if is_unreachable(error):
        return f"{url} cannot be reached ({reason}); check the network and the proxy"
    return f"{url} broke off ({reason}); run the same command again"
