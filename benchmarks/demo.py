"""How the demo's server holds: many users at once against a bare loop, random calls, the time to a first picture.

`empty` is the ceiling for `load` on the same machine: the same users on a Gradio app that computes nothing.

python benchmarks/demo.py load --users 32 --seconds 60
python benchmarks/demo.py empty --users 32 --seconds 20
python benchmarks/demo.py fuzz --calls 2000
python benchmarks/demo.py start
"""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import certifi
import typer

sys.path[0] = str(Path(__file__).resolve().parent.parent)  # the package, not the benchmarks beside this file

MODELS = ("contragan/digits", "infomax-gan/digits", "infomax-gan/cifar10-small")
COUNTS = (16, 32, 64, 64, 128)
SEEDS = 4
app = typer.Typer(add_completion=False)


def requests() -> list[tuple]:
    """The mixed requests: model, n, label, seed, truncation."""
    made = []
    for model in MODELS:
        for n in COUNTS:
            for seed in range(SEEDS):
                labels = (None, "all", 3, [1, 7]) if model == "contragan/digits" else (None,)
                made.append((model, n, labels[seed % len(labels)], seed, (None, 0.8)[seed % 2]))
    return made


def bare(made: list[tuple], seconds: float, threads: int) -> tuple[float, float]:
    """Images a second, and a second of processor time, of a loop of `zoo.GAN.sample` with the server's threads."""
    import torch

    import zoo
    from zoo.demo import validation
    from zoo.demo.settings import Settings

    torch.set_num_threads(threads)
    models = {name: zoo.load(name, device="cpu") for name in MODELS}
    checked = [validation.sample(Settings(), *request) for request in made]
    for name in MODELS:
        models[name].sample(16, seed=0)
    count, chance, start, used = 0, random.Random(0), time.perf_counter(), time.process_time()
    while time.perf_counter() - start < seconds:
        request = chance.choice(checked)
        models[request.model].sample(request.n, request.label, request.seed, request.truncation)
        count += request.n
    return count / (time.perf_counter() - start), count / (time.process_time() - used)


def expected(made: list[tuple]) -> list:
    """What each request must give: the pixels of the Python API."""
    import numpy as np

    import zoo
    from zoo.demo import validation
    from zoo.demo.settings import Settings

    grids = []
    for request in made:
        checked = validation.sample(Settings(), *request)
        images = zoo.load(checked.model, device="cpu").sample(
            checked.n, checked.label, checked.seed, checked.truncation
        )
        grids.append(np.asarray(images.grid()))
    return grids


def _stat(pid: str) -> list[str]:
    """The fields of /proc/PID/stat after the name; none for a process that has gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


@contextmanager
def plain_http() -> Iterator[None]:
    """Clients that load one certificate instead of all of them.

    gradio_client loads the certificates of all authorities several times a request (130 ms of processor time), though
    it speaks plain HTTP here. Users do that on machines of their own; here it would leave the server half a core.
    """
    end = "-----END CERTIFICATE-----\n"
    first, _, _ = Path(certifi.where()).read_text(encoding="ascii", errors="ignore").partition(end)
    with tempfile.TemporaryDirectory() as folder:
        one = Path(folder, "one.pem")
        one.write_text(first[first.index("-----BEGIN") :] + end)
        os.environ["SSL_CERT_FILE"] = str(one)
        try:
            yield
        finally:
            del os.environ["SSL_CERT_FILE"]


class Server:
    """`python app.py` in a process of its own."""

    def __init__(self, *flags: str):
        root = Path(__file__).resolve().parent.parent
        self.start = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, str(root / "app.py"), "--no-downloads", *flags],
            cwd=root,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        line = self.process.stdout.readline()
        self.url = next(word for word in line.split() if word.startswith("http"))

    def resident(self) -> float:
        """MB of memory, of the server and the processes that compute for it; pages that they share count twice."""
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self._processes())
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def processor(self) -> float:
        """Seconds of processor time so far, of all of them."""
        fields = [_stat(pid) for pid in self._processes()]
        return sum(int(field[11]) + int(field[12]) for field in fields) / os.sysconf("SC_CLK_TCK")

    def _processes(self) -> list[str]:
        pids = [path.name for path in Path("/proc").iterdir() if path.name.isdigit()]
        own = str(self.process.pid)
        return [own, *(pid for pid in pids if pid != own and _stat(pid)[1:2] == [own])]

    def health(self) -> dict:
        import httpx

        return httpx.get(self.url + "health", timeout=30).json()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


@app.command()
def load(
    users: Annotated[int, typer.Option(help="gradio_client users at once.")] = 32,
    seconds: Annotated[float, typer.Option(help="How long.")] = 60,
    threads: Annotated[int, typer.Option(help="CPU threads of the server and of the bare loop.")] = 1,
    bare_seconds: Annotated[float, typer.Option(help="Of the bare loop, before and after.")] = 20,
) -> None:
    """Mixed requests of many users, every picture checked; latencies, images a second, memory."""
    import numpy as np
    from gradio_client import Client
    from PIL import Image

    made = requests()
    grids = expected(made)
    before = bare(made, bare_seconds, threads)
    server = Server("--threads", str(threads))
    clients = [Client(server.url, verbose=False) for _ in range(users)]
    lock, latencies, images, wrong, errors, memory = threading.Lock(), [], 0, 0, [], []
    end = time.perf_counter() + seconds

    def user(number: int) -> None:
        nonlocal images, wrong
        chance = random.Random(number)
        while time.perf_counter() < end:
            i = chance.randrange(len(made))
            start = time.perf_counter()
            try:
                path, about = clients[number].predict(*made[i], api_name="/sample")
            except Exception as error:
                with lock:
                    errors.append(repr(error))
                continue
            taken = time.perf_counter() - start
            right = np.array_equal(np.asarray(Image.open(path)), grids[i])
            with lock:
                latencies.append(taken)
                images += about["n"]
                wrong += not right

    crowd = [threading.Thread(target=user, args=(number,)) for number in range(users)]
    start, used, own = time.perf_counter(), server.processor(), time.process_time()
    with plain_http():
        for one in crowd:
            one.start()
        while any(one.is_alive() for one in crowd):
            memory.append(server.resident())
            time.sleep(2)
    own = time.process_time() - own
    took = time.perf_counter() - start
    used = server.processor() - used
    healthy = server.health()["status"]
    server.stop()
    after = bare(made, bare_seconds, threads)
    ordered = sorted(latencies)
    rate, loop, alone = images / took, statistics.mean((before[0], after[0])), statistics.mean((before[1], after[1]))
    warm = memory[len(memory) // 4]
    print(f"users {users}, {took:.0f} s, {len(latencies)} requests, {images} images, threads {threads}")
    print(f"errors {len(errors)} {errors[:2]}, wrong pictures {wrong}, health afterwards {healthy}")
    print(f"latency p50 {ordered[len(ordered) // 2]:.2f} s, p95 {ordered[int(len(ordered) * 0.95)]:.2f} s")
    print(f"images/s {rate:.0f}; bare loop {before[0]:.0f} before, {after[0]:.0f} after: {rate / loop:.0%}")
    print(f"images a processor second: server {images / used:.0f}, bare loop {alone:.0f}: {images / used / alone:.0%}")
    print(f"processors in use: server {used / took:.2f}, clients {own / took:.2f}")
    print(
        f"memory in MB: {memory[0]:.0f} at first, {warm:.0f} warm, {memory[-1]:.0f} at the end, {max(memory):.0f} most"
    )


_EMPTY = """
import pathlib, tempfile, threading
import gradio as gr, numpy as np
from PIL import Image

