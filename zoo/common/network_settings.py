"""The settings of the network in the environment, as the clients read them: proxies and certificates.

The Hub's client uses httpx (before its version 1, requests), as do downloads over HTTPS; gdown uses requests,
torchvision and torch.hub urllib. Each reads other variables, and its error for a value that it cannot use seldom names
the variable. Nothing here connects.
"""

from __future__ import annotations

import importlib.util
import os
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from .text import one_line

KINDS = ("http", "https", "all")
PROXIES = tuple(f"{kind}_proxy" for kind in (*KINDS, "no"))
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_LIBRARIES = {"urllib", "urllib3", "requests", "gdown"}
_SYSTEM = "the proxy in the settings of the system"


class Setting(NamedTuple):
    """A variable and its value."""

    name: str
    value: str

    def __str__(self) -> str:
        """As messages show it: without a password."""
        shown = re.sub(r"^(.*?://)?.*@", r"\1...@", self.value)
        return one_line(f"{self.name}={shown}")


@dataclass(frozen=True)
class Client:
    """What a client of HTTP knows.

    Attributes:
        schemes: of proxies.
        socks: the package without which it knows no SOCKS proxy.
        strict: it reads all proxies and certificates before it connects, whatever the address.
        certificates: the variables that it reads, of which the first that is set counts.
        reads_all_proxy: where there is no proxy for the scheme of the address.
    """

    schemes: tuple[str, ...]
    socks: str | None
    strict: bool
    certificates: tuple[str, ...]
    reads_all_proxy: bool = True


_SOCKS5 = ("socks5", "socks5h")
HTTPX = Client(("http", "https", *_SOCKS5), "socksio", True, ("SSL_CERT_FILE", "SSL_CERT_DIR"))
REQUESTS = Client(
    ("http", "https", "socks4", "socks4a", *_SOCKS5),
    "socks",
    False,
    ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
)
URLLIB = Client(("http", "https"), None, False, ("SSL_CERT_FILE", "SSL_CERT_DIR"), reads_all_proxy=False)


def fault(client: Client, url: str, error: BaseException | None = None) -> str | None:
    """Return one line on the setting that keeps the client from this address, and what to do; None if there is none.

    Args:
        error: what the client raised, where a setting is to blame only for some errors.
    """
    proxy = proxy_of(client, url)
    for setting in _proxies().values() if client.strict else [proxy] if proxy else []:
        if found := _proxy_fault(client, setting):
            return found
    if client is HTTPX and type(error).__name__ == "InvalidURL":  # httpx takes an IPv6 network for a port
        unproxied = next((Setting(n, v) for n in ("no_proxy", "NO_PROXY") if (v := os.environ.get(n))), None)
        if unproxied:
            return f"{unproxied} has an entry that cannot be read; remove the one with colons or brackets"
    name = next((name for name in client.certificates if os.environ.get(name)), None)
    if name and _reads_certificates(client, name, url, error):
        return _certificates_fault(Setting(name, os.environ[name]))
    return None


def proxy_of(client: Client, url: str) -> Setting | None:
    """Return the setting of the proxy through which the client connects to this address; None = directly."""
    scheme, host = _parts(url)
    if not host or proxy_bypass(host):
        return None
    proxies = _proxies()
    return proxies.get(scheme) or (proxies.get("all") if client.reads_all_proxy else None)


def described(error: str, client: Client, url: str) -> str:
    """Add to the text of an error the proxy that was in the way, or the one that this client does not read."""
    if proxy := proxy_of(client, url):
        return f"{error}, through {proxy}"
    unread = _proxies().get("all")
    if unread and not client.reads_all_proxy and not proxy_bypass(_parts(url)[1]):
        return f"{error}, without {unread}, which is not read here; set {_parts(url)[0]}_proxy"
    return error


@contextmanager
def told(client: Client, url: str) -> Iterator[None]:
    """Inside, an error of the client is an OSError in one line if a setting is to blame, or a proxy in the way."""
    try:
        yield
    except Exception as error:
        if line := fault(client, url, error):
            raise OSError(line) from error
        of_client = isinstance(error, HTTPException) or type(error).__module__.partition(".")[0] in _LIBRARIES
        if not of_client:  # the disk is full, or what came is damaged
            raise
        raise OSError(described(str(error) or type(error).__name__, client, url)) from error


@contextmanager
def hidden() -> Iterator[None]:
    """Inside, no proxy and no file of certificates is set: for what connects to this machine alone."""
    names = [*CERTIFICATES, *PROXIES, *(name.upper() for name in PROXIES)]
    before = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(before)


def address_fault(setting: Setting) -> str | None:
    """Return one line on a setting that is to be the address of a server, and is none."""
    scheme, host = _parts(setting.value)
    if scheme in ("http", "https") and host:
        return None
    tail = re.sub(r"^(\w+:)?/+", "", setting.value)
    example = f"https://{tail}" if _parts(f"https://{tail}")[1] else "https://HOST"
    return f"{setting} is not an address; write {setting.name}={example}, or unset it"


def _proxies() -> dict[str, Setting]:
    found = getproxies()
    return {kind: Setting(_variable(f"{kind}_proxy", found[kind]), found[kind]) for kind in KINDS if found.get(kind)}


def _variable(name: str, value: str) -> str:
    """Return the variable in the case in which it is set; lower case counts before upper case."""
    return next((n for n in (name, name.upper()) if os.environ.get(n) == value), _SYSTEM)


def _proxy_fault(client: Client, setting: Setting) -> str | None:
    name, value = setting
    scheme, host = _parts(value if "://" in value else f"http://{value}")
    known = ", ".join(f"{scheme}://" for scheme in client.schemes)
    if not host:
        return f"{setting} is not the address of a proxy; write {name}=http://HOST:PORT, or unset it"
    if scheme.startswith("socks") and client.socks is None:
        return f"{setting} is a SOCKS proxy, which cannot be used here; give an HTTP proxy as {name}, or unset it"
    if scheme not in client.schemes:
        instead = f"socks5h{value[value.index(':') :]}" if scheme == "socks" else None
        advice = f"write {Setting(name, instead)}" if instead else f"a proxy begins with {known}"
        return f"{setting} is no kind of proxy that can be used here; {advice}, or unset it"
    if scheme.startswith("socks") and client.socks and importlib.util.find_spec(client.socks) is None:
        package = "PySocks" if client.socks == "socks" else client.socks
        return f"{setting} is a SOCKS proxy, which needs a package; run pip install {package}, or unset {name}"
    return None


def _parts(url: str) -> tuple[str, str]:
    """Return (scheme, host) of an address; the host is empty if the address cannot be used."""
    scheme = url.partition("://")[0].lower()
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        host.encode("idna")
        usable = parts.port != 0 and not re.search(r"\s", url)
    except ValueError:  # the port or the host
        usable = False
    return scheme, host if usable else ""


def _reads_certificates(client: Client, name: str, url: str, error: BaseException | None) -> bool:
    if client is URLLIB:  # OpenSSL looks in other places, too
        return "CERTIFICATE_VERIFY_FAILED" in str(error)
    return _parts(url)[0] == "https" or (client.strict and name == "SSL_CERT_FILE")


def _certificates_fault(setting: Setting) -> str | None:
    name, value = setting
    wanted = "folder" if name.endswith("DIR") else "file"
    try:
        if Path(value).is_dir() and name != "SSL_CERT_FILE":
            return None
        if wanted == "folder":
            reason = "is not a folder"
        else:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=value)
            return None
    except ssl.SSLError:
        reason = "holds no certificates"
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
    return f"{setting} {reason}; give the path of a {wanted} of certificates, or unset {name}"
