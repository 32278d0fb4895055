"""Which failures are worth another try, and what is said of them."""

import pytest

from zoo.common import downloads


class AnswerError(Exception):
    """An error of a client that carries a response."""

    def __init__(self, status: int, **headers: str):
        super().__init__(status)
        self.response = type("Response", (), {"status_code": status, "headers": headers})


@pytest.fixture
def slept(monkeypatch):
    slept = []
    monkeypatch.setattr(downloads.time, "sleep", slept.append)
    return slept


def _fails(*errors):
    """A request that fails with each of these, then succeeds."""
    left = list(errors)

    def request():
        if left:
            raise left.pop(0)
        return "done"

    return request


def test_what_may_pass_is_tried_again(slept):
    import requests

    assert downloads.patiently(_fails(AnswerError(503), AnswerError(429, **{"Retry-After": "7"}))) == "done"
    assert slept == [downloads.WAITS[0], 7]
    assert downloads.patiently(_fails(requests.exceptions.ChunkedEncodingError("cut"))) == "done"
    assert downloads.patiently(_fails(AnswerError(429, **{"Retry-After": "86400"}))) == "done"
    assert slept[-1] == downloads.LONGEST_WAIT, "a server does not put us to sleep for a day"


def test_what_stays_is_not_tried_again(slept):
    import requests

    for error in (
        AnswerError(404),
        AnswerError(401),
        ValueError(),
        requests.ConnectionError("refused"),
        ConnectionRefusedError(),
    ):
        with pytest.raises(type(error)):
            downloads.patiently(_fails(error))
    assert slept == []
    with pytest.raises(AnswerError):
        downloads.patiently(_fails(*[AnswerError(500)] * 9))
    assert len(slept) == len(downloads.WAITS)


def test_an_error_in_short():
    error = ConnectionError("HTTPSConnectionPool(host=...): Max retries exceeded\n with url ...")
    error.__cause__ = OSError(111, "Connection refused")
    assert downloads.in_short(error) == "[Errno 111] Connection refused"
    assert downloads.in_short(ValueError()) == "ValueError"
    assert len(downloads.in_short(ValueError("x" * 1000))) < 200


@pytest.mark.parametrize(("value", "offline"), [("1", True), ("true", True), ("ON", True), ("0", False), ("", False)])
def test_offline(monkeypatch, value, offline):
    monkeypatch.delenv("HF_HUB_OFFLINE")
    for name in ("ZOO_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.setenv(name, value)
        assert downloads.is_offline() == offline
        monkeypatch.delenv(name)