path = pathlib.Path(tempfile.mkdtemp()) / "picture.png"
Image.fromarray(np.random.default_rng(0).integers(0, 256, (274, 274, 3), dtype=np.uint8)).save(path)
with gr.Blocks() as blocks:
    async def sample(model: str, n: int = 16) -> tuple[dict, dict]:
        return gr.FileData(path=str(path), orig_name=path.name, mime_type="image/png").model_dump(), {"n": n}
    gr.api(sample, api_name="sample", concurrency_limit=None)
_, url, _ = blocks.launch(allowed_paths=[str(path.parent)], quiet=True, prevent_thread_lock=True, ssr_mode=False)
print(url, flush=True)
threading.Event().wait()
"""


@app.command()
def empty(
    users: Annotated[int, typer.Option(help="gradio_client users at once.")] = 32,
    seconds: Annotated[float, typer.Option(help="How long.")] = 20,
) -> None:
    """Requests a second where a request costs no computation: 64 images as one PNG of noise that is there already."""
    from gradio_client import Client

    quiet = os.environ | {"GRADIO_ANALYTICS_ENABLED": "False"}
    server = subprocess.Popen([sys.executable, "-c", _EMPTY], stdout=subprocess.PIPE, text=True, env=quiet)
    url = server.stdout.readline().strip()
    clients = [Client(url, verbose=False) for _ in range(users)]
    end, counts = time.perf_counter() + seconds, [0] * users

    def user(number: int) -> None:
        while time.perf_counter() < end:
            clients[number].predict("model", 64, api_name="/sample")
            counts[number] += 1

    crowd = [threading.Thread(target=user, args=(number,)) for number in range(users)]
    start, used = time.perf_counter(), time.process_time()
    with plain_http():
        for one in crowd:
            one.start()
        for one in crowd:
            one.join()
    took, used = time.perf_counter() - start, time.process_time() - used
    server.kill()
    print(f"{sum(counts) / took:.1f} requests/s, of which the clients take {1000 * used / sum(counts):.0f} ms each")


@app.command()
def fuzz(calls: Annotated[int, typer.Option(help="Random calls.")] = 2000) -> None:
    """Random values for every parameter of every endpoint, and raw requests; the server must stay healthy."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "helpers"))
    from demo_fuzz import run

    server = Server("--threads", "1", "--max-evaluation-images", "60")
    start = time.perf_counter()
    print(run(server.url, calls, seed=0))
    print(f"{time.perf_counter() - start:.0f} s, {server.resident():.0f} MB, health {server.health()['status']}")
    server.stop()


@app.command()
def start(times: Annotated[int, typer.Option(help="Repetitions.")] = 3) -> None:
    """From `python app.py` to the first picture, against `import gradio, torch`."""
    import httpx

    for _ in range(times):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import gradio, torch"], check=True)
        imports = time.perf_counter() - begin
        server = Server()
        listening = time.perf_counter() - server.start
        call = httpx.post(
            server.url + "gradio_api/call/sample", json={"data": ["contragan/digits", 16, None, 0, None]}, timeout=60
        )
        event = call.json()["event_id"]
        text = httpx.get(server.url + f"gradio_api/call/sample/{event}", timeout=60).text
        picture = time.perf_counter() - server.start
        assert "event: complete" in text, text
        server.stop()
        times_taken = f"imports {imports:.1f} s, listening {listening:.1f} s, first picture {picture:.1f} s"
        print(f"{times_taken}: {picture - imports:+.1f} s")


if __name__ == "__main__":
    app()
