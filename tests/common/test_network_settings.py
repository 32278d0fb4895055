"""What a value of a proxy or of certificates means to each client, and what is said of one that it cannot use."""

from __future__ import annotations

import importlib
import os

import pytest

from zoo.common import network_settings
from zoo.common.network_settings import HTTPX, REQUESTS, URLLIB, Setting, fault, proxy_of, told

HUB, PLAIN = "https://hub.test/a", "http://hub.test/a"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch):
    for name in (*network_settings.PROXIES, *network_settings.CERTIFICATES):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
@pytest.mark.parametrize(
    ("value", "for_httpx", "for_requests", "for_urllib"),
    [
        ("127.0.0.1:8080", None, None, None),
        ("localhost:8080", None, None, None),
        ("http://u:secret@proxy:8080", None, None, None),
        ("HTTPS://[::1]:8080/", None, None, None),
        ("socks5h://127.0.0.1:9", "pip install socksio", None, "give an HTTP proxy"),
        ("SOCKS4://127.0.0.1:9", "no kind of proxy", None, "give an HTTP proxy"),
        ("socks://u:secret@127.0.0.1:9", *["write {}=socks5h://...@127.0.0.1:9"] * 2, "give an HTTP proxy"),
        ("ftp://127.0.0.1:9", *["no kind of proxy"] * 3),
        ("http://u:secret@:8080", *["write {}=http://HOST:PORT"] * 3),
        ("http://proxy:port", *["write {}=http://HOST:PORT"] * 3),
        ("proxy:99999", *["write {}=http://HOST:PORT"] * 3),
        ("http://", *["write {}=http://HOST:PORT"] * 3),
        ("http://a b:80", *["write {}=http://HOST:PORT"] * 3),
        ("http://[::1:80", *["write {}=http://HOST:PORT"] * 3),
        ("http://..:80", *["write {}=http://HOST:PORT"] * 3),
    ],
)
def test_a_proxy(monkeypatch, variable, value, for_httpx, for_requests, for_urllib):
    monkeypatch.setenv(variable, value)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "socksio" else name)
    if variable.lower() == "all_proxy":
        for_urllib = None  # does not read it
    for client, words in ((HTTPX, for_httpx), (REQUESTS, for_requests), (URLLIB, for_urllib)):
        line = fault(client, HUB)
        if words is None:
            assert line is None
        else:
            assert line.startswith(f"{variable}=")
            assert words.format(variable) in line
            assert f"unset {variable}" in line or "unset it" in line
        assert "secret" not in f"{line}{proxy_of(client, HUB)}"


def test_httpx_reads_as_we_do(monkeypatch):
    """The clients in use: what they refuse, and nothing else, is a fault."""
    for name in ("httpx", "httpx2"):
        client = pytest.importorskip(name)
        for value in (
            "127.0.0.1:8080",
            "http://u:p@proxy:1",
            "socks://h:1",
            "SOCKS5H://h:1",
            "ftp://h:1",
            "http://h:p",
        ):
            monkeypatch.setenv("all_proxy", value)
            refused = None
            try:
                client.Client().close()
            except Exception as error:
                refused = error
            assert (fault(HTTPX, HUB, refused) is None) == (refused is None), (name, value)


def test_which_proxy_is_taken(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "upper:1")
    monkeypatch.setenv("ALL_PROXY", "all:1")
    assert [str(proxy_of(client, HUB)) for client in (HTTPX, REQUESTS, URLLIB)] == ["HTTPS_PROXY=upper:1"] * 3
    assert [proxy_of(client, PLAIN) for client in (HTTPX, REQUESTS, URLLIB)] == [
        *[Setting("ALL_PROXY", "all:1")] * 2,
        None,
    ]
    monkeypatch.setenv("https_proxy", "lower:1")
    assert proxy_of(REQUESTS, HUB) == Setting("https_proxy", "lower:1")
    monkeypatch.setenv("no_proxy", "other.test,hub.test")
    assert proxy_of(REQUESTS, HUB) is None


def test_a_proxy_for_other_addresses_is_no_fault(monkeypatch):
    monkeypatch.setenv("http_proxy", "socks://127.0.0.1:9")
    assert fault(REQUESTS, HUB) is None
    assert fault(URLLIB, HUB) is None
    assert "http_proxy=socks" in fault(HTTPX, HUB), "it makes all its proxies beforehand"
    monkeypatch.setenv("no_proxy", "hub.test")
    assert fault(REQUESTS, PLAIN) is None


