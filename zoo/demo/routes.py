"""The addresses that the demo has: those that its page, gradio_client and /health need. Gradio has many more."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

API = "/gradio_api"
_FILE_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,120}"
_ID = r"[A-Za-z0-9_-]{1,64}"
IDENTIFIER = re.compile(_ID)  # of sessions and events


@dataclass(frozen=True)
class Route:
    """Addresses of one kind.

    Attributes:
        query: the keys of the query that are passed on; None: all.
    """

    kind: str
    methods: tuple[str, ...]
    pattern: re.Pattern[str]
    query: tuple[str, ...] | None = ()


class Match(NamedTuple):
    route: Route
    parts: dict[str, str]


def _route(kind: str, methods: str, pattern: str, query: tuple[str, ...] | None = ()) -> Route:
    return Route(kind, tuple(methods.split()), re.compile(pattern, re.DOTALL), query)


ROUTES = (
    _route("page", "GET HEAD", "/"),
    _route("page", "GET", r"/config/?|/theme\.css|/manifest\.json|/robots\.txt|/favicon\.ico"),
    _route("page", "GET", rf"/(assets|static|svelte)(/{_FILE_NAME}){{1,8}}"),
    _route("health", "GET HEAD", "/health"),
    _route("page", "GET", rf"{API}/info/?", ("serialize", "all_endpoints")),
    _route("startup", "GET", rf"{API}/startup-events"),
    _route("join", "POST", rf"{API}/queue/join/?", None),  # the page passes on the query of its own address
    _route("data", "GET", rf"{API}/queue/data", ("session_hash",)),
    _route("call", "POST", rf"{API}/call(?P<v2>/v2)?/(?P<name>{_ID})/?"),
    _route("result", "GET", rf"{API}/call(/v2)?/(?P<name>{_ID})/(?P<event>{_ID})"),
    _route("cancel", "POST", rf"{API}/cancel/?"),
    _route("reset", "POST", rf"{API}/reset/?"),
    _route("heartbeat", "GET", rf"{API}/heartbeat/{_ID}"),
    _route("file", "GET HEAD", rf"{API}/file=(?P<path>.+)"),
)


def find(path: str) -> list[Match]:
    """Match an address without the root path; one match per route of its methods."""
    return [Match(route, found.groupdict()) for route in ROUTES if (found := route.pattern.fullmatch(path))]
