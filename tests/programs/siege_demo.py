"""A siege of the web demo: malformed calls, half requests, slow readers and honest callers side by side.

    python tests/programs/siege_demo.py 60 1       # seconds, seed: one JSON object of figures

The demo runs with few descriptors. Attackers and honest callers come from addresses of their own (127.0.0.2 ...), some
honest ones from the attackers' address, as behind one router.
"""

from __future__ import annotations

import json
import os
import random
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

# demo_fuzz lies beside the tests
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "helpers"))
import demo_fuzz
from ports import free_port

DESCRIPTORS = 256
_ATTACKER, _HONEST, _READER, _CALLER = "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"
_PATIENCE = 60.0  # seconds that an honest call may take


@dataclass
class _Counts:
    """What happened, counted by several threads.

    Attributes:
        silence: seconds of the longest time without an answer to an honest caller who asks all the time.
    """

    trials: int = 0
    halves: int = 0
    honest: int = 0
    unanswered: int = 0
    faults: int = 0
    silence: float = 0.0
    problems: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, **changes: int) -> None:
        with self.lock:
            for name, change in changes.items():
                setattr(self, name, getattr(self, name) + change)


def besiege(seconds: float, seed: int) -> dict:
    """Besiege a demo for so many seconds.

    Returns:
        trials: malformed and abandoned calls.
        half_requests: opened, and held where the server lets them.
        honest_calls, honest_unanswered: of callers whose address sends nothing else.
        errors_5xx: answers; tracebacks, faults_logged: in the log.
        mb_per_1000_calls: growth of the server's memory in the second half.
        descriptors_grown, temporary_files_left: after all have gone.
        longest_silence: seconds without an answer to an honest caller.
        seconds_to_end: after SIGTERM.
        faults: what went wrong, a line each, and which of the figures above is not zero though it has to be.
    """
    counts, end = _Counts(), time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder, _demo(Path(folder)) as (process, url, log):
        _honest_call(url, _HONEST)  # loads the model
        before = _descriptors(process.pid)
        threads = [
            threading.Thread(target=_malformed, args=(url, end, random.Random(seed), counts)),
            threading.Thread(target=_halves, args=(url, end, random.Random(seed + 1), counts)),
            threading.Thread(target=_readers, args=(url, end, counts)),
            threading.Thread(target=_leaving, args=(url, end, random.Random(seed + 2), counts)),
            threading.Thread(target=_leaving, args=(url, end, random.Random(seed + 3), counts)),
            threading.Thread(target=_asking, args=(url, end, counts, _HONEST)),
            threading.Thread(target=_asking, args=(url, end, counts, _ATTACKER)),
            threading.Thread(target=_sampling, args=(url, end, counts)),
        ]
        for thread in threads:
            thread.start()
        time.sleep(seconds / 2)
        calls, memory = counts.trials + counts.honest, _memory(process.pid)
        for thread in threads:
            thread.join()
        grown = (_memory(process.pid) - memory) / max(1, counts.trials + counts.honest - calls) * 1000
        left = _settled(process.pid, before)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        ended = time.monotonic() - began
        files = [path for path in Path(folder, "temporary").rglob("*") if path.is_file()]
        said = log.read_text(errors="replace")
    figures = {
        "trials": counts.trials,
        "half_requests": counts.halves,
        "honest_calls": counts.honest,
        "honest_unanswered": counts.unanswered,
        "errors_5xx": counts.faults,
        "tracebacks": said.count("Traceback"),
        "faults_logged": said.count('"where":'),
        "mb_per_1000_calls": round(grown, 2),
        "descriptors_grown": left,
        "temporary_files_left": len(files),
        "longest_silence": round(counts.silence, 2),
        "seconds_to_end": round(ended, 2),
    }
    wrong = [f"{name}: {figures[name]}" for name in _ZERO if figures[name]]
    return figures | {"faults": wrong + counts.problems[:10]}


_ZERO = ("honest_unanswered", "errors_5xx", "tracebacks", "faults_logged", "temporary_files_left")


@contextmanager
def _demo(folder: Path):
    """A demo with few descriptors: its process, its address, its log."""
    temporary, log = folder / "temporary", folder / "log"
    temporary.mkdir()
    port = free_port()
    options = ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu", "--no-downloads", "--max-images", "64"]
    command = shlex.join([sys.executable, "-m", "zoo", "demo", *options, "--max-evaluation-images", "60"])
    environment = os.environ | {"TMPDIR": str(temporary), "ZOO_CACHE": str(folder / "cache"), "HF_HUB_OFFLINE": "1"}
    with log.open("wb") as errors, subprocess.Popen(
        ["sh", "-c", f"ulimit -n {DESCRIPTORS}; exec {command}"],
        stdout=subprocess.PIPE, stderr=errors, env=environment, cwd=folder,
    ) as process:  # fmt: skip
        try:
            if not process.stdout.readline():
                raise RuntimeError(f"the demo did not start: {log.read_text()[-2000:]}")
            yield process, f"http://127.0.0.1:{port}/", log
        finally:
            process.kill()


def _client(url: str, address: str, seconds: float = _PATIENCE) -> httpx.Client:
    return httpx.Client(base_url=url, timeout=seconds, transport=httpx.HTTPTransport(local_address=address))


def _malformed(url: str, end: float, chance: random.Random, counts: _Counts) -> None:
    """Calls that are wrong in every way that the tests know, one after the other."""
    with _client(url, _CALLER) as client:
        functions = demo_fuzz.page_functions(client)
        while time.monotonic() < end:
            kind = chance.choice(("sample", "interpolate", "evaluate", "page", "raw", "bytes", "bytes"))
            try:
                demo_fuzz.one(client, url, chance, kind, functions, f"siege-{counts.trials}")
            except AssertionError as problem:
                counts.add(faults=1)
                counts.problems.append(str(problem)[:500])
            except (httpx.TransportError, OSError) as problem:
                counts.add(unanswered=1)
                counts.problems.append(repr(problem)[:500])
            counts.add(trials=1)