@pytest.mark.parametrize(
    ("client", "name", "other"),
    [(HTTPX, "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), (REQUESTS, "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")],
)
def test_certificates(monkeypatch, tmp_path, client, name, other):
    certifi = pytest.importorskip("certifi")
    text = tmp_path / "text.pem"
    text.write_text("no certificate")
    monkeypatch.setenv(other, "/nowhere.pem")
    assert fault(client, HUB) is None
    for value, words in ((certifi.where(), None), ("/nowhere.pem", "No such file"), (str(text), "holds no cert")):
        monkeypatch.setenv(name, value)
        line = fault(client, HUB)
        if words is None:
            assert line is None
        else:
            assert line.startswith(f"{name}={value} ")
            assert words in line
            assert line.endswith(f"unset {name}")
    assert (fault(client, PLAIN) is None) == (client is REQUESTS)


def test_certificates_of_curl_and_folders(monkeypatch, tmp_path):
    monkeypatch.setenv("CURL_CA_BUNDLE", "/nowhere.pem")
    assert fault(REQUESTS, HUB).startswith("CURL_CA_BUNDLE=/nowhere.pem cannot be read")
    monkeypatch.setenv("CURL_CA_BUNDLE", str(tmp_path))
    assert fault(REQUESTS, HUB) is None, "a folder will do"
    monkeypatch.setenv("SSL_CERT_DIR", "/nowhere")
    assert fault(HTTPX, HUB).startswith("SSL_CERT_DIR=/nowhere is not a folder")
    assert fault(HTTPX, PLAIN) is None
    assert fault(URLLIB, HUB, ConnectionRefusedError()) is None
    refused = OSError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")
    assert "SSL_CERT_DIR" in fault(URLLIB, HUB, refused)


def test_no_proxy_that_httpx_cannot_read(monkeypatch):
    httpx = pytest.importorskip("httpx")
    monkeypatch.setenv("no_proxy", "localhost,fe80::/10")
    assert fault(HTTPX, HUB) is None
    assert "no_proxy=localhost,fe80::/10 has an entry" in fault(HTTPX, HUB, httpx.InvalidURL("Invalid port: ':'"))


def test_an_error_is_told_with_the_setting(monkeypatch):
    from http.client import BadStatusLine

    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    with (
        pytest.raises(OSError, match=r"a answer.*, without ALL_PROXY=.*, which is not read here; set https_proxy"),
        told(URLLIB, HUB),
    ):
        raise BadStatusLine("a answer")
    monkeypatch.setenv("https_proxy", "http://u:secret@127.0.0.1:9")
    with pytest.raises(OSError, match=r"a answer.*, through https_proxy=http://\.\.\.@127.0.0.1:9$"), told(URLLIB, HUB):
        raise BadStatusLine("a answer")
    with pytest.raises(ValueError, match="damaged"), told(URLLIB, HUB):
        raise ValueError("damaged")
    monkeypatch.setenv("https_proxy", "socks5://127.0.0.1:9")
    with pytest.raises(OSError, match="https_proxy=socks5"), told(URLLIB, HUB):
        raise ValueError("of any kind")


def test_settings_are_hidden_for_a_while(monkeypatch):
    values = {"all_proxy": "a", "NO_PROXY": "b", "SSL_CERT_FILE": "c"}
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    with network_settings.hidden():
        assert not set(values) & set(os.environ)
    assert {name: os.environ[name] for name in values} == values


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        ("https://hf-mirror.com", None),
        ("http://127.0.0.1:8080/hub", None),
        ("hf-mirror.com", "HF_ENDPOINT=https://hf-mirror.com"),
        ("hf-mirror.com/hub", "HF_ENDPOINT=https://hf-mirror.com/hub"),
        ("127.0.0.1:8080", "HF_ENDPOINT=https://127.0.0.1:8080"),
        ("htps://hf-mirror.com", "HF_ENDPOINT=https://hf-mirror.com"),
        ("https:/hf-mirror.com", "HF_ENDPOINT=https://hf-mirror.com"),
        ("https://", "HF_ENDPOINT=https://HOST"),
        ("https://hub:port", "HF_ENDPOINT=https://HOST"),
    ],
)
def test_an_address(value, advice):
    line = network_settings.address_fault(Setting("HF_ENDPOINT", value))
    assert line == (advice and f"HF_ENDPOINT={value} is not an address; write {advice}, or unset it")
