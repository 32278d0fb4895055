"""Random calls to a running demo: through the endpoints, to the page's own functions, and to raw addresses."""

from __future__ import annotations

import collections
import json
import random

import httpx

_WORDS = (
    "contragan/digits", "infomax-gan/digits", "contragan/cifar10", "nothing", "", "all", "7", "ship", "../../etc/pass",
    "/etc/passwd", "file:///etc/passwd", "http://127.0.0.1:1/", "contragan/digits@zoo", "clean", "published", "fid",
    "<script>alert(1)</script>", "\u0000", "💣" * 50, "x" * 5000, "%00", "NaN", "-1", "${jndi:ldap://x}", "' OR 1=1 --",
)  # fmt: skip
_ADDRESSES = (
    "gradio_api/file=/etc/passwd", "gradio_api/file=../../etc/passwd", "gradio_api/file=http://127.0.0.1/",
    "gradio_api/proxy=http://127.0.0.1/", "gradio_api/upload", "gradio_api/info", "gradio_api/startup-events",
    "monitoring", "config", "gradio_api/queue/status", "health", "?model=../../etc/passwd&seed=x", "static/../app.py",
    "gradio_api/component_server", "gradio_api/call/sample/nothing",
)  # fmt: skip
SECRETS = ("root:x:", "Traceback", 'File "/')


def value(chance: random.Random, depth: int = 0):
    """Anything that JSON can say, and some things that it cannot."""
    kinds = [
        lambda: chance.choice(_WORDS),
        lambda: chance.randint(-3, 20),
        lambda: chance.choice((0, -1, 10**6, 2**31, 2**63, 2**64, 10**30)),
        lambda: chance.choice((0.5, 1e308, -0.0, 1e-30, float("nan"), float("inf"), float("-inf"))),
        lambda: None,
        lambda: chance.random() < 0.5,
    ]
    if depth < 2:
        kinds += [
            lambda: [value(chance, depth + 1) for _ in range(chance.randint(0, 4))],
            lambda: {"path": chance.choice(_WORDS), "meta": {"_type": "gradio.FileData"}},
        ]
    return chance.choice(kinds)()


def run(url: str, calls: int, seed: int) -> dict[str, int]:
    """How many calls ended how; raises where something leaks, an error is not a clear line, or nothing comes back."""
    chance, outcomes = random.Random(seed), collections.Counter()
    with httpx.Client(base_url=url, timeout=60) as client:
        functions = [one["id"] for one in client.get("config").json()["dependencies"] if one["backend_fn"]]
        for i in range(calls):
            kind = chance.choice(("sample", "sample", "interpolate", "evaluate", "page", "raw"))
            if kind == "raw":
                outcomes[_raw(client, chance)] += 1
                continue
            data = [value(chance) for _ in range(chance.choice((0, 1, 2, 3, 5, 5, 5, 5, 9)))]
            if kind != "page" and chance.random() < 0.6:
                data[:1] = ["contragan/digits"]
            if kind == "page":
                session = f"fuzz{i}"
                body = {"data": data, "fn_index": chance.choice([*functions, -1, 10**6]), "session_hash": session}
                outcomes[_page(client, body, session)] += 1
            else:
                outcomes[_call(client, kind, data)] += 1
        assert client.get("health").json()["status"] == "ok"
        _picture(client)
    return dict(outcomes)


def _picture(client: httpx.Client) -> None:
    assert _call(client, "sample", ["contragan/digits", 4, 3, 0, None]) == "sample: complete"


def _post(client: httpx.Client, address: str, body) -> httpx.Response:
    text = json.dumps(body).encode()  # NaN and Infinity as Python writes them
    return _checked(client.post(address, content=text, headers={"content-type": "application/json"}))


def _checked(response: httpx.Response) -> httpx.Response:
    for secret in SECRETS:
        assert secret not in response.text, (response.request.url, response.text[:500])
    assert len(response.content) < 5_000_000
    return response


def _call(client: httpx.Client, name: str, data: list) -> str:
    joined = _post(client, f"gradio_api/call/{name}", {"data": data})
    if joined.status_code != 200:
        assert joined.status_code in (400, 404, 422), joined.text
        return f"{name}: {joined.status_code}"
    said = _checked(client.get(f"gradio_api/call/{name}/{joined.json()['event_id']}")).text
    event = said.strip().splitlines()[-2].removeprefix("event: ")
    if event == "error":
        about = json.loads(said.strip().splitlines()[-1].removeprefix("data: "))
        assert about, (name, data, said)
        assert about["error"], (name, data, said)
        assert len(about["error"]) < 2000, about
    return f"{name}: {event}"


def _page(client: httpx.Client, body: dict, session: str) -> str:
    joined = _post(client, "gradio_api/queue/join", body)
    if joined.status_code != 200:
        return f"page: {joined.status_code}"
    with client.stream("GET", f"gradio_api/queue/data?session_hash={session}") as stream:
        for line in stream.iter_lines():
            for secret in SECRETS:
                assert secret not in line, (body, line[:500])
            if '"process_completed"' in line:
                done = json.loads(line.removeprefix("data: "))
                return "page: complete" if done["success"] else "page: error"
    return "page: closed"


def _raw(client: httpx.Client, chance: random.Random) -> str:
    address = chance.choice(_ADDRESSES)
    response = _checked(client.get(address)) if chance.random() < 0.6 else _post(client, address, value(chance))
    return f"raw: {response.status_code}"