def _halves(url: str, end: float, chance: random.Random, counts: _Counts) -> None:
    """Requests that are begun and not ended, more than the server has descriptors."""
    address, held = httpx.URL(url), []
    starts = (b"", b"GET /health HTTP/1.1\r\nHost: x\r\nX: ", b"POST /gradio_api/cancel HTTP/1.1\r\nHost: x\r\n"
              b"Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{")  # fmt: skip
    while time.monotonic() < end:
        try:
            sock = socket.create_connection((address.host, address.port), 5, source_address=(_ATTACKER, 0))
            held.append(sock)
            sock.sendall(chance.choice(starts))
            counts.add(halves=1)
        except OSError:
            time.sleep(0.01)
        if len(held) > 2 * DESCRIPTORS:
            held.pop(0).close()
        if held and chance.random() < 0.2:  # a byte now and then
            with suppress(OSError):  # it has been closed, as it should be
                chance.choice(held).sendall(b"x")
        time.sleep(0.005)
    for sock in held:
        sock.close()


def _readers(url: str, end: float, counts: _Counts) -> None:
    """Those who ask for streams and large answers and do not read them, from an address of their own."""
    address, held = httpx.URL(url), []
    asked = (b"GET /config", b"GET /gradio_api/heartbeat/abc", b"GET /assets/none.js", b"GET /")
    while time.monotonic() < end:
        try:
            sock = socket.socket()
            held.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            sock.settimeout(5)
            sock.bind((_READER, 0))
            sock.connect((address.host, address.port))
            sock.sendall(asked[len(held) % len(asked)] + b" HTTP/1.1\r\nHost: x\r\n\r\n")
            counts.add(halves=1)
        except OSError:
            pass
        if len(held) > DESCRIPTORS:
            held.pop(0).close()
        time.sleep(0.05)
    for sock in held:
        sock.close()


def _asking(url: str, end: float, counts: _Counts, address: str) -> None:
    """Somebody who asks how the server is, all the time, and waits for each answer."""
    last = time.monotonic()
    while time.monotonic() < end:
        try:
            with _client(url, address, 10) as client:
                answered = client.get("health").status_code == 200
        except httpx.TransportError:
            answered = False
        now = time.monotonic()
        if answered:
            counts.add(honest=1)
            if address == _HONEST:
                counts.silence = max(counts.silence, now - last)
            last = now
        elif address == _HONEST:
            counts.add(unanswered=1)
        time.sleep(0.1)
    if address == _HONEST:
        counts.silence = max(counts.silence, time.monotonic() - last)


def _sampling(url: str, end: float, counts: _Counts) -> None:
    """Somebody who samples and fetches the pictures."""
    while time.monotonic() < end:
        try:
            _honest_call(url, _HONEST)
            counts.add(honest=1)
        except (httpx.HTTPError, ValueError) as problem:
            counts.add(unanswered=1)
            counts.problems.append(repr(problem)[:500])
        time.sleep(0.1)


def _leaving(url: str, end: float, chance: random.Random, counts: _Counts) -> None:
    """Callers who go before they have their answer, cancel what they asked for, or come back twice for it."""
    while time.monotonic() < end:
        with suppress(httpx.TransportError), _client(url, _CALLER, chance.choice((0.01, 0.1, 1))) as client:
            body = {"data": ["contragan/digits", 16, None, 0], "session_hash": f"leaving-{chance.randint(0, 3)}"}
            event = client.post("gradio_api/call/sample", json=body).json().get("event_id", "")
            kind = chance.choice(("stream", "both", "cancel", "nothing"))
            if kind in ("both", "cancel"):
                about = {"session_hash": body["session_hash"], "event_id": event, "fn_index": 0}
                client.post("gradio_api/cancel", json=about)
            if kind in ("stream", "both"):
                with client.stream("GET", f"gradio_api/call/sample/{event}") as stream:
                    next(stream.iter_lines(), None)
        counts.add(trials=1)


def _honest_call(url: str, address: str) -> None:
    with _client(url, address) as client:
        call = client.post("gradio_api/call/sample", json={"data": ["contragan/digits", 4, None, 0]}).raise_for_status()
        said = client.get(f"gradio_api/call/sample/{call.json()['event_id']}").raise_for_status().text
        about = json.loads(said.strip().splitlines()[-1].removeprefix("data: "))
        if isinstance(about, dict) and "are waiting already" in about["error"]:  # said at once, in a line
            return
        client.get(about[0]["url"]).raise_for_status()


def _memory(pid: int) -> float:
    """Megabytes of a process; 0 where the system does not tell."""
    status = Path(f"/proc/{pid}/status")
    found = [line for line in status.read_text().splitlines() if line.startswith("VmRSS")] if status.is_file() else []
    return int(found[0].split()[1]) / 1024 if found else 0.0


def _descriptors(pid: int) -> int:
    folder = Path(f"/proc/{pid}/fd")
    return sum(1 for _ in folder.iterdir()) if folder.is_dir() else 0


def _settled(pid: int, before: int) -> int:
    """How many descriptors more than before there are, once connections have had the time to end."""
    end = time.monotonic() + 30
    while (more := _descriptors(pid) - before) > 0 and time.monotonic() < end:
        time.sleep(0.1)
    return max(0, more)


if __name__ == "__main__":
    print(json.dumps(besiege(float(sys.argv[1]), int(sys.argv[2])), indent=1))
