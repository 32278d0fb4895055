"""Bodies of requests: strict JSON of known fields, from which a body is made anew for Gradio.

A call carries numbers, strings, truth values, and lists of them: no files, no objects, nothing that moves a file.
"""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from .routes import IDENTIFIER

MAX_BODY = 64 * 1024  # bytes; the longest honest request is a list of a few hundred class names
_MAX_ITEMS = 1000
_LARGEST = 1 << 64  # a seed is smaller
_MAX_DIGITS = 22  # with the sign; browsers write longer numbers with an exponent


class Refused(Exception):  # noqa: N818  an answer, not a fault
    """A request that is answered with a status and one line."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


class Calls:
    """The calls that the functions of a page accept.

    Args:
        blocks: the page.
    """

    def __init__(self, blocks: Any):
        self._components = set(blocks.blocks)
        self._by_index = {key: _Function(fn) for key, fn in blocks.fns.items() if fn.fn is not None}
        self._by_name = {
            fn.api_name: self._by_index[key] for key, fn in blocks.fns.items() if fn.api_visibility == "public"
        }

    def join(self, body: bytes) -> dict[str, Any]:
        """Check the body of a call by the page or by gradio_client.

        Raises:
            Refused: what is wrong with it.
        """
        call = parsed(body)
        function = self._by_index.get(_integer(call, "fn_index"))
        if function is None:
            raise Refused(422, "the demo has no such function")
        trigger = None if call.get("trigger_id") is None else _integer(call, "trigger_id")
        return {
            "data": function.values(call.get("data")),
            "fn_index": call["fn_index"],
            "session_hash": identifier(call, "session_hash"),
            "trigger_id": trigger if trigger in self._components else None,  # the page itself is none
            "event_data": function.event(call.get("event_data")),
        }

    def named(self, name: str, body: bytes, by_parameter: bool) -> dict[str, Any]:
        """Check the body of a call by name, with a list of values (`{"data": [...]}`) or the parameters as an object.

        Raises:
            Refused: what is wrong with it; 404 for a name that no function has.
        """
        function = self._by_name.get(name)
        if function is None:
            raise Refused(404, "the demo has no such function")
        call = parsed(body)
        data = function.ordered(call) if by_parameter else call.get("data")
        answer: dict[str, Any] = {"data": function.values(data)}
        if not by_parameter and call.get("session_hash") is not None:
            answer["session_hash"] = identifier(call, "session_hash")
        return answer


class _Function:
    """The parameters that a function of the page takes values for, and the defaults of an endpoint's."""

    def __init__(self, fn: Any):
        self.defaults: dict[str, Any] = {}
        if fn.api_visibility == "public":
            parameters = inspect.signature(fn.fn).parameters.values()
            self.names = [p.name for p in parameters]
            self.defaults = {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}
        else:
            self.names = [f"value {i + 1}" for i in range(len(fn.inputs))]
        self.selects = any("SelectData" in str(p.annotation) for p in inspect.signature(fn.fn).parameters.values())

    def values(self, data: Any) -> list[Any]:
        """Return the values of a call, with defaults for missing ones, as gradio_client sends it."""
        values = [] if data is None else data
        if not isinstance(values, list) or len(values) > _MAX_ITEMS:
            raise Refused(422, "data is not a list of values")
        for value in values:
            _check_plain(value)
        if len(values) > len(self.names):
            takes = ", ".join(self.names)
            raise Refused(422, f"{len(values)} values for {len(self.names)} parameters ({takes})")
        missing = [name for name in self.names[len(values) :] if name not in self.defaults]
        if missing:
            raise Refused(422, f"a value for {missing[0]} is missing; the parameters are {', '.join(self.names)}")
        return [*values, *(self.defaults[name] for name in self.names[len(values) :])]

    def ordered(self, named: Mapping[str, Any]) -> list[Any]:
        """Return named parameters as a list, up to the last one given."""
        unknown = [name for name in named if name not in self.names]
        if unknown:
            raise Refused(422, f"there is no such parameter; the parameters are {', '.join(self.names)}")
        missing = [name for name in self.names if name not in named and name not in self.defaults]
        if missing:
            raise Refused(422, f"a value for {missing[0]} is missing; the parameters are {', '.join(self.names)}")
        return [named.get(name, self.defaults.get(name)) for name in self.names]

    def event(self, about: Any) -> dict[str, Any] | None:
        """Return the data of the event for functions that take it: the item chosen."""
        if not self.selects:
            return None
        index = about.get("index") if isinstance(about, dict) else None
        if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < 1 << 31:
            raise Refused(422, "event_data names no item by its index")
        return {"index": index, "value": None}


def parsed(body: bytes) -> dict[str, Any]:
    """Parse a JSON object: UTF-8, no key twice, finite numbers of a sensible size.

    Raises:
        Refused: the body is not one.
    """
    try:
        found = json.loads(
            body.decode(),
            object_pairs_hook=_object,
            parse_constant=_no_number,
            parse_float=_finite,
            parse_int=_bounded_int,
        )
    except Refused:
        raise
    except (ValueError, RecursionError):
        raise Refused(422, "the request is not JSON") from None
    if not isinstance(found, dict):
        raise Refused(422, "the request is not a JSON object")
    return found


def identifier(call: Mapping[str, Any], key: str) -> str:
    """Return a session's or an event's name.

    Raises:
        Refused: it is missing or invalid.
    """
    value = call.get(key)
    if not isinstance(value, str) or not IDENTIFIER.fullmatch(value):
        raise Refused(422, f"{key} is missing, or is not up to 64 letters, digits, - and _")
    return value


def cancelled(body: bytes) -> dict[str, Any]:
    """Check the body of a request to cancel a call."""
    call = parsed(body)
    about = {key: identifier(call, key) for key in ("session_hash", "event_id")}
    return about | {"fn_index": _integer(call, "fn_index")}


def reset(body: bytes) -> dict[str, Any]:
    """Check the body of a request to forget a call, which Gradio ignores."""
    return {"event_id": identifier(parsed(body), "event_id")}


def _integer(call: Mapping[str, Any], key: str) -> int:
    value = call.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Refused(422, f"{key} is missing, or is not a whole number")
    return value


def _check_plain(value: Any) -> None:
    items = value if isinstance(value, list) else [value]
    if len(items) > _MAX_ITEMS or any(isinstance(item, (dict, list)) for item in items):
        raise Refused(
            422, "a value is neither a number, a string, nor a list of them; the demo takes no files and no objects"
        )
    for item in items:
        if isinstance(item, str) and any("\ud800" <= character <= "\udfff" for character in item):
            raise Refused(422, "a value has half a character in it")


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Refused(422, "the request has a key twice")
    return found


def _no_number(text: str) -> None:
    raise Refused(422, f"{text} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise Refused(422, "a number is too large")
    return number


def _bounded_int(text: str) -> int | float:
    """Parse an integer; one that no field can take is a float, so that the field's check names it."""
    if len(text) > _MAX_DIGITS:
        raise Refused(422, "a number is too large")
    number = int(text)
    return number if abs(number) <= _LARGEST else float(number)
