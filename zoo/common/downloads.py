"""What all downloads share: whether to try at all, which answers may pass, how long to wait."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

OFFLINE = "this process is to stay offline (HF_HUB_OFFLINE or ZOO_OFFLINE is set)"
TEMPORARY = {408, 429, 500, 502, 503, 504}  # HTTP statuses that may pass
WAITS = (1.0, 2.0)  # seconds before the second and the third try
LONGEST_WAIT = 30.0  # seconds that a server may ask for
CONNECT_TIMEOUT = 10.0  # seconds
READ_TIMEOUT = 60.0  # seconds without a byte

_LIBRARIES = {"httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3"}
T = TypeVar("T")


def is_offline() -> bool:
    """As ZOO_OFFLINE says, or one of the two variables that the Hub's client heeds."""
    wanted = (os.environ.get(name, "") for name in ("ZOO_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"))
    return any(value.upper() in ("1", "ON", "YES", "TRUE") for value in wanted)


def patiently(request: Callable[[], T]) -> T:
    """The result of a request, made again a few times where the server is busy or in trouble, or was cut short."""
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
    """Seconds to wait: what the server asks for, within bounds."""
    asked = headers.get("Retry-After", "")
    return min(float(asked), LONGEST_WAIT) if asked.isdecimal() else otherwise


def is_transport(error: BaseException) -> bool:
    """Whether no answer came, or only a part of one, as opposed to an answer that says no."""
    of_library = type(error).__module__.partition(".")[0] in _LIBRARIES
    return (of_library or isinstance(error, ConnectionError | TimeoutError)) and getattr(
        error, "response", None
    ) is None


def is_unreachable(error: BaseException) -> bool:
    """Whether there is no connection at all, which waiting does not help."""
    return is_transport(error) and "Connect" in type(error).__name__


def in_short(error: BaseException) -> str:
    """What is at the bottom of a library's error, as one short line."""
    while is_transport(error) and (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 160 else f"{type(error).__name__}: {text[:150]}..."
