"""Rules for all downloads: when to stay offline, which errors to retry, how long to wait."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

OFFLINE = "this process must stay offline (HF_HUB_OFFLINE or ZOO_OFFLINE is set)"
TEMPORARY = {408, 429, 500, 502, 503, 504}  # HTTP statuses that are worth a retry
WAITS = (1.0, 2.0)  # seconds before the second and the third try
LONGEST_WAIT = 30.0  # seconds that a server may ask for
CONNECT_TIMEOUT = 10.0  # seconds
READ_TIMEOUT = 60.0  # seconds without a byte

_LIBRARIES = {"httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3"}
T = TypeVar("T")


def is_offline() -> bool:
    """Return True if ZOO_OFFLINE, or one of the two variables of the Hub's client, is set."""
    wanted = (os.environ.get(name, "") for name in ("ZOO_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"))
    return any(value.upper() in ("1", "ON", "YES", "TRUE") for value in wanted)


def patiently(request: Callable[[], T]) -> T:
    """Return the result of a request, retried if the server is busy or failing, or the connection broke."""
    for wait in WAITS:
        try:
            return request()
        except Exception as error:
            response = getattr(error, "response", None)
            if response is not None and getattr(response, "status_code", None) in TEMPORARY:
                wait = pause(response.headers, wait)
            elif not is_transport(error) or is_unreachable(error):
                raise
            time.sleep(wait)
    return request()


def pause(headers: Mapping[str, str], otherwise: float) -> float:
    """Return the seconds to wait: as many as the server asks for, within bounds."""
    asked = headers.get("Retry-After", "")
    return min(float(asked), LONGEST_WAIT) if asked.isdecimal() else otherwise


def is_transport(error: BaseException) -> bool:
    """Return True if no complete answer came, as opposed to a refusal."""
    of_library = type(error).__module__.partition(".")[0] in _LIBRARIES
    return (of_library or isinstance(error, ConnectionError | TimeoutError)) and getattr(
        error, "response", None
    ) is None


def is_unreachable(error: BaseException) -> bool:
    """Return True if there is no connection at all, so that waiting does not help."""
    return is_transport(error) and any(word in type(error).__name__ for word in ("Connect", "Proxy"))


def in_short(error: BaseException) -> str:
    """Return the root cause of a library's error, as one short line."""
    while is_transport(error) and (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 160 else f"{type(error).__name__}: {text[:150]}..."
